/* date: times in words, always in UTC. */
#ifndef LIB_DATE_H
#define LIB_DATE_H

#include <stdint.h>

#define DATE_LEN 40

/* RFC 5322 3.3: "Mon, 23 Nov 2026 14:05:00 +0000"; returns text. */
const char *date_rfc5322(uint64_t wall_ms, char text[DATE_LEN]);
/* "14:05 UTC", or "23 Nov 14:05 UTC" when that is not within half a day. */
const char *date_soon(uint64_t wall_ms, uint64_t now_ms, char text[DATE_LEN]);

#endif
