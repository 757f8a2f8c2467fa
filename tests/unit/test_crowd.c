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
	ok(crowd_enter(c, a, 2) && crowd_enter(c, a, 2), "two of two");
	ok(!crowd_enter(c, a, 2), "a third stays out");
	ok(crowd_enter(c, b, 2), "another address comes in");
	crowd_leave(c, a);
	ok(crowd_enter(c, a, 2), "one left, one comes");
	ok(!crowd_enter(c, key("192.0.2.3"), 0), "nobody when the limit is 0");
	for (i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.0.%zu.%zu", i / 256, i % 256);
		good = good && crowd_enter(c, key(text), 1) &&
		    !crowd_enter(c, key(text), 1);
	}
	ok(good, "5,000 addresses with one session each");
	for (i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.0.%zu.%zu", i / 256, i % 256);
		crowd_leave(c, key(text));
	}
	ok(crowd_enter(c, key("10.0.0.1"), 1), "all left, one comes back");
	crowd_free(&c);
	return tap_done();
}
