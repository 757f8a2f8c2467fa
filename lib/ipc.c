/*
 * Wire form of a message, in host order (both ends are this machine):
 *	u16 version | u16 type | u32 payload length | u64 id | payload
 * u8, u32 and u64 fields stand bare; strings and bytes have a u32 length in
 * front, strings a NUL behind, so that the reader can borrow them in place.
 */
#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <poll.h>

#include "lib/ev.h"
#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define HEADER		16
#define PACKET_MAX	(HEADER + IPC_MAX)
#define SOCKET_BUFFER	(4 * 1024 * 1024)
#define READS_PER_WAKE	64	/* so that one peer cannot hold the loop */

struct waiting {
	STAILQ_ENTRY(waiting) link;
	int	 fd;
	size_t	 len;
	uint8_t	 bytes[];
};

struct ipc {
	const struct ipc_ops *ops;
	void	*arg;
	struct ev_fd ev;
	int	 fd;
	bool	 alive, paused;
	bool	*freed;		/* set when freed inside a callback */
	const char *why;	/* of a failure found while sending */
	struct ev_timer gone;	/* reports that failure from the loop */
	size_t	 backlog;
	STAILQ_HEAD(, waiting) out;
};

static uint8_t out_packet[PACKET_MAX];
static size_t out_len;
static bool out_overflow;
static uint8_t in_packet[PACKET_MAX + 1];
static size_t in_len;		/* of the last one received */

static void	io_cb(void *, int);
static void	gone_cb(void *);

/* --- channel ------------------------------------------------------------------- */

struct ipc *
ipc_new(int fd, const struct ipc_ops *ops, void *arg)
{
	struct ipc *ipc = xcalloc(1, sizeof(*ipc));
	int fl = fcntl(fd, F_GETFL);

	if (fl == -1 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1)
		fatal("ipc descriptor %d", fd);
	ipc->ops = ops;
	ipc->arg = arg;
	ipc->fd = fd;
	ipc->alive = true;
	STAILQ_INIT(&ipc->out);
	ev_timer_init(&ipc->gone, gone_cb, ipc);
	ev_fd_init(&ipc->ev, fd, io_cb, ipc);
	ev_fd_want(&ipc->ev, EV_IN);
	return ipc;
}

static void
waiting_pop(struct ipc *ipc)
{
	struct waiting *w = STAILQ_FIRST(&ipc->out);

	STAILQ_REMOVE_HEAD(&ipc->out, link);
	ipc->backlog -= w->len;
	if (w->fd != -1)
		close(w->fd);
	xfree_secret(w, sizeof(*w) + w->len);
}

static void
shut(struct ipc *ipc)
{
	ipc->alive = false;
	ev_fd_clear(&ipc->ev);
	while (!STAILQ_EMPTY(&ipc->out))
		waiting_pop(ipc);
	if (ipc->fd != -1)
		close(ipc->fd);
	ipc->fd = -1;
}

void
ipc_free(struct ipc **ipcp)
{
	struct ipc *ipc = *ipcp;

	if (ipc == NULL)
		return;
	*ipcp = NULL;
	shut(ipc);
	ev_timer_cancel(&ipc->gone);
	if (ipc->freed != NULL)
		*ipc->freed = true;
	free(ipc);
}

bool
ipc_alive(const struct ipc *ipc)
{
	return ipc != NULL && ipc->alive;
}

size_t
ipc_backlog(const struct ipc *ipc)
{
	return ipc == NULL ? 0 : ipc->backlog;
}

static void
want(struct ipc *ipc)
{
	if (ipc->alive)
		ev_fd_want(&ipc->ev, (ipc->paused ? 0 : EV_IN) |
		    (STAILQ_EMPTY(&ipc->out) ? 0 : EV_OUT));
}

void
ipc_pause(struct ipc *ipc, bool paused)
{
	ipc->paused = paused;
	want(ipc);
}

int
ipc_peer_cred(const struct ipc *ipc, uint32_t *uid, int *pid)
{
	struct ucred cr;
	socklen_t len = sizeof(cr);

	if (getsockopt(ipc->fd, SOL_SOCKET, SO_PEERCRED, &cr, &len) == -1)
		return -1;
	*uid = cr.uid;
	*pid = cr.pid;
	return 0;
}

int
ipc_pair(int fd[2])
{
	int i, size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		return -1;
	/* Root may pass the system-wide limit; others get as much as it allows. */
	for (i = 0; i < 2; i++)
		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
		    sizeof(size)) == -1)
			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size,
			    sizeof(size));
	return 0;
}

/* --- building --------------------------------------------------------------------- */

static void
put(const void *p, size_t n)
{
	if (n > PACKET_MAX - out_len) {
		out_overflow = true;
		return;
	}
	memcpy(out_packet + out_len, p, n);
	out_len += n;
}

void
ipc_begin(uint16_t type, uint64_t id)
{
	uint16_t version = IPC_VERSION;
	uint32_t len = 0;

	out_len = 0;
	out_overflow = false;
	put(&version, sizeof(version));
	put(&type, sizeof(type));
	put(&len, sizeof(len));
	put(&id, sizeof(id));
}

void
ipc_forget(void)
{
	explicit_bzero(out_packet, out_len);
	explicit_bzero(in_packet, in_len);
	out_len = in_len = 0;
}

void
ipc_put_u8(uint8_t v)
{
	put(&v, sizeof(v));
}

void
ipc_put_bool(bool v)
{
	ipc_put_u8(v ? 1 : 0);
}

void
ipc_put_u32(uint32_t v)
{
	put(&v, sizeof(v));
}

void
ipc_put_u64(uint64_t v)
{
	put(&v, sizeof(v));
}

void
ipc_put_bytes(const void *p, size_t n)
{
	if (n > IPC_MAX) {
		out_overflow = true;
		return;
	}
	ipc_put_u32((uint32_t)n);
	if (n > 0)
		put(p, n);
}

void
ipc_put_str(const char *s)
{
	if (s == NULL)
		s = "";
	ipc_put_bytes(s, strlen(s));
	put("", 1);
}

size_t
ipc_room(void)
{
	return PACKET_MAX - out_len;
}

bool
ipc_fits(void)
{
	return !out_overflow;
}

const uint8_t *
ipc_built(size_t *len)
{
	uint32_t n = (uint32_t)(out_len - HEADER);

	if (out_overflow)
		fatalx("ipc message outgrew %d bytes", IPC_MAX);
	memcpy(out_packet + 4, &n, sizeof(n));
	*len = out_len;
	return out_packet;
}

/* --- sending ------------------------------------------------------------------------ */

static ssize_t
send_packet(int sock, const uint8_t *p, size_t len, int fd, int flags)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)p, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd != -1) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = &ctl;
		mh.msg_controllen = sizeof(ctl.space);
		ctl.hdr.cmsg_level = SOL_SOCKET;
		ctl.hdr.cmsg_type = SCM_RIGHTS;
		ctl.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&ctl.hdr), &fd, sizeof(fd));
	}
	return sendmsg(sock, &mh, flags | MSG_NOSIGNAL);
}

static bool
full(int err)
{
	return err == EAGAIN || err == ENOBUFS || err == EINTR ||
	    err == ETOOMANYREFS;
}

/* Marks the channel dead now, tells the owner from the loop. */
static void
fail_later(struct ipc *ipc, const char *why)
{
	shut(ipc);
	ipc->why = why;
	ev_timer_set(&ipc->gone, 0);
}

static void
gone_cb(void *arg)
{
	struct ipc *ipc = arg;

	ipc->ops->on_gone(ipc, ipc->why, ipc->arg);
}

/* The message waits in memory until the peer reads; a copy, descriptor too. */
static void
enqueue(struct ipc *ipc, const uint8_t *p, size_t len, int fd)
{
	struct waiting *w;

	if (ipc->backlog + len > IPC_BACKLOG_MAX) {
		fail_later(ipc, "peer does not read");
		return;
	}
	w = xmalloc(sizeof(*w) + len);
	w->len = len;
	w->fd = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	memcpy(w->bytes, p, len);
	if (fd != -1 && w->fd == -1) {
		xfree_secret(w, sizeof(*w) + len);
		fail_later(ipc, "out of descriptors");
		return;
	}
	ipc->backlog += len;
	STAILQ_INSERT_TAIL(&ipc->out, w, link);
	want(ipc);
}

void
ipc_send(struct ipc *ipc, int fd)
{
	const uint8_t *p;
	size_t len;

	p = ipc_built(&len);
	if (!ipc_alive(ipc))
		return;
	if (!STAILQ_EMPTY(&ipc->out)) {
		enqueue(ipc, p, len, fd);
		return;
	}
	if (send_packet(ipc->fd, p, len, fd, MSG_DONTWAIT) != -1)
		return;
	if (full(errno))
		enqueue(ipc, p, len, fd);
	else if (errno != EPIPE && errno != ECONNRESET)
		fail_later(ipc, strerrordesc_np(errno));
	/* A peer that ended: our reading side will say so, after what it sent. */
}

void
ipc_forward(struct ipc *ipc, uint64_t id, const struct ipc_in *in, int fd)
{
	ipc_begin(in->type, id);
	put(in->at, (size_t)(in->end - in->at));
	ipc_send(ipc, fd);
}

static void
flush(struct ipc *ipc)
{
	struct waiting *w;

	while ((w = STAILQ_FIRST(&ipc->out)) != NULL) {
		if (send_packet(ipc->fd, w->bytes, w->len, w->fd,
		    MSG_DONTWAIT) == -1 && full(errno))
			break;
		waiting_pop(ipc);
	}
	want(ipc);
}

/* --- receiving -------------------------------------------------------------------------- */

bool
ipc_parse(const uint8_t *p, size_t n, struct ipc_in *in)
{
	uint16_t version;
	uint32_t len;

	if (n < HEADER)
		return false;
	memcpy(&version, p, sizeof(version));
	memcpy(&in->type, p + 2, sizeof(in->type));
	memcpy(&len, p + 4, sizeof(len));
	memcpy(&in->id, p + 8, sizeof(in->id));
	in->at = p + HEADER;
	in->end = p + n;
	in->bad = false;
	return version == IPC_VERSION && len == n - HEADER;
}

/* 1: a message, 0: end of file, -1: errno. Takes at most one descriptor. */
static int
recv_packet(int sock, struct ipc_in *in, int flags)
{
	union {
		struct cmsghdr hdr;
		/* CMSG_SPACE's padding would let in a second descriptor. */
		char space[CMSG_LEN(sizeof(int))];
	} ctl;
	struct iovec iov = { in_packet, sizeof(in_packet) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &ctl, .msg_controllen = sizeof(ctl.space) };
	struct cmsghdr *c;
	ssize_t n;

	in->fd = -1;
	n = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	if (n == -1)
		return -1;
	in_len = (size_t)n;
	c = CMSG_FIRSTHDR(&mh);
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&in->fd, CMSG_DATA(c), sizeof(in->fd));
	if (n == 0 && in->fd == -1)
		return 0;
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    !ipc_parse(in_packet, (size_t)n, in)) {
		if (in->fd != -1)
			close(in->fd);
		errno = EPROTO;
		return -1;
	}
	return 1;
}

static void
ended(struct ipc *ipc, const char *why)
{
	shut(ipc);
	ipc->ops->on_gone(ipc, why, ipc->arg);
}

/* One message. False when reading must stop: none left, or the ipc is gone. */
static bool
read_one(struct ipc *ipc)
{
	struct ipc_in in;
	bool freed = false;
	int r;

	r = recv_packet(ipc->fd, &in, MSG_DONTWAIT);
	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (r != 1) {
		ended(ipc, r == 0 || errno == ECONNRESET ? NULL :
		    errno == EPROTO ? "malformed message" : "receive failed");
		return false;
	}
	ipc->freed = &freed;
	r = ipc->ops->on_msg(ipc, &in, ipc->arg);
	if (in.fd != -1)
		close(in.fd);
	if (freed)
		return false;
	ipc->freed = NULL;
	if (r == -1 && ipc->alive)
		ended(ipc, "malformed message");
	return r == 0 && ipc->alive && !ipc->paused;
}

static void
io_cb(void *arg, int what)
{
	struct ipc *ipc = arg;
	int i;

	if (what & EV_OUT) {
		flush(ipc);
		return;
	}
	for (i = 0; i < READS_PER_WAKE && read_one(ipc); i++)
		;
}

/* --- fields ---------------------------------------------------------------------------------- */

static const uint8_t *
get(struct ipc_in *in, size_t n)
{
	const uint8_t *p = in->at;

	if (in->bad || n > (size_t)(in->end - in->at)) {
		in->bad = true;
		return NULL;
	}
	in->at += n;
	return p;
}

uint8_t
ipc_get_u8(struct ipc_in *in)
{
	const uint8_t *p = get(in, 1);

	return p == NULL ? 0 : *p;
}

bool
ipc_get_bool(struct ipc_in *in)
{
	uint8_t v = ipc_get_u8(in);

	if (v > 1)
		in->bad = true;
	return v == 1;
}

uint32_t
ipc_get_u32(struct ipc_in *in)
{
	const uint8_t *p = get(in, sizeof(uint32_t));
	uint32_t v = 0;

	if (p != NULL)
		memcpy(&v, p, sizeof(v));
	return v;
}

uint64_t
ipc_get_u64(struct ipc_in *in)
{
	const uint8_t *p = get(in, sizeof(uint64_t));
	uint64_t v = 0;

	if (p != NULL)
		memcpy(&v, p, sizeof(v));
	return v;
}

const uint8_t *
ipc_get_bytes(struct ipc_in *in, size_t max, size_t *len)
{
	uint32_t n = ipc_get_u32(in);
	const uint8_t *p;

	*len = 0;
	if (n > max)
		in->bad = true;
	p = get(in, n);
	if (p != NULL)
		*len = n;
	return p;
}

const char *
ipc_get_str(struct ipc_in *in, size_t max)
{
	size_t len;
	const uint8_t *s, *nul;

	s = ipc_get_bytes(in, max, &len);
	nul = get(in, 1);
	if (nul == NULL || *nul != '\0' || memchr(s, '\0', len) != NULL) {
		in->bad = true;
		return "";
	}
	return (const char *)s;
}

bool
ipc_in_end(const struct ipc_in *in)
{
	return !in->bad && in->at == in->end;
}

int
ipc_take_fd(struct ipc_in *in)
{
	int fd = in->fd;

	in->fd = -1;
	return fd;
}

/* --- blocking use ------------------------------------------------------------------------------ */

int
ipc_send_sync(int sock, int fd)
{
	const uint8_t *p;
	size_t len;
	ssize_t n;

	p = ipc_built(&len);
	do
		n = send_packet(sock, p, len, fd, 0);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
ipc_recv_sync(int sock, int timeout_ms, struct ipc_in *in)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	uint64_t end = ev_now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
	int r, left = timeout_ms;

	for (;;) {
		r = poll(&pfd, 1, left);
		if (r > 0)
			r = recv_packet(sock, in, MSG_DONTWAIT);
		else if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (r != -1 || (errno != EINTR && errno != EAGAIN))
			return r;
		if (timeout_ms >= 0)
			left = ev_now_ms() >= end ? 0 :
			    (int)(end - ev_now_ms());
	}
}
