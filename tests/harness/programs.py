"""
Mail programs that people have, each told to submit one message over one port by
one mechanism. Those in VERBATIM send a file as it is; those in WRITERS write the
message themselves, and keep a copy.

    for program in programs.VERBATIM:
        for mechanism in program.mechanisms:
            status, output = program(job)
"""
import os
import re
import smtplib
import ssl
import subprocess
import urllib.parse

from postern import NODE_MODULES

HERE = os.path.dirname(os.path.abspath(__file__))
# Programs may wait for a login that is delayed, on a busy machine.
LONG = 120


class Job:
    """One submission; home is a directory for the program's own files."""

    def __init__(self, postern, home, implicit, mechanism, sender, recipient,
                 path, password, utf8=False):
        self.port = postern.tls_port if implicit else postern.port
        self.cert = postern.cert
        self.implicit, self.mechanism = implicit, mechanism
        self.user = self.sender = sender
        self.recipient, self.path = recipient, path
        self.password = password
        self.utf8 = utf8
        self.home = home

    def url(self, smtp="smtp", smtps="smtps", login=False):
        who = "%s@" % urllib.parse.quote(self.user, "") if login else ""
        return "%s://%slocalhost:%d" % (
            smtps if self.implicit else smtp, who, self.port)

    def write(self, name, text):
        path = os.path.join(self.home, name)
        with open(path, "w") as f:
            f.write(text)
        return path


class Program:
    """name: what must be installed. command: makes the words from a Job."""

    def __init__(self, name, mechanisms, command, stdin=False):
        self.name, self.mechanisms = name, mechanisms
        self.command, self.stdin = command, stdin

    def __call__(self, job):
        with open(job.path if self.stdin else os.devnull, "rb") as f:
            try:
                r = subprocess.run(
                    self.command(job), stdin=f, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, timeout=LONG,
                    env=dict(os.environ, HOME=job.home, LC_ALL="C.UTF-8",
                             MAILRC="/dev/null", NODE_PATH=NODE_MODULES))
            except subprocess.TimeoutExpired as e:
                return 124, "it did not end; %r" % e.output
        return r.returncode, r.stdout.decode(errors="replace")


def curl(job):
    return ["curl", "-sS", "--ssl-reqd", "--cacert", job.cert,
            "--url", job.url(), "--login-options", "AUTH=" + job.mechanism,
            "--user", "%s:%s" % (job.user, job.password),
            "--mail-from", job.sender, "--mail-rcpt", job.recipient,
            "--upload-file", job.path]


def curl_sasl_ir(job):
    return curl(job) + ["--sasl-ir"]


def swaks(job):
    with open(job.path, "rb") as f:     # it would fill in words like %TO%
        wire = re.sub(rb"(?m)^\.", b"..", f.read()) + b"."
    path = os.path.join(job.home, "wire")
    with open(path, "wb") as f:
        f.write(wire)
    return ["swaks", "--server", "localhost", "--port", str(job.port),
            "--tls-on-connect" if job.implicit else "--tls",
            "--tls-verify", "--tls-ca-path", job.cert,
            "--auth", job.mechanism, "--auth-user", job.user,
            "--auth-password", job.password, "--from", job.sender,
            "--to", job.recipient, "--data", "@" + path, "--no-data-fixup",
            "--suppress-data"]


def swaks_pipelined(job):
    return swaks(job) + ["--pipeline"]


def msmtp(job):
    path = job.write("msmtprc", """account default
host localhost
port %d
tls on
tls_starttls %s
tls_trust_file %s
auth %s
user %s
passwordeval echo '%s'
from %s
set_date_header off
set_from_header off
""" % (job.port, "off" if job.implicit else "on", job.cert,
       job.mechanism.lower(), job.user, job.password, job.sender))
    os.chmod(path, 0o600)
    return ["msmtp", "--file=" + path, "--", job.recipient]


def perl(job):
    return ["perl", os.path.join(HERE, "net_smtp.pl"), str(job.port),
            "implicit" if job.implicit else "starttls", job.cert,
            job.mechanism, job.user, job.password, job.sender,
            job.recipient, job.path]


def nodemailer(job):
    return ["node", os.path.join(HERE, "nodemailer.js"), str(job.port),
            "implicit" if job.implicit else "starttls", job.cert,
            job.mechanism, job.user, job.password, job.sender,
            job.recipient, job.path]


class Smtplib(Program):
    """Python's own, in this process."""

    def __call__(self, job):
        context = ssl.create_default_context(cafile=job.cert)
        with open(job.path, "rb") as f:
            content = f.read()
        try:
            if job.implicit:
                s = smtplib.SMTP_SSL("localhost", job.port, timeout=LONG,
                                     context=context)
            else:
                s = smtplib.SMTP("localhost", job.port, timeout=LONG)
                s.starttls(context=context)
            with s:
                s.ehlo("client.example")
                s.user, s.password = job.user, job.password
                s.auth(job.mechanism, getattr(
                    s, "auth_" + job.mechanism.lower()))
                options = ["BODY=8BITMIME"] + ["SMTPUTF8"] * job.utf8
                s.sendmail(job.sender, [job.recipient], content, options)
        except (smtplib.SMTPException, OSError) as e:
            return 1, repr(e)
        return 0, ""


def mutt(job):
    path = job.write("muttrc", """set from="%s" realname="" use_from=yes
set use_envelope_from=yes hostname="client.example" sendmail_wait=0
set smtp_url="%s/" smtp_pass="%s" smtp_authenticators="%s"
set ssl_starttls=yes ssl_force_tls=yes ssl_usesystemcerts=no
set certificate_file="%s" ssl_ca_certificates_file="%s"
set mbox_type=Maildir record="%s/sent" copy=yes confirmcreate=no
set send_charset="utf-8" allow_8bit=yes use_8bitmime=yes user_agent=yes
""" % (job.sender, job.url(login=True), job.password,
       job.mechanism.lower(), job.cert, job.cert, job.home))
    return ["mutt", "-n", "-F", path, "-s", job.subject, "-a", job.attachment,
            "--", job.recipient]


def s_nail(job):
    login = "%s:%s" % (urllib.parse.quote(job.user, ""), job.password)
    words = ["s-nail", "-:/"]
    for setting in (
            "v15-compat", "from=" + job.sender, "sendwait", "ttycharset=utf-8",
            "hostname=client.example",
            "mta=%s://%s@localhost:%d" % (
                "smtps" if job.implicit else "smtp", login, job.port),
            "smtp-auth=" + job.mechanism.lower(), "smtp-use-starttls",
            "tls-ca-no-defaults", "tls-ca-file=" + job.cert,
            "tls-verify=strict", "newfolders=maildir",
            "record=%s/sent" % job.home, "mime-encoding=8bit"):
        words += ["-S", setting]
    return words + ["-s", job.subject, "-a", job.attachment, "-.",
                    job.recipient]


SCRAM = ["SCRAM-SHA-1", "SCRAM-SHA-256"]
VERBATIM = [
    Program("curl", ["PLAIN", "LOGIN"], curl),
    Program("curl", ["PLAIN", "LOGIN"], curl_sasl_ir),
    Program("swaks", ["PLAIN", "LOGIN"], swaks),
    Program("swaks", ["PLAIN"], swaks_pipelined),
    Program("msmtp", ["PLAIN", "LOGIN"] + SCRAM, msmtp, stdin=True),
    Program("perl", ["PLAIN", "LOGIN"] + SCRAM + ["SCRAM-SHA-512"], perl),
    Program("nodemailer", ["PLAIN", "LOGIN"], nodemailer),
    Smtplib("smtplib", ["PLAIN", "LOGIN"], None),
]
WRITERS = [
    Program("mutt", ["PLAIN", "LOGIN"] + SCRAM, mutt, stdin=True),
    Program("s-nail", ["PLAIN", "LOGIN"], s_nail, stdin=True),
]
