/*
 * What a backup holds comes back into the queue, under its old ids and on hold:
 * what has left the queue since the backup was made, nobody here can know, and
 * it must not go out twice unless the admin says so. What is queued already is
 * left alone, so an interrupted restore is simply made again. Of a backup of
 * this very store, what is not queued any more was delivered or removed: it
 * comes back only when asked for ("again").
 *
 * The file is read twice: not before all of it has proved to be sound anything
 * is queued.
 *
 * Another restore, or an import, may be about the same ids at the same time. So
 * whether there is room for one in the queue is asked of memory and store in the
 * very call that then takes it, a second time when a large body is complete.
 *
 * Ids are those of a clock, so two queues may have given the same one. Where
 * another message has it here, it comes under one beside it, always the same, so
 * that it is found there when the restore is made again; before its own is looked
 * at, as the other may have left since.
 */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/date.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/ctl_restore.h"
#include "queue/ctl_verbs.h"
#include "queue/life.h"
#include "queue/life_step.h"
#include "queue/sound.h"

#define READ_BYTES	(1024 * 1024)
#define FRAMES_A_TURN	64
#define WHERE_IT_IS	", where it is "
#define AT_ONCE		256		/* being made durable */
#define PACE_MS		50
#define UNSETTLED_MAX	30000

static void	step(struct asked *);
static store_msgs beside_cb;

/* --- in the thread ------------------------------------------------------------------ */

static void
work(struct task *t)
{
	struct restore *r = (struct restore *)t;
	ssize_t n;

	if (buf_reserve(&r->buf, READ_BYTES) == -1) {
		r->error = EFBIG;	/* never: no frame is as long as that */
		return;
	}
	do
		n = pread(r->fd, r->buf.data + r->buf.len, READ_BYTES,
		    (off_t)r->at);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		r->error = errno;
	else if (n == 0)
		r->eof = true;
	else {
		r->at += (uint64_t)n;
		r->buf.len += (size_t)n;
	}
}

static void
read_done(struct task *t)
{
	asked_later(((struct restore *)t)->a, 0, step);
}

/* --- one message ----------------------------------------------------------------------- */

static void
msg_over(struct asked *a)
{
	struct restore *r = a->own;

	if (r->spool_fd != -1)
		store_spool_close(a->q->store, r->spool_fd);
	r->spool_fd = -1;
	store_msg_clear(&r->m);
	r->body = NULL;
	r->body_left = 0;
	r->whole = false;
}

/* One damage more; the second pass meets what the first one has told. */
static void
is_bad(struct restore *r)
{
	static struct flood places = FLOOD("places where a backup is damaged",
	    20);
	uint64_t at = r->at - r->buf.len;
	char id[STORE_ID_LEN + 1] = "";

	if (r->m.id != 0)
		store_id_text(r->was, id);
	if (r->damaged++ == 0) {
		r->bad_at = at;
		memcpy(r->bad_id, id, sizeof(id));
	}
	if (!r->real && flood_log(&places))
		log_warnx("%s%sthe backup that is restored is damaged at byte "
		    "%llu", id, *id == '\0' ? "" : " ",
		    (unsigned long long)at);
}

/* Part of it is missing, or it is not what a queue writes. */
static void
msg_bad(struct asked *a)
{
	is_bad(a->own);
	msg_over(a);
}

/* The next step of one that is not over sees whether it was full. */
static void
taken_over(struct taken *t)
{
	struct restore *r = t->a->own;

	LIST_REMOVE(t, link);
	r->under_way--;
	if (r->why != NULL && r->under_way == 0)
		asked_later(t->a, 0, restore_finish);
	free(t);
}

static void
durable_cb(void *arg)
{
	struct taken *t = arg;
	struct restore *r = t->a->own;
	bool held = t->lm->m.hold != HOLD_NONE;

	log_info("%s restored%s%s%s", life_name(t->lm), *t->was == '\0' ? "" :
	    " was=", t->was, held ? " state=held" : "");
	r->restored++;
	life_stored(t->lm);
	taken_over(t);
}

static void
full_cb(void *arg)
{
	struct taken *t = arg;
	struct restore *r = t->a->own;

	r->full = true;
	life_refused(t->lm);
	taken_over(t);
}

static void
take(struct asked *a)
{
	struct restore *r = a->own;
	struct taken *t = xcalloc(1, sizeof(*t));
	uint64_t now = ev_wall_ms();
	char when[DATE_LEN], why[DATE_LEN + 96];

	t->a = a;
	LIST_INSERT_HEAD(&r->taken, t, link);
	r->under_way++;
	/* The time that it lay in the backup is not held against it. */
	if (now > r->head.taken_ms)
		r->m.expires_ms += now - r->head.taken_ms;
	if (r->m.id != r->was)
		store_id_text(r->was, t->was);
	snprintf(why, sizeof(why), RESTORED_NOTE "of %s%s%s",
	    date_rfc3339(r->head.taken_ms, when), *t->was == '\0' ? "" :
	    WHERE_IT_IS, t->was);
	t->lm = life_restore(a->q, &r->m, r->body, r->body == NULL ? 0 :
	    (size_t)r->m.size, r->spool_fd, why, durable_cb, full_cb, t);
	msg_over(a);
}

/* Looks at the next id at which it may be here, or have its place. */
static void
elsewhere(struct asked *a, store_msgs *cb)
{
	struct restore *r = a->own;

	r->m.id = life_beside(r->m.id);
	store_load(a->q->store, r->m.id, cb, a);
}

/* Looks for it: first beside its place, should another one have had that. */
static void
look_for(struct asked *a)
{
	struct restore *r = a->own;

	r->m.id = r->was;
	elsewhere(a, beside_cb);
}

/*
 * Its history tells, lest one that looks like it be taken for it; where that has
 * forgotten, when it arrived.
 */
static bool
is_from(const struct store_msg *m, uint64_t was, uint64_t arrived_ms)
{
	char id[STORE_ID_LEN + 1], *text;
	bool found = m->nevents == STORE_EVENTS_MAX &&
	    m->arrived_ms == arrived_ms;
	size_t i;

	store_id_text(was, id);
	text = xasprintf(WHERE_IT_IS "%s", id);
	for (i = 0; i < m->nevents; i++)
		found |= strncmp(m->events[i].what, RESTORED_NOTE,
		    strlen(RESTORED_NOTE)) == 0 &&
		    strstr(m->events[i].what, text) != NULL;
	free(text);
	return found;
}

/* Other requests went on while its pieces were read. */
static void
whole_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct restore *r = a->own;
	enum life_place p = life_place(a->q, &r->m, msgs, n);

	if (p == LIFE_ANOTHER) {
		elsewhere(a, whole_cb);
		return;
	}
	if (p == LIFE_UNCERTAIN) {
		asked_later(a, PACE_MS, step);
		return;
	}
	if (p == LIFE_FREE)
		take(a);
	else {
		r->present++;
		msg_over(a);
	}
	asked_later(a, 0, step);
}

/* Some bytes of the body; true when all is there and sound. */
static void
body_piece(struct asked *a, const uint8_t *p, size_t n)
{
	struct restore *r = a->own;

	if (!sound_lines(&r->last, p, n)) {
		msg_bad(a);
		return;
	}
	if (r->spool_fd != -1 && write(r->spool_fd, p, n) != (ssize_t)n) {
		r->why = RESTORE_NO_ROOM;
		msg_over(a);
		return;
	}
	r->body_left -= n;
	if (r->body_left > 0)
		return;
	if (r->last == '\r')
		msg_bad(a);
	else if (!r->real || r->skip)
		msg_over(a);
	else if (r->spool_fd != -1)
		r->whole = true;
	else
		take(a);
}

/* It is wanted, or not. Its body is in the frame, or in those that follow. */
static void
msg_begin(struct asked *a)
{
	struct restore *r = a->own;

	r->last = 0;
	r->body_left = r->m.size;
	if (r->m.in_spool && r->real && !r->skip) {
		r->spool_fd = store_spool_open(a->q->store);
		if (r->spool_fd == -1) {
			r->why = "the queue cannot make a spool file now; run "
			    "it again later";
			msg_over(a);
			return;
		}
	}
	if (!r->m.in_spool)
		body_piece(a, r->body, (size_t)r->m.size);
	else
		r->body = NULL;
}

static void
present_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct restore *r = a->own;
	enum life_place p = life_place(a->q, &r->m, msgs, n);

	if (p == LIFE_ANOTHER) {
		elsewhere(a, present_cb);
		return;
	}
	if (p == LIFE_UNCERTAIN) {	/* its frame is read once more */
		r->messages--;
		msg_over(a);
		asked_later(a, PACE_MS, step);
		return;
	}
	r->skip = true;
	if (p == LIFE_TAKEN)
		r->present++;
	else if (restore_is_ours(a) && !r->again)
		r->left++;
	else if (r->dry_run)
		r->restored++;
	else
		r->skip = false;
	msg_begin(a);
	buf_drop(&r->buf, r->frame.whole);
	asked_later(a, 0, step);
}

/* It is beside its place, or behind others that are; or its place is looked at. */
static void
beside_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct restore *r = a->own;
	store_msgs *cb = r->whole ? whole_cb : present_cb;
	enum life_place p = life_place(a->q, &r->m, msgs, n);

	if (p == LIFE_TAKEN && !is_from(msgs[0], r->was, r->m.arrived_ms))
		p = LIFE_ANOTHER;
	if (p == LIFE_ANOTHER)
		elsewhere(a, beside_cb);
	else if (p == LIFE_FREE) {
		r->m.id = r->was;
		store_load(a->q->store, r->m.id, cb, a);
	} else
		cb(msgs, n, a);
}

/* --- frames --------------------------------------------------------------------------------- */

static bool
on_head(struct asked *a)
{
	struct restore *r = a->own;

	r->have_head = vault_get_head(&r->frame, &r->head);
	if (!r->have_head)
		is_bad(r);
	return false;
}

static bool
on_msg(struct asked *a)
{
	struct restore *r = a->own;
	uint64_t now = ev_wall_ms();

	/* The clock that it was kept by may have been ahead of ours. */
	if (now < r->head.taken_ms)
		now = r->head.taken_ms;
	r->was = 0;
	if (vault_get_msg(&r->frame, &r->m, &r->body))
		r->was = r->m.id;
	if (r->was == 0 || r->m.id > STORE_ID_TAKEN_MAX || !sound_envelope(&r->m.env, now)) {
		msg_bad(a);
		return false;
	}
	r->messages++;
	if (r->was > r->highest)
		r->highest = r->was;
	if (r->real)
		look_for(a);
	else
		msg_begin(a);
	return r->real;
}

static bool
on_piece(struct asked *a)
{
	struct restore *r = a->own;

	/* Without a message: that was damaged, or the disk is full. */
	if (r->m.id == 0)
		return false;
	if (r->frame.len > r->body_left || r->frame.len == 0)
		msg_bad(a);
	else
		body_piece(a, r->frame.p, r->frame.len);
	return false;
}

static bool
on_void(struct asked *a)
{
	struct restore *r = a->own;

	r->lacking++;
	msg_over(a);
	return false;
}

static bool
on_end(struct asked *a)
{
	struct restore *r = a->own;
	uint64_t n;

	r->have_end = vault_get_end(&r->frame, &n);
	return false;
}

/* True when the frame is still in use: another comes after a callback. */
static bool
on_frame(struct asked *a)
{
	static bool (*const handlers[VAULT_KINDS])(struct asked *) = {
		[VAULT_HEAD] = on_head, [VAULT_MSG] = on_msg,
		[VAULT_PIECE] = on_piece, [VAULT_VOID] = on_void,
		[VAULT_END] = on_end,
	};
	struct restore *r = a->own;

	r->in_damage = r->cut = false;
	/* Nothing but its pieces may come behind a message with some. */
	if (r->m.id != 0 && r->frame.kind != VAULT_PIECE &&
	    r->frame.kind != VAULT_VOID)
		msg_bad(a);
	return handlers[r->frame.kind](a);
}

static void
damage(struct asked *a)
{
	struct restore *r = a->own;

	if (!r->in_damage) {
		is_bad(r);
		r->cut = r->eof && vault_get(r->buf.data, r->buf.len,
		    &r->frame) == VAULT_MORE;
		r->cut_at = r->at - r->buf.len;
	}
	r->in_damage = true;
	if (r->m.id != 0)
		msg_over(a);
	buf_drop(&r->buf, vault_seek(r->buf.data, r->buf.len));
}

/* --- the way through the file ------------------------------------------------------------------ */

static void
pass_begin(struct restore *r, bool real)
{
	r->real = real;
	r->at = 0;
	r->eof = false;
	buf_reset(&r->buf);
	r->in_damage = r->have_head = r->have_end = r->cut = false;
	r->messages = r->damaged = r->lacking = 0;
}

static void
pass_over(struct asked *a)
{
	struct restore *r = a->own;

	if (!r->have_end && !r->in_damage) {
		r->cut = true;
		r->cut_at = r->at;
	}
	if (r->m.id != 0)
		msg_bad(a);
	if ((!r->have_end || !r->have_head) && r->damaged == 0)
		is_bad(r);
	if (r->damaged > 0)
		restore_say_damage(r);
	if (!r->real && (r->damaged == 0 || r->take_damaged) &&
	    r->messages + r->have_head > 0) {
		pass_begin(r, true);
		/* What comes in meanwhile takes no id of those to come. */
		if (!r->dry_run)
			store_ids_beyond(a->q->store, r->highest |
			    (STORE_IDS_A_MS - 1));
		asked_later(a, 0, step);
		return;
	}
	r->why = "";
	if (!r->real)
		r->why = r->messages + r->have_head == 0 ?
		    "this is not a backup of Postern's queue" :
		    restore_nothing(r);
	if (r->under_way == 0)
		restore_finish(a);
}

/* No more of it; what is being made durable comes first. */
static void
give_up(struct asked *a)
{
	struct restore *r = a->own;

	msg_over(a);
	if (r->under_way == 0)
		restore_finish(a);
}

static bool
must_wait(const struct asked *a)
{
	const struct restore *r = a->own;

	return r->under_way >= AT_ONCE ||
	    store_unsettled(a->q->store) > UNSETTLED_MAX;
}

static void
step(struct asked *a)
{
	struct restore *r = a->own;
	int i;

	if (a->gone)
		r->why = "nobody waits for it any more";
	else if (r->error != 0)
		r->why = "the backup cannot be read";
	else if (r->real && !r->dry_run && (a->q->stopping ||
	    !store_has_room(a->q->store)))
		r->why = "the queue takes no mail now; run it again later";
	else if (r->full)
		r->why = RESTORE_NO_ROOM;
	for (i = 0; r->why == NULL && i < FRAMES_A_TURN; i++) {
		if (must_wait(a)) {
			asked_later(a, PACE_MS, step);
			return;
		}
		if (r->whole) {
			look_for(a);
			return;
		}
		switch (vault_get(r->buf.data, r->buf.len, &r->frame)) {
		case VAULT_GOT:
			if (on_frame(a))
				return;
			buf_drop(&r->buf, r->frame.whole);
			break;
		case VAULT_MORE:
			if (!r->eof) {
				task_crew_give(r->crew, &r->task);
				return;
			}
			if (r->buf.len == 0) {
				pass_over(a);
				return;
			}
			damage(a);
			break;
		default:
			damage(a);
		}
	}
	if (r->why != NULL)
		give_up(a);
	else
		asked_later(a, 0, step);
}

/* --- the request --------------------------------------------------------------------------------- */

static void
restore_clear(struct asked *a)
{
	struct restore *r = a->own;
	struct taken *t;

	while ((t = LIST_FIRST(&r->taken)) != NULL) {	/* the queue stops */
		LIST_REMOVE(t, link);
		free(t);
	}
	task_crew_end(&r->crew);
	task_home_free(&r->home);
	msg_over(a);
	buf_clear(&r->buf);
	if (r->fd != -1)
		close(r->fd);
	free(r);
}

static bool
options(struct restore *r, size_t argc, const char *const *argv)
{
	size_t i;

	for (i = 0; i < argc; i++)
		if (strcmp(argv[i], "again=yes") == 0)
			r->again = true;
		else if (strcmp(argv[i], "damaged=yes") == 0)
			r->take_damaged = true;
		else if (strcmp(argv[i], "dry-run=yes") == 0)
			r->dry_run = true;
		else
			return false;
	return true;
}

void
ctl_restore(struct asked *a, size_t argc, const char *const *argv)
{
	struct restore *r = xcalloc(1, sizeof(*r));
	struct stat st;

	r->a = a;
	r->task.work = work;
	r->task.done = read_done;
	r->fd = child_ctl_take_fd();
	r->spool_fd = -1;
	LIST_INIT(&r->taken);
	store_msg_init(&r->m);
	buf_init(&r->buf, VAULT_FRAME_MAX + READ_BYTES);
	a->own = r;
	a->clear = restore_clear;
	if (!options(r, argc, argv)) {
		asked_end(a, CTL_USAGE, "there are --again, --damaged and "
		    "--dry-run");
		return;
	}
	if (r->fd == -1 || fstat(r->fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		asked_end(a, CTL_FAILED, "that is no file; name one "
		    "that posternctl queue backup has made");
		return;
	}
	r->home = task_home_new();
	r->crew = task_crew_new(r->home, 1);
	pass_begin(r, false);
	step(a);
}
