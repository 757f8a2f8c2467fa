/*
 * table: a hash table of nodes that live inside their owners, keyed by bytes.
 * The node is the first member of its owner, so that one is cast to the other.
 * Hashes are seeded at random: peers choose domains and session ids.
 */
#ifndef QUEUE_TABLE_H
#define QUEUE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t hash;
	const void *key;	/* lives as long as the node is in the table */
	size_t	 key_len;
};

struct table {
	struct table_node **slots;
	size_t	 nslots;	/* a power of two, or 0 */
	size_t	 n;
};

void	 table_init(struct table *);
/* Forgets all nodes; they stay their owners'. */
void	 table_clear(struct table *);
uint64_t table_hash(const void *key, size_t len);
/* NULL when absent. */
struct table_node *table_find(const struct table *, const void *key,
	    size_t len);
/* The key must not be in the table yet. */
void	 table_add(struct table *, struct table_node *, const void *key,
	    size_t len);
void	 table_remove(struct table *, struct table_node *);
/*
 * Walks in no order: NULL begins, NULL ends. To remove while walking, take the
 * next one first.
 */
struct table_node *table_next(const struct table *, const struct table_node *);

#endif
