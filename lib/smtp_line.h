/*
 * smtp_line: the one place that decides what a line is, in both directions
 * and for both sides. Only CRLF ends a line (RFC 5321 2.3.8); a bare CR, a
 * bare LF and NUL are errors and end nothing.
 */
#ifndef LIB_SMTP_LINE_H
#define LIB_SMTP_LINE_H

#include <stddef.h>
#include <stdint.h>

#define SMTP_COMMAND_MAX 512	/* with CRLF, RFC 5321 4.5.3.1.4 */
/*
 * With what the extensions add to MAIL: SIZE 26 (RFC 1870 3), BODY 17 (RFC
 * 6152 2), AUTH 500 (RFC 4954 3), DSN 107 (RFC 3461 5.4), SMTPUTF8 10 (RFC 6531
 * 3.1), FUTURERELEASE 34 (RFC 4865 3), REQUIRETLS 11 (RFC 8689 2), DELIVERBY 17
 * (RFC 2852 2), MT-PRIORITY 15 (RFC 6710 3); and to RCPT: DSN 500, UTF-8 in it
 * 428 (RFC 6533 3).
 */
#define SMTP_COMMAND_LONG 2048
#define SMTP_AUTH_MAX	12288	/* RFC 4954 4.1 */
#define SMTP_TEXT_MAX	1000	/* content, with CRLF, RFC 5321 4.5.3.1.6 */

enum smtp_line {
	SMTP_LINE_MORE,		/* no end yet and still within max */
	SMTP_LINE_OK,		/* *len bytes, *used with the CRLF */
	SMTP_LINE_BAD,		/* bare CR, bare LF or NUL at *len; *used covers
				   the line if its CRLF is there, else 0 */
	SMTP_LINE_LONG		/* max bytes without an end */
};

/*
 * Looks at the first line of the n bytes; max counts its CRLF. The first thing
 * met within max bytes decides (CRLF, a bad byte, max itself), so the result
 * does not depend on how the bytes arrived; only *used of a bad line does.
 */
enum smtp_line smtp_line_next(const uint8_t *, size_t n, size_t max,
	    size_t *len, size_t *used);

#endif
