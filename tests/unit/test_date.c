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

static const struct {
	const char *text;
	uint64_t sec;		/* 1: it is none */
} stamps[] = {
	{ "1970-01-01T00:00:00Z", 0 }, { "1970-01-01t00:00:00z", 0 },
	{ "1970-01-01T00:00:59Z", 59 }, { "1970-01-02T00:00:00Z", 86400 },
	{ "2000-02-29T12:00:00Z", 951825600 },
	{ "2026-11-23T14:05:00Z", 1795442700 },
	{ "2038-01-19T03:14:08Z", 2147483648 },
	{ "2100-03-01T00:00:00Z", 4107542400 },
	{ "9999-12-31T23:59:59Z", 253402300799 },
	{ "1970-01-01T01:00:00+02:00", 0 },	/* before: taken for 1970 */
	{ "2016-12-31T23:59:60Z", 1483228800 },
	/* RFC 3339 5.8 */
	{ "1985-04-12T23:20:50.52Z", 482196050 },
	{ "1996-12-19T16:39:57-08:00", 851042397 },
	{ "1990-12-31T23:59:60Z", 662688000 },
	{ "1990-12-31T15:59:60-08:00", 662688000 },
	{ "2026-11-23T15:05:00.000+01:00", 1795442700 },
	{ "", 1 }, { "2026-11-23", 1 }, { "2026-11-23T14:05:00", 1 },
	{ "2026-11-23 14:05:00Z", 1 }, { "2026-11-23T14:05Z", 1 },
	{ "2026-02-29T00:00:00Z", 1 }, { "2100-02-29T00:00:00Z", 1 },
	{ "2026-04-31T00:00:00Z", 1 }, { "2026-13-01T00:00:00Z", 1 },
	{ "2026-00-01T00:00:00Z", 1 }, { "2026-01-00T00:00:00Z", 1 },
	{ "2026-01-01T24:00:00Z", 1 }, { "2026-01-01T00:60:00Z", 1 },
	{ "2026-01-01T00:00:61Z", 1 }, { "1969-12-31T23:59:59Z", 1 },
	{ "2026-11-23T14:05:00.Z", 1 }, { "2026-11-23T14:05:00.", 1 },
	{ "2026-11-23T14:05:00+1:00", 1 }, { "2026-11-23T14:05:00+0100", 1 },
	{ "2026-11-23T14:05:00+24:00", 1 }, { "2026-11-23T14:05:00+01:60", 1 },
	{ "2026-11-23T14:05:00Zx", 1 }, { "2026-11-23T14:05:00 Z", 1 },
	{ "+026-11-23T14:05:00Z", 1 }, { "12026-11-23T14:05:00Z", 1 },
	{ "Mon, 23 Nov 2026 14:05:00 +0000", 1 },
};

static void
test_stamps(void)
{
	char text[DATE_LEN];
	uint64_t ms;
	size_t i;

	for (i = 0; i < nitems(stamps); i++) {
		bool good = date_parse_rfc3339(stamps[i].text,
		    strlen(stamps[i].text), &ms);

		is_int(good ? ms : 1, stamps[i].sec == 1 ? 1 :
		    stamps[i].sec * 1000, "\"%s\"", stamps[i].text);
	}
	for (ms = 0; ms < 4200000000000; ms += 11 * 86400000ULL + 3599000) {
		uint64_t back = 1;

		date_rfc3339(ms, text);
		if (!date_parse_rfc3339(text, strlen(text), &back) ||
		    back != ms)
			break;
	}
	ok(ms >= 4200000000000, "what is written is read back");
	is_str(date_rfc3339(1795442700000, text), "2026-11-23T14:05:00Z",
	    "as RFC 3339 has it");
}

int
main(void)
{
	char text[DATE_LEN], day[4], month[4];
	int d, y, h, m, s;
	uint64_t ms;

	test_stamps();
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
