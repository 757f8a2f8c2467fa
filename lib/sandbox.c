/*
 * The order matters: chroot needs root, groups go before the user because
 * afterwards they could not, and the filters come last because they forbid all
 * of the above.
 */
#include "lib/prelude.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <grp.h>

#include "lib/log.h"
#include "lib/sandbox.h"

static void
limit(int what, const char *name, rlim_t n)
{
	struct rlimit rl = { n, n };

	if (setrlimit((__rlimit_resource_t)what, &rl) == -1)
		fatal("cannot set the limit %s", name);
}

void
sandbox_confine(const struct sandbox *sb, uint32_t uid, uint32_t gid,
    const char *chroot_dir, bool enforce)
{
	gid_t group = gid;

	limit(RLIMIT_CORE, "RLIMIT_CORE", 0);
	limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", sb->max_files);
	if (*chroot_dir != '\0' &&
	    (chroot(chroot_dir) == -1 || chdir("/") == -1))
		fatal("cannot change the root directory to %s", chroot_dir);
	if (setgroups(1, &group) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		fatal("cannot become user %u, group %u", uid, gid);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("prctl");
}
