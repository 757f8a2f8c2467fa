/*
 * Each file is read by itself first, without what it includes: so one that is
 * cut off is told where it is, and cannot go on in the file that includes it.
 * Loops, and titles that two files have, are found here.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "posternd/settings_private.h"

#define DEPTH_MAX 8

struct included {
	char	*path;
	int	 line;		/* where it is said */
};

struct scout {			/* a file */
	const struct scout *by;	/* includes it; NULL for the first */
	const char *file;
	unsigned int depth;
	struct included *v;
	size_t	 n;
};

static struct scout *now;	/* is being read */
static settings_reader *make;
static char **titles;		/* of all files so far */
static size_t ntitles;

bool
settings_scouting(void)
{
	return now != NULL;
}

void
settings_scouted(const char *path, int line)
{
	now->v = xreallocarray(now->v, now->n + 1, sizeof(*now->v));
	now->v[now->n++] = (struct included){ xstrdup(path), line };
}

/* Within one file libconfuse sees them. */
static int
take_title(cfg_t *sec, const char *section)
{
	const char *title = cfg_title(sec);
	char *key = xasprintf("%s %s", section, title == NULL ? "" : title);
	size_t i;

	for (i = 0; i < ntitles; i++)
		if (strcmp(titles[i], key) == 0) {
			free(key);
			settings_title_twice(sec, title);
			return -1;
		}
	titles = xreallocarray(titles, ntitles + 1, sizeof(*titles));
	titles[ntitles++] = key;
	return 0;
}

static int
take_titles(cfg_t *cfg)
{
	cfg_opt_t *opt;
	unsigned int k;
	int bad = 0;
	size_t i;

	for (i = 0; i < SECTIONS; i++) {
		opt = cfg_getopt(cfg, sections[i].name);
		for (k = 0; sections[i].size != 0 && k < opt->nvalues; k++)
			bad |= take_title(cfg_opt_getnsec(opt, k),
			    sections[i].name);
	}
	return bad;
}

static bool
is_loop(const struct scout *s, const char *path)
{
	for (; s != NULL; s = s->by)
		if (strcmp(s->file, path) == 0)
			return true;
	return false;
}

static int	scout(struct scout *, const char *text, size_t n);

static int
follow(const struct scout *s, const struct included *in)
{
	struct scout next = { .by = s, .file = in->path,
	    .depth = s->depth + 1 };
	const char *why = NULL;
	struct buf text;
	char *problem;
	int r = -1;

	buf_init(&text, SETTINGS_FILE_MAX);
	if (is_loop(s, in->path))
		why = "it would include itself";
	else if (next.depth > DEPTH_MAX)
		why = "files are included more than eight deep";
	else if (settings_slurp(in->path, &text, &why) == 0)
		r = scout(&next, buf_str(&text), text.len);
	if (why != NULL) {
		problem = xasprintf("cannot include \"%s\": %s", in->path, why);
		settings_problem_at(s->file, in->line, problem);
		free(problem);
	}
	buf_clear(&text);
	return r;
}

static int
scout(struct scout *s, const char *text, size_t n)
{
	cfg_t *cfg = make(s->file);
	int r = -1;
	size_t i;

	now = s;
	if (cfg != NULL)
		r = settings_read(cfg, text, n);
	now = NULL;
	if (r == 0)
		r = take_titles(cfg);
	if (cfg != NULL)
		cfg_free(cfg);
	for (i = 0; i < s->n; i++) {
		if (r == 0)
			r = follow(s, &s->v[i]);
		free(s->v[i].path);
	}
	free(s->v);
	return r;
}

int
settings_scout(const char *file, const char *text, size_t n,
    settings_reader *reader)
{
	struct scout first = { .file = file };
	int r;

	make = reader;
	r = scout(&first, text, n);
	while (ntitles > 0)
		free(titles[--ntitles]);
	free(titles);
	titles = NULL;
	return r;
}
