/* answers: what auth and queue say, brought to the session that waits for it. */
#ifndef SMTPD_ANSWERS_H
#define SMTPD_ANSWERS_H

#include "smtpd/upstream.h"

extern const struct upstream_ops answers_ops;

#endif
