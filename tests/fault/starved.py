#!/usr/bin/python3
"""
What the server needs runs out: the disk is full or read-only, there are no
descriptors, no memory, a next hop takes connections and never says a word. It
refuses politely (4yz), loses nothing, recovers by itself, and says so once and
not ten thousand times.

    starved.py [--long]         200 sessions with 25 MB each
"""
import ctypes
import os
import re
import smtplib
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from postern import (Postern, PATIENCE, SANITIZED, USERS,       # noqa: E402
                     need_root, wait_for)
from sink import Sink                                           # noqa: E402

LONG = "--long" in sys.argv
ALICE = "alice@example.org"
BOB = "bob@example.net"
SOON = 'retry-first = "1s" retry-max = "2s"'
DISK_MB = 64
LIMITS = {"nofile": "Max open files", "as": "Max address space"}


def private_mounts():
    """What is mounted from here on is ours alone and ends with us."""
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 1 << 18
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newns) != 0 or \
            libc.mount(b"none", b"/", None, ms_rec | ms_private, None) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace")


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
                client = client or self.p.client(login=ALICE)
                client.sendmail(ALICE, [BOB], message(name, self.size))
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


def fill(p, leave):
    """A file on the queue's disk until so many bytes are left."""
    path = p.dir + "/state/queue/filler"
    with open(path, "ab") as f:
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


def small_disk(queue):
    p = Postern(next_hop=None, queue=queue + " " + SOON + ' segment = "8M"',
                route_options="tls = none")
    os.makedirs(p.dir + "/state/queue", 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    "size=%dm,mode=700,uid=%d,gid=%d" % (
                        DISK_MB, USERS["queue"], USERS["queue"]),
                    "tmpfs", p.dir + "/state/queue"], check=True)
    return p


def refused(p):
    """The code of the first refusal of a message, or 250."""
    try:
        p.submit(ALICE, [BOB], message("refused"))
        return 250
    except smtplib.SMTPSenderRefused as e:
        return e.smtp_code
    except smtplib.SMTPResponseException as e:
        return e.smtp_code
    except (smtplib.SMTPException, OSError):
        return 0


def disk_low(p):
    return next(r["count"] for r in p.rows("status")
                if r.get("name") == "disk_low")


def restarts(p, name="queue"):
    return sum(" %s ended" % name in l or " %s took" % name in l
               for l in p.log().splitlines())


# --- the disk ------------------------------------------------------------------

def test_nearly_full():
    """Below min-free: no new mail, and what there is goes out."""
    with Sink() as sink, small_disk('min-free = "4M"') as p:
        p.configure(next_hop=sink.url)
        p.ctl("reload")
        p.account(ALICE, "open-sesame")
        sink.answer["RCPT"] = lambda line: "450 4.2.0 later"
        for i in range(10):
            p.submit(ALICE, [BOB], message("before-%d" % i))
        mark = len(p.log())
        filler = fill(p, 2 << 20)
        tap.ok(wait_for(lambda: refused(p) == 452), "nearly full: 452")
        for _ in range(30):
            refused(p)
        sink.answer.clear()
        tap.equal(disk_low(p), 1, "status tells")
        before = {"before-%d" % i for i in range(10)}
        tap.ok(wait_for(lambda: before <= set(subjects(sink))),
               "what was accepted is delivered meanwhile")
        os.unlink(filler)
        tap.ok(wait_for(lambda: refused(p) == 250),
               "with room again mail is taken, nothing else to be done")
        tap.ok(wait_for(lambda: disk_low(p) == 0), "status, too")
        quiet(p, mark, 3, "nearly full")
        tap.equal(restarts(p), 0, "the queue did not end for that")


def test_full():
    """Not a byte left, under load, and a kill -9 of the queue."""
    with Sink() as sink, small_disk('min-free = "1M"') as p:
        p.configure(next_hop=sink.url)
        p.ctl("reload")
        p.account(ALICE, "open-sesame")
        sink.answer["RCPT"] = lambda line: "450 4.2.0 later"
        load = Load(p)
        wait_for(lambda: len(load.acked) > 20)
        mark = len(p.log())
        filler = fill(p, 0)
        p.kill("queue")
        tap.ok(wait_for(lambda: "the ballast of 25165824 bytes is thrown "
                        "off" in p.log()), "the ballast is thrown off")
        load.codes.clear()
        tap.ok(wait_for(lambda: load.codes.get(452, 0) > 3),
               "full: 452 under load, as what it freed is not for new mail")
        before = set(load.acked)
        sink.answer.clear()
        tap.ok(wait_for(lambda: before <= set(subjects(sink))),
               "so the queue starts, and mail leaves")
        fill(p, 0)              # what has become free is taken, too
        p.kill("queue")
        time.sleep(1.5)
        os.unlink(filler)
        n = len(load.acked)
        tap.ok(wait_for(lambda: len(load.acked) > n + 20),
               "with room again mail is taken, nothing else to be done")
        acked = load.end()
        tap.ok(wait_for(lambda: set(acked) <= set(subjects(sink))),
               "all that was acknowledged is delivered")
        tap.note("answers: %s" % load.codes)
        tap.ok(set(load.codes) <= {250, 421, 451, 452, 454, 0},
               "each refusal was a temporary one")
        quiet(p, mark, 12, "full")


def test_read_only():
    """As a kernel remounts a disk that fails."""
    with Sink() as sink, small_disk('min-free = "1M"') as p:
        p.configure(next_hop=sink.url)
        p.ctl("reload")
        p.account(ALICE, "open-sesame")
        sink.answer["RCPT"] = lambda line: "450 4.2.0 later"
        load = Load(p)
        wait_for(lambda: len(load.acked) > 20)
        mark = len(p.log())

        def remount():
            p.kill("queue")     # nobody has a file open for writing
            return subprocess.run(["mount", "-o", "remount,ro",
                                   p.dir + "/state/queue"],
                                  stderr=subprocess.DEVNULL).returncode == 0

        tap.ok(wait_for(remount, PATIENCE, 0), "the disk is read-only")
        time.sleep(2)
        bad = dict(load.codes)
        n = len(load.acked)
        time.sleep(1)
        tap.equal(len(load.acked), n, "nothing is acknowledged on it")
        subprocess.run(["mount", "-o", "remount,rw", p.dir +
                        "/state/queue"], check=True)
        tap.ok(wait_for(lambda: len(load.acked) > n + 20, PATIENCE * 2),
               "writable again: mail is taken, nothing else to be done")
        acked = load.end()
        sink.answer.clear()
        tap.ok(wait_for(lambda: set(acked) <= set(subjects(sink))),
               "all that was acknowledged is delivered")
        tap.note("answers: %s" % bad)
        tap.ok(set(load.codes) <= {250, 421, 451, 452, 454, 0},
               "each refusal was a temporary one")
        quiet(p, mark, 20, "read-only")


# --- descriptors ------------------------------------------------------------------

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


def test_descriptors(sink, p):
    for name in ("queue", "relay"):
        pid = pid_of(p, name)
        sink.messages.clear()
        mark = len(p.log())
        before = cpu(pid)
        old = limit(pid, "nofile", descriptors(pid))
        load = Load(p, size=300_000)    # a spool file each
        time.sleep(1.5)
        limit(pid_of(p, name), "nofile", old)
        spent = cpu(pid_of(p, name)) - before
        n = len(load.acked)
        tap.ok(wait_for(lambda: len(load.acked) > n + 5),
               "no descriptors for %s: it recovers" % name)
        acked = load.end()
        tap.ok(wait_for(lambda: set(acked) <= set(subjects(sink))),
               "all that was acknowledged is delivered")
        tap.note("answers: %s" % load.codes)
        tap.ok(set(load.codes) <= {250, 421, 451, 452, 0},
               "each refusal was a temporary one")
        tap.ok(SANITIZED or spent < 2, "it does not spin")
        quiet(p, mark, 5, "no descriptors for %s" % name)


# --- memory ---------------------------------------------------------------------------

def vm_bytes(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(l.split()[1]) for l in f if
                    l.startswith("VmSize")) * 1024


def test_memory(sink, p):
    """Large mail in many sessions at once, each process at its limit."""
    sessions, size = (200, 25 << 20) if LONG else (30, 4 << 20)
    for name, more in (("smtpd", 48), ("queue", 32), ("relay", 48)):
        pid = pid_of(p, name)
        limit(pid, "as", vm_bytes(pid) + (more << 20))
    sink.messages.clear()
    text = message("large", size)
    clients = [p.client(login=ALICE) for _ in range(sessions)]
    good = []

    def send(c):
        try:
            c.sendmail(ALICE, [BOB], text)
            good.append(1)
        except (smtplib.SMTPException, OSError) as e:
            tap.note(str(e))

    threads = [threading.Thread(target=send, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal(len(good), sessions, "%d sessions with %d MB each: all taken, "
              "with 48 MB of memory to spare" % (sessions, size >> 20))
    tap.ok(wait_for(lambda: len(sink.messages) == sessions, PATIENCE * 4),
           "all delivered")
    tap.ok(all(len(m.content) > size * 0.98 for m in sink.messages), "whole")
    tap.equal(sum(restarts(p, n) for n in ("smtpd/0", "queue", "relay/0")), 0,
              "nobody ended")


# --- a next hop that says nothing ---------------------------------------------------------

def test_silent(sink, p):
    """It takes connections and never says a word; others go on."""
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(500)
    sink.messages.clear()
    p.configure(top='route silent { next-hop = "smtp://127.0.0.1:%d" '
                'tls = none senders = {"carol@example.org"} }' %
                silent.getsockname()[1])
    p.ctl("reload")
    p.account("carol@example.org", "open-sesame")
    mark = len(p.log())
    with p.client(login="carol@example.org") as c:
        for i in range(300):
            c.sendmail("carol@example.org", [BOB], message("silent-%d" % i))
    began = time.monotonic()
    for i in range(20):
        p.submit(ALICE, [BOB], message("other-%d" % i))
    tap.ok(wait_for(lambda: len(sink.messages) == 20),
           "beside 300 messages for a silent next hop others are delivered")
    took = time.monotonic() - began
    tap.ok(SANITIZED or took < 10, "at once (%.1f s)" % took)
    tap.ok(len(p.rows("queue", "list", "from=carol@example.org")) == 300,
           "those for it wait")
    quiet(p, mark, 5, "a silent next hop")
    began = time.monotonic()
    p.stop()
    tap.ok(time.monotonic() - began < PATIENCE / 2, "a stop waits for nobody")
    silent.close()


def main():
    need_root()
    private_mounts()
    test_nearly_full()
    test_full()
    test_read_only()
    with Sink() as sink, Postern(next_hop=sink.url, queue=SOON,
                                 limits='message-size = "40M"',
                                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        test_descriptors(sink, p)
        if not SANITIZED:       # whose address space is endless
            test_memory(sink, p)
    with Sink() as sink, Postern(next_hop=sink.url, queue=SOON,
                                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        test_silent(sink, p)
    tap.done()


main()
