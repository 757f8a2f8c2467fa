/* queue/sched and queue/fair: time is stepped, nothing sleeps. */
#include "lib/prelude.h"

#include "queue/sched.h"
#include "tests/tap.h"

#define JOBS 64

static struct sched *s;
static struct sched_job jobs[JOBS];

/* What a test has left in line is taken out, as sched_free() wants it. */
static void
drop(void)
{
	int i;

	for (i = 0; i < JOBS; i++)
		sched_cancel(s, &jobs[i]);
	sched_free(&s);
}

static void
fresh(void)
{
	drop();
	s = sched_new(42);
	memset(jobs, 0, sizeof(jobs));
}

static const struct retry retry = { 300000, 14400000 };

static void
put(struct sched_job *j, const char *hop, uint32_t at_once,
    const char *account, bool first)
{
	struct sched_place place = { .hop = hop, .account = account,
	    .at_once = at_once, .retry = retry, .route = hop };

	sched_add(s, j, &place, first);
}

static void
add(int i, const char *hop, uint32_t at_once, const char *account)
{
	put(&jobs[i], hop, at_once, account, false);
}

/* The index of the next job, -1: none, or 1000 + index when it is blocked. */
static int
next(uint64_t now)
{
	struct sched_job *j;
	uint64_t until;

	switch (sched_next(s, now, &j, &until)) {
	case SCHED_GO:
		return (int)(j - jobs);
	case SCHED_BLOCKED:
		return 1000 + (int)(j - jobs);
	case SCHED_NONE:
		break;
	}
	return -1;
}

static void
done(int i, enum sched_end end, uint64_t now)
{
	sched_done(s, &jobs[i], end, "connection refused", now);
}

static void
test_order(void)
{
	fresh();
	is_int(next(0), -1, "an empty schedule");
	add(0, "a", 10, "alice");
	add(1, "a", 10, "alice");
	is_int(next(0), 0, "first come");
	is_int(next(0), 1, "first served");
	is_int(next(0), -1, "and no more");
	done(0, SCHED_REACHED, 0);
	done(1, SCHED_REACHED, 0);
}

static void
test_concurrency(void)
{
	int i, got[8];

	fresh();
	for (i = 0; i < 12; i++)
		add(i, "a", 4, "alice");
	got[0] = next(0);
	got[1] = next(0);
	is_int(next(0), -1, "two at once before the hop has answered");
	done(got[0], SCHED_REACHED, 0);
	for (i = 0; next(0) >= 0; i++)
		;
	is_int(i, 2, "one more after an answer");
	done(1, SCHED_REACHED, 0);
	for (i = 0; next(0) >= 0; i++)
		;
	is_int(i, 2, "and one more");
	done(2, SCHED_REACHED, 0);
	for (i = 0; next(0) >= 0; i++)
		;
	is_int(i, 1, "up to the limit of four and no further");
	for (i = 3; i < 7; i++)
		done(i, SCHED_REACHED, 0);
	for (i = 0; next(0) >= 0; i++)
		;
	is_int(i, 4, "all four again");
	for (i = 7; i < 11; i++)
		done(i, SCHED_LOST, 0);
	is_int(next(0), 11, "a lost job gives its place free");
	done(11, SCHED_REACHED, 0);
}

static void
test_fair_hops(void)
{
	int i, b = 0;

	fresh();
	for (i = 0; i < 10; i++)
		add(i, "slow", 2, "alice");
	for (i = 10; i < 14; i++)
		add(i, "quick", 2, "alice");
	is_int(next(0), 0, "the slow hop");
	is_int(next(0), 10, "the quick hop");
	next(0);
	next(0);
	is_int(next(0), -1, "both have what they may");
	done(10, SCHED_REACHED, 0);
	done(11, SCHED_REACHED, 0);
	while ((i = next(0)) >= 0)
		b += i >= 12;
	is_int(b, 2, "the slow hop does not hold up the quick one");
	for (i = 0; i < 14; i++)
		if (jobs[i].state == SCHED_RUNNING)
			done(i, SCHED_REACHED, 0);
	while ((i = next(0)) >= 0)
		done(i, SCHED_REACHED, 0);
}

static void
test_fair_accounts(void)
{
	int i, at;

	fresh();
	for (i = 0; i < 20; i++)
		add(i, "a", 1, "newsletter");
	add(20, "a", 1, "bob");
	add(21, "a", 1, "carol");
	is_int(next(0), 0, "the newsletter began");
	done(0, SCHED_REACHED, 0);
	for (at = 0; at < 3; at++) {
		i = next(0);
		if (i == 21)
			break;
		done(i, SCHED_REACHED, 0);
	}
	ok(at < 3, "carol waits for one of each, not for the newsletter");
	done(21, SCHED_REACHED, 0);
	while ((i = next(0)) >= 0)
		done(i, SCHED_REACHED, 0);
}

static void
test_block(void)
{
	int i, n = 0;

	fresh();
	for (i = 0; i < 30; i++)
		add(i, "dead", 10, "alice");
	add(30, "live", 10, "alice");
	is_int(next(1000), 0, "a first try");
	is_int(next(1000), 30, "next to another hop");
	is_int(next(1000), 1, "a second");
	done(0, SCHED_UNREACHED, 1000);
	while ((i = next(1000)) >= 1000)
		n++;
	is_int(n, 28, "all that waits comes out as blocked, untried");
	is_str(sched_why(&jobs[5]), "connection refused", "with the reason");
	done(1, SCHED_UNREACHED, 1000);
	done(30, SCHED_REACHED, 1000);
	add(2, "dead", 10, "alice");
	is_int(next(1000 + 239999), 1002, "blocked for at least 4 minutes");
	add(2, "dead", 10, "alice");
	add(3, "dead", 10, "alice");
	is_int(next(1000 + 360001), 2, "after 6 one job probes");
	is_int(next(1000 + 360001), -1, "and just one");
	done(2, SCHED_UNREACHED, 400000);
	is_int(next(400000), 1003, "still dead: the other comes out");
	add(3, "dead", 10, "alice");
	is_int(next(400000 + 479999), 1003, "the next block is twice as long");
	add(3, "dead", 10, "alice");
	add(4, "dead", 10, "alice");
	add(5, "dead", 10, "alice");
	is_int(next(400000 + 720001), 3, "a probe again");
	done(3, SCHED_REACHED, 1200000);
	ok(next(1200000) == 4 && next(1200000) == 5, "alive: as before");
	done(4, SCHED_REACHED, 1200000);
	done(5, SCHED_REACHED, 1200000);
}

static void
test_unblock(void)
{
	fresh();
	add(0, "dead", 10, "alice");
	next(0);
	done(0, SCHED_UNREACHED, 0);
	add(0, "dead", 10, "alice");
	sched_unblock(s, "other");
	is_int(next(1), 1000, "another hop's unblocking does not help");
	add(0, "dead", 10, "alice");
	sched_unblock(s, "dead");
	is_int(next(1), 0, "its own does");
	done(0, SCHED_UNREACHED, 1);
	add(0, "dead", 10, "alice");
	sched_unblock(s, NULL);
	is_int(next(2), 0, "or that of all");
	done(0, SCHED_REACHED, 2);
}

static void
test_cancel(void)
{
	fresh();
	add(0, "a", 1, "alice");
	add(1, "a", 1, "bob");
	sched_cancel(s, &jobs[0]);
	sched_cancel(s, &jobs[0]);
	is_int(next(0), 1, "what was cancelled does not come");
	add(2, "a", 1, "alice");
	sched_cancel(s, &jobs[2]);
	done(1, SCHED_REACHED, 0);
	is_int(next(0), -1, "nothing is left");
	add(0, "a", 1, "alice");
	add(1, "a", 1, "alice");
	put(&jobs[2], "a", 1, "alice", true);
	is_int(next(0), 2, "what was lost goes first");
	done(2, SCHED_REACHED, 0);
	sched_cancel(s, &jobs[0]);
	sched_cancel(s, &jobs[1]);
}

static void
test_sweep(void)
{
	fresh();
	add(0, "dead", 10, "alice");
	next(0);
	done(0, SCHED_UNREACHED, 0);
	sched_sweep(s, 400000);
	add(0, "dead", 10, "alice");
	is_int(next(400000), 0, "a probe");
	done(0, SCHED_UNREACHED, 400000);
	add(0, "dead", 10, "alice");
	is_int(next(400000 + 400000), 1000, "its past was not swept away");
	sched_sweep(s, 400000 + 800000 + 14400000);
	add(0, "dead", 10, "alice");
	add(1, "dead", 10, "alice");
	ok(next(16000000) == 0 && next(16000000) == 1, "in the end it is");
	done(0, SCHED_REACHED, 0);
	done(1, SCHED_REACHED, 0);
}

/*
 * RFC 6710: what is urgent goes before the rest of its account's, and no
 * sooner than another account's turn comes.
 */
static void
test_priority(void)
{
	static const struct { int8_t priority; const char *account; } jobs_of[] = {
		{ 0, "alice" }, { -9, "alice" }, { 9, "alice" }, { 4, "alice" },
		{ 9, "alice" }, { 0, "bob" }, { -4, "bob" }, { 0, "alice" },
	};
	static const int want[] = { 2, 5, 4, 6, 3, 0, 7, 1 };
	struct sched_place place = { .hop = "a", .at_once = 10, .retry = retry,
	    .route = "a" };
	size_t i;

	fresh();
	/* One is running, so that the line forms. */
	place.at_once = 1;
	place.account = "carol";
	sched_add(s, &jobs[60], &place, false);
	is_int(next(0), 60, "the first of all");
	for (i = 0; i < nitems(jobs_of); i++) {
		place.priority = jobs_of[i].priority;
		place.account = jobs_of[i].account;
		sched_add(s, &jobs[i], &place, false);
	}
	done(60, SCHED_REACHED, 0);
	for (i = 0; i < nitems(want); i++) {
		is_int(next(0), want[i], "the %zu. in turn", i + 1);
		done(want[i], SCHED_REACHED, 0);
	}
	place.priority = 0;
	sched_add(s, &jobs[0], &place, false);
	sched_add(s, &jobs[1], &place, true);
	place.priority = 1;
	sched_add(s, &jobs[2], &place, false);
	is_int(next(0), 2, "what was lost is first of its priority only");
	done(2, SCHED_REACHED, 0);
	is_int(next(0), 1, "then what was lost");
	sched_cancel(s, &jobs[0]);
	done(1, SCHED_REACHED, 0);
	is_int(next(0), -1, "and what was taken out does not come");
}

/*
 * A host that stays dead is asked by one job at a time, more and more rarely,
 * but fresh mail never waits for hours without a try.
 */
static void
test_dead_host(void)
{
	static const uint64_t want_sec[] = { 300, 600, 600, 600, 600, 600 };
	struct sched_job *j;
	uint64_t now = 0, until, sec;
	size_t n;

	fresh();
	for (n = 0; n < nitems(want_sec); n++) {
		add(0, "dead", 10, "alice");
		is_int(next(now), 0, "probe %zu", n + 1);
		add(1, "dead", 10, "alice");
		add(2, "dead", 10, "bob");
		if (n > 0)
			is_int(next(now), -1, "by itself");
		else
			is_int(next(now), 1, "with one beside it");
		done(0, SCHED_UNREACHED, now);
		if (n == 0)
			done(1, SCHED_UNREACHED, now);
		is_int(sched_next(s, now, &j, &until), SCHED_BLOCKED,
		    "what waits comes out");
		while (next(now) != -1)
			;
		sec = (until - now) / 1000;
		ok(sec >= want_sec[n] * 4 / 5 && sec <= want_sec[n] * 6 / 5,
		    "for about %llu s (%llu)",
		    (unsigned long long)want_sec[n], (unsigned long long)sec);
		add(3, "dead", 10, "alice");
		is_int(sched_next(s, until - 1, &j, &until), SCHED_BLOCKED,
		    "until then not even one");
		now = until;
	}
	add(0, "dead", 10, "alice");
	is_int(next(now), 0, "it answers");
	done(0, SCHED_REACHED, now);
	add(0, "dead", 10, "alice");
	add(1, "dead", 10, "alice");
	ok(next(now) == 0 && next(now) == 1, "all is forgiven");
	done(0, SCHED_UNREACHED, now);
	done(1, SCHED_REACHED, now);
	add(0, "dead", 10, "alice");
	is_int(next(now), 0, "one that gets through opens it for all");
	done(0, SCHED_REACHED, now);
	tap_inputs("hostile or failing next hop, retry", nitems(want_sec) + 2);
}

/* A hop is left alone for as long as its route's times say. */
static void
test_retry_of_route(void)
{
	struct sched_place place = { .hop = "quick", .account = "alice",
	    .at_once = 1, .retry = { 10000, 20000 }, .route = "quick" };
	uint64_t until;
	struct sched_job *j;

	fresh();
	sched_add(s, &jobs[0], &place, false);
	next(0);
	done(0, SCHED_UNREACHED, 0);
	sched_add(s, &jobs[0], &place, false);
	is_int(sched_next(s, 0, &j, &until), SCHED_BLOCKED, "blocked");
	ok(until >= 8000 && until <= 12000, "for the route's first time");
	sched_sweep(s, 12000 + 20001);
	add(1, "quick", 10, "alice");
	add(2, "quick", 10, "alice");
	ok(next(32001) == 1 && next(32001) == 2, "forgotten after its longest");
	done(1, SCHED_REACHED, 32001);
	done(2, SCHED_REACHED, 32001);
}

/* One account's mail to five thousand places, and another's single one. */
static void
test_shares(void)
{
	enum { PLACES = 5000 };
	struct sched_job *hog, *third, mouse, *j;
	enum sched_verdict v;
	char hop[16];
	uint64_t until;
	int i, n = 0;

	fresh();
	hog = calloc(PLACES, sizeof(*hog));
	third = calloc(PLACES, sizeof(*third));
	memset(&mouse, 0, sizeof(mouse));
	for (i = 0; i < PLACES; i++) {
		snprintf(hop, sizeof(hop), "d%d", i);
		put(&hog[i], hop, 10, "hog", false);
	}
	while (sched_next(s, 0, &j, &until) == SCHED_GO)
		n++;
	is_int(n, SCHED_RUNNING_MAX / 2, "alone it gets half");
	put(&mouse, "d4999", 10, "mouse", false);
	ok(sched_next(s, 0, &j, &until) == SCHED_GO && j == &mouse,
	    "another's is next, even where hog's waits");
	ok(sched_next(s, 0, &j, &until) == SCHED_NONE, "hog's is not");
	sched_done(s, &hog[0], SCHED_REACHED, NULL, 0);
	sched_done(s, &hog[1], SCHED_REACHED, NULL, 0);
	ok(sched_next(s, 0, &j, &until) == SCHED_GO && j >= hog &&
	    j < hog + PLACES, "until one of hog's has ended");
	sched_done(s, &mouse, SCHED_UNREACHED, "refused", 0);
	for (i = 0; i < PLACES; i++) {
		snprintf(hop, sizeof(hop), "e%d", i);
		put(&third[i], hop, 10, "third", false);
	}
	for (i = 0, n = 0; (v = sched_next(s, 0, &j, &until)) != SCHED_NONE;)
		*(v == SCHED_GO ? &n : &i) += 1;
	is_int(i, 1, "what waits at a blocked place comes out");
	ok(n >= SCHED_RUNNING_MAX / 4 && n <= SCHED_RUNNING_MAX / 3,
	    "a third one shares what is left (%d)", n);
	/* Everything comes to its end, whoever was parked. */
	for (n = 0; n < 2 * PLACES; n++) {
		for (i = 0; i < PLACES && hog[i].state != SCHED_RUNNING; i++)
			;
		j = i < PLACES ? &hog[i] : NULL;
		for (i = 0; j == NULL && i < PLACES; i++)
			if (third[i].state == SCHED_RUNNING)
				j = &third[i];
		if (j == NULL)
			break;
		sched_done(s, j, SCHED_REACHED, NULL, 0);
		while (sched_next(s, 0, &j, &until) != SCHED_NONE)
			;
	}
	for (i = 0, n = 0; i < PLACES; i++)
		n += (hog[i].state == SCHED_IDLE) +
		    (third[i].state == SCHED_IDLE);
	is_int(n, 2 * PLACES, "all have had their turn");
	sched_free(&s);
	free(hog);
	free(third);
}

static void
put_load(struct sched_job *j, const char *hop, const char *account,
    struct fair_load *load)
{
	struct sched_place place = { .hop = hop, .account = account,
	    .at_once = 10, .retry = retry, .route = hop, .load = load };

	sched_add(s, j, &place, false);
}

/* Large messages to many places: memory is shared out as the jobs are. */
static void
test_bytes(void)
{
	enum { HOGS = 200, JOBS_OF_ONE = 40 };
	static struct sched_job hog[HOGS], one[JOBS_OF_ONE], mouse, tiny;
	static struct fair_load loads[HOGS], shared, light;
	const uint64_t large = SCHED_BYTES_MAX / 100;
	struct sched_job *j;
	uint64_t until;
	char hop[16];
	int i, n = 0;

	fresh();
	for (i = 0; i < HOGS; i++) {
		snprintf(hop, sizeof(hop), "d%d", i);
		loads[i].bytes = large;
		put_load(&hog[i], hop, "hog", &loads[i]);
	}
	while (sched_next(s, 0, &j, &until) == SCHED_GO)
		n++;
	is_int(n, 51, "alone it gets half, give or take one");
	shared.bytes = SCHED_BYTES_MAX / 4;
	for (i = 0; i < JOBS_OF_ONE; i++) {
		snprintf(hop, sizeof(hop), "e%d", i);
		put_load(&one[i], hop, "one", &shared);
	}
	for (n = 0; sched_next(s, 0, &j, &until) == SCHED_GO; n++)
		ok(j >= one && j < one + JOBS_OF_ONE, "another's goes");
	is_int(n, JOBS_OF_ONE, "one message counts once for all its jobs");
	is_int(shared.running, JOBS_OF_ONE, "while they run");
	light.bytes = 1000;
	put_load(&tiny, "e0", "hog", &light);
	ok(sched_next(s, 0, &j, &until) == SCHED_NONE, "hog's waits, all of it");
	put_load(&mouse, "d199", "mouse", &light);
	ok(sched_next(s, 0, &j, &until) == SCHED_GO && j == &mouse,
	    "a third one is not behind it");
	for (i = 0; i < JOBS_OF_ONE - 1; i++)
		sched_done(s, &one[i], SCHED_REACHED, NULL, 0);
	ok(sched_next(s, 0, &j, &until) == SCHED_NONE,
	    "nor does anything go while the last job has its message");
	sched_done(s, &one[i], SCHED_REACHED, NULL, 0);
	sched_done(s, &mouse, SCHED_REACHED, NULL, 0);
	is_int(shared.running + light.running, 0, "none runs");
	ok(sched_next(s, 0, &j, &until) == SCHED_NONE, "hog has its half still");
	for (n = 0; n < HOGS; n++) {
		for (i = 0; i < HOGS && hog[i].state != SCHED_RUNNING; i++)
			;
		if (i == HOGS)
			break;
		sched_done(s, &hog[i], SCHED_REACHED, NULL, 0);
		while (sched_next(s, 0, &j, &until) == SCHED_GO)
			;
	}
	is_int(n, HOGS, "all of hog's have had their turn");
	ok(tiny.state == SCHED_RUNNING, "the small one, too");
	sched_done(s, &tiny, SCHED_REACHED, NULL, 0);
}

static uint32_t
budget(const char *route, void *arg)
{
	return strcmp(route, "slow") == 0 ? *(uint32_t *)arg : 0;
}

/* A route of six jobs a minute, with three next hops; another without. */
static void
test_pace(void)
{
	struct sched_job *j;
	uint64_t until, now = 1000;
	struct sched_place place = { .account = "alice", .at_once = 10,
	    .retry = retry, .route = "slow", .per_minute = 6 };
	static const char *const hops[] = { "slow/a", "slow/b", "slow/c" };
	int i, n = 0;

	fresh();
	for (i = 0; i < 12; i++) {
		place.hop = hops[i % 3];
		sched_add(s, &jobs[i], &place, false);
	}
	add(12, "fast", 10, "alice");
	is_int(next(now), 0, "the first goes at once");
	is_int(next(now), 12, "another route has its own pace");
	is_int(next(now), -1, "then none");
	is_int(sched_next(s, now, &j, &until), SCHED_NONE, "none at all");
	is_int(until, now + 10000, "for ten seconds");
	is_int(next(now + 9999), -1, "not a moment less");
	for (i = 1; i <= 5; i++) {
		ok(next(now + 10000 * (uint64_t)i) % 12 > 0, "one each time");
		is_int(next(now + 10000 * (uint64_t)i), -1, "not two");
	}
	now += 60000;
	done(0, SCHED_UNREACHED, now);
	while ((i = next(now)) != -1)
		n += i >= 1000;
	ok(n > 0, "what waits at a blocked hop comes out without waiting");
	for (i = 0; i < 13; i++)
		if (jobs[i].state == SCHED_RUNNING)
			done(i, SCHED_REACHED, now);
}

/* What is given back untried leaves the route's moment to the next. */
static void
test_pace_unsent(void)
{
	struct sched_place place = { .hop = "slow/a", .account = "alice",
	    .at_once = 10, .retry = retry, .route = "slow", .per_minute = 6 };
	int i;

	fresh();
	sched_add(s, &jobs[0], &place, false);
	sched_add(s, &jobs[1], &place, false);
	is_int(next(1000), 0, "one comes");
	done(0, SCHED_UNSENT, 1000);
	sched_add(s, &jobs[0], &place, false);
	is_int(next(1000), 1, "given back, another goes at once");
	is_int(next(10999), -1, "and no third one");
	is_int(next(11000), 0, "the first again, in ten seconds");
	done(0, SCHED_UNSENT, 11000);
	place.hop = "slow/b";
	sched_add(s, &jobs[2], &place, false);
	is_int(next(11000), 2, "its moment is the route's, at any hop");
	is_int(next(20999), -1, "which has one of them");
	sched_add(s, &jobs[0], &place, false);
	is_int(next(21000), 0, "and then the next");
	for (i = 0; i < 3; i++)
		done(i, SCHED_REACHED, 21000);
}

/* What is in line already goes by the route's new budget. */
static void
test_repace(void)
{
	struct sched_place place = { .hop = "slow/a", .account = "alice",
	    .at_once = 10, .retry = retry, .route = "slow", .per_minute = 6 };
	struct sched_job *j;
	uint64_t until;
	int i;

	fresh();
	for (i = 0; i < 6; i++)
		sched_add(s, &jobs[i], &place, false);
	is_int(next(1000), 0, "the first goes at once");
	is_int(sched_next(s, 1000, &j, &until), SCHED_NONE, "the rest waits");
	sched_repace(s, budget, &(uint32_t){ 60 });
	is_int(next(1999), -1, "a reload makes ten seconds");
	is_int(next(2000), 1, "one");
	done(0, SCHED_REACHED, 2000);
	done(1, SCHED_REACHED, 2000);
	sched_repace(s, budget, &(uint32_t){ 6 });
	is_int(next(11999), -1, "and one");
	is_int(next(12000), 2, "ten again");
	is_int(next(12000), -1, "the rest waits");
	sched_repace(s, budget, &(uint32_t){ 0 });
	for (i = 3; i < 6; i++) {
		is_int(next(12000), i, "and goes when there is no limit");
		done(i, SCHED_REACHED, 12000);
	}
}

int
main(void)
{
	test_order();
	test_concurrency();
	test_fair_hops();
	test_fair_accounts();
	test_block();
	test_unblock();
	test_cancel();
	test_sweep();
	test_pace();
	test_pace_unsent();
	test_repace();
	test_priority();
	test_dead_host();
	test_retry_of_route();
	test_shares();
	test_bytes();
	drop();
	return tap_done();
}
