/*
 * A long queue to look at: fill_queue DIR MESSAGES [ACCOUNTS [DOMAINS [SPREAD]]]
 * puts deferred messages into a store, due within the next SPREAD seconds (four
 * hours), of so many accounts for so many domains; the first of each owns half.
 */
#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/store.h"

#define BODY		"Subject: one of many\r\n\r\nbody\r\n"
#define UNDER_WAY_MAX	20000

static struct store *store;
static uint64_t todo, under_way, made;
static uint64_t accounts = 100, domains = 1000, spread_ms = 4 * 3600 * 1000;

/* Half of everything is the first's, the rest is shared out. */
static uint64_t
whose(uint64_t i, uint64_t n)
{
	return i % 2 == 0 ? 0 : i / 2 % n;
}

static void
fill(struct store_msg *m, uint64_t i)
{
	char text[64];

	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = ev_wall_ms();
	m->expires_ms = m->arrived_ms + 5 * 86400000ULL;
	m->due_ms = m->arrived_ms + 60000 + i * 7919 % spread_ms;
	m->attempts = 3;
	snprintf(text, sizeof(text), "user%llu@example.org",
	    (unsigned long long)whose(i, accounts));
	m->account = xstrdup(text);
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup(text);
	snprintf(text, sizeof(text), "r%llu@d%llu.example.net",
	    (unsigned long long)i, (unsigned long long)whose(i, domains));
	envelope_add_rcpt(&m->env, text, NULL, 0);
	store_msg_fit(m);
	m->rcpts[0].status = xstrdup("4.2.2");
	m->rcpts[0].diag = xstrdup("452 4.2.2 the mailbox is full");
	m->rcpts[0].remote = xstrdup("mx.example.net");
	store_msg_note(m, m->arrived_ms, "deferred 4.2.2 by mx.example.net: "
	    "452 4.2.2 the mailbox is full");
	m->size = strlen(BODY);
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

	fill(&m, made++);
	m.body.v = (uint8_t *)xstrdup(BODY);
	m.body.n = strlen(BODY);
	under_way++;
	store_accept(store, &m, -1, accepted_cb, NULL);
	store_msg_clear(&m);
}

int
main(int argc, char **argv)
{
	static const struct store_ops ops = { NULL };
	struct store_conf c = { .segment_bytes = 32 << 20,
	    .cache_bytes = 16 << 20 };
	const char *errstr;

	if (argc < 3) {
		fprintf(stderr, "usage: fill_queue DIR MESSAGES [ACCOUNTS "
		    "[DOMAINS [SPREAD]]]\n");
		return 2;
	}
	c.dir = argv[1];
	todo = strtoull(argv[2], NULL, 10);
	if (argc > 3)
		accounts = strtoull(argv[3], NULL, 10);
	if (argc > 4)
		domains = strtoull(argv[4], NULL, 10);
	if (argc > 5)
		spread_ms = strtoull(argv[5], NULL, 10) * 1000;
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
