"""
One smtpd worker with real auth, keys and queue; we are the parent of them all
and the relay that takes what queue hands out.

    with Worker() as w:
        w.account("alice@example.org", "open-sesame")
        w.client().sendmail(...)
        w.delivered[0]
"""
import os
import smtplib
import socket
import ssl
import threading

from ipc import (Channel, House, blob, items, link, pair, string, strings,
                 u32)
from postern import PATIENCE


class Worker(House):
    """auth, keys, queue and one smtpd; deliveries are answered here."""

    def __init__(self, kind="ec", files=None, **limits):
        super().__init__(kind, files)
        self.delivered = []
        self.auth_child = self.start_auth()
        self.keys_child = self.start("keys", self.keys())
        self.queue_child = self.start_queue()
        self.smtpd_child = self.start_smtpd(**limits)

    def start(self, name, slice):
        child = self.born(name, slice)
        return child

    def start_auth(self):
        child = self.born("auth", self.auth())
        return child

    def start_queue(self):
        return self.born("queue", self.queue())

    def socket(self):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(1024)
        return s

    def connect(self, name, child):
        mine, theirs = pair()
        child.peer("SMTPD", 0, mine)
        self.smtpd_child.peer(name, 0, theirs)

    def introduce(self):
        """queue takes no mail before auth has told it whose logins are void."""
        link(self.auth_child, "AUTH", self.queue_child, "QUEUE")

    def start_smtpd(self, **limits):
        self.plain, self.secure = self.socket(), self.socket()
        self.port = self.plain.getsockname()[1]
        self.tls_port = self.secure.getsockname()[1]
        child = self.smtpd_child = self.born("smtpd", self.smtpd(
            [("submission", 0), ("submissions", 1)], **limits))
        self.connect("AUTH", self.auth_child)
        self.connect("KEYS", self.keys_child)
        self.connect("QUEUE", self.queue_child)
        self.introduce()
        mine, theirs = pair()
        self.relay = Channel(mine)
        self.queue_child.peer("RELAY", 0, theirs)
        threading.Thread(target=self.deliver, args=(self.relay,),
                         daemon=True).start()
        child.listen("submission", self.plain)
        child.listen("submissions", self.secure)
        self.auth_child.serve("")
        self.keys_child.serve(self.empty)
        self.queue_child.serve("")
        child.serve(self.empty)
        return child

    def deliver(self, relay):
        """relay's part: everything is delivered at once."""
        relay.sock.settimeout(None)
        while True:
            try:
                got = relay.receive()
            except OSError:
                return
            if got is None:
                return
            name, id, f, fd = got
            if name != "M_DELIVER":
                continue
            f.string(), f.string(), f.string()
            sender = f.string()
            f.u8(), f.string(), f.u8()
            f.u8(), f.u8(), f.u64(), f.u8()     # by, trace, when, priority
            rcpts = []
            for _ in range(f.u32()):
                rcpts.append((f.u32(), f.string()))
                f.string(), f.u8()
            size, body = f.u64(), f.blob()
            f.u32()
            if fd is not None:
                body = os.pread(fd, size, 0)
                os.close(fd)
            self.delivered.append((sender, [r[1] for r in rcpts], body))
            relay.send("M_DELIVER_END", id, string("sink"), string("none"),
                       b"\1", b"\0", b"\0", b"\0", string("2.0.0"),
                       string("250 ok"), string("sink"),
                       items([u32(index) for index, _ in rcpts]))

    def account(self, name, password):
        self.auth_child.control.send("M_CTL_REQ", 1, strings(
            ["account", "add", name]), blob(password.encode()))
        got = self.auth_child.control.receive()
        while got[0] != "M_CTL_END":
            got = self.auth_child.control.receive()
        code = got[2].u8()
        if code != 0:
            raise RuntimeError("account add: %d %s" % (code, got[2].string()))

    def context(self):
        c = ssl.create_default_context(cafile=self.cert)
        c.check_hostname = False
        return c

    def client(self, login=True, implicit=True, context=None):
        if implicit:
            s = smtplib.SMTP_SSL("127.0.0.1", self.tls_port, timeout=PATIENCE,
                                 context=context or self.context())
        else:
            s = smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE)
            s.starttls(context=context or self.context())
        if login:
            s.login("alice@example.org", "open-sesame")
        return s
