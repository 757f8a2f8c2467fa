#!/usr/bin/python3
"""
What each process may do once it serves, as the kernel tells it: a user of its
own, no capabilities, no new privileges, a table of system calls, no core dumps,
no look into its memory; and who may read what lies on the disk.
"""
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BIN, SANITIZED, USERS, Postern, need_root    # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
CAGED = {"smtpd", "keys", "relay"}      # in an empty root directory


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return {k: v.strip() for k, v in (l.split(":", 1) for l in f)}


def core_limit(pid):
    with open("/proc/%d/limits" % pid) as f:
        return next(l for l in f if l.startswith("Max core")).split()[4:6]


def test_process(row):
    name, pid = row["name"].split("/")[0], row["pid"]
    s = status_of(pid)
    tap.equal(set(s["Uid"].split()), {str(USERS[name])},
              name + " has a user of its own")
    tap.equal(set(s["Gid"].split()), {str(USERS[name])}, "and its group")
    tap.ok(set(s["Groups"].split()) <= {str(USERS[name])}, "and no other")
    tap.equal({s[c].strip("0") for c in ("CapInh", "CapPrm", "CapEff",
                                         "CapAmb")}, {""}, "no capabilities")
    tap.equal((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"),
              "no new privileges, and a table of system calls")
    tap.equal(core_limit(pid), ["0", "0"], "no core dumps")
    # Files of a process that may not be dumped belong to root.
    tap.equal(os.stat("/proc/%d/environ" % pid).st_uid, 0,
              "nobody looks into its memory")
    root = os.readlink("/proc/%d/root" % pid)
    if name in CAGED:
        tap.ok(root != "/" and os.listdir("/proc/%d/root" % pid) == [],
               "its root directory is empty: %s" % root)
    fds = [os.readlink("/proc/%d/fd/%s" % (pid, fd))
           for fd in os.listdir("/proc/%d/fd" % pid)]
    own = {"auth": "/state/auth/", "queue": "/state/queue/"}.get(name)
    other = [f for f in fds if "/state/" in f and
             (own is None or own not in f + "/")]
    tap.equal(other, [], "it holds no file of another's")
    tap.equal([f for f in fds if f.endswith((".key", ".crt", ".conf"))], [],
              "nor the key or the configuration")


def test_disk(p):
    loose = []
    for folder, folders, files in os.walk(p.dir + "/state"):
        for entry in [folder] + [os.path.join(folder, f) for f in files]:
            st = os.lstat(entry)
            if stat.S_IMODE(st.st_mode) & 0o077 and st.st_uid != 0:
                loose.append((entry, oct(st.st_mode)))
    tap.equal(loose, [], "only its owner reads what a process keeps")
    for name in ("auth", "queue"):
        path = os.path.join(p.dir, "state", name)
        st = os.stat(path)
        tap.equal((st.st_uid, stat.S_IMODE(st.st_mode)), (USERS[name], 0o700),
                  name + "'s directory is its own")
    tap.ok(not stat.S_IMODE(os.stat(p.socket).st_mode) & 0o007,
           "the control socket is not for everybody")
    # A key that others can read is warned about, by its name, with the remedy.
    want = "%s can be read or changed by others; chmod 600 %s" % (p.key, p.key)
    r = p.ctl("reload", check=False)
    tap.ok(r.returncode == 0 and want not in r.stdout + r.stderr,
           "nothing is said of a key that is root's alone")
    os.chmod(p.key, 0o644)
    r = p.ctl("reload", check=False)
    check = subprocess.run([os.path.join(BIN, "posternd"), "-n", "-f",
                            p.conf_path], capture_output=True, text=True)
    os.chmod(p.key, 0o600)
    tap.ok(r.returncode == 0 and any(
        "warning" in line and want in line for line in r.stdout.splitlines()),
        "a reload warns of a key that others may read, and says what to do")
    tap.ok(check.returncode == 0 and "warning" in check.stderr and
           want in check.stderr, "so does posternd -n")


def main():
    need_root()
    with Sink() as sink, Postern(sink.url, route_options="tls = none",
                                 workers=2) as p:
        p.account(ALICE, "open-sesame")
        p.submit(ALICE, ["bob@example.net"], "Subject: x\r\n\r\nx\r\n")
        if not SANITIZED:           # their runtime wants more
            for row in p.processes():
                if row["name"].split("/")[0] in USERS:
                    test_process(row)
        test_disk(p)
    tap.done()


main()
