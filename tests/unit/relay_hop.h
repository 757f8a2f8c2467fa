/*
 * relay_hop: a next hop that follows a script, in a thread and over a real
 * socket, for tests of the relay. A script is a row of steps:
 *
 *	S:text	says a line		C:text	expects a line
 *	P:text	expects a line like this glob pattern
 *	D:text	says it byte by byte	R:text	says it without a line end
 *	Z:text	says it with a NUL in the middle
 *	L	says a line of 100 KB	M	a reply of 10,000 lines
 *	E	says lines until nobody listens
 *	B	says a line of 8 MB
 *	G	goes on as a good server, whatever comes, to the end
 *	Y:n	reads n bytes
 *	T	begins TLS		A	breaks a handshake off
 *	!	turns other connections away for half a second
 *	*	closes, takes the next connection
 *	H	says nothing more and waits for the peer to go
 *	N	expects nothing but the peer's end
 *	X	resets the connection	-	closes it
 *
 * Without a "-" at the end the peer is to hang up first.
 */
#ifndef TESTS_UNIT_RELAY_HOP_H
#define TESTS_UNIT_RELAY_HOP_H

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>

#include <openssl/ssl.h>

#define HOP_LINE_MAX	4096

struct hop {
	int	 listener;
	const char *const *steps;
	SSL_CTX	*ctx;
	unsigned int turned_away;
	char	 trouble[300];
	int	 fd;
	SSL	*ssl;
};

static int
hop_read(struct hop *s, char *p, size_t n)
{
	return s->ssl != NULL ? SSL_read(s->ssl, p, (int)n) :
	    (int)recv(s->fd, p, n, 0);
}

static bool
hop_write(struct hop *s, const char *p, size_t n)
{
	if (s->ssl != NULL)
		return SSL_write(s->ssl, p, (int)n) == (int)n;
	return send(s->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool
hop_read_line(struct hop *s, char *line, size_t size)
{
	size_t n = 0;
	char c;

	while (n + 1 < size && hop_read(s, &c, 1) == 1) {
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
hop_turn_away(struct hop *s)
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

static void
hop_say(struct hop *s, const char *text, bool slowly)
{
	char line[HOP_LINE_MAX];
	size_t i, n;

	n = (size_t)snprintf(line, sizeof(line), "%s\r\n", text);
	if (!slowly) {
		hop_write(s, line, n);
		return;
	}
	for (i = 0; i < n; i++) {
		hop_write(s, line + i, 1);
		usleep(300);
	}
}

static void
hop_say_much(struct hop *s, char what)
{
	char line[1024];
	size_t i;

	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	if (what == 'L') {
		for (i = 0; i < 100 && hop_write(s, line, sizeof(line)); i++)
			;
		return;
	}
	for (i = 0; (what == 'E' || i < 10000) && hop_write(s,
	    "250-and on\r\n", 12); i++)
		;
	if (what == 'M')
		hop_write(s, "250 done\r\n", 10);
}

static void
hop_say_megabytes(struct hop *s)
{
	static char piece[64 * 1024];
	size_t i;

	memset(piece, 'x', sizeof(piece));
	memcpy(piece, "250 ", 4);
	for (i = 0; i < (8 << 20) / sizeof(piece); i++)
		if (!hop_write(s, piece, sizeof(piece)))
			return;
	hop_write(s, "\r\n", 2);
}

static void
hop_be_good(struct hop *s)
{
	char line[HOP_LINE_MAX];
	bool data = false;

	while (hop_read_line(s, line, sizeof(line))) {
		if (data && strcmp(line, ".") != 0)
			continue;
		if (!data && strcmp(line, "DATA") == 0) {
			data = true;
			hop_say(s, "354 go", false);
			continue;
		}
		hop_say(s, !data && strcmp(line, "QUIT") == 0 ? "221 bye" :
		    "250 ok", false);
		data = false;
	}
}

static void
hop_start_tls(struct hop *s)
{
	SSL *ssl = SSL_new(s->ctx);

	SSL_set_fd(ssl, s->fd);
	if (SSL_accept(ssl) == 1)
		s->ssl = ssl;	/* else the client knows why it left */
	else
		SSL_free(ssl);
}

static void
hop_close(struct hop *s, bool reset)
{
	struct linger now = { 1, 0 };

	if (reset)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

static void
hop_take(struct hop *s)
{
	struct pollfd pfd = { .fd = s->listener, .events = POLLIN };
	int on = 1;

	hop_close(s, false);
	s->fd = poll(&pfd, 1, 20000) == 1 ?
	    accept(s->listener, NULL, NULL) : -1;
	if (s->fd == -1)
		snprintf(s->trouble, sizeof(s->trouble), "nobody comes");
	else
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
hop_expect(struct hop *s, const char *want)
{
	char line[HOP_LINE_MAX] = "";

	if (!hop_read_line(s, line, sizeof(line)) || strcmp(line, want) != 0)
		snprintf(s->trouble, sizeof(s->trouble),
		    "wanted \"%.100s\", got \"%.100s\"", want, line);
}

/* A line that has a time in it. */
static void
hop_match(struct hop *s, const char *want)
{
	char line[HOP_LINE_MAX] = "";

	if (!hop_read_line(s, line, sizeof(line)) ||
	    fnmatch(want, line, 0) != 0)
		snprintf(s->trouble, sizeof(s->trouble),
		    "wanted \"%.100s\", got \"%.100s\"", want, line);
}

static void
hop_read_bytes(struct hop *s, size_t n)
{
	char piece[4096];
	int got = 1;

	for (; n > 0 && got > 0; n -= got > 0 ? (size_t)got : 0)
		got = hop_read(s, piece, n < sizeof(piece) ? n :
		    sizeof(piece));
	if (n > 0)
		snprintf(s->trouble, sizeof(s->trouble), "%zu bytes are missing",
		    n);
}

/* Reads until the peer has gone. */
static void
hop_wait(struct hop *s)
{
	char rest[4096];

	while (hop_read(s, rest, sizeof(rest)) > 0)
		;
}

static void
hop_step(struct hop *s, const char *step)
{
	char line[HOP_LINE_MAX] = "";

	switch (*step) {
	case 'S':
		hop_say(s, step + 2, false);
		break;
	case 'D':
		hop_say(s, step + 2, true);
		break;
	case 'R':
		hop_write(s, step + 2, strlen(step + 2));
		break;
	case 'Z':
		hop_write(s, step + 2, strlen(step + 2) + 1);
		hop_write(s, "more\r\n", 6);
		break;
	case 'L':
	case 'M':
	case 'E':
		hop_say_much(s, *step);
		break;
	case 'B':
		hop_say_megabytes(s);
		break;
	case 'G':
		hop_be_good(s);
		break;
	case 'T':
		hop_start_tls(s);
		break;
	case 'A':
		hop_write(s, "\x16\x03\x03", 3);
		break;
	case '!':
		hop_turn_away(s);
		break;
	case '*':
		hop_take(s);
		break;
	case 'P':
		hop_match(s, step + 2);
		break;
	case 'Y':
		hop_read_bytes(s, strtoul(step + 2, NULL, 10));
		break;
	case 'H':
		hop_wait(s);
		break;
	case 'N':
		if (hop_read_line(s, line, sizeof(line)) || *line != '\0')
			snprintf(s->trouble, sizeof(s->trouble),
			    "wanted the end, got \"%.100s\"", line);
		break;
	default:
		hop_expect(s, step + 2);
	}
}

static void *
hop_serve(void *arg)
{
	struct hop *s = arg;
	const char *const *l;

	s->fd = -1;
	hop_take(s);
	for (l = s->steps; *l != NULL && **l != '-' && **l != 'X' &&
	    *s->trouble == '\0'; l++)
		hop_step(s, *l);
	if (*l == NULL && *s->trouble == '\0')
		hop_wait(s);
	hop_close(s, *l != NULL && **l == 'X');
	return NULL;
}

/* Its port. */
__attribute__((unused)) static uint32_t
hop_listen(int *listener)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(*listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(*listener, 64) == -1 ||
	    getsockname(*listener, (struct sockaddr *)&sin, &len) == -1)
		perror("listen");
	return ntohs(sin.sin_port);
}

#endif
