/*
 * buf: a growing byte buffer that cannot be created without its maximum.
 * Whatever a peer can size goes through one of these; reaching the maximum is
 * an ordinary result (-1, nothing added), which the caller turns into a reply.
 * The bytes are always followed by a NUL that does not count.
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t	*data;		/* owned; NULL until the first byte */
	size_t	 len;
	size_t	 size;		/* allocated, without the final NUL */
	size_t	 max;
};

void	 buf_init(struct buf *, size_t max);
/* Frees what is held; the buffer is usable again with the same maximum. */
void	 buf_clear(struct buf *);
/* As buf_clear(), for secrets: overwrites first. */
void	 buf_wipe(struct buf *);
/* Empties but keeps the allocation. */
void	 buf_reset(struct buf *);

/* All return 0, or -1 with nothing added when max would be passed. */
int	 buf_add(struct buf *, const void *, size_t);
int	 buf_adds(struct buf *, const char *);
int	 buf_addc(struct buf *, uint8_t);
int	 buf_addf(struct buf *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
int	 buf_addv(struct buf *, const char *, va_list)
	    __attribute__((format(printf, 2, 0)));

/* Room for n more bytes at once; -1 when max would be passed. */
int	 buf_reserve(struct buf *, size_t n);

/* Removes n bytes (at most len) from the front. */
void	 buf_drop(struct buf *, size_t n);
/* The contents as a string: "" when empty. Borrowed until the next change. */
const char *buf_str(const struct buf *);
/* Takes the bytes (NUL-terminated, never NULL) out; the caller frees them. */
char	*buf_steal(struct buf *, size_t *len);

#endif
