#!/usr/bin/python3
"""
Accounts that others know: a real saslauthd with PAM, a real OpenLDAP, a real
PostgreSQL. Who gets in by which, what they may send as, what their servers are
asked by names that are made to confuse them, and that a dead one harms only
those whom it alone knows.
"""
import base64
import concurrent.futures
import ctypes
import hashlib
import hmac
import json
import os
import smtplib
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from backends import Postgresql, Saslauthd, Slapd                # noqa: E402
from postern import (PATIENCE, Postern, make_certificate,         # noqa: E402
                     need_root, plain, wait_for)
from sink import Sink                                            # noqa: E402

LOCAL = "lena@example.org"
OK, FAILED, TEMPORARY = 0, 1, 5
PASSWORDS = []


def secret(word):
    """A password, which no log may have."""
    PASSWORDS.append(word)
    return word


def crypted(password, setting):
    lib = ctypes.CDLL("libcrypt.so.1")
    lib.crypt.restype = ctypes.c_char_p
    return lib.crypt(password.encode(), setting.encode()).decode()


def scram(password, salt=b"salt of sixteen.", count=4096):
    def b64(b):
        return base64.b64encode(b).decode()

    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, count)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (
        count, b64(salt), b64(hashlib.sha256(client).digest()),
        b64(hmac.digest(salted, b"Server Key", "sha256")))


STORED = {
    "scram@sql.example": scram(secret("scram-sesame")),
    "yes@sql.example": crypted(secret("yes-sesame"), "$y$j9T$abcdefghij./ABCDEFGHIJ.$"),
    "gost@sql.example": "{CRYPT}" + crypted(secret("gost-sesame"),
                                            "$gy$j9T$abcdefghij./ABCDEFGHIJ.$"),
    "sha@sql.example": crypted(secret("sha-sesame"), "$6$saltsalt$"),
    "bcrypt@sql.example": crypted(secret("bcrypt-sesame"),
                                  "$2b$05$abcdefghijklmnopqrstuu"),
    "md5@sql.example": crypted("md5-sesame", "$1$saltsalt$"),
    "clear@sql.example": "{PLAIN}clear-sesame",
    "costly@sql.example": "$2b$31$abcdefghijklmnopqrstuu"
                          "abcdefghijklmnopqrstuvwxyzabcde",
    "both@example.org": scram("from-sql"),
}


def table():
    rows = "".join("INSERT INTO users VALUES ('%s', '%s');" % row
                   for row in STORED.items())
    return ("CREATE TABLE users (login text PRIMARY KEY, password text);"
            "CREATE TABLE aliases (login text, address text);"
            "INSERT INTO users VALUES ('null@sql.example', NULL);"
            "INSERT INTO aliases VALUES ('scram@sql.example', "
            "'Info@sql.example'), ('scram@sql.example', '@sql.example'), "
            "('scram@sql.example', 'no address');" + rows +
            "GRANT SELECT ON users, aliases TO reader;")


def ldap_section(slapd, name="ldap", uri=None, timeout="60s", more=""):
    return f'''
source {name} {{
	type = ldap  uri = "{uri or 'ldaps://127.0.0.1:%d' % slapd.ldaps}"
	base = "ou=people,dc=example,dc=org"  filter = "(mail=%u)"
	bind-dn = "cn=postern,dc=example,dc=org"
	password-file = "{slapd.secret}"  ca-file = "{slapd.cert}"
	senders-attribute = "mail"  timeout = "{timeout}" {more}
}}
'''


def pam_section(sasl, timeout="60s"):
    return f'''
source pam {{
	type = saslauthd  socket = "{sasl.socket}"  service = "{sasl.service}"
	login = local  domains = {{"example.org", "pam.example"}}
	senders = {{"%n@alias.example", "@pam.%d"}}  cap = staff
	timeout = "{timeout}"
}}
'''


def sql_section(pg, timeout="60s", more=""):
    return f'''
source sql {{
	type = postgresql
	connect = "host=localhost hostaddr=127.0.0.1 port={pg.port} dbname=postgres user=reader"
	query = "SELECT u.password, a.address FROM users u LEFT JOIN aliases a USING (login) WHERE u.login = $1"
	password-file = "{pg.secret}"  timeout = "{timeout}" {more}
}}
'''


def accounts(*names):
    return '''
cap staff { messages = {"1000/1h"} }
accounts { sources = {%s}  mechanisms = {"PLAIN", "LOGIN"}  lock-after = 0 }
''' % ", ".join('"%s"' % n for n in ("local",) + names)


def login(p, name, password, mechanism="PLAIN"):
    """The reply code of one AUTH on a connection of its own."""
    with p.client() as s:
        s.ehlo()
        if mechanism == "PLAIN":
            return s.docmd("AUTH", "PLAIN " + plain(name, password))[0]
        s.user, s.password = name, password
        try:
            return s.auth(mechanism, s.auth_login)[0]
        except smtplib.SMTPAuthenticationError as e:
            return e.smtp_code


def check_logins(p, rows):
    """(name, password, code, what), many at a time: failures are delayed."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for row, code in zip(rows, pool.map(
                lambda row: login(p, row[0], row[1], *row[4:]), rows)):
            tap.equal(code, row[2], row[3] or "%r with %s: %d" % (
                row[0], row[1], row[2]))


def trial(p, name, password):
    """account test: (exit code, {source: row}, sentence)."""
    r = p.ctl("account", "test", name, input=password + "\n", check=False)
    rows = [json.loads(line) for line in r.stdout.splitlines()
            if line.startswith("{")]
    return r.returncode, {row["source"]: row for row in rows}, r.stderr


# --- who gets in -------------------------------------------------------------


def test_each(p):
    rows = [(LOCAL, "local-sesame", 235),
            ("peter@example.org", "pam-sesame", 235),
            ("peter@pam.example", "pam-sesame", 235),
            ("peter@sql.example", "pam-sesame", 535),
            ("peter", "pam-sesame", 535),
            ("peter@example.org", "pam-sesame2", 535),
            ("peter@example.org", "x" * 300, 535),
            ("diana@example.org", "ldap-sesame", 235),
            ("DIANA@Example.org", "ldap-sesame", 235),
            ("diana@example.org", "ldap-sesame2", 535),
            ("diana@example.org", "", 535),
            ("both@example.org", "from-ldap", 235),
            ("both@example.org", "from-sql", 535),
            ("twice@example.org", "twice-sesame", 535),
            ("null@sql.example", "null-sesame", 535),
            ("md5@sql.example", "md5-sesame", 535),
            ("clear@sql.example", "clear-sesame", 535),
            ("clear@sql.example", "{PLAIN}clear-sesame", 535),
            ("costly@sql.example", "costly-sesame", 535),
            ("nobody@example.org", "no-sesame", 535)]
    rows += [(name, name.split("@")[0] + "-sesame", 235) for name in STORED
             if name.split("@")[0] + "-sesame" in PASSWORDS]
    rows += [("scram@sql.example", "yes-sesame", 535),
             ("yes@sql.example", "scram-sesame", 535)]
    rows = [row + (None,) for row in rows]
    for name, password in (("peter@example.org", "pam-sesame"),
                           ("diana@example.org", "ldap-sesame"),
                           ("scram@sql.example", "scram-sesame")):
        rows += [(name, password, 235, name + " by LOGIN", "LOGIN"),
                 (name, password + "x", 535, name + " by LOGIN, wrong",
                  "LOGIN")]
    check_logins(p, rows)


def test_names(p):
    """Nobody's name is anything but a value."""
    names = ("*", "*@example.org", "d*@example.org",
             "diana@example.org)(mail=*", "\"*)(mail=*\"@example.org",
             "\"a)(|(uid=*\"@example.org", "\\2a@example.org",
             "' OR '1'='1", "\"' or true --\"@sql.example",
             "scram@sql.example' --", "$1@sql.example", "%u@example.org",
             "diana@example.org\\00", "x" * 300 + "@example.org",
             "d\u0131ana@example.org", "cn=root,dc=example,dc=org")
    check_logins(p, [(name, password, 535, None) for name in names
                     for password in ("ldap-sesame", "scram-sesame")])
    tap.ok("state=failing" not in p.log(), "no source looks dead by that")
    tap.equal(login(p, "o'brien@example.org", "brien-sesame"), 235,
              "O'Brien gets in, by LDAP")


def test_authzid(p):
    with p.client() as s:
        s.ehlo()
        for authzid, code in (("lena@example.org", 535),
                              ("diana@example.org", 235)):
            blob = base64.b64encode(b"\0".join(x.encode() for x in (
                authzid, "diana@example.org", "ldap-sesame"))).decode()
            tap.equal(s.docmd("AUTH", "PLAIN " + blob)[0], code,
                      "diana as " + authzid)


# --- what they may -----------------------------------------------------------


def test_senders(p, sink):
    rows = [("peter@example.org", "pam-sesame",
             ["peter@example.org", "peter@alias.example", "any@pam.example.org"],
             ["diana@example.org", "peter@pam.example", "any@alias.example"]),
            ("diana@example.org", "ldap-sesame",
             ["diana@example.org", "di@example.org"],
             ["twice@example.org", "any@example.org"]),
            ("scram@sql.example", "scram-sesame",
             ["scram@sql.example", "info@sql.example"],
             ["any@sql.example", "yes@sql.example"])]
    for name, password, may, must_not in rows:
        with p.client() as s:
            s.ehlo()
            s.login(name, password)
            for sender in may:
                tap.equal(s.mail(sender)[0], 250, "%s sends as %s" % (
                    name, sender))
                s.rset()
            for sender in must_not:
                tap.equal(s.mail(sender)[0], 553, "%s not as %s" % (
                    name, sender))
            s.sendmail(may[-1], ["to@example.net"],
                       "From: %s\nSubject: by %s\n\nhello\n" % (may[-1], name))
    tap.ok(wait_for(lambda: len(sink.messages) == 3), "all three arrive")
    usage = {row["account"]: row for row in p.rows("usage")}
    tap.ok("peter@example.org" in usage, "and are counted")
    tap.ok(p.logged('account="diana@example.org" source=ldap'),
           "the log names the source")


def test_trial(p):
    code, rows, text = trial(p, "diana@example.org", "ldap-sesame")
    tap.equal(code, 0, "account test: diana")
    tap.equal({k: v["says"] for k, v in rows.items()},
              {"local": "unknown name", "pam": "refused", "ldap": "right",
               "sql": "not asked"}, "who says what")
    tap.equal((rows["ldap"]["cap"], rows["ldap"]["senders"]),
              ("default", ["diana@example.org", "di@example.org"]),
              "what she may")
    code, rows, text = trial(p, "diana@example.org", "wrong-sesame")
    tap.equal((code, rows["ldap"]["says"], rows["sql"]["says"]),
              (1, "wrong password", "not asked"), "a wrong password")
    tap.ok("Invalid credentials" in rows["ldap"]["why"], "in LDAP's words")
    code, rows, text = trial(p, "scram@sql.example", "scram-sesame")
    tap.equal((code, rows["pam"]["says"], rows["ldap"]["says"],
               rows["sql"]["says"]),
              (0, "not asked", "unknown name", "right"), "by SQL")
    code, rows, text = trial(p, "md5@sql.example", "md5-sesame")
    tap.ok(code == 1 and "none of the forms" in rows["sql"]["why"],
           "a form that is not taken is explained")
    tap.ok("$1$" not in str(rows), "without showing it")
    code, rows, text = trial(p, LOCAL, "local-sesame")
    tap.equal((code, rows["local"]["says"], rows["pam"]["says"]),
              (0, "right", "not asked"), "a local account")
    code, rows, text = trial(p, LOCAL, "x")
    tap.equal((code, rows["local"]["says"]), (1, "wrong password"),
              "its wrong password, a short one")
    code, rows, text = trial(p, "nobody@example.org", "no-sesame")
    tap.equal((code, rows["sql"]["says"]), (1, "unknown name"), "nobody")
    tap.equal(trial(p, "no body", "x")[0], 2, "no name at all")
    tap.equal(trial(p, LOCAL, "")[0], 2, "no password")


def test_remembered(p, pg):
    p.ctl("reload")             # for a minute from here on
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 235, "it is right")
    pg.sql("UPDATE users SET password = NULL WHERE login = "
           "'scram@sql.example'")
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 235,
              "what was right is remembered for a moment")
    tap.equal(trial(p, "scram@sql.example", "scram-sesame")[0], 1,
              "not by account test")
    p.ctl("reload")
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 535,
              "nor after a reload")
    pg.sql("UPDATE users SET password = '%s' WHERE login = "
           "'scram@sql.example'" % STORED["scram@sql.example"])
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 235,
              "it is right, and remembered")
    pg.sql("UPDATE users SET password = NULL WHERE login = "
           "'scram@sql.example'")
    p.ctl("account", "logout", "scram@sql.example")
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 535,
              "but not after account logout")
    pg.sql("UPDATE users SET password = '%s' WHERE login = "
           "'scram@sql.example'" % STORED["scram@sql.example"])
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 235,
              "and it is right again")


# --- dead ones ---------------------------------------------------------------


class Login(threading.Thread):
    def __init__(self, p, name, password):
        super().__init__(daemon=True)
        self.how = (p, name, password)
        self.code = None
        self.start()

    def run(self):
        self.code = login(*self.how)


def test_frozen(p, backend, name, password, others):
    """It neither answers nor hangs up. Everybody else gets in meanwhile."""
    p.ctl("reload")             # nothing is remembered, no connection kept
    backend.freeze()
    waiting = [Login(p, name, password) for _ in range(6)]
    for other in others:
        tap.equal(login(p, *other), 235, "%s while %s's server is frozen" % (
            other[0], name))
    tap.ok(all(w.code is None for w in waiting), name + " waits meanwhile")
    backend.thaw()
    for w in waiting:
        w.join(3 * PATIENCE)
    tap.equal([w.code for w in waiting], [235] * 6, "and gets in behind")


def test_timeout(p, backend, source, name, password):
    """Frozen for longer: 454, soon at once, and well again by itself."""
    # Where the machine is busy an answer may have come too late.
    tap.ok(wait_for(lambda: login(p, name, password) == 235, every=0.5),
           name + " gets in by " + source)
    p.ctl("reload")
    tap.ok(wait_for(lambda: trial(p, name, password)[0] == 0, every=0.5),
           "connections are open")
    mark = len(p.log())
    backend.freeze()
    tap.equal(login(p, name, password), 454, name + " is told 454")
    trial(p, name, password)
    tap.ok(p.logged("source=%s state=failing" % source, mark),
           "the log says so")
    code, rows, text = trial(p, name, password)
    tap.ok(code == 5 and rows[source]["says"] == "no answer",
           "account test: " + rows[source]["why"])
    tap.equal(login(p, LOCAL, "local-sesame"), 235, "a local account")
    domain = name.split("@")[1]
    check_logins(p, [(who + domain, "wrong-sesame", 454, "%s%s hears 454, as "
                      "whoever has no account or has one" % (who, domain),
                      mechanism) for who in ("nobody@", "lena@")
                     for mechanism in ("PLAIN", "LOGIN")])
    backend.thaw()
    tap.ok(wait_for(lambda: login(p, name, password) == 235, 3 * PATIENCE,
                    0.5), "it comes back by itself")
    tap.ok(p.logged("source=%s state=answering" % source, mark),
           "and is said to")


def test_gone(p, pg):
    pg.stop()
    p.ctl("reload")
    tap.equal(login(p, "scram@sql.example", "scram-sesame"), 454,
              "a server that is not there")
    code, rows, text = trial(p, "scram@sql.example", "scram-sesame")
    tap.ok("refused" in rows["sql"]["why"], rows["sql"]["why"])
    pg.start()
    tap.ok(wait_for(lambda: login(p, "scram@sql.example", "scram-sesame") ==
                    235, 3 * PATIENCE, 0.5), "it is back")


def test_killed(p):
    """postern-source itself."""
    p.kill("source")
    tap.equal(login(p, LOCAL, "local-sesame"), 235,
              "postern-source was killed: a local account")
    tap.ok(wait_for(lambda: login(p, "diana@example.org", "ldap-sesame") ==
                    235), "and soon the others again")
    tap.ok(wait_for(p.all_serve), "all of them")


def test_ways(p, slapd, pg):
    """STARTTLS, ldapi, a DN without a search, several servers; bad ones."""
    dn = ('source ldap { type = ldap uri = "ldap://127.0.0.1:1 ldap://127.0.0.1:%d" '
          'dn = "uid=%%n,ou=people,dc=example,dc=org" ca-file = "%s" '
          'domains = {"example.org"} timeout = "60s" }' % (
              slapd.ldap, slapd.cert))
    other = slapd.cert.replace("/ldap.example.org.crt", "/other.crt")
    make_certificate(slapd.dir, "other")
    rows = [("ldapi", ldap_section(slapd, uri="ldapi://" + slapd.socket.replace(
                "/", "%2f")), "ldap", OK),
            ("STARTTLS", ldap_section(slapd, uri="ldap://127.0.0.1:%d" %
                                      slapd.ldap), "ldap", OK),
            ("the second server, by DN", dn, "ldap", OK),
            ("a server of another CA", ldap_section(slapd).replace(
                slapd.cert, other), "ldap", TEMPORARY),
            ("STARTTLS with another CA", ldap_section(
                slapd, uri="ldap://127.0.0.1:%d" % slapd.ldap).replace(
                    slapd.cert, other), "ldap", TEMPORARY),
            ("a wrong bind-dn", ldap_section(slapd).replace(
                "cn=postern", "cn=pastern"), "ldap", TEMPORARY)]
    for what, section, source, code in rows:
        p.configure(sections=accounts(source) + section)
        p.ctl("reload")
        tap.equal(trial(p, "diana@example.org", "ldap-sesame")[0], code, what)
        if code == OK:
            tap.equal(trial(p, "diana@example.org", "ldap-sesamf")[0], FAILED,
                      what + ", a wrong password")
    p.configure(sections=accounts("ldap") + ldap_section(slapd).replace(
        "cn=postern", "cn=narrow"))
    p.ctl("reload")
    code, rows, text = trial(p, "twice@example.org", "twice-sesame")
    tap.ok(code == FAILED and "more than one" in rows["ldap"]["why"],
           "a server that shows one of two: " + rows["ldap"]["why"])
    tap.equal(trial(p, "diana@example.org", "ldap-sesame")[0], OK,
              "and who is the only one gets in")
    p.configure(sections=accounts("ldap") + ldap_section(
        slapd, uri="ldaps://localhost:%d" % slapd.ldaps))
    p.ctl("reload")
    why = trial(p, "diana@example.org", "ldap-sesame")[1]["ldap"]["why"]
    tap.ok("certificate name the host" in why,
           "libldap's localhost is no name in a certificate: " + why)
    sql = sql_section(pg, more='ca-file = "%s"' % pg.cert)
    rows = [("a database's certificate with another name",
             sql.replace("host=localhost", "host=elsewhere.example.org"), TEMPORARY),
            ("the name that it is for",
             sql.replace("host=localhost", "host=db.example.org"), OK),
            ("a certificate of another CA",
             sql.replace("host=localhost", "host=db.example.org").replace(
                 pg.cert, slapd.cert), TEMPORARY),
            ("a query that is wrong", sql_section(pg).replace(
                "FROM users", "FROM losers"), TEMPORARY),
            ("a password as it is", sql_section(pg, more="plaintext = on"), OK)]
    for what, section, code in rows:
        p.configure(sections=accounts("sql") + section)
        p.ctl("reload")
        who = ("clear@sql.example", "clear-sesame") \
            if "as it is" in what else ("scram@sql.example", "scram-sesame")
        got, rows, text = trial(p, *who)
        tap.equal(got, code, "%s: %s" % (what, rows["sql"]["why"]))


def main():
    need_root("postern-source")
    ldap_users = {
        "diana": (secret("ldap-sesame"), ["diana@example.org",
                                          "di@example.org"]),
        "both": ("from-ldap", ["both@example.org"]),
        "one": (secret("twice-sesame"), ["twice@example.org"]),
        "two": ("twice-sesame", ["twice@example.org"]),
        "brien": (secret("brien-sesame"), ["o'brien@example.org"]),
    }
    with Saslauthd({"peter": secret("pam-sesame")}) as sasl, \
            Slapd(ldap_users) as slapd, Postgresql(table()) as pg, \
            Sink() as sink:
        order = accounts("pam", "ldap", "sql")
        slow = order + pam_section(sasl) + ldap_section(slapd) + \
            sql_section(pg)
        with Postern("smtp://127.0.0.1:%d" % sink.port, sections=slow,
                     route_options="tls = none") as p:
            p.account(LOCAL, secret("local-sesame"))
            for domain in "pam.example", "sql.example":
                p.account("lena@" + domain, secret("lena-sesame"))
            test_each(p)
            test_names(p)
            test_authzid(p)
            test_senders(p, sink)
            test_trial(p)
            test_remembered(p, pg)
            peter = ("peter@pam.example", "pam-sesame")
            local = (LOCAL, "local-sesame")
            test_frozen(p, slapd, "diana@example.org", "ldap-sesame",
                        [local, peter])
            test_frozen(p, pg, "scram@sql.example", "scram-sesame",
                        [local, peter, ("diana@example.org", "ldap-sesame")])
            test_frozen(p, sasl, "peter@pam.example", "pam-sesame", [local])
            test_killed(p)
            quick = [pam_section(sasl, "2s"), ldap_section(slapd, timeout="2s"),
                     sql_section(pg, "2s")]
            p.configure(sections=order + "".join(quick))
            p.ctl("reload")
            test_timeout(p, sasl, "pam", *peter)
            test_timeout(p, slapd, "ldap", "diana@example.org", "ldap-sesame")
            test_timeout(p, pg, "sql", "scram@sql.example", "scram-sesame")
            test_gone(p, pg)
            test_ways(p, slapd, pg)
            log = p.log()
            for word in PASSWORDS + ["searcher-secret", "reader-secret"]:
                if word in log:
                    tap.ok(False, "%s is in the log" % word)
            for line in log.splitlines():
                if "SIG" in line or "ERROR: " in line:
                    tap.note(line)
            # One was killed by test_killed().
            tap.equal(log.count(" ended by SIG"), 1, "nothing crashed")
    tap.done()


if __name__ == "__main__":
    main()
