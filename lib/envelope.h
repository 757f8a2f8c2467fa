/*
 * envelope: who sent a message and for whom (RFC 5321 2.3.1), with what the
 * extensions of MAIL and RCPT ask for. Built by smtpd from MAIL and RCPT, kept
 * by queue.
 */
#ifndef LIB_ENVELOPE_H
#define LIB_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc.h"

#define ENVELOPE_RCPT_MAX	1000	/* RFC 5321 4.5.3.1.8 demands 100 */
#define ENVELOPE_PATH_MAX	254	/* RFC 5321 4.5.3.1.3: 256 with <> */
#define ENVELOPE_ENVID_MAX	100	/* RFC 3461 4.4 */
#define ENVELOPE_ORCPT_MAX	500	/* RFC 3461 4.2 */
/*
 * What all recipients may take with their parameters, so that an envelope and
 * a 64 KB body fit into one message (IPC_MAX): a thousand of the longest
 * addresses, and 100 of the longest ORCPT among them.
 */
#define ENVELOPE_BYTES_MAX	(316 * 1024)
/* A body that is larger is a file between processes and on disk. */
#define ENVELOPE_BODY_MAX	(256 * 1024)
#define ENVELOPE_BODY_LEAST	(64 * 1024)	/* fits beside any envelope */
/* RFC 4865 3 asks for a limit: longer than any holiday. */
#define ENVELOPE_HOLD_MAX_SEC	(30 * 86400)
/* RFC 2852 4: a by-time has nine digits at most. */
#define ENVELOPE_BY_MAX_SEC	999999999
#define ENVELOPE_PRIORITY_MAX	9	/* RFC 6710 3: and -9 */
#define ENVELOPE_RCPT_COST	11	/* beside the strings, in lib/ipc */

enum notify {			/* RFC 3461 4.1; 0: the default */
	NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8
};

enum by_mode {			/* RFC 2852 4: when its time is over ... */
	BY_NONE,
	BY_NOTIFY,		/* the sender is told, and it is tried on */
	BY_RETURN		/* it goes back */
};

enum ret { RET_UNSET, RET_FULL, RET_HDRS };

struct envelope_rcpt {
	char	*addr;		/* owned: local@domain */
	char	*orcpt;		/* owned, "type;xtext" as given, or NULL */
	uint8_t	 notify;	/* enum notify bits */
};

struct envelope {
	char	*return_path;	/* owned: "" is the null return path */
	char	*envid;		/* owned, xtext as given, or NULL */
	uint8_t	 ret;		/* enum ret */
	bool	 body_8bit;	/* content holds bytes above 127 */
	bool	 utf8;		/* SMTPUTF8 (RFC 6531) */
	bool	 require_tls;	/* REQUIRETLS (RFC 8689) */
	uint64_t hold_until_ms;	/* FUTURERELEASE (RFC 4865), wall; 0: none */
	uint8_t	 by;		/* DELIVERBY (RFC 2852), enum by_mode */
	bool	 by_trace;	/* each relay reports that it relayed */
	bool	 by_told;	/* BY_NOTIFY: its sender knows that it is over */
	uint64_t by_ms;		/* wall: until when; it may have passed */
	int8_t	 priority;	/* MT-PRIORITY (RFC 6710), -9 to 9 */
	struct envelope_rcpt *rcpts; /* owned */
	size_t	 nrcpts;
	size_t	 bytes;		/* of all recipients, ENVELOPE_BYTES_MAX */
};

void	 envelope_init(struct envelope *);
void	 envelope_clear(struct envelope *);
/* Adds a recipient; strings are copied. orcpt may be NULL. */
void	 envelope_add_rcpt(struct envelope *, const char *addr,
	    const char *orcpt, uint8_t notify);
/* The largest body that fits into one message with it. */
size_t	 envelope_body_max(const struct envelope *);

/*
 * As {str return path, str envid, u8 ret, bool 8bit, bool utf8, bool require
 * TLS, u64 hold until, u8 by mode, bool trace, bool told, u64 by, u8 priority
 * + 9, u32 n, n x {str addr, str orcpt, u8 notify}}; "" stands for NULL.
 */
void	 envelope_put(const struct envelope *);
/* Fills a fresh envelope, checking counts, lengths and flags; sets in->bad. */
void	 envelope_get(struct ipc_in *, struct envelope *);

#endif
