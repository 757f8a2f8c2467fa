/*
 * keys: the program. It holds the keys and answers M_SIGN from each worker on
 * a channel of its own; whoever breaks the protocol loses his channel.
 */
#ifndef KEYS_KEYS_H
#define KEYS_KEYS_H

#include "lib/child.h"

extern const struct child_ops keys_ops;

#endif
