#include "lib/prelude.h"

#include <sys/random.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/table.h"

#define SLOTS_FIRST	16

static uint64_t seed[2];

void
table_init(struct table *t)
{
	*t = (struct table){ 0 };
}

void
table_clear(struct table *t)
{
	free(t->slots);
	table_init(t);
}

/* Both halves of the product of two 64-bit words: one multiply mixes all bits. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t
table_hash(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint64_t h, word;
	size_t n;

	if (seed[1] == 0) {
		if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
			fatal("getrandom");
		seed[0] |= 1;
		seed[1] |= 1;
	}
	h = seed[0] ^ len;
	for (; len > 0; p += n, len -= n) {
		n = len < sizeof(word) ? len : sizeof(word);
		word = 0;
		memcpy(&word, p, n);
		h = mix(h ^ word, seed[1]) + seed[0];
	}
	return h;
}

static struct table_node **
slot_of(const struct table *t, uint64_t hash)
{
	return &t->slots[hash & (t->nslots - 1)];
}

static void
grow(struct table *t)
{
	struct table old = *t;
	struct table_node *node, *next;
	size_t i;

	t->nslots = old.nslots == 0 ? SLOTS_FIRST : old.nslots * 2;
	t->slots = xcalloc(t->nslots, sizeof(*t->slots));
	for (i = 0; i < old.nslots; i++)
		for (node = old.slots[i]; node != NULL; node = next) {
			next = node->next;
			node->next = *slot_of(t, node->hash);
			*slot_of(t, node->hash) = node;
		}
	free(old.slots);
}

struct table_node *
table_find(const struct table *t, const void *key, size_t len)
{
	uint64_t hash;
	struct table_node *node;

	if (t->n == 0)
		return NULL;
	hash = table_hash(key, len);
	for (node = *slot_of(t, hash); node != NULL; node = node->next)
		if (node->hash == hash && node->key_len == len &&
		    memcmp(node->key, key, len) == 0)
			return node;
	return NULL;
}

void
table_add(struct table *t, struct table_node *node, const void *key,
    size_t len)
{
	if (t->n >= t->nslots)
		grow(t);
	node->hash = table_hash(key, len);
	node->key = key;
	node->key_len = len;
	node->next = *slot_of(t, node->hash);
	*slot_of(t, node->hash) = node;
	t->n++;
}

void
table_remove(struct table *t, struct table_node *node)
{
	struct table_node **p = slot_of(t, node->hash);

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	t->n--;
}

struct table_node *
table_next(const struct table *t, const struct table_node *node)
{
	size_t i = 0;

	if (node != NULL) {
		if (node->next != NULL)
			return node->next;
		i = (node->hash & (t->nslots - 1)) + 1;
	}
	for (; i < t->nslots; i++)
		if (t->slots[i] != NULL)
			return t->slots[i];
	return NULL;
}
