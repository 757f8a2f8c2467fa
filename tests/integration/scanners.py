#!/usr/bin/python3
"""
What scanners find on both ports: nmap's scripts for SMTP and TLS, and testssl
where sizes and times mean something. Each must have found what it was looking
at; a weak server beside Postern shows that they do find. testssl takes minutes:
all its checks, and port 587, are for "long" as its argument.
"""
import concurrent.futures
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import warnings
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import (HOSTNAME, SANITIZED, Postern,               # noqa: E402
                     make_certificate, need_root)
from sink import Sink                                            # noqa: E402

LONG = sys.argv[1:] == ["long"]
TOO_LONG = 900

# --- nmap -----------------------------------------------------------------------

SMTP_SCRIPTS = ["smtp-commands", "smtp-open-relay", "smtp-enum-users",
                "smtp-ntlm-info", "smtp-vuln-cve2010-4344",
                "smtp-vuln-cve2011-1720", "smtp-vuln-cve2011-1764"]
TLS_SCRIPTS = ["ssl-enum-ciphers", "ssl-heartbleed", "ssl-poodle",
               "ssl-ccs-injection", "ssl-dh-params", "sslv2", "sslv2-drown",
               "tls-ticketbleed", "ssl-cert", "ssl-known-key"]
SUITES = {
    "TLSv1.2": {"ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    "TLSv1.3": {"AKE_WITH_AES_128_GCM_SHA256", "AKE_WITH_AES_256_GCM_SHA384",
                "AKE_WITH_CHACHA20_POLY1305_SHA256"},
}


class Nmap:
    """One run; scripts: what each said, as text and as a tree."""

    def __init__(self, top, port, implicit, scripts):
        # By the name of the service scripts know that STARTTLS is needed.
        data = os.path.join(top, "nmap-%d" % port)
        os.mkdir(data)
        with open(os.path.join(data, "nmap-services"), "w") as f:
            f.write("%s\t%d/tcp\t0.9\n" % (
                "smtps" if implicit else "smtp", port))
        r = subprocess.run(
            ["nmap", "-n", "-Pn", "--datadir", data, "-oX", "-", "-p",
             str(port), "--script-args", "smtp-enum-users.methods={VRFY,EXPN,"
             "RCPT},smtp.domain=client.example", "--script",
             ",".join("+" + s for s in scripts), "127.0.0.1"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=TOO_LONG)
        self.output = r.stdout + r.stderr
        self.scripts = {}
        for s in xml.fromstring(r.stdout).iter("script"):
            self.scripts[s.get("id")] = s

    def said(self, script):
        s = self.scripts.get(script)
        return "" if s is None else s.get("output")

    def suites(self):
        """{version: {suite: strength}}"""
        found = {}
        tree = self.scripts.get("ssl-enum-ciphers", ())
        for version in (t for t in tree if t.tag == "table"):
            found[version.get("key")] = {
                c.find("elem[@key='name']").text.removeprefix("TLS_"):
                c.find("elem[@key='strength']").text
                for c in version.findall("table[@key='ciphers']/table")}
        return found


def judge_nmap(where, n):
    found = n.suites()
    good = tap.equal({v: set(s) for v, s in found.items()}, SUITES,
                     where + ": TLS 1.2 and 1.3 with ECDHE and AEAD alone")
    good &= tap.equal({s for v in found.values() for s in v.values()}, {"A"},
                      where + ": each of them an A")
    good &= tap.ok(set(re.findall(r"compressors: \n\s+(\S+)", n.said(
        "ssl-enum-ciphers"))) <= {"NULL"}, where + ": no compression")
    good &= tap.ok(not re.search(r"warnings|SHA1|broken|weak",
                                 n.said("ssl-enum-ciphers"), re.I),
                   where + ": no warning")
    for script in ("ssl-heartbleed", "ssl-poodle", "ssl-ccs-injection",
                   "ssl-dh-params", "sslv2", "sslv2-drown", "tls-ticketbleed",
                   "ssl-known-key", "smtp-vuln-cve2010-4344",
                   "smtp-vuln-cve2011-1720", "smtp-vuln-cve2011-1764"):
        good &= tap.ok("VULNERABLE" not in n.said(script).replace(
            "NOT VULNERABLE", "") and "supported" not in n.said(script),
            "%s: %s finds nothing" % (where, script))
    good &= tap.ok("ecdsa-with-SHA256" in n.said("ssl-cert") and
                   "DNS:localhost" in n.said("ssl-cert"),
                   where + ": ssl-cert sees the certificate")
    good &= tap.ok("authentication needed" in n.said("smtp-open-relay"),
                   where + ": smtp-open-relay needs a login")
    good &= tap.ok("authentication needed" in n.said("smtp-enum-users"),
                   where + ": smtp-enum-users finds nobody")
    good &= tap.equal(n.said("smtp-ntlm-info"), "",
                      where + ": smtp-ntlm-info learns nothing")
    commands = n.said("smtp-commands")
    good &= tap.ok(HOSTNAME in commands and "PIPELINING" in commands,
                   where + ": smtp-commands sees EHLO's lines")
    good &= tap.ok(("AUTH" in commands.split("\n")[0]) != (
        "STARTTLS" in commands.split("\n")[0]),
        where + ": AUTH under TLS only, STARTTLS before it only")
    good &= tap.ok(not re.search(r"ETRN|EXPN|TURN|XCLIENT|NTLM|MD5|VERP",
                                 commands.replace("SMTPUTF8", "")),
                   where + ": nothing there that should not be")
    if not good:
        tap.note(n.output)


def weak_server(top):
    """Such as nmap must find: TLS 1.0, SHA-1, no forward secrecy."""
    sink = Sink(make_certificate(top, "weak", "rsa"), implicit=True)
    with warnings.catch_warnings():     # of old versions, as they should be
        warnings.simplefilter("ignore")
        sink.context.minimum_version = ssl.TLSVersion.TLSv1
    sink.context.set_ciphers("ALL:@SECLEVEL=0")
    return sink


# --- testssl ----------------------------------------------------------------------

TESTSSL_SUITES = {
    "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
}
# What it has against our test's certificate or itself, not against us.
NOT_OURS = {"engine_problem", "cert_revocation", "service",
            "sessionresumption_ticket", "scanProblem", "cert_trust"}
WANTED = {
    "SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered",
    "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered",
    "cipherlist_NULL": "not offered", "cipherlist_aNULL": "not offered",
    "cipherlist_EXPORT": "not offered", "cipherlist_LOW": "not offered",
    "cipherlist_3DES_IDEA": "not offered",
    "cipherlist_AVERAGE": "not offered", "cipherlist_STRONG": "offered",
    "secure_renego": "supported", "secure_client_renego": "not vulnerable",
    "CRIME_TLS": "not vulnerable",
}
WANTED_LONG = dict(WANTED, **{
    "heartbleed": "not vulnerable", "CCS": "not vulnerable",
    "ROBOT": "not vulnerable", "POODLE_SSL": "not vulnerable",
    "SWEET32": "not vulnerable", "FREAK": "not vulnerable",
    "DROWN": "not vulnerable", "LOGJAM": "not vulnerable",
    "BEAST": "not vulnerable", "LUCKY13": "not vulnerable",
    "RC4": "not vulnerable", "fallback_SCSV": "no protocol below TLS 1.2",
    "PFS": "offered", "cipher_order": "server", "TLS_timestamp": "random",
    "cert_signatureAlgorithm": "ECDSA with SHA256",
    "cert_chain_of_trust": "passed",
})


def testssl(top, port, implicit, cert):
    out = os.path.join(top, "testssl-%d.json" % port)
    checks = [] if LONG else ["-p", "-s", "-R", "-C"]
    start = [] if implicit else ["-t", "smtp"]
    r = subprocess.run(
        ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip",
         "127.0.0.1", "--nodns", "none", "--openssl-timeout", "60",
         "--connect-timeout", "60", "--add-ca", cert, "--jsonfile", out] +
        checks + start + ["localhost:%d" % port],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TOO_LONG)
    try:
        with open(out) as f:
            return json.load(f), r.stdout + r.stderr
    except (OSError, ValueError):
        return [], r.stdout + r.stderr


def judge_testssl(where, findings, output):
    found = {f["id"]: f["finding"] for f in findings}
    good = True
    for name, want in (WANTED_LONG if LONG else WANTED).items():
        got = found.get(name, "(no finding)")
        good &= tap.ok(got.startswith(want), "%s: testssl's %s: %s" % (
            where, name, got))
    bad = ["%s: %s" % (f["id"], f["finding"]) for f in findings
           if f["severity"] not in ("OK", "INFO", "DEBUG") and
           f["id"] not in NOT_OURS]
    good &= tap.equal(bad, [], where + ": nothing is worse than INFO")
    if LONG:
        suites = {f["finding"].split()[-1 if "TLS_A" in f["finding"][:20] or
                                       "TLS_C" in f["finding"][:20] else 1]
                  for f in findings if f["id"].startswith("cipher_x")}
        good &= tap.ok(suites and suites <= TESTSSL_SUITES,
                       "%s: %d suites, all known" % (where, len(suites)))
        curves = set(found.get("PFS_ECDHE_curves", "none").split())
        good &= tap.ok(curves <= {"prime256v1", "secp384r1", "X25519"},
                       "%s: curves %s" % (where, " ".join(sorted(curves))))
    if not good:
        tap.note(output[-8000:])


def main():
    need_root()
    top = tempfile.mkdtemp(prefix="postern-scan-")
    os.chmod(top, 0o755)
    try:
        with Sink() as sink, weak_server(top) as weak, Postern(
                sink.url, route_options="tls = none", limits="errors = 100",
                certificate=make_certificate(top, "localhost", days=90)) as p:
            p.account("alice@example.org", "open-sesame")
            ports = ((p.tls_port, True, "465"), (p.port, False, "587"))
            with concurrent.futures.ThreadPoolExecutor(5) as pool:
                find = pool.submit(Nmap, top, weak.port, True, TLS_SCRIPTS)
                scans = [pool.submit(Nmap, top, port, implicit,
                                     SMTP_SCRIPTS + TLS_SCRIPTS)
                         for port, implicit, _ in ports]
                tests = [pool.submit(testssl, top, port, implicit, p.cert)
                         for port, implicit, _ in ports
                         if LONG or (implicit and not SANITIZED)]
                suites = find.result().suites()
                if not tap.ok(suites.get("TLSv1.0") and any(
                        "SHA" in s and v != "A" or "CBC_SHA" in s
                        for s, v in suites["TLSv1.0"].items()),
                        "nmap finds a weak server where there is one"):
                    tap.note(find.result().output)
                for (_, _, where), scan in zip(ports, scans):
                    judge_nmap(where, scan.result())
                for (_, _, where), test in zip(ports, tests):
                    judge_testssl(where, *test.result())
            tap.equal(sink.sessions, 0, "the next hop saw nobody")
            tap.equal(p.queue(), [], "nothing is queued")
            tap.ok("the next one starts" not in p.log(), "nobody crashed")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    tap.done()


main()
