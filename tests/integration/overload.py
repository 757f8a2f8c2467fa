#!/usr/bin/python3
"""
More clients than may come in: those inside are served as ever, all others are
told at once that there is no room (421, or closed where TLS comes first), nobody
is left waiting, and what was acknowledged arrives. Once there is room everybody
gets in.
"""
import os
import random
import smtplib
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import PATIENCE, Postern, need_root, wait_for       # noqa: E402
from sink import Sink                                            # noqa: E402

SESSIONS = 50
CLIENTS = 300
ALICE = "alice@example.org"


class Clients:
    """What each of them has had acknowledged, and what went wrong."""

    def __init__(self, p):
        self.p = p
        self.acked, self.wrong, self.refused = [], [], 0
        self.lock = threading.Lock()

    def send(self, s, name):
        s.sendmail(ALICE, ["bob@example.net"],
                   "Subject: %s.\r\n\r\nx\r\n" % name)
        with self.lock:
            self.acked.append(name)

    def get_in(self, i):
        """Tries until it is served, as mail programs do; one message."""
        while True:
            try:
                with self.p.client(implicit=i % 2 == 0, login=ALICE) as s:
                    self.send(s, "later-%d" % i)
                return
            except TimeoutError as e:
                raise RuntimeError("left waiting: %r" % e)
            except smtplib.SMTPConnectError as e:
                if e.smtp_code != 421:
                    raise
            except (smtplib.SMTPServerDisconnected, ConnectionError) as e:
                if i % 2:           # told nothing, where it could be
                    raise RuntimeError("%r" % e)
            except OSError as e:    # of TLS
                if i % 2 or "EOF" not in str(e):
                    raise
            with self.lock:
                self.refused += 1
            time.sleep(random.uniform(0.05, 0.5))

    def all(self, what, arguments):
        """So many threads, all at once, to their ends."""
        def run(a):
            try:
                what(a)
            except Exception as e:
                with self.lock:
                    self.wrong.append(repr(e))
        threads = [threading.Thread(target=run, args=(a,), daemon=True)
                   for a in arguments]
        for t in threads:
            t.start()
        for t in threads:
            t.join(4 * PATIENCE)
        return not any(t.is_alive() for t in threads)


def turned_away(p):
    """What each of a crowd hears that comes at once, on both ports."""
    socks = []
    for i in range(CLIENTS):
        s = socket.create_connection(
            ("127.0.0.1", p.tls_port if i % 2 == 0 else p.port), PATIENCE)
        s.settimeout(PATIENCE)
        socks.append(s)
    heard = []
    for s in socks:
        said = b""
        while more := s.recv(4096):
            said += more
        heard.append(said)
        s.close()
    return heard


def test_full(p, clients):
    """All places are taken, by users who submit all the while."""
    inside = [p.client(implicit=i % 2 == 0, login=ALICE)
              for i in range(SESSIONS)]
    going = threading.Event()
    going.set()

    def busy(i):
        n = 0
        while n == 0 or going.is_set():
            clients.send(inside[i], "inside-%d-%d" % (i, n))
            n += 1
        clients.send(inside[i], "inside-%d-last" % i)

    crowd = threading.Thread(target=lambda: heard.extend(turned_away(p)))
    heard = []
    ended = []
    users = threading.Thread(target=lambda: ended.append(
        clients.all(busy, range(SESSIONS))))
    users.start()
    crowd.start()
    crowd.join(2 * PATIENCE)
    going.clear()
    users.join(5 * PATIENCE)
    tap.equal(len(heard), CLIENTS, "nobody of %d is left waiting" % CLIENTS)
    tap.ok(wait_for(lambda: 'turned away why="sessions"' in p.log()),
           "the log says so, for whom 465 tells nothing")
    tap.equal({h[:10] for h in heard[1::2]}, {b"421 4.3.2 "},
              "who can be is told why")
    tap.equal(set(heard[::2]), {b""}, "others see the end")
    tap.equal((ended, clients.wrong), ([True], []),
              "those inside are served (%d messages)" % len(clients.acked))
    return inside


def test_room(p, clients, inside):
    """They leave, and all others want in at once."""
    for s in inside:
        s.quit()
    tap.ok(clients.all(clients.get_in, range(CLIENTS)),
           "everybody is let in at last")
    tap.equal(clients.wrong, [], "told so until then")
    tap.note("%d times in vain" % clients.refused)


def main():
    need_root()
    with Sink() as sink, Postern(
            next_hop=sink.url, limits="sessions = %d" % SESSIONS,
            route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        clients = Clients(p)
        test_room(p, clients, test_full(p, clients))
        wait_for(lambda: len(sink.messages) >= len(clients.acked))
        wait_for(lambda: p.queue() == [])
        came = [m.header().split("Subject: ")[1].split(".")[0]
                for m in sink.messages]
        tap.ok(sorted(came) == sorted(clients.acked),
               "what was acknowledged arrives, once: %d, %d" % (
                   len(came), len(clients.acked)))
    tap.done()


main()
