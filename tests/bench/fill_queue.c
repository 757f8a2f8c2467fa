/*
 * A long queue to look at: fill_queue [options] DIR MESSAGES puts deferred
 * messages into a store. tests/bench/million.py knows what is in each.
 *
 *	-a ACCOUNTS	of so many (100); the first owns half of all
 *	-d DOMAINS	for so many (1000); half is for the first
 *	-f SECONDS	none is due before (60)
 *	-s SECONDS	all are due within so many from then on (four hours)
 *	-r RUN		with ids for the sink, for which all recipients are r0
 */
#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "queue/store.h"
#include "tests/bench/ids.h"

#define UNDER_WAY_MAX	20000
#define HOUR_MS		3600000
#define AGES		4	/* hours: less than a warning of delay takes */

static struct store *store;
static uint64_t todo, under_way, made;
static uint64_t accounts = 100, domains = 1000, first = 60, spread = 4 * 3600;
static uint64_t run;

static const struct {
	const char *status, *diag;
} reasons[] = {
	{ "4.2.2", "452 4.2.2 the mailbox is full" },
	{ "4.7.1", "451 4.7.1 greylisted, come again" },
	{ "4.3.2", "421 4.3.2 closed for today" },
};

/* Half of everything is the first's, the rest is shared out. */
static uint64_t
whose(uint64_t i, uint64_t n)
{
	return i % 2 == 0 ? 0 : i / 2 % n;
}

static void
fill(struct store_msg *m, uint64_t i)
{
	const char *status = reasons[i % nitems(reasons)].status;
	const char *diag = reasons[i % nitems(reasons)].diag;
	char text[128];

	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = ev_wall_ms() - i % AGES * HOUR_MS;
	m->expires_ms = m->arrived_ms + 5 * 86400000ULL;
	m->due_ms = ev_wall_ms() + first * 1000 + i * 7919 % (spread * 1000);
	m->attempts = 3;
	snprintf(text, sizeof(text), "user%llu@example.org",
	    (unsigned long long)whose(i, accounts));
	m->account = xstrdup(text);
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup(text);
	snprintf(text, sizeof(text), "r%llu@d%llu.example.net",
	    (unsigned long long)(run == 0 ? i : 0),
	    (unsigned long long)whose(i, domains));
	envelope_add_rcpt(&m->env, text, NULL, 0);
	store_msg_fit(m);
	m->rcpts[0].status = xstrdup(status);
	m->rcpts[0].diag = xstrdup(diag);
	m->rcpts[0].remote = xstrdup("mx.example.net");
	snprintf(text, sizeof(text), "deferred %s by mx.example.net: %s",
	    status, diag);
	store_msg_note(m, m->arrived_ms, text);
}

static void
write_body(struct store_msg *m, uint64_t i)
{
	struct id id = { (uint32_t)run, (uint32_t)i, 1 };
	char field[IDS_TEXT_LEN], text[256];

	snprintf(text, sizeof(text), "Subject: one of many\r\n%s\r\nbody\r\n",
	    run == 0 ? "" : id_print(&id, field));
	m->body.v = (uint8_t *)xstrdup(text);
	m->body.n = m->size = strlen(text);
}

static void
accepted_cb(void *arg)
{
	under_way--;
}

static void
put(void)
{
	struct store_msg m;

	fill(&m, made);
	write_body(&m, made++);
	under_way++;
	store_accept(store, &m, -1, accepted_cb, NULL, NULL);
	store_msg_clear(&m);
}

static void
usage(void)
{
	fprintf(stderr, "usage: fill_queue [-a ACCOUNTS] [-d DOMAINS] "
	    "[-f SECONDS] [-s SECONDS] [-r RUN] DIR MESSAGES\n");
	exit(2);
}

static void
get_number(uint64_t *n, uint64_t min, const char *text)
{
	if (num_parse(text, strlen(text), min, UINT32_MAX, n) == -1)
		usage();
}

static void
get_options(int argc, char **argv)
{
	struct {
		char letter;
		uint64_t *n;
	} options[] = { { 'a', &accounts }, { 'd', &domains }, { 'f', &first },
	    { 's', &spread }, { 'r', &run } };
	size_t i;
	int c;

	while ((c = getopt(argc, argv, "a:d:f:r:s:")) != -1) {
		for (i = 0; i < nitems(options); i++)
			if (options[i].letter == c)
				break;
		if (i == nitems(options))
			usage();
		get_number(options[i].n, c != 'f', optarg);
	}
	if (argc - optind != 2)
		usage();
	get_number(&todo, 0, argv[optind + 1]);
}

int
main(int argc, char **argv)
{
	static const struct store_ops ops = { NULL };
	struct store_conf c = { .segment_bytes = 32 << 20,
	    .cache_bytes = 16 << 20 };
	const char *errstr;

	get_options(argc, argv);
	c.dir = argv[optind];
	ev_init();
	store = store_open(&c, &ops, NULL, &errstr);
	if (store == NULL)
		fatalx("%s", errstr);
	while (made < todo || under_way > 0) {
		while (made < todo && under_way < UNDER_WAY_MAX &&
		    store_unsettled(store) < 200000)
			put();
		ev_loop_once(10);
	}
	store_close(&store);
	return 0;
}
