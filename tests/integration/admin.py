#!/usr/bin/python3
"""
posternctl queue, as an admin uses it: lists and filters, one message in full,
orders about one and about many, statistics, copies to a folder and back.
"""
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BIN, PATIENCE, Postern, need_root, wait_for  # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
CAROL = "carol@example.org"
DAVE = "dave@example.org"
CLEAR = "tls = none"


def later(line):
    return "452 4.2.2 mailbox of <%s> is full" % line.split("<")[1].split(
        ">")[0]


def house(sink, sections=""):
    p = Postern(sink.url, route_options=CLEAR, sections=sections)
    p.start()
    for name in (ALICE, CAROL, DAVE):
        p.account(name, "open-sesame")
    return p


def defer(p, n):
    """Waits until n messages have been tried and are waiting."""
    return wait_for(lambda: sum(r["attempts"] > 0 and r["state"] == "waiting"
                                for r in p.queue()) == n)


def people(p, *words, input=None, tty=False):
    """As somebody at a terminal would see it."""
    command = [os.path.join(BIN, "posternctl"), "--socket", p.socket] + \
        list(words)
    if not tty:
        return subprocess.run(command, input=input, capture_output=True,
                              text=True, timeout=PATIENCE)
    master, slave = pty.openpty()
    child = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    os.write(master, input.encode())
    out, err = child.communicate(timeout=PATIENCE)
    os.close(slave)
    os.close(master)
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def test_list(p, sink):
    sink.answer["RCPT"] = later
    p.submit(ALICE, ["bob@example.net"], "Subject: one\r\n\r\nx\r\n")
    p.submit(ALICE, ["dave@example.com", "eve@example.net"],
             "Subject: two\r\n\r\nx\r\n")
    p.submit(CAROL, ["bob@example.edu"], "Subject: three\r\n\r\nx\r\n")
    tap.ok(defer(p, 3), "three messages wait")

    def n(*options):
        return len(p.rows("queue", "list", *options))

    rows = p.rows("queue", "--account", ALICE)
    tap.ok(all("@example" in to for r in rows for to in r["to"]) and
           all(len(r["to"]) == r["recipients"] for r in rows),
           "for whom it is, each of them")
    tap.equal(len(rows), 2, "by account")
    tap.equal(rows[0]["next_hop"], "out", "the next hop is named")
    tap.ok("mailbox of <bob@example.net> is full" in rows[0]["reason"],
           "and the reason")
    for options, want in (
            (["--from", CAROL], 1), (["--from", "@example.org"], 3),
            (["--from", "<>"], 0), (["--to", "example.net"], 2),
            (["--to", "@example.com"], 1), (["--to", "bob@example.edu"], 1),
            (["--route", "out"], 3), (["--hop", "out/in"], 0),
            (["--hop", "out"], 3), (["--older", "1h"], 0),
            (["--newer", "1h"], 3), (["--state", "waiting"], 3),
            (["--state", "held"], 0), (["--reason", "IS FULL"], 3),
            (["--reason", "4.2.2"], 3), (["--reason", "greylist"], 0),
            (["--account", ALICE, "--to", "example.net"], 2),
            (["--limit", "2"], 2)):
        tap.equal(n(*options), want, "list " + " ".join(options))
    for wrong in (["--state", "lost"], ["--older", "soon"], ["--limit", "0"],
                  ["--colour", "red"], ["nonesuch"],
                  [rows[0]["id"], "--account", ALICE], ["--to", "bob"],
                  ["--from", "bob@"],
                  ["--to", "@example.net", "--to", "@example.com"]):
        tap.equal(p.ctl("queue", "list", *wrong, check=False).returncode, 2,
                  "misuse: " + " ".join(wrong))
    tap.equal(n("--state", "in line"), 0, "a state as a list shows it")
    for words in (("list",), ("hold",), ("remove", "--yes"), ("stats",)):
        r = people(p, "queue", *words, "--account", "alic@example.org")
        tap.ok(r.returncode == 0 and "No message is like that." in r.stdout and
               "no account alic@example.org" in r.stdout,
               words[0] + ": there is no such account")
    r = people(p, "queue", "list", "--account", DAVE)
    tap.equal(r.stdout, "No message is like that.\n", "one that is there")
    r = p.ctl("queue", "list", rows[0]["id"], "0000000000001", check=False)
    tap.equal((r.returncode, len(r.stdout.splitlines())), (3, 1),
              "by id, and one that is not there")
    tap.equal([r["id"] for r in p.rows("queue", rows[0]["id"],
                                       rows[1]["id"])],
              [rows[0]["id"], rows[1]["id"]], "without \"list\", too")
    r = people(p, "queue", rows[0]["id"] + "x")
    tap.ok(r.returncode == 2 and "there is no verb" in r.stderr,
           "but not what is no id")


def test_show(p, sink):
    row = p.rows("queue", "list", "--to", "example.com")[0]
    shown = p.rows("queue", "show", row["id"])
    tap.equal([r.get("kind") for r in shown[:2]] + [shown[0]["id"]],
              ["message", "envelope", row["id"]], "show: each line's kind")
    tap.equal((shown[1]["route"], shown[1]["by"]), (None, None),
              "what is none is null")
    tap.ok("kind" not in people(p, "queue", "show", row["id"]).stdout,
           "people see what it is")
    rcpts = [r for r in shown if r.get("kind") == "recipient"]
    tap.equal([(r["recipient"], r["state"], r["status"]) for r in rcpts],
              [("dave@example.com", "pending", "4.2.2"),
               ("eve@example.net", "pending", "4.2.2")], "show: recipients")
    events = [r for r in shown if r.get("kind") == "event"]
    tap.ok(len(events) == 2 and events[0]["times"] == 1 and
           events[0]["what"].startswith("deferred by 127.0.0.1") and
           events[0]["what"].count("4.2.2") == 1,
           "show: what happened")
    text = "".join(r.get("text", "") for r in shown)
    tap.ok("Subject: two\r\n" in text and "\r\nx\r\n" not in text,
           "show: the header")
    text = "".join(r.get("text", "") for r in
                   p.rows("queue", "show", row["id"], "--body"))
    tap.ok(text.endswith("\r\n\r\nx\r\n"), "show --body: all of it")
    p.submit(ALICE, ["big@example.net"],
             b"Subject: big\r\n\r\n" + b"\xff0123456789\r\n" * 60000)
    big = wait_for(lambda: p.rows("queue", "list", "--to", "big@example.net"))
    text = "".join(r.get("text", "") for r in
                   p.rows("queue", "show", big[0]["id"], "--body"))
    tap.equal(text.count("\ufffd0123456789\r\n"), 60000,
              "show --body: more than a window of it")
    p.ctl("queue", "remove", big[0]["id"])
    tap.ok(wait_for(lambda: len(p.queue()) == 3), "removed by id, unasked")


def test_stats(p, sink):
    rows = p.rows("queue", "stats")
    tap.equal({(r["destination"], r["messages"]) for r in rows},
              {("example.net", 2), ("example.com", 1), ("example.edu", 1)},
              "statistics by destination")
    tap.ok(all(r["reason"] == "452 4.2.2 mailbox of * is full"
               for r in rows), "reasons without what is particular")
    tap.equal(len(p.rows("queue", "list", "--reason", rows[0]["reason"])), 3,
              "by which a list finds them")
    rows = p.rows("queue", "stats", "--by", "reason")
    tap.equal([(r["messages"], r["recipients"]) for r in rows], [(3, 4)],
              "by reason")
    rows = p.rows("queue", "stats", "--by", "account", "--to", "example.net")
    tap.equal([(r["account"], r["messages"]) for r in rows], [(ALICE, 2)],
              "by account, of some")


def test_hold(p, sink):
    r = people(p, "queue", "hold", "--account", ALICE, "--dry-run")
    tap.ok(r.returncode == 0 and "2 messages would be held." in r.stdout and
           r.stdout.count(ALICE) == 4, "a dry run shows what it would do")
    tap.equal(len(p.rows("queue", "list", "--state", "held")), 0,
              "and does nothing")
    r = people(p, "queue", "hold", "--account", ALICE)
    tap.ok(r.returncode == 2 and "--yes" in r.stderr,
           "a script must say --yes")
    for words, says in ((("queue", "--help"), "queue redirect ROUTE|-"),
                        (("queue", "hold", "--help"), "[--dry-run]"),
                        (("queue", "show", "x", "--help"), "ID [--body]")):
        r = people(p, *words)
        tap.ok(r.returncode == 0 and says in r.stdout,
               " ".join(words) + ": how it is used")
    r = people(p, "queue", "hold")
    tap.ok(r.returncode == 2 and "--all" in r.stderr, "or --all for all")
    r = people(p, "queue", "hold", "--account", ALICE, input="n\n", tty=True)
    tap.ok(r.returncode == 1 and "2 messages would be held. Go on?" in
           r.stderr and "nothing was changed" in r.stderr, "no means no")
    r = people(p, "queue", "hold", "--account", ALICE, input="y\n", tty=True)
    tap.ok(r.returncode == 0 and "2 messages held." in r.stdout,
           "yes means yes")
    rows = p.rows("queue", "list", "--state", "held")
    tap.equal([(r["state"], r["next_try"]) for r in rows],
              [("held by admin", None)] * 2, "they are held")
    r = people(p, "queue", "hold", "--account", ALICE, tty=True, input="y\n")
    tap.ok(r.returncode == 0 and "0 messages would be held; 2 on hold already."
           in r.stdout and "Go on?" not in r.stderr, "nothing to ask for again")
    r = people(p, "queue", "retry", rows[0]["id"])
    tap.ok(r.returncode == 1 and "on hold" in r.stderr, "not to be tried")
    sink.answer["RCPT"] = None
    r = people(p, "queue", "flush", "--dry-run")
    tap.ok(r.returncode == 0 and "1 message would be tried; 2 on hold" in
           r.stdout and len(r.stdout.splitlines()) == 3 and
           sink.messages == [], "a flush that only looks: " + r.stdout)
    r = people(p, "queue", "flush")
    tap.ok(r.returncode == 0 and "1 message to be tried now" in r.stdout,
           "flush tries the third")
    tap.ok(wait_for(lambda: len(sink.messages) == 1), "which is delivered")
    p.stop()
    p.start()
    tap.equal(len(p.rows("queue", "list", "--state", "held")), 2,
              "a restart releases nothing")
    r = people(p, "queue", "release", "--all", "--yes")
    tap.ok(r.returncode == 0 and "2 messages released." in r.stdout,
           "released")
    tap.ok(wait_for(lambda: len(sink.messages) == 3 and p.queue() == []),
           "and delivered at once")


def test_redirect(p, sink):
    with Sink() as other:
        p.configure(sections='route other { next-hop = "%s" tls = none }' %
                    other.url)
        p.ctl("reload")
        sink.answer["RCPT"] = later
        p.submit(ALICE, ["bob@example.net"], "Subject: four\r\n\r\nx\r\n")
        tap.ok(defer(p, 1), "a message waits")
        r = people(p, "queue", "redirect", "nonesuch", "--all", "--yes")
        tap.ok(r.returncode == 3 and "no route" in r.stderr,
               "to no route that is not there")
        r = people(p, "queue", "redirect", "other", "--route", "out", "--yes")
        tap.ok(r.returncode == 0 and "1 message redirected." in r.stdout,
               "redirected")
        tap.ok(wait_for(lambda: len(other.messages) == 1 and
                        p.queue() == []), "and delivered there")
        tap.ok(p.logged("redirected by=admin route=other"), "and logged")
        p.configure(sections="")
        p.ctl("reload")


def test_copies(p, sink):
    folder = tempfile.mkdtemp(prefix="postern-test-")
    sink.answer["RCPT"] = later
    before = len(sink.messages)
    small = b"Subject: five\r\n\r\nf\xc3\xbcnf\r\n"
    large = b"Subject: six\r\n\r\n" + b"0123456789abcdef\r\n" * 20000
    p.submit(ALICE, ["bob@example.net", "dave@example.net"], small)
    p.submit(CAROL, ["eve@example.net"], large)
    try:
        tap.ok(defer(p, 2), "two messages wait")
        ids = [r["id"] for r in p.queue()]
        r = people(p, "queue", "export", folder + "/out")
        tap.ok(r.returncode == 0 and "2 exported" in r.stdout, "exported")
        tap.equal(sorted(os.listdir(folder + "/out")),
                  sorted(i + s for i in ids for s in (".eml", ".json")),
                  "a folder of .eml and .json")
        with open("%s/out/%s.eml" % (folder, ids[1]), "rb") as f:
            tap.ok(f.read().endswith(large[16:]), "with the bytes")
        with open("%s/out/%s.json" % (folder, ids[0])) as f:
            envelope = json.load(f)
        tap.equal((envelope["account"], envelope["from"],
                   [r["to"] for r in envelope["recipients"]]),
                  (ALICE, ALICE, ["bob@example.net", "dave@example.net"]),
                  "and the envelope")
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "the queue is empty")
        with open(folder + "/out/by-hand.json", "w") as f:
            json.dump({"from": CAROL, "recipients": [{"to": "x@example.net"}]},
                      f)
        with open(folder + "/out/by-hand.eml", "w") as f:
            f.write("Subject: by hand\n\nwith bare LF\n")
        with open(folder + "/out/wrong.json", "w") as f:
            f.write('{"from": "a b", "recipients": [{"to": "x"}]}')
        with open(folder + "/out/plain.json", "w") as f:
            f.write('{"from": "", "recipients": ["bob@example.net"]}')
        shutil.copy(folder + "/out/by-hand.eml", folder + "/out/plain.eml")
        with open(folder + "/out/wrong.eml", "w") as f:
            f.write("\n")
        sink.answer["RCPT"] = None
        r = people(p, "queue", "import", folder + "/out")
        tap.ok(r.returncode == 1 and "3 imported" in r.stdout and
               'wrong.json: "a b" in the envelope is no address' in r.stderr
               and 'plain.json: one of "recipients" is not written as {"to": '
               in r.stderr,
               "imported, but for what is wrong")
        tap.ok(wait_for(lambda: len(sink.messages) == before + 3 and
                        p.queue() == []), "and delivered")
        got = {m.content.split(b"Subject: ")[1].split(b"\r\n")[0]: m
               for m in sink.messages[before:]}
        m = got.get(b"five")
        tap.ok(m and m.recipients == ["bob@example.net", "dave@example.net"]
               and m.sender == ALICE and m.content.endswith(small[13:]),
               "with its envelope")
        tap.ok(b"six" in got and got[b"six"].content.endswith(large[16:]),
               "a large one whole")
        tap.ok(b"by hand" in got and got[b"by hand"].content.endswith(
            b"\r\n\r\nwith bare LF\r\n"), "line ends mended")
        r = people(p, "queue", "import", folder + "/out")
        tap.ok("0 imported" in r.stdout, "what is in is not taken twice")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_move(p, sink):
    """The manual's way to another machine removes what was exported alone."""
    folder = tempfile.mkdtemp(prefix="postern-test-")
    sink.answer["RCPT"] = later
    try:
        for i in range(2):
            p.submit(ALICE, ["r%d@example.net" % i], "Subject: x\r\n\r\nx\r\n")
        tap.ok(defer(p, 2), "two messages wait")
        p.ctl("queue", "hold", "--all", "--yes")
        p.ctl("queue", "export", folder, "--state", "held")
        p.submit(ALICE, ["late@example.net"], "Subject: x\r\n\r\nx\r\n")
        tap.ok(wait_for(lambda: len(p.queue()) == 3), "another comes")
        p.ctl("queue", "hold", "--all", "--yes")
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                               "..", "..", "man", "posternctl.8")) as f:
            line = next(w for w in f if w.startswith("old# ls /root/queue"))
        r = subprocess.run(
            line[5:].replace("/root/queue", folder).replace(
                "posternctl", "%s/posternctl --socket %s" % (BIN, p.socket)),
            shell=True, capture_output=True, text=True)
        tap.ok(wait_for(lambda: [m["to"] for m in p.queue()] ==
                        [["late@example.net"]]),
               "which stays: %r" % r)
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "the queue is empty")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_hostile_folder(p, sink):
    """Whoever imports may read everything: what is no file there is not."""
    folder = tempfile.mkdtemp(prefix="postern-test-")
    before = len(sink.messages)
    sink.answer["RCPT"] = None
    envelope = json.dumps({"from": CAROL,
                           "recipients": [{"to": "mallory@example.net"}]})

    def write(name, text):
        with open("%s/%s" % (folder, name), "w") as f:
            f.write(text)
    try:
        secret = folder + "/secret"
        write("secret", "-----BEGIN SECRET-----\n")
        write("secret-envelope", envelope)
        for name in ("link", "fifo", "folder", "device", "sparse"):
            write(name + ".json", envelope)
        os.symlink(secret, folder + "/link.eml")
        os.mkfifo(folder + "/fifo.eml")
        os.mkdir(folder + "/folder.eml")
        os.symlink("/dev/zero", folder + "/device.eml")
        with open(folder + "/sparse.eml", "w") as f:
            f.truncate(1 << 40)
        os.symlink(folder + "/secret-envelope", folder + "/linked.json")
        write("linked.eml", "x\n")
        os.mkfifo(folder + "/pipe.json")
        os.mkdir(folder + "/dir.json")
        write("good.json", envelope)
        write("good.eml", "Subject: good\n\nx\n")
        r = people(p, "queue", "import", folder)
        tap.ok(r.returncode == 1 and "1 imported" in r.stdout,
               "the good one alone is taken")
        for name, why in (("link.eml", "symbolic link"),
                          ("device.eml", "symbolic link"),
                          ("linked.json", "symbolic link"),
                          ("fifo.eml", "not a plain file"),
                          ("folder.eml", "not a plain file"),
                          ("pipe.json", "not a plain file"),
                          ("dir.json", "not a plain file"),
                          ("sparse.eml", "larger than 1024 MB")):
            tap.ok(any(name in line and why in line
                       for line in r.stderr.splitlines()),
                   "%s: %s" % (name, why))
        tap.ok(wait_for(lambda: len(sink.messages) > before and
                        p.queue() == []), "and delivered")
        tap.equal([b"good" in m.content for m in sink.messages[before:]],
                  [True], "nothing else")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def exported(p, folder):
    """The envelopes that are written there, without their ids."""
    tap.equal(people(p, "queue", "export", folder).returncode, 0, "exported")
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open("%s/%s" % (folder, name)) as f:
                found.append({k: v for k, v in json.load(f).items()
                              if k not in ("id", "attempts")})
    return found


def test_whole_copies(p, sink):
    """
    What an export writes an import takes, and it is the same; also when it is
    nearly as long as a message between our processes may be.
    """
    far = ".".join(["d" * 58] * 3) + ".example"
    folder = tempfile.mkdtemp(prefix="postern-test-")
    sink.answer["RCPT"] = later
    try:
        with p.client(login=ALICE) as s:
            s.ehlo()
            s.mail(ALICE)
            for i in range(1000):
                code, text = s.rcpt(
                    ("u%d" % i).ljust(64, "x") + "@" + far,
                    ["NOTIFY=FAILURE,DELAY",
                     "ORCPT=rfc822;u%d@list.example" % i])
            tap.equal(s.data(b"Subject: many\r\n\r\nx\r\n")[0], 250,
                      "a thousand recipients")
        tap.ok(defer(p, 1), "wait")
        tap.equal(len(set(p.queue()[0]["to"])), 1000, "all are listed")
        first = exported(p, folder + "/1")
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "the queue is empty")
        r = people(p, "queue", "import", folder + "/1")
        tap.ok(r.returncode == 0 and "1 imported" in r.stdout,
               "imported " + r.stderr)
        tap.ok(defer(p, 1), "waits again")
        tap.equal(exported(p, folder + "/2"), first, "it is the same")
        p.ctl("queue", "remove", "--all", "--yes")
        tap.ok(wait_for(lambda: p.queue() == []), "the queue is empty")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_owed_copies(p, sink):
    """Who failed, and is to be in a digest that has not gone yet."""
    folder = tempfile.mkdtemp(prefix="postern-test-")
    p.ctl("queue", "remove", "--all", "--yes")
    tap.ok(wait_for(lambda: p.queue() == []), "the queue is empty")
    try:
        sink.answer["RCPT"] = lambda line: \
            "550 5.1.1 nobody" if "nobody" in line else None
        before = len(sink.messages)
        for i in range(12):
            p.submit(DAVE, ["nobody@example.net"], b"Subject: x\r\n\r\nx\r\n")
        tap.ok(wait_for(lambda: len(sink.messages) == before + 10 and
                        [r["state"] for r in p.queue()] == ["failed"] * 2),
               "ten reports, two to come")
        rows = p.rows("queue", "list", "--state", "failed", "--to",
                      "@example.net", "--reason", "nobody")
        tap.equal([(r["state"], r["to"], r["recipients"]) for r in rows],
                  [("failed", ["nobody@example.net"], 1)] * 2,
                  "which are listed as such")
        rows = p.rows("queue", "stats")
        tap.equal([r["messages"] for r in rows if "messages" in r], [2],
                  "and counted")
        r = people(p, "queue", "retry", "--all", "--yes")
        tap.ok(r.returncode == 1 and "0 messages to be tried now; 2 failed "
               "already" in r.stderr, "nothing more is tried: " + r.stderr)
        exported(p, folder)
        sink.answer["RCPT"] = None
        r = people(p, "queue", "import", folder)
        tap.ok(r.returncode == 0 and "2 imported" in r.stdout,
               "who failed and is not told of is taken " + r.stderr)
        tap.ok(wait_for(lambda: sum(
            m.recipients == ["nobody@example.net"]
            for m in sink.messages[before:]) == 2), "and tried once more")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_long_list(p, sink):
    """More rows than a window: read slowly, read in part, read by two."""
    sink.answer["RCPT"] = later
    with p.client(login=ALICE) as s:
        for i in range(40):
            s.sendmail(ALICE, ["r%d@example.net" % n for n in range(3)],
                       "Subject: %d\r\n\r\nx\r\n" % i)
    tap.ok(defer(p, 40), "forty messages wait")
    said = p.rows("queue", "hold", "--all", "--dry-run")
    tap.equal((len(said), said[-1]["held"], said[-1]["dry_run"]),
              (41, 40, True), "programs hear what would be done")
    said = p.rows("queue", "hold", "--all", "--yes")[0]
    tap.equal((said["done"], said["held"], said["already"]),
              ("40 messages held.", 40, 0), "programs hear what was done")
    said = p.rows("queue", "hold", "--all", "--yes")[0]
    tap.equal((said["held"], said["already"]), (0, 40), "and was so")
    said = p.rows("queue", "remove", "--to", "@nowhere.example")
    tap.equal([(r["done"], r["removed"]) for r in said],
              [("No message is like that.", 0)], "or none")
    tap.equal(p.rows("queue", "flush")[0]["retried"], 0, "a flush, too")
    said = p.rows("queue", "flush", "--dry-run")
    tap.equal([(r["retried"], r["on_hold"], r["dry_run"]) for r in said],
              [(0, 40, True)], "and one that only looks")
    r = people(p, "queue", "flush", "--to", "@example.net")
    tap.ok(r.returncode == 2 and "queue retry FILTER" in r.stderr,
           "which takes no filter: " + r.stderr)
    folder = tempfile.mkdtemp(prefix="postern-test-")
    try:
        r = people(p, "queue", "export", folder + "/new",
                   *["1mchanq600015"] * 30000)
        tap.ok(r.returncode == 2 and not os.path.exists(folder + "/new"),
               "a request that is too long leaves no folder: " + r.stderr)
        r = people(p, "queue", "list", *["1mchanq600015"] * 3099)
        tap.ok(r.returncode == 2 and "more than one request" in r.stderr,
               "nor may there be too many words: " + r.stderr)
        tap.equal(p.rows("queue", "export", folder),
                  [{"done": "40 exported to %s." % folder, "exported": 40}],
                  "exported")
        names = [n[:-5] for n in os.listdir(folder) if n.endswith(".json")]
        for i in range(100):
            for n in names:
                for suffix in (".json", ".eml"):
                    os.link("%s/%s%s" % (folder, n, suffix),
                            "%s/%s-%d%s" % (folder, n, i, suffix))
        tap.equal(p.rows("queue", "import", folder),
                  [{"done": "4040 imported from %s." % folder,
                    "imported": 4040, "imported_before": 0, "known": 0,
                    "held": 0, "failed": 0}],
                  "four thousand more")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    command = [os.path.join(BIN, "posternctl"), "--socket", p.socket, "queue",
               "list"]
    slow = subprocess.Popen(command, stdout=subprocess.PIPE)
    slow.stdout.read(1000)
    r = subprocess.run("%s | head -3" % " ".join(command), shell=True,
                       capture_output=True, text=True, timeout=PATIENCE)
    tap.equal(len(r.stdout.splitlines()), 3, "a reader who has seen enough")
    tap.equal(len(p.queue()), 4080, "another who has not")
    tap.equal(p.ctl("status").returncode, 0, "others are not held up")
    rest = slow.stdout.read()
    tap.ok(slow.wait(PATIENCE) == 0 and rest.endswith(b"4080 messages.\n"),
           "the slow one gets everything")
    slow.stdout.close()
    r = people(p, "queue", "remove", "--all", "--yes")
    tap.ok("4080 messages removed." in r.stdout, "removed in one go")
    tap.ok(wait_for(lambda: p.queue() == []), "nothing is left")


def test_accounts(p, sink):
    """An account ends; what it had us hold does not, and the admin is told."""
    before = len(sink.messages)
    with p.client(login=ALICE) as s:
        for _ in range(2):
            tap.equal(s.sendmail(ALICE, ["bob@example.net"],
                                 "Subject: later\r\n\r\nx\r\n",
                                 mail_options=["HOLDFOR=86400"]), {},
                      "held for a day")
    r = people(p, "queue", "flush")
    tap.ok("2 kept until the hour that their sender has set" in r.stdout,
           "a flush keeps their hour: " + r.stdout)
    r = people(p, "account", "passwd", CAROL, input="open-barley\n")
    tap.equal((r.returncode, r.stdout, r.stderr), (0, "", ""),
              "an account of which nothing waits")
    r = people(p, "account", "passwd", ALICE, input="open-barley\n")
    tap.ok(r.returncode == 0 and "2 messages of %s wait" % ALICE in r.stdout
           and "queue hold --account %s" % ALICE in r.stdout,
           "a new password: told what waits: %r" % r)
    r = p.ctl("--json", "account", "logout", ALICE)
    tap.equal(r.stdout, "", "a program asks for itself")
    p.ctl("queue", "remove", p.queue()[0]["id"])
    said = people(p, "account", "remove", ALICE).stdout
    tap.ok("1 message of %s waits" % ALICE in said, "so does a removal")
    p.ctl("queue", "hold", "--account", ALICE, "--yes")
    tap.equal([r["state"] for r in p.queue()], ["held by admin"],
              "and the command holds it")
    tap.equal(people(p, "account", "logout", ALICE).stdout, "",
              "what is held goes nowhere")
    p.ctl("queue", "release", p.queue()[0]["id"])
    tap.equal(len(sink.messages), before, "nothing has left")
    p.ctl("queue", "retry", p.queue()[0]["id"])
    tap.ok(defer(p, 1), "what is named is tried now")


def test_programs(p, sink):
    """With --json an error is JSON, too, a line each on standard error."""
    nothing = os.path.join(p.dir, "nothing")
    with open(nothing, "w") as f:
        f.write("no backup\n")
    for status, words in (
            (1, ("queue", "restore", nothing)),
            (2, ("frob",)), (2, ("account",)), (2, ("account", "frob")),
            (2, ("--frob",)), (2, ("queue", "list", "--frob")),
            (2, ("account", "show")), (2, ("queue", "show", "nosuch")),
            (3, ("account", "show", "nobody")),
            (3, ("queue", "redirect", "nix", "--all", "--yes")),
            (4, ("--socket", nothing, "status"))):
        r = people(p, "--json", *words)
        said = [json.loads(line) for line in r.stderr.splitlines()]
        tap.ok(r.returncode == status and r.stdout == "" and said and
               all(line["error"] for line in said) and
               said[-1]["exit_status"] == status,
               "%s: %r" % (" ".join(words), said))
    tap.equal(list(json.loads(people(p, "--json", "--version").stdout)),
              ["version"], "the version")
    for words in (("help",), ("--help",), ("queue", "--help"),
                  ("help", "queue"), ("queue", "show", "--help")):
        r = people(p, "--json", *words)
        tap.ok(r.returncode == 0 and all(
            list(json.loads(line)) == ["verb", "arguments", "help"]
            for line in r.stdout.splitlines()) and "queue show" in r.stdout,
            " ".join(words) + ": verbs")
    r = people(p, "--json")
    tap.ok(r.returncode == 2 and r.stdout == "" and
           json.loads(r.stderr)["exit_status"] == 2, "no verb")
    tap.ok("waiting|line|sending|held|failed," in people(p, "help").stdout,
           "help has all states")
    p.account("erin@example.org", "open-sesame")
    for name, says in (("nobody@example.org", "there is no account nobody@"),
                       ("nobody@example.org/phone", "has sent nothing in"),
                       ("erin@example.org", "has sent nothing in")):
        r = people(p, "usage", name)
        tap.ok(r.returncode == 3 and says in r.stderr,
               "usage %s: %s" % (name, r.stderr.strip()))
    r = people(p, "queue", "restore", nothing)
    tap.equal((r.stdout, r.stderr.count("\n")), ("", 1),
              "what is no backup is told in a line, without a table")
    for words in (["status"], ["queue", "list"], ["--version"], ["--help"]):
        with open("/dev/full", "w") as full:
            r = subprocess.run([os.path.join(BIN, "posternctl"), "--socket",
                                p.socket] + words, stdout=full,
                               stderr=subprocess.PIPE, text=True)
        tap.ok(r.returncode == 1 and "could not be written" in r.stderr,
               "%s that nobody got is no success" % words[-1])
    up = p.rows("status")[0]["up"]
    tap.ok(isinstance(up, int) and " second" in people(p, "status").stdout or
           up >= 120, "how long it is up is a number for programs: %r" % up)


def main():
    need_root()
    with Sink() as sink:
        p = house(sink)
        try:
            for test in (test_list, test_show, test_stats, test_hold,
                         test_redirect, test_copies, test_move,
                         test_whole_copies,
                         test_hostile_folder, test_long_list, test_accounts,
                         test_owed_copies, test_programs):
                if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
                    continue
                test(p, sink)
        except Exception as e:
            tap.ok(False, "%s: %r" % (test.__name__, e))
            tap.note(p.log()[-3000:])
        p.__exit__(None, None, None)
    tap.done()


main()
