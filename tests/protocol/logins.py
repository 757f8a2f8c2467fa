#!/usr/bin/python3
"""
Logins that must fail, over real TLS: what is no SASL, what is no SCRAM, what
comes at the wrong time. Each is refused, gives nothing away and leaves a session
in which the right login still works. Names that nobody has look like accounts
with another password, in every byte.
"""
import base64
import concurrent.futures
import hashlib
import hmac
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import Postern, need_root, plain                    # noqa: E402
from scram import Scram                                          # noqa: E402
from talk import Talk                                            # noqa: E402

PASSWORD = "open-sesame"
AT_ONCE = 60            # failures are told late
ACCOUNTS = 20           # and later, the more there are of one account
ALICE = "alice0@example.org"


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes)
                            else data.encode()).decode()


def several(one, cases):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, enumerate(cases)))


# --- what is no SASL -----------------------------------------------------------------

def plains():
    """Initial responses of PLAIN that log nobody in."""
    a, w = b"alice0@example.org", PASSWORD.encode()
    good = b"\0" + a + b"\0" + w
    for n in range(0, len(good), 1):
        yield good[:n]                                  # cut short
    for n in range(0, len(good), 2):
        yield good[:n] + b"\0" + good[n:] if n > 1 else b"\0" + good
    for c in (b"\0", b"\0x", b"x", b" ", b"\n", b"\r\n", b"\t", b"\x7f",
              b"\xff", b"\0" * 10, b"x" * 1024):
        yield good + c
    for c in (b" ", b"\t", b"\x01", b"\x7f", b"\xff", b"\xc0\x80", b"\r\n",
              b"\xc2\x85", b"\xed\xa0\x80", b"'", b'"', b"\\", b"%", b"%s%n"):
        yield b"\0" + c + a + b"\0" + w
        yield b"\0" + a + c + b"\0" + w
    for who in (b"root", b"alice1@example.org", b"nobody@example.org", b"alice0",
                b"@example.org", b"\x01", b"alice0@example.org ", b"*", b"admin"):
        yield who + good                                # as somebody else
    for form in (b"", b"\0\0", b"\0\0" + w, b"\0" + a + b"\0", w + b"\0" + a,
                 a + b"\0" + w + b"\0", b"\0" + w + b"\0" + a, b"\0\0\0",
                 b"n,,n=alice0@example.org,r=abcdefgh", b"\0' or 1=1 --\0x",
                 b"\0../../etc/passwd\0" + w, b"\0" + b"a" * 300 + b"\0" + w,
                 b"\0" + a + b"\0" + b"w" * 1025, b"\0" + a + b"\0" + b"w" * 5000,
                 good.replace(b"@", b"%40"), good.upper(), good.hex().encode(),
                 base64.b64encode(good), good.decode().encode("utf-16")):
        yield form


NO_BASE64 = ["!!!!", "YWJ", "YWJj=", "YWJj====", "=", "==", "====", "Y", "YW",
             "YW=J", "=YWJ", "YWJj YWJj", "YWJj\tYWJj", "YWJ\x80", "YW-_",
             "YW%3D", "\"YWJj\"", "YWJj;", "YWJj.", "YWJjZ", "YWJjZA=",
             "YWJjZB==", "YWJjZF==", "*", "* ", " *", "-", "\u00e4", "YWJj\\n",
             "YQ=", "YQ===", "A", "A=", "A==", "A===", "AAA==", "AAAA=A",
             "AA=A", "A=AA", "AAA=AAAA", "....", "++++/", "0x00", "<>"]


def sasl_cases():
    """(name, lines; none of them may bring 235)"""
    for p in plains():
        yield "PLAIN %r" % p, ["AUTH PLAIN " + (b64(p) or "=")]
    for text in NO_BASE64:
        yield "PLAIN " + text, ["AUTH PLAIN " + text]
        yield "PLAIN, then " + text, ["AUTH PLAIN", text]
        yield "LOGIN, then " + text, ["AUTH LOGIN", text, b64(PASSWORD)]
        yield "LOGIN, name, then " + text, ["AUTH LOGIN", b64(ALICE), text]
        yield "SCRAM-SHA-256 " + text, ["AUTH SCRAM-SHA-256 " + text,
                                        b64("c=biws,r=a,p=AAAA")]
    for words in ("", " ", "  ", "PLAIN  x", "PLAIN x y", "PLAINX", "PLAI",
                  "LOGIN\t", "PLAIN,LOGIN", "PLAIN;LOGIN", "*", "=", "==",
                  "SCRAM", "SCRAM-", "SCRAM-SHA", "SCRAM-SHA-257", "CRAM-MD5",
                  "DIGEST-MD5", "NTLM", "GSSAPI", "GS2-KRB5", "ANONYMOUS x",
                  "EXTERNAL =", "OTP x", "KERBEROS_V4", "SKEY x", "PASSDSS-3DES",
                  "SRP x", "SCRAM-SHA-1 x", "SCRAM-SHA-512 x", "SCRAM-MD5",
                  "OAUTHBEARER x", "XOAUTH2 x", "PLAIN-CLIENTTOKEN x", "LOGIN2",
                  "SCRAM-SHA-1-PLUS x", "a" * 20 + " x", "a" * 21 + " x",
                  "A" * 500, "\u0420LAIN x", "PLAIN\x01 x", "-", "_", "../PLAIN x",
                  "%s%n x", "$(id) x"):
        yield "AUTH " + words, ["AUTH " + words]
    a, w = b64(ALICE), b64(PASSWORD)
    for name, lines in (
            ("an empty name", ["AUTH LOGIN", "", w]),
            ("no password", ["AUTH LOGIN", a, ""]),
            ("swapped", ["AUTH LOGIN", w, a]),
            ("cancelled at once", ["AUTH LOGIN", "*"]),
            ("cancelled later", ["AUTH LOGIN", a, "*"]),
            ("cancelled, and on", ["AUTH LOGIN", "*", a, w]),
            ("cancelled SCRAM", ["AUTH SCRAM-SHA-256", "*"]),
            ("NUL in a name", ["AUTH LOGIN", b64(ALICE + "\0"), w]),
            ("NUL in a password", ["AUTH LOGIN", a, b64(PASSWORD + "\0")]),
            ("PLAIN inside LOGIN", ["AUTH LOGIN", plain(ALICE, PASSWORD), w]),
            ("a command inside", ["AUTH LOGIN", "AUTH PLAIN " +
                                  plain(ALICE, PASSWORD)]),
            ("QUIT inside", ["AUTH LOGIN", "NOOP", a, w]),
            ("MAIL inside", ["AUTH LOGIN", "MAIL FROM:<%s>" % ALICE]),
            ("an initial name of LOGIN, wrong", ["AUTH LOGIN " + a, b64("x")]),
            ("a long name", ["AUTH LOGIN", b64("a" * 3000), w]),
            ("a longer name", ["AUTH LOGIN", b64("a" * 8000), w]),
            ("a line as long as may be", ["AUTH PLAIN", b64("a" * 9000)]),
            ("a longer line", ["AUTH PLAIN", "A" * 13000]),
            ("a megabyte", ["AUTH PLAIN", "A" * (1 << 20)])):
        yield name, lines


def run_sasl(p, case):
    n, (name, lines) = case
    mine = "alice%d@example.org" % (n % ACCOUNTS)
    lines = [re.sub("|".join((ALICE, re.escape(b64(ALICE)))), lambda m: mine if
                    m.group() == ALICE else b64(mine), line) for line in lines]
    with Talk(p) as talk:
        got = [talk.say(line)[:3] for line in lines]
        then = talk.say("NOOP")[:3]
        if then == "334" or then == "501":      # it was still in an exchange
            talk.say("*")
            then = talk.say("NOOP")[:3]
        right = talk.say("AUTH PLAIN " + plain(mine, PASSWORD))[:3]
    good = "235" not in got and (then in ("", "421") or (
        then == "250" and right == "235"))
    return None if good else (name, got, then, right)


def test_sasl(p):
    cases = list(dict((name, (name, lines)) for name, lines in
                      sasl_cases()).values())
    for name, _ in cases:
        tap.case("SASL syntax and state", name)
    wrong = [r for r in several(lambda c: run_sasl(p, c), cases) if r]
    tap.equal(wrong[:6], [], "%d logins that are none" % len(cases))


def test_state(p):
    """AUTH where it does not belong."""
    good = "AUTH PLAIN " + plain(ALICE, PASSWORD)
    cases = [
        ("before EHLO", False, [], [good], "503"),
        ("after HELO", False, ["HELO c"], [good], "503"),
        ("after RSET alone", False, ["RSET"], [good], "503"),
        ("twice", True, [good], [good], "503"),
        ("twice, another mechanism", True, [good], ["AUTH LOGIN"], "503"),
        ("twice, after EHLO", True, [good, "EHLO c"], [good], "503"),
        ("twice, after RSET", True, [good, "RSET"], [good], "503"),
        ("inside a message", True, [good, "MAIL FROM:<%s>" % ALICE], [good],
         "503"),
        ("behind a recipient", True, [good, "MAIL FROM:<%s>" % ALICE,
                                      "RCPT TO:<b@example.net>"], [good], "503"),
        ("behind a chunk", True, [good, "MAIL FROM:<%s>" % ALICE,
                                  "RCPT TO:<b@example.net>", "BDAT 0"], [good],
         "503"),
    ]
    for name, ehlo, before, lines, want in cases:
        with Talk(p, ehlo=ehlo) as talk:
            for line in before:
                talk.say(line)
            got = [talk.say(line)[:3] for line in lines]
            tap.case("SASL syntax and state", name)
            tap.equal(got, [want], "AUTH " + name)


# --- what is no SCRAM ------------------------------------------------------------------

class Misuse(Scram):
    """A client that says what it is told instead."""

    def __init__(self, name, header="n,,", bare=None, final=None, nonce=None,
                 salt=None, count=None, binding=None, proof=None,
                 password=PASSWORD):
        super().__init__(name, password, header)
        if bare is not None:
            self.bare = bare.replace("%name", name)
        self.form, self.nonce, self.salt = final, nonce, salt
        self.count, self.binding, self.change = count, binding, proof

    def final(self, challenge):
        parts = dict(f.split("=", 1) for f in challenge.decode().split(","))
        mine = self.bare.split("r=")[-1]
        nonce = parts["r"] if self.nonce is None else \
            self.nonce(parts["r"], mine)
        salt = base64.b64decode(parts["s"])
        salt = salt if self.salt is None else self.salt(salt)
        count = int(parts["i"]) + (self.count or 0)
        binding = b64(self.header) if self.binding is None else self.binding
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt,
                                     count)
        without = "c=%s,r=%s" % (binding, nonce)
        message = ",".join((self.bare, challenge.decode(), without)).encode()
        client = hmac.digest(salted, b"Client Key", "sha256")
        proof = bytes(a ^ b for a, b in zip(client, hmac.digest(
            hashlib.sha256(client).digest(), message, "sha256")))
        proof = proof if self.change is None else self.change(proof)
        form = "%w,p=%p" if self.form is None else self.form
        return form.replace("%w", without).replace(
            "%p", b64(proof)).replace("%n", nonce).replace("%c", mine).encode()


def flip(at):
    return lambda b: b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


def scram_cases():
    """(name, arguments of Misuse)"""
    # Odd, and harmless: libsasl2 takes them from who knows the password.
    for bare in ("n=%name,r=", "n=%name,r=abc\x01defgh", "n=%name,r=abc\tdefgh",
                 "n=%name,r=abc\x7fdefgh"):
        yield "odd first " + bare, dict(bare=bare, password="wrong-sesame")
    yield "an empty authzid", dict(header="n,a=,", password="wrong-sesame")
    for header in ("", "n,", ",,", "x,,", "N,,", "p,,", "p=,,", "p=tls-unique,,",
                   "p=tls-exporter,,", "p=tls-server-end-point,,", "p=x,,",
                   "n,bob,", "n,a=root,", "n,a=b=zz,", "n,a=a=2,",
                   "n,,,", "n;;", "y", "n,a=alice1@example.org,", "\0,,",
                   " n,,", "n ,,", "nn,,", "yn,,", "n,A=x,", "f,,"):
        yield "header " + header, dict(header=header)
    for bare in ("", "n=%name", "r=abcdefgh", "n=,r=abcdefgh",
                 "r=abcdefgh,n=%name", "m=x,n=%name,r=abcdefgh",
                 "n=b=b,r=abcdefgh", "n=%name=,r=abcdefgh",
                 "n=%name=2,r=abcdefgh", "n=a=41b,r=abcdefgh",
                 "n=a=2cb,r=abcdefgh", "n=a\x01b,r=abcdefgh",
                 "%name,r=abcdefgh", "n%name,rabcdefgh",
                 "N=%name,R=abcdefgh", "c=biws,r=abcdefgh,p=AAAA",
                 "r=abcdefgh,s=AAAA,i=4096", "v=AAAA", "e=other-error", ",,,,",
                 "n=%name;r=abcdefgh", "n=%name r=abcdefgh", "n=%name,,r=a",
                 "n=nobody@example.org,r=abcdefgh", "n=" + "a" * 300 + ",r=abcd",
                 "n=%name,s=abcdefgh", "x=y,n=%name,r=abcdefgh",
                 "n=%name\0,r=abcdefgh", "n= %name,r=abcdefgh",
                 "n=%name ,r=abcdefgh"):
        yield "first " + bare, dict(bare=bare)
    for final in ("", "%w", "%w,p=", "%w,p=!!!!", "%w,p=AAAA", "%w,p=" + b64(
            bytes(32)), "%w,p=" + b64(bytes(20)), "%w,p=" + b64(bytes(64)),
            "c=biws,p=%p", "r=%n,p=%p", "c=biws,r=%c,p=%p", "c=,r=%n,p=%p",
            "r=%n,c=biws,p=%p", "p=%p,c=biws,r=%n", "m=x,c=biws,r=%n,p=%p",
            "%w,p=AAAA,p=%p", "%w,p=%p,x=y", "%w,p=%p ", "%w,p=%p\n",
            "%w,P=%p", "%w p=%p", "%w;p=%p", "%w,,p=%p", " %w,p=%p",
            "%w,p=%p%p", "c=####,r=%n,p=%p", "n,,n=bob,r=%c",
            "r=%n,s=AAAA,i=4096", "e=other-error", "v=%p", ",,,,,", "p=%p",
            "%w,p=*", "*", "%w,x=y,p=%p", "c=biws,r=%n,r=%n,p=%p",
            "c=biws,c=biws,r=%n,p=%p", "\0%w,p=%p", "%w,p=%p\0"):
        yield "final " + final, dict(final=final)
    for n in range(32):
        yield "a bit of the proof, %d" % n, dict(proof=flip(n))
    for n in range(0, 16, 2):
        yield "a bit of the salt, %d" % n, dict(
            salt=lambda s, n=n: flip(n % len(s))(s))
    for n in (-4095, -1, 1, 2, 4096, 10):
        yield "%d rounds more" % n, dict(count=n)
    for name, nonce in (("ours alone", lambda n, c: c),
                        ("theirs alone", lambda n, c: n[len(c):]),
                        ("and more", lambda n, c: n + "x"),
                        ("cut", lambda n, c: n[:-1]),
                        ("another", lambda n, c: "abcdefgh"),
                        ("none", lambda n, c: ""),
                        ("swapped", lambda n, c: n[len(c):] + c),
                        ("upper case", lambda n, c: n.upper()),
                        ("lower case", lambda n, c: n.lower()),
                        ("twice", lambda n, c: n + n)):
        yield "nonce: " + name, dict(nonce=nonce)
    for n in range(12):
        yield "a letter of the nonce, %d" % n, dict(
            nonce=lambda r, c, n=n: r[:len(c) + n] + (
                "x" if r[len(c) + n] != "x" else "y") + r[len(c) + n + 1:])
    for binding in ("eSws", "biw=", "biwsbiws", "cD10bHMtdW5pcXVlLCw=", "AAAA",
                    "cD10bHMtZXhwb3J0ZXIsLA==", "bixhPWFsaWNlLA==", "biws=",
                    "BIWS", "bi ws", "", "=", "biwsAA=="):
        yield "binding " + binding, dict(binding=binding)
    yield "y became n", dict(header="y,,", binding="biws")
    yield "n became y", dict(header="n,,", binding="eSws")


def run_scram(p, case):
    n, (name, how) = case
    account = "alice%d@example.org" % (n % ACCOUNTS)
    client = Misuse(account, **how)
    with Talk(p) as talk:
        got = [talk.say("AUTH SCRAM-SHA-256 " + (b64(client.first()) or "="))]
        if got[-1].startswith("334"):
            try:
                final = client.final(base64.b64decode(got[-1][4:]))
            except (KeyError, ValueError):
                return name, got, "no challenge", ""
            got.append(talk.say(b64(final)))
        if got[-1].startswith("334"):
            return name, got, "taken", ""
        then = talk.say("NOOP")[:3]
        right = Scram(account, PASSWORD)
        reply = talk.say("AUTH SCRAM-SHA-256 " + b64(right.first()))
        reply = talk.say(b64(right.final(base64.b64decode(reply[4:]))))
        proven = right.proven(base64.b64decode(reply[4:]))
        reply = talk.say("")
    good = re.match("(535|501) 5", got[-1]) and then == "250" and proven and \
        reply.startswith("235")
    return None if good else (name, got, then, reply)


def test_scram(p):
    cases = list(scram_cases())
    for name, _ in cases:
        tap.case("SCRAM misuse", name)
    wrong = [r for r in several(lambda c: run_scram(p, c), cases) if r]
    tap.equal(wrong[:6], [], "%d ways to misuse SCRAM, and the right one "
              "afterwards" % len(cases))
    # What was recorded is worth nothing in another exchange.
    with Talk(p) as talk:
        client = Scram(ALICE, PASSWORD)
        reply = talk.say("AUTH SCRAM-SHA-256 " + b64(client.first()))
        final = b64(client.final(base64.b64decode(reply[4:])))
        talk.say("*")
        talk.say("AUTH SCRAM-SHA-256 " + b64(client.first()))
        tap.case("SCRAM misuse", "replayed")
        tap.ok(talk.say(final).startswith("5"), "a proof that was recorded")


# --- who is there ------------------------------------------------------------------------

def test_enumeration(p):
    """A name with a wrong password, and a name that nobody has."""
    cases = []
    for n, password in enumerate((
            "", "x", "wrong", "open-sesam", "open-sesamee", "OPEN-SESAME",
            "open-sesame ", " open-sesame", "w" * 200, "\u00e4\u00f6\u00fc",
            "a b c", "=", "*", "'", "%s")):
        for name in ("alice%d" % n, "nobody%d" % n):
            name += "@example.org"
            for kind, lines in (
                    ("PLAIN", ["AUTH PLAIN " + plain(name, password)]),
                    ("PLAIN, asked", ["AUTH PLAIN", plain(name, password)]),
                    ("LOGIN", ["AUTH LOGIN", b64(name), b64(password)]),
                    ("LOGIN at once", ["AUTH LOGIN " + b64(name),
                                       b64(password)])):
                cases.append(((kind, password), lines))

    def one(case):
        with Talk(p) as talk:
            return [talk.say(line) for line in case[1][1]]
    said = {}
    for (case, _), replies in zip(cases, several(one, cases)):
        tap.case("guessing, enumeration, timing", case)
        said.setdefault(case, []).append(replies)
    tap.equal([(case, pair) for case, pair in said.items() if
               pair[0] != pair[1] or not pair[0][-1].startswith("5")], [],
              "nobody looks like somebody, %d ways" % len(said))
    names = ["alice5@example.org", "nobody@example.org"]
    challenges = {}
    for name in names + ["nobody@example.org", "another@example.org"]:
        with Talk(p) as talk:
            client = Misuse(name)
            client.password = "wrong"
            reply = talk.say("AUTH SCRAM-SHA-256 " + b64(client.first()))
            parts = dict(f.split("=", 1) for f in base64.b64decode(
                reply[4:]).decode().split(","))
            last = talk.say(b64(client.final(base64.b64decode(reply[4:]))))
        tap.case("guessing, enumeration, timing", "SCRAM " + name)
        challenges.setdefault(name, []).append(
            (parts["s"], parts["i"], len(parts["r"]), last))
    first, second = (challenges[n][0] for n in names)
    tap.ok(first[1:] == second[1:] and len(first[0]) == len(second[0]),
           "SCRAM: the same count, salts and nonces as long, the same refusal")
    tap.equal(challenges[names[1]][0][0], challenges[names[1]][1][0],
              "a name that nobody has keeps its salt")
    tap.ok(challenges[names[1]][0][0] != challenges["another@example.org"][0][0],
           "which is its own")


def main():
    need_root()
    with Postern(workers=2, limits="errors = 1000",
                 top="accounts { lock-after = 0 }") as p:
        for n in range(ACCOUNTS):
            p.account("alice%d@example.org" % n, PASSWORD)
        for test in (test_sasl, test_state, test_scram, test_enumeration):
            test(p)
        tap.ok("the next one starts" not in p.log(), "nobody crashed")
        # Some say their password where a name belongs.
        log = re.sub(r'account="[^"]*"', "", p.log())
        tap.ok(PASSWORD not in log and b64(PASSWORD)[:12] not in log,
               "no password in the log")
    tap.done()


main()
