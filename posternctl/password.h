/* password: asks for one at the terminal, or takes a line of standard input. */
#ifndef POSTERNCTL_PASSWORD_H
#define POSTERNCTL_PASSWORD_H

#include <stdbool.h>

#include "lib/buf.h"

#define PASSWORD_MAX 1024

/*
 * Fills a fresh buffer, which the caller wipes. At a terminal: without echo,
 * and a new one twice. NULL when there is one, else a sentence.
 */
const char *password_read(const char *account, bool is_new, struct buf *);

#endif
