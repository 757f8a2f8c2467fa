/* date: RFC 5322 3.3 date-time, always in UTC. */
#ifndef LIB_DATE_H
#define LIB_DATE_H

#include <stdint.h>

#define DATE_LEN 40

/* "Mon, 23 Nov 2026 14:05:00 +0000"; returns text. */
const char *date_rfc5322(uint64_t wall_ms, char text[DATE_LEN]);

#endif
