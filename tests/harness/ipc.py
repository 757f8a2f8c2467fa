"""
Our processes' own language from Python: messages as lib/ipc.c writes them, and
a House that starts single daemons as posternd would, so that a test can hold
any end of any channel. With it a test plays a captured process.

    house = House()
    queue = house.start("queue", conf)
    mine, theirs = pair()
    queue.peer(ROLE["SMTPD"], 0, theirs)
"""
import os
import re
import resource
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

import tap
from postern import BIN, HOSTNAME, PATIENCE, SOURCE, USERS, make_certificate

HEADER = struct.Struct("=HHIQ")


def _enum(name):
    """The values of an enum in lib/ipc_msgs.h: they are defined once."""
    with open(os.path.join(SOURCE, "lib", "ipc_msgs.h")) as f:
        text = f.read()
    version = int(re.search(r"IPC_VERSION (\d+)", text).group(1))
    body = re.search(r"enum %s \{(.*?)\};" % name, text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    values, last = {}, -1
    for item in body.split(","):
        item = item.strip()
        if item:
            key, _, value = item.partition("=")
            last = int(value) if value else last + 1
            values[key.strip()] = last
    return values, version


M, VERSION = _enum("msg")
ROLE = {k[5:]: v for k, v in _enum("role")[0].items()}
SIGN = _enum("sign_as")[0]


def u8(v):
    return struct.pack("=B", v)


def boolean(v):
    return u8(1 if v else 0)


def u32(v):
    return struct.pack("=I", v)


def u64(v):
    return struct.pack("=Q", v)


def blob(v):
    return u32(len(v)) + v


def string(v):
    v = v.encode() if isinstance(v, str) else v
    return blob(v) + b"\0"


def items(values):
    return u32(len(values)) + b"".join(values)


def strings(values):
    return items([string(v) for v in values])


class Fields:
    """Takes fields out of a payload, in order."""

    def __init__(self, payload):
        self.left = payload

    def take(self, n):
        part, self.left = self.left[:n], self.left[n:]
        if len(part) < n:
            raise ValueError("message too short")
        return part

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("=I", self.take(4))[0]

    def u64(self):
        return struct.unpack("=Q", self.take(8))[0]

    def blob(self):
        return self.take(self.u32())

    def string(self):
        s = self.blob()
        self.take(1)
        return s.decode(errors="replace")


def pair():
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for s in (a, b):
        s.setsockopt(socket.SOL_SOCKET, 32, 4 << 20)    # SO_SNDBUFFORCE
    return a, b


class Channel:
    """One end of a channel."""

    def __init__(self, sock):
        self.sock = sock
        self.waiting = []       # messages that came along with another
        sock.settimeout(PATIENCE)

    def send(self, name, id=0, *fields, fd=None):
        kind = M[name] if isinstance(name, str) else name
        payload = b"".join(fields)
        packet = HEADER.pack(VERSION, kind, len(payload), id) + payload
        if fd is None:
            self.sock.send(packet)
        else:
            socket.send_fds(self.sock, [packet], [fd])

    def receive(self):
        """(message name, id, Fields, descriptor or None); None at the end."""
        if not self.waiting:
            data, fds, _, _ = socket.recv_fds(self.sock, 512 * 1024, 1)
            if not data:
                return None
            self.waiting = list(self.split(data, fds[0] if fds else None))
        return self.waiting.pop(0)

    @staticmethod
    def split(data, fd):
        """The messages of a packet; the descriptor belongs to the first."""
        while data:
            _, kind, length, id = HEADER.unpack(data[:HEADER.size])
            end = HEADER.size + length
            name = next((n for n, v in M.items() if v == kind), str(kind))
            yield name, id, Fields(data[HEADER.size:end]), fd
            data, fd = data[end:], None

    def ask(self, name, id=0, *fields, fd=None):
        self.send(name, id, *fields, fd=fd)
        return self.receive()

    def ended(self, seconds=PATIENCE):
        """Whether the other end hangs up."""
        while select.select([self.sock], [], [], seconds)[0]:
            try:
                if not self.sock.recv(512 * 1024):
                    return True
            except ConnectionResetError:
                return True
        return False

    def close(self):
        self.sock.close()


class Child:
    """One of our daemons, with us as its parent."""

    def __init__(self, house, name):
        control, theirs = pair()
        log, log_theirs = socket.socketpair(socket.AF_UNIX,
                                            socket.SOCK_SEQPACKET)

        def place():
            a, b = os.dup(theirs.fileno()), os.dup(log_theirs.fileno())
            os.dup2(a, 3, inheritable=True)
            os.dup2(b, 4, inheritable=True)
            os.closerange(5, 1024)
            if name in house.files:
                resource.setrlimit(resource.RLIMIT_NOFILE,
                                   (house.files[name],) * 2)

        self.name = name
        self.house = house
        self.control = Channel(control)
        self.process = subprocess.Popen(
            [os.path.join(BIN, "postern-" + name)], preexec_fn=place,
            close_fds=False, stdin=subprocess.DEVNULL)
        theirs.close()
        log_theirs.close()
        threading.Thread(target=self.read_log, args=(log,),
                         daemon=True).start()

    def read_log(self, sock):
        while True:
            try:
                line = sock.recv(65536)
            except OSError:
                return
            if not line:
                return
            self.house.log.append("%s: %s" % (
                self.name, line[1:].decode(errors="replace")))

    def wait(self, want):
        got = self.control.receive()
        if got is None or got[0] != want:
            raise RuntimeError("%s: wanted %s, got %s%s\n%s" % (
                self.name, want, got and got[0],
                ": %s: %s" % (got[2].string(), got[2].string())
                if got and got[0] == "M_CONF_BAD"
                else "", "\n".join(self.house.log[-20:])))
        return got

    def configure(self, slice):
        self.control.send("M_CONF", 0, slice)
        self.wait("M_CONF_OK")
        self.control.send("M_CONF_USE")
        if self.name == "keys":
            self.wait("M_CERTS")

    def peer(self, role, index, sock):
        self.control.send("M_PEER", 0, u32(ROLE[role]), u32(index),
                          fd=sock.fileno())
        sock.close()

    def listen(self, name, sock):
        self.control.send("M_LISTEN", 0, string(name), fd=sock.fileno())

    def serve(self, chroot, sandbox=True):
        uid = USERS[self.name]
        self.control.send("M_START", 0, u32(uid), u32(uid), string(chroot),
                          boolean(sandbox))
        self.wait("M_READY")

    def stop(self):
        self.control.send("M_STOP")
        return self.process.wait(PATIENCE)


def link(one, role, other, other_role):
    """A channel between two children, which each has as an instance 0."""
    a, b = pair()
    one.peer(other_role, 0, a)
    other.peer(role, 0, b)


class House:
    """Children without posternd, and the slices that they need."""

    def __init__(self, kind="ec", files=None):
        self.files = files or {}        # descriptors, by program
        self.dir = tempfile.mkdtemp(prefix="postern-house-")
        os.chmod(self.dir, 0o755)
        self.log = []
        self.children = []
        self.lanes = []         # device sections, by lane()
        self.ticket_key = os.urandom(32)
        self.cert, self.key = make_certificate(self.dir, HOSTNAME, kind)
        self.empty = os.path.join(self.dir, "empty")
        os.mkdir(self.empty, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, kind, *error):
        if kind is not None:
            tap.note("\n".join(self.log[-60:]))
        for child in self.children:
            child.process.kill()
            child.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def state(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        os.chown(path, USERS[name], USERS[name])
        os.chmod(path, 0o700)
        return path

    def born(self, name, slice):
        child = Child(self, name)
        self.children.append(child)
        child.configure(slice)
        return child

    # --- slices, field by field as lib/conf.c lists them ---------------------

    def read(self, path):
        with open(path, "rb") as f:
            return f.read()

    def smtpd(self, listeners, mechanisms=("SCRAM-SHA-256", "PLAIN", "LOGIN"),
              **limits):
        n = dict(message=50 << 20, recipients=1000, header=256 << 10,
                 errors=10, sessions=20000, per_address=20000, hops=50,
                 greeting=60, command=300, data=180, whole=3600,
                 session=14400, by=0)
        n.update(limits)
        return b"".join([
            string(HOSTNAME),
            items([string(name) + u32(tls) + boolean(False) +
                   strings([]) + strings([])
                   for name, tls in listeners]),
            items([string(self.cert) + string(self.read(self.cert))]),
            strings(mechanisms), u64(n["message"])] + [
            u32(n[k]) for k in ("recipients", "header", "errors", "sessions",
                                "per_address", "hops", "greeting", "command",
                                "data", "whole", "session", "by")] + [
            boolean(False), boolean(False)])

    def keys(self):
        return string(HOSTNAME) + items([
            string(self.key) + string(self.cert) +
            blob(self.read(self.key)) + string(self.read(self.cert))])

    def auth(self):
        return b"".join([
            string(self.state("auth")), string(HOSTNAME),
            strings(["SCRAM-SHA-256", "PLAIN", "LOGIN"]),
            blob(self.ticket_key), u32(14400), u32(2), u32(4096), u32(60),
            strings(["default"]), items(self.lanes), u32(10), u32(900),
            string(""), string(""), u32(5), items([]), u32(2),
            string(""), items([]),
            string(""), string("")])

    def lane(self, name, listeners, addresses, account, sender, recipients,
             cap="", rewrite=True):
        return b"".join([
            string(name), strings(listeners), strings(addresses),
            string(account), string(sender), string(cap), strings(recipients),
            boolean(rewrite)])

    def queue(self, messages=1000000, recipients=1000000):
        cap = string("default") + items([
            u32(0) + u64(messages) + u32(3600),
            u32(1) + u64(recipients) + u32(3600)]) + u32(1000) + u32(0) + \
            u32(0)
        times = u32(300) + u32(14400) + u32(432000) + u32(14400)
        route = (string("out") + boolean(False) + strings([]) + u32(10) +
                 u32(0) + times)
        return b"".join([
            string(self.state("queue")), string(HOSTNAME),
            string("postmaster@" + HOSTNAME), blob(self.ticket_key),
            items([cap]), items([route]), items(self.lanes), times,
            u64(1 << 20), u64(50 << 20), u32(32 << 20),
            u32(16 << 20)])
