/*
 * posternd/ground: each directory that a first start makes has its name on the
 * disk, by a sync of the directory above it, before anything is kept in it. What
 * was never accepted is emptied.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <fcntl.h>
#include <ftw.h>

#include "lib/xalloc.h"
#include "posternd/ground.h"
#include "tests/tap.h"

static char dir[] = "/tmp/postern-ground-XXXXXX";
static struct buf problems, warnings;

/* --- in the place of libc's ---------------------------------------------------- */

static char unsynced[16][PATH_MAX];	/* directories that were made */
static size_t n;
static bool failing;

int
mkdir(const char *path, mode_t mode)
{
	int r = mkdirat(AT_FDCWD, path, mode);

	if (r == 0 && n < nitems(unsynced))
		snprintf(unsynced[n++], PATH_MAX, "%s", path);
	return r;
}

/* The names in it are durable. */
int
fsync(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t len;
	size_t i, left = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len == -1 ? 0 : len] = '\0';
	if (failing && strcmp(path, dir) == 0) {
		errno = EIO;
		return -1;
	}
	for (i = 0; i < n; i++)
		if (strrchr(unsynced[i], '/') - unsynced[i] != len ||
		    strncmp(unsynced[i], path, (size_t)len) != 0)
			memmove(unsynced[left++], unsynced[i], PATH_MAX);
	n = left;
	return 0;
}

/* --- tests ---------------------------------------------------------------------- */

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static int
start(struct config *cfg, const char *state_dir)
{
	int r;

	n = 0;
	buf_reset(&problems);
	free(cfg->state_dir);
	cfg->state_dir = xstrdup(state_dir);
	r = ground_prepare(cfg, &problems, &warnings);
	ground_leave();
	return r;
}

static void
test_names(struct config *cfg)
{
	char *deep = xasprintf("%s/var/lib/postern", dir);
	struct stat st;
	char *queue = xasprintf("%s/queue", deep);

	is_int(start(cfg, deep), 0, "a first start");
	ok(stat(queue, &st) == 0 && S_ISDIR(st.st_mode), "made the queue's "
	    "directory");
	is_int(n, 0, "all that was made has its name");
	if (n > 0)
		printf("# but %s\n", unsynced[0]);
	free(queue);
	free(deep);
}

/* Who made the directories was killed before their names were synced. */
static void
test_failing(struct config *cfg)
{
	failing = true;
	is_int(start(cfg, dir), -1, "no start without that sync");
	ok(strstr(buf_str(&problems), "cannot sync") != NULL, "it says so");
	is_int(start(cfg, dir), -1, "nor by the second one, which makes "
	    "nothing");
	failing = false;
	is_int(start(cfg, dir), 0, "but by one whose sync is done");
}

static off_t
size_of(const char *spool, const char *name)
{
	char *path = xasprintf("%s/%s", spool, name);
	struct stat st;
	off_t size = stat(path, &st) == 0 ? st.st_size : -1;

	free(path);
	return size;
}

/* What was never accepted is empty, and has a name while it may be written to. */
static void
test_unaccepted(struct config *cfg)
{
	static const char *const names[] = { "new-3", "old-2", "keep",
	    "new-4" };
	char *spool = xasprintf("%s/queue/spool", dir), *path, *other;
	size_t i;
	int fd;

	mkdir(spool, 0700);
	for (i = 0; i < nitems(names); i++) {
		path = xasprintf("%s/%s", spool, names[i]);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		ok(write(fd, "text", 4) == 4, "%s", names[i]);
		close(fd);
		free(path);
	}
	path = xasprintf("%s/new-4", spool);
	other = xasprintf("%s/other", dir);
	ok(link(path, other) == 0, "of which one has another name");
	is_int(start(cfg, dir), 0, "a start");
	ok(size_of(spool, "new-3") == -1 && size_of(spool, "old-3") == 0 &&
	    size_of(spool, "old-2") == 0, "empties them and keeps a name");
	ok(size_of(spool, "new-4") == -1 && size_of(spool, "old-4") == -1 &&
	    size_of(dir, "other") == 4, "nothing that has another, which goes");
	is_int(size_of(spool, "keep"), 4, "nor what was accepted");
	free(other);
	free(path);
	free(spool);
}

#define SEGMENT_MOST	(2ULL << 30)

/*
 * With room for so many segments above min-free, and half a one, which others
 * may take meanwhile.
 */
static const char *
look_with(struct config *cfg, uint64_t segments)
{
	struct statvfs vfs;
	uint64_t left, segment;

	ok(statvfs(dir, &vfs) == 0, "a look at the disk");
	left = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	segment = left / 32 < SEGMENT_MOST ? left / 32 : SEGMENT_MOST;
	cfg->queue.segment_bytes = segment;
	cfg->queue.min_free_bytes = left - segments * segment - segment / 2;
	buf_reset(&warnings);
	ground_look(cfg, &problems, &warnings);
	return buf_str(&warnings);
}

/* There is one of no bytes, of the queue's own user. */
static void
throw_off(void)
{
	char *path = xasprintf("%s/queue/ballast", dir);

	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ok(chown(path, 0, 0) == 0, "an empty ballast");
	free(path);
}

/*
 * A new queue makes two segments before it takes any mail, and on the least disk
 * there is room for more.
 */
static void
test_room_new(struct config *cfg)
{
	char *journal = xasprintf("%s/queue/journal", dir);

	ok(strstr(look_with(cfg, 0), "once a new queue has its journal, less "
	    "than min-free (") != NULL, "it is not enough: %s",
	    buf_str(&warnings));
	ok(strstr(look_with(cfg, 4), ": the least disk for the queue has ") !=
	    NULL && strstr(buf_str(&warnings), "refused early") != NULL,
	    "it is little: %s", buf_str(&warnings));
	ok(mkdir(journal, 0700) == 0, "a queue that has begun");
	is_str(look_with(cfg, 0), "", "has made them");
	throw_off();
	ok(strstr(look_with(cfg, 0), "less than min-free and the ballast that "
	    "was thrown off (") != NULL, "and has to give its ballast back: %s",
	    buf_str(&warnings));
	rmdir(journal);
	free(journal);
}

/* A check says what a start says, also of a directory to come. */
static void
test_room(struct config *cfg)
{
	char *later = xasprintf("%s/later/on", dir);

	cfg->queue.min_free_bytes = 1ULL << 50;
	cfg->queue.segment_bytes = 32 << 20;
	buf_reset(&warnings);
	is_int(start(cfg, dir), 0, "a start with little room");
	ok(strstr(buf_str(&warnings), "less than min-free (1048576G): no mail "
	    "is accepted") != NULL && strstr(buf_str(&warnings), "the least "
	    "disk for the queue has 1073742056M, and") != NULL, "warns: %s",
	    buf_str(&warnings));
	buf_reset(&warnings);
	ground_look(cfg, &problems, &warnings);
	ok(strstr(buf_str(&warnings), "less than min-free (1048576G)") != NULL,
	    "so does a check: %s", buf_str(&warnings));
	test_room_new(cfg);
	cfg->queue.min_free_bytes = 1ULL << 50;
	cfg->queue.segment_bytes = 32 << 20;
	free(cfg->state_dir);
	cfg->state_dir = later;
	buf_reset(&warnings);
	ground_look(cfg, &problems, &warnings);
	ok(strstr(buf_str(&warnings), "less than min-free (1048576G)") != NULL,
	    "before there is a directory: %s", buf_str(&warnings));
	cfg->queue.min_free_bytes = 1;
	cfg->queue.segment_bytes = 0;
	buf_reset(&warnings);
	ground_look(cfg, &problems, &warnings);
	is_str(buf_str(&warnings), "", "with room there is nothing to say");
}

int
main(void)
{
	struct config cfg = { 0 };

	if (geteuid() != 0) {
		printf("1..0 # SKIP only root makes these directories\n");
		return 0;
	}
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return 1;
	buf_init(&problems, 65536);
	buf_init(&warnings, 65536);
	cfg.control_socket = xasprintf("%s/run/control", dir);
	test_names(&cfg);
	test_failing(&cfg);
	test_unaccepted(&cfg);
	test_room(&cfg);
	free(cfg.state_dir);
	free(cfg.control_socket);
	buf_clear(&problems);
	buf_clear(&warnings);
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
