#!/usr/bin/python3
"""
Nothing that was acknowledged is lost: sessions submit without end while queue,
relay and smtpd are killed with -9, one by one and all together with their
parent, at their n-th call to the kernel from outside (kill_at) or at any time.
Clients leave as well: in the middle of a message, in the middle of the final
dot, past it without waiting for the 250.

Each recipient's address says whose it is and what becomes of it: the next hop
takes it, refuses it for good, or says "later" for ever. In the end acknowledged
= delivered + bounced + queued, for each recipient; what had no final dot is
nowhere; all that came is whole. A message comes twice only where queue or relay
died between the next hop's 250 and its being written down, a window open by
nature (RFC 5321 6.1); those are counted. While kills come one behind the other
that explains nearly any copy, so the load goes on for a while behind the last.

    kill_under_load.py [KILLS [SESSIONS [SECONDS]]]     default 25 20 0

SECONDS: at least so many from one kill to the next.
"""
import collections
import hashlib
import json
import multiprocessing
import os
import random
import re
import select
import signal
import smtplib
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from copies import Copy, Kill, explains                         # noqa: E402
from postern import (BUILD, PATIENCE, Postern, SANITIZED,       # noqa: E402
                     need_root, wait_for)
from sink import Sink                                           # noqa: E402

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 10 if SANITIZED else 25
SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
PACE = float(sys.argv[3]) if len(sys.argv) > 3 else 0
SEED = int(os.environ.get("POSTERN_SEED", "0")) or random.randrange(1 << 32)
KILL_AT = os.path.join(BUILD, "tests", "fault", "kill_at")
SENDERS = 2                     # processes, so that Python is not the limit
CALLS_MAX = 3000                # of the kernel, from "now" to the kill
QUIET = 300                     # acknowledged messages behind the last kill
REACH_SECONDS = 2               # who makes no call for so long dies anyhow
GATHERED_SECONDS = 300          # of reports, when one sender gets many (life.h)
# How a client may end a message; most wait for their 250.
ENDS = ["wait"] * 20 + ["cut", "in dot", "in crlf", "past dot"]


def account(ident):
    """One for each session, as a sender's eleventh report has to wait."""
    return "u%s@example.org" % "-".join(ident.split("-")[:2])


def content(ident):
    """The same bytes for the same id, wherever they are made."""
    r = random.Random(ident)
    lines = []
    size = r.choice([100_000, 400_000]) if r.random() < 0.01 else \
        r.randrange(20, 4000)
    while size > 0:
        line = r.choice(["", ".", "..", ". x"]) + \
            r.randbytes(r.randrange(0, 36)).hex()
        lines.append(line)
        size -= len(line) + 2
    return ("From: %s\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
            "Message-ID: <%s@load.test>\r\nSubject: load\r\n\r\n%s\r\n"
            % (account(ident), ident, "\r\n".join(lines))).encode()


def fates(ident):
    """What becomes of its recipients."""
    r = random.Random(ident + "?")
    return ["ok"] + ["gone"] * (r.random() < 0.05) + \
        ["later"] * (r.random() < 0.003)


def address(fate, ident):
    return "%s-%s@example.net" % (fate, ident)


# --- clients -----------------------------------------------------------------

def submit(client, ident, end):
    """True when it was acknowledged, False when no final dot was said."""
    to = [address(f, ident) for f in fates(ident)]
    if end == "wait":
        client.sendmail(account(ident), to, content(ident))
        return True
    client.ehlo_or_helo_if_needed()
    for code, _ in [client.mail(account(ident))] + [client.rcpt(a) for a in to] + \
            [client.docmd("DATA")]:
        if code >= 400:
            raise smtplib.SMTPException(code)
    text = re.sub(rb"(?m)^\.", b"..", content(ident))
    if end == "cut":
        text = text[:len(text) // 2]
    else:
        text += {"in dot": b".", "in crlf": b".\r", "past dot": b".\r\n"}[end]
    client.sock.sendall(text)
    client.close()
    if end == "past dot":
        raise smtplib.SMTPServerDisconnected("we left")
    return False


def session(p, going, acked, ledger, name):
    """Notes for each message: acked, cut (no final dot) or unsaid."""
    n, client = 0, None
    r = random.Random("%d %s" % (SEED, name))
    while going.is_set():
        n += 1
        ident, end = "%s-%d" % (name, n), r.choice(ENDS)
        try:
            if client is None:
                client = p.client(login=account(name))
            ledger[ident] = "cut" if end in ("cut", "in dot", "in crlf") \
                else "unsaid"
            if submit(client, ident, end):
                ledger[ident] = "acked"
                with acked.get_lock():
                    acked.value += 1
            else:
                client = None
        except (smtplib.SMTPException, OSError):
            try:
                client.close()
            except (AttributeError, OSError):
                pass
            client = None
            time.sleep(0.05)


def sender(p, number, going, acked, out):
    ledger = {}
    threads = [threading.Thread(target=session, daemon=True, args=(
        p, going, acked, ledger, "%d-%d" % (number, i)))
        for i in range(SESSIONS // SENDERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.put(ledger)


# --- the next hop -------------------------------------------------------------

def answer_rcpt(line):
    return "550 5.1.1 no such user" if "<gone-" in line else \
        "450 4.2.1 later" if "<later-" in line else None


def report(text):
    """Its id, whom it is about, and whether it is about many messages."""
    return (re.search(r"(?m)^Message-ID: <([^@]+)", text)[1],
            re.findall(r"(?m)^Final-Recipient: rfc822;(\S+)", text),
            "this one report is about all" in text)


def read(m):
    """(id, digest) of a message, (report, None) of a report."""
    if m.sender == "":
        return report(m.content.decode(errors="replace")), None
    # Our own Received field comes first; the rest is the sender's.
    rest = m.content.split(b"\r\n", 1)[1]
    while rest[:1] in (b"\t", b" "):
        rest = rest.split(b"\r\n", 1)[1]
    ident = rest.split(b"Message-ID: <", 1)[1].split(b"@", 1)[0].decode()
    whole = m.recipients == [address("ok", ident)]
    return ident, whole and hashlib.sha256(rest).digest()


class Taken(list):
    """What the sink took, read as it comes: an hour's bytes are too many to keep."""

    def append(self, m):
        super().append((m, *read(m)))
        m.content = None


def next_hop(port, ask, answer):
    """The sink, in a process of its own: what it took, and when."""
    with Sink() as sink:
        sink.answer["RCPT"] = answer_rcpt
        sink.messages, sink.lines = Taken(), collections.deque(maxlen=0)
        port.put(sink.port)
        while ask.get() != "end":
            pass
        answer.put([(Copy.of(m), what, digest)
                    for m, what, digest in sink.messages])


# --- kills ---------------------------------------------------------------------

def pids(p, program):
    """Of posternd's children that run this program, and are not dead."""
    path = "/proc/%d/task/%d/children" % ((p.process.pid,) * 2)
    found = []
    with open(path) as f:
        for pid in f.read().split():
            try:
                with open("/proc/%s/stat" % pid) as stat:
                    name, state = re.search(r"\((.*)\) (.)",
                                            stat.read()).groups()
                if name == "postern-" + program and state not in "ZX":
                    found.append(int(pid))
            except OSError:
                pass
    return found


def kill_now(victims):
    """One may have died just before, by kill_at or with another."""
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Killer:
    def __init__(self, p, r):
        self.p, self.r = p, r
        self.kills = []
        self.calls = collections.Counter()

    def at_call(self, pid, others):
        """Counted from outside; who makes no more calls is killed all the same."""
        n = int(CALLS_MAX ** self.r.random())
        tool = subprocess.Popen(
            [KILL_AT, self.r.choice(["before", "past"]), str(n), str(pid)] +
            [str(o) for o in others], stdout=subprocess.PIPE, text=True)
        if not select.select([tool.stdout], [], [], PATIENCE)[0]:
            raise RuntimeError("kill_at says nothing")
        try:
            said = tool.communicate(timeout=REACH_SECONDS)[0].split()
            self.calls.update(said[1:])
            if tool.returncode != 0:
                raise RuntimeError("kill_at has killed nobody")
        except subprocess.TimeoutExpired:
            kill_now(others + [pid])
            tool.communicate()

    def at_once(self, pid, others):
        time.sleep(self.r.random() * 0.3)
        kill_now(others + [pid])

    def kill(self, victim):
        everybody = victim == "all"
        program = "queue" if everybody else victim
        pid = self.r.choice(wait_for(lambda: pids(self.p, program)))
        ends = self.p.children() if everybody else [os.pidfd_open(pid)]
        others = []
        if everybody:
            others = [self.p.process.pid] + [
                c for name in ("relay", "smtpd", "auth", "keys")
                for c in pids(self.p, name)]
        begun = time.monotonic()
        how = self.at_once if self.r.random() < 0.2 else self.at_call
        how(pid, others)
        for fd in ends:
            select.select([fd], [], [], PATIENCE)
            os.close(fd)
        self.kills.append(Kill(victim, begun, time.monotonic()))
        if everybody:
            self.p.process.wait()
            self.p.start()

    def run(self):
        turn = ["queue", "relay", "all", "queue", "smtpd", "all", "all"]
        for i in range(KILLS):
            begun = time.monotonic()
            self.kill(turn[i % len(turn)])
            time.sleep(max(0, begun + PACE - time.monotonic()))


# --- what has become of all ---------------------------------------------------

def waiting(p):
    """Addresses of the queue's messages; None while queue starts."""
    r = p.ctl("queue", "list", check=False)
    if r.returncode != 0:
        return None
    return [a for row in r.stdout.splitlines() for a in json.loads(row)["to"]]


def only_later(p):
    rows = waiting(p)
    return rows is not None and all(a.startswith("later-") for a in rows)


def unexplained(times, kills):
    """
    The copies past the first that no kill explains; how long after the 250 of
    the one before the others' kills came at most, and how many came before it.
    """
    bad, longest, early = [], 0, 0
    for ident, copies in times.items():
        for first, second in zip(copies, copies[1:]):
            behind = [k.ended - first.taken for k in kills
                      if explains(k, first, second)]
            if not behind:
                bad.append((ident, first, second))
            elif max(behind) < 0:
                early += 1
            else:
                longest = max(longest, min(s for s in behind if s >= 0))
    return bad, longest, early


def told_again(told):
    """
    Failures told in two reports, neither of which is about many messages: these
    go out with the removal of the first of them, so a crash repeats the others.
    """
    return [a for a, reports in told.items()
            if len(reports) > 1 and not any(reports.values())]


def judge(ledger, found, queued, kills):
    times, spoilt, reports = {}, [], {}
    bounced = collections.defaultdict(dict)     # address: {report: of many}
    for when, what, digest in found:
        if digest is None:
            reports.setdefault(what[0], []).append(when)
            for a in what[1]:
                bounced[a][what[0]] = what[2]
            continue
        times.setdefault(what, []).append(when)
        if digest != hashlib.sha256(content(what)).digest():
            spoilt.append(what)
    acked = {i for i, state in ledger.items() if state == "acked"}
    cut = {i for i, state in ledger.items() if state == "cut"}
    seen = set(times) | {a.split("@")[0].partition("-")[2]
                         for a in [*bounced, *queued]}

    def missing(fate, there):
        return [i for i in acked if fate in fates(i) and
                address(fate, i) not in there]

    twice = sum(len(w) - 1 for w in times.values())
    bad, longest, early = unexplained({**times, **reports}, kills)
    tap.note("%d messages: %d acknowledged, %d without a final dot, %d whose "
             "client never read its answer; of these %d were taken" % (
                 len(ledger), len(acked), len(cut),
                 len(ledger) - len(acked) - len(cut),
                 len(seen - acked)))
    tap.note("%d at the next hop, %d bounced, %d queued; %d came twice, and %d "
             "of %d reports, at most %.0f ms between 250 and kill, %d of them "
             "read past the kill; %d failures were in two reports" % (
                 len(times), len(bounced), len(queued), twice,
                 sum(len(w) - 1 for w in reports.values()), len(reports),
                 longest * 1000, early,
                 sum(len(r) > 1 for r in bounced.values())))
    tap.equal([i for i in acked if i not in times], [],
              "each acknowledged message is at the next hop")
    tap.equal(missing("gone", bounced), [], "or was bounced")
    tap.equal(missing("later", set(queued)), [], "or is in the queue")
    tap.equal([a for a, n in collections.Counter(queued).items() if n > 1], [],
              "where none is twice")
    tap.equal(sorted(seen & cut), [], "what had no final dot is nowhere")
    tap.equal(sorted(seen - set(ledger)), [], "nor what nobody sent")
    tap.equal([a for a in bounced if not a.startswith("gone-")], [],
              "nothing bounced that was not refused")
    tap.equal(told_again(bounced), [], "nobody is told of a failure twice")
    tap.equal(spoilt, [], "all are whole, byte for byte")
    tap.equal(bad, [], "each second copy is explained by a kill")
    tap.ok(len(acked) >= KILLS and len(cut) > 0, "there was something to lose")


def main():
    need_root()
    mp = multiprocessing.get_context("fork")
    port, ask, answer, out = (mp.Queue() for _ in range(4))
    going, acked = mp.Event(), mp.Value("L")
    going.set()
    hop = mp.Process(target=next_hop, args=(port, ask, answer),
                     daemon=True)
    hop.start()
    tap.note("seed %d" % SEED)
    with Postern(next_hop="smtp://127.0.0.1:%d" % port.get(timeout=PATIENCE),
                 workers=2, queue='retry-first = "1s" retry-max = "4s"',
                 route_options="tls = none") as p:
        for i in range(SENDERS):
            for k in range(SESSIONS // SENDERS):
                p.account(account("%d-%d" % (i, k)), "open-sesame")
        senders = [mp.Process(target=sender, daemon=True, args=(
            p, i, going, acked, out)) for i in range(SENDERS)]
        for s in senders:
            s.start()
        killer = Killer(p, random.Random(SEED))
        try:
            killer.run()
            so_far = acked.value
            wait_for(lambda: acked.value >= so_far + QUIET, 2 * PATIENCE)
        finally:
            going.clear()
        ledger = {}
        for _ in senders:
            ledger.update(out.get(timeout=4 * PATIENCE))
        tap.ok(wait_for(lambda: only_later(p),
                        GATHERED_SECONDS + 4 * PATIENCE, 0.5),
               "the queue becomes empty but for what has to wait")
        queued = waiting(p)
    ask.put("end")
    found = answer.get(timeout=4 * PATIENCE)
    hop.join()
    tap.note("%d kills, at %s" % (len(killer.kills), ", ".join(
        "%s %d" % c for c in killer.calls.most_common())))
    judge(ledger, found, queued, killer.kills)
    tap.done()


main()
