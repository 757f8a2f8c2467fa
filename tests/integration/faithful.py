#!/usr/bin/python3
"""
A message arrives as it was sent, but for what the manual says: a Received field
in front, Date and Message-ID where they are missing, no Bcc and its like. Shown
byte for byte for random bytes and for messages as real programs write them, by
DATA and by BDAT, small ones and such as go through a spool file.
"""
import os
import random
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from arrived import difference                                   # noqa: E402
from postern import (PATIENCE, SANITIZED, Postern, need_root, plain,  # noqa: E402
                     wait_for)
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
SEED = int(os.environ.get("FAITHFUL_SEED", "20261123"))


class Talk:
    """A client that sends what it is given, byte for byte."""

    def __init__(self, p):
        self.sock = p.context().wrap_socket(
            socket.create_connection(("127.0.0.1", p.tls_port), PATIENCE))
        self.file = self.sock.makefile("rb")
        self.reply()
        self.say("EHLO client.example")
        self.say("AUTH PLAIN " + plain(ALICE, "open-sesame"))

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line.decode()

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        return self.reply()

    def envelope(self, parameters=""):
        if not self.say("MAIL FROM:<%s>%s" % (ALICE, parameters)).startswith(
                "250"):
            raise RuntimeError("MAIL")
        self.say("RCPT TO:<bob@example.net>")

    def by_data(self, content):
        self.say("DATA")
        wire = content if content.endswith(b"\r\n") or not content else \
            content + b"\r\n"
        wire = re.sub(rb"(?m)(\A|(?<=\r\n))\.", b"..", wire)
        self.sock.sendall(wire + b".\r\n")
        return self.reply()

    def by_chunks(self, content, random):
        """In chunks of any size, pipelined."""
        sizes, left = [], len(content)
        while left > 0 and len(sizes) < 20:
            sizes.append(random.randint(0, min(left, 60000)))
            left -= sizes[-1]
        sizes.append(left)
        out, at = b"", 0
        for n, size in enumerate(sizes):
            last = n == len(sizes) - 1
            out += b"BDAT %d%s\r\n" % (size, b" LAST" if last else b"")
            out += content[at:at + size]
            at += size
        self.sock.sendall(out)
        for _ in sizes:
            reply = self.reply()
        return reply


# --- messages -----------------------------------------------------------------

def random_body(r, size):
    """Any bytes but CR, LF and NUL, in lines of any length, dots in front."""
    lines, n = [], 0
    while n < size:
        line = r.randbytes(r.choice((0, 1, 2, 60, 76, 990, 998)))
        line = line.translate(None, b"\r\n\0")
        if r.randrange(4) == 0:
            line = b"." * r.randint(1, 3) + line
        lines.append(line)
        n += len(line) + 2
    return b"\r\n".join(lines)[:size].removesuffix(b"\r")


def random_field(r):
    name = bytes(r.choice(b"ABCXYZabcxyz0189-_!#$%&'*+/=?^`{|}~.")
                 for _ in range(r.randint(1, 20)))
    value = bytes(r.choice(range(32, 127)) for _ in range(r.randint(0, 80)))
    folds = b"".join(b"\r\n" + r.choice((b" ", b"\t", b"  ", b" \t")) + bytes(
        r.choice(range(32, 127)) for _ in range(r.randint(0, 60)))
        for _ in range(r.choice((0, 0, 0, 1, 3))))
    return b"X-" + name + r.choice((b":", b": ", b" :", b":\t")) + value + folds


def random_message(r, size):
    fields = [random_field(r) for _ in range(r.randint(1, 12))]
    for extra in (b"Date: Mon, 23 Nov 2026 10:00:00 +0000",
                  b"message-id : <a@b.example>",
                  b"From: =?utf-8?q?A_B?= <alice@example.org>",
                  b"Bcc: secret@example.net,\r\n other@example.net",
                  b"Resent-Bcc: secret@example.net"):
        if r.randrange(2):
            fields.insert(r.randint(0, len(fields)), extra)
    return b"\r\n".join(fields) + b"\r\n\r\n" + random_body(r, size)


def as_programs_write():
    """A small corpus: shapes that mail programs, lists and devices produce."""
    text = {}
    text["plain"] = """From: Alice <alice@example.org>
To: bob@example.net
Subject: hello
Date: Mon, 23 Nov 2026 10:00:00 +0100
Message-ID: <1@laptop.example>

hello
"""
    text["no header but a subject"] = "Subject: alarm\n\nThe tray is empty.\n"
    text["header only"] = "From: alice@example.org\nSubject: x\n"
    text["trailing blanks"] = """Subject: x \t
X-Empty:
X-Blank:\x20
X-Long: a
 \t
\tb

line with blanks at its end  \t
-- \x20
Alice

"""
    text["multipart"] = """From: "Lice, A." <alice@example.org>
To: undisclosed-recipients:;
MIME-Version: 1.0
Content-Type: multipart/mixed;
\tboundary="----=_Part_1_1.1"
Subject: =?UTF-8?B?R3LDvMOfZQ==?=
 =?iso-8859-1?q?_an_alle?=
Date: Mon, 23 Nov 2026 10:00:00 +0100 (CET)

This is a multi-part message in MIME format.
------=_Part_1_1.1
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: 8bit

Gr\u00fc\u00dfe \u2014 \u00e4\u00f6\u00fc
.
..
From here on a line begins with From.
>From too.
------=_Part_1_1.1
Content-Type: image/png; name="x.png"
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9
------=_Part_1_1.1--
"""
    text["signed"] = """DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x;
  h=from:to:subject:date; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;
  b=AAAA
   BBBB
From:alice@example.org
To:bob@example.net
Subject:tight
Date:Mon, 23 Nov 2026 10:00:00 +0100
Message-Id:<2@x>
Content-Type: multipart/signed; micalg="pgp-sha512";
\tprotocol="application/pgp-signature"; boundary=b

--b
Content-Type: text/plain

x\x20\x20
--b
Content-Type: application/pgp-signature

-----BEGIN PGP SIGNATURE-----

=AbCd
-----END PGP SIGNATURE-----
--b--
"""
    text["a list's"] = """Return-Path: <x@y>
Received: from a by b; Mon, 23 Nov 2026 09:00:00 +0000
Received: from c by a; Mon, 23 Nov 2026 08:00:00 +0000
Sender: alice@example.org
Resent-From: alice@example.org
Resent-Date: Mon, 23 Nov 2026 10:00:00 +0000
Resent-Bcc: hidden@example.net
List-Id: <l.example.org>
List-Unsubscribe: <mailto:l-leave@example.org>,
 <https://example.org/leave?a=b>
From: alice@example.org
BCC: hidden@example.net
bcc : hidden2@example.net
References: <1@x> <2@x>
\t<3@x>

Bcc: this is text
Date: and so is this
"""
    text["a calendar's"] = """From: alice@example.org
Content-class: urn:content-classes:calendarmessage
Content-Type: text/calendar; method=REQUEST; charset="UTF-8"

BEGIN:VCALENDAR
DESCRIPTION:a\\nb\\, c
 folded here
END:VCALENDAR
"""
    text["a long line"] = ("Subject: x\nX-Long: " + "a" * 900 + "\n\n" +
                           "b" * 998 + "\n" + "c" * 5000 + "\n")
    text["many blank lines"] = "Subject: x\n" + "\n" * 500
    text["control bytes"] = "Subject: x\n\n\x01\x02\x07\x08\x0b\x0c\x1b[31m\x7f\n"
    text["no end of line at the end"] = "Subject: x\n\nhello"
    found = {k: v.replace("\n", "\r\n").encode() for k, v in text.items()}
    found["Latin 1 in the body"] = b"Subject: x\r\n\r\nf\xfcr Gr\xf6\xdfe\r\n"
    found["every byte in the body"] = b"Subject: x\r\n\r\n" + bytes(
        b for b in range(1, 256) if b not in (10, 13)) + b"\r\n"
    return found


# --- the proof ------------------------------------------------------------------

def arrives(talk, sink, r, content, by_chunks, parameters=""):
    """None, or what is wrong."""
    before = len(sink.messages)
    talk.envelope(parameters)
    reply = talk.by_chunks(content, r) if by_chunks else talk.by_data(content)
    if not reply.startswith("250"):
        return "refused: " + reply
    if not wait_for(lambda: len(sink.messages) > before):
        return "did not arrive"
    return difference(sink.messages[before].content, content)


def test_programs(p, sink, r):
    talk = Talk(p)
    for name, content in as_programs_write().items():
        for by_chunks in (False, True):
            why = arrives(talk, sink, r, content, by_chunks)
            if not tap.ok(why is None, "as it was, by %s: %s" % (
                    "BDAT" if by_chunks else "DATA", name)):
                tap.note(why)
                talk = Talk(p)


def test_random(p, sink, r):
    sizes = [0, 1, 2, 100, 1000, 10000, 65000, 65536, 66000, 300000, 1500000]
    count = 30 if SANITIZED else 120
    wrong = 0
    talk = Talk(p)
    for n in range(count):
        content = random_message(r, sizes[n % len(sizes)])
        why = arrives(talk, sink, r, content, n % 2)
        if why is not None:
            wrong += 1
            tap.note("message %d of seed %d: %s" % (n, SEED, why))
            talk = Talk(p)
        sink.messages.clear()
    tap.equal(wrong, 0, "%d random messages are what they were" % count)


def test_smtputf8(p, sink, r):
    """To a next hop that takes it, and not to one that does not."""
    content = ("From: Alice <alice@example.org>\r\nTo: j\u00fcrg@b\u00fccher."
               "example\r\nSubject: gr\u00fcezi\r\n\r\nx\r\n").encode()
    talk = Talk(p)
    sink.answer["EHLO"] = lambda line: (
        "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
    why = arrives(talk, sink, r, content, False, " BODY=8BITMIME SMTPUTF8")
    if not tap.ok(why is None, "UTF-8 in the header, as it was"):
        tap.note(why)
    tap.ok(any(" SMTPUTF8" in l for l in sink.lines if l.startswith("MAIL")),
           "asked for at the next hop")
    tap.ok(b"with UTF8SMTPSA" in sink.messages[-1].content, "Received says so")
    sink.lines.clear()
    why = arrives(talk, sink, r, b"Subject: x\r\n\r\nplain\r\n", False,
                  " SMTPUTF8")
    tap.ok(why is None and not any("SMTPUTF8" in l for l in sink.lines
                                   if l.startswith("MAIL")),
           "what is ASCII through and through does not need it")


def test_dsn(p, sink, r):
    """Handed on where the next hop knows it."""
    sink.answer["EHLO"] = lambda line: (
        "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 DSN")
    sink.lines.clear()
    talk = Talk(p)
    talk.say("MAIL FROM:<%s> RET=HDRS ENVID=QQ+2B1" % ALICE)
    talk.say("RCPT TO:<bob@example.net> NOTIFY=FAILURE,DELAY "
             "ORCPT=rfc822;Bob+3D1@Example.NET")
    tap.ok(talk.by_data(b"Subject: x\r\n\r\nx\r\n").startswith("250"), "DSN")
    wait_for(lambda: any(l.startswith("DATA") for l in sink.lines))
    mail = [l for l in sink.lines if l.startswith("MAIL")][-1]
    rcpt = [l for l in sink.lines if l.startswith("RCPT")][-1]
    tap.ok("RET=HDRS" in mail and "ENVID=QQ+2B1" in mail,
           "RET and ENVID reach the next hop")
    tap.ok("ORCPT=rfc822;Bob+3D1@Example.NET" in rcpt and "FAILURE" in rcpt and
           "DELAY" in rcpt, "NOTIFY and ORCPT do")


def another_relay(p):
    """
    Whose connections do not know what the hop offered. First all must be written
    down as delivered: what is not comes twice.
    """
    tap.ok(wait_for(lambda: p.queue() == []) and p.replaced("relay"),
           "another relay")


def main():
    need_root()
    r = random.Random(SEED)
    with Sink() as sink, Postern(sink.url, route_options="tls = none",
                                 limits="errors = 100") as p:
        p.account(ALICE, "open-sesame")
        test_programs(p, sink, r)
        test_random(p, sink, r)
        another_relay(p)
        test_smtputf8(p, sink, r)
        another_relay(p)
        test_dsn(p, sink, r)
    tap.done()


main()
