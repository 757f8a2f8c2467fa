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
