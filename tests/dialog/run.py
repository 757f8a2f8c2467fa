#!/usr/bin/python3
"""
Plays the dialogs of tests/dialog/*.dlg against a running Postern. A file holds
several; each is one test, played once with whole lines and once byte by byte
(under TLS that is one record a byte). The format, line by line:

    == name             a new dialog
    @ submission        connect to the STARTTLS port; the default is
    @ submissions       the port with implicit TLS
    > text              send a line; CRLF is added
    >> text             send just this: \\r \\n \\0 \\t \\\\ and \\xNN are understood
    < 250 2.1.0         the next reply begins so in its last line ('*' ends the
                        pattern early; without it the code and enhanced code
                        must match whole)
    + SIZE              the reply just read has a line that contains this
    - AUTH              no line of it contains this
    tls                 do the TLS handshake
    login [name]        EHLO and AUTH PLAIN, checked
    whole               not to be played byte by byte: timing would differ
    closed              the server has closed the connection
    # ...               a remark

$PLAIN, $WRONG and $NOBODY stand for SASL PLAIN responses of the account alice,
with a wrong password, and of an account that does not exist.
"""
import glob
import os
import re
import socket
import ssl
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from postern import HOSTNAME, PATIENCE, Postern, need_root, plain  # noqa: E402
from sink import Sink                                           # noqa: E402

ALICE, BOB = "alice@example.org", "bob@example.org"
SCAN, TAGS = "scan@example.org", "tags@example.org"
WORDS = {
    "$PLAIN": plain(ALICE, "open-sesame"),
    "$WRONG": plain(ALICE, "wrong"),
    "$NOBODY": plain("nobody@example.org", "open-sesame"),
    "$HOST": HOSTNAME,
}


class Failed(Exception):
    pass


def unescape(text):
    def one(m):
        c = m.group(1)
        simple = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\"}
        return simple[c] if c in simple else chr(int(c[1:], 16))
    return re.sub(r"\\(r|n|0|t|\\|x[0-9a-fA-F]{2})", one, text)


class Client:
    def __init__(self, postern, slow):
        self.postern, self.slow = postern, slow
        self.sock = self.file = None
        self.reply = []

    def connect(self, service):
        port = self.postern.port if service == "submission" else \
            self.postern.tls_port
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if service == "submissions":
            self.tls()
        self.file = self.sock.makefile("rb")

    def tls(self):
        self.sock = self.postern.context().wrap_socket(
            self.sock, server_hostname=HOSTNAME)
        self.file = self.sock.makefile("rb")

    def send(self, text):
        if self.sock is None:
            self.connect("submissions")
        for word, value in WORDS.items():
            text = text.replace(word, value)
        data = text.encode("latin-1")
        try:
            if not self.slow:
                self.sock.sendall(data)
                return
            for i in range(len(data)):
                self.sock.sendall(data[i:i + 1])
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass            # what it said before is what counts

    def expect(self, pattern):
        for word, value in WORDS.items():
            pattern = pattern.replace(word, value)
        if self.sock is None:
            self.connect("submissions")
        self.reply = []
        while True:
            try:
                line = self.file.readline(65536).decode("latin-1")
            except (ConnectionResetError, ssl.SSLError) as e:
                raise Failed("wanted '%s', got %r" % (pattern, e))
            if not line.endswith("\r\n"):
                raise Failed("wanted '%s', got %r" % (pattern, line))
            self.reply.append(line[:-2])
            if line[3:4] != "-":
                break
        last = self.reply[-1]
        head, star, _ = pattern.partition("*")
        if star:
            good = last.startswith(head.rstrip()) or last.startswith(head)
        else:
            words = pattern.split(" ")
            good = last.split(" ")[:len(words)] == words
        if not good:
            raise Failed("wanted '%s', got '%s'" % (pattern, last))

    def closed(self):
        try:
            left = self.file.read()
        except (ConnectionResetError, ssl.SSLError):
            left = b""
        if left:
            raise Failed("wanted the end, got %r" % left[:200])

    def close(self):
        if self.sock is not None:
            self.sock.close()
        if self.file is not None:
            self.file.close()


def step(client, line):
    word, _, rest = line.partition(" ")
    if word == "@":
        client.connect(rest)
    elif word == ">":
        client.send(unescape(rest) + "\r\n")
    elif word == ">>":
        client.send(unescape(rest))
    elif word == "<":
        client.expect(rest)
    elif word == "+":
        if not any(rest in l for l in client.reply):
            raise Failed("no '%s' in %r" % (rest, client.reply))
    elif word == "-":
        if any(rest in l for l in client.reply):
            raise Failed("'%s' in %r" % (rest, client.reply))
    elif word == "tls":
        client.tls()
    elif word == "login":
        client.send("EHLO client.example\r\n")
        client.expect("250")
        client.send("AUTH PLAIN %s\r\n" % plain(rest or ALICE, "open-sesame"))
        client.expect("235 2.7.0")
    elif word == "whole":
        pass
    elif word == "closed":
        client.closed()
    else:
        raise Failed("what is '%s'?" % line)


def play(postern, lines, slow):
    """None, or what went wrong."""
    client = Client(postern, slow)
    number = 0
    try:
        for number, line in lines:
            step(client, line)
    except (Failed, OSError) as e:
        return "line %d: %s" % (number, e)
    finally:
        client.close()
    return None


def dialogs(path):
    name, lines = None, []
    with open(path, encoding="latin-1") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("== "):
                if name:
                    yield name, lines
                name, lines = line[3:], []
            elif line.strip() and not line.startswith("#"):
                lines.append((number, line))
    if name:
        yield name, lines


def main():
    need_root()
    paths = sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "*.dlg")))
    with Sink() as sink, Postern(
            sink.url, route_options='tls = none', workers=2,
            limits='message-size = "200K" recipients = 5 errors = 8 '
            'header-size = "16K" hops = 20') as postern:
        postern.account(ALICE, "open-sesame", "--sender", "@lists.example.org")
        postern.account(BOB, "open-sesame")
        postern.account(SCAN, "open-sesame", "--rewrite", "on")
        postern.account(TAGS, "open-sesame", "--plus", "on")
        postern.account("dave", "open-sesame", "--sender", "dave@example.org")
        for path in paths:
            base = os.path.basename(path)[:-4]
            for name, lines in dialogs(path):
                for slow in (False, True):
                    if slow and any(line == "whole" for _, line in lines):
                        continue
                    why = play(postern, lines, slow)
                    if not tap.ok(why is None, "%s: %s%s" % (
                            base, name, " (byte by byte)" if slow else "")):
                        tap.note("%s: %s" % (os.path.basename(path), why))
    tap.done()


main()
