"""
A next hop that can be told to misbehave. It keeps what it accepts.

    with Sink() as sink:
        sink.answer["RCPT"] = lambda line: "450 4.2.0 later"
        ...
        sink.messages[0].recipients
"""
import base64
import socket
import socketserver
import ssl
import threading
import time


class Message:
    def __init__(self, sender, recipients, content, session):
        self.sender = sender
        self.recipients = recipients
        self.size = len(content)
        # bytes, dots taken off, CRLF; all of them unless told otherwise
        self.content = content[:session.server.sink.keep]
        self.tls = session.tls
        self.user = session.user
        self.time = time.time()
        # Its MAIL, the 354 before which no text may come, and its end.
        self.began, self.go_ahead = session.began, session.go_ahead
        self.monotonic = time.monotonic()
        self.connection = session.connection

    def header(self):
        return self.content.split(b"\r\n\r\n", 1)[0].decode(errors="replace")


class Connection:
    """When it was there; quit: the client took its leave."""

    def __init__(self):
        self.opened, self.ended, self.quit = time.monotonic(), None, False


class Session(socketserver.StreamRequestHandler):
    # Several replies to pipelined commands must not wait for each other's ACK.
    disable_nagle_algorithm = True

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def start_tls(self):
        self.request = self.server.sink.context.wrap_socket(
            self.request, server_side=True)
        self.rfile = self.request.makefile("rb")
        self.wfile = self.request.makefile("wb")
        self.tls = True

    def handle(self):
        self.connection = Connection()
        try:
            self.converse()
        finally:
            self.connection.ended = (self.connection.ended or
                                     time.monotonic())

    def converse(self):
        sink = self.server.sink
        self.tls = False
        self.user = None
        self.reset()
        sink.sessions += 1
        try:
            if sink.implicit:
                self.start_tls()
            self.say(self.decide("CONNECT", "", "220 sink ESMTP"))
            while True:
                line = self.rfile.readline(65536)
                if not line:
                    return
                if not self.command(line.rstrip(b"\r\n").decode(
                        errors="replace")):
                    return
        except (OSError, ValueError, ssl.SSLError):
            pass

    def reset(self):
        self.sender = None
        self.recipients = []

    def decide(self, verb, line, usual):
        """None closes the connection without a word."""
        answer = self.server.sink.answer.get(verb)
        reply = answer(line) if answer else None
        if reply == "CLOSE":
            raise OSError("told to close")
        return reply or usual

    def command(self, line):
        sink = self.server.sink
        sink.lines.append(line)
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            self.say(self.decide(verb, line, self.offers()))
        elif verb == "HELO":
            self.say("250 sink")
        elif verb == "STARTTLS" and sink.context and not self.tls:
            self.say("220 go")
            self.start_tls()
        elif verb == "AUTH":
            self.auth(line)
        elif verb == "MAIL":
            self.reset()
            self.began = time.monotonic()
            reply = self.decide(verb, line, "250 2.1.0 ok")
            if reply[0] == "2":
                self.sender = line.split("<", 1)[1].split(">", 1)[0]
            self.say(reply)
        elif verb == "RCPT":
            reply = self.decide(verb, line, "250 2.1.5 ok")
            if reply[0] == "2":
                self.recipients.append(
                    line.split("<", 1)[1].split(">", 1)[0])
            self.say(reply)
        elif verb == "DATA":
            self.data(line)
        elif verb == "QUIT":
            self.connection.quit = True
            self.connection.ended = time.monotonic()
            self.say("221 bye")
            return False
        else:
            self.say("250 ok" if verb in ("NOOP", "RSET") else "500 what?")
            if verb == "RSET":
                self.reset()
        return True

    def offers(self):
        sink = self.server.sink
        offers = ["sink", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if sink.context and not self.tls:
            offers.append("STARTTLS")
        if sink.password:
            offers.append("AUTH PLAIN")
        offers += sink.extensions
        offers = [o for o in offers if o not in sink.without]
        return "\r\n".join("250%s%s" % (" " if o is offers[-1] else "-", o)
                           for o in offers)

    def auth(self, line):
        words = line.split(" ")
        if len(words) < 3:
            self.say("334 ")
            words.append(self.rfile.readline(65536).strip().decode())
        try:
            user, password = base64.b64decode(words[2]).split(b"\0")[1:3]
        except ValueError:
            self.say("501 5.5.2 what?")
            return
        if (user.decode(), password.decode()) == (
                self.server.sink.user, self.server.sink.password):
            self.user = user.decode()
            self.say("235 2.7.0 in")
        else:
            self.say("535 5.7.8 out")

    def data(self, line):
        sink = self.server.sink
        reply = self.decide("DATA", line, "354 go")
        if not self.recipients and reply[0] == "3":
            reply = "503 5.5.1 no recipients"
        self.go_ahead = time.monotonic()
        self.say(reply)
        if reply[0] != "3":
            return
        content = []
        while True:
            part = self.rfile.readline(1 << 20)
            if not part:
                return
            if part == b".\r\n":
                break
            content.append(part[1:] if part[:1] == b"." else part)
        whole = b"".join(content)
        # Kept before it is said: an accepted message is here, come what may.
        reply = self.decide("END", line, "250 2.0.0 kept")
        if reply[0] == "2":
            with sink.lock:
                sink.messages.append(Message(self.sender, self.recipients,
                                             whole, self))
        self.say(reply)
        self.reset()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, address):
        pass


class Sink:
    def __init__(self, certificate=None, implicit=False, user=None,
                 password=None, port=0, address="127.0.0.1",
                 extensions=(), without=()):
        self.messages = []
        self.lines = []
        self.sessions = 0
        self.answer = {}
        self.keep = None                # so many bytes of each message
        self.extensions = list(extensions)      # more lines for EHLO
        self.without = without          # of what EHLO offers
        self.lock = threading.Lock()
        self.implicit = implicit
        self.user, self.password = user, password
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.server = Server((address, port), Session)
        self.server.sink = self
        self.port = self.server.server_address[1]
        self.url = "%s://%s:%d" % ("smtps" if implicit else "smtp", address,
                                          self.port)

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05},
                                       daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()
