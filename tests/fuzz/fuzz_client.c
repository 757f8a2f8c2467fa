/*
 * The relay's SMTP client against a next hop that says any bytes. The last two
 * bytes of the input choose what is to be delivered and the pieces. However
 * the lines of a server that waits to be asked arrive, the results are the
 * same; each recipient gets one result and each delivery one end; nothing
 * counts as delivered unless the whole message has been on the wire; and no
 * line that leaves is malformed.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <signal.h>

#include "lib/envelope.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "relay/client_private.h"
#include "relay/sasl.h"
#include "tests/fuzz/fuzz.h"

const unsigned long fuzz_replay_runs = 2000;

#define BODY	"Subject: x\r\n\r\n.dot\r\nend\r\n"
#define STUFFED	"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n"
#define RCPTS	2

enum { DELIVERIES = 3, EIGHT_BIT = 4, UTF8 = 8, DSN = 16, BROKEN = 32,
    LOGIN = 64 };

static struct {
	struct ipc *out, *in;		/* relay's end of the channel, queue's */
	int	 listener;
	struct sockaddr_un addr;
	socklen_t addr_len;

	uint8_t	 flags;
	struct client *client;
	bool	 over;
	bool	 unasked, early, stopping;	/* why it ended */
	uint64_t begun, ended;		/* deliveries */
	unsigned int results;		/* of the delivery under way */
	size_t	 delivered;		/* messages that some recipient has got */
	bool	 this_delivered;
	struct buf wire;		/* what the client has said */
	struct buf told;		/* what queue has heard, as text */
} relay;

/* --- queue's end ---------------------------------------------------------------------- */

static void
printable(const char *s)
{
	for (; *s != '\0'; s++)
		MUST((uint8_t)*s >= ' ' && *s != 0x7f);
}

static void
on_result(struct ipc_in *in)
{
	uint8_t outcome = ipc_get_u8(in);
	const char *status = ipc_get_str(in, 11);
	const char *diag = ipc_get_str(in, 2000);
	uint32_t n, index;

	printable(status);
	printable(diag);
	printable(ipc_get_str(in, 255));
	for (n = ipc_get_u32(in); n > 0; n--) {
		index = ipc_get_u32(in);
		MUST(index < RCPTS);
		MUST((relay.results & 1U << index) == 0);
		relay.results |= 1U << index;
		relay.this_delivered |= outcome == OUTCOME_DELIVERED;
		buf_addf(&relay.told, "%llu:%u %u %s %s\n",
		    (unsigned long long)in->id, index, outcome, status, diag);
	}
	MUST(ipc_in_end(in));
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	if (in->type == M_RCPT_RESULT) {
		on_result(in);
		return 0;
	}
	MUST(in->type == M_DELIVER_END);
	printable(ipc_get_str(in, 255));
	printable(ipc_get_str(in, 255));
	ipc_get_bool(in);
	ipc_get_bool(in);
	ipc_get_bool(in);
	on_result(in);
	MUST(relay.results == (1U << RCPTS) - 1);
	relay.results = 0;
	relay.delivered += relay.this_delivered;
	relay.this_delivered = false;
	relay.ended++;
	return 0;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	abort();
}

static const struct ipc_ops queue_ops = { on_msg, on_gone };

static void
drop_log(enum log_level level, const char *proc, const char *line)
{
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	log_init("test", -1);
	log_set_sink(drop_log);
	MUST(sasl_setup() == NULL);
	ev_init();
	ev_clock_fake(1000, 1795442700000ULL);
	MUST(ipc_pair(fd) == 0);
	relay.out = ipc_new(fd[0], &queue_ops, NULL);
	relay.in = ipc_new(fd[1], &queue_ops, NULL);
	relay.addr.sun_family = AF_UNIX;
	snprintf(relay.addr.sun_path + 1, sizeof(relay.addr.sun_path) - 1,
	    "postern-fuzz-client-%d", (int)getpid());
	relay.addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    1 + strlen(relay.addr.sun_path + 1));
	relay.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(relay.listener != -1 && bind(relay.listener,
	    (struct sockaddr *)&relay.addr, relay.addr_len) == 0 &&
	    listen(relay.listener, 4) == 0);
	buf_init(&relay.wire, 1 << 20);
	buf_init(&relay.told, 1 << 20);
	return 0;
}

/* --- the client's owner ----------------------------------------------------------------- */

static struct delivery *
make_delivery(void)
{
	static const char *const rcpts[RCPTS] = { "one@c.test", "two@c.test" };
	const char *body = relay.flags & BROKEN ? "a\nb\r\n" : BODY;
	struct delivery *d;
	struct ipc_in in = { .fd = -1 };
	const uint8_t *p;
	size_t i, n;

	ipc_begin(M_DELIVER, ++relay.begun);
	ipc_put_str("ID");
	ipc_put_str("up");
	ipc_put_str("");
	ipc_put_str("a@b.test");
	ipc_put_u8((relay.flags & EIGHT_BIT ? DELIVER_8BIT : 0) |
	    (relay.flags & UTF8 ? DELIVER_UTF8 : 0));
	ipc_put_str(relay.flags & DSN ? "envid" : "");
	ipc_put_u8(relay.flags & DSN ? 1 : 0);
	ipc_put_u8(relay.flags & DSN ? BY_NOTIFY : BY_NONE);
	ipc_put_bool(relay.flags & DSN);
	ipc_put_u64(relay.flags & DSN ? ev_wall_ms() + 600000 : 0);
	ipc_put_u8(ENVELOPE_PRIORITY_MAX + (relay.flags & DSN ? 3 : 0));
	ipc_put_u32(RCPTS);
	for (i = 0; i < RCPTS; i++) {
		ipc_put_u32((uint32_t)i);
		ipc_put_str(rcpts[i]);
		ipc_put_str(relay.flags & DSN ? "rfc822;x" : "");
		ipc_put_u8(relay.flags & DSN ? 4 : 0);
	}
	ipc_put_u64(strlen(body));
	ipc_put_bytes(body, strlen(body));
	ipc_put_u32(0);
	p = ipc_built(&n);
	MUST(ipc_parse(p, n, &in));
	in.fd = -1;
	d = delivery_get(&in, &relay.out);
	MUST(d != NULL);
	return d;
}

static void
ready_cb(struct client *c, void *arg)
{
	if (relay.begun <= (relay.flags & DELIVERIES))
		client_deliver(c, make_delivery());
	else
		client_quit(c);
}

static void
over_cb(struct client *c, struct delivery *unsent, bool usable, void *arg)
{
	MUST(!relay.over && *client_why(c) != '\0');
	relay.unasked = strstr(client_why(c), "than it was asked") != NULL;
	/* Half an answer holds the message's end back, too. */
	relay.early = strstr(client_why(c), "before it was sent") != NULL ||
	    strstr(client_why(c), "at sending the message") != NULL;
	/* It may come at any time, and so before the end, too. */
	relay.stopping = strstr(client_why(c), ": 421 ") != NULL;
	relay.over = true;
	if (unsent != NULL) {
		delivery_rest(unsent, false, OUTCOME_DEFERRED, "4.4.2",
		    "given back", "mx");
		delivery_end(&unsent, "mx", "none", true);
	}
	client_free(&relay.client);
}

static const struct client_ops client_ops = { ready_cb, over_cb };

/* --- the server ------------------------------------------------------------------------- */

static void
settle(int fd)
{
	char piece[4096];
	ssize_t n;
	int i;

	for (i = 0; i < 10; i++) {
		ev_clock_step(0);
		ev_loop_once(0);
	}
	while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
		buf_add(&relay.wire, piece, (size_t)n);
}

/*
 * How the server's words leave: line by line, in pieces of lines, or in pieces
 * of any length, so that it may answer what it has not been asked.
 */
enum manner { LINES, PIECES, ANYHOW };

static size_t
next_piece(const uint8_t *p, size_t n, enum manner manner, uint32_t *seed)
{
	const uint8_t *nl = memchr(p, '\n', n);
	size_t line = nl == NULL || manner == ANYHOW ? n :
	    (size_t)(nl + 1 - p);

	return manner == LINES ? line : steer_piece(seed, line);
}

static void
converse(const uint8_t *p, size_t n, enum manner manner, uint32_t seed)
{
	const struct client_conf conf = {
		.hostname = "relay.test", .source_address = "",
		.connect_sec = 30, .command_sec = 300, .data_sec = 300,
		.user = relay.flags & LOGIN ? "user" : "",
		.password = "pencil",
		/* As if under verified TLS. */
		.tls = { .secrets_ok = true },
	};
	struct dns_target target = { .host = "mx.c.test",
	    .text = "192.0.2.1", .addr_len = relay.addr_len };
	size_t piece;
	int fd;

	client_mail_forget();
	memcpy(&target.addr, &relay.addr, relay.addr_len);
	relay.over = relay.this_delivered = false;
	relay.early = relay.unasked = relay.stopping = false;
	relay.begun = relay.ended = relay.delivered = 0;
	buf_reset(&relay.wire);
	buf_reset(&relay.told);
	relay.client = client_new(&conf, &target, &client_ops, NULL);
	fd = accept4(relay.listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(fd != -1);
	settle(fd);
	for (; n > 0; p += piece, n -= piece) {
		piece = next_piece(p, n, manner, &seed);
		if (send(fd, p, piece, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
			break;
		settle(fd);
	}
	settle(fd);
	shutdown(fd, SHUT_WR);
	settle(fd);
	close(fd);
	settle(fd);
	MUST(relay.over && relay.client == NULL);
}

/* --- what must hold ---------------------------------------------------------------------- */

static size_t
count(const struct buf *b, const char *what)
{
	const char *p = buf_str(b);
	size_t n = 0;

	for (; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static void
check(void)
{
	const uint8_t *p = relay.wire.data;
	size_t i;

	MUST(relay.begun == relay.ended && relay.results == 0);
	for (i = 0; i < relay.wire.len; i++)
		MUST(p[i] == '\r' || p[i] == '\n' ? p[i] == '\r' ||
		    (i > 0 && p[i - 1] == '\r') : p[i] >= ' ' && p[i] < 0x7f);
	MUST(strlen(buf_str(&relay.wire)) == relay.wire.len);
	MUST(relay.delivered <= count(&relay.wire, STUFFED) +
	    count(&relay.wire, "BDAT 25 LAST\r\n" BODY));
	MUST(strstr(buf_str(&relay.wire), "\r\na\n") == NULL);
	if (relay.flags & LOGIN && relay.delivered > 0)
		MUST(strstr(buf_str(&relay.wire), "\r\nAUTH ") != NULL);
}

/*
 * A server that goes on unasked, at the end of a message or while the client
 * refuses one by itself, is cut off sooner or later, as its words arrive: then
 * one begins the other.
 */
static void
same(const char *a, const char *b)
{
	size_t n = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
	bool refused = strstr(a, " the next hop does not take ") != NULL ||
	    strstr(a, " than the next hop takes ") != NULL;

	/* No answer to what the other got one for. */
	if (relay.early || relay.stopping)
		return;
	MUST(strncmp(a, b, n) == 0 && (refused || relay.unasked ||
	    strlen(a) == strlen(b)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	uint32_t seed = 1 + (uint32_t)steer(&s);
	struct buf lines;

	relay.flags = steer(&s);
	converse(p, s.n, LINES, 0);
	check();
	buf_init(&lines, relay.told.max);
	buf_add(&lines, relay.told.data, relay.told.len);
	if (relay.early)
		goto out;
	converse(p, s.n, PIECES, seed);
	check();
	MUST(!relay.early);
	same(buf_str(&lines), buf_str(&relay.told));
	converse(p, s.n, ANYHOW, seed);
	check();
	same(buf_str(&lines), buf_str(&relay.told));
out:
	buf_clear(&lines);
	return 0;
}
