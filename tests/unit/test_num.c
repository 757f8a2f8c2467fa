/* lib/num: numbers, sizes and durations are what they say or refused. */
#include "lib/prelude.h"

#include "lib/num.h"
#include "tests/show.h"
#include "tests/tap.h"

#define U64_TEXT "18446744073709551615"

static const struct {
	const char *text;
	uint64_t min, max;
	int	 want;
	uint64_t value;
} numbers[] = {
	{ "0", 0, 0, 0, 0 }, { "1", 0, 9, 0, 1 }, { "007", 0, 9, 0, 7 },
	{ "10", 0, 10, 0, 10 }, { "11", 0, 10, -1, 0 }, { "4", 5, 10, -1, 0 },
	{ "5", 5, 10, 0, 5 }, { U64_TEXT, 0, UINT64_MAX, 0, UINT64_MAX },
	{ "18446744073709551616", 0, UINT64_MAX, -1, 0 },
	{ "18446744073709551625", 0, UINT64_MAX, -1, 0 },
	{ "99999999999999999999", 0, UINT64_MAX, -1, 0 },
	{ "100000000000000000000000000000", 0, UINT64_MAX, -1, 0 },
	{ "", 0, 9, -1, 0 }, { " 1", 0, 9, -1, 0 }, { "1 ", 0, 9, -1, 0 },
	{ "+1", 0, 9, -1, 0 }, { "-1", 0, UINT64_MAX, -1, 0 },
	{ "-0", 0, 9, -1, 0 }, { "0x1", 0, 9, -1, 0 }, { "1e1", 0, 99, -1, 0 },
	{ "1.0", 0, 9, -1, 0 }, { "1,0", 0, 99, -1, 0 }, { "1_0", 0, 99, -1, 0 },
	{ "1\n", 0, 9, -1, 0 }, { "a", 0, 9, -1, 0 },
	{ "\xd9\xa1", 0, 9, -1, 0 },
};

struct text_value {
	const char *text;
	int	 want;
	uint64_t value;
	const char *printed;	/* NULL: as written */
};

static const struct text_value sizes[] = {
	{ "0", 0, 0, NULL }, { "1", 0, 1, NULL }, { "1023", 0, 1023, NULL },
	{ "1024", 0, 1024, "1K" }, { "1025", 0, 1025, NULL },
	{ "64K", 0, 65536, NULL }, { "50M", 0, 52428800, NULL },
	{ "1024M", 0, 1 << 30, "1G" }, { "2G", 0, 2ULL << 30, NULL },
	{ "0M", 0, 0, "0" }, { "1536K", 0, 1536 << 10, NULL },
	{ "17179869183G", 0, 17179869183ULL << 30, NULL },
	{ "17179869184G", -1, 0, NULL }, { "18014398509481984K", -1, 0, NULL },
	{ U64_TEXT, 0, UINT64_MAX, NULL }, { U64_TEXT "K", -1, 0, NULL },
	{ "", -1, 0, NULL }, { "K", -1, 0, NULL }, { "M", -1, 0, NULL },
	{ "50m", -1, 0, NULL }, { "50MB", -1, 0, NULL }, { "50MM", -1, 0, NULL },
	{ "50 M", -1, 0, NULL }, { " 50M", -1, 0, NULL }, { "50M ", -1, 0, NULL },
	{ "-50M", -1, 0, NULL }, { "1.5M", -1, 0, NULL }, { "50T", -1, 0, NULL },
	{ "5h", -1, 0, NULL }, { "0x10", -1, 0, NULL }, { "50M\n", -1, 0, NULL },
};

static const struct text_value durations[] = {
	{ "0", 0, 0, "0s" }, { "0s", 0, 0, NULL }, { "30", 0, 30, "30s" },
	{ "30s", 0, 30, NULL }, { "60", 0, 60, "1m" }, { "90s", 0, 90, NULL },
	{ "5m", 0, 300, NULL }, { "60m", 0, 3600, "1h" },
	{ "1h", 0, 3600, NULL }, { "4h", 0, 14400, NULL },
	{ "24h", 0, 86400, "1d" }, { "5d", 0, 432000, NULL },
	{ "7d", 0, 604800, "1w" }, { "2w", 0, 1209600, NULL },
	{ "8d", 0, 691200, NULL }, { "0w", 0, 0, "0s" },
	{ "30500568904943w", 0, 30500568904943ULL * 604800, NULL },
	{ "30500568904944w", -1, 0, NULL }, { U64_TEXT "m", -1, 0, NULL },
	{ "", -1, 0, NULL }, { "s", -1, 0, NULL }, { "m", -1, 0, NULL },
	{ "1H", -1, 0, NULL }, { "1M", -1, 0, NULL }, { "1y", -1, 0, NULL },
	{ "1h30m", -1, 0, NULL }, { "1:30", -1, 0, NULL }, { "1 h", -1, 0, NULL },
	{ "1ms", -1, 0, NULL }, { "-1h", -1, 0, NULL }, { "1.5h", -1, 0, NULL },
	{ "1hour", -1, 0, NULL }, { "h1", -1, 0, NULL }, { "1h ", -1, 0, NULL },
};

static const struct {
	uint64_t sec;
	const char *words;
} waits[] = {
	{ 0, "0 seconds" }, { 1, "1 second" }, { 2, "2 seconds" },
	{ 59, "59 seconds" }, { 60, "1 minute" }, { 61, "61 seconds" },
	{ 119, "119 seconds" }, { 120, "2 minutes" }, { 121, "3 minutes" },
	{ 3599, "60 minutes" }, { 3600, "1 hour" }, { 3601, "61 minutes" },
	{ 5400, "90 minutes" }, { 7200, "2 hours" }, { 7201, "3 hours" },
	{ 86400, "1 day" }, { 172800, "2 days" }, { 360000, "5 days" },
	{ 604800, "1 week" }, { 1209600, "2 weeks" }, { 1209601, "3 weeks" },
	{ UINT64_MAX, "30500568904944 weeks" },
};

static void
test_numbers(void)
{
	size_t i;
	uint64_t v;

	for (i = 0; i < nitems(numbers); i++) {
		v = 0;
		is_int(num_parse(numbers[i].text, strlen(numbers[i].text),
		    numbers[i].min, numbers[i].max, &v), numbers[i].want,
		    "number %s", show(numbers[i].text,
		    strlen(numbers[i].text)));
		ok(v == numbers[i].value, "and its value");
	}
	v = 7;
	ok(num_parse("12x", 2, 0, 99, &v) == 0 && v == 12, "only len bytes");
	ok(num_parse("1\0", 2, 0, 99, &v) == -1 && v == 12,
	    "NUL is no digit, and the result is left alone");
}

static void
test_units(const struct text_value *rows, size_t n,
    int parse(const char *, uint64_t *),
    const char *print(uint64_t, char[NUM_TEXT_LEN]))
{
	char text[NUM_TEXT_LEN];
	uint64_t v;
	size_t i;

	for (i = 0; i < n; i++) {
		v = 0;
		is_int(parse(rows[i].text, &v), rows[i].want, "%s",
		    show(rows[i].text, strlen(rows[i].text)));
		ok(v == rows[i].value, "and its value");
		if (rows[i].want == 0)
			is_str(print(v, text), rows[i].printed == NULL ?
			    rows[i].text : rows[i].printed, "and its print");
	}
	for (i = 0; i < 400; i++) {
		uint64_t back = 1, value = (uint64_t)1 << (i % 64);

		value += i / 64 * 3600;
		print(value, text);
		ok(parse(text, &back) == 0 && back == value,
		    "%s comes back as it went", text);
	}
}

/* Every byte behind a number: a unit, a digit or refused. */
static void
test_bytes(void)
{
	char text[3] = "5";
	uint64_t v;
	int c;

	for (c = 1; c < 256; c++) {
		text[1] = (char)c;
		is_int(num_parse_size(text, &v), strchr("0123456789KMG", c) ?
		    0 : -1, "size 5 and byte %02x", c);
		is_int(num_parse_duration(text, &v),
		    strchr("0123456789smhdw", c) ? 0 : -1,
		    "duration 5 and byte %02x", c);
	}
}

static const struct {
	uint64_t n;
	const char *word, *text;
} counts[] = {
	{ 0, "message", "0 messages" }, { 1, "message", "1 message" },
	{ 2, "new recipient", "2 new recipients" },
	{ UINT64_MAX, "a word of twenty-four letters and more",
	    "18446744073709551615 a word of twenty-four les" },
};

static const struct {
	uint64_t n;
	const char *text;
} bytes[] = {
	{ 0, "0 bytes" }, { 1, "1 byte" }, { 1023, "1023 bytes" },
	{ 1024, "1 KB" }, { 1025, "1 KB" }, { 1536, "1.5 KB" },
	{ 52428800, "50 MB" }, { 52428799, "49.9 MB" },
	{ 3221225472, "3 GB" }, { UINT64_MAX, "17179869183.9 GB" },
};

int
main(void)
{
	char text[NUM_TEXT_LEN];
	size_t i;

	test_numbers();
	test_units(sizes, nitems(sizes), num_parse_size, num_print_size);
	test_units(durations, nitems(durations), num_parse_duration,
	    num_print_duration);
	test_bytes();
	for (i = 0; i < nitems(waits); i++)
		is_str(num_print_wait(waits[i].sec, text), waits[i].words,
		    "a wait of %llu", (unsigned long long)waits[i].sec);
	for (i = 0; i < nitems(counts); i++)
		is_str(num_print_count(counts[i].n, counts[i].word, text),
		    counts[i].text, "so many");
	for (i = 0; i < nitems(bytes); i++)
		is_str(num_print_bytes(bytes[i].n, text), bytes[i].text,
		    "so large");
	return tap_done();
}
