#!/usr/bin/python3
"""
The accounts' database is replaced by rename while logins go on: by a damaged
file, an empty one, an older one, another's, a directory, a link, a FIFO, by
nothing. From that moment nobody gets in by what was there before, by a damaged
one nobody at all; what to do is said; open sessions and accepted mail stay.
"""
import os
import shutil
import smtplib
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (SANITIZED, USERS, Postern, need_root, plain,  # noqa: E402
                     wait_for)

ALICE = "alice@example.org"
BOB = "bob@example.org"
FIRST, NOW, OTHERS = "first-sesame", "second-sesame", "others-sesame"
OPEN_ANEW = "was replaced, moved or removed while it was in use"


def login(p, password, name=ALICE):
    """The code of one login, or 0 where there was no answer."""
    try:
        with p.client() as s:
            s.ehlo()
            return s.docmd("AUTH PLAIN " + plain(name, password))[0]
    except (OSError, smtplib.SMTPException):
        return 0


class Crowd:
    """Logs in by each of the passwords, over and over."""

    def __init__(self, p, each=2):
        self.p, self.results, self.going = p, [], True
        self.threads = [threading.Thread(target=self.run, args=(word,))
                        for word in (FIRST, NOW, OTHERS)
                        for _ in range(each)]
        for t in self.threads:
            t.start()

    def run(self, word):
        while self.going:
            begun = time.monotonic()
            self.results.append((begun, word, login(self.p, word)))

    def since(self, moment):
        return [(word, code) for begun, word, code in list(self.results)
                if begun >= moment]

    def tried(self, moment, n=3):
        """Whether each password was tried so often since then, in time."""
        return wait_for(lambda: all(
            sum(w == word for w, _ in self.since(moment)) >= n
            for word in (FIRST, NOW, OTHERS)))

    def end(self):
        self.going = False
        for t in self.threads:
            t.join()


def own(path):
    os.chown(path, USERS["auth"], USERS["auth"])


def others(directory):
    """The accounts of another Postern, where alice has another password."""
    with Postern() as q:
        q.account(ALICE, "gone-sesame")
        for i in range(20):
            q.ctl("account", "passwd", ALICE, input="gone-sesame%d\n" % i)
        q.ctl("account", "passwd", ALICE, input=OTHERS + "\n")
        q.stop()
        shutil.copytree(q.dir + "/state/auth", directory)


def keep(p, directory):
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(p.dir + "/state/auth", directory)


def put_back(p, directory):
    """As the log and the manual say: stop, the whole directory, start."""
    p.stop()
    shutil.rmtree(p.dir + "/state/auth")
    shutil.copytree(directory, p.dir + "/state/auth")
    own(p.dir + "/state/auth")
    os.chmod(p.dir + "/state/auth", 0o700)
    for name in os.listdir(p.dir + "/state/auth"):
        own(p.dir + "/state/auth/" + name)
    p.start()


# --- what takes its place: each makes a new file and returns its name ------------

def damaged(db, away):
    shutil.copy(db, db + ".new")
    with open(db + ".new", "r+b") as f:
        f.write(b"\x5a" * 4096)


def cut_short(db, away):
    shutil.copy(db, db + ".new")
    os.truncate(db + ".new", 5000)


def text(db, away):
    with open(db + ".new", "w") as f:
        f.write("%s:{PLAIN}%s\n" % (ALICE, OTHERS))


def empty(db, away):
    open(db + ".new", "w").close()


def directory(db, away):
    os.mkdir(db + ".new")


def fifo(db, away):
    os.mkfifo(db + ".new")


def link(db, away):
    shutil.copy(db, away)
    own(away)
    os.symlink(away, db + ".new")


def of_another_user(db, away):
    shutil.copy(db, db + ".new")
    os.chown(db + ".new", 61009, 61009)


def missing(db, away):
    pass


STRANGE = (
    (damaged, "are damaged"),
    (cut_short, "are damaged"),
    (text, "are damaged"),
    (empty, "put back the whole directory from a backup"),
    (missing, "are gone, their log is there"),
    (directory, "is a directory; move it away"),
    (fifo, "is a FIFO; move it away"),
    (link, "is a symbolic link; move it away"),
    (of_another_user, "belongs to user 61009 instead of 61002"),
)


def replace(p, make):
    """The moment from which nothing of before may count."""
    db = p.dir + "/state/auth/accounts.db"
    make(db, p.dir + "/state/auth/away")
    if make in (damaged, cut_short, text, empty, directory, fifo):
        own(db + ".new")
    if make is directory:
        os.rename(db, db + ".old")
    if make is missing:
        os.unlink(db)
    else:
        os.rename(db + ".new", db)
    return time.monotonic()


def test_strange(p, crowd, good, make, says):
    name = make.__name__
    tap.ok(wait_for(lambda: login(p, NOW) == 235), name + ": alice is in")
    with p.client() as s:
        s.ehlo()
        s.login(BOB, NOW)
        at = len(p.log())
        moment = replace(p, make)
        tap.ok(crowd.tried(moment), name + ": logins go on")
        codes = {code for _, code in crowd.since(moment)}
        tap.ok(235 not in codes, "%s: nobody gets in: %s" % (name, codes))
        tap.ok(p.logged(OPEN_ANEW, at), name + ": it is seen")
        tap.ok(p.logged(says, at), "%s: said: %s" % (name, says))
        tap.equal(s.sendmail(BOB, ["carol@example.net"], "Subject: " + name +
                             "\n\nhi\n"), {}, name + ": an open session goes on")
    tap.equal(p.ctl("account", "add", "eve@example.org", input=NOW + "\n",
                    check=False).returncode != 0, True,
              name + ": and no account can be added")
    put_back(p, good)
    tap.ok(wait_for(lambda: login(p, NOW) == 235),
           name + ": put back, alice is in again")


def test_older(p, crowd, good, older):
    """An older file below a newer log: what the log says holds."""
    at = len(p.log())
    db = p.dir + "/state/auth/accounts.db"
    shutil.copy(older + "/accounts.db", db + ".new")
    own(db + ".new")
    os.rename(db + ".new", db)
    moment = time.monotonic()
    tap.ok(p.logged(OPEN_ANEW, at), "an older one: it is seen")
    tap.ok(crowd.tried(moment), "an older one: logins go on")
    tap.ok(235 not in {code for word, code in crowd.since(moment)
                       if word != NOW},
           "an older one: a password of before does not come back")
    put_back(p, good)


def test_directory(p, crowd, other):
    """The whole directory, by rename: what the new one holds counts, at once."""
    tap.ok(wait_for(lambda: login(p, NOW) == 235), "a directory: before it")
    at = len(p.log())
    new = p.dir + "/state/auth.new"
    shutil.copytree(other, new)
    os.chmod(new, 0o700)
    for path in [new] + [new + "/" + n for n in os.listdir(new)]:
        own(path)
    os.rename(p.dir + "/state/auth", p.dir + "/state/auth.old")
    os.rename(new, p.dir + "/state/auth")
    moment = time.monotonic()
    tap.ok(p.logged(OPEN_ANEW, at), "another directory: it is seen")
    tap.ok(wait_for(lambda: (OTHERS, 235) in crowd.since(moment)),
           "another directory: by its passwords one gets in, without a restart")
    tap.ok(crowd.tried(moment), "another directory: logins go on")
    tap.equal({word for word, code in crowd.since(moment) if code == 235},
              {OTHERS}, "another directory: and by no others")
    tap.equal(login(p, NOW, BOB), 535, "who is not in it is nobody")


def test_modes(p):
    """At the start: mended, or told."""
    p.stop()
    auth = p.dir + "/state/auth/"
    queue = p.dir + "/state/queue/"
    segment = queue + "journal/" + sorted(os.listdir(queue + "journal"))[0]
    for path in (auth + "accounts.db", segment, queue + "identity"):
        os.chmod(path, 0o646)
    os.link(auth + "accounts.db", p.dir + "/state/copy")
    at = len(p.log())
    p.start()
    for path in (auth + "accounts.db", segment, queue + "identity"):
        tap.ok(p.logged("%s could be used by others (mode 646)" % path, at),
               "a wide mode is told: " + os.path.basename(path))
        tap.equal(os.stat(path).st_mode & 0o777, 0o600, "and mended")
    tap.ok(p.logged("accounts.db has a second name", at), "a hard link is told")
    os.unlink(p.dir + "/state/copy")
    p.stop()
    for path in (segment, queue + "identity", auth + "accounts.db",
                 auth + "log.0000000001", queue + "journal", queue + "index",
                 queue + "spool", auth[:-1], queue[:-1]):
        user = os.stat(path).st_uid
        os.chown(path, 61009, 61009)
        at = len(p.log())
        try:
            p.start()
            started = True
        except RuntimeError:
            started = False
        tap.ok(not started, "another user's: no start: " +
               os.path.basename(path))
        says = ("%s belongs to user 61009 instead of %d" % (path, user),
                "%s: Permission denied; it must be a directory of user %d" %
                (path, user), "cannot open %s: Permission denied" % path)
        tap.ok(wait_for(lambda: any(s in p.log()[at:] for s in says)),
               "and it is said why")
        p.stop()
        os.chown(path, user, user)
    p.start()
    tap.ok(wait_for(lambda: login(p, OTHERS) == 235), "and all is well again")


def main():
    need_root()
    with Postern(top='accounts { lock-after = 0 }', workers=2,
                 limits="errors = 1000") as p:
        other, older, good = (p.dir + "/" + n for n in
                              ("other", "older", "good"))
        others(other)
        p.account(ALICE, FIRST)
        p.account(BOB, NOW)
        keep(p, older)
        p.ctl("account", "passwd", ALICE, input=NOW + "\n")
        p.stop()
        keep(p, good)
        p.start()
        crowd = Crowd(p)
        for make, says in STRANGE:
            test_strange(p, crowd, good, make, says)
        test_older(p, crowd, good, older)
        test_directory(p, crowd, other)
        crowd.end()
        tap.note("%d logins" % len(crowd.results))
        tap.equal(len(p.queue()), len(STRANGE), "all accepted mail is there")
        test_modes(p)
        tap.ok("ended by SIG" not in p.log() and "Sanitizer" not in p.log(),
               "and nothing has crashed")
    tap.done()


main()
