#!/usr/bin/python3
"""
What a client that has logged in may say before its message: addresses,
parameters, commands in any order, lines of any form. Everything here is bad but
for what stands between, which shows that the session goes on as if nothing had
been said.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import Postern, need_root                           # noqa: E402
from sink import Sink                                            # noqa: E402
from talk import Talk, Talks                                     # noqa: E402

ALICE = "alice@example.org"
MAIL = "MAIL FROM:<%s>" % ALICE
RCPT = "RCPT TO:<bob@example.net>"


# --- addresses ---------------------------------------------------------------------

CONTROLS = [bytes([c]) for c in list(range(1, 32)) + [127]]
HIGH = [bytes([c]) for c in range(0x80, 0x100)]
# Neither atext nor what a quoted string may hold as it is.
SPECIALS = [b'"', b"(", b")", b",", b":", b";", b"<", b"[", b"\\", b"]", b" "]
LITERALS = [
    "", " ", "1", "1.2", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.5", "1.2.3.256",
    "1.2.3.999", "1.2.3.-4", "1.2.3.+4", "1.2.3.04", "01.2.3.4", "1.2.3.4 ",
    " 1.2.3.4", "0x7f.0.0.1", "1.2.3.4/32", "1..3.4", "a.b.c.d", "1,2,3,4",
    "::1", "IPv6", "IPv6:", "IPv6:1", "IPv6::1", "IPv6:1.2.3.4",
    "IPv6:1:2:3:4:5:6:7", "IPv6:1:2:3:4:5:6:7:8:9", "IPv6:1::2::3",
    "IPv6:1:2:3:4:5:6:7::", "IPv6:12345::1", "IPv6:g::1", "IPv6:fe80::1%eth0",
    "IPv6:[::1]", "IPv6: ::1", " IPv6:::1", "IPv4:1.2.3.4", "x400:c=de",
    "tag:content", "localhost", "example.org", "[1.2.3.4]", "\\1.2.3.4",
    "IPv6:1:2:3:4:5:6:7:192.0.2.1", "IPv6:1:2:3::4:5:192.0.2.1", "1.2.3.4:25",
    "IPv6:::ffff:1.2.3.256", "IPv6:0000000::1", "127.1", "2130706433",
]
DOMAINS = [
    "", ".", ".b", "b.", "b..c", "-b", "b-", "-", "b.-c", "b-.c", "b_c.d",
    "b/c", "b#25", "b:25", '"b"', "1", "127.0.0.1", "192.0.2.1", "b.123",
    "0x7f000001.1", "2130706433", "b@c", "@b", "b>", "<b>", "b,c@d", "b;c",
    "b(c)", "b c", " b", "b ", "[", "]", "[1.2.3.4", "1.2.3.4]", "[1.2.3.4]b",
    "b[1.2.3.4]", "[1.2.3.4].b", "[[1.2.3.4]]", "../b", "b;rm -rf /", "$(id)",
    "`id`", "b|c", "b&c", "%s%n", "b!c", "b%c", "b\\c", "b*", "*", "*.b", "?",
    "b=c", "b+c", "b~c", "b{c}", "b^c", "b'c", "a" * 64, "b." + "a" * 64,
    ".".join(["a" * 60] * 5), "b" * 256, "b.c" * 100, "a" * 63 + "." * 2 + "b",
]
LOCALS = [
    "", ".", ".a", "a.", "a..b", "a...b", "..", '"', '"a', 'a"', '"a"b',
    '"a".b', 'a."b"', 'a"b"', '"a""b"', '"a" ', '"\\"', '"a\\', "<a", "a>",
    "<a>", "(c)a", "a(c)", "a(", "a)", "a,b", "a;b", "a:b", "@a", "a@b",
    "a\\b", "a[b", "a]b", "Alice <a", "a b", " a", "a ", "a\\ b", "a\\@b",
    "a" * 65, "a." * 32 + "a", '"' + "a" * 63 + '"', '"' + "\\a" * 32 + '"',
    "../../etc/passwd", "a/../b..c", "$(id)", "; id", "a;id", "$(rm -rf /)",
    "a>b", "a<b", "a\\", "\\", "\\\\", '""""', '"""', "a..", ".a.b", "a.b.",
]
BAD_UTF8 = [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2",
    b"\xc2\x41", b"\xc2\xc2", b"\xc3\x28", b"\xdf", b"\xe0\x80\x80",
    b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xe0\xa0", b"\xe1\x80", b"\xe1\x80\x41",
    b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf",
    b"\xef\xbf", b"\xf0\x80\x80\x80", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80", b"\xf0\x90", b"\xf0", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"\xfe\xff", b"\xff\xfe",
    b"\xc2\x80", b"\xc2\x85", b"\xc2\x9f", b"\xe2\x28\xa1",
]
CONFUSING = [       # domains that can be read as others
    "b\u3002example", "b\uff0eexample", "b\uff61example", "\u2488example",
    "\u2100.example", "\uff45xample.org", "\uff11\uff12.example",
    "\U0001d400.example", "exa\u00admple.org", "exa\u200bmple.org",
    "exa\u202emple.org", "exa\ufe0fmple.org", "exa\ufeffmple.org",
    "exa\u00a0mple.org", "b\u2215c.example", "b\u2024c.example",
    "\ue000.example", "b\u00d7c.example",
]


def bad_addresses():
    """(path, with SMTPUTF8)"""
    for c in CONTROLS + SPECIALS:
        yield b"a" + c + b"b@example.net", False
        yield b"bob@exa" + c + b"mple.net", False
    for c in CONTROLS + [b'"']:         # in quotes, and behind a backslash
        yield b'"a' + c + b'b"@example.net', False
    for c in CONTROLS:
        yield b'"a\\' + c + b'b"@example.net', False
    for c in HIGH:
        yield b"a" + c + b"b@example.net", False
    for c in HIGH[::2]:
        yield b"bob@exa" + c + b"mple.net", False
    for local in LOCALS:
        yield local.encode() + b"@example.net", False
    for domain in DOMAINS:
        yield b"bob@" + domain.encode(), False
    for literal in LITERALS:
        yield b"bob@[" + literal.encode() + b"]", False
    for bad in BAD_UTF8:
        yield b"a" + bad + b"@example.net", True
        yield b"bob@" + bad + b".example", True
    for domain in CONFUSING:
        yield b"bob@" + domain.encode(), True
    for form in (b"bob", b"", b"@", b"@example.net", b"bob@", b"postmaster@",
                 b"bob@example.net\0", b"b\0ob@example.net", b"bob@exam\0ple",
                 b"bob@example.net\n", b"bob@example.net\r",
                 b"bob@b\nRCPT TO:<c@d>", b"bob@b\rRCPT TO:<c@d>",
                 b"<bob@example.net>", b"bob@example.net>,<c@d",
                 b"@a,@b:", b"@a:bob", b"@a,b:bob@c", b"@:bob@c", b"@a:@b:c@d",
                 b"@a;bob@c", b"@a,:bob@c", b",@a:bob@c"):
        yield form, False


def test_addresses(p):
    wrong, n = [], 0
    talks = Talks(lambda: Talk(p, login=ALICE))
    for address, utf8 in dict.fromkeys(bad_addresses()):
        talk = talks.next()
        mail = talk.say(MAIL + (" SMTPUTF8" if utf8 else ""))
        rcpt = talk.say(b"RCPT TO:<" + address + b">")
        rset = talk.say("RSET")
        n += 1
        tap.case("bad addresses", b"TO " + address)
        if not (mail.startswith("250") and rset.startswith("250") and
                re.match(r"5(53 5\.1\.3|53 5\.6\.7|01 5\.5\.4|00 5\.5\.2|"
                         r"01 5\.1\.3|55 5\.5\.4) ", rcpt)):
            wrong.append((address, mail, rcpt, rset))
    tap.equal(wrong[:10], [], "%d bad addresses in RCPT, each refused" % n)
    wrong, n = [], 0
    for address, utf8 in dict.fromkeys(bad_addresses()):
        if address == b"":
            continue                    # the null return path
        talk = talks.next()
        mail = talk.say(b"MAIL FROM:<" + address + b">" +
                        (b" SMTPUTF8" if utf8 else b""))
        rcpt = talk.say(RCPT)
        n += 1
        tap.case("bad addresses", b"FROM " + address)
        if not (re.match(r"5(53 5\.1\.7|53 5\.6\.7|01 5\.5\.4|00 5\.5\.2|"
                         r"55 5\.5\.4) ", mail) and rcpt.startswith("503")):
            wrong.append((address, mail, rcpt))
    talks.close()
    tap.equal(wrong[:10], [], "%d bad addresses in MAIL, each refused" % n)


# --- parameters ----------------------------------------------------------------------

BAD_NUMBERS = ["", "-1", "+1", "1K", "0x10", "1.5", "1e3", "one", "1,000",
               "18446744073709551616", "99999999999999999999", "4294967296K",
               "1 2", "\u0661", "'1'", "1;2", "00x1", "1-", "--1", "1" * 40]
NO_XTEXT = ["+", "a+", "a+2", "a+2b", "a+GG", "a+ 1", "+2", "++", "a+0a",
            "a+\u00fc", "j\u00fc", "a+g0"]
# Such as ENVID and ORCPT may not hold (RFC 3461 4.4), since people see them.
BAD_XTEXT = NO_XTEXT + ["a+0A", "a+0D+0AEvil:+20yes", "a+00", "a+7F", "a+80",
                        "a+C3+BC", "a+09b", "a+1F", "a+FF"]
UNKNOWN = ["X", "X=Y", "X-A=B", "SIZES=1", "SIZ=1", "XSIZE=1", "BODYY=7BIT",
           "NOTIFY=NEVER", "ORCPT=rfc822;a@b", "XORIGINALFROM=a", "SOLICIT=a",
           "UTF8SMTP", "TRANSID=<a>", "MTRK=a", "CONPERM", "CONNEG",
           "XFORWARD=1", "XCLIENT=1", "RRVS=x", "XVERP", "VERP", "GLOOP=1",
           "0=1", "9A", "A-B-C=D", "SIZE-=1", "TO=a", "FROM=a", "PROXY=1",
           "CHUNKING", "BINARYMIME", "PIPELINING", "8BITMIME", "STARTTLS"]
NO_PARAMETERS = ["=", "=1", "-A=1", "A=", "A==B", "SIZE==1", "A=B=C", "_A=1",
                 "A_B=1", "A.B=1", "\u00c4=1", "A=\x01", "A=\x7f", "A=b\tc",
                 "SIZE=1\tBODY=7BIT", "A\tB", ",", ";", "SIZE=1,BODY=7BIT",
                 "(comment)", "<x>", "\"SIZE\"=1", "S IZE=1", "SIZE =1",
                 "SIZE= 1", "\\", "$(id)", "`id`", "A=\x1b[31m", "A/B"]


def bad_mail():
    """(parameters of MAIL, reply)"""
    for n in BAD_NUMBERS:
        yield "SIZE=" + n, "501|555"
        yield "HOLDFOR=" + n, "501|555"
    for x in BAD_XTEXT:
        yield "ENVID=" + x, "501"
    for x in NO_XTEXT:
        yield "AUTH=" + x, "501"
    for word in UNKNOWN:
        yield word, "555"
        yield "SIZE=1 " + word, "555"
    for word in NO_PARAMETERS:
        yield word, "501|555|500"
    for value in ("", "=", "=8BIT", "=BINARYMIME", "=7BIT,8BITMIME", "=7", "=1",
                  "=8BITMIME;x", "=BINARY", "=8-BITMIME", "=QUOTED"):
        yield "BODY" + value, "501|555"
    for value in ("", "=", "=BODY", "=FULL,HDRS", "=NONE", "=FULL;", "=HDR",
                  "=FULLHDRS", "=1"):
        yield "RET" + value, "501"
    for word in ("SMTPUTF8=1", "SMTPUTF8=", "SMTPUTF8=yes", "REQUIRETLS=1",
                 "REQUIRETLS=", "REQUIRETLS=no", "ENVID", "AUTH", "HOLDFOR",
                 "HOLDUNTIL", "SIZE", "HOLDFOR=0", "HOLDFOR=01",
                 "HOLDFOR=1000000000", "HOLDFOR=2592001"):
        yield word, "501|555"
    for date in ("", "tomorrow", "2026-12-24", "2026-13-01T00:00:00Z",
                 "2026-12-32T00:00:00Z", "2026-12-24T24:00:00Z",
                 "2026-12-24T18:60:00Z", "2026-12-24T18:00:00",
                 "2026-12-24 18:00:00Z", "2026-02-30T00:00:00Z",
                 "26-12-24T18:00:00Z", "2026-12-24T18:00Z", "20261224T180000Z",
                 "2026-12-24T18:00:00+25:00", "2026-12-24T18:00:00+0100",
                 "9999-12-31T23:59:59Z",
                 "2026-12-24T18:00:00Zx", "-2026-12-24T18:00:00Z"):
        yield "HOLDUNTIL=" + date, "501|555"
    for once in ("SIZE=1", "BODY=7BIT", "RET=FULL", "ENVID=a", "SMTPUTF8",
                 "AUTH=<>", "HOLDFOR=1", "REQUIRETLS"):
        yield once + " " + once, "501|555"
        yield once + " " + once.lower(), "501|555"
        yield once + " X " + once, "501|555"
    yield "HOLDFOR=1 HOLDUNTIL=2026-12-24T18:00:00Z", "501"
    yield "HOLDUNTIL=2026-12-24T18:00:00Z HOLDFOR=1", "501"
    yield "SIZE=300000", "552"
    yield "SIZE=18446744073709551615", "552"
    yield " ".join("X%d=1" % i for i in range(100)), "501|555"
    yield "X=" + "y" * 1500, "501|555|500"


def bad_rcpt():
    for word in UNKNOWN:
        if not word.startswith(("NOTIFY", "ORCPT")):
            yield word, "555"
    for word in NO_PARAMETERS:
        yield word, "501|555|500"
    for value in ("", "=", "=ALWAYS", "=NEVER,FAILURE", "=FAILURE,NEVER",
                  "=NEVER,NEVER", "=SUCCESS,SUCCESS", "=,", "=SUCCESS,",
                  "=,SUCCESS", "=SUCCESS,,FAILURE", "=SUCCESS;FAILURE", "=1",
                  "=SUCCESS FAILURE", "=DELAY,DELAY", "=NEVERFAILURE",
                  "=SUCCESS,FAILURE,DELAY,NEVER", "=no"):
        yield "NOTIFY" + value, "501|555"
    for value in ("", "=", "=a@b", "=rfc822", "=rfc822;", "=;a@b", "=;",
                  "=rfc+20822;a@b", "=rfc.822;a@b", "=<rfc822>;a@b",
                  '="rfc822";a@b', "=rfc822:a@b", "=rfc822,a@b"):
        yield "ORCPT" + value, "501|555"
    for x in BAD_XTEXT:
        yield "ORCPT=rfc822;" + x, "501"
    for word in ("SIZE=1", "RET=FULL", "SMTPUTF8", "BODY=7BIT", "AUTH=<>",
                 "ENVID=a", "HOLDFOR=1", "REQUIRETLS"):
        yield word, "555"
    yield "NOTIFY=NEVER NOTIFY=NEVER", "501|555"
    yield "ORCPT=rfc822;a@b ORCPT=rfc822;a@b", "501|555"
    yield "ORCPT=rfc822;" + "a" * 600, "501|500"


def test_parameters(p):
    for verb, cases in (("MAIL", bad_mail()), ("RCPT", bad_rcpt())):
        wrong, n = [], 0
        talks = Talks(lambda: Talk(p, login=ALICE))
        for text, want in dict(cases).items():
            talk = talks.next()
            if verb == "RCPT":
                talk.say(MAIL)
            got = talk.say((MAIL if verb == "MAIL" else RCPT) + " " + text)
            then = talk.say("RSET" if verb == "RCPT" else RCPT)
            talk.say("RSET")
            n += 1
            tap.case("ESMTP parameters", verb + text)
            if not re.match("(%s) 5" % want, got) or \
                    then[:3] != ("250" if verb == "RCPT" else "503"):
                wrong.append((text, want, got, then))
        talks.close()
        tap.equal(wrong[:10], [], "%s: %d bad parameters, each refused" % (
            verb, n))


# --- the order of commands -------------------------------------------------------------

def orders():
    """
    (commands, replies): each pair of commands in each state a session may be
    in, by a model of RFC 5321 4.1.4 as small as can be.
    """
    words = {"E": "EHLO c", "M": MAIL, "R": RCPT, "D": "DATA", "S": "RSET",
             "N": "NOOP", "B": "BDAT 0", "L": "BDAT 0 LAST", "H": "HELO c",
             "V": "VRFY bob"}
    for before in ("", "M", "MR", "MRR", "MRB", "MRBB", "E", "MRL", "MS",
                   "MRS", "MRE", "MRBS"):
        for a in words:
            for b in words:
                sequence = before + a + b
                yield [words[c] for c in sequence], model(sequence)


def model(sequence):
    """The codes; a transaction is none, with a sender, with recipients, open."""
    state, codes = "none", []
    for c in sequence:
        if c in "EHS":
            state = "none"
            codes.append("250")
        elif c == "N":
            codes.append("250")
        elif c == "V":
            codes.append("252")
        elif c == "M":
            good = state == "none"
            codes.append("250" if good else "503")
            state = "sender" if good else state
        elif c == "R":
            good = state in ("sender", "rcpt")
            codes.append("250" if good else "503")
            state = "rcpt" if good else state
        elif c == "D":
            codes.append("354" if state == "rcpt" else
                         "503" if state != "sender" else "503|554")
            if state == "rcpt":
                state = "none"
        else:
            good = state in ("rcpt", "open")
            codes.append("250" if good else "503|554")
            state = "none" if c == "L" and good else \
                "open" if good else state
    return codes


def test_order(p):
    wrong, n = [], 0
    talks = Talks(lambda: Talk(p, login=ALICE), 30)
    for commands, codes in orders():
        talk = talks.next()
        talk.say("RSET")
        got = []
        for command in commands:
            got.append(talk.say(command)[:3])
            if got[-1] == "354":
                talk.say("Subject: x\r\n\r\nx\r\n.")
        n += 1
        tap.case("command order, recipient count", "\n".join(commands))
        if not all(re.fullmatch(want, have)
                   for want, have in zip(codes, got)):
            wrong.append((commands, codes, got))
    tap.equal(wrong[:5], [], "%d orders of commands, as RFC 5321 has them" % n)
    for count, replies in ((1, 1), (5, 5), (6, 5), (20, 5)):
        talk = talks.next()
        talk.say("RSET")
        talk.say(MAIL)
        got = [talk.say("RCPT TO:<r%d@example.net>" % i)[:3]
               for i in range(count)]
        tap.case("command order, recipient count", "%d recipients" % count)
        tap.equal(got, ["250"] * replies + ["452"] * (count - replies),
                  "%d recipients where five are allowed" % count)
    talks.close()


# --- lines ---------------------------------------------------------------------------

def bad_lines():
    """(bytes as they are sent, replies)"""
    for c in [b"\0"] + [b"\r", b"\n"]:
        for line in (b"NOOP", b"NO%bOP", b"%bNOOP", b"NOOP%b", b"NOOP %bx",
                     b"RSET%b", b"EHLO a%bb", b"MAIL FROM:<alice%b@example.org>",
                     b"MAIL FROM:<alice@example.org>%b", b"%b%b", b"HELP %b",
                     b"VRFY a%bb", b"AUTH PLAIN%b", b"QU%bIT", b"DATA%b",
                     b"MAIL%b FROM:<alice@example.org>", b"BD%bAT 0",
                     b"RCPT TO:<bob@example.net>%bSIZE=1", b"%b QUIT"):
            if b"%b" in line:
                yield line.replace(b"%b", c) + b"\r\n", ["500"]
    for c in range(0x80, 0x100, 3):
        yield b"NO" + bytes([c]) + b"P\r\n", ["500"]
    for c in range(1, 32):
        if c not in (9, 10, 13):
            yield b"N" + bytes([c]) + b"OOP\r\n", ["500"]
    for c in (b"\r\r\n", b"\n\r\n", b"\0\r\n", b"\r\0\n\r\n", b"\n\n\r\n"):
        yield b"NOOP" + c, ["500"]
    for size in (600, 1000, 2049, 4096, 5000, 12288, 20000, 65536, 200000):
        yield b"NOOP " + b"x" * size + b"\r\n", ["250|500"]
        yield b"x" * size + b"\r\n", ["500"]
        yield MAIL.encode() + b" X=" + b"y" * size + b"\r\n", ["500|501|555"]
    for word in (b"XYZZY", b"MAILFROM:<a@b>", b"MAIL", b"RCPT", b"M", b"MAI",
                 b"MAILX FROM:<a@b>", b"EXPN a", b"ETRN a", b"TURN", b"ATRN a",
                 b"SEND FROM:<a@b>", b"SOML FROM:<a@b>", b"SAML FROM:<a@b>",
                 b"XCLIENT ADDR=1.2.3.4", b"XFORWARD NAME=a", b"XEXCH50 1 2",
                 b"LHLO c", b"DEBUG", b"WIZ", b"KILL", b"SHOWQ", b"ONEX",
                 b"VERB", b"TICK", b"HELO", b"EHLO", b" NOOP", b"\tNOOP",
                 b"NOOP\t", b"-", b".", b"..", b"250 ok", b"Subject: x", b"$",
                 b"=", b"*", b"`id`", b"$(id)", b"../..", b"%n%s", b"\x1b[2J",
                 b"STARTTLS", b"AUTH", b"AUTH PLAIN", b"PROXY TCP4 a b 1 2",
                 b"user", b"USER anonymous", b"LOGIN a b", b"a LOGIN b c",
                 b"CAPA", b"STLS", b"BDAT", b"BDAT x", b"BDAT -1",
                 b"DATA now", b"RSET now", b"QUIT now", b"VRFY", b""):
        if word not in (b"BDAT", b"BDAT x", b"BDAT -1"):    # ends the session
            yield word + b"\r\n", ["5.."]


def test_lines(p):
    wrong, n = [], 0
    talks = Talks(lambda: Talk(p, login=ALICE), 60)
    for data, replies in bad_lines():
        talk = talks.next()
        talk.send(data)
        got = [talk.reply()[:3] for _ in replies]
        then = talk.say("NOOP")[:3] if got[-1] else "250"
        n += 1
        tap.case("command lines", data)
        long_enough = len(data) > 10000 and got in (["500"], ["421"], [""])
        if not long_enough and (then != "250" or not all(
                re.fullmatch(w, g) for w, g in zip(replies, got))):
            wrong.append((data[:60], replies, got, then))
    talks.close()
    tap.equal(wrong[:10], [], "%d lines that are none" % n)


def test_pieces(p):
    """The same bytes in other pieces get the same replies."""
    script = (b"EHLO c\r\nNOOP\r\n" + MAIL.encode() + b" SIZE=5\r\n" +
              RCPT.encode() + b"\r\nBDAT 4\r\nx: y\r\nNO\rOP\r\nVRFY a\r\nQUIT\r\n")
    whole = None
    for size in (len(script), 1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 64):
        with Talk(p, login=ALICE) as talk:
            for i in range(0, len(script), size):
                talk.send(script[i:i + size])
            got = re.sub(r"(?m)Z\r$.*|\d{4}-\d\d-\S+", "", talk.all())
        whole = whole or got
        tap.case("command lines", b"pieces %d" % size + script)
        if got != whole:
            tap.equal(got, whole, "in pieces of %d" % size)
    tap.ok(whole.count("\r\n") > 10 and "221" in whole,
           "a dialog in pieces of any size")


def main():
    need_root()
    with Sink() as sink, Postern(
            sink.url, route_options="tls = none", workers=2,
            limits='errors = 1000 recipients = 5 message-size = "200K" '
            'header-size = "16K"') as p:
        p.account(ALICE, "open-sesame")
        for test in (test_addresses, test_parameters, test_order, test_lines,
                     test_pieces):
            test(p)
        tap.ok("the next one starts" not in p.log(), "nobody crashed")
    tap.done()


main()
