/*
 * ipc: one channel between two of our processes. SOCK_SEQPACKET keeps message
 * boundaries; each message has a header {version, type, length, id} and fields
 * put and got one by one by type, never as structs, and may carry one
 * descriptor. Messages are listed in lib/ipc_msgs.h.
 *
 * A process trusts no other. The reader checks every length against what has
 * arrived and the handler must call ipc_in_end(); if it answers -1 the channel
 * is closed and on_gone says "malformed": the peer is dropped, not ourselves.
 *
 * Sending never blocks: when the socket is full, messages wait in memory up to
 * IPC_BACKLOG_MAX bytes; a peer that lets more gather is treated as gone.
 */
#ifndef LIB_IPC_H
#define LIB_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Largest payload: a 64 KB body and 1,000 recipients of 256 bytes with their
 * parameters, or a larger body and fewer recipients (lib/envelope.h). It fits the kernel's default limit for one unix packet.
 */
#define IPC_MAX		(384 * 1024)
#define IPC_BACKLOG_MAX	(64 * 1024 * 1024)

struct ipc;

/* A received message; everything in it is borrowed until the handler returns. */
struct ipc_in {
	uint16_t type;
	uint64_t id;		/* chosen by the asker, repeated in answers */
	int	 fd;		/* or -1; ipc_take_fd() makes it the caller's */
	bool	 fd_lost;	/* one came, and we have none free: fd is -1 */
	const uint8_t *at, *end;
	bool	 bad;		/* sticky: some field did not fit */
};

struct ipc_ops {
	/* 0, or -1 for a malformed or forbidden message. May free the ipc. */
	int	(*on_msg)(struct ipc *, struct ipc_in *, void *arg);
	/* The channel is closed; why is NULL for a plain end. May free the ipc. */
	void	(*on_gone)(struct ipc *, const char *why, void *arg);
};

/*
 * Takes over fd (made non-blocking) and watches it. ops and arg are borrowed.
 * Callbacks run from the loop only.
 */
struct ipc *ipc_new(int fd, const struct ipc_ops *, void *arg);
void	 ipc_free(struct ipc **);
/* False once the peer is gone; sending then quietly does nothing. */
bool	 ipc_alive(const struct ipc *);
/* Bytes waiting for the peer to read; 0 without one. */
size_t	 ipc_backlog(const struct ipc *);
/* Stops and resumes reading, for back-pressure. */
void	 ipc_pause(struct ipc *, bool paused);
/*
 * From now on small messages without a descriptor leave at the end of the
 * loop's turn, together; in order with all others. Not for a peer that uses
 * ipc_recv_sync().
 */
void	 ipc_gather(struct ipc *);
/*
 * Sends what has gathered and waits up to timeout_ms for a packet, which it
 * handles: for an answer without which nothing can go on. May free the ipc.
 */
void	 ipc_wait(struct ipc *, int timeout_ms);
/* Who is at the other end, from the kernel: uid and pid of a unix peer. */
int	 ipc_peer_cred(const struct ipc *, uint32_t *uid, int *pid);

/* Lets a message of IPC_MAX into a socket; those of ipc_pair() are so. */
void	 ipc_widen(int fd);
/* A CLOEXEC SOCK_SEQPACKET pair with generous buffers; -1 with errno. */
int	 ipc_pair(int fd[2]);

/* --- sending: begin, put fields, send. One message at a time per process. ---- */

void	 ipc_begin(uint16_t type, uint64_t id);
void	 ipc_put_u8(uint8_t);
void	 ipc_put_bool(bool);
void	 ipc_put_u32(uint32_t);
void	 ipc_put_u64(uint64_t);
void	 ipc_put_str(const char *);		/* NULL is sent as "" */
void	 ipc_put_bytes(const void *, size_t);
/*
 * Overwrites the message built last and the one received last, where they held
 * secrets. Call it when the first is sent and the second is read.
 */
void	 ipc_forget(void);
/* Payload bytes still free in the message being built. */
size_t	 ipc_room(void);
/*
 * Sends what was built; a descriptor >= 0 is duplicated to the peer, the
 * caller keeps its own. A message that outgrew IPC_MAX is a bug: fatal.
 */
void	 ipc_send(struct ipc *, int fd);
/* False when what was put is more than one message can hold. */
bool	 ipc_fits(void);
/*
 * Passes a received message on, fields unread, under another id; its
 * descriptor only if that is named as fd, else -1.
 */
void	 ipc_forward(struct ipc *, uint64_t id, const struct ipc_in *, int fd);

/* --- reading fields: after a misfit all answer 0, "" or NULL and bad is set --- */

uint8_t	 ipc_get_u8(struct ipc_in *);
bool	 ipc_get_bool(struct ipc_in *);		/* only 0 and 1 fit */
uint32_t ipc_get_u32(struct ipc_in *);
uint64_t ipc_get_u64(struct ipc_in *);
/* A string without NUL inside and at most max bytes long. */
const char *ipc_get_str(struct ipc_in *, size_t max);
const uint8_t *ipc_get_bytes(struct ipc_in *, size_t max, size_t *len);
/* True when every field fitted and nothing is left over. */
bool	 ipc_in_end(const struct ipc_in *);
int	 ipc_take_fd(struct ipc_in *);

/* --- blocking use: for posternctl ------------------------------------------------ */

/* Sends what was built on a blocking socket. 0, or -1 with errno. */
int	 ipc_send_sync(int sock, int fd);
/*
 * Waits up to timeout_ms (-1: for ever) for one message; *in borrows a static
 * buffer until the next call. 1: a message, 0: end of file, -1: errno
 * (ETIMEDOUT, EPROTO for a malformed one).
 */
int	 ipc_recv_sync(int sock, int timeout_ms, struct ipc_in *in);

/* --- for fuzzers and tests: parse a packet as if it had been received ---------- */
bool	 ipc_parse(const uint8_t *, size_t, struct ipc_in *);
/* The packet under construction, header included. */
const uint8_t *ipc_built(size_t *len);

#endif
