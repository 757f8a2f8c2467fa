#!/usr/bin/python3
"""
Straight to MX by a real DNS server, nsd, with signed and unsigned zones: which
host gets the mail, what is tried again, what is returned at once.
"""
import email
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from postern import PATIENCE, Postern, need_root, wait_for      # noqa: E402
from sink import Sink                                           # noqa: E402

ALICE = "alice@home.test"
need_root()
for tool in ("nsd", "ldns-keygen", "ldns-signzone"):
    if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"):
        tap.skip_all("no %s; apt-get install nsd ldnsutils" % tool)

# Port 25 is wanted, so each run has loopback addresses of its own.
NET = "127.%d.%d." % (random.randrange(16, 250), random.randrange(1, 250))
ONE, TWO, DEAD, DNS = NET + "1", NET + "2", NET + "3", NET + "53"
PORT = 5353
CONNECTIONS = 4

HEAD = "$ORIGIN {zone}.\n$TTL 300\n@ SOA ns a 1 3600 600 86400 60\n" \
       "@ NS ns\nns A " + DNS + "\n"
ZONES = {
    "home.test": f"@ MX 0 mx\nmx A {ONE}\n",
    "plain.test": f"@ MX 10 mx\nmx A {ONE}\n",
    "implicit.test": f"@ A {ONE}\n",
    "null.test": "@ MX 0 .\n",
    "nowhere.test": "@ TXT x\n",
    "homeless.test": "@ MX 10 mx.nowhere.test.\n",
    "order.test": f"@ MX 20 two\n@ MX 10 one\none A {ONE}\ntwo A {TWO}\n",
    "fallback.test": f"@ MX 10 dead\n@ MX 20 two\ndead A {DEAD}\n"
                     f"two A {TWO}\n",
    "inside.test": f"@ MX 10 mx\nmx A {DEAD}\n",
    "air.test": "@ MX 10 mx\nmx A 224.0.0.25\n",
    "down.test": f"@ MX 10 dead\ndead A {DEAD}\n",
    "alias.test": "@ MX 10 alias\nalias CNAME mx.plain.test.\n",
    "loop.test": "@ MX 10 a\na CNAME b\nb CNAME a\n",
    "xn--bcher-kva.test": f"@ MX 10 mx\nmx A {TWO}\n",
    "literal.test": f"@ MX 10 {ONE}.\n",
    "hundred.test": "".join(f"@ MX {i + 10} m{i}\nm{i} A {DEAD}\n"
                            for i in range(100)) + f"@ MX 1 best\n"
                    f"best A {TWO}\n",
    "wild.test": f"* MX 10 mx\nmx A {TWO}\n",
    "signed.test": f"@ MX 10 mx\nmx A {ONE}\nbogus MX 10 mx\n",
}
# Domain, what becomes of it, status or address, words in the diagnostic.
CASES = [
    ("plain.test", "delivered", ONE, ""),
    ("PLAIN.test", "delivered", ONE, ""),
    ("implicit.test", "delivered", ONE, ""),
    ("order.test", "delivered", ONE, ""),
    ("fallback.test", "delivered", TWO, ""),
    ("alias.test", "delivered", ONE, ""),
    ("hundred.test", "delivered", TWO, ""),
    ("signed.test", "delivered", ONE, ""),
    (f"[{TWO}]", "delivered", TWO, ""),
    ("null.test", "bounced", "5.1.10", "null MX"),
    ("absent.home.test", "bounced", "5.1.2", "does not exist"),
    ("nowhere.test", "bounced", "5.4.4", "no mail server"),
    ("homeless.test", "bounced", "5.4.4", "no mail server"),
    ("literal.test", "bounced", "5.4.4", "no mail server"),
    ("down.test", "deferred", "4.4.1", "cannot connect"),
    ("loop.test", "deferred", "4.4.3", ""),
    ("unserved.example", "deferred", "4.4.3", ""),
    ("bogus.signed.test", "deferred", "4.4.3", ""),
]


# What only who sends by a route without "loopback" meets.
STRICT = "strict@home.test"
STRICT_CASES = [
    ("inside.test", "bounced", "5.4.4", DEAD + " is no public address"),
    ("air.test", "bounced", "5.4.4", "224.0.0.25 is no public address"),
    ("[127.0.0.1]", "bounced", "5.4.4", "127.0.0.1 is no public address"),
]


def write_zones(directory):
    """Zone files; signed.test signed, then spoiled. The file with its DS is returned."""
    for zone, records in ZONES.items():
        with open(os.path.join(directory, zone), "w") as f:
            f.write(HEAD.format(zone=zone) + records)

    def run(*words):
        return subprocess.run(words, cwd=directory, check=True,
                              capture_output=True, text=True).stdout.strip()

    key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "signed.test")
    run("ldns-signzone", "signed.test", key)
    path = os.path.join(directory, "signed.test")
    with open(path + ".signed") as f:
        text = f.read()
    spoiled, n = re.subn(r"(?m)^(bogus\.signed\.test\.\s.*\bMX\s+)10(\s)",
                         r"\g<1>9\g<2>", text)
    assert n == 1
    with open(path, "w") as f:
        f.write(spoiled)
    return os.path.join(directory, key + ".ds")


def start_nsd(directory):
    conf = os.path.join(directory, "nsd.conf")
    with open(conf, "w") as f:
        f.write(f'server:\n ip-address: {DNS}@{PORT}\n username: ""\n'
                f' database: ""\n zonesdir: "{directory}"\n'
                f' logfile: "{directory}/log"\n pidfile: "{directory}/pid"\n'
                f' xfrdfile: "{directory}/xfrd"\n zonelistfile: '
                f'"{directory}/list"\n server-count: 1\n rrl-ratelimit: 0\n'
                'remote-control:\n control-enable: no\n' +
                "".join(f"zone:\n name: {z}\n zonefile: {z}\n"
                        for z in ZONES))
    p = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", conf],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\4home\4test\0\0\6\0\1",
                     (DNS, PORT))
            try:
                return s.recv(512)[:2] == b"\x12\x34"
            except OSError:
                return False
    assert wait_for(answers), open(os.path.join(directory, "log")).read()
    return p


def attempts(p, domain):
    """The queue's row of the message for that domain, once it was tried."""
    for row in p.queue():
        if row.get("attempts", 0) > 0:
            shown = p.ctl("queue", "show", row["id"]).stdout
            if "@" + domain.lower() in shown.lower():
                return shown
    return None


def bounce_about(sink, domain):
    for m in sink.messages:
        if m.sender == "" and ("@" + domain) in \
                m.content.decode(errors="replace"):
            return m
    return None


def check(p, sinks, domain, what, where, words):
    name = f"{domain}: {what}"
    if what == "delivered":
        sink = sinks[where]
        rcpt = f"bob@{domain.lower()}"
        tap.ok(wait_for(lambda: [m for m in sink.messages
                                 if rcpt in [r.lower() for r in
                                             m.recipients]]),
               f"{name} to {where}")
    elif what == "bounced":
        m = wait_for(lambda: bounce_about(sinks[ONE], domain))
        if not tap.ok(m, name):
            return
        parts = list(email.message_from_bytes(m.content).walk())
        report = next(x for x in parts
                      if x.get_content_type() == "message/delivery-status")
        text = report.as_string()
        tap.ok(f"Status: {where}" in text, f"{name}, status {where}")
        tap.ok(words in " ".join(text.split()), f"{name}, says \"{words}\"")
    else:
        shown = wait_for(lambda: attempts(p, domain))
        tap.ok(shown, name)
        tap.ok(shown and where in shown, f"{name}, status {where}")
        tap.ok(shown and words in shown, f"{name}, says \"{words}\"")


SMARTHOSTS = (
    ("lost", "absent.home.test", "host absent.home.test does not exist"),
    ("bare", "nowhere.test", "host nowhere.test has no address"),
)


def check_smarthost(p, name, host, why):
    """A smarthost that DNS does not know is our trouble: the mail waits."""
    sender, rcpt = name + "@smart.test", name + ".example"
    p.account(sender, "open-sesame")
    p.submit(sender, ["bob@" + rcpt], "Subject: hello\r\n\r\nhello\r\n")
    shown = wait_for(lambda: attempts(p, rcpt))
    tap.ok(shown and "4.4.4" in shown and why in shown,
           f"smarthost {host}: the mail waits, {why}")


def check_utf8(p, two):
    """Domains in UTF-8 are looked up by their A-labels, in upper case, too."""
    for domain in ("b\u00fccher.test", "B\u00dcCHER.test"):
        rcpt = "bob@" + domain
        with p.client(login=ALICE) as s:
            s.sendmail(ALICE, [rcpt], "Subject: x\r\n\r\nx\r\n",
                       mail_options=["SMTPUTF8"])
        tap.ok(wait_for(lambda: [m for m in two.messages
                                 if rcpt.lower() in
                                 [r.lower() for r in m.recipients]]),
               "%s: delivered to %s" % (ascii(rcpt), TWO))


def check_one_place(p, two):
    """A hundred domains with one mail server do not each have connections."""
    rcpts = ["bob@d%d.wild.test" % i for i in range(100)]
    opened, second = [], threading.Event()

    def connect(line):
        """The first waits for another, who may well be a while behind."""
        opened.append(line)
        if len(opened) > 1:
            second.set()
        second.wait(PATIENCE / 4)
        time.sleep(0.1)
    two.answer["CONNECT"] = connect
    p.submit(ALICE, rcpts, "Subject: x\r\n\r\nx\r\n")

    def came():
        return [m for m in two.messages
                if any(r.endswith(".wild.test") for r in m.recipients)]
    tap.ok(wait_for(lambda: sum(len(m.recipients) for m in came()) ==
                    len(rcpts)), "one hundred domains of one mail server")
    del two.answer["CONNECT"]
    mine = {id(m.connection): m.connection for m in came()}.values()
    wait_for(lambda: all(c.ended for c in mine))
    most = max(sum(c.opened <= o.opened < c.ended for c in mine)
               for o in mine)
    tap.ok(1 < most <= CONNECTIONS, "at most %d connections at once: %d" %
           (CONNECTIONS, most))


def main():
    directory = tempfile.mkdtemp(prefix="postern-dns-")
    ds = write_zones(directory)
    nsd = start_nsd(directory)
    try:
        with Sink(port=25, address=ONE) as one, \
                Sink(port=25, address=TWO, extensions=["SMTPUTF8"]) as two, \
                Postern(next_hop="mx", route_options="loopback = on "
                        "connections = %d" % CONNECTIONS,
                        sections='dns { resolvers = {"%s@%d"} trust-anchor = '
                        '"%s" }' % (DNS, PORT, ds),
                        top="\n".join(
                            'route smart-%s { next-hop = "smtp://%s:587" '
                            'senders = {"%s@smart.test"} }' % (
                                name, host, name)
                            for name, host, _ in SMARTHOSTS) +
                        '\nroute strict { next-hop = "mx" senders = '
                        '{"%s"} }' % STRICT) as p:
            p.account(ALICE, "open-sesame")
            for domain, *rest in CASES:
                p.submit(ALICE, ["bob@" + domain],
                         "Subject: to " + domain + "\r\n\r\nhello\r\n")
            for case in CASES:
                check(p, {ONE: one, TWO: two}, *case)
            p.account(STRICT, "open-sesame")
            for domain, *rest in STRICT_CASES:
                p.submit(STRICT, ["bob@" + domain], "Subject: x\r\n\r\nx\r\n")
            for case in STRICT_CASES:
                check(p, {ONE: one, TWO: two}, *case)
            for case in SMARTHOSTS:
                check_smarthost(p, *case)
            check_utf8(p, two)
            check_one_place(p, two)
            tap.inputs("hostile or failing DNS", len(CASES) +
                       len(STRICT_CASES) + len(SMARTHOSTS) + 2)
    finally:
        nsd.terminate()
        nsd.wait()
        shutil.rmtree(directory, ignore_errors=True)
    tap.done()


main()
