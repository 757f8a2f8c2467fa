/* lib/owned: what is taken for one's own, what is mended, what is refused. */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/owned.h"
#include "tests/tap.h"

#define STRANGER 61009

static char said[512];

static void
keep(enum log_level level, const char *proc, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static void
make(const char *name, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	if (fd == -1 || fchmod(fd, mode) == -1 || close(fd) == -1)
		abort();
}

static void
test_modes(void)
{
	static const mode_t wide[] = { 0640, 0604, 0620, 0602, 0666, 0777,
	    0610, 0601 };
	struct stat st;
	size_t i;

	make("file", 0600);
	is_str(owned_check("file"), NULL, "one's own");
	is_str(said, "", "without a word");
	is_str(owned_check("nonesuch"), NULL, "one that is not there");
	for (i = 0; i < nitems(wide); i++) {
		make("file", wide[i]);
		said[0] = '\0';
		is_str(owned_check("file"), NULL, "mode %o", wide[i]);
		ok(strstr(said, "file could be used by others") != NULL,
		    "is told: %s", said);
		ok(stat("file", &st) == 0 && (st.st_mode & 07777) == 0600,
		    "and mended");
	}
	said[0] = '\0';
	if (link("file", "second") == -1)
		abort();
	is_str(owned_check("file"), NULL, "a second name is no fault");
	ok(strstr(said, "file has a second name") != NULL, "but told: %s",
	    said);
	unlink("second");
}

static void
refused(const char *name, const char *says)
{
	const char *why = owned_check(name);

	ok(why != NULL && strstr(why, name) != NULL && strstr(why, says) !=
	    NULL, "refused: %s", why == NULL ? name : why);
}

static void
test_kinds(void)
{
	char deep[600];

	if (symlink("file", "link") == -1 || symlink("nowhere", "dangling") ==
	    -1 || mkdir("dir", 0700) == -1 || mkfifo("fifo", 0600) == -1)
		abort();
	refused("link", "is a symbolic link; move it away");
	refused("dangling", "is a symbolic link; move it away");
	refused("dir", "is a directory; move it away");
	refused("fifo", "is a FIFO; move it away");
	refused("/dev/null", "is no plain file; move it away");
	refused("file/below", "cannot look at");
	memset(deep, 'x', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	ok(owned_check(deep) != NULL, "a name that cannot be");
	is_str(owned_check_all("."), NULL, "of a directory's, only the files");
	ok(owned_check_all("nonesuch") != NULL, "a directory that is not there");
	if (geteuid() != 0)
		return;
	if (chown("file", STRANGER, STRANGER) == -1)
		abort();
	refused("file", "belongs to user 61009 instead of 0");
	refused("file", "then chown 0:");
	ok(owned_check_all(".") != NULL, "one of a directory's");
}

int
main(void)
{
	static const char *const names[] = { "file", "link", "dangling",
	    "fifo" };
	char dir[] = "/tmp/postern-owned-XXXXXX";
	size_t i;

	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return 1;
	log_set_sink(keep);
	test_modes();
	test_kinds();
	for (i = 0; i < nitems(names); i++)
		unlink(names[i]);
	if (rmdir("dir") == -1 || rmdir(dir) == -1)
		perror(dir);
	return tap_done();
}
