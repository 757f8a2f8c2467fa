"""
Servers to measure: ours from the build tree, and those of others where they are
installed, each with a directory of its own under /var/tmp, on ports of its own,
never as the system's service. All of them do the same: TLS with one ECDSA P-256
certificate, AUTH PLAIN for alice@example.org, everything to one next hop.

A package that excludes another may be unpacked by its side, dpkg -x FILE.deb
DIRECTORY; OPENSMTPD_ROOT and POSTFIX_ROOT name such directories.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import postern                                                  # noqa: E402

USER, PASSWORD = "alice@example.org", "open-sesame"
PATIENCE = 30


class Server:
    """Has pid, port (STARTTLS) and tls_port once started."""

    idle_sessions = 500

    def __init__(self, sink_port, certificate):
        self.sink_port = sink_port
        self.cert, self.key = certificate
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Postern(Server):
    name = "Postern"

    def __init__(self, sink_port, certificate, workers=None, queue="",
                 limits=""):
        super().__init__(sink_port, certificate)
        # Caps that count everything and stop nobody.
        self.inner = postern.Postern(
            next_hop="smtp://127.0.0.1:%d" % sink_port, certificate=certificate,
            route_options="tls = none", workers=workers, queue=queue,
            limits=limits,
            caps='cap default { messages = {"100000000/1d"} '
                 'recipients = {"1000000000/1d"} bytes = {"100000G/1d"} '
                 'recipients-per-message = 1000 }')

    def start(self):
        self.inner.start()
        self.inner.account(USER, PASSWORD)
        self.process = self.inner.process
        self.port, self.tls_port = self.inner.port, self.inner.tls_port

    def stop(self):
        self.inner.stop()
        shutil.rmtree(self.inner.dir, ignore_errors=True)

    def log(self):
        return self.inner.log()


class Foreign(Server):
    """A server that we configure in a directory and run in the foreground."""

    def __init__(self, sink_port, certificate):
        super().__init__(sink_port, certificate)
        self.dir = tempfile.mkdtemp(prefix="bench-", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.port, self.tls_port = postern.free_port(), postern.free_port()

    def put(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def start(self):
        self.configure()
        with open(os.path.join(self.dir, "output"), "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, env=self.environment())
        if not postern.wait_for(self.answers, PATIENCE):
            raise RuntimeError("%s does not come up\n%s" % (
                self.name, self.log()))

    def environment(self):
        return dict(os.environ)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        with open(os.path.join(self.dir, "output"), errors="replace") as f:
            return f.read()


# --- Postfix -----------------------------------------------------------------

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/output
maillog_file_prefixes = {dir}
myhostname = relay.example.org
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.2
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {dir}/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""

MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
127.0.0.1:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# sasldb's key is user NUL realm NUL property. Postfix passes its realm, "".
SASLDB = r"""
use DB_File;
tie(my %db, "DB_File", $ARGV[0], O_RDWR|O_CREAT, 0600, $DB_HASH) or die "$!";
my ($user, $realm) = split(/\@/, $ARGV[1]);
$db{"$user\0$realm\0userPassword"} = $ARGV[2];
"""


class Postfix(Foreign):
    name = "Postfix"
    idle_sessions = 80      # a process each, of 100
    root = os.environ.get("POSTFIX_ROOT", "")

    @classmethod
    def missing(cls):
        """Why it cannot be measured; None when it can."""
        if not os.access(cls.root + "/usr/lib/postfix/sbin/master", os.X_OK):
            return "not installed"
        if subprocess.run(["perl", "-MDB_File", "-e", ""],
                          stderr=subprocess.DEVNULL).returncode:
            return "no Perl with DB_File to write its accounts"
        if not os.path.exists(
                "/usr/lib/x86_64-linux-gnu/sasl2/libsasldb.so"):
            return "no sasldb plugin (libsasl2-modules-db)"
        return None

    def configure(self):
        names = dict(dir=self.dir, root=self.root, cert=self.cert,
                     key=self.key, sink=self.sink_port, port=self.port,
                     tls_port=self.tls_port)
        self.put("main.cf", MAIN_CF.format(**names))
        self.put("master.cf", MASTER_CF.format(**names))
        self.put("sasl/smtpd.conf", "pwcheck_method: auxprop\n"
                 "auxprop_plugin: sasldb\nmech_list: PLAIN\n"
                 "sasldb_path: %s/sasl/db\n" % self.dir)
        subprocess.run(["perl", "-e", SASLDB, self.dir + "/sasl/db", USER,
                        PASSWORD], check=True)
        shutil.chown(self.dir + "/sasl/db", "postfix")
        os.mkdir(self.dir + "/queue")
        os.mkdir(self.dir + "/data")
        shutil.chown(self.dir + "/data", "postfix")
        subprocess.run([self.root + "/usr/sbin/postfix", "-c", self.dir,
                        "check"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)

    def command(self):
        return [self.root + "/usr/lib/postfix/sbin/master", "-c", self.dir,
                "-s"]

    def environment(self):
        # As postfix(1) start-fg would set them for master(8).
        return dict(os.environ, MAIL_CONFIG=self.dir)


# --- OpenSMTPD ---------------------------------------------------------------

SMTPD_CONF = """
pki bench cert "{cert}"
pki bench key "{key}"
table accounts file:{dir}/accounts
listen on 127.0.0.1 port {port} tls-require pki bench auth <accounts> \
hostname relay.example.org
listen on 127.0.0.1 port {tls_port} smtps pki bench auth <accounts> \
hostname relay.example.org
action "out" relay host smtp+notls://127.0.0.1:{sink}
match from auth for any action "out"
"""

# Its paths and users are built in: it gets its own view of them.
NAMESPACE = """
set -e
mount --bind {dir}/passwd /etc/passwd
mount --bind {dir}/group /etc/group
mount --bind {dir}/spool /var/spool
mount --bind {dir}/lib /var/lib
mount --bind {dir}/run /run
exec {root}/usr/sbin/smtpd -d -f {dir}/smtpd.conf
"""


class OpenSMTPD(Foreign):
    name = "OpenSMTPD"
    root = os.environ.get("OPENSMTPD_ROOT", "")

    @classmethod
    def missing(cls):
        if not os.access(cls.root + "/usr/sbin/smtpd", os.X_OK):
            return "not installed"
        return None

    def names(self):
        return dict(dir=self.dir, root=self.root, cert=self.cert,
                    key=self.key, sink=self.sink_port, port=self.port,
                    tls_port=self.tls_port)

    def add_users(self):
        """opensmtpd and opensmtpq, where the package has not made them."""
        with open("/etc/passwd") as p, open("/etc/group") as g:
            passwd, group = p.read(), g.read()
        for number, user in ((61010, "opensmtpd"), (61011, "opensmtpq")):
            if "\n%s:" % user not in passwd:
                passwd += "%s:x:%d:%d::/nonexistent:/bin/false\n" % (
                    user, number, number)
            if "\n%s:" % user not in group:
                group += "%s:x:%d:\n" % (user, number)
        self.put("passwd", passwd)
        self.put("group", group)

    def configure(self):
        self.put("smtpd.conf", SMTPD_CONF.format(**self.names()), 0o600)
        # The cheapest hash that crypt(3) knows well; Postern's costs more.
        hashed = subprocess.run(
            ["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", PASSWORD,
             "$6$rounds=1000$bench"], check=True, capture_output=True,
            text=True).stdout
        self.put("accounts", "%s %s\n" % (USER, hashed))
        self.add_users()
        for name in ("spool/smtpd", "lib/opensmtpd/empty", "run"):
            os.makedirs(os.path.join(self.dir, name))
            os.chmod(os.path.join(self.dir, name), 0o711)

    def command(self):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                NAMESPACE.format(**self.names())]


PEERS = [Postfix, OpenSMTPD]
