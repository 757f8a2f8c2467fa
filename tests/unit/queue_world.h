/*
 * queue_world: a queue over the store in memory, with the test at the other
 * ends of its channels as a worker of smtpd and as relays, and with the clock
 * in the test's hand.
 */
#ifndef TESTS_UNIT_QUEUE_WORLD_H
#define TESTS_UNIT_QUEUE_WORLD_H

#include <unistd.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/dispatch.h"
#include "queue/feed.h"
#include "queue/life.h"
#include "queue/life_admin.h"
#include "queue/life_digest.h"
#include "queue/life_try.h"
#include "queue/rooms.h"
#include "queue/submit.h"
#include "tests/tap.h"

#define WORLD_NOW	1000000ULL
#define WORLD_WALL	1800000000000ULL
#define WORLD_BODY	"Subject: hello\r\n\r\nworld\r\n"

static struct queue world;
static struct store *world_store;	/* outlives a queue that is reopened */
static struct conf_limit world_limits[8];
static struct conf_cap world_caps[3];
static struct conf_queue_route world_routes[4];
static uint8_t world_key[TICKET_KEY_LEN] = "this key is thirty-two bytes lon";
static struct queue_conf world_conf = {
	.hostname = (char *)"relay.example.org",
	.postmaster = (char *)"postmaster@relay.example.org",
	.ticket_key = { world_key, TICKET_KEY_LEN },
	.caps = { world_caps, 1 },
	.routes = { world_routes, 1 },
	.retry_first_sec = 300, .retry_max_sec = 4 * 3600,
	.expire_sec = 5 * 86400, .max_message_bytes = 1 << 20,
};

/* The last lines logged, newest last, for tests that look for a word. */
static char world_log[16384];

__attribute__((unused)) static void
world_sink(enum log_level level, const char *proc, const char *line)
{
	size_t n = strlen(world_log), l = strlen(line);

	if (n + l + 2 > sizeof(world_log))
		n = 0;
	snprintf(world_log + n, sizeof(world_log) - n, "%s\n", line);
}

__attribute__((unused)) static void
world_turn(int n)
{
	while (n-- > 0) {
		ev_clock_step(0);
		ev_loop_once(0);
	}
}

__attribute__((unused)) static void
world_step(uint64_t ms)
{
	ev_clock_step(ms);
	world_turn(20);
}

static struct store *
world_open_store(struct queue *q, const char **errstr)
{
	if (world_store == NULL)
		world_store = store_open_memory(&queue_store_ops, q);
	return world_store;
}

__attribute__((unused)) static void
world_defaults(void)
{
	size_t i;

	memset(world_limits, 0, sizeof(world_limits));
	memset(world_caps, 0, sizeof(world_caps));
	memset(world_routes, 0, sizeof(world_routes));
	world_limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 1000, 60 };
	world_caps[0].name = (char *)"default";
	world_caps[0].limits = (struct conf_list){ world_limits, 1 };
	world_caps[0].recipients_per_message = 100;
	world_caps[0].max_priority = 9;
	world_routes[0].name = (char *)"up";
	world_routes[0].connections = 4;
	for (i = 0; i < nitems(world_routes); i++) {
		world_routes[i].retry_first_sec = world_conf.retry_first_sec;
		world_routes[i].retry_max_sec = world_conf.retry_max_sec;
		world_routes[i].expire_sec = world_conf.expire_sec;
		world_routes[i].warn_sec = world_conf.warn_sec;
	}
}

__attribute__((unused)) static void
world_open(void)
{
	const char *why;

	ev_init();
	ev_clock_fake(WORLD_NOW, WORLD_WALL);
	log_set_sink(world_sink);
	why = queue_open(&world, &world_conf, world_open_store);
	world.told = true;		/* there is no auth here */
	ok(why == NULL, "the queue opens");
}

__attribute__((unused)) static void
world_close(void)
{
	queue_close(&world);
	world_store = NULL;
}

/* --- a peer that keeps what it is sent -------------------------------------------- */

struct world_msg {
	uint16_t type;
	uint64_t id;
	int	 fd;
	size_t	 len;
	uint8_t	 bytes[];
};

struct world_peer {
	struct ipc *ipc;
	struct world_msg *v[4096];
	size_t	 n, read;
	bool	 gone;
};

static int
world_on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct world_peer *p = arg;
	struct world_msg *m;
	size_t len = (size_t)(in->end - in->at);

	if (p->n == 4096)
		return -1;
	m = xmalloc(sizeof(*m) + len);
	m->type = in->type;
	m->id = in->id;
	m->fd = ipc_take_fd(in);
	m->len = len;
	memcpy(m->bytes, in->at, len);
	p->v[p->n++] = m;
	return 0;
}

static void
world_on_gone(struct ipc *ipc, const char *why, void *arg)
{
	((struct world_peer *)arg)->gone = true;
}

static const struct ipc_ops world_peer_ops = { world_on_msg, world_on_gone };

/* Connects p to the queue as this instance of smtpd or relay. */
__attribute__((unused)) static void
world_connect(struct world_peer *p, enum role role, uint32_t index)
{
	int fd[2];

	memset(p, 0, sizeof(*p));
	if (ipc_pair(fd) == -1)
		fatal("socketpair");
	p->ipc = ipc_new(fd[0], &world_peer_ops, p);
	if (role == ROLE_SMTPD)
		submit_peer(world.submit, index, fd[1]);
	else
		dispatch_peer(world.dispatch, index, fd[1]);
}

__attribute__((unused)) static void
world_disconnect(struct world_peer *p)
{
	size_t i;

	ipc_free(&p->ipc);
	for (i = 0; i < p->n; i++) {
		if (p->v[i]->fd != -1)
			close(p->v[i]->fd);
		free(p->v[i]);
	}
	p->n = p->read = 0;
}

/* The next message that has come, opened for reading; NULL when none. */
__attribute__((unused)) static struct world_msg *
world_next(struct world_peer *p, struct ipc_in *in)
{
	struct world_msg *m;

	world_turn(12);
	if (p->read == p->n)
		return NULL;
	m = p->v[p->read++];
	*in = (struct ipc_in){ .type = m->type, .id = m->id, .fd = m->fd,
	    .at = m->bytes, .end = m->bytes + m->len };
	return m;
}

/* --- as smtpd ------------------------------------------------------------------------ */

__attribute__((unused)) static struct ticket
world_ticket(uint32_t worker, uint64_t session, const char *account)
{
	struct ticket t;

	memset(&t, 0, sizeof(t));
	t.session = session;
	t.expires_ms = ev_now_ms() + 4 * 3600 * 1000;
	snprintf(t.account, sizeof(t.account), "%s", account);
	snprintf(t.cap, sizeof(t.cap), "default");
	ticket_seal(&world_conf.ticket_key, worker, &t);
	return t;
}

/* A body of size bytes, or NULL: it is in the spool. */
__attribute__((unused)) static void
world_submit_to(struct ipc *ipc, const struct ticket *t,
    const struct envelope *e, const char *body, size_t size)
{
	ipc_begin(M_SUBMIT, t->session);
	ticket_put(t);
	envelope_put(e);
	ipc_put_u64(size);
	ipc_put_bool(body == NULL);
	ipc_put_bytes(body, body == NULL ? 0 : size);
	ipc_send(ipc, -1);
}

__attribute__((unused)) static void
world_submit_env(struct world_peer *p, const struct ticket *t,
    const struct envelope *e, const char *body)
{
	world_submit_to(p->ipc, t, e, body, strlen(body));
}

/* To one or more recipients, separated by spaces. */
__attribute__((unused)) static void
world_submit(struct world_peer *p, uint64_t session, const char *account,
    const char *rcpts)
{
	struct ticket t = world_ticket(0, session, account);
	struct envelope e;
	char *copy = xstrdup(rcpts), *at = copy, *one;

	envelope_init(&e);
	e.return_path = xstrdup(account);
	while ((one = strsep(&at, " ")) != NULL)
		envelope_add_rcpt(&e, one, NULL, 0);
	world_submit_env(p, &t, &e, WORLD_BODY);
	envelope_clear(&e);
	free(copy);
}

struct world_no {
	uint32_t code;
	char	 status[16];
	char	 text[512];
};

/* Whether the next answer is M_SUBMITTED; else *no is filled (code 0: none). */
__attribute__((unused)) static bool
world_submitted(struct world_peer *p, struct world_no *no, char *id)
{
	struct ipc_in in;

	memset(no, 0, sizeof(*no));
	if (world_next(p, &in) == NULL)
		return false;
	if (in.type == M_SUBMITTED) {
		if (id != NULL)
			snprintf(id, STORE_ID_LEN + 1, "%s",
			    ipc_get_str(&in, STORE_ID_LEN));
		return true;
	}
	no->code = ipc_get_u32(&in);
	snprintf(no->status, sizeof(no->status), "%s", ipc_get_str(&in, 15));
	snprintf(no->text, sizeof(no->text), "%s", ipc_get_str(&in, 511));
	return false;
}

/* Whether the next hop, as the test plays it, sends reports of its own. */
static bool world_dsn;
/* Whether it knows by-times. */
static bool world_by;

/* --- as a relay -------------------------------------------------------------------------- */

struct world_job {
	uint64_t attempt;
	char	 id[STORE_ID_LEN + 1];
	char	 route[64], domain[256], return_path[256];
	uint8_t	 flags, by;
	bool	 by_trace;
	uint64_t by_ms;
	int	 priority;
	uint32_t n;
	struct {
		uint32_t index;
		char	 addr[256];
		uint8_t	 notify;
	} rcpts[200];
	uint64_t size;
	char	*body;		/* owned, with a NUL behind */
	uint32_t crc;		/* of what fd has */
	int	 fd;		/* borrowed */
};

/* Reads an M_DELIVER. */
__attribute__((unused)) static bool
world_read_job(struct ipc_in *in, struct world_job *j)
{
	const uint8_t *body;
	size_t len;
	uint32_t i;

	memset(j, 0, sizeof(*j));
	j->attempt = in->id;
	snprintf(j->id, sizeof(j->id), "%s", ipc_get_str(in, STORE_ID_LEN));
	snprintf(j->route, sizeof(j->route), "%s", ipc_get_str(in, 63));
	snprintf(j->domain, sizeof(j->domain), "%s", ipc_get_str(in, 255));
	snprintf(j->return_path, sizeof(j->return_path), "%s",
	    ipc_get_str(in, 255));
	j->flags = ipc_get_u8(in);
	ipc_get_str(in, ENVELOPE_ENVID_MAX);
	ipc_get_u8(in);
	j->by = ipc_get_u8(in);
	j->by_trace = ipc_get_bool(in);
	j->by_ms = ipc_get_u64(in);
	j->priority = ipc_get_u8(in) - ENVELOPE_PRIORITY_MAX;
	j->n = ipc_get_u32(in);
	for (i = 0; i < j->n && i < 200; i++) {
		j->rcpts[i].index = ipc_get_u32(in);
		snprintf(j->rcpts[i].addr, sizeof(j->rcpts[i].addr), "%s",
		    ipc_get_str(in, 255));
		ipc_get_str(in, ENVELOPE_ORCPT_MAX);
		j->rcpts[i].notify = ipc_get_u8(in);
	}
	j->size = ipc_get_u64(in);
	body = ipc_get_bytes(in, ENVELOPE_BODY_MAX, &len);
	j->crc = ipc_get_u32(in);
	j->body = xstrndup(body == NULL ? "" : (const char *)body, len);
	j->fd = in->fd;
	return ipc_in_end(in);
}

__attribute__((unused)) static bool
world_job(struct world_peer *p, struct world_job *j)
{
	struct ipc_in in;

	memset(j, 0, sizeof(*j));
	return world_next(p, &in) != NULL && in.type == M_DELIVER &&
	    world_read_job(&in, j);
}

__attribute__((unused)) static void
world_say(struct world_peer *p, const struct world_job *j, uint32_t k,
    enum outcome o, const char *status, const char *diag)
{
	ipc_begin(M_RCPT_RESULT, j->attempt);
	ipc_put_u8(o);
	ipc_put_str(status);
	ipc_put_str(diag);
	ipc_put_str("mx.example.net");
	ipc_put_u32(1);
	ipc_put_u32(j->rcpts[k].index);
	ipc_send(p->ipc, -1);
}

__attribute__((unused)) static void
world_end(struct world_peer *p, struct world_job *j, bool reached)
{
	ipc_begin(M_DELIVER_END, j->attempt);
	ipc_put_str(reached ? "mx.example.net" : "");
	ipc_put_str("TLSv1.3, verified");
	ipc_put_bool(reached);
	ipc_put_bool(world_dsn);
	ipc_put_bool(world_by);
	ipc_put_u8(0);		/* and no result but those already said */
	ipc_put_str("");
	ipc_put_str("");
	ipc_put_str("");
	ipc_put_u32(0);
	ipc_send(p->ipc, -1);
	free(j->body);
	j->body = NULL;
	world_turn(12);
}

/* The same word for every recipient, then the end. */
__attribute__((unused)) static void
world_answer(struct world_peer *p, struct world_job *j, enum outcome o,
    const char *status, const char *diag)
{
	uint32_t i;

	for (i = 0; i < j->n; i++)
		world_say(p, j, i, o, status, diag);
	world_end(p, j, true);
}

/* The process ends without a word; another one opens the store. relay may be NULL. */
__attribute__((unused)) static void
world_crash(struct world_peer *smtpd, struct world_peer *relay)
{
	struct store *kept = world_store;

	world_disconnect(smtpd);
	if (relay != NULL)
		world_disconnect(relay);
	world.store = store_open_memory(&queue_store_ops, &world);
	queue_close(&world);
	store_memory_reopen(kept, &queue_store_ops, &world);
	ok(queue_open(&world, &world_conf, world_open_store) == NULL,
	    "a new process opens the store");
	world.told = true;
	world_connect(smtpd, ROLE_SMTPD, 0);
	if (relay != NULL)
		world_connect(relay, ROLE_RELAY, 0);
}

__attribute__((unused)) static uint64_t
world_queued(void)
{
	return store_count(world.store);
}

#endif
