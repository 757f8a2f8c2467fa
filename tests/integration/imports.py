#!/usr/bin/python3
"""
posternctl queue import and export when they are interrupted: by ^C, by kill -9
of posternctl or of the queue, by a disk that is full. Nothing is lost, nothing
goes out twice, and nothing half is left in the folder.
"""
import collections
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BIN, PATIENCE, Postern, need_root, wait_for  # noqa: E402
from sink import Sink                                            # noqa: E402
from trouble import private_mounts                               # noqa: E402

ALICE = "alice@example.org"
MANY = 1500
MB = 1 << 20


def folder_of(n, size=100):
    """n messages by hand, each to a recipient of its own."""
    folder = tempfile.mkdtemp(prefix="postern-test-")
    for i in range(n):
        with open("%s/m%04d.json" % (folder, i), "w") as f:
            json.dump({"from": ALICE,
                       "recipients": [{"to": "m%04d@example.net" % i}]}, f)
        with open("%s/m%04d.eml" % (folder, i), "w") as f:
            f.write("Subject: %d\n\n%s\n" % (i, "x" * size))
    return folder


def begin(p, folder):
    return subprocess.Popen(
        [os.path.join(BIN, "posternctl"), "--socket", p.socket, "queue",
         "import", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)


def names(folder, end):
    return [n for n in os.listdir(folder) if n.endswith(end)]


def in_the_middle(folder, child=None):
    """child: stands still, so that it is there still, until it is let go on."""
    def middle():
        if child:
            child.send_signal(signal.SIGSTOP)
        if len(names(folder, ".imported")) > 100:
            return True
        if child:
            child.send_signal(signal.SIGCONT)
        return False
    return wait_for(middle, every=0.001)


def again(p, folder):
    """Run to its end: what it has said."""
    r = subprocess.run(
        [os.path.join(BIN, "posternctl"), "--socket", p.socket, "--json",
         "queue", "import", folder], capture_output=True, text=True)
    tap.equal(r.returncode, 0, "it is run again " + r.stderr)
    tap.equal(len(names(folder, ".imported")), MANY, "and all are taken")
    return numbers(r)


def numbers(r):
    """What programs get, without the sentence that people get."""
    said = json.loads(r.stdout)
    return said if said.pop("done").startswith(
        "%d imported from " % said["imported"]) else r.stdout


def queued(p):
    return collections.Counter(r["to"][0] for r in p.queue())


def once(p, what):
    all_of = queued(p)
    tap.ok(len(all_of) == MANY and set(all_of.values()) == {1},
           "%s: each is queued, once (%d, %s)" %
           (what, len(all_of), set(all_of.values())))
    p.ctl("queue", "remove", "--all", "--yes")
    tap.ok(wait_for(lambda: p.queue() == []), "and removed")


def test_interrupt(p, sink):
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    folder = folder_of(MANY)
    try:
        child = begin(p, folder)
        tap.ok(in_the_middle(folder), "an import is under way")
        child.send_signal(signal.SIGSTOP)   # it stays so
        r = p.ctl("queue", "import", folder, check=False)
        tap.ok(r.returncode == 5 and "another import" in r.stderr,
               "of which there is one at a time")
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGCONT)
        out, err = child.communicate(timeout=PATIENCE)
        done = len(names(folder, ".imported"))
        tap.ok(child.returncode == 1 and "interrupted; run it again" in err and
               "%d imported" % done in out and done < MANY,
               "^C ends it: %r %r" % (out, err))
        tap.equal([n for n in os.listdir(folder) if "importing" in n], [],
                  "behind what was under way")
        tap.equal(len(p.queue()), done, "what is renamed is what is queued")
        said = again(p, folder)
        tap.equal(said, {"imported": MANY - done, "imported_before": done,
                         "known": 0, "held": 0,
                         "failed": 0}, "the rest")
        once(p, "^C")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_killed(p, sink):
    """kill -9 while the next hop takes what comes."""
    sink.answer["RCPT"] = None
    before = len(sink.messages)
    folder = folder_of(MANY)
    try:
        for _ in range(3):
            had = len(names(folder, ".imported"))
            child = begin(p, folder)
            wait_for(lambda: len(names(folder, ".imported")) > had + 100,
                     every=0.001)
            child.kill()
            child.communicate()
        said = again(p, folder)
        tap.ok(said["held"] == said["failed"] == 0,
               "the queue knows what it had: %r" % said)
        wait_for(lambda: p.queue() == [], 4 * PATIENCE)
        got = collections.Counter(m.recipients[0]
                                  for m in sink.messages[before:])
        tap.ok(len(got) == MANY and set(got.values()) == {1},
               "each is delivered, once (%d, %s)" %
               (len(got), set(got.values())))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pid_of_queue(p):
    return next((r["pid"] for r in p.processes()
                 if r["name"].startswith("queue")), None)


def test_queue_killed(p, sink):
    """What is under way then may have gone out, so it is held, and told."""
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    folder = folder_of(MANY)
    try:
        pid = pid_of_queue(p)
        child = begin(p, folder)
        tap.ok(in_the_middle(folder, child), "an import is under way")
        os.kill(pid, signal.SIGKILL)
        child.send_signal(signal.SIGCONT)
        out, err = child.communicate(timeout=PATIENCE)
        tap.ok(child.returncode == 5 and err.count("\n") == 1 and
               "run this import again" in err,
               "it stops with one line: %r" % err)
        tap.ok(wait_for(lambda: (pid_of_queue(p) or pid) != pid and p.ctl(
            "queue", check=False).returncode == 0), "the queue is back")
        said = again(p, folder)
        tap.ok(said["failed"] == 0 and said["held"] <= 32,
               "the rest, some on hold: %r" % said)
        held = p.rows("queue", "list", "--state", "held")
        tap.equal((len(held), {r["state"] for r in held} or
                   {"held by import"}),
                  (said["held"], {"held by import"}), "which a list tells")
        once(p, "kill -9 of the queue")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_foreign(p, sink):
    """
    What was under way to another queue is held, once, however often it is sent.
    A folder in the way of the last name ends an import in the midst of it.
    """
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    folder = folder_of(2)
    try:
        for i in range(2):
            name = "%s/m%04d.json" % (folder, i)
            os.rename(name, name + ".importing-000000000000%d-000000000000%d" %
                      (5 + i, 7 + i))
            os.mkdir(name + ".imported")
        for more in range(3):
            if more == 1:
                pid = pid_of_queue(p)
                os.kill(pid, signal.SIGKILL)
                tap.ok(wait_for(lambda: (pid_of_queue(p) or pid) != pid and
                                p.ctl("queue", check=False).returncode == 0),
                       "the queue ends, and is back")
            if more == 2:
                for i in range(2):
                    os.rmdir("%s/m%04d.json.imported" % (folder, i))
            r = subprocess.run(
                [os.path.join(BIN, "posternctl"), "--socket", p.socket,
                 "--json", "queue", "import", folder], capture_output=True,
                text=True)
            said = json.loads(r.stdout)
            tap.equal((said["known"], said["held"]), (2, 0) if more else
                      (0, 2), "time %d: held or known: %r" % (more + 1,
                                                              r.stderr))
            tap.equal(sorted(r["state"] for r in p.queue()),
                      ["held by import"] * 2, "and queued once")
            tap.equal(sorted(n[-28:] for n in names(folder, "") if
                             ".importing-" in n),
                      ["+000000000000%d-000000000000%d" % (5 + i, 7 + i)
                       for i in range(2 if more < 2 else 0)],
                      "under an id of this queue, with the former")
        tap.equal(len(names(folder, ".imported")), 2, "and taken")
        shown = histories(p)
        tap.ok(all(any("as 000000000000%d of another" % (7 + i) in s
                       for s in shown) for i in range(2)),
               "their history has the former id: %r" % shown)
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "and removed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def histories(p):
    return [r["what"] for m in p.queue() for r in
            p.rows("queue", "show", m["id"]) if "what" in r]


def run(p, folder, *options):
    return subprocess.run(
        [os.path.join(BIN, "posternctl"), "--socket", p.socket, "--json",
         "queue", "import", folder] + list(options), capture_output=True,
        text=True)


def foreseen(p, folder):
    """A dry run; then the import, which must say the same of each file."""
    before, queued_before = sorted(os.listdir(folder)), len(p.queue())
    dry = run(p, folder, "--dry-run")
    tap.equal((sorted(os.listdir(folder)), len(p.queue())),
              (before, queued_before), "a dry run changes nothing")
    r = run(p, folder)
    would, did = json.loads(dry.stdout), json.loads(r.stdout)
    tap.ok(would.pop("dry_run") and would.pop("done").startswith(
        "%d would be imported from " % would["imported"]), "and counts")
    del did["done"]
    tap.equal((dry.returncode, sorted(dry.stderr.splitlines()), would),
              (r.returncode, sorted(r.stderr.splitlines()), did),
              "what an import then does")
    return r


def test_back(p, sink):
    """
    What was under way to this queue, then to another one, is here again: the
    one is queued here, the other one is not.
    """
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    other = "0000000000005-000000000000"
    folder = folder_of(2)
    try:
        os.rename(folder + "/m0001.json", folder + "/aside")
        os.mkdir(folder + "/m0000.json.imported")
        run(p, folder)
        mark = next(n for n in names(folder, "") if ".importing-" in n)
        this, first = mark.split(".importing-")[1].split("-")
        os.rmdir(folder + "/m0000.json.imported")
        os.rename(folder + "/" + mark, "%s/m0000.json.importing-%s7+%s-%s" %
                  (folder, other, this, first))
        os.rename(folder + "/aside", "%s/m0001.json.importing-%s8+%s-%s" %
                  (folder, other, this, "0000000000009"))
        r = foreseen(p, folder)
        tap.equal(numbers(r),
                  {"imported": 0, "imported_before": 0, "known": 1, "held": 1,
                   "failed": 0},
                  "back at its first queue: known, or held " + r.stderr)
        tap.equal(sorted((m["id"], m["to"][0]) for m in p.queue()),
                  sorted([(first, "m0000@example.net"),
                          ("0000000000009", "m0001@example.net")]),
                  "by the id that it had here")
        shown = histories(p)
        tap.ok(any("as 0000000000008 of another" in s for s in shown),
               "with that of the other queue: %r" % shown)
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "and removed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_three(p, sink):
    """
    Under way to three servers in turn, which go on with it in any order: each
    has it by the first id that it had there, once.
    """
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    folder = folder_of(1)
    taken = folder + "/m0000.json.imported"
    had = []                     # (whose, id), the latest first
    try:
        with Postern(sink.url, route_options="tls = none") as second, \
                Postern(sink.url, route_options="tls = none") as third:
            os.mkdir(taken)      # so that it stays under way
            for at in (p, second, third, p, third, second, p):
                before = dict(had)
                r = run(at, folder)
                said = json.loads(r.stdout)
                name = next(n for n in os.listdir(folder)
                            if ".importing-" in n)
                ids = name.split(".importing-")[1].split("+")
                tap.equal([said[k] for k in ("imported", "known", "held")],
                          [0, 1, 0] if at in before else
                          [0, 0, 1] if before else [1, 0, 0],
                          "known where it was, else held " + r.stderr)
                had = [(at, before.get(at, ids[0]))] + \
                    [h for h in had if h[0] != at]
                tap.equal(ids, [h[1] for h in had],
                          "it keeps all its ids, the latest first")
                tap.equal([m["id"] for m in at.queue()],
                          [ids[0].split("-")[1]], "and is there once")
            os.rmdir(taken)
            tap.equal(json.loads(run(third, folder).stdout)["known"], 1,
                      "taken at last")
            tap.equal(names(folder, ".json.imported"),
                      ["m0000.json.imported"], "it has no mark any more")
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "and removed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_long_names(p, sink):
    """Those that cannot be marked, or not once more, keep no other one back."""
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    folder = folder_of(5)
    foreign = ".importing-0000000000005-0000000000007"
    two = foreign + "+0000000000006-0000000000008"
    long = ["a" * 200 + ".json" + foreign, "c" * 170 + ".json" + two,
            "b" * 230 + ".json"]
    try:
        os.rename(folder + "/m0000.json", folder + "/" + long[0])
        os.rename(folder + "/m0000.eml", "%s/%s.eml" % (folder, "a" * 200))
        os.rename(folder + "/m0001.json", folder + "/" + long[2])
        os.rename(folder + "/m0001.eml", "%s/%s.eml" % (folder, "b" * 230))
        os.rename(folder + "/m0002.json", folder + "/m0002.json" + foreign)
        os.rename(folder + "/m0004.json", folder + "/" + long[1])
        os.rename(folder + "/m0004.eml", "%s/%s.eml" % (folder, "c" * 170))
        r = foreseen(p, folder)
        said = [json.loads(line)["error"] for line in r.stderr.splitlines()]
        tap.equal((r.returncode, numbers(r)),
                  (1, {"imported": 1, "imported_before": 0, "known": 0,
                       "held": 1, "failed": 3}),
                  "too long names have failed, the others not")
        tap.equal([s.startswith(n + ": too long a name") for n, s in
                   zip(long, said)], [True] * 3, "and are told: %r" % said)
        tap.equal(sorted(n for n in names(folder, "") if ".json" in n),
                  sorted(long + ["m0002.json.imported",
                                 "m0003.json.imported"]),
                  "they keep their names")
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "removed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_refused(p, sink):
    """What is misspelt, and a route that is not there."""
    folder = folder_of(3)
    try:
        for i, more in ((0, {"expires": 1}), (1, {"route": "nix"}),
                        (2, {"recipients": [{"to": "a@example.net",
                                             "notfy": "never"}]})):
            with open("%s/m%04d.json" % (folder, i), "r+") as f:
                envelope = dict(json.load(f), **more)
                f.seek(0)
                json.dump(envelope, f)
        r = foreseen(p, folder)
        said = [json.loads(line) for line in r.stderr.splitlines()]
        tap.ok(r.returncode == 1 and json.loads(r.stdout)["failed"] == 3 and
               ['"expires"' in said[0]["error"], '"notfy"' in
                said[1]["error"], 'no route "nix"' in said[2]["error"]] ==
               [True] * 3, "refused: %r" % said)
        tap.ok(not any("exit_status" in line for line in said),
               "a line about one of several has no exit status")
        tap.equal(sorted(names(folder, ".json")),
                  ["m0000.json", "m0001.json", "m0002.json"],
                  "they keep their names")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_by_hand(p, sink):
    """What is missing in files made by hand, and what no mail may have."""
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    folder = tempfile.mkdtemp(prefix="postern-test-")
    to = [{"to": "bob@example.net"}]
    good = b"Subject: x\n\nx\n"
    cases = (("path", {"recipients": to}, good, 'path.json: there is no "from"'),
             ("list", {"from": [ALICE], "recipients": to}, good,
              'list.json: "from" is not one word in quotes'),
             ("nobody", {"from": ALICE}, good,
              'nobody.json: there is no "recipients"'),
             ("whom", {"from": ALICE, "recipients": [{"notify": "never"}]},
              good, 'whom.json: one of "recipients" is not written as '
              '{"to": "bob@example.net"}'),
             ("empty", {"from": ALICE, "recipients": to}, b"",
              "empty.eml is empty"),
             ("nul", {"from": ALICE, "recipients": to},
              good + b"y\n" * 70000 + b"a\0b\n",
              "nul.eml: line 70004 has a NUL"),
             ("cr", {"from": ALICE, "recipients": to}, good + b"a\rb\n",
              "cr.eml: line 4 has a CR without"),
             ("end", {"from": ALICE, "recipients": to}, good + b"a\r",
              "end.eml: line 4 has a CR without"),
             ("null", {"from": "", "recipients": to}, good, None),
             ("null2", {"from": "<>", "recipients": to}, good, None),
             ("crlf", {"from": ALICE, "recipients": to}, b"a: b\r\n\r\nx",
              None))
    try:
        for name, envelope, content, _ in cases:
            with open("%s/%s.json" % (folder, name), "w") as f:
                json.dump(envelope, f)
            with open("%s/%s.eml" % (folder, name), "wb") as f:
                f.write(content)
        r = foreseen(p, folder)
        said = [json.loads(line)["error"] for line in r.stderr.splitlines()]
        for name, _, _, why in cases:
            if why:
                tap.ok(any(s.startswith(why) for s in said), why)
        tap.equal((len(said), r.returncode, numbers(r)),
                  (8, 1, {"imported": 3, "imported_before": 0, "known": 0,
                          "held": 0, "failed": 8}),
                  "all but those that are good: %r" % said)
        tap.equal(sorted(m["from"] or "" for m in p.queue()),
                  ["", "", ALICE], "with no return path if that is said")
        for name, _, _, why in cases:
            if why:
                os.unlink("%s/%s.json" % (folder, name))
        r = subprocess.run(
            [os.path.join(BIN, "posternctl"), "--socket", p.socket, "queue",
             "import", folder], capture_output=True, text=True)
        tap.equal(r.stdout, "0 imported from %s.\n3 in it were imported "
                  "before.\n" % folder, "a second time there is nothing to do")
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "and removed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_crowds(p, sink):
    """Too many recipients, and about as many as a request holds at all."""
    crowds = [1000, 1001, *range(3085, 3102), 1]
    folder = folder_of(len(crowds))
    try:
        for i, n in enumerate(crowds):
            with open("%s/m%04d.json" % (folder, i), "w") as f:
                json.dump({"from": ALICE, "recipients": [
                    {"to": "%d@example.net" % k} for k in range(n)]}, f)
        r = foreseen(p, folder)
        tap.equal((r.returncode, numbers(r)),
                  (1, {"imported": 2, "imported_before": 0, "known": 0,
                       "held": 0, "failed": len(crowds) - 2}),
                  "each is refused by itself: " + r.stderr)
    finally:
        p.ctl("queue", "remove", "--all", "--yes")
        shutil.rmtree(folder, ignore_errors=True)


def export(p, folder):
    return subprocess.run(
        [os.path.join(BIN, "posternctl"), "--socket", p.socket, "queue",
         "export", folder], capture_output=True, text=True)


def disk_low(p):
    return next(r["count"] for r in p.rows("status")
                if r.get("name") == "disk_low")


def mount(path, size, mode):
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=%s" %
                    (size, mode), "tmpfs", path], check=True)


def test_export_full(sink):
    """A disk that is full, and the queue's own, which must not be filled."""
    sink.answer["RCPT"] = lambda line: "450 4.2.1 later"
    p = Postern(sink.url, route_options="tls = none",
                queue='segment = "8M" min-free = "8M"')
    mount(p.dir + "/state", 160 * MB, "755")
    mount(p.dir + "/small", 2 * MB, "700")
    try:
        p.start()
        p.account(ALICE, "open-sesame")
        for i in range(8):
            p.submit(ALICE, ["m%d@example.net" % i],
                     "Subject: %d\r\n\r\n" % i + ("x" * 70 + "\r\n") * 10000)
        tap.ok(wait_for(lambda: len(p.queue()) == 8), "eight large messages")
        r = export(p, p.dir + "/small/ex")
        left = os.listdir(p.dir + "/small/ex")
        tap.ok(r.returncode == 1 and r.stderr.count("\n") == 1 and
               "No space left" in r.stderr, "a full disk: %r" % r.stderr)
        tap.ok(len(left) == 2 * int(r.stdout.split()[0]) and
               not any(n.endswith(".new") for n in left),
               "what is there is whole: %r" % left)
        v = os.statvfs(p.dir + "/state")
        with open(p.dir + "/state/filler", "wb") as f:
            os.posix_fallocate(f.fileno(), 0,
                               v.f_bavail * v.f_frsize - 12 * MB)
        tap.ok(wait_for(lambda: disk_low(p) == 1), "the queue's is low")
        r = export(p, p.dir + "/state/ex")
        tap.ok(r.returncode == 1 and "disk that the queue itself needs" in
               r.stderr, "it is not filled: %r" % r.stderr)
        tap.ok(not os.path.exists(p.dir + "/state/ex"),
               "nothing is left there, not even the folder that it made")
        os.unlink(p.dir + "/state/filler")
        tap.ok(wait_for(lambda: disk_low(p) == 0), "there is room")
        r = export(p, p.dir + "/state/ex")
        tap.ok(r.returncode == 0 and
               len(glob.glob(p.dir + "/state/ex/*.json")) == 8,
               "with room it may go there " + r.stderr)
    except Exception as e:
        tap.ok(False, "export: %r" % e)
        tap.note(p.log()[-3000:])
    finally:
        p.stop()
        for path in ("/state", "/small"):
            subprocess.run(["umount", p.dir + path])
        p.__exit__(None, None, None)


def main():
    need_root()
    private_mounts()
    with Sink() as sink:
        with Postern(sink.url, route_options="tls = none") as p:
            p.account(ALICE, "open-sesame")
            for test in (test_interrupt, test_killed, test_queue_killed,
                         test_foreign, test_back, test_three,
                         test_long_names, test_refused, test_by_hand, test_crowds):
                if len(sys.argv) == 1 or test.__name__ in sys.argv[1:]:
                    test(p, sink)
        if len(sys.argv) == 1 or "test_export_full" in sys.argv[1:]:
            test_export_full(sink)
    tap.done()


main()
