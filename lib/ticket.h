/*
 * ticket: auth's word to queue, carried by smtpd, that this session of this
 * worker has logged in as this account. An HMAC-SHA-256 under a key that the
 * parent makes at start and gives to auth and queue alone; smtpd cannot make
 * or alter one. auth and queue know the worker from the channel, never from
 * what smtpd says.
 *
 * A return path other than the account's own name needs one more word of auth:
 * a sender pattern (lib/addr.h), sealed to the ticket.
 */
#ifndef LIB_TICKET_H
#define LIB_TICKET_H

#include <stdint.h>

#include "lib/conf.h"
#include "lib/ipc.h"

#define TICKET_KEY_LEN	32
#define TICKET_MAC_LEN	32
#define TICKET_LIFE_MAX_SEC (9 * 86400u) /* the settings allow less */
#define ACCOUNT_MAX	320	/* bytes of an account's name: an address fits */
#define CAP_NAME_MAX	64
#define DEVICE_MAX	32	/* of a device's label */
/* "account/label": nobody's name has a '/' behind its last '@'. */
#define LOGIN_MAX	(ACCOUNT_MAX + 1 + DEVICE_MAX)

struct ticket {
	uint64_t session;
	uint64_t expires_ms;	/* as begun_ms, a ticket's life later: no clock
				   that is set, and no login that takes its
				   time, outlives what revokes it */
	uint64_t begun_ms;	/* the login; ev_now_ms() (lib/revoked.h) */
	char	 account[ACCOUNT_MAX + 1];
	char	 cap[CAP_NAME_MAX + 1];
	char	 device[DEVICE_MAX + 1];	/* its label; "": the account itself */
	char	 device_cap[CAP_NAME_MAX + 1];	/* its own one, or "" */
	char	 plus;			/* "a" may send as "a+b": that '+', or NUL */
	char	 lane[CAP_NAME_MAX + 1]; /* the "device" section that stood in
					   for a login, or "" */
	uint8_t	 mac[TICKET_MAC_LEN];
	char	 sender[ACCOUNT_MAX + 1];	/* the pattern in use, or "" */
	uint8_t	 sender_mac[TICKET_MAC_LEN];	/* when there is one */
};

/* Computes mac over the other fields and the worker's index. */
void	 ticket_seal(const struct conf_bytes *key, uint32_t worker,
	    struct ticket *);
/* True when the seal is right and the ticket has not expired. */
bool	 ticket_valid(const struct conf_bytes *key, uint32_t worker,
	    const struct ticket *, uint64_t now_ms);

/* The seal of a pattern, for a ticket that is sealed itself. */
void	 ticket_seal_sender(const struct conf_bytes *key, const struct ticket *,
	    const char *pattern, uint8_t mac[TICKET_MAC_LEN]);
/*
 * Whether mail may be sent under this return path with a valid ticket: the
 * account's name (with a tag, "a+b@c", where there is a plus), what t->sender
 * covers in this way if its seal is right, or "".
 */
bool	 ticket_may_send(const struct conf_bytes *key, const struct ticket *,
	    const char *return_path);

/* "account/device"; "account/" stands for the account's own password. */
const char *ticket_login(const struct ticket *, char out[LOGIN_MAX + 1]);

/* As the fields {u64 session, u64 expires_ms, u64 begun_ms, str account, str
   cap, str device, str device's cap, u8 plus, str lane, bytes mac, str sender,
   bytes sender mac or none}. */
void	 ticket_put(const struct ticket *);
/* Sets in->bad on a misfit. */
void	 ticket_get(struct ipc_in *, struct ticket *);

#endif
