#!/usr/bin/python3
"""
DELIVERBY (RFC 2852) and MT-PRIORITY (RFC 6710) from a client through a Postern
that hands on to another Postern, to a server behind that which knows them, and
then to one that does not.
"""
import email
import email.policy
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import Postern, need_root, wait_for                 # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE, BOB = "alice@example.org", "bob@example.net"
MESSAGE = (b"From: Alice <alice@example.org>\r\nSubject: now\r\n"
           b"Message-ID: <7@example.org>\r\n\r\nbody\r\n")
RANKED = ('cap default { messages = {"1000/1h"} recipients = {} bytes = {} '
          'max-priority = 9 }')
# Nobody needs as long for two hops, however busy the machine is.
AMPLE = 900
# Both need less; and then it is over.
SHORT = 12


def send(p, *options):
    with p.client(login=ALICE) as s:
        s.ehlo_or_helo_if_needed()
        tap.ok(s.has_extn("deliverby") and s.has_extn("mt-priority"),
               "both are offered")
        tap.equal(s.mail(ALICE, list(options))[0], 250,
                  "MAIL %s" % " ".join(options))
        tap.equal(s.rcpt(BOB)[0], 250, "RCPT")
        tap.equal(s.data(MESSAGE)[0], 250, "taken")


def reports(sink):
    return [email.message_from_bytes(m.content, policy=email.policy.default)
            for m in sink.messages if m.sender == ""]


def actions(sink):
    """(action, status) of each report, and whether all name the deadline."""
    got, dated = [], True
    for r in reports(sink):
        blocks = [b for b in list(r.iter_parts())[1].get_payload()
                  if len(b) > 0]
        dated &= "Deliver-By-Date" in blocks[0]
        got += [(b["Action"], b["Status"]) for b in blocks[1:]]
    tap.ok(dated, "reports name the deadline")
    return sorted(got)


def mail_lines(sink):
    return [x for x in sink.lines if x.startswith("MAIL FROM:<" + ALICE)]


def clear(sink):
    sink.lines.clear()
    sink.messages.clear()


def settled(sink, first, second, messages):
    tap.ok(wait_for(lambda: len(sink.messages) >= messages and
                    first.queue() == [] and second.queue() == []),
           "all of it comes")
    tap.equal(len(sink.messages), messages, "and no more")


def test_passed_on(first, second, sink):
    send(first, "BY=%d;RT" % AMPLE, "MT-PRIORITY=4")
    settled(sink, first, second, 3)
    m = re.search(r" BY=(\d+);RT MT-PRIORITY=4$", mail_lines(sink)[0])
    tap.ok(m and 0 < int(m.group(1)) <= AMPLE, "the time that is left, and "
           "the priority: %s" % mail_lines(sink)[0])
    head = [m for m in sink.messages if m.sender == ALICE][0].header()
    tap.equal(head.count("PRIORITY 4"), 2, "each Received field tells of it")
    tap.equal([a for a, _ in actions(sink)], ["relayed", "relayed"],
              "each of the two says that it handed it on")
    tap.ok(all("MT-PRIORITY=4" in x for x in sink.lines
               if x.startswith("MAIL FROM:<>")), "reports have its priority")


def test_return(first, second, sink):
    sink.answer["RCPT"] = lambda line: "450 4.2.2 later" \
        if BOB in line else None
    send(first, "BY=%d;R" % SHORT)
    settled(sink, first, second, 1)
    tap.equal(actions(sink), [("failed", "5.4.7")],
              "not there in time, so it goes back")


def test_notify(first, second, sink):
    send(first, "BY=%d;N" % SHORT)
    tap.ok(wait_for(lambda: reports(sink)), "a report")
    tap.equal(actions(sink), [("delayed", "4.4.7")],
              "when its time is over the sender hears of it")
    sink.answer.clear()
    settled(sink, first, second, 2)
    tap.ok(re.search(r" BY=-\d+;N MT-PRIORITY=0$", mail_lines(sink)[-1]),
           "who is next hears that its time is over: %s" %
           mail_lines(sink)[-1])


def test_unknown(first, second, sink):
    sink.extensions = []
    send(first, "BY=%d;R" % AMPLE)
    settled(sink, first, second, 1)
    tap.equal(actions(sink), [("failed", "5.3.3")],
              "a server that does not keep to it gets no such mail")
    people, programs = [part.as_string() for part in
                        list(reports(sink)[0].iter_parts())[:2]]
    tap.ok("Diagnostic-Code: x-postern;" in programs and
           "answered" not in people, "and is not said to have said so")
    clear(sink)
    send(first, "BY=%d;N" % AMPLE, "MT-PRIORITY=9")
    settled(sink, first, second, 2)
    tap.equal([a for a, _ in actions(sink)], ["relayed"],
              "but mail whose sender then hears that it was handed on")
    tap.equal(mail_lines(sink)[0].count("BY=") +
              mail_lines(sink)[0].count("PRIORITY"), 0,
              "nothing is said that it did not offer")


def test_shown(first, second, sink):
    sink.answer["RCPT"] = lambda line: "450 4.2.2 later" \
        if BOB in line else None
    send(first, "BY=%d;NT" % AMPLE, "MT-PRIORITY=-3")
    tap.ok(wait_for(lambda: second.queue()), "it waits")
    id = second.queue()[0]["id"]
    shown = second.ctl("queue", "show", id, "--json").stdout
    tap.ok('"by":"notify,trace"' in shown and '"priority":"-3"' in shown and
           '"deliver_by"' in shown, "queue show tells of it")
    second.ctl("queue", "remove", id, "--yes")


def main():
    need_root()
    with Sink(extensions=["MT-PRIORITY MIXER", "DELIVERBY"]) as sink, \
            Postern(sink.url, queue='retry-first = "1s" retry-max = "2s"',
                    route_options="tls = none messages = 1",
                    caps=RANKED) as second:
        second.account(ALICE, "open-sesame", "--sender",
                       "postmaster@relay.example.org")
        secret = os.path.join(second.dir, "secret")
        with open(secret, "w") as f:
            f.write("open-sesame\n")
        os.chmod(secret, 0o600)
        with Postern("smtp://127.0.0.1:%d" % second.port, route_options='''
                     user = "%s" password-file = "%s" ca-file = "%s"''' %
                     (ALICE, secret, second.cert), caps=RANKED) as first:
            first.account(ALICE, "open-sesame")
            for test in (test_passed_on, test_return, test_notify,
                         test_unknown, test_shown):
                clear(sink)
                try:
                    test(first, second, sink)
                except Exception as e:
                    tap.ok(False, "%s: %r" % (test.__name__, e))
                    tap.note(first.log()[-3000:] + second.log()[-3000:])
    tap.inputs("delivery and bounces", 6)
    tap.done()


main()
