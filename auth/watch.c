#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "auth/guard.h"
#include "auth/watch.h"
#include "auth/worker.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/whole.h"
#include "lib/xalloc.h"

#define FILE_NAME	"guard"
#define SAVE_EVERY_MS	60000
#define FILE_MAX	(64 * 1024 * 1024)

static struct guard *guard;
static char *path, *new_path;
static struct ev_timer timer;

/* One copy on its way to disk; at most one at a time. */
static struct {
	struct job job;		/* first */
	uint8_t	*bytes;
	size_t	 len;
	bool	 busy;
	int	 error;
} saving;

static struct guard *
the_guard(void)
{
	if (guard == NULL)
		guard = guard_new();
	return guard;
}

void
watch_conf(const struct auth_conf *conf)
{
	guard_configure(the_guard(), conf->lock_after,
	    conf->lock_sec * 1000ULL);
}

/* Whoever logs in for others, a webmail, does it from here. */
static const char *
outside(const char *peer)
{
	return strcmp(peer, "127.0.0.1") == 0 || strcmp(peer, "::1") == 0 ||
	    strcmp(peer, "::ffff:127.0.0.1") == 0 ? "" : peer;
}

/* --- disk --------------------------------------------------------------------------- */

/* 0 or errno. A copy that is not whole never takes the old one's place. */
static int
save(const uint8_t *p, size_t n)
{
	int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
	int r;

	if (fd == -1)
		return errno;
	r = whole_write(fd, p, n) == -1 || fsync(fd) == -1 ? errno : 0;
	if (close(fd) == -1 && r == 0)
		r = errno;
	if (r == 0 && rename(new_path, path) == -1)
		r = errno;
	return r;
}

static void
save_run(struct job *job)
{
	saving.error = save(saving.bytes, saving.len);
}

static void
save_done(struct job *job)
{
	if (saving.error != 0) {
		errno = saving.error;
		log_warn("cannot keep %s: failed logins of before are "
		    "forgotten at the next start", path);
	}
	free(saving.bytes);
	saving.bytes = NULL;
	saving.busy = false;
}

static void
timer_cb(void *arg)
{
	ev_timer_set(&timer, SAVE_EVERY_MS);
	if (saving.busy || !guard_changed(guard))
		return;
	saving.busy = true;
	saving.bytes = guard_pack(guard, &saving.len);
	saving.job.run = save_run;
	saving.job.done = save_done;
	saving.job.lane = worker_lane(WORK_SHORT, true);
	worker_submit(&saving.job);
}

static void
load(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t *p = NULL;
	struct stat st;
	ssize_t n = -1;

	if (fd == -1 && errno == ENOENT)
		return;
	if (fd != -1 && fstat(fd, &st) == 0 && st.st_size <= FILE_MAX) {
		p = xmalloc((size_t)st.st_size + 1);
		n = read(fd, p, (size_t)st.st_size);
	}
	if (n == -1 || n != st.st_size || !guard_unpack(guard, p, (size_t)n))
		log_warnx("%s cannot be read: failed logins of before are "
		    "forgotten", path);
	free(p);
	if (fd != -1)
		close(fd);
}

void
watch_start(const char *dir)
{
	(void)the_guard();
	path = xasprintf("%s/" FILE_NAME, dir);
	new_path = xasprintf("%s/" FILE_NAME ".new", dir);
	load();
	ev_timer_init(&timer, timer_cb, NULL);
	ev_timer_set(&timer, SAVE_EVERY_MS);
}

void
watch_stop(void)
{
	uint8_t *p;
	size_t n;

	ev_timer_cancel(&timer);
	if (path != NULL && guard_changed(guard)) {
		p = guard_pack(guard, &n);
		errno = save(p, n);
		if (errno != 0)
			log_warn("cannot keep %s", path);
		free(p);
	}
	free(saving.bytes);
	saving.bytes = NULL;
	saving.busy = false;
	free(path);
	free(new_path);
	path = new_path = NULL;
	guard_free(&guard);
}

/* --- words --------------------------------------------------------------------------- */

uint64_t
watch_peer_wait(const char *peer)
{
	return guard_peer_wait(the_guard(), outside(peer), ev_wall_ms());
}

uint64_t
watch_account_wait(const char *name, const char *peer)
{
	return guard_account_wait(the_guard(), name, outside(peer),
	    ev_wall_ms());
}

uint64_t
watch_token_wait(const char *name, const char *peer)
{
	return guard_token_wait(the_guard(), name, outside(peer),
	    ev_wall_ms());
}

bool
watch_is_known(const char *peer)
{
	return *outside(peer) == '\0' || guard_is_known(the_guard(), peer,
	    ev_wall_ms());
}

uint64_t
watch_network(const char *peer)
{
	return guard_network(the_guard(), outside(peer));
}

uint32_t
watch_failed(const char *name, const char *peer, uint64_t secret)
{
	return guard_failed(the_guard(), name, outside(peer), secret,
	    ev_wall_ms());
}

uint32_t
watch_undecided(const char *name, const char *peer, uint64_t secret)
{
	return guard_undecided(the_guard(), name, outside(peer), secret,
	    ev_wall_ms());
}

uint32_t
watch_token_failed(const char *name, const char *peer, uint64_t token)
{
	return guard_token_failed(the_guard(), name, outside(peer), token,
	    ev_wall_ms());
}

void
watch_succeeded(const char *name, const char *peer)
{
	guard_succeeded(the_guard(), name, outside(peer), ev_wall_ms());
}

uint64_t
watch_locked_until(const char *name)
{
	return guard_locked_until(the_guard(), name, ev_wall_ms());
}

void
watch_unlock(const char *name)
{
	guard_unlock(the_guard(), name);
}

size_t
watch_unlock_net(const struct net *net)
{
	return guard_unlock_net(the_guard(), net, ev_wall_ms());
}

void
watch_locks(void (*fn)(const struct guard_lock *, void *), void *arg)
{
	guard_locks(the_guard(), ev_wall_ms(), fn, arg);
}
