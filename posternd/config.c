#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "posternd/config.h"

const char *
config_key(const char *section, const char *title, const char *option)
{
	static char keys[4][512];
	static unsigned int next;
	char *key = keys[next++ % nitems(keys)];

	snprintf(key, sizeof(keys[0]), "%.64s%s%.200s%s%.64s", section,
	    title == NULL ? "" : " ", title == NULL ? "" : title,
	    *section == '\0' ? "" : ".", option);
	return key;
}

static const struct config_place *
find_place(const struct config *cfg, const char *key)
{
	size_t i;

	for (i = 0; key != NULL && i < cfg->places.n; i++) {
		const struct config_place *p = CONF_AT(cfg->places,
		    struct config_place, i);

		if (strcmp(p->key, key) == 0)
			return p;
	}
	return NULL;
}

bool
config_sets(const struct config *cfg, const char *key)
{
	return find_place(cfg, key) != NULL;
}

char *
config_sentence(const struct config *cfg, const char *key, const char *text)
{
	const struct config_place *p = find_place(cfg, key);

	return p == NULL ? xstrdup(text) : xasprintf("%s:%u: %s", p->file,
	    p->line, text);
}

void
config_problem(struct buf *problems, const struct config *cfg,
    const char *key, const char *fmt, ...)
{
	const struct config_place *p = find_place(cfg, key);
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p != NULL)
		buf_addf(problems, "%s:%u: %s\n", p->file, p->line, text);
	else
		buf_addf(problems, "%s: %s\n", cfg->file, text);
}

void
config_free_strs(struct conf_strs *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
}
