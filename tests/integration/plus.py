#!/usr/bin/python3
"""
Channel binding between real programs: gsasl (GnuTLS) and Python's OpenSSL log in
by SCRAM-SHA-256-PLUS; whoever stands between a client and Postern with a
certificate that the client believes cannot pass the login on.
"""
import base64
import contextlib
import hashlib
import os
import select
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (HOSTNAME, PATIENCE, Postern,                 # noqa: E402
                     make_certificate, need_root, wait_for)
from scram import Scram                                          # noqa: E402

ALICE, PASSWORD = "alice@example.org", "open-sesame"
TLS12 = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
PLUS = "SCRAM-SHA-256-PLUS"


def gsasl(port, ca, mechanism=PLUS, priority="NORMAL", password=PASSWORD):
    """All that was said; the reply to AUTH is among it."""
    r = subprocess.run(
        ["gsasl", "--smtp", "--connect=127.0.0.1:%d" % port,
         "--x509-ca-file=" + ca, "--hostname=" + HOSTNAME,
         "--mechanism=" + mechanism, "--priority=" + priority,
         "--authentication-id=" + ALICE, "--password=" + password],
        input="", capture_output=True, text=True, timeout=PATIENCE)
    return r.stdout + r.stderr


def said(text, reply):
    return any(line.startswith(reply) for line in text.splitlines())


def expect(text, reply, name):
    if not tap.ok(said(text, reply), name):
        tap.note(text[-3000:])


# --- a client of our own --------------------------------------------------------

class Client:
    def __init__(self, p, version=None, like=None):
        """like: another client, whose session is resumed."""
        self.context = like.context if like else p.context()
        if version:
            self.context.maximum_version = version
        self.tls = self.context.wrap_socket(
            socket.create_connection(("127.0.0.1", p.tls_port), PATIENCE),
            session=like.tls.session if like else None)
        self.file = self.tls.makefile("rb")
        self.reply()
        self.offers = self.say("EHLO c")

    def reply(self):
        text = ""
        while True:
            line = self.file.readline().decode()
            text += line
            if line[3:4] != "-":
                return text

    def say(self, line):
        self.tls.sendall(line.encode() + b"\r\n")
        return self.reply()

    def login(self, scram, mechanism=PLUS):
        def b64(data):
            return base64.b64encode(data).decode()
        reply = self.say("AUTH %s %s" % (mechanism, b64(scram.first())))
        if reply.startswith("334"):
            reply = self.say(b64(scram.final(base64.b64decode(reply[4:]))))
        if reply.startswith("334"):
            if not scram.proven(base64.b64decode(reply[4:])):
                return "the server proves nothing"
            reply = self.say("")
        return reply

    def close(self):
        self.file.close()
        self.tls.close()

    def end_point(self):
        der = self.tls.getpeercert(True)
        return Scram(ALICE, PASSWORD, "p=tls-server-end-point,,",
                     hashlib.sha256(der).digest())


def test_clients(p):
    for name, priority in ("TLS 1.3", "NORMAL"), ("TLS 1.2", TLS12):
        expect(gsasl(p.port, p.cert, priority=priority), "235",
               "gsasl, %s" % name)
    expect(gsasl(p.port, p.cert, password="wrong"), "535 5.7.8 Wrong",
           "a wrong password")
    expect(gsasl(p.port, p.cert, mechanism="PLAIN"), "235", "gsasl, PLAIN")
    with contextlib.closing(Client(p)) as c:
        tap.ok("AUTH %s SCRAM-SHA-256 PLAIN LOGIN" % PLUS in c.offers,
               "EHLO offers it")
        tap.ok(c.login(c.end_point()).startswith("235"),
               "tls-server-end-point")
    with contextlib.closing(Client(p, version=ssl.TLSVersion.TLSv1_2)) as c:
        unique = Scram(ALICE, PASSWORD, "p=tls-unique,,",
                       c.tls.get_channel_binding("tls-unique"))
        tap.ok(c.login(unique).startswith("235"), "tls-unique of TLS 1.2")
    tap.ok(p.logged("mechanism=SCRAM-SHA-256-PLUS"), "the log names it")


def test_wrong(p):
    wrong = [
        ("another end point", PLUS, "p=tls-server-end-point,,", b"x" * 32),
        ("no data", PLUS, "p=tls-exporter,,", b""),
        ("another exporter", PLUS, "p=tls-exporter,,", b"x" * 32),
        ("TLS 1.2's kind under 1.3", PLUS, "p=tls-unique,,", b"x" * 12),
        ("a kind that nobody knows", PLUS, "p=tls-secret,,", b"x" * 12),
        ("a client that was shown no -PLUS", "SCRAM-SHA-256", "y,,", b""),
    ]
    for name, mechanism, header, data in wrong:
        with contextlib.closing(Client(p)) as c:
            reply = c.login(Scram(ALICE, PASSWORD, header, data), mechanism)
            tap.ok(reply.startswith("535 5.7.8 Channel binding"), name)
            tap.ok(c.login(c.end_point()).startswith("235"), "then the right")
    for name, mechanism, header in (
            ("-PLUS that binds to nothing", PLUS, "n,,"),
            ("-PLUS and y", PLUS, "y,,"),
            ("a binding without -PLUS", "SCRAM-SHA-256", "p=tls-exporter,,")):
        with contextlib.closing(Client(p)) as c:
            reply = c.login(Scram(ALICE, PASSWORD, header), mechanism)
            tap.ok(reply.startswith("501 5.5.2"), name)
    with contextlib.closing(Client(p)) as c:
        tap.ok(c.login(Scram(ALICE, PASSWORD), "SCRAM-SHA-256").startswith(
            "235"), "who knows of no binding gets in as before")
    tap.ok(wait_for(lambda: 'why=binding said="' in p.log()),
           "the log says why")


def test_resumed(p):
    """After a reload with a new certificate the first one still binds."""
    with contextlib.closing(Client(p)) as first:
        tap.ok(first.login(first.end_point()).startswith("235"), "a session")
        right = first.end_point()
        p.cert, p.key = make_certificate(p.dir, "new")
        p.configure()
        p.ctl("reload")
        with contextlib.closing(Client(p)) as c:
            tap.ok(c.end_point().data != right.data, "a new certificate")
            tap.ok(c.login(right).startswith("535"), "the old one is void")
            tap.ok(c.login(c.end_point()).startswith("235"), "the new counts")
        with contextlib.closing(Client(p, like=first)) as c:
            tap.ok(c.tls.session_reused, "the session is resumed")
            tap.ok(c.login(right).startswith("235"),
                   "and bound to the certificate that it began with")


# --- somebody in the path ------------------------------------------------------------

class Middle:
    """Ends the client's STARTTLS with its own certificate and begins another."""

    def __init__(self, p, pair):
        self.p, self.pair = p, pair
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen = b""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,),
                             daemon=True).start()

    def relay(self, client):
        server = socket.create_connection(("127.0.0.1", self.p.port))
        client.settimeout(PATIENCE)
        server.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            self.pump(*self.under_tls(client, server))

    def under_tls(self, client, server):
        def until(s, good):
            text = b""
            while not (text.endswith(b"\n") and good(text)):
                piece = s.recv(4096)
                if not piece:
                    raise OSError("gone")
                text += piece
            return text

        def answer():
            client.sendall(until(server, lambda text:
                                 text.splitlines()[-1][3:4] == b" "))
        answer()
        for _ in range(2):              # EHLO, STARTTLS
            server.sendall(until(client, lambda text: True))
            answer()
        mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mine.load_cert_chain(*self.pair)
        return (mine.wrap_socket(client, server_side=True),
                self.p.context().wrap_socket(server))

    def pump(self, client, server):
        """One thread for both ways: OpenSSL's objects are not for two."""
        other = {client: server, server: client}
        for s in other:
            s.setblocking(False)
        while True:
            for s in select.select(list(other), [], [], PATIENCE)[0]:
                try:
                    piece = s.recv(65536)           # a whole record
                except ssl.SSLWantReadError:        # a session ticket
                    continue
                self.seen += piece
                if not piece:
                    client.close()
                    server.close()
                    return
                other[s].sendall(piece)

    def close(self):
        self.listener.close()


def test_middle(p):
    pair = make_certificate(p.dir, HOSTNAME + "-not")
    with contextlib.closing(Middle(p, pair)) as m:
        expect(gsasl(m.port, pair[0], mechanism="PLAIN"), "235",
               "the client believes him: PLAIN is his")
        expect(gsasl(m.port, pair[0]), "535 5.7.8 Channel binding",
               "a bound login cannot be passed on")
        tap.ok(b"AUTH " + PLUS.encode() in m.seen, "it went through him")
    # With the very same certificate, stolen: end-point would not notice it.
    with contextlib.closing(Middle(p, (p.cert, p.key))) as m:
        expect(gsasl(m.port, p.cert), "535 5.7.8 Channel binding",
               "not with a stolen key either")


def test_switched_off(p):
    p.configure(sections='accounts { mechanisms = {"SCRAM-SHA-256", "PLAIN"} }')
    p.ctl("reload")
    with contextlib.closing(Client(p)) as c:
        tap.ok("-PLUS" not in c.offers, "not offered when not configured")
        tap.ok(c.login(c.end_point()).startswith("504"), "nor taken")
        tap.ok(c.login(Scram(ALICE, PASSWORD, "y,,"), "SCRAM-SHA-256")
               .startswith("235"), "and y is the truth")


def main():
    need_root()
    with Postern() as p:
        p.account(ALICE, PASSWORD)
        test_clients(p)
        test_wrong(p)
        test_middle(p)
        test_resumed(p)
        test_switched_off(p)
    tap.done()


if __name__ == "__main__":
    main()
