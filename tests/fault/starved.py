#!/usr/bin/python3
"""
What the server needs runs out: the disk is full, read-only or past its quota,
there are no descriptors, its own or the kernel's, no memory, a next hop takes
connections and never says a word. It
refuses politely (4yz), loses nothing, recovers by itself, and says so once and
not ten thousand times.

    starved.py [--long]         200 sessions with 25 MB each
"""
import collections
import contextlib
import errno
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
from postern import (BIN, CTL_ENV, PATIENCE, SANITIZED,         # noqa: E402
                     Postern, need_root, wait_for)
from sink import Sink                                           # noqa: E402
from trouble import (Kernel, Load, MemoryGroup, accounted,      # noqa: E402
                     descriptors, fill, limit, message, pid_of,
                     private_mounts, quiet, recovers, restarts, small_disk,
                     spins, subjects, vm_bytes)

LONG = "--long" in sys.argv
ALICE = "alice@example.org"     # as trouble.py has it
BOB = "bob@example.net"
SOON = 'retry-first = "1s" retry-max = "2s"'
DISK_MB = 118                   # six segments, and ballast twice over


def later(line):
    return "450 4.2.0 later"


@contextlib.contextmanager
def waiting(queue, mb=DISK_MB):
    """A queue on a small disk of its own; its next hop says "later"."""
    with Sink() as sink, small_disk(
            mb, queue=queue + " " + SOON + ' segment = "8M"',
            route_options="tls = none") as p:
        p.configure(next_hop=sink.url)
        p.ctl("reload")
        p.account(ALICE, "open-sesame")
        sink.answer["RCPT"] = later
        yield sink, p


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


# --- the disk ------------------------------------------------------------------

def test_nearly_full():
    """Below min-free: no new mail, and what there is goes out."""
    with waiting('min-free = "4M"') as (sink, p):
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
    with waiting('min-free = "1M"') as (sink, p):
        load = Load(p)
        wait_for(lambda: len(load.acked) > 20)
        mark = len(p.log())
        filler = fill(p, 0)
        p.kill("queue")
        tap.ok(wait_for(lambda: sum(int(n) for n in re.findall(
            r"ballast of (\d+) bytes is thrown off", p.log())) == 35 << 20),
               "the ballast is thrown off, a part first")
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
        recovers(load, "with room again", 20)
        accounted(load, sink, "full", mark, 12)


def test_brimful():
    """Its own mail fills the disk: 452 in time, and all of it leaves, once."""
    with waiting('min-free = "0"') as (sink, p):
        names = []
        code = 250
        while code == 250 and len(names) < 400:
            name = "brim-%d" % len(names)
            try:
                p.submit(ALICE, [BOB], message(name, 200000))
                names.append(name)
            except smtplib.SMTPResponseException as e:
                code = e.smtp_code
            except smtplib.SMTPException as e:
                code = getattr(e, "smtp_code", 0)
        tap.equal(code, 452, "full of our own mail: 452 after %d messages" %
                  len(names))
        sink.answer.clear()
        p.ctl("queue", "flush")
        tap.ok(wait_for(lambda: set(names) <= set(subjects(sink))),
               "all of it is delivered")
        wait_for(lambda: not p.queue())     # and written down
        p.kill("queue")
        tap.ok(wait_for(lambda: refused(p) == 250), "then there is room")
        wait_for(lambda: "refused" in subjects(sink))
        tap.equal([s for s in subjects(sink) if s != "refused"],
                  sorted(names), "nothing went twice")


def generation(p):
    """Of the journal's segment that is written."""
    return max(int(n[:16], 16) for n in
               os.listdir(p.dir + "/state/queue/journal") if n[16:] == ".seg")


def churn(p, until):
    """Changes that are written down, until so much of the journal is full."""
    for _ in range(400):
        for verb in ("hold", "release"):
            p.ctl("queue", verb, "--all", "--yes", check=False)
        if until():
            return True
    return False


def taken(sink):
    """How often the next hop has taken what for whom."""
    return collections.Counter(
        (re.search(r"Subject: (\S+)", m.header()).group(1), to)
        for m in sink.messages for to in m.recipients)


def all_leave(p, sink, sent, what):
    """sent: what the next hop is to have, (name, recipient), once."""
    sink.answer.clear()
    p.ctl("queue", "release", "--all", "--yes", check=False)
    p.ctl("queue", "flush", check=False)
    tap.ok(wait_for(lambda: sent <= set(taken(sink))),
           what + ": all of it is delivered")
    wait_for(lambda: not p.queue())     # and written down
    tap.equal([(k, n) for k, n in taken(sink).items() if n > 1], [],
              what + ": once")


def test_no_byte_left():
    """
    In the midst of changes, and of deliveries: the ballast is for them. Others
    write as well; the journal goes on by segments that are used again; a stop
    and a start in it send nothing twice.
    """
    with waiting('min-free = "1M"') as (sink, p):
        many = ["u%03d@example.net" % i for i in range(1000)]
        sent = {("last-%d" % i, to) for i in range(8) for to in many} | \
            {("flight-%d" % i, "f@flight.example") for i in range(12)}
        for i in range(8):
            p.submit(ALICE, many, message("last-%d" % i, 20000))
        gate = threading.Event()
        sink.answer["RCPT"] = lambda line: \
            None if "flight" in line else later(line)
        sink.answer["END"] = lambda line: (gate.wait(PATIENCE * 4), None)[1]
        for i in range(12):
            p.submit(ALICE, ["f@flight.example"], message("flight-%d" % i))
        tap.ok(wait_for(lambda: any(line.startswith("DATA")
                                    for line in sink.lines)), "on its way")
        fill(p, 0)
        tap.ok(churn(p, lambda: "is thrown off" in p.log()),
               "ballast is thrown off")
        tap.ok(wait_for(lambda: refused(p) == 452), "not for new mail")
        fill(p, 0)
        first = generation(p)
        tap.ok(churn(p, lambda: generation(p) >= first + 3),
               "the journal goes on")
        gate.set()
        tap.ok(wait_for(lambda: sum(to == "f@flight.example" for _, to in
                                    taken(sink).elements()) == 12),
               "what is on its way arrives")
        tap.equal(restarts(p), 0, "the queue did not end for that")
        tap.equal(p.stop(), 0, "it stops")
        p.start()
        all_leave(p, sink, sent, "no byte left")
        tap.equal(restarts(p), 0, "the queue did not end for that, either")


def test_no_segment_left():
    """No room for a further segment; in the one there is, mail still leaves."""
    with waiting('min-free = "1M"') as (sink, p):
        many = ["u%03d@example.net" % i for i in range(100)]
        names = ["many-%d" % i for i in range(15)]
        for name in names:
            p.submit(ALICE, many, message(name, 200))
        lock = threading.Lock()

        def large(name):
            with contextlib.suppress(smtplib.SMTPException, OSError):
                p.submit(ALICE, [BOB], message(name, 1500000))
                with lock:
                    names.append(name)
        threads = [threading.Thread(target=large, args=("large-%d" % i,))
                   for i in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

        def no_segment():
            """Else the one that is emptied would be used again each time."""
            fill(p, 4 << 20)
            return "no room for a further segment" in p.log()
        tap.ok(churn(p, no_segment),
               "no segment left, with %d messages" % len(names))
        sent = {(name, to) for name in names for to in (
            many if name.startswith("many") else [BOB])}
        all_leave(p, sink, sent, "no segment left")
        tap.equal(restarts(p), 0, "the queue did not end for that")
        os.unlink(p.dir + "/state/queue/filler")
        tap.ok(wait_for(lambda: os.path.exists(
            p.dir + "/state/queue/journal/next")), "with room there is one")
        # With a part of the ballast, as it may well be now: the rest alone is due.
        with open(p.dir + "/state/queue/ballast", "r+b") as f:
            os.posix_fallocate(f.fileno(), 0, 22 << 20)
            f.truncate(22 << 20)
        fill(p, 38 << 20)
        p.kill("queue")
        tap.ok(wait_for(lambda: refused(p) == 250),
               "no segment left: it starts, and takes mail")


def in_spool(p):
    """Bytes on the disk of bodies that are coming in."""
    spool = p.dir + "/state/queue/spool"
    n = 0
    for name in os.listdir(spool):
        with contextlib.suppress(FileNotFoundError):
            n += os.stat(os.path.join(spool, name)).st_blocks * 512
    return n


def spare(p):
    v = os.statvfs(p.dir + "/state/queue")
    return v.f_bavail * v.f_frsize


def begins(p, size, sent):
    """A session in the midst of a message of that size."""
    c = p.client(login=ALICE)
    for code, said in (c.mail(ALICE, ["size=%d" % size]), c.rcpt(BOB),
                       c.docmd("DATA")):
        if code >= 400:
            raise smtplib.SMTPResponseException(code, said)
    c.sock.sendall(message("large", sent).encode())
    return c


def ends(c):
    c.sock.sendall(b"\r\n.\r\n")
    return c.getreply()[0]


def test_large_in_full():
    """Large messages on their way in, on a disk that has no room for them."""
    with waiting('min-free = "4M"') as (sink, p):
        wait_for(lambda: spare(p) < 80 << 20)   # ballast is aboard
        before = [restarts(p, n) for n in ("smtpd/0", "queue")]
        coming = [begins(p, 8 << 20, 4 << 20) for _ in range(3)]
        tap.ok(wait_for(lambda: in_spool(p) > 10 << 20), "three come in")
        filler = fill(p, 3 << 20)
        tap.ok(wait_for(lambda: in_spool(p) == 0),
               "another fills the disk: they make room")
        tap.equal([ends(c) for c in coming], [452] * 3, "and are refused")
        os.unlink(filler)
        tap.ok(wait_for(lambda: refused(p) == 250), "with room again: 250")
        # More than there is above the floor, each of them small enough.
        least, codes = [spare(p)], collections.Counter()

        def large(i):
            with contextlib.suppress(smtplib.SMTPException, OSError):
                c = begins(p, 10 << 20, 10 << 20)
                least.append(spare(p))
                codes[ends(c)] += 1
        threads = [threading.Thread(target=large, args=(i,))
                   for i in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        tap.ok(codes[250] > 0 and codes[452] > 0,
               "some are taken, some not: %s" % codes)
        tap.ok(min(least) >= 16 << 20, "never more than what is above the "
               "floor: %d MB were left" % (min(least) >> 20))
        tap.equal([restarts(p, n) for n in ("smtpd/0", "queue")], before,
                  "nobody ended")


def test_read_only():
    """As a kernel remounts a disk that fails."""
    # Each start begins a segment, and waiting mail keeps it.
    with waiting('min-free = "1M"', 4 * DISK_MB) as (sink, p):
        load = Load(p)
        wait_for(lambda: len(load.acked) > 20)
        mark = len(p.log())

        def remount():
            p.kill("queue")     # nobody has a file open for writing
            return subprocess.run(["mount", "-o", "remount,ro",
                                   p.dir + "/state/queue"],
                                  stderr=subprocess.DEVNULL).returncode == 0

        tap.ok(wait_for(remount, PATIENCE, 0), "the disk is read-only")

        def settled():
            """What was acknowledged before is noted by then."""
            n = len(load.acked)
            time.sleep(1)
            return len(load.acked) == n
        wait_for(settled)
        n = len(load.acked)
        time.sleep(2)
        tap.equal(len(load.acked), n, "nothing is acknowledged on it")
        subprocess.run(["mount", "-o", "remount,rw", p.dir +
                        "/state/queue"], check=True)
        recovers(load, "writable again", 20)
        sink.answer.clear()
        accounted(load, sink, "read-only", mark, 20)


# --- descriptors ------------------------------------------------------------------

def test_descriptors(sink, p):
    for name in ("queue", "relay", "smtpd"):
        pid = pid_of(p, name)
        sink.messages.clear()
        mark = len(p.log())
        old = limit(pid, "nofile", descriptors(pid))
        load = Load(p, size=300_000)    # a spool file each
        time.sleep(1.5)
        limit(pid_of(p, name), "nofile", old)
        recovers(load, "no descriptors for " + name)
        accounted(load, sink, "no descriptors for " + name, mark, 5)
        tap.equal(restarts(p, name), 0, "nobody ended")


def test_no_spin(sink, p):
    """A client knocks whom smtpd has no descriptor for: it sleeps on."""
    pid = pid_of(p, "smtpd")
    with p.client(login=ALICE):         # has had its turn
        pass
    old = limit(pid, "nofile", descriptors(pid))
    with socket.create_connection(("127.0.0.1", p.port)) as knocking:
        # By either line; once a minute, so perhaps before.
        tap.ok(wait_for(lambda: "out of file descriptors" in p.log() or
                        "Too many open files" in p.log()), "it is told")
        took = spins(pid, 2)
        tap.ok(SANITIZED or took < 0.05, "without a descriptor smtpd takes "
               "%.1f %% of a core" % (took * 100))
        limit(pid, "nofile", old)
        knocking.settimeout(PATIENCE)
        tap.ok(knocking.recv(100)[:4] == b"220 ", "with one it answers")


def test_no_spin_at_the_door(p):
    """The same of posternd, and of posternctl that knocks there."""
    pid = p.process.pid
    mark = len(p.log())
    used = {int(fd) for fd in os.listdir("/proc/%d/fd" % pid)}
    old = limit(pid, "nofile", min(set(range(len(used) + 1)) - used))
    with subprocess.Popen([os.path.join(BIN, "posternctl"), "--socket",
                           p.socket, "status"], stdout=subprocess.DEVNULL,
                          env=CTL_ENV) as knocking:
        tap.ok(p.logged("control: accept", mark), "the door: it is told")
        took = spins(pid, 2)
        tap.ok(SANITIZED or took < 0.05, "without a descriptor posternd "
               "takes %.1f %% of a core" % (took * 100))
        limit(pid, "nofile", old)
        tap.equal(knocking.wait(PATIENCE), 0, "with one it answers")
    quiet(p, mark, 2, "the door")


# --- what the kernel says ------------------------------------------------------------

def test_kernel():
    """The whole machine's table of files is full; a quota is used up."""
    with Sink() as sink:
        p = Postern(next_hop=sink.url, queue=SOON + ' segment = "8M"',
                    limits='message-size = "40M"', route_options="tls = none")
        trouble = Kernel(p)
        with p:
            p.account(ALICE, "open-sesame")
            for error, what in ((errno.ENFILE, "no file for anybody"),
                                (errno.EDQUOT, "a quota is used up")):
                # The second fills the journal, the third needs files.
                for size in (1000, 200_000, 300_000):
                    sink.messages.clear()
                    mark = len(p.log())
                    load = Load(p, size=size)
                    wait_for(lambda: len(load.acked) > 10)
                    trouble(error)
                    time.sleep(2)
                    trouble(0)
                    recovers(load, what)
                    accounted(load, sink, what, mark, 12)
                    tap.equal(restarts(p), 0, "the queue did not end for that")


# --- memory ---------------------------------------------------------------------------

def put(c, text):
    """As it is: smtplib would look through each of the 200 times 25 MB."""
    for code, said in (c.mail(ALICE, ["size=%d" % len(text)]), c.rcpt(BOB),
                       c.docmd("DATA")):
        if code >= 400:
            raise smtplib.SMTPResponseException(code, said)
    c.sock.settimeout(20 * PATIENCE)    # 199 others send as well
    c.sock.sendall(text)
    code, said = c.getreply()
    if code != 250:
        raise smtplib.SMTPResponseException(code, said)


def large_mail(sink, p, sessions, size, what):
    """All of them at once, and nobody ends."""
    sink.messages.clear()
    sink.keep = 1000
    text = message("large", size).encode() + b"\r\n.\r\n"
    clients = [p.client(login=ALICE) for _ in range(sessions)]
    good = []
    before = [restarts(p, n) for n in ("smtpd/0", "queue", "relay/0")]

    def send(c):
        try:
            put(c, text)
            good.append(1)
        except (smtplib.SMTPException, OSError) as e:
            tap.note(str(e))

    threads = [threading.Thread(target=send, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal(len(good), sessions, "%d sessions with %d MB each, %s: all taken"
              % (sessions, size >> 20, what))
    tap.ok(wait_for(lambda: len(sink.messages) == sessions, PATIENCE * 4),
           "all delivered")
    tap.ok(all(m.size > size * 0.98 for m in sink.messages), "whole")
    sink.keep = None
    tap.equal([restarts(p, n) for n in ("smtpd/0", "queue", "relay/0")],
              before, "nobody ended")


LARGE = (200, 25 << 20) if LONG else (30, 4 << 20)


def test_memory(sink, p):
    """Each process at the limit of its address space."""
    for name, more in (("smtpd", 48), ("queue", 32), ("relay", 48)):
        pid = pid_of(p, name)
        limit(pid, "as", vm_bytes(pid) + (more << 20))
    large_mail(sink, p, *LARGE, "with 48 MB of memory to spare")


def test_memory_group(sink, p):
    """For all three, page cache included: the kernel kills who has more."""
    mb = 64 if LONG else 32
    group = MemoryGroup(mb << 20)
    if group.path is None:
        tap.note("no cgroup with memory can be made here: the limits of the "
                 "address space above have to do")
        return
    for name in ("smtpd", "queue", "relay"):
        group.add(pid_of(p, name))
    large_mail(sink, p, *LARGE, "in a cgroup of %d MB" % mb)
    p.stop()
    group.end()


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
    tap.ok(time.monotonic() - began < (60 if SANITIZED else 15),
           "a stop waits for nobody")
    silent.close()


def main():
    need_root()
    private_mounts()
    test_nearly_full()
    test_full()
    test_brimful()
    test_no_byte_left()
    test_no_segment_left()
    test_large_in_full()
    test_read_only()
    with Sink() as sink, Postern(next_hop=sink.url, queue=SOON,
                                 limits='message-size = "40M"',
                                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        test_descriptors(sink, p)
        test_no_spin(sink, p)
        test_no_spin_at_the_door(p)
        if not SANITIZED:       # whose address space is endless
            test_memory(sink, p)
    if not SANITIZED:           # which come before any library
        test_kernel()
        with Sink() as sink, Postern(next_hop=sink.url, queue=SOON,
                                     limits='message-size = "40M"',
                                     route_options="tls = none") as p:
            p.account(ALICE, "open-sesame")
            test_memory_group(sink, p)
    with Sink() as sink, Postern(next_hop=sink.url, queue=SOON,
                                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        test_silent(sink, p)
    tap.done()


main()
