/* source: postern-source, which asks those who know people's passwords. */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "lib/child.h"

extern const struct child_ops source_ops;

#endif
