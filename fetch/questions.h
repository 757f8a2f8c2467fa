/*
 * questions: tokens that auth wants to know about, until each has its verdict:
 * at once where keys or memory give it, else when the provider has answered or
 * the time is over. Equal tokens that wait together are asked about once.
 */
#ifndef FETCH_QUESTIONS_H
#define FETCH_QUESTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "fetch/jwks.h"
#include "fetch/verdict.h"

struct fetch_conf;

#define QUESTIONS_MAX	1024	/* that wait; auth asks no more at once */

/*
 * The settings from now on, borrowed; keys from a file are taken over, or NULL.
 * Who waits is judged anew. answered is called from questions_ask() or from the
 * loop, once for each.
 */
void	 questions_conf(const struct fetch_conf *, struct jwks *fixed,
	    void (*answered)(uint64_t id, const struct verdict *));
/* From now on others may be asked. */
void	 questions_start(void);
void	 questions_stop(void);
void	 questions_ask(uint64_t id, const char *token, size_t len);
/*
 * Nobody waits for that verdict: it is there now, unless the provider has been
 * asked about the token, and its word will be. None is fine.
 */
void	 questions_cancel(uint64_t id);
/* How many wait. */
size_t	 questions_waiting(void);
/* Nobody wants to know any more. */
void	 questions_forget(void);

#endif
