#!/usr/bin/python3
"""
What stands in front of the login: TLS and how not to get round it, garbage and
other protocols in its place, weak suites, plain commands, and connections that
are cut off at any byte. Nobody comes in, no password is read in the clear, no
message arrives in part, and the next client is served.
"""
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (HOSTNAME, PATIENCE, Postern, need_root,      # noqa: E402
                     plain, wait_for)
from sink import Sink                                            # noqa: E402
from talk import Talk, Talks                                     # noqa: E402

ALICE = "alice@example.org"
SECRET = "open-sesame"
GOOD = plain(ALICE, SECRET)
MAIL = "MAIL FROM:<%s>" % ALICE
MESSAGE = MAIL + "\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: x\r\n" \
    "\r\nx\r\n.\r\n"


def raw(port, data=b"", wait=False):
    """What is answered to these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        got = b""
        try:
            if wait:
                got += s.recv(4096)
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while True:
                part = s.recv(65536)
                if not part:
                    break
                got += part
        except OSError:
            pass
    return got


# --- round the login --------------------------------------------------------------------

def round_the_login():
    """Lines before MAIL, on a connection with TLS and without a login."""
    for line in ("", "HELO c", "EHLO c", "EHLO %s" % HOSTNAME, "EHLO localhost",
                 "EHLO [127.0.0.1]", "RSET", "NOOP", "VRFY alice", "HELP",
                 "AUTH", "AUTH PLAIN =", "AUTH PLAIN " + plain(ALICE, "x"),
                 "AUTH PLAIN " + plain("", ""), "AUTH EXTERNAL =",
                 "AUTH ANONYMOUS dHJhY2U=", "AUTH CRAM-MD5", "AUTH NTLM",
                 "AUTH SCRAM-SHA-256 " + GOOD, "AUTH LOGIN\r\n*",
                 "AUTH PLAIN\r\n*", "AUTH LOGIN\r\n\r\n", "AUTH GSSAPI",
                 "XCLIENT LOGIN=" + ALICE, "XCLIENT ADDR=127.0.0.1",
                 "XCLIENT NAME=localhost ADDR=127.0.0.1 LOGIN=" + ALICE,
                 "XFORWARD NAME=localhost", "XAUTH " + GOOD, "ETRN example.net",
                 "ATRN example.net", "TURN", "EXPN staff", "LHLO c", "ONEX",
                 "DEBUG", "WIZ", "STARTTLS", "X-ANONYMOUSTLS", "XEXPS NTLM",
                 "PROXY TCP4 127.0.0.1 127.0.0.1 1 2", "PROXY UNKNOWN",
                 "SEND FROM:<%s>" % ALICE, "SOML FROM:<%s>" % ALICE,
                 "SAML FROM:<%s>" % ALICE, "MAIL FROM:<>", "MAIL FROM:<> AUTH=<>",
                 MAIL + " AUTH=<>", MAIL + " AUTH=" + ALICE, MAIL + " SIZE=1",
                 "RCPT TO:<victim@example.net>", "RCPT TO:<postmaster>",
                 "RCPT TO:<postmaster@%s>" % HOSTNAME, "DATA", "BDAT 0 LAST",
                 "BDAT 2 LAST\r\n", "BURL imap://x LAST", "BDAT 0",
                 "235 2.7.0 ok", "250 ok", "\x16\x03\x01", ".", "..", "QUIT now",
                 "mail from:<%s>" % ALICE, "MaIl FrOm:<%s>" % ALICE,
                 "EHLO c\r\nEHLO d\r\nRSET", "RSET\r\n" + MAIL + "\r\nRSET"):
        yield line


def test_round(p, sink):
    kind = "other ways round the login"
    wrong = []
    talks = Talks(lambda: Talk(p), 15)
    for line in round_the_login():
        talk = talks.next()
        lines = line.split("\r\n") if line else []
        if line.startswith("BDAT"):     # the rest is its chunk
            lines = [line]
        for one in lines:
            talk.say(one)
        got = talk.say(MAIL)
        tap.case(kind, line)
        if not got.startswith("530 5.7.0"):
            wrong.append((line, got))
    for line in round_the_login():      # and all of it in one piece
        with Talk(p) as talk:
            talk.send("%s\r\n%sQUIT\r\n" % (line, MESSAGE))
            got = talk.all()
        tap.case(kind, "in one piece: " + line)
        if re.search(r"(?m)^(235|354)|queued", got):
            wrong.append((line, got))
    talks.close()
    tap.equal(wrong[:5], [], "ways round the login, none of which is one")
    context = p.context()               # a session that was logged in, resumed
    with Talk(p, login=ALICE, context=context) as talk:
        talk.say(MAIL)
        session = talk.sock.session
    with socket.create_connection(("127.0.0.1", p.tls_port), PATIENCE) as s, \
            context.wrap_socket(s, session=session) as t:
        tap.case(kind, "resumed")
        t.recv(4096)
        t.sendall(b"EHLO c\r\n")
        t.recv(4096)
        t.sendall(MAIL.encode() + b"\r\n")
        tap.ok(t.session_reused and t.recv(4096).startswith(b"530"),
               "a resumed TLS session is nobody's login")
    tap.equal(sink.sessions, 0, "the next hop saw nobody")


# --- in the clear -----------------------------------------------------------------------

def test_clear(p):
    kind = "credentials in the clear, downgrade"
    wrong = []
    before = ("", "EHLO c", "HELO c", "EHLO c\r\nNOOP", "EHLO c\r\nSTARTTLS x",
              "EHLO localhost", "EHLO [127.0.0.1]", "RSET")
    lines = ["AUTH PLAIN " + GOOD, "AUTH PLAIN", "AUTH LOGIN",
             "AUTH SCRAM-SHA-256 biws", "auth plain " + GOOD, "AUTH=PLAIN " + GOOD]
    for first in before:
        for line in lines:
            with Talk(p, implicit=False, tls=False, ehlo=False) as talk:
                for one in first.split("\r\n") if first else []:
                    talk.say(one)
                    if any("AUTH" in l for l in talk.lines):
                        wrong.append((first, talk.lines))
                got = [talk.say(line), talk.say(MAIL)]
            tap.case(kind, first + "|" + line)
            if not (re.match("530 5.7.0|500 5.5.1", got[0]) and
                    got[1].startswith("530 5.7.0 Must issue a STARTTLS")):
                wrong.append((first, line, got))
    for piece in ("EHLO c\r\nAUTH PLAIN %s\r\n" % GOOD + MESSAGE,
                  "AUTH LOGIN\r\nYWxpY2U=\r\nYQ==\r\n" + MESSAGE,
                  MESSAGE, "EHLO c\r\nSTARTTLS\r\nAUTH PLAIN %s\r\n" % GOOD):
        got = raw(p.port, piece.encode()).decode()
        tap.case(kind, piece)
        if re.search(r"(?m)^(235|334|354)|queued", got):
            wrong.append((piece, got))
    tap.equal(wrong[:5], [], "no login and no mail in the clear")
    tap.ok(GOOD not in p.log() and SECRET not in p.log(),
           "what was said there is not in the log")


# --- in the place of TLS ------------------------------------------------------------------

def hello(p, maximum=None):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = p.context()
    if maximum:
        context.maximum_version = maximum
    try:
        context.wrap_bio(incoming, outgoing,
                         server_hostname=HOSTNAME).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def garbage(p):
    good = hello(p)
    for n in range(0, len(good), 9):
        yield good[:n]                                  # cut off
    for n in range(0, 90, 3):
        yield good[:n] + bytes([good[n] ^ 0xff]) + good[n + 1:]
    for head in (b"\x14", b"\x15", b"\x17", b"\x18", b"\x00", b"\x80\x2e\x01",
                 b"\xff"):
        yield head + good[1:]
    for version in (b"\x02\x00", b"\x03\x00", b"\x04\x00", b"\xff\xff"):
        yield good[:1] + version + good[3:]
    for length in (0, 1, 0x4001, 0xffff):
        yield good[:3] + struct.pack(">H", length) + good[5:]
    yield good + good
    yield good + b"EHLO c\r\n"
    yield b"\x18\x03\x02\x00\x03\x01\x40\x00"           # Heartbleed's
    yield b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"
    yield b"\x15\x03\x01\x00\x02\x02\x28" * 100
    yield b"\x16" * 20000
    yield os.urandom(2000)
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.0\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n",
                 b"* OK IMAP\r\n", b"a LOGIN b c\r\n", b"USER x\r\nPASS y\r\n",
                 b"\x05\x01\x00", b"\x04\x01\x00\x19\x7f\x00\x00\x01\x00",
                 b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08",
                 b"OPTIONS sip:x SIP/2.0\r\n\r\n", b"RTSP/1.0\r\n",
                 b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n!",
                 b"EHLO c\r\n" * 3, b"\0" * 100, b"\n" * 100):
        yield text


def test_tls_state(p):
    kind = "STARTTLS injection, TLS state, garbage handshakes, cross-protocol"
    wrong = []
    for data in garbage(p):
        got = raw(p.tls_port, data)
        tap.case(kind, b"465" + data)
        if re.search(rb"(?m)^[245]\d\d[ -]", got):
            wrong.append((data[:40], got))
        with socket.create_connection(("127.0.0.1", p.port), PATIENCE) as s, \
                s.makefile("rb") as f:
            f.readline()
            s.sendall(b"STARTTLS\r\n")
            if not f.readline().startswith(b"220 2.0.0"):
                wrong.append(("no STARTTLS", data[:40]))
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                rest = f.read()
            except OSError:
                rest = b""
        tap.case(kind, b"587" + data)
        if re.search(rb"(?m)^[245]\d\d[ -]", rest):
            wrong.append((data[:40], rest))
    for text in ("EHLO c\r\n", "NOOP\r\n", "\r\n", "x", "\0", "RSET\r\n",
                 "AUTH PLAIN %s\r\n" % GOOD, MESSAGE, "QUIT\r\n", "STARTTLS\r\n",
                 "\n", " ", "NOOP\n", "EHLO c\r\nAUTH PLAIN %s\r\n" % GOOD):
        for before in ("", "EHLO c\r\n"):
            got = raw(p.port, (before + "STARTTLS\r\n" + text).encode()).decode()
            tap.case(kind, "injected: " + before + text)
            if len(re.findall(r"(?m)^\d\d\d ", got)) > (2 if before else 1) or \
                    "220 2.0.0" in got:
                wrong.append(("injected", text, got))
    tap.equal(wrong[:5], [], "garbage, other protocols and injections")
    for line, want in (("AUTH PLAIN " + GOOD, "503"), (MAIL, "530"),
                       ("STARTTLS", "503"), ("DATA", "530"), ("NOOP", "250"),
                       ("BDAT 0 LAST", "530"), ("HELO c", "250")):
        with Talk(p, implicit=False, ehlo=False) as talk:
            tap.case(kind, "first under TLS: " + line)
            tap.equal(talk.say(line)[:3], want, "first under TLS: " + line[:12])
    with Talk(p, login=ALICE) as talk:
        tap.equal(talk.say("NOOP")[:3], "250", "and a client is served")


# --- weak TLS ------------------------------------------------------------------------------

GOOD_SUITES = {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
               "ECDHE-ECDSA-CHACHA20-POLY1305"}


def handshake(port, version=None, suite=None, legacy=False):
    """(version, suite) that came about, or None."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    c.set_ciphers((suite or "ALL:COMPLEMENTOFALL") + ":@SECLEVEL=0")
    if version:
        c.maximum_version = version
    try:
        with c.wrap_socket(socket.create_connection(
                ("127.0.0.1", port), PATIENCE)) as s:
            return s.version(), s.cipher()[0]
    except (ssl.SSLError, OSError):
        return None


def test_weak(p):
    kind = "weak TLS"
    warnings.simplefilter("ignore")
    names = subprocess.run(
        ["openssl", "ciphers", "-s", "-tls1_2",
         "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], stdout=subprocess.PIPE,
        text=True, check=True).stdout.strip().split(":")
    wrong, taken = [], set()
    for name in names:
        got = handshake(p.tls_port, ssl.TLSVersion.TLSv1_2, name)
        tap.case(kind, name)
        if got:
            taken.add(got[1])
            if name not in GOOD_SUITES:
                wrong.append((name, got))
    tap.equal(wrong, [], "%d suites of TLS 1.2 are tried" % len(names))
    tap.equal(taken, GOOD_SUITES, "the good ones are taken, and no other")
    for version in ("SSLv3", "TLSv1", "TLSv1_1"):
        for suite in (None, "AES128-SHA", "ECDHE-ECDSA-AES128-SHA",
                      "DHE-RSA-AES256-SHA"):
            tap.case(kind, version + str(suite))
            tap.equal(handshake(p.tls_port, getattr(ssl.TLSVersion, version),
                                suite), None, "%s, %s" % (version, suite))
    for options in (["-groups", "P-521"], ["-groups", "X448"],
                    ["-groups", "ffdhe2048"], ["-groups", "ffdhe8192"],
                    ["-groups", "brainpoolP256r1", "-tls1_2"],
                    ["-groups", "secp256k1", "-tls1_2"],
                    ["-sigalgs", "ECDSA+SHA1", "-tls1_2"],
                    ["-sigalgs", "ECDSA+SHA224", "-tls1_2"],
                    ["-sigalgs", "RSA+SHA256"], ["-sigalgs", "RSA+SHA1"],
                    ["-cipher", "NULL", "-tls1_2"], ["-tls1"], ["-tls1_1"],
                    ["-cipher", "PSK", "-tls1_2"], ["-cipher", "SRP", "-tls1_2"],
                    ["-cipher", "aNULL", "-tls1_2"]):
        r = subprocess.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % p.tls_port,
             "-quiet", "-cipher", "ALL:@SECLEVEL=0"] + options, input=b"QUIT\r\n",
            capture_output=True, timeout=PATIENCE)
        tap.case(kind, " ".join(options))
        if not tap.ok(b"220 " not in r.stdout, "openssl %s gets nowhere" %
                      " ".join(options)):
            tap.note(r.stdout + r.stderr)
    r = subprocess.run(
        ["openssl", "s_client", "-connect", "127.0.0.1:%d" % p.tls_port,
         "-tls1_2"], input=b"R\n", capture_output=True, timeout=PATIENCE)
    tap.case(kind, "renegotiation")
    tap.ok(b"RENEGOTIATING" in r.stdout + r.stderr and
           b"no renegotiation" in r.stdout + r.stderr and
           b"Compression: NONE" in r.stdout, "no renegotiation, no compression")


# --- greeting, EHLO, plain commands ---------------------------------------------------------

def plain_commands():
    """(line, reply), on either side of TLS."""
    for name in ("c", "client.example", "localhost", "[127.0.0.1]", "my_pc",
                 "[IPv6:::1]", "[IPv6:2001:db8::1]", "a-b.c", "x" * 60,
                 "1.2.3.4", "client.example.", "-", "_", "WIN-PC", "a" * 200,
                 "com.example.phone", "[192.0.2.1]", "xn--bcher-kva.example"):
        yield "EHLO " + name, "250"
        yield "HELO " + name, "250"
    for name in ("", " ", "a b", "a b c", "a\tb"):
        yield "EHLO" + (" " + name if name else ""), "501"
        yield "HELO" + (" " + name if name else ""), "501"
    for word in ("NOOP", "noop", "NoOp", "NOOP x", "NOOP " + "x" * 400, "NOOP  ",
                 "NOOP ?", "NOOP NOOP", "NOOP 1 2 3"):
        yield word, "250 2.0.0"
    for word in ("RSET", "rset", "rSeT"):
        yield word, "250 2.0.0"
    for word in ("RSET x", "RSET  x", "STARTTLS x", "QUIT x", "STARTTLS  x"):
        yield word, "501 5.5.4"
    for word in ("HELP", "help", "HELP MAIL", "HELP x", "HELP HELP", "HELP ?",
                 "HELP " + "x" * 100):
        yield word, "214 2.0.0"
    for word in ("EXPN", "ETRN", "TURN", "X", "XYZZY", "NOOPS", "NOO", "RSETT",
                 "HELPX", "EHLOX c", "EHL c", "HEL c", "EHLO:c", "AUTHX", "-",
                 "?", "220", "NOOP;", "MAILER", "FROM:<a>", "TO:<a>"):
        yield word, "500 5.5.1"


def test_plain(p):
    kind = "greeting, EHLO truth, plain commands"
    wrong = []
    for where, make in (("587", lambda: Talk(p, implicit=False, tls=False,
                                             ehlo=False)),
                        ("465", lambda: Talk(p, ehlo=False)),
                        ("in", lambda: Talk(p, login=ALICE))):
        talks = Talks(make, 60)
        for line, want in plain_commands():
            got = talks.next().say(line)
            tap.case(kind, where + line)
            if not got.startswith(want):
                wrong.append((where, line, want, got))
        for line, want in (("VRFY bob", ("530", "252", "252")),
                           ("VRFY", ("530", "501", "501")),
                           ("VRFY <bob@example.net>", ("530", "252", "252"))):
            got = talks.next().say(line)
            tap.case(kind, where + line)
            if not got.startswith(want[("587", "465", "in").index(where)]):
                wrong.append((where, line, want, got))
        talks.close()
    tap.equal(wrong[:5], [], "plain commands before TLS, under it, logged in")
    for implicit, port in ((True, "465"), (False, "587")):
        with Talk(p, implicit=implicit, tls=False, ehlo=False) as talk:
            tap.case(kind, "greeting " + port)
            tap.ok(talk.greeting.startswith("220 %s " % HOSTNAME),
                   "the greeting on %s" % port)
    offers = {}
    for where, make in (("587", lambda: Talk(p, implicit=False, tls=False)),
                        ("587 under TLS", lambda: Talk(p, implicit=False)),
                        ("465", lambda: Talk(p)),
                        ("in", lambda: Talk(p, login=ALICE))):
        with make() as talk:
            talk.say("EHLO c")
            tap.case(kind, "offers " + where)
            offers[where] = {l[4:].split(" ")[0] for l in talk.lines[1:]}
    usual = {"PIPELINING", "SIZE", "8BITMIME", "CHUNKING", "DSN", "SMTPUTF8",
             "FUTURERELEASE", "LIMITS", "ENHANCEDSTATUSCODES"}
    tap.ok(all(usual <= o for o in offers.values()), "what is always offered")
    tap.ok("STARTTLS" in offers["587"] and "AUTH" not in offers["587"] and
           "STARTTLS" not in offers["587 under TLS"] | offers["465"] and
           "AUTH" in offers["587 under TLS"] & offers["465"] and
           not offers["in"] & {"AUTH", "STARTTLS"} and
           offers["465"] == offers["587 under TLS"],
           "AUTH under TLS until it is done, STARTTLS before it")
    tap.ok(not set().union(*offers.values()) & {
        "BINARYMIME", "VRFY", "EXPN", "ETRN", "XCLIENT", "XFORWARD", "ATRN",
        "CHECKPOINT", "HELP", "BURL", "VERP"},
        "nothing that is not there is offered")


# --- cut off -------------------------------------------------------------------------------

def test_cut(p, sink):
    """Each byte of a session is somebody's last."""
    kind = "connection cut at each state"
    dialog = ("EHLO c\r\nAUTH PLAIN %s\r\n%s SIZE=100\r\nRCPT TO:<bob@example."
              "net>\r\nRCPT TO:<carol@example.net>\r\nDATA\r\nFrom: %s\r\n"
              "Subject: cut\r\n\r\na line\r\n..a dot\r\n.\r\n" % (
                  GOOD, MAIL, ALICE)).encode()
    chunks = ("EHLO c\r\nAUTH PLAIN %s\r\n%s\r\nRCPT TO:<bob@example.net>\r\n"
              "BDAT 16\r\nSubject: cut\r\n\r\nBDAT 8 LAST\r\nchunks\r\n" % (
                  GOOD, MAIL)).encode()
    for text, last in ((dialog, len(dialog)), (chunks, len(chunks))):
        context = p.context()
        for n in range(0, last):
            s = context.wrap_socket(socket.create_connection(
                ("127.0.0.1", p.tls_port), PATIENCE))
            if n % 3 == 0:              # a reset instead of an end
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
            s.sendall(text[:n])
            if n % 3 == 1:
                s.recv(4096)            # it has heard something before
            s.close()
            tap.case(kind, text[:n])
    clear = b"EHLO c\r\nNOOP\r\nSTARTTLS\r\n"
    for n in range(len(clear) + 1):
        with socket.create_connection(("127.0.0.1", p.port), PATIENCE) as s:
            s.sendall(clear[:n])
        tap.case(kind, b"in the clear" + clear[:n])
    with Talk(p, login=ALICE) as talk:
        talk.send(MESSAGE)
        got = [talk.reply()[:3] for _ in range(4)]
    tap.equal(got, ["250", "250", "354", "250"], "the next client is served")
    wait_for(lambda: len(sink.messages) >= 1 and p.queue() == [])
    tap.equal([m.recipients for m in sink.messages], [["victim@example.net"]],
              "and no message of those who were cut off arrives")


def main():
    need_root()
    with Sink() as sink, Postern(
            sink.url, route_options="tls = none", workers=2,
            limits="errors = 1000", top="accounts { lock-after = 0 }") as p:
        p.account(ALICE, SECRET)
        test_round(p, sink)
        for test in (test_clear, test_tls_state, test_weak, test_plain):
            test(p)
        test_cut(p, sink)
        tap.ok("the next one starts" not in p.log(), "nobody crashed")
        tap.ok(GOOD not in p.log() and SECRET not in p.log(),
               "no password in the log")
    tap.done()


main()
