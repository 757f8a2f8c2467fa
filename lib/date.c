#include "lib/prelude.h"

#include <time.h>

#include "lib/date.h"

#define HALF_DAY_MS	(12 * 3600 * 1000ULL)

/* Not strftime(): its names follow the locale. */
static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
    "Sat" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

const char *
date_rfc5322(uint64_t wall_ms, char text[DATE_LEN])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(text, DATE_LEN, "%s, %d %s %d %02d:%02d:%02d +0000",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return text;
}

const char *
date_soon(uint64_t wall_ms, uint64_t now_ms, char text[DATE_LEN])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	if (wall_ms >= now_ms && wall_ms - now_ms <= HALF_DAY_MS)
		snprintf(text, DATE_LEN, "%02d:%02d UTC", tm.tm_hour,
		    tm.tm_min);
	else
		snprintf(text, DATE_LEN, "%d %s %02d:%02d UTC", tm.tm_mday,
		    months[tm.tm_mon], tm.tm_hour, tm.tm_min);
	return text;
}

const char *
date_rfc3339(uint64_t wall_ms, char text[DATE_LEN])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(text, DATE_LEN, "%04d-%02d-%02dT%02d:%02d:%02dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
	return text;
}

/* --- reading --------------------------------------------------------------------- */

/*
 * Matches a pattern in which a digit's place is '0' and everything else stands
 * for itself; groups of digits go to out in turn.
 */
static bool
numbers(const char *p, const char *pattern, unsigned int *out)
{
	for (; *pattern != '\0'; p++, pattern++) {
		if (*pattern != '0') {
			if (*p != *pattern)
				return false;
			out++;
		} else if (*p < '0' || *p > '9')
			return false;
		else
			*out = *out * 10 + (unsigned int)(*p - '0');
	}
	return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; month from 1, year >= 1970. */
static uint64_t
days_since_1970(unsigned int y, unsigned int m, unsigned int d)
{
	static const unsigned int before[] = { 0, 31, 59, 90, 120, 151, 181, 212,
	    243, 273, 304, 334 };
	unsigned int last = m > 2 ? y : y - 1;	/* whose leap day has passed */

	return (y - 1970) * 365ULL + last / 4 - last / 100 + last / 400 - 477 +
	    before[m - 1] + d - 1;
}

static unsigned int
days_in(unsigned int y, unsigned int m)
{
	if (m == 2)
		return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : 28;
	return m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31;
}

/* time-offset: "Z", "+01:00", in seconds east; false: it is none. */
static bool
offset(const char *p, size_t n, int64_t *east)
{
	unsigned int hm[2] = { 0 };

	*east = 0;
	if (n == 1 && (*p == 'Z' || *p == 'z'))
		return true;
	if (n != 6 || (*p != '+' && *p != '-') || !numbers(p + 1, "00:00", hm) ||
	    hm[0] > 23 || hm[1] > 59)
		return false;
	*east = (int64_t)(hm[0] * 60 + hm[1]) * (*p == '-' ? -60 : 60);
	return true;
}

bool
date_parse_rfc3339(const char *p, size_t n, uint64_t *wall_ms)
{
	unsigned int d[3] = { 0 }, t[3] = { 0 };
	int64_t east, sec;
	size_t i = 19;

	if (n < 20 || !numbers(p, "0000-00-00", d) ||
	    (p[10] != 'T' && p[10] != 't') || !numbers(p + 11, "00:00:00", t))
		return false;
	if (d[0] < 1970 || d[1] < 1 || d[1] > 12 || d[2] < 1 ||
	    d[2] > days_in(d[0], d[1]) || t[0] > 23 || t[1] > 59 || t[2] > 60)
		return false;
	if (p[i] == '.') {	/* fractions are dropped */
		while (++i < n && p[i] >= '0' && p[i] <= '9')
			;
		if (i == 20)
			return false;
	}
	if (!offset(p + i, n - i, &east))
		return false;
	sec = (int64_t)(days_since_1970(d[0], d[1], d[2]) * 86400 +
	    t[0] * 3600 + t[1] * 60 + t[2]) - east;
	*wall_ms = sec < 0 ? 0 : (uint64_t)sec * 1000;
	return true;
}
