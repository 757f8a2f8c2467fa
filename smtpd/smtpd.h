/* smtpd: the program that clients talk to; its place in lib/child. */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include "lib/child.h"

extern const struct child_ops smtpd_ops;

#endif
