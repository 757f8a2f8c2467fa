/*
 * signer: signatures asked of postern-keys (M_SIGN) in the middle of a
 * handshake. A handshake that runs as an OpenSSL job (SSL_MODE_ASYNC) steps
 * aside while it waits, so that the worker serves others and the questions of a
 * turn travel in one packet; any other waits here. The wait is bounded: a
 * handshake without its signature fails and the session ends.
 *
 * It uses the buffers of lib/ipc, so let no handshake run between ipc_begin()
 * and ipc_send(), nor while a received message is still read.
 */
#ifndef SMTPD_SIGNER_H
#define SMTPD_SIGNER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ipc_msgs.h"

/*
 * The channel to keys (takes fd, closes the one before); -1: there is none for
 * now and handshakes fail at once.
 */
void	 signer_channel(int fd);

/*
 * 1 with the signature, or 0: OpenSSL's way round. A job that is resumed before
 * its answer has come gets 0, too: that is how one gives up.
 */
int	 signer_sign(uint32_t cert_index, enum sign_as, const uint8_t *tbs,
	    size_t tbs_len, uint8_t *sig, size_t *sig_len, size_t sig_size);

/* 0 with the reason in the log. */
int	 signer_no(const char *why);

#endif
