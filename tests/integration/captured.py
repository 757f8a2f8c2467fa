#!/usr/bin/python3
"""
A captured worker. The test holds smtpd's ends of the channels to real auth,
keys and queue, as somebody would who has taken over the process that talks to
strangers, and tries what that should not give him: to submit as somebody who
has not logged in, to get a signature over bytes of his choice, to make the
others listen to nonsense. Each attempt must fail, and cost him his channel and
not the others theirs.
"""
import base64
import hashlib
import hmac
import os
import random
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from ipc import (HEADER, M, SIGN, VERSION, Channel, House, blob,  # noqa: E402
                 boolean, link, pair, string, strings, u8, u32, u64)
from postern import PATIENCE, need_root, wait_for                # noqa: E402

ALICE, MALLORY = "alice@example.org", "mallory@example.org"
UNBOUND = blob(b"") * 4      # no channel binding, no certificate
BODY = b"Subject: bait\r\n\r\nclick here\r\n"
SEED = int(os.environ.get("POSTERN_TEST_SEED", "2"))


class Captured(House):
    """auth, keys and queue; worker 0 is in the wrong hands, worker 1 is not."""

    def __init__(self):
        super().__init__()
        self.lanes = [self.lane(
            "scanner1", ["devices@127.0.0.1:25"], ["192.168.1.50"], MALLORY,
            "scan@example.org", ["@example.org"])]
        self.child = {"AUTH": self.born("auth", self.auth()),
                      "KEYS": self.born("keys", self.keys()),
                      "QUEUE": self.born("queue", self.queue())}
        self.ends = {}
        mine, theirs = pair()
        self.relay = Channel(mine)
        self.child["QUEUE"].peer("RELAY", 0, theirs)
        for name in self.child:
            for worker in (0, 1):
                self.channel(name, worker)
        link(self.child["AUTH"], "AUTH", self.child["QUEUE"], "QUEUE")
        self.child["AUTH"].serve("")
        self.child["KEYS"].serve(self.empty)
        self.child["QUEUE"].serve("")

    def channel(self, name, worker):
        """A new one, as the parent makes when the worker is replaced."""
        mine, theirs = pair()
        self.child[name].peer("SMTPD", worker, theirs)
        self.ends[name, worker] = Channel(mine)
        return self.ends[name, worker]

    def end(self, name, worker=0):
        return self.ends[name, worker]

    def account(self, name, password):
        self.child["AUTH"].control.send("M_CTL_REQ", 1, strings(
            ["account", "add", name]), blob(password.encode()))
        got = self.child["AUTH"].control.receive()
        while got[0] != "M_CTL_END":
            got = self.child["AUTH"].control.receive()
        code = got[2].u8()
        if code != 0:
            raise RuntimeError("account add: %d %s" % (code, got[2].string()))

    def login(self, name, password, session, worker=0):
        """auth's ticket, field by field, or None."""
        response = ("\0%s\0%s" % (name, password)).encode()
        got = self.end("AUTH", worker).ask(
            "M_AUTH_START", session, string("PLAIN"), boolean(True),
            blob(response), string("192.0.2.1"), u32(256),
            UNBOUND)
        return read_ticket(got[2]) if got[0] == "M_AUTH_OK" else None

    def device(self, listener, peer, session, worker=0):
        """The ticket of a device at that address, or None."""
        got = self.end("AUTH", worker).ask("M_LANE", session,
                                           string(listener), string(peer))
        return read_ticket(got[2]) if got[0] == "M_LANE_OK" else None

    def reported(self, name):
        """Whether the parent has been told of the worker's conduct."""
        got = self.child[name].control.receive()
        return got and got[0] == "M_PEER_BAD"

    def handed_out(self, wanted=0):
        """
        Messages that queue gives to relay, so many in the end, and what comes
        in the next moment.
        """
        found = []
        while True:
            self.relay.sock.settimeout(PATIENCE if len(found) < wanted else
                                       0.3)
            try:
                got = self.relay.receive()
            except TimeoutError:
                return found
            if got[0] == "M_DELIVER":
                f = got[2]
                f.string(), f.string(), f.string()
                found.append(f.string())


def now_ms():
    """By the clock that tickets go by."""
    return int(time.monotonic() * 1000)


def read_ticket(f):
    return dict(session=f.u64(), expires=f.u64(), begun=f.u64(),
                account=f.string(), cap=f.string(), device=f.string(),
                device_cap=f.string(), plus=f.u8(), lane=f.string(),
                mac=f.blob(), sender=f.string(), seal=f.blob())


def ticket(t):
    return (u64(t["session"]) + u64(t["expires"]) + u64(t["begun"]) +
            string(t["account"]) + string(t["cap"]) +
            string(t.get("device", "")) + string(t.get("device_cap", "")) +
            u8(t.get("plus", 0)) + string(t.get("lane", "")) + blob(t["mac"]) +
            string(t.get("sender", "")) + blob(t.get("seal", b"")))


def envelope(sender=ALICE, rcpts=("bob@example.net",)):
    return (string(sender) + string("") + u8(0) + boolean(False) * 3 +
            u64(0) + u8(0) + boolean(False) * 2 + u64(0) + u8(9) +
            u32(len(rcpts)) +
            b"".join(string(r) + string("") + u8(0) for r in rcpts))


def submission(t, sender=ALICE, body=BODY, rcpts=("bob@example.net",)):
    return (ticket(t) + envelope(sender, rcpts) + u64(len(body)) + boolean(False) +
            blob(body))


def seal(key, worker, t):
    """What auth would compute, had we the key (lib/ticket.c)."""
    text = (b"postern2" + u32(worker) + u64(t["session"]) + u64(t["expires"]) +
            u64(t["begun"]) + u8(t.get("plus", 0)) +
            b"".join(blob(t.get(name, "").encode()) for name in (
                "account", "cap", "device", "device_cap", "lane")))
    return dict(t, mac=hmac.new(key, text, hashlib.sha256).digest())


# --- submitting as somebody else ----------------------------------------------


def forgeries(real):
    """(what it is, session of the packet, ticket): none of them is auth's."""
    later = now_ms() + 3600000
    invented = dict(session=7, expires=later, begun=1, account=ALICE,
                    cap="default", mac=os.urandom(32))
    yield "an invented ticket", 7, invented
    yield "a seal of zeros", 7, dict(invented, mac=bytes(32))
    yield "a seal under a key of zeros", 7, seal(bytes(32), 0, invented)
    yield "a seal under a guessed key", 7, seal(b"k" * 32, 0, invented)
    yield "another account", 5, dict(real, account=ALICE)
    yield "an account in other letters", 5, dict(
        real, account=real["account"].upper())
    yield "another cap", 5, dict(real, cap="unlimited")
    yield "no cap", 5, dict(real, cap="")
    yield "a later end", 5, dict(real, expires=real["expires"] + 1)
    yield "an earlier end", 5, dict(real, expires=real["expires"] - 1)
    yield "a later begin", 5, dict(real, begun=real["begun"] + 1)
    yield "no end", 5, dict(real, expires=2 ** 64 - 1)
    yield "a device more", 5, dict(real, device="phone")
    yield "a device's cap more", 5, dict(real, device_cap="default")
    yield "a plus", 5, dict(real, plus=ord("+"))
    yield "a device that cannot log in", 5, dict(real, lane="scanner1")
    yield "another session's ticket", 6, real
    yield "a ticket altered for another session", 6, dict(real, session=6)
    yield "a letter moved from cap to account", 5, dict(
        real, account=real["account"] + real["cap"][:1], cap=real["cap"][1:])
    for bit in (0, 7, 100, 255):
        mac = bytearray(real["mac"])
        mac[bit // 8] ^= 1 << bit % 8
        yield "bit %d of the seal turned" % bit, 5, dict(real, mac=bytes(mac))
    yield "a short seal", 5, dict(real, mac=real["mac"][:16])
    yield "a long seal", 5, dict(real, mac=real["mac"] + b"\0")
    yield "an empty seal", 5, dict(real, mac=b"")


def test_forged(h):
    real = h.login(MALLORY, "her-own-word", 5)
    tap.ok(real and real["account"] == MALLORY, "mallory's own login works")
    for what, session, t in forgeries(real):
        for verb, rest in (("M_TX_BEGIN", string(ALICE) + u64(0)),
                           ("M_TX_SPOOL", u64(0)),
                           ("M_SUBMIT", submission(t)[len(ticket(t)):])):
            end = h.channel("QUEUE", 0)
            end.send(verb, session, ticket(t) + rest)
            tap.ok(end.ended() and h.reported("QUEUE"),
                   "%s: %s ends the channel, and is reported" % (verb, what))
    stolen = h.login(ALICE, "open-sesame", 9, worker=1)
    end = h.channel("QUEUE", 0)
    end.send("M_SUBMIT", 9, submission(stolen))
    tap.ok(end.ended() and h.reported("QUEUE"),
           "another worker's ticket is none here")
    expired = seal(h.ticket_key, 0, dict(
        session=5, expires=now_ms() - 1, begun=1, account=ALICE,
        cap="default"))
    end = h.channel("QUEUE", 0)
    got = end.ask("M_SUBMIT", 5, submission(expired))
    tap.equal(got[0], "M_TX_NO", "an expired ticket of auth's is refused")
    tap.equal(got[2].u32(), 421, "with 421")
    # The forger above seals as auth does: else his failures would prove little.
    good = seal(h.ticket_key, 0, dict(expired, session=11, begun=now_ms(),
                                      expires=now_ms() + 60000))
    got = end.ask("M_TX_BEGIN", 11, ticket(good), string(ALICE), u64(0))
    tap.equal(got[0], "M_TX_OK", "only the key was missing")
    tap.equal(h.handed_out(), [], "nothing of all this went out")


def borrowed(h, t, end):
    got = end.ask("M_TX_SPOOL", t["session"], ticket(t), u64(0))
    tap.ok(got and got[0] == "M_TX_SPOOL_HERE" and got[3] is not None,
           "a spool file is lent")
    return got[3]


def test_spool(h):
    """Large bodies go to a file that the worker can write to: for how long?"""
    body = b"Subject: bait\r\n\r\n" + b"click here\r\n" * 40000
    end = h.channel("QUEUE", 0)
    t = h.login(MALLORY, "her-own-word", 60)
    large = ticket(t) + envelope(MALLORY) + u64(len(body)) + boolean(True) + \
        blob(b"")
    fd = borrowed(h, t, end)
    os.write(fd, body)
    second = os.dup(fd)
    os.close(fd)
    end.send("M_SUBMIT", 60, large)
    tap.ok(end.ended() and h.reported("QUEUE"),
           "a body that could be changed past its 250 ends the channel")
    os.close(second)
    spool = os.path.join(h.dir, "queue", "spool")
    tap.ok(wait_for(lambda: not os.listdir(spool)), "nothing is left of it")
    end = h.channel("QUEUE", 0)
    fd = borrowed(h, t, end)
    os.write(fd, body)
    end.send("M_TX_END", 60)
    end.send("M_TX_SPOOL", 60, ticket(t) + u64(0))
    tap.ok(end.ended() and h.reported("QUEUE"),
           "a second one while the first is held ends it, too")
    tap.equal(len(os.listdir(spool)), 1, "the first is kept in sight")
    os.close(fd)
    tap.ok(wait_for(lambda: not os.listdir(spool)),
           "until nobody can write to it")
    end = h.channel("QUEUE", 0)
    fd = borrowed(h, t, end)
    os.write(fd, body)
    os.close(fd)
    got = end.ask("M_SUBMIT", 60, large)
    tap.equal(got[0], "M_SUBMITTED", "what cannot be changed is taken")


def test_auth_gives_nothing(h):
    for what, mechanism, response in (
            ("a wrong password", "PLAIN", b"\0%s\0guess" % ALICE.encode()),
            ("somebody else's authorization", "PLAIN",
             b"%s\0%s\0her-own-word" % (ALICE.encode(), MALLORY.encode())),
            ("an empty password", "PLAIN", b"\0%s\0" % ALICE.encode()),
            ("EXTERNAL", "EXTERNAL", ALICE.encode()),
            ("ANONYMOUS", "ANONYMOUS", b"me"),
            ("no mechanism", "", b"")):
        got = h.end("AUTH").ask("M_AUTH_START", 20, string(mechanism),
                                boolean(True), blob(response),
                                string("192.0.2.1"), u32(256),
                                UNBOUND)
        tap.equal(got[0], "M_AUTH_NO", "no ticket for " + what)
    end = h.end("AUTH")
    answers = []
    try:
        end.send("M_AUTH_STEP", 21, blob(b"\0%s\0guess" % ALICE.encode()))
        end.send("M_LANE", 22, string("nosuch"), string("192.0.2.1"))
        while not answers or answers[-1][1] != 22:
            answers.append(end.receive())
            if answers[-1] is None:
                raise ConnectionResetError
    except ConnectionError:
        h.channel("AUTH", 0)
    tap.ok(answers and not any(a and a[0] == "M_AUTH_OK" for a in answers),
           "no ticket for a step without a start: %r" % [
               a and a[:2] for a in answers])
    tap.ok(h.login(ALICE, "open-sesame", 23), "auth serves on")


# --- devices that cannot log in ------------------------------------------------------


def test_devices(h):
    """
    Nobody but the worker sees where a client comes from, so it can be any
    device it likes; and no more than that.
    """
    t = h.device("devices@127.0.0.1:25", "192.168.1.50", 30)
    tap.ok(t and t["account"] == MALLORY, "a device's part can be taken")
    tap.equal(h.device("devices@127.0.0.1:25", "192.168.1.51", 30), None,
              "but not of one that there is not")
    end = h.channel("QUEUE", 0)
    for what, sender, rcpts, code in (
            ("another recipient", "scan@example.org", ["bob@example.net"], 550),
            ("one among others", "scan@example.org",
             ["bob@example.org", "bob@example.net"], 550),
            ("the account's own name", MALLORY, ["bob@example.org"], 550),
            ("no sender", "", ["bob@example.org"], 550)):
        got = end.ask("M_SUBMIT", 30, submission(t, sender, rcpts=rcpts))
        tap.equal((got[0], got[2].u32()), ("M_TX_NO", code),
                  "a device with %s is refused" % what)
    for what, bad in (("no lane", dict(t, lane="")),
                      ("another one", dict(t, lane="scanner2")),
                      ("another cap", dict(t, device_cap="default"))):
        end.send("M_SUBMIT", 30, submission(bad, "scan@example.org",
                                            rcpts=["bob@example.org"]))
        tap.ok(end.ended() and h.reported("QUEUE"),
               "a device's ticket with %s is no ticket" % what)
        end = h.channel("QUEUE", 0)
    end.send("M_SUBMIT", 30, submission(t, ALICE, rcpts=["bob@example.org"]))
    tap.ok(end.ended() and h.reported("QUEUE"),
           "alice's sender belongs to no device")
    end = h.channel("QUEUE", 0)
    tap.equal(h.handed_out(), [], "nothing of all this went out")
    got = end.ask("M_SUBMIT", 30, submission(t, "scan@example.org",
                                             rcpts=["bob@example.org"]))
    tap.equal(got[0], "M_SUBMITTED", "what the device may is taken")
    tap.equal(h.handed_out(1), ["scan@example.org"], "and goes out")


# --- signatures ------------------------------------------------------------------

CONTEXT = b"TLS 1.3, server CertificateVerify\0"
VERIFY = b" " * 64 + CONTEXT + hashlib.sha256(b"transcript").digest()
EXCHANGE = os.urandom(64) + b"\3\0\x1d\x20" + os.urandom(32)


def wishes():
    """(what it is, bytes): each would be of use outside of our handshakes."""
    yield "nothing", b""
    yield "a sentence", b"I owe mallory 1000 euros"
    yield "a hash", hashlib.sha256(b"x").digest()
    yield "a client's CertificateVerify", VERIFY.replace(b"server", b"client")
    yield "an exporter's context", VERIFY.replace(b"server C", b"exporter")
    yield "TLS 1.3 without its spaces", VERIFY[64:]
    yield "63 spaces", VERIFY[1:]
    yield "65 spaces", b" " + VERIFY
    yield "a tab among the spaces", b"\t" + VERIFY[1:]
    yield "no separator", VERIFY.replace(b"\0", b" ", 1)
    yield "no hash", VERIFY[:-32]
    yield "a hash too short", VERIFY[:-1]
    yield "a hash too long", VERIFY + b"\0"
    yield "64 bytes of hash", VERIFY + os.urandom(32)
    yield "text behind a CertificateVerify", VERIFY + b" and 1000 euros"
    yield "an explicit curve", EXCHANGE[:64] + b"\1" + EXCHANGE[65:]
    yield "an unknown curve", EXCHANGE[:64] + b"\3\xfe\1\x20" + EXCHANGE[68:]
    yield "a point too short", EXCHANGE[:-1]
    yield "a point too long", EXCHANGE + b"\0"
    yield "a length that lies", EXCHANGE[:67] + b"\x21" + EXCHANGE[68:]
    yield "text behind a key exchange", EXCHANGE + b" and 1000 euros"
    yield "a compressed point", (os.urandom(64) + b"\3\0\x17\x21\2" +
                                 os.urandom(32))
    yield "finite field parameters", os.urandom(64) + b"\1\0" + os.urandom(256)
    # DigestInfo, a certificate to be signed, a DKIM header, an SSH session.
    yield "a DigestInfo", bytes.fromhex(
        "3031300d060960864801650304020105000420") + os.urandom(32)
    yield "a certificate's body", bytes.fromhex(
        "3082010aa003020102020101300a06082a8648ce3d040302") + os.urandom(240)
    yield "a DKIM header", (b"from:%s\r\ndkim-signature:v=1; a=rsa-sha256; "
                            b"d=example.org; s=x; b=" % ALICE.encode())
    yield "an SSH login", struct.pack(">I", 32) + os.urandom(32) + \
        b"\x32\0\0\0\4root"
    r = random.Random(SEED)
    for _ in range(200):
        yield "noise", r.randbytes(r.randrange(1, 300))
    for base in (VERIFY, EXCHANGE):
        # The hash and the randoms are free by nature; all that frames them is not.
        frame = range(98) if base is VERIFY else range(64, 68)
        for i in frame:
            b = bytearray(base)
            b[i] ^= 1 << r.randrange(8)
            yield "one bit turned in byte %d" % i, bytes(b)


def test_signatures(h):
    end = h.end("KEYS")
    got = end.ask("M_SIGN", 1, u32(0), u8(SIGN["SIGN_ECDSA_SHA256"]),
                  blob(VERIFY))
    tap.equal(got[0], "M_SIGNED", "a handshake is signed")
    tap.ok(verified(h, VERIFY, got[2].blob()), "and the signature holds")
    asked, signed = 0, []
    for what, wish in wishes():
        for how in SIGN.values():
            if how == SIGN["SIGN_KINDS"]:
                continue
            got = end.ask("M_SIGN", 1, u32(0), u8(how), blob(wish))
            asked += 1
            if got is None or got[0] != "M_SIGN_NO":
                signed.append((what, how, got and got[0]))
    tap.equal(signed, [], "%d wishes, none is signed" % asked)
    for what, index, how in (
            ("no such certificate", 1, SIGN["SIGN_ECDSA_SHA256"]),
            ("certificate 4294967295", 2 ** 32 - 1, SIGN["SIGN_ECDSA_SHA256"]),
            ("a scheme of another key", 0, SIGN["SIGN_RSA_PKCS1_SHA256"]),
            ("no such scheme", 0, SIGN["SIGN_KINDS"]),
            ("scheme 255", 0, 255)):
        got = end.ask("M_SIGN", 1, u32(index), u8(how), blob(VERIFY))
        tap.equal(got and got[0], "M_SIGN_NO", what + " is refused")
    got = end.ask("M_SIGN", 1, u32(0), u8(SIGN["SIGN_ECDSA_SHA256"]),
                  blob(VERIFY))
    tap.equal(got[0], "M_SIGNED", "handshakes go on")


def verified(h, text, signature):
    paths = {name: os.path.join(h.dir, name) for name in ("tbs", "sig", "pub")}
    with open(paths["tbs"], "wb") as f:
        f.write(text)
    with open(paths["sig"], "wb") as f:
        f.write(signature)
    with open(paths["pub"], "wb") as f:
        f.write(subprocess.run(["openssl", "x509", "-in", h.cert, "-pubkey",
                                "-noout"], check=True,
                               capture_output=True).stdout)
    return subprocess.run(["openssl", "dgst", "-sha256", "-verify",
                           paths["pub"], "-signature", paths["sig"],
                           paths["tbs"]], capture_output=True).returncode == 0


# --- nonsense ------------------------------------------------------------------------


def nonsense(session_packet):
    """Whole packets, header included, that no sound worker sends."""
    size = len(session_packet) - HEADER.size
    yield "nothing but a header cut off", session_packet[:7]
    yield "a length that lies", HEADER.pack(VERSION, M["M_SIGN"], size + 9,
                                            1) + session_packet[HEADER.size:]
    yield "another version", HEADER.pack(VERSION + 1, M["M_SIGN"], 0, 1)
    yield "an unknown type", HEADER.pack(VERSION, 999, 0, 1)
    yield "type 0", HEADER.pack(VERSION, 0, 0, 1)
    yield "an empty request", HEADER.pack(VERSION, M["M_SUBMIT"], 0, 1)
    for name in ("M_CONF", "M_START", "M_STOP", "M_CTL_REQ", "M_PEER",
                 "M_SUBMITTED", "M_AUTH_OK", "M_SIGNED", "M_DELIVER",
                 "M_RCPT_RESULT", "M_DELIVER_END", "M_TX_OK", "M_REVOKE",
                 "M_REVOKE_END", "M_TLS_KEY"):
        yield "a worker's " + name, HEADER.pack(VERSION, M[name], 0, 1)
    yield "a string without its end", HEADER.pack(
        VERSION, M["M_AUTH_START"], 9, 1) + blob(b"PLAIN")
    yield "4 GB announced", HEADER.pack(
        VERSION, M["M_AUTH_STEP"], 4, 1) + u32(2 ** 32 - 1)


def test_nonsense(h):
    t = h.login(MALLORY, "her-own-word", 5)
    packet = HEADER.pack(VERSION, M["M_SUBMIT"], len(submission(t)), 5) + \
        submission(t)
    for name in h.child:
        for what, raw in nonsense(packet):
            end = h.channel(name, 0)
            end.sock.send(raw)
            tap.ok(end.ended() and h.reported(name),
                   "%s: %s ends the channel" % (name.lower(), what))
        h.channel(name, 0)
        tap.ok(h.child[name].process.poll() is None,
               name.lower() + " is none the worse")


def test_bad_fields(h):
    """mallory's ticket is good here; what comes with it is not."""
    t = h.login(MALLORY, "her-own-word", 5)
    good = submission(t, MALLORY)
    head = ticket(t)
    tail = u64(len(BODY)) + boolean(False) + blob(BODY)

    def rcpts(*names):
        return head + envelope(MALLORY, names) + tail
    for what, payload in (
            ("no recipient", rcpts()),
            ("an empty recipient", rcpts("")),
            ("1001 recipients", rcpts(*["b@example.net"] * 1001)),
            ("a count without recipients", head + string(MALLORY) +
             string("") + u8(0) + boolean(False) * 3 + u64(0) +
             u32(2 ** 31) + tail),
            ("a recipient with a line end", rcpts("b@example.net>\r\nDATA")),
            ("a recipient with a bare LF", rcpts("b\n@example.net")),
            ("a recipient with a NUL", head + string(MALLORY) + string("") +
             u8(0) + boolean(False) * 3 + u64(0) + u32(1) +
             blob(b"b\0@example.net") + b"\0" + string("") + u8(0) + tail),
            ("a recipient with > <", rcpts("b@example.net> <c@example.net")),
            ("a recipient of 300 bytes", rcpts("b" * 288 + "@example.net")),
            ("a sender with a line end", head + envelope(
                "m@example.org>\r\nRCPT TO:<x@y.z") + tail),
            ("a body shorter than announced", head + envelope(MALLORY) +
             u64(len(BODY) + 1) + boolean(False) + blob(BODY)),
            ("a body longer than announced", head + envelope(MALLORY) +
             u64(1) + boolean(False) + blob(BODY)),
            ("a spool file that was never asked for", head + envelope(
                MALLORY) + u64(1 << 20) + boolean(True) + blob(b"")),
            ("a flag of 2", head + envelope(MALLORY) + u64(len(BODY)) +
             u8(2) + blob(BODY)),
            ("bytes behind the end", good + b"\0")):
        end = h.channel("QUEUE", 0)
        end.send("M_SUBMIT", 5, payload)
        tap.ok(end.ended() and h.reported("QUEUE"), "submit with " + what)
    for n in range(0, len(good), 3):
        end = h.channel("QUEUE", 0)
        end.send("M_SUBMIT", 5, good[:n])
        if not end.ended() or not h.reported("QUEUE"):
            tap.ok(False, "a submission cut off at %d" % n)
    tap.ok(h.child["QUEUE"].process.poll() is None,
           "a submission cut off anywhere ends the channel")
    tap.equal(h.handed_out(), [], "nothing of all this went out")


def test_honest(h):
    """Beside all this the other worker's mail went its way."""
    t = h.login(ALICE, "open-sesame", 30, worker=1)
    got = h.end("QUEUE", 1).ask("M_SUBMIT", 30, submission(t))
    tap.equal(got[0], "M_SUBMITTED", "the honest worker still submits")
    sent = h.handed_out(1)
    tap.equal(sent, [ALICE], "and that is the only mail that goes out")


def main():
    need_root("postern-queue")
    with Captured() as h:
        h.account(ALICE, "open-sesame")
        h.account(MALLORY, "her-own-word")
        test_forged(h)
        test_auth_gives_nothing(h)
        test_devices(h)
        test_signatures(h)
        test_nonsense(h)
        test_bad_fields(h)
        test_honest(h)
        test_spool(h)
        secrets = ("open-sesame", "her-own-word", base64.b64encode(
            h.ticket_key).decode(), h.ticket_key.hex())
        tap.ok(not any(s in line for s in secrets for line in h.log),
               "no secret in the log")
    tap.done()


main()
