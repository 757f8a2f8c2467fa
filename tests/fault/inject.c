/*
 * inject: between a process of Postern and libc, by LD_PRELOAD. It counts the
 * calls of each kind that the process makes, by itself or in its libraries, and
 * lets the k-th one of one kind in one program fail. What to do stands in a file
 * that all processes have mapped, before they confine themselves; inject.py
 * writes it, and struct control is known there as well.
 *
 * Built alone as a shared module, without lib/: it must call nothing that it
 * replaces.
 */
#define _GNU_SOURCE
/* The names as they are, with no checks or sizes put in their place. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The order is inject.py's as well. */
enum role { SMTPD, AUTH, KEYS, QUEUE, RELAY, SOURCE, PARENT, CTL, ROLES };
enum call { MALLOC, ACCEPT, RECVMSG, RECV, READ, PREAD, SENDMSG, SEND, WRITE,
    WRITEV, PWRITE, SOCKET, SOCKETPAIR, CONNECT, EPOLL_CTL, EPOLL_WAIT, POLL,
    OPEN, DUP, FORK, THREAD, CLOSE, CALLS };
static const char *const programs[ROLES] = { "postern-smtpd", "postern-auth",
    "postern-keys", "postern-queue", "postern-relay", "postern-source",
    "posternd", "posternctl" };

#define FRAMES		16
#define FRAME_LEN	80
#define CUT_SHORT	(-1)	/* as an error: one byte is moved */

static struct control {
	uint32_t armed;		/* it is counted, and fails */
	uint32_t role, call;
	uint32_t k;		/* from 1; 0: none fails */
	int32_t	 error;		/* errno, or CUT_SHORT */
	_Atomic uint32_t hits;
	/* ... and those of them that can be cut short */
	_Atomic uint32_t seen[2][ROLES][CALLS];
	char	 trace[FRAMES][FRAME_LEN];	/* to the call that failed */
} *control;
static enum role role = ROLES;

static void
trace(void)
{
	void *at[FRAMES + 2];
	const char *name;
	int i, n = backtrace(at, FRAMES + 2);
	Dl_info info;

	for (i = 2; i < n; i++) {
		if (dladdr(at[i], &info) == 0)
			continue;
		name = strrchr(info.dli_fname, '/');
		snprintf(control->trace[i - 2], FRAME_LEN, "%s+0x%lx %s",
		    name == NULL ? info.dli_fname : name + 1,
		    (unsigned long)((char *)at[i] - (char *)info.dli_fbase),
		    info.dli_sname == NULL ? "" : info.dli_sname);
	}
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("POSTERN_INJECT");
	struct control *c;
	void *warm[2];
	int i, fd;

	for (i = 0; i < ROLES; i++)
		if (strcmp(program_invocation_short_name, programs[i]) == 0)
			role = i;
	if (role == ROLES || path == NULL ||
	    (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	backtrace(warm, 2);		/* it loads a library */
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (c != MAP_FAILED)
		control = c;
}

/* --- what is due ------------------------------------------------------------ */

static bool
due(enum call call, bool can_be_short)
{
	uint32_t n, few = 0;

	n = ++control->seen[0][role][call];
	if (can_be_short)
		few = ++control->seen[1][role][call];
	if (control->role != role || control->call != call || control->k == 0)
		return false;
	return control->k == (control->error == CUT_SHORT ? few : n);
}

static __thread bool inside;	/* what the trace calls is not counted */

/*
 * libevent's handler tells the loop of a signal by a byte into a socket that does
 * not block, and there is no EINTR for it there.
 */
static bool
of_handler(enum call call, void *caller)
{
	Dl_info info;

	return call == WRITE && control->error == EINTR &&
	    dladdr(caller, &info) != 0 &&
	    strstr(info.dli_fname, "/libevent") != NULL;
}

/* errno is set when the call fails. */
static bool
fails(enum call call)
{
	int saved = errno;
	bool hit;

	if (control == NULL || control->armed == 0 || inside)
		return false;
	hit = due(call, false);
	if (hit) {
		inside = true;
		trace();
		inside = false;
		control->hits++;
		saved = control->error;
	}
	errno = saved;
	return hit;
}

/* Streams and files are; a packet comes whole, and so does a counter. */
static bool
divisible(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);
	struct stat st;

	if (fstat(fd, &st) == -1)
		return false;
	if (S_ISSOCK(st.st_mode))
		return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_STREAM;
	return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode);
}

/* The same of a call that moves *n bytes, which may become 1 instead. */
static bool
fails_bytes(enum call call, int fd, size_t *n, void *caller)
{
	int saved = errno;
	bool hit, cut;

	if (control == NULL || control->armed == 0 || inside)
		return false;
	hit = due(call, *n > 1 && divisible(fd)) && !of_handler(call, caller);
	cut = hit && control->error == CUT_SHORT;
	if (hit) {
		inside = true;
		trace();
		inside = false;
		control->hits++;
		if (cut)
			*n = 1;
		else
			saved = control->error;
	}
	errno = saved;
	return hit && !cut;
}

#define CALLER __builtin_return_address(0)

#define REAL(ret, name, args) \
	static ret (*real) args; \
	if (real == NULL) \
		*(void **)&real = dlsym(RTLD_NEXT, #name)

/* --- memory ------------------------------------------------------------------- */

#ifndef NO_MALLOC		/* sanitizers have a heap of their own */
void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);
void	*__libc_memalign(size_t, size_t);

void *
malloc(size_t n)
{
	return fails(MALLOC) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails(MALLOC) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails(MALLOC) ? NULL : __libc_realloc(p, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
	return fails(MALLOC) ? NULL : __libc_memalign(align, n);
}

int
posix_memalign(void **p, size_t align, size_t n)
{
	void *got = fails(MALLOC) ? NULL : __libc_memalign(align, n);

	if (got == NULL)
		return ENOMEM;
	*p = got;
	return 0;
}
#endif

/* --- bytes in and out ------------------------------------------------------------ */

#define BYTES(name, call, buf) \
ssize_t \
name(int fd, buf *p, size_t n) \
{ \
	REAL(ssize_t, name, (int, buf *, size_t)); \
	return fails_bytes(call, fd, &n, CALLER) ? -1 : real(fd, p, n); \
}
BYTES(read, READ, void)
BYTES(write, WRITE, const void)

#define BYTES_AT(name, call, buf) \
ssize_t \
name(int fd, buf *p, size_t n, off_t at) \
{ \
	REAL(ssize_t, name, (int, buf *, size_t, off_t)); \
	return fails_bytes(call, fd, &n, CALLER) ? -1 : real(fd, p, n, at); \
}
BYTES_AT(pread, PREAD, void)
BYTES_AT(pread64, PREAD, void)
BYTES_AT(pwrite, PWRITE, const void)
BYTES_AT(pwrite64, PWRITE, const void)

#define BYTES_FLAGS(name, call, buf) \
ssize_t \
name(int fd, buf *p, size_t n, int flags) \
{ \
	REAL(ssize_t, name, (int, buf *, size_t, int)); \
	return fails_bytes(call, fd, &n, CALLER) ? -1 : real(fd, p, n, flags); \
}
BYTES_FLAGS(recv, RECV, void)
BYTES_FLAGS(send, SEND, const void)

/* With the size of the buffer, as _FORTIFY_SOURCE calls them. */
ssize_t	 __read_chk(int, void *, size_t, size_t);
ssize_t	 __recv_chk(int, void *, size_t, size_t, int);
ssize_t	 __pread_chk(int, void *, size_t, off_t, size_t);
ssize_t	 __pread64_chk(int, void *, size_t, off_t, size_t);

ssize_t
__read_chk(int fd, void *p, size_t n, size_t size)
{
	REAL(ssize_t, __read_chk, (int, void *, size_t, size_t));
	return fails_bytes(READ, fd, &n, CALLER) ? -1 : real(fd, p, n, size);
}

ssize_t
__recv_chk(int fd, void *p, size_t n, size_t size, int flags)
{
	REAL(ssize_t, __recv_chk, (int, void *, size_t, size_t, int));
	return fails_bytes(RECV, fd, &n, CALLER) ? -1 : real(fd, p, n, size, flags);
}

ssize_t
__pread_chk(int fd, void *p, size_t n, off_t at, size_t size)
{
	REAL(ssize_t, __pread_chk, (int, void *, size_t, off_t, size_t));
	return fails_bytes(PREAD, fd, &n, CALLER) ? -1 : real(fd, p, n, at, size);
}

ssize_t
__pread64_chk(int fd, void *p, size_t n, off_t at, size_t size)
{
	REAL(ssize_t, __pread64_chk, (int, void *, size_t, off_t, size_t));
	return fails_bytes(PREAD, fd, &n, CALLER) ? -1 : real(fd, p, n, at, size);
}

ssize_t
recvfrom(int fd, void *p, size_t n, int flags, struct sockaddr *sa,
    socklen_t *len)
{
	REAL(ssize_t, recvfrom, (int, void *, size_t, int, struct sockaddr *,
	    socklen_t *));
	return fails_bytes(RECV, fd, &n, CALLER) ? -1 :
	    real(fd, p, n, flags, sa, len);
}

ssize_t
sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *sa,
    socklen_t len)
{
	REAL(ssize_t, sendto, (int, const void *, size_t, int,
	    const struct sockaddr *, socklen_t));
	return fails_bytes(SEND, fd, &n, CALLER) ? -1 :
	    real(fd, p, n, flags, sa, len);
}

/* A part of the first piece alone, if it is to be cut short. */
ssize_t
writev(int fd, const struct iovec *v, int count)
{
	size_t i, n = 0;

	REAL(ssize_t, writev, (int, const struct iovec *, int));
	for (i = 0; i < (size_t)count; i++)
		n += v[i].iov_len;
	i = n;
	if (fails_bytes(WRITEV, fd, &n, CALLER))
		return -1;
	return n == i || v[0].iov_len == 0 ? real(fd, v, count) :
	    real(fd, &(struct iovec){ v[0].iov_base, 1 }, 1);
}

#define PACKET(name, call, type) \
ssize_t \
name(int fd, type *m, int flags) \
{ \
	REAL(ssize_t, name, (int, type *, int)); \
	return fails(call) ? -1 : real(fd, m, flags); \
}
PACKET(recvmsg, RECVMSG, struct msghdr)
PACKET(sendmsg, SENDMSG, const struct msghdr)

/* --- descriptors --------------------------------------------------------------------- */

int
accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	REAL(int, accept4, (int, struct sockaddr *, socklen_t *, int));
	return fails(ACCEPT) ? -1 : real(fd, sa, len, flags);
}

int
socket(int domain, int type, int protocol)
{
	REAL(int, socket, (int, int, int));
	return fails(SOCKET) ? -1 : real(domain, type, protocol);
}

int
socketpair(int domain, int type, int protocol, int fds[2])
{
	REAL(int, socketpair, (int, int, int, int *));
	return fails(SOCKETPAIR) ? -1 : real(domain, type, protocol, fds);
}

int
connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	REAL(int, connect, (int, const struct sockaddr *, socklen_t));
	return fails(CONNECT) ? -1 : real(fd, sa, len);
}

#define OPENS(name) \
int \
name(const char *path, int flags, ...) \
{ \
	va_list ap; \
	int mode; \
\
	REAL(int, name, (const char *, int, ...)); \
	va_start(ap, flags); \
	mode = va_arg(ap, int); \
	va_end(ap); \
	return fails(OPEN) ? -1 : real(path, flags, mode); \
}
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
int \
name(int dir, const char *path, int flags, ...) \
{ \
	va_list ap; \
	int mode; \
\
	REAL(int, name, (int, const char *, int, ...)); \
	va_start(ap, flags); \
	mode = va_arg(ap, int); \
	va_end(ap); \
	return fails(OPEN) ? -1 : real(dir, path, flags, mode); \
}
OPENS_AT(openat)
OPENS_AT(openat64)

int
dup(int fd)
{
	REAL(int, dup, (int));
	return fails(DUP) ? -1 : real(fd);
}

#define FCNTL(name) \
int \
name(int fd, int cmd, ...) \
{ \
	va_list ap; \
	void *arg; \
\
	REAL(int, name, (int, int, ...)); \
	va_start(ap, cmd); \
	arg = va_arg(ap, void *); \
	va_end(ap); \
	return (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) && fails(DUP) ? \
	    -1 : real(fd, cmd, arg); \
}
FCNTL(fcntl)
FCNTL(fcntl64)

/* It is closed all the same. */
int
close(int fd)
{
	bool bad;
	int r;

	REAL(int, close, (int));
	bad = fails(CLOSE);
	r = real(fd);
	if (bad)
		errno = control->error;
	return bad ? -1 : r;
}

/* --- the loop, processes, threads ------------------------------------------------------ */

int
epoll_ctl(int fd, int op, int of, struct epoll_event *ev)
{
	REAL(int, epoll_ctl, (int, int, int, struct epoll_event *));
	/* What is taken off needs no memory. */
	return op != EPOLL_CTL_DEL && fails(EPOLL_CTL) ? -1 :
	    real(fd, op, of, ev);
}

int
epoll_wait(int fd, struct epoll_event *ev, int max, int timeout)
{
	REAL(int, epoll_wait, (int, struct epoll_event *, int, int));
	return fails(EPOLL_WAIT) ? -1 : real(fd, ev, max, timeout);
}

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
	REAL(int, poll, (struct pollfd *, nfds_t, int));
	return fails(POLL) ? -1 : real(fds, n, timeout);
}

pid_t
fork(void)
{
	REAL(pid_t, fork, (void));
	return fails(FORK) ? -1 : real();
}

int
pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*run)(void *), void *arg)
{
	REAL(int, pthread_create, (pthread_t *, const pthread_attr_t *,
	    void *(*)(void *), void *));
	return fails(THREAD) ? control->error : real(t, attr, run, arg);
}
