/*
 * admit: whether what a worker of smtpd asks for in the name of a session is
 * granted: by auth's ticket, by what a device may send, by caps, and by the
 * room that is left. A worker is the part that strangers talk to, so nothing it
 * says is taken for granted. The answer is a value; submit sends it.
 */
#ifndef QUEUE_ADMIT_H
#define QUEUE_ADMIT_H

#include "lib/ticket.h"
#include "queue/queue.h"

/* It fits one reply line of RFC 5321 4.5.3.1.5. */
#define ADMIT_TEXT_LEN	400

/*
 * limits.message-size counts what the client sends, which smtpd has done; this
 * is what its fix-ups of the header may add to that.
 */
#define ADMIT_FIXUPS_MAX (16 * 1024)

struct admit_no {
	const char *fault;	/* no sound worker asks for it; or NULL: */
	uint32_t code;		/* what the client is told */
	const char *status;
	char	 text[ADMIT_TEXT_LEN];
};

/* Each: false when not, *no says why. */

/* The ticket is auth's, for this worker and session, and it holds now. */
bool	 admit_session(const struct queue *, uint32_t worker,
	    uint64_t session, const struct ticket *, struct admit_no *);
/* The return path is the account's. */
bool	 admit_sender(const struct queue *, const struct ticket *,
	    const char *return_path, struct admit_no *);
/* A device that cannot log in may write so, and to these (or NULL). */
bool	 admit_device(const struct queue *, const struct ticket *,
	    const char *return_path, const struct envelope *,
	    struct admit_no *);
/* There is so much left to charge. */
bool	 admit_caps(struct queue *, const struct ticket *,
	    const uint64_t amount[LIMIT_KINDS], struct admit_no *);
/* All of a message may be charged; its charge is filled in. */
bool	 admit_message(struct queue *, const struct ticket *,
	    struct store_msg *, struct admit_no *);

#endif
