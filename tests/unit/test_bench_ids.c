/* tests/bench/ids: what proves that nothing was lost must not prove too much. */
#include "lib/prelude.h"

#include "tests/bench/ids.h"
#include "tests/tap.h"

static const struct {
	const char *head;
	int	 want;
	struct id id;
} heads[] = {
	{ "Received: x\r\nX-Bench: 7-12-3\r\n\r\n", 0, { 7, 12, 3 } },
	{ "A: b\r\nX-Bench: 4294967295-0-1\r\n", 0, { UINT32_MAX, 0, 1 } },
	{ "A: b\r\nX-Bench: 4294967296-0-1\r\n", -1, { 0, 0, 0 } },
	{ "A: b\r\nX-Bench: 7-12-0\r\n", -1, { 0, 0, 0 } },
	{ "A: b\r\nX-Bench: 7-12\r\n", -1, { 0, 0, 0 } },
	{ "A: b\r\nX-Bench: 7-12-3", -1, { 0, 0, 0 } },
	{ "A: b\r\nX-Bench: 7--3\r\n", -1, { 0, 0, 0 } },
	{ "A: b\r\nX-Bench: ", -1, { 0, 0, 0 } },
	{ "A: X-Bench: 7-12-3\r\n", -1, { 0, 0, 0 } },
	{ "", -1, { 0, 0, 0 } },
};

static void
test_heads(void)
{
	char text[IDS_TEXT_LEN];
	struct id id;
	size_t i;
	int r;

	for (i = 0; i < nitems(heads); i++) {
		r = id_find((const uint8_t *)heads[i].head,
		    strlen(heads[i].head), &id);
		ok(r == heads[i].want && (r == -1 ||
		    (id.run == heads[i].id.run &&
		    id.message == heads[i].id.message &&
		    id.rcpts == heads[i].id.rcpts)), "header %zu", i);
	}
	ok(strcmp(id_print(&heads[0].id, text), "X-Bench: 7-12-3\r\n") == 0,
	    "printed as found");
}

static void
test_counts(void)
{
	struct ids ids = { .run = 0 };
	struct id id = { 7, 0, 3 }, other = { 8, 0, 1 };
	uint32_t i;

	ids_reset(&ids, 7);
	for (i = 0; i < 100000; i++) {
		id.message = i;
		ids_add(&ids, &id, i % 3);
	}
	ok(ids.unique == 100000 && ids.duplicate == 0, "each of many once");
	ids_add(&ids, &id, i % 3);
	ok(ids.unique == 100001, "another recipient is another");
	ids_add(&ids, &id, i % 3);
	ok(ids.duplicate == 1, "the same is the same");
	id.rcpts = 1;
	id.message = 1 << 20;
	ids_add(&ids, &id, 0);
	ok(ids_has(&ids, 1 << 20) && !ids_has(&ids, (1 << 20) + 1) &&
	    !ids_has(&ids, UINT32_MAX), "asked for one of them");
	id.rcpts = 3;
	ids_add(&ids, &id, 3);
	ids_add(&ids, &other, 0);
	ok(ids.strange == 2, "no such recipient, and another run");
	id.message = UINT32_MAX;
	ids_add(&ids, &id, 0);
	ok(ids.strange == 3, "more than there is room for");
	ids_reset(&ids, 9);
	ok(ids.unique == 0 && ids.seen == NULL, "forgotten");
}

int
main(void)
{
	test_heads();
	test_counts();
	return tap_done();
}
