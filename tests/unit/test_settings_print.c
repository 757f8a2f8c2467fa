/*
 * posternd/settings: what is printed is read as it was. A configuration made by
 * dice, each option of the table in it, is printed in one of the ways in which
 * it can be written, read, and printed again.
 *
 *	test_settings_print [ROUNDS]
 */
#include "lib/prelude.h"

#include "lib/net.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternd/settings_private.h"
#include "posternd/verify.h"
#include "tests/tap.h"

#define ROUNDS	300
#define LONGEST	60		/* of a text, but now and then its maximum */

static uint64_t state = 1;

static uint64_t
dice(uint64_t n)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return n == 0 ? state : (state >> 11) % n;
}

/* Any magnitude is as likely as any other. */
static uint64_t
number(uint64_t min, uint64_t max)
{
	uint64_t v = dice(0) >> dice(64);

	return dice(8) == 0 ? max : min + v % (max - min + 1);
}

/* --- values by dice ------------------------------------------------------------- */

/* All that may stand in one: quotes, signs that mean something, UTF-8. */
static char *
any_text(uint64_t min, uint64_t max)
{
	static const char *const bits[] = { "\"", "'", "\\", "$", "${HOME}",
	    "#", "//", "/*", "*/", "{", "}", "(", ")", "=", "+=", ",", " ", "\\n",
	    "\\x41", "\\101", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x93\xab",
	    "include", "%s", "end-of-postern-conf" };
	uint64_t n = dice(20) == 0 ? max : min + dice((max < LONGEST ? max :
	    LONGEST) - min + 1);
	struct buf b;
	char *text;

	buf_init(&b, 8192);
	while (b.len < n) {
		const char *bit = bits[dice(nitems(bits))];

		if (dice(3) == 0 && b.len + strlen(bit) <= n)
			buf_adds(&b, bit);
		else
			buf_addc(&b, (uint8_t)(' ' + dice(0x7f - ' ')));
	}
	text = xstrdup(buf_str(&b));
	buf_clear(&b);
	return text;
}

static uint32_t
words_of(const char *words)
{
	uint32_t n = 1;

	for (; *words != '\0'; words++)
		n += *words == ' ';
	return n;
}

static void
any_strs(const struct setting *s, struct conf_strs *at)
{
	size_t n = dice(4) + (s->def != NULL);

	at->v = xcalloc(n + 1, sizeof(*at->v));
	for (at->n = 0; at->n < n; at->n++)
		at->v[at->n] = any_text(s->min, s->max);
}

static void
any_limits(const struct setting *s, struct conf_list *at)
{
	struct conf_limit *l;
	size_t n = dice(3);

	while (n-- > 0) {
		l = settings_list_add(at, sizeof(*l));
		l->what = (uint32_t)s->min;
		l->count = s->min == LIMIT_BYTES ? number(0, UINT64_MAX - 1) :
		    number(0, 1000000000);
		l->window_sec = (uint32_t)number(1, 31 * 86400);
	}
}

static void
any_value(const struct setting *s, void *base)
{
	void *at = (char *)base + s->offset;

	switch (s->type) {
	case SET_STR:
		*(char **)at = s->def == NULL && dice(3) == 0 ? xstrdup("") :
		    any_text(s->min, s->max);
		break;
	case SET_BOOL:
		*(bool *)at = dice(2) == 0;
		break;
	case SET_WORD:
		*(uint32_t *)at = (uint32_t)dice(words_of(s->words));
		break;
	case SET_STRS:
		any_strs(s, at);
		break;
	case SET_LIMITS:
		any_limits(s, at);
		break;
	case SET_SIZE64:
		*(uint64_t *)at = number(s->min, s->max);
		break;
	default:
		*(uint32_t *)at = (uint32_t)number(s->min, s->max);
	}
}

static void
any_values(const char *section, void *base)
{
	size_t i;

	for (i = 0; i < settings_n; i++)
		if (strcmp(settings[i].section, section) == 0)
			any_value(&settings[i], base);
}

static struct config *
any_config(void)
{
	struct config *cfg = xcalloc(1, sizeof(*cfg));
	size_t i, k;
	void *one;

	cfg->file = xstrdup("printed");
	any_values("", cfg);
	for (i = 0; i < SECTIONS; i++) {
		if (sections[i].size == 0) {
			any_values(sections[i].name, cfg);
			continue;
		}
		for (k = 0; k <= dice(3); k++) {
			one = settings_list_add((struct conf_list *)
			    ((char *)cfg + sections[i].list),
			    sections[i].size);
			*(char **)one = k == 0 ? xstrdup("default") :
			    xasprintf("T-%zu.x_", k);
			any_values(sections[i].name, one);
		}
	}
	return cfg;
}

/* --- printing ---------------------------------------------------------------------- */

static struct buf out;
static bool varied;		/* in other ways than the plainest */

static void
put(const char *text)
{
	if (buf_adds(&out, text) == -1)
		abort();
}

static void
put_quoted(const char *text)
{
	char quote = varied && dice(2) == 0 ? '\'' : '"';
	char one[2] = { quote, '\0' };

	put(one);
	for (; *text != '\0'; text++) {
		if (*text == quote || *text == '\\' || (*text == '$' &&
		    quote == '"'))
			put("\\");
		one[0] = *text;
		put(one);
	}
	one[0] = quote;
	put(one);
}

static void
put_gap(void)
{
	static const char *const gaps[] = { " ", "\n", "\t ", "\r\n" };

	put(varied ? gaps[dice(nitems(gaps))] : " ");
}

/* Before and behind a whole option or section. */
static void
put_remark(void)
{
	static const char *const remarks[] = { " # a } \" remark\n",
	    " // another {\n", " /* a \"third\n = */ ", "" };

	put_gap();
	put(varied ? remarks[dice(nitems(remarks))] : "");
}

static void
put_name(const char *name)
{
	put_remark();
	put(name);
	put_gap();
	put("=");
	put_gap();
}

static void
put_strs(const char *name, char *const *v, size_t n)
{
	size_t i;

	if (n == 0)
		return;
	put_name(name);
	put("{");
	for (i = 0; i < n; i++) {
		put_gap();
		put_quoted(v[i]);
		if (i + 1 < n)
			put(",");
	}
	put_gap();
	put("}");
}

static void
put_limits(const struct setting *s, const struct conf_list *list)
{
	char count[NUM_TEXT_LEN], window[NUM_TEXT_LEN], *texts[8];
	size_t i, n = 0;

	for (i = 0; i < list->n; i++) {
		const struct conf_limit *l = CONF_AT(*list,
		    const struct conf_limit, i);

		if (l->what != s->min)
			continue;
		if (s->min == LIMIT_BYTES)
			num_print_size(l->count, count);
		else
			snprintf(count, sizeof(count), "%llu",
			    (unsigned long long)l->count);
		texts[n++] = xasprintf("%s/%s", count,
		    num_print_duration(l->window_sec, window));
	}
	put_strs(s->name, texts, n);
	while (n > 0)
		free(texts[--n]);
}

static void
put_word(const struct setting *s, uint32_t i)
{
	const char *w = s->words;
	char word[32];

	while (i-- > 0)
		w = strchr(w, ' ') + 1;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(w, " "), w);
	if (*word == '\0')
		return;			/* that it is not there is a value */
	put_name(s->name);
	put(word);
}

static void
put_number(const struct setting *s, uint64_t v)
{
	char text[NUM_TEXT_LEN];

	if (s->type == SET_TIME)
		num_print_duration(v, text);
	else if (s->type == SET_NUM)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	else
		num_print_size(v, text);
	put_name(s->name);
	if (varied && dice(2) == 0)
		put_quoted(text);
	else
		put(text);
}

static void
put_value(const struct setting *s, const void *base)
{
	const void *at = (const char *)base + s->offset;
	const struct conf_strs *strs = at;
	const char *text;

	switch (s->type) {
	case SET_STR:
		memcpy(&text, at, sizeof(text));
		if (*text == '\0' && s->min > 0)
			return;
		put_name(s->name);
		put_quoted(text);
		return;
	case SET_BOOL:
		put_name(s->name);
		put(*(const bool *)at ? "on" : "off");
		return;
	case SET_WORD:
		put_word(s, *(const uint32_t *)at);
		return;
	case SET_STRS:
		put_strs(s->name, strs->v, strs->n);
		return;
	case SET_LIMITS:
		put_limits(s, at);
		return;
	case SET_SIZE64:
		put_number(s, *(const uint64_t *)at);
		return;
	default:
		put_number(s, *(const uint32_t *)at);
	}
}

static void
put_values(const char *section, const void *base)
{
	size_t i;

	for (i = 0; i < settings_n; i++)
		if (strcmp(settings[i].section, section) == 0)
			put_value(&settings[i], base);
}

static void
put_section(const struct section *sec, const char *title, const void *base)
{
	put_remark();
	put(sec->name);
	if (title != NULL) {
		put_gap();
		put_quoted(title);
	}
	put_gap();
	put("{");
	put_values(sec->name, base);
	put_remark();
	put("}\n");
}

/* The caller frees it. */
static char *
print(const struct config *cfg, bool with_variety)
{
	const struct conf_list *list;
	const void *one;
	size_t i, k;

	varied = with_variety;
	buf_reset(&out);
	put_values("", cfg);
	put("\n");
	for (i = 0; i < SECTIONS; i++) {
		if (sections[i].size == 0) {
			put_section(&sections[i], NULL, cfg);
			continue;
		}
		list = (const struct conf_list *)((const char *)cfg +
		    sections[i].list);
		for (k = 0; k < list->n; k++) {
			one = (const char *)list->v + k * sections[i].size;
			put_section(&sections[i], *(char *const *)one, one);
		}
	}
	return xstrdup(buf_str(&out));
}

/* --- there and back --------------------------------------------------------------------- */

static void
show_difference(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	printf("#  was %.60s\n#  is  %.60s\n", a, b);
}

static bool
comes_back(void)
{
	struct config *was = any_config(), *is = xcalloc(1, sizeof(*is));
	char *text = print(was, true), *before = print(was, false), *after;
	struct buf problems;
	bool good;

	buf_init(&problems, 1 << 16);
	is->file = xstrdup("printed");
	good = settings_parse("printed", text, strlen(text), is, &problems) ==
	    0;
	if (good) {
		after = print(is, false);
		good = strcmp(before, after) == 0;
		if (!good)
			show_difference(before, after);
		free(after);
	} else
		printf("# %s\n", buf_str(&problems));
	buf_clear(&problems);
	free(text);
	free(before);
	config_free(&was);
	config_free(&is);
	return good;
}

/* --- values that have a form of their own --------------------------------------------------- */

static void
test_networks(void)
{
	char text[NET_PREFIX_LEN], again[NET_PREFIX_LEN];
	size_t i, k, wrong = 0;
	struct net n, back;

	for (i = 0; i < 20000; i++) {
		memset(&n, 0, sizeof(n));
		n.bits = (unsigned int)dice(129);
		if (dice(3) == 0) {		/* IPv4 */
			n.bits = 96 + (unsigned int)dice(33);
			memset(n.bytes + 10, 0xff, 2);
		}
		for (k = dice(2) == 0 && n.bits >= 96 ? 96 : 0; k < n.bits;
		    k++)
			if (k < 80 || k >= 96 || n.bits < 96)
				n.bytes[k / 8] |= (uint8_t)(dice(2) == 0 ?
				    0x80 >> k % 8 : 0);
		net_print_prefix(&n, text);
		memset(&back, 0xee, sizeof(back));
		if (!net_parse(text, &back) || back.bits != n.bits ||
		    memcmp(back.bytes, n.bytes, 16) != 0 ||
		    strcmp(net_print_prefix(&back, again), text) != 0) {
			wrong++;
			printf("# %s (%u bits)\n", text, n.bits);
		}
	}
	is_int(wrong, 0, "networks come back");
}

static void
test_next_hops(void)
{
	static const char *const hosts[] = { "mail.example.net", "a",
	    "xn--mller-kva.example", "192.0.2.7", "2001:db8::1", "::1",
	    "fe80::1:2:3:4" };
	size_t i, wrong = 0;
	struct next_hop nh;
	const char *host, *why;
	uint32_t port;
	bool implicit;
	char *text;

	for (i = 0; i < 4000; i++) {
		host = hosts[dice(nitems(hosts))];
		port = (uint32_t)number(1, 65535);
		implicit = dice(2) == 0;
		text = xasprintf(strchr(host, ':') != NULL ?
		    "%s://[%s]:%u" : "%s://%s:%u", implicit ? "smtps" : "smtp",
		    host, port);
		memset(&nh, 0xee, sizeof(nh));
		why = verify_next_hop(text, &nh);
		if (why != NULL || nh.mx || strcmp(nh.host, host) != 0 ||
		    nh.port != port || nh.implicit_tls != implicit) {
			wrong++;
			printf("# %s: %s\n", text, why == NULL ? nh.host : why);
		}
		free(text);
	}
	is_int(wrong, 0, "next hops come back");
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : ROUNDS;
	int i, wrong = 0;

	buf_init(&out, SETTINGS_FILE_MAX);
	for (i = 0; i < rounds; i++)
		wrong += !comes_back();
	is_int(wrong, 0, "%d configurations come back, each with %zu options",
	    rounds, settings_n);
	test_networks();
	test_next_hops();
	buf_clear(&out);
	return tap_done();
}
