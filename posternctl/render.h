/*
 * render: answers of the daemon as people or programs want them: aligned
 * tables, cards of "key: value", or one JSON object per line. Text from mail
 * and peers is shown with its control bytes escaped, so that nothing in a
 * queue can take over the admin's terminal.
 */
#ifndef POSTERNCTL_RENDER_H
#define POSTERNCTL_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/ipc.h"

enum view {
	VIEW_TABLE, VIEW_CARD,
	VIEW_WORD		/* a sentence; rows, if any, as a table */
};

struct render;

/* out is borrowed. */
struct render *render_new(FILE *out, enum view, bool json);
/* Prints what is still held back, then frees. */
void	 render_free(struct render **);
/* An M_CTL_ROW or M_CTL_TEXT; -1 when it is malformed. */
int	 render_row(struct render *, struct ipc_in *);
int	 render_text(struct render *, struct ipc_in *);

#endif
