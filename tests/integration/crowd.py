#!/usr/bin/python3
"""
Many clients, and rude ones: limits of sessions, a thousand idle ones, garbage
instead of handshakes, peers that do not read, and no descriptors left.
"""
import os
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import PATIENCE, SANITIZED, need_root, wait_for     # noqa: E402
from worker import Worker                                        # noqa: E402

ALICE = "alice@example.org"


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), PATIENCE)
    s.settimeout(PATIENCE)
    return s


def rss_kb(child):
    with open("/proc/%d/status" % child.process.pid) as f:
        return next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))


def cpu_ms(child):
    with open("/proc/%d/stat" % child.process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf(
        "SC_CLK_TCK")


def test_limits():
    with Worker(sessions=8, per_address=5) as w:
        kept = [connect(w.port) for _ in range(5)]
        for s in kept:
            s.recv(100)
        over = connect(w.port)
        tap.ok(over.recv(200).startswith(b"421 4.7.0 "),
               "a sixth session from one address")
        tap.equal(over.recv(10), b"", "is closed")
        over = connect(w.tls_port)
        tap.equal(over.recv(10), b"", "without a word where TLS comes first")
        kept.pop().close()
        again = wait_for(lambda: connect(w.port).recv(4) == b"220 ")
        tap.ok(again, "one leaves, one comes")
    with Worker(sessions=3, per_address=50) as w:
        kept = [connect(w.port) for _ in range(3)]
        for s in kept:
            s.recv(100)
        tap.ok(connect(w.port).recv(200).startswith(b"421 4.3.2 "),
               "a fourth session of three")


def test_idle_thousand(w):
    before = rss_kb(w.smtpd_child)
    kept = [connect(w.port) for _ in range(1000)]
    for s in kept:
        s.recv(100)
    context = w.context()
    for _ in range(300):
        s = context.wrap_socket(connect(w.tls_port))
        s.recv(100)
        kept.append(s)
    grown = rss_kb(w.smtpd_child) - before
    tap.note("%d KB for 1,000 plain and 300 TLS sessions" % grown)
    tap.ok(SANITIZED or grown < 1000 * 4 + 300 * 40, "idle sessions are small")
    times = []                  # a machine that pauses tells nothing
    for _ in range(5):
        start = time.monotonic()
        with w.client() as s:
            tap.equal(s.sendmail(ALICE, ["b@example.net"],
                                 "x: y\r\n\r\nx\r\n"),
                      {}, "a user among them gets through")
        times.append(time.monotonic() - start)
    tap.ok(SANITIZED or min(times) < 1, "in less than a second")
    cpu = cpu_ms(w.smtpd_child)
    time.sleep(1)
    tap.ok(cpu_ms(w.smtpd_child) - cpu < 300, "idle ones cost nothing")
    for s in kept:
        s.close()


def test_garbage(w):
    for data in (b"", b"\0", b"\x16\x03\x01\xff\xff" + b"A" * 1000,
                 b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01\0\x02", b"\r\n" * 99,
                 b"SSH-2.0-x\r\n", b"EHLO x\r\n" * 5000, os.urandom(70000)):
        s = connect(w.tls_port)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except OSError:
            pass
        s.close()
    # a real ClientHello, cut off at each length
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        w.context().wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    for n in range(0, len(hello), 7):
        s = connect(w.tls_port)
        s.sendall(hello[:n])
        s.close()
    for _ in range(200):
        s = connect(w.tls_port)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.send(os.urandom(30))
        s.close()                       # a reset
    with w.client() as s:
        tap.equal(s.noop()[0], 250, "garbage instead of handshakes")


def test_deaf(w):
    """A peer that floods commands and never reads."""
    before = rss_kb(w.smtpd_child)
    s = connect(w.port)
    s.setblocking(False)
    sent, end = 0, time.monotonic() + 3
    while sent < 50 << 20 and time.monotonic() < end:
        try:
            sent += s.send(b"NOOP\r\n" * 1000)
        except BlockingIOError:
            time.sleep(0.01)
    tap.note("%d KB were taken" % (sent >> 10))
    tap.ok(SANITIZED or rss_kb(w.smtpd_child) - before < 2000,
           "a peer that does not read does not fill our memory")
    with w.client() as c:
        tap.equal(c.noop()[0], 250, "nor stop others")
    s.close()


def test_floods(w):
    """Commands without end from peers that read nothing, all at once."""
    kind = "floods, parallel sessions, memory"
    before = rss_kb(w.smtpd_child)
    kept = []
    commands = (b"NOOP", b"RSET", b"EHLO c", b"HELO c", b"HELP", b"VRFY a", b"X",
                b"", b"AUTH PLAIN", b"AUTH LOGIN", b"STARTTLS x", b"QUIT x",
                b"MAIL FROM:<a@b>", b"RCPT TO:<a@b>", b"DATA", b"BDAT 1",
                b"NOOP " + b"x" * 500, b"\0")
    for tls in (False, True):
        for command in commands:
            s = connect(w.tls_port if tls else w.port)
            if tls:
                s = w.context().wrap_socket(s)
            s.setblocking(False)
            line, sent, stuck = command + b"\r\n", 0, 0
            while sent < 1 << 20 and stuck < 3:
                try:
                    sent += s.send(line * (16384 // len(line)))
                except (BlockingIOError, ssl.SSLWantWriteError):
                    stuck += 1
                    time.sleep(0.01)
                except OSError:
                    break               # it was let go
            tap.case(kind, (tls, command))
            kept.append(s)
    grown = rss_kb(w.smtpd_child) - before
    tap.note("%d KB for %d floods" % (grown, len(kept)))
    tap.ok(SANITIZED or grown < 4000, "floods do not fill our memory")
    with w.client() as s:
        tap.equal(s.sendmail(ALICE, ["b@example.net"], "x: y\r\n\r\nx\r\n"),
                  {}, "and a user gets through")
    for s in kept:
        s.close()


def test_slow(w):
    """One byte at a time through a whole dialog, many at once."""
    import base64
    login = base64.b64encode(b"\0alice@example.org\0open-sesame")
    text = (b"EHLO c\r\nAUTH PLAIN " + login + b"\r\n"
            b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<b@example.net>\r\n"
            b"DATA\r\nSubject: slow\r\n\r\n..\r\n.\r\nQUIT\r\n")
    context = w.context()
    clients = [context.wrap_socket(connect(w.tls_port)) for _ in range(30)]
    for i in range(len(text)):
        for c in clients:
            c.sendall(text[i:i + 1])
    good = 0
    for c in clients:
        got = b""
        while True:
            part = c.recv(4096)
            if not part:
                break
            got += part
        good += b"\r\n221 2.0.0 " in got
        c.close()
    tap.equal(good, 30, "30 clients, byte by byte")
    tap.ok(wait_for(lambda: sum(b"Subject: slow\r\n" in body for _, _, body in
                                list(w.delivered)) == 30), "all delivered")


def test_no_descriptors():
    with Worker(files={"smtpd": 40}) as w:
        kept = [connect(w.port) for _ in range(60)]
        tap.ok(wait_for(lambda: any("cannot accept" in l for l in w.log)),
               "out of descriptors: it says so")
        cpu = cpu_ms(w.smtpd_child)
        time.sleep(2)
        tap.ok(cpu_ms(w.smtpd_child) - cpu < 200, "and does not spin")
        tap.equal(sum("cannot accept" in l for l in w.log), 1, "once")
        for s in kept[:20]:
            tap.ok(s.recv(4) == b"220 ", "a client that got in")
            s.close()
        tap.equal([s.recv(4) for s in kept[20:45]], [b"220 "] * 25,
                  "those who waited get in when others leave")
        tap.ok(wait_for(lambda: any("accepts again" in l for l in w.log)),
               "and it says so")


def main():
    need_root("postern-smtpd")
    test_limits()
    with Worker(greeting=900, command=900) as w:
        w.account(ALICE, "open-sesame")
        test_idle_thousand(w)
        test_garbage(w)
        test_deaf(w)
        test_floods(w)
        test_slow(w)
        tap.equal(w.smtpd_child.process.poll(), None, "the worker has lived")
    test_no_descriptors()
    tap.done()


main()
