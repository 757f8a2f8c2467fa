/*
 * Backups of the queue: the queue itself writes and reads the file, which is
 * opened here with the admin's rights. Until it is whole and synced it has no
 * name that a restore would be given, and is locked: the queue has the same
 * open file, so that the lock is there until neither of us writes any more, and
 * it has its name.
 * What another backup has left without a lock is removed.
 */
#include "lib/prelude.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/json.h"

#define SUFFIX	".postern"
#define PART_PREFIX	".queue-"
#define PART_SUFFIX	".part"
#define PART_IDLE_SEC	3600	/* at the least, before it is swept */
#define NAMES_MAX	100	/* of one second */

static int
trouble(const char *what, const char *path)
{
	return complain(CTL_FAILED, "cannot %s %s: %s", what, path,
	    strerrordesc_np(errno));
}

/* "queue-20261124T015500Z", by the clock in UTC. */
static char *
name_now(void)
{
	char text[64];
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(text, sizeof(text), "queue-%Y%m%dT%H%M%SZ", &tm) == 0)
		return xstrdup("queue");
	return xstrdup(text);
}

/* The final name, which the caller frees: one that no backup has yet. */
static int
give_name(const char *dir, const char *from, const char *name, char **final)
{
	unsigned int n;

	*final = xasprintf("%s/%s" SUFFIX, dir, name);
	for (n = 2; link(from, *final) == -1; n++) {
		if (errno != EEXIST || n > NAMES_MAX)
			return trouble("name the backup", *final);
		free(*final);
		*final = xasprintf("%s/%s-%u" SUFFIX, dir, name, n);
	}
	return CTL_OK;
}

/* What is in the folder under a name stays there when the power goes. */
static int
keep(const char *dir, const char *from, const char *name, char **final)
{
	int fd, code = give_name(dir, from, name, final);

	if (code != CTL_OK)
		return code;
	if (unlink(from) == -1)
		return trouble("remove", from);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		code = trouble("sync the folder", dir);
	if (fd != -1)
		close(fd);
	return code;
}

/* Without what cannot be read it is still the best there is. */
static bool
is_whole(int code)
{
	return code == CTL_OK || code == CTL_IN_PART;
}

/* --- what is not whole yet ---------------------------------------------------------- */

static const char *volatile unfinished;	/* its name, while there is one */

static void
on_signal(int sig)
{
	unlink(unfinished);
	raise(sig);		/* ends us, by SA_RESETHAND */
}

/* Interrupted, it leaves nothing; NULL: there is nothing more to be removed. */
static void
remove_when_interrupted(const char *path)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction sa = { .sa_handler = path == NULL ? SIG_DFL :
	    on_signal, .sa_flags = (int)SA_RESETHAND }, was;
	size_t i;

	if (path != NULL)
		unfinished = path;
	for (i = 0; i < nitems(signals); i++)
		if (sigaction(signals[i], NULL, &was) == 0 &&
		    was.sa_handler != SIG_IGN)	/* nohup */
			sigaction(signals[i], &sa, NULL);
}

static bool
is_part(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > sizeof(PART_PREFIX) + sizeof(PART_SUFFIX) &&
	    strncmp(d->d_name, PART_PREFIX, sizeof(PART_PREFIX) - 1) == 0 &&
	    strcmp(d->d_name + n - (sizeof(PART_SUFFIX) - 1), PART_SUFFIX) == 0;
}

/* Whether this open file has that name still. */
static bool
is_named(int fd, int dir, const char *name)
{
	struct stat has, named;

	return fstat(fd, &has) == 0 &&
	    fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    has.st_dev == named.st_dev && has.st_ino == named.st_ino;
}

/*
 * One that was left by a backup that was killed, unless it is being written. Of
 * locks some file systems know those of one machine alone, or none.
 */
static void
sweep_one(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mtime < time(NULL) - PART_IDLE_SEC &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, dir, name))
		unlinkat(dir, name, 0);
	close(fd);
}

static void
sweep(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (is_part(e))
			sweep_one(dirfd(d), e->d_name);
	closedir(d);
}

/* A new file, locked where that is possible; -1 with errno. Too young to be swept. */
static int
make_part(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd != -1)
		flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* --- a backup ------------------------------------------------------------------------ */

static int
write_backup(struct ask *a, const char *temporary, const char *name,
    char **final)
{
	int fd, lock, code, kept;

	sweep(a->args[0]);
	remove_when_interrupted(temporary);
	fd = make_part(temporary);
	if (fd == -1)
		return trouble("make the backup", temporary);
	/* The same open file, and with it the lock until the file has its name. */
	lock = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	code = ask_file(a, fd);
	if (close(fd) == -1 && is_whole(code))
		code = trouble("write", temporary);
	if (is_whole(code) &&
	    (kept = keep(a->args[0], temporary, name, final)) != CTL_OK)
		code = kept;
	if (!is_whole(code) && unlink(temporary) == -1 && errno != ENOENT)
		trouble("remove", temporary);
	if (lock != -1)
		close(lock);
	return code;
}

int
ask_backup(struct ask *a)
{
	const char *dir = a->args[0];
	char *name = name_now(), *final = NULL, *temporary;
	int code;

	if (access(dir, F_OK) == -1) {
		free(name);
		return errno != ENOENT ? trouble("use the folder", dir) :
		    complain(CTL_FAILED, "there is no folder %s: mount the "
		    "disk that it is on, or make it (mkdir -m 700)", dir);
	}
	temporary = xasprintf("%s/.%s-%ld" PART_SUFFIX, dir, name,
	    (long)getpid());
	code = write_backup(a, temporary, name, &final);
	remove_when_interrupted(NULL);
	if (is_whole(code) && a->json) {
		fputs("{\"file\":", stdout);
		json_put(stdout, final, strlen(final));
		puts("}");
	} else if (is_whole(code))
		printf("It is in %s.\n", final);
	free(temporary);
	free(final);
	free(name);
	return code;
}

int
ask_restore(struct ask *a)
{
	int fd = open(a->args[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK), code;

	if (fd == -1)
		return trouble("open the backup", a->args[0]);
	code = ask_file(a, fd);
	close(fd);
	return code;
}
