#!/usr/bin/python3
"""
Nobody relays here who has not logged in, however the address is written and
whatever was said before: some 200 forms on both ports, and nmap's own search
for open relays (which has to find our sink, or it would prove nothing). The
next hop must not see so much as a connection.
"""
import os
import re
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (HOSTNAME, PATIENCE, Postern, need_root,     # noqa: E402
                     plain, wait_for)
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
VICTIM = "victim@example.net"
PER_SESSION = 40                # below the limit on errors, set for it

SENDERS = [
    "", ALICE, "root@localhost", "postmaster@" + HOSTNAME, "postmaster",
    "<%s>" % ALICE, "antispam@[127.0.0.1]", "x@[IPv6:::1]", "MAILER-DAEMON",
    '"alice"@example.org', "@%s:%s" % (HOSTNAME, ALICE),
]
# Forms in which servers were once talked into relaying; those of nmap,
# Metasploit and the old relay testers among them.
RECIPIENTS = [
    "victim@example.net", '"victim@example.net"', "victim%example.net",
    "victim%example.net@{host}", '"victim%example.net"@{host}',
    "victim@example.net@{host}", '"victim@example.net"@{host}',
    "victim%example.net@[127.0.0.1]", "victim@example.net@[127.0.0.1]",
    '"victim@example.net"@[127.0.0.1]', "@{host}:victim@example.net",
    "@[127.0.0.1]:victim@example.net", "@localhost:victim@example.net",
    "@{host},@localhost:victim@example.net", "example.net!victim",
    "example.net!victim@{host}", "example.net!victim@[127.0.0.1]",
    "{host}!example.net!victim", "victim@example.net%{host}",
    "victim%example.net%{host}@localhost", "victim@[192.0.2.1]",
    "victim@[IPv6:2001:db8::1]", "victim@192.0.2.1", "victim@example.net.",
    "victim@@example.net", "@example.net", "victim@", "", " ",
    "postmaster", "Postmaster@{host}", "postmaster@example.net",
    "root@localhost", "root", "victim @example.net", "victim@example.net ",
    "victim\\@example.net@{host}", "victim@{host}@example.net",
    "victim:example.net@{host}", "victim#example.net@{host}",
    "victim@example.net;@{host}", "victim@example.net,bob@{host}",
    "victim@example.net>,<bob@{host}", "|/bin/sh", '"|/bin/sh"@{host}',
    "/etc/passwd", "victim+x@example.net", "=?utf-8?q?victim?=@example.net",
    "victim=example.net@{host}", "SRS0=HHH=TT=example.net=victim@{host}",
]


def forms():
    """(sender, recipient, parameters): each sender and each recipient."""
    host = {"host": HOSTNAME}
    for i, recipient in enumerate(RECIPIENTS):
        for sender in ("", ALICE, SENDERS[2 + i % (len(SENDERS) - 2)]):
            yield sender, recipient.format(**host), ""
    for sender in SENDERS:
        yield sender, VICTIM, ""
    for parameters in (" AUTH=<>", " AUTH=" + ALICE, " AUTH=alice", " SIZE=0",
                       " BODY=8BITMIME AUTH=" + ALICE, " SIZE=99999999999",
                       " RET=FULL", " XFORWARD=1", " SMTPUTF8"):
        yield ALICE, VICTIM, parameters
        yield "", VICTIM, parameters


class Talk:
    """A client that sends what it is told and reads one reply for it."""

    def __init__(self, p, implicit):
        self.p = p
        self.sock = socket.create_connection(
            ("127.0.0.1", p.tls_port if implicit else p.port), PATIENCE)
        if implicit:
            self.start_tls()
        self.file = self.sock.makefile("rb")
        self.reply()
        self.say("EHLO stranger.example")
        if not implicit:
            self.say("STARTTLS")
            self.start_tls()
            self.file = self.sock.makefile("rb")
            self.say("EHLO stranger.example")

    def start_tls(self):
        self.sock = self.p.context().wrap_socket(self.sock)

    def reply(self):
        while True:
            line = self.file.readline().decode(errors="replace")
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def send(self, *lines):
        self.sock.sendall("".join(l + "\r\n" for l in lines).encode())

    def say(self, *lines):
        self.send(*lines)
        return [self.reply() for _ in lines][-1]

    def close(self):
        self.file.close()
        self.sock.close()


def attempts(p, implicit, before=()):
    """Every form; the replies that were neither 530 nor another refusal."""
    n, wrong, talk = 0, [], None
    for sender, recipient, parameters in forms():
        tap.case("relay forms", (sender, recipient, parameters))
        if talk is None or n % PER_SESSION == 0:
            if talk is not None:
                talk.close()
            talk = Talk(p, implicit)
            for line in before:
                talk.say(line)
        mail = talk.say("MAIL FROM:<%s>%s" % (sender, parameters))
        if not mail.startswith("530 5.7.0 "):
            wrong.append(("MAIL", sender, parameters, mail))
        talk.send("RCPT TO:<%s>" % recipient)
        rcpt = talk.reply()
        if not re.match(r"(530 5\.7\.0|503 5\.5\.1) ", rcpt):
            wrong.append(("RCPT", recipient, parameters, rcpt))
        n += 1
    talk.close()
    return n, wrong


def test_forms(p, sink):
    for implicit in (True, False):
        port = "465" if implicit else "587"
        n, wrong = attempts(p, implicit)
        tap.equal(wrong, [], "%s: %d forms of relaying, all 530" % (port, n))
    for what, before in (
            ("a wrong password", ["AUTH PLAIN " + plain(ALICE, "guess")]),
            ("a cancelled login", ["AUTH PLAIN", "*"]),
            ("an unknown mechanism", ["AUTH EXTERNAL ="])):
        n, wrong = attempts(p, True, before)
        tap.equal(wrong, [], "after %s: %d forms, all 530" % (what, n))
    tap.equal(sink.sessions, 0, "the next hop saw nobody")
    tap.equal(p.queue(), [], "nothing is queued")


def test_pipelined(p, sink):
    """Everything in one piece, as if it had been let in."""
    for end in (".", "QUIT"):
        talk = Talk(p, True)
        talk.send("MAIL FROM:<%s>" % ALICE, "RCPT TO:<%s>" % VICTIM, "DATA",
                  "Subject: x", "", "relay me", end)
        tap.ok(all(talk.reply()[:3] in ("530", "503") for _ in range(3)),
               "MAIL, RCPT and DATA in one piece are refused")
        talk.close()
    for line in ("BDAT 10 LAST\r\n12345678", "ETRN example.net", "XCLIENT LOGIN=" + ALICE,
                 "XCLIENT ADDR=127.0.0.1", "TURN", "SEND FROM:<%s>" % ALICE,
                 "PROXY TCP4 127.0.0.1 127.0.0.1 1 2", "XFORWARD NAME=x"):
        talk = Talk(p, True)
        tap.ok(talk.say(line)[:2] in ("50", "53"), line.split("\r")[0] + " opens no door")
        tap.ok(talk.say("MAIL FROM:<%s>" % ALICE).startswith("530 5.7.0"),
               "nor afterwards")
        talk.close()
    tap.equal(sink.sessions, 0, "the next hop still saw nobody")


def test_logged_in(p, sink):
    """
    Logged in, an odd address is judged by the grammar. What is taken goes to
    the next hop as it is: nothing in it is ever a route of ours.
    """
    taken = []
    for recipient in RECIPIENTS:
        recipient = recipient.format(host=HOSTNAME)
        tap.case("relay forms", ("logged in", recipient))
        talk = Talk(p, True)
        talk.say("AUTH PLAIN " + plain(ALICE, "open-sesame"))
        talk.say("MAIL FROM:<%s>" % ALICE)
        rcpt = talk.say("RCPT TO:<%s>" % recipient)
        if rcpt.startswith("250"):
            talk.say("DATA")
            if talk.say("Subject: x\r\n\r\n.")[:3] == "250":
                taken.append(recipient)
        elif not re.match(r"5\d\d 5\.\d+\.\d+ ", rcpt):
            tap.equal(rcpt, "5yz", "refused for good: " + recipient)
        talk.close()
    tap.ok(len(taken) > 5, "%d odd addresses are addresses" % len(taken))
    wait_for(lambda: len(sink.messages) >= len(taken))
    went = [line for line in sink.lines if line.startswith("RCPT")]
    tap.equal(len(went), len(taken), "one RCPT each at the next hop")
    for line in went:
        if not re.fullmatch(r'RCPT TO:<("[^"\r\n]*"|[^\s<>"]+)@[^\s<>@]+>.*',
                            line):
            tap.ok(False, "one address in " + line)
    tap.ok(not any("@%s:" % HOSTNAME in l for l in went),
           "no source route is passed on (RFC 5321 4.1.1.3)")


def nmap(port):
    return subprocess.Popen(["nmap", "-n", "-Pn", "-p", str(port), "--script",
                             "+smtp-open-relay", "127.0.0.1"],
                            stdout=subprocess.PIPE, text=True)


def test_nmap(p, sink):
    if shutil.which("nmap") is None:
        tap.note("nmap is not here")
        return
    with Sink() as open_relay:
        found = nmap(open_relay.port).communicate()[0]
        if not tap.ok(re.search(r"open relay \(\d+/\d+ tests\)", found),
                      "nmap finds an open relay where there is one"):
            tap.note(found)
    # At once: it waits long for a greeting in the clear on the second.
    for search in [nmap(port) for port in (p.port, p.tls_port)]:
        found = search.communicate()[0]
        bad = re.search(r"Server is an open relay", found)
        if not tap.ok(not bad and re.search(r"/tcp open", found),
                      "nmap finds none at Postern"):
            tap.note(found)
    tap.equal(sink.sessions, 0, "the next hop saw nobody")


def main():
    need_root()
    with Sink() as sink, Postern(next_hop=sink.url, limits="errors = 100",
                                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        test_forms(p, sink)
        test_pipelined(p, sink)
        test_nmap(p, sink)
        test_logged_in(p, sink)
    tap.done()


main()
