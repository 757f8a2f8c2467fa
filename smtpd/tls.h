/*
 * tls: one SSL_CTX per configuration, shared by all sessions of the worker.
 * TLS 1.2 and 1.3 with forward secrecy and AEAD only, no renegotiation, no
 * compression, no early data. Session tickets, TLS 1.3's only, are sealed with
 * a key that all workers share and the parent renews. Private keys are not here: see smtpd/keyprov.h.
 */
#ifndef SMTPD_TLS_H
#define SMTPD_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc_msgs.h"

struct buf;
struct smtpd_conf;
struct ssl_st;
struct tls;

/*
 * Loads of OpenSSL what a confined process could not load later. Once, before
 * anything else here.
 */
void	 tls_init(void);

/* Builds a context from the slice. NULL and a sentence when it cannot be. */
struct tls *tls_new(const struct smtpd_conf *, const char **why);
/* From now on; what an older key has sealed is no longer taken. */
void	 tls_set_ticket_key(struct tls *, const uint8_t key[TLS_KEY_LEN]);
/* Sessions that use it go on with it. */
void	 tls_free(struct tls **);

/*
 * For one connection, to be given to a stream; NULL when out of memory. A client
 * that is asked for its certificate need not have one; whose it is, auth says.
 */
struct ssl_st *tls_accept(struct tls *, bool ask_certificate);

/*
 * A ticket, before what is written next. To make one costs a fifth of the
 * handshake, so only those get one who have shown that they will come again.
 * One of a client with a certificate would keep the identity for hours,
 * whatever became of certificate or CA meanwhile: it gets none, and shows its
 * certificate each time.
 */
void	 tls_give_ticket(struct ssl_st *);

const char *tls_version(struct ssl_st *);
uint32_t tls_bits(struct ssl_st *);

/*
 * Whether logins can be bound to this TLS session (RFC 5056): under TLS 1.3, and
 * under TLS 1.2 with the extended master secret (RFC 7627), without which
 * somebody in the path can give two sessions the same secrets. Not to NULL.
 */
bool	 tls_binds(struct ssl_st *);
/*
 * What a client binds to, as it can compute it, too; returns its length, 0
 * where there is none: tls-unique is TLS 1.2's (RFC 9266 3), and a certificate
 * whose signature names no hash (Ed25519) is no tls-server-end-point.
 */
size_t	 tls_binding(struct ssl_st *, enum auth_binding,
	    uint8_t data[BINDING_MAX]);

/* Whether the client has shown a certificate that EXTERNAL could go by now. */
bool	 tls_has_client(struct ssl_st *);
/*
 * Appends the client's certificates in DER, its own first, to a buffer with room
 * for CLIENT_CERTS_LEN. -1: there are none, or too many.
 */
int	 tls_put_client(struct ssl_st *, struct buf *);

#endif
