/*
 * fetch: asks other people's servers by HTTPS, so far for logins with tokens:
 * whose is it? Holds no password but the one for the introspection endpoint,
 * and sees nothing of a login but its token.
 */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "lib/child.h"

extern const struct child_ops fetch_ops;

#endif
