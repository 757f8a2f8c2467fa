#!/usr/bin/python3
"""
A botnet tries what it has stolen: names and passwords from lists, from
thousands of addresses, among them names that are accounts here. Nobody gets in,
not even in the end with the right passwords; those who are at home log in
meanwhile, each time; memory stays within bounds. Addresses come by the PROXY
protocol. Latencies are told, not judged.

    stuffing.py                 2,000 attempts from 200 addresses
    stuffing.py long            100,000 from 5,000
"""
import asyncio
import base64
import multiprocessing
import os
import random
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (PATIENCE, SANITIZED, Postern, free_port,    # noqa: E402
                     need_root, plain, wait_for)

LONG = sys.argv[1:] == ["long"]
ATTEMPTS, ADDRESSES = (100000, 5000) if LONG else \
    (900, 120) if SANITIZED else (2000, 200)
AT_ONCE = 1200 if LONG else 150         # sessions of the botnet
ACCOUNTS = 200 if LONG else 5 if SANITIZED else 12      # ours, on its list
HONEST = 20 if LONG else 4              # of them log in all the time
SHARE = 0.3 if LONG else 0.5            # of the tries are at our accounts
NAMES = 20000                           # on its list, that nobody here has
LOCK_AFTER = 10
PASSWORD = "open-sesame-%d"
# What the guard can hold at most, and what threads and caches may take.
AUTH_MAY_GROW_KB = 64 << 10
SMTPD_MAY_GROW_KB = 64 << 10


def name_of(n):
    return "user%d@example.org" % n


# --- whom they are taken for -----------------------------------------------------

def bot(n):
    """
    Address n of the botnet: half of them alone in a /24, a quarter fifty to a
    /24, a quarter in /64s of their own, of which eight are in a /48.
    """
    if n % 4 == 0:
        return "203.0.%d.%d" % (n // 200 % 256, n // 4 % 50 + 1)
    if n % 4 == 1:
        return "2001:db8:%x:%x::1" % (n // 32, n // 4 % 8)
    return "%d.%d.%d.7" % (20 + n // 65536, n // 256 % 256, n % 256)


def home(n):
    """The first has the botnet in his neighbourhood."""
    return "203.0.0.200" if n == 0 else "198.18.%d.9" % n


def proxied(address):
    """PROXY, version 2, for a client with that address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    a = socket.inet_pton(family, address)
    body = a + a + struct.pack(">HH", 40000, 465)
    return (b"\r\n\r\n\0\r\nQUIT\n" + b"\x21" +
            (b"\x21" if family == socket.AF_INET6 else b"\x11") +
            struct.pack(">H", len(body)) + body)


# --- the botnet --------------------------------------------------------------------

class Botnet:
    def __init__(self, port, context, attempts, addresses, at_once):
        self.port, self.context = port, context
        self.left, self.addresses, self.at_once = attempts, addresses, at_once
        self.random = random.Random(20261129)
        self.turn = 0
        self.replies = {}
        self.heard = {}                 # guesses answered 535, per account
        self.errors = 0

    def pick(self):
        r = self.random
        if r.random() < SHARE:
            return r.randrange(ACCOUNTS), "guess-%d" % r.randrange(100000)
        return None, "stolen-%d" % r.randrange(100000)

    def login(self):
        n, password = self.pick()
        name = "name%d@example.org" % self.random.randrange(NAMES) \
            if n is None else name_of(n)
        return n, plain(name, password)

    async def reply(self, reader):
        while True:
            line = await reader.readline()
            if line[3:4] != b"-":
                return line[:3].decode()

    async def session(self):
        address = bot(self.turn % self.addresses)
        self.turn += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(proxied(address))
            await writer.start_tls(self.context)
            await self.reply(reader)
            writer.write(b"EHLO bot.example\r\n")
            await self.reply(reader)
            for _ in range(20):
                if self.left <= 0:
                    return
                self.left -= 1
                n, words = self.login()
                writer.write(b"AUTH PLAIN " + words.encode() + b"\r\n")
                code = await self.reply(reader)
                self.replies[code] = self.replies.get(code, 0) + 1
                if n is not None and code == "535":
                    self.heard[n] = self.heard.get(n, 0) + 1
                if code in ("", "421", "235"):
                    return
        finally:
            writer.close()

    async def worker(self):
        while self.left > 0:
            try:
                await self.session()
            except (OSError, EOFError):
                self.errors += 1
                if self.errors > ATTEMPTS:
                    return

    async def run(self):
        await asyncio.gather(*(self.worker() for _ in range(self.at_once)))


class RightPasswords(Botnet):
    """What was stolen is right for once: a try at each account."""

    def pick(self):
        n = self.left % ACCOUNTS
        return n, PASSWORD % n

    def login(self):
        n, password = self.pick()
        return n, plain(name_of(n), password)


def attack(kind, out, *args):
    b = kind(*args)
    started = time.monotonic()
    asyncio.run(b.run())
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    out.send((b.replies, b.heard, b.errors, time.monotonic() - started,
              cpu.ru_utime + cpu.ru_stime))


def let_loose(kind, *args):
    """Runs in a process of its own; (process, where its result comes from)."""
    mine, theirs = multiprocessing.Pipe(False)
    p = multiprocessing.Process(target=attack, args=(kind, theirs) + args,
                                daemon=True)
    p.start()
    theirs.close()
    return p, mine


# --- those who live here -------------------------------------------------------------

def log_in(port, context, n):
    """(reply code, seconds from the connection to it) of an honest user."""
    started = time.monotonic()
    raw = socket.create_connection(("127.0.0.1", port), PATIENCE * 4)
    raw.sendall(proxied(home(n)))
    with context.wrap_socket(raw) as s, s.makefile("rb") as f:
        def reply():
            while True:
                line = f.readline()
                if line[3:4] != b"-":
                    return line[:3].decode()
        reply()
        s.sendall(b"EHLO home.example\r\n")
        reply()
        s.sendall(b"AUTH PLAIN " + plain(name_of(n), PASSWORD % n).encode() +
                  b"\r\n")
        code = reply()
        took = time.monotonic() - started
        s.sendall(b"QUIT\r\n")
    return code, took


class Honest(threading.Thread):
    """They come one after the other until they are told to stop."""

    def __init__(self, port, context):
        super().__init__(daemon=True)
        self.port, self.context = port, context
        self.times, self.failed, self.stopping = [], [], False
        self.start()

    def run(self):
        n = 0
        while not self.stopping:
            try:
                code, took = log_in(self.port, self.context, n % HONEST)
            except OSError as e:
                code, took = repr(e), 0
            if code == "235":
                self.times.append(took)
            else:
                self.failed.append((n % HONEST, code))
            n += 1
            time.sleep(0.02)

    def stop(self):
        self.stopping = True
        self.join()
        t = sorted(self.times)
        return "%d logins, ms: median %.1f, 95 %% %.1f, 99 %% %.1f, longest " \
            "%.1f" % ((len(t),) + tuple(1000 * t[min(int(len(t) * q),
                                                     len(t) - 1)]
                                        for q in (0.5, 0.95, 0.99, 1)))


def rss_kb(p, name):
    """The largest process of that name."""
    best = 0
    for row in p.processes():
        if row["name"].split("/")[0] == name:
            with open("/proc/%d/status" % row["pid"]) as f:
                best = max(best, next(int(l.split()[1]) for l in f
                                      if l.startswith("VmRSS")))
    return best


def cpu_sec(p):
    """What each kind of process has used until now."""
    used = {}
    for row in p.processes():
        with open("/proc/%d/stat" % row["pid"]) as f:
            ticks = f.read().rsplit(")", 1)[1].split()[11:13]
        name = row["name"].split("/")[0]
        used[name] = used.get(name, 0) + sum(map(int, ticks)) / os.sysconf(
            "SC_CLK_TCK")
    return used


def test_attack(p, port):
    context = p.context()
    quiet = Honest(port, context)
    wait_for(lambda: len(quiet.times) + len(quiet.failed) >= 5 * HONEST,
             PATIENCE * 4)
    tap.note("before: " + quiet.stop())
    tap.equal(quiet.failed, [], "all log in at home before it begins")
    before = {name: rss_kb(p, name) for name in ("auth", "smtpd")}
    used = cpu_sec(p)
    process, result = let_loose(Botnet, port, context, ATTEMPTS, ADDRESSES,
                                AT_ONCE)
    busy = Honest(port, context)
    most = dict(before)
    while not result.poll(1):
        if not process.is_alive():
            break
        for name in most:
            most[name] = max(most[name], rss_kb(p, name))
    replies, heard, errors, took, its_cpu = result.recv()
    tap.note("seconds of CPU: the botnet %.1f, %s" % (its_cpu, ", ".join(
        "%s %.1f" % (name, sec - used.get(name, 0))
        for name, sec in sorted(cpu_sec(p).items()))))
    tap.note("during: " + busy.stop())
    tap.note("%d attempts from %d addresses in %.0f s, %d broken connections: "
             "%s" % (sum(replies.values()), ADDRESSES, took, errors, replies))
    tap.note("guesses heard: %d, at most %d of one account" % (
        sum(heard.values()), max(heard.values(), default=0)))
    tap.ok(sum(replies.values()) >= ATTEMPTS * 0.98, "the botnet did its work")
    tap.equal(replies.get("235", 0), 0, "and did not get in")
    tap.equal(busy.failed, [], "those at home did, each time (%d)" %
              len(busy.times))
    for name, bound in (("auth", AUTH_MAY_GROW_KB),
                        ("smtpd", SMTPD_MAY_GROW_KB)):
        grown = most[name] - before[name]
        tap.note("%s took %d KB more" % (name, grown))
        tap.ok(SANITIZED or grown < bound, name + "'s memory is bounded")
    # What was under way when it was locked is still answered.
    tap.ok(max(heard.values()) <= LOCK_AFTER + AT_ONCE // 20,
           "an account hears few of the guesses")
    return replies


def test_afterwards(p, port, started):
    context = p.context()
    locked = [r for r in p.rows("account", "list") if r.get("locked_until")]
    tap.ok(len(locked) >= ACCOUNTS * 0.9,
           "%d of %d accounts are locked for strangers" % (
               len(locked), ACCOUNTS))
    _, result = let_loose(RightPasswords, port, context, ACCOUNTS * 3,
                          ADDRESSES, 10)
    replies = result.recv()[0]
    tap.note("with the right passwords: %s" % replies)
    open_ones = ACCOUNTS - len(locked)
    tap.ok(replies.get("235", 0) <= 3 * open_ones,
           "then not even the right password is heard from the botnet")
    tap.equal([log_in(port, context, n)[0] for n in range(HONEST)],
              ["235"] * HONEST, "those at home still log in")
    p.ctl("account", "unlock", name_of(HONEST))
    tap.ok(not any(r.get("locked_until") for r in p.rows("account", "list")
                   if r["account"] == name_of(HONEST)), "the admin unlocks")
    # lib/flood.h: 600 a minute, and a minute begins with its first line.
    minutes = (time.monotonic() - started) / 60 + 2
    told = p.log().count("login=failed")
    tap.ok(told <= 600 * minutes, "the log is not flooded: %d failures told" %
           told)
    tap.ok("guess-" not in p.log() and "open-sesame" not in p.log() and
           base64.b64encode(b"guess-").decode()[:6] not in p.log(),
           "no password in it")
    tap.ok("the next one starts" not in p.log(), "nobody crashed")


def main():
    need_root()
    port = free_port()
    listener = 'listen lb { address = "127.0.0.1" port = %d tls = implicit ' \
        'proxy = {"127.0.0.1"} }\n' % port
    with Postern(sections=listener, workers=2, top="accounts { lock-after = %d }" %
                 LOCK_AFTER) as p:
        for n in range(ACCOUNTS):
            p.account(name_of(n), PASSWORD % n)
        started = time.monotonic()
        test_attack(p, port)
        test_afterwards(p, port, started)
    tap.done()


if __name__ == "__main__":
    main()
