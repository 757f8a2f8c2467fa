#!/usr/bin/python3
"""
Guesses at passwords that a source knows, with a real saslauthd and PAM, by
clients that do not wait for the answer; and one address that asks without end:
the guesses count all the same, and everybody else gets in.
"""
import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from backends import Saslauthd                                   # noqa: E402
from postern import (PATIENCE, Postern, need_root, plain,         # noqa: E402
                     wait_for)

PETER, PAULA, PIA, SVEN = ("peter@example.org", "paula@example.org",
                           "pia@example.org", "sven@example.org")
SECTIONS = '''
accounts {
	sources = {"local", "pam", %s}  mechanisms = {"PLAIN", "LOGIN"}
	lock-after = 4  lock-time = "15m"
}
source pam {
	type = saslauthd  socket = "%s"  service = "%s"  login = local
	domains = {"example.org"}  timeout = "60s"
}
source gone { type = saslauthd  socket = "%s/gone" }
'''


def session(p, address):
    """One that has said EHLO, from that address of this machine."""
    s = p.context().wrap_socket(socket.create_connection(
        ("127.0.0.1", p.tls_port), PATIENCE, (address, 0)))
    s.settimeout(PATIENCE)
    f = s.makefile("rb")
    f.readline()
    s.sendall(b"EHLO guesser.example\r\n")
    while f.readline()[3:4] == b"-":
        pass
    return s, f


def say(s, name, password):
    s.sendall(("AUTH PLAIN %s\r\n" % plain(name, password)).encode())


def login(p, address, name, password):
    s, f = session(p, address)
    with s:
        say(s, name, password)
        return int(f.readline()[:3] or 0)


def hang_up(p, address, rows):
    """Logins at once, of clients that leave: each is being asked about."""
    all_of_them = [session(p, address)[0] for _ in rows]
    for s, row in zip(all_of_them, rows):
        say(s, *row)
    return all_of_them


def locks(p):
    return [line for line in p.log().splitlines() if " locked minutes=" in line]


def test_hang_up(p, sasl):
    """Right would be answered at once; so whoever is not in has guessed."""
    before = len(p.log())
    sasl.freeze()
    left = []
    for address in "127.0.0.2", "127.0.5.2":    # each has half of PAM
        left += hang_up(p, address, [(PETER, "guess %d" % (len(left) + i))
                                     for i in range(2)])
    tap.ok(wait_for(lambda: asked(p) >= 4), "four guesses are with PAM")
    for s in left:
        s.close()
    tap.ok(wait_for(lambda: len(re.findall(r" end peer=127\.0\.[05]\.2 ",
                                           p.log()[before:])) == 4),
           "their clients leave")
    sasl.thaw()
    tap.ok(p.logged('account="%s" locked' % PETER, before),
           "behind their backs the name is locked")
    tap.ok(wait_for(lambda: p.log()[before:].count("the client had left") ==
                    4), "and the log tells of each")
    tap.equal(login(p, "127.0.0.2", PETER, "peter-sesame"), 454,
              "the right password comes too late")


def asked(p):
    """How many connections to saslauthd are open."""
    with open("/proc/net/unix") as f:
        return sum("/mux" in line and p.sasl_dir in line and
                   line.split()[5] in ("02", "03") for line in f)


def test_flood(p, sasl):
    """Names without end from one address, and nobody waits for the answer."""
    tap.equal(login(p, "127.0.0.9", PAULA, "paula-sesame"), 235,
              "Paula has been here before")
    p.ctl("reload")             # nothing is remembered
    before = len(p.log())
    sasl.freeze()
    for k in range(4):
        left = hang_up(p, "127.0.1.2", [("n%d-%d@example.org" % (k, i), "w")
                                        for i in range(40)])
        if k < 3:
            for s in left:
                s.close()
    codes = {}
    honest = [threading.Thread(target=lambda row=row: codes.update(
        {row[1]: login(p, *row)}), daemon=True) for row in (
            ("127.0.0.9", PAULA, "paula-sesame"),
            ("127.0.2.2", PIA, "pia-sesame"))]
    for t in honest:
        t.start()
    sasl.thaw()
    for t in honest:
        t.join(PATIENCE)
    tap.equal(codes, {PAULA: 235, PIA: 235},
              "who is known gets in, and so does a stranger")
    for s in left:
        s.close()
    tap.ok(p.logged("network-of=127.0.1.2 locked", before),
           "the network that asked is locked")
    tap.ok("source=pam state=failing" not in p.log(),
           "and nothing is held against PAM")


def test_other_is_gone(p):
    """PAM says no, another source that might know better is dead."""
    codes = [login(p, "127.0.3.%d" % i, PIA, "guess %d" % i)
             for i in range(1, 5)]
    tap.equal(codes, [454] * 4, "guesses while one of two sources is gone")
    tap.equal(login(p, "127.0.4.1", PIA, "pia-sesame"), 454,
              "lock the name all the same")
    tap.ok(wait_for(lambda: any(PIA in line for line in locks(p))),
           "as the log says")
    p.account(SVEN, "open-sesame")
    p.ctl("account", "suspend", SVEN)
    tap.equal([login(p, "127.0.5.1", SVEN, password) for password in
               ("guess", "open-sesame", "open-sesame", "other", "third")],
              [454] * 5, "a suspended account's right password is one of four")
    tap.ok(wait_for(lambda: any(SVEN in line for line in locks(p))),
           "as the log says")


def main():
    need_root("postern-source")
    users = {who.split("@")[0]: who.split("@")[0] + "-sesame"
             for who in (PETER, PAULA, PIA)}
    with Saslauthd(users) as sasl:
        def sections(more):
            return SECTIONS % (more, sasl.socket, sasl.service, sasl.dir)
        with Postern(sections=sections("").replace(", }", "}")) as p:
            p.sasl_dir = sasl.dir
            test_hang_up(p, sasl)
            test_flood(p, sasl)
            p.configure(sections=sections('"gone"'))
            p.ctl("reload")
            test_other_is_gone(p)
    tap.done()


if __name__ == "__main__":
    main()
