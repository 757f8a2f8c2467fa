/*
 * xalloc: allocation of small fixed objects that succeeds or ends the process
 * cleanly; the parent starts it again and the queue has lost nothing. Whatever
 * a peer can size goes through lib/buf.h instead, where a limit is a reply.
 */
#ifndef LIB_XALLOC_H
#define LIB_XALLOC_H

#include <stddef.h>

void	*xmalloc(size_t);
void	*xcalloc(size_t nmemb, size_t size);
/* Grows an array to nmemb elements; the old pointer is void afterwards. */
void	*xreallocarray(void *, size_t nmemb, size_t size);
char	*xstrdup(const char *);
char	*xstrndup(const char *, size_t);
void	*xmemdup(const void *, size_t);
char	*xasprintf(const char *, ...) __attribute__((format(printf, 1, 2)));

/* Overwrites a secret in a way the compiler keeps, then frees it. */
void	 xfree_secret(void *, size_t);

#endif
