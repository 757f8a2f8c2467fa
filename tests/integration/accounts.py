#!/usr/bin/python3
"""
Accounts from the administrator's side: the verbs, their answers and exit codes,
and what they mean for the next login; auth killed, auth's database damaged.
"""
import concurrent.futures
import contextlib
import glob
import json
import os
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (BIN, PATIENCE, USERS, Postern, need_root,    # noqa: E402
                     plain, wait_for)
from trouble import private_mounts                               # noqa: E402

ALICE = "alice@example.org"
OK, FAILED, USAGE, NOT_FOUND, IN_PART = 0, 1, 2, 3, 6


def login(p, name, password, mechanism="PLAIN"):
    """The reply code of one AUTH on a connection of its own."""
    with p.client() as s:
        s.ehlo()
        s.user, s.password = name, password
        try:
            method = {"PLAIN": s.auth_plain, "LOGIN": s.auth_login}[mechanism]
            return s.auth(mechanism, method)[0]
        except smtplib.SMTPAuthenticationError as e:
            return e.smtp_code


def verb(p, code, name, *words, password=None):
    r = p.ctl("account", *words, check=False,
              input=None if password is None else password + "\n")
    if not tap.equal(r.returncode, code, name):
        tap.note(r.stdout + r.stderr)
    return r.stdout + r.stderr


def test_verbs(p):
    verb(p, OK, "an empty list", "list")
    verb(p, OK, "add", "add", "Alice@Example.org", "--cap", "staff",
         "--sender", "@example.org", "--sender=News@Example.NET",
         password="open-sesame")
    tap.equal(verb(p, OK, "nothing is said of what is usual", "add", "a@b.example",
                   password="open-sesame"), "", "not a word")
    verb(p, OK, "away with it", "remove", "a@b.example")
    said = verb(p, OK, "add a plain name", "add", "--cap", "staff", "bob",
                password="open-sesame")
    tap.ok("account sender add bob" in said, "who may send as nobody: told")
    rows = p.rows("account", "list")
    tap.equal([r["account"] for r in rows], [ALICE, "bob"], "the list")
    tap.equal((rows[0]["cap"], rows[0]["senders"]),
              ("staff", ["@example.org", "news@example.net"]),
              "with cap and senders")
    card = p.ctl("account", "show", "ALICE@example.org").stdout
    tap.ok("SCRAM-SHA-256" in card and "4096" in card, "a card")
    tap.ok("$" not in card, "without the verifier")
    said = verb(p, FAILED, "add twice", "add", ALICE, password="open-sesame")
    tap.ok("account passwd" in said, "says what else to do")
    for what, words, password in (
            ("a short password", ["add", "carol"], "short"),
            ("no password", ["add", "carol"], ""),
            ("a long password", ["add", "carol"], "x" * 1025),
            ("no name", ["add"], "open-sesame"),
            ("an empty name", ["add", ""], "open-sesame"),
            ("a question mark", ["add", "?"], "open-sesame"),
            ("two names", ["add", "carol", "dave"], "open-sesame"),
            ("a bad name", ["add", "carol smith"], "open-sesame"),
            ("a bad address", ["add", "carol@"], "open-sesame"),
            ("a bad sender", ["add", "carol", "--sender", "x"], "open-sesame"),
            ("a bad cap", ["add", "carol", "--cap", "a b"], "open-sesame"),
            ("no such cap", ["add", "carol", "--cap", "stuff"], "open-sesame"),
            ("an unknown option", ["add", "carol", "--quota", "1"],
             "open-sesame"),
            ("a name too many", ["list", "carol"], None)):
        verb(p, USAGE, what, *words, password=password)
    said = verb(p, USAGE, "a typo in a cap", "add", "carol", "--cap", "stuff",
                password="open-sesame")
    tap.ok("there is default, staff" in said, "is told what there is")
    said = verb(p, USAGE, "no address", "add", "carol", "--sender", "frob",
                password="open-sesame")
    tap.ok('"frob" is no sender' in said, "is told which: " + said.strip())
    for word in ("show", "remove"):
        said = verb(p, NOT_FOUND, word + " nobody", word, "nobody")
        tap.ok("account list" in said, "says where to look")
    verb(p, NOT_FOUND, "passwd nobody", "passwd", "nobody",
         password="open-sesame")
    said = verb(p, USAGE, "a bad name", "show", "a..b@example.org")
    tap.ok('"a..b@example.org" is no name: local part' in said, "which one: " +
           said.strip())
    said = verb(p, USAGE, "a wildcard", "add", "carol", "--sender",
                "*@example.org", password="open-sesame")
    tap.ok("no wildcards" in said, "is told so: " + said.strip())
    tap.equal(len(p.rows("account", "list")), 2, "nothing was added by that")
    r = p.ctl("tokens", check=False)
    tap.ok(r.returncode == FAILED and "no tokens" in r.stdout + r.stderr,
           "tokens of nobody are no reason to try again: " + r.stdout)


def test_help(p):
    """What there is to say, for who does not know it yet."""
    said = verb(p, USAGE, "\"account\" alone")
    tap.ok("unlock" in said and "queue" not in said, "lists its verbs")
    r = subprocess.run([os.path.join(BIN, "posternctl"), "account"],
                       capture_output=True, text=True)
    tap.ok(r.returncode == USAGE and "account unlock NAME" in r.stderr and
           "queue" not in r.stderr, "with all there is to say to people")
    said = p.ctl_as_people("help", "account")
    tap.ok("account unlock NAME" in said and "queue" not in said,
           "help account")
    tap.ok("queue list" in p.ctl_as_people("help"), "help")
    r = p.ctl("help", "nonsense", check=False)
    tap.ok(r.returncode == USAGE and "--help" in r.stderr, "help nonsense")


def test_logins(p):
    for name in (ALICE, "bob", "BOB"):
        for mechanism in ("PLAIN", "LOGIN"):
            tap.equal(login(p, name, "open-sesame", mechanism), 235,
                      "%s logs in by %s" % (name, mechanism))
    tap.equal(login(p, "bob", "wrong-sesame"), 535, "a wrong password")
    tap.equal(login(p, "nobody", "open-sesame"), 535, "an unknown name")
    verb(p, OK, "a new password", "passwd", "bob", password="new-sesame")
    tap.equal(login(p, "bob", "open-sesame"), 535, "the old one is out at once")
    tap.equal(login(p, "bob", "new-sesame"), 235, "the new one is in")
    verb(p, OK, "remove", "remove", "bob")
    tap.equal(login(p, "bob", "new-sesame"), 535, "gone at once")
    log = p.log()
    tap.ok("sesame" not in log, "no password is in the log")
    tap.ok(p.logged('account="bob" done=remove'), "what was done is")
    tap.ok(p.logged('login=failed account="nobody"'), "and who failed")


def test_both_die(p):
    """auth and queue end in the same moment, each time with all they know."""
    p.account("greta", "open-sesame", "--sender", "@example.org")
    p.account("hans", "open-sesame", "--sender", "@example.org")
    r = p.ctl("account", "device", "add", "hans", "phone")
    phone = json.loads(r.stdout.splitlines()[0])["password"]
    sessions = []
    for who, password in (("greta", "open-sesame"), ("hans", phone),
                          ("hans", "open-sesame")):
        s = p.client()
        s.ehlo()
        s.login(who, password)
        sessions.append(s)
    verb(p, OK, "a new password for greta", "passwd", "greta",
         password="new-sesame")
    verb(p, OK, "no phone any more for hans", "device", "remove", "hans",
         "phone")
    for turn in "auth and queue are killed at once", "and again":
        p.kill_together("auth", "queue")
        tap.ok(wait_for(lambda: sessions[2].mail(ALICE)[0] == 250),
               turn + "; who was not meant goes on")
        sessions[2].rset()
    for s, who in zip(sessions, ("greta", "the phone")):
        code, text = s.mail(ALICE)
        tap.ok(code == 421 and b"log in again" in text,
               "%s's session is over all the same: %d" % (who, code))
    tap.equal(login(p, "greta", "new-sesame"), 235, "she may come back")
    for who in ("greta", "hans"):
        verb(p, OK, "remove " + who, "remove", who)


def test_revoked(p):
    """Sessions that are open when their account changes."""
    for who in ("carol", "dave", "erin"):
        p.account(who, "open-sesame", "--sender", "@example.org")
    open_ones = {}
    for who in ("carol", "dave", "erin"):
        open_ones[who] = p.client()
        open_ones[who].ehlo()
        open_ones[who].login(who, "open-sesame")
    verb(p, OK, "remove carol", "remove", "carol")
    verb(p, OK, "a new password for dave", "passwd", "dave",
         password="new-sesame")
    p.kill("queue")
    tap.ok(wait_for(lambda: open_ones["erin"].mail(ALICE)[0] == 250),
           "queue was killed meanwhile; others go on")
    for who in ("carol", "dave"):
        code, text = open_ones[who].mail(ALICE)
        tap.ok(code == 421 and b"log in again" in text,
               "%s's session is told: %d %s" % (who, code, text.decode()))
        tap.equal(open_ones[who].sock.recv(100), b"", "and ends")
    tap.equal(login(p, "carol", "open-sesame"), 535, "carol does not get in")
    with p.client() as s:
        s.ehlo()
        s.login("dave", "new-sesame")
        tap.equal(s.mail(ALICE)[0], 250, "dave does with the new password")
    p.kill("auth")
    tap.ok(wait_for(lambda: p.ctl("account", "add", "frank", "--sender",
                                  "@example.org", input="open-sesame\n",
                                  check=False).returncode == OK),
           "auth was killed, too")
    p.kill("queue")
    with p.client() as s:
        s.ehlo()
        s.login("frank", "open-sesame")
        tap.ok(wait_for(lambda: s.mail(ALICE)[0] == 250),
               "a name that is new is no name that was revoked")
    test_both_die(p)
    verb(p, OK, "erin is logged out", "logout", "erin")
    open_ones["erin"].rset()
    code, text = open_ones["erin"].mail(ALICE)
    tap.ok(code == 421 and b"log in again" in text, "and told")
    tap.equal(login(p, "erin", "open-sesame"), 235, "she may come back")
    verb(p, OK, "so may be who has no account here", "logout", "grace")
    for who in ("dave", "erin", "frank"):
        verb(p, OK, "remove " + who, "remove", who)


def test_suspended(p):
    """Nobody gets in, and nothing else is changed by it."""
    p.account("sven", "open-sesame", "--sender", ALICE)
    phone = p.rows("account", "device", "add", "sven", "phone")[0]["password"]

    def codes():
        return [login(p, "sven", "open-sesame"),
                login(p, "sven", "open-sesame", "LOGIN"),
                login(p, "sven/phone", phone), login(p, "sven", phone)]
    tap.equal(codes(), [235] * 4, "in by all one's passwords")
    with p.client() as s:
        s.ehlo()
        s.login("sven", "open-sesame")
        verb(p, OK, "suspend", "suspend", "sven")
        tap.equal(s.mail(ALICE)[0], 421, "its session ends")
    tap.equal(codes(), [535] * 4, "none of them lets in")
    tap.ok(p.logged('account="sven" mechanism=PLAIN') and
           p.logged("why=suspended"), "the log says why")
    tap.equal(p.rows("account", "locked"), [], "which are one guess each")
    tap.equal(p.rows("account", "show", "sven")[0]["suspended"], True,
              "shown")
    tap.equal([r["account"] for r in p.rows("account", "list")
               if r["suspended"]], ["sven"], "and listed")
    said = verb(p, FAILED, "a test", "test", "sven", password="open-sesame")
    tap.ok("account resume" in said, "says what to do: " + said)
    verb(p, OK, "a new password", "passwd", "sven", password="open-sesame2")
    verb(p, OK, "another cap", "set", "sven", "--cap", "staff")
    p.kill("auth")
    tap.ok(wait_for(lambda: p.ctl("account", "show", "sven",
                                  check=False).returncode == 0), "auth again")
    wait_for(lambda: login(p, "sven", "open-sesame2") != 454)
    tap.equal(login(p, "sven", "open-sesame2"), 535, "it stays suspended")
    verb(p, OK, "suspend again", "suspend", "sven")
    verb(p, OK, "resume", "resume", "sven")
    tap.equal(login(p, "sven", "open-sesame2"), 235, "in again")
    tap.equal(login(p, "sven/phone", phone), 235, "so is the phone")
    verb(p, NOT_FOUND, "suspend nobody", "suspend", "nobody")
    verb(p, NOT_FOUND, "resume nobody", "resume", "nobody")
    verb(p, OK, "remove sven", "remove", "sven")


def timed(p, name, password, n=5):
    """The quickest: a machine that pauses tells nothing."""
    times = []
    for _ in range(n):
        with p.client() as s:
            s.ehlo()
            begun = time.monotonic()
            code = s.docmd("AUTH PLAIN " + plain(name, password))[0]
            times.append(time.monotonic() - begun)
            if code != 535:
                return None
    return min(times)


def test_time(p):
    known, unknown = timed(p, ALICE, "wrong-one"), timed(p, "nobody", "wrong")
    tap.ok(known and unknown and 0.4 < known < 2 and 0.4 < unknown < 2,
           "failures are told late: %.3f s, %.3f s" % (known, unknown))


def test_cap_gone(p):
    tap.ok("staff" not in p.ctl_as_people("reload"), "a reload that is quiet")
    p.configure(sections="")
    said = p.ctl_as_people("reload")
    tap.ok("warning: the cap staff of account %s is not in" % ALICE in said,
           "a cap that is in use goes away: " + said.strip())
    tap.ok(wait_for(lambda: 'account="%s" cap="staff" is not in postern.conf' %
                    ALICE in p.log()), "and the log says who had it")
    p.configure(sections='cap staff { messages = {"1000/1h"} }')
    p.ctl("reload")


def test_killed(p):
    with p.client() as s:
        s.ehlo()
        p.kill("auth")
        tap.ok(wait_for(lambda: login(p, ALICE, "open-sesame") == 235),
               "auth was killed; logins go on")
        tap.equal(s.docmd("NOOP")[0], 250, "the session does not notice")
        s.login(ALICE, "open-sesame")
        tap.ok(True, "and logs in")


def test_many(p, n=300):
    for i in range(n):
        p.account("user%04d" % i, "open-sesame")
    rows = p.rows("account", "list")
    tap.equal(len(rows), n + 1, "a list of %d" % (n + 1))
    tap.equal([r["account"] for r in rows],
              sorted(r["account"] for r in rows), "in order")


def login_from(p, address, name, password):
    """(code, text) of a login from that address of the loopback network."""
    with smtplib.SMTP_SSL("127.0.0.1", p.tls_port, context=p.context(),
                          timeout=PATIENCE, source_address=(address, 0)) as s:
        s.ehlo()
        return s.docmd("AUTH PLAIN " + plain(name, password))


def test_locks(p):
    """Who guesses is locked out; who is at home is not."""
    p.account("gina", "open-sesame")
    tap.equal(login_from(p, "127.1.0.5", "gina", "open-sesame")[0], 235,
              "gina logs in at home")
    for i in range(3):
        tap.equal(login_from(p, "127.9.9.9", "gina", "guess-%d-ses" % i)[0],
                  535, "a stranger guesses")
    code, text = login_from(p, "127.9.9.9", "gina", "open-sesame")
    tap.ok(code == 454 and b"15 minutes" in text,
           "then not even the right one is heard: %d %s" % (
               code, text.decode()))
    tap.equal(login_from(p, "127.1.0.6", "gina", "open-sesame")[0], 235,
              "at home it is, with a neighbour's address, too")
    tap.equal([(r["locked"], r["account"], r["from"], r["times"])
               for r in p.rows("account", "locked")],
              [("account", "gina", None, 1)], "it is listed")
    tap.ok(p.rows("account", "list")[0]["locked_until"],
           "the admin sees it")
    tap.ok(p.logged('account="gina" locked minutes=15'),
           "so does the log")
    p.stop()
    p.start()
    tap.equal(login_from(p, "127.9.9.9", "gina", "open-sesame")[0], 454,
              "a restart forgives nothing")
    tap.equal(login_from(p, "127.1.0.5", "gina", "open-sesame")[0], 235,
              "and forgets no home")
    verb(p, OK, "unlock", "unlock", "gina")
    tap.equal(login_from(p, "127.9.9.9", "gina", "open-sesame")[0], 235,
              "the admin unlocks")
    for i in range(3):
        login_from(p, "127.8.8.%d" % i, "name%d" % i, "open-sesame")
    tap.equal(login_from(p, "127.8.8.77", "gina", "open-sesame")[0], 454,
              "three names from one network: it is locked")
    said = verb(p, OK, "unlock a name that no account has", "unlock",
                "boss@example.org")
    tap.ok("account locked" in said, "is told that a network is, too")
    tap.equal([(r["locked"], r["account"], r["from"])
               for r in p.rows("account", "locked")],
              [("network", None, "127.8.8.0/24")], "which one is listed")
    verb(p, OK, "unlock an address", "unlock", "127.8.8.77")
    tap.equal(login_from(p, "127.8.8.77", "gina", "open-sesame")[0], 235,
              "it may try again")
    said = verb(p, OK, "unlock who is not locked", "unlock", "gina")
    tap.ok("nothing held gina" in said, "is told so, too: " + said)
    said = verb(p, OK, "unlock a network that is not locked", "unlock",
                "192.0.2.0/24")
    tap.ok("nothing held 192.0.2.0/24" in said, "is told so: " + said)
    verb(p, USAGE, "unlock half an address", "unlock", "192.0.2.0/2400")
    verb(p, USAGE, "unlock two", "unlock", "gina", "boss")
    p.account("fritz", "open-sesame")       # behind gina's router
    for i in range(3):
        login_from(p, "127.1.0.5", "made-up%d" % i, "open-sesame")
    tap.equal(login_from(p, "127.1.0.5", "fritz", "open-sesame")[0], 454,
              "her router's address is locked by a guest's guesses")
    tap.equal(login_from(p, "127.1.0.5", "gina", "open-sesame")[0], 235,
              "she gets in all the same")
    verb(p, OK, "unlock the router", "unlock", "127.1.0.5")
    tap.equal(login_from(p, "127.1.0.5", "fritz", "open-sesame")[0], 235,
              "and then all behind it")
    tap.equal(p.rows("account", "locked"), [], "no lock is left")


def test_damaged(p):
    tap.equal(p.stop(), 0, "stopped")
    for path in glob.glob(p.dir + "/state/auth/accounts.db"):
        with open(path, "r+b") as f:
            f.write(b"\x5a" * 4096)
    log = open(p.log_path, "ab")
    process = subprocess.Popen([os.path.join(os.environ.get("POSTERN_BUILD",
                                                            os.getcwd()),
                                             "bin", "posternd"), "-d", "-f",
                                p.conf_path], stdout=log, stderr=log)
    said = wait_for(lambda: "accounts.db are damaged" in p.log())
    tap.ok(said, "a damaged database is said")
    tap.ok(p.logged("put back the whole directory from a backup"),
           "with what to do")
    try:
        code = login(p, ALICE, "open-sesame")
    except (OSError, smtplib.SMTPException):
        code = "no service"
    tap.ok(code in (454, 421, "no service"), "nobody gets in: %s" % code)
    process.terminate()
    process.wait(PATIENCE)


def test_odd_names(p):
    """What strangers try need be no name: it is lifted as it is listed."""
    names = ["?", "alice\u202egro", "gina@example.org/phone", "127.0.0.0/8",
             "10.1.2.3", "--json", "\\xe2"]

    def guess(i):
        return login_from(p, "127.3.%d.7" % (i % len(names)),
                          names[i % len(names)], "guess-%d" % i)[0]
    with concurrent.futures.ThreadPoolExecutor(3 * len(names)) as pool:
        tap.equal(set(pool.map(guess, range(3 * len(names)))), {535},
                  "guesses at what nobody is called")
    table = p.ctl_as_people("account", "locked")
    shown = [line.split("  ")[1].strip() for line in table.splitlines()[1:]]
    tap.equal(sorted(shown), sorted(n.replace("\u202e", "\\xe2\\x80\\xae")
                                    for n in names), "are listed")
    said = verb(p, USAGE, "another that is no name", "unlock", "? ?")
    tap.ok("no lock is listed so" in said, "is told so: " + said.strip())
    for i, name in enumerate(shown):
        verb(p, OK, "unlock " + name, "unlock", "--", name)
        tap.equal(len(p.rows("account", "locked")), len(names) - 1 - i,
                  "lifts that one")


def fill(path):
    """Until not one byte more goes in."""
    with open(path, "wb", buffering=0) as f:
        for size in 65536, 1:
            try:
                while True:
                    f.write(b"\1" * size)
            except OSError:
                pass


def test_full(p):
    """What keeps a thief out does so where nothing can be written down."""
    for who in (ALICE, "thea", "tom"):
        p.account(who, "open-sesame", "--sender", ALICE)
    with contextlib.ExitStack() as stack:
        sessions = {}
        for who in (ALICE, "thea", "tom"):
            s = sessions[who] = stack.enter_context(p.client())
            s.ehlo()
            s.login(who, "open-sesame")
        fill(p.dir + "/state/auth/ballast")
        for i in range(100):        # the log's last block has room for some
            if p.ctl("account", "logout", "x%d" % i,
                     check=False).returncode != OK:
                break
        said = verb(p, FAILED, "a new password on a full disk", "passwd",
                    "tom", password="new-sesame").strip()
        tap.ok("account suspend tom" in said, "says what can be done: " + said)
        tap.equal(sessions["tom"].mail(ALICE)[0], 250, "nothing has changed")
        sessions["tom"].rset()
        for word, who in (("logout", ALICE), ("suspend", "thea"),
                          ("remove", "tom")):
            said = verb(p, IN_PART, word + " on a full disk", word, who)
            tap.ok("only until auth starts anew" in said, said.strip())
            tap.equal(sessions[who].mail(ALICE)[0], 421, "the session ends")
    tap.equal([login(p, who, "open-sesame") for who in (ALICE, "thea", "tom")],
              [235, 535, 535], "and only who was logged out gets in again")
    verb(p, FAILED, "a lock that nobody can lift", "resume", "thea")
    tap.equal(login(p, "thea", "open-sesame"), 535, "stays")
    verb(p, NOT_FOUND, "suspend nobody", "suspend", "nobody")
    os.unlink(p.dir + "/state/auth/ballast")
    verb(p, OK, "there is room again: suspend", "suspend", "thea")
    p.kill("auth")
    tap.ok(wait_for(lambda: login(p, "tom", "open-sesame") == 235),
           "another auth knows only what was written")
    tap.equal(login(p, "thea", "open-sesame"), 535, "which was said again")
    verb(p, OK, "resume", "resume", "thea")
    tap.equal(login(p, "thea", "open-sesame"), 235, "in again")
    for who in (ALICE, "thea", "tom"):
        verb(p, OK, "remove " + who, "remove", who)


def small_disk(p):
    """A disk of 8 MB for the accounts, gone with this test's namespace."""
    state = p.dir + "/state/auth"
    os.makedirs(state, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700,uid=%d,"
                    "gid=%d" % (USERS["auth"], USERS["auth"]), "tmpfs", state],
                   check=True)


def main():
    need_root()
    private_mounts()
    with Postern(sections='cap staff { messages = {"1000/1h"} }') as p:
        test_verbs(p)
        test_help(p)
        test_logins(p)
        test_revoked(p)
        test_suspended(p)
        test_time(p)
        test_cap_gone(p)
        test_killed(p)
        test_many(p)
        test_damaged(p)
    p = Postern(top='accounts { lock-after = 3 }')
    small_disk(p)
    with p:
        test_full(p)
        test_locks(p)
        test_odd_names(p)
    tap.done()


main()
