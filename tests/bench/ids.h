/*
 * ids: what shows that nothing was lost. Each message says in a header field
 * of its own which run it belongs to, its number in it and how many recipients
 * it has; recipients are numbered in their local parts. So the sink knows of
 * each pair of message and recipient whether it came never, once or again.
 */
#ifndef TESTS_BENCH_IDS_H
#define TESTS_BENCH_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDS_HEADER	"X-Bench: "
#define IDS_TEXT_LEN	64

struct id {
	uint32_t run, message, rcpts;
};

/* The header field with its CRLF; returns text. */
const char *id_print(const struct id *, char text[IDS_TEXT_LEN]);
/* Finds the field in the first bytes of a message: 0, else -1. */
int	 id_find(const uint8_t *, size_t, struct id *);

struct ids {
	uint32_t run;		/* others are counted as strange */
	uint64_t unique, duplicate, strange;
	uint8_t	*seen;		/* a bit per message and recipient; owned */
	uint64_t bits;
};

/* Forgets all and waits for run; also right for a zeroed one. */
void	 ids_reset(struct ids *, uint32_t run);
/* A message came for its recipient of this number, from 0. */
void	 ids_add(struct ids *, const struct id *, uint32_t rcpt);
/* Whether the run's message of that number, with one recipient, has come. */
bool	 ids_has(const struct ids *, uint32_t message);

#endif
