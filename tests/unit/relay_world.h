/*
 * relay_world: what the relay's pool stands between in a test: a queue that
 * notes each recipient's outcome, a route, messages to deliver, and the lines
 * of the log.
 */
#ifndef TESTS_UNIT_RELAY_WORLD_H
#define TESTS_UNIT_RELAY_WORLD_H

#include "lib/crc32c.h"
#include "lib/envelope.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "relay/dns.h"
#include "relay/pool.h"
#include "relay/sasl.h"
#include "relay/trouble.h"
#include "tests/tap.h"

#define WORLD_RCPTS	8

static struct ipc *world_queue, *world_other;

static struct {
	char	 outcomes[WORLD_RCPTS + 1];	/* O delivered, D deferred, F failed */
	char	 status[WORLD_RCPTS][32];
	char	 diag[WORLD_RCPTS][1000];
	unsigned int ended, delivered;
	bool	 reached, dsn, by;		/* of the last one that ended */
	char	 tls[128];
	bool	 stopped;
	struct buf log;
} heard;

static void
world_result(struct ipc_in *in)
{
	uint8_t o = ipc_get_u8(in);
	const char *status = ipc_get_str(in, 32);
	const char *diag = ipc_get_str(in, 1000);
	uint32_t n, i;

	ipc_get_str(in, 1000);
	for (n = ipc_get_u32(in); n > 0; n--) {
		i = ipc_get_u32(in);
		heard.outcomes[i] = "ODF"[o];
		heard.delivered += o == OUTCOME_DELIVERED;
		snprintf(heard.status[i], sizeof(heard.status[i]), "%s",
		    status);
		snprintf(heard.diag[i], sizeof(heard.diag[i]), "%s", diag);
	}
}

static int
world_on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	if (in->type == M_DELIVER_END) {
		ipc_get_str(in, 1000);
		snprintf(heard.tls, sizeof(heard.tls), "%s",
		    ipc_get_str(in, 1000));
		heard.reached = ipc_get_bool(in);
		heard.dsn = ipc_get_bool(in);
		heard.by = ipc_get_bool(in);
		heard.ended++;
	}
	world_result(in);
	if (!ipc_in_end(in))
		ok(false, "a malformed message of type %d", in->type);
	return 0;
}

static void
world_on_gone(struct ipc *ipc, const char *why, void *arg)
{
}

static const struct ipc_ops world_ops = { world_on_msg, world_on_gone };

static void
world_log(enum log_level level, const char *proc, const char *line)
{
	if (level != LOG_LVL_DEBUG)
		buf_addf(&heard.log, "%s\n", line);
}

static bool
world_begin(void)
{
	static const struct conf_strs none = { NULL, 0 };
	int fd[2];

	ev_init();
	log_init("test", -1);
	log_set_sink(world_log);
	buf_init(&heard.log, 1 << 20);
	if (ipc_pair(fd) == -1)
		return false;
	world_queue = ipc_new(fd[0], &world_ops, NULL);
	world_other = ipc_new(fd[1], &world_ops, NULL);
	return ok(dns_setup(&none, "") == NULL, "DNS starts") &&
	    ok(sasl_setup() == NULL, "SASL starts");
}

static int
world_end(void)
{
	dns_close();
	trouble_clear();
	ipc_free(&world_queue);
	ipc_free(&world_other);
	buf_clear(&heard.log);
	return tap_done();
}

static void
world_forget(void)
{
	struct buf log = heard.log;

	buf_reset(&log);
	memset(&heard, 0, sizeof(heard));
	heard.log = log;
	trouble_clear();
}

/* --- messages ------------------------------------------------------------------ */

struct world_rcpt {
	const char *addr, *orcpt;
	uint8_t	 notify;
};

struct world_msg {
	const char *route, *domain;	/* NULL: "out", "c.test" */
	const char *from;		/* NULL: a@b.test */
	uint8_t	 flags;
	const char *envid;
	uint8_t	 ret;
	uint8_t	 by;			/* enum by_mode */
	bool	 by_trace;
	int64_t	 by_sec;		/* from now */
	int	 priority;
	struct world_rcpt rcpts[WORLD_RCPTS]; /* none: one@ and two@c.test */
	const char *body;		/* NULL: WORLD_BODY */
	size_t	 size;			/* > 0: that much, in a file */
	bool	 misread;		/* ... that is not as it was stored */
};

#define WORLD_BODY	"Subject: x\r\n\r\n.dot\r\ntext\r\n"

static const char *
world_str(const char *s, const char *otherwise)
{
	return s == NULL ? otherwise : s;
}

/* A file of so many bytes in lines of 64, and its checksum. */
static int
world_file(size_t size, uint32_t *crc)
{
	static const char line[] = "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcd\r\n";
	FILE *f = tmpfile();
	int fd = f == NULL ? -1 : dup(fileno(f));

	for (*crc = 0; f != NULL && size >= 64; size -= 64) {
		fwrite(line, 1, 64, f);
		*crc = crc32c(*crc, line, 64);
	}
	if (f != NULL)
		fclose(f);
	return fd;
}

static struct delivery *
world_message(const struct world_msg *m)
{
	static const struct world_rcpt two[WORLD_RCPTS] = {
	    { "one@c.test", "", 0 }, { "two@c.test", "", 0 } };
	const struct world_rcpt *r = m->rcpts[0].addr == NULL ? two : m->rcpts;
	const char *body = world_str(m->body, WORLD_BODY);
	struct ipc_in in = { .fd = -1 };
	const uint8_t *p;
	uint32_t i, n = 0, crc = 0;
	int fd = m->size > 0 ? world_file(m->size, &crc) : -1;
	size_t len;

	while (n < WORLD_RCPTS && r[n].addr != NULL)
		n++;
	ipc_begin(M_DELIVER, 1);
	ipc_put_str("id");
	ipc_put_str(world_str(m->route, "out"));
	ipc_put_str(world_str(m->domain, "c.test"));
	ipc_put_str(world_str(m->from, "a@b.test"));
	ipc_put_u8(m->flags);
	ipc_put_str(m->envid);
	ipc_put_u8(m->ret);
	ipc_put_u8(m->by);
	ipc_put_bool(m->by_trace);
	ipc_put_u64(m->by == BY_NONE ? 0 : ev_wall_ms() +
	    (uint64_t)(m->by_sec * 1000) + 500);
	ipc_put_u8((uint8_t)(m->priority + ENVELOPE_PRIORITY_MAX));
	ipc_put_u32(n);
	for (i = 0; i < n; i++) {
		ipc_put_u32(i);
		ipc_put_str(r[i].addr);
		ipc_put_str(r[i].orcpt);
		ipc_put_u8(r[i].notify);
	}
	ipc_put_u64(m->size > 0 ? m->size : strlen(body));
	ipc_put_bytes(body, m->size > 0 ? 0 : strlen(body));
	ipc_put_u32(m->misread ? ~crc : crc);
	p = ipc_built(&len);
	if (!ipc_parse(p, len, &in))
		return NULL;
	in.fd = fd;
	return delivery_get(&in, &world_queue);
}

/* --- the pool --------------------------------------------------------------------- */

struct world_route {
	const char *host;		/* NULL: 127.0.0.1 */
	uint32_t port;
	enum conf_route_tls tls;
	const char *user, *password, *ca;
	uint32_t connections, messages, idle_sec; /* 0: 2, 10, 1 */
	uint32_t sec;			/* all limits; 0: 10 */
};

/* Where a second route of the same kind, "two", goes; 0: there is none. */
static uint32_t world_second_port;

static char *
world_dup(const char *s)
{
	return xstrdup(s == NULL ? "" : s);
}

static struct pool_conf *
world_conf(const struct world_route *w)
{
	static char name[] = "out", two[] = "two", me[] = "relay.test",
	    none[] = "";
	uint32_t sec = w->sec > 0 ? w->sec : 10;
	struct conf_relay_route r = { .name = name,
	    .host = world_dup(world_str(w->host, "127.0.0.1")),
	    .port = w->port, .tls = w->tls, .ca_pem = world_dup(w->ca),
	    .user = world_dup(w->user), .password = world_dup(w->password),
	    .connections = w->connections > 0 ? w->connections : 2,
	    .messages = w->messages > 0 ? w->messages : 10,
	    .idle_sec = w->idle_sec > 0 ? w->idle_sec : 1 };
	struct conf_relay_route routes[2] = { r, r };
	struct relay_conf c = { .hostname = me, .routes = { routes,
	    world_second_port == 0 ? 1 : 2 },
	    .trust_anchor = none, .source_address = none,
	    .connect_sec = sec, .command_sec = sec, .data_sec = sec };
	struct pool_conf *made;
	const char *err = NULL;

	routes[1].name = two;
	routes[1].port = world_second_port;
	made = pool_conf_new(&c, &err);
	if (made == NULL)
		ok(false, "the route: %s", err);
	free(r.host);
	free(r.ca_pem);
	free(r.user);
	free(r.password);
	return made;
}

static struct pool *
world_pool(const struct world_route *w)
{
	struct pool *p = pool_new();

	world_forget();
	pool_use(p, world_conf(w));
	return p;
}

static void
world_wait(unsigned int ended)
{
	while (heard.ended < ended)
		ev_loop_once(100);
}

static void
world_stopped_cb(void)
{
	heard.stopped = true;
}

static void
world_stop(struct pool *p)
{
	pool_stop(p, world_stopped_cb);
	while (!heard.stopped)
		ev_loop_once(100);
	pool_use(p, NULL);
	free(p);
}

#endif
