/*
 * params: what MAIL and RCPT may say behind the path, by the extensions that
 * are offered. Pure: parameters in, values or a refusal out. Spans point into
 * the command line.
 */
#ifndef SMTPD_PARAMS_H
#define SMTPD_PARAMS_H

#include "lib/envelope.h"
#include "lib/smtp_cmd.h"
#include "smtpd/reply.h"

struct mail_params {
	uint64_t size;		/* SIZE, or 0 */
	enum ret ret;
	struct span envid;	/* xtext as given; n is 0 when there was none */
	bool	 utf8, require_tls;
	uint64_t hold_for_sec;	/* HOLDFOR, or 0; never both */
	uint64_t hold_until_ms;	/* HOLDUNTIL, or 0 */
	enum by_mode by;	/* BY, with its time */
	int64_t	 by_sec;
	bool	 by_trace;
	int8_t	 priority;	/* MT-PRIORITY, or 0 */
	bool	 ranked;	/* it was said */
};

struct rcpt_params {
	uint8_t	 notify;	/* enum notify bits */
	struct span orcpt;	/* "type;xtext" as given; n is 0: none */
	bool	 utf8;		/* MAIL has said SMTPUTF8 */
};

/*
 * REPLY_NONE, or the reply that refuses, *about being the name of the
 * parameter, or how it is written. extensions are those offered, enum extension
 * bits.
 */
enum reply params_mail(const struct smtp_path *, uint32_t extensions,
	    struct mail_params *, struct span *about);
enum reply params_rcpt(const struct smtp_path *, uint32_t extensions,
	    bool utf8, struct rcpt_params *, struct span *about);

#endif
