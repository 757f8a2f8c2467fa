#!/usr/bin/python3
"""
What may stand in a message, and what becomes of it: every published way to end
it early, bare CR, LF and NUL, dots and 8-bit bytes, chunks, bombs, fields that
are not for others, senders that are somebody else. What is taken must arrive
byte for byte, once, and nothing beside it.
"""
import collections
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from arrived import ADDED, want                                  # noqa: E402
from postern import Postern, need_root, wait_for                 # noqa: E402
from sink import Sink                                            # noqa: E402
from talk import Talk, Talks                                     # noqa: E402

ALICE = "alice@example.org"
ENVELOPE = b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\n"
SIZE_LIMIT = 1 << 20
HEADER_LIMIT = 64 << 10
HOPS = 20


class Post:
    """Hands messages in, and knows afterwards whether each arrived as it was."""

    def __init__(self, p, sink):
        self.p, self.sink = p, sink
        self.talks = Talks(lambda: Talk(p, login=ALICE), 60)
        self.reset()

    def by_data(self, wire, content=None, envelope=ENVELOPE, pieces=()):
        """wire: as it is sent, with its end. The reply to it."""
        talk = self.talks.next()
        talk.send(envelope + b"DATA\r\n")
        replies = [talk.reply()[:3] for _ in range(3)]
        if replies != ["250", "250", "354"]:
            talk.say("RSET")
            return " ".join(replies)
        at = 0
        for piece in list(pieces) + [len(wire)]:
            talk.send(wire[at:piece])
            at = piece
        return self.took(talk, talk.reply(), content)

    def by_bdat(self, chunks, content=None, envelope=ENVELOPE):
        """All chunks in one piece; the reply to the last."""
        talk = self.talks.next()
        talk.send(envelope + b"".join(
            b"BDAT %d%s\r\n%s" % (len(c), b" LAST" * (i == len(chunks) - 1), c)
            for i, c in enumerate(chunks)))
        replies = [talk.reply() for _ in range(2 + len(chunks))]
        return self.took(talk, replies[-1], content)

    def took(self, talk, reply, content):
        self.then = talk.say("NOOP")[:3] if reply else ""
        if reply.startswith("250 2.0.0 Ok: queued as ") and content is not None:
            self.sent[authorless(want(content))] += 1
        return reply

    def judge(self, kind, case, good, *why):
        self.n += 1
        tap.case(kind, case)
        if not good:
            self.wrong.append((case[:120],) + why)

    def report(self, what):
        """All that was taken must be at the next hop, as it was, once."""
        count = sum(self.sent.values())
        wait_for(lambda: len(self.sink.messages) >= count and
                 self.p.queue() == [])
        got = collections.Counter(mended(m.content)
                                  for m in self.sink.messages)
        for content in list(self.sent - got)[:3]:
            self.wrong.append(("not at the next hop", content[:300]))
        for content in list(got - self.sent)[:3] if self.strict else ():
            self.wrong.append(("only at the next hop", content[:300]))
        tap.equal(self.wrong[:6], [], "%d %s" % (self.n, what))
        self.sink.messages.clear()
        self.reset()

    def reset(self):
        self.sent, self.wrong, self.n = collections.Counter(), [], 0
        self.strict = True


def mended(content):
    """
    What arrived without what Postern added; dates in the tests look otherwise.
    Empty lines in front are its, where there is no header.
    """
    content, n = ADDED.subn(b"", content)
    header, blank, body = content.partition(b"\r\n\r\n")
    for field in (rb"Date: \w+, \d+ \w+ 20[^\r\n]*",
                  rb"Message-ID: <[0-9a-f.]+@relay\.example\.org>"):
        header = re.sub(rb"(?:\A|\r\n)%s(?=\r\n|\Z)" % field, b"", header,
                        count=1)
    return authorless(header + blank + body) if n == 1 else content


def authorless(content):
    """
    Without the one From that a client and Postern write alike, so that it does
    not matter here who did; tests/integration/faithful.py tells.
    """
    header, blank, body = content.partition(b"\r\n\r\n")
    header = re.sub(rb"(?:\A|\r\n)From: alice@example\.org(?=\r\n|\Z)", b"",
                    header, count=1)
    return (header + blank + body).lstrip(b"\r\n")


def stuffed(content):
    """As DATA wants it, with its end."""
    wire = re.sub(rb"(?m)(\A|(?<=\r\n))\.", b"..", content)
    return wire + (b"" if wire.endswith(b"\r\n") or not wire else b"\r\n") + \
        b".\r\n"


# --- smuggling ----------------------------------------------------------------------

LINE_ENDS = [
    b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\r\n", b"\r\n\r", b"\r\r",
    b"\n\n", b"\0", b"\0\r\n", b"\r\0\n", b"\r\n\0", b"\r \n", b"\r\n ",
    b" \r\n", b"\x0b", b"\x0c", b"\x85", b"\x8d\x8a", b"\xc2\x85",
    b"\xe2\x80\xa8", b"\xe5\x98\x8d\xe5\x98\x8a", b"\x1a", b"\\r\\n",
    b"%0d%0a", b""]
SMUGGLED = (b"MAIL FROM:<ceo@example.org>\r\nRCPT TO:<eve@example.net>\r\n"
            b"DATA\r\nSubject: smuggled\r\n\r\nx\r\n")


def flawed(data):
    return re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data) is not None


def test_smuggling(post):
    for a in LINE_ENDS:
        for b in LINE_ENDS:
            wire = b"Subject: x\r\n\r\nx" + a + b"." + b + SMUGGLED + b".\r\n"
            if wire.index(b"\r\n.\r\n") + 5 != len(wire):
                continue        # that is the end, by every standard
            content = re.sub(rb"(?<=\r\n)\.", b"", wire[:-3])
            form = a + b"." + b
            for pieces in ((), (15 + len(a),)):
                reply = post.by_data(wire, content, pieces=pieces)
                post.judge("smuggling in", b"%r" % (pieces,) + form,
                           reply.startswith("554 5.6.11" if flawed(wire)
                                            else "250 2.0.0") and
                           post.then == "250", reply, post.then)
    post.report("ways to end a message early, and none does")
    for a in LINE_ENDS:
        for b in (b"\r\n", b"\n", b"\r", b"\0\r\n", b""):
            chunk = b"Subject: x\r\n\r\nx" + a + b"." + b + SMUGGLED + b".\r\n"
            reply = post.by_bdat([chunk], chunk)
            post.judge("smuggling in", b"BDAT" + a + b"." + b,
                       reply.startswith("554 5.6.11" if flawed(chunk) else
                                        "250 2.0.0") and post.then == "250",
                       reply, post.then)
    post.report("in chunks, where there is no end but LAST")
    tap.ok(not any("eve@" in line or "ceo@" in line
                   for line in post.sink.lines if line[:4] in ("MAIL", "RCPT")),
           "nothing was smuggled to the next hop")


# --- bytes that belong to no line ------------------------------------------------------

def bare_bytes():
    whole = (b"Subject: hello\r\nX-Folded: one\r\n\ttwo\r\nFrom: "
             b"alice@example.org\r\n\r\nfirst line\r\n\r\nsecond\r\nlast\r\n")
    for c in (b"\r", b"\n", b"\0"):
        for at in range(len(whole) - 2):
            text = whole[:at] + c + whole[at:]
            if flawed(text):
                yield text
    for c in (b"\r\r\n", b"\n\r\n", b"\r\n\n", b"\r\0\n", b"\r\n\r", b"\n\n"):
        for at in [m.start() for m in re.finditer(rb"\r\n", whole)]:
            text = whole[:at] + c + whole[at + 2:]
            if flawed(text):
                yield text


def test_bare(post):
    for n, text in enumerate(dict.fromkeys(bare_bytes())):
        reply = post.by_data(text + b"\r\n.\r\n") if n % 2 else \
            post.by_bdat([text])
        post.judge("bare CR/LF, NUL, CRLF injection", text,
                   reply.startswith("554 5.6.11") and post.then == "250", reply)
    post.report("messages with bare CR, LF or NUL")
    tap.equal(post.sink.messages, [], "and none of them is sent on")


# --- dots, 8-bit bytes, long lines -------------------------------------------------------

def odd_lines():
    for dots in range(1, 12):
        for rest in (b"", b" ", b"x", b"\t", b"\xff", b".x", b" ."):
            yield b"." * dots + rest
    for c in range(0x80, 0x100, 4):
        yield bytes(range(c, c + 4)) + b"." + bytes([c])
    for size in (76, 77, 78, 510, 512, 997, 998, 999, 1000, 1001, 2000, 4095,
                 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537):
        yield b"x" * size
        yield b"." * size
    for text in (b"From x", b">From x", b" ", b"\t", b"", b"QUIT", b"RSET",
                 b"DATA", b"\x1a", b"\x04", b"\x1b[31m", b"\x7f", b"\x0b\x0c",
                 b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"=", b"=\xff"):
        yield text


def test_dots(post):
    for line in dict.fromkeys(odd_lines()):
        for form in (b"Subject: x\r\n\r\n%s\r\nend\r\n",
                     b"Subject: x\r\n\r\nbegin\r\n%s\r\n"):
            content = form.replace(b"%s", line)
            reply = post.by_data(stuffed(content), content)
            post.judge("dot-stuffing, 8-bit and line-length fidelity", content,
                       reply.startswith("250 2.0.0") and post.then == "250",
                       reply)
    post.report("odd lines arrive as they were")


# --- chunks -------------------------------------------------------------------------------

def test_chunks(post):
    whole = (b"Subject: x\r\nX-A: b\r\n\tc\r\n\r\n.\r\n..\r\nMAIL FROM:<a@b>\r\n"
             b"\xff\xfe\r\n\r\nend\r\n")
    for at in range(len(whole) + 1):
        reply = post.by_bdat([whole[:at], whole[at:]], whole)
        post.judge("BDAT/CHUNKING", b"split %d" % at, reply.startswith("250 2.0.0") and
                   post.then == "250", reply)
    for at in range(0, len(whole) - 1, 2):
        for size in (1, 9):
            parts = [whole[:at], whole[at:at + size], b"", whole[at + size:]]
            reply = post.by_bdat(parts, whole)
            post.judge("BDAT/CHUNKING", b"split %d+%d" % (at, size),
                       reply.startswith("250 2.0.0") and post.then == "250",
                       reply)
    for size in range(1, 40):
        chunks = [whole[i:i + size] for i in range(0, len(whole), size)]
        reply = post.by_bdat(chunks, whole)
        post.judge("BDAT/CHUNKING", b"by %d" % size, reply.startswith("250"), reply)
    for empty in range(1, 6):
        reply = post.by_bdat([b""] * empty + [whole] + [b""] * empty, whole)
        post.judge("BDAT/CHUNKING", b"%d empty ones" % empty, reply.startswith("250"),
                   reply)
    reply = post.by_data(stuffed(whole), whole)
    post.judge("BDAT/CHUNKING", b"the same by DATA", reply.startswith("250"), reply)
    post.report("messages in chunks, all the same at the next hop")
    for words in (b"", b" ", b" LAST", b" x", b" -1", b" +1", b" 0x2", b" 1.0",
                  b" 1e1", b" 1 FIRST", b" 1 LAST x", b" 1  LAST", b"  1",
                  b" 1 LASTS", b" 1 LAS", b" 1,LAST", b" 1;LAST", b" 1LAST",
                  b" 18446744073709551616", b" 99999999999999999999 LAST",
                  b" one", b" 1 2", b" 1\tLAST", b" '1'", b" 1/LAST",
                  b" LAST 1", b" =1", b" 1=", b" <1>", b" \xd9\xa1"):
        talk = Talk(post.p, login=ALICE)
        talk.send(ENVELOPE + b"BDAT" + words + b"\r\nNOOP\r\nQUIT\r\n")
        got = [talk.reply()[:3] for _ in range(3)]
        rest = talk.all()
        talk.close()
        post.judge("BDAT/CHUNKING", words, got[:2] == ["250", "250"] and got[2] in (
            "501", "500", "421") and "250" not in rest, got, rest)
    for words, code in ((b"18446744073709551615", "421"),
                        (b"%d LAST" % (25 << 20), "421"),
                        (b"9223372036854775808", "421")):
        talk = Talk(post.p, login=ALICE)
        talk.send(ENVELOPE + b"BDAT " + words + b"\r\n")
        got = [talk.reply()[:3] for _ in range(3)]
        talk.close()
        post.judge("BDAT/CHUNKING", words, got[2] == code, got)
    orders = (
        (b"BDAT 4\r\nabcdNOOP\r\n", "503 250"),
        (b"MAIL FROM:<alice@example.org>\r\nBDAT 4 LAST\r\nabcdNOOP\r\n",
         "250 503 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nDATA\r\nBDAT 0 LAST\r\n",
         "250 250 250 503 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nMAIL FROM:<>\r\nBDAT 0 LAST\r\n",
         "250 250 250 503 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nRCPT TO:<a@b>\r\nBDAT 0 LAST\r\n",
         "250 250 250 503 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nRSET\r\nBDAT 2 LAST\r\n\r\n",
         "250 250 250 250 503"),
        (ENVELOPE + b"BDAT 2\r\n\r\nEHLO c\r\nBDAT 2 LAST\r\n\r\n",
         "250 250 250 250 503"),
        (ENVELOPE + b"BDAT 2 LAST\r\n\r\nBDAT 2 LAST\r\n\r\n",
         "250 250 250 503"),
        (ENVELOPE + b"BDAT 0\r\nBDAT 0\r\nBDAT 0 LAST\r\n",
         "250 250 250 250 250"),
        (ENVELOPE + b"BDAT 3\r\na\nbBDAT 0 LAST\r\nNOOP\r\n",
         "250 250 554 503 250"),
        (ENVELOPE + b"DATA\r\nBDAT 5 LAST\r\n.\r\nBDAT 0 LAST\r\n",
         "250 250 354 250 503"),
        (b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob>\r\nBDAT 6 LAST\r\n"
         b"QUIT\r\nNOOP\r\n", "250 553 503 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nNOOP\r\nVRFY a\r\nBDAT 0 LAST\r\n",
         "250 250 250 250 252 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nAUTH PLAIN\r\nBDAT 0 LAST\r\n",
         "250 250 250 503 250"),
        (ENVELOPE + b"BDAT 2\r\n\r\nSTARTTLS\r\nBDAT 0 LAST\r\n",
         "250 250 250 503 250"),
    )
    for text, codes in orders:
        with Talk(post.p, login=ALICE) as talk:
            talk.send(text)
            got = " ".join(talk.reply()[:3] for _ in codes.split())
            post.judge("BDAT/CHUNKING", text, got == codes, got, codes)
    post.strict = False
    post.report("chunks that are none, or come in no order")


# --- bombs ------------------------------------------------------------------------------

def bombs():
    """(content, replies)"""
    good = "250 2.0.0"
    for n in (10, 100, 1000, 3000):
        yield b"X: y\r\n" * n + b"\r\nx\r\n", good
        yield b"To: " + b"a@b.example,\r\n " * n + b"c@d\r\n\r\nx\r\n", good
        yield b"X: y" + b"\r\n y" * n + b"\r\n\r\nx\r\n", good
        yield b"References:" + b"\r\n <a@b>" * n + b"\r\n\r\nx\r\n", good
        yield b"Subject:" + b"\r\n =?utf-8?q?x?=" * n + b"\r\n\r\n", good
    for n in (HEADER_LIMIT, HEADER_LIMIT * 2, SIZE_LIMIT // 2):
        yield b"X: " + b"y" * n + b"\r\n\r\nx\r\n", "552|554"
        yield b"X: y\r\n" * (n // 6 + 1) + b"\r\nx\r\n", "552|554"
        yield b"X" * n + b": y\r\n\r\nx\r\n", "552|554|250"
        yield b"From: " + b"a@b," * (n // 4) + b"\r\n\r\n", "552|553|554"
        yield b"Bcc: " + b"a@b," * (n // 4) + b"c@d\r\n\r\n", "552|554"
    for n in (1, 10, 100, 1000, 5000):
        yield b"From: " + b"(" * n + b")" * n + b" alice@example.org\r\n\r\n", \
            "250|554"
        yield b"From: " + b"(" * n + b" alice@example.org\r\n\r\n", "554"
        yield b'From: "' + b"\\\\" * n + b'" <alice@example.org>\r\n\r\n', \
            "250|554"
        yield b'From: "' + b"\\" * (2 * n - 1) + b'" <alice@example.org>\r\n' \
            b"\r\n", "554"
        yield b"From: " + b"<" * n + b"alice@example.org" + b">" * n + \
            b"\r\n\r\n", "250" if n == 1 else "554"
        yield b"From: " + b"G:" * n + b"alice@example.org" + b";" * n + \
            b"\r\n\r\n", "250" if n == 1 else "554"
        yield b"From: " + b"alice@example.org, " * n + b"alice@example.org" + \
            b"\r\n\r\n", "250|552|554"
    for n in (1, 10, 100, 1000):
        yield b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n"
                       b"--b%d\r\n" % (i, i) for i in range(n)), good
        yield b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + \
            b"--b\r\n\r\n" * n, good
        yield b"Content-Type: message/rfc822\r\n\r\n" * n, good
    for hops in (HOPS - 1, HOPS, HOPS + 1, HOPS * 2, 1000):
        yield b"Received: by a; x\r\n" * hops + b"\r\nx\r\n", \
            good if hops <= HOPS else "554 5.4.6"
        yield b"rEcEiVeD :\r\n by a\r\n" * hops + b"\r\nx\r\n", \
            good if hops <= HOPS else "554 5.4.6"
    for size in (SIZE_LIMIT + 1, SIZE_LIMIT + 2, SIZE_LIMIT * 2,
                 SIZE_LIMIT * 8, 25 << 20):
        # Who does not stop is not listened to until he does.
        code = "552" if size < SIZE_LIMIT * 4 else "421"
        yield b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + \
            b"y\r\n" * ((size - 86) // 3 + 1), code
        yield b"Subject: x\r\n\r\n" + b"z" * size, code
    yield b"Subject: x\r\n\r\n" + b"z" * (SIZE_LIMIT - 16) + b"\r\n", good
    yield b"Subject: x" + b"\r\n" * 100000, good
    yield b"\r\n" * 300000, good


def test_bombs(post):
    for content, code in bombs():
        small = len(content) < 200000
        reply = post.by_data(stuffed(content), content if small and
                             b"\nFrom:" not in b"\n" + content else None)
        post.judge("resource bombs", b"%d" % len(content) + content[:100],
                   re.match(code, reply) and post.then == (
                       "" if code == "421" else "250"), code, reply)
    for size in (SIZE_LIMIT + 1, SIZE_LIMIT * 2, SIZE_LIMIT * 8):
        talk = post.talks.next()
        reply = talk.say("MAIL FROM:<alice@example.org> SIZE=%d" % size)
        post.judge("resource bombs", b"SIZE=%d" % size,
                   reply.startswith("552 5.3.4"), reply)
    post.strict = False         # large ones, and From, are not compared
    post.report("bombs")


# --- fields that are not for others -------------------------------------------------------

def private_fields():
    names = [b"Bcc", b"bcc", b"BCC", b"bCc", b"Resent-Bcc", b"RESENT-BCC",
             b"X-Bcc", b"x-bcc", b"Apparently-To", b"apparently-to",
             b"Return-Path", b"return-path"]
    values = [b": secret@example.net", b":secret@example.net",
              b" : secret@example.net", b"\t: secret@example.net",
              b":\r\n secret@example.net", b":", b": \r\n\tsecret@example.net,"
              b"\r\n  other@example.net", b": \"Secret, S.\" <secret@example.net>",
              b": secret@example.net\r\n ", b" \t : secret@example.net"]
    for name in names:
        for value in values:
            yield name + value + b"\r\n"


def headers():
    for i, field in enumerate(private_fields()):
        first, middle, last = b"", b"", b""
        if i % 3 == 0:
            first = field
        elif i % 3 == 1:
            middle = field
        else:
            last = field
        yield first + b"From: alice@example.org\r\n" + middle + \
            b"Subject: x\r\n" + last + b"\r\nBcc: in the text\r\n"
    for field in list(private_fields())[::4]:
        yield field + b"X: y\r\n" + field + b"\r\n"     # twice, no body
        yield field + b"\r\nx\r\n"                      # alone
    dates = [b"", b"Date: x\r\n", b"dAtE : x\r\n", b"Date:\r\n x\r\n"]
    ids = [b"", b"Message-ID: <y@z>\r\n", b"message-id\t: y\r\n"]
    for date in dates:
        for msgid in ids:
            for more in (b"", b"Resent-Date: x\r\n", b"X-Date: x\r\n"):
                yield b"From: alice@example.org\r\n" + date + more + msgid + \
                    b"\r\nDate: in the text\r\n"


def test_fixup(post):
    for header in dict.fromkeys(headers()):
        reply = post.by_data(stuffed(header), header)
        post.judge("message fix-up and privacy", header, reply.startswith("250 2.0.0"),
                   reply)
    wait_for(lambda: len(post.sink.messages) >= sum(post.sent.values()))
    told = [m.content[:300] for m in post.sink.messages if b"secret@" in
            m.content or b"other@" in m.content]
    tap.equal(told, [], "nobody is told of a blind copy")
    post.report("headers are mended and nothing else")
    for line in (b"no field", b"X-Gr\xc3\xb6: 1", b": x", b"Hello World: x",
                 b"From bob Mon", b">From bob Mon", b"-", b"x\x01y: z",
                 b"a b", b"\xff", b"=?x?=", b"<a@b>", b"http//x", b"\x7f: x",
                 b".. x", b"()", b"@: ", b"Bcc", b"Bcc x"):
        for before in (b"", b"To: a@b.example\r\n"):
            content = before + line + b"\r\nBcc: secret@example.net\r\n\r\nx\r\n"
            reply = post.by_data(stuffed(content))
            post.judge("message fix-up and privacy", content,
                       reply.startswith(("554 5.6.0", "250")) and
                       post.then == "250", reply)
    wait_for(lambda: post.p.queue() == [])
    tap.ok(not any(b"secret@" in m.content for m in post.sink.messages),
           "nor behind a line that is no field")
    post.strict = False
    post.report("ambiguous headers")


# --- who one is -----------------------------------------------------------------------------

OWN = ["alice@example.org", "ALICE@EXAMPLE.ORG", '"alice"@example.org',
       "any@lists.example.org", "x.y@Lists.Example.Org"]
FOREIGN = ["bob@example.org", "ceo@example.org", "alice@example.net",
           "alice@example.com", "alice@sub.example.org", "x@a.lists.example.org",
           "alice@lists.example.org.evil.example", "alic@example.org",
           "alicee@example.org", "a.lice@example.org", "alice+x@example.net",
           "alice@org", "postmaster@example.org", '"alice "@example.org',
           "root@localhost.example", "alice%example.org@example.net",
           "alice@[127.0.0.1]", "alice@[IPv6:::1]", "xlists@example.org",
           "any@xlists.example.org", '"alice@example.org"@example.net',
           '"a\\lice"@example.net', "alice-@example.org", "'alice'@example.org",
           "@example.net:bob@example.org"]
FIELDS = ["From", "from", "FROM ", "Sender", "Resent-From", "Resent-Sender",
          "resent-from\t"]


def test_identity(post):
    for address in OWN + FOREIGN:
        talk = post.talks.next()
        reply = talk.say("MAIL FROM:<%s>" % address)
        talk.say("RSET")
        post.judge("identity", address, reply.startswith(
            "250" if address in OWN else "553 5.7.1"), reply)
    for field in FIELDS:
        for address in OWN + FOREIGN:
            content = ("%s: %s\r\n\r\nx\r\n" % (field, "<%s>" % address if
                                                address[0] == "@" else
                                                address)).encode()
            reply = post.by_data(stuffed(content))
            post.judge("identity", content, reply.startswith(
                "250" if address in OWN else ("553 5.7.1", "554 5.6.0")), reply)
    for value, code in (
            ("alice@example.org, bob@example.org", "553"),
            ("bob@example.org, alice@example.org", "553"),
            ("G: alice@example.org, bob@example.org;", "553"),
            ("bob@example.org <alice@example.org>", "553"),
            ("alice@example.org <bob@example.org>", "553"),
            ('"bob@example.org" <alice@example.org>', "250"),
            ("The Boss <alice@example.org>", "250"),
            ("alice@example.org (bob@example.org)", "250"),
            ("(alice@example.org) bob@example.org", "553"),
            ("alice@example.org bob@example.org", "554"),
            ("alice@example.org\r\nFrom: alice@example.org", "554"),
            ("alice@example.org\r\nFROM : bob@example.org", "554"),
            ("alice@example.org\r\nSender: bob@example.org", "553"),
            ("<>", "554"), ("", "554"), ("Alice", "554"), ("G:;", "554"),
            ("alice@example.org (", "554"), ("alice@example.org,", "250|554"),
            ("=?utf-8?q?bob=40example.org?= <alice@example.org>", "250"),
            ("alice@example.org\r\n , bob@example.org", "553"),
            ("alice@example.org\r\nResent-From: alice@example.org\r\n"
             "Resent-From: bob@example.org", "553"),
            ("<alice@example.org>, <<bob@example.org>>", "554"),
            ("alice@example.org; bob@example.org", "554")):
        content = ("From: %s\r\n\r\nx\r\n" % value).encode()
        for envelope in (ENVELOPE, ENVELOPE.replace(b"alice@example.org", b"")):
            reply = post.by_data(stuffed(content), envelope=envelope)
            post.judge("identity", envelope + content, re.match(code, reply),
                       code, reply)
    post.strict = False
    post.report("senders, one's own and others'")


def main():
    need_root()
    with Sink() as sink, Postern(
            sink.url, route_options="tls = none", workers=2,
            limits='errors = 1000 message-size = "1M" header-size = "64K" '
            "hops = %d" % HOPS) as p:
        p.account(ALICE, "open-sesame", "--sender", "@lists.example.org")
        post = Post(p, sink)
        for test in (test_smuggling, test_bare, test_dots, test_chunks,
                     test_bombs, test_fixup, test_identity):
            test(post)
        tap.ok("the next one starts" not in p.log(), "nobody crashed")
    tap.done()


main()
