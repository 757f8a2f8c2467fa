/*
 * sandbox: the one file that takes power away. proc_confine() changes the root
 * directory, drops groups then user, sets limits, forbids new privileges and
 * enters seccomp and Landlock, in that order and the same for every child.
 */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox {
	const char *const *syscalls; /* allowed, by name, NULL at the end, on top
					of the base table (memory, event loop,
					channels, time, exit); NULL: all but the
					network, programs, other processes and
					the kernel's doors */
	const char *const *writable; /* Landlock: directories (after chroot) that
					may be used, NULL at the end; NULL: no
					files at all */
	const char *const *readable; /* Landlock: files and directories that may
				be read, NULL at the end; those that are missing
				are left out */
	bool	 connects;	/* without a table: may open connections; takes
				none all the same */
	bool	 groups;	/* keeps what the user is a member of, beside its
					own group */
	uint32_t max_files;	/* RLIMIT_NOFILE */
	bool	 no_processes;	/* RLIMIT_NPROC 0: for single-threaded children */
};

/*
 * A call that is not allowed ends the process with SIGSYS. A process without a
 * table gets no TCP from Landlock either (or none that listens), where the
 * kernel's can forbid that.
 * chroot_dir "" leaves the root. enforce false logs what was left out and
 * still drops user and root. Ends the process when something that was asked
 * for fails, except for kernels without seccomp or Landlock: one line logged.
 */
void	 sandbox_confine(const struct sandbox *, uint32_t uid, uint32_t gid,
	    const char *chroot_dir, bool enforce);

#endif
