#!/usr/bin/python3
"""
One call fails in one of the real processes, the k-th of its kind from the
beginning of a story: a session under TLS with a login and two messages, of which
the next hop takes one and refuses the other, so that a bounce is written and
delivered; and what posternctl is asked meanwhile. Calls are libc's, memory among
them (inject.c); the processes are confined as ever.

Whatever fails, the client is told 2yz or 4yz, or its connection is closed; what
was acknowledged arrives whole, and once but for a death that explains a second
copy, or a bounce about it does; nobody ends by a signal, and without one only
where that is said below; no descriptor stays open; and behind it all is well.

    inject.py               some of the calls of each kind in each program
    inject.py --long [N/M]  each of them; the N-th of M parts
    inject.py ROLE [CALL [ERROR [K]]]   these; as "relay recv *"
"""
import collections
import errno
import fnmatch
import glob
import mmap
import os
import re
import socketserver
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from arrived import difference                                  # noqa: E402
from postern import (BIN, CTL_ENV, PATIENCE, SANITIZED, Postern,  # noqa: E402
                     need_root, plain, wait_for)
from sink import Sink                                           # noqa: E402
from talk import GONE, Talk                                     # noqa: E402

ALICE = "alice@example.org"
TAKEN, REFUSED = "bob@example.net", "nobody@refused.example"
FOR_NOW = {"421", "451", "452", "454", GONE}
BODY = (b"." * 3 + b"x" * 900 + b"\r\n") * 330  # more than the journal takes
SHORT = -1
TRIES = 3
LIBRARY = "libconfuse"  # reads postern.conf, and ends who has no memory anyhow
SECTIONS = '''
accounts { sources = {"local", "far"}  mechanisms = {"PLAIN", "LOGIN"} }
source far {
	type = saslauthd  socket = "%s"  login = local  domains = {"far.example"}
}
'''
PASSWORD = "far-sesame"                 # of everybody whom the source knows

# As inject.c has them.
ROLES = ("smtpd", "auth", "keys", "queue", "relay", "source", "posternd",
         "posternctl")
CALLS = ("malloc", "accept4", "recvmsg", "recv", "read", "pread", "sendmsg",
         "send", "write", "writev", "pwrite", "socket", "socketpair", "connect",
         "epoll_ctl", "epoll_wait", "poll", "open", "dup", "fork",
         "pthread_create", "close")
FRAMES, FRAME_LEN = 16, 80

ERRORS = {
    "malloc": ("ENOMEM",),
    "accept4": ("EINTR", "EMFILE", "ENOBUFS"),
    "recvmsg": ("EINTR", "ENOMEM"),
    "recv": ("EINTR", "SHORT", "ENOBUFS"),
    "read": ("EINTR", "SHORT"),
    "pread": ("EINTR", "SHORT", "EIO"),
    "sendmsg": ("EINTR", "ENOBUFS", "ENOMEM"),
    "send": ("EINTR", "SHORT", "ENOBUFS"),
    "write": ("EINTR", "SHORT", "ENOBUFS"),
    "writev": ("EINTR", "SHORT", "ENOBUFS"),
    "pwrite": ("EINTR", "SHORT", "ENOSPC"),
    "socket": ("EMFILE", "ENOBUFS"),
    "socketpair": ("EMFILE", "ENOBUFS"),
    "connect": ("ENOBUFS", "EADDRNOTAVAIL"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR",),
    "poll": ("EINTR",),
    "open": ("EMFILE", "ENOMEM"),
    "dup": ("EMFILE",),
    "fork": ("EAGAIN", "ENOMEM"),
    "pthread_create": ("EAGAIN",),
    "close": ("EIO", "EINTR"),
}
# Errors that only some descriptors have: streams and files. The rest: all.
SOME = {"SHORT", "EIO", "ENOSPC"} | {"ENOBUFS"}
BYTES = {"recv", "read", "pread", "send", "write", "writev", "pwrite"}


def may_end(fault):
    """Where the process may end, with its reason in the log."""
    return fault.call in ("malloc", "epoll_ctl") or \
        (fault.role == "queue" and fault.error in ("EIO", "ENOSPC"))


Fault = collections.namedtuple("Fault", "role call error k")


class Control:
    """The file that inject.c has mapped, and the library."""

    HEAD = "=IIIIiI"

    def __init__(self, p):
        self.path = os.path.join(p.dir, "inject")
        self.library = self.path + ".so"
        self.n = len(ROLES) * len(CALLS)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.library] +
                       (["-DNO_MALLOC"] if SANITIZED else []) +
                       [os.path.join(HERE, "inject.c"), "-ldl"], check=True)
        size = struct.calcsize(self.HEAD) + 8 * self.n + FRAMES * FRAME_LEN
        with open(self.path, "wb") as f:
            f.write(bytes(size))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)
        options = [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]
        self.env = {"LD_PRELOAD": self.library, "POSTERN_INJECT": self.path,
                    "ASAN_OPTIONS": ":".join(filter(None, options))}

    def arm(self, fault=None):
        self.disarm()
        self.map[4:] = bytes(len(self.map) - 4)
        if fault:
            struct.pack_into("=IIIi", self.map, 4, ROLES.index(fault.role),
                             CALLS.index(fault.call), fault.k,
                             SHORT if fault.error == "SHORT" else
                             getattr(errno, fault.error))
        self.map[:4] = struct.pack("=I", 1)

    def disarm(self):
        self.map[:4] = bytes(4)

    def hits(self):
        return struct.unpack_from(self.HEAD, self.map)[5]

    def seen(self):
        """{(role, call, whether of some descriptors only): times}"""
        at = struct.calcsize(self.HEAD)
        flat = struct.unpack_from("=%dI" % (2 * self.n), self.map, at)
        return {(r, c, some): flat[(some * len(ROLES) + i) * len(CALLS) + j]
                for some in (0, 1) for i, r in enumerate(ROLES)
                for j, c in enumerate(CALLS)}

    def trace(self):
        at = struct.calcsize(self.HEAD) + 8 * self.n
        frames = [self.map[at + i * FRAME_LEN:at + (i + 1) * FRAME_LEN]
                  for i in range(FRAMES)]
        return [f.split(b"\0")[0].decode(errors="replace") for f in frames]


# --- the story ------------------------------------------------------------------

class Story:
    """What was said to a client, and what must come of it."""

    def __init__(self, name):
        self.name, self.acked, self.sent = name, [], {}
        self.codes, self.troubles = [], []

    def said(self, what, reply, begun):
        code = reply[:3]
        self.codes.append(code)
        if time.monotonic() - begun > PATIENCE:
            self.troubles.append("no answer to %s" % what)
        elif code[:1] not in ("2", "3") and code not in FOR_NOW:
            self.troubles.append("%s: %s" % (what, reply))
        return code[:1] in ("2", "3")

    def say(self, talk, what, line):
        begun = time.monotonic()
        return self.said(what, talk.say(line), begun)

    def message(self, talk, kind, rcpt):
        name = "%s-%s" % (self.name, kind)
        text = b"From: %s\r\nSubject: %s\r\n\r\n" % (
            ALICE.encode(), name.encode()) + (
            BODY if kind == "taken" else b".\r\nfew words\r\n")
        self.sent[name] = text
        if all(self.say(talk, *step) for step in (
                ("MAIL", "MAIL FROM:<%s> ENVID=%s" % (ALICE, name)),
                ("RCPT", "RCPT TO:<%s>" % rcpt), ("DATA", "DATA"),
                ("END", text.replace(b"\r\n.", b"\r\n..") + b"."))):
            self.acked.append(name)
        return talk.last not in (GONE,) and not talk.last.startswith("421")

    def enter(self, p, context, account, password):
        """A session that has logged in, or None."""
        begun = time.monotonic()
        try:
            talk = Talk(p, ehlo=False, context=context)
        except OSError:         # closed, in the midst of a handshake perhaps
            self.said("CONNECT", GONE, begun)
            return None
        if self.said("CONNECT", talk.greeting, begun) and \
                self.say(talk, "EHLO", "EHLO client.example") and \
                self.say(talk, "AUTH", "AUTH PLAIN " +
                         plain(account, password)):
            return talk
        self.leave(talk)
        return None

    def leave(self, talk):
        if talk.last != GONE:
            self.say(talk, "QUIT", "QUIT")
        talk.close()

    def converse(self, p, context):
        talk = self.enter(p, context, ALICE, "open-sesame")
        if talk is not None:
            if self.message(talk, "taken", TAKEN):
                self.message(talk, "refused", REFUSED)
            self.leave(talk)

    def log_in_from_afar(self, p, context):
        # Another one each time: who has been in is not asked about again.
        talk = self.enter(p, context, self.name + "@far.example", PASSWORD)
        if talk is not None:
            self.leave(talk)


class Saslauthd(socketserver.BaseRequestHandler):
    """Four counted strings are asked; the second is the password."""

    def handle(self):
        said, words = self.request.makefile("rb"), []
        for _ in range(4):
            n = said.read(2)
            words.append(said.read(int.from_bytes(n, "big")))
        answer = b"OK" if words[1] == PASSWORD.encode() else b"NO"
        self.request.sendall(len(answer).to_bytes(2, "big") + answer)


class Far(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass                    # who asks has closed


class World:
    def __init__(self):
        self.sink = Sink()
        self.sink.answer["RCPT"] = lambda line: \
            "550 5.1.1 nobody here" if "refused" in line else None
        self.p = Postern(next_hop=self.sink.url,
                         queue='retry-first = "1s" retry-max = "2s" '
                         'segment = "8M"', route_options='tls = none idle-time = "0s"')
        socket_path = os.path.join(self.p.dir, "far")
        self.p.configure(sections=SECTIONS % socket_path)
        self.far = Far(socket_path, Saslauthd)
        os.chmod(socket_path, 0o777)
        threading.Thread(target=self.far.serve_forever, daemon=True).start()
        self.control = Control(self.p)
        self.context = self.p.context()
        self.stories, self.points, self.deaths = 0, 0, collections.Counter()
        self.ends = collections.Counter()
        self.second = self.in_library = 0

    def __enter__(self):
        self.sink.__enter__()
        self.start()
        self.p.account(ALICE, "open-sesame")
        return self

    def start(self):
        os.environ.update(self.control.env)
        try:
            self.p.start()
        finally:
            for name in self.control.env:
                os.environ.pop(name, None)
        self.deaths.clear()

    def __exit__(self, kind, *rest):
        self.control.disarm()
        self.p.__exit__(kind, *rest)
        self.sink.__exit__()

    # --- a story and what comes of it ---------------------------------------------

    def ctl(self, *words):
        """posternctl, which may fail; what it does wrong or None."""
        try:
            r = subprocess.run([os.path.join(BIN, "posternctl"), "--socket",
                                self.p.socket] + list(words),
                               env=dict(CTL_ENV, **self.control.env),
                               capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return "posternctl %s does not end" % " ".join(words)
        return "posternctl %s: signal %d" % (" ".join(words), -r.returncode) \
            if r.returncode < 0 else None

    def tell(self, fault=None):
        """Tells a story while that fails."""
        self.stories += 1
        story = Story("s%d" % self.stories)
        self.mark = len(self.p.log())
        self.control.arm(fault)
        if fault and fault.role == "posternd":
            self.p.kill("relay")
            story.troubles.append(self.ctl("reload"))
        if fault and fault.role in ("auth", "source"):
            story.log_in_from_afar(self.p, self.context)
        story.converse(self.p, self.context)
        if fault is None or fault.role in ("posternd", "posternctl", "queue",
                                           "auth"):
            story.troubles.append(self.ctl("queue", "list"))
            story.troubles.append(self.ctl("account", "list"))
        self.settled(story)
        self.control.disarm()
        story.troubles = [t for t in story.troubles if t]
        return story

    def arrived(self, name):
        """Copies of that message, and of bounces about it."""
        with self.sink.lock:
            mine = [m for m in self.sink.messages if name.encode() in
                    m.content[:20000]]
        return [m for m in mine if m.sender], [m for m in mine if not m.sender]

    def done(self, story):
        return all(any(self.arrived(name)) for name in story.acked)

    def idle(self):
        """Everybody serves, and nothing is in the queue."""
        rows = self.p.status()
        states = {r["state"] for r in rows if "restarts" in r}
        return bool(states) and states <= {"serving", "absent"} and \
            sum(r.get("queued_now", 0) for r in rows) == 0

    def settled(self, story):
        """All that is still to come has come; posternd is started again."""
        begun, asked = time.monotonic(), 0

        def over():
            nonlocal asked
            if self.p.process.poll() is not None:
                self.again(story)
            if self.done(story) and self.idle():
                return True
            if time.monotonic() - begun > 0.3 + asked:
                asked += 1      # its wait for another try is cut short
                self.p.ctl("queue", "retry", "--all", "--yes", check=False)
            return False
        if not wait_for(over, PATIENCE, 0.01):
            story.troubles.append("not settled: %s" % [
                n for n in story.acked if not any(self.arrived(n))])

    def again(self, story):
        """posternd has ended."""
        self.control.disarm()
        self.ends["posternd"] += 1
        code = self.p.process.returncode
        if self.fault and self.fault.call == "malloc" and any(
                LIBRARY in frame for frame in self.control.trace()):
            self.in_library += 1
        elif code != 1:
            story.troubles.append("posternd ended with %d" % code)
        elif self.fault is None or not may_end(self.fault) or \
                self.fault.role != "posternd":
            story.troubles.append("posternd ended")
        self.start()

    # --- judgement --------------------------------------------------------------------

    def judge(self, story, fault):
        wrong = list(story.troubles)
        said = self.p.log()[self.mark:]
        dead = re.findall(r"(\w+)(?:/\d+)? (ended [^;\n]*|took [^;\n]*|it took "
                          r"[^;\n]*); the next one", said)
        self.dead = bool(dead)
        for name, how in dead:
            if (name, how) == ("relay", "ended by SIGKILL") and fault and \
                    fault.role == "posternd":
                self.deaths[name] += 1
                continue
            self.deaths[name] += 1
            self.ends[name] += 1
            if not how.startswith("ended with exit code 1") or \
                    fault is None or not may_end(fault) or name != fault.role:
                wrong.append("%s %s" % (name, how))
        for line in re.findall(r".*(?:broke the protocol|runtime error|"
                               r"AddressSanitizer).*", said):
            wrong.append(line)
        for name in story.sent:
            wrong += self.judge_copies(name, name in story.acked, bool(dead),
                                       story.sent[name])
        return wrong

    def judge_copies(self, name, acked, died, sent):
        copies, bounces = self.arrived(name)
        wrong = []
        if acked and name.endswith("refused") and not bounces:
            wrong.append(name + " has no bounce")
        if acked and name.endswith("taken") and not copies:
            wrong.append(name + " did not arrive")
        for m in copies:
            what = difference(m.content, sent)
            if what:
                wrong.append("%s: %s" % (name, what))
        for these in (copies, bounces):
            if len(these) > 1:
                self.second += 1
                if not died and these[0].connection.quit:
                    wrong.append("%s came %d times" % (name, len(these)))
        return wrong

    def everybody(self):
        return [(r["pid"], r["name"]) for r in self.p.processes()] + \
            [(self.p.process.pid, "posternd")]

    def descriptors(self, who):
        """How many each has open, but for those who are gone."""
        counts = {}
        for pid, name in who:
            try:
                links = [os.readlink(entry) for entry in
                         glob.glob("/proc/%d/fd/*" % pid)]
            except OSError:
                continue        # it ends, or closes one meanwhile
            # The journal grows, and is used again.
            counts[pid, name] = sum("/journal/" not in l for l in links)
        return counts

    def leaks(self, before):
        """Asked of the kernel alone: a posternctl is a descriptor, too."""
        def more():
            return [(name, before[pid, name], n) for (pid, name), n in
                    self.descriptors(before).items() if n > before[pid, name]]
        if wait_for(lambda: not more(), 2, 0.05):
            return []
        self.tell()
        wait_for(lambda: not more(), PATIENCE, 0.1)
        return ["descriptors: %s had %d, has %d" % m for m in more()]

    def point(self, fault):
        """Whether there was such a call; what went wrong is told."""
        self.fault = fault
        if max(self.deaths.values(), default=0) >= 2:
            self.p.stop()       # who dies again and again waits long
            self.start()
            self.tell()
        before = self.descriptors(self.everybody())
        wrong = []
        for _ in range(TRIES):          # no two stories are quite the same
            story = self.tell(fault)
            hit = self.control.hits()
            trace = self.control.trace()
            wrong += self.judge(story, fault)
            if hit or wrong:
                break
        self.points += bool(hit)
        if wrong or set(story.codes) & FOR_NOW or self.dead:
            self.fault = None
            clean = self.tell()
            if len(clean.acked) != 2:
                wrong.append("behind it: %s" % clean.codes)
            wrong += ["behind it: " + w for w in self.judge(clean, None)]
        wrong += self.leaks(before)
        if wrong:
            tap.note("%s" % (fault,))
            for w in wrong:
                tap.note("  " + w)
            tap.note("  said: %s" % " ".join(c or "-" for c in story.codes))
            for frame in trace:
                if frame:
                    tap.note("    " + frame)
            tap.note("  " + "\n  ".join(self.p.log()[self.mark:].splitlines()
                                        [-12:]))
        return hit, not wrong


# --- which of them ----------------------------------------------------------------------

def kinds(seen):
    """(role, call, error, how many such calls a story has)"""
    for role in ROLES:
        for call in CALLS:
            for error in ERRORS[call]:
                some = call in BYTES and error in SOME
                n = seen[role, call, some]
                if n and not (SANITIZED and call == "malloc"):
                    yield role, call, error, n


def spread(n, most, turn):
    """At most so many of 1..n, not the same for each kind."""
    if n <= most:
        return range(1, n + 1)
    return sorted({1 + (n * (2 * i + 1) // (2 * most) + turn) % n
                   for i in range(most)})


def count(w):
    """The most that two stories have of each, once all have begun."""
    most = collections.Counter()
    w.tell()
    for role in ROLES * 2:
        w.fault = Fault(role, "malloc", "ENOMEM", 0)
        story = w.tell(w.fault)
        for key, n in w.control.seen().items():
            if key[0] == role:
                most[key] = max(most[key], n)
        wrong = w.judge(story, w.fault)
        if wrong or len(story.acked) != 2:
            tap.ok(False, "a story with nothing in its way, for " + role)
            for line in wrong + story.codes:
                tap.note(line)
        if role == "posternd":
            w.p.stop()
            w.start()
            w.tell()
    return most


def main():
    need_root()
    args = sys.argv[1:]
    long = args[:1] == ["--long"]
    part, parts = map(int, args[1].split("/")) if long and args[1:] else (1, 1)
    with World() as w:
        seen = count(w)
        results = collections.OrderedDict()
        plan = []
        for turn, (role, call, error, n) in enumerate(kinds(seen)):
            if not long and not all(map(fnmatch.fnmatch, (role, call, error),
                                        args)):
                continue
            results[role, call, error] = [0, 0, n]
            ks = [int(args[3])] if args[3:] and not long else \
                range(1, n + 1) if args else spread(n, 1, turn)
            plan += [Fault(role, call, error, k) for k in ks]
        # Those of one program are apart, so that it lives a while between.
        order = collections.defaultdict(list)
        for f in plan:
            order[f.role].append(f)
        merged = sorted(((i + 0.5) / len(fs), f) for fs in order.values()
                        for i, f in enumerate(fs))
        begun = time.monotonic()
        for i, (_, f) in enumerate(merged):
            if i % parts != part - 1:
                continue
            hit, good = w.point(f)
            r = results[f.role, f.call, f.error]
            r[0] += bool(hit)
            r[1] += not good
        for (role, call, error), (hit, bad, n) in results.items():
            tap.ok(not bad, "%s: %s %s: %d of %d" % (role, call, error, hit,
                                                     n))
        tap.note("%d points, %d stories, %.0f s; ends: %s; second copies: %d" %
                 (w.points, w.stories, time.monotonic() - begun, dict(w.ends),
                  w.second))
        tap.note("posternd ended %d times in %s without memory, at a reload" %
                 (w.in_library, LIBRARY))
        tap.note("calls of a story: %s" % {
            role: sum(n for (r, c, some), n in seen.items()
                      if r == role and not some) for role in ROLES})
    tap.done()


main()
