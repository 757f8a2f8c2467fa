/* From the text of an option to its value, or to what is wrong with it. */
#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternd/settings_private.h"

#define STRING_MAX	4096
#define LIST_MAX	1000
#define WINDOW_MAX	(31 * 86400u)

void *
settings_list_add(struct conf_list *l, size_t size)
{
	void *at;

	l->v = xreallocarray(l->v, l->n + 1, size);
	at = (char *)l->v + l->n++ * size;
	memset(at, 0, size);
	return at;
}

static char complaint[512];

/* So much of a value that it is known again. */
static const char *
shown(const char *text)
{
	return log_esc(text, strnlen(text, 64));
}

/* "500M/1d": a count (a size for bytes) within a window. */
static const char *
add_limit(struct conf_list *limits, uint32_t what, const char *text)
{
	struct conf_limit *l;
	const char *slash = strchr(text, '/');
	char count[32];
	uint64_t n, sec;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(count))
		return "a limit is a count and a window, such as \"200/1h\"";
	snprintf(count, sizeof(count), "%.*s", (int)(slash - text), text);
	if (what == LIMIT_BYTES ? num_parse_size(count, &n) == -1 :
	    num_parse(count, strlen(count), 0, 1000000000, &n) == -1)
		return what == LIMIT_BYTES ? "before the / stands a size, such "
		    "as \"500M/1d\"" : "before the / stands a number, such as "
		    "\"200/1h\"";
	if (num_parse_duration(slash + 1, &sec) == -1 || sec < 1 ||
	    sec > WINDOW_MAX)
		return "behind the / stands a window from 1s to 31d, such as "
		    "\"200/1h\"";
	l = settings_list_add(limits, sizeof(*l));
	l->what = what;
	l->count = n;
	l->window_sec = (uint32_t)sec;
	return NULL;
}

static const char *
out_of_range(const struct setting *s, const char *text)
{
	char a[NUM_TEXT_LEN], b[NUM_TEXT_LEN];
	const char *kind = "a number", *from, *to;

	if (s->type == SET_TIME) {
		kind = "a duration (30s, 5m, 4h, 5d)";
		from = num_print_duration(s->min, a);
		to = num_print_duration(s->max, b);
	} else if (s->type == SET_SIZE || s->type == SET_SIZE64) {
		kind = "a size (64K, 50M, 2G)";
		from = num_print_size(s->min, a);
		to = num_print_size(s->max, b);
	} else {
		snprintf(a, sizeof(a), "%llu", (unsigned long long)s->min);
		snprintf(b, sizeof(b), "%llu", (unsigned long long)s->max);
		from = a;
		to = b;
	}
	snprintf(complaint, sizeof(complaint), "\"%.64s\" should be %s from %s "
	    "to %s, not \"%s\"", s->name, kind, from, to, shown(text));
	return complaint;
}

static const char *
set_number(const struct setting *s, const char *text, void *at)
{
	uint64_t v;
	int r;

	if (s->type == SET_TIME)
		r = num_parse_duration(text, &v);
	else if (s->type == SET_NUM)
		r = num_parse(text, strlen(text), 0, UINT32_MAX, &v);
	else
		r = num_parse_size(text, &v);
	if (r == -1 || v < s->min || v > s->max)
		return out_of_range(s, text);
	if (s->type == SET_SIZE64)
		*(uint64_t *)at = v;
	else
		*(uint32_t *)at = (uint32_t)v;
	return NULL;
}

static const char *
set_word(const struct setting *s, const char *text, uint32_t *at)
{
	const char *w = s->words;
	size_t len = strlen(text);
	uint32_t i;

	for (i = 0; ; i++) {
		size_t n = strcspn(w, " ");

		if (n == len && n > 0 && strncmp(w, text, n) == 0) {
			*at = i;
			return NULL;
		}
		if (w[n] == '\0')
			break;
		w += n + 1;
	}
	snprintf(complaint, sizeof(complaint), "\"%s\" should be one of: "
	    "%s; not \"%s\"", s->name, s->words + (*s->words == ' '),
	    shown(text));
	return complaint;
}

static const char *
set_bool(const struct setting *s, const char *text, bool *at)
{
	*at = strcmp(text, "on") == 0;
	if (*at || strcmp(text, "off") == 0)
		return NULL;
	snprintf(complaint, sizeof(complaint), "\"%s\" should be on or off, "
	    "not \"%s\"", s->name, shown(text));
	return complaint;
}

static const char *
check_text(const struct setting *s, const char *text)
{
	size_t i, len = strlen(text);

	for (i = 0; i < len; i++)
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f) {
			snprintf(complaint, sizeof(complaint), "\"%s\" "
			    "contains a control character or a line end; is a "
			    "quote missing?", s->name);
			return complaint;
		}
	if (len >= s->min && len <= s->max && len <= STRING_MAX)
		return NULL;
	snprintf(complaint, sizeof(complaint), len == 0 ? "\"%s\" is empty; "
	    "give it a value or leave it out" : "the value of \"%s\" is too "
	    "%s", s->name, len > s->max ? "long" : "short");
	return complaint;
}

static const char *
set_text(const struct setting *s, const char *text, char **at)
{
	const char *why = check_text(s, text);

	if (why != NULL)
		return why;
	free(*at);
	*at = xstrdup(text);
	return NULL;
}

static const char *
add_text(const struct setting *s, const char *text, struct conf_strs *at)
{
	const char *why = check_text(s, text);

	if (why != NULL)
		return why;
	if (at->n == LIST_MAX)
		return "the list is too long";
	at->v = xreallocarray(at->v, at->n + 1, sizeof(*at->v));
	at->v[at->n++] = xstrdup(text);
	return NULL;
}

static const char *
set_limit(const struct setting *s, const char *text, struct conf_list *at)
{
	const char *why = add_limit(at, (uint32_t)s->min, text);

	if (why == NULL)
		return NULL;
	snprintf(complaint, sizeof(complaint), "\"%s\": %s, not \"%s\"",
	    s->name, why, shown(text));
	return complaint;
}

const char *
settings_set(const struct setting *s, const char *text, void *base)
{
	void *at = (char *)base + s->offset;

	switch (s->type) {
	case SET_STR:
		return set_text(s, text, at);
	case SET_BOOL:
		return set_bool(s, text, at);
	case SET_WORD:
		return set_word(s, text, at);
	case SET_STRS:
		return add_text(s, text, at);
	case SET_LIMITS:
		return set_limit(s, text, at);
	default:
		return set_number(s, text, at);
	}
}

void
settings_set_default(const struct setting *s, void *base)
{
	char one[STRING_MAX];
	const char *p = s->def;
	bool list = s->type == SET_STRS || s->type == SET_LIMITS;

	if (p == NULL) {
		if (s->type == SET_STR)
			*(char **)((char *)base + s->offset) = xstrdup("");
		return;
	}
	for (;;) {
		size_t n = list ? strcspn(p, ",") : strlen(p);

		snprintf(one, sizeof(one), "%.*s", (int)n, p);
		settings_set(s, one, base);
		if (p[n] == '\0')
			return;
		p += n + 1;
	}
}
