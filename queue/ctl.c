#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/ctl.h"
#include "queue/ctl_handed.h"
#include "queue/ctl_verbs.h"

struct ctl {
	struct askings askings;
};

struct ctl *
ctl_new(void)
{
	struct ctl *c = xcalloc(1, sizeof(*c));

	LIST_INIT(&c->askings);
	handed_clear();
	return c;
}

void
ctl_free(struct ctl **cp)
{
	struct ctl *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	while (!LIST_EMPTY(&c->askings))
		asked_free(LIST_FIRST(&c->askings));
	free(c);
}

void
ctl_read(struct queue *q, uint64_t id, size_t bytes)
{
	struct asked *a = asked_find(&q->ctl->askings, id);

	if (a != NULL)
		asked_read(a, bytes);
}

void
ctl_gone(struct queue *q, uint64_t id)
{
	struct asked *a = asked_find(&q->ctl->askings, id);

	if (a != NULL)
		asked_gone(a);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	const char *words[2];
	size_t	 min_args, max_args;
	const char *how;
	ctl_verb *run;
} verbs[] = {
	{ { "queue", "list" }, 0, CTL_ARGS_MAX, "queue list [FILTER...]",
	    ctl_list },
	{ { "queue", "show" }, 1, CTL_ARGS_MAX, "queue show ID... [--body]",
	    ctl_show },
	{ { "queue", "stats" }, 0, CTL_ARGS_MAX, "queue stats [FILTER...]",
	    ctl_stats },
	{ { "queue", "hold" }, 0, CTL_ARGS_MAX,
	    "queue hold ID...|FILTER...|--all", ctl_hold },
	{ { "queue", "release" }, 0, CTL_ARGS_MAX,
	    "queue release ID...|FILTER...|--all", ctl_release },
	{ { "queue", "retry" }, 0, CTL_ARGS_MAX,
	    "queue retry ID...|FILTER...|--all", ctl_retry },
	{ { "queue", "flush" }, 0, CTL_ARGS_MAX, "queue flush", ctl_flush },
	{ { "queue", "remove" }, 0, CTL_ARGS_MAX,
	    "queue remove ID...|FILTER...|--all", ctl_remove },
	{ { "queue", "redirect" }, 1, CTL_ARGS_MAX,
	    "queue redirect ROUTE|- ID...|FILTER...|--all", ctl_redirect },
	{ { "queue", "export" }, 0, CTL_ARGS_MAX,
	    "queue export DIR [ID...|FILTER...]", ctl_export },
	{ { "queue", "import" }, 1, CTL_ARGS_MAX, "queue import DIR",
	    ctl_import },
	{ { "queue", "backup" }, 0, CTL_ARGS_MAX, "queue backup DIR",
	    ctl_backup },
	{ { "queue", "restore" }, 0, CTL_ARGS_MAX, "queue restore FILE",
	    ctl_restore },
	{ { "cap", "list" }, 0, 0, "cap list", ctl_caps },
	{ { "usage", NULL }, 0, 1, "usage [ACCOUNT]", ctl_usage },
};

void
ctl_request(struct queue *q, uint64_t id, size_t argc, const char *const *argv)
{
	size_t i, words, args;

	for (i = 0; i < nitems(verbs); i++) {
		words = verbs[i].words[1] == NULL ? 1 : 2;
		if (argc < words || strcmp(argv[0], verbs[i].words[0]) != 0 ||
		    (words == 2 && strcmp(argv[1], verbs[i].words[1]) != 0))
			continue;
		args = argc - words;
		if (args < verbs[i].min_args || args > verbs[i].max_args)
			child_ctl_end(id, CTL_USAGE, "usage: posternctl %s",
			    verbs[i].how);
		else
			verbs[i].run(asked_new(q, &q->ctl->askings, id), args,
			    argv + words);
		return;
	}
	child_ctl_end(id, CTL_USAGE, "the queue knows no such verb");
}
