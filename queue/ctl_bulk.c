/*
 * Orders about messages: hold, release, retry, remove, redirect. Those named
 * by id are changed as they are found. Those meant by a filter are changed up
 * to the newest there is when the order begins, or up to the one that a dry
 * run with count has named: what comes later was not meant.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/ctl_row.h"
#include "queue/ctl_verbs.h"
#include "queue/ctl_walk.h"
#include "queue/life_admin.h"
#include "queue/route.h"

#define WORDS_MAX	512
#define LEAVE_PART	4

struct bulk {
	struct life_order order;
	char	*route;		/* owned */
	uint64_t did[LIFE_DIDS];
	uint64_t named;		/* ids on the command line */
	bool	 flush;		/* what is not to be tried is no failure */
};

static const struct {
	const char *would, *done, *so, *key;
} words[LIFE_ORDERS] = {
	[LIFE_HOLD] = { "would be held", "held", "on hold already", "held" },
	[LIFE_RELEASE] = { "would be released", "released", "not on hold",
	    "released" },
	[LIFE_RETRY] = { "would be tried", "to be tried now",
	    "being tried already", "retried" },
	[LIFE_RETRY_KEPT] = { "would be tried", "to be tried now",
	    "being tried already", "retried" },
	[LIFE_REDIRECT] = { "would be redirected", "redirected",
	    "on that route already", "redirected" },
	[LIFE_REMOVE] = { "would be removed", "removed", "removed already",
	    "removed" },
};

static void
bulk_clear(struct asked *a)
{
	struct bulk *b = a->own;

	free(b->route);
	free(b);
}

static struct bulk *
bulk_of(struct asked *a)
{
	if (a->own == NULL)
		a->own = xcalloc(1, sizeof(struct bulk));
	a->clear = bulk_clear;
	return a->own;
}

static void
obey(struct asked *a, const struct store_msg *m)
{
	struct bulk *b = a->own;

	b->did[life_obey(a->q, m, &b->order)]++;
}

static uint64_t
changed(const struct bulk *b)
{
	return b->did[LIFE_DONE] + b->did[LIFE_SOON] + b->did[LIFE_LATER];
}

/* "3 messages held; 1 of them at a next hop right now, ..." */
static void
in_words(const struct asked *a, const char *done, char text[WORDS_MAX])
{
	static const struct {
		enum life_did did;
		const char *words;
	} parts[] = {
		{ LIFE_SOON, "of them at a next hop right now, which may still "
		    "take them" },
		{ LIFE_LATER, "of them to go at the hour that their sender has "
		    "set" },
		{ LIFE_WAS_SO, NULL },		/* the order's own */
		{ LIFE_HELD, "on hold, release them first" },
		{ LIFE_KEPT, "kept until the hour that their sender has set; "
		    "to send one now, name it: queue retry ID" },
		{ LIFE_FAILED, "failed already, whose senders are told in one "
		    "report about all of theirs, within five minutes or once "
		    "the disk has room for it" },
		{ LIFE_DIDS, "not there (any more)" },
	};
	const struct bulk *b = a->own;
	uint64_t n;
	size_t i, len;

	len = (size_t)snprintf(text, WORDS_MAX, "%s %s", num_print_count(
	    changed(b), "message", (char [NUM_TEXT_LEN]){ 0 }), done);
	for (i = 0; i < nitems(parts); i++) {
		n = parts[i].did == LIFE_DIDS ? a->missing :
		    b->did[parts[i].did];
		if (n > 0)
			len += (size_t)snprintf(text + len, WORDS_MAX - len,
			    "; %llu %s", (unsigned long long)n,
			    parts[i].words != NULL ? parts[i].words :
			    words[b->order.kind].so);
	}
}

/* The sentence once more, and its numbers, for programs. */
static void
counts_row(struct asked *a, const char *text)
{
	const struct bulk *b = a->own;

	if (!a->filter.counts || a->filter.count)
		return;
	child_ctl_row(a->id, 10);
	child_ctl_str("done", text);
	child_ctl_num(words[b->order.kind].key, changed(b));
	child_ctl_num("at_next_hop", b->did[LIFE_SOON]);
	child_ctl_num("later", b->did[LIFE_LATER]);
	child_ctl_num("already", b->did[LIFE_WAS_SO]);
	child_ctl_num("on_hold", b->did[LIFE_HELD]);
	child_ctl_num("kept", b->did[LIFE_KEPT]);
	child_ctl_num("failed", b->did[LIFE_FAILED]);
	child_ctl_num("missing", a->missing);
	child_ctl_bool("dry_run", a->filter.dry_run);
	asked_send(a);
}

/* Ends it well, or with what could not be done. */
static void
bulk_over(struct asked *a, enum ctl_exit code, const char *text)
{
	counts_row(a, text);
	asked_end(a, code, "%s", text);
}

/* None is as ordered, and that is for another order to change. */
static bool
refused(const struct bulk *b)
{
	return !b->flush && changed(b) + b->did[LIFE_WAS_SO] == 0 &&
	    b->did[LIFE_HELD] + b->did[LIFE_FAILED] > 0;
}

static void
bulk_end(struct asked *a, const char *done)
{
	struct bulk *b = a->own;
	char text[WORDS_MAX], end[WORDS_MAX + 128];

	in_words(a, done, text);
	snprintf(end, sizeof(end), "%s%s", text, a->disk_full ? "; the disk is "
	    "full and no more can be written down: please make room, then say "
	    "it again" : ".");
	if (a->disk_full)
		bulk_over(a, CTL_TEMPORARY, end);
	else if (b->named > 0 && a->missing == b->named)
		ctl_missing(a);
	else if (refused(b))
		asked_end(a, CTL_FAILED, "%s", text);
	else if (a->seen == 0 && a->filter.any && !a->filter.all)
		bulk_over(a, CTL_OK, CTL_NOTHING);
	else
		bulk_over(a, a->missing > 0 ? CTL_NOT_FOUND : CTL_OK, end);
}

static void
durable_cb(void *arg)
{
	struct asked *a = arg;
	const struct bulk *b = a->own;

	bulk_end(a, words[b->order.kind].done);
}

/* What is answered is so after a crash, too. */
static void
obeyed(struct asked *a)
{
	store_sync(a->q->store, durable_cb, a);
}

/* What is as ordered already, or is not to be, takes no room. */
static bool
writes(struct asked *a, const struct store_msg *m)
{
	const struct bulk *b = a->own;

	return life_would(a->q, m, &b->order) == LIFE_DONE;
}

static bool
would(struct asked *a, const struct store_msg *m)
{
	struct bulk *b = a->own;
	enum life_did did = life_would(a->q, m, &b->order);

	b->did[did]++;
	return did == LIFE_DONE;
}

static void
count(struct asked *a, const struct store_msg *m)
{
	would(a, m);
}

/* A row for each that would be changed. */
static void
show(struct asked *a, const struct store_msg *m)
{
	if (would(a, m))
		ctl_row(a, m);
}

static void
dry_done(struct asked *a)
{
	struct bulk *b = a->own;
	char id[STORE_ID_LEN + 1];

	if (a->filter.count) {
		store_id_text(a->upto, id);
		child_ctl_row(a->id, 2);
		child_ctl_num("messages", b->did[LIFE_DONE]);
		child_ctl_str("upto", id);
		asked_send(a);
	}
	if (a->seen + a->missing == 0)
		bulk_over(a, CTL_OK, a->filter.any ?
		    CTL_NOTHING : "The queue is empty.");
	else
		bulk_end(a, words[b->order.kind].would);
}

static void
order(struct asked *a, enum life_kind kind, const char *route, size_t argc,
    const char *const *argv)
{
	const char *why = filter_parse(&a->filter, argc, argv);
	struct bulk *b;

	if (why == NULL && a->filter.nids == 0 && !a->filter.any &&
	    !a->filter.all)
		why = "say which messages: ids, a filter, or --all";
	if (!ctl_may(a, why))
		return;
	b = bulk_of(a);
	b->route = xstrdup(route);
	b->named = a->filter.nids;
	/* It is one that the admin has looked at, and means. */
	if (kind == LIFE_RETRY && b->named > 0)
		kind = LIFE_RETRY_KEPT;
	b->order = (struct life_order){ kind, HOLD_ADMIN, b->route, "admin" };
	if (a->filter.count)
		ctl_walk(a, count, dry_done);
	else if (a->filter.dry_run)
		ctl_walk(a, show, dry_done);
	else {
		a->changes = true;
		a->writes = writes;
		a->removes = kind == LIFE_REMOVE;
		/* On a full disk most is for mail that leaves. */
		a->leave = a->q->conf->segment_bytes / LEAVE_PART;
		ctl_walk(a, obey, obeyed);
	}
}

void
ctl_hold(struct asked *a, size_t argc, const char *const *argv)
{
	order(a, LIFE_HOLD, "", argc, argv);
}

void
ctl_release(struct asked *a, size_t argc, const char *const *argv)
{
	order(a, LIFE_RELEASE, "", argc, argv);
}

void
ctl_retry(struct asked *a, size_t argc, const char *const *argv)
{
	order(a, LIFE_RETRY, "", argc, argv);
}

void
ctl_flush(struct asked *a, size_t argc, const char *const *argv)
{
	const char *all[] = { "all=yes", NULL, NULL };
	bool dry = false;
	size_t i;

	for (i = 0; i < argc; i++) {
		bool is_dry = strcmp(argv[i], "dry-run=yes") == 0;

		if (i + 1 == nitems(all) ||
		    (!is_dry && strcmp(argv[i], "counts=yes") != 0)) {
			asked_end(a, CTL_USAGE, "queue flush is for all; for "
			    "some: posternctl queue retry FILTER --yes");
			return;
		}
		dry |= is_dry;
		all[i + 1] = argv[i];
	}
	bulk_of(a)->flush = true;
	if (!dry)
		sched_unblock(a->q->sched, NULL);
	order(a, LIFE_RETRY, "", argc + 1, all);
}

void
ctl_remove(struct asked *a, size_t argc, const char *const *argv)
{
	order(a, LIFE_REMOVE, "", argc, argv);
}

void
ctl_redirect(struct asked *a, size_t argc, const char *const *argv)
{
	const char *route = strcmp(argv[0], "-") == 0 ? "" : argv[0];

	if (*route != '\0' && route_named(&a->q->conf->routes, route) == NULL)
		asked_end(a, CTL_NOT_FOUND, "there is no route \"%s\" in "
		    "postern.conf", route);
	else
		order(a, LIFE_REDIRECT, route, argc - 1, argv + 1);
}
