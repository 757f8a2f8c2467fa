/* program: postern-queue as a child of the parent; the queue on a real disk. */
#ifndef QUEUE_PROGRAM_H
#define QUEUE_PROGRAM_H

#include "lib/child.h"

extern const struct child_ops program_ops;

#endif
