/*
 * body: the bytes of a message while they are delivered. A thousand deliveries
 * of one message to as many next hops hold one copy of a large body together:
 * queue sends it with each, and what is here already is not kept again.
 */
#ifndef RELAY_BODY_H
#define RELAY_BODY_H

#include <stddef.h>
#include <stdint.h>

/* Below it a copy each is no trouble, and nobody looks for another. */
#define BODY_SHARED_LEAST 4096

struct body;

/*
 * A reference to these bytes of the message with this id: to those of an
 * earlier one as long as that is there and they are the same.
 */
struct body	*body_get(const char *id, const uint8_t *, size_t len);
/* Nothing happens to NULL. */
void		 body_unref(struct body **);
/* Valid as long as the reference. */
const uint8_t	*body_bytes(const struct body *);
/* Bytes that are held by all of them. */
size_t		 body_held(void);

#endif
