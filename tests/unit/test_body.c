/* relay/body: deliveries of one message hold one copy of its body. */
#include "lib/prelude.h"

#include "relay/body.h"
#include "tests/tap.h"

#define LEN (64 * 1024)

static uint8_t text[LEN], other[LEN];

static void
test_shared(void)
{
	struct body *v[1000];
	size_t i;

	for (i = 0; i < nitems(v); i++)
		v[i] = body_get("m1", text, LEN);
	is_int(body_held(), LEN, "a thousand deliveries hold one copy");
	ok(body_bytes(v[0]) == body_bytes(v[999]) &&
	    memcmp(body_bytes(v[0]), text, LEN) == 0, "of these bytes");
	for (i = 0; i < nitems(v) - 1; i++)
		body_unref(&v[i]);
	ok(memcmp(body_bytes(v[999]), text, LEN) == 0, "the last one has it");
	body_unref(&v[999]);
	ok(v[999] == NULL, "a reference is given up once");
	is_int(body_held(), 0, "nothing is left");
	v[0] = body_get("m1", text, LEN);
	is_int(body_held(), LEN, "it may come again");
	body_unref(&v[0]);
	body_unref(&v[0]);
	is_int(body_held(), 0, "and go");
}

/* Whatever queue says, a delivery sends the bytes that came with it. */
static void
test_apart(void)
{
	struct body *a = body_get("m1", text, LEN), *b, *c, *d, *e;

	b = body_get("m2", text, LEN);
	c = body_get("m1", other, LEN);
	d = body_get("m1", text, LEN - 1);
	is_int(body_held(), 4 * LEN - 1, "another message, byte or length");
	ok(memcmp(body_bytes(c), other, LEN) == 0, "each has its own");
	e = body_get("m1", other, LEN);
	ok(e == c, "and is found behind others of its id");
	body_unref(&a);
	body_unref(&c);
	ok(memcmp(body_bytes(e), other, LEN) == 0, "when these go, too");
	body_unref(&b);
	body_unref(&d);
	body_unref(&e);
	is_int(body_held(), 0, "nothing is left");
}

static void
test_small(void)
{
	struct body *a = body_get("m1", text, BODY_SHARED_LEAST - 1);
	struct body *b = body_get("m1", text, BODY_SHARED_LEAST - 1);
	struct body *none = body_get("m1", NULL, 0), *unset = NULL;

	ok(a != b, "small ones are not looked for");
	is_int(body_held(), 2 * (BODY_SHARED_LEAST - 1), "a copy each");
	ok(none != NULL, "an empty one");
	body_unref(&a);
	body_unref(&b);
	body_unref(&none);
	body_unref(&unset);
	is_int(body_held(), 0, "nothing is left");
}

int
main(void)
{
	memset(text, 'x', LEN);
	memset(other, 'x', LEN);
	other[LEN - 1] = 'y';
	test_shared();
	test_apart();
	test_small();
	return tap_done();
}
