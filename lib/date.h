/* date: times in words, always in UTC. */
#ifndef LIB_DATE_H
#define LIB_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATE_LEN 40

/* RFC 5322 3.3: "Mon, 23 Nov 2026 14:05:00 +0000"; returns text. */
const char *date_rfc5322(uint64_t wall_ms, char text[DATE_LEN]);
/* "14:05 UTC", or "23 Nov 14:05 UTC" when that is not within half a day. */
const char *date_soon(uint64_t wall_ms, uint64_t now_ms, char text[DATE_LEN]);
/* RFC 3339 5.6: "2026-11-23T14:05:00Z"; returns text. */
const char *date_rfc3339(uint64_t wall_ms, char text[DATE_LEN]);
/* A date-time of RFC 3339 5.6, in any zone, from 1970 on; false: it is none. */
bool	 date_parse_rfc3339(const char *, size_t n, uint64_t *wall_ms);

#endif
