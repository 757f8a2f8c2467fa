#!/usr/bin/python3
"""
A long queue in the hands of its admin: filled, listed, filtered, held, killed
with kill -9, started again, released, drained, and each message counted at each
step. Prints what each took; asserts no speed. long_million.sh takes a million:

	million.py [MESSAGES]

Each step's memory is the most that postern-queue took in it.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
os.environ.setdefault("POSTERN_TEST_PATIENCE", "600")  # a start takes a while
import gauge                                                     # noqa: E402
import postern                                                   # noqa: E402
import rig                                                       # noqa: E402
import servers                                                   # noqa: E402
import tap                                                       # noqa: E402

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
ACCOUNTS, DOMAINS = 100, 1000
# Due later than this test takes, and sooner than retry-max would allow.
FIRST, SPREAD = 7200, 3600
# Whatever the number of messages, memory holds thousands (ARCHITECTURE.md).
MEMORY_MB = 192
WHOLE = 6 * 3600         # patience with a million on a busy machine


# --- what fill_queue.c has put into number i -----------------------------------

def whose(i, n):
    return 0 if i % 2 == 0 else i // 2 % n


FILTERS = [
    (["--account", "user0@example.org"], lambda i: whose(i, ACCOUNTS) == 0),
    (["--account", "user7@example.org"], lambda i: whose(i, ACCOUNTS) == 7),
    (["--from", "user9@example.org"], lambda i: whose(i, ACCOUNTS) == 9),
    (["--to", "@d11.example.net"], lambda i: whose(i, DOMAINS) == 11),
    (["--to", "r0@d0.example.net"], lambda i: whose(i, DOMAINS) == 0),
    (["--older", "165m"], lambda i: i % 4 == 3),
    (["--newer", "55m"], lambda i: i % 4 == 0),
    (["--reason", "greylisted"], lambda i: i % 3 == 1),
    (["--reason", "4.3.2"], lambda i: i % 3 == 2),
    (["--state", "waiting"], lambda i: True),
    (["--state", "held"], lambda i: False),
    (["--hop", "out"], lambda i: True),
    (["--account", "user0@example.org", "--to", "@d0.example.net", "--reason",
      "mailbox is full", "--older", "105m"],
     lambda i: whose(i, ACCOUNTS) == 0 and whose(i, DOMAINS) == 0 and
     i % 3 == 0 and i % 4 >= 2),
]


def expected(fits):
    return sum(1 for i in range(MESSAGES) if fits(i))


# --- measuring --------------------------------------------------------------------

def queue_pid(server):
    return next(p for p in gauge.family(server.process.pid)
                if gauge.name(p) == "postern-queue")


def peak_mb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


def forget_peak(pid):
    with open("/proc/%d/clear_refs" % pid, "w") as f:
        f.write("5")


class Step:
    """Says how long a step took; the figures follow the last one as a table."""
    table = []

    def __init__(self, server, name):
        self.server, self.name = server, name

    def __enter__(self):
        self.pid = self.server and queue_pid(self.server)
        if self.pid:
            forget_peak(self.pid)
        self.began = time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        seconds = time.monotonic() - self.began
        peak = pss = ""
        # Who was not there at the beginning has begun with its own peak.
        pid = self.pid or (self.server and queue_pid(self.server))
        if pid and gauge.name(pid) == "postern-queue":
            mb = peak_mb(pid)
            peak, pss = "%.0f" % mb, "%.0f" % (gauge.pss_of(pid) / 1024)
            if not postern.SANITIZED:
                tap.ok(mb < MEMORY_MB, "%s: memory is bounded" % self.name)
        self.table.append("| %s | %.1f | %s | %s |" %
                          (self.name, seconds, peak, pss))
        tap.note(self.table[-1])


def words(server, *rest, as_json=True):
    return [os.path.join(postern.BIN, "posternctl")] + \
        (["--json"] if as_json else []) + \
        ["--socket", server.socket] + list(rest)


def listing(server, *rest, as_json=True):
    """Lines of a list as they come."""
    with subprocess.Popen(words(server, "queue", "list", *rest,
                                as_json=as_json), stdout=subprocess.PIPE,
                          text=True, bufsize=1 << 20) as p:
        yield from p.stdout
    tap.equal(p.returncode, 0, "queue list %s ends well" % " ".join(rest))


def stats(server):
    """How many there are, as counted account by account."""
    return sum(r.get("messages", 0) for r in
               server.rows("queue", "stats", "--by", "account")
               if r.get("account"))


def order(server, *rest):
    """What a bulk verb says that it did."""
    r = subprocess.run(words(server, "queue", *rest, "--all", "--yes",
                             as_json=False), capture_output=True, text=True)
    text = r.stdout + r.stderr
    tap.equal(r.returncode, 0, " ".join(rest) + ": " + text.strip()[-200:])
    return text


def number_before(text, word):
    found = re.search(r"(\d+) (?:messages? )?" + word, text)
    return int(found.group(1)) if found else 0


# --- the steps ---------------------------------------------------------------------

def disk_mb(server):
    return sum(os.stat(os.path.join(folder, name)).st_blocks * 512
               for folder, _, names in os.walk(server.dir + "/state/queue")
               for name in names) >> 20


def filled(server, run):
    server.start()
    server.stop()
    with Step(None, "fill"):
        rig.fill(server, MESSAGES, r=run, a=ACCOUNTS, d=DOMAINS, f=FIRST,
                 s=SPREAD)
    tap.note("%d MB on disk" % disk_mb(server))


def started(server, name):
    step = Step(None, name)
    with step:
        server.start()
        step.server = server


def listed(server):
    """As JSON: the ids, in order, each once."""
    ids = []
    accounts = collections.Counter()
    with Step(server, "list --json"):
        began = time.monotonic()
        for line in listing(server):
            row = json.loads(line)
            if "id" in row:
                if not ids:
                    first = time.monotonic() - began
                ids.append(row["id"])
                accounts[row["account"]] += 1
        tap.note("the first row came after %.3f s" % first)
    tap.equal(len(ids), MESSAGES, "all are listed")
    tap.ok(all(a < b for a, b in zip(ids, ids[1:])), "each once, in order")
    tap.equal(accounts, collections.Counter(
        "user%d@example.org" % whose(i, ACCOUNTS) for i in range(MESSAGES)),
        "each with its account")
    return ids


def listed_as_table(server, ids):
    with Step(server, "list"):
        found = [line.split(None, 1)[0] for line in
                 listing(server, as_json=False) if line.strip()]
    known = set(ids)
    tap.equal([i for i in found if i in known], ids, "so they are as a table")


def filtered(server):
    for options, fits in FILTERS:
        with Step(server, "list " + " ".join(options)):
            n = sum('"id"' in line for line in listing(server, *options))
        tap.equal(n, expected(fits), " ".join(options))
    with Step(server, "stats"):
        n = stats(server)
    tap.equal(n, MESSAGES, "stats count all")


def idle(server):
    """The queue has nothing to do any more."""
    def quiet():
        before = gauge.cpu(queue_pid(server))["postern-queue"]
        time.sleep(0.5)
        after = gauge.cpu(queue_pid(server))["postern-queue"]
        return after - before < 0.1
    return postern.wait_for(quiet, WHOLE)


def interrupted(server):
    """SIGINT, and a reader who has seen enough, as by "| head"."""
    pid = queue_pid(server)
    for how in ("SIGINT", "a closed pipe"):
        for as_json in (True, False):
            with subprocess.Popen(words(server, "queue", "list",
                                        as_json=as_json),
                                  stdout=subprocess.PIPE) as p:
                for _ in range(20):
                    p.stdout.readline()
                if how == "SIGINT":
                    p.send_signal(signal.SIGINT)
                p.stdout.close()
                p.wait(WHOLE)
    tap.ok(idle(server), "after lists that were interrupted nothing goes on")
    tap.equal(queue_pid(server), pid, "the queue is the same process")
    tap.equal(stats(server), MESSAGES, "with all that it had")


def killed_meanwhile(server):
    """kill -9 of all in the midst of hold --all: some are held, none is gone."""
    p = subprocess.Popen(words(server, "queue", "hold", "--all", "--yes"),
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    postern.wait_for(lambda: server.rows("queue", "list", "--state", "held",
                                         "--limit", "1")[:1], WHOLE)
    server.kill_all()
    p.wait(WHOLE)
    started(server, "start after kill -9 in the midst of hold --all")


def held(server):
    with Step(server, "hold --all"):
        text = order(server, "hold")
    n, was = number_before(text, "held"), number_before(text, "on hold already")
    tap.equal(n + was, MESSAGES, "all are held, %d were already" % was)
    n = sum('"id"' in line for line in listing(server, "--state", "held"))
    tap.equal(n, MESSAGES, "and listed so")


def same(server, ids, what):
    found = [json.loads(line)["id"] for line in listing(server)
             if '"id"' in line]
    tap.ok(found == ids, "the same messages " + what)
    n = sum('"id"' in line for line in listing(server, "--state", "waiting"))
    tap.equal(n, 0, "all of them still held")


def drained(server, sink):
    with Step(server, "release --all, and drain"):
        with Step(server, "release --all"):
            text = order(server, "release")
        report = sink.wait(MESSAGES, WHOLE)
        postern.wait_for(lambda: '"id"' not in server.ctl(
            "queue", "list", "--limit", "1").stdout, WHOLE)
    tap.equal(number_before(text, "released"), MESSAGES, "all are released")
    tap.equal((report["unique"], report["duplicate"], report["strange"]),
              (MESSAGES, 0, 0), "each came to the next hop, and came once")
    tap.equal(stats(server), 0, "the queue is empty")
    tap.equal(server.rows("queue", "list"), [], "and says so")


def main():
    postern.need_root()
    directory = tempfile.mkdtemp(prefix="million-", dir="/var/tmp")
    os.chmod(directory, 0o755)
    try:
        with rig.Sink() as sink:
            run = sink.begin()
            bench = servers.Postern(sink.port, postern.make_certificate(
                directory, postern.HOSTNAME))
            with bench.inner as server:
                server.stop()
                filled(server, run)
                started(server, "start")
                ids = listed(server)
                listed_as_table(server, ids)
                filtered(server)
                interrupted(server)
                killed_meanwhile(server)
                held(server)
                server.kill_all()
                started(server, "start after kill -9")
                same(server, ids, "after kill -9")
                with Step(None, "stop"):
                    server.stop()
                started(server, "start after stop")
                same(server, ids, "after stop and start")
                server.stop()
                shutil.rmtree(server.dir + "/state/queue/index")
                started(server, "start without an index")
                same(server, ids, "with an index built anew")
                drained(server, sink)
                tap.equal(server.stop(), 0, "it stops well")
                started(server, "start when all has gone")
                tap.equal(stats(server), 0, "nothing has come back")
                tap.equal(sink.report()["duplicate"], 0, "nor was sent again")
    finally:
        shutil.rmtree(directory)
    tap.note("| step, %d messages | s | peak, MB | Pss after it, MB |" %
             MESSAGES)
    tap.note("| --- | --- | --- | --- |")
    tap.note("\n".join(Step.table))
    tap.done()


main()
