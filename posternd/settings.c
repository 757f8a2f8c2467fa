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

#include "lib/xalloc.h"
#include "posternd/settings_private.h"

#define NOT_TEXT	"it contains a NUL byte, so it is not a text file"

/* --- what is being read: libconfuse's callbacks carry no argument of ours ----------- */

static struct config *now_config;

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
	if (settings_scouting())
		return 0;
	if (p != NULL && (!list || opt->nvalues <= 1)) {
		snprintf(text, sizeof(text), "\"%s\" is set twice; line %u has "
		    "it already, remove one", key, p->line);
		settings_problem_at(sec->filename, sec->line, text);
	} else if (p == NULL) {
		p = settings_list_add(&now_config->places, sizeof(*p));
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

	*score = la;
	if (la == lb && la - front >= 2 && a[front] == b[front + 1] &&
	    a[front + 1] == b[front] && strcmp(a + front + 2, b + front + 2)
	    == 0)
		return true;	/* two letters in the wrong order */
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

	for (i = 0; i < settings_n; i++)
		if (strcmp(settings[i].section, section) == 0 &&
		    similar(name, settings[i].name, &score) && score > *most) {
			*most = score;
			*best = settings[i].name;
		}
	for (i = 0; *section == '\0' && i < SECTIONS; i++)
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
	for (i = 0; best == NULL && i < settings_n; i++)
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
	settings_problem_at(sec->filename, sec->line, text);
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
	if (strstr(text, SETTINGS_SENTINEL) != NULL ||
	    strstr(text, "premature end") != NULL ||
	    strstr(text, "unterminated") != NULL)
		snprintf(out, sizeof(out), "the file ends inside a section, "
		    "quotes or a comment; is it complete, is a } or \" "
		    "missing?");
	else if (quoted(text, "no such option '", word, sizeof(word))) {
		unknown_option(sec, word);
		return;
	} else if (quoted(text, "found duplicate title '", word,
	    sizeof(word))) {
		settings_title_twice(sec, word);
		return;
	} else if (strstr(text, "parenthesis for function 'include'") != NULL)
		snprintf(out, sizeof(out), "another file is read with "
		    "include(\"FILE\"), parentheses and all");
	else
		snprintf(out, sizeof(out), "%s; is a quote, a = or a brace "
		    "missing here or above?", text);
	settings_problem_at(file, sec->line, out);
}

/* --- include ---------------------------------------------------------------------------------- */

static const char *
not_text(const struct buf *text)
{
	return text->len > 0 && memchr(text->data, '\0', text->len) != NULL ?
	    NOT_TEXT : NULL;
}

/* Relative names start from the file that includes. */
static int
include_cb(cfg_t *sec, cfg_opt_t *opt, int argc, const char **argv)
{
	const char *why = "include() takes one file name", *slash;
	char path[PATH_MAX], message[PATH_MAX + 256];
	struct buf text;
	int n = 0, r = 0;

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
	if (why == NULL && settings_scouting())
		settings_scouted(path, sec->line);
	else if (why == NULL)
		r = settings_read_within(sec, path, buf_str(&text), text.len);
	buf_clear(&text);
	if (why == NULL)
		return r == 0 ? 0 : 1;
	snprintf(message, sizeof(message), "cannot include \"%s\": %s%s", path,
	    why, settings_for_root(path) ? "; run this as root" : "");
	settings_problem_at(sec->filename, sec->line, message);
	return 1;
}

/* --- libconfuse's tables, made from ours --------------------------------------------------------- */

static cfg_opt_t *
options_of(const char *section, size_t extra)
{
	cfg_opt_t end = CFG_END(), *opts, *o;
	size_t i, n = 0;

	for (i = 0; i < settings_n; i++)
		n += strcmp(settings[i].section, section) == 0;
	opts = o = xcalloc(n + extra + 1, sizeof(*opts));
	for (i = 0; i < settings_n; i++) {
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
reader(const char *file)
{
	cfg_opt_t *tables[SECTIONS + 1];
	cfg_opt_t include = CFG_FUNC("include", include_cb);
	cfg_opt_t sentinel = CFG_STR_CB(SETTINGS_SENTINEL, NULL, CFGF_NODEFAULT,
	    value_cb);
	cfg_opt_t *o;
	cfg_t *cfg;
	size_t i;

	tables[0] = options_of("", SECTIONS + 2);
	for (o = tables[0]; o->name != NULL; o++)
		;
	for (i = 0; i < SECTIONS; i++) {
		cfg_opt_t sec = CFG_SEC(sections[i].name, NULL, CFGF_MULTI);

		sec.subopts = tables[i + 1] = options_of(sections[i].name, 0);
		if (sections[i].size != 0)
			sec.flags |= CFGF_TITLE | CFGF_NO_TITLE_DUPES;
		*o++ = sec;
	}
	*o++ = include;
	*o++ = sentinel;
	cfg = cfg_init(tables[0], CFGF_NONE);
	for (i = 0; i <= SECTIONS; i++)
		free(tables[i]);
	if (cfg == NULL) {
		settings_problem_at(file, 1, "out of memory");
		return NULL;
	}
	cfg_set_error_function(cfg, error_cb);
	cfg->filename = strdup(file);
	return cfg;
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

	for (s = settings; s < settings + settings_n; s++) {
		if (strcmp(s->section, section) != 0)
			continue;
		opt = sec == NULL ? NULL : cfg_getopt(sec, s->name);
		if (opt == NULL || opt->nvalues == 0) {
			key = sec == NULL ? NULL : key_of(sec, s->name);
			if (s->type != SET_LIMITS || sec == NULL)
				settings_set_default(s, base);
			else if (find_place(key) != NULL)
				config_problem(settings_problems(), now_config,
				    key, "the list is empty; leave it out "
				    "instead");
			continue;
		}
		if (s->type == SET_STR)
			*(char **)((char *)base + s->offset) = xstrdup("");
		for (i = 0; i < opt->nvalues; i++) {
			why = settings_set(s, cfg_opt_getnstr(opt, i), base);
			if (why != NULL)
				config_problem(settings_problems(), now_config,
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
			settings_problem_at(sec->filename, sec->line, "the "
			    "section that ends here needs a title of letters, "
			    "digits, dots, dashes and underscores, 64 at most");
			continue;
		}
		one = settings_list_add(list, def->size);
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

		snprintf(text, sizeof(text), "there are two sections \"%s\", "
		    "the second ends here; make them one", def->name);
		settings_problem_at(second->filename, second->line, text);
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
	cap = settings_list_add(&now_config->queue.caps, sizeof(*cap));
	cap->name = xstrdup("default");
	take_section(NULL, "cap", cap);
}

static void
take_all(cfg_t *cfg)
{
	size_t i;

	take_section(cfg, "", now_config);
	for (i = 0; i < SECTIONS; i++) {
		cfg_opt_t *opt = cfg_getopt(cfg, sections[i].name);

		if (sections[i].size != 0)
			take_titled(opt, &sections[i]);
		else
			take_untitled(opt, &sections[i]);
	}
	default_cap();
}

/* --- all of it ------------------------------------------------------------------------------------------- */

int
settings_parse(const char *file, const char *text, size_t n,
    struct config *config, struct buf *problems)
{
	size_t before = problems->len;
	cfg_t *cfg = NULL;
	int r;

	now_config = config;
	settings_problems_to(problems);
	if (n > SETTINGS_FILE_MAX) {
		buf_addf(problems, "%s: it is too large for a configuration\n",
		    file);
		return -1;
	}
	if (n > 0 && memchr(text, '\0', n) != NULL) {
		buf_addf(problems, "%s: " NOT_TEXT "\n", file);
		return -1;
	}
	r = settings_scout(file, text, n, reader);
	if (r == 0)
		cfg = reader(file);
	if (cfg != NULL) {
		r = settings_read(cfg, text, n);
		if (r == 0)
			take_all(cfg);
		cfg_free(cfg);
	}
	if (r == -1 && problems->len == before)
		settings_problem_at(file, 1, "this is not a configuration; see "
		    "postern.conf(5)");
	return problems->len == before ? 0 : -1;
}
