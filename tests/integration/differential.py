#!/usr/bin/python3
"""
The same bytes, cut up in other ways, are the same session: streams of commands
good and bad, messages and chunks get the same replies, and the same messages
arrive, whether they come in one piece, in random pieces or byte by byte; and a
message is the same by DATA and by BDAT, however it is cut. From a random seed,
which is told:

    DIFFERENTIAL_SEED=123 differential.py
"""
import collections
import os
import random
import re
import select
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (PATIENCE, SANITIZED, Postern, need_root,     # noqa: E402
                     wait_for)
from sink import Sink                                            # noqa: E402
from talk import Talk                                            # noqa: E402

ALICE = "alice@example.org"
RECEIVED = re.compile(rb"\AReceived: by relay\.example\.org \(Postern\) with "
                      rb"ESMTPSA id [0-9a-f-]+;?\r\n(?:\t[^\r\n]*\r\n)+")
SEED = int(os.environ.get("DIFFERENTIAL_SEED") or
           random.SystemRandom().randrange(1 << 32))
STREAMS = 15 if SANITIZED else 50
MESSAGES = 8 if SANITIZED else 24

COMMANDS = [
    b"NOOP", b"NOOP x y", b"RSET", b"RSET", b"VRFY bob", b"HELP",
    b"EHLO again.example", b"BOGUS", b"", b" ", b"RSET now", b"DATA now",
    b"NO\rOP", b"NOOP\nRSET", b"NOOP\0", b"\r", b"\xff\xfe", b"STARTTLS",
    b"AUTH PLAIN", b"BDAT", b"x" * 700, b"NOOP " + b"y" * 3000,
    b"MAIL FROM:<bob@example.org>", b"MAIL FROM:<", b"MAIL",
    b"MAIL FROM:<alice@example.org> SIZE=99999999999",
    b"MAIL FROM:<alice@example.org> X=1", b"RCPT TO:<a@b", b"RCPT TO:<>",
    b"RCPT TO:<bob@example.net> NOTIFY=x", b"EXPN x"]
COMMANDS.remove(b"BDAT")        # closes: who knows where the next one begins
PARAMETERS = [b"", b"", b"", b" SIZE=500", b" BODY=8BITMIME", b" AUTH=<>",
              b" RET=HDRS ENVID=q", b" MT-PRIORITY=3"]
# The server ends a session after a bare CR or LF in a chunk as little as else.
FLAWS = [b"a\nb", b"a\rb", b"\0", b".\n", b"\r."]


def body(r, flawed):
    """Lines with dots and any bytes; what is flawed is refused as a whole."""
    lines = []
    for _ in range(r.randint(0, 12)):
        line = r.randbytes(r.choice((0, 1, 5, 76, 500, 998))).translate(
            None, b"\r\n\0")
        lines.append(b"." * r.choice((0, 0, 0, 1, 2)) + line)
    if flawed:
        lines.insert(r.randint(0, len(lines)), r.choice(FLAWS))
    return b"".join(line + b"\r\n" for line in lines)


def message(r, flawed=False):
    """All that Postern would add is there, but for Received."""
    fields = [b"From: alice@example.org", b"Subject: x" +
              b"".join(b"\r\n\t" + b"y" * r.randint(1, 60)
                       for _ in range(r.randint(0, 3))),
              b"Date: Mon, 23 Nov 2026 10:00:00 +0000",
              b"Message-ID: <%d@a.example>" % r.getrandbits(64)]
    if r.randrange(3) == 0:
        fields.append(b"Bcc: secret@example.net,\r\n more@example.net")
    r.shuffle(fields)
    return b"\r\n".join(fields) + b"\r\n\r\n" + body(r, flawed)


def stuffed(content):
    return re.sub(rb"(?m)(\A|(?<=\r\n))\.", b"..", content) + b".\r\n"


def chunks(r, content):
    """Of any size, empty ones among them; a CRLF may be cut in two. Their number
    and what is sent."""
    out, count = b"", 1
    while content and r.randrange(4):
        n = r.randint(0, len(content))
        out += b"BDAT %d\r\n" % n + content[:n]
        content, count = content[n:], count + 1
    return count, out + b"BDAT %d LAST\r\n" % len(content) + content


def stream(r):
    """What one session says behind its login."""
    out = b""
    for _ in range(r.randint(3, 9)):
        for _ in range(r.randint(0, 3)):
            out += r.choice(COMMANDS) + b"\r\n"
        if r.randrange(8):
            out += b"MAIL FROM:<alice@example.org>" + r.choice(PARAMETERS) + \
                b"\r\n"
        for _ in range(r.choice((0, 1, 1, 1, 3))):
            out += b"RCPT TO:<r%d@example.net>\r\n" % r.randrange(100)
        content = message(r, r.randrange(4) == 0)
        if r.randrange(2):
            out += b"DATA\r\n" + stuffed(content)
        else:
            out += chunks(r, content)[1]
        if r.randrange(2):
            out += b"RSET\r\n"
    return out + b"QUIT\r\n"


# --- how it is sent -------------------------------------------------------------

def whole(r, data):
    return [data]


def pieces(r, data):
    out, most = [], r.choice((2, 10, 100, 1500))
    while data:
        n = r.randint(1, most)
        out.append(data[:n])
        data = data[n:]
    return out


def single(r, data):
    return [data[i:i + 1] for i in range(len(data))]


def exchange(sock, parts):
    """
    Sends them and reads meanwhile, in one thread (OpenSSL wants that), so that
    neither side waits for the other; all that is said until the end.
    """
    said = b""
    sock.settimeout(0)
    for part in parts:
        while part:
            try:
                part = part[sock.send(part):]
            except ssl.SSLWantWriteError:
                select.select([sock], [sock], [], PATIENCE)
            except OSError:
                part = b""          # what was said before is what counts
            try:
                said += sock.recv(65536)
            except OSError:
                pass
    sock.settimeout(PATIENCE)
    try:
        while data := sock.recv(65536):
            said += data
    except OSError as e:
        said += b"(%s)" % str(e).encode()
    return said.decode("latin-1")


def played(p, parts):
    """All replies, without what differs from one moment to the next."""
    with Talk(p, login=ALICE) as talk:
        text = exchange(talk.sock, parts)
    text = re.sub(r"queued as \S+", "queued as ID", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "THEN", text)


def taken(p, sink, count):
    """What arrived: a multiset of (recipients, content)."""
    wait_for(lambda: len(sink.messages) >= count and p.queue() == [])
    got = collections.Counter((tuple(sorted(m.recipients)),
                               RECEIVED.sub(b"", m.content))
                              for m in sink.messages)
    sink.messages.clear()
    return got


def test_streams(p, sink):
    r = random.Random(SEED)
    streams = [stream(r) for _ in range(STREAMS)]
    first, stored = None, None
    for name, cut, some in (("in one piece", whole, STREAMS),
                            ("in random pieces", pieces, STREAMS),
                            ("in other pieces", pieces, STREAMS),
                            ("byte by byte", single, STREAMS // 8)):
        replies = [played(p, cut(r, s)) for s in streams[:some]]
        got = taken(p, sink, sum(t.count("queued as") for t in replies))
        if first is None:
            first, stored = replies, got
            tap.ok(all(t.endswith("Bye\r\n") for t in replies),
                   "%d sessions %s" % (some, name))
            tap.note("%d replies, %d of them 250, %d messages" % (
                sum(len(t.splitlines()) for t in replies),
                sum(t.count("\n250 ") for t in replies), sum(got.values())))
            tap.ok(sum(got.values()) >= STREAMS,
                   "in which messages are taken, one in each at the least")
            continue
        differ = [(i, a, b) for i, (a, b) in enumerate(zip(first, replies))
                  if a != b]
        if not tap.ok(not differ, "the same replies %s" % name):
            tap.note("stream %d: %r\nfirst %s\nthen %s" % (
                differ[0][0], streams[differ[0][0]][:2000], differ[0][1],
                differ[0][2]))
        if some < STREAMS:
            tap.equal(list((got - stored).elements())[:2], [],
                      "and nothing that did not arrive before")
        else:
            tap.ok(got == stored, "and the same messages")


def test_data_and_bdat(p, sink):
    r = random.Random(SEED + 1)
    wrong = 0
    with Talk(p, login=ALICE) as talk:
        for n in range(MESSAGES):
            content = message(r, n % 5 == 4)
            if n % 8 == 0:      # one that goes through a spool file
                content += body(r, False) * 40 + (b"z" * 70 + b"\r\n") * 4500
            said = []
            for count, wire in ((2, b"DATA\r\n" + stuffed(content)),
                                chunks(r, content)):
                talk.send(b"MAIL FROM:<alice@example.org>\r\n"
                          b"RCPT TO:<bob@example.net>\r\n")
                talk.reply()
                talk.reply()
                for part in pieces(r, wire) if n % 8 else [wire]:
                    talk.send(part)
                last = "354"        # the first that is none of these
                for _ in range(count):
                    reply = talk.reply()
                    if last.startswith("354") or " bytes taken" in last:
                        last = reply
                said.append(last.split(" queued as")[0])
                talk.say("RSET")
            good = said[0].startswith("250")
            got = taken(p, sink, 2 if good else 0)
            if said[0] != said[1] or good == (n % 5 == 4) or \
                    list(got.values()) != ([2] if good else []):
                wrong += 1
                tap.note("message %d: %s, %s" % (n, said, [
                    (k[0], len(k[1]), v) for k, v in got.items()]))
    tap.equal(wrong, 0, "%d messages are the same by DATA and by BDAT" %
              MESSAGES)


def main():
    need_root()
    tap.note("seed %d" % SEED)
    with Sink() as sink, Postern(sink.url, route_options="tls = none",
                                 limits="errors = 1000") as p:
        p.account(ALICE, "open-sesame")
        test_streams(p, sink)
        test_data_and_bdat(p, sink)
    tap.done()


main()
