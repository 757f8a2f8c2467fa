/*
 * auth: the program. It alone knows accounts: it lets them in (M_AUTH_*, from
 * each smtpd) and answers posternctl's account verbs.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "lib/child.h"

extern const struct child_ops auth_ops;

#endif
