#!/usr/bin/python3
"""
The PROXY protocol in front of the SMTP one: who is taken for whom, on a
listener for proxies and on one without.
"""
import os
import socket
import ssl
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (PATIENCE, Postern, free_port, need_root, plain,  # noqa: E402
                     wait_for)
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
V1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 465\r\n"


def v2(command, family=0, body=b""):
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) +
            struct.pack(">H", len(body)) + body)


V2 = v2(1, 0x11, socket.inet_aton("192.0.2.8") + socket.inet_aton("10.0.0.1") +
        struct.pack(">HH", 1, 2))
V2_6 = v2(1, 0x21, socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2 +
          struct.pack(">HH", 1, 2) + b"\x04\0\x02ab")


def connect(port, *pieces):
    s = socket.create_connection(("127.0.0.1", port), PATIENCE)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        s.sendall(piece)
        if len(pieces) > 1:
            time.sleep(0.02)
    return s


def line(s):
    got = b""
    while not got.endswith(b"\n"):
        byte = s.recv(1)
        if not byte:
            break
        got += byte
    return got.decode()


def ended(s):
    try:
        return s.recv(100) == b""
    except ConnectionResetError:
        return True


def test_sources(p, port):
    for name, header, peer in (
            ("version 1", V1, "192.0.2.7"),
            ("version 1, IPv6",
             b"PROXY TCP6 2001:db8::a ::1 1 2\r\n", "2001:db8::a"),
            ("version 2", V2, "192.0.2.8"),
            ("version 2, IPv6, with more", V2_6, "2001:db8::9"),
            ("version 1, unknown", b"PROXY UNKNOWN\r\n", "127.0.0.1"),
            ("version 2, local", v2(0), "127.0.0.1")):
        for pieces in ([header], [header[i:i + 1] for i in range(len(header))],
                       [header + b"NOOP x\r\n"]):
            before = len(p.log())
            s = connect(port, *pieces)
            tap.ok(line(s).startswith("220 "), name + ": greeted")
            s.sendall(b"QUIT\r\n")
            s.close()
            tap.ok(wait_for(lambda: " end peer=%s " % peer in
                            p.log()[before:]), name + ": as " + peer)


def test_tls(p, port, sink):
    """The handshake may come in one packet with the header."""
    c = p.context()
    raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = c.wrap_bio(incoming, outgoing, server_hostname="relay.example.org")
    first = V2
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.sendall(first + outgoing.read())
            first = b""
            incoming.write(raw.recv(65536))
    raw.sendall(outgoing.read())

    def talk(text):
        if text:
            tls.write(text.encode() + b"\r\n")
            raw.sendall(outgoing.read())
        while True:
            try:
                got = tls.read(65536)
                if got.split(b"\r\n")[-2][3:4] == b" ":
                    return got.decode()
            except ssl.SSLWantReadError:
                incoming.write(raw.recv(65536))
    tap.ok(talk("").startswith("220 "), "TLS behind the header")
    talk("EHLO client.example")
    tap.ok(talk("AUTH PLAIN " + plain(ALICE, "open-sesame")).startswith("235"),
           "a login")
    talk("MAIL FROM:<%s>" % ALICE)
    talk("RCPT TO:<bob@example.net>")
    talk("DATA")
    tap.ok(talk("Subject: x\r\n\r\nx\r\n.").startswith("250"), "a message")
    tap.ok(wait_for(lambda: sink.messages), "which arrives")
    tap.ok("from client.example ([192.0.2.8])" in sink.messages[0].header(),
           "Received names the client, not the proxy")
    tap.ok(wait_for(lambda: "login account=" in p.log() and
                    "peer=192.0.2.8" in p.log()), "so does the log")
    raw.close()


def test_refused(p, port, other_port, plain_port):
    for what, first in (("SMTP at once", b"EHLO x\r\n"),
                        ("a TLS handshake", b"\x16\x03\x01\x02\0\x01"),
                        ("a bad address", b"PROXY TCP4 a b 1 2\r\n"),
                        ("a bad length", V2[:14] + b"\xff\xff" + V2[16:]),
                        ("another version", V2[:12] + b"\x31" + V2[13:]),
                        ("an endless line", b"PROXY UNKNOWN " + b"x" * 200)):
        s = connect(port, first)
        tap.ok(ended(s), "instead of a header: " + what)
        s.close()
    s = connect(other_port, V1)
    tap.ok(line(s).startswith("421 4.7.0"), "who is no proxy does not come in")
    tap.ok(ended(s), "whatever he says")
    s.close()
    tap.ok(wait_for(lambda: "proxy=untrusted peer=127.0.0.1" in p.log() and
                    "proxy=refused peer=127.0.0.1" in p.log()), "logged")
    s = connect(plain_port, V1)
    tap.ok(line(s).startswith("220 "), "a listener without proxies")
    tap.ok(line(s).startswith("500 "), "takes the header for what it is not")
    s.close()


def test_limit(p, port):
    """The client's sessions count, not the proxy's."""
    open_ones = []
    for n in range(3):
        s = connect(port, V1)
        open_ones.append((s, line(s)))
    tap.equal([text[:3] for _, text in open_ones], ["220", "220", "421"],
              "two sessions from one client")
    s = connect(port, V2)
    tap.ok(line(s).startswith("220 "), "another client still comes in")
    for s in [s] + [s for s, _ in open_ones]:
        s.close()


def main():
    need_root()
    ports = [free_port() for _ in range(3)]
    sections = "".join(
        'listen %s { address = "127.0.0.1" port = %d tls = %s '
        'proxy = {"192.0.2.1", "%s"} }\n' % x for x in (
            ("lb", ports[0], "starttls", "127.0.0.0/8"),
            ("lbs", ports[1], "implicit", "127.0.0.1"),
            ("other", ports[2], "starttls", "10.0.0.0/8")))
    with Sink() as sink, Postern(
            sink.url, route_options="tls = none", sections=sections +
            "received { client = on }\n") as p:
        p.account(ALICE, "open-sesame")
        test_sources(p, ports[0])
        test_tls(p, ports[1], sink)
        test_refused(p, ports[0], ports[2], p.port)
        p.configure(limits="errors = 9", sections=sections)
        with open(p.conf_path) as f:
            text = f.read()
        with open(p.conf_path, "w") as f:
            f.write(text.replace("sessions-per-address = 20000",
                                 "sessions-per-address = 2"))
        p.ctl("reload")
        test_limit(p, ports[0])
    tap.done()


main()
