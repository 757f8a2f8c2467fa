/* queue/caps: a cap is never exceeded, and frees itself to the slot. */
#include "lib/prelude.h"

#include "queue/caps.h"
#include "tests/tap.h"

#define T0 (1800000000000ULL - 1800000000000ULL % 60000)

static struct conf_limit limits[4];
static struct conf_cap cap_v[] = { { .name = (char *)"other" },
    { .name = (char *)"default", .limits = { limits, 1 } } };
static const struct conf_list conf = { cap_v, 2 };
static struct caps *caps;
static struct caps_refusal why;

static void
fresh(size_t n)
{
	caps_free(&caps);
	caps = caps_new();
	cap_v[1].limits.n = n;
	caps_configure(caps, &conf);
}

static const struct conf_cap *
cap(void)
{
	return caps_find(caps, "default");
}

/* Charges if the cap allows it. */
static enum caps_verdict
send(const char *account, uint64_t rcpts, uint64_t bytes, uint64_t now)
{
	uint64_t amount[LIMIT_KINDS] = { [LIMIT_MESSAGES] = 1,
	    [LIMIT_RECIPIENTS] = rcpts, [LIMIT_BYTES] = bytes };
	enum caps_verdict v = caps_check(caps, cap(), account, amount, now,
	    &why);

	if (v == CAPS_OK)
		caps_charge(caps, cap(), account, amount, now);
	return v;
}

static void
test_names(void)
{
	fresh(1);
	is_str(caps_find(caps, "other")->name, "other", "a cap by its name");
	is_str(caps_find(caps, "gone")->name, "default", "an unknown name");
	is_str(caps_find(caps, "")->name, "default", "no name");
}

static void
test_short_window(void)
{
	int i;

	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 3, 60 };
	fresh(1);
	for (i = 0; i < 3; i++)
		is_int(send("a", 1, 1, T0 + (uint64_t)i * 10000), CAPS_OK,
		    "message %d", i + 1);
	is_int(send("a", 1, 1, T0 + 30000), CAPS_LATER, "the fourth waits");
	is_int(why.used, 3, "three are used");
	is_int(why.retry_sec, 31, "for 30 seconds and the slot's rest");
	is_int(send("b", 1, 1, T0 + 30000), CAPS_OK, "not for other accounts");
	is_int(send("a", 1, 1, T0 + 60999), CAPS_LATER, "to the last moment");
	is_int(why.retry_sec, 1, "never zero seconds");
	is_int(send("a", 1, 1, T0 + 61000), CAPS_OK, "then one is free");
	is_int(send("a", 1, 1, T0 + 61000), CAPS_LATER, "and just one");
	is_int(why.retry_sec, 10, "the next leaves ten seconds later");
}

static void
test_long_window(void)
{
	limits[0] = (struct conf_limit){ LIMIT_RECIPIENTS, 200, 3600 };
	fresh(1);
	is_int(send("a", 150, 1, T0 + 59999), CAPS_OK, "150 recipients");
	is_int(send("a", 50, 1, T0 + 1800000), CAPS_OK, "50 more");
	is_int(send("a", 1, 1, T0 + 1800000), CAPS_LATER, "not one more");
	is_int(why.retry_sec, 1860, "until the first minute has left");
	is_int(caps_recipients_left(caps, cap(), "a", T0 + 1800000, 100), 0,
	    "none left");
	is_int(send("a", 1, 1, T0 + 3659999), CAPS_LATER, "to the last moment");
	is_int(caps_recipients_left(caps, cap(), "a", T0 + 3660000, 1000), 150,
	    "then 150 are");
	is_int(caps_recipients_left(caps, cap(), "a", T0 + 3660000, 100), 100,
	    "or as many as asked for");
	is_int(send("a", 151, 1, T0 + 3660000), CAPS_LATER, "151 are not");
	is_int(why.retry_sec, 1800, "until the second lot leaves");
	is_int(send("a", 150, 1, T0 + 3660000), CAPS_OK, "150 are");
	is_int(send("a", 201, 1, T0 + 3660000), CAPS_NEVER,
	    "what no window holds never fits");
}

static void
test_several(void)
{
	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 2, 10 };
	limits[1] = (struct conf_limit){ LIMIT_RECIPIENTS, 5, 3600 };
	limits[2] = (struct conf_limit){ LIMIT_BYTES, 1000, 86400 };
	fresh(3);
	is_int(send("a", 5, 400, T0), CAPS_OK, "all limits hold");
	is_int(send("a", 1, 400, T0), CAPS_LATER, "one is reached");
	is_int(why.limit->what, LIMIT_RECIPIENTS, "the right one is named");
	is_int(send("a", 1, 700, T0), CAPS_LATER, "two are");
	is_int(why.limit->what, LIMIT_BYTES, "the one that holds longest");
	is_int(send("a", 1, 1001, T0), CAPS_NEVER, "one can never be met");
	is_int(why.limit->what, LIMIT_BYTES, "that one is named");
	is_int(send("a", 1, 600, T0 + 3660000), CAPS_OK, "exactly full is ok");
	is_int(send("a", 1, 1, T0 + 3660000 + 60000), CAPS_LATER,
	    "one byte is too much");
}

/*
 * Each kind of limit over windows of each size, counted in seconds and in
 * minutes: full to the last one, one more is refused, free again when the first
 * has left the window, and not a moment before.
 */
static void
test_edges(void)
{
	static const uint32_t kinds[] = { LIMIT_MESSAGES, LIMIT_RECIPIENTS,
	    LIMIT_BYTES }, windows[] = { 1, 10, 60, 900, 3599, 3600, 7200,
	    86400, 604800 };
	static const uint64_t counts[] = { 1, 2, 7, 30 };
	uint64_t count, slot, free_ms, n;
	size_t k, w, i;
	bool good;

	for (k = 0; k < nitems(kinds); k++)
		for (w = 0; w < nitems(windows); w++)
			for (i = 0; i < nitems(counts); i++) {
				count = counts[i];
				slot = windows[w] < 3600 ? 1000 : 60000;
				free_ms = T0 + windows[w] * 1000ULL + slot;
				limits[0] = (struct conf_limit){ kinds[k],
				    count, windows[w] };
				fresh(1);
				good = true;
				for (n = 0; n < count; n++)
					good &= send("a", 1, 1, T0) == CAPS_OK;
				good &= send("a", 1, 1, T0) == CAPS_LATER &&
				    send("a", 1, 1, free_ms - 1) ==
				    CAPS_LATER && send("b", 1, 1, T0) ==
				    CAPS_OK && send("a", 1, 1, free_ms) ==
				    CAPS_OK;
				ok(good, "kind %u: %u in %u s, to the edge",
				    kinds[k], (unsigned int)count, windows[w]);
			}
	tap_inputs("rate caps", nitems(kinds) * nitems(windows) *
	    nitems(counts));
}

static void
test_zero(void)
{
	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 0, 60 };
	fresh(1);
	is_int(send("a", 1, 1, T0), CAPS_NEVER, "a cap of nothing");
	limits[0] = (struct conf_limit){ LIMIT_NEW_RECIPIENTS, 0, 60 };
	fresh(1);
	is_int(send("a", 1, 1, T0), CAPS_OK, "what is not charged is not over");
	limits[0] = (struct conf_limit){ LIMIT_BYTES, UINT64_MAX, 60 };
	fresh(1);
	is_int(send("a", 1, UINT64_MAX, T0), CAPS_OK, "numbers do not wrap");
	is_int(send("a", 1, 1, T0), CAPS_LATER, "round");
}

/*
 * Against the plain truth: a list of all charges. Many random sends; in no
 * window of the given length may more have been let through than allowed, and
 * what was refused must fit when it was told to come again.
 */
static void
test_never_exceeded(uint32_t window_sec, uint64_t count, uint64_t step_ms)
{
	static uint64_t at[20000];
	uint64_t now = T0, seed = 7, in_window, least_wait_ok = 1;
	size_t n = 0, first = 0, i;
	bool good = true;
	int refused = 0;

	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, count, window_sec };
	fresh(1);
	for (i = 0; i < 20000; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		now += (seed >> 33) % step_ms;
		if (send("a", 1, 1, now) == CAPS_OK)
			at[n++] = now;
		else {
			refused++;
			least_wait_ok &= caps_check(caps, cap(), "a",
			    (uint64_t[LIMIT_KINDS]){ 1 },
			    now + why.retry_sec * 1000, &why) == CAPS_OK;
		}
		while (first < n && at[first] + window_sec * 1000ULL <= now)
			first++;
		in_window = n - first;
		good &= in_window <= count;
	}
	ok(good && refused > 100, "%llu in %u seconds: never exceeded",
	    (unsigned long long)count, window_sec);
	ok(least_wait_ok, "the time to retry is always true");
}

/* What did not get in after all is as if it had never been charged. */
static void
test_taken_back(void)
{
	uint64_t ten[LIMIT_KINDS] = { 1, 10, 0, 1 }, used[LIMIT_KINDS];
	uint64_t now = T0 + 30 * 60000 + 500;

	limits[0] = (struct conf_limit){ LIMIT_RECIPIENTS, 100, 3600 };
	limits[1] = (struct conf_limit){ LIMIT_RECIPIENTS, 40, 60 };
	fresh(2);
	send("a", 10, 1, now - 61000);
	send("a", 10, 1, now);
	send("a", 10, 1, now + 1000);
	caps_take_back(caps, "a", ten, now);
	is_int(caps_recipients_left(caps, cap(), "a", now + 1000, 1000), 30,
	    "what is taken back leaves the short window");
	caps_used(caps, "a", 3600, now + 1000, used);
	ok(used[LIMIT_MESSAGES] == 2 && used[LIMIT_RECIPIENTS] == 20,
	    "and the long one");
	is_int(send("a", 31, 1, now + 1000), CAPS_LATER, "and no more");
	caps_take_back(caps, "a", ten, now - 86400000);
	caps_take_back(caps, "b", ten, now);
	caps_used(caps, "a", 3600, now + 1000, used);
	is_int(used[LIMIT_RECIPIENTS], 20, "what no window has stays so");
}

static void
test_restart(void)
{
	uint64_t used[LIMIT_KINDS] = { 3, 30, 0, 3000, 0 };
	uint64_t now = T0 + 30 * 60000 + 500;

	limits[0] = (struct conf_limit){ LIMIT_RECIPIENTS, 100, 3600 };
	limits[1] = (struct conf_limit){ LIMIT_MESSAGES, 3, 60 };
	fresh(2);
	ok(caps_back_sec(caps) >= 86400 + 60, "replay looks back far enough");
	caps_replay(caps, "a", T0, used, now);
	caps_replay(caps, "a", T0 + 29 * 60000, used, now);
	caps_replay(caps, "a", T0 + 30 * 60000, used, now);
	is_int(caps_recipients_left(caps, cap(), "a", now, 1000), 10,
	    "what was used is known again");
	is_int(send("a", 1, 1, now), CAPS_LATER,
	    "and the last minute counts whole for short windows");
	is_int(send("a", 1, 1, now + 61000), CAPS_OK, "until it is over");
	is_int(caps_recipients_left(caps, cap(), "a", T0 + 61 * 60000, 1000),
	    39, "the long window slides over it");
}

static void
test_clock_set_back(void)
{
	uint64_t used[LIMIT_KINDS] = { 1, 50, 0, 0, 0 };
	uint64_t now = T0;

	limits[0] = (struct conf_limit){ LIMIT_RECIPIENTS, 50, 3600 };
	fresh(1);
	caps_replay(caps, "a", T0 + 365 * 86400000ULL, used, now);
	is_int(send("a", 1, 1, now), CAPS_LATER, "use from the future counts");
	ok(why.retry_sec <= 3660, "but no longer than its window");
	is_int(send("a", 1, 1, now + 3660000), CAPS_OK, "and is not stuck");
}

static void
test_reload(void)
{
	uint64_t used[LIMIT_KINDS];
	int i;

	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 100, 3600 };
	fresh(1);
	for (i = 0; i < 10; i++)
		send("a", 1, 1, T0);
	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 10, 30 };
	caps_configure(caps, &conf);
	is_int(send("a", 1, 1, T0 + 1000), CAPS_LATER,
	    "a new limit knows what was used");
	caps_used(caps, "a", 86400, T0 + 1000, used);
	is_int(used[LIMIT_MESSAGES], 10, "so does usage");
	is_str(caps_last(caps, "a"), "default", "and under which cap");
}

static void
count_cb(const char *account, void *arg)
{
	++*(int *)arg;
}

static void
test_sweep(void)
{
	int n = 0;

	limits[0] = (struct conf_limit){ LIMIT_MESSAGES, 100, 3600 };
	fresh(1);
	send("a", 1, 1, T0);
	send("b", 1, 1, T0 + 3600000);
	caps_sweep(caps, T0 + 86400000 + 120000);
	caps_each(caps, count_cb, &n);
	is_int(n, 1, "an account without use is forgotten");
	caps_sweep(caps, T0 + 2 * 86400000ULL);
	n = 0;
	caps_each(caps, count_cb, &n);
	is_int(n, 0, "in the end all are");
}

int
main(void)
{
	test_names();
	test_short_window();
	test_long_window();
	test_several();
	test_edges();
	test_zero();
	test_never_exceeded(1, 2, 1500);
	test_never_exceeded(60, 30, 2500);
	test_never_exceeded(3599, 30, 200000);
	test_never_exceeded(3600, 50, 120000);
	test_never_exceeded(86400, 500, 200000);
	test_taken_back();
	test_restart();
	test_clock_set_back();
	test_reload();
	test_sweep();
	caps_free(&caps);
	return tap_done();
}
