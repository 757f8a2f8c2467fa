/*
 * Backups of the queue: the queue itself writes and reads the file, which is
 * opened here with the admin's rights. Until it is whole and synced it has no
 * name that a restore would be given.
 */
#include "lib/prelude.h"

#include <fcntl.h>
#include <time.h>

#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/json.h"

#define SUFFIX	".postern"
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

static int
write_backup(struct ask *a, const char *temporary, const char *name,
    char **final)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int code, kept;

	if (fd == -1)
		return trouble("make the backup", temporary);
	code = ask_file(a, fd);
	if (close(fd) == -1 && is_whole(code))
		code = trouble("write", temporary);
	if (is_whole(code) &&
	    (kept = keep(a->args[0], temporary, name, final)) != CTL_OK)
		code = kept;
	if (!is_whole(code) && unlink(temporary) == -1 && errno != ENOENT)
		trouble("remove", temporary);
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
	temporary = xasprintf("%s/.%s-%ld.part", dir, name, (long)getpid());
	code = write_backup(a, temporary, name, &final);
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
