#include "lib/prelude.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternd/ground.h"
#include "posternd/slices.h"

#define FREE_SEGMENTS 2		/* below this no mail is taken */
#define NEW_SEGMENTS 2		/* a new queue makes these first */
/* The least disk for a queue beside min-free: postern.conf(5). */
#define QUEUE_SEGMENTS 6
#define QUEUE_BYTES (40ULL << 20)
#define BALLAST_SEGMENTS 3
#define BALLAST_BYTES (11ULL << 20)
#define PROBE (64 * 1024)	/* what must fit on the disk to begin at all */
#define STOPPING " stopping"	/* in the lock, behind the holder's number */
#define LOCK_WAIT_MS 5000	/* for one that stops */
#define LOCK_LOOK_MS 20

int
ground_programs(const struct config *cfg, struct buf *problems)
{
	char path[PATH_MAX];
	enum role r;

	for (r = ROLE_SMTPD; r < ROLE_CTL; r++) {
		if (!slices_wanted(cfg, r))
			continue;
		snprintf(path, sizeof(path), "%s/postern-%s", cfg->program_dir,
		    slices_role_name(r));
		if (access(path, X_OK) == 0)
			continue;
		config_problem(problems, cfg, "program-dir", "%s cannot be "
		    "run: %s; run make install, or set program-dir to where "
		    "the programs are", path, strerrordesc_np(errno));
		return -1;
	}
	return 0;
}

/* --- directories ------------------------------------------------------------------ */

/* What was made in it keeps its name, whenever the power goes. */
static int
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd == -1 ? -1 : fsync(fd);

	if (fd != -1)
		close(fd);
	return r;
}

/* All that is missing of a path; others may enter, not write. */
static int
make_path(const char *path)
{
	char part[PATH_MAX], above[PATH_MAX] = "/";
	const char *at = path;

	for (; at != NULL; snprintf(above, sizeof(above), "%s", part)) {
		at = strchr(at + 1, '/');
		snprintf(part, sizeof(part), "%.*s", at == NULL ?
		    (int)strlen(path) : (int)(at - path), path);
		if (mkdir(part, 0755) == 0) {
			if (chmod(part, 0755) == -1 || sync_dir(above) == -1)
				return -1;
		} else if (errno != EEXIST && errno != EISDIR)
			return -1;
	}
	return 0;
}

/* Children enter with their own rights: every part of the path must let them. */
static int
check_enterable(const struct config *cfg, struct buf *problems)
{
	char part[PATH_MAX];
	const char *at = cfg->state_dir;
	struct stat st;

	while (at != NULL) {
		at = strchr(at + 1, '/');
		snprintf(part, sizeof(part), "%.*s", at == NULL ?
		    (int)strlen(cfg->state_dir) : (int)(at - cfg->state_dir),
		    cfg->state_dir);
		if (stat(part, &st) == 0 && (st.st_mode & S_IXOTH) == 0) {
			config_problem(problems, cfg, "state-dir", "the "
			    "processes' users cannot enter %s; chmod o+x %s, "
			    "or choose another state-dir", part, part);
			return -1;
		}
	}
	return 0;
}

/* One that does not exist is no problem: it will be made. */
static int
check_state_dir(const struct config *cfg, struct buf *problems)
{
	struct stat st;

	if (stat(cfg->state_dir, &st) == -1) {
		if (errno == ENOENT || errno == EACCES)
			return check_enterable(cfg, problems);
		config_problem(problems, cfg, "state-dir", "cannot look at %s: "
		    "%s; choose another state-dir", cfg->state_dir,
		    strerrordesc_np(errno));
	} else if (!S_ISDIR(st.st_mode))
		config_problem(problems, cfg, "state-dir", "%s is not a "
		    "directory; choose another state-dir", cfg->state_dir);
	else if (st.st_uid != 0)
		config_problem(problems, cfg, "state-dir", "%s does not belong "
		    "to root; chown root %s", cfg->state_dir, cfg->state_dir);
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		config_problem(problems, cfg, "state-dir", "others than root "
		    "can write to %s; chmod go-w %s", cfg->state_dir,
		    cfg->state_dir);
	else
		return check_enterable(cfg, problems);
	return -1;
}

static int
make_state_dir(const struct config *cfg, struct buf *problems)
{
	if (make_path(cfg->state_dir) == 0)
		return check_state_dir(cfg, problems);
	config_problem(problems, cfg, "state-dir", "cannot make %s: %s; choose "
	    "another state-dir", cfg->state_dir, strerrordesc_np(errno));
	return -1;
}

/* A child's own directory, if it exists: nobody else's business. */
static int
check_own_dir(const struct config *cfg, const char *path,
    const struct config_user *u, struct buf *problems)
{
	struct stat st;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT || errno == EACCES)
			return 0;	/* EACCES: a look by another than root */
		config_problem(problems, cfg, "state-dir", "cannot look at %s: "
		    "%s", path, strerrordesc_np(errno));
	} else if (!S_ISDIR(st.st_mode))
		config_problem(problems, cfg, "state-dir", "%s is not a "
		    "directory; move it away", path);
	else if (st.st_uid != u->uid)
		config_problem(problems, cfg, "state-dir", "%s belongs to user "
		    "%u instead of %u; chown -R %u:%u %s", path, st.st_uid,
		    u->uid, u->uid, u->gid, path);
	else
		return 0;
	return -1;
}

static const struct own_dir {
	const char *name;
	enum role role;		/* ROLE_PARENT: nobody writes there */
	mode_t	 mode;
} own_dirs[] = {
	{ "auth", ROLE_AUTH, 0700 },
	{ "queue", ROLE_QUEUE, 0700 },
	{ "empty", ROLE_PARENT, 0755 },
};

static void
mend_mode(const struct config *cfg, const struct own_dir *d, const char *path,
    struct buf *warnings)
{
	struct stat st;

	if (lstat(path, &st) == 0 && (st.st_mode & 0777 & ~d->mode) != 0)
		config_problem(warnings, cfg, "state-dir", "others could use "
		    "%s (mode %o); it has %o again", path, st.st_mode & 07777,
		    d->mode);
}

/* warnings NULL: it is only looked at. */
static int
own_dir(const struct config *cfg, const struct own_dir *d,
    struct buf *problems, struct buf *warnings)
{
	static const struct config_user root;
	const struct config_user *u = d->role == ROLE_PARENT ? &root :
	    &cfg->users[d->role];
	bool make = warnings != NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cfg->state_dir, d->name);
	if (make && mkdir(path, d->mode) == 0) {
		if (chmod(path, d->mode) == 0 &&
		    chown(path, u->uid, u->gid) == 0)
			return 0;
	} else if (!make || errno == EEXIST) {
		if (check_own_dir(cfg, path, u, problems) == -1)
			return -1;
		if (!make)
			return 0;
		mend_mode(cfg, d, path, warnings);
		if (chmod(path, d->mode) == 0)
			return 0;
	}
	config_problem(problems, cfg, "state-dir", "cannot make %s: %s", path,
	    strerrordesc_np(errno));
	return -1;
}

static int
own_directories(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	size_t i;
	int bad = 0;

	for (i = 0; i < nitems(own_dirs); i++)
		bad |= own_dir(cfg, &own_dirs[i], problems, warnings);
	/* At each start: the one that made them may have been killed here. */
	if (bad == 0 && warnings != NULL && sync_dir(cfg->state_dir) == -1) {
		config_problem(problems, cfg, "state-dir", "cannot sync %s: %s; "
		    "it should be on a disk that works", cfg->state_dir,
		    strerrordesc_np(errno));
		bad = -1;
	}
	return bad;
}

/* --- the disk -------------------------------------------------------------------------- */

static int
open_queue(const struct config *cfg)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/queue", cfg->state_dir);
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * Emptied, by a name by which a queue that was killed but has not ended yet does
 * not keep it. A worker of smtpd may live on and write to it: the next queue
 * sees to that while it has a name. The directory is its user's, so what is not
 * his own file, or has other names, is only removed.
 */
static void
empty_unaccepted(const struct config *cfg, int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	char *old = xasprintf("old-%s", name + 4);
	struct stat st;
	bool own = fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_nlink == 1 && st.st_uid == cfg->users[ROLE_QUEUE].uid;
	bool named = renameat(dir, name, dir, old) == 0;

	if (((!named || !own) && unlinkat(dir, named ? old : name, 0) == -1) ||
	    (own && ftruncate(fd, 0) == -1))
		log_warn("cannot empty %s/queue/spool/%s", cfg->state_dir,
		    name);
	if (fd != -1)
		close(fd);
	free(old);
}

/*
 * Large bodies that were never accepted (queue/spool.h). The queue would do the
 * same; but it may be these that leave no room to start.
 */
static void
empty_all_unaccepted(const struct config *cfg)
{
	int queue = open_queue(cfg), fd;
	struct dirent *e;
	DIR *d;

	if (queue == -1)
		return;
	fd = openat(queue, "spool", O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	close(queue);
	if (fd == -1)
		return;
	if ((d = fdopendir(fd)) == NULL)
		fatal("fdopendir");
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "new-", 4) == 0 ||
		    strncmp(e->d_name, "old-", 4) == 0)
			empty_unaccepted(cfg, fd, e->d_name);
	closedir(d);
}

/*
 * The queue's ballast (queue/ballast.h), for it is not only the queue that needs
 * room to start. The directory is its user's: what lies there by that name is
 * emptied only if it is his own file, by no other name, and never through a
 * link.
 */
static int
open_ballast(const struct config *cfg, struct stat *st)
{
	int dir = open_queue(cfg), fd;

	if (dir == -1)
		return -1;
	fd = openat(dir, "ballast", O_WRONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	close(dir);
	if (fd == -1)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1 &&
	    st->st_uid == cfg->users[ROLE_QUEUE].uid)
		return fd;
	close(fd);
	return -1;
}

/* If less is free than it takes: the queue would do the same, and later. */
static void
throw_ballast(const struct config *cfg, struct buf *warnings)
{
	char size[NUM_TEXT_LEN];
	struct statvfs vfs;
	struct stat st;
	int fd = open_ballast(cfg, &st);
	uint64_t has;

	if (fd == -1)
		return;
	has = (uint64_t)st.st_blocks * 512;	/* a copy may have holes */
	if (has > (uint64_t)st.st_size)
		has = (uint64_t)st.st_size;
	if (has > 0 && fstatvfs(fd, &vfs) == 0 &&
	    (uint64_t)vfs.f_bavail * vfs.f_frsize < has) {
		if (ftruncate(fd, 0) == 0)
			config_problem(warnings, cfg, "state-dir", "the disk "
			    "that %s/queue is on is full: the ballast of %s is "
			    "thrown off, so that what is queued can go on; "
			    "make room", cfg->state_dir, num_print_size(
			    has, size));
		else
			log_warn("cannot empty %s/queue/ballast",
			    cfg->state_dir);
	}
	close(fd);
}

/* There is no journal yet, which takes its room at once. */
static bool
is_new(const struct config *cfg)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/queue/journal", cfg->state_dir);
	return access(path, F_OK) == -1 && errno == ENOENT;
}

/* What is not there of a ballast that has been thrown off. */
static uint64_t
ballast_thrown(const struct config *cfg)
{
	uint64_t all = BALLAST_SEGMENTS * cfg->queue.segment_bytes +
	    BALLAST_BYTES;
	struct stat st;
	int fd = open_ballast(cfg, &st);

	if (fd == -1)
		return 0;
	close(fd);
	return (uint64_t)st.st_size < all ? all - (uint64_t)st.st_size : 0;
}

/*
 * The queue takes no mail below this (queue/disk_room.c). What it needs in all
 * is as postern.conf(5) has it at min-free.
 */
static void
warn_of_room(const struct config *cfg, const char *dir, struct buf *warnings)
{
	uint64_t segment = cfg->queue.segment_bytes;
	uint64_t free_bytes = cfg->queue.min_free_bytes, least = free_bytes;
	uint64_t takes = is_new(cfg) ? NEW_SEGMENTS * segment : 0, left;
	uint64_t all = free_bytes + QUEUE_SEGMENTS * segment + QUEUE_BYTES;
	uint64_t thrown = ballast_thrown(cfg);
	char have[NUM_TEXT_LEN], need[NUM_TEXT_LEN], whole[NUM_TEXT_LEN];
	struct statvfs vfs;

	if (least < FREE_SEGMENTS * segment)
		least = FREE_SEGMENTS * segment;
	least += thrown;
	if (statvfs(dir, &vfs) == -1)
		return;
	left = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	num_print_size(all, whole);
	if (left < least + takes)
		config_problem(warnings, cfg, "queue.min-free", "%s free below "
		    "%s%s, less than %s (%s): no mail is accepted until there "
		    "is more; the least disk for the queue has %s, and what "
		    "mail that must wait takes", num_print_size(left < takes ?
		    0 : (left - takes) >> 20 << 20, have), dir, takes > 0 ?
		    " once a new queue has its journal" : "", thrown > 0 ?
		    "min-free and the ballast that was thrown off" : least >
		    free_bytes ? "two segments" : "min-free",
		    num_print_size(least, need), whole);
	else if (takes > 0 && left < all)
		config_problem(warnings, cfg, "queue.min-free", "%s free below "
		    "%s: the least disk for the queue has %s, and what mail "
		    "that must wait takes; with less, mail is refused early",
		    num_print_size(left >> 20 << 20, have), dir, whole);
}

/* As the disk will be on which a start makes what is not there yet. */
static void
look_at_room(const struct config *cfg, struct buf *warnings)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", cfg->state_dir);
	while (stat(dir, &st) == -1 && errno == ENOENT &&
	    dir[1] != '\0' && (slash = strrchr(dir, '/')) != NULL)
		slash[slash == dir] = '\0';
	warn_of_room(cfg, dir, warnings);
}

static int
check_room(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	static const char zeroes[PROBE];
	char path[PATH_MAX];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/probe", cfg->state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd != -1) {
		n = write(fd, zeroes, sizeof(zeroes));
		if (n == (ssize_t)sizeof(zeroes) && fsync(fd) == -1)
			n = -1;
		else if (n != -1 && n != (ssize_t)sizeof(zeroes)) {
			n = -1;
			errno = ENOSPC;
		}
	}
	if (n == -1)
		config_problem(problems, cfg, "state-dir", errno == ENOSPC ||
		    errno == EDQUOT ? "the disk that %s is on is full; make room, then start "
		    "again" : "cannot write to %s: it should be on a disk that "
		    "works and may be written to", cfg->state_dir);
	if (fd != -1) {
		close(fd);
		unlink(path);
	}
	if (n == -1)
		return -1;
	warn_of_room(cfg, cfg->state_dir, warnings);
	return 0;
}

/* --- the lock ----------------------------------------------------------------------------- */

static int lock_fd = -1;

/* For who is refused because of it; "" if that cannot be written. */
static void
say_holder(const char *word)
{
	char text[48];
	int n;

	n = snprintf(text, sizeof(text), "%d%s\n", (int)getpid(), word);
	if (ftruncate(lock_fd, 0) == -1 || pwrite(lock_fd, text, (size_t)n, 0)
	    == -1)
		log_debug("ground", "the lock does not say who holds it");
}

/* 0, or -1 with who holds it; one that is about to end is waited for. */
static int
wait_for_lock(char *holder, size_t size)
{
	static const struct timespec look = { .tv_nsec = LOCK_LOOK_MS *
	    1000000L };
	ssize_t n;
	int ms;

	for (ms = 0; flock(lock_fd, LOCK_EX | LOCK_NB) == -1;
	    ms += LOCK_LOOK_MS) {
		n = pread(lock_fd, holder, size - 1, 0);
		holder[n == -1 ? 0 : n] = '\0';
		if (ms >= LOCK_WAIT_MS || strstr(holder, STOPPING) == NULL)
			return -1;
		nanosleep(&look, NULL);
	}
	return 0;
}

static int
lock(const struct config *cfg, struct buf *problems)
{
	char path[PATH_MAX], holder[48];

	snprintf(path, sizeof(path), "%s/lock", cfg->state_dir);
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock_fd == -1) {
		config_problem(problems, cfg, "state-dir", "cannot open %s: "
		    "%s", path, strerrordesc_np(errno));
		return -1;
	}
	if (wait_for_lock(holder, sizeof(holder)) == -1) {
		config_problem(problems, cfg, "state-dir", "another posternd "
		    "(process %.*s) %s on %s; %s", (int)strcspn(holder, " \n"),
		    holder, strstr(holder, STOPPING) == NULL ? "runs" :
		    "is stopping", cfg->state_dir, strstr(holder, STOPPING) ==
		    NULL ? "stop it, or give this one a state-dir of its own" :
		    "it finishes messages in progress: start again when it "
		    "has ended");
		close(lock_fd);
		lock_fd = -1;
		return -1;
	}
	say_holder("");
	return 0;
}

void
ground_stopping(void)
{
	if (lock_fd != -1)
		say_holder(STOPPING);
}

void
ground_leave(void)
{
	if (lock_fd != -1)
		close(lock_fd);
	lock_fd = -1;
}

int
ground_look(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	look_at_room(cfg, warnings);
	return check_state_dir(cfg, problems) |
	    own_directories(cfg, problems, NULL);
}

int
ground_prepare(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	char dir[PATH_MAX];
	int bad;

	if (make_state_dir(cfg, problems) == -1 || lock(cfg, problems) == -1)
		return -1;
	empty_all_unaccepted(cfg);
	throw_ballast(cfg, warnings);
	bad = check_room(cfg, problems, warnings);
	bad |= own_directories(cfg, problems, warnings);
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(cfg->control_socket,
	    '/') - cfg->control_socket), cfg->control_socket);
	if (*dir != '\0' && make_path(dir) == -1) {
		config_problem(problems, cfg, "control-socket", "cannot make "
		    "%s: %s", dir, strerrordesc_np(errno));
		bad = -1;
	}
	return bad;
}
