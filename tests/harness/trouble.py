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
from postern import BIN, PATIENCE, SANITIZED, wait_for

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


def chatter(p, since):
    """The most frequent line about what is wrong: (times, line)."""
    counts = {}
    for line in p.log()[since:].splitlines():
        # One line for what happens to a message or a client is no chatter.
        if re.search(r" (accepted|delivered|deferred|waits|refused|end) ",
                     line) or "session=" in line or "peer=" in line:
            continue
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
    tap.ok(wait_for(lambda: set(acked) <= set(subjects(sink))),
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
