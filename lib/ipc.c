/*
 * Channels. A packet holds one message, or several that were sent within a
 * turn of the loop: a system call and a wake-up at each end cost more than
 * most messages do. The messages themselves are lib/ipc_fields.c's.
 */
#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <poll.h>

#include "lib/ev.h"
#include "lib/ipc.h"
#include "lib/ipc_private.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define SOCKET_BUFFER	(4 * 1024 * 1024)
#define READS_PER_WAKE	64	/* so that one peer cannot hold the loop */
#define GATHER_MAX	(32 * 1024)	/* bytes of a packet of many messages */
#define GATHERED_MAX	(8 * 1024)	/* larger ones are not worth a copy */

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
	bool	 gathers;
	uint8_t	*gathered;	/* GATHER_MAX bytes; NULL until the first */
	size_t	 gathered_len;
	struct ev_timer leave;	/* sends them at the end of the turn */
	LIST_ENTRY(ipc) gatherers;
	uint8_t	*rest;		/* of a packet, unread when we were paused */
	size_t	 rest_len;
	struct ev_timer resume;	/* reads it */
};

static uint8_t in_packet[IPC_PACKET_MAX + 1];
/* In the place of a descriptor: the kernel had none free for one that came. */
#define FD_LOST		(-2)

static const uint8_t *in_at = in_packet;	/* the last one received */
static size_t in_len;
static LIST_HEAD(, ipc) gatherers = LIST_HEAD_INITIALIZER(gatherers);
static _Thread_local bool loops;	/* this thread has the channels */

static void	io_cb(void *, int);
static void	gone_cb(void *);
static void	leave_cb(void *);
static void	resume_cb(void *);
static void	send_gathered(struct ipc *);

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
	ev_timer_init(&ipc->leave, leave_cb, ipc);
	ev_timer_init(&ipc->resume, resume_cb, ipc);
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
	ev_timer_cancel(&ipc->leave);
	ev_timer_cancel(&ipc->resume);
	xfree_secret(ipc->gathered, ipc->gathered == NULL ? 0 : GATHER_MAX);
	xfree_secret(ipc->rest, ipc->rest_len);
	ipc->gathered = ipc->rest = NULL;
	ipc->gathered_len = ipc->rest_len = 0;
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
	send_gathered(ipc);
	shut(ipc);
	if (ipc->gathers)
		LIST_REMOVE(ipc, gatherers);
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
	return ipc == NULL ? 0 : ipc->backlog + ipc->gathered_len;
}

static void
want(struct ipc *ipc)
{
	if (ipc->alive)
		ev_fd_want(&ipc->ev,
		    (ipc->paused || ipc->rest != NULL ? 0 : EV_IN) |
		    (STAILQ_EMPTY(&ipc->out) ? 0 : EV_OUT));
}

void
ipc_pause(struct ipc *ipc, bool paused)
{
	ipc->paused = paused;
	if (!paused && ipc->rest != NULL)
		ev_timer_set(&ipc->resume, 0);
	want(ipc);
}

/*
 * Who ends in the middle of a turn has said what he has sent; but not when
 * another thread ends us, as channels are the main thread's alone.
 */
static void
send_all_gathered(void)
{
	struct ipc *ipc;

	if (!loops)
		return;
	LIST_FOREACH(ipc, &gatherers, gatherers)
		send_gathered(ipc);
}

void
ipc_gather(struct ipc *ipc)
{
	static bool at_exit;

	if (!at_exit && atexit(send_all_gathered) != 0)
		return;
	at_exit = loops = true;
	ipc->gathers = true;
	LIST_INSERT_HEAD(&gatherers, ipc, gatherers);
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

/* Root may pass the system-wide limit; others get as much as it allows. */
void
ipc_widen(int fd)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ==
	    -1)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int
ipc_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		return -1;
	ipc_widen(fd[0]);
	ipc_widen(fd[1]);
	return 0;
}

void
ipc_forget(void)
{
	ipc_forget_built();
	explicit_bzero((void *)(uintptr_t)in_at, in_len);
	in_len = 0;
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

/* Not now; the peer has no part in it. */
static bool
full(int err)
{
	return err == EAGAIN || err == ENOBUFS || err == ENOMEM ||
	    err == EINTR || err == ETOOMANYREFS;
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

static void
transmit(struct ipc *ipc, const uint8_t *p, size_t len, int fd)
{
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

static void
send_gathered(struct ipc *ipc)
{
	size_t len = ipc->gathered_len;

	if (len == 0)
		return;
	ev_timer_cancel(&ipc->leave);
	ipc->gathered_len = 0;
	transmit(ipc, ipc->gathered, len, -1);
	if (ipc->gathered != NULL)
		explicit_bzero(ipc->gathered, len);
}

static void
leave_cb(void *arg)
{
	send_gathered(arg);
}

static void
gather(struct ipc *ipc, const uint8_t *p, size_t len)
{
	if (len > GATHER_MAX - ipc->gathered_len)
		send_gathered(ipc);
	if (!ipc->alive)
		return;
	if (ipc->gathered == NULL)
		ipc->gathered = xmalloc(GATHER_MAX);
	if (ipc->gathered_len == 0)
		ev_timer_set(&ipc->leave, 0);
	memcpy(ipc->gathered + ipc->gathered_len, p, len);
	ipc->gathered_len += len;
}

void
ipc_send(struct ipc *ipc, int fd)
{
	const uint8_t *p;
	size_t len;

	p = ipc_built(&len);
	if (!ipc_alive(ipc))
		return;
	if (ipc->gathers && fd == -1 && len <= GATHERED_MAX) {
		gather(ipc, p, len);
		return;
	}
	send_gathered(ipc);
	if (ipc->alive)
		transmit(ipc, p, len, fd);
}

void
ipc_forward(struct ipc *ipc, uint64_t id, const struct ipc_in *in, int fd)
{
	ipc_begin(in->type, id);
	ipc_put_raw(in->at, (size_t)(in->end - in->at));
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

/*
 * 1: a packet of *len bytes in in_packet, 0: end of file, -1: errno. Takes at
 * most one descriptor.
 */
static int
recv_packet(int sock, size_t *len, int *fd, int flags)
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

	*fd = -1;
	n = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	if (n == -1)
		return -1;
	in_at = in_packet;
	in_len = *len = (size_t)n;
	c = CMSG_FIRSTHDR(&mh);
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (n == 0 && *fd == -1)
		return 0;
	/* Had there been two, the first would be here. */
	if ((mh.msg_flags & MSG_CTRUNC) != 0 && *fd == -1)
		*fd = FD_LOST;
	else if ((mh.msg_flags & MSG_CTRUNC) != 0)
		mh.msg_flags |= MSG_TRUNC;
	if ((mh.msg_flags & MSG_TRUNC) != 0 || n == 0) {
		if (*fd >= 0)
			close(*fd);
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

enum handled {
	NEXT,			/* the channel is ready for another */
	PAUSED,
	OVER			/* it is closed or freed */
};

static enum handled
handle(struct ipc *ipc, struct ipc_in *in)
{
	bool freed = false;
	int r;

	ipc->freed = &freed;
	r = ipc->ops->on_msg(ipc, in, ipc->arg);
	if (in->fd != -1)
		close(in->fd);
	if (freed)
		return OVER;
	ipc->freed = NULL;
	if (r == -1 && ipc->alive)
		ended(ipc, "malformed message");
	return r == -1 || !ipc->alive ? OVER : ipc->paused ? PAUSED : NEXT;
}

static void
keep_rest(struct ipc *ipc, const uint8_t *p, size_t n)
{
	ipc->rest = n == 0 ? NULL : xmemdup(p, n);
	ipc->rest_len = n;
	want(ipc);
}

/*
 * The messages of a packet, in turn; the descriptor belongs to the first. How
 * many; 0 when reading must stop.
 */
static int
deliver(struct ipc *ipc, const uint8_t *p, size_t n, int fd)
{
	struct ipc_in in = { .fd = fd == FD_LOST ? -1 : fd,
	    .fd_lost = fd == FD_LOST };
	enum handled handled = NEXT;
	int count = 0;
	size_t len;

	for (; n > 0 && handled == NEXT; n -= len, count++) {
		len = ipc_parse_first(p, n, &in);
		if (len == 0) {
			if (in.fd != -1)
				close(in.fd);
			ended(ipc, "malformed message");
			return 0;
		}
		in_at = p;
		in_len = len;
		p += len;
		handled = handle(ipc, &in);
		in.fd = -1;
		in.fd_lost = false;
	}
	if (handled == PAUSED)
		keep_rest(ipc, p, n);
	return handled == NEXT ? count : 0;
}

/* A packet. How many messages it had; 0 when reading must stop. */
static int
read_one(struct ipc *ipc)
{
	size_t len;
	int r, fd;

	r = recv_packet(ipc->fd, &len, &fd, MSG_DONTWAIT);
	if (r == -1 && full(errno))
		return 0;	/* the packet is still there */
	if (r != 1) {
		ended(ipc, r == 0 || errno == ECONNRESET ? NULL :
		    errno == EPROTO ? "malformed message" : "receive failed");
		return 0;
	}
	return deliver(ipc, in_packet, len, fd);
}

static void
resume_cb(void *arg)
{
	struct ipc *ipc = arg;
	uint8_t *rest = ipc->rest;
	size_t len = ipc->rest_len;

	if (ipc->paused || rest == NULL)
		return;
	ipc->rest = NULL;
	ipc->rest_len = 0;
	want(ipc);
	deliver(ipc, rest, len, -1);
	in_at = in_packet;
	in_len = 0;
	xfree_secret(rest, len);
}

static void
io_cb(void *arg, int what)
{
	struct ipc *ipc = arg;
	int n, left = READS_PER_WAKE;

	if (what & EV_OUT) {
		flush(ipc);
		return;
	}
	do {
		n = read_one(ipc);
		left -= n;
	} while (n > 0 && left > 0);
}

void
ipc_wait(struct ipc *ipc, int timeout_ms)
{
	struct pollfd pfd = { .fd = ipc->fd };

	send_gathered(ipc);
	if (!ipc->alive)
		return;
	pfd.events = POLLIN | (STAILQ_EMPTY(&ipc->out) ? 0 : POLLOUT);
	if (poll(&pfd, 1, timeout_ms) != 1)
		return;
	if (pfd.revents & POLLOUT)
		flush(ipc);
	if (pfd.revents & ~POLLOUT)
		read_one(ipc);
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

/* A packet of one message: nobody gathers for who waits. */
static int
recv_one(int sock, struct ipc_in *in)
{
	size_t len;
	int r = recv_packet(sock, &len, &in->fd, MSG_DONTWAIT);

	in->fd_lost = in->fd == FD_LOST;
	if (in->fd_lost)
		in->fd = -1;

	if (r == 1 && !ipc_parse(in_packet, len, in)) {
		if (in->fd != -1)
			close(in->fd);
		errno = EPROTO;
		return -1;
	}
	return r;
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
			r = recv_one(sock, in);
		else if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (r != -1 || !full(errno))
			return r;
		if (timeout_ms >= 0)
			left = ev_now_ms() >= end ? 0 :
			    (int)(end - ev_now_ms());
	}
}
