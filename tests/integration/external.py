#!/usr/bin/python3
"""
Logins by TLS client certificate (EXTERNAL) with what people have: curl, msmtp,
Python. Who has no certificate that the configured CA made for him as a client
is not let in, and is not even offered it where that can be seen.
"""
import concurrent.futures
import contextlib
import os
import smtplib
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (HOSTNAME, PATIENCE, Postern, free_port,      # noqa: E402
                     need_root, plain, wait_for)
from sink import Sink                                            # noqa: E402

ALICE, BOB = "alice@example.org", "bob@example.org"
CLIENT = "extendedKeyUsage=clientAuth"


class CA:
    def __init__(self, directory, name):
        self.dir, self.name = directory, os.path.join(directory, name)
        self.run("req", "-x509", "-nodes", *self.key(self.name), "-subj",
                 "/CN=" + name, "-days", "30", "-out", self.name + ".crt")

    @staticmethod
    def key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-keyout", path + ".key"]

    @staticmethod
    def run(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def issue(self, name, address, usage=CLIENT, dates=("-days", "30")):
        """(certificate, key) of a client; address None names nobody."""
        path = os.path.join(self.dir, name)
        ext = path + ".ext"
        with open(ext, "w") as f:
            f.write("basicConstraints=CA:FALSE\n")
            if usage:
                f.write(usage + "\n")
            if address:
                f.write("subjectAltName=email:%s\n" % address)
        self.run("req", "-new", "-nodes", *self.key(path), "-subj",
                 "/CN=" + (address or BOB), "-out", path + ".csr")
        self.run("x509", "-req", "-in", path + ".csr", "-CA",
                 self.name + ".crt", "-CAkey", self.name + ".key",
                 "-CAcreateserial", "-extfile", ext, *dates, "-out",
                 path + ".crt")
        return path + ".crt", path + ".key"


@contextlib.contextmanager
def client(p, pair=None, version=None, port=None, source=None):
    context = p.context()
    if version:
        context.maximum_version = version
    if pair:
        context.load_cert_chain(*pair)
    s = smtplib.SMTP_SSL("127.0.0.1", port or p.asks, timeout=PATIENCE,
                         context=context,
                         source_address=source and (source, 0))
    try:
        s.ehlo()
        yield s
    finally:
        s.close()


def offered(s):
    return "EXTERNAL" in s.esmtp_features.get("auth", "").split()


def external(s, authzid="="):
    return s.docmd("AUTH", "EXTERNAL " + authzid)


def test_programs(p, sink, pair):
    mail = os.path.join(p.dir, "mail.txt")
    with open(mail, "w") as f:
        f.write("From: %s\nTo: %s\nSubject: x\n\nhello\n" % (ALICE, BOB))
    at = ["--resolve", "%s:%d:127.0.0.1" % (HOSTNAME, p.asks), "--resolve",
          "%s:%d:127.0.0.1" % (HOSTNAME, p.asks_clear), "--cacert", p.cert, "--cert",
          pair[0], "--key", pair[1], "--login-options", "AUTH=EXTERNAL", "-u",
          ALICE + ":", "--mail-from", ALICE, "--mail-rcpt", BOB, "-T", mail]
    curl = ["curl", "-sS", "--crlf"]
    programs = [
        ("curl", curl + at + ["smtps://%s:%d" % (HOSTNAME, p.asks)]),
        ("curl, STARTTLS", curl + at + ["--ssl-reqd", "smtp://%s:%d" %
                                        (HOSTNAME, p.asks_clear)]),
        ("curl, TLS 1.2", curl + at + ["--tls-max", "1.2", "smtps://%s:%d" %
                                       (HOSTNAME, p.asks)]),
        ("msmtp", ["msmtp", "--host=127.0.0.1", "--port=%d" % p.asks,
                   "--tls=on", "--tls-starttls=off",
                   "--tls-trust-file=" + p.cert, "--tls-cert-file=" + pair[0],
                   "--tls-key-file=" + pair[1], "--auth=external",
                   "--user=" + ALICE, "--from=" + ALICE, BOB]),
    ]
    for name, command in programs:
        before = len(sink.messages)
        with open(mail) as stdin:
            r = subprocess.run(command, stdin=stdin, capture_output=True,
                               text=True, timeout=PATIENCE * 2)
        if not tap.ok(r.returncode == 0 and wait_for(
                lambda: len(sink.messages) > before), name):
            tap.note(r.stdout + r.stderr)


def test_good(p, pair):
    for version in ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2:
        with client(p, pair, version) as s:
            tap.ok(offered(s), "offered to who shows one, %s" % version.name)
            tap.equal(external(s)[0], 235, "in")
    with client(p, pair) as s:
        tap.equal(external(s, "YWxpY2VAZXhhbXBsZS5vcmc=")[0], 235, "as oneself")
    with client(p, pair) as s:
        tap.equal(external(s, "Ym9iQGV4YW1wbGUub3Jn")[0], 535,
                  "not as somebody else")
        s.login(ALICE, "open-sesame")
        tap.ok(True, "a password does as well")
    with client(p) as s:
        tap.ok(not offered(s), "not offered without a certificate")
        tap.equal(external(s)[0], 504, "nor taken")
        s.login(ALICE, "open-sesame")
    with client(p, pair, port=p.tls_port) as s:
        tap.ok(not offered(s), "nor where nobody is asked for one")


def test_locked(p, pair):
    """A name that guesses have locked: who shows its certificate gets in."""
    def guess(n):
        with client(p) as s:
            return s.docmd("AUTH", "PLAIN " + plain(ALICE, "guess %d" % n))[0]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        tap.ok(535 in pool.map(guess, range(10)), "ten guesses")
    with client(p) as s:
        code, text = s.docmd("AUTH", "PLAIN " + plain(ALICE, "open-sesame"))
        tap.equal(code, 454, "the password is locked out: " + text.decode())
    with client(p, pair) as s:
        tap.equal(external(s)[0], 235, "the certificate is not")
    p.ctl("account", "unlock", ALICE)

    def name(n):                # 127.0.0.1 is no network
        with client(p, source="127.0.5.99") as s:
            return s.docmd("AUTH", "PLAIN " + plain("n%d" % n, "guess"))[0]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        tap.ok(535 in pool.map(name, range(10)), "ten names of a network")
    with client(p, source="127.0.5.8") as s:
        code = s.docmd("AUTH", "PLAIN " + plain(ALICE, "open-sesame"))[0]
        tap.equal(code, 454, "the network is locked for passwords")
    with client(p, pair, source="127.0.5.8") as s:
        tap.equal(external(s)[0], 235, "the certificate gets in from there")
    p.ctl("account", "unlock", "127.0.5.0/24")
    with client(p) as s:
        s.login(ALICE, "open-sesame")


def test_resumed(p, pair):
    """A session with a certificate leaves no ticket behind."""
    context = p.context()
    context.load_cert_chain(*pair)

    def connect(session=None):
        s = context.wrap_socket(socket.create_connection(
            ("127.0.0.1", p.asks), PATIENCE), session=session)
        f = s.makefile("rb")
        f.readline()
        s.sendall(b"EHLO c\r\n")
        lines = b""
        while not lines.splitlines()[-1:] or \
                lines.splitlines()[-1][3:4] != b" ":
            lines += f.readline()
        s.sendall(b"AUTH EXTERNAL =\r\n")
        tap.ok(f.readline().startswith(b"235"), "logged in")
        return s, lines
    first, lines = connect()
    tap.ok(b"EXTERNAL" in lines, "a first session")
    second, lines = connect(first.session)
    tap.ok(not second.session_reused and b"EXTERNAL" in lines,
           "the next shows the certificate again")
    first.close()
    second.close()


def test_bad(p, ca, other):
    for name, pair, seen, reply in (
            ("another CA", other.issue("forged", ALICE), True, 535),
            ("for servers", ca.issue("server", ALICE,
                                     "extendedKeyUsage=serverAuth"), False,
             504),
            ("expired", ca.issue("old", ALICE, dates=("-days", "-1")), False,
             504),
            ("no address but in the subject", ca.issue("unnamed", None), True,
             535),
            ("no such account", ca.issue("nobody", "nobody@example.org"), True,
             535)):
        with client(p, pair) as s:
            tap.equal(offered(s), seen, "%s: offered or not" % name)
            tap.equal(external(s)[0], reply, name)
    tap.ok(p.logged("lets it in"), "the log says how it could get in")


def test_revoked(p, ca, pair):
    """A CRL in the CA's file."""
    lost = ca.issue("lost", ALICE)
    db = os.path.join(p.dir, "index.txt")
    conf = os.path.join(p.dir, "ca.cnf")
    open(db, "w").close()
    with open(conf, "w") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\ndefault_md=sha256\n"
                "default_crl_days=5\n" % db)
    words = ["ca", "-config", conf, "-cert", ca.name + ".crt", "-keyfile",
             ca.name + ".key"]
    ca.run(*words, "-revoke", lost[0])
    ca.run(*words, "-gencrl", "-out", ca.name + ".crl")
    with client(p, lost) as s:
        tap.equal(external(s)[0], 235, "before it is known")
    with open(p.ca_file, "a") as f, open(ca.name + ".crl") as crl:
        f.write(crl.read())
    p.ctl("reload")
    with client(p, lost) as s:
        tap.equal(external(s)[0], 535, "revoked")
    with client(p, pair) as s:
        tap.equal(external(s)[0], 235, "others are not")
    tap.ok(p.logged("certificate revoked"), "the log says why")


def test_pins(p, ca, pair):
    """Certificates that no CA need have made: an admin says whose they are."""
    def make(name, *words):
        path = os.path.join(p.dir, name)
        CA.run("req", "-x509", "-nodes", *CA.key(path), "-subj", "/CN=x",
               "-out", path + ".crt", *words)
        return path + ".crt", path + ".key"

    def verb(*words):
        return p.ctl("account", "cert", *words, check=False)

    def reply(pair, authzid="="):
        with client(p, pair) as s:
            return external(s, authzid)[0] if offered(s) else 504
    own = make("own")
    old = ca.issue("old-own", ALICE, dates=("-days", "-1"))
    server = make("own-server", "-addext", "extendedKeyUsage=serverAuth")
    p.account(BOB, "open-sesame")
    tap.equal(reply(own, "Ym9iQGV4YW1wbGUub3Jn"), 535, "unknown so far")
    tap.equal(verb("add", BOB, own[0]).returncode, 0, "cert add")
    key = p.rows("account", "cert", "list", BOB)[0]["certificate"]
    tap.ok(p.logged("with the key %s; posternctl account cert add NAME FILE "
                    "lets it in; the client asked to be %s" % (key[:16], BOB)),
           "the log had named its key before, and whose it was to be")
    tap.equal(reply(own), 235, "in by a certificate of one's own")
    tap.equal(reply(own, "Ym9iQGV4YW1wbGUub3Jn"), 235, "as bob")
    with client(p, own) as s:
        external(s)
        tap.equal(s.mail(BOB)[0], 250, "a session by it")
        s.rset()
        p.ctl("account", "suspend", BOB)
        tap.equal(s.mail(BOB)[0], 421, "ends when he is suspended")
    tap.equal(reply(own), 535, "and there is no other")
    tap.ok(p.logged("why=suspended"), "as the log says")
    p.ctl("account", "resume", BOB)
    tap.equal(reply(own), 235, "and then again")
    tap.equal(reply(own, "YWxpY2VAZXhhbXBsZS5vcmc="), 535, "not as alice")
    tap.ok(p.logged("this account's; the client asked to be " + ALICE),
           "which the log says in words")
    renewed = own[0] + ".new"
    CA.run("req", "-x509", "-key", own[1], "-subj", "/CN=y", "-out", renewed)
    tap.equal(reply((renewed, own[1])), 235, "renewed, with the same key")
    for words, said in (
            (("add", ALICE, own[0]), "bob@example.org's already"),
            (("add", "nobody@example.org", pair[0]), "no account"),
            (("add", ALICE, own[1]), "no certificate"),
            (("add", ALICE, "/nonesuch"), "No such file"),
            (("add", ALICE, old[0]), "expired"),
            (("add", ALICE, server[0]), "not for TLS clients"),
            (("remove", BOB, "00000000"), "no such certificate"),
            (("remove", BOB, "x"), "eight at least")):
        r = verb(*words)
        tap.ok(r.returncode != 0 and said in r.stdout + r.stderr,
               "%s %s: %s" % (words[0], os.path.basename(words[2]), said))
    # A pin goes before what the CA says.
    tap.equal(reply(pair), 235, "alice, by the CA")
    verb("add", BOB, pair[0])
    tap.equal(reply(pair, "YWxpY2VAZXhhbXBsZS5vcmc="), 535, "it is bob's now")
    tap.equal(reply(pair, "Ym9iQGV4YW1wbGUub3Jn"), 235, "it is")
    rows = p.rows("account", "cert", "list", BOB)
    tap.equal(len(rows), 2, "two are listed")
    shown = p.rows("account", "show", BOB)[0]["certificates"]
    tap.equal(sorted(shown), sorted(r["certificate"][:16] for r in rows),
              "and shown")
    p.kill("auth")
    tap.ok(wait_for(lambda: p.ctl("account", "show", BOB,
                                  check=False).returncode == 0), "auth again")
    tap.equal(wait_for(lambda: reply(own) == 235), True, "pins survive")
    for row in rows:
        tap.equal(verb("remove", BOB, row["certificate"][:12]).returncode, 0,
                  "cert remove")
    tap.equal(reply(own), 535, "revoked at once")
    tap.equal(reply(pair), 235, "the CA's word counts again")
    verb("add", BOB, own[0])
    p.ctl("account", "remove", BOB)
    p.account(BOB, "another-one")
    tap.equal(reply(own), 535, "a new account of the name has none of them")


def test_configuration(p, ca):
    keep = p.settings["sections"]
    for name, sections, said in (
            ("EXTERNAL by name", keep.replace(
                "accounts {", 'accounts { mechanisms = {"EXTERNAL"}'),
             "does not stand here"),
            ("nobody is asked", 'accounts { client-ca-file = "%s" }' %
             p.ca_file, "no client is asked"),
            ("a CA's file without one", keep.replace(p.ca_file, p.key),
             "holds no certificate")):
        p.configure(sections=sections)
        r = p.ctl("reload", check=False)
        if not tap.ok(r.returncode != 0 and (said in r.stdout + r.stderr or
                                             p.logged(said)), name):
            tap.note(r.stdout + r.stderr)
    p.configure(sections=keep)
    p.ctl("reload")


def main():
    need_root()
    with Sink() as sink:
        p = Postern(sink.url, route_options="tls = none")
        p.asks, p.asks_clear = free_port(), free_port()
        ca, other = CA(p.dir, "ca"), CA(p.dir, "other")
        p.ca_file = os.path.join(p.dir, "clients.pem")
        with open(p.ca_file, "w") as f, open(ca.name + ".crt") as crt:
            f.write(crt.read())
        p.configure(sections="""
accounts { client-ca-file = "%s" }
listen asks { address = "127.0.0.1" port = %d tls = implicit
    client-certificates = on }
listen asks-too { address = "127.0.0.1" port = %d tls = starttls
    client-certificates = on }
""" % (p.ca_file, p.asks, p.asks_clear))
        with p:
            p.account(ALICE, "open-sesame")
            pair = ca.issue("alice", ALICE)
            test_programs(p, sink, pair)
            test_good(p, pair)
            test_locked(p, pair)
            test_resumed(p, pair)
            test_bad(p, ca, other)
            test_pins(p, ca, pair)
            test_revoked(p, ca, pair)
            test_configuration(p, ca)
    tap.done()


if __name__ == "__main__":
    main()
