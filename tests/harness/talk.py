"""
A client that sends what it is told, byte for byte, and reads what is said.

    talk = Talk(p, login="alice@example.org")
    talk.say("MAIL FROM:<alice@example.org>")       # "250 2.1.0 Ok"
"""
import socket
import ssl

from postern import PATIENCE, plain

GONE = ""       # the reply of a connection that is closed


class Talk:
    def __init__(self, p, implicit=True, tls=True, login=None, ehlo=True,
                 password="open-sesame", context=None):
        self.p, self.context = p, context or p.context()
        self.sock = socket.create_connection(
            ("127.0.0.1", p.tls_port if implicit else p.port), PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if implicit:
            self.start_tls()
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply()
        if not implicit and tls:
            self.say("EHLO client.example")
            self.say("STARTTLS")
            self.start_tls()
        if ehlo or login:
            self.say("EHLO client.example")
        if login and not self.say("AUTH PLAIN " + plain(
                login, password)).startswith("235"):
            raise RuntimeError("no login: %s" % self.last)

    def start_tls(self):
        self.sock = self.context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        try:
            self.sock.sendall(data if isinstance(data, bytes) else
                              data.encode())
        except OSError:
            pass                # what it said before is what counts

    def reply(self):
        """The last line of the next one, or GONE; lines has them all."""
        self.lines = []
        while True:
            try:
                line = self.file.readline(65536).decode("latin-1")
            except OSError:
                line = ""
            if not line.endswith("\r\n"):
                self.last = GONE
                return GONE
            self.lines.append(line[:-2])
            if line[3:4] != "-":
                self.last = line[:-2]
                return self.last

    def say(self, line):
        data = line if isinstance(line, bytes) else line.encode()
        self.send(data + b"\r\n")
        return self.reply()

    def all(self):
        """What is said until the connection ends."""
        try:
            return self.file.read().decode("latin-1")
        except OSError:
            return ""

    def close(self):
        try:
            self.file.close()
            self.sock.close()
        except (OSError, ssl.SSLError):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Talks:
    """
    One case after the other on as few connections as the limit on errors
    allows. make() begins a connection.
    """

    def __init__(self, make, each=80):
        self.make, self.each, self.n, self.talk = make, each, 0, None

    def next(self):
        if self.talk is None or self.n >= self.each or \
                self.talk.last == GONE:
            self.close()
            self.talk, self.n = self.make(), 0
        self.n += 1
        return self.talk

    def close(self):
        if self.talk is not None:
            self.talk.close()
            self.talk = None
