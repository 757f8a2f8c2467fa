/* Two streams talk to each other, in the clear and under TLS. */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <signal.h>

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/stream.h"
#include "tests/tap.h"
#include "tests/unit/tls_pair.h"

static int send_error;		/* of the next one; 0: none */

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	errno = send_error;
	send_error = 0;
	return errno != 0 ? -1 :
	    syscall(SYS_sendto, fd, p, n, flags, NULL, (socklen_t)0);
}

struct side {
	struct stream *st;
	int	 fd;			/* the stream's own */
	struct buf got;
	int	 ups, drains, ends;
	enum stream_end end;
	bool	 keep;			/* leave the input unread */
	bool	 free_in_readable;
};

static void
on_readable(struct stream *st, void *arg)
{
	struct side *s = arg;
	const uint8_t *p;
	size_t n;

	if (s->keep)
		return;
	p = stream_peek(st, &n);
	buf_add(&s->got, p, n);
	stream_consume(st, n);
	if (s->free_in_readable)
		stream_free(&s->st);
}

static void
on_drained(struct stream *st, void *arg)
{
	((struct side *)arg)->drains++;
}

static void
on_up(struct stream *st, void *arg)
{
	((struct side *)arg)->ups++;
}

static void
on_ended(struct stream *st, enum stream_end end, const char *why, void *arg)
{
	struct side *s = arg;

	s->ends++;
	s->end = end;
}

static const struct stream_ops ops = {
	on_readable, on_drained, on_up, on_ended
};

static void
make_pair(struct side *a, struct side *b, size_t in_max)
{
	int fd[2];

	memset(a, 0, sizeof(*a));
	memset(b, 0, sizeof(*b));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == -1)
		abort();
	buf_init(&a->got, 64 << 20);
	buf_init(&b->got, 64 << 20);
	a->fd = fd[0];
	b->fd = fd[1];
	a->st = stream_new(fd[0], false, in_max, &ops, a);
	b->st = stream_new(fd[1], false, in_max, &ops, b);
}

static void
free_pair(struct side *a, struct side *b)
{
	stream_free(&a->st);
	stream_free(&b->st);
	buf_clear(&a->got);
	buf_clear(&b->got);
}

static void
turns(int n)
{
	while (n-- > 0)
		ev_loop_once(1);
}

static void
start_tls(struct side *a, struct side *b, SSL_CTX *server, SSL_CTX *client)
{
	stream_start_tls(a->st, SSL_new(server), true);
	stream_start_tls(b->st, SSL_new(client), false);
	turns(20);
}

static void
count_cb(void *arg)
{
	(*(int *)arg)++;
}

static void
test_talk(const char *name, bool tls, SSL_CTX *server, SSL_CTX *client)
{
	struct side a, b;
	struct buf big;
	int i, closed = 0;

	make_pair(&a, &b, 1000);
	if (tls) {
		start_tls(&a, &b, server, client);
		ok(a.ups == 1 && b.ups == 1, "%s: up", name);
		ok(stream_ssl(a.st) != NULL, "%s: has a session", name);
	}
	stream_write(a.st, "hello ", 6);
	stream_write(a.st, "world", 5);
	ok(stream_unsent(a.st) == 11, "%s: writes wait for the turn", name);
	turns(5);
	is_str(buf_str(&b.got), "hello world", "%s: a to b", name);
	ok(a.drains == 1 && stream_unsent(a.st) == 0, "%s: drained", name);
	stream_write(b.st, "back", 4);
	turns(5);
	is_str(buf_str(&a.got), "back", "%s: b to a", name);

	buf_reset(&b.got);
	buf_init(&big, 8 << 20);
	for (i = 0; i < 300000; i++)
		buf_addf(&big, "%d ", i);
	stream_write(a.st, big.data, big.len);
	for (i = 0; i < 20000 && b.got.len < big.len; i++)
		ev_loop_once(1);
	ok(b.got.len == big.len && memcmp(b.got.data, big.data, big.len) == 0,
	    "%s: 2 MB through 1,000 bytes of buffer", name);

	/* b does not read: what a sends must stop at b's limit. */
	b.keep = true;
	stream_write(a.st, big.data, 5000);
	turns(50);
	{
		size_t n;

		stream_peek(b.st, &n);
		is_int(n, 1000, "%s: unread input is bounded", name);
		b.keep = false;
		buf_reset(&b.got);
		on_readable(b.st, &b);
		turns(50);
		is_int(b.got.len, 5000, "%s: and the rest follows", name);
	}

	stream_hold(b.st, true);
	stream_write(a.st, "held", 4);
	buf_reset(&b.got);
	turns(5);
	is_int(b.got.len, 0, "%s: held", name);
	stream_hold(b.st, false);
	turns(5);
	is_str(buf_str(&b.got), "held", "%s: and let go", name);

	stream_write(a.st, "last words", 10);
	buf_reset(&b.got);
	stream_write(b.st, "unread", 6);
	stream_free_drained(&a.st, 1000, count_cb, &closed);
	is_int(closed, 0, "%s: not yet closed", name);
	turns(10);
	is_str(buf_str(&b.got), "last words", "%s: freed when drained", name);
	ok(b.ends == 1 && b.end == STREAM_EOF, "%s: end of file", name);
	buf_clear(&big);
	free_pair(&a, &b);
	turns(10);
	is_int(closed, 1, "%s: told that it is closed", name);
}

/* A peer that closes its side and reads on gets the answer. */
static void
test_half_closed(bool tls, SSL_CTX *server, SSL_CTX *client)
{
	const char *name = tls ? "TLS, half closed" : "plain, half closed";
	struct side a, b;

	make_pair(&a, &b, 1000);
	if (tls)
		start_tls(&a, &b, server, client);
	stream_answer_after_eof(b.st);
	stream_write(a.st, "question", 8);
	turns(10);
	if (tls)
		SSL_shutdown(stream_ssl(a.st));
	ok(shutdown(a.fd, SHUT_WR) == 0, "%s", name);
	turns(10);
	is_str(buf_str(&b.got), "question", "%s: what it said", name);
	ok(b.ends == 1 && b.end == STREAM_EOF, "%s: seen", name);
	stream_write(b.st, "answer", 6);
	stream_free_drained(&b.st, 1000, NULL, NULL);
	turns(10);
	is_str(buf_str(&a.got), "answer", "%s: and what it gets", name);
	free_pair(&a, &b);
}

static void
test_free_inside(bool tls, SSL_CTX *server, SSL_CTX *client)
{
	struct side a, b;

	make_pair(&a, &b, 1000);
	if (tls)
		start_tls(&a, &b, server, client);
	b.free_in_readable = true;
	stream_write(a.st, "x", 1);
	turns(10);
	ok(b.st == NULL, "freed in its own callback");
	ok(a.ends == 1, "the other side sees the end");
	free_pair(&a, &b);
}

static void
test_not_tls(SSL_CTX *server)
{
	struct side a, b;

	make_pair(&a, &b, 1000);
	stream_start_tls(a.st, SSL_new(server), true);
	stream_write(b.st, "EHLO what is this\r\n", 19);
	turns(10);
	ok(a.ups == 0 && a.ends == 1 && a.end == STREAM_TLS_FAILED,
	    "a peer that speaks no TLS");
	free_pair(&a, &b);
	make_pair(&a, &b, 1000);
	stream_start_tls(a.st, SSL_new(server), true);
	turns(3);
	stream_free(&b.st);
	turns(5);
	ok(a.ends == 1, "a peer that leaves in the handshake");
	free_pair(&a, &b);
}

/* A row of KeyUpdates (RFC 8446 4.6.3) holds nobody. */
static void
test_key_updates(SSL_CTX *server, SSL_CTX *client, unsigned int n, bool good)
{
	struct side a, b;
	SSL *ssl;
	unsigned int i;

	make_pair(&a, &b, 1000);
	start_tls(&a, &b, server, client);
	ssl = stream_ssl(b.st);
	for (i = 0; i < n; i++) {
		if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
		    (SSL_do_handshake(ssl) != 1 && good))
			break;
		turns(1);
	}
	ok(i == n || !good, "key updates are sent");
	stream_write(b.st, "here", 4);
	turns(10);
	if (good)
		ok(a.ends == 0 && strcmp(buf_str(&a.got), "here") == 0,
		    "%u key updates are fine", n);
	else
		ok(a.ends == 1 && a.end == STREAM_TLS_FAILED,
		    "%u key updates end the stream", n);
	free_pair(&a, &b);
}

/* All of them in one piece, behind which data stands. */
static void
test_key_update_flood(SSL_CTX *server, SSL_CTX *client)
{
	struct side a, b;
	unsigned int i;
	SSL *ssl;

	make_pair(&a, &b, 1000);
	start_tls(&a, &b, server, client);
	ssl = stream_ssl(b.st);
	for (i = 0; i < 100; i++) {
		if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
		    SSL_do_handshake(ssl) != 1)
			break;
	}
	stream_write(b.st, "here", 4);
	is_int(i, 100, "a hundred key updates at once are sent");
	turns(10);
	ok(a.ends == 1 && a.end == STREAM_TLS_FAILED, "and end the stream");
	free_pair(&a, &b);
}

/* The reply to STARTTLS leaves in the clear, then TLS begins. */
static void
test_starttls(SSL_CTX *server, SSL_CTX *client)
{
	struct side a, b;

	make_pair(&a, &b, 1000);
	stream_write(a.st, "220 go\r\n", 8);
	stream_start_tls(a.st, SSL_new(server), true);
	turns(3);
	is_str(buf_str(&b.got), "220 go\r\n", "220 in the clear");
	stream_start_tls(b.st, SSL_new(client), false);
	turns(20);
	ok(a.ups == 1 && b.ups == 1, "then TLS");
	stream_write(b.st, "secret", 6);
	turns(5);
	is_str(buf_str(&a.got), "secret", "and talk");
	free_pair(&a, &b);
}

/*
 * The peer says why and closes while we still write, with input of ours unread:
 * TCP makes a reset of that. Its words come first all the same, then the end.
 */
static void
test_last_words(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, n;
	struct side a = { .st = NULL };
	struct buf big;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&sin, &len) == -1 ||
	    connect(fd, (struct sockaddr *)&sin, len) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		abort();
	buf_init(&a.got, 1000);
	buf_init(&big, 32 << 20);
	while (big.len < 16 << 20)
		buf_adds(&big, "so much to say, and nobody who hears it\r\n");
	a.st = stream_new(fd, false, 1000, &ops, &a);
	fd = accept(listener, NULL, NULL);
	stream_write(a.st, big.data, 60000);
	turns(5);
	if (send(fd, "552 too much\r\n", 14, 0) != 14)
		abort();
	close(fd);
	stream_write(a.st, big.data, big.len);
	for (n = 0; n < 2000 && a.ends == 0; n++)
		ev_loop_once(1);
	is_str(buf_str(&a.got), "552 too much\r\n", "last words are read");
	ok(a.ends == 1 && a.end == STREAM_ERROR, "then comes the end");
	stream_write(a.st, "more", 4);
	turns(3);
	is_int(a.ends, 1, "and no other");
	stream_free(&a.st);
	buf_clear(&a.got);
	buf_clear(&big);
	close(listener);
}

/* The peer has heard nothing and will say nothing: nobody waits for it. */
static void
test_no_buffers(void)
{
	static const int errors[] = { ENOBUFS, ENOMEM };
	struct side a, b;
	size_t i;

	for (i = 0; i < nitems(errors); i++) {
		make_pair(&a, &b, 1000);
		send_error = errors[i];
		stream_write(a.st, "EHLO\r\n", 6);
		turns(3);
		ok(a.ends == 1 && a.end == STREAM_ERROR,
		    "%s: the stream ends", strerrorname_np(errors[i]));
		is_int(b.ends, 0, "by itself");
		free_pair(&a, &b);
	}
}

int
main(void)
{
	SSL_CTX *server, *client;

	signal(SIGPIPE, SIG_IGN);
	ev_init();
	server = tls_pair_server();
	client = tls_pair_client();
	test_talk("plain", false, NULL, NULL);
	test_talk("tls", true, server, client);
	test_key_updates(server, client, 30, true);
	test_key_updates(server, client, 40, false);
	test_key_update_flood(server, client);
	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	test_talk("tls 1.2", true, server, client);
	test_half_closed(false, NULL, NULL);
	test_half_closed(true, server, client);
	test_free_inside(false, NULL, NULL);
	test_free_inside(true, server, client);
	test_not_tls(server);
	test_starttls(server, client);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	test_last_words();
	test_no_buffers();
	return tap_done();
}
