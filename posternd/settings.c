/*
 * libconfuse takes apart what is written; everything else is ours: it sees all
 * options as text (or lists of it), so that types, ranges and doubled options
 * give messages in one form, all of them and not only the first.
 *
 * libconfuse takes a file that was cut off inside a section for complete. A
 * last option of ours is therefore appended to the text: when it has not
 * arrived at the top level, the file is not whole.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <confuse.h>
#include <fcntl.h>

#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternd/settings.h"

#define SENTINEL	"end-of-postern-conf"
#define STRING_MAX	4096
#define LIST_MAX	1000
#define DAY		86400u

/* --- the table ------------------------------------------------------------------ */

#define C(member) offsetof(struct config, member)
#define LI(member) offsetof(struct config_listen, member)
#define RO(member) offsetof(struct config_route, member)
#define CA(member) offsetof(struct conf_cap, member)

static const struct setting settings[] = {
	{ "", "hostname", SET_STR, NULL, 1, 255, NULL, C(hostname) },
	{ "", "state-dir", SET_STR, POSTERN_STATEDIR, 2, 1024, NULL,
	    C(state_dir) },
	{ "", "control-socket", SET_STR, POSTERN_RUNDIR "/control", 2, 107,
	    NULL, C(control_socket) },
	{ "", "program-dir", SET_STR, POSTERN_DAEMONDIR, 1, 1024, NULL,
	    C(program_dir) },
	{ "", "workers", SET_NUM, NULL, 1, 64, NULL, C(workers) },
	{ "", "relays", SET_NUM, "1", 1, 16, NULL, C(relays) },
	{ "", "sandbox", SET_BOOL, "on", 0, 0, NULL, C(sandbox) },
	{ "", "log", SET_WORD, "stderr", 0, 0, "stderr syslog journal",
	    C(log) },

	{ "users", "smtpd", SET_STR, "postern-smtpd", 1, 32, NULL,
	    C(users[ROLE_SMTPD].name) },
	{ "users", "auth", SET_STR, "postern-auth", 1, 32, NULL,
	    C(users[ROLE_AUTH].name) },
	{ "users", "keys", SET_STR, "postern-keys", 1, 32, NULL,
	    C(users[ROLE_KEYS].name) },
	{ "users", "queue", SET_STR, "postern-queue", 1, 32, NULL,
	    C(users[ROLE_QUEUE].name) },
	{ "users", "relay", SET_STR, "postern-relay", 1, 32, NULL,
	    C(users[ROLE_RELAY].name) },

	{ "tls", "certificate", SET_STR, NULL, 1, 1024, NULL,
	    C(certificate) },
	{ "tls", "key", SET_STR, NULL, 1, 1024, NULL, C(key) },

	{ "listen", "address", SET_STR, NULL, 0, 64, NULL, LI(address) },
	{ "listen", "port", SET_NUM, NULL, 1, 65535, NULL, LI(port) },
	{ "listen", "tls", SET_WORD, NULL, 0, 0, " starttls implicit",
	    LI(tls) },

	{ "accounts", "source", SET_WORD, "local", 0, 0, "local", C(source) },
	{ "accounts", "mechanisms", SET_STRS, "SCRAM-SHA-256,PLAIN,LOGIN",
	    1, 64, NULL, C(smtpd.mechanisms) },
	{ "accounts", "iterations", SET_NUM, "4096", 4096, 65536, NULL,
	    C(auth.iterations) },

	{ "limits", "message-size", SET_SIZE64, "50M", 64 << 10, 1 << 30,
	    NULL, C(smtpd.max_message_bytes) },
	{ "limits", "recipients", SET_NUM, "1000", 1, 1000, NULL,
	    C(smtpd.max_recipients) },
	{ "limits", "header-size", SET_SIZE, "256K", 4 << 10, 4 << 20, NULL,
	    C(smtpd.max_header_bytes) },
	{ "limits", "errors", SET_NUM, "10", 1, 1000, NULL,
	    C(smtpd.max_errors) },
	{ "limits", "sessions", SET_NUM, "4000", 1, 1000000, NULL,
	    C(max_sessions) },
	{ "limits", "sessions-per-address", SET_NUM, "50", 1, 1000000, NULL,
	    C(smtpd.max_sessions_per_address) },
	{ "limits", "hops", SET_NUM, "50", 2, 1000, NULL, C(smtpd.max_hops) },
	{ "limits", "greeting-time", SET_TIME, "1m", 1, DAY, NULL,
	    C(smtpd.greeting_sec) },
	{ "limits", "command-time", SET_TIME, "5m", 1, DAY, NULL,
	    C(smtpd.command_sec) },
	{ "limits", "data-time", SET_TIME, "3m", 1, DAY, NULL,
	    C(smtpd.data_sec) },
	{ "limits", "message-time", SET_TIME, "1h", 1, DAY, NULL,
	    C(smtpd.message_sec) },
	{ "limits", "session-time", SET_TIME, "4h", 1, 7 * DAY, NULL,
	    C(smtpd.session_sec) },

	{ "received", "client", SET_BOOL, "off", 0, 0, NULL,
	    C(smtpd.received_client) },
	{ "received", "account", SET_BOOL, "off", 0, 0, NULL,
	    C(smtpd.received_account) },

	{ "cap", "messages", SET_LIMITS, "30/1m", LIMIT_MESSAGES, 0, NULL,
	    CA(limits) },
	{ "cap", "recipients", SET_LIMITS, "200/1h,500/1d", LIMIT_RECIPIENTS,
	    0, NULL, CA(limits) },
	{ "cap", "bytes", SET_LIMITS, NULL, LIMIT_BYTES, 0, NULL,
	    CA(limits) },
	{ "cap", "recipients-per-message", SET_NUM, "100", 1, 1000, NULL,
	    CA(recipients_per_message) },
	{ "cap", "over", SET_WORD, "defer", 0, 0, "defer", CA(over) },

	{ "queue", "postmaster", SET_STR, NULL, 1, 254, NULL,
	    C(queue.postmaster) },
	{ "queue", "retry-first", SET_TIME, "5m", 1, DAY, NULL,
	    C(queue.retry_first_sec) },
	{ "queue", "retry-max", SET_TIME, "4h", 1, 7 * DAY, NULL,
	    C(queue.retry_max_sec) },
	{ "queue", "expire", SET_TIME, "5d", 1, 60 * DAY, NULL,
	    C(queue.expire_sec) },
	{ "queue", "warn", SET_TIME, "4h", 0, 60 * DAY, NULL,
	    C(queue.warn_sec) },
	{ "queue", "min-free", SET_SIZE64, "100M", 0, 1ull << 50, NULL,
	    C(queue.min_free_bytes) },
	{ "queue", "segment", SET_SIZE, "32M", 1 << 20, 1 << 30, NULL,
	    C(queue.segment_bytes) },
	{ "queue", "cache", SET_SIZE, "16M", 1 << 20, 1 << 30, NULL,
	    C(queue.cache_bytes) },

	{ "dns", "resolvers", SET_STRS, NULL, 1, 80, NULL,
	    C(relay.resolvers) },
	{ "dns", "trust-anchor", SET_STR, NULL, 0, 1024, NULL,
	    C(trust_anchor_file) },

	{ "route", "next-hop", SET_STR, NULL, 1, 300, NULL, RO(next_hop) },
	{ "route", "tls", SET_WORD, NULL, 0, 0, " none may starttls",
	    RO(tls) },
	{ "route", "user", SET_STR, NULL, 0, 255, NULL, RO(user) },
	{ "route", "password-file", SET_STR, NULL, 0, 1024, NULL,
	    RO(password_file) },
	{ "route", "ca-file", SET_STR, NULL, 0, 1024, NULL, RO(ca_file) },
	{ "route", "senders", SET_STRS, NULL, 1, 255, NULL, RO(senders) },
	{ "route", "connections", SET_NUM, "10", 1, 1000, NULL,
	    RO(connections) },
	{ "route", "messages", SET_NUM, "100", 1, 100000, NULL,
	    RO(messages) },
	{ "route", "idle-time", SET_TIME, "20s", 0, 3600, NULL,
	    RO(idle_sec) },
};

/* Sections with a title may come several times and have a struct each, which
 * begins with its name. */
static const struct section {
	const char *name;
	size_t	 list;		/* offset in struct config */
	size_t	 size;		/* of one; 0: no title, values in the config */
} sections[] = {
	{ "users", 0, 0 },
	{ "tls", 0, 0 },
	{ "listen", C(listens), sizeof(struct config_listen) },
	{ "accounts", 0, 0 },
	{ "limits", 0, 0 },
	{ "received", 0, 0 },
	{ "cap", C(queue.caps), sizeof(struct conf_cap) },
	{ "queue", 0, 0 },
	{ "dns", 0, 0 },
	{ "route", C(routes), sizeof(struct config_route) },
};

const struct setting *
settings_all(size_t *n)
{
	*n = nitems(settings);
	return settings;
}

/* --- what is being read: libconfuse's callbacks carry no argument of ours ----------- */

static struct config *now_config;
static struct buf *now_problems;

static void
problem_at(const char *file, int line, const char *text)
{
	if (buf_addf(now_problems, "%s:%d: %s\n", file, line, text) == -1)
		buf_adds(now_problems, "...\n");
}

static struct config_place *
find_place(const char *key)
{
	size_t i;

	for (i = 0; i < now_config->places.n; i++) {
		struct config_place *p = CONF_AT(now_config->places,
		    struct config_place, i);

		if (strcmp(p->key, key) == 0)
			return p;
	}
	return NULL;
}

static void *
list_add(struct conf_list *l, size_t size)
{
	void *at;

	l->v = xreallocarray(l->v, l->n + 1, size);
	at = (char *)l->v + l->n++ * size;
	memset(at, 0, size);
	return at;
}

static const char *
key_of(const cfg_t *sec, const char *option)
{
	bool top = strcmp(sec->name, "root") == 0;

	return config_key(top ? "" : sec->name, sec->title, option);
}

/* Called for each value as it is read: remembers where, notices doubles. */
static int
value_cb(cfg_t *sec, cfg_opt_t *opt, const char *value, void *result)
{
	const char *key = key_of(sec, opt->name);
	struct config_place *p = find_place(key);
	bool list = (opt->flags & CFGF_LIST) != 0;
	char text[256];

	*(const char **)result = value;
	if (p != NULL && (!list || opt->nvalues <= 1)) {
		snprintf(text, sizeof(text), "\"%s\" is set twice; line %u has "
		    "it already, remove one", key, p->line);
		problem_at(sec->filename, sec->line, text);
	} else if (p == NULL) {
		p = list_add(&now_config->places, sizeof(*p));
		p->key = xstrdup(key);
		p->file = xstrdup(sec->filename);
		p->line = (uint32_t)sec->line;
	}
	return 0;
}

/* --- guessing what was meant ------------------------------------------------------------ */

static size_t
common(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] != '\0' && a[i] == b[i])
		i++;
	return i;
}

/* Letters that two names share at both ends, against their lengths. */
static bool
similar(const char *a, const char *b, size_t *score)
{
	size_t la = strlen(a), lb = strlen(b), front = common(a, b), back = 0;

	while (back < la - front && back < lb - front &&
	    a[la - back - 1] == b[lb - back - 1])
		back++;
	*score = front + back;
	return *score >= 2 && (la > lb ? la : lb) - *score <= 2 &&
	    *score * 2 >= lb;
}

static void
guess(const char *section, const char *name, const char **best, size_t *most)
{
	size_t i, score;

	for (i = 0; i < nitems(settings); i++)
		if (strcmp(settings[i].section, section) == 0 &&
		    similar(name, settings[i].name, &score) && score > *most) {
			*most = score;
			*best = settings[i].name;
		}
	for (i = 0; *section == '\0' && i < nitems(sections); i++)
		if (similar(name, sections[i].name, &score) &&
		    score > *most) {
			*most = score;
			*best = sections[i].name;
		}
}

static void
unknown_option(const cfg_t *sec, const char *name)
{
	const char *section = strcmp(sec->name, "root") == 0 ? "" : sec->name;
	const char *best = NULL, *elsewhere = NULL;
	char text[512];
	size_t i, most = 0;

	guess(section, name, &best, &most);
	for (i = 0; best == NULL && i < nitems(settings); i++)
		if (strcmp(settings[i].name, name) == 0)
			elsewhere = settings[i].section;
	if (best != NULL)
		snprintf(text, sizeof(text), "there is no option \"%.64s\" "
		    "here; did you mean \"%s\"?", name, best);
	else if (elsewhere != NULL)
		snprintf(text, sizeof(text), "there is no option \"%.64s\" "
		    "here; it belongs %s%s%s", name, *elsewhere == '\0' ?
		    "at the top, outside of sections" : "into a section \"",
		    elsewhere, *elsewhere == '\0' ? "" : "\"");
	else
		snprintf(text, sizeof(text), "there is no option \"%.64s\" "
		    "here; postern.conf(5) lists them", name);
	problem_at(sec->filename, sec->line, text);
}

/* --- libconfuse's own complaints, with a remedy --------------------------------------------- */

static bool
quoted(const char *text, const char *before, char *word, size_t size)
{
	size_t len = strlen(before);

	if (strncmp(text, before, len) != 0)
		return false;
	snprintf(word, size, "%.*s", (int)size - 1, text + len);
	if (strrchr(word, '\'') != NULL)
		*strrchr(word, '\'') = '\0';
	return true;
}

__attribute__((format(printf, 2, 0))) static void
error_cb(cfg_t *sec, const char *fmt, va_list ap)
{
	const char *file = sec->filename != NULL ? sec->filename :
	    now_config->file;
	char text[512], word[256], out[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (strstr(text, SENTINEL) != NULL ||
	    strstr(text, "premature end") != NULL ||
	    strstr(text, "unterminated") != NULL)
		snprintf(out, sizeof(out), "the file ends inside a section, "
		    "quotes or a comment; is it complete, is a } or \" "
		    "missing?");
	else if (quoted(text, "no such option '", word, sizeof(word))) {
		unknown_option(sec, word);
		return;
	} else if (quoted(text, "found duplicate title '", word,
	    sizeof(word)))
		snprintf(out, sizeof(out), "another section has the title "
		    "\"%s\" already; choose another one", word);
	else
		snprintf(out, sizeof(out), "%s; is a quote, a = or a brace "
		    "missing here or above?", text);
	problem_at(file, sec->line, out);
}

/* --- include ---------------------------------------------------------------------------------- */

int
settings_slurp(const char *file, struct buf *text, const char **why)
{
	char part[16384];
	struct stat st;
	ssize_t n = -1;
	int fd;

	*why = NULL;
	fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		*why = strerrordesc_np(errno);
	else if (!S_ISREG(st.st_mode))
		*why = S_ISDIR(st.st_mode) ? "it is a directory" :
		    "it is not a regular file";
	while (*why == NULL && (n = read(fd, part, sizeof(part))) > 0)
		if (buf_add(text, part, (size_t)n) == -1)
			*why = "it is too large";
	if (*why == NULL && n == -1)
		*why = strerrordesc_np(errno);
	explicit_bzero(part, sizeof(part));
	if (fd != -1)
		close(fd);
	return *why == NULL ? 0 : -1;
}

static const char *
not_text(const struct buf *text)
{
	return text->len > 0 && memchr(text->data, '\0', text->len) != NULL ?
	    "it contains a NUL byte, so it is not a text file" : NULL;
}

/* Relative names start from the file that includes. */
static int
include_cb(cfg_t *sec, cfg_opt_t *opt, int argc, const char **argv)
{
	const char *why = "include() takes one file name", *slash;
	char path[PATH_MAX], message[PATH_MAX + 256];
	const char *args[] = { path };
	struct buf text;
	int n = 0;

	buf_init(&text, SETTINGS_FILE_MAX);
	path[0] = '\0';
	if (argc == 1) {
		slash = strrchr(sec->filename, '/');
		n = snprintf(path, sizeof(path), "%.*s%s", *argv[0] == '/' ||
		    slash == NULL ? 0 : (int)(slash - sec->filename + 1),
		    sec->filename, argv[0]);
		if (n < 0 || (size_t)n >= sizeof(path))
			why = "its name is too long";
		else if (settings_slurp(path, &text, &why) == 0)
			why = not_text(&text);
	}
	buf_clear(&text);
	if (why == NULL)
		return cfg_include(sec, opt, 1, args);
	snprintf(message, sizeof(message), "cannot include \"%s\": %s", path,
	    why);
	problem_at(sec->filename, sec->line, message);
	return 1;
}

/* --- libconfuse's tables, made from ours --------------------------------------------------------- */

static cfg_opt_t *
options_of(const char *section, size_t extra)
{
	cfg_opt_t end = CFG_END(), *opts, *o;
	size_t i, n = 0;

	for (i = 0; i < nitems(settings); i++)
		n += strcmp(settings[i].section, section) == 0;
	opts = o = xcalloc(n + extra + 1, sizeof(*opts));
	for (i = 0; i < nitems(settings); i++) {
		const struct setting *s = &settings[i];
		cfg_opt_t one = CFG_STR_CB(s->name, NULL, CFGF_NODEFAULT,
		    value_cb);

		if (strcmp(s->section, section) != 0)
			continue;
		if (s->type == SET_STRS || s->type == SET_LIMITS)
			one.flags |= CFGF_LIST;
		*o++ = one;
	}
	for (i = 0; i <= extra; i++)
		*o++ = end;
	return opts;
}

static cfg_t *
make_reader(cfg_opt_t **tables)
{
	cfg_opt_t include = CFG_FUNC("include", include_cb);
	cfg_opt_t sentinel = CFG_STR_CB(SENTINEL, NULL, CFGF_NODEFAULT,
	    value_cb);
	cfg_opt_t *o;
	cfg_t *cfg;
	size_t i;

	tables[0] = options_of("", nitems(sections) + 2);
	for (o = tables[0]; o->name != NULL; o++)
		;
	for (i = 0; i < nitems(sections); i++) {
		cfg_opt_t sec = CFG_SEC(sections[i].name, NULL, CFGF_MULTI);

		sec.subopts = tables[i + 1] = options_of(sections[i].name, 0);
		if (sections[i].size != 0)
			sec.flags |= CFGF_TITLE | CFGF_NO_TITLE_DUPES;
		*o++ = sec;
	}
	*o++ = include;
	*o++ = sentinel;
	cfg = cfg_init(tables[0], CFGF_NONE);
	for (i = 0; i <= nitems(sections); i++)
		free(tables[i]);
	if (cfg != NULL)
		cfg_set_error_function(cfg, error_cb);
	return cfg;
}

/* --- values ------------------------------------------------------------------------------------------ */

static char complaint[512];

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
	    sec > 31 * DAY)
		return "behind the / stands a window from 1s to 31d, such as "
		    "\"200/1h\"";
	l = list_add(limits, sizeof(*l));
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
	    "to %s, not \"%.64s\"", s->name, kind, from, to, text);
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
	    "%s; not \"%.64s\"", s->name, s->words + (*s->words == ' '),
	    text);
	return complaint;
}

static const char *
set_bool(const struct setting *s, const char *text, bool *at)
{
	*at = strcmp(text, "on") == 0;
	if (*at || strcmp(text, "off") == 0)
		return NULL;
	snprintf(complaint, sizeof(complaint), "\"%s\" should be on or off, "
	    "not \"%.64s\"", s->name, text);
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
set_one(const struct setting *s, const char *text, void *base)
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
		return add_limit(at, (uint32_t)s->min, text);
	default:
		return set_number(s, text, at);
	}
}

static void
set_default(const struct setting *s, void *base)
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
		set_one(s, one, base);
		if (p[n] == '\0')
			return;
		p += n + 1;
	}
}

/* --- from libconfuse's tree to struct config ------------------------------------------------------------ */

/*
 * sec NULL: the section is not there. Limits have no default inside of a cap
 * that was written out: what is not in it is not limited.
 */
static void
take_section(cfg_t *sec, const char *section, void *base)
{
	const struct setting *s;
	cfg_opt_t *opt;
	unsigned int i;
	const char *why, *key;

	for (s = settings; s < settings + nitems(settings); s++) {
		if (strcmp(s->section, section) != 0)
			continue;
		opt = sec == NULL ? NULL : cfg_getopt(sec, s->name);
		if (opt == NULL || opt->nvalues == 0) {
			key = sec == NULL ? NULL : key_of(sec, s->name);
			if (s->type != SET_LIMITS || sec == NULL)
				set_default(s, base);
			else if (find_place(key) != NULL)
				config_problem(now_problems, now_config, key,
				    "the list is empty; leave it out instead");
			continue;
		}
		if (s->type == SET_STR)
			*(char **)((char *)base + s->offset) = xstrdup("");
		for (i = 0; i < opt->nvalues; i++) {
			why = set_one(s, cfg_opt_getnstr(opt, i), base);
			if (why != NULL)
				config_problem(now_problems, now_config,
				    key_of(sec, s->name), "%s", why);
		}
	}
}

static bool
good_title(const char *t)
{
	size_t n = strspn(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
	    "UVWXYZ0123456789._-");

	return n > 0 && n <= 64 && t[n] == '\0';
}

static void
take_titled(cfg_opt_t *opt, const struct section *def)
{
	struct conf_list *list =
	    (struct conf_list *)((char *)now_config + def->list);
	unsigned int i;
	void *one;

	for (i = 0; i < opt->nvalues; i++) {
		cfg_t *sec = cfg_opt_getnsec(opt, i);
		const char *title = cfg_title(sec);

		if (title == NULL || !good_title(title)) {
			problem_at(sec->filename, sec->line, "the title of a "
			    "section is made of letters, digits, dots, dashes "
			    "and underscores, 64 at most");
			continue;
		}
		one = list_add(list, def->size);
		*(char **)one = xstrdup(title);
		take_section(sec, def->name, one);
	}
}

static void
take_untitled(cfg_opt_t *opt, const struct section *def)
{
	char text[256];

	if (opt->nvalues > 1) {
		cfg_t *second = cfg_opt_getnsec(opt, 1);

		snprintf(text, sizeof(text), "there are two sections \"%s\"; "
		    "make them one", def->name);
		problem_at(second->filename, second->line, text);
	}
	take_section(opt->nvalues == 0 ? NULL : cfg_opt_getnsec(opt, 0),
	    def->name, now_config);
}

/* Without a "cap default" in the file there is one all the same. */
static void
default_cap(void)
{
	struct conf_cap *cap;
	size_t i;

	for (i = 0; i < now_config->queue.caps.n; i++) {
		cap = CONF_AT(now_config->queue.caps, struct conf_cap, i);
		if (strcmp(cap->name, "default") == 0)
			return;
	}
	cap = list_add(&now_config->queue.caps, sizeof(*cap));
	cap->name = xstrdup("default");
	take_section(NULL, "cap", cap);
}

static void
take_all(cfg_t *cfg)
{
	size_t i;

	take_section(cfg, "", now_config);
	for (i = 0; i < nitems(sections); i++) {
		cfg_opt_t *opt = cfg_getopt(cfg, sections[i].name);

		if (sections[i].size != 0)
			take_titled(opt, &sections[i]);
		else
			take_untitled(opt, &sections[i]);
	}
	default_cap();
}

/* --- all of it ------------------------------------------------------------------------------------------- */

static int
parse_text(cfg_t *cfg, struct buf *text)
{
	FILE *fp = fmemopen(text->data, text->len, "r");
	int r;

	if (fp == NULL)
		return -1;
	r = cfg_parse_fp(cfg, fp);
	fclose(fp);
	if (r == CFG_SUCCESS && cfg_size(cfg, SENTINEL) == 0) {
		problem_at(now_config->file, cfg->line, "the file ends inside "
		    "a comment or quotes; is it complete?");
		return -1;
	}
	return r == CFG_SUCCESS ? 0 : -1;
}

int
settings_parse(const char *file, const char *text, size_t n,
    struct config *config, struct buf *problems)
{
	cfg_opt_t *tables[nitems(sections) + 1];
	size_t before = problems->len;
	struct buf all;
	cfg_t *cfg;

	now_config = config;
	now_problems = problems;
	buf_init(&all, SETTINGS_FILE_MAX + 64);
	if (n > SETTINGS_FILE_MAX || buf_add(&all, text, n) == -1 ||
	    buf_adds(&all, "\n" SENTINEL " = here\n") == -1) {
		buf_addf(problems, "%s: it is too large for a configuration\n",
		    file);
		return -1;
	}
	if (not_text(&all) != NULL) {
		buf_addf(problems, "%s: %s\n", file, not_text(&all));
		buf_clear(&all);
		return -1;
	}
	cfg = make_reader(tables);
	if (cfg == NULL) {
		buf_clear(&all);
		buf_addf(problems, "%s: out of memory\n", file);
		return -1;
	}
	cfg->filename = strdup(file);
	if (parse_text(cfg, &all) == 0)
		take_all(cfg);
	else if (problems->len == before)
		problem_at(file, cfg->line, "this is not a configuration; see "
		    "postern.conf(5)");
	cfg_free(cfg);
	buf_clear(&all);
	return problems->len == before ? 0 : -1;
}
