/* row: an M_CTL_ROW as it arrives: keys, kinds and values as text. */
#ifndef POSTERNCTL_ROW_H
#define POSTERNCTL_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc.h"

#define ROW_FIELDS_MAX	64

struct cell {
	char	*key;
	char	 kind;		/* as in lib/ipc_msgs.h */
	char	*value;
	char	*shown;		/* for people; render's */
};

struct row {
	struct cell cells[ROW_FIELDS_MAX];
	size_t	 n;
};

/* Fills *row, to be cleared when it is true; false: malformed. */
bool	 row_get(struct ipc_in *, struct row *row);
void	 row_clear(struct row *);
/* Takes out what is for programs alone. */
void	 row_for_people(struct row *);
/* The value of this key, borrowed, or "". */
const char *row_value(const struct row *, const char *key);
uint64_t row_number(const struct row *, const char *key);

#endif
