/*
 * A next hop that is always there and takes everything:
 *
 *	bench_sink [-a ADDRESS] [-p PORT] [-c CERTIFICATE -k KEY]
 *
 * It listens on ADDRESS, 127.0.0.1 unless told, prints {"port": N}, and then obeys lines on its
 * input: "run N" forgets all and waits for that run's messages, "report" prints
 * what came as a line of JSON, "seen N" whether that message did, "mood well" (or
 * "refuses", "closes") is how it will be. At the end of its input it ends.
 */
#include "lib/prelude.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/num.h"
#include "tests/bench/sink_session.h"

#define BACKLOG		1024
#define ACCEPT_MAX	32	/* a turn; others want to be served as well */
#define LINE		128

static struct sink sink;
static struct ev_fd listener, input;

static void
usage(void)
{
	fprintf(stderr,
	    "usage: bench_sink [-a ADDRESS] [-p PORT] [-c CERTIFICATE -k KEY]\n");
	exit(2);
}

/* --- connections ------------------------------------------------------------------- */

static void
accept_cb(void *arg, int what)
{
	int fd, i;

	for (i = 0; i < ACCEPT_MAX; i++) {
		fd = accept4(listener.fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1)
			sink_session_new(&sink, fd);
		else if (errno == EAGAIN)
			return;
		else
			log_warn("accept");
	}
}

static void
listen_on(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV | AI_PASSIVE }, *to;
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	int fd, on = 1, why = getaddrinfo(address, port, &hints, &to);

	if (why != 0)
		fatalx("%s: %s", address, gai_strerror(why));
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, to->ai_addr, to->ai_addrlen) == -1 ||
	    listen(fd, BACKLOG) == -1 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) == -1)
		fatal("cannot listen on %s, port %s", address, port);
	freeaddrinfo(to);
	net_no_delay(fd);
	ev_fd_init(&listener, fd, accept_cb, NULL);
	ev_fd_want(&listener, EV_IN);
	printf("{\"port\": %u}\n", ntohs(a.ss_family == AF_INET6 ?
	    ((struct sockaddr_in6 *)&a)->sin6_port :
	    ((struct sockaddr_in *)&a)->sin_port));
	fflush(stdout);
}

static struct ssl_ctx_st *
tls_context(const char *certificate, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL ||
	    SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		fatalx("cannot use %s with %s", certificate, key);
	return ctx;
}

/* --- the master's voice --------------------------------------------------------------- */

static void
report(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	printf("{\"sessions\": %" PRIu64 ", \"deliveries\": %" PRIu64 ", "
	    "\"recipients\": %" PRIu64 ", \"bytes\": %" PRIu64 ", "
	    "\"unique\": %" PRIu64 ", \"duplicate\": %" PRIu64 ", "
	    "\"strange\": %" PRIu64 ", \"last_us\": %" PRIu64 ", "
	    "\"cpu_us\": %lld}\n", sink.sessions, sink.deliveries,
	    sink.recipients, sink.bytes, sink.ids.unique, sink.ids.duplicate,
	    sink.ids.strange + sink.without_id, sink.last_us,
	    (long long)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	    r.ru_utime.tv_usec + r.ru_stime.tv_usec);
	fflush(stdout);
}

static void
begin_run(const char *number)
{
	struct ssl_ctx_st *tls = sink.tls;
	uint64_t run;

	if (num_parse(number, strlen(number), 0, UINT32_MAX, &run) == -1)
		fatalx("no number of a run: %s", number);
	free(sink.ids.seen);
	memset(&sink, 0, sizeof(sink));
	sink.tls = tls;
	ids_reset(&sink.ids, (uint32_t)run);
	printf("{\"run\": %" PRIu64 "}\n", run);
	fflush(stdout);
}

static void
be(const char *word)
{
	static const char *const words[] = { [SINK_WELL] = "well",
	    [SINK_REFUSES] = "refuses", [SINK_CLOSES] = "closes" };
	size_t i;

	for (i = 0; i < nitems(words); i++)
		if (strcmp(word, words[i]) == 0) {
			sink.mood = (enum sink_mood)i;
			printf("{\"mood\": \"%s\"}\n", word);
			fflush(stdout);
			return;
		}
	fatalx("no mood: %s", word);
}

static void
seen(const char *number)
{
	uint64_t message;

	if (num_parse(number, strlen(number), 0, UINT32_MAX, &message) == -1)
		fatalx("no number of a message: %s", number);
	printf("{\"seen\": %s}\n",
	    ids_has(&sink.ids, (uint32_t)message) ? "true" : "false");
	fflush(stdout);
}

/* The master writes a line at a time and waits for the answer. */
static void
input_cb(void *arg, int what)
{
	char line[LINE];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0) {
		ev_stop();
		return;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "report") == 0)
		report();
	else if (strncmp(line, "run ", 4) == 0)
		begin_run(line + 4);
	else if (strncmp(line, "seen ", 5) == 0)
		seen(line + 5);
	else if (strncmp(line, "mood ", 5) == 0)
		be(line + 5);
	else
		fatalx("what is \"%s\"?", log_escs(line));
}

int
main(int argc, char **argv)
{
	const char *address = "127.0.0.1", *port = "0";
	const char *certificate = NULL, *key = NULL;
	uint64_t n;
	int c;

	while ((c = getopt(argc, argv, "a:c:k:p:")) != -1) {
		if (c == 'a')
			address = optarg;
		else if (c == 'c')
			certificate = optarg;
		else if (c == 'k')
			key = optarg;
		else if (c != 'p' || num_parse(port = optarg, strlen(optarg),
		    0, UINT16_MAX, &n) == -1)
			usage();
	}
	if (optind != argc || (certificate == NULL) != (key == NULL))
		usage();
	log_init("bench_sink", -1);
	ev_init();
	if (certificate != NULL)
		sink.tls = tls_context(certificate, key);
	listen_on(address, port);
	ev_fd_init(&input, STDIN_FILENO, input_cb, NULL);
	ev_fd_want(&input, EV_IN);
	ev_loop();
	SSL_CTX_free(sink.tls);
	return 0;
}
