/*
 * A message from a folder of the admin's: its envelope as arguments, its bytes
 * in a file that came along. It enters as one just accepted does, but is
 * charged to nobody: it was once. What the admin's files say is checked like
 * anybody's.
 */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/ctl_private.h"
#include "queue/route.h"
#include "queue/submit.h"

#define PIECE	(64 * 1024)
#define ATTEMPTS_MAX 10000000	/* at one a second, in four months */

struct import {
	struct store_msg m;
	struct live_msg *lm;
	char	 was[STORE_ID_LEN + 1];	/* its id where it was exported */
	char	 id[STORE_ID_LEN + 1];
	int	 fd, spool_fd;
	uint64_t at;
	uint8_t	 last;			/* byte of the piece before */
	uint8_t	 piece[PIECE];
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
	return addr_parse(s, strlen(s), e->utf8 ? ADDR_UTF8 : 0, NULL);
}

/* What submit_sound() has found, with its name if it is an address. */
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
	if (!submit_sound(&im->m.env))
		return unsound(&im->m.env);
	store_msg_fit(&im->m);
	return NULL;
}

/* --- the content -------------------------------------------------------------------- */

bool
ctl_lines_sound(uint8_t *last, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\0' || (p[i] == '\n') != (*last == '\r'))
			return false;
		*last = p[i];
	}
	return true;
}

static void
stored_cb(void *arg)
{
	struct asked *a = arg;
	struct import *im = a->own;

	log_info("%s imported was=%s account=%s", im->id, *im->was == '\0' ?
	    "none" : im->was, log_escs(im->lm->m.account));
	child_ctl_row(a->id, 2);
	child_ctl_str("id", im->id);
	child_ctl_str("was", im->was);
	asked_send(a);
	life_stored(im->lm);
	asked_end(a, CTL_OK, "%s", "");
}

static void
take(struct asked *a, size_t len)
{
	struct import *im = a->own;
	struct store_msg *m = &im->m;

	m->id = store_new_id(a->q->store);
	m->due_ms = life_first_due_ms(m);
	store_id_text(m->id, im->id);
	im->lm = life_accept(a->q, m, im->piece, len, im->spool_fd, stored_cb,
	    a);
	spool_over(a);
}

static void
copy(struct asked *a)
{
	struct import *im = a->own;
	ssize_t n = pread(im->fd, im->piece, sizeof(im->piece),
	    (off_t)im->at);

	if (n == -1 || (n == 0 && im->at < im->m.size)) {
		asked_end(a, CTL_FAILED, "its file cannot be read to the end");
		return;
	}
	if (!ctl_lines_sound(&im->last, im->piece, (size_t)n)) {
		asked_end(a, CTL_FAILED, "its file has lines that do not end "
		    "in CRLF");
		return;
	}
	im->at += (uint64_t)n;
	if (im->spool_fd != -1 && n > 0 &&
	    write(im->spool_fd, im->piece, (size_t)n) != n) {
		asked_end(a, CTL_TEMPORARY, "the queue's disk does not take "
		    "it now");
		return;
	}
	if (im->at < im->m.size)
		asked_later(a, 0, copy);
	else if (im->last == '\r')
		asked_end(a, CTL_FAILED, "its file ends in the middle of a "
		    "line end");
	else
		take(a, im->spool_fd == -1 ? (size_t)n : 0);
}

static const char *
open_content(struct asked *a)
{
	struct import *im = a->own;
	struct stat st;

	if (im->fd == -1 || fstat(im->fd, &st) == -1 || !S_ISREG(st.st_mode))
		return "no file came with the envelope";
	im->m.size = (uint64_t)st.st_size;
	if (im->m.size > a->q->conf->max_message_bytes)
		return "the message is larger than limits.message-size";
	if (im->m.size <= PIECE)
		return NULL;
	im->m.in_spool = true;
	im->spool_fd = store_spool_open(a->q->store);
	return im->spool_fd == -1 ? "the queue cannot make a spool file" :
	    NULL;
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
	why = read_envelope(a, argc, argv);
	if (why == NULL)
		why = open_content(a);
	if (why != NULL)
		asked_end(a, CTL_FAILED, "%s", why);
	else
		copy(a);
}
