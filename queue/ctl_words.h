/*
 * ctl_words: what posternctl shows of an envelope, and reads again.
 */
#ifndef QUEUE_CTL_WORDS_H
#define QUEUE_CTL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/envelope.h"

/* NOTIFY and RET in words, "failure,delay", as cells of the row begun. */
void	 ctl_put_notify(uint8_t notify);
void	 ctl_put_ret(uint8_t ret);
/* DELIVERBY's mode, "notify,trace", and MT-PRIORITY: two cells. */
void	 ctl_put_wishes(const struct envelope *);
/* And back; false when it is none. */
bool	 ctl_get_notify(const char *, uint8_t *notify);
bool	 ctl_get_ret(const char *, uint8_t *ret);
bool	 ctl_get_by(const char *, struct envelope *);
bool	 ctl_get_priority(const char *, int8_t *priority);

#endif
