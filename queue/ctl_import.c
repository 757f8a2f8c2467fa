/*
 * A message from a folder of the admin's: its envelope as arguments, its bytes
 * in a file that came along. It enters as one just accepted does, but is
 * charged to nobody: it was once. What the admin's files say is checked like
 * anybody's.
 *
 * Its id was handed out before ("ids=32") and comes along ("as=QUEUE-ID", with
 * the identity of the queue that it is of), so that a message that is sent
 * again, because an import was interrupted, is queued once. Where nobody can say
 * whether it went out already, as another process or another server's queue had
 * it ("doubted=QUEUE-ID", its id there, beside one of this queue's), it is held,
 * for it must not go twice unless the admin says so.
 *
 * With "dry-run=yes" all is looked at and answered as ever, but for the end:
 * nothing is queued, and nothing goes to the disk.
 */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/ctl_handed.h"
#include "queue/ctl_verbs.h"
#include "queue/ctl_words.h"
#include "queue/life.h"
#include "queue/life_times.h"
#include "queue/route.h"
#include "queue/sound.h"

#define PIECE	(64 * 1024)
#define ATTEMPTS_MAX 10000000	/* at one a second, in four months */
#define IDS_MAX	1000		/* handed out at once */
#define STORING_MS 20
#define HANDED_LEN (2 * STORE_ID_LEN + 1)	/* "QUEUE-ID" */

struct import {
	struct store_msg m;
	struct live_msg *lm;
	char	 was[STORE_ID_LEN + 1];	/* its id where it was exported */
	uint64_t as;			/* the id that it is to have, or 0 */
	char	 of[STORE_ID_LEN + 1];	/* ... the identity of its queue */
	char	 former[HANDED_LEN + 1]; /* its id in another queue, or "" */
	bool	 doubted;		/* it may have gone out before */
	bool	 dry;			/* it is only looked at */
	char	 id[STORE_ID_LEN + 1];
	int	 fd, spool_fd;
	uint64_t at;
	uint8_t	 last;			/* byte of the piece before */
	uint8_t	 piece[PIECE];
	size_t	 len;			/* of a small body, in piece */
};

static void
spool_over(struct asked *a)
{
	struct import *im = a->own;

	if (im->spool_fd != -1)
		store_spool_close(a->q->store, im->spool_fd);
	im->spool_fd = -1;
}

static void
import_clear(struct asked *a)
{
	struct import *im = a->own;

	store_msg_clear(&im->m);
	if (im->fd != -1)
		close(im->fd);
	spool_over(a);
	free(im);
}

/* --- the envelope ------------------------------------------------------------------- */

static bool
number(const char *value, uint64_t max, uint64_t *to)
{
	return num_parse(value, strlen(value), 0, max, to) == 0;
}

static bool
set_rcpt(struct import *im, const char *name, const char *value)
{
	struct envelope *e = &im->m.env;
	struct envelope_rcpt *r;

	if (strcmp(name, "to") == 0) {
		if (e->nrcpts == ENVELOPE_RCPT_MAX)
			return false;
		envelope_add_rcpt(e, value, NULL, 0);
		return true;
	}
	if (e->nrcpts == 0)
		return false;
	r = &e->rcpts[e->nrcpts - 1];
	if (strcmp(name, "notify") == 0)
		return ctl_get_notify(value, &r->notify);
	if (strcmp(name, "orcpt") != 0 || r->orcpt != NULL ||
	    strlen(value) > ENVELOPE_ORCPT_MAX)
		return false;
	r->orcpt = xstrdup(value);
	return true;
}

static bool
set_number(struct store_msg *m, const char *name, uint64_t n)
{
	if (strcmp(name, "arrived") == 0)
		m->arrived_ms = n;
	else if (strcmp(name, "expires") == 0)
		m->expires_ms = n;
	else if (strcmp(name, "attempts") == 0 && n <= ATTEMPTS_MAX)
		m->attempts = (uint32_t)n;
	else if (strcmp(name, "warned") == 0 && n <= 1)
		m->warned = n == 1;
	else if (strcmp(name, "hold") == 0 && n <= 1)
		m->hold = n == 1 ? HOLD_ADMIN : HOLD_NONE;
	else if (strcmp(name, "8bit") == 0 && n <= 1)
		m->env.body_8bit = n == 1;
	else if (strcmp(name, "utf8") == 0 && n <= 1)
		m->env.utf8 = n == 1;
	else if (strcmp(name, "require-tls") == 0 && n <= 1)
		m->env.require_tls = n == 1;
	else if (strcmp(name, "hold-until") == 0)
		m->env.hold_until_ms = n;
	else if (strcmp(name, "by-ms") == 0)
		m->env.by_ms = n;
	else
		return false;
	return true;
}

/* "QUEUE-ID", as hand_out() says it. */
static bool
is_handed(const char *value)
{
	return strlen(value) == HANDED_LEN && value[STORE_ID_LEN] == '-' &&
	    store_id_parse(value + STORE_ID_LEN + 1) != 0;
}

static bool
set_as(struct import *im, const char *value)
{
	if (!is_handed(value))
		return false;
	snprintf(im->of, sizeof(im->of), "%.*s", STORE_ID_LEN, value);
	im->as = store_id_parse(value + STORE_ID_LEN + 1);
	return true;
}

static bool
set_former(struct import *im, const char *value)
{
	if (!is_handed(value))
		return false;
	snprintf(im->former, sizeof(im->former), "%s", value);
	im->doubted = true;
	return true;
}

/* "name=value"; false when it makes no sense. */
static bool
set(struct import *im, const char *arg)
{
	const char *value = strchr(arg, '=');
	struct {
		const char *name;
		char	**to;
		size_t	 max;
	} strs[] = {
		{ "account", &im->m.account, ACCOUNT_MAX },
		{ "cap", &im->m.cap, CAP_NAME_MAX },
		{ "from", &im->m.env.return_path, ENVELOPE_PATH_MAX },
		{ "route", &im->m.route, 256 },
		{ "envid", &im->m.env.envid, ENVELOPE_ENVID_MAX },
	};
	char name[16];
	uint64_t n;
	size_t i;

	if (value == NULL || (size_t)(value - arg) >= sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(value++ - arg), arg);
	for (i = 0; i < nitems(strs); i++)
		if (strcmp(name, strs[i].name) == 0) {
			if (*strs[i].to != NULL || strlen(value) > strs[i].max)
				return false;
			*strs[i].to = xstrdup(value);
			return true;
		}
	if (strcmp(name, "was") == 0) {
		snprintf(im->was, sizeof(im->was), "%s", value);
		return store_id_parse(im->was) != 0;
	}
	if (strcmp(name, "as") == 0)
		return set_as(im, value);
	if (strcmp(name, "doubted") == 0)
		return set_former(im, value);
	if (strcmp(name, "dry-run") == 0) {
		im->dry = true;
		return strcmp(value, "yes") == 0;
	}
	if (strcmp(name, "ret") == 0)
		return ctl_get_ret(value, &im->m.env.ret);
	if (strcmp(name, "by") == 0)
		return ctl_get_by(value, &im->m.env);
	if (strcmp(name, "priority") == 0)
		return ctl_get_priority(value, &im->m.env.priority);
	if (strcmp(name, "to") == 0 || strcmp(name, "notify") == 0 ||
	    strcmp(name, "orcpt") == 0)
		return set_rcpt(im, name, value);
	return number(value, UINT64_MAX / 2, &n) &&
	    set_number(&im->m, name, n);
}

static void
set_defaults(struct asked *a, struct store_msg *m)
{
	uint64_t now = ev_wall_ms();

	if (m->account == NULL)
		m->account = xstrdup("");
	if (m->cap == NULL)
		m->cap = xstrdup("");
	if (m->env.return_path == NULL)
		m->env.return_path = xstrdup("");
	if (m->arrived_ms == 0 || m->arrived_ms > now)
		m->arrived_ms = now;
	if (m->expires_ms <= m->arrived_ms)
		m->expires_ms = now + a->q->conf->expire_sec * 1000ULL;
}

static const char *
why_no_address(const struct envelope *e, const char *s)
{
	const char *why = addr_parse(s, strlen(s), e->utf8 ? ADDR_UTF8 : 0,
	    NULL);

	return why == NULL || e->utf8 || addr_parse(s, strlen(s), ADDR_UTF8,
	    NULL) != NULL ? why : "beyond ASCII it needs \"utf8\": true";
}

/* What sound_envelope() has found, with its name if it is an address. */
static const char *
unsound(const struct envelope *e)
{
	static char text[512];
	const char *s = e->return_path;
	const char *why = *s == '\0' ? NULL : why_no_address(e, s);
	size_t i;

	for (i = 0; why == NULL && i < e->nrcpts; i++) {
		s = e->rcpts[i].addr;
		why = why_no_address(e, s);
	}
	if (why == NULL)
		return "a parameter in the envelope is not well-formed, or a "
		    "time too far off";
	snprintf(text, sizeof(text), "\"%.300s\" in the envelope is no "
	    "address: %s", log_escs(s), why);
	return text;
}

static const char *
read_envelope(struct asked *a, size_t argc, const char *const *argv)
{
	struct import *im = a->own;
	static char text[200];
	size_t i;

	for (i = 0; i < argc; i++)
		if (!set(im, argv[i])) {
			snprintf(text, sizeof(text), "the envelope cannot "
			    "have \"%.100s\"", log_escs(argv[i]));
			return text;
		}
	set_defaults(a, &im->m);
	if (im->m.env.nrcpts == 0)
		return "the envelope names nobody who is still to get it; "
		    "\"recipients\" is a list, as [{\"to\": "
		    "\"bob@example.net\"}]";
	if (!sound_envelope(&im->m.env, ev_wall_ms()))
		return unsound(&im->m.env);
	if (im->m.route != NULL && route_named(&a->q->conf->routes,
	    im->m.route) == NULL) {
		snprintf(text, sizeof(text), "there is no route \"%.60s\" in "
		    "postern.conf: add it, or take \"route\" out of the "
		    "envelope", log_escs(im->m.route));
		return text;
	}
	store_msg_fit(&im->m);
	return NULL;
}

/* --- the content -------------------------------------------------------------------- */

static void
end_full(struct asked *a)
{
	asked_end(a, CTL_TEMPORARY, "the queue's disk does not take it now");
}

/* It is in the queue, or was: from now, or since it was sent before (known). */
static void
answer(struct asked *a, bool known)
{
	struct import *im = a->own;

	child_ctl_row(a->id, 4);
	child_ctl_str("id", im->id);
	child_ctl_str("was", im->was);
	child_ctl_bool("known", known);
	child_ctl_bool("doubted", im->doubted && !known);
	asked_send(a);
}

static void
stored_cb(void *arg)
{
	struct asked *a = arg;
	struct import *im = a->own;

	log_info("%s imported was=%s account=%s%s", im->id, *im->was == '\0' ?
	    "none" : im->was, log_escs(im->lm->m.account), im->doubted ?
	    " state=held" : "");
	if (im->as != 0)
		handed_close(im->as);
	answer(a, false);
	life_stored(im->lm);
	asked_end(a, CTL_OK, "%s", "");
}

static void
full_cb(void *arg)
{
	struct asked *a = arg;
	struct import *im = a->own;

	life_refused(im->lm);
	end_full(a);
}

static void
end_known(struct asked *a)
{
	answer(a, true);
	asked_end(a, CTL_OK, "%s", "");
}

static void
note(struct import *im)
{
	char what[STORE_EVENT_LEN_MAX + 1];

	if (*im->former == '\0')
		snprintf(what, sizeof(what), "%s", DOUBTED_NOTE);
	else
		snprintf(what, sizeof(what), DOUBTED_NOTE ", as %s of another "
		    "server's queue", im->former + STORE_ID_LEN + 1);
	store_msg_note(&im->m, ev_wall_ms(), what);
}

static void
accept(struct asked *a)
{
	struct import *im = a->own;
	struct store_msg *m = &im->m;

	if (im->as == 0)
		m->id = store_new_id(a->q->store);
	if (im->doubted) {
		m->hold = HOLD_ADMIN;
		note(im);
	}
	m->due_ms = life_first_due_ms(m);
	store_id_text(m->id, im->id);
	im->lm = life_accept(a->q, m, im->piece, im->len, im->spool_fd,
	    stored_cb, full_cb, a);
	spool_over(a);
}

/*
 * If its id is not to be had now, the request has ended or goes on, with again()
 * or with cb at the next one: another message has this.
 */
static bool
is_free(struct asked *a, struct store_msg *const *msgs, size_t n,
    void (*again)(struct asked *), store_msgs *cb)
{
	struct import *im = a->own;
	enum handed handed = handed_look(im->as);
	enum life_place p = life_place(a->q, &im->m, msgs, n);

	if (p == LIFE_TAKEN)
		store_id_text(im->m.id, im->id);
	/* Who was killed and his successor may send it at once. */
	if (handed == HANDED_USED || p == LIFE_TAKEN || (handed ==
	    HANDED_UNKNOWN && store_removed(a->q->store, &im->m)))
		end_known(a);
	else if (p == LIFE_UNCERTAIN)
		asked_later(a, STORING_MS, again);
	else if (p == LIFE_ANOTHER) {
		im->m.id = life_beside(im->m.id);
		store_load(a->q->store, im->m.id, cb, a);
	} else
		return true;
	return false;
}

static void	take(struct asked *);

static void
still_free_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;

	if (is_free(a, msgs, n, take, still_free_cb))
		accept(a);
}

/* All of it is there. Other requests went on while it was copied. */
static void
take(struct asked *a)
{
	struct import *im = a->own;

	if (im->dry) {
		answer(a, false);
		asked_end(a, CTL_OK, "%s", "");
	} else if (im->as == 0)
		accept(a);
	else if (handed_look(im->as) == HANDED_UNKNOWN && !im->doubted)
		asked_end(a, CTL_TEMPORARY, "too many imports at once");
	else {	/* a restore may have it, too */
		im->m.id = im->as;
		store_load(a->q->store, im->as, still_free_cb, a);
	}
}

static void
copy(struct asked *a)
{
	struct import *im = a->own;
	uint64_t left = im->m.size - im->at;	/* it may have grown */
	/* A small one is all in it, however many reads that takes. */
	uint8_t *p = im->piece + (im->m.in_spool ? 0 : im->at);
	ssize_t n = pread(im->fd, p, left < sizeof(im->piece) ?
	    (size_t)left : sizeof(im->piece), (off_t)im->at);

	if (n == -1 || (n == 0 && im->at < im->m.size)) {
		asked_end(a, CTL_FAILED, "its file cannot be read to the end");
		return;
	}
	if (!sound_lines(&im->last, p, (size_t)n)) {
		asked_end(a, CTL_FAILED, "its file has a NUL, or a CR or an LF "
		    "that is alone");
		return;
	}
	im->at += (uint64_t)n;
	if (im->spool_fd != -1 && n > 0 &&
	    write(im->spool_fd, p, (size_t)n) != n) {
		end_full(a);
		return;
	}
	if (im->at < im->m.size)
		asked_later(a, 0, copy);
	else if (im->last == '\r')
		asked_end(a, CTL_FAILED, "its file ends in the middle of a "
		    "line end");
	else {
		im->len = im->m.in_spool ? 0 : (size_t)im->m.size;
		take(a);
	}
}

static const char *
look_at_content(struct asked *a)
{
	struct import *im = a->own;
	struct stat st;

	if (im->fd == -1 || fstat(im->fd, &st) == -1 || !S_ISREG(st.st_mode))
		return "no file came with the envelope";
	im->m.size = (uint64_t)st.st_size;
	im->m.in_spool = im->m.size > PIECE;
	return im->m.size > a->q->conf->max_message_bytes ?
	    "the message is larger than limits.message-size" : NULL;
}

static void
begin(struct asked *a)
{
	struct import *im = a->own;

	if (im->m.in_spool && !im->dry)
		im->spool_fd = store_spool_open(a->q->store);
	if (im->m.in_spool && !im->dry && im->spool_fd == -1)
		asked_end(a, CTL_FAILED, "the queue cannot make a spool file");
	else
		copy(a);
}

/* --- sent before? ------------------------------------------------------------------- */

static void	look_up(struct asked *);

static void
there_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct import *im = a->own;

	if (is_free(a, msgs, n, look_up, there_cb)) {
		im->doubted = true;
		begin(a);
	}
}

/* It came when another had its id, or its id is looked at. */
static void
beside_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct import *im = a->own;
	enum life_place p = life_place(a->q, &im->m, msgs, n);

	if (p == LIFE_TAKEN || store_removed(a->q->store, &im->m)) {
		store_id_text(im->m.id, im->id);
		end_known(a);
	} else if (p == LIFE_UNCERTAIN)
		asked_later(a, STORING_MS, look_up);
	else {
		im->m.id = im->as;
		store_load(a->q->store, im->as, there_cb, a);
	}
}

static void
look_up(struct asked *a)
{
	struct import *im = a->own;
	char self[STORE_ID_LEN + 1];
	enum handed handed;

	store_id_text(store_identity(a->q->store), self);
	im->m.id = im->as;
	if (im->as != 0)
		store_id_text(im->as, im->id);
	handed = im->as == 0 ? HANDED_OPEN : handed_look(im->as);
	if (im->as != 0 && strcmp(im->of, self) != 0)
		asked_end(a, CTL_FAILED, "%s is an id of another queue",
		    im->id);
	else if (handed == HANDED_OPEN)
		begin(a);
	else if (handed == HANDED_USED)
		end_known(a);
	else if (im->as >= store_new_id(a->q->store))
		asked_end(a, CTL_FAILED, "%s is no id of this queue", im->id);
	else {
		im->m.id = life_beside(im->as);
		store_load(a->q->store, im->m.id, beside_cb, a);
	}
}

/* Ids for the messages that will come next. */
static void
hand_out(struct asked *a, const char *value)
{
	char text[HANDED_LEN + 1];
	uint64_t n, id;

	if (!number(value, IDS_MAX, &n)) {
		asked_end(a, CTL_USAGE, "at most %d ids at once", IDS_MAX);
		return;
	}
	for (; n > 0; n--) {
		id = store_new_id(a->q->store);
		handed_add(id);
		store_id_text(store_identity(a->q->store), text);
		text[STORE_ID_LEN] = '-';
		store_id_text(id, text + STORE_ID_LEN + 1);
		child_ctl_row(a->id, 1);
		child_ctl_str("id", text);
		asked_send(a);
	}
	asked_end(a, CTL_OK, "%s", "");
}

void
ctl_import(struct asked *a, size_t argc, const char *const *argv)
{
	struct import *im = xcalloc(1, sizeof(*im));
	const char *why;

	store_msg_init(&im->m);
	im->fd = child_ctl_take_fd();
	im->spool_fd = -1;
	a->own = im;
	a->clear = import_clear;
	if (a->q->stopping || !store_has_room(a->q->store)) {
		asked_end(a, CTL_TEMPORARY, "the queue takes no mail now; "
		    "try again later");
		return;
	}
	if (argc == 1 && strncmp(argv[0], "ids=", 4) == 0) {
		hand_out(a, argv[0] + 4);
		return;
	}
	why = read_envelope(a, argc, argv);
	if (why == NULL)
		why = look_at_content(a);
	if (why != NULL)
		asked_end(a, CTL_FAILED, "%s", why);
	else
		look_up(a);
}
