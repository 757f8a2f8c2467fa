/*
 * The order matters: chroot needs root, groups go before the user because
 * afterwards they could not, and the filters come last because they forbid all
 * of the above.
 *
 * seccomp: a system call outside base[] and the program's own table ends the
 * process at once; the parent sees SIGSYS, says so and starts another. New
 * code (PROT_EXEC) cannot be mapped. Landlock: no file outside the named
 * directories; processes without a seccomp table reach no TCP port either, and
 * none can signal, or speak over an abstract unix socket to, anybody outside.
 */
#include "lib/prelude.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <time.h>

#include "lib/log.h"
#include "lib/sandbox.h"

/*
 * What every child needs after start: memory, the event loop, channels and
 * descriptors it holds already, clocks, its own end. Nothing in here opens,
 * connects, executes or looks at another process.
 */
static const char *const base[] = {
	/* memory; mmap and mprotect have rules of their own */
	"brk", "madvise", "mremap", "munmap",
	/* descriptors at hand; newfstatat is what glibc makes of fstat() */
	"close", "dup", "fcntl", "fstat", "lseek", "newfstatat", "read",
	"readv", "write", "writev",
	/* the loop and the channels */
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait",
	"eventfd2", "getpeername", "getsockname", "getsockopt", "poll",
	"ppoll", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt",
	"shutdown",
	/* time and chance */
	"clock_getres", "clock_gettime", "clock_nanosleep", "getrandom",
	"gettimeofday", "nanosleep", "time",
	/* threads' locks, signals, who am I, the end */
	"exit", "exit_group", "futex", "getegid", "geteuid", "getgid",
	"getpid", "gettid", "getuid", "membarrier", "restart_syscall",
	"rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sched_getaffinity", "sched_yield", "set_robust_list", "sigaltstack",
	"sysinfo", "uname",
	NULL
};

/*
 * For programs with threads and databases, whose calls depend on the library's
 * version and on what goes wrong: everything but what they never need and an
 * intruder would: the network, programs, other processes, the kernel's doors.
 */
static const char *const forbidden[] = {
	"accept", "accept4", "listen",
	"execve", "execveat", "fork", "vfork",
	"kill", "kcmp", "pidfd_getfd", "pidfd_open", "pidfd_send_signal",
	"process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
	"rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill",
	"bpf", "fanotify_init", "io_uring_enter", "io_uring_register",
	"io_uring_setup", "open_by_handle_at", "perf_event_open",
	"userfaultfd",
	"add_key", "keyctl", "request_key",
	"chroot", "fsconfig", "fsmount", "fsopen", "mount", "mount_setattr",
	"move_mount", "open_tree", "pivot_root", "setns", "umount2",
	"unshare",
	"acct", "delete_module", "finit_module", "init_module",
	"kexec_file_load", "kexec_load", "personality", "quotactl", "reboot",
	"swapoff", "swapon", "syslog",
	NULL
};

/* bind() is for netlink: a resolver asks which kinds of addresses we have. */
static const char *const connecting[] = {
	"bind", "connect", "socket", "socketpair", NULL
};

#ifdef POSTERN_SANITIZED
/* The sanitizers look at their own process to report what they found. */
static const char *const sanitizer_calls[] = {
	"clone", "clone3", "getrlimit", "mmap", "mprotect", "open", "openat",
	"personality", "prctl", "prlimit64", "readlink", "readlinkat", "stat",
	"wait4", NULL
};

/* The leak checker would need /proc and ptrace(), both gone once confined. */
static int confined;
int	 __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return confined;
}
#endif

/* --- limits ------------------------------------------------------------------- */

static void
limit(int what, const char *name, rlim_t n)
{
	struct rlimit rl, had;

	/* Not everywhere may root go beyond what the system grants. */
	if (getrlimit((__rlimit_resource_t)what, &had) == -1)
		fatal("cannot read the limit %s", name);
	if (had.rlim_max < n) {
		log_warnx("sandbox: the system grants %s %llu, not the %llu "
		    "asked for%s", name, (unsigned long long)had.rlim_max,
		    (unsigned long long)n, what == RLIMIT_NOFILE ? ": fewer "
		    "connections are possible at once; more are with "
		    "LimitNOFILE= in the systemd unit, or ulimit -Hn before "
		    "the start" : "");
		n = had.rlim_max;
	}
	rl = (struct rlimit){ n, n };
	if (setrlimit((__rlimit_resource_t)what, &rl) == -1)
		fatal("cannot set the limit %s", name);
}

/* --- seccomp ------------------------------------------------------------------- */

static void
allow_names(scmp_filter_ctx ctx, const char *const *names)
{
	int nr, r;

	for (; *names != NULL; names++) {
		nr = seccomp_syscall_resolve_name(*names);
		if (nr == __NR_SCMP_ERROR)
			fatalx("sandbox: no system call is named %s", *names);
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		if (r != 0 && r != -EDOM && r != -EEXIST) {
			errno = -r;
			fatal("sandbox: cannot allow %s", *names);
		}
	}
}

/* Calls that are harmless with some arguments only. */
static int
allow_some(scmp_filter_ctx ctx)
{
	int r;

	r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect),
		    1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)	/* abort() */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	if (r == 0)	/* libevent asks how much there is to read */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0));
	return r;
}

/* Nothing but the base and these. */
static int
allow(scmp_filter_ctx ctx, const char *const *names)
{
	int r = allow_some(ctx);

	if (r != 0)
		return r;
	allow_names(ctx, base);
	allow_names(ctx, names);
#ifdef POSTERN_SANITIZED
	allow_names(ctx, sanitizer_calls);
#endif
	return 0;
}

static int
forbid_names(scmp_filter_ctx ctx, const char *const *name)
{
	int nr, r = 0;

	for (; r == 0 && *name != NULL; name++) {
		nr = seccomp_syscall_resolve_name(*name);
		r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx,
		    SCMP_ACT_KILL_PROCESS, nr, 0);
		if (r == -EDOM)		/* not on this machine */
			r = 0;
	}
	return r;
}

static int
forbid(scmp_filter_ctx ctx, bool connects)
{
	int r = forbid_names(ctx, forbidden);

	if (r == 0 && !connects)
		r = forbid_names(ctx, connecting);
	if (r == 0)		/* other processes */
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS,
		    SCMP_SYS(tgkill), 1,
		    SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0));
#ifndef POSTERN_SANITIZED
	/* Threads, but no processes; glibc falls back from clone3() to clone(). */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS,
		    SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(clone3), 0);
#endif
	return r;
}

/* Without a table: everything but what is forbidden. */
static void
enter_seccomp(const struct sandbox *sb)
{
	const char *const *names = sb->syscalls;
	scmp_filter_ctx ctx;
	int r;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == -1) {
		log_warnx("sandbox: this kernel has no seccomp; system calls "
		    "are not filtered");
		return;
	}
	ctx = seccomp_init(names == NULL ? SCMP_ACT_ALLOW :
	    SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		fatalx("sandbox: cannot make a filter");
	/* A search tree, for programs with long tables. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = names == NULL ? forbid(ctx, sb->connects) : allow(ctx, names);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r != 0) {
		errno = -r;
		fatal("sandbox: cannot enter seccomp");
	}
}

/* --- Landlock: no glibc wrappers, and headers older than the kernel -------------- */

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_add_rule		445
#define __NR_landlock_restrict_self	446
#endif

struct ll_ruleset {			/* as of ABI 6 */
	uint64_t fs, net, scoped;
};

struct ll_path {
	uint64_t allowed;
	int32_t	 fd;
} __attribute__((packed));

#define LL_VERSION_QUERY	1u
#define LL_RULE_PATH		1
#define LL_FS_EXECUTE		(1ull << 0)
#define LL_FS_READ_FILE		(1ull << 2)
#define LL_FS_READ_DIR		(1ull << 3)
#define LL_FS_MAKE_DEVICES	(1ull << 6 | 1ull << 11) /* char, block */
#define LL_NET_BIND		1ull	/* TCP; ABI 4 */
#define LL_NET_CONNECT		2ull
#define LL_SCOPES		3ull	/* abstract sockets, signals; ABI 6 */

/* File rights by ABI: 13 at first, then REFER, TRUNCATE, (4 none), IOCTL_DEV. */
static uint64_t
ll_fs_rights(long abi)
{
	static const int known[] = { 0, 13, 14, 15, 15, 16 };

	return (1ull << known[abi < 5 ? abi : 5]) - 1;
}

static void
ll_allow(int ruleset, const char *path, uint64_t rights, bool may_miss)
{
	struct ll_path rule = { .allowed = rights };
	struct stat st;

	rule.fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.fd == -1 && may_miss && errno == ENOENT)
		return;
	if (rule.fd == -1 || fstat(rule.fd, &st) == -1)
		fatal("sandbox: cannot open %s", path);
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= LL_FS_READ_FILE;
	if (syscall(__NR_landlock_add_rule, ruleset, LL_RULE_PATH, &rule, 0)
	    == -1)
		fatal("sandbox: cannot allow %s", path);
	close(rule.fd);
}

/* The rules, made while directories can still be opened; -1: no Landlock. */
static int
make_landlock(const struct sandbox *sb)
{
	struct ll_ruleset attr = { 0 };
	size_t size = sizeof(attr.fs);
	const char *const *path;
	long abi;
	int ruleset;

	abi = syscall(__NR_landlock_create_ruleset, NULL, 0, LL_VERSION_QUERY);
	if (abi < 1) {
		log_warnx("sandbox: this kernel has no Landlock; files are "
		    "guarded by user and permissions alone");
		return -1;
	}
	attr.fs = ll_fs_rights(abi);
	if (abi >= 4) {
		/* A seccomp table says by itself who may connect. */
		attr.net = sb->syscalls != NULL ? 0 : LL_NET_BIND |
		    (sb->connects ? 0 : LL_NET_CONNECT);
		size = offsetof(struct ll_ruleset, scoped);
	}
	if (abi >= 6) {
		attr.scoped = LL_SCOPES;
		size = sizeof(attr);
	}
	ruleset = (int)syscall(__NR_landlock_create_ruleset, &attr, size, 0);
	if (ruleset == -1)
		fatal("sandbox: cannot make a Landlock ruleset");
	for (path = sb->writable; path != NULL && *path != NULL; path++)
		ll_allow(ruleset, *path, attr.fs & ~(LL_FS_EXECUTE |
		    LL_FS_MAKE_DEVICES), false);
	for (path = sb->readable; path != NULL && *path != NULL; path++)
		ll_allow(ruleset, *path, LL_FS_READ_FILE | LL_FS_READ_DIR,
		    true);
	return ruleset;
}

static void
enter_landlock(int ruleset)
{
	if (syscall(__NR_landlock_restrict_self, ruleset, 0) == -1)
		fatal("sandbox: cannot enter Landlock");
	close(ruleset);
}

/* --- all of it -------------------------------------------------------------------- */

/* A number that is nobody's name has no groups. */
static int
join_groups(const struct sandbox *sb, uint32_t uid, gid_t gid)
{
	const struct passwd *pw = sb->groups ? getpwuid(uid) : NULL;

	return pw != NULL ? initgroups(pw->pw_name, gid) : setgroups(1, &gid);
}

static void
drop_root(const struct sandbox *sb, uint32_t uid, uint32_t gid)
{
	if (join_groups(sb, uid, gid) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		fatal("cannot become user %u, group %u", uid, gid);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("prctl");
}

void
sandbox_confine(const struct sandbox *sb, uint32_t uid, uint32_t gid,
    const char *chroot_dir, bool enforce)
{
	int landlock = -1;

	tzset();	/* even gmtime_r() opens a file at its first call */
	limit(RLIMIT_CORE, "RLIMIT_CORE", 0);
	limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", sb->max_files);
	if (*chroot_dir != '\0' &&
	    (chroot(chroot_dir) == -1 || chdir("/") == -1))
		fatal("cannot change the root directory to %s", chroot_dir);
	if (enforce)
		landlock = make_landlock(sb);
	drop_root(sb, uid, gid);
	if (!enforce) {
		log_warnx("sandbox off: no seccomp, no Landlock");
		return;
	}
#ifdef POSTERN_SANITIZED
	confined = 1;
#else
	/* After setresuid(): counted against the new user from now on. */
	if (sb->no_processes)
		limit(RLIMIT_NPROC, "RLIMIT_NPROC", 0);
#endif
	if (landlock != -1)
		enter_landlock(landlock);
	enter_seccomp(sb);
}
