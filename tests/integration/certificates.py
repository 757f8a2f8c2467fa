#!/usr/bin/python3
"""
The server's certificate and key: over, not begun, of another key, in the wrong
order, unreadable, half written, replaced while Postern runs; at its start and at
a reload. What cannot be used is refused with its file's name, and the pair in use
stays; what clients will refuse is warned about; no session ends by any of it.
"""
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (BIN, HOSTNAME, PATIENCE, Postern,            # noqa: E402
                     need_root, wait_for)

ALICE = "alice@example.org"
DAY = 24 * 3600
CONF = """[ca]
default_ca = ca
[ca]
database = {0}/index
serial = {0}/serial
new_certs_dir = {0}
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
email_in_dn = no
[any]
commonName = supplied
[leaf]
subjectAltName = DNS:{1},IP:127.0.0.1
[between]
basicConstraints = critical,CA:TRUE
"""


# Whichever of keys and smtpd is first to say it.
HALF = ("the first certificate in it cannot be read", "a damaged certificate, is the file complete?")
NONE = ("holds no certificate in PEM form", "no certificate in PEM form (BEGIN",
        "holds a private key and no certificate",
        "holds a certificate and no private key")


class Authority:
    """A root, a CA between, and what it issues."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="postern-ca-")
        with open(self.dir + "/conf", "w") as f:
            f.write(CONF.format(self.dir, HOSTNAME))
        open(self.dir + "/index", "w").close()
        self.new_key("root")
        self.openssl("req", "-x509", "-new", "-key", self.file("root.key"),
                     "-subj", "/CN=Root", "-days", "30", "-out",
                     self.file("root.crt"))
        self.issue("between", by="root", kind="between")

    def file(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.file(name)) as f:
            return f.read()

    def openssl(self, *words):
        subprocess.run(["openssl"] + list(words), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def new_key(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-out",
                     self.file(name + ".key"))

    def issue(self, name, by="between", kind="leaf", begin=-DAY, end=30 * DAY):
        """Its certificate in PEM; the key is beside it."""
        def at(seconds):
            return time.strftime("%Y%m%d%H%M%SZ",
                                 time.gmtime(time.time() + seconds))
        self.new_key(name)
        self.openssl("req", "-new", "-key", self.file(name + ".key"),
                     "-subj", "/CN=" + name, "-out", self.file(name + ".csr"))
        self.openssl("ca", "-batch", "-notext", "-config", self.file("conf"),
                     "-extensions", kind, "-cert", self.file(by + ".crt"),
                     "-keyfile", self.file(by + ".key"),
                     "-startdate", at(begin), "-enddate", at(end),
                     "-in", self.file(name + ".csr"),
                     "-out", self.file(name + ".crt"))
        return self.read(name + ".crt")


def put(p, chain=None, key=None):
    """In the place of what is there, as who renews certificates does it."""
    for text, path, mode in ((chain, p.cert, 0o644), (key, p.key, 0o600)):
        if text is None:
            continue
        for away in (path, path + ".new"):
            if os.path.isdir(away):
                os.rmdir(away)
            elif os.path.lexists(away):
                os.unlink(away)
        if text == "missing":
            continue
        if text == "a directory":
            os.mkdir(path)
        elif text == "a FIFO":
            os.mkfifo(path)
        else:
            with open(path + ".new", "w") as f:
                f.write(text)
            os.chmod(path + ".new", mode)
            os.rename(path + ".new", path)


def shown(p):
    """The common name of whom a new connection meets; "" if it cannot sign."""
    r = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" %
                        p.tls_port], input="QUIT\n", capture_output=True,
                       text=True)
    line = next((l for l in r.stdout.splitlines()
                 if r.returncode == 0 and l.startswith("subject=")), "")
    return line.replace(" ", "").replace("subject=CN=", "")


def client(p, ca):
    """Somebody logged in, who believes the root alone."""
    context = ssl.create_default_context(cafile=ca.file("root.crt"))
    s = smtplib.SMTP_SSL("127.0.0.1", p.tls_port, timeout=PATIENCE,
                         context=context)
    s.login(ALICE, "open-sesame")
    return s


def cases(ca):
    """(name, chain, key, what is said; at the start it is only warned about)"""
    good, key = ca.issue("other"), ca.read("other.key")
    between, root = ca.read("between.crt"), ca.read("root.crt")
    old, old_key = ca.issue("old", begin=-9 * DAY, end=-3 * DAY), \
        ca.read("old.key")
    young, young_key = ca.issue("young", begin=3 * DAY), ca.read("young.key")
    ca.issue("stranger")
    pair = good + between
    return (
        ("over", old + between, old_key, "expired on ", True),
        ("not begun", young + between, young_key, "is not valid before ", True),
        ("of another key", pair, ca.read("stranger.key"),
         "does not belong to the certificate", False),
        ("the issuer in front", between + good, key,
         "the server's own certificate must be the first", False),
        ("the key of the issuer", pair, ca.read("between.key"),
         "does not belong to the certificate", False),
        ("cut off", pair[:300], key, HALF, False),
        ("key cut off", pair, key[:100], "private key", False),
        ("chain cut off", good + between[:400], key, "a damaged certificate",
         False),
        ("garbage", "\x01\x02\x03" * 300, key, NONE, False),
        ("empty", "", key, "it is empty", False),
        ("empty key", pair, "", "it is empty", False),
        ("swapped", key, pair, NONE, False),
        ("missing", "missing", key, "No such file", False),
        ("missing key", pair, "missing", "No such file", False),
        ("a directory", "a directory", key, "it is a directory", False),
        ("a key's directory", pair, "a directory", "it is a directory", False),
        ("a FIFO", "a FIFO", key, "not a regular file", False),
        ("a key's FIFO", pair, "a FIFO", "not a regular file", False),
    ), (good + root + between, key)


def tells(p, said, what):
    """Whether it is said, with one of the files."""
    words = (what,) if isinstance(what, str) else what
    return any(w in said for w in words) and (p.cert in said or p.key in said)


def test_start(ca, rows, disordered):
    p = Postern(certificate=(ca.file("s.crt"), ca.file("s.key")))
    for name, chain, key, says, warned in rows:
        put(p, chain, key)
        r = subprocess.run([os.path.join(BIN, "posternd"), "-n", "-f",
                            p.conf_path], capture_output=True, text=True)
        said = r.stdout + r.stderr
        tap.ok(tells(p, said, says) and
               r.returncode == (0 if warned else 1),
               "start, %s: %s" % (name, "told" if warned else "refused"))
    for name, chain, key, says, warned in rows[:2]:
        put(p, chain, key)
        at = len(p.log()) if os.path.exists(p.log_path) else 0
        p.start()
        tap.ok(p.logged(": the certificate %s %s" % (p.cert, says), at) and
               "posternd: warning: %s:" % p.conf_path in p.log()[at:],
               "start, %s: it serves and warns" % name)
        p.stop()
    put(p, *disordered)
    p.start()
    tap.ok(p.logged("the certificates in %s are not in order" % p.cert),
           "start, the order of the others: warned about")
    tap.equal(shown(p), "other", "and served")
    p.stop()
    put(p, *rows[0][1:3])
    p.start()
    put(p, *rows[1][1:3])
    tap.equal(p.ctl("reload", check=False).returncode, 0,
              "one that is over gives way to one that has not begun")
    put(p, *disordered)
    tap.equal(p.ctl("reload", check=False).returncode, 0,
              "and that to one that is valid")
    tap.equal(shown(p), "other", "which is shown")
    p.stop()
    p.judge_log()
    shutil.rmtree(p.dir)


def test_reload(ca, rows):
    now = ca.issue("now") + ca.read("between.crt")
    now_key = ca.read("now.key")
    renewed = ca.issue("renewed") + ca.read("between.crt")
    renewed_key = ca.read("renewed.key")
    p = Postern(certificate=(ca.file("r.crt"), ca.file("r.key")))
    put(p, now, now_key)
    with p:
        p.account(ALICE, "open-sesame")
        session = client(p, ca)
        for name, chain, key, says, _ in rows:
            put(p, chain, key)
            r = p.ctl("reload", check=False)
            said = r.stdout + r.stderr
            if not tap.ok(r.returncode == 1 and tells(p, said, says),
                          "reload, %s: refused" % name):
                tap.note(said)
            tap.ok(shown(p) == "now" and session.noop()[0] == 250,
                   "the pair in use stays, and so does a session")
        p.kill("keys")
        p.kill("smtpd")
        tap.ok(wait_for(lambda: shown(p) == "now"),
               "who dies then comes back with the pair in use")
        session = client(p, ca)
        put(p, renewed, renewed_key)
        tap.equal(shown(p), "now", "put there, without a reload: the old one")
        tap.equal(p.ctl("reload", check=False).returncode, 0, "a reload")
        tap.equal(shown(p), "renewed", "and the new one is shown")
        tap.equal(session.sendmail(ALICE, ["bob@example.net"],
                                   "Subject: x\n\nhi\n"), {},
                  "a session of before goes on")
        with client(p, ca) as s:
            tap.equal(s.noop()[0], 250, "one of after, too")


def main():
    need_root()
    ca = Authority()
    rows, disordered = cases(ca)
    test_start(ca, rows, disordered)
    test_reload(ca, rows)
    shutil.rmtree(ca.dir)
    tap.done()


main()
