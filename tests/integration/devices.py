#!/usr/bin/python3
"""
Passwords for single devices: how they are made, shown, typed and taken away,
what a device may, and what its going means for open sessions, for the owner and
for the other devices.
"""
import json
import os
import re
import smtplib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import PATIENCE, Postern, need_root, plain           # noqa: E402
from postern import wait_for                                      # noqa: E402

ALICE = "alice@example.org"
TO = "carol@example.net"
OK, FAILED, USAGE, NOT_FOUND = 0, 1, 2, 3
CAPS = '''cap staff { messages = {"5/1h"} }
cap phone { messages = {"2/1h"} }
cap big { }'''


def verb(p, code, name, *words):
    r = p.ctl("account", "device", *words, check=False)
    if not tap.equal(r.returncode, code, name):
        tap.note(r.stdout + r.stderr)
    return r.stdout + r.stderr


def device(p, *words):
    """Adds one; its password."""
    return p.rows("account", "device", "add", *words)[0]["password"]


def listed(p, label):
    for row in p.rows("account", "device", "list", ALICE):
        if row["device"] == label:
            return row
    return None


def login(p, name, password, mechanism="PLAIN", address="127.0.0.1"):
    """The reply of one AUTH on a connection of its own: (code, text)."""
    with smtplib.SMTP_SSL("127.0.0.1", p.tls_port, context=p.context(),
                          timeout=PATIENCE, source_address=(address, 0)) as s:
        s.ehlo()
        s.user, s.password = name, password
        try:
            method = {"PLAIN": s.auth_plain, "LOGIN": s.auth_login}[mechanism]
            return s.auth(mechanism, method)
        except smtplib.SMTPAuthenticationError as e:
            return e.smtp_code, e.smtp_error


def test_verbs(p):
    text = p.ctl("account", "device", "add", ALICE, "Phone", "--cap", "phone",
                 "--network", "127.0.0.0/8", "--network", "2001:DB8::/32",
                 "--expires", "90d").stdout
    row = json.loads(text)
    tap.ok(re.fullmatch("[a-hjkmnp-z]{20}", row["password"]),
           "a password of twenty letters")
    tap.equal(row["spelt"].replace(" ", ""), row["password"], "and spelt out")
    tap.equal((row["device"], row["user_name"], row["cap"], row["networks"]),
              ("phone", ALICE + "/phone", "phone",
               ["127.0.0.0/8", "2001:db8::/32"]), "with what was asked for")
    got = listed(p, "phone")
    tap.ok(got and got["expires"] > got["created"] and not got["last_use"],
           "it is listed")
    tap.ok(row["password"] not in p.ctl("account", "device", "list",
                                        ALICE).stdout + p.log(),
           "without the password, which is not in the log either")
    tap.equal(p.rows("account", "show", ALICE)[0]["devices"], ["phone"],
              "the account shows it")
    for name, code, words in (
            ("the label again", FAILED, ["add", ALICE, "PHONE"]),
            ("a slash", USAGE, ["add", ALICE, "a/b"]),
            ("blanks", USAGE, ["add", ALICE, "my phone"]),
            ("beyond ASCII", USAGE, ["add", ALICE, "téléphone"]),
            ("65 letters", USAGE, ["add", ALICE, "x" * 65]),
            ("33 letters", USAGE, ["add", ALICE, "x" * 33]),
            ("none", USAGE, ["add", ALICE, ""]),
            ("no label", USAGE, ["add", ALICE]),
            ("two labels", USAGE, ["add", ALICE, "a", "b"]),
            ("an option of accounts", USAGE,
             ["add", ALICE, "a", "--sender", "x@y.example"]),
            ("every address", USAGE,
             ["add", ALICE, "a", "--network", "0.0.0.0/0"]),
            ("every address of IPv6", USAGE,
             ["add", ALICE, "a", "--network", "::/0"]),
            ("no network", USAGE,
             ["add", ALICE, "a", "--network", "10.0.0.1/8"]),
            ("17 networks", USAGE, ["add", ALICE, "a"] +
             [w for i in range(17) for w in ("--network", "10.0.0.%d" % i)]),
            ("no such cap", USAGE, ["add", ALICE, "a", "--cap", "stuff"]),
            ("no time", USAGE, ["add", ALICE, "a", "--expires", "soon"]),
            ("no time at all", USAGE, ["add", ALICE, "a", "--expires", "0"]),
            ("a million years", USAGE,
             ["add", ALICE, "a", "--expires", "52000000w"]),
            ("nobody's", NOT_FOUND, ["add", "nobody", "a"]),
            ("list nobody's", NOT_FOUND, ["list", "nobody"]),
            ("remove nobody's", NOT_FOUND, ["remove", "nobody", "a"]),
            ("remove none", NOT_FOUND, ["remove", ALICE, "tablet"])):
        verb(p, code, name, *words)
    tap.equal(len(p.rows("account", "device", "list", ALICE)), 1,
              "nothing was added by that")
    verb(p, OK, "removed", "remove", ALICE, "phone")
    tap.ok("add, list, remove" in verb(p, USAGE, "no verb"),
           "lists those that there are")
    tap.equal(listed(p, "phone"), None, "and gone")


def test_typing(p):
    phone = device(p, ALICE, "phone")
    groups = [phone[i:i + 5] for i in range(0, 20, 5)]
    for name, how, password in (
            ("as it is", ALICE, phone),
            ("in groups", ALICE, " ".join(groups)),
            ("with dashes", ALICE, "-".join(groups)),
            ("as a phone corrects it", ALICE,
             " ".join(g.capitalize() for g in groups) + " "),
            ("by the device's name", ALICE + "/phone", phone),
            ("by that in capitals", ALICE.upper() + "/PHONE", phone)):
        for mechanism in ("PLAIN", "LOGIN"):
            tap.equal(login(p, how, password, mechanism)[0], 235,
                      "%s, %s" % (mechanism, name))
    wrong = login(p, ALICE, "open-sesamy")
    for name, how, password in (
            ("a letter less", ALICE, phone[:-1]),
            ("a letter more", ALICE, phone + "a"),
            ("another label", ALICE + "/tablet", phone),
            ("another account", "bob", phone),
            ("another account's label", "bob/phone", phone),
            ("the account's own under the label", ALICE + "/phone",
             "open-sesame")):
        tap.equal(login(p, how, password), wrong, "no: " + name)
    p.ctl("account", "unlock", ALICE)
    tap.equal(login(p, ALICE, "open-sesame")[0], 235, "the account's own")
    tap.ok(p.logged('login account="%s" device=phone' % ALICE),
           "the log names the device")
    verb(p, OK, "removed", "remove", ALICE, "phone")


def send(s, n=1):
    codes = []
    for _ in range(n):
        codes.append(s.mail(ALICE)[0])
        if codes[-1] == 250:
            s.rcpt(TO)
            codes[-1] = s.data("From: %s\n\nx" % ALICE)[0]
    return codes


def test_caps(p):
    phone, other = device(p, ALICE, "phone", "--cap", "phone"), \
        device(p, ALICE, "other")
    with p.client(login=ALICE + "/phone", password=phone) as s:
        tap.equal(send(s, 2), [250, 250], "the phone sends two messages")
        code, text = s.mail(ALICE)
        tap.ok(code == 451 and b"this device's limit of 2 messages" in text,
               "not three: %d %s" % (code, text.decode()))
    with p.client(login=ALICE, password=other) as s:
        tap.equal(send(s, 2), [250, 250], "the other one sends")
    with p.client(login=ALICE) as s:
        tap.equal(send(s), [250], "and the account itself")
        code, text = s.mail(ALICE)
        tap.ok(code == 451 and b"your limit of 5 messages" in text,
               "to the account's cap together: %d %s" % (code, text.decode()))
    used = {r["account"]: r["messages_1h"] for r in p.rows("usage")}
    tap.equal((used.get(ALICE), used.get(ALICE + "/phone"),
               used.get(ALICE + "/other")), (5, 2, 2), "usage, one by one")
    for label in ("phone", "other"):
        verb(p, OK, "removed", "remove", ALICE, label)


def test_refused(p):
    far = device(p, ALICE, "far", "--network", "192.0.2.0/24")
    near = device(p, ALICE, "near", "--network", "::ffff:127.0.0.0/104")
    short = device(p, ALICE, "short", "--expires", "1s")
    wrong = login(p, ALICE, "open-sesamy")
    tap.equal(login(p, ALICE, near)[0], 235, "from where it may come")
    tap.equal(login(p, ALICE, far), wrong, "from elsewhere: a wrong password")
    tap.ok(wait_for(lambda: login(p, ALICE, short) == wrong),
           "when it has expired: a wrong password")
    tap.ok(p.logged("why=device-network device=far") and
           p.logged("why=device-expired device=short"), "the log knows better")
    verb(p, OK, "one is removed", "remove", ALICE, "near")
    tap.equal(login(p, ALICE, near), wrong, "removed: a wrong password")
    tap.ok(p.logged("why=device-removed device=near"), "in the log, removed")
    for label in ("far", "short"):
        verb(p, OK, "removed", "remove", ALICE, label)


def test_revoked(p):
    p.ctl("account", "set", ALICE, "--cap", "big")
    phone, laptop = device(p, ALICE, "phone"), device(p, ALICE, "laptop")
    sessions = {"phone": p.client(login=ALICE, password=phone),
                "laptop": p.client(login=ALICE, password=laptop),
                "own": p.client(login=ALICE),
                "bob": p.client(login="bob")}
    verb(p, OK, "the phone is lost", "remove", ALICE, "phone")
    code, text = sessions["phone"].mail(ALICE)
    tap.ok(code == 421 and b"log in again" in text,
           "its session ends: %d" % code)
    for who in ("laptop", "own"):
        tap.equal(sessions[who].mail(ALICE)[0], 250,
                  "%s's goes on" % who)
        sessions[who].rset()
    p.ctl("account", "passwd", ALICE, input="new-sesame\n")
    tap.equal(sessions["own"].mail(ALICE)[0], 421,
              "a new password ends what came by the old one")
    tap.equal(sessions["laptop"].mail(ALICE)[0], 250, "but no device")
    sessions["laptop"].rset()
    p.ctl("account", "set", ALICE, "--cap", "default")
    tap.equal(sessions["laptop"].mail(ALICE)[0], 421,
              "what changes the account ends all of it")
    tap.equal(login(p, ALICE, laptop)[0], 235, "the laptop logs in anew")
    again = device(p, ALICE, "phone")
    tap.ok(again != phone and login(p, ALICE, again)[0] == 235,
           "a new phone takes the label")
    tap.equal(login(p, ALICE, phone)[0], 535, "the old one stays out")
    p.ctl("account", "remove", ALICE)
    tap.equal(login(p, ALICE, laptop)[0], 535, "no account, no devices")
    p.account(ALICE, "open-sesame", "--cap", "staff")
    tap.equal(p.rows("account", "device", "list", ALICE), [],
              "a new account has none of them")


def test_stale():
    """A forgotten phone tries for ever; its owner is not locked out."""
    with Postern(top="accounts { lock-after = 3 }") as p:
        p.account(ALICE, "open-sesame")
        old = [device(p, ALICE, "old%d" % i) for i in range(6)]
        tap.equal(login(p, ALICE, "open-sesame", address="127.1.0.5")[0], 235,
                  "the owner at home")
        for i in range(6):
            verb(p, OK, "an old phone is removed", "remove", ALICE,
                 "old%d" % i)
        for i in range(6):
            for address in ("127.1.0.5", "127.9.9.9"):
                tap.equal(login(p, ALICE, old[i], address=address)[0], 535,
                          "and goes on trying from %s" % address)
        for address in ("127.1.0.5", "127.9.9.9"):
            tap.equal(login(p, ALICE, "open-sesame", address=address)[0], 235,
                      "the owner logs in there")
        for i in range(3):
            login(p, ALICE + "/new", "guess-%d-guess" % i,
                  address="127.7.7.7")
        new = device(p, ALICE, "new")
        tap.equal(login(p, ALICE + "/new", new, address="127.7.7.7")[0], 454,
                  "who guesses under a label locks that")
        tap.ok(listed(p, "new")["locked_until"], "which the list shows")
        tap.equal(login(p, ALICE, "open-sesame", address="127.7.7.8")[0], 235,
                  "and nobody else")
        p.ctl("account", "unlock", ALICE)
        tap.equal(login(p, ALICE + "/new", new, address="127.7.7.7")[0], 235,
                  "until the admin unlocks")


def test_last_use(p):
    phone = device(p, ALICE, "phone")
    device(p, ALICE, "idle")
    tap.equal(login(p, ALICE, phone)[0], 235, "the phone logs in")
    tap.ok(listed(p, "phone")["last_use"] and
           listed(p, "phone")["from"] == "127.0.0.1", "when, and from where")
    tap.ok(not listed(p, "idle")["last_use"], "the other one never did")
    seen = listed(p, "phone")["last_use"]
    p.stop()
    p.start()
    tap.equal(listed(p, "phone")["last_use"], seen, "known after a restart")
    tap.equal(login(p, ALICE, phone)[0], 235, "its password, too")
    verb(p, OK, "removed", "remove", ALICE, "phone")
    device(p, ALICE, "phone")
    tap.ok(not listed(p, "phone")["last_use"],
           "a new one of that label has not been used")


def test_many(p):
    n = len(p.rows("account", "device", "list", ALICE))
    last = None
    for i in range(100 - n):
        last = device(p, ALICE, "d%d" % i)
    said = verb(p, FAILED, "a hundred is the limit", "add", ALICE, "more")
    tap.ok("100" in said, "which is said")
    tap.equal(login(p, ALICE, last)[0], 235, "the hundredth logs in")
    tap.equal(len(p.rows("account", "device", "list", ALICE)), 100, "a list")
    tap.equal(len(p.rows("account", "show", ALICE)[0]["devices"]), 100,
              "and in one row")


def test_killed(p):
    phone = device(p, "bob", "phone")
    p.kill("auth")
    tap.ok(wait_for(lambda: login(p, "bob", phone)[0] == 235),
           "auth was killed: what it said it has made is there")
    p.kill_all()
    p.start()
    tap.equal(login(p, "bob/phone", phone)[0], 235, "after kill -9 of all")


def main():
    need_root()
    with Postern(sections=CAPS) as p:
        p.account(ALICE, "open-sesame", "--cap", "staff")
        p.account("bob", "open-sesame")
        test_verbs(p)
        test_typing(p)
        test_caps(p)
        test_refused(p)
        test_revoked(p)
        test_last_use(p)
        test_many(p)
        test_killed(p)
    test_stale()
    tap.done()


main()
