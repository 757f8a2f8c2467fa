#!/usr/bin/python3
"""
Soak: real processes at half of the rate that this machine reaches, with a fault
every few seconds: the disk is full to the last byte, a process or the whole machine
has no file descriptors, the next hop refuses, is silent or closes; and, in the last
quarter, of which queue may end, writes or syncs fail with EIO, or no file may grow
(EDQUOT). Faults come in rounds: load, a fault, load, then calm; in each calm

- what was acknowledged has arrived, and what was refused, which clients send again,
  has come once; copies only in rounds in which a process ended;
- nobody has ended but queue by these, nothing bounced, and no client heard a refusal
  for good;
- every process has as many descriptors as in its first calm;
- the log has told of the fault a few times;

and in the end memory has not grown with the number of messages: see Life.slope().

    soak.py [SECONDS]       default 10: each fault once; $POSTERN_SEED
"""
import contextlib
import errno
import os
import random
import signal
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))
import gauge                                                    # noqa: E402
import rig                                                      # noqa: E402
import tap                                                      # noqa: E402
from postern import (PATIENCE, SANITIZED, need_root,            # noqa: E402
                     wait_for)
from trouble import (FOR_NOW, Kernel, chatter, complaints,      # noqa: E402
                     descriptors, fill, limit, pid_of, private_mounts, small_disk)

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10
SEED = int(os.environ.get("POSTERN_SEED", "0")) or random.randrange(1 << 32)
DISK_MB = 160
SESSIONS = 20
PER_SESSION = 50
LARGE = 300_000                 # bytes of each hundredth message: a file each
IDLE = 1                        # seconds that a connection to the hop is kept
SHARE = 0.5                     # of the peak
# Seconds of load before, in and behind a fault, in a soak that is long enough.
LEAD, HOLD, CALM = 3, (1, 5), 8
HOLD_MIN = 0.5                  # so that it is felt
# Times a line may be in the log for one fault; ballast goes in 35 parts at most.
TOLD = 40
WARM = 1 / 3                    # of a life, by messages
SLOPE_KB = 1                    # per 10,000 messages
STEP_KB = 32                    # between two looks
SPAN = 1_000_000                # messages from which on a slope means something


# --- faults ---------------------------------------------------------------------

class Faults:
    """Each method is a context: in it there is trouble, behind it there is none."""

    def __init__(self, p, sink, kernel):
        self.p, self.sink, self.kernel = p, sink, kernel
        self.felt = False       # where clients and log may not tell

    @contextlib.contextmanager
    def disk_full(self):
        filler = fill(self.p, 0)
        yield
        os.unlink(filler)

    @contextlib.contextmanager
    def kernel_says(self, error):
        self.kernel(error)
        yield
        self.kernel(0)

    @contextlib.contextmanager
    def no_descriptors(self, name):
        pid = pid_of(self.p, name)
        old = limit(pid, "nofile", descriptors(pid))
        if name == "relay":     # it wants connections anew
            with self.hop_is("closes"):
                pass
        yield
        with contextlib.suppress(OSError):      # it has ended, round() tells
            limit(pid, "nofile", old)

    def waits(self):
        """Whether mail has to wait in the queue."""
        return wait_for(lambda: self.p.rows("queue", "list", "--limit", "1"))

    @contextlib.contextmanager
    def hop_is(self, mood):
        self.sink.mood(mood)
        yield
        self.felt = self.waits()
        self.sink.mood("well")

    @contextlib.contextmanager
    def hop_is_silent(self):
        self.sink.process.send_signal(signal.SIGSTOP)
        yield
        self.felt = self.waits()
        self.sink.process.send_signal(signal.SIGCONT)


FAULTS = {
    "the disk is full": lambda f: f.disk_full(),
    "no file for anybody": lambda f: f.kernel_says(errno.ENFILE),
    "no descriptors for queue": lambda f: f.no_descriptors("queue"),
    "no descriptors for relay": lambda f: f.no_descriptors("relay"),
    "no descriptors for smtpd": lambda f: f.no_descriptors("smtpd"),
    "the next hop refuses": lambda f: f.hop_is("refuses"),
    "the next hop closes": lambda f: f.hop_is("closes"),
    "the next hop is silent": lambda f: f.hop_is_silent(),
}
# Queue may end of these; the quota gives nothing back for what is thrown off.
DEADLY = {
    "a quota is used up": lambda f: f.kernel_says(errno.EDQUOT),
    "writes fail": lambda f: f.kernel_says(errno.EIO),
    "syncs fail": lambda f: f.kernel_says(-errno.EIO),
}


# --- processes ------------------------------------------------------------------

def anonymous_kb(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(l.split()[1]) for l in f if l.startswith("Anonymous:"))


READERS = 4             # OPEN_FOR_READING of queue/readers.c


def open_files(pid):
    """
    How many descriptors, without those of the journal's files: each of them may be
    open once while it is there, and READERS of them a second time to be read.
    """
    links = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            links.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
    journal = [l for l in links if "/queue/journal/" in l and
               "deleted" not in l]
    twice = len(journal) - len(set(journal))
    return len(links) - len(journal) + max(0, twice - READERS)


class Life:
    """A process, as seen in each calm since its beginning."""

    def __init__(self, pid):
        self.name = gauge.name(pid)
        self.descriptors = open_files(pid)
        self.looks = []         # (messages so far, KB)

    def slope(self):
        """
        KB for 10,000 messages: the median of the slopes between any two looks
        (Theil and Sen). Its first third is left out, when caches fill up and each
        fault comes for the first time; and so are single steps, heap that a
        backlog has left behind, or that went back to the kernel.
        """
        first, last = self.looks[0][0], self.looks[-1][0]
        warm = [(n, kb) for n, kb in self.looks
                if n >= first + (last - first) * WARM]
        grown = [y[1] - x[1] for x, y in zip(warm, warm[1:])]
        steps = sum(abs(kb) > STEP_KB for kb in grown)
        seldom = steps <= len(grown) / 4    # what grows each time is no step
        looks = warm[:1]
        for (n, _), kb in zip(warm[1:], grown):
            step = seldom and abs(kb) > STEP_KB
            looks.append((n, looks[-1][1] + (0 if step else kb)))
        slopes = [(y[1] - x[1]) * 10_000 / (y[0] - x[0])
                  for i, x in enumerate(looks) for y in looks[i + 1:]]
        return statistics.median(slopes) if slopes else 0

    def messages(self):
        return self.looks[-1][0] - self.looks[0][0]


# --- the soak --------------------------------------------------------------------

class Soak:
    def __init__(self, p, sink, kernel):
        self.p, self.sink = p, sink
        self.faults = Faults(p, sink, kernel)
        self.dice = random.Random(SEED)
        self.run = sink.begin()
        self.next = self.accepted = self.arrived = self.copies = 0
        self.lives = {}
        # {fault: [rounds, how many of them were felt, refusals, ends, copies,
        # times that a line was in the log]}
        self.sums = {}

    def measure(self, messages):
        began = time.monotonic()
        load = rig.load(self.p.tls_port, self.run, n=messages, s=SESSIONS,
                        m=PER_SESSION, **rig.LOGIN)
        self.sink.wait(messages)
        self.peak = messages / (time.monotonic() - began)
        self.next = self.accepted = self.arrived = load["accepted"]
        tap.equal(load["accepted"], messages, "the peak's messages are taken")

    def processes(self):
        return {pid for pid in gauge.family(self.p.process.pid)
                if gauge.name(pid).startswith("postern")}

    def look(self):
        """What is wrong with the processes, in calm."""
        def settled():
            return all(pid not in self.lives or open_files(pid) ==
                       self.lives[pid].descriptors for pid in
                       self.processes())
        # What is seen for the first time is to be seen in calm.
        if SECONDS >= 60 or self.processes() - set(self.lives):
            time.sleep(2 * IDLE)
        wait_for(settled)
        wrong = []
        for pid in self.processes():
            life = self.lives.setdefault(pid, Life(pid))
            n = open_files(pid)
            if n != life.descriptors:
                wrong.append("%s has %d descriptors, had %d" % (
                    life.name, n, life.descriptors))
            life.looks.append((self.accepted, anonymous_kb(pid)))
        return wrong

    def recovers(self):
        """Mail goes through again."""
        n = self.sink.report()["unique"]
        return wait_for(lambda: self.sink.report()["unique"] > n + 50,
                        2 * PATIENCE)

    def load(self, fault, scale):
        load = rig.Steady(self.p.tls_port, self.run,
                          max(1, int(self.peak * SHARE)), self.next,
                          s=SESSIONS, m=PER_SESSION, l=LARGE, **rig.LOGIN)
        time.sleep(LEAD * scale)
        through = True
        if fault:
            before = self.sink.report()["duplicate"]
            with fault(self.faults):
                time.sleep(max(HOLD_MIN, self.dice.uniform(*HOLD) * scale))
            through = self.recovers()
        time.sleep(CALM * scale)
        said = load.end(4 * PATIENCE)
        self.next = said["next"]
        self.accepted += said["accepted"]
        wrong = [] if through else ["no mail goes through behind it"]
        if fault and before != self.copies:
            wrong.append("copies before the fault")
        if not {int(c) for c in said["codes"]} <= FOR_NOW:
            wrong.append("refused for good: " + said["error"])
        return wrong, said

    def account(self, said, ended, deadly):
        """What is wrong with the messages, and how many came again."""
        wrong = []
        if not wait_for(lambda: self.p.rows("queue", "list", "--limit", "1")
                        == [], 4 * PATIENCE, 0.1):
            wrong.append("the queue does not become empty")
        self.arrived += said["accepted"] + \
            sum(self.sink.has(i) for i in said["unsaid"])
        report = self.sink.report()
        copies = report["duplicate"] - self.copies
        self.copies = report["duplicate"]
        if report["unique"] != self.arrived:
            wrong.append("%d messages at the next hop, not %d" % (
                report["unique"], self.arrived))
            self.arrived = report["unique"]     # tell of it once
        if report["strange"]:
            wrong.append("%d strange messages" % report["strange"])
        if copies and not ended:
            wrong.append("%d copies" % copies)
        if said["unsaid"] and not ended:
            tap.note("%d messages without an answer" % len(said["unsaid"]))
        if set(ended) - ({"postern-queue"} if deadly else set()):
            wrong.append("ended: " + ", ".join(ended))
        return wrong, copies

    def told(self):
        """The log's most frequent line in this round; then it is forgotten."""
        self.p.judge_log()
        n, line = chatter(self.p, 0)
        log = complaints(self.p, 0)
        os.truncate(self.p.log_path, 0)
        return n, line, log

    def round(self, name, fault, scale, deadly=False):
        before = self.processes()
        self.faults.felt = False
        wrong, said = self.load(fault, scale)
        ended = [self.lives[pid].name for pid in before - self.processes()
                 if pid in self.lives]
        bad, copies = self.account(said, ended, deadly)
        wrong += bad + self.look()
        n, line, log = self.told()
        if n > TOLD:
            wrong.append("told %d times: %s" % (n, line))
        wrong += [line for line in log if "killed by" in line]
        if not tap.equal(wrong, [], "%s: %d accepted, %d refused, %d copies" % (
                name, said["accepted"], said["refused"], copies)):
            tap.note("\n".join(log[-50:]))
        refused = sum(said["codes"].values())
        felt = bool(self.faults.felt or refused or ended or log)
        s = self.sums.setdefault(name, [0] * 6)
        s[:] = [s[0] + 1, s[1] + felt, s[2] + refused, s[3] + len(ended),
                s[4] + copies, max(s[5], n)]

    def go(self, seconds):
        kinds = len(FAULTS) + len(DEADLY)
        # So that each has its turn.
        scale = min(1, seconds / (kinds * (LEAD + HOLD[1] + CALM)))
        self.round("calm", None, scale)
        began = time.monotonic()
        self.rounds(FAULTS, scale, began + seconds * 0.75)
        self.rounds(DEADLY, scale, began + seconds, True)

    def rounds(self, faults, scale, until, deadly=False):
        """All of them in random order, again and again, each once at least."""
        while True:
            for name in self.dice.sample(sorted(faults), len(faults)):
                self.round(name, faults[name], scale, deadly)
            if time.monotonic() >= until:
                return

    def judge(self):
        tap.note("peak %.0f messages a second; %d accepted, %d copies" % (
            self.peak, self.accepted, self.copies))
        tap.note("| fault | rounds | felt | refusals | ends | copies | told |")
        for name, sums in self.sums.items():
            tap.note("| %s | %s |" % (name, " | ".join(map(str, sums))))
        unfelt = [name for name, sums in self.sums.items()
                  if sums[1] == 0 and name != "calm"]
        # A short one may fall into a gap.
        tap.ok(len(unfelt) <= (2 if SECONDS < 60 else 0),
               "faults were felt, but for %r" % unfelt)
        for pid, life in self.lives.items():
            text = "%s: %d descriptors, %d to %d KB in %d messages, %.2f KB " \
                "per 10,000" % (life.name, life.descriptors, life.looks[0][1],
                                life.looks[-1][1], life.messages(),
                                life.slope())
            if life.messages() >= SPAN:
                tap.ok(life.slope() < SLOPE_KB, text)
            else:
                tap.note(text)
            tap.note(" ".join("%d:%d" % (n // 1000, kb)
                              for n, kb in life.looks))


def main():
    need_root()
    if SANITIZED:
        tap.skip_all("its library would come before theirs")
    private_mounts()
    tap.note("seed %d" % SEED)
    with rig.Sink() as sink:
        p = small_disk(
            DISK_MB, next_hop="smtp://127.0.0.1:%d" % sink.port,
            queue='min-free = "1M" retry-first = "1s" retry-max = "2s" '
            'segment = "8M"',
            route_options='tls = none idle-time = "%ds"' % IDLE,
            caps='cap default { messages = {"1000000000/1h"} '
            'recipients = {"1000000000/1h"} bytes = {} '
            'recipients-per-message = 1000 }')
        kernel = Kernel(p)
        with p:
            p.account(rig.LOGIN["u"], rig.LOGIN["w"])
            soak = Soak(p, sink, kernel)
            soak.measure(2000 if SECONDS < 300 else 20_000)
            soak.go(SECONDS)
            soak.judge()
    tap.done()


main()
