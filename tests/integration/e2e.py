#!/usr/bin/python3
"""
Mail from a client to the next hop, through everything: both ports, headers as
they arrive, retries, bounces, caps, a smarthost that wants TLS and a login,
reload and stop.
"""
import email
import os
import smtplib
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import Postern, make_certificate, need_root, wait_for  # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
BOB = "bob@example.net"
CLEAR = "tls = none"


def received(sink, n):
    return wait_for(lambda: len(sink.messages) >= n) and sink.messages[n - 1]


def test_delivery():
    with Sink() as sink, Postern(sink.url, route_options=CLEAR) as p:
        p.account(ALICE, "open-sesame")
        for n, implicit in ((1, True), (2, False)):
            p.submit(ALICE, [BOB, "carol@example.net"],
                     "From: Alice <%s>\r\nBcc: dave@example.net\r\n"
                     "Subject: hello\r\n\r\n.a dot\r\n..two\r\n" % ALICE,
                     implicit=implicit)
            m = received(sink, n)
            if not tap.ok(m, "delivered"):
                return
            parsed = email.message_from_bytes(m.content)
            tap.equal(m.sender, ALICE, "return path")
            tap.equal(sorted(m.recipients), [BOB, "carol@example.net"],
                      "both recipients in one transaction")
            tap.ok(m.content.endswith(b"\r\n\r\n.a dot\r\n..two\r\n"),
                   "the body as it was")
            tap.equal(parsed["Bcc"], None, "no Bcc")
            tap.ok(parsed["Date"] and parsed["Message-ID"].endswith(
                "@relay.example.org>"), "Date and Message-ID were added")
            tap.ok(parsed["Received"].startswith(
                "by relay.example.org (Postern) with ESMTPSA"), "Received")
            tap.ok("127.0.0.1" not in m.header() and
                   "alice" not in parsed["Received"],
                   "which names neither client nor account")
        big = "Subject: big\r\n\r\n" + "0123456789abcdef" * 4 + "\r\n"
        p.submit(ALICE, [BOB], big + ("x" * 70 + "\r\n") * 20000)
        m = received(sink, 3)
        tap.ok(m and len(m.content) > 1400000, "a message of 1.4 MB")
        p.submit(ALICE, [BOB], b"Subject: 8bit\r\n\r\n\xc3\xa4\xff\r\n")
        m = received(sink, 4)
        tap.ok(m and m.content.endswith(b"\xc3\xa4\xff\r\n"), "8-bit bytes")
        tap.ok(wait_for(lambda: p.queue() == []), "the queue is empty")
        with p.client() as s:
            s.mail(ALICE)
        with smtplib.SMTP("127.0.0.1", p.port) as s:
            s.mail(ALICE)
        tap.ok(all(p.logged('verb=MAIL code=530 why="%s"' % why)
                   for why in ("no login", "no TLS")), "the log tells 530 apart")
        tap.equal(p.stop(), 0, "SIGTERM ends it with 0")
        tap.ok("open-sesame" not in p.log(), "no password in the log")


def test_retry_and_bounce():
    with Sink() as sink, Postern(
            sink.url, route_options=CLEAR,
            queue='retry-first = "1s" retry-max = "2s"') as p:
        p.account(ALICE, "open-sesame")
        tries = []

        def rcpt(line):
            if "later" in line:
                tries.append(time.monotonic())
                return "451 4.7.1 come again" if len(tries) < 3 else None
            return "550 5.1.1 no such user" if "nobody" in line else None

        sink.answer["RCPT"] = rcpt
        p.submit(ALICE, ["later@example.net"], "Subject: x\r\n\r\nx\r\n")
        m = received(sink, 1)
        tap.ok(m and len(tries) == 3, "deferred twice, then delivered")
        p.submit(ALICE, [BOB, "nobody@example.net"],
                 "Subject: half\r\n\r\nx\r\n")
        wait_for(lambda: len(sink.messages) >= 3)
        mails = {m.sender: m for m in sink.messages[1:]}
        tap.ok(ALICE in mails and mails[ALICE].recipients == [BOB],
               "the good recipient gets it")
        bounce = mails.get("")
        if not tap.ok(bounce and bounce.recipients == [ALICE],
                      "the sender gets a bounce from <>"):
            return
        parsed = email.message_from_bytes(bounce.content)
        tap.equal(parsed.get_content_type(), "multipart/report",
                  "which is a report (RFC 3464)")
        text = bounce.content.decode()
        if not tap.ok("nobody@example.net" in text and
                      "Status: 5.1.1" in text and "no such user" in text and
                      "Action: failed" in text, "and says who and why"):
            tap.note(text)
        sink.answer["RCPT"] = lambda line: "550 5.1.1 nobody at all"
        p.submit(ALICE, ["nobody@example.net"], "Subject: x\r\n\r\nx\r\n")
        tap.ok(wait_for(lambda: p.queue() == []),
               "a bounce that bounces is dropped")
        tap.equal(len(sink.messages), 3, "and nothing else was sent")


def test_caps():
    caps = ('cap default { messages = {"3/1h"} recipients = {"5/1h"} '
            'recipients-per-message = 4 over = defer }')
    with Sink() as sink, Postern(sink.url, route_options=CLEAR, caps=caps,
                                 workers=2) as p:
        p.account(ALICE, "open-sesame")
        p.submit(ALICE, [BOB], "Subject: 1\r\n\r\nx\r\n")
        p.submit(ALICE, [BOB], "Subject: 2\r\n\r\nx\r\n")
        with p.client(login=ALICE, password="open-sesame") as s:
            s.mail(ALICE)
            codes = [s.rcpt("r%d@example.net" % i)[0] for i in range(5)]
            tap.equal(codes, [250, 250, 250, 452, 452],
                      "three of five recipients are left")
            tap.equal(s.data("Subject: 3\r\n\r\nx\r\n")[0], 250, "they go")
            code, text = s.mail(ALICE)
            tap.equal(code // 100, 4, "the fourth message: later")
            tap.ok(b"hour" in text or b"minute" in text, "with a time")
            tap.note(text.decode())
        tap.ok(p.rows("usage", ALICE), "usage has rows")
        if "store=memory" in p.log():
            return      # a queue that forgets
        p.kill("smtpd")
        p.kill("queue")
        tap.ok(wait_for(p.all_serve), "killed and back")

        def again():
            """The reply to MAIL of a queue that serves."""
            try:
                with p.client(login=ALICE, password="open-sesame") as s:
                    code, text = s.mail(ALICE)
                    return code == 250 or b"limit of 3" in text
            except (OSError, smtplib.SMTPException):
                return False
        wait_for(again)
        with p.client(login=ALICE, password="open-sesame") as s:
            code, text = s.mail(ALICE)
        tap.ok(code // 10 == 45 and b"limit of 3" in text,
               "over the cap even after kill -9: %d" % code)
        tap.equal([r.get("messages_1h") for r in p.rows("usage", ALICE)], [3],
                  "which usage knows, though not of which cap it is")


def test_smarthost():
    """TLS with a verified certificate, and a login."""
    import tempfile
    import shutil
    d = tempfile.mkdtemp(prefix="postern-test-")
    os.chmod(d, 0o755)
    pair = make_certificate(d, "localhost")
    secret = os.path.join(d, "secret")
    with open(secret, "w") as f:
        f.write("upstream-pass\n")
    os.chmod(secret, 0o600)
    try:
        for implicit in (True, False):
            with Sink(pair, implicit, "relay", "upstream-pass") as sink:
                name = "implicit TLS" if implicit else "STARTTLS"
                # What is said in the clear is forgotten (RFC 3207 4.2).
                clear = [] if implicit else [
                    "250-sink\r\n250-SIZE 1000000\r\n250 STARTTLS"]
                sink.answer["EHLO"] = lambda line: clear and clear.pop()
                url = "%s://localhost:%d" % (
                    "smtps" if implicit else "smtp", sink.port)
                options = 'user = "relay" password-file = "%s" ca-file = ' \
                    '"%s"' % (secret, pair[0])
                with Postern(url, route_options=options) as p:
                    p.account(ALICE, "open-sesame")
                    p.submit(ALICE, [BOB], "Subject: x\r\n\r\nx\r\n")
                    m = received(sink, 1)
                    if not tap.ok(m and m.tls and m.user == "relay",
                                  "smarthost by %s with a login" % name):
                        tap.note(p.log()[-2000:])
                    tap.ok("upstream-pass" not in p.log(),
                           "no password in the log")
                    tap.ok(not any("SIZE=" in line for line in sink.lines),
                           "no SIZE= that was not offered by %s" % name)
                with Postern(url, route_options='user = "relay" '
                             'password-file = "%s"' % secret) as p:
                    p.account(ALICE, "open-sesame")
                    p.submit(ALICE, [BOB], "Subject: x\r\n\r\nx\r\n")
                    wait_for(lambda: "certificate" in p.log(), 5)
                    tap.equal(len(sink.messages), 1,
                              "no mail to a certificate that nobody vouches "
                              "for (%s)" % name)
                    tap.equal(len(p.queue()), 1, "it waits in the queue")
                    tap.ok(wait_for(lambda: "it is self-signed" in p.ctl(
                        "queue", "show", p.queue()[0]["id"]).stdout),
                        "where one can see why")
                    tap.ok(p.logged("it is self-signed"), "as in the log")
    finally:
        shutil.rmtree(d)


def test_reload():
    with Sink() as sink, Postern(sink.url, route_options=CLEAR) as p:
        p.account(ALICE, "open-sesame")
        s = p.client(login=ALICE, password="open-sesame")
        s.mail(ALICE)
        s.rcpt(BOB)
        p.configure(limits='message-size = "300K"')
        p.ctl("reload")
        tap.equal(s.data("Subject: x\r\n\r\nx\r\n")[0], 250,
                  "a reload drops no session")
        tap.equal(s.docmd("MAIL", "FROM:<%s> SIZE=307201" % ALICE)[0], 552,
                  "and its limits count at once")
        p.configure(limits='message-size = "nonsense"')
        r = p.ctl("reload", check=False)
        tap.ok(r.returncode != 0 and "message-size" in r.stdout + r.stderr,
               "a wrong configuration is refused with its name")
        tap.equal(s.docmd("MAIL", "FROM:<%s> SIZE=307201" % ALICE)[0], 552,
                  "and the old one stays")
        s.quit()
        p.configure(limits="")
        p.cert, p.key = make_certificate(p.dir, "other.example.org", "rsa")
        p.configure()
        p.ctl("reload")
        with p.client(login=ALICE, password="open-sesame") as s:
            tap.equal(s.noop()[0], 250, "a new certificate and key")


def main():
    need_root()
    tests = [test_delivery, test_retry_and_bounce, test_caps,
             test_smarthost, test_reload]
    for test in tests:
        if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
            continue
        try:
            test()
        except Exception as e:      # one broken test must not hide others
            tap.ok(False, "%s: %r" % (test.__name__, e))
            tap.note(str(e)[-3000:])
    tap.done()


main()
