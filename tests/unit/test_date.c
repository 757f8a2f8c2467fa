/* lib/date: RFC 5322 3.3, in UTC whatever the machine believes. */
#include "lib/prelude.h"

#include <time.h>

#include "lib/date.h"
#include "tests/tap.h"

static const struct {
	uint64_t ms;
	const char *text;
} rows[] = {
	{ 0, "Thu, 1 Jan 1970 00:00:00 +0000" },
	{ 999, "Thu, 1 Jan 1970 00:00:00 +0000" },
	{ 1000, "Thu, 1 Jan 1970 00:00:01 +0000" },
	{ 951782399000, "Mon, 28 Feb 2000 23:59:59 +0000" },
	{ 951782400000, "Tue, 29 Feb 2000 00:00:00 +0000" },
	{ 1456703999000, "Sun, 28 Feb 2016 23:59:59 +0000" },
	{ 1483228799000, "Sat, 31 Dec 2016 23:59:59 +0000" },
	{ 1483228800000, "Sun, 1 Jan 2017 00:00:00 +0000" },
	{ 1700000000000, "Tue, 14 Nov 2023 22:13:20 +0000" },
	{ 2147483647999, "Tue, 19 Jan 2038 03:14:07 +0000" },
	{ 2147483648000, "Tue, 19 Jan 2038 03:14:08 +0000" },
	{ 4294967296000, "Sun, 7 Feb 2106 06:28:16 +0000" },
	{ 253402300799000, "Fri, 31 Dec 9999 23:59:59 +0000" },
	{ 253402300800000, "Sat, 1 Jan 10000 00:00:00 +0000" },
};

static void
test_rows(const char *zone)
{
	char text[DATE_LEN];
	size_t i;

	setenv("TZ", zone, 1);
	tzset();
	for (i = 0; i < nitems(rows); i++)
		is_str(date_rfc5322(rows[i].ms, text), rows[i].text,
		    "%s, TZ=%s", rows[i].text, zone);
}

int
main(void)
{
	char text[DATE_LEN], day[4], month[4];
	int d, y, h, m, s;
	uint64_t ms;

	test_rows("UTC");
	test_rows("America/New_York");
	test_rows("Pacific/Kiritimati");
	/* A day in each of many months reads as it should. */
	for (ms = 0; ms < 2200000000000; ms += 31 * 86400000ULL)
		ok(sscanf(date_rfc5322(ms, text), "%3s, %d %3s %d "
		    "%d:%d:%d +0000", day, &d, month, &y, &h, &m, &s) == 7,
		    "%s", text);
	is_str(date_soon(1700000000000, 1700000000000, text), "22:13 UTC",
	    "now");
	is_str(date_soon(1700000000000, 1700000000000 - 43200000, text),
	    "22:13 UTC", "in half a day");
	is_str(date_soon(1700000000000, 1700000000000 - 43200001, text),
	    "14 Nov 22:13 UTC", "later than that");
	is_str(date_soon(1700000000000, 1700000000001, text),
	    "14 Nov 22:13 UTC", "past");
	ok(strlen(date_soon(UINT64_MAX, 0, text)) < DATE_LEN, "%s", text);
	ok(strlen(date_rfc5322(UINT64_MAX, text)) < DATE_LEN, "%s", text);
	return tap_done();
}
