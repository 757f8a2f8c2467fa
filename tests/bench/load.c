/*
 * Load for a submission server, by its side on the loopback or anywhere:
 *
 *	bench_load -p PORT [-h HOST] [-t starttls|implicit|clear]
 *	    [-u USER -w PASSWORD] [-f FROM] [-d DOMAIN] [-R RUN]
 *	    [-s SESSIONS] [-n MESSAGES] [-m PER_SESSION] [-b BYTES]
 *	    [-r RECIPIENTS] [-P] [-q] [-i] [-c RATE [-o FIRST] [-l BYTES]]
 *
 * It keeps SESSIONS connections open, each of which logs in, sends PER_SESSION
 * messages and leaves, until MESSAGES have been sent. -P: pipelining. -q: no
 * messages, only MESSAGES logins (or handshakes, without USER). -i: SESSIONS
 * logins that stay idle until the input ends. -c: so many messages a second, no
 * matter how fast it could go, and until the input ends; what is refused for now
 * is sent again, with its number, so that a copy too many is a loss of the
 * server's memory; FIRST is the first number, BYTES the size of each hundredth
 * message. It never resumes a TLS session
 * and looks at no certificate. What happened is printed as a line of JSON.
 */
#include "lib/prelude.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <inttypes.h>
#include <netdb.h>
#include <openssl/ssl.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "tests/bench/load_session.h"

#define BROKEN_MAX	20	/* then the server is not worth more tries */
#define OPENING_MAX	64	/* idle sessions on their way in, at once */
#define LINE_LEN	72
#define AGAIN_MS	250	/* from a refusal to the next try */

static struct load load = { .conf = {
	.tls = LOAD_IMPLICIT, .from = "alice@example.org",
	.domain = "example.net", .rcpts = 1, .bytes = 2048, .per_session = 1
} };
static uint64_t want_sessions = 1, want_messages = 1;
static bool logins_only;
static const char *host = "127.0.0.1", *port;
static uint64_t running, idling;
static uint64_t resting;		/* of those running, behind a refusal */
static struct ev_timer rest;
static struct ev_fd input;

static void
usage(void)
{
	fprintf(stderr, "usage: bench_load -p PORT [-h HOST] "
	    "[-t starttls|implicit|clear] [-u USER -w PASSWORD]\n"
	    "\t[-f FROM] [-d DOMAIN] [-R RUN] [-s SESSIONS] [-n MESSAGES]\n"
	    "\t[-m PER_SESSION] [-b BYTES] [-r RECIPIENTS] [-P] [-q] [-i]\n"
	    "\t[-c RATE [-o FIRST] [-l BYTES]]\n");
	exit(2);
}

static uint64_t
number(const char *text, uint64_t max)
{
	uint64_t v;

	if (num_parse(text, strlen(text), 1, max, &v) == -1)
		usage();
	return v;
}

static void
tls_option(const char *word)
{
	static const char *const words[] = { [LOAD_CLEAR] = "clear",
	    [LOAD_STARTTLS] = "starttls", [LOAD_IMPLICIT] = "implicit" };
	size_t i;

	for (i = 0; i < nitems(words); i++)
		if (strcmp(word, words[i]) == 0) {
			load.conf.tls = (enum load_tls)i;
			return;
		}
	usage();
}

static void
option(int c)
{
	struct load_conf *conf = &load.conf;

	switch (c) {
	case 'P': conf->pipelining = true; break;
	case 'R': conf->run = (uint32_t)number(optarg, UINT32_MAX); break;
	case 'b': conf->bytes = number(optarg, 64 << 20); break;
	case 'c': conf->rate = number(optarg, 1000000); break;
	case 'd': conf->domain = optarg; break;
	case 'f': conf->from = optarg; break;
	case 'i': conf->idle = true; break;
	case 'l': conf->large = number(optarg, 64 << 20); break;
	case 'm': conf->per_session = number(optarg, UINT32_MAX); break;
	case 'n': want_messages = number(optarg, UINT32_MAX); break;
	case 'o': load.begun = (uint32_t)number(optarg, UINT32_MAX); break;
	case 'p': number(port = optarg, UINT16_MAX); break;
	case 'q': logins_only = true; break;
	case 'r': conf->rcpts = (uint32_t)number(optarg, 10000); break;
	case 's': want_sessions = number(optarg, 60000); break;
	case 't': tls_option(optarg); break;
	case 'u': conf->user = optarg; break;
	case 'w': conf->password = optarg; break;
	case 'h': host = optarg; break;
	default: usage();
	}
}

static void
options(int argc, char **argv)
{
	struct load_conf *conf = &load.conf;
	int c;

	while ((c = getopt(argc, argv, "PR:b:c:d:f:h:il:m:n:o:p:qr:s:t:u:w:")) != -1)
		option(c);
	if (optind != argc || port == NULL ||
	    (conf->user == NULL) != (conf->password == NULL))
		usage();
	if (logins_only)
		conf->per_session = 0;
	else if (!conf->idle)
		load.todo = conf->rate > 0 ? UINT64_MAX / 2 : want_messages;
}

static bool
answers(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
	bool good = fd != -1 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;

	if (fd != -1)
		close(fd);
	return good;
}

/* Of several addresses the first that answers. All are the caller's to free. */
static struct addrinfo *
look_up(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV }, *all, *a;
	int why = getaddrinfo(host, port, &hints, &all);

	if (why != 0)
		fatalx("%s: %s", host, gai_strerror(why));
	for (a = all; a->ai_next != NULL && !answers(a); a = a->ai_next)
		;
	load.conf.to = a;
	return all;
}

/* --- sessions ------------------------------------------------------------------------ */

static bool
more_wanted(void)
{
	if (load.conf.rate > 0)
		return !load.ending || load.again.n > 0;
	if (load.broken >= BROKEN_MAX)
		return false;
	if (load.conf.idle)
		return load.sessions < want_sessions &&
		    running - idling < OPENING_MAX;
	if (logins_only)
		return load.sessions < want_messages;
	return load.todo > 0;
}

static void
begin_some(void)
{
	while (running < want_sessions && more_wanted()) {
		running++;
		load_session_new(&load);
	}
}

static void
go_on(void)
{
	begin_some();
	if (running == 0)
		ev_stop();
}

static void
over_cb(bool broken)
{
	if (broken && load.conf.rate > 0) {
		resting++;
		if (!ev_timer_armed(&rest))
			ev_timer_set(&rest, AGAIN_MS);
	} else {
		running--;
		go_on();
	}
}

static void
rested_cb(void *arg)
{
	running -= resting;
	resting = 0;
	go_on();
}

static void
idle_cb(void)
{
	idling++;
	begin_some();
	if (idling == want_sessions) {
		printf("{\"idle\": %" PRIu64 "}\n", idling);
		fflush(stdout);
	}
}

static void
input_cb(void *arg, int what)
{
	char bytes[64];

	if (read(STDIN_FILENO, bytes, sizeof(bytes)) > 0)
		return;
	if (load.conf.idle) {
		ev_stop();
	} else {
		load.ending = true;
		ev_fd_want(&input, 0);
		go_on();
	}
}

/* --- what happened --------------------------------------------------------------------- */

static char *
make_text(size_t n)
{
	char *text = xmalloc(n + 1);
	size_t i;

	for (i = 0; i < n; i++)
		text[i] = (char)('a' + i % 26);
	for (i = LINE_LEN; i + 2 < n; i += LINE_LEN + 2)
		memcpy(text + i, "\r\n", 2);
	text[n] = '\0';
	return text;
}

static void
print_tally(const char *name, struct tally *t)
{
	printf(", \"%s\": ", name);
	tally_print(t);
	tally_clear(t);
}

static void
print_codes(void)
{
	const char *sep = "";
	size_t i;

	printf(", \"codes\": {");
	for (i = 0; i < nitems(load.codes); i++)
		if (load.codes[i] > 0) {
			printf("%s\"%zu\": %" PRIu64, sep, i, load.codes[i]);
			sep = ", ";
		}
	printf("}");
}

static void
print_list(const char *name, struct load_list *list)
{
	size_t i;

	printf(", \"%s\": [", name);
	for (i = 0; i < list->n; i++)
		printf("%s%u", i == 0 ? "" : ", ", list->v[i]);
	printf("]");
	free(list->v);
}

static void
report(uint64_t us)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	printf("{\"accepted\": %" PRIu64 ", \"refused\": %" PRIu64 ", "
	    "\"sessions\": %" PRIu64 ", \"broken\": %" PRIu64 ", "
	    "\"stalls\": %" PRIu64 ", \"next\": %u, "
	    "\"seconds\": %.6f, \"cpu_us\": %lld, "
	    "\"error\": \"%s\"", load.accepted, load.refused, load.sessions,
	    load.broken, load.stalls, load.begun, (double)us / 1e6,
	    (long long)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
	    r.ru_utime.tv_usec + r.ru_stime.tv_usec,
	    log_escs(load.first_error));
	print_codes();
	print_list("unsaid", &load.unsaid);
	print_tally("ready_us", &load.ready);
	print_tally("message_us", &load.message);
	print_tally("session_us", &load.session);
	printf("}\n");
}

int
main(int argc, char **argv)
{
	struct addrinfo *addresses;
	uint64_t start;

	options(argc, argv);
	log_init("bench_load", -1);
	addresses = look_up();
	ev_init();
	load.over = over_cb;
	load.idle = idle_cb;
	load.text = make_text(load.conf.bytes > load.conf.large ?
	    load.conf.bytes : load.conf.large);
	ev_timer_init(&rest, rested_cb, NULL);
	load.conf.ctx = SSL_CTX_new(TLS_client_method());
	if (load.conf.ctx == NULL)
		fatalx("no TLS");
	SSL_CTX_set_mode(load.conf.ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(load.conf.ctx, SSL_SESS_CACHE_OFF);
	if (load.conf.idle || load.conf.rate > 0) {
		ev_fd_init(&input, STDIN_FILENO, input_cb, NULL);
		ev_fd_want(&input, EV_IN);
	}
	start = tally_now_us();
	begin_some();
	ev_loop();
	report(tally_now_us() - start);
	SSL_CTX_free(load.conf.ctx);
	freeaddrinfo(addresses);
	free(load.text);
	free(load.again.v);
	return load.broken == 0 ? 0 : 1;
}
