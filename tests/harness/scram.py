"""SCRAM-SHA-256 as a client speaks it (RFC 5802, RFC 7677), step by step."""
import base64
import hashlib
import hmac
import os


class Scram:
    """
    header is all that comes before the name, "n,," or "p=tls-exporter,,"; data
    is what the header's kind of channel binding is bound to.
    """

    def __init__(self, name, password, header="n,,", data=b""):
        self.password, self.header, self.data = password, header, data
        self.bare = "n=%s,r=%s" % (name, base64.b64encode(os.urandom(18))
                                   .decode().replace(",", "-"))
        self.signature = None

    def first(self):
        return (self.header + self.bare).encode()

    def final(self, challenge):
        parts = dict(f.split("=", 1) for f in challenge.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(),
                                     base64.b64decode(parts["s"]),
                                     int(parts["i"]))
        without = "c=%s,r=%s" % (base64.b64encode(
            self.header.encode() + self.data).decode(), parts["r"])
        message = ",".join((self.bare, challenge.decode(), without)).encode()
        client = hmac.digest(salted, b"Client Key", "sha256")
        proof = bytes(a ^ b for a, b in zip(client, hmac.digest(
            hashlib.sha256(client).digest(), message, "sha256")))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key",
                                                 "sha256"), message, "sha256")
        return ("%s,p=%s" % (without, base64.b64encode(proof).decode())).encode()

    def proven(self, last):
        """Whether the server knows the password, too."""
        return last == b"v=" + base64.b64encode(self.signature)
