#include "lib/prelude.h"

#include <netdb.h>

#include "lib/log.h"
#include "source/desk.h"
#include "source/source.h"

#define FILES_MAX	4096	/* 64 sources with 32 connections, at most */

/* --- the configuration ------------------------------------------------------------ */

/*
 * Both libraries look for settings in the environment and in files; nothing
 * may come from there.
 */
static void
forget_environment(void)
{
	if (clearenv() != 0 || setenv("LDAPNOINIT", "1", 1) == -1)
		fatalx("cannot empty the environment");
}

static const char *
conf_check(const void *slice, void **prepared)
{
	static bool begun;

	if (!begun)
		forget_environment();
	begun = true;
	return desk_check(slice);
}

static void
conf_use(const void *slice, void *prepared)
{
	desk_conf(slice);
}

/* --- life ------------------------------------------------------------------------- */

static void
peer(enum role role, uint32_t index, int fd)
{
	if (role == ROLE_AUTH)
		desk_peer(fd);
	else if (close(fd) == -1)
		log_warn("close");
}

/* What a look-up of names loads is loaded while it can be. */
static void
before_confine(void)
{
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
		freeaddrinfo(found);
}

static const char *
start(void)
{
	return NULL;
}

/* Threads may be in the libraries: they end with the process. */
static void
stop(void)
{
	desk_stop();
	child_exit();
}

/*
 * Names are looked up by libc, certificates are the system's, GnuTLS has rules
 * of its own. All of it may be read by anybody.
 */
static const char *const readable[] = {
	"/etc", "/run/systemd/resolve", "/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates", "/usr/lib", "/lib", NULL
};

static const struct sandbox sandbox = {
	.readable = readable,
	.connects = true,
	.groups = true,
	.max_files = FILES_MAX,
};

const struct child_ops source_ops = {
	.role = ROLE_SOURCE,
	.name = "source",
	.sandbox = &sandbox,
	.conf_fields = source_conf_fields,
	.conf_size = sizeof(struct source_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.peer = peer,
	.before_confine = before_confine,
	.start = start,
	.stop = stop,
};
