/*
 * What lib/ipc.c (channels) and lib/ipc_fields.c (messages) share.
 */
#ifndef LIB_IPC_PRIVATE_H
#define LIB_IPC_PRIVATE_H

#include "lib/ipc.h"

#define IPC_HEADER	16
#define IPC_PACKET_MAX	(IPC_HEADER + IPC_MAX)

/* Appends bytes as they are to the message being built. */
void	 ipc_put_raw(const void *, size_t);
/* Overwrites the message built last. */
void	 ipc_forget_built(void);
/* The first message of n bytes; its length, or 0: malformed. */
size_t	 ipc_parse_first(const uint8_t *, size_t n, struct ipc_in *);

#endif
