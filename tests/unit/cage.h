/*
 * The sandbox of a program, as it stands in its struct child_ops: each call
 * that an intruder would want is tried from inside and refused, but for those
 * that the program is there to make. TESTING 32.
 */
#ifndef TESTS_UNIT_CAGE_H
#define TESTS_UNIT_CAGE_H

#include "lib/child.h"
#include "lib/log.h"
#include "tests/unit/cage_try.h"

static char cage[] = "/tmp/postern-cage-XXXXXX";
static char cage_own[64], cage_root[64];	/* its directory; an empty one */
static char cage_others[64], cage_new[80];	/* a file of others; none yet */

#define RAW(number, ...) ((int)syscall((number), __VA_ARGS__))

/* What no program may, tables or not. */
TRY(do_accept, accept(0, NULL, NULL))
TRY(do_accept4, accept4(0, NULL, NULL, 0))
TRY(do_listen_any, listen(0, 1))
TRY(do_process_vm_write, RAW(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0))
TRY(do_pidfd_open, RAW(SYS_pidfd_open, getppid(), 0))
TRY(do_pidfd_getfd, RAW(SYS_pidfd_getfd, 0, 0, 0))
TRY(do_pidfd_signal, RAW(SYS_pidfd_send_signal, 0, 0, NULL, 0))
TRY(do_kcmp, RAW(SYS_kcmp, getpid(), getppid(), 0, 0, 0))
TRY(do_tkill, RAW(SYS_tkill, getppid(), 0))
TRY(do_execveat, RAW(SYS_execveat, 0, "", NULL, NULL, 0))
TRY(do_setns, RAW(SYS_setns, 0, 0))
TRY(do_pivot_root, RAW(SYS_pivot_root, "/", "/"))
TRY(do_umount, RAW(SYS_umount2, "/nonesuch", 0))
TRY(do_perf, RAW(SYS_perf_event_open, NULL, 0, 0, 0, 0))
TRY(do_userfaultfd, RAW(SYS_userfaultfd, 0))
TRY(do_module, RAW(SYS_init_module, NULL, 0, ""))
TRY(do_kexec, RAW(SYS_kexec_load, 0, 0, NULL, 0))
TRY(do_syslog, RAW(SYS_syslog, 10, NULL, 0))
TRY(do_personality, RAW(SYS_personality, 0xffffffff))
TRY(do_swapon, RAW(SYS_swapon, "/nonesuch", 0))
TRY(do_by_handle, RAW(SYS_open_by_handle_at, 0, NULL, 0))
TRY(do_fanotify, RAW(SYS_fanotify_init, 0, 0))
TRY(do_quotactl, RAW(SYS_quotactl, 0, NULL, 0, NULL))
TRY(do_acct, RAW(SYS_acct, "/nonesuch"))
TRY(do_add_key, RAW(SYS_add_key, "user", "x", "x", 1, -2))
TRY(do_request_key, RAW(SYS_request_key, "user", "x", NULL, 0))
/* What some are there to do. */
TRY(do_socket_unix, socket(AF_UNIX, SOCK_STREAM, 0))
TRY(do_socketpair, RAW(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL))
/* What files of others are for; permissions would allow it. */
TRY(do_read_others, open(cage_others, O_RDONLY))
TRY(do_write_others, open(cage_others, O_WRONLY))
TRY(do_truncate_others, truncate(cage_others, 0))
TRY(do_unlink_others, unlink(cage_others))
TRY(do_rename_others, rename(cage_others, cage_new))
TRY(do_link_others, link(cage_others, cage_new))
TRY(do_symlink_new, symlink("x", cage_new))
TRY(do_mkdir_new, mkdir(cage_new, 0700))
TRY(do_create_new, open(cage_new, O_WRONLY | O_CREAT, 0600))
TRY(do_mkfifo_new, mknod(cage_new, S_IFIFO | 0600, 0))
TRY(do_list, open(cage, O_RDONLY | O_DIRECTORY))
TRY(do_chmod_others, chmod(cage_others, 0777))
TRY(do_chown_others, chown(cage_others, NOBODY, NOBODY))
TRY(do_proc, open("/proc/self/mem", O_RDWR))
TRY(do_setgid, setgid(0))
TRY(do_device, mknod(cage_new, S_IFCHR | 0600, 0x103))

enum cage_kind {
	NEVER,		/* ends the process, whatever program it is */
	FILES,		/* so with a table; without one Landlock refuses */
	RIGHTS,		/* without one, what root alone may */
	TABLE		/* without one, nobody minds */
};

static const struct cage_try {
	const char *name;
	int	(*what)(void);
	enum cage_kind kind;
	bool	 sanitizer_needs;
} cage_tries[] = {
	{ "accept", do_accept, NEVER, false },
	{ "accept4", do_accept4, NEVER, false },
	{ "listen", do_listen_any, NEVER, false },
	{ "fork", do_fork, NEVER, true },
	{ "execve", do_exec, NEVER, false },
	{ "execveat", do_execveat, NEVER, false },
	{ "ptrace", do_ptrace, NEVER, false },
	{ "kill", do_kill, NEVER, false },
	{ "tkill", do_tkill, NEVER, false },
	{ "tgkill of another", do_kill_other_thread, NEVER, false },
	{ "kcmp", do_kcmp, NEVER, false },
	{ "pidfd_open", do_pidfd_open, NEVER, false },
	{ "pidfd_getfd", do_pidfd_getfd, NEVER, false },
	{ "pidfd_send_signal", do_pidfd_signal, NEVER, false },
	{ "process_vm_readv", do_process_vm, NEVER, false },
	{ "process_vm_writev", do_process_vm_write, NEVER, false },
	{ "chroot", do_chroot, NEVER, false },
	{ "pivot_root", do_pivot_root, NEVER, false },
	{ "unshare", do_unshare, NEVER, false },
	{ "setns", do_setns, NEVER, false },
	{ "mount", do_mount, NEVER, false },
	{ "umount2", do_umount, NEVER, false },
	{ "io_uring_setup", do_io_uring, NEVER, false },
	{ "bpf", do_bpf, NEVER, false },
	{ "perf_event_open", do_perf, NEVER, false },
	{ "userfaultfd", do_userfaultfd, NEVER, false },
	{ "fanotify_init", do_fanotify, NEVER, false },
	{ "open_by_handle_at", do_by_handle, NEVER, false },
	{ "add_key", do_add_key, NEVER, false },
	{ "request_key", do_request_key, NEVER, false },
	{ "keyctl", do_keyctl, NEVER, false },
	{ "init_module", do_module, NEVER, false },
	{ "kexec_load", do_kexec, NEVER, false },
	{ "swapon", do_swapon, NEVER, false },
	{ "acct", do_acct, NEVER, false },
	{ "quotactl", do_quotactl, NEVER, false },
	{ "syslog", do_syslog, NEVER, false },
	{ "personality", do_personality, NEVER, true },
	{ "socket", do_socket, NEVER, false },
	{ "socket of AF_UNIX", do_socket_unix, NEVER, false },
	{ "socketpair", do_socketpair, NEVER, false },
	{ "connect", do_connect, NEVER, false },
	{ "bind", do_bind, NEVER, false },
	{ "open to read", do_read_others, FILES, true },
	{ "open to write", do_write_others, FILES, true },
	{ "a new file", do_create_new, FILES, true },
	{ "a directory's names", do_list, FILES, true },
	{ "/proc/self/mem", do_proc, FILES, true },
	{ "truncate", do_truncate_others, FILES, false },
	{ "unlink", do_unlink_others, FILES, false },
	{ "rename", do_rename_others, FILES, false },
	{ "link", do_link_others, FILES, false },
	{ "symlink", do_symlink_new, FILES, false },
	{ "mkdir", do_mkdir_new, FILES, false },
	{ "mkfifo", do_mkfifo_new, FILES, false },
	{ "a device", do_device, RIGHTS, false },
	{ "chmod", do_chmod_others, RIGHTS, false },
	{ "chown", do_chown_others, RIGHTS, false },
	{ "setuid", do_setuid, RIGHTS, false },
	{ "setgid", do_setgid, RIGHTS, false },
	{ "prctl", do_prctl, TABLE, true },
	{ "ioctl TIOCSTI", do_sti, TABLE, false },
	{ "mmap for execution", do_exec_page, TABLE, true },
	{ "mprotect for execution", do_exec_protect, TABLE, true },
};

static bool
cage_may(const char *const *may, const char *name)
{
	while (*may != NULL && strcmp(*may, name) != 0)
		may++;
	return *may != NULL;
}

static void
cage_try(const struct child_ops *ops, const struct sandbox *sb,
    const struct cage_try *t, const char *const *may)
{
	bool table = sb->syscalls != NULL;
	bool landlock = syscall(444, NULL, 0, 1) >= 1;
	int r;

	if ((sanitized && t->sanitizer_needs && table) ||
	    (sanitized && t->kind == NEVER && t->sanitizer_needs) ||
	    (t->kind == TABLE && !table) ||
	    (t->kind == FILES && !table && !landlock))
		return;
	r = inside_child(sb, true, table ? cage_root : "", t->what);
	if (cage_may(may, t->name))
		ok(r >= 0, "%s may: %s", ops->name, t->name);
	else if (table || t->kind == NEVER)
		is_int(r, -SIGSYS, "%s: %s ends it", ops->name, t->name);
	else
		ok(r == EACCES || r == EPERM, "%s: %s is refused (%d)",
		    ops->name, t->name, r);
}

static int
do_write_own(void)
{
	char name[80];
	int fd;

	snprintf(name, sizeof(name), "%s/f", cage_own);
	if ((fd = open(name, O_RDWR | O_CREAT, 0600)) == -1 ||
	    write(fd, "x", 1) != 1 || unlink(name) == -1)
		return errno;
	return 0;
}

static void
cage_make(void)
{
	int fd;

	if (mkdtemp(cage) == NULL)
		exit(1);
	snprintf(cage_own, sizeof(cage_own), "%s/own", cage);
	snprintf(cage_root, sizeof(cage_root), "%s/root", cage);
	snprintf(cage_others, sizeof(cage_others), "%s/others", cage);
	snprintf(cage_new, sizeof(cage_new), "%s/new", cage);
	if (chmod(cage, 0777) == -1 || mkdir(cage_own, 0700) == -1 ||
	    chown(cage_own, NOBODY, NOBODY) == -1 ||
	    mkdir(cage_root, 0755) == -1 ||
	    (fd = open(cage_others, O_WRONLY | O_CREAT, 0666)) == -1 ||
	    write(fd, "secret", 6) != 6 || fchmod(fd, 0666) == -1 ||
	    close(fd) == -1)
		exit(1);
}

/* may: names of cage_tries that the program is there to do. */
static int
cage_main(const struct child_ops *ops, const char *const *may)
{
	/* The configuration says which directory. */
	const char *own[] = { cage_own, NULL };
	struct sandbox sb = *ops->sandbox;
	struct stat st;
	size_t i;

	if (getuid() != 0) {
		puts("1..0 # SKIP only root can give up root");
		return 0;
	}
	log_init("test", -1);
	cage_make();
	if (sb.writable != NULL)
		sb.writable = own;
	for (i = 0; i < nitems(cage_tries); i++)
		cage_try(ops, &sb, &cage_tries[i], may);
	if (sb.writable != NULL)
		is_int(inside_child(&sb, true, "", do_write_own), 0,
		    "%s: its own directory is its own", ops->name);
	ok(stat(cage_others, &st) == 0 && st.st_size == 6 &&
	    (st.st_mode & 0777) == 0666 && st.st_uid == 0,
	    "what others have is as it was");
	ok(unlink(cage_others) == 0 && rmdir(cage_own) == 0 &&
	    rmdir(cage_root) == 0 && rmdir(cage) == 0, "and nothing else is there");
	return tap_done();
}

#endif
