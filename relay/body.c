#include "lib/prelude.h"

#include <sys/queue.h>

#include "lib/xalloc.h"
#include "relay/body.h"

#define SLOTS	1024		/* a power of two; some thousand bodies at most */

struct body {
	LIST_ENTRY(body) link;	/* while it may be shared */
	size_t	 refs, len;
	char	*id;		/* owned; NULL: not shared */
	uint8_t	 bytes[];
};

static LIST_HEAD(slot, body) slots[SLOTS];
static size_t held;

/* Ids are queue's, in order: no peer chooses where they fall. */
static struct slot *
slot_of(const char *id)
{
	size_t h = 0;

	while (*id != '\0')
		h = h * 31 + (uint8_t)*id++;
	return &slots[h % SLOTS];
}

static struct body *
find(const char *id, const uint8_t *bytes, size_t len)
{
	struct body *b;

	LIST_FOREACH(b, slot_of(id), link)
		if (b->len == len && strcmp(b->id, id) == 0 &&
		    memcmp(b->bytes, bytes, len) == 0)
			return b;
	return NULL;
}

struct body *
body_get(const char *id, const uint8_t *bytes, size_t len)
{
	bool shared = len >= BODY_SHARED_LEAST;
	struct body *b = shared ? find(id, bytes, len) : NULL;

	if (b != NULL) {
		b->refs++;
		return b;
	}
	b = xmalloc(sizeof(*b) + len);
	b->refs = 1;
	b->len = len;
	b->id = shared ? xstrdup(id) : NULL;
	if (len > 0)
		memcpy(b->bytes, bytes, len);
	if (shared)
		LIST_INSERT_HEAD(slot_of(id), b, link);
	held += len;
	return b;
}

void
body_unref(struct body **bp)
{
	struct body *b = *bp;

	*bp = NULL;
	if (b == NULL || --b->refs > 0)
		return;
	if (b->id != NULL)
		LIST_REMOVE(b, link);
	held -= b->len;
	free(b->id);
	free(b);
}

const uint8_t *
body_bytes(const struct body *b)
{
	return b->bytes;
}

size_t
body_held(void)
{
	return held;
}
