/*
 * How many messages a second the store takes in and lets go again, and what
 * each costs in CPU time, beside what the disk allows in the same minute:
 *
 *	bench_store [DIR [MESSAGES [AT_ONCE [BYTES]]]]
 */
#include "lib/prelude.h"

#include <sys/resource.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/store.h"
#include "tests/bench/limit_sync.h"

#define SYNC_SEC	1.0

static struct store *store;
static uint64_t todo, finished, total;
static size_t body_bytes;
static char *text;

static void	begin(void);

static void
fill(struct store_msg *m)
{
	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = m->due_ms = ev_wall_ms();
	m->expires_ms = m->arrived_ms + 86400000;
	m->account = xstrdup("alice@example.org");
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup("alice@example.org");
	envelope_add_rcpt(&m->env, "bob@example.net", NULL, 0);
	store_msg_fit(m);
	m->size = body_bytes;
}

static void
removed_cb(void *arg)
{
	finished++;
}

static void
accepted_cb(void *arg)
{
	struct store_msg *m = arg;

	store_remove(store, m, NULL, removed_cb, NULL);
	store_msg_clear(m);
	free(m);
	begin();
}

static void
begin(void)
{
	struct store_msg *m;

	if (todo == 0)
		return;
	todo--;
	m = xmalloc(sizeof(*m));
	fill(m);
	m->body.v = (uint8_t *)text;
	m->body.n = body_bytes;
	store_accept(store, m, -1, accepted_cb, NULL, m);
	m->body.v = NULL;
	m->body.n = 0;
}

static double
cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static uint64_t
number(int argc, char **argv, int i, uint64_t otherwise)
{
	return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
	struct store_conf c = { .dir = argc > 1 ? argv[1] : ".",
	    .segment_bytes = 32 << 20, .cache_bytes = 16 << 20 };
	uint64_t at_once, start;
	const char *errstr;
	double seconds, cpu, syncs;

	total = todo = number(argc, argv, 2, 100000);
	at_once = number(argc, argv, 3, 200);
	body_bytes = number(argc, argv, 4, 2000);
	text = xcalloc(1, body_bytes + 1);
	memset(text, 'x', body_bytes);
	ev_init();
	store = store_open(&c, NULL, NULL, &errstr);
	if (store == NULL)
		fatalx("%s", errstr);
	syncs = limit_sync(c.dir, SYNC_SEC);
	start = ev_now_ms();
	cpu = cpu_seconds();
	while (at_once-- > 0)
		begin();
	while (finished < total)
		ev_loop_once(1000);
	seconds = (double)(ev_now_ms() - start) / 1000;
	cpu = cpu_seconds() - cpu;
	printf("%llu messages in %.2f s: %.0f a second, %.1f us of CPU each\n",
	    (unsigned long long)total, seconds, (double)total / seconds,
	    cpu * 1e6 / (double)total);
	if (syncs > 0)
		printf("%.0f fdatasync a second: %.1f messages in the time of "
		    "one\n", syncs, (double)total / seconds / syncs);
	store_close(&store);
	free(text);
	return 0;
}
