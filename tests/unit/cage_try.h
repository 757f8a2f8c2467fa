/*
 * What is tried from inside a sandbox, one process per try: for test_sandbox
 * and for test_cage_*, which do so with the sandboxes in use.
 */
#ifndef TESTS_UNIT_CAGE_TRY_H
#define TESTS_UNIT_CAGE_TRY_H

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "lib/sandbox.h"
#include "tests/tap.h"

#define NOBODY 65534

#ifdef POSTERN_SANITIZED
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* --- what is tried: 0 when it worked, else errno ------------------------------------- */

#define TRY(name, call)							\
static int								\
name(void)								\
{									\
	return (call) == -1 ? errno : 0;				\
}

TRY(do_socket, socket(AF_INET, SOCK_STREAM, 0))
TRY(do_connect, connect(0, NULL, 0))
TRY(do_bind, bind(0, NULL, 0))
TRY(do_fork, fork())
TRY(do_exec, execl("/bin/true", "true", (char *)NULL))
TRY(do_ptrace, (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL))
TRY(do_kill, kill(getppid(), 0))
TRY(do_setuid, setuid(0))
TRY(do_chroot, chroot("/"))
TRY(do_unshare, unshare(CLONE_NEWUSER))
TRY(do_prctl, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(do_io_uring, (int)syscall(SYS_io_uring_setup, 1, NULL))
TRY(do_bpf, (int)syscall(SYS_bpf, 0, NULL, 0))
TRY(do_mount, (int)syscall(SYS_mount, "x", "/", "x", 0, NULL))
TRY(do_keyctl, (int)syscall(SYS_keyctl, 0, 0, 0, 0, 0))
TRY(do_process_vm, (int)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0))
TRY(do_sti, ioctl(0, TIOCSTI, "x"))
TRY(do_exec_page, mmap(NULL, 4096, PROT_READ | PROT_EXEC,
    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0)

static int
do_exec_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return errno;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) == -1 ? errno : 0;
}

static int
do_kill_other_thread(void)
{
	return (int)syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 ?
	    errno : 0;
}

/* 0 for success, errno, or minus the signal that ended it. */
static int
inside_child(const struct sandbox *sb, bool enforce, const char *root,
    int (*what)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		if (null == -1 || dup2(null, 0) == -1 || dup2(null, 2) == -1)
			_exit(200);
		sandbox_confine(sb, NOBODY, NOBODY, root, enforce);
		_exit(what());
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return ECHILD;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
