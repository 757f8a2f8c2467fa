#!/usr/bin/python3
"""
What an account may send as: its own name, aliases, domains, tags, groups; what
is refused, and what is rewritten for those who chose so. The verbs that change
it, and what they mean for sessions that are open.
"""
import json
import os
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BIN, PATIENCE, Postern, free_port, need_root  # noqa: E402
from postern import wait_for                                      # noqa: E402
from sink import Sink                                             # noqa: E402

ALICE, BOB = "alice@example.org", "bob@example.org"
TO = "carol@example.net"
OK, FAILED, USAGE, NOT_FOUND = 0, 1, 2, 3
GROUPS = '''
group sales {
    members = {"bob@example.org", "printer"}
    senders = {"sales@example.org", "@shop.example"}
    cap = "small"
}
group everybody { members = {"@example.org"} senders = {"info@example.org"} }
cap small { messages = {"3/1h"} }
'''


def verb(p, code, name, *words, password=None):
    r = p.ctl("account", *words, check=False,
              input=None if password is None else password + "\n")
    if not tap.equal(r.returncode, code, name):
        tap.note(r.stdout + r.stderr)
    return r.stdout + r.stderr


def mail(p, who, sender):
    """The reply to MAIL in a session of its own."""
    with p.client(login=who) as s:
        return s.mail(sender)


def may(p, who, *addresses):
    for address in addresses:
        tap.equal(mail(p, who, address)[0], 250,
                  "%s sends as %s" % (who, address))


def may_not(p, who, *addresses):
    for address in addresses:
        code, text = mail(p, who, address)
        tap.ok(code == 553 and text.startswith(b"5.7.1 <" +
                                               address.encode() + b">"),
               "%s not as %s: %d %s" % (who, address, code, text.decode()))


def test_own(p):
    p.account(ALICE, "open-sesame", "--sender", "ally@example.org",
              "--sender", "@lists.example")
    may(p, ALICE, ALICE, "ALICE@Example.ORG", "ally@example.org",
        "any@lists.example", "<>")
    may_not(p, ALICE, BOB, "any@sub.lists.example", "alice@example.net",
            "alice+tag@example.org", "ally+tag@example.org",
            "aalice@example.org", "alice@example.org.example")


def test_changes(p):
    with p.client(login=ALICE) as s:
        verb(p, OK, "a sender more", "sender", "add", ALICE,
             "News@example.net", "@b.example")
        code, text = s.mail(ALICE)
        tap.ok(code == 421 and b"log in again" in text,
               "an open session logs in anew: %d" % code)
    may(p, ALICE, "news@example.net", "x@b.example", "ally@example.org")
    verb(p, OK, "once more is no harm", "sender", "add", ALICE,
         "news@example.net")
    tap.equal(p.rows("account", "show", ALICE)[0]["senders"],
              ["ally@example.org", "@lists.example", "news@example.net",
               "@b.example"], "they are shown")
    verb(p, OK, "a sender less", "sender", "remove", ALICE, "@b.example",
         "NEWS@example.net")
    may_not(p, ALICE, "news@example.net", "x@b.example")
    for name, code, words in (
            ("a sender it has not", NOT_FOUND,
             ["sender", "remove", ALICE, "ally@example.org", "x@y.example"]),
            ("nobody's sender", NOT_FOUND,
             ["sender", "add", "nobody", "x@y.example"]),
            ("no sender", USAGE, ["sender", "add", ALICE]),
            ("a bad sender", USAGE, ["sender", "add", ALICE, "x"]),
            ("an option among senders", USAGE,
             ["sender", "add", ALICE, "--cap", "x"]),
            ("nothing to set", USAGE, ["set", ALICE]),
            ("a bad choice", USAGE, ["set", ALICE, "--plus", "maybe"]),
            ("another", USAGE, ["set", ALICE, "--rewrite", "1"]),
            ("no such cap", USAGE, ["set", ALICE, "--cap", "stuff"]),
            ("a sender is not set", USAGE,
             ["set", ALICE, "--sender", "x@y.example"]),
            ("set nobody", NOT_FOUND, ["set", "nobody", "--cap", "small"])):
        verb(p, code, name, *words)
    may(p, ALICE, "ally@example.org")
    many = ["m%d@example.org" % i for i in range(300)]
    said = verb(p, USAGE, "300 at once", "sender", "add", ALICE, *many)
    tap.ok("256" in said, "are too many")
    verb(p, OK, "200", "sender", "add", ALICE, *many[:200])
    verb(p, FAILED, "and 100 more, too", "sender", "add", ALICE, *many[200:])
    may(p, ALICE, "m199@example.org")
    may_not(p, ALICE, "m200@example.org")
    verb(p, OK, "all out again", "sender", "remove", ALICE, *many[:200])


def test_tags(p):
    verb(p, OK, "tags for alice", "set", ALICE, "--plus", "on")
    may(p, ALICE, "alice+tag@example.org", "Alice+a+b@example.org",
        "ally+@example.org", '"alice+tag"@example.org')
    may_not(p, ALICE, "alice-tag@example.org", "alicex+tag@example.org",
            "+alice@example.org", "alice+tag@example.net")
    shown = p.rows("account", "show", ALICE)[0]
    tap.equal(shown["tags"], "+", "shown")
    tap.equal(shown["sends_as"][:2], [ALICE, "alice+...@example.org"],
              "in what it may send as, too")
    p.configure(top='accounts { plus = "-" }')
    p.ctl("reload")
    may(p, ALICE, "alice-tag@example.org")
    may_not(p, ALICE, "alice+tag@example.org")
    verb(p, OK, "off", "set", ALICE, "--plus", "off")
    may_not(p, ALICE, "alice-tag@example.org")
    verb(p, OK, "as configured", "set", ALICE, "--plus", "default")
    may(p, ALICE, "alice-tag@example.org")
    p.configure(top="")
    p.ctl("reload")
    may_not(p, ALICE, "alice-tag@example.org", "alice+tag@example.org")


def test_groups(p):
    p.account(BOB, "open-sesame")
    p.account("printer", "open-sesame", "--sender", "lp@example.org",
              "--cap", "big")
    may(p, BOB, BOB, "sales@example.org", "x@shop.example",
        "info@example.org")
    may(p, ALICE, "info@example.org")
    may(p, "printer", "sales@example.org", "lp@example.org")
    may_not(p, ALICE, "sales@example.org", "x@shop.example")
    may_not(p, "printer", "info@example.org")
    tap.equal(p.rows("account", "show", BOB)[0]["groups"],
              ["sales", "everybody"], "they are shown")
    tap.ok({BOB, "info@example.org", "@shop.example", "sales@example.org"} <=
           set(p.rows("account", "show", BOB)[0]["sends_as"]),
           "with all that they let him send as")
    tap.equal(p.rows("account", "show", BOB)[0]["cap"], "small",
              "with the cap that counts")
    for i in range(3):
        p.submit(BOB, [TO], "From: sales@example.org\n\nx")
    code, text = mail(p, BOB, BOB)
    tap.ok(code == 451 and b"your limit of 3 messages" in text,
           "the group's cap counts: %d %s" % (code, text.decode()))
    for i in range(4):
        with p.client(login="printer") as s:
            s.sendmail("lp@example.org", [TO], "From: lp@example.org\n\nx")
    tap.ok(True, "where the account has none of its own")
    tap.equal([r["cap"] for r in p.rows("account", "list")
               if r["account"] == BOB], ["small"], "the list says so, too")
    row = json.loads(p.ctl("account", "test", BOB,
                           input="open-sesame\n").stdout.splitlines()[0])
    tap.equal((row["cap"], row["senders"]), ("small", ["sales@example.org",
              "@shop.example", "info@example.org"]), "so does a test, with all senders")
    p.configure(sections="cap small { }")
    p.ctl("reload")
    tap.equal(p.rows("account", "show", "printer")[0]["cap"], "default",
              "a cap that is gone does not count")
    r = subprocess.run([os.path.join(BIN, "posternctl"), "--socket", p.socket,
                        "account", "show", "printer"], capture_output=True,
                       text=True)
    tap.ok("cap big is not in postern.conf" in r.stdout + r.stderr,
           "and people are told")
    p.configure(sections='cap small { } cap big { }')
    p.ctl("reload")
    may_not(p, BOB, "sales@example.org", "info@example.org")


def sent(sink, n):
    wait_for(lambda: len(sink.messages) >= n)
    return sink.messages[n - 1] if len(sink.messages) >= n else None


def test_rewrite(p, sink):
    said = verb(p, USAGE, "nothing to rewrite to", "add", "scan",
                "--rewrite", "on", "--sender", "@example.org",
                password="open-sesame")
    tap.ok("address of the account's own" in said, "says what is missing")
    verb(p, OK, "with an address", "add", "scan", "--rewrite", "on",
         "--sender", "@scan.example", "--sender", "scan@example.org",
         password="open-sesame")
    tap.equal(p.rows("account", "show", "scan")[0]["others_become"],
              "scan@example.org", "shown")
    n = len(sink.messages)
    body = "From: Boss <boss@bank.example>\nSender: root@localhost\n" \
        "Reply-To: boss@bank.example\nSubject: x\n\nFrom: boss@bank.example\n"
    with p.client(login="scan") as s:
        s.sendmail("root@localhost", [TO], body)
        sent(sink, n + 1)       # the two may overtake each other
        s.sendmail("own@scan.example", [TO],
                   "From: Own <own@scan.example>\n\nx\n")
    m = sent(sink, n + 1)
    tap.equal(m and m.sender, "scan@example.org", "another sender is its own")
    tap.ok(m and "From: Boss <scan@example.org>\r\nSender: scan@example.org"
           "\r\nReply-To: boss@bank.example\r\nSubject: x" in m.header() and
           m.content.endswith(b"\r\n\r\nFrom: boss@bank.example\r\n"),
           "From and Sender, too, and nothing else")
    m = sent(sink, n + 2)
    tap.equal(m and m.sender, "own@scan.example", "what is its own stays")
    tap.ok(m and "From: Own <own@scan.example>" in m.header(), "as it is")
    tap.ok(p.logged("sender=<root@localhost> rewritten now=<scan@example.org>")
           and p.logged("header=rewritten fields=2 now=<scan@example.org>"),
           "the log says so")
    verb(p, FAILED, "the last address stays", "sender", "remove", "scan",
         "scan@example.org")
    verb(p, OK, "refused again", "set", "scan", "--rewrite", "off")
    may_not(p, "scan", "root@localhost")
    p.stop()
    p.start()
    verb(p, OK, "after a restart", "set", "scan", "--rewrite", "on")
    may(p, "scan", "root@localhost")


LANE = '''
listen devices {{ address = "127.0.0.1" port = {port} tls = none }}
device scanner1 {{
    listeners = {{"devices"}}
    addresses = {{"127.0.0.1"}}
    account = "scanner"
    sender = "scanner@example.org"
    recipients = {{"@example.net"}}
}}'''


def test_lane(sink):
    """A scanner without a login, which names itself as its maker liked."""
    port = free_port()
    with Postern("smtp://127.0.0.1:%d" % sink.port, sections=LANE.format(
            port=port), route_options="tls = none") as p:
        p.account("scanner", "open-sesame")
        n = len(sink.messages)
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as s:
            s.sendmail("noreply@maker.example", [TO],
                       "From: Scan to Mail <noreply@maker.example>\n"
                       "Subject: x\n\nx\n")
        m = sent(sink, n + 1)
        tap.equal(m and m.sender, "scanner@example.org", "its sender")
        tap.ok(m and "From: Scan to Mail <scanner@example.org>\r\n" in
               m.header(), "and From are the configured ones")


def main():
    need_root()
    with Sink() as sink, Postern(
            "smtp://127.0.0.1:%d" % sink.port, route_options="tls = none",
            sections=GROUPS + "cap big { }") as p:
        test_own(p)
        test_changes(p)
        test_tags(p)
        test_groups(p)
        test_rewrite(p, sink)
        test_lane(sink)
    tap.done()


main()
