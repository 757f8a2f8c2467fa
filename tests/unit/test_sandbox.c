/* lib/sandbox: what is forbidden is tried from inside, one process per try. */
#include "lib/prelude.h"

#include <sys/resource.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#include "lib/log.h"
#include "tests/unit/cage_try.h"

static char dir[] = "/tmp/postern-sandbox-XXXXXX";
static char inside[64], outside[64];
static const char *writable[] = { inside, NULL };
static const char *const no_calls[] = { NULL };
static const char *const some_calls[] = { "accept4", "socket", NULL };

static const struct sandbox tight = { .syscalls = no_calls, .max_files = 64,
    .no_processes = true };
static const struct sandbox listed = { .syscalls = some_calls,
    .max_files = 64 };
static const struct sandbox filed = { .writable = writable, .max_files = 64 };
static const char *readable[] = { "/etc/passwd", "/no/such/file", inside,
    NULL };
static const struct sandbox reaching = { .readable = readable,
    .connects = true, .max_files = 64 };

TRY(do_open, open("/etc/passwd", O_RDONLY))
TRY(do_openat, (int)syscall(SYS_openat, AT_FDCWD, "x", O_RDONLY))
TRY(do_unlink, unlink("x"))
TRY(do_chmod, chmod("x", 0777))

/* The daily work of a child must go on; FIONREAD on /dev/null is ENOTTY. */
static int
do_daily_work(void)
{
	char *p = malloc(1 << 20);
	int n;

	if (p == NULL)
		return ENOMEM;
	memset(p, 1, 1 << 20);
	free(p);
	if (ioctl(0, FIONREAD, &n) == -1 && errno != ENOTTY)
		return errno;
	return fcntl(0, F_DUPFD_CLOEXEC, 0) == -1 ? errno : 0;
}

static int
write_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1)
		return errno;
	return write(fd, "x", 1) == 1 && close(fd) == 0 ? 0 : errno;
}

static int
do_write_inside(void)
{
	char a[128], b[128];
	int r;

	snprintf(a, sizeof(a), "%s/a", inside);
	snprintf(b, sizeof(b), "%s/b", inside);
	r = write_file(a);
	if (r == 0 && rename(a, b) == -1)
		r = errno;
	return r == 0 && truncate(b, 0) == -1 ? errno : r;
}

static int
do_write_outside(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/a", outside);
	return write_file(name);
}

static int
do_tcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(9) };
	int s = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s == -1)
		return errno;
	return connect(s, (struct sockaddr *)&sin, sizeof(sin)) == -1 ?
	    errno : 0;
}

static int
do_listen(void)
{
	return listen(socket(AF_INET, SOCK_STREAM, 0), 1) == -1 ? errno : 0;
}

static int
do_open_another(void)
{
	return open("/etc/group", O_RDONLY) == -1 ? errno : 0;
}

static int
do_id(void)
{
	return getuid() == NOBODY && geteuid() == NOBODY &&
	    getgid() == NOBODY && getegid() == NOBODY ? 0 : EPERM;
}

static int
do_groups(void)
{
	gid_t g[8];

	return getgroups(8, g) == 1 && g[0] == NOBODY ? 0 : EPERM;
}

static int
do_files_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return errno;
	return rl.rlim_cur == 64 && rl.rlim_max == 64 ? 0 : EINVAL;
}

/* --- running it ------------------------------------------------------------------------- */

static void
test_killed(void)
{
	static const struct {
		const char *name;
		int	(*what)(void);
		bool	 sanitizer_needs;
	} calls[] = {
		{ "open", do_open, true },
		{ "openat", do_openat, true },
		{ "socket", do_socket, false },
		{ "connect", do_connect, false },
		{ "bind", do_bind, false },
		{ "fork", do_fork, true },
		{ "execve", do_exec, false },
		{ "ptrace", do_ptrace, false },
		{ "kill", do_kill, false },
		{ "unlink", do_unlink, false },
		{ "chmod", do_chmod, false },
		{ "setuid", do_setuid, false },
		{ "chroot", do_chroot, false },
		{ "unshare", do_unshare, false },
		{ "prctl", do_prctl, true },
		{ "io_uring_setup", do_io_uring, false },
		{ "bpf", do_bpf, false },
		{ "mount", do_mount, false },
		{ "keyctl", do_keyctl, false },
		{ "process_vm_readv", do_process_vm, false },
		{ "ioctl TIOCSTI", do_sti, false },
		{ "mmap for execution", do_exec_page, true },
		{ "mprotect for execution", do_exec_protect, true },
	};
	size_t i;

	for (i = 0; i < nitems(calls); i++)
		if (!sanitized || !calls[i].sanitizer_needs)
			is_int(inside_child(&tight, true, dir, calls[i].what),
			    -SIGSYS, "%s ends the process", calls[i].name);
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
do_thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, nothing, NULL);

	return r != 0 ? r : pthread_join(t, NULL);
}

static int
do_abort(void)
{
	abort();
}

/* Without a table of its own: auth and queue. */
static void
test_forbidden(void)
{
	static const struct {
		const char *name;
		int	(*what)(void);
		bool	 sanitizer_needs;
	} calls[] = {
		{ "socket", do_socket, false },
		{ "connect", do_connect, false },
		{ "bind", do_bind, false },
		{ "fork", do_fork, true },
		{ "execve", do_exec, false },
		{ "ptrace", do_ptrace, false },
		{ "kill", do_kill, false },
		{ "tgkill of another", do_kill_other_thread, false },
		{ "chroot", do_chroot, false },
		{ "unshare", do_unshare, false },
		{ "io_uring_setup", do_io_uring, false },
		{ "bpf", do_bpf, false },
		{ "mount", do_mount, false },
		{ "keyctl", do_keyctl, false },
		{ "process_vm_readv", do_process_vm, false },
		{ "TCP", do_tcp, false },
	};
	size_t i;

	for (i = 0; i < nitems(calls); i++)
		if (!sanitized || !calls[i].sanitizer_needs)
			is_int(inside_child(&filed, true, "", calls[i].what),
			    -SIGSYS, "no table: %s ends the process",
			    calls[i].name);
	is_int(inside_child(&filed, true, "", do_thread), 0,
	    "no table: threads may begin");
	is_int(inside_child(&filed, true, "", do_abort), -SIGABRT,
	    "no table: abort() is not taken for a crime");
	is_int(inside_child(&tight, true, dir, do_abort), -SIGABRT,
	    "nor with one");
	is_int(inside_child(&tight, true, dir, do_kill_other_thread), -SIGSYS,
	    "tgkill of another ends the process");
}

/* What may open connections: source. */
static void
test_reaching(void)
{
	is_int(inside_child(&reaching, true, "", do_tcp), ECONNREFUSED,
	    "connections: may be tried");
	is_int(inside_child(&reaching, true, "", do_thread), 0,
	    "connections: threads may begin");
	is_int(inside_child(&reaching, true, "", do_listen), -SIGSYS,
	    "connections: none are taken");
	is_int(inside_child(&reaching, true, "", do_exec), -SIGSYS,
	    "connections: no programs");
	is_int(inside_child(&reaching, true, "", do_open), 0,
	    "connections: a file that may be read");
}

static void
test_allowed(void)
{
	is_int(inside_child(&tight, true, dir, do_daily_work), 0,
	    "memory, descriptors and FIONREAD go on");
	is_int(inside_child(&tight, true, dir, do_id), 0, "root is gone");
	is_int(inside_child(&listed, true, dir, do_socket), 0,
	    "a call of the program's own table");
	is_int(inside_child(&listed, true, dir, do_connect), -SIGSYS,
	    "and no other with it");
	is_int(inside_child(&tight, false, "", do_open), 0,
	    "sandbox off: no filter");
	is_int(inside_child(&tight, false, "", do_id), 0,
	    "sandbox off: root is gone all the same");
	is_int(inside_child(&tight, false, "", do_groups), 0,
	    "one group is left");
	is_int(inside_child(&tight, false, "", do_files_limit), 0,
	    "the limit of descriptors");
}

static void
test_landlock(void)
{
	long abi = syscall(444, NULL, 0, 1);	/* landlock_create_ruleset */

	is_int(inside_child(&filed, true, "", do_write_inside), 0,
	    "files where they are allowed");
	is_int(inside_child(&filed, false, "", do_write_outside), 0,
	    "sandbox off: permissions alone");
	if (abi < 1)
		return;
	is_int(inside_child(&filed, true, "", do_write_outside), EACCES,
	    "none elsewhere, whatever the permissions");
	is_int(inside_child(&filed, true, "", do_open), EACCES,
	    "none to read either");
	is_int(inside_child(&reaching, true, "", do_open_another), EACCES,
	    "connections: no other file is read");
	is_int(inside_child(&reaching, true, "", do_write_inside), EACCES,
	    "connections: what is read is not written");
}

static void
tidy(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/b", inside);
	ok(unlink(name) == 0, "the file inside is there");
	snprintf(name, sizeof(name), "%s/a", outside);
	ok(unlink(name) == 0, "the file of the unconfined process is there");
	ok(rmdir(inside) == 0 && rmdir(outside) == 0 && rmdir(dir) == 0,
	    "and nothing else");
}

int
main(void)
{
	if (getuid() != 0) {
		puts("1..0 # SKIP only root can give up root");
		return 0;
	}
	log_init("test", -1);
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(inside, sizeof(inside), "%s/in", dir);
	snprintf(outside, sizeof(outside), "%s/out", dir);
	if (chmod(dir, 0755) == -1 || mkdir(inside, 0700) == -1 ||
	    mkdir(outside, 0700) == -1 ||
	    chown(inside, NOBODY, NOBODY) == -1 ||
	    chown(outside, NOBODY, NOBODY) == -1)
		return 1;
	test_killed();
	test_forbidden();
	test_reaching();
	test_allowed();
	test_landlock();
	tidy();
	return tap_done();
}
