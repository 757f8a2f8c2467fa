#!/usr/bin/python3
"""
Memory goes by bytes and recipients, not by messages: large ones to next hops
that never say a word, one to many places and many to one place each, and a
queue of messages with a thousand recipients. What relay and queue may take is
derived from their budgets. In a network namespace of its own.
"""
import ctypes
import fcntl
import os
import re
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (PATIENCE, SANITIZED, SOURCE, Postern,       # noqa: E402
                     need_root, wait_for)

CLONE_NEWNET = 0x40000000
IFF_UP, SIOCSIFFLAGS = 1, 0x8914
ALICE, BOB = "alice@example.org", "bob@example.org"
LARGE = 240 * 1000              # in the journal still, and in M_DELIVER
BODY = "Subject: m\r\n\r\n" + ("x" * 70 + "\r\n") * (LARGE // 72)
CONNECTION_KB = 24              # what one that is open takes of relay
# Of one that is kept, with all that was heard of it, or is on its way to disk.
RECIPIENT_BYTES = 1500
FEW = SANITIZED                 # sizes mean nothing there: a short run


def own_network():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        tap.skip_all("no network namespace: " +
                     os.strerror(ctypes.get_errno()))
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def budget(header, name):
    """A limit of the product, from where it is written down."""
    with open(os.path.join(SOURCE, header)) as f:
        value = re.search(r"#define %s\s+(\(?[0-9* ]+\)?)" % name, f.read())
    product = 1
    for factor in value.group(1).strip("() ").split("*"):
        product *= int(factor)
    return product


class Silent:
    """Takes connections to every address, and says nothing."""
    def __init__(self):
        self.taken = []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("0.0.0.0", 25))
        self.socket.listen(4096)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            self.taken.append(self.socket.accept()[0])


def rss_kb(p, name):
    for row in p.processes():
        if row["name"].split("/")[0] == name:
            with open("/proc/%d/status" % row["pid"]) as f:
                return next(int(l.split()[1]) for l in f
                            if l.startswith("VmRSS"))
    return 0


def place(net, i):
    return "u@[127.%d.%d.%d]" % (net, i // 250, i % 250 + 1)


def within(p, name, allowed, what):
    """What it took for a moment goes back in time."""
    if SANITIZED:
        return
    wait_for(lambda: rss_kb(p, name) <= allowed)
    got = rss_kb(p, name)
    tap.ok(got <= allowed, "%s: %d KB, %d are allowed" % (what, got, allowed))


def test_one_to_many(p, silent):
    """A body is at a relay once, to however many next hops it goes."""
    hops = 50 if FEW else 500
    relay, queue = rss_kb(p, "relay"), rss_kb(p, "queue")
    with p.client(login=ALICE) as c:
        c.sendmail(ALICE, [place(1, i) for i in range(hops)], BODY)
    tap.ok(wait_for(lambda: len(silent.taken) >= hops), "all are tried at once")
    within(p, "relay", relay + hops * CONNECTION_KB + 2 * LARGE // 1000,
           "one body for %d next hops" % hops)
    within(p, "queue", queue + budget("queue/dispatch.h",
                                      "DISPATCH_BACKLOG_MAX") // 1000 * 2,
           "in queue, too")


def test_many(p, silent):
    """Of what all may have at relays an account gets half, alone."""
    messages = 20 if FEW else 300
    share = budget("queue/sched.h", "SCHED_BYTES_MAX") // 2
    relay, before = rss_kb(p, "relay"), len(silent.taken)
    with p.client(login=ALICE) as c:
        for i in range(messages):
            c.sendmail(ALICE, [place(2, i)], BODY)
    fit = min(messages, share // (LARGE + 10000) - 5)
    tap.ok(wait_for(lambda: len(silent.taken) - before >= fit),
           "%d large messages are tried" % fit)
    within(p, "relay", relay + share // 1000 + fit * 2 * CONNECTION_KB,
           "%d bodies" % messages)
    before = len(silent.taken)
    with p.client(login=BOB) as c:
        c.sendmail(BOB, [place(3, 0)], BODY)
    tap.ok(wait_for(lambda: len(silent.taken) > before),
           "another's large message is not behind them")


def test_recipients(p):
    """A queue of messages with a thousand recipients each."""
    messages = 10 if FEW else 1000
    kept = (budget("queue/live.h", "LIVE_UNITS_MAX") +
            budget("queue/feed.h", "FEED_LIVE_MAX") +
            budget("queue/feed.h", "FEED_PAGE")) * \
        budget("queue/store.h", "STORE_UNIT_RCPTS")
    before = rss_kb(p, "queue")
    to = ["user-%d@some-domain.example.net" % i for i in range(1000)]
    lines = [("RCPT TO:<%s>\r\n" % t).encode() for t in to]
    with p.client(login=BOB) as c:
        for i in range(messages):
            c.putcmd("MAIL FROM:<%s>" % BOB)
            c.getreply()
            for k in range(0, 1000, 50):
                c.sock.sendall(b"".join(lines[k:k + 50]))
                codes = {c.getreply()[0] for _ in range(50)}
            if codes != {250}:
                tap.ok(False, "recipients are taken: %s" % codes)
                return
            c.data("Subject: x\r\n\r\nx\r\n")
    within(p, "queue", before + kept * RECIPIENT_BYTES // 1000,
           "%d messages of a thousand recipients" % messages)
    if not FEW:
        tap.ok(kept * 5 < messages * 1000, "most are in the store alone")


def main():
    need_root()
    own_network()
    silent = Silent()
    stalled = socket.socket()
    stalled.bind(("127.0.0.1", 0))
    stalled.listen(100)
    stalled_hop = "smtp://127.0.0.1:%d" % stalled.getsockname()[1]
    with Postern(next_hop="mx", route_options="loopback = on") as p:
        for name in ALICE, BOB:
            p.account(name, "open-sesame")
        test_one_to_many(p, silent)
        test_many(p, silent)
        p.kill_all()            # a stop would wait for them
    with Postern(next_hop=stalled_hop, route_options="tls = none") as p:
        p.account(BOB, "open-sesame")
        test_recipients(p)
        p.kill_all()
    tap.done()


main()
