"""
A Postern in trouble: the load that it has meanwhile, what it says about it, and
how what it needs is taken away from it.
"""
import ctypes
import os
import re
import smtplib
import subprocess
import sys
import threading
import time

import tap
from postern import BIN, PATIENCE, SANITIZED, USERS, Postern, wait_for

SENDER, RCPT = "alice@example.org", "bob@example.net"
# What a client may hear: never a refusal for good, 0 for none at all.
FOR_NOW = {250, 421, 451, 452, 454, 0}
LIMITS = {"nofile": "Max open files", "as": "Max address space"}


def message(name, size=1000):
    line = ("x" * 70 + "\r\n") * (size // 72)
    return "Subject: %s\r\n\r\n%s" % (name, line)


def subjects(sink):
    return sorted(re.search(r"Subject: (\S+)", m.header()).group(1)
                  for m in sink.messages)


def complaints(p, since):
    """Lines of the log about what is wrong; not what a message or client met."""
    return [line for line in p.log()[since:].splitlines() if not (
        re.search(r" (accepted|delivered|deferred|waits|refused|end) ", line) or
        "session=" in line or "peer=" in line)]


def chatter(p, since):
    """The most frequent line about what is wrong: (times, line)."""
    counts = {}
    for line in complaints(p, since):
        line = re.sub(r"\d+", "N", line.split("] ", 1)[-1])
        counts[line] = counts.get(line, 0) + 1
    return max(((n, l) for l, n in counts.items()), default=(0, ""))


def quiet(p, since, most, what):
    n, line = chatter(p, since)
    if not tap.ok(n <= most, "%s: told of %d times at most" % (what, most)):
        tap.note("%d times: %s" % (n, line))
    else:
        tap.note("%s: the most frequent line came %d times: %s" % (
            what, n, line[-100:]))


class Load:
    """A few clients that submit without end and note what is said."""

    def __init__(self, p, clients=4, size=1000):
        self.p, self.size = p, size
        self.acked, self.codes, self.going = [], {}, True
        self.threads = [threading.Thread(target=self.run, args=(i,),
                                         daemon=True) for i in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, i):
        n, client = 0, None
        while self.going:
            n += 1
            name = "load-%d-%d" % (i, n)
            try:
                client = client or self.p.client(login=SENDER)
                client.sendmail(SENDER, [RCPT], message(name, self.size))
                self.acked.append(name)
                self.note(250)
            except smtplib.SMTPResponseException as e:
                self.note(e.smtp_code)
                client = None
            except (smtplib.SMTPException, OSError):
                self.note(0)            # closed
                client = None
            time.sleep(0.05)

    def note(self, code):
        self.codes[code] = self.codes.get(code, 0) + 1

    def end(self):
        self.going = False
        for t in self.threads:
            t.join(PATIENCE)
        return self.acked


def accounted(load, sink, what, mark=None, most=0):
    """
    The load's end: each refusal was for now, all that was acknowledged arrives,
    and since mark the log has told of it so many times at most.
    """
    acked = load.end()
    tap.ok(wait_for(lambda: set(acked) <= set(subjects(sink)), PATIENCE * 4),
           what + ": all that was acknowledged is delivered")
    tap.note("answers: %s" % load.codes)
    tap.ok(set(load.codes) <= FOR_NOW, what + ": each refusal was for now")
    if mark is not None:
        quiet(load.p, mark, most, what)


def recovers(load, what, more=5):
    """Mail is taken again, nothing else to be done."""
    n = len(load.acked)
    return tap.ok(wait_for(lambda: len(load.acked) > n + more, PATIENCE * 2),
                  what + ": it recovers by itself")


def restarts(p, name="queue"):
    return sum(" %s ended" % name in l or " %s took" % name in l
               for l in p.log().splitlines())


# --- processes and their limits ------------------------------------------------

def private_mounts():
    """What is mounted from here on is ours alone and ends with us."""
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 1 << 18
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newns) != 0 or \
            libc.mount(b"none", b"/", None, ms_rec | ms_private, None) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace")


def limit(pid, what, soft):
    """
    As the process's own user, who may do that without more rights than a
    container has.
    """
    with open("/proc/%d/status" % pid) as f:
        ids = dict(l.split(":", 1) for l in f)
    with open("/proc/%d/limits" % pid) as f:
        old = next(l[26:47].strip() for l in f if l.startswith(LIMITS[what]))
    subprocess.run(["prlimit", "--pid", str(pid), "--%s=%s:" % (what, soft)],
                   user=int(ids["Uid"].split()[0]),
                   group=int(ids["Gid"].split()[0]), extra_groups=[],
                   check=True)
    return old


def pid_of(p, name):
    return next(r["pid"] for r in p.processes() if
                r["name"].split("/")[0] == name)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def vm_bytes(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(l.split()[1]) for l in f if
                    l.startswith("VmSize")) * 1024


def spins(pid, seconds):
    """The part of a core that it takes for so long."""
    before, began = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(pid) - before) / (time.monotonic() - began)


class MemoryGroup:
    """A cgroup with so much memory for these processes; swap is none of it."""

    def __init__(self, limit):
        self.path = None
        for path, self.limit_file, self.events, self.key in self.places():
            if not os.access(path, os.W_OK):
                continue
            group = os.path.join(path, "postern-test-%d" % os.getpid())
            try:
                os.mkdir(group)
                self.path = group
                self.write(self.limit_file, limit)
                return
            except OSError as e:
                tap.note("%s: %s" % (path, e))
                self.end()

    @staticmethod
    def places():
        """Of cgroup v2 and v1, those where we are."""
        with open("/proc/self/cgroup") as f:
            for line in f:
                _, kinds, path = line.rstrip("\n").split(":", 2)
                if kinds == "":
                    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                        yield top + path, "memory.max", "memory.events", \
                            "oom_kill"
                elif "memory" in kinds.split(","):
                    yield "/sys/fs/cgroup/memory" + path, \
                        "memory.limit_in_bytes", "memory.oom_control", \
                        "oom_kill"

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def add(self, pid):
        self.write("cgroup.procs", pid)

    def end(self):
        """Its processes are gone, or soon will be."""
        if self.path:
            wait_for(self.gone, 5)
            self.path = None

    def gone(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False


# --- the disk --------------------------------------------------------------------

def small_disk(mb, **settings):
    """A Postern, not yet started, whose queue has a disk of its own."""
    p = Postern(**settings)
    os.makedirs(p.dir + "/state/queue", 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    "size=%dm,mode=700,uid=%d,gid=%d" % (
                        mb, USERS["queue"], USERS["queue"]),
                    "tmpfs", p.dir + "/state/queue"], check=True)
    return p


def fill(p, leave):
    """A file on the queue's disk until so many bytes are left."""
    path = p.dir + "/state/queue/filler"
    with open(path, "ab") as f:
        os.chown(path, USERS["queue"], USERS["queue"])  # or it does not start
        while True:
            v = os.statvfs(p.dir + "/state/queue")
            free = v.f_bavail * v.f_frsize
            if free <= leave:
                return path
            try:
                f.write(b"\1" * min(free - leave, 1 << 20))
                f.flush()
            except OSError:
                return path


# --- calls to the kernel -----------------------------------------------------------

def shimmed(p, names, source, env):
    """
    These programs of a Postern that is not yet started run with a library
    between them and libc: its source, and a file that it knows from env.
    """
    control = os.path.join(p.dir, env.lower())
    shim = control + ".so"
    programs = os.path.join(p.dir, "bin")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, "-xc", "-",
                    "-ldl"], input=source, text=True, check=True)
    os.mkdir(programs)
    for name in os.listdir(BIN):
        real, mine = os.path.realpath(os.path.join(BIN, name)), \
            os.path.join(programs, name)
        if name not in names:
            os.symlink(real, mine)
            continue
        with open(mine, "w") as f:
            f.write('#!/bin/sh\n%s=%s LD_PRELOAD=%s exec %s "$@"\n' %
                    (env, control, shim, real))
        os.chmod(mine, 0o755)
    with open(p.conf_path) as f:
        text = f.read()
    with open(p.conf_path, "w") as f:
        f.write(text.replace('program-dir = "%s"' % BIN,
                             'program-dir = "%s"' % programs))
    return control


SHIM = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
static volatile int *trouble;	/* an errno, negative: of a sync; or 0 */
__attribute__((constructor)) static void
begin(void)
{
	int fd = open(getenv("TROUBLE"), O_RDONLY);
	trouble = mmap(NULL, sizeof(*trouble), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
}
/* The table of open files is full for all; a quota forbids a new one. */
static int
no_file(int flags)
{
	int e = trouble == NULL ? 0 : *trouble;
	if (e != ENFILE && (e != EDQUOT || (flags & O_CREAT) == 0))
		return 0;
	errno = e;
	return 1;
}
/* EDQUOT: what a file has it keeps; it does not grow. EIO: nothing is written. */
static int
no_write(int fd, off_t end)
{
	struct stat st;
	int e = trouble == NULL ? 0 : *trouble;
	if ((e != EDQUOT && e != EIO) || fstat(fd, &st) == -1 ||
	    !S_ISREG(st.st_mode) || (e == EDQUOT && end <= st.st_size))
		return 0;
	errno = e;
	return 1;
}
#define SYNC(name) int name(int fd) \
{ \
	static int (*real)(int); \
	if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name); \
	return trouble != NULL && *trouble == -EIO ? (errno = EIO, -1) : \
	    real(fd); \
}
SYNC(fsync)
SYNC(fdatasync)
#define OPEN(name) int name(const char *path, int flags, ...) \
{ \
	static int (*real)(const char *, int, ...); \
	va_list ap; int mode; \
	va_start(ap, flags); mode = va_arg(ap, int); va_end(ap); \
	if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name); \
	return no_file(flags) ? -1 : real(path, flags, mode); \
}
OPEN(open)
OPEN(open64)
#define PWRITE(name) ssize_t name(int fd, const void *p, size_t n, off_t at) \
{ \
	static ssize_t (*real)(int, const void *, size_t, off_t); \
	if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name); \
	return no_write(fd, at + n) ? -1 : real(fd, p, n, at); \
}
PWRITE(pwrite)
PWRITE(pwrite64)
ssize_t
write(int fd, const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "write");
	return no_write(fd, lseek(fd, 0, SEEK_CUR) + n) ? -1 : real(fd, p, n);
}
int
accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	static int (*real)(int, struct sockaddr *, socklen_t *, int);
	if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "accept4");
	return trouble != NULL && *trouble == ENFILE ? (errno = ENFILE, -1) :
	    real(fd, sa, len, flags);
}
int
socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);
	if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "socket");
	return trouble != NULL && *trouble == ENFILE ? (errno = ENFILE, -1) :
	    real(domain, type, protocol);
}
'''


class Kernel:
    """
    What the kernel says to smtpd, queue and relay of a Postern that is not yet
    started: trouble(ENFILE), EDQUOT, EIO of a write, -EIO of a sync; 0: nothing.
    """

    def __init__(self, p):
        self.control = shimmed(p, ("postern-smtpd", "postern-queue",
                                   "postern-relay"), SHIM, "TROUBLE")
        with open(self.control, "wb") as f:
            f.write(bytes(4))

    def __call__(self, error):
        with open(self.control, "r+b") as f:
            f.write(error.to_bytes(4, sys.byteorder, signed=True))
