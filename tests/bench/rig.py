"""
The two ends of a measurement: the sink where all mail goes, and a load.
"""
import json
import os
import random
import subprocess
import time

import servers

PROGRAMS = os.path.join(servers.postern.BUILD, "tests", "bench")


class Sink:
    def __init__(self, address="127.0.0.1"):
        self.address = address

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.path.join(PROGRAMS, "bench_sink"), "-a", self.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def begin(self):
        """A new run; returns its number."""
        run = random.randrange(1, 1 << 31)
        self.ask("run %d" % run)
        return run

    def report(self):
        return self.ask("report")

    def mood(self, word):
        """It is well, refuses, or closes (sink_session.h)."""
        self.ask("mood " + word)

    def has(self, message):
        return self.ask("seen %d" % message)["seen"]

    def wait(self, unique, seconds=120):
        """The report once so many have come, or the last one."""
        end = time.monotonic() + seconds
        while True:
            report = self.report()
            if report["unique"] >= unique or time.monotonic() > end:
                return report
            time.sleep(0.02)


def load(port, run=1, **options):
    """
    One run of bench_load; options are its own, by letter. A session that
    breaks is an error of the measurement.
    """
    words = [os.path.join(PROGRAMS, "bench_load"), "-p", str(port),
             "-R", str(run)]
    for letter, value in options.items():
        if value is True:
            words += ["-" + letter]
        elif value not in (None, False):
            words += ["-" + letter, str(value)]
    r = subprocess.run(words, capture_output=True, text=True, timeout=600,
                       stdin=subprocess.DEVNULL)
    if not r.stdout:
        raise RuntimeError("bench_load: " + r.stderr)
    return json.loads(r.stdout)


class Steady:
    """
    A load of so many messages a second until end(), which returns its report. What
    is refused is sent again, under the same id.
    """

    def __init__(self, port, run, rate, first, **options):
        words = [os.path.join(PROGRAMS, "bench_load"), "-p", str(port),
                 "-R", str(run), "-c", str(rate)]
        for letter, value in dict(options, o=first or None).items():
            if value is not None:
                words += ["-" + letter, str(value)]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self, seconds=120):
        """Its report; "next" is the first number that it has not used."""
        try:
            said, _ = self.process.communicate("", seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return json.loads(said)


LOGIN = {"u": servers.USER, "w": servers.PASSWORD}


def give(directory, owner):
    os.chown(directory, owner, owner)
    for folder, folders, files in os.walk(directory):
        for name in folders + files:
            os.chown(os.path.join(folder, name), owner, owner)


def fill(server, messages, **options):
    """Puts deferred mail into the store of a Postern that does not run."""
    words = [os.path.join(PROGRAMS, "fill_queue")]
    for letter, value in options.items():
        words += ["-" + letter, str(value)]
    directory = server.dir + "/state/queue"
    give(directory, 0)      # a store with files of others does not open
    r = subprocess.run(words + [directory, str(messages)],
                       capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError("fill_queue: " + r.stdout + r.stderr)
    give(directory, servers.postern.USERS["queue"])


class Idle:
    """Sessions that are logged in and say no more."""

    def __init__(self, port, sessions):
        self.words = [os.path.join(PROGRAMS, "bench_load"), "-p", str(port),
                      "-i", "-s", str(sessions), "-u", servers.USER,
                      "-w", servers.PASSWORD]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        first = json.loads(self.process.stdout.readline())
        if "idle" not in first:
            raise RuntimeError("not all are in: %s" % first)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def limits(directory):
    r = subprocess.run([os.path.join(PROGRAMS, "bench_limits"), directory],
                       check=True, capture_output=True, text=True)
    return json.loads(r.stdout)
