#!/usr/bin/python3
"""
The queue's backup: made while mail flows, cut off by kill -9, and given to a
server whose disk was lost. Whatever was acknowledged before it began has been
delivered, or comes back byte for byte, on hold.
"""
import glob
import json
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BIN, Postern, need_root, wait_for            # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
SENDERS = 4
LARGE = 150_000


def content(ident):
    """The same bytes for the same id, wherever they are made."""
    r = random.Random(ident)
    size = LARGE if r.random() < 0.1 or "large" in ident else \
        r.randrange(50, 3000)
    lines = []
    while size > 0:
        lines.append(r.randbytes(r.randrange(1, 36)).hex())
        size -= len(lines[-1]) + 2
    return ("From: %s\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
            "Message-ID: <%s@backup.test>\r\n\r\n%s\r\n" %
            (ALICE, ident, "\r\n".join(lines))).encode()


def taken(sink):
    """What the next hop has: id -> contents, ours of the header left out."""
    got = {}
    for m in list(sink.messages):
        rest = m.content.split(b"\r\n", 1)[1]
        while rest[:1] in (b"\t", b" "):
            rest = rest.split(b"\r\n", 1)[1]
        ident = rest.split(b"Message-ID: <", 1)[1].split(b"@", 1)[0].decode()
        got.setdefault(ident, []).append(rest)
    return got


class Load:
    """Submits until it is told to stop; every third message is put off."""

    def __init__(self, p):
        self.p, self.acked, self.stop = p, [], False
        self.threads = [threading.Thread(target=self.run, args=(i,),
                                         daemon=True) for i in range(SENDERS)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        for t in self.threads:
            t.join()

    def run(self, number):
        client, n = None, 0
        while not self.stop:
            n += 1
            ident = "%d-%d" % (number, n)
            to = "later" if n % 3 == 0 else "bob"
            try:
                if client is None:
                    client = self.p.client(login=ALICE)
                client.sendmail(ALICE, [to + "@example.net"], content(ident))
                self.acked.append(ident)
            except (smtplib.SMTPException, OSError):
                client = None
                time.sleep(0.05)


def backup(p, folder, *options):
    return subprocess.run(
        [os.path.join(BIN, "posternctl"), "--json", "--socket", p.socket,
         "queue", "backup", folder] + list(options), capture_output=True,
        text=True)


def restore(p, path, *options):
    r = p.ctl("queue", "restore", path, *options, check=False)
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    return r.returncode, rows[0] if rows else {}, r.stderr


def test_under_load(p, sink, folder):
    with Load(p) as load:
        wait_for(lambda: len(load.acked) >= 40)
        before = list(load.acked)
        r = backup(p, folder)
        tap.equal(r.returncode, 0, "a backup under load " + r.stderr)
        row, file = map(json.loads, r.stdout.splitlines())
        tap.equal(glob.glob(folder + "/*.postern"), [file["file"]],
                  "programs are told its name")
        wait_for(lambda: len(load.acked) >= len(before) + 20)
        tap.ok(len(load.acked) >= len(before) + 20, "mail goes on meanwhile")
    tap.note("%d acknowledged before it began, %d in it, %d after it" % (
        len(before), row["messages"], len(load.acked) - len(before)))
    tap.ok(row["messages"] > 0 and row["unreadable"] == 0, "all is readable")
    return before


def slowly(p, folder):
    """posternctl making a backup that takes two minutes, and has begun."""
    def begun():
        return p.log().count("backup=begun")
    before = begun()
    maker = subprocess.Popen(
        [os.path.join(BIN, "posternctl"), "--socket", p.socket, "queue",
         "backup", folder, "--rate", "64K"], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    # It makes its file before it asks the queue, which may be a while later.
    tap.ok(wait_for(lambda: begun() > before), "a backup has begun")
    return maker


def parts(folder):
    return [n for n in os.listdir(folder) if n.endswith(".part")]


def test_killed(p, folder):
    """kill -9 of the queue in the middle: no backup, and no harm."""
    for i in range(56):
        p.submit(ALICE, ["later@example.net"], content("large-%d" % i))
    had = sorted(os.listdir(folder))
    maker = slowly(p, folder)
    p.kill("queue")
    err = maker.communicate()[1]
    tap.ok(maker.returncode != 0, "posternctl says so: " + err.strip())
    tap.equal(sorted(os.listdir(folder)), had, "and leaves nothing there")
    tap.ok(wait_for(lambda: p.ctl("queue", "list", check=False).returncode
                    == 0), "the queue is back")
    # Who asked may die as well.
    maker = slowly(p, folder)
    at = len(p.log())
    maker.kill()
    maker.communicate()
    tap.ok(p.logged('why="it was given up, as nobody waits for it any more"',
                    at), "without an asker it ends")
    left = parts(folder)
    tap.equal(len(left), 1, "and leaves what was written")
    os.utime(os.path.join(folder, left[0]), (0, 0))
    # Which the next one removes, but not what somebody writes.
    maker = slowly(p, folder)
    mine = parts(folder)
    tap.ok(len(mine) == 1 and mine != left, "until another begins")
    r = backup(p, folder)
    tap.ok(r.returncode == 0 and parts(folder) == mine,
           "which is left alone by one more " + r.stderr.strip())
    maker.send_signal(signal.SIGINT)
    maker.communicate()
    tap.equal((maker.returncode, parts(folder)), (-signal.SIGINT, []),
              "^C removes its own")
    tap.ok(wait_for(lambda: p.log().count("backup=failed") >= 2), "and ends it")


def test_disk_lost(p, sink, path, before):
    p.kill_all()
    delivered = set(taken(sink))
    shutil.rmtree(os.path.join(p.dir, "state", "queue"))
    p.start()
    tap.equal(p.queue(), [], "a new disk")
    code, row, err = restore(p, path, "--dry-run")
    tap.ok(code == 0 and row["restored"] > 0 and p.queue() == [],
           "a dry run " + err)
    code, row, err = restore(p, path)
    tap.ok(code == 0 and row["damaged"] == 0, "restored " + err)
    held = p.rows("queue", "list", "--restored")
    tap.ok(len(held) == row["restored"] and
           all(r["state"] == "held by restore" for r in held), "and held")
    code, again, _ = restore(p, path)
    tap.ok(again["restored"] == 0 and
           again["queued_already"] == row["restored"], "once only")

    sink.answer.clear()
    p.ctl("queue", "release", "--restored", "--yes")
    tap.ok(wait_for(lambda: p.queue() == []), "all go out")
    got = taken(sink)
    tap.equal([i for i in before if i not in got], [],
              "nothing is lost of what was acknowledged before")
    tap.equal([i for i, all_ in got.items() if set(all_) != {content(i)}], [],
              "byte for byte")
    twice = sum(len(all_) - 1 for all_ in got.values())
    tap.ok(twice <= len(delivered), "%d went out twice, as they were released "
           "though the first server had sent them" % twice)
    code, row, _ = restore(p, path)
    tap.equal(row["restored"], row["messages"], "the backup is another "
              "store's: it comes back again, and held")
    p.ctl("queue", "remove", "--restored", "--yes")
    return got


def test_own(p, folder):
    """A backup of this store: what has left it since is left alone."""
    sink_less = p.queue()
    tap.equal(sink_less, [], "an empty queue")
    p.configure(next_hop="smtp://127.0.0.1:1")
    p.ctl("reload")
    p.submit(ALICE, ["bob@example.net"], content("own"))
    r = backup(p, folder)
    tap.equal(r.returncode, 0, "a backup " + r.stderr)
    path = max(glob.glob(folder + "/*.postern"), key=os.path.getmtime)
    p.ctl("queue", "remove", "--all", "--yes")
    tap.ok(wait_for(lambda: p.queue() == []), "removed, tried or not")
    code, row, _ = restore(p, path)
    tap.ok(row["left_since"] == 1 and row["restored"] == 0, "it is left out")
    code, row, _ = restore(p, path, "--again")
    tap.equal(row["restored"], 1, "until it is asked for")
    with open(path, "r+b") as f:
        f.truncate(os.path.getsize(path) - 10)
    code, row, err = restore(p, path)
    tap.ok(code == 1 and "cut off: it is whole up to byte" in err,
           "a file cut off: " + err.strip())
    code, row, err = restore(p, path, "--damaged")
    tap.ok(code == 6 and row["damaged"] == 1 and "cut off" in err,
           "what it has of it, %d: %s" % (code, err.strip()))
    tap.ok(p.logged("the backup that is restored is damaged at byte"),
           "the log has the place")
    code, row, err = restore(p, folder)
    tap.ok(code == 1 and "name one" in err, "a folder: " + err.strip())
    code, row, err = restore(p, p.conf_path)
    tap.ok(code == 1 and "not a backup" in err, "another file: " + err.strip())
    tap.equal(row, {}, "of which nothing is counted")
    had = len(os.listdir(folder))
    tap.equal([backup(p, folder).returncode for _ in range(3)], [0] * 3,
              "three backups, some in the same second")
    tap.equal(len(os.listdir(folder)), had + 3, "have names of their own")
    r = backup(p, "/proc/no/such/folder")
    tap.equal(r.returncode, 1, "nowhere to write: " + r.stderr.strip())


def test_unreadable(p, folder):
    """A message whose bytes went bad: the rest is saved, and it is said."""
    p.ctl("queue", "remove", "--all", "--yes", check=False)
    tap.ok(wait_for(lambda: p.queue() == []), "an empty queue")
    for name in ("good", "spoilt"):
        p.submit(ALICE, ["bob@example.net"],
                 content(name) + b"mark of " + name.encode() + b"\r\n")
    tap.ok(wait_for(lambda: len(p.queue()) == 2), "two messages")
    p.ctl("queue", "hold", "--all", "--yes")
    p.stop()
    for path in glob.glob(p.dir + "/state/queue/journal/*.seg"):
        with open(path, "r+b") as f:
            data = f.read()
            at = data.find(b"mark of spoilt")
            while at >= 0:
                f.seek(at)
                f.write(b"X")
                at = data.find(b"mark of spoilt", at + 1)
    p.start()
    had = set(os.listdir(folder))
    r = backup(p, folder)
    tap.ok(r.returncode == 6 and "without 1 message" in r.stderr,
           "a backup that is without one: %d %s" % (r.returncode, r.stderr))
    row = json.loads(r.stdout.splitlines()[0])
    tap.ok((row["messages"], row["unreadable"]) == (1, 1), "programs see it")
    new = list(set(os.listdir(folder)) - had)
    tap.equal(len(new), 1, "it is kept")
    r = p.ctl("queue", "export", folder + "/out", check=False)
    tap.ok(r.returncode == 6 and "1 message cannot be read" in r.stderr,
           "so does an export: %d %s" % (r.returncode, r.stderr))
    tap.equal(len(glob.glob(folder + "/out/*.json")), 1, "with the other one")
    tap.equal(len(re.findall(r" [0-9a-z]{13} is not in the export: its body is "
                             "damaged in the journal: remove it, and restore",
                             p.log())), 1, "the log says which, once")
    shutil.rmtree(folder + "/out")
    p.ctl("queue", "remove", "--all", "--yes")
    code, row, err = restore(p, os.path.join(folder, new[0]), "--again")
    tap.equal((code, row["restored"]), (0, 1), "and good " + err)


def main():
    need_root()
    with Sink() as sink:
        sink.answer["RCPT"] = lambda line: \
            "452 4.2.2 full" if "later" in line else None
        with Postern(sink.url, workers=2, route_options="tls = none",
                     queue='retry-first = "1h" retry-max = "1h"') as p:
            folder = os.path.join(p.dir, "backup")
            p.account(ALICE, "open-sesame")
            r = backup(p, folder)
            tap.ok(r.returncode == 1 and "there is no folder" in r.stderr and
                   not os.path.exists(folder), "none is made: " + r.stderr)
            os.mkdir(folder, 0o700)
            before = test_under_load(p, sink, folder)
            path = glob.glob(folder + "/*.postern")[0]
            test_killed(p, folder)
            test_disk_lost(p, sink, path, before)
            test_own(p, folder)
            test_unreadable(p, folder)
    tap.done()


main()
