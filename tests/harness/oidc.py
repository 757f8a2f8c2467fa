"""
A real OpenID provider on the loopback, npm's oidc-provider, over HTTPS with a
certificate that the test alone trusts.

    with Provider(directory, {"alice": {"email": ...}}) as idp:
        token = idp.token("alice", "ES256")
"""
import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import urllib.parse
import urllib.request

import tap
from postern import (NODE_MODULES, PATIENCE, _end_with_me, free_port,
                     make_certificate, need_npm, wait_for)

SECRET = "a secret: of +its+ own%"
ALGS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


class Provider:
    """
    people: who may get tokens, and what these say of them. Others with the
    same directory have the same certificate; the same keys if they are told so.
    """

    def __init__(self, directory, people, keys="keys.json", clock_ms=0,
                 port=None, issuer=None):
        self.env = need_npm("oidc-provider")
        self.dir = directory
        self.port = port or free_port()
        self.issuer = issuer or "https://localhost:%d" % self.port
        self.url = "https://localhost:%d" % self.port
        self.cert = os.path.join(directory, "localhost.crt")
        self.key = os.path.join(directory, "localhost.key")
        if not os.path.exists(self.cert):
            make_certificate(directory, "localhost")
        os.chmod(self.cert, 0o644)
        self.people = people
        self.keys = os.path.join(directory, keys)
        self.clock_ms = clock_ms
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            with open(self.log_path, errors="replace") as f:
                tap.note(f.read()[-3000:])
        self.stop()

    def start(self):
        conf = os.path.join(self.dir, "provider-%d.json" % self.port)
        self.log_path = conf + ".log"
        clients = {name: {"secret": SECRET, "claims": claims}
                   for name, claims in self.people.items()}
        clients["postern"] = {"secret": SECRET, "claims": {}}
        with open(conf, "w") as f:
            json.dump(dict(modules=NODE_MODULES, port=self.port,
                           cert=self.cert, key=self.key, issuer=self.issuer,
                           keys=self.keys, clock_ms=self.clock_ms,
                           clients=clients), f)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["node", os.path.join(os.path.dirname(__file__),
                                      "provider.mjs"), conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.env, preexec_fn=_end_with_me)
        if not wait_for(lambda: self.process.poll() is not None or
                        self.answers(), PATIENCE * 2) or \
                self.process.poll() is not None:
            with open(self.log_path, errors="replace") as f:
                raise RuntimeError("no provider\n" + f.read())

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def hang(self):
        """It takes connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    # --- as somebody who has an account there ---------------------------------

    def post(self, path, who, **form):
        quoted = urllib.parse.quote_plus
        basic = base64.b64encode(("%s:%s" % (quoted(who), quoted(SECRET))
                                  ).encode()).decode()
        r = urllib.request.Request(
            self.url + path, urllib.parse.urlencode(form).encode(),
            {"Authorization": "Basic " + basic})
        context = ssl.create_default_context(cafile=self.cert)
        with urllib.request.urlopen(r, timeout=PATIENCE,
                                    context=context) as answer:
            return answer.read()

    def token(self, who, form, scope="smtp"):
        """An access token: a JWT signed so, "opaque", or for "other"."""
        return json.loads(self.post(
            "/token", who, grant_type="client_credentials", scope=scope,
            resource="https://mail.example.org/" + form))["access_token"]

    def revoke(self, who, token):
        self.post("/token/revocation", who, token=token)
