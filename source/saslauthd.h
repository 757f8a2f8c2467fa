/*
 * saslauthd: the protocol of Cyrus SASL's daemon, as its ipc_unix.c has it: four
 * strings, each behind its length in two bytes, then one string back, and the
 * connection is over.
 */
#ifndef SOURCE_SASLAUTHD_H
#define SOURCE_SASLAUTHD_H

#include "lib/buf.h"
#include "lib/conf.h"
#include "source/backend.h"

/* saslauthd drops a connection with longer ones without a word. */
#define SASLAUTHD_STRING_MAX	256
#define SASLAUTHD_REPLY_MAX	1024

enum saslauthd_reply {
	SASLAUTHD_MORE,		/* it is not all there */
	SASLAUTHD_OK, SASLAUTHD_NO,
	SASLAUTHD_BAD		/* no reply of saslauthd's */
};

/* -1: some part is too long for it. */
int	 saslauthd_request(const struct conf_source *, const struct query *,
	    struct buf *);
/* why: up to SOURCE_WHY_MAX, what stands behind OK or NO. */
enum saslauthd_reply saslauthd_parse(const uint8_t *, size_t, char *why);

#endif
