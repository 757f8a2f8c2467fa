"""
A Postern of one's own: its configuration, certificate and state in a directory
under /tmp, on ports that nobody uses, run from the build tree's bin/. What goes
wrong is printed with the end of its log.

    with Postern() as p:
        p.account("alice@example.org", "open-sesame")
        p.submit("alice@example.org", ["bob@example.net"], "Subject: x\\n\\nhi")
"""
import base64
import ctypes
import json
import os
import random
import re
import select
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import tap

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("POSTERN_BUILD", os.getcwd())
BIN = os.path.join(BUILD, "bin")
def _sanitized():
    try:
        with open(os.path.join(BUILD, "config.h")) as f:
            return "#define POSTERN_SANITIZED 1" in f.read()
    except OSError:
        return False


# Under the sanitizers sizes and times mean nothing.
SANITIZED = _sanitized()
# Two thirds of a run of posternctl under ASan are the look for what it did not
# free as it ends. Unit tests look at its parts; here it is run thousands of times.
CTL_ENV = dict(os.environ, ASAN_OPTIONS=":".join(filter(None, (
    os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"))))
# What ./quickstart check has installed from npm (tests/npm).
NODE_MODULES = os.path.join(SOURCE, "build-npm", "node_modules")
HOSTNAME = "relay.example.org"
USERS = {"smtpd": 61001, "auth": 61002, "keys": 61003, "queue": 61004,
         "relay": 61005, "source": 61006, "fetch": 61007}
# Sanitizers and busy machines take their time.
PATIENCE = float(os.environ.get("POSTERN_TEST_PATIENCE",
                                "120" if SANITIZED else "60"))
# What is said where the same is done a moment later.
NOT_NOW = ("a process is being replaced; try again",
           "the process that knows is not serving now; try again")
IN_VAIN = 5 * PATIENCE          # a test that has waited so long has failed
_ours = []      # a name in the kernel for each of our ports, until we end


def free_port():
    """
    Below the range that the kernel gives to clients, so that nobody takes the
    port while Postern is being started again; and no test takes another's.
    """
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket.socket() as s:
            try:
                name.bind("\0postern-test-port-%d" % port)
                s.bind(("127.0.0.1", port))
                _ours.append(name)
                return port
            except OSError:
                name.close()


def _end_with_me():
    """In the child: SIGTERM when the test is killed, so that nothing stays."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)      # PR_SET_PDEATHSIG


_waited_in_vain = 0


def wait_for(what, seconds=PATIENCE, every=0.02):
    """
    The first true value of what(), or its last false one. Where much has been
    waited for in vain, nothing is any longer.
    """
    global _waited_in_vain
    if _waited_in_vain > IN_VAIN:
        seconds = min(seconds, 1)
    begun = time.monotonic()
    while True:
        late = time.monotonic() > begun + seconds   # it is looked at once more
        value = what()
        if value:
            return value
        if late:
            _waited_in_vain += time.monotonic() - begun
            return value
        time.sleep(every)


def sentences(stderr):
    """posternctl's complaints to a program, as people would read them."""
    lines = []
    for line in stderr.splitlines():
        try:
            lines.append("posternctl: " + json.loads(line)["error"])
        except ValueError:
            lines.append(line)          # a sanitizer's, not posternctl's
    return "\n".join(lines)


def make_certificate(directory, name, kind="ec", days=30):
    """A self-signed pair; returns (certificate, key)."""
    cert = os.path.join(directory, name + ".crt")
    key = os.path.join(directory, name + ".key")
    new = (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
           if kind == "ec" else ["-newkey", "rsa:2048"])
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", str(days)] +
                   new +
                   ["-subj", "/CN=" + name, "-addext",
                    "subjectAltName=DNS:%s,IP:127.0.0.1" % name,
                    "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return cert, key


def need_root(program="posternd"):
    if os.geteuid() != 0:
        tap.skip_all("needs root, to give each process its user")
    if not os.path.exists(os.path.join(BIN, program)):
        tap.skip_all("no %s/%s" % (BIN, program))


def need_npm(*packages):
    """The environment in which Node finds them."""
    if shutil.which("node") is None:
        tap.skip_all("no Node; ./quickstart check installs it")
    for package in packages:
        if not os.path.isdir(os.path.join(NODE_MODULES, package)):
            tap.skip_all("no %s; ./quickstart check installs it" % package)
    return dict(os.environ, NODE_PATH=NODE_MODULES)


class Postern:
    """
    options: lines that replace the usual ones of the same name, e.g.
    limits="errors = 3". sections: text added at the end. next_hop: where mail
    goes, "smtp://127.0.0.1:2525".
    """

    def __init__(self, next_hop=None, sections="", limits="", workers=1,
                 caps=None, queue="", kind="ec", sandbox=True, certificate=None,
                 route_options="", top=""):
        self.dir = tempfile.mkdtemp(prefix="postern-test-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.tls_port = free_port()
        self.log_path = os.path.join(self.dir, "log")
        self.conf_path = os.path.join(self.dir, "postern.conf")
        self.socket = os.path.join(self.dir, "control")
        self.cert, self.key = certificate or make_certificate(
            self.dir, HOSTNAME, kind)
        self.process = None
        self.secrets = []
        self.settings = dict(next_hop=next_hop or "smtp://127.0.0.1:1",
                             sections=sections, limits=limits, workers=workers,
                             caps=caps, queue=queue, sandbox=sandbox,
                             route_options=route_options, top=top)
        self.configure()

    def configure(self, **changes):
        """Writes the configuration again, with changes."""
        self.settings.update(changes)
        s = self.settings
        caps = s["caps"] if s["caps"] is not None else \
            'cap default { messages = {"10000000/1h"} ' \
            'recipients = {"100000000/1h"} bytes = {} ' \
            'recipients-per-message = 1000 }'
        min_free = "" if "min-free" in s["queue"] else 'min-free = "1M"'
        sessions = "" if "sessions = " in s["limits"] else "sessions = 20000"
        users = " ".join('%s = "%d"' % u for u in USERS.items())
        with open(self.conf_path, "w") as f:
            f.write(f'''hostname = "{HOSTNAME}"
state-dir = "{self.dir}/state"
control-socket = "{self.socket}"
program-dir = "{BIN}"
{"workers = %d" % s["workers"] if s["workers"] else ""}
relays = 1
sandbox = {"on" if s["sandbox"] else "off"}
log = "stderr"
{s["top"]}
users {{ {users} }}
tls {{ certificate = "{self.cert}" key = "{self.key}" }}
listen submission {{ address = "127.0.0.1" port = {self.port} tls = starttls }}
listen submissions {{ address = "127.0.0.1" port = {self.tls_port} tls = implicit }}
limits {{ {sessions} sessions-per-address = 20000 {s["limits"]} }}
{caps}
queue {{ {min_free} {s["queue"]} }}
route out {{ next-hop = "{s["next_hop"]}" {s["route_options"]} }}
{s["sections"]}
''')

    # --- life ----------------------------------------------------------------

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            tap.note(self.log()[-6000:])
        self.stop()
        self.judge_log()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(BIN, "posternd"), "-d", "-f", self.conf_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_end_with_me)
        if not wait_for(lambda: self.process.poll() is not None or
                        self.ctl("status", check=False).returncode == 0):
            raise RuntimeError("posternd does not come up\n" + self.log())
        if self.process.poll() is not None:
            raise RuntimeError("posternd ended with %d\n%s" %
                               (self.process.returncode, self.log()))

    def stop(self):
        """SIGTERM; the exit status, or None when it had to be killed."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            tap.note("posternd did not end; killed")
            self.kill_all()
            return None

    def kill_all(self):
        """
        kill -9, as a power cut would: nobody is left when this returns. The
        parent is stopped first, so that it replaces nobody meanwhile.
        """
        self.process.send_signal(signal.SIGSTOP)
        children = self.children()
        for fd in children:
            try:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        # A dying process still holds its listening sockets.
        for fd in children:
            select.select([fd], [], [], PATIENCE)
            os.close(fd)

    def children(self):
        """Descriptors of posternd's children, as pids may be used again."""
        path = "/proc/%d/task/%d/children" % ((self.process.pid,) * 2)
        fds = []
        with open(path) as f:
            for pid in f.read().split():
                try:
                    fds.append(os.pidfd_open(int(pid)))
                except ProcessLookupError:
                    pass
        return fds

    def kill(self, name):
        """kill -9 of every process of that name ("queue", "smtpd")."""
        pids = self.pids(name)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass            # it has ended meanwhile
        return pids

    def replaced(self, name):
        """kill -9 of every process of that name; whether all serve again."""
        killed = self.kill(name)
        return wait_for(lambda: self.all_serve() and not
                        set(killed) & set(self.pids(name)))

    def kill_together(self, *names):
        """The same of several, of which none is replaced before all are dead."""
        wait_for(self.all_serve)
        pids = self.pids(*names)
        self.process.send_signal(signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.send_signal(signal.SIGCONT)

    def pids(self, *names):
        return [p["pid"] for p in self.processes()
                if p["name"].split("/")[0] in names]

    def all_serve(self):
        """Nobody is dead or being started."""
        states = [r["state"] for r in self.status() if "restarts" in r]
        return bool(states) and set(states) <= {"serving", "absent"}

    # --- talking to it -----------------------------------------------------------

    def ctl(self, *words, input=None, check=True):
        """check: it must be done, once whoever is being replaced is there."""
        def run():
            return subprocess.run(
                [os.path.join(BIN, "posternctl"), "--json", "--socket",
                 self.socket] + list(words), input=input, capture_output=True,
                text=True, env=CTL_ENV)
        r = run()
        end = time.monotonic() + PATIENCE
        while check and r.returncode != 0 and time.monotonic() < end and \
                any(s in r.stdout + r.stderr for s in NOT_NOW):
            time.sleep(0.05)
            r = run()
        r.stderr = sentences(r.stderr)
        if check and r.returncode != 0:
            raise RuntimeError("posternctl %s: %d %s%s" % (
                " ".join(words), r.returncode, r.stdout, r.stderr))
        return r

    def ctl_as_people(self, *words):
        """What stands on the screen."""
        return subprocess.run([os.path.join(BIN, "posternctl"), "--socket",
                               self.socket] + list(words), check=True,
                              capture_output=True, text=True,
                              env=CTL_ENV).stdout

    def rows(self, *words):
        return [json.loads(line) for line in
                self.ctl(*words).stdout.splitlines() if line.strip()]

    def status(self):
        r = self.ctl("status", check=False)
        return [json.loads(l) for l in r.stdout.splitlines() if l.strip()]

    def processes(self):
        """Rows of `status` that are processes."""
        return [dict(row, name=row.get("name", row.get("process")))
                for row in self.status() if row.get("pid")]

    def judge_log(self):
        """
        Holds for every test: no password of an account is in the log, in no
        form in which a client may have said it (but some say it where a name
        belongs), and no byte that could be taken for something else.
        """
        with open(self.log_path, "rb") as f:
            log = f.read()
        told = re.sub(rb'(account|actor|device|user)="[^"\n]*"', b"", log)
        for name, password in self.secrets:
            for form in (password, plain(name, password),
                         base64.b64encode(password.encode()).decode()):
                if form.encode() in told:
                    tap.ok(False, "a password is in the log: %s" % form)
        if not SANITIZED and re.search(rb"[^\n -~]", log):
            tap.ok(False, "a raw byte is in the log: %r" % re.search(
                rb".*[^\n -~].*", log).group()[:300])

    def account(self, name, password, *options):
        if len(password) >= 8:
            self.secrets.append((name, password))
        self.ctl("account", "add", name, *options, input=password + "\n")

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def logged(self, text, behind=0):
        """Whether the log says so behind that place, now or soon."""
        return wait_for(lambda: text in self.log()[behind:])

    def queue(self):
        return self.rows("queue", "list")

    # --- clients ------------------------------------------------------------------

    def context(self):
        c = ssl.create_default_context(cafile=self.cert)
        c.check_hostname = False
        return c

    def client(self, implicit=True, login=None, password="open-sesame"):
        """An smtplib client, under TLS, logged in if login names somebody."""
        if implicit:
            s = smtplib.SMTP_SSL("127.0.0.1", self.tls_port, timeout=PATIENCE,
                                 context=self.context())
        else:
            s = smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE)
            s.starttls(context=self.context())
        if login:
            s.login(login, password)
        return s

    def submit(self, sender, recipients, message, password="open-sesame", **how):
        with self.client(login=sender, password=password, **how) as s:
            return s.sendmail(sender, recipients, message)


def plain(account, password):
    return base64.b64encode(("\0%s\0%s" % (account, password)).encode()
                            ).decode()


def resume(port, context, session, login=True):
    """
    (whether the TLS session was resumed, the one to resume next time), whose
    ticket comes with the login.
    """
    raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with context.wrap_socket(raw, session=session) as s:
        s.recv(4096)
        if login:
            s.sendall(b"EHLO client.example\r\n")
            s.recv(4096)
            s.sendall(b"AUTH PLAIN %s\r\n" % plain(
                "alice@example.org", "open-sesame").encode())
            assert s.recv(4096).startswith(b"235")
        return s.session_reused, s.session
