#!/usr/bin/python3
"""
Straight to MX by a DNS server that lies, drops, cuts off and mumbles. What may
be better later is tried again and never returned; what is forged is not
believed.
"""
import os
import random
import re
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                      # noqa: E402
from postern import PATIENCE, Postern, need_root, wait_for      # noqa: E402
from sink import Sink                                           # noqa: E402

ALICE = "alice@home.test"
need_root()

# Port 25 is wanted, so each run has loopback addresses of its own.
NET = "127.%d.%d." % (random.randrange(16, 250), random.randrange(1, 250))
GOOD, EVIL, DNS = NET + "1", NET + "2", NET + "53"
PORT = 5353
A, CNAME, SOA, MX, AAAA = 1, 5, 6, 15, 28
CLASS = "hostile or failing DNS"


def name(text):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in text.rstrip(".").split(".") if x) + b"\0"


def rr(owner, kind, data, ttl=300, cls=1):
    return name(owner) + struct.pack(">HHIH", kind, cls, ttl, len(data)) + data


def mx(owner, host, preference=10, ttl=300):
    return rr(owner, MX, struct.pack(">H", preference) + name(host), ttl)


def a(owner, address, ttl=300):
    return rr(owner, A, socket.inet_aton(address), ttl)


class Question:
    def __init__(self, packet):
        self.packet = packet
        self.id = packet[:2]
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        self.name = ".".join(labels).lower()
        self.kind = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.bytes = packet[12:at + 5]

    def answer(self, records=(), rcode=0, flags=0x8180, id=None,
               question=None, authority=(), counts=None):
        question = self.bytes if question is None else question
        return ((id or self.id) + struct.pack(
            ">HHHHH", flags | rcode, *(counts or (
                1 if question else 0, len(records), len(authority), 0))) +
            question + b"".join(records) + b"".join(authority))

    def plain(self, address=GOOD, ttl=300):
        """What an honest server would say of a domain with one MX."""
        if self.kind == MX and not self.name.startswith("mx."):
            return self.answer([mx(self.name, "mx." + self.name, ttl=ttl)])
        if self.kind == A:
            return self.answer([a(self.name, address, ttl)])
        return self.answer(authority=[rr(self.name, SOA, name("ns") +
                                         name("root") + struct.pack(
                                             ">IIIII", 1, 60, 60, 60, 60))])


# Each gets the question, whether it came by TCP, and a function that sends; it
# may send what it likes. Its name is the domain's first label.
def truncated(q, tcp, send):
    send(q.plain() if tcp else q.answer(flags=0x8380))


def cut_off_for_good(q, tcp, send):
    if not tcp:
        send(q.answer(flags=0x8380))


def forged_id(q, tcp, send):
    evil = q.plain(EVIL)
    for _ in range(20):
        send(os.urandom(2) + evil[2:])
    time.sleep(0.05)
    send(q.plain())


def forged_question(q, tcp, send):
    """By who knows the id and the ports: it is given up, and not believed."""
    send(q.answer([a("mx.other.test", EVIL), mx("other.test", "mx.evil.test")],
                  question=name("other.test") + struct.pack(">HH", q.kind, 1)))
    time.sleep(0.05)
    send(q.plain())


def forged_sender(q, tcp, send):
    if not tcp:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(q.plain(EVIL), send.peer)
        time.sleep(0.05)
    send(q.plain())


def foreign_records(q, tcp, send):
    """An answer that brings along what nobody asked for."""
    if q.kind == MX:
        send(q.answer([mx(q.name, "mx." + q.name), a("mx.plain.test", EVIL),
                       mx("plain.test", "mx.evil.test")]))
    else:
        send(q.plain())


def ttl_zero(q, tcp, send):
    send(q.plain(ttl=0))


def ttl_huge(q, tcp, send):
    send(q.plain(ttl=0xffffffff))


def plain(q, tcp, send):
    send(q.plain())


def twice(q, tcp, send):
    send(q.plain())
    send(q.plain(EVIL))


def chain(q, tcp, send):
    """The MX host is an alias of an alias of an alias."""
    if q.kind == MX or q.kind == AAAA or q.name[0:3] != "mx.":
        send(q.plain())
    else:
        hosts = [q.name] + ["c%d.%s" % (i, q.name) for i in range(4)]
        send(q.answer([rr(x, CNAME, name(y))
                       for x, y in zip(hosts, hosts[1:])] +
                      [a(hosts[-1], GOOD)]))


def loop(q, tcp, send):
    other = q.name[2:] if q.name.startswith("x.") else "x." + q.name
    if q.kind == MX and not q.name.startswith(("mx.", "x.")):
        send(q.plain())
    else:
        send(q.answer([rr(q.name, CNAME, name(other))]))


def silent(q, tcp, send):
    pass


def servfail(q, tcp, send):
    send(q.answer(rcode=2))


def formerr(q, tcp, send):
    send(q.answer(rcode=1))


def notimp(q, tcp, send):
    send(q.answer(rcode=4))


def refused(q, tcp, send):
    send(q.answer(rcode=5))


def garbage(q, tcp, send):
    send(os.urandom(200))
    send(q.id + os.urandom(200))


def header_alone(q, tcp, send):
    send(q.answer(question=b"")[:12])


def half(q, tcp, send):
    whole = q.plain()
    send(whole[:len(whole) - 3])


def empty_packet(q, tcp, send):
    send(b"")


def counts_lie(q, tcp, send):
    send(q.answer([a(q.name, EVIL)], counts=(1, 60000, 0, 0)))


def pointer_loop(q, tcp, send):
    """A compressed name that points at itself."""
    if q.kind == MX:
        at = 12 + len(q.bytes) + 2 + 10 + 2
        send(q.answer([b"\xc0\x0c" + struct.pack(">HHIH", MX, 1, 300, 4) +
                       b"\0\x0a" + struct.pack(">H", 0xc000 | at)]))
    else:
        send(q.plain(EVIL))


def short_address(q, tcp, send):
    if q.kind == A:
        send(q.answer([rr(q.name, A, b"\x7f\0")]))
    else:
        send(q.plain())


def no_answer_flag(q, tcp, send):
    """A question sent back."""
    send(q.packet)


def hosts_fail(q, tcp, send):
    """The MX is known, its host is not just now."""
    if q.kind == MX:
        send(q.plain())
    else:
        send(q.answer(rcode=2))


def one_host_fails(q, tcp, send):
    if q.kind == MX:
        send(q.answer([mx(q.name, "bad." + q.name, 5),
                       mx(q.name, "mx." + q.name, 10)]))
    elif q.name.startswith("bad."):
        send(q.answer(rcode=2))
    else:
        send(q.plain())


def nxdomain(q, tcp, send):
    send(q.answer(rcode=3))


def null_mx(q, tcp, send):
    send(q.answer([mx(q.name, ".", 0)]) if q.kind == MX else q.plain())


def null_and_more(q, tcp, send):
    """RFC 7505 3: a null MX stands alone, so this one is none."""
    if q.kind == MX:
        send(q.answer([mx(q.name, ".", 0), mx(q.name, "mx." + q.name)]))
    else:
        send(q.plain())


def a_thousand(q, tcp, send):
    if q.kind == MX and not tcp:
        send(q.answer(flags=0x8380))
    elif q.kind == MX:
        send(q.answer([mx(q.name, "m%d.%s" % (i, q.name), 1000 + i)
                       for i in range(1000)] + [mx(q.name, "mx." + q.name)]))
    elif q.name.startswith("mx."):
        send(q.plain())
    else:
        send(q.plain(EVIL))


def control_bytes(q, tcp, send):
    """A host name with a line end in it."""
    if q.kind == MX:
        send(q.answer([rr(q.name, MX, b"\0\x0a\x07a\r\nb c\x07\x04test\0")]))
    else:
        send(q.plain(EVIL))


DELIVERED = [truncated, forged_id, forged_sender,
             foreign_records, ttl_zero, ttl_huge, plain, twice, chain,
             one_host_fails, null_and_more, a_thousand]
DEFERRED = [cut_off_for_good, loop, silent, forged_question, servfail, formerr, notimp, refused,
            garbage, header_alone, half, empty_packet, counts_lie,
            pointer_loop, no_answer_flag, hosts_fail]
RETURNED = [(nxdomain, "5.1.2"), (null_mx, "5.1.10"),
            (short_address, "5.4.4"), (control_bytes, "5.4.4")]


def domain(how):
    return how.__name__.replace("_", "-") + ".test"


HOW = {domain(h): h for h in DELIVERED + DEFERRED + [h for h, _ in RETURNED]}
HOW["home.test"] = plain


class Sender:
    def __init__(self, sock, peer, tcp):
        self.sock, self.peer, self.tcp = sock, peer, tcp

    def __call__(self, packet):
        try:
            if self.tcp:
                self.sock.sendall(struct.pack(">H", len(packet)) + packet)
            else:
                self.sock.sendto(packet, self.peer)
        except OSError:
            pass


def serve(packet, sock, peer, tcp):
    try:
        q = Question(packet)
        zone = ".".join(q.name.split(".")[-2:])
        if zone in HOW:
            HOW[zone](q, tcp, Sender(sock, peer, tcp))
        else:
            Sender(sock, peer, tcp)(q.answer(rcode=3))
    except (IndexError, UnicodeDecodeError, OSError):
        pass


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((DNS, PORT))
    while True:
        packet, peer = s.recvfrom(4096)
        threading.Thread(target=serve, args=(packet, s, peer, False),
                         daemon=True).start()


def tcp():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((DNS, PORT))
    s.listen(64)
    while True:
        c, peer = s.accept()
        threading.Thread(target=tcp_one, args=(c, peer), daemon=True).start()


def tcp_one(c, peer):
    with c:
        f = c.makefile("rb")
        try:
            while len(head := f.read(2)) == 2:
                serve(f.read(struct.unpack(">H", head)[0]), c, peer, True)
        except OSError:
            pass


def row_of(p, d):
    for row in p.queue():
        if row.get("attempts", 0) > 0 and row["next_hop"].endswith("/" + d):
            return row
    return None


def check_delivered(good, how):
    rcpt = "bob@" + domain(how)
    tap.ok(wait_for(lambda: [m for m in good.messages
                             if rcpt in m.recipients]),
           how.__name__ + ": delivered where it belongs")


def check_deferred(p, how):
    # Silence is waited for longer than anything else.
    row = wait_for(lambda: row_of(p, domain(how)), 90 + PATIENCE)
    shown = p.ctl("queue", "show", row["id"]).stdout if row else ""
    tap.ok(row and "4.4.3" in shown, how.__name__ + ": tried again later")
    if row and "4.4.3" not in shown:
        tap.note(shown)


def check_returned(good, how, status):
    def report():
        for m in good.messages:
            text = m.content.decode(errors="replace")
            if m.sender == "" and ("bob@" + domain(how)) in text:
                return text
    text = wait_for(report)
    tap.ok(text and re.search(r"(?m)^Status: %s\r?$" % re.escape(status),
                              text), how.__name__ + ": returned, " + status)


def main():
    for server in (udp, tcp):
        threading.Thread(target=server, daemon=True).start()
    with Sink(port=25, address=GOOD) as good, \
            Sink(port=25, address=EVIL) as evil, \
            Postern(next_hop="mx", route_options="loopback = on",
                    sections='dns { resolvers = {"%s@%d"} }' %
                    (DNS, PORT)) as p:
        p.account(ALICE, "open-sesame")
        for d in HOW:
            if d != "home.test":
                p.submit(ALICE, ["bob@" + d], "Subject: x\r\n\r\nx\r\n")
        for how in DELIVERED:
            check_delivered(good, how)
        for how, status in RETURNED:
            check_returned(good, how, status)
        for how in DEFERRED:
            check_deferred(p, how)
        wait_for(lambda: len(p.queue()) == len(DEFERRED))
        returned = [m for m in good.messages if m.sender == ""]
        tap.equal(len(returned), len(RETURNED), "nothing else is returned")
        tap.equal(len(evil.messages), 0, "nothing goes where a forger wants it")
        tap.equal(len(p.queue()), len(DEFERRED), "nothing is lost")
        tap.inputs(CLASS, len(HOW) - 1)
    tap.done()


main()
