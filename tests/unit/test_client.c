/*
 * relay/client and relay/pool: servers that behave and servers that do not,
 * each as a script, over real sockets. A script is a row of lines: "S:" says,
 * "C:" expects, "-" closes, "!" turns other connections away. What matters is each recipient's outcome.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>

#include "lib/ev.h"
#include "lib/xalloc.h"
#include "relay/dns.h"
#include "relay/pool.h"
#include "relay/sasl.h"
#include "tests/tap.h"

#define LINES_MAX 40

struct script {
	const char *name;
	const char *want;	/* per recipient: D deferred, F failed, O ok */
	const char *status;	/* of the first recipient, or NULL */
	const char *lines[LINES_MAX];
};

#define HELLO "S:220 sink ESMTP", "C:EHLO relay.test"
#define PLAIN HELLO, "S:250 sink"
#define PIPED HELLO, "S:250-sink", "S:250-8BITMIME", "S:250 PIPELINING"
#define MAIL_RCPTS "C:MAIL FROM:<a@b.test>", "C:RCPT TO:<one@c.test>", \
	"C:RCPT TO:<two@c.test>", "C:DATA"
#define BODY "C:Subject: x", "C:", "C:..dot", "C:text", "C:."
#define BYE "C:QUIT", "S:221 bye"

static const struct script scripts[] = {
	{ "a plain server", "OO", "2.0.0", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "S:250 ok", "C:RCPT TO:<one@c.test>", "S:250 ok",
	    "C:RCPT TO:<two@c.test>", "S:250 ok", "C:DATA", "S:354 go", BODY,
	    "S:250 2.0.0 queued", BYE } },
	{ "pipelining", "OO", "2.6.0", { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:250 ok", "S:250 ok", "S:354 go", BODY, "S:250 2.6.0 queued",
	    BYE } },
	{ "one recipient refused, pipelined", "FO", "5.1.1", { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:550 5.1.1 no such user", "S:250 ok",
	    "S:354 go", BODY, "S:250 ok", BYE } },
	{ "one recipient later, one never", "DF", "4.2.2", { PLAIN,
	    "C:MAIL FROM:<a@b.test>", "S:250 ok", "C:RCPT TO:<one@c.test>",
	    "S:452 4.2.2 full", "C:RCPT TO:<two@c.test>", "S:550 no", BYE } },
	{ "552 to RCPT means later", "DO", "5.0.0", { PLAIN,
	    "C:MAIL FROM:<a@b.test>", "S:250 ok", "C:RCPT TO:<one@c.test>",
	    "S:552 too many", "C:RCPT TO:<two@c.test>", "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 ok", BYE } },
	{ "all refused, pipelined, DATA 503", "FF", "5.0.0", { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:550 no", "S:550 no", "S:503 no", BYE } },
	{ "all refused, pipelined, DATA 354 all the same", "FF", "5.0.0", {
	    PIPED, MAIL_RCPTS, "S:250 ok", "S:550 no", "S:550 no", "S:354 go",
	    "C:.", "S:554 no valid recipients", BYE } },
	{ "sender refused", "FF", "5.7.1", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "S:550 5.7.1 not you", BYE } },
	{ "sender later", "DD", "4.7.1", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "S:450 4.7.1 greylisted", BYE } },
	{ "DATA refused", "FF", "5.0.0", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "S:250 ok", "C:RCPT TO:<one@c.test>", "S:250 ok",
	    "C:RCPT TO:<two@c.test>", "S:250 ok", "C:DATA", "S:554 no", BYE } },
	{ "message refused", "FF", "5.7.0", { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:250 ok", "S:250 ok", "S:354 go", BODY, "S:554 5.7.0 spam",
	    BYE } },
	{ "message later", "DD", "4.3.0", { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:250 ok", "S:250 ok", "S:354 go", BODY, "S:451 4.3.0 busy",
	    BYE } },
	{ "closes at the greeting", "DD", "4.4.2", { "-" } },
	{ "greets with 554", "DD", "4.3.2", { "S:554 go away" } },
	{ "greets with 421", "DD", "4.4.2", { "S:421 busy", "-" } },
	{ "closes at EHLO", "DD", "4.4.2", { HELLO, "-" } },
	{ "closes at MAIL", "DD", "4.4.2", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "-" } },
	{ "closes at RCPT", "DD", "4.4.2", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "S:250 ok", "C:RCPT TO:<one@c.test>", "-" } },
	{ "closes after one RCPT", "FD", "5.0.0", { PLAIN,
	    "C:MAIL FROM:<a@b.test>", "S:250 ok", "C:RCPT TO:<one@c.test>",
	    "S:550 no", "C:RCPT TO:<two@c.test>", "-" } },
	{ "closes at DATA", "DD", "4.4.2", { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:250 ok", "S:250 ok", "-" } },
	{ "closes after the final dot", "DD", "4.4.2", { PIPED, MAIL_RCPTS,
	    "S:250 ok", "S:250 ok", "S:250 ok", "S:354 go", BODY, "-" } },
	{ "421 at RCPT", "DD", "4.3.2", { PLAIN, "C:MAIL FROM:<a@b.test>",
	    "S:250 ok", "C:RCPT TO:<one@c.test>", "S:421 4.3.2 stopping",
	    "-" } },
	{ "no code", "DD", "4.5.0", { "S:hello there" } },
	{ "code of four digits", "DD", "4.5.0", { "S:2200 hello" } },
	{ "codes that differ in one reply", "DD", "4.5.0", {
	    "S:220-hello", "S:250 there" } },
	{ "1xx", "DD", "4.5.0", { "S:120 wait" } },
	{ "bare LF", "DD", "4.5.0", { "S:220 a\nb" } },
	{ "bare CR", "DD", "4.5.0", { "S:220 a\rb" } },
	{ "HELO for an old server", "OO", "2.0.0", { "S:220 old",
	    "C:EHLO relay.test", "S:500 what?", "C:HELO relay.test",
	    "S:250 hello", "C:MAIL FROM:<a@b.test>", "S:250 ok",
	    "C:RCPT TO:<one@c.test>", "S:250 ok", "C:RCPT TO:<two@c.test>",
	    "S:251 ok", "C:DATA", "S:354 go", BODY, "S:250 ok", BYE } },
	{ "too large for it", "FF", "5.3.4", { HELLO, "S:250-sink",
	    "S:250 SIZE 10", BYE } },
	{ "SIZE is told", "FF", "5.3.4", { HELLO, "S:250-sink",
	    "S:250 SIZE 1000000", "C:MAIL FROM:<a@b.test> SIZE=26",
	    "S:552 5.3.4 no", BYE } },
	{ "an answer to the message comes with 354", "DD", "4.5.0", { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:250 ok", "S:250 ok",
	    "S:354 go\r\n250 2.0.0 queued" } },
	{ "says unasked", "DD", "4.4.2", { HELLO, "S:250 sink",
	    "C:MAIL FROM:<a@b.test>", "S:250 ok", "C:RCPT TO:<one@c.test>",
	    "S:421 shutting down" } },
};

/* With a user: nothing goes out without the login. */
static const struct script login = { "STARTTLS refused", "DD", "4.7.0", {
    HELLO, "S:250-sink", "S:250-AUTH PLAIN", "S:250 STARTTLS", "C:STARTTLS",
    "S:454 not now" } };

/* --- the server --------------------------------------------------------------------- */

struct server {
	int	 listener;
	const struct script *script;
	int	 turned_away;
	char	 trouble[300];
};

static bool
read_line(int fd, char *line, size_t size)
{
	size_t n = 0;
	char c;

	while (n + 1 < size && recv(fd, &c, 1, 0) == 1) {
		line[n++] = c;
		if (c == '\n')
			break;
	}
	line[n] = '\0';
	if (n < 2 || line[n - 2] != '\r')
		return false;
	line[n - 2] = '\0';
	return true;
}

/* For half a second everybody else is told that there are too many already. */
static void
turn_away(struct server *s)
{
	static const char busy[] = "421 4.7.0 too many connections\r\n";
	struct pollfd pfd = { .fd = s->listener, .events = POLLIN };

	while (s->turned_away < 1000 && poll(&pfd, 1, 500) == 1) {
		int fd = accept(s->listener, NULL, NULL);

		s->turned_away++;
		if (send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL) == -1)
			perror("send");
		close(fd);
	}
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	const char *const *l = s->script->lines;
	char line[2048];
	int fd = accept(s->listener, NULL, NULL);

	for (; *l != NULL && **l != '-'; l++) {
		if (**l == '!') {
			turn_away(s);
			continue;
		}
		if (**l == 'S') {
			dprintf(fd, "%s\r\n", *l + 2);
			continue;
		}
		if (!read_line(fd, line, sizeof(line)) ||
		    strcmp(line, *l + 2) != 0) {
			snprintf(s->trouble, sizeof(s->trouble),
			    "wanted \"%s\", got \"%.100s\"", *l + 2, line);
			break;
		}
	}
	/* Without a "-" the peer is to hang up first. */
	while (*l == NULL && recv(fd, line, sizeof(line), 0) > 0)
		;
	close(fd);
	return NULL;
}

static uint32_t
listen_on(int *listener)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(*listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(*listener, 5) == -1 ||
	    getsockname(*listener, (struct sockaddr *)&sin, &len) == -1)
		perror("listen");
	return ntohs(sin.sin_port);
}

/* --- the other side --------------------------------------------------------------------- */

static struct ipc *queue;
static char outcomes[8], statuses[8][32];
static unsigned int ended;
static bool stopped;

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	if (in->type == M_RCPT_RESULT) {
		uint32_t i = ipc_get_u32(in);
		uint8_t o = ipc_get_u8(in);

		outcomes[i] = "ODF"[o];
		snprintf(statuses[i], sizeof(statuses[i]), "%s",
		    ipc_get_str(in, 32));
	}
	if (in->type == M_DELIVER_END)
		ended++;
	return 0;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
}

static const struct ipc_ops ops = { on_msg, on_gone };

static struct delivery *
message(void)
{
	static const char body[] = "Subject: x\r\n\r\n.dot\r\ntext\r\n";
	struct ipc_in in = { .fd = -1 };
	const uint8_t *p;
	size_t len;

	ipc_begin(M_DELIVER, 1);
	ipc_put_str("id");
	ipc_put_str("out");
	ipc_put_str("c.test");
	ipc_put_str("a@b.test");
	ipc_put_u8(0);
	ipc_put_str("");
	ipc_put_u8(0);
	ipc_put_u32(2);
	ipc_put_u32(0);
	ipc_put_str("one@c.test");
	ipc_put_str("");
	ipc_put_u8(0);
	ipc_put_u32(1);
	ipc_put_str("two@c.test");
	ipc_put_str("");
	ipc_put_u8(0);
	ipc_put_u64(sizeof(body) - 1);
	ipc_put_bytes(body, sizeof(body) - 1);
	p = ipc_built(&len);
	return ipc_parse(p, len, &in) ? delivery_get(&in, &queue) : NULL;
}

static struct pool_conf *
conf(uint32_t port, char *user)
{
	static char host[] = "127.0.0.1", name[] = "out", me[] = "relay.test",
	    none[] = "";
	struct conf_relay_route r = { .name = name, .host = host,
	    .port = port, .tls = ROUTE_TLS_MAY, .ca_pem = none, .user = user == NULL ? none : user,
	    .password = none, .connections = 2, .messages = 10,
	    .idle_sec = 1 };
	struct relay_conf c = { .hostname = me, .routes = { &r, 1 },
	    .trust_anchor = none, .source_address = none, .connect_sec = 10,
	    .command_sec = 10, .data_sec = 10 };
	const char *err;

	return pool_conf_new(&c, &err);
}

static void
stopped_cb(void)
{
	stopped = true;
}

static void
run(const struct script *s, char *user)
{
	struct server server = { .script = s };
	struct pool *pool = pool_new();
	pthread_t thread;

	memset(outcomes, 0, sizeof(outcomes));
	memset(statuses, 0, sizeof(statuses));
	ended = 0;
	stopped = false;
	pool_use(pool, conf(listen_on(&server.listener), user));
	pthread_create(&thread, NULL, serve, &server);
	pool_deliver(pool, message());
	while (!ended)
		ev_loop_once(100);
	pool_stop(pool, stopped_cb);
	while (!stopped)
		ev_loop_once(100);
	pthread_join(thread, NULL);
	close(server.listener);
	is_str(outcomes, s->want, "%s: the outcomes", s->name);
	is_str(statuses[0], s->status, "%s: the status", s->name);
	is_str(server.trouble, "", "%s: the dialog", s->name);
	pool_use(pool, NULL);
	free(pool);
}

/* One message is on its way; the next must not knock again and again. */
static void
test_too_many(void)
{
	static const struct script script = { "too many", NULL, NULL, { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:250 ok", "S:250 ok", "S:354 go", BODY,
	    "!", "S:250 ok", MAIL_RCPTS, "S:250 ok", "S:250 ok", "S:250 ok",
	    "S:354 go", BODY, "S:250 ok", BYE } };
	struct server server = { .script = &script };
	struct pool *pool = pool_new();
	pthread_t thread;

	ended = 0;
	stopped = false;
	pool_use(pool, conf(listen_on(&server.listener), NULL));
	pthread_create(&thread, NULL, serve, &server);
	pool_deliver(pool, message());
	pool_deliver(pool, message());
	while (ended < 2)
		ev_loop_once(100);
	pool_stop(pool, stopped_cb);
	while (!stopped)
		ev_loop_once(100);
	pthread_join(thread, NULL);
	close(server.listener);
	is_str(server.trouble, "", "too many: both go over the one connection");
	ok(server.turned_away <= 2, "too many: asked for more %d times",
	    server.turned_away);
	pool_use(pool, NULL);
	free(pool);
}

int
main(void)
{
	struct conf_strs resolvers = { NULL, 0 };
	struct ipc *other;
	char relay[] = "relay";
	int fd[2];
	size_t i;

	ev_init();
	if (ipc_pair(fd) == -1)
		return 1;
	queue = ipc_new(fd[0], &ops, NULL);
	other = ipc_new(fd[1], &ops, NULL);
	ok(dns_setup(&resolvers, "") == NULL, "DNS starts");
	ok(sasl_setup() == NULL, "SASL starts");
	for (i = 0; i < nitems(scripts); i++)
		run(&scripts[i], NULL);
	run(&login, relay);
	test_too_many();
	dns_close();
	ipc_free(&queue);
	ipc_free(&other);
	return tap_done();
}
