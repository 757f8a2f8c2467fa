/*
 * sound: whether what comes from outside, from a worker, an admin's folder or a
 * backup, is well-formed. Relays put it on the wire: what no grammar allows
 * ends here.
 */
#ifndef QUEUE_SOUND_H
#define QUEUE_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/envelope.h"

/*
 * That it is to somebody, its addresses and parameters, and that no time in it is
 * too far off from this one.
 */
bool	 sound_envelope(const struct envelope *, uint64_t now_ms);
/*
 * RFC 5321 2.3.8, for a piece of a body: CR and LF come as a pair or not at
 * all. *last is the byte before it, 0 at the beginning.
 */
bool	 sound_lines(uint8_t *last, const uint8_t *, size_t);

#endif
