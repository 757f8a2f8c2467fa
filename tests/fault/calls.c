#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "tests/fault/calls.h"
#include "tests/fault/turns.h"

#define FDS	1024

static struct {
	const char *dir;
	size_t	 dir_len;
	struct calls_plan *plan;
	struct tape *tape;
	uint8_t	 fd[FDS];	/* its enum area and 1; 0: not watched */
	bool	 direct[FDS];	/* while the plan says no_direct */
} watch;

/* Keeps the tape in the order of what happened. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const char *
call_name(enum call c)
{
	static const char *const names[CALLS] = {
		"none", "open", "read", "write", "fsync", "rename", "unlink",
		"mkdir", "ftruncate", "stat", "opendir", "readdir", "dup",
		"statvfs", "pthread_create", "close", "malloc",
	};

	return names[c];
}

const char *
area_name(enum area a)
{
	static const char *const names[AREAS] = { "any file", "the journal",
	    "the index", "the spool" };

	return names[a];
}

void *
shared_memory(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

/* --- libc's own ------------------------------------------------------------------ */

static struct {
	int	(*open)(const char *, int, ...);
	int	(*openat)(int, const char *, int, ...);
	int	(*close)(int);
	int	(*fcntl)(int, int, ...);
	ssize_t	(*read)(int, void *, size_t);
	ssize_t	(*pread)(int, void *, size_t, off_t);
	ssize_t	(*write)(int, const void *, size_t);
	ssize_t	(*pwrite)(int, const void *, size_t, off_t);
	off_t	(*lseek)(int, off_t, int);
	int	(*fsync)(int);
	int	(*fdatasync)(int);
	int	(*ftruncate)(int, off_t);
	int	(*rename)(const char *, const char *);
	int	(*unlink)(const char *);
	int	(*unlinkat)(int, const char *, int);
	int	(*renameat)(int, const char *, int, const char *);
	int	(*mkdir)(const char *, mode_t);
	int	(*stat)(const char *, struct stat *);
	int	(*fstat)(int, struct stat *);
	int	(*statvfs)(const char *, struct statvfs *);
	DIR	*(*opendir)(const char *);
	struct dirent *(*readdir)(DIR *);
	int	(*pthread_create)(pthread_t *, const pthread_attr_t *,
		    void *(*)(void *), void *);
} real;

#define FIND(name) (*(void **)&real.name = dlsym(RTLD_NEXT, #name))

/*
 * Nobody ends in the midst of a change that another thread makes: it would be on
 * the disk, and not on the tape. The lock is kept.
 */
static void
between_changes(void)
{
	if (watch.tape != NULL)
		pthread_mutex_lock(&lock);
}

void
_exit(int status)
{
	between_changes();
	syscall(SYS_exit_group, status);
	__builtin_unreachable();
}

/* Before anything else runs, so that threads find it done. */
__attribute__((constructor)) static void
find_real(void)
{
	FIND(open);
	FIND(close);
	FIND(fcntl);
	FIND(read);
	FIND(pread);
	FIND(write);
	FIND(pwrite);
	FIND(lseek);
	FIND(fsync);
	FIND(fdatasync);
	FIND(ftruncate);
	FIND(rename);
	FIND(unlink);
	FIND(openat);
	FIND(unlinkat);
	FIND(renameat);
	FIND(mkdir);
	FIND(stat);
	FIND(fstat);
	FIND(statvfs);
	FIND(opendir);
	FIND(readdir);
	FIND(pthread_create);
	if (atexit(between_changes) != 0)
		abort();
}

/* --- what is watched ---------------------------------------------------------------- */

void
calls_watch(const char *dir, struct calls_plan *plan, struct tape *tape)
{
	watch.dir = dir;
	watch.dir_len = dir == NULL ? 0 : strlen(dir);
	watch.plan = plan;
	watch.tape = tape;
	memset(watch.fd, 0, sizeof(watch.fd));
}

void
calls_adopt(int fd, enum area area)
{
	if (watch.dir != NULL && fd >= 0 && fd < FDS)
		watch.fd[fd] = (uint8_t)(area + 1);
}

static bool
is_ours(const char *path)
{
	return watch.dir != NULL &&
	    strncmp(path, watch.dir, watch.dir_len) == 0;
}

static bool
is_our_fd(int fd)
{
	return fd >= 0 && fd < FDS && watch.fd[fd] > 0;
}

static enum area
area_of(const char *path)
{
	return strstr(path, "/journal") != NULL ? AREA_JOURNAL :
	    strstr(path, "/index") != NULL ? AREA_INDEX :
	    strstr(path, "/spool") != NULL ? AREA_SPOOL : AREA_ANY;
}

static enum area
fd_area(int fd)
{
	return watch.fd[fd] - 1;
}

/* Past the call that this thread is in the process is killed. */
static __thread bool dying;

static void
die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

static void
die_if_due(void)
{
	if (dying)
		die();
}

/* n is halved if half of it is to be written first. */
static void
kill_at(struct calls_plan *p, enum call c, enum area area, size_t *n)
{
	p->met = c;
	p->met_area = area;
	if (p->error == CALL_KILL)
		die();
	dying = true;
	if (p->error == CALL_KILL_HALF && c == CALL_WRITE && *n > 1)
		*n /= 2;
}

/* The how manieth of its kind this call is, as the plan counts; 0: it is not. */
static uint64_t
count(struct calls_plan *p, enum call c, enum area area)
{
	uint64_t of_kind, of_area = 0, any = 0, any_of_area = 0;

	of_kind = ++p->seen[c][AREA_ANY];
	if (area != AREA_ANY)
		of_area = ++p->seen[c][area];
	if (c != CALL_MALLOC) {
		any = ++p->seen[CALL_ANY][AREA_ANY];
		if (area != AREA_ANY)
			any_of_area = ++p->seen[CALL_ANY][area];
	}
	if (p->area != AREA_ANY && p->area != area)
		return 0;
	if (p->call == CALL_ANY)
		return p->area == AREA_ANY ? any : any_of_area;
	if (p->call != c)
		return 0;
	return p->area == AREA_ANY ? of_kind : of_area;
}

/*
 * Counts the call; true when it is to fail, with errno. n is halved where a
 * part is to be moved instead, unless it is too short for that.
 */
static bool
fails(enum call c, enum area area, size_t *n)
{
	struct calls_plan *p = watch.plan;
	uint64_t seen;

	if (p == NULL)
		return false;
	seen = count(p, c, area);
	if (p->n == 0 || seen < p->n || seen - p->n >= p->times)
		return false;
	p->failed++;
	if (p->error <= CALL_KILL) {
		kill_at(p, c, area, n);
		return false;
	}
	if (p->error != CALL_SHORT) {
		errno = p->error;
		return true;
	}
	if (n != NULL && *n > 1)
		*n /= 2;
	return false;
}

/* --- the tape ------------------------------------------------------------------------- */

size_t
calls_now(void)
{
	size_t n = 0;

	if (watch.tape != NULL) {
		pthread_mutex_lock(&lock);
		n = watch.tape->n;
		pthread_mutex_unlock(&lock);
	}
	return n;
}

static void
put_path(char to[TAPE_PATH], const char *path)
{
	path += watch.dir_len;
	path += *path == '/';
	if (strlen(path) >= TAPE_PATH)
		abort();
	memcpy(to, path, strlen(path) + 1);
}

/* The next free place; the lock is held. */
static struct tape_op *
tape_op(enum tape_kind kind, int fd)
{
	struct tape_op *op;
	struct stat st;

	if (watch.tape == NULL)
		return NULL;
	if (watch.tape->n == TAPE_OPS)
		abort();
	op = &watch.tape->op[watch.tape->n++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	if (fd != -1) {
		if (real.fstat(fd, &st) == -1)
			abort();
		op->ino = (uint64_t)st.st_ino;
		op->directory = S_ISDIR(st.st_mode);
	}
	return op;
}

static bool
all_zeros(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static void
tape_write(int fd, const void *p, size_t n, off_t at)
{
	struct tape_op *op = tape_op(TAPE_WRITE, fd);

	if (op == NULL)
		return;
	op->at = (uint64_t)at;
	op->len = n;
	if (all_zeros(p, n))
		return;
	if (watch.tape->used == 0)
		watch.tape->used = 1;
	if (n > TAPE_BYTES - watch.tape->used)
		abort();
	op->data = watch.tape->used;
	memcpy(watch.tape->bytes + op->data, p, n);
	watch.tape->used += n;
}

static void
tape_path(enum tape_kind kind, const char *path, const char *path2)
{
	struct tape_op *op = tape_op(kind, -1);

	if (op == NULL)
		return;
	put_path(op->path, path);
	if (path2 != NULL)
		put_path(op->path2, path2);
}

/* --- files, in libc's place --------------------------------------------------------------- */

static int
open_ours(const char *path, int flags, mode_t mode)
{
	struct tape_op *op;
	struct stat st;
	bool made;
	int fd;

	if (fails(CALL_OPEN, area_of(path), NULL))
		return -1;
	pthread_mutex_lock(&lock);
	made = real.stat(path, &st) == -1;
	fd = real.open(path, flags, mode);
	if (fd >= 0 && fd < FDS) {
		watch.fd[fd] = (uint8_t)(area_of(path) + 1);
		watch.direct[fd] = false;
		op = tape_op(TAPE_OPEN, fd);
		if (op != NULL) {
			op->made = made;
			put_path(op->path, path);
		}
		if (!made && (flags & O_TRUNC) != 0)
			tape_op(TAPE_TRUNCATE, fd);
	}
	pthread_mutex_unlock(&lock);
	die_if_due();
	return fd;
}

/* The whole of a name in one of our directories. */
static bool
path_at(int dirfd, const char *name, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	if (watch.dir == NULL || dirfd < 0 || *name == '/')
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	n = readlink(link, path, size);
	if (n <= 0 || (size_t)n >= size)
		return false;
	snprintf(path + n, size - (size_t)n, "/%s", name);
	return is_ours(path);
}

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return is_ours(path) ? open_ours(path, flags, mode) :
	    real.open(path, flags, mode);
}

int
openat(int dirfd, const char *name, int flags, ...)
{
	char path[TAPE_PATH * 2];
	mode_t mode = 0;
	va_list ap;

	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return path_at(dirfd, name, path, sizeof(path)) ?
	    open_ours(path, flags, mode) :
	    real.openat(dirfd, name, flags, mode);
}

/* As Linux: whatever it says, the descriptor is free. */
int
close(int fd)
{
	bool bad = is_our_fd(fd) && fails(CALL_CLOSE, fd_area(fd), NULL);
	int r, saved = errno;

	if (is_our_fd(fd))
		watch.fd[fd] = 0;
	r = real.close(fd);
	die_if_due();
	if (bad)
		errno = saved;
	return bad ? -1 : r;
}

/*
 * A file system that takes the flag and then wants something else of a write.
 * Whether the disk below knows of the flag is not asked.
 */
static bool
no_direct(int fd)
{
	return watch.plan != NULL && watch.plan->no_direct && is_our_fd(fd);
}

static int
flags_of(int fd, int cmd, void *arg)
{
	int r, fl = (int)(intptr_t)arg;

	if (cmd == F_GETFL) {
		r = real.fcntl(fd, F_GETFL);
		return r == -1 || !watch.direct[fd] ? r : r | O_DIRECT;
	}
	watch.direct[fd] = (fl & O_DIRECT) != 0;
	return real.fcntl(fd, F_SETFL, fl & ~O_DIRECT);
}

int
fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if ((cmd == F_GETFL || cmd == F_SETFL) && no_direct(fd))
		return flags_of(fd, cmd, arg);
	if ((cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC) || !is_our_fd(fd))
		return real.fcntl(fd, cmd, arg);
	if (fails(CALL_DUP, AREA_ANY, NULL))
		return -1;
	r = real.fcntl(fd, cmd, arg);
	if (r >= 0 && r < FDS)
		watch.fd[r] = watch.fd[fd];
	return r;
}

ssize_t
read(int fd, void *p, size_t n)
{
	if (is_our_fd(fd) && fails(CALL_READ, fd_area(fd), &n))
		return -1;
	return real.read(fd, p, n);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	if (is_our_fd(fd) && fails(CALL_READ, fd_area(fd), &n))
		return -1;
	return real.pread(fd, p, n, at);
}

/* Where write() goes on. */
ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t r;
	off_t at;

	if (!is_our_fd(fd))
		return real.write(fd, p, n);
	if (fails(CALL_WRITE, fd_area(fd), &n))
		return -1;
	pthread_mutex_lock(&lock);
	at = real.lseek(fd, 0, SEEK_CUR);
	r = real.write(fd, p, n);
	if (r > 0)
		tape_write(fd, p, (size_t)r, at);
	pthread_mutex_unlock(&lock);
	die_if_due();
	return r;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t r;

	if (!is_our_fd(fd))
		return real.pwrite(fd, p, n, at);
	if (no_direct(fd) && watch.direct[fd]) {
		watch.plan->failed++;
		errno = EINVAL;
		return -1;
	}
	if (fails(CALL_WRITE, fd_area(fd), &n))
		return -1;
	pthread_mutex_lock(&lock);
	r = real.pwrite(fd, p, n, at);
	if (r > 0)
		tape_write(fd, p, (size_t)r, at);
	pthread_mutex_unlock(&lock);
	die_if_due();
	return r;
}

/* As Linux: after an error the pages are clean, though not on the disk. */
static int
sync_ours(int fd, int (*sync)(int))
{
	bool bad = fails(CALL_SYNC, fd_area(fd), NULL);
	int r = -1, saved = errno;

	pthread_mutex_lock(&lock);
	if (!bad)
		r = sync(fd);
	tape_op(bad ? TAPE_SYNC_LOST : TAPE_SYNC, fd);
	pthread_mutex_unlock(&lock);
	die_if_due();
	if (bad)
		errno = saved;
	return r;
}

int
fsync(int fd)
{
	return is_our_fd(fd) ? sync_ours(fd, real.fsync) : real.fsync(fd);
}

int
fdatasync(int fd)
{
	return is_our_fd(fd) ? sync_ours(fd, real.fdatasync) :
	    real.fdatasync(fd);
}

int
ftruncate(int fd, off_t size)
{
	struct tape_op *op;
	int r;

	if (!is_our_fd(fd))
		return real.ftruncate(fd, size);
	if (fails(CALL_TRUNCATE, fd_area(fd), NULL))
		return -1;
	pthread_mutex_lock(&lock);
	r = real.ftruncate(fd, size);
	if (r == 0 && (op = tape_op(TAPE_TRUNCATE, fd)) != NULL)
		op->at = (uint64_t)size;
	pthread_mutex_unlock(&lock);
	die_if_due();
	return r;
}

/* --- names ----------------------------------------------------------------------------------- */

int
rename(const char *from, const char *to)
{
	int r;

	if (!is_ours(from))
		return real.rename(from, to);
	if (fails(CALL_RENAME, area_of(from), NULL))
		return -1;
	pthread_mutex_lock(&lock);
	r = real.rename(from, to);
	if (r == 0)
		tape_path(TAPE_RENAME, from, to);
	pthread_mutex_unlock(&lock);
	die_if_due();
	return r;
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char path[TAPE_PATH * 2], to_path[TAPE_PATH * 2];

	return path_at(from_fd, from, path, sizeof(path)) &&
	    path_at(to_fd, to, to_path, sizeof(to_path)) ?
	    rename(path, to_path) : real.renameat(from_fd, from, to_fd, to);
}

int
unlink(const char *path)
{
	int r;

	if (!is_ours(path))
		return real.unlink(path);
	if (fails(CALL_UNLINK, area_of(path), NULL))
		return -1;
	pthread_mutex_lock(&lock);
	r = real.unlink(path);
	if (r == 0)
		tape_path(TAPE_UNLINK, path, NULL);
	pthread_mutex_unlock(&lock);
	die_if_due();
	return r;
}

int
unlinkat(int dirfd, const char *name, int flags)
{
	char path[TAPE_PATH * 2];

	return flags != 0 || !path_at(dirfd, name, path, sizeof(path)) ?
	    real.unlinkat(dirfd, name, flags) : unlink(path);
}

int
mkdir(const char *path, mode_t mode)
{
	int r;

	if (!is_ours(path))
		return real.mkdir(path, mode);
	if (fails(CALL_MKDIR, AREA_ANY, NULL))
		return -1;
	pthread_mutex_lock(&lock);
	r = real.mkdir(path, mode);
	if (r == 0)
		tape_path(TAPE_MKDIR, path, NULL);
	pthread_mutex_unlock(&lock);
	die_if_due();
	return r;
}

/* --- what changes nothing, but may fail ------------------------------------------------------- */

int
stat(const char *path, struct stat *st)
{
	return is_ours(path) && fails(CALL_STAT, AREA_ANY, NULL) ? -1 :
	    real.stat(path, st);
}

int
fstat(int fd, struct stat *st)
{
	return is_our_fd(fd) && fails(CALL_STAT, AREA_ANY, NULL) ? -1 :
	    real.fstat(fd, st);
}

int
statvfs(const char *path, struct statvfs *v)
{
	return is_ours(path) && fails(CALL_STATVFS, AREA_ANY, NULL) ? -1 :
	    real.statvfs(path, v);
}

DIR *
opendir(const char *path)
{
	return is_ours(path) && fails(CALL_OPENDIR, AREA_ANY, NULL) ? NULL :
	    real.opendir(path);
}

struct dirent *
readdir(DIR *d)
{
	return watch.dir != NULL && fails(CALL_READDIR, AREA_ANY, NULL) ? NULL :
	    real.readdir(d);
}

int
pthread_create(pthread_t *t, const pthread_attr_t *attr,
    void *(*run)(void *), void *arg)
{
	return watch.dir != NULL && fails(CALL_THREAD, AREA_ANY, NULL) ? errno :
	    turns_create(real.pthread_create, t, attr, run, arg);
}

/* Nobody has to wait for time to pass, but others may have to do something. */
unsigned int
sleep(unsigned int sec)
{
	turns_perhaps();
	return 0;
}

/* Sanitizers have a heap of their own; who ends in the middle frees nothing. */
#if defined(POSTERN_SANITIZED)
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	/* What they find must not look like an end by itself. */
	return "detect_leaks=0:exitcode=99";
}
#else
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *
malloc(size_t n)
{
	return watch.dir != NULL && fails(CALL_MALLOC, AREA_ANY, NULL) ? NULL :
	    __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return watch.dir != NULL && fails(CALL_MALLOC, AREA_ANY, NULL) ? NULL :
	    __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return watch.dir != NULL && fails(CALL_MALLOC, AREA_ANY, NULL) ? NULL :
	    __libc_realloc(p, n);
}
#endif
