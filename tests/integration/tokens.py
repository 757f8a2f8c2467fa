#!/usr/bin/python3
"""
Logins with a real OpenID provider's tokens: by real mail programs, by hand, with
tokens that must not count, and with a provider that changes its keys, hangs,
is down or is hostile.
"""
import base64
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from oidc import ALGS, SECRET, Provider                          # noqa: E402
from postern import (PATIENCE, USERS, Postern, free_port,         # noqa: E402
                     make_certificate, need_npm, need_root, plain, wait_for)
from sink import Sink                                            # noqa: E402

ALICE, BOB = "alice@example.org", "bob@example.org"
PEOPLE = {
    "alice": {"email": ALICE, "email_verified": True},
    "bob": {"email": BOB, "email_verified": True},
    "eve": {"email": ALICE, "email_verified": False},
    "stranger": {"email": "stranger@example.net", "email_verified": True},
    "nameless": {},
}
CLEAR = "tls = none"
# Of a provider: a busy machine needs less, and other logins less than that.
TIMEOUT = 8


def b64(text):
    return base64.b64encode(text.encode()).decode()


def says(mechanism, who, token):
    """What a client says, RFC 7628 3.1 and Google's XOAUTH2."""
    if mechanism == "XOAUTH2":
        return b64("user=%s\1auth=Bearer %s\1\1" % (who, token))
    return b64("n,%s,\1auth=Bearer %s\1\1" % (who and "a=" + who, token))


def login(p, token, who=ALICE, mechanism="OAUTHBEARER"):
    """The code of the last reply and all challenges, on one connection."""
    with p.client() as s:
        s.ehlo()
        code, text = s.docmd("AUTH", "%s %s" % (
            mechanism, says(mechanism, who, token)))
        told = ""
        if code == 334:
            told = base64.b64decode(text).decode()
            code, text = s.docmd("AQ==")
        return code, told


def gets_in(p, token, name, **how):
    tap.equal(login(p, token, **how)[0], 235, name)


def refused(p, token, words, name, code=535, **how):
    before = len(p.log())
    got, told = login(p, token, **how)
    said = wait_for(lambda: words in p.log()[before:])
    if not tap.ok(got == code and said, name):
        tap.note("%r %s\n%s" % (got, told, p.log()[before:]))


def section(idp, more="", lock_after=0):
    """Without locks: here many logins fail, all from one address."""
    return 'accounts { lock-after = %d } tokens { issuer = "%s" audience = ' \
        '{"smtp"} ca-file = "%s" timeout = "%ds" %s }' % (
            lock_after, idp.issuer, idp.cert, TIMEOUT, more)


def reload(p, **changes):
    p.configure(**changes)
    p.ctl("reload")


def accounts(p):
    p.account(ALICE, "open-sesame")
    p.account(BOB, "open-sesame")


# --- tokens that count ----------------------------------------------------------

def test_by_hand(p, idp):
    with p.client() as s:
        s.ehlo()
        offered = s.esmtp_features["auth"].split()
        tap.ok("OAUTHBEARER" in offered and "XOAUTH2" in offered, "offered")
    with p.client(implicit=False) as s:
        s.ehlo()
        tap.ok("XOAUTH2" in s.esmtp_features["auth"], "offered on 587, too")
    for alg in ALGS:
        gets_in(p, idp.token("alice", alg), "signed by " + alg)
    token = idp.token("alice", "ES256")
    gets_in(p, token, "XOAUTH2", mechanism="XOAUTH2")
    gets_in(p, token, "OAUTHBEARER without a name", who="")


def test_locked(p, idp):
    """What guesses at passwords have locked, no guess at a token opens."""
    good, bad = idp.token("alice", "ES256"), "a.b.c"
    reload(p, sections=section(idp, 'scope = "smtp"', lock_after=2))

    def password(word):
        with p.client() as s:
            s.ehlo()
            return s.docmd("AUTH", "PLAIN " + plain(ALICE, word))[0]
    for word in "a guess", "another guess":
        tap.equal(password(word), 535, word)
    tap.equal(password("open-sesame"), 454, "the password is locked out")
    refused(p, bad, "no JWT", "a bad token is told as ever")
    gets_in(p, good, "a good one gets in")
    gets_in(p, good, "by XOAUTH2, too", mechanism="XOAUTH2")
    p.ctl("account", "unlock", ALICE)
    for word in "a.b.d", "a.b.e", "a.b.f":
        refused(p, word, "no JWT", "a token that is made up")
    tap.equal(password("open-sesame"), 235, "such lock out no password")
    reload(p, sections=section(idp, 'scope = "smtp"'))


def test_suspended(p, idp):
    """A token that is good lets nobody in while the account is suspended."""
    token = idp.token("alice", "ES256")
    with p.client() as s:
        s.ehlo()
        s.docmd("AUTH", "OAUTHBEARER " + says("OAUTHBEARER", ALICE, token))
        tap.equal(s.mail(ALICE)[0], 250, "a session by a token")
        s.rset()
        p.ctl("account", "suspend", ALICE)
        tap.equal(s.mail(ALICE)[0], 421, "ends when the account is suspended")
    for mechanism in "OAUTHBEARER", "XOAUTH2":
        refused(p, token, "why=suspended", mechanism + " lets in no more",
                mechanism=mechanism)
    p.ctl("account", "resume", ALICE)
    gets_in(p, token, "resumed")


def test_clients(p, idp, sink):
    token = idp.token("alice", "RS256")
    path = os.path.join(p.dir, "mail.txt")
    with open(path, "w") as f:
        f.write("From: %s\nTo: %s\nSubject: x\n\nhello\n" % (ALICE, BOB))
    script = """
        const [port, user, token, ca] = process.argv.slice(1);
        require("nodemailer").createTransport({
            host: "127.0.0.1", port, secure: true,
            tls: { ca: require("fs").readFileSync(ca),
                   servername: "relay.example.org" },
            auth: { type: "OAuth2", user, accessToken: token },
        }).sendMail({ from: user, to: "bob@example.org", subject: "x",
            text: "hello" }).then(r => console.log(r.response), e => {
                console.error(e); process.exit(1); });
    """
    def curl(mechanism):
        return ["curl", "-sS", "--crlf", "--cacert", p.cert, "--resolve",
                "relay.example.org:%d:127.0.0.1" % p.tls_port,
                "smtps://relay.example.org:%d" % p.tls_port, "--oauth2-bearer",
                token, "-u", ALICE + ":", "--login-options",
                "AUTH=" + mechanism, "--mail-from", ALICE, "--mail-rcpt", BOB,
                "-T", path]

    for name, command in (
            ("curl by OAUTHBEARER", curl("OAUTHBEARER")),
            ("curl by XOAUTH2", curl("XOAUTH2")),
            ("nodemailer by XOAUTH2", [
                "node", "-e", script, str(p.tls_port), ALICE, token, p.cert])):
        before = len(sink.messages)
        r = subprocess.run(command, capture_output=True, text=True,
                           env=need_npm("nodemailer"), timeout=4 * PATIENCE)
        if not tap.ok(r.returncode == 0 and wait_for(
                lambda: len(sink.messages) > before), name):
            tap.note(r.stdout[-1500:] + r.stderr[-1500:])
    with p.client() as s:
        s.ehlo()
        tap.equal(s.auth("XOAUTH2", lambda challenge=None: "user=%s\1auth=Bearer "
                         "%s\1\1" % (ALICE, token))[0], 235, "smtplib")
        code, text = s.mail(BOB)
        tap.equal(code, 553, "an account's own addresses alone")


def test_confined(p):
    """A process of its own, with nothing of root's."""
    pid = [r["pid"] for r in p.processes() if r["name"] == "fetch"][0]
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.split(":", 1) for line in f)
    tap.equal((status["Uid"].split()[1], status["CapEff"].strip("\t\n0"),
               status["NoNewPrivs"].strip(), status["Seccomp"].strip()),
              (str(USERS["fetch"]), "", "1", "2"), "fetch is confined")


def test_crowd(p, idp):
    """Many logins at once, on connections that are already open."""
    token = idp.token("alice", "ES256")
    open_ones = [p.client() for _ in range(40)]
    for s in open_ones:
        s.ehlo()
    for s in open_ones:
        s.putcmd("AUTH", "OAUTHBEARER " + says("OAUTHBEARER", ALICE, token))
    codes = {s.getreply()[0] for s in open_ones}
    for s in open_ones:
        s.close()
    tap.equal(codes, {235}, "40 logins at once")


# --- tokens that must not count ----------------------------------------------------

def part(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_bad_tokens(p, idp):
    good = idp.token("alice", "ES256")
    header, claims, signature = good.split(".")
    refused(p, idp.token("alice", "other"), "it is for another service", "for another service")
    refused(p, idp.token("eve", "ES256"), "email_verified",
            "an unverified address")
    refused(p, idp.token("nameless", "ES256"), 'no claim', "without a name")
    refused(p, idp.token("stranger", "ES256"), "no such account",
            "of somebody without an account", who="")
    refused(p, idp.token("bob", "ES256"), "the token is another's",
            "another's token", mechanism="XOAUTH2")
    refused(p, good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
            "its signature is not the provider's", "a changed signature")
    other = json.dumps(dict(json.loads(base64.urlsafe_b64decode(
        claims + "==")), email=BOB))
    refused(p, "%s.%s.%s" % (header, part(other), signature),
            "its signature is not the provider's", "changed claims", who=BOB)
    refused(p, "%s.%s." % (part('{"alg":"none"}'), claims),
            "only RS256", "alg none")
    refused(p, "%s.%s.%s" % (part('{"alg":"HS256"}'), claims, signature),
            "only RS256", "alg HS256")
    refused(p, "c29tZSBvcGFxdWUgdG9rZW4", "introspection", "no JWT")
    code, told = login(p, "garbage.garbage.garbage")
    tap.equal((code, json.loads(told)), (535, {
        "status": "invalid_token", "scope": "smtp",
        "openid-configuration": idp.issuer +
        "/.well-known/openid-configuration"}), "the client is told where")
    with Provider(idp.dir, PEOPLE, clock_ms=-3600 * 1000,
                  issuer=idp.issuer) as past:
        refused(p, past.token("alice", "ES256"), "it ended", "an expired token")
    with Provider(idp.dir, PEOPLE, clock_ms=3600 * 1000,
                  issuer=idp.issuer) as future:
        refused(p, future.token("alice", "ES256"), "clock right",
                "one from the future")
    with Provider(idp.dir, PEOPLE) as other:
        refused(p, other.token("alice", "ES256"), "another provider",
                "of another issuer")
    with Provider(idp.dir, PEOPLE, keys="others.json",
                  issuer=idp.issuer) as other:
        refused(p, other.token("alice", "ES256"), "no key of that name",
                "signed by somebody else")
    gets_in(p, good, "the good one still counts")
    p.account("carol@example.org", "open-sesame")
    tap.ok(not re.search(re.escape(claims[20:60]), p.log()),
           "no token in the log")


# --- the provider's life ---------------------------------------------------------------

def test_rotation(p, idp):
    tap.ok("serves again" not in p.log(), "what has just begun has not again")
    old = idp.token("alice", "ES256")
    idp.stop()
    idp.keys = os.path.join(idp.dir, "new.json")
    idp.start()
    new = idp.token("alice", "ES256")
    tap.ok(wait_for(lambda: login(p, new)[0] == 235, every=1), "new keys")
    refused(p, old, "no key of that name", "the old ones are gone")


def hang(p, idp, name):
    """A login that waits for the provider delays nobody else's."""
    token = idp.token("alice", "ES256")
    idp.hang()
    before = len(p.log())
    p.kill("fetch")
    tap.ok(p.logged("fetch serves again", before), name + ": another fetch")
    waits = p.client()
    waits.ehlo()
    waits.putcmd("AUTH", "OAUTHBEARER " + says("OAUTHBEARER", ALICE, token))
    with p.client(login=BOB) as s:
        waits.sock.setblocking(False)
        try:
            early = waits.sock.recv(100)
        except (BlockingIOError, ssl.SSLWantReadError):
            early = b""
        waits.sock.settimeout(PATIENCE)
        tap.equal(early, b"", name + ": others log in meanwhile")
        s.noop()
    tap.equal(waits.getreply()[0], 454, name + ": 454, in time")
    waits.close()
    idp.go_on()
    tap.ok(wait_for(lambda: login(p, token)[0] == 235, every=1),
           name + ": it goes on by itself")


def test_down(p, idp):
    token = idp.token("alice", "RS256")
    idp.stop()
    gets_in(p, token, "the provider is down: its keys still count")
    reload(p)
    gets_in(p, token, "also after a reload")
    before = len(p.log())
    p.kill("fetch")
    wait_for(lambda: "fetch serves again" in p.log()[before:])
    refused(p, token, "there are no keys", "down, and no keys: 454", code=454)
    tap.ok(p.logged("454", before), "the admin is told what that means")
    rows = [r["state"] for r in p.processes() if r["name"] == "fetch"]
    tap.equal(rows, ["serving"], "posternctl status has fetch")
    row = p.rows("tokens")[0]
    tap.ok(row["keys"] == 0 and row["issuer"] == idp.issuer and
           "connect" in row["trouble"], "posternctl tokens says what is wrong")
    idp.start()
    p.ctl("reload")
    tap.ok(wait_for(lambda: login(p, token)[0] == 235),
           "back, and so are the logins")
    row = p.rows("tokens")[0]
    tap.equal((row["keys"], row["trouble"], row["judged_by"]),
              (5, None, "the issuer's keys"), "and posternctl tokens is content")


# --- keys in a file, introspection --------------------------------------------------------

def public(idp):
    with open(idp.keys) as f:
        keys = json.load(f)["keys"]
    return {"keys": [{k: v for k, v in key.items() if k not in
                      ("d", "p", "q", "dp", "dq", "qi")} for key in keys]}


def test_file(p, idp):
    token = idp.token("alice", "EdDSA")
    idp.stop()
    path = os.path.join(p.dir, "jwks.json")
    with open(path, "w") as f:
        json.dump(public(idp), f)
    reload(p, sections=section(idp, 'jwks-file = "%s"' % path))
    gets_in(p, token, "keys from a file, no provider")
    with open(path, "w") as f:
        f.write('{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"small"}]}')
    r = p.ctl("reload", check=False)
    said = wait_for(lambda: "less than 2048 bits" in p.log() + r.stderr +
                    r.stdout)
    tap.ok(r.returncode != 0 and said, "a weak key is refused at reload")
    gets_in(p, token, "and the keys of before count")
    idp.start()


def test_introspection(p, idp):
    secret = os.path.join(p.dir, "secret")
    with open(secret, "w") as f:
        f.write(SECRET + "\n")
    os.chmod(secret, 0o600)
    more = 'introspection = "%s/token/introspection" client-id = "postern" ' \
        'client-secret-file = "%s"' % (idp.url, secret)
    reload(p, sections=section(idp, more))
    token = idp.token("alice", "opaque")
    gets_in(p, token, "an opaque token")
    gets_in(p, token, "again, by XOAUTH2", mechanism="XOAUTH2")
    revoked = idp.token("alice", "opaque")
    idp.revoke("alice", revoked)
    refused(p, revoked, "not active", "a revoked token")
    refused(p, "made+up/token=", "not active", "a made-up token")
    refused(p, idp.token("eve", "opaque"), "email_verified",
            "an unverified address, by introspection")
    token = idp.token("alice", "opaque")
    gets_in(p, token, "another one")    # which is kept for a minute
    idp.hang()
    s = p.client()
    s.ehlo()
    s.putcmd("AUTH", "OAUTHBEARER " + says("OAUTHBEARER", ALICE, "unheard-of"))
    with p.client(login=BOB) as other:
        other.noop()
    gets_in(p, token, "it hangs: what it said a moment ago counts")
    tap.equal(s.getreply()[0], 454, "what it did not say is 454")
    s.close()
    idp.go_on()
    with open(secret, "w") as f:
        f.write("wrong\n")
    p.ctl("reload")
    refused(p, idp.token("alice", "opaque"), "refuses our client-id",
            "a wrong secret of ours: 454", code=454)
    row = p.rows("tokens")[0]
    tap.ok(row["judged_by"] == "introspection" and "refuses our client-id" in
           row["trouble"], "posternctl tokens knows it, too")


# --- a hostile provider ---------------------------------------------------------------------

class Hostile:
    """HTTPS that answers everything with what `answer` is."""

    def __init__(self, directory):
        self.cert, key = make_certificate(directory, "localhost")
        os.chmod(self.cert, 0o644)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, key)
        self.server = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.server.getsockname()[1]
        self.issuer = "https://localhost:%d" % self.port
        self.answer = b""
        self.paths = []
        self.drips = False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(raw,),
                             daemon=True).start()

    def talk(self, raw):
        try:
            raw.settimeout(PATIENCE)
            with self.context.wrap_socket(raw, server_side=True) as s:
                got = b""
                while b"\r\n\r\n" not in got:
                    got += s.recv(4096)
                self.paths.append(got.split()[1].decode())
                answer = self.answer
                if isinstance(answer, dict):
                    answer = answer.get(self.paths[-1], b"")
                s.sendall(answer)
                while self.drips:
                    s.sendall(b"X-Drip: drop\r\n")
                    time.sleep(0.1)
        except (OSError, IndexError):
            pass


def reply(body, status="200 OK", headers=""):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n"
            % (status, len(body), headers)).encode() + body


def test_hostile():
    """Each is named in the log, bounded, and a 454 for the user."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        h = Hostile(directory)
        conf = "/.well-known/openid-configuration"
        found = reply({"issuer": h.issuer, "jwks_uri": h.issuer + "/keys"})
        far = reply({"issuer": h.issuer, "jwks_uri": "http://localhost/keys"})
        cases = (
            ("no HTTP", b"220 mail ESMTP\r\n" * 10, ""),
            ("a redirect", reply(b"", "302 Found", "Location: %s/x\r\n" %
                                 h.issuer), "redirects"),
            ("an error", reply(b"", "500 Oops"), "it answers 500"),
            ("no JSON", reply(b"<html>"), "is not one"),
            ("a deep JSON", reply(b"[" * 60000), "is not one"),
            ("too much", reply(b" " * (1 << 20)), "larger than"),
            ("endless headers", b"HTTP/1.1 200 OK\r\n" +
             b"X: %s\r\n" % (b"y" * 1000) * 100, "larger than"),
            ("another issuer", reply({"issuer": "https://evil.example",
                                      "jwks_uri": h.issuer + "/keys"}),
             "evil.example"),
            ("keys in the clear", far, "no https:// jwks_uri"),
            ("no keys", {conf: found, "/keys": reply({"keys": []})},
             "there is no key in it"),
            ("a shared secret as key", {conf: found, "/keys": reply(
                {"keys": [{"kty": "oct", "k": "AAAA"}]})}, "secret"),
            ("10,000 keys", {conf: found, "/keys": reply(
                {"keys": [{}] * 10000})}, "more than 100 keys"),
            ("a log line of its own", reply(
                {"issuer": 'x" \n2026 root=yes', "jwks_uri": "https://x"}),
             "x\\x22 \\x0a2026"),
        )
        with Postern(sections=section(h)) as p:
            accounts(p)
            for name, answer, words in cases:
                h.answer = answer
                before = len(p.log())
                h.paths.clear()
                p.ctl("reload")
                said = wait_for(lambda: "keys=failed" in p.log()[before:] and
                                words in p.log()[before:])
                if not tap.ok(said, "hostile: " + name):
                    tap.note(p.log()[before:])
            h.answer, h.drips = b"HTTP/1.1 200 OK\r\n", True
            before = len(p.log())
            p.ctl("reload")
            tap.ok(p.logged("no answer within %d s" % TIMEOUT, before),
                   "hostile: a drip")
            h.drips = False
            token = ".".join((part('{"alg":"ES256"}'), part("{}"), "AAAA"))
            tap.equal(login(p, token)[0], 454, "and its users get 454")
            before = len(p.log())
            strange, _ = make_certificate(directory, "strange")
            os.chmod(strange, 0o644)
            reload(p, sections=section(h).replace(h.cert, strange))
            tap.ok(wait_for(lambda: "certificate" in p.log()[before:]),
                   "a certificate that nobody trusts")
            rows = [r["state"] for r in p.processes() if r["name"] == "fetch"]
            tap.equal(rows, ["serving"], "fetch has outlived all of them")
            tap.ok("postern-fetch ended" not in p.log() and
                   "fetch ended" not in p.log(), "without ending once")
        h.server.close()


def main():
    need_root()
    with Sink() as sink, tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        with Provider(directory, PEOPLE) as idp, \
                Postern(sink.url, sections=section(idp, 'scope = "smtp"'),
                        route_options=CLEAR) as p:
            accounts(p)
            test_by_hand(p, idp)
            test_locked(p, idp)
            test_suspended(p, idp)
            test_clients(p, idp, sink)
            test_confined(p)
            test_crowd(p, idp)
            test_bad_tokens(p, idp)
            test_rotation(p, idp)
            hang(p, idp, "it hangs")
            test_down(p, idp)
            test_file(p, idp)
            test_introspection(p, idp)
            tap.equal(p.stop(), 0, "SIGTERM ends it with 0")
    test_hostile()
    tap.done()


main()
