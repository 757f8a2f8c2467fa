/* What lies in the folder of backups is not ours alone. */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/xalloc.h"

#include "tests/tap.h"

#define ask_file	fake_ask_file
#define link(from, to)	link_beside(from, to)

static int link_beside(const char *from, const char *to);

#include "posternctl/backup.c"

#undef link
#undef ask_file
#undef SUFFIX

static char dir[] = "/tmp/postern-part-XXXXXX";

int
fake_ask_file(struct ask *a, int fd)
{
	return write(fd, "whole", 5) == 5 ? CTL_OK : CTL_FAILED;
}

static void
age(const char *path)
{
	struct timespec old[2] = { { .tv_sec = time(NULL) - 2 * 3600 },
	    { .tv_sec = time(NULL) - 2 * 3600 } };

	is_int(utimensat(AT_FDCWD, path, old, 0), 0, "it is old");
}

/* Another backup begins in this folder, before and behind that. */
static int
link_beside(const char *from, const char *to)
{
	int r;

	age(from);
	sweep(dir);
	r = link(from, to);
	sweep(dir);
	return r;
}

static void
test_done_beside(void)
{
	char *args[] = { dir };
	struct ask a = { .args = args, .nargs = 1 };
	char *part = xasprintf("%s/.queue-20260101T000000Z-12345.part", dir);
	char *final = NULL;

	is_int(write_backup(&a, part, "queue-20260101T000000Z", &final),
	    CTL_OK, "a backup that is whole is not swept before it has its "
	    "name");
	ok(final != NULL && access(final, F_OK) == 0, "it is there");
	ok(access(part, F_OK) == -1, "under that alone");
	if (final != NULL)
		unlink(final);
	free(final);
	free(part);
}

/* What a killed one has left, but nobody else's, nor what may be written yet. */
static void
test_left(void)
{
	static const char *const names[] = {
		".queue-20260101T000000Z-1.part",
		"queue-20260101T000000Z.postern", ".queue-part", "x.part" };
	char *path[nitems(names)];
	size_t i;

	for (i = 0; i < nitems(names); i++) {
		path[i] = xasprintf("%s/%s", dir, names[i]);
		close(open(path[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	sweep(dir);
	ok(access(path[0], F_OK) == 0, "a young one stays: who writes it may "
	    "be on another machine");
	for (i = 0; i < nitems(names); i++)
		age(path[i]);
	sweep(dir);
	ok(access(path[0], F_OK) == -1, "an old one is removed");
	for (i = 0; i < nitems(names); i++) {
		is_int(access(path[i], F_OK), i == 0 ? -1 : 0, "%s", names[i]);
		unlink(path[i]);
		free(path[i]);
	}
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		fatal("mkdtemp");
	test_done_beside();
	test_left();
	rmdir(dir);
	return tap_done();
}
