#include "lib/prelude.h"

#include <dirent.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/aside.h"

/* There are no directories in an index. */
static bool
empty(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	bool good = d != NULL;

	if (d == NULL) {
		close(fd);
		return false;
	}
	while (good && (e = readdir(d)) != NULL)
		good = strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 ||
		    unlinkat(fd, e->d_name, 0) == 0;
	closedir(d);
	return good;
}

static void
remove_one(const char *dir, uint64_t at)
{
	char *path = xasprintf("%s/" ASIDE_PREFIX "%llu", dir,
	    (unsigned long long)at);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1 || !empty(fd) || rmdir(path) == -1)
		log_warn("cannot remove %s", path);
	else
		log_info("%s is removed; the newest %d of its kind are kept",
		    path, ASIDE_KEPT);
	free(path);
}

static int
by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void
aside_trim(const char *dir, uint64_t kept)
{
	char name[sizeof(ASIDE_PREFIX) + 20];
	unsigned long long at;
	uint64_t *v = NULL;
	size_t n = 0, left, i;
	DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL) {
		log_warn("cannot read %s", dir);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (sscanf(e->d_name, ASIDE_PREFIX "%llu", &at) != 1)
			continue;
		snprintf(name, sizeof(name), ASIDE_PREFIX "%llu", at);
		if (strcmp(name, e->d_name) != 0)
			continue;
		v = xreallocarray(v, n + 1, sizeof(*v));
		v[n++] = at;
	}
	closedir(d);
	left = n;
	if (n > 0)
		qsort(v, n, sizeof(*v), by_time);
	for (i = 0; i < n && left > ASIDE_KEPT; i++)
		if (v[i] != kept) {
			remove_one(dir, v[i]);
			left--;
		}
	free(v);
}
