#!/usr/bin/python3
"""
Time tells nobody who is there: how long a wrong password of an account takes,
and how long a name that nobody has, by PLAIN, LOGIN and SCRAM and to SCRAM's
first challenge, over TLS, 2,000 samples of each, in random order; and by PLAIN
where a directory is asked for names without an account, and while it is frozen.
The means may differ by less than three standard errors (Welch); chance exceeds
that once in 370 times, so a difference must show again in fresh samples before
it counts. For check-long: it measures time.
"""
import base64
import concurrent.futures
import math
import os
import random
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from backends import Slapd                                       # noqa: E402
from postern import Postern, need_root, plain                    # noqa: E402
from scram import Scram                                          # noqa: E402
from sources import accounts, ldap_section                       # noqa: E402
from talk import Talk                                            # noqa: E402

SAMPLES = 2000
NAMES = 100             # of each kind; one wrong password each counts once
AT_ONCE = 50            # most of the time is a delay
LIMIT = 3.0


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes)
                            else data.encode()).decode()


def name_of(known, n):
    return "%s%03d@example.org" % ("alice" if known else "nobody", n % NAMES)


def by_plain(talk, name):
    return talk.say("AUTH PLAIN " + plain(name, "wrong-sesame"))


def by_login(talk, name):
    talk.say("AUTH LOGIN " + b64(name))
    return talk.say(b64("wrong-sesame"))


def by_scram(talk, name):
    client = Scram(name, "wrong-sesame")
    reply = talk.say("AUTH SCRAM-SHA-256 " + b64(client.first()))
    return talk.say(b64(client.final(base64.b64decode(reply[4:]))))


def by_plain_down(talk, name):
    """While the directory says nothing."""
    reply = by_plain(talk, name)
    return reply.replace("454 4.7.0", "535 5.7.8")


def several(p, way, sample):
    """Seconds of each, from sessions side by side."""
    def one(todo):
        times = []
        with Talk(p) as talk:
            for known, n in todo:
                started = time.perf_counter()
                reply = way(talk, name_of(known, n))
                times.append((known, time.perf_counter() - started))
                if not reply.startswith("535 5.7.8"):
                    raise RuntimeError(reply)
        return times
    parts = [sample[i::AT_ONCE] for i in range(AT_ONCE)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return [t for part in pool.map(one, parts) for t in part]


def challenges(p, _, sample):
    """Seconds to SCRAM's first challenge, one after the other."""
    times = []
    for i in range(0, len(sample), 500):
        with Talk(p) as talk:
            for known, n in sample[i:i + 500]:
                first = b64(Scram(name_of(known, n), "x").first())
                started = time.perf_counter()
                reply = talk.say("AUTH SCRAM-SHA-256 " + first)
                times.append((known, time.perf_counter() - started))
                if not reply.startswith("334"):
                    raise RuntimeError(reply)
                talk.say("*")
    return times


def measure(p, how, way):
    sample = [(known, n) for known in (True, False) for n in range(SAMPLES)]
    random.shuffle(sample)
    times = how(p, way, sample)
    groups = [[t * 1000 for known, t in times if known is kind]
              for kind in (True, False)]
    # A machine that pauses tells nothing: the slowest hundredth goes.
    groups = [sorted(g)[:-(SAMPLES // 100)] for g in groups]
    means = [statistics.fmean(g) for g in groups]
    error = math.sqrt(sum(statistics.variance(g) / len(g) for g in groups))
    z = (means[0] - means[1]) / error
    tap.note("%.3f ms and %.3f ms, z = %.2f" % (means[0], means[1], z))
    return z


def main():
    need_root()
    with Postern(workers=2, limits='errors = 1000 greeting-time = "1h"',
                 top="accounts { lock-after = 0 }") as p:
        for n in range(NAMES):
            p.account(name_of(True, n), "open-sesame")
        for name, how, way in (
                ("SCRAM's first challenge", challenges, None),
                ("PLAIN", several, by_plain), ("LOGIN", several, by_login),
                ("SCRAM", several, by_scram)):
            z = measure(p, how, way)
            if abs(z) >= LIMIT:
                z = measure(p, how, way)
            tap.ok(abs(z) < LIMIT, "%s: %d wrong passwords take as long as %d "
                   "names that nobody has" % (name, SAMPLES, SAMPLES))
    with_directory()
    tap.done()


def with_directory():
    with Slapd({"diana": ("ldap-sesame", ["diana@example.org"])}) as slapd, \
            Postern(workers=2, limits='errors = 1000',
                    sections=accounts("ldap") + ldap_section(
                        slapd, timeout="2s")) as p:
        for n in range(NAMES):
            p.account(name_of(True, n), "open-sesame")
        # The first ones wait for connections to be made.
        measure(p, several, by_plain)
        z = measure(p, several, by_plain)
        tap.ok(abs(z) < LIMIT or abs(measure(p, several, by_plain)) < LIMIT,
               "PLAIN, with a directory for other names")
        slapd.freeze()
        # The first ones wait for it in vain; who that is, is chance.
        measure(p, several, by_plain_down)
        z = measure(p, several, by_plain_down)
        tap.ok(abs(z) < LIMIT or abs(measure(
            p, several, by_plain_down)) < LIMIT,
            "PLAIN, with one that is frozen")
        slapd.thaw()


main()
