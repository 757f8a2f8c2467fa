#include "lib/prelude.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "smtpd/crowd.h"
#include "tests/tap.h"

static struct crowd_key
key(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return crowd_key_of((struct sockaddr *)&in);
	inet_pton(AF_INET6, text, &in6.sin6_addr);
	return crowd_key_of((struct sockaddr *)&in6);
}

static bool
comes(struct crowd *c, struct crowd_key k, uint32_t max)
{
	return crowd_enter(c, k, max, UINT32_MAX) == CROWD_OK;
}

static const struct {
	const char *a, *b;
	bool same;
} cases[] = {
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "2001:db8::1", "2001:db8::2", true },
	{ "2001:db8::1", "2001:db8:0:1::1", false },
	{ "::1", "127.0.0.1", false },
	{ "0.0.0.0", "::", false },
};

/* A /48 that fills its share, network by network, leaves room for others. */
static void
test_sites(void)
{
	struct crowd *c = crowd_new();
	char text[INET6_ADDRSTRLEN];
	int i, in = 0;

	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "2001:db8:7:%x::1", i);
		in += crowd_enter(c, key(text), 2, 10) == CROWD_OK;
	}
	is_int(in, 10, "of one /48 ten come in");
	is_int(crowd_enter(c, key("2001:db8:7:63::1"), 2, 10), CROWD_SITE,
	    "and that is why no more do");
	is_int(crowd_enter(c, key("2001:db8:8::1"), 2, 10), CROWD_OK,
	    "of the next one they do");
	is_int(crowd_enter(c, key("2001:db8:8::2"), 2, 10), CROWD_OK,
	    "its first network is not taken for the site");
	is_int(crowd_enter(c, key("2001:db8:8::3"), 2, 10), CROWD_ADDRESS,
	    "and has a limit of its own");
	crowd_leave(c, key("2001:db8:7:3::1"));
	is_int(crowd_enter(c, key("2001:db8:7:99::1"), 2, 10), CROWD_OK,
	    "one leaves, one comes");
	for (i = in = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		in += crowd_enter(c, key(text), 2, 10) == CROWD_OK;
	}
	is_int(in, 100, "IPv4 has no sites");
	crowd_free(&c);
}

int
main(void)
{
	struct crowd *c = crowd_new();
	struct crowd_key a = key("192.0.2.1"), b = key("192.0.2.2");
	char text[INET_ADDRSTRLEN];
	size_t i;
	bool good = true;

	for (i = 0; i < nitems(cases); i++) {
		struct crowd_key x = key(cases[i].a), y = key(cases[i].b);

		is_int(memcmp(&x, &y, sizeof(x)) == 0, cases[i].same,
		    "%s and %s", cases[i].a, cases[i].b);
	}
	ok(comes(c, a, 2) && comes(c, a, 2), "two of two");
	ok(!comes(c, a, 2), "a third stays out");
	ok(comes(c, b, 2), "another address comes in");
	crowd_leave(c, a);
	ok(comes(c, a, 2), "one left, one comes");
	ok(!comes(c, key("192.0.2.3"), 0), "nobody when the limit is 0");
	for (i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.0.%zu.%zu", i / 256, i % 256);
		good = good && comes(c, key(text), 1) &&
		    !comes(c, key(text), 1);
	}
	ok(good, "5,000 addresses with one session each");
	for (i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.0.%zu.%zu", i / 256, i % 256);
		crowd_leave(c, key(text));
	}
	ok(comes(c, key("10.0.0.1"), 1), "all left, one comes back");
	crowd_free(&c);
	test_sites();
	return tap_done();
}
