#!/usr/bin/python3
"""
Reports of what became of mail, from RCPT's parameters to the sender's mailbox,
as Python's mail parser reads them: failed, relayed, and none where none were
asked for (RFC 3461, RFC 3464).
"""
import email
import email.policy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import Postern, need_root, wait_for                 # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
MESSAGE = (b"From: Alice <alice@example.org>\r\nSubject: f\xc3\xbcr Bob\r\n"
           b"Message-ID: <7@example.org>\r\n\r\nb\xc3\xb6dy\r\n")
PLAIN = MESSAGE.replace(b"\xc3\xbc", b"ue").replace(b"\xc3\xb6", b"oe")


def refuse(line):
    return ("550 5.1.1 nobody here; if you think that somebody should be, ask "
            "postmaster@example.net and name this number: 4711 (the policy is "
            "at https://example.net/errors/4711)") if "nobody" in line else None


def send(p, recipients, mail_options=(), message=PLAIN):
    """recipients: (address, options) pairs."""
    with p.client(login=ALICE) as s:
        s.ehlo_or_helo_if_needed()
        tap.ok(s.has_extn("dsn"), "DSN is offered")
        code, text = s.mail(ALICE, list(mail_options))
        tap.equal(code, 250, "MAIL %s" % " ".join(mail_options))
        for address, options in recipients:
            code, text = s.rcpt(address, list(options))
            tap.equal(code, 250, "RCPT %s" % " ".join(options))
        tap.equal(s.data(message)[0], 250, "taken")


def outcome(p, sink, before, mails, reports):
    """Waits until all has come; the reports, parsed."""
    tap.ok(wait_for(lambda: len(sink.messages) >= before + mails + reports and
                    p.queue() == []),
           "%d mails and %d reports" % (mails, reports))
    new = sink.messages[before:]
    tap.equal(len(new), mails + reports, "and no more")
    got = [m for m in new if m.sender == ""]
    tap.ok(all(m.recipients == [ALICE] for m in got), "to the sender, from <>")
    return [email.message_from_bytes(m.content, policy=email.policy.default)
            for m in got]


def blocks(report):
    parts = list(report.iter_parts())
    tap.ok(report.get_content_type() == "multipart/report" and
           not report.defects and not any(x.defects for x in parts) and
           parts[0].get_content_type() == "text/plain" and
           report["Auto-Submitted"] == "auto-replied", "a report")
    return parts, [b for b in parts[1].get_payload() if len(b) > 0]


def test_failed(p, sink):
    before = len(sink.messages)
    send(p, [("nobody1@example.net", ["NOTIFY=FAILURE,DELAY",
                                      "ORCPT=rfc822;Some+2BOne@example.com"]),
             ("nobody2@example.net", ["NOTIFY=NEVER"]),
             ("nobody3@example.net", ["NOTIFY=SUCCESS"]),
             ("nobody4@example.net", []), ("bob@example.net", [])],
         ["ENVID=QQ+3D7", "RET=FULL"])
    reports = outcome(p, sink, before, 1, 1)
    if len(reports) != 1:
        return
    parts, b = blocks(reports[0])
    tap.equal(b[0]["Original-Envelope-Id"], "QQ=7", "ENVID")
    tap.equal([x["Final-Recipient"] for x in b[1:]],
              ["rfc822;nobody1@example.net", "rfc822;nobody4@example.net"],
              "about those who are to be told of")
    tap.equal(b[1]["Original-Recipient"], "rfc822;Some+One@example.com",
              "ORCPT")
    tap.ok(all(x["Action"] == "failed" and x["Status"] == "5.1.1" and
               "nobody here" in x["Diagnostic-Code"] for x in b[1:]),
           "what and why")
    inner = parts[2].get_payload()[0]
    tap.ok(inner["Message-ID"] == "<7@example.org>" and
           inner.get_payload().strip() == "boedy", "RET=FULL: all of it")
    text = parts[0].get_content()
    tap.ok("nobody1@example.net" in text and "nobody2" not in text,
           "people can read it")


def test_relayed(p, sink):
    before = len(sink.messages)
    send(p, [("bob@example.net", ["NOTIFY=SUCCESS,FAILURE"]),
             ("carol@example.net", ["NOTIFY=FAILURE"])], ["RET=FULL"])
    reports = outcome(p, sink, before, 1, 1)
    if len(reports) != 1:
        return
    parts, b = blocks(reports[0])
    tap.equal([(x["Final-Recipient"], x["Action"], x["Status"][0])
               for x in b[1:]],
              [("rfc822;bob@example.net", "relayed", "2")],
              "relayed, to a next hop without DSN")
    tap.equal(parts[2].get_content_type(), "text/rfc822-headers",
              "the header alone: nothing failed")


def test_none(p, sink):
    before = len(sink.messages)
    send(p, [("nobody@example.net", ["NOTIFY=NEVER"])])
    outcome(p, sink, before, 0, 0)
    with p.client(login=ALICE) as s:
        s.mail("")
        s.rcpt("nobody@example.net")
        tap.equal(s.data(PLAIN)[0], 250, "mail from <>")
    outcome(p, sink, before, 0, 0)
    tap.ok(wait_for(lambda: "a bounce is never bounced" in p.log()),
           "is never bounced")


def test_many(p, sink):
    """More than fit into one report: each is named, in two parts."""
    before = len(sink.messages)
    to = ["nobody%03d@example.net" % i for i in range(300)]
    send(p, [(address, []) for address in to])

    def reports():
        return [m for m in sink.messages[before:] if m.sender == ""]

    # While a report takes its message's place neither is listed.
    tap.ok(wait_for(lambda: p.queue() == [] and sum(m.content.count(
        b"\nFinal-Recipient:") for m in reports()) == len(to)), "all is told")
    new = reports()
    tap.ok(1 < len(new) < 6 and max(len(m.content) for m in new) <= 65536,
           "in %d reports of bounded size" % len(new))
    named, listed = [], []
    for m in new:
        parts, b = blocks(email.message_from_bytes(
            m.content, policy=email.policy.default))
        named += [x["Final-Recipient"] for x in b[1:]]
        listed += [x.strip() for x in parts[0].get_content().split("\n")
                   if x.startswith("  nobody")]
    # Reports may overtake each other.
    tap.equal(sorted(named), ["rfc822;" + x for x in to], "all for programs")
    tap.equal(sorted(listed), to, "all for people")


def test_eightbit():
    """What returns a message whole gets home by a hop without 8BITMIME."""
    with Sink() as there, Sink(without=["8BITMIME"]) as home, Postern(
            home.url, route_options="tls = none",
            top='route there { next-hop = "%s" tls = none senders = {"%s"} }'
            % (there.url, ALICE)) as p:
        p.account(ALICE, "open-sesame")
        there.answer["RCPT"] = refuse
        send(p, [("nobody@example.net", [])], ["BODY=8BITMIME", "RET=FULL"],
             MESSAGE)
        tap.ok(wait_for(lambda: home.messages and p.queue() == []),
               "it comes home")
        parts, b = blocks(email.message_from_bytes(
            home.messages[0].content, policy=email.policy.default))
        tap.equal([x["Final-Recipient"] for x in b[1:]],
                  ["rfc822;nobody@example.net"], "who failed")
        tap.ok(home.messages[0].content.isascii() and
               parts[2].get_content_type() == "text/rfc822-headers" and
               "Message-ID: <7@example.org>" in parts[2].get_content(),
               "the header alone, in seven bits")


def main():
    need_root()
    with Sink() as sink, Postern(sink.url, route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        sink.answer["RCPT"] = refuse
        for test in (test_failed, test_relayed, test_none, test_many):
            try:
                test(p, sink)
            except Exception as e:
                tap.ok(False, "%s: %r" % (test.__name__, e))
                tap.note(p.log()[-3000:])
    test_eightbit()
    tap.done()


main()
