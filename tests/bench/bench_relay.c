/*
 * What a message costs in postern-relay: the real program between a queue and
 * a next hop that are played here. CPU time is the relay's alone.
 *
 *	bench_relay [-tk] [-m messages] [-c connections] [-b bytes] [-r rcpts]
 *	    [-w at once] postern-relay
 *
 * -t: STARTTLS, -k: CHUNKING. The next hop offers PIPELINING, SIZE and
 * 8BITMIME as well.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <openssl/ssl.h>

#include "lib/buf.h"
#include "lib/child.h"
#include "lib/crc32c.h"
#include "lib/envelope.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "tests/unit/tls_pair.h"

#define HEADER	16		/* of a message between processes, lib/ipc.c */
#define PACKET_MAX (1 << 20)
#define QUEUED "250 2.0.0 Ok: queued as 4bXyZ12345\r\n"

static struct {
	uint64_t messages, at_once;
	uint32_t connections, rcpts, port;
	size_t	 bytes;
	bool	 tls, chunking;
	const char *program;
	SSL_CTX	*ctx;
	int	 listener, control, queue;
	pid_t	 pid;
} b = { .messages = 20000, .at_once = 200, .connections = 10, .rcpts = 1,
    .bytes = 4000 };

/* --- the next hop --------------------------------------------------------------- */

struct session {
	int	 fd;
	SSL	*ssl;
	char	 in[256 * 1024];
	size_t	 n;
	struct buf out;
	bool	 data;
	size_t	 chunk;			/* still to come */
};

static bool
flush(struct session *s)
{
	bool good = s->out.len == 0 || (s->ssl != NULL ? SSL_write(s->ssl,
	    s->out.data, (int)s->out.len) > 0 : send(s->fd, s->out.data,
	    s->out.len, MSG_NOSIGNAL) > 0);

	buf_reset(&s->out);
	return good;
}

static bool
command(struct session *s, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		buf_addf(&s->out, "250-sink\r\n250-PIPELINING\r\n%s%s"
		    "250-SIZE 100000000\r\n250 8BITMIME\r\n",
		    b.chunking ? "250-CHUNKING\r\n" : "", b.tls && s->ssl == NULL ? "250-STARTTLS\r\n" : "");
	else if (strncmp(line, "BDAT ", 5) == 0)
		s->chunk = strtoul(line + 5, NULL, 10);
	else if (strncmp(line, "DATA", 4) == 0) {
		buf_adds(&s->out, "354 go\r\n");
		s->data = true;
	} else if (strncmp(line, "STARTTLS", 8) == 0) {
		buf_adds(&s->out, "220 go\r\n");
		if (!flush(s))
			return false;
		s->ssl = SSL_new(b.ctx);
		SSL_set_fd(s->ssl, s->fd);
		return SSL_accept(s->ssl) == 1;
	} else if (strncmp(line, "QUIT", 4) == 0)
		return false;
	else
		buf_adds(&s->out, "250 2.1.0 fine\r\n");
	return true;
}

/* Eats what is whole; false at the end of the session. */
static bool
eat(struct session *s)
{
	char *p = s->in, *end = s->in + s->n, *nl;

	while (p < end) {
		if (s->chunk > 0) {
			size_t n = (size_t)(end - p) < s->chunk ?
			    (size_t)(end - p) : s->chunk;

			p += n;
			s->chunk -= n;
			if (s->chunk == 0)
				buf_adds(&s->out, QUEUED);
			continue;
		}
		if (s->data) {
			nl = memmem(p, (size_t)(end - p), "\r\n.\r\n", 5);
			if (nl == NULL) {	/* the terminator may be cut */
				if (end - p > 4)
					p = end - 4;
				break;
			}
			s->data = false;
			p = nl + 5;
			buf_adds(&s->out, QUEUED);
			continue;
		}
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			break;
		if (!command(s, p))
			return false;
		p = nl + 1;
	}
	s->n = (size_t)(end - p);
	memmove(s->in, p, s->n);
	return flush(s);
}

static void *
serve(void *arg)
{
	struct session *s = arg;
	ssize_t n;

	buf_init(&s->out, 1 << 20);
	buf_adds(&s->out, "220 sink ESMTP\r\n");
	flush(s);
	while ((n = s->ssl != NULL ? SSL_read(s->ssl, s->in + s->n,
	    (int)(sizeof(s->in) - s->n)) : recv(s->fd, s->in + s->n,
	    sizeof(s->in) - s->n, 0)) > 0) {
		s->n += (size_t)n;
		if (!eat(s))
			break;
	}
	SSL_free(s->ssl);
	close(s->fd);
	buf_clear(&s->out);
	free(s);
	return NULL;
}

static void *
accept_all(void *arg)
{
	pthread_t t;
	int fd, on = 1;

	while ((fd = accept(b.listener, NULL, NULL)) != -1) {
		struct session *s = xcalloc(1, sizeof(*s));

		s->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		pthread_create(&t, NULL, serve, s);
		pthread_detach(t);
	}
	return NULL;
}

static void
start_next_hop(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	pthread_t t;

	b.ctx = tls_pair_server();
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(b.listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(b.listener, 128) == -1 ||
	    getsockname(b.listener, (struct sockaddr *)&sin, &len) == -1)
		fatal("the next hop's socket");
	b.port = ntohs(sin.sin_port);
	pthread_create(&t, NULL, accept_all, NULL);
}

/* --- its parent -------------------------------------------------------------------- */

static void
put_conf(void)
{
	static char host[] = "127.0.0.1", name[] = "out", me[] = "relay.test",
	    none[] = "";
	struct conf_relay_route r = { .name = name, .host = host,
	    .port = b.port, .tls = b.tls ? ROUTE_TLS_MAY : ROUTE_TLS_NONE,
	    .ca_pem = none, .user = none, .password = none,
	    .connections = b.connections, .messages = 1000, .idle_sec = 20 };
	struct relay_conf c = { .hostname = me, .routes = { &r, 1 },
	    .trust_anchor = none, .source_address = none,
	    .connect_sec = 30, .command_sec = 300, .data_sec = 600 };

	ipc_begin(M_CONF, 0);
	conf_put(relay_conf_fields, &c);
}

static void
say(int fd)
{
	if (ipc_send_sync(b.control, fd) == -1)
		fatal("relay's control channel");
}

static void
hear(uint16_t type)
{
	struct ipc_in in;

	do
		if (ipc_recv_sync(b.control, 10000, &in) != 1)
			fatal("waiting for the relay");
	while (in.type != type);
}

static void
start_relay(void)
{
	int control[2], queue[2];

	if (ipc_pair(control) == -1 || ipc_pair(queue) == -1)
		fatal("socketpair");
	b.control = control[0];
	b.queue = queue[0];
	b.pid = fork();
	if (b.pid == 0) {
		if (dup2(control[1], CHILD_CONTROL_FD) == -1 ||
		    dup2(STDERR_FILENO, CHILD_LOG_FD) == -1)
			_exit(1);
		execl(b.program, "postern-relay", (char *)NULL);
		_exit(1);
	}
	close(control[1]);
	put_conf();
	say(-1);
	hear(M_CONF_OK);
	ipc_begin(M_CONF_USE, 0);
	say(-1);
	ipc_begin(M_PEER, 0);
	ipc_put_u32(ROLE_QUEUE);
	ipc_put_u32(0);
	say(queue[1]);
	close(queue[1]);
	ipc_begin(M_START, 0);
	ipc_put_u32(geteuid());
	ipc_put_u32(getegid());
	ipc_put_str("");
	ipc_put_bool(false);
	say(-1);
	hear(M_READY);
}

static double
cpu_sec(void)
{
	struct timespec t;
	clockid_t id;

	if (clock_getcpuclockid(b.pid, &id) != 0 ||
	    clock_gettime(id, &t) == -1)
		fatal("the relay's clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
wall_sec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- its queue ------------------------------------------------------------------------ */

static char *
make_body(void)
{
	static const char line[] = "This is a line of the message as people "
	    "write them, of seventy bytes.\r\n";
	char *body = xcalloc(1, b.bytes + sizeof(line));
	size_t n;

	for (n = 0; n < b.bytes; n += sizeof(line) - 1)
		memcpy(body + n, line, sizeof(line) - 1);
	b.bytes = n;
	return body;
}

static void
deliver(uint64_t id, const char *body, int fd, uint32_t crc)
{
	char addr[64];
	uint32_t i;

	ipc_begin(M_DELIVER, id);
	ipc_put_str("4bXyZ12345");
	ipc_put_str("out");
	ipc_put_str("");
	ipc_put_str("alice@example.org");
	ipc_put_u8(0);
	ipc_put_str("");
	ipc_put_u8(0);
	ipc_put_u8(BY_NONE);
	ipc_put_bool(false);
	ipc_put_u64(0);
	ipc_put_u8(ENVELOPE_PRIORITY_MAX);
	ipc_put_u32(b.rcpts);
	for (i = 0; i < b.rcpts; i++) {
		snprintf(addr, sizeof(addr), "bob%u@example.net", i);
		ipc_put_u32(i);
		ipc_put_str(addr);
		ipc_put_str("");
		ipc_put_u8(0);
	}
	ipc_put_u64(b.bytes);
	ipc_put_bytes(body, fd == -1 ? b.bytes : 0);
	ipc_put_u32(crc);
	if (ipc_send_sync(b.queue, fd) == -1)
		fatal("relay's channel");
}

/* One of the messages that the relay has put into a packet (ipc_gather()). */
static void
next_message(struct ipc_in *in)
{
	static uint8_t packet[PACKET_MAX];
	static size_t at, have;
	uint32_t len;
	ssize_t n;

	if (at == have) {
		n = recv(b.queue, packet, sizeof(packet), 0);
		if (n <= 0)
			fatal("waiting for results");
		at = 0;
		have = (size_t)n;
	}
	memcpy(&len, packet + at + 4, sizeof(len));
	len += HEADER;
	if (len > have - at || !ipc_parse(packet + at, len, in))
		fatalx("the relay breaks the protocol");
	at += len;
}

static uint32_t
delivered(struct ipc_in *in)
{
	bool yes = ipc_get_u8(in) == OUTCOME_DELIVERED;

	ipc_get_str(in, 1000);
	ipc_get_str(in, 1000);
	ipc_get_str(in, 1000);
	return yes ? ipc_get_u32(in) : 0;
}

/* The number of recipients that got it. */
static uint64_t
run(uint64_t messages, const char *body, int fd)
{
	uint32_t crc = crc32c(0, body, b.bytes);
	uint64_t sent = 0, ended = 0, good = 0;
	struct ipc_in in;

	while (ended < messages) {
		while (sent < messages && sent - ended < b.at_once)
			deliver(++sent, body, fd, crc);
		next_message(&in);
		if (in.type == M_DELIVER_END) {
			ended++;
			ipc_get_str(&in, 1000);
			ipc_get_str(&in, 1000);
			ipc_get_bool(&in);
			ipc_get_bool(&in);
			ipc_get_bool(&in);
		}
		good += delivered(&in);
	}
	return good;
}

static int
spool(const char *body)
{
	FILE *f = tmpfile();

	if (b.bytes <= 64 * 1024)
		return -1;
	if (f == NULL || fwrite(body, 1, b.bytes, f) != b.bytes ||
	    fflush(f) != 0)
		fatal("a spool file");
	return fileno(f);
}

static void
options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "tkm:c:b:r:w:")) != -1) {
		unsigned long n = c == 't' || c == 'k' ? 0 : strtoul(optarg, NULL, 10);

		switch (c) {
		case 't': b.tls = true; break;
		case 'k': b.chunking = true; break;
		case 'm': b.messages = n; break;
		case 'c': b.connections = (uint32_t)n; break;
		case 'b': b.bytes = n; break;
		case 'r': b.rcpts = (uint32_t)n; break;
		case 'w': b.at_once = n; break;
		default: exit(2);
		}
	}
	if (optind + 1 != argc)
		fatalx("name postern-relay");
	b.program = argv[optind];
}

int
main(int argc, char **argv)
{
	double cpu, wall;
	uint64_t good;
	char *body;
	int fd;

	options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	body = make_body();
	fd = spool(body);
	start_next_hop();
	start_relay();
	run(b.messages / 20 + 1, body, fd);	/* connections, caches */
	cpu = cpu_sec();
	wall = wall_sec();
	good = run(b.messages, body, fd);
	cpu = cpu_sec() - cpu;
	wall = wall_sec() - wall;
	printf("%llu of %llu recipients, %zu bytes%s: %.0f messages/s, %.1f us "
	    "of CPU per message\n", (unsigned long long)good,
	    (unsigned long long)(b.messages * b.rcpts), b.bytes,
	    b.tls ? ", TLS" : "", (double)b.messages / wall,
	    cpu * 1e6 / (double)b.messages);
	kill(b.pid, SIGKILL);
	waitpid(b.pid, NULL, 0);
	fflush(stdout);
	_exit(good != b.messages * b.rcpts);	/* sessions are still at it */
}
