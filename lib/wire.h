/*
 * wire: what OpenSSL writes on a connection, gathered until it is sent. Records
 * that are made one after the other (a ticket and a greeting, a last reply and
 * the close_notify) leave in one send(2) and arrive as one segment.
 */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H

#include <sys/types.h>

#include "lib/buf.h"

struct bio_st;

struct wire {
	struct buf bytes;
	size_t	 sent;		/* of them */
};

void	 wire_init(struct wire *, size_t max);
void	 wire_clear(struct wire *);
size_t	 wire_unsent(const struct wire *);
/* As send(2) with MSG_NOSIGNAL, of all there is. */
ssize_t	 wire_send(struct wire *, int fd, int flags);

/* For SSL_set0_wbio(); borrows the wire. NULL: out of memory. */
struct bio_st *wire_bio(struct wire *);

#endif
