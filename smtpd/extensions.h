/*
 * extensions: which of SMTP's extensions clients are offered. The same bits
 * make the lines of EHLO and decide which parameters MAIL and RCPT take: what
 * is announced is what is taken, and nothing else (555 5.5.4).
 */
#ifndef SMTPD_EXTENSIONS_H
#define SMTPD_EXTENSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct session;

enum extension {
	EXT_SIZE = 1,		/* RFC 1870 */
	EXT_8BITMIME = 2,	/* RFC 6152 */
	EXT_AUTH = 4,		/* RFC 4954; the verb, and AUTH= of MAIL */
	EXT_LIMITS = 8,		/* RFC 9422 */
	EXT_DSN = 16,		/* RFC 3461 */
	EXT_CHUNKING = 32,	/* RFC 3030; BINARYMIME is not among us */
	EXT_SMTPUTF8 = 64,	/* RFC 6531 */
	EXT_REQUIRETLS = 128,	/* RFC 8689 */
	EXT_FUTURERELEASE = 256, /* RFC 4865 */
	EXT_DELIVERBY = 512,	/* RFC 2852 */
	EXT_MT_PRIORITY = 1024,	/* RFC 6710 */
};

/* An extension stands here when all of Postern honours it. */
#define EXT_OFFERED (EXT_SIZE | EXT_8BITMIME | EXT_AUTH | EXT_LIMITS | \
			EXT_DSN | EXT_CHUNKING | EXT_SMTPUTF8 | EXT_REQUIRETLS | \
			EXT_FUTURERELEASE | EXT_DELIVERBY | EXT_MT_PRIORITY)

/* Those that the session is offered, or would be if it were not logged in. */
uint32_t extensions_of(const struct session *);
/* Whether this mechanism of the configuration's can be had in this session. */
bool	 extensions_mechanism(const struct session *, const char *name);
/* Appends the lines that the session is offered in its present state. */
void	 extensions_put(const struct session *, struct buf *);

#endif
