#!/usr/bin/python3
"""
Mail programs that people have, on both ports, by every mechanism that they and
Postern know: what each of them sends arrives byte for byte, 8-bit text, UTF-8
addresses and large attachments too; with a wrong password each of them is told
so, and nothing arrives.
"""
import concurrent.futures
import email
import mailbox
import os
import random
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import programs                                                  # noqa: E402
import tap                                                       # noqa: E402
from arrived import difference                                   # noqa: E402
from postern import (Postern, make_certificate, need_npm,        # noqa: E402
                     need_root, wait_for)
from programs import Job                                         # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
BOB = "bob@example.net"
JUERG = "j\u00fcrg@b\u00fccher.example"
PASSWORD = "open-sesame"
MECHANISMS = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
AT_ONCE = 4


def header(run, recipient=BOB):
    return ("From: Alice <%s>\r\nTo: %s\r\nSubject: Gr\u00fc\u00dfe\r\n"
            "X-Run: %s\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n"
            "Message-ID: <%s@client.example>\r\nMIME-Version: 1.0\r\n" % (
                ALICE, recipient, run, run)).encode()


def small(run, recipient=BOB):
    """What programs get wrong: dots, blanks, 8-bit bytes, From, empty lines."""
    return header(run, recipient) + (
        "X-Folded: one\r\n\ttwo\r\n  three\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
        "Gr\u00fc\u00dfe \u2014 \u65e5\u672c \U0001f4ee\r\n.\r\n..\r\n"
        ".a dot\r\nFrom here on\r\n>From there\r\n\r\n\r\nblanks \t \r\n"
        "%%FROM_ADDRESS%% \\n \\r $1 `x`\r\n%s\r\n-- \r\nAlice\r\n" % (
            "x" * 990)).encode()


def large(run):
    """An attachment of 3 MB, as base64."""
    import base64
    body = base64.encodebytes(random.Random(1).randbytes(3 << 20))
    return header(run) + (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhere\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" +
        body.replace(b"\n", b"\r\n") + b"--b--\r\n")


class House:
    """A Postern, its next hop, and a directory for each program's files."""

    def __init__(self, postern, sink, top):
        self.postern, self.sink, self.top = postern, sink, top
        self.runs = 0
        self.jobs = []

    def job(self, implicit, mechanism, make, recipient=BOB, password=PASSWORD):
        self.runs += 1
        run = "run%d" % self.runs
        home = os.path.join(self.top, run)
        os.mkdir(home)
        path = os.path.join(home, "content")
        content = make(run)
        with open(path, "wb") as f:
            f.write(content)
        job = Job(self.postern, home, implicit, mechanism, ALICE, recipient,
                  path, password, utf8=not recipient.isascii())
        job.run, job.content = run, content
        return job

    def arrived(self, mark):
        """The message with that in its header."""
        def look():
            return next((m for m in list(self.sink.messages)
                         if mark in m.header()), None)
        return wait_for(look)


def named(program, job):
    return "%s, %s by %s" % (program.command.__name__ if program.command else
                             program.name, "465" if job.implicit else "587",
                             job.mechanism)


def several(function, cases):
    """Programs run side by side; what they did is judged in order."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        done = [(pool.submit(case[0], case[1]), case) for case in cases]
        for future, case in done:
            status, output = future.result()
            function(*case, status, output)


def test_verbatim(h):
    cases = []
    for program in programs.VERBATIM:
        for mechanism in program.mechanisms:
            for implicit in (True, False):
                cases.append((program, h.job(implicit, mechanism, small),
                              "a message"))
        cases.append((program, h.job(True, mechanism, large), "3 MB"))

    def judge(program, job, what, status, output):
        m = status == 0 and h.arrived("X-Run: %s\r" % job.run)
        why = "it ended with %d" % status if status else \
            difference(m.content, job.content) if m else "did not arrive"
        if not tap.ok(why is None, "%s: %s arrives as it was" % (
                named(program, job), what)):
            tap.note(why)
            tap.note(output[-1500:])
            return
        tap.ok((m.sender, m.recipients) == (ALICE, [BOB]), "to whom it was for")

    several(judge, cases)


def test_wrong_password(h):
    cases = [(program, h.job(True, mechanism, small, password="wrong-sesame"))
             for program in programs.VERBATIM
             for mechanism in program.mechanisms]

    def judge(program, job, status, output):
        if not tap.ok(status != 0 and re.search(
                r"535|authentication failed|SASL_UNKNOWN|login denied|"
                r"AUTH: 5", output, re.I),
                named(program, job) + ": a wrong password is told as such"):
            tap.note("%d %s" % (status, output[-1500:]))

    several(judge, cases)
    tap.ok(not any("X-Run: %s\r" % job.run in m.header()
                   for m in h.sink.messages for _, job in cases),
           "nothing arrives")


def test_smtputf8(h):
    """Those that can: a recipient and a header in UTF-8."""
    cases = [(program, h.job(True, "PLAIN", lambda run: small(run, JUERG),
                             JUERG))
             for program in programs.VERBATIM
             if program.name in ("smtplib", "curl", "nodemailer") and
             program.command is not programs.curl_sasl_ir]

    def judge(program, job, status, output):
        m = status == 0 and h.arrived("X-Run: %s\r" % job.run)
        why = "it ended with %d" % status if status else \
            difference(m.content, job.content) if m else "did not arrive"
        if not tap.ok(why is None, named(program, job) +
                      ": UTF-8 in the header, as it was"):
            tap.note(why)
            tap.note(output[-1500:])
            return
        tap.ok(m.recipients in ([JUERG], ["j\u00fcrg@xn--bcher-kva.example"]),
               "and in the address: %s" % ascii(m.recipients))

    several(judge, cases)


# --- programs that write the message themselves ---------------------------------

BODY = ("Gr\u00fc\u00dfe \u2014 \u65e5\u672c\n.\n..a dot\nFrom here\n\n"
        "blanks  \n\n-- \nAlice\n").encode()
# What a mail program writes into its copy alone.
OF_THE_COPY = ("status", "x-status", "content-length", "lines", "bcc")


def copy_of(job, arrived):
    """
    The program's own copy, with CRLF, without what is for itself: s-nail ends
    it with an empty line, mutt gives it a Date of its own, some seconds later.
    """
    found = mailbox.Maildir(os.path.join(job.home, "sent"), create=False)
    raw = found.get_bytes(found.keys()[0]).replace(b"\r\n", b"\n")
    head, blank, body = raw.partition(b"\n\n")
    fields = [f for f in re.findall(rb"(?s)[^\n]+(?:\n[ \t][^\n]*)*", head)
              if f.split(b":")[0].decode().lower() not in OF_THE_COPY]
    if body.endswith(b"\n\n"):
        body = body[:-1]
    raw = (b"\n".join(fields) + blank + body).replace(b"\n", b"\r\n")
    date = re.search(rb"(?m)^Date: [^\r]*", arrived)
    return re.sub(rb"(?m)^Date: [^\r]*", date.group(), raw, count=1)


def test_writers(h):
    cases = []
    attachment = os.path.join(h.top, "attachment.bin")
    with open(attachment, "wb") as f:
        f.write(random.Random(2).randbytes(300000))
    for program in programs.WRITERS:
        for mechanism in program.mechanisms:
            for implicit in (True, False):
                job = h.job(implicit, mechanism, lambda run: BODY)
                job.subject, job.attachment = "mark-" + job.run, attachment
                cases.append((program, job))

    def judge(program, job, status, output):
        m = status == 0 and h.arrived("Subject: %s\r" % job.subject)
        if not tap.ok(m, named(program, job) + ": a message of its own"):
            tap.note("%d %s" % (status, output[-1500:]))
            return
        sent = copy_of(job, m.content)
        why = difference(m.content, sent)
        if not tap.ok(why is None, "arrives as in its own copy"):
            tap.note(why)
            tap.note(sent[:600])
            tap.note(m.content[:800])
        parts = email.message_from_bytes(m.content).get_payload()
        with open(attachment, "rb") as f:
            tap.ok(parts[0].get_payload(decode=True).replace(
                b"\r\n", b"\n").rstrip(b"\n") == BODY.rstrip(b"\n") and
                parts[1].get_payload(decode=True) == f.read(),
                "text and attachment are what they were")

    several(judge, cases)


def test_not_offered(h):
    """Mechanisms that are not there: the program says so, nobody gets in."""
    cases = [(programs.Program("swaks", [], programs.swaks),
              h.job(True, mechanism, small))
             for mechanism in ("CRAM-MD5", "DIGEST-MD5", "NTLM")]
    cases += [(programs.Program("msmtp", [], programs.msmtp, stdin=True),
               h.job(True, mechanism, small))
              for mechanism in ("CRAM-MD5", "DIGEST-MD5", "EXTERNAL")]
    cases += [(programs.Program("perl", [], programs.perl),
               h.job(True, mechanism, small))
              for mechanism in ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-384")]

    def judge(program, job, status, output):
        tap.ok(status != 0, "%s: does not get in" % named(program, job))

    several(judge, cases)


def main():
    need_root()
    need_npm("nodemailer")
    top = tempfile.mkdtemp(prefix="postern-clients-")
    os.chmod(top, 0o755)
    accounts = "accounts { mechanisms = {%s} lock-after = 0 }" % ", ".join(
        '"%s"' % m for m in MECHANISMS)
    try:
        with Sink() as sink:
            sink.answer["EHLO"] = lambda line: (
                "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
            with Postern(sink.url, route_options="tls = none", top=accounts,
                         certificate=make_certificate(top, "localhost")) as p:
                p.account(ALICE, PASSWORD)
                h = House(p, sink, top)
                test_verbatim(h)
                test_smtputf8(h)
                test_writers(h)
                test_not_offered(h)
                test_wrong_password(h)
                tap.ok(PASSWORD not in p.log() and "wrong-sesame" not in
                       p.log(), "no password in the log")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    tap.done()


main()
