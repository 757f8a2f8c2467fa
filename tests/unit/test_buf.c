/* lib/buf: grows, never past its maximum, always NUL-terminated. */
#include "lib/prelude.h"

#include "lib/buf.h"
#include "tests/tap.h"

static void
test_limits(void)
{
	struct buf b;
	char big[300];
	size_t max, n;

	memset(big, 'x', sizeof(big));
	for (max = 0; max <= 260; max += 13) {
		buf_init(&b, max);
		for (n = 0; n < max; n++)
			if (buf_addc(&b, 'y') == -1)
				break;
		ok(n == max && b.len == max, "max %zu: takes %zu bytes", max, n);
		ok(buf_addc(&b, 'y') == -1 && b.len == max,
		    "max %zu: not one more", max);
		ok(max == 0 || b.data[max] == '\0', "max %zu: NUL behind", max);
		buf_reset(&b);
		ok(buf_add(&b, big, max + 1) == -1 && b.len == 0,
		    "max %zu: nothing of what is too long is added", max);
		buf_clear(&b);
	}
}

static void
test_contents(void)
{
	struct buf b;
	char *s;
	size_t len;

	buf_init(&b, 1000);
	is_str(buf_str(&b), "", "an untouched buffer is an empty string");
	buf_adds(&b, "hello");
	buf_addf(&b, " %d%s", 42, "!");
	is_str(buf_str(&b), "hello 42!", "appended");
	buf_drop(&b, 6);
	is_str(buf_str(&b), "42!", "dropped from the front");
	buf_drop(&b, 100);
	is_str(buf_str(&b), "", "dropping more than there is empties");
	buf_adds(&b, "taken");
	s = buf_steal(&b, &len);
	is_str(s, "taken", "stolen");
	is_int(len, 5, "with its length");
	free(s);
	is_str(buf_str(&b), "", "and gone from the buffer");
	s = buf_steal(&b, NULL);
	is_str(s, "", "stealing nothing gives an empty string");
	free(s);
	buf_adds(&b, "secret");
	buf_wipe(&b);
	is_int(b.len, 0, "wiped");
}

int
main(void)
{
	test_limits();
	test_contents();
	return tap_done();
}
