"""
Real servers that know people's passwords, each in a directory of its own, on
free ports, gone when the test is: saslauthd with PAM, slapd, PostgreSQL. All
can be stopped dead (freeze, thaw) in the middle of what they do.
"""
import glob
import os
import shutil
import signal
import subprocess
import tempfile

import tap
from postern import _end_with_me, free_port, make_certificate, wait_for


class Backend:
    """A process and those that it starts, in a session of their own."""

    def __init__(self, name):
        self.dir = tempfile.mkdtemp(prefix="postern-%s-" % name)
        os.chmod(self.dir, 0o755)
        self.log_path = os.path.join(self.dir, "log")
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def run(self, *argv, **how):
        with open(self.log_path, "ab") as log:
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL,
                           stdout=log, stderr=log, **how)

    def spawn(self, *argv, **how):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_end_with_me, **how)

    def signal(self, signo):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signo)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        self.thaw()
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            self.process = None

    def must(self, what, name):
        if not wait_for(what):
            with open(self.log_path, errors="replace") as f:
                tap.note(f.read()[-3000:])
            raise RuntimeError(name + " does not come up")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.path.exists(self.log_path):
            with open(self.log_path, errors="replace") as f:
                tap.note(f.read()[-2000:])
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Saslauthd(Backend):
    """
    PAM reads its services from one place only: ours has a name that nobody
    else has, and is taken away again.
    """

    def __init__(self, users):
        super().__init__("saslauthd")
        self.service = "postern-test-%d" % os.getpid()
        self.pam = "/etc/pam.d/" + self.service
        self.socket = self.path("mux")
        pairs = "".join("%s\n%s\n" % pair for pair in users.items())
        self.run("db_load", "-T", "-t", "hash", "-f",
                 self.write("users.txt", pairs), self.path("users.db"))
        with open(self.pam, "w") as f:
            f.write("auth required pam_userdb.so db=%s\n"
                    "account required pam_permit.so\n" % self.path("users"))
        self.start()

    def start(self):
        self.spawn("saslauthd", "-d", "-a", "pam", "-n", "2", "-m", self.dir)
        self.must(lambda: os.path.exists(self.socket), "saslauthd")

    def __exit__(self, *what):
        super().__exit__(*what)
        os.unlink(self.pam)


SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
TLSCACertificateFile {cert}
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
database mdb
suffix "dc=example,dc=org"
rootdn "cn=root,dc=example,dc=org"
rootpw root-secret
directory {dir}/db
limits dn.exact="cn=narrow,dc=example,dc=org" size=1
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=postern,dc=example,dc=org" read
	by dn.exact="cn=narrow,dc=example,dc=org" read by * none
"""
LDIF = """dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: cn=postern,dc=example,dc=org
objectClass: person
cn: postern
sn: postern
userPassword: searcher-secret

dn: cn=narrow,dc=example,dc=org
objectClass: person
cn: narrow
sn: narrow
userPassword: searcher-secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people
"""
PERSON = """
dn: uid={uid},ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
{mails}
userPassword: {password}
"""


class Slapd(Backend):
    """users: {uid: (password, [mail, ...])}"""

    def __init__(self, users):
        super().__init__("slapd")
        self.cert, key = make_certificate(self.dir, "ldap.example.org")
        self.ldaps, self.ldap = free_port(), free_port()
        self.socket = self.path("ldapi")
        self.secret = self.write("secret", "searcher-secret\n")
        os.mkdir(self.path("db"))
        self.conf = self.write("slapd.conf", SLAPD.format(
            dir=self.dir, cert=self.cert, key=key))
        self.run("slapadd", "-f", self.conf, "-l", self.write(
            "ldif", LDIF + "".join(PERSON.format(
                uid=uid, password=password,
                mails="\n".join("mail: " + m for m in mails))
                for uid, (password, mails) in users.items())))
        self.start()

    def start(self):
        self.spawn("slapd", "-d", "0", "-f", self.conf, "-h",
                   "ldaps://127.0.0.1:%d ldap://127.0.0.1:%d ldapi://%s" % (
                       self.ldaps, self.ldap,
                       self.socket.replace("/", "%2f")))
        self.must(lambda: subprocess.run(
            ["ldapwhoami", "-x", "-H", "ldap://127.0.0.1:%d" % self.ldap],
            capture_output=True, timeout=30).returncode == 0, "slapd")


class Postgresql(Backend):
    """A cluster of its own; sql: what makes the table."""

    def __init__(self, sql):
        super().__init__("postgresql")
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.port = free_port()
        self.cert, key = make_certificate(self.dir, "db.example.org")
        self.secret = self.write("secret", "reader-secret\n")
        shutil.chown(self.dir, "postgres", "postgres")
        shutil.chown(key, "postgres", "postgres")
        self.as_postgres(self.bin + "/initdb", "-D", self.path("db"),
                         "--no-sync", "--auth=reject", "--auth-local=peer",
                         "-E", "UTF8", "--locale=C.UTF-8")
        with open(self.path("db/pg_hba.conf"), "w") as f:
            f.write("local all postgres peer\n"
                    "hostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.argv = [self.bin + "/postgres", "-D", self.path("db"),
                     "-k", self.dir, "-p", str(self.port), "-c", "fsync=off",
                     "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on",
                     "-c", "ssl_cert_file=" + self.cert,
                     "-c", "ssl_key_file=" + key]
        self.start()
        self.sql("CREATE ROLE reader LOGIN PASSWORD 'reader-secret';" + sql)

    def as_postgres(self, *argv):
        self.run(*argv, user="postgres", group="postgres", extra_groups=[],
                 cwd=self.dir, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})

    def start(self):
        self.spawn(*self.argv, user="postgres", group="postgres",
                   extra_groups=[], cwd=self.dir,
                   env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
        self.must(lambda: subprocess.run(
            [self.bin + "/pg_isready", "-h", self.dir, "-p", str(self.port)],
            capture_output=True).returncode == 0, "PostgreSQL")

    def sql(self, text):
        self.as_postgres(self.bin + "/psql", "-h", self.dir, "-p", str(self.port), "-v",
                         "ON_ERROR_STOP=1", "-q", "-c", text, "postgres")

    def signal(self, signo):
        """Its processes each have a session of their own."""
        super().signal(signo)
        if self.process is None or self.process.poll() is not None:
            return
        with open("/proc/%d/task/%d/children" % (
                (self.process.pid,) * 2)) as f:
            for pid in f.read().split():
                try:
                    os.kill(int(pid), signo)
                except ProcessLookupError:
                    pass
