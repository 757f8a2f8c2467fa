/*
 * index_codec: how the index's keys and values are written. Pure, and without
 * Berkeley DB: numbers are big-endian, so that the order of keys is the order
 * of numbers.
 */
#ifndef QUEUE_INDEX_CODEC_H
#define QUEUE_INDEX_CODEC_H

#include "queue/index.h"

#define INDEX_HEAD	49		/* bytes before the meta in a value */

void	 index_put_be(uint8_t *, uint64_t);
uint64_t index_get_be(const uint8_t *);
void	 index_put_head(uint8_t [INDEX_HEAD], const struct index_entry *);
/* False when it is damaged; the meta is borrowed. */
bool	 index_get_entry(uint64_t id, const uint8_t *, size_t,
	    struct index_entry *);

#endif
