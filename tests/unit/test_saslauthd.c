/*
 * source/saslauthd: what is sent, what may come back, and servers that are
 * slow, silent, gone or something else. The real one is in the integration
 * tests.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>
#include <pthread.h>

#include "source/saslauthd.h"
#include "source/wait.h"
#include "tests/tap.h"

#define S(s) s, sizeof(s) - 1

static char path[64], service[] = "smtp";
static struct conf_source conf = { .socket = path, .service = service };

static void
test_requests(void)
{
	static const struct {
		enum conf_source_login login;
		const char *name, *want;
		size_t	 len;
	} rows[] = {
		{ SOURCE_LOGIN_WHOLE, "a@b.c", S("\0\5a@b.c\0\2pw\0\4smtp\0\0") },
		{ SOURCE_LOGIN_LOCAL, "a@b.c", S("\0\1a\0\2pw\0\4smtp\0\0") },
		{ SOURCE_LOGIN_SPLIT, "a@b.c",
		    S("\0\1a\0\2pw\0\4smtp\0\3b.c") },
		{ SOURCE_LOGIN_SPLIT, "a", S("\0\1a\0\2pw\0\4smtp\0\0") },
		{ SOURCE_LOGIN_LOCAL, "\"x@y\"@b",
		    S("\0\5\"x@y\"\0\2pw\0\4smtp\0\0") },
	};
	char many[258];
	struct query q = { .password = "pw" };
	struct buf out;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		conf.login = rows[i].login;
		q.name = rows[i].name;
		buf_init(&out, 2048);
		ok(saslauthd_request(&conf, &q, &out) == 0 &&
		    out.len == rows[i].len &&
		    memcmp(out.data, rows[i].want, out.len) == 0,
		    "request %zu", i);
		buf_clear(&out);
	}
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	q.password = many;
	buf_init(&out, 2048);
	is_int(saslauthd_request(&conf, &q, &out), -1, "257 are too many");
	buf_reset(&out);
	many[256] = '\0';
	is_int(saslauthd_request(&conf, &q, &out), 0, "256 are not");
	buf_clear(&out);
}

static void
test_replies(void)
{
	static const struct {
		const char *bytes;
		size_t	 len;
		enum saslauthd_reply want;
		const char *why;	/* with OK */
	} rows[] = {
		{ S("\0\2OK"), SASLAUTHD_OK, "" },
		{ S("\0\2NO"), SASLAUTHD_NO, "" },
		{ S("\0\11OK (fine)"), SASLAUTHD_OK, "(fine)" },
		{ S("\0\11OK (fine)."), SASLAUTHD_BAD, "" },
		{ S("\0\12OK (fine)"), SASLAUTHD_MORE, "" },
		{ S("\0\30NO authentication failed"), SASLAUTHD_NO, "" },
		{ S(""), SASLAUTHD_MORE, "" }, { S("\0"), SASLAUTHD_MORE, "" },
		{ S("\0\2"), SASLAUTHD_MORE, "" },
		{ S("\0\2O"), SASLAUTHD_MORE, "" },
		{ S("\0\0"), SASLAUTHD_BAD, "" },
		{ S("\0\1O"), SASLAUTHD_BAD, "" },
		{ S("\0\2OKK"), SASLAUTHD_BAD, "" },
		{ S("\0\2ok"), SASLAUTHD_BAD, "" },
		{ S("\0\3OKE"), SASLAUTHD_OK, "" },
		{ S("\0\2\0\0"), SASLAUTHD_BAD, "" },
		{ S("\4\0OK"), SASLAUTHD_MORE, "" },
		{ S("\4\1OK"), SASLAUTHD_BAD, "" },
		{ S("\377\377OK"), SASLAUTHD_BAD, "" },
		{ S("HTTP/1.1 400 Bad Request\r\n"), SASLAUTHD_BAD, "" },
	};
	char why[SOURCE_WHY_MAX];
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		enum saslauthd_reply r = saslauthd_parse(
		    (const uint8_t *)rows[i].bytes, rows[i].len, why);

		is_int(r, rows[i].want, "reply %zu", i);
		if (r == SASLAUTHD_OK && rows[i].want == SASLAUTHD_OK)
			is_str(why, rows[i].why, "and its words");
	}
}

/* --- servers ---------------------------------------------------------------------- */

static int door = -1;

static const struct server {
	const char *what;
	const char *bytes;
	size_t	 len;
	bool	 piecemeal, hangs, deaf;
	enum source_said want;
} servers[] = {
	{ "a good one", S("\0\2OK"), 0, 0, 0, SAID_YES },
	{ "one that refuses", S("\0\2NO"), 0, 0, 0, SAID_NO },
	{ "one that dribbles", S("\0\11OK (fine)"), 1, 0, 0, SAID_YES },
	{ "one that hangs up", S(""), 0, 0, 0, SAID_NOTHING },
	{ "one that hangs up midway", S("\0\11OK (f"), 0, 0, 0, SAID_NOTHING },
	{ "one that hangs", S(""), 0, 1, 0, SAID_NOTHING },
	{ "one that hangs midway", S("\0\11OK (f"), 0, 1, 0, SAID_NOTHING },
	{ "one that reads nothing", S("\0\2OK"), 0, 0, 1, SAID_YES },
	{ "something else", S("220 mail.example.org ESMTP\r\n"), 0, 0, 0,
	    SAID_NOTHING },
};

static void *
serve(void *arg)
{
	const struct server *s = arg;
	char in[1024];
	size_t i;
	int fd = accept(door, NULL, NULL);

	if (fd == -1)
		return NULL;
	/* The deaf one hangs up only on a client that has said all. */
	if (s->deaf ? poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 20000) == -1 :
	    read(fd, in, sizeof(in)) == -1)
		perror("# read");
	for (i = 0; s->piecemeal && i < s->len; i++)
		if (write(fd, s->bytes + i, 1) == -1)
			perror("# write");
	if (!s->piecemeal && s->len > 0 &&
	    write(fd, s->bytes, s->len) == -1)
		perror("# write");
	if (s->hangs)		/* until the client has had enough */
		while (read(fd, in, sizeof(in)) > 0)
			;
	close(fd);
	return NULL;
}

static void
listen_there(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(path, sizeof(path), "/tmp/postern-saslauthd-%d", getpid());
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	door = socket(AF_UNIX, SOCK_STREAM, 0);
	if (door == -1 || bind(door, (struct sockaddr *)&sun, sizeof(sun)) ==
	    -1 || listen(door, 0) == -1)
		abort();
}

static void
ask(struct answer *a, uint64_t ms)
{
	struct query q = { "alice", "pw", wait_clock() + ms };
	void *state = saslauthd_backend.open(&conf, "");

	memset(a, 0, sizeof(*a));
	saslauthd_backend.ask(state, &q, a);
	saslauthd_backend.close(state);
}

static void
test_servers(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	pthread_t thread;
	struct answer a;
	size_t i;
	int fd[2];

	conf.login = SOURCE_LOGIN_WHOLE;
	listen_there();
	for (i = 0; i < nitems(servers); i++) {
		if (pthread_create(&thread, NULL, serve,
		    (void *)(uintptr_t)&servers[i]) != 0)
			abort();
		ask(&a, servers[i].hangs ? 100 : 20000);
		pthread_join(thread, NULL);
		ok(a.said == servers[i].want, "%s: %s", servers[i].what,
		    a.why);
	}
	/* Nobody takes connections: the first waits in the backlog. */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	for (i = 0; i < 2; i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fd[i], (struct sockaddr *)&sun, sizeof(sun)) == -1)
			break;
	}
	ask(&a, 100);
	ok(a.said == SAID_NOTHING, "a full backlog: %s", a.why);
	close(fd[0]);
	close(door);
	ask(&a, 1000);
	ok(a.said == SAID_NOTHING, "nobody there: %s", a.why);
	unlink(path);
	ask(&a, 1000);
	ok(a.said == SAID_NOTHING, "no socket: %s", a.why);
}

int
main(void)
{
	test_requests();
	test_replies();
	test_servers();
	return tap_done();
}
