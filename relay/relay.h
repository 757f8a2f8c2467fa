/* relay: the program, as lib/child.h runs it. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "lib/child.h"

extern const struct child_ops relay_ops;

#endif
