/*
 * posternd: the parent's life: check, start, reload, stop. It parses nothing
 * that comes from the network and links no library that does.
 */
#ifndef POSTERND_POSTERND_H
#define POSTERND_POSTERND_H

#include <stdbool.h>

/* Checks a configuration and all it names, by the code that would use it. */
int	 posternd_check(const char *file);
/* Runs until the end; the result is the exit code. */
int	 posternd_run(const char *file, bool foreground);

#endif
