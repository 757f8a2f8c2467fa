/*
 * posternd/ground: each directory that a first start makes has its name on the
 * disk, by a sync of the directory above it, before anything is kept in it.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
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
	free(cfg.state_dir);
	free(cfg.control_socket);
	buf_clear(&problems);
	buf_clear(&warnings);
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
