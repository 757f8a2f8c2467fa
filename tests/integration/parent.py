#!/usr/bin/python3
"""
posternd itself: what it says when it cannot start, reload all or nothing,
replacement of what dies, the control socket, the end.
"""
import errno
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap
from ipc import VERSION                                          # noqa: E402
from postern import (BIN, PATIENCE, Postern, SANITIZED, USERS, free_port,
                     make_certificate, need_root, resume, wait_for)

POSTERND = os.path.join(BIN, "posternd")


def edit(p, old, new):
    with open(p.conf_path) as f:
        text = f.read()
    assert old in text, old
    with open(p.conf_path, "w") as f:
        f.write(text.replace(old, new))


def as_other_user(p, name, *options):
    """A program run by who is nobody here. The build may lie in a folder that
    only root may enter; p's own folder is open to everyone."""
    copy = shutil.copy(os.path.join(BIN, name), p.dir)
    return subprocess.run([copy] + list(options), capture_output=True,
                          text=True, timeout=PATIENCE, user=61009, group=61009,
                          extra_groups=[])


def run(p, *options):
    """posternd to its end; (exit code, its complaints, everything)."""
    r = subprocess.run([POSTERND, "-f", p.conf_path] + list(options),
                       capture_output=True, text=True, timeout=PATIENCE)
    lines = [l for l in r.stderr.splitlines()
             if l.startswith("posternd: ") and "warning:" not in l and
             "goes to syslog" not in l]
    return r.returncode, lines, r.stdout + r.stderr


# --- errors at start ------------------------------------------------------------

def missing_key(p):
    edit(p, p.key, p.dir + "/nonesuch.key")
    return "nonesuch.key cannot be used: No such file or directory"


def certificate_is_a_directory(p):
    edit(p, p.cert, p.dir)
    return "it is a directory"


def key_of_another(p):
    _, other = make_certificate(p.dir, "other.example")
    edit(p, p.key, other)
    return "does not belong to the certificate"


def nothing(p):
    """A file that is neither a certificate nor a set of keys."""
    with open(p.dir + "/nothing", "w") as f:
        f.write("nothing\n")
    return p.dir + "/nothing"


def ca_file_without_certificate(p):
    p.configure(route_options='ca-file = "%s"' % nothing(p))
    return "the ca-file holds no certificate"


def trust_anchor_without_record(p):
    p.configure(sections='dns { trust-anchor = "%s" }' % nothing(p))
    return "no DS or DNSKEY record"


def jwks_file_without_keys(p):
    p.configure(sections='tokens { issuer = "https://id.example" audience = '
                '{"x"} jwks-file = "%s" }' % nothing(p))
    return "tokens.jwks-file cannot be used"


def client_ca_without_certificate(p):
    p.configure(sections='accounts { client-ca-file = "%s" } listen third '
                '{ port = %d client-certificates = on }' %
                (nothing(p), free_port()))
    return "client-ca-file"


def key_is_a_certificate(p):
    edit(p, 'key = "%s"' % p.key, 'key = "%s"' % p.cert)
    return "holds a certificate and no private key"


def port_in_use(p):
    p.blocker = socket.socket()
    p.blocker.bind(("127.0.0.1", p.port))
    p.blocker.listen()
    return "Address already in use"


def not_our_address(p):
    edit(p, 'address = "127.0.0.1" port = %d tls = starttls' % p.port,
         'address = "192.0.2.1" port = %d tls = starttls' % p.port)
    return "does not have that address"


def state_of_somebody(p):
    os.mkdir(p.dir + "/state", 0o755)
    os.chown(p.dir + "/state", 61009, 61009)
    return "does not belong to root"


def state_for_everybody(p):
    os.mkdir(p.dir + "/state")
    os.chmod(p.dir + "/state", 0o777)
    return "chmod go-w"


def state_for_nobody(p):
    os.chmod(p.dir, 0o700)
    return "cannot enter"


def state_is_a_file(p):
    open(p.dir + "/state", "w").close()
    return "is not a directory"


def queue_of_somebody(p):
    os.makedirs(p.dir + "/state/queue")
    os.chown(p.dir + "/state/queue", 61009, 61009)
    return "chown -R 61004:61004"


def queue_is_a_link(p):
    os.makedirs(p.dir + "/state")
    os.mkdir(p.dir + "/elsewhere")
    os.symlink(p.dir + "/elsewhere", p.dir + "/state/queue")
    return "/state/queue is not a directory; move it away"


def auth_is_a_fifo(p):
    os.makedirs(p.dir + "/state")
    os.mkfifo(p.dir + "/state/auth")
    return "/state/auth is not a directory; move it away"


def empty_of_somebody(p):
    os.makedirs(p.dir + "/state/empty")
    os.chown(p.dir + "/state/empty", 61001, 61001)
    return "chown -R 0:0"


def lock_is_a_link(p):
    os.makedirs(p.dir + "/state")
    os.symlink(p.dir + "/elsewhere", p.dir + "/state/lock")
    return "cannot open %s/state/lock" % p.dir


def key_is_a_fifo(p):
    os.unlink(p.key)
    os.mkfifo(p.key)
    return "key %s cannot be used: it is not a regular file" % p.key


def conf_is_a_fifo(p):
    os.unlink(p.conf_path)
    os.mkfifo(p.conf_path)
    return "cannot be read: it is not a regular file"


def conf_is_a_directory(p):
    os.unlink(p.conf_path)
    os.mkdir(p.conf_path)
    return "cannot be read: it is a directory"


def unknown_user(p):
    edit(p, '"61002"', '"nonesuch-user"')
    return "systemd-sysusers"


def missing_program(p):
    edit(p, 'program-dir = "%s"' % BIN, 'program-dir = "%s"' % p.dir)
    return "make install"


def control_taken(p):
    p.blocker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    p.blocker.bind(p.socket)
    p.blocker.listen()
    return "another posternd answers there"


def control_is_a_file(p):
    open(p.socket, "w").close()
    return "choose another control-socket"


def missing_file(p):
    os.unlink(p.conf_path)
    return "No such file or directory"


def cut_off_file(p):
    edit(p, "route out {", "route out")
    return "postern.conf:"


def program_ends(p):
    """One program is a script that ends at once."""
    programs = p.dir + "/bin"
    os.mkdir(programs)
    for name in os.listdir(BIN):
        if name != "postern-relay":
            os.symlink(os.path.realpath(os.path.join(BIN, name)),
                       os.path.join(programs, name))
    with open(programs + "/postern-relay", "w") as f:
        f.write("#!/bin/sh\nexit 3\n")
    os.chmod(programs + "/postern-relay", 0o755)
    edit(p, 'program-dir = "%s"' % BIN, 'program-dir = "%s"' % programs)
    return "postern-relay could not start: ended with exit code 3"


# All but these name the line of the option.
NO_LINE = [missing_file, conf_is_a_fifo, conf_is_a_directory,
           program_ends]
START_ERRORS = [missing_key, certificate_is_a_directory, key_of_another,
                ca_file_without_certificate,
                trust_anchor_without_record, jwks_file_without_keys,
                client_ca_without_certificate,
                key_is_a_certificate, port_in_use, not_our_address,
                state_of_somebody, state_for_everybody, state_for_nobody,
                state_is_a_file, queue_of_somebody, queue_is_a_link,
                auth_is_a_fifo, empty_of_somebody, lock_is_a_link,
                key_is_a_fifo, conf_is_a_fifo, conf_is_a_directory,
                unknown_user, missing_program, control_taken, control_is_a_file,
                missing_file, cut_off_file, program_ends]


def test_start_errors():
    for spoil in START_ERRORS:
        name = spoil.__name__.replace("_", " ")
        p = Postern()
        p.blocker = None
        said = spoil(p)
        code, lines, everything = run(p, "-d")
        good = code == 1 and any(said in l for l in lines) and (
            spoil in NO_LINE or
            re.match(r"posternd: \S+/postern\.conf:\d+: ", lines[0]))
        if not tap.ok(good and len(lines) == 1, name + ": one clear line"):
            tap.note("%d\n%s" % (code, everything))
        if p.blocker:
            p.blocker.close()
        shutil.rmtree(p.dir, ignore_errors=True)


def test_modes():
    """Directories that are too open are closed again, and that is told."""
    p = Postern()
    p.start()
    p.stop()
    modes = {"auth": 0o700, "queue": 0o700, "empty": 0o755}
    for name in modes:
        os.chmod("%s/state/%s" % (p.dir, name), 0o777)
    os.chmod(p.conf_path, 0o666)
    at = len(p.log())
    p.start()
    for name, mode in modes.items():
        path = "%s/state/%s" % (p.dir, name)
        tap.ok(p.logged("others could use %s (mode 777)" % path, at) and
               os.stat(path).st_mode & 0o777 == mode,
               name + " for everybody: told and mended")
    tap.ok(p.logged("others can change %s, and so become root" % p.conf_path,
                    at), "a configuration for everybody: told")
    p.stop()
    shutil.rmtree(p.dir)


def test_not_root():
    p = Postern()
    r = as_other_user(p, "posternd", "-f", p.conf_path, "-d")
    tap.ok(r.returncode == 1 and "must be started by root" in r.stderr and
           r.stderr.count("\n") == 1, "not root: says so, and no more")
    r = as_other_user(p, "posternd", "-n", "-f", p.conf_path)
    tap.ok(r.returncode == 1 and "%s cannot be used: Permission denied; leave "
           "its permissions as they are, and run this as root" % p.key in
           r.stderr, "-n of another user asks for root, not for a chmod")
    os.chmod(p.conf_path, 0o600)
    r = as_other_user(p, "posternd", "-n", "-f", p.conf_path)
    tap.ok(r.returncode == 1 and r.stderr.endswith(
        "Permission denied; only root can read it, so run this as root\n"),
        "and so where the configuration is root's alone")
    shutil.rmtree(p.dir)


def test_full_disk():
    p = Postern()
    os.mkdir(p.dir + "/small", 0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=755",
                       "tmpfs", p.dir + "/small"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        tap.ok(True, "full disk # SKIP cannot mount")
    else:
        edit(p, p.dir + "/state", p.dir + "/small/state")
        code, lines, everything = run(p, "-d")
        if not tap.ok(code == 1 and len(lines) == 1 and "is full" in lines[0],
                      "full disk: one clear line"):
            tap.note(everything)
        subprocess.run(["umount", p.dir + "/small"], check=True)
    shutil.rmtree(p.dir)


def fill_up(path, leave):
    """A file that takes all but so many bytes."""
    with open(path, "ab", 0) as f:
        for size in (1 << 20, 4096):
            try:
                while True:
                    f.write(bytes(size))
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
        f.truncate(max(0, f.tell() - leave))


def starts_and_knows(p, what):
    """It starts, and who has an account logs in."""
    try:
        p.start()
        p.client(login="alice@example.org").quit()
        tap.ok(True, what)
    except (RuntimeError, smtplib.SMTPException, OSError) as e:
        tap.ok(False, what)
        tap.note(e)
    p.stop()


def cannot_start(p, what):
    """For want of room, and that is what it says."""
    mark = len(p.log())
    try:
        p.start()
        tap.ok(False, what + ": it started")
    except RuntimeError:
        said = p.log()[mark:]
        if not tap.ok("full" in said and "make room" in said and
                      "damaged (" not in said, what + ": full, not damaged"):
            tap.note(said)
    p.stop()


def on_small_disk(path, options, test):
    os.makedirs(path, 0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path],
                      stderr=subprocess.DEVNULL).returncode != 0:
        tap.ok(True, "full disk, later # SKIP cannot mount")
        return
    test()
    subprocess.run(["umount", path], check=True)


def test_full_disk_later():
    """With ballast to throw off, and with what only looks like it."""
    p = Postern(queue='segment = "8M"')
    state = p.dir + "/state"
    ballast, filler = state + "/queue/ballast", state + "/filler"

    def test():
        p.start()
        p.account("alice@example.org", "open-sesame")
        wait_for(lambda: os.path.exists(ballast) and os.stat(ballast).st_size)
        p.stop()
        fill_up(filler, 0)
        starts_and_knows(p, "not a byte left: it starts without the ballast")
        tap.equal(os.stat(ballast).st_size, 0, "which is thrown off")
        new = state + "/queue/spool/new-7"
        fill_up(filler, 0)
        os.rename(filler, new)
        starts_and_knows(p, "full of what was never accepted: it starts")
        tap.ok(not os.path.exists(new), "and that is gone")
        fill_up(filler, 0)
        victim = state + "/victim"
        for lie, make in (("a link", os.symlink), ("a second name", os.link)):
            os.unlink(ballast)
            os.truncate(filler, 0)
            with open(victim, "wb") as f:
                f.write(bytes(1 << 20))
            os.chown(victim, USERS["queue"], USERS["queue"])
            make(victim, ballast)
            fill_up(filler, 0)
            cannot_start(p, lie + " for a ballast")
            tap.equal(os.stat(victim).st_size, 1 << 20,
                      lie + ": nothing is emptied")

    on_small_disk(state, "size=128m,mode=755", test)
    shutil.rmtree(p.dir)


def test_accounts_disk():
    """Full where the accounts are, after a kill: recovery cannot write."""
    p = Postern()
    auth = p.dir + "/state/auth"

    def test():
        p.start()
        p.account("alice@example.org", "open-sesame")
        p.kill_all()
        fill_up(auth + "/filler", 0)
        cannot_start(p, "no room for the accounts")
        os.truncate(auth + "/filler", 0)
        starts_and_knows(p, "with room they are there")

    on_small_disk(auth, "size=8m,mode=700,uid=%d,gid=%d" %
                  (USERS["auth"], USERS["auth"]), test)
    shutil.rmtree(p.dir)


def renew(p, days):
    """The same certificate, for so many days from now."""
    subprocess.run(["openssl", "x509", "-in", p.cert, "-signkey", p.key,
                    "-days", str(days), "-out", p.cert],
                   check=True, stderr=subprocess.DEVNULL)


def test_second_instance():
    with Postern() as p:
        q = Postern()
        edit(q, q.dir + "/state", p.dir + "/state")
        code, lines, _ = run(q, "-d")
        tap.ok(code == 1 and len(lines) == 1 and "another posternd (process "
               "%d)" % p.process.pid in lines[0],
               "a second instance on the same state-dir is told whose it is")
        shutil.rmtree(q.dir)


def test_check():
    p = Postern()
    code, _, everything = run(p, "-n")
    tap.ok(code == 0 and "postern.conf is fine" in everything,
           "-n: fine")
    tap.ok(not os.path.exists(p.dir + "/state"), "-n makes nothing")
    p.configure(next_hop="smtp://mx.example", route_options="tls = none")
    code, _, everything = run(p, "-n")
    tap.ok(code == 0 and "in the clear" in everything, "-n warns")
    p.configure(next_hop="smtp://127.0.0.1:1", sections="accounts { "
                'mechanisms = {"SCRAM-SHA-1", "PLAIN", "SCRAM-SHA-1-PLUS"} }')
    code, _, everything = run(p, "-n")
    tap.ok(code == 0 and everything.count("SCRAM-SHA-1 is outdated") == 1
           and "in the clear" not in everything, "-n warns once of a hash and "
           "its -PLUS, and not of what stays on this machine")
    renew(p, 3)
    code, _, everything = run(p, "-n")
    tap.ok(code == 0 and re.search(r"^posternd: warning: \S+/postern\.conf:\d+: "
           "the certificate \S+ expires on .*posternctl reload$", everything,
           re.M) and "mind the warnings" in everything,
           "and of a certificate that is nearly over, as of all else")
    renew(p, 30)
    p.configure(sections="")
    edit(p, '"61002"', '"nonesuch-user"')
    edit(p, p.key, p.dir + "/nonesuch.key")
    code, lines, _ = run(p, "-n")
    tap.ok(code == 1 and len(lines) == 2 and "systemd-sysusers" in lines[0] and
           "nonesuch.key" in lines[1], "-n: a missing user hides no missing file")
    p.configure()
    os.makedirs(p.dir + "/state/queue")
    os.chown(p.dir + "/state/queue", 4711, 4711)
    code, lines, _ = run(p, "-n")
    tap.ok(code == 1 and len(lines) == 1 and "belongs to user 4711" in
           lines[0], "-n looks at the directories: another owner")
    os.rmdir(p.dir + "/state/queue")
    os.chmod(p.dir + "/state", 0o777)
    code, lines, _ = run(p, "-n")
    tap.ok(code == 1 and "others than root can write" in lines[-1],
           "-n: everybody may write there")
    shutil.rmtree(p.dir + "/state")
    os.chown(p.key, 4711, 4711)
    code, _, everything = run(p, "-n")
    tap.ok(code == 0 and "belongs to user 4711" in everything,
           "-n warns of a key that is somebody's")
    os.chown(p.key, 0, 0)
    key_of_another(p)
    code, lines, _ = run(p, "-n")
    tap.ok(code == 1 and len(lines) == 1, "-n finds a key that does not fit")
    shutil.rmtree(p.dir)


def test_help():
    for option in ("-h", "--help"):
        r = subprocess.run([POSTERND, option], capture_output=True, text=True)
        tap.ok(r.returncode == 0 and r.stdout.startswith("usage:") and
               r.stderr == "", option + " prints the usage")
    r = subprocess.run([POSTERND, "--version"], capture_output=True, text=True)
    tap.ok(r.stdout.startswith("posternd "), "--version prints the version")


def test_quickstart():
    """It says what keeps it from building, and no noise of make."""
    p = Postern()
    here = os.path.join(p.dir, "clone")
    os.mkdir(here)
    shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../../quickstart"), here)
    open(os.path.join(here, "config.status"), "w").close()
    for words in ([], ["check"]):
        r = subprocess.run([os.path.join(here, "quickstart")] + words,
                           capture_output=True, text=True)
        tap.ok(r.returncode == 1 and "Run make distclean" in r.stderr and
               r.stderr.count("\n") == 1 and len(os.listdir(here)) == 2,
               "quickstart %s in a tree that was configured: told" % words)
    shutil.rmtree(p.dir)


def test_background():
    p = Postern()
    code, _, _ = run(p)
    tap.ok(code == 0 and p.ctl("status", check=False).returncode == 0,
           "without -d it serves when the command returns")
    tap.equal(p.ctl("stop", check=False).returncode, 0, "posternctl stop")
    tap.ok(wait_for(lambda: not os.path.exists(p.socket)),
           "which takes its socket away")
    tap.equal(p.ctl("status", check=False).returncode, 4,
              "then nobody answers")
    key_of_another(p)
    code, lines, _ = run(p)
    tap.ok(code == 1 and len(lines) == 1,
           "a fault reaches the terminal and the exit code")
    shutil.rmtree(p.dir)


# --- reload ----------------------------------------------------------------------

def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_reload():
    with Postern(workers=2) as p:
        p.account("alice@example.org", "open-sesame")
        pids = [c["pid"] for c in p.processes()]
        session = p.client(login="alice@example.org")
        old, new = p.tls_port, free_port()

        p.configure(limits="errors = x")
        r = p.ctl("reload", check=False)
        tap.ok(r.returncode == 1 and "1 to 1000" in r.stdout + r.stderr and
               "stays in use" in r.stderr, "a fault is told, nothing changes")
        p.configure(limits="", workers=3)
        r = p.ctl("reload", check=False)
        tap.ok(r.returncode == 1 and "workers cannot change" in r.stdout,
               "so is what cannot change")
        p.configure(workers=2, sections='dns { resolvers = {"192.0.2.1"} }')
        r = p.ctl("reload", check=False)
        tap.ok(r.returncode == 1 and re.search(
            r"postern\.conf:\d+: dns.resolvers cannot change", r.stdout),
               "and where it stands")
        p.configure(sections="")
        good_key = p.key
        key_of_another(p)
        r = p.ctl("reload", check=False)
        tap.ok(r.returncode == 1 and re.search(
            r"postern\.conf:\d+: .*does not belong", r.stdout),
               "so is what one of the processes refuses")
        tap.ok(listening(old), "the old ports serve")

        p.key, p.tls_port = good_key, new
        p.configure()
        os.chmod(good_key, 0o644)
        r = p.ctl("reload", check=False)
        tap.ok(r.returncode == 0 and '"warning: ' in r.stdout and
               "chmod 600" in r.stdout, "a good one is used, with a warning")
        os.chmod(good_key, 0o600)
        tap.ok(wait_for(lambda: listening(new) and not listening(old)),
               "ports come and go")
        tap.equal(session.noop()[0], 250, "an old session goes on")
        session.quit()
        with p.client(login="alice@example.org") as s:
            tap.equal(s.noop()[0], 250, "new ones begin")
        p.cert, p.key = make_certificate(p.dir, "renewed.example")
        p.configure()
        p.process.send_signal(signal.SIGHUP)
        tap.ok(wait_for(lambda: p.log().count("configuration is in use") == 2),
               "SIGHUP does the same")
        with p.client() as s:
            tap.ok(b"renewed.example" in s.sock.getpeercert(True),
                   "a new certificate is shown")
        tap.equal([c["pid"] for c in p.processes()], pids,
                  "all by the same processes")


# What a file may turn into while Postern runs, and what is said of it.
SPOILT = (
    ("a number of letters", b"workers = many\n", "postern.conf:%d: "),
    ("a value out of range", b"relays = 17\n", "postern.conf:%d: "),
    ("an option twice", b'hostname = "b.example"\n', "postern.conf:%d: "),
    ("a section twice", b"tls { }\n", "postern.conf:%d: "),
    ("an unknown option", b"wrokers = 1\n", "postern.conf:%d: "),
    ("an empty value", b'control-socket = ""\n', "postern.conf:%d: "),
    ("a control character", b'program-dir = "\x1b[2J"\n',
     "postern.conf:%d: "),
    ("a NUL", b"# \0\n", "contains a NUL byte"),
    ("CRLF in a value", b'state-dir = "/a\r\nb"\n', "postern.conf:"),
    ("a file that includes itself", b'include("postern.conf")\n',
     "postern.conf:"),
    ("a file that is not there", b'include("nonesuch")\n',
     "postern.conf:%d: cannot include"),
    ("an open brace", b"limits {\n", "postern.conf:"),
    ("a megabyte", b"#" * (1 << 20), "it is too large"),
)


def test_spoilt():
    """Each at a start, with -n and at a reload, which changes nothing."""
    p = Postern()
    with open(p.conf_path, "rb") as f:
        good = f.read()
    line = good.count(b"\n") + 1

    def write(more):
        with open(p.conf_path, "wb") as f:
            f.write(good + more)

    for name, more, says in SPOILT:
        write(more)
        says = says.replace("%d", str(line))
        for option in ("-n", "-d"):
            code, lines, everything = run(p, option)
            if not tap.ok(code == 1 and any(says in l for l in lines),
                          "%s: no start (%s)" % (name, option)):
                tap.note(everything[:1000])
    write(b"")
    with p:
        session = p.client()
        ways = [(name, says, lambda more=more: write(more))
                for name, more, says in SPOILT]
        ways += [(f.__name__.replace("_", " "), "cannot be read",
                  lambda f=f: f(p))
                 for f in (missing_file, conf_is_a_directory, conf_is_a_fifo)]
        for name, says, spoil in ways:
            write(b"")
            spoil()
            r = p.ctl("reload", check=False)
            said = r.stdout + r.stderr
            if not tap.ok(r.returncode == 1 and "stays in use" in said and
                          says.replace("%d", str(line)) in said,
                          name + ": no reload"):
                tap.note(said[:1000])
            if os.path.isdir(p.conf_path):
                os.rmdir(p.conf_path)
            elif os.path.exists(p.conf_path):
                os.unlink(p.conf_path)
            tap.ok(session.noop()[0] == 250 and listening(p.tls_port),
                   "all goes on as it was")
        write(b"")
        tap.equal(p.ctl("reload", check=False).returncode, 0,
                  "mended, it is used")


def certificates(p):
    """Each certificate's (days left, expired), and what is said at the end."""
    rows = [json.loads(x) for x in p.ctl("status", "--json").stdout
            .splitlines()]
    left = [(r["days_left"], r["expired"]) for r in rows if "certificate" in r]
    r = subprocess.run([os.path.join(BIN, "posternctl"), "--socket", p.socket,
                        "status"], capture_output=True, text=True)
    return left, r.stdout.splitlines()[-1]


def test_certificates():
    with Postern() as p:
        left, end = certificates(p)
        tap.ok(left == [(29, False)] and "connections to next hops" in end,
               "a month is no trouble: %r" % (left,))
        for days, said, want in (
                (14, "expires in 13 days: renew it", (13, False)),
                (3, "expires in 2 days: renew it", (2, False)),
                (-1, " EXPIRED on ", (0, True))):
            renew(p, days)
            if days > 0:
                r = p.ctl("reload", check=False)
                tap.ok(r.returncode == 0 and re.search(
                    r"warning: \S+postern\.conf:\d+: the certificate \S+ "
                    "expires on ", r.stdout), "%d days: reload warns" % days)
            else:           # a reload would not take it
                p.stop()
                p.start()
            # keys says it behind the reload
            wait_for(lambda: certificates(p)[0] == [want])
            left, end = certificates(p)
            tap.ok(left == [want] and said in end and p.cert in end,
                   "status says it: %r %s" % (left, end))


# --- replacement --------------------------------------------------------------------

def child(p, name):
    """Its row of `status`, also while there is no such process."""
    return next((c for c in p.processes() if c["name"] == name),
                dict(pid=0, restarts=0))


def serving(p):
    rows = p.processes()
    return len(rows) == 6 and all(r["state"] == "serving" for r in rows)


def test_replacement():
    with Postern(workers=2) as p:
        p.account("alice@example.org", "open-sesame")
        for name in ("keys", "auth", "queue", "relay", "smtpd/0"):
            before = child(p, name)
            os.kill(before["pid"], signal.SIGKILL)
            tap.ok(wait_for(lambda: serving(p) and child(p, name)["restarts"]
                            == 1), name + " is replaced")
        p.submit("alice@example.org", ["bob@example.net"], "Subject: x\n\nhi")
        tap.ok(True, "and all find each other: a message is accepted")

        times = []
        for i in range(4):
            pid = wait_for(lambda: serving(p) and child(p, "relay")["pid"])
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: serving(p) and
                     child(p, "relay")["pid"] not in (0, pid))
            times.append(time.monotonic() - begun)
        tap.ok(times[3] > 0.9 and p.logged("relay ended by SIGKILL; the "
                                           "next one starts after a pause"),
               "dying again and again brings pauses")
        tap.note(" ".join("%.2f" % t for t in times))

        os.kill(child(p, "smtpd/1")["pid"], signal.SIGSYS)
        tap.ok(wait_for(lambda: "ended by SIGSYS: a system call outside" in
                        p.log()), "the log says what SIGSYS means")


# --- the control socket ------------------------------------------------------------------

def test_control():
    with Postern() as p:
        many = [subprocess.Popen([BIN + "/posternctl", "--socket", p.socket] +
                                 words, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
                for words in (["status"], ["account", "list"], ["queue"],
                              ["usage"], ["cap", "list"]) * 8]
        codes = [c.wait(PATIENCE) for c in many]
        for c in many:
            c.stdout.close()
            c.stderr.close()
        tap.equal(codes, [0] * 40, "forty clients at once")

        for garbage in (b"", b"x", os.urandom(64),
                        struct.pack("=HHIQ", VERSION, 48, 4, 1) + b"\xff" * 4):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.settimeout(PATIENCE)
            s.connect(p.socket)
            s.send(garbage)
            try:
                tap.equal(s.recv(100), b"", "%d bytes of garbage end it" %
                          len(garbage))
            except ConnectionResetError:
                tap.ok(True, "%d bytes of garbage end it" % len(garbage))
            s.close()

        for words in (["account", "list"], ["queue", "list"]):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(p.socket)
            body = struct.pack("=I", len(words))
            for w in words:
                body += struct.pack("=I", len(w)) + w.encode() + b"\0"
            body += struct.pack("=I", 0)
            for i in range(50):
                s.send(struct.pack("=HHIQ", VERSION, 48, len(body), i) + body)
            s.close()
        tap.ok(p.ctl("status").returncode == 0,
               "askers who do not wait do no harm")

        r = p.ctl("queue", "show", "nonesuch", check=False)
        tap.ok(r.returncode in (2, 3), "no such message: 2 or 3")
        r = p.ctl("acount", "list", check=False)
        tap.ok(r.returncode == 2 and "account list" in r.stderr,
               "an unknown verb suggests")

        os.chmod(p.socket, 0o666)
        r = as_other_user(p, "posternctl", "--socket", p.socket, "account",
                          "list")
        tap.ok(r.returncode != 0 and p.logged("user 61009"),
               "others are sent away even when the socket is open to them")


# --- TLS session tickets -----------------------------------------------------------

def test_tickets():
    with Postern(workers=2) as p:
        p.account("alice@example.org", "open-sesame")
        c = p.context()
        got = [resume(p.tls_port, c, None, login=False)]
        tap.ok(not got[0][1].has_ticket, "no ticket before a login")
        got = [resume(p.tls_port, c, None)]
        for _ in range(12):
            got.append(resume(p.tls_port, c, got[-1][1]))
        tap.equal([r for r, _ in got[1:]], [True] * 12,
                  "sessions are resumed by whichever worker it is")
        p.ctl("reload")
        tap.equal(resume(p.tls_port, c, got[-1][1])[0], True, "also after a reload")
        p.kill("smtpd")

        def void():
            """While workers are replaced there may be no answer at all."""
            try:
                return not resume(p.tls_port, c, got[-1][1])[0]
            except (OSError, AssertionError):
                return False
        tap.ok(wait_for(void), "workers died: their key is worth nothing any more")


# --- the end -------------------------------------------------------------------------------

def test_stop():
    with Postern() as p:
        s = p.client()
        begun = time.monotonic()
        p.process.send_signal(signal.SIGTERM)
        s.sock.settimeout(PATIENCE)
        tap.ok(s.sock.recv(512).startswith(b"421"), "an idle session: 421")
        tap.equal(p.process.wait(PATIENCE), 0, "the end is clean")
        tap.ok(SANITIZED or time.monotonic() - begun < 5, "and soon")
        tap.ok(not os.path.exists(p.socket), "the control socket is gone")
        tap.ok(not subprocess.run(["pgrep", "-P", str(p.process.pid)],
                                  capture_output=True).stdout,
               "nobody is left")
    with Postern() as p:
        p.account("alice@example.org", "open-sesame")
        s = p.client(login="alice@example.org")
        s.mail("alice@example.org")
        s.rcpt("bob@example.net")
        s.docmd("DATA")
        p.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        tap.ok(p.process.poll() is None, "a message in progress is waited for")
        p.process.send_signal(signal.SIGTERM)
        # It would wait for ten seconds.
        tap.ok(wait_for(lambda: p.process.poll() is not None, 9),
               "but not after a second signal")


def test_stop_and_start():
    """Whoever heard that it has stopped can start the next one."""
    p = Postern()
    p.start()
    for _ in range(8):
        old = p.process
        tap.equal(p.ctl("stop").returncode, 0, "stop is answered")
        r = p.ctl("status", check=False)
        tap.ok(r.returncode != 0 and "No such file" in r.stderr + r.stdout,
               "nobody is there any more")
        p.start()
        old.wait(PATIENCE)
    tap.ok(True, "and the next one starts at once")

    p.account("alice@example.org", "open-sesame")
    s = p.client(login="alice@example.org")
    s.mail("alice@example.org")
    s.rcpt("bob@example.net")
    s.docmd("DATA")
    old = p.process
    old.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in open(p.dir + "/state/lock").read())
    old.send_signal(signal.SIGSTOP)     # it stays so, however long that is
    edit(p, p.socket, p.dir + "/second")

    def start_second():
        return subprocess.Popen([POSTERND, "-d", "-f", p.conf_path],
                                stderr=subprocess.PIPE, text=True)

    second = start_second()
    time.sleep(0.3)
    tap.ok(second.poll() is None, "one that comes early waits")
    said = second.communicate(timeout=PATIENCE)[1]
    tap.ok(second.returncode == 1 and "is stopping" in said,
           "but not for ever, and says for whom: " + said)
    second = start_second()
    time.sleep(0.3)
    old.send_signal(signal.SIGTERM)
    old.send_signal(signal.SIGCONT)
    p.socket = p.dir + "/second"

    def serves():
        nonlocal second
        if second.poll() is not None:   # the first has taken too long to end
            second = start_second()
        return p.ctl("status", check=False).returncode == 0

    tap.ok(wait_for(serves), "it serves when the first has ended")
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=PATIENCE)
    old.wait(PATIENCE)
    shutil.rmtree(p.dir)


def test_notify():
    p = Postern()
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.bind(p.dir + "/notify")
    os.environ["NOTIFY_SOCKET"] = p.dir + "/notify"
    p.start()
    del os.environ["NOTIFY_SOCKET"]
    tap.equal(s.recv(512), b"READY=1", "the service manager hears READY=1")
    p.process.send_signal(signal.SIGHUP)
    tap.ok(re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", s.recv(512)),
           "RELOADING=1")
    tap.equal(s.recv(512), b"READY=1", "READY=1 again")
    p.stop()
    tap.equal(s.recv(512), b"STOPPING=1", "STOPPING=1")
    s.close()
    shutil.rmtree(p.dir)


need_root()
test_start_errors()
test_modes()
test_not_root()
test_full_disk()
test_full_disk_later()
test_accounts_disk()
test_second_instance()
test_check()
test_help()
test_quickstart()
test_background()
test_spoilt()
test_reload()
test_certificates()
test_replacement()
test_control()
test_tickets()
test_stop()
test_stop_and_start()
test_notify()
tap.done()
