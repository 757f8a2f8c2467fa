/*
 * kill -9 of a running process at its n-th call to the kernel from now on, from
 * outside: it may be confined as it likes.
 *
 *	kill_at HOW N PID [OTHER ...]
 *
 * HOW is "before" (the call is not made) or "past" (it is, and its caller never
 * learns). N may be a number or NAME:number, of calls of that name. OTHERs are killed first, in the order given: a parent that would
 * start others anew goes first. "seized" is printed when the counting begins, and
 * at the end the call's name. Exits with 1 when the process ended by itself.
 */
#include "lib/prelude.h"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <linux/ptrace.h>
#include <seccomp.h>

#define ANY	(-1)		/* call, whatever its name */

static void
die(const char *what)
{
	fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* All threads; those to come are caught by PTRACE_O_TRACECLONE. */
static int
seize(pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if ((d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid > 0 && ptrace(PTRACE_SEIZE, tid, NULL,
		    PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) == 0 &&
		    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0)
			n++;
	}
	closedir(d);
	return n;
}

static void
kill_all(pid_t pid, char **others)
{
	for (; *others != NULL; others++)
		kill((pid_t)strtol(*others, NULL, 10), SIGKILL);
	kill(pid, SIGKILL);
}

static bool
is_entry(pid_t tid, long *nr)
{
	struct __ptrace_syscall_info info;

	/* A thread that is being killed has nothing to tell. */
	if (ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, tid,
	    (void *)sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	*nr = (long)info.entry.nr;
	return true;
}

/* What a stopped thread is told with its next step: its own signals. */
static long
signal_of(int status)
{
	int sig = WSTOPSIG(status);

	return status >> 16 != 0 || sig == (SIGTRAP | 0x80) || sig == SIGTRAP ?
	    0 : sig;
}

/* The number of the call it was killed at, or -1. */
static long
watch(pid_t pid, bool past, long name, unsigned long n, char **others)
{
	unsigned long calls = 0;
	pid_t tid, last = 0;
	long nr, met = -1;
	int status;

	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (tid == pid)
				return met;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (tid == last && calls == n) {
				kill_all(pid, others);	/* it is made */
				last = 0;
			} else if (is_entry(tid, &nr) && calls < n &&
			    (name == ANY || nr == name) && ++calls == n) {
				met = nr;
				last = tid;
				if (!past) {
					kill_all(pid, others);
					last = 0;
				}
			}
		}
		/* It may be dying: then this fails and its end comes next. */
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *)signal_of(status));
	}
	return met;
}

int
main(int argc, char **argv)
{
	pid_t pid;
	long nr, which = ANY;
	char *name, *count;

	if (argc < 4) {
		fprintf(stderr, "usage: kill_at before|past N PID [OTHER ...]\n");
		return 2;
	}
	pid = (pid_t)strtol(argv[3], NULL, 10);
	count = argv[2];
	if ((name = strchr(count, ':')) != NULL) {
		*name = '\0';
		which = seccomp_syscall_resolve_name(count);
		if (which == __NR_SCMP_ERROR)
			die(count);
		count = name + 1;
	}
	if (seize(pid) == 0)
		die("no process to be seized");
	puts("seized");
	fflush(stdout);
	nr = watch(pid, strcmp(argv[1], "past") == 0, which,
	    strtoul(count, NULL, 10), argv + 4);
	if (nr < 0)
		return 1;
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	puts(name != NULL ? name : "?");
	free(name);
	return 0;
}
