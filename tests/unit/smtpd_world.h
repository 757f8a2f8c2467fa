/*
 * smtpd_world: a worker without processes: a server, sessions over socket
 * pairs, and an auth and a queue that are played here. For the session tests
 * and the fuzzer; everything runs in one loop, turn by turn.
 */
#ifndef TESTS_SMTPD_WORLD_H
#define TESTS_SMTPD_WORLD_H

#include <sys/mman.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <signal.h>

#include "lib/buf.h"
#include "lib/envelope.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "smtpd/session_private.h"

struct world {
	struct server srv;
	struct smtpd_conf conf;
	struct ipc *auth, *queue;	/* the far ends */

	/* What the played processes do; 0 is the friendly way. */
	bool	 auth_silent, queue_silent;
	int	 lane_no;		/* 1 + what M_LANE_NO says; 0: M_LANE_OK */
	bool	 lane_refuses;		/* other senders are not rewritten */
	bool	 rewrites;		/* those that log in chose so */
	char	 plus;			/* tags are theirs */
	uint32_t rcpts;			/* that M_TX_OK grants */
	uint8_t	 priority;		/* and the highest it allows */
	uint32_t no_begin, no_spool, no_submit; /* refuse with this code */

	/* What they saw. */
	unsigned long heard;		/* messages */
	int	 auth_starts, auth_cancels, begins, ends, spools, submits;
	struct buf body;		/* of the last message */
	char	 envelope[4096];	/* "from>to,to" */
	char	 asked[4096];		/* "envid ret,orcpt notify,..." and flags */
	char	 lane[256];		/* "listener peer" of the last M_LANE */
	char	 response[256];		/* last decoded SASL response */
	uint64_t announced, hold_until_ms;
	struct envelope wishes;		/* its numbers alone */
	int	 spool_fd;
	uint64_t spool_bytes, spool_session;	/* who asked for it */
};

struct client {
	int	 fd;
	struct session *session;
	struct buf got;
	bool	 closed;
};

static struct world world;

static void
world_auth_ok(uint64_t id)
{
	struct ticket t = { .session = id, .expires_ms = 1 };

	snprintf(t.account, sizeof(t.account), "alice@example.org");
	snprintf(t.cap, sizeof(t.cap), "default");
	t.plus = world.plus;
	ipc_begin(M_AUTH_OK, id);
	ticket_put(&t);
	ipc_put_str(world.rewrites ? t.account : "");
	ipc_put_u32(2);
	ipc_put_str("@lists.example.org");
	ipc_put_bytes(t.mac, sizeof(t.mac));
	ipc_put_str("sales@example.org");
	ipc_put_bytes(t.mac, sizeof(t.mac));
	ipc_send(world.auth, -1);
}

static void
world_auth_no(uint64_t id, enum auth_no why)
{
	ipc_begin(M_AUTH_NO, id);
	ipc_put_u8(why);
	ipc_put_u32(why == AUTH_NO_LOCKED ? 720 : 0);
	ipc_send(world.auth, -1);
}

static void
world_challenge(uint64_t id, const char *text)
{
	ipc_begin(M_AUTH_CHALLENGE, id);
	ipc_put_bytes(text, strlen(text));
	ipc_send(world.auth, -1);
}

/* "good" lets in, "down" is temporary, "ask" asks on, the rest is wrong. */
static void
world_judge(uint64_t id, const char *r)
{
	if (strcmp(r, "good") == 0)
		world_auth_ok(id);
	else if (strcmp(r, "ask") == 0)
		world_challenge(id, "more");
	else
		world_auth_no(id, strcmp(r, "down") == 0 ? AUTH_NO_TEMPORARY :
		    strcmp(r, "locked") == 0 ? AUTH_NO_LOCKED :
		    AUTH_NO_CREDENTIALS);
}

/* A device that may write to two, as scanner@example.org. */
static void
world_on_lane(struct ipc_in *in)
{
	struct ticket t = { .session = in->id, .expires_ms = 1 };
	const char *listener = ipc_get_str(in, 256);

	snprintf(world.lane, sizeof(world.lane), "%s %s", listener,
	    ipc_get_str(in, 256));
	if (!ipc_in_end(in))
		abort();
	if (world.auth_silent)
		return;
	if (world.lane_no != 0) {
		ipc_begin(M_LANE_NO, in->id);
		ipc_put_bool(world.lane_no == 2);
		ipc_send(world.auth, -1);
		return;
	}
	snprintf(t.account, sizeof(t.account), "scanner");
	snprintf(t.cap, sizeof(t.cap), "default");
	snprintf(t.lane, sizeof(t.lane), "scanner1");
	snprintf(t.sender, sizeof(t.sender), "scanner@example.org");
	ipc_begin(M_LANE_OK, in->id);
	ticket_put(&t);
	ipc_put_bool(!world.lane_refuses);
	ipc_put_u32(2);
	ipc_put_str("@example.org");
	ipc_put_str("boss@example.net");
	ipc_send(world.auth, -1);
}

static int
world_on_auth(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	const uint8_t *p;
	size_t n;
	bool initial = true;

	world.heard++;
	if (in->type == M_AUTH_CANCEL) {
		world.auth_cancels++;
		return 0;
	}
	if (in->type == M_LANE) {
		world_on_lane(in);
		return 0;
	}
	if (in->type == M_AUTH_START) {
		world.auth_starts++;
		ipc_get_str(in, 64);
		initial = ipc_get_bool(in);
	}
	p = ipc_get_bytes(in, 16384, &n);
	snprintf(world.response, sizeof(world.response), "%.*s", (int)n,
	    (const char *)p);
	if (world.auth_silent)
		return 0;
	if (!initial)
		world_challenge(in->id, "");
	else
		world_judge(in->id, world.response);
	return 0;
}

static void
world_no(uint64_t id, uint32_t code)
{
	ipc_begin(M_TX_NO, id);
	ipc_put_u32(code);
	ipc_put_str(code < 500 ? "4.7.1" : "5.7.1");
	ipc_put_str("queue says no");
	ipc_send(world.queue, -1);
}

static void
world_begin(struct ipc_in *in, struct ticket *t)
{
	ipc_get_str(in, 512);
	world.announced = ipc_get_u64(in);
	world.begins++;
	if (world.no_begin != 0) {
		world_no(in->id, world.no_begin);
		return;
	}
	ipc_begin(M_TX_OK, in->id);
	ipc_put_u32(world.rcpts);
	ipc_put_u8(world.priority);
	ipc_send(world.queue, -1);
}

static void
world_spool(struct ipc_in *in)
{
	world.spools++;
	world.spool_session = in->id;
	world.spool_bytes = ipc_get_u64(in);
	if (!ipc_in_end(in))
		abort();
	if (world.no_spool != 0) {
		world_no(in->id, world.no_spool);
		return;
	}
	if (world.spool_fd != -1)
		close(world.spool_fd);
	world.spool_fd = memfd_create("spool", MFD_CLOEXEC);
	ipc_begin(M_TX_SPOOL_HERE, in->id);
	ipc_send(world.queue, world.spool_fd);
}

static void
world_keep_body(struct ipc_in *in, uint64_t size)
{
	bool spooled = ipc_get_bool(in);
	const uint8_t *p;
	size_t n;

	p = ipc_get_bytes(in, ENVELOPE_BODY_MAX, &n);
	buf_reset(&world.body);
	if (!spooled) {
		if (n != size)
			abort();
		buf_add(&world.body, p, n);
	} else {
		void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE,
		    world.spool_fd, 0);

		if (lseek(world.spool_fd, 0, SEEK_END) != (off_t)size ||
		    map == MAP_FAILED)
			abort();
		buf_add(&world.body, map, size);
		munmap(map, size);
	}
}

static void
world_submit(struct ipc_in *in)
{
	struct envelope e;
	size_t i, n;

	envelope_get(in, &e);
	n = (size_t)snprintf(world.envelope, sizeof(world.envelope), "%s>",
	    e.return_path);
	for (i = 0; i < e.nrcpts && n < sizeof(world.envelope); i++)
		n += (size_t)snprintf(world.envelope + n,
		    sizeof(world.envelope) - n, "%s%s", i == 0 ? "" : ",",
		    e.rcpts[i].addr);
	n = (size_t)snprintf(world.asked, sizeof(world.asked), "%s%s%s%s%s",
	    e.utf8 ? "utf8 " : "", e.body_8bit ? "8bit " : "",
	    e.require_tls ? "tls " : "", e.envid == NULL ? "-" : e.envid,
	    e.ret == RET_FULL ? " full" : e.ret == RET_HDRS ? " hdrs" : "");
	for (i = 0; i < e.nrcpts && n < sizeof(world.asked); i++)
		n += (size_t)snprintf(world.asked + n, sizeof(world.asked) - n,
		    ",%s %u", e.rcpts[i].orcpt == NULL ? "-" :
		    e.rcpts[i].orcpt, e.rcpts[i].notify);
	world.hold_until_ms = e.hold_until_ms;
	world.wishes = e;
	envelope_clear(&e);
	world_keep_body(in, ipc_get_u64(in));
	if (!ipc_in_end(in))
		abort();
	world.submits++;
	if (world.no_submit != 0) {
		world_no(in->id, world.no_submit);
		return;
	}
	ipc_begin(M_SUBMITTED, in->id);
	ipc_put_str("1b2c3d");
	ipc_send(world.queue, -1);
}

static int
world_on_queue(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct ticket t;

	world.heard++;
	if (in->type == M_TX_END) {
		world.ends++;
		return 0;
	}
	ticket_get(in, &t);
	if (t.session != in->id)
		abort();
	if (world.queue_silent)
		return 0;
	if (in->type == M_TX_BEGIN)
		world_begin(in, &t);
	else if (in->type == M_TX_SPOOL)
		world_spool(in);
	else if (in->type == M_SUBMIT)
		world_submit(in);
	else
		abort();
	return 0;
}

static void
world_gone(struct ipc *ipc, const char *why, void *arg)
{
}

static const struct ipc_ops world_auth_ops = { world_on_auth, world_gone };
static const struct ipc_ops world_queue_ops = { world_on_queue, world_gone };

static void
world_connect(struct upstream *u, struct ipc **far, const struct ipc_ops *ops)
{
	int fd[2];

	if (ipc_pair(fd) == -1)
		abort();
	ipc_free(far);
	*far = ipc_new(fd[1], ops, NULL);
	upstream_attach(u, 0, fd[0]);
}

static void
world_drop_log(enum log_level level, const char *proc, const char *line)
{
}

static void
world_init(void)
{
	static char *mechanisms[] = { (char *)(uintptr_t)"PLAIN",
	    (char *)(uintptr_t)"LOGIN" };

	signal(SIGPIPE, SIG_IGN);
	log_init("test", -1);
	log_set_sink(world_drop_log);
	ev_init();
	ev_clock_fake(1000, 1795442700000ULL);
	world.conf = (struct smtpd_conf){
		.hostname = (char *)(uintptr_t)"relay.example.org",
		.mechanisms = { mechanisms, 2 },
		.max_message_bytes = 300000, .max_recipients = 5,
		.max_header_bytes = 4096, .max_errors = 10,
		.max_sessions = 10, .max_sessions_per_address = 10,
		.max_hops = 30, .greeting_sec = 60, .command_sec = 300,
		.data_sec = 180, .message_sec = 3600, .session_sec = 14400,
	};
	world.rcpts = 100;
	world.spool_fd = -1;
	buf_init(&world.body, 8 << 20);
	server_init(&world.srv, &world.conf);
	world_connect(&world.srv.auth, &world.auth, &world_auth_ops);
	world_connect(&world.srv.queue, &world.queue, &world_queue_ops);
}

static void
world_clear(void)
{
	server_clear(&world.srv);
	ipc_free(&world.auth);
	ipc_free(&world.queue);
	buf_clear(&world.body);
	if (world.spool_fd != -1)
		close(world.spool_fd);
}

/* Turns the loop until nothing moves any more. */
static void
world_settle(void)
{
	unsigned long before;
	int i;

	do {
		before = world.heard;
		for (i = 0; i < 12; i++)
			ev_loop_once(0);
	} while (world.heard != before);
}

static void
client_read(struct client *c)
{
	char piece[4096];
	ssize_t n;

	while ((n = recv(c->fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
		buf_add(&c->got, piece, (size_t)n);
	c->closed = c->closed || n == 0 || (n == -1 && errno != EAGAIN);
}

/* A device, at a listener of its own; no_tls: not even STARTTLS. */
__attribute__((unused)) static void
client_open_lane(struct client *c, bool no_tls)
{
	struct sockaddr none = { .sa_family = AF_UNIX };
	int fd[2];

	memset(c, 0, sizeof(*c));
	buf_init(&c->got, 8 << 20);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1 ||
	    fcntl(fd[0], F_SETFL, O_NONBLOCK) == -1 ||
	    crowd_enter(world.srv.crowd, crowd_key_of(&none), 1000000,
	    1000000) != CROWD_OK)
		abort();
	c->fd = fd[1];
	c->session = session_new_lane(&world.srv, fd[0], no_tls, "devices@x",
	    &none);
	world_settle();
	client_read(c);
}

/* tls: the session believes that the socket pair is TLS. */
__attribute__((unused)) static void
client_open(struct client *c, bool tls)
{
	struct sockaddr none = { .sa_family = AF_UNIX };
	int fd[2];

	memset(c, 0, sizeof(*c));
	buf_init(&c->got, 8 << 20);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1 ||
	    fcntl(fd[0], F_SETFL, O_NONBLOCK) == -1)
		abort();
	c->fd = fd[1];
	if (crowd_enter(world.srv.crowd, crowd_key_of(&none), 1000000,
	    1000000) != CROWD_OK)
		abort();
	c->session = session_new(&world.srv, fd[0], false, &none);
	if (tls)
		session_tls_is_up(c->session);
	world_settle();
	client_read(c);
}

static void
client_close(struct client *c)
{
	close(c->fd);
	world_settle();
	buf_clear(&c->got);
}

static void
client_send(struct client *c, const void *p, size_t n)
{
	ssize_t sent;

	while (n > 0) {
		sent = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent == -1 && errno != EAGAIN)
			return;
		if (sent > 0) {
			p = (const char *)p + sent;
			n -= (size_t)sent;
		}
		world_settle();
		client_read(c);
	}
	world_settle();
	client_read(c);
}

/*
 * The replies so far as codes: "250 2.1.0,354", one per reply; '!' at the end
 * when the server has closed. Empties what was got.
 */
__attribute__((unused)) static const char *
codes(struct client *c)
{
	static char out[8192];
	const char *p = buf_str(&c->got), *end;
	size_t n = 0, len;

	out[0] = '\0';
	for (; (end = strstr(p, "\r\n")) != NULL; p = end + 2) {
		if (end - p >= 4 && p[3] == '-')
			continue;
		len = 3;
		if (end - p > 8 && p[4] >= '2' && p[4] <= '5' && p[5] == '.')
			len = 4 + strcspn(p + 4, " ");
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%.*s",
		    n == 0 ? "" : ",", (int)len, p);
	}
	if (*p != '\0' || c->closed)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s",
		    *p != '\0' ? "?" : "!");
	buf_reset(&c->got);
	return out;
}

__attribute__((unused)) static void
say(struct client *c, const char *text)
{
	client_send(c, text, strlen(text));
}

#endif
