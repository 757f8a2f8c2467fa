#!/usr/bin/python3
"""
Nothing that was acknowledged is lost: messages through parallel authenticated
sessions while queue, relay and smtpd are killed with -9, one by one and once
all together with their parent. Every message that got its 250 must be at the
next hop byte for byte. Duplicates are counted and printed: the window between
the next hop's 250 and our noting it is open by nature (RFC 5321 6.1).

    kill_under_load.py [MESSAGES [SESSIONS]]        default 10000 50
"""
import hashlib
import multiprocessing
import os
import random
import smtplib
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from postern import Postern, need_root, wait_for                # noqa: E402
from sink import Sink                                           # noqa: E402

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else \
    int(os.environ.get("POSTERN_LOAD_MESSAGES", "10000"))
SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 50
SENDING_MAX = 600               # seconds; a hang is a failure
SENDERS = 2                     # processes, so that Python is not the limit
ALICE = "alice@example.org"


def content(ident):
    """The same bytes for the same id, wherever they are made."""
    r = random.Random(ident)
    lines = []
    size = 100_000 if r.random() < 0.01 else r.randrange(20, 4000)
    while size > 0:
        line = r.choice(["", ".", "..", ". x"]) + \
            r.randbytes(r.randrange(0, 36)).hex()
        lines.append(line)
        size -= len(line) + 2
    return ("From: %s\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
            "Message-ID: <%s@load.test>\r\nSubject: load\r\n\r\n%s\r\n"
            % (ALICE, ident, "\r\n".join(lines))).encode()


def session(p, work, lock, acked, name):
    """Sends until there is no more work; what fails is left to its fate."""
    n = 0
    client = None
    while True:
        with lock:
            if work[0] == 0:
                break
            work[0] -= 1
        n += 1
        ident = "%s-%d" % (name, n)
        try:
            if client is None:
                client = p.client(login=ALICE)
            client.sendmail(ALICE, ["bob@example.net"], content(ident))
            acked.append(ident)
        except (smtplib.SMTPException, OSError):
            with lock:
                work[0] += 1
            try:
                client.close()
            except (AttributeError, OSError):
                pass
            client = None
            time.sleep(0.05)
    if client is not None:
        try:
            client.quit()
        except (smtplib.SMTPException, OSError):
            pass


def sender(p, number, messages, sessions, out):
    work, lock, acked = [messages], threading.Lock(), []
    threads = [threading.Thread(target=session, daemon=True, args=(
        p, work, lock, acked, "%d-%d" % (number, i))) for i in range(sessions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.put(acked)


def next_hop(port, ask, answer):
    """The sink, in a process of its own: ids and hashes of what it took."""
    with Sink() as sink:
        port.put(sink.port)
        while ask.get() == "count":
            answer.put(len(sink.messages))
        found = []
        for m in sink.messages:
            # Our own Received field comes first; the rest is the sender's.
            rest = m.content.split(b"\r\n", 1)[1]
            while rest[:1] in (b"\t", b" "):
                rest = rest.split(b"\r\n", 1)[1]
            ident = rest.split(b"Message-ID: <", 1)[1].split(b"@", 1)[0]
            found.append((ident.decode(), hashlib.sha256(rest).hexdigest()))
        answer.put(found)


def kill_some(p, busy):
    """One after the other while the senders work; returns what was killed."""
    killed = []
    for victim in ["queue", "relay", "smtpd", "queue", "relay", "all",
                   "smtpd", "queue", "relay", "all"]:
        time.sleep(MESSAGES / 10000)
        if not busy():
            break
        if victim == "all":
            p.kill_all()
            p.start()
        else:
            p.kill(victim)
        killed.append(victim)
    return killed


def is_empty(p):
    """False also while queue is being started again."""
    r = p.ctl("queue", "list", check=False)
    return r.returncode == 0 and r.stdout.strip() == ""


def main():
    need_root()
    mp = multiprocessing.get_context("fork")
    port, ask, answer, out = (mp.Queue() for _ in range(4))
    hop = mp.Process(target=next_hop, args=(port, ask, answer),
                     daemon=True)
    hop.start()
    with Postern(next_hop="smtp://127.0.0.1:%d" % port.get(), workers=2,
                 queue='retry-first = "1s" retry-max = "2s"',
                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        began = time.monotonic()
        senders = [mp.Process(target=sender, daemon=True, args=(
            p, i, MESSAGES // SENDERS, SESSIONS // SENDERS, out))
            for i in range(SENDERS)]
        for s in senders:
            s.start()
        killed = kill_some(p, lambda: any(s.is_alive() for s in senders))
        acked = [ident for _ in senders
                 for ident in out.get(timeout=SENDING_MAX)]
        for s in senders:
            s.join()
        took = time.monotonic() - began
        tap.ok(wait_for(lambda: is_empty(p), 120, 0.5),
               "the queue becomes empty")
    ask.put("end")
    found = answer.get()
    hop.join()

    hashes = {}
    for ident, digest in found:
        hashes.setdefault(ident, []).append(digest)
    lost = [i for i in acked if i not in hashes]
    wrong = [i for i, all_ in hashes.items()
             if set(all_) != {hashlib.sha256(content(i)).hexdigest()}]
    twice = sum(len(all_) - 1 for all_ in hashes.values())
    tap.note("%d acknowledged in %.0f s, %d at the next hop, %d duplicates; "
             "killed: %s" % (len(acked), took, len(found), twice,
                             " ".join(killed)))
    tap.equal(len(acked), MESSAGES // SENDERS * SENDERS, "all were sent")
    tap.ok(len(set(killed)) >= 3, "queue, relay and smtpd were killed")
    tap.equal(lost, [], "no acknowledged message is lost")
    tap.equal(wrong, [], "every message is whole, byte for byte")
    tap.done()


main()
