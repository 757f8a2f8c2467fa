#!/usr/bin/python3
"""
A crowd that sits and a crowd that crawls: idle authenticated sessions beside busy
ones; then clients on both ports that say a byte every few seconds, in the clear, in
a handshake, in a command, in a message. Users get in and their mail is taken all the
while; the slow ones are let go when their time is over.

    throng.py [IDLE BUSY SLOW]      default 300 60 90; check-long 10000 200 3000
"""
import multiprocessing
import os
import select
import smtplib
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (PATIENCE, Postern, need_root, plain,        # noqa: E402
                     wait_for)
from sink import Sink                                            # noqa: E402

IDLE, BUSY, SLOW = [int(n) for n in sys.argv[1:]] or (300, 60, 90)
SHORT = IDLE < 1000
BUSY_SECONDS = 4 if SHORT else 20
CROWDS = 4                      # processes that hold the idle sessions
ALICE = "alice@example.org"
PASSWORD = "open-sesame"
LOGIN = b"AUTH PLAIN %s\r\n" % plain(ALICE, PASSWORD).encode()
MESSAGE = "Subject: x\r\n\r\nhello\r\n"
# Seconds; the manual's names.
TIMES = {"greeting-time": 10, "command-time": 6, "data-time": 6,
         "message-time": 10, "session-time": 60} if SHORT else \
    {"greeting-time": 12, "command-time": 10, "data-time": 10,
     "message-time": 25, "session-time": 120}
STEP = 2 if SHORT else 5        # a byte, so often: in time for each of these


def context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c


def connect(port, source="127.0.0.1"):
    s = socket.create_connection(("127.0.0.1", port), 4 * PATIENCE,
                                 (source, 0))
    s.settimeout(4 * PATIENCE)
    return s


def ask(s, what, code):
    s.sendall(what)
    got = s.recv(4096)
    while not got.endswith(b"\r\n"):
        got += s.recv(4096)
    if not got.startswith(code):
        raise RuntimeError("%r: %r" % (what, got))


def logged_in(port, c, source="127.0.0.1"):
    s = c.wrap_socket(connect(port, source))
    ask(s, b"", b"220")
    ask(s, b"EHLO c\r\n", b"250")
    ask(s, LOGIN, b"235")
    return s


# --- who sits -----------------------------------------------------------------

def crowd(p, number, orders, out):
    """So many idle sessions; in the end each is asked whether it lives."""
    c = context()
    kept = [logged_in(p.tls_port, c, "127.0.1.%d" % (1 + i % 250))
            for i in range(number)]
    out.put(len(kept))
    orders.get()
    good = 0
    for s in kept:
        try:
            ask(s, b"NOOP\r\n", b"250")
            good += 1
        except (OSError, RuntimeError):
            pass
    out.put(good)


def busy(p, number, out):
    """So many sessions that submit all the time; how many were taken."""
    end, taken, failed = time.monotonic() + BUSY_SECONDS, [], []

    def run():
        try:
            with p.client(login=ALICE) as s:
                while time.monotonic() < end:
                    s.sendmail(ALICE, ["bob@example.net"], MESSAGE)
                    taken.append(1)
        except (smtplib.SMTPException, OSError) as e:
            failed.append(str(e))

    threads = [threading.Thread(target=run, daemon=True)
               for _ in range(number)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.put((len(taken), failed[:3]))


def next_hop(port):
    with Sink() as sink:
        port.put(sink.port)
        while True:
            time.sleep(1)
            sink.lines.clear()


def user(p):
    """Seconds that a login and a message take now."""
    begun = time.monotonic()
    p.submit(ALICE, ["bob@example.net"], MESSAGE)
    return time.monotonic() - begun


def pss_kb(p):
    total = 0
    for row in p.processes():
        if row["name"].startswith("smtpd"):
            with open("/proc/%d/smaps_rollup" % row["pid"]) as f:
                total += next(int(l.split()[1]) for l in f
                              if l.startswith("Pss:"))
    return total


def test_idle(mp, port):
    out = mp.Queue()
    with Postern(next_hop="smtp://127.0.0.1:%d" % port, workers=4,
                 limits='command-time = "2h"',
                 route_options="tls = none") as p:
        p.account(ALICE, PASSWORD)
        user(p)
        before, begun = pss_kb(p), time.monotonic()
        orders = mp.Queue()
        crowds = [mp.Process(target=crowd, daemon=True, args=(
            p, IDLE // CROWDS, orders, out)) for _ in range(CROWDS)]
        for c in crowds:
            c.start()
        tap.equal(sum(out.get(timeout=900) for _ in crowds),
                  IDLE // CROWDS * CROWDS, "%d users sit there" % IDLE)
        tap.note("%d logged in after %.0f s, %.1f KB each in smtpd" % (
            IDLE, time.monotonic() - begun, (pss_kb(p) - before) / IDLE))
        workers = [mp.Process(target=busy, daemon=True, args=(
            p, BUSY // 4, out)) for _ in range(4)]
        for w in workers:
            w.start()
        times = []
        while any(w.is_alive() for w in workers) and \
                len(times) < BUSY_SECONDS:
            times.append(user(p))
            time.sleep(0.5)
        results = [out.get(timeout=4 * PATIENCE) for _ in workers]
        tap.equal([f for _, failed in results for f in failed], [],
                  "%d busy ones beside them all go on" % BUSY)
        tap.note("%d messages in %d s; a new login and a message: median "
                 "%.0f ms, longest %.0f ms" % (
                     sum(n for n, _ in results), BUSY_SECONDS,
                     sorted(times)[len(times) // 2] * 1000,
                     max(times) * 1000))
        tap.ok(times, "and a user more gets in each time")
        for _ in crowds:
            orders.put("end")
        tap.equal(sum(out.get(timeout=900) for _ in crowds),
                  IDLE // CROWDS * CROWDS, "the idle ones have lived")


# --- who crawls -----------------------------------------------------------------

def hello():
    """A ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context().wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def in_clear(p, c):
    s = connect(p.port)
    ask(s, b"", b"220")
    return s


def at_starttls(p, c):
    s = in_clear(p, c)
    ask(s, b"EHLO c\r\n", b"250")
    ask(s, b"STARTTLS\r\n", b"220")
    return s


def under_tls(p, c):
    s = c.wrap_socket(connect(p.tls_port))
    ask(s, b"", b"220")
    return s


def at_data(p, c):
    s = logged_in(p.tls_port, c)
    ask(s, b"MAIL FROM:<%s>\r\n" % ALICE.encode(), b"250")
    ask(s, b"RCPT TO:<bob@example.net>\r\n", b"250")
    ask(s, b"DATA\r\n", b"354")
    return s


def slow_kinds():
    """How each begins, and what it says byte by byte from there."""
    return [
        (in_clear, b"EHLO " + b"c" * 100),
        (in_clear, b"\r\n" * 50),
        (at_starttls, hello()),
        (lambda p, c: connect(p.tls_port), hello()),
        (under_tls, b"EHLO " + b"c" * 100),
        (lambda p, c: logged_in(p.tls_port, c), b"NOOP " + b"c" * 100),
        (at_data, b"Subject: " + b"x" * 100),
    ]


def gone(socks):
    """Those that the server has closed."""
    poll = select.poll()
    by_fd = {s.fileno(): s for s in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    closed = []
    for fd, _ in poll.poll(0):
        s = by_fd[fd]
        try:
            s.settimeout(0.5)
            while s.recv(4096):
                pass
            closed.append(s)
        except TimeoutError:
            pass
        except OSError:
            closed.append(s)
    return closed


def crawl(p, number, ready, out):
    """So many of all kinds, until none is left; (how many, for how long)."""
    c, living = context(), {}
    kinds = slow_kinds()
    for i in range(number):
        begin, text = kinds[i % len(kinds)]
        try:
            living[begin(p, c)] = text
        except (OSError, RuntimeError):
            pass        # greeting-time was over before it was our turn
    ready.put(len(living))
    begun, n = time.monotonic(), 0
    while living and time.monotonic() - begun < TIMES["session-time"] + \
            PATIENCE:
        for s in gone(living):
            s.close()
            del living[s]
        for s, text in list(living.items()):
            try:
                s.sendall(text[n:n + 1])
            except OSError:
                s.close()
                del living[s]
        n += 1
        time.sleep(STEP)
    out.put((len(living), time.monotonic() - begun))


def test_crawl(mp, port):
    ready, out = mp.Queue(), mp.Queue()
    limits = " ".join('%s = "%ds"' % t for t in TIMES.items())
    with Postern(next_hop="smtp://127.0.0.1:%d" % port, workers=2,
                 limits=limits, route_options="tls = none") as p:
        p.account(ALICE, PASSWORD)
        user(p)
        crawlers = [mp.Process(target=crawl, daemon=True, args=(
            p, SLOW // 3, ready, out)) for _ in range(3)]
        for c in crawlers:
            c.start()
        times = []
        while any(c.is_alive() for c in crawlers):
            times.append(user(p))
            time.sleep(0.5)
        began = sum(ready.get(timeout=PATIENCE) for _ in crawlers)
        ends = [out.get(timeout=PATIENCE) for _ in crawlers]
        tap.ok(began > SLOW / 2, "slow clients on both ports: %d" % began)
        tap.equal([left for left, _ in ends], [0, 0, 0],
                  "all are let go, though a byte came in time for each")
        tap.note("after %.0f s at most; meanwhile %d users, median %.0f ms, "
                 "longest %.0f ms" % (max(t for _, t in ends), len(times),
                                      sorted(times)[len(times) // 2] * 1000,
                                      max(times) * 1000))
        tap.ok(wait_for(lambda: p.queue() == []), "no half message is kept")


def main():
    need_root()
    mp = multiprocessing.get_context("fork")
    port = mp.Queue()
    hop = mp.Process(target=next_hop, args=(port,), daemon=True)
    hop.start()
    port = port.get()
    test_idle(mp, port)
    test_crawl(mp, port)
    tap.done()


main()
