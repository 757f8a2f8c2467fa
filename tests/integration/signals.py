#!/usr/bin/python3
"""
Signals in every state. TERM, INT, HUP, PIPE and CHLD to each process while it
starts, serves under load, and stops. Nobody but posternd heeds them; HUP, PIPE and
a CHLD without a child that has ended break no session; TERM and INT end it cleanly, once or twice said: open sessions hear
421, and what was acknowledged arrives when the next one starts.
"""
import os
import select
import signal
import smtplib
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BIN, PATIENCE, Postern, need_root, wait_for  # noqa: E402
from sink import Sink                                            # noqa: E402

ALICE = "alice@example.org"
LATE_SECONDS = 11
HARMLESS = (signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
SIGNALS = (signal.SIGTERM, signal.SIGINT) + HARMLESS


class Load:
    """Clients that submit until they are sent away, and how they were."""

    def __init__(self, p, name, clients=6):
        self.p, self.name = p, name
        self.acked, self.ends, self.going = [], [], True
        self.threads = [threading.Thread(target=self.run, args=(i,),
                                         daemon=True) for i in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, i):
        try:
            client, n = self.p.client(login=ALICE), 0
            while self.going:
                n += 1
                ident = "%s-%d-%d" % (self.name, i, n)
                client.sendmail(ALICE, ["bob@example.net"],
                                "Subject: %s\r\n\r\nx\r\n" % ident)
                self.acked.append(ident)
            client.quit()
        except smtplib.SMTPResponseException as e:
            self.ends.append(e.smtp_code)
        except (smtplib.SMTPException, OSError) as e:
            self.ends.append(repr(e))

    def end(self):
        self.going = False
        for t in self.threads:
            t.join(2 * PATIENCE)
        return self.ends


def arrived(sink):
    with sink.lock:
        return {m.header().split("Subject: ")[1].split()[0]
                for m in sink.messages}


def test_serving(p):
    load = Load(p, "serving")
    wait_for(lambda: len(load.acked) > 10)
    before = [(r["name"], r["pid"]) for r in p.processes()]
    for name, pid in before:
        for s in SIGNALS:
            os.kill(pid, s)
    for s in HARMLESS * 3:
        p.process.send_signal(s)
        n = len(load.acked)
        wait_for(lambda: len(load.acked) > n)
    tap.equal(load.end(), [], "no session is broken by any of them")
    tap.equal([r for r in before if r[1] not in
               [q["pid"] for q in p.processes()] and
               not r[0].startswith("smtpd")], [], "nobody has ended")
    tap.ok("ended by" not in p.log(), "nor been ended")


def test_stopping(p, sink, name, signals):
    """signals, one after the other, to posternd under load."""
    load = Load(p, name)
    idle = p.client(login=ALICE)
    wait_for(lambda: len(load.acked) > 10)
    begun = time.monotonic()
    for s in signals:
        try:
            p.process.send_signal(s)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    code = p.process.wait(PATIENCE)
    took = time.monotonic() - begun
    tap.equal(code, 0, name + ": the end is clean")
    idle.sock.settimeout(PATIENCE)
    try:
        said = idle.sock.recv(512)
    except OSError as e:
        said = repr(e).encode()
    # Who is in such a hurry as to say it twice leaves no time for that.
    tap.ok(said.startswith(b"421") or len(signals) > 1,
           name + ": an idle session hears 421")
    ends = load.end()
    tap.note("%s: %.2f s; %d acknowledged; sessions ended by %s" % (
        name, took, len(load.acked), ends))
    p.start()
    tap.ok(wait_for(lambda: set(load.acked) <= arrived(sink)),
           name + ": all that was acknowledged arrives")


def test_in_doubt(p, sink):
    """A next hop that has all of a message says late that it has taken it."""
    asked = threading.Event()

    def late(_):
        asked.set()
        time.sleep(LATE_SECONDS)

    sink.answer["END"] = late
    with p.client(login=ALICE) as client:
        client.sendmail(ALICE, ["bob@example.net"], "Subject: late\r\n\r\n")
    asked.wait(PATIENCE)
    p.process.terminate()
    tap.equal(p.process.wait(LATE_SECONDS + PATIENCE), 0,
              "a stop waits for the answer to a final dot")
    del sink.answer["END"]
    p.start()
    wait_for(lambda: p.ctl("--json", "queue", "list").stdout == "")
    with sink.lock:
        came = [m for m in sink.messages if "Subject: late" in m.header()]
    tap.equal(len(came), 1, "so it does not come twice")


def test_backlog(p, sink):
    """Much is in line when it stops; none of it is tried, nor begun anew."""
    taken = threading.Event()

    def slow(_):
        taken.set()
        time.sleep(1)

    sink.answer["END"] = slow
    with p.client(login=ALICE) as client:
        for i in range(40):
            client.sendmail(ALICE, ["bob@example.net"],
                            "Subject: backlog %d.\r\n\r\n" % i)
    taken.wait(PATIENCE)
    before = len(p.log())
    p.process.terminate()
    tap.equal(p.process.wait(PATIENCE), 0, "a stop with a backlog")
    said = p.log()[before:]
    tap.ok("in time" not in said and "deferred" not in said,
           "leaves it as it is")
    del sink.answer["END"]
    p.start()
    tap.ok(wait_for(lambda: p.ctl("--json", "queue", "list").stdout == ""),
           "all of it goes")
    with sink.lock:
        came = [m.header().split("backlog ")[1].split(".")[0]
                for m in sink.messages if "backlog" in m.header()]
    tap.equal(sorted(came, key=int), [str(i) for i in range(40)],
              "once each")


def heed_int():
    """What a shell has started in the background ignores SIGINT from birth."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def starting(p, s, after):
    """posternd gets s so many seconds after its birth; its exit status."""
    with open(p.log_path, "ab") as log:
        p.process = subprocess.Popen(
            [BIN + "/posternd", "-d", "-f", p.conf_path],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=heed_int)
    time.sleep(after)
    children = p.children()
    p.process.send_signal(s)
    if s in HARMLESS:
        if wait_for(lambda: p.process.poll() is not None or p.ctl(
                "status", check=False).returncode == 0):
            children += p.children() if p.process.poll() is None else []
            p.process.poll() is None and p.process.terminate()
    code = p.process.wait(PATIENCE)
    for fd in children:
        left = not select.select([fd], [], [], PATIENCE)[0]
        os.close(fd)
        if left:
            return "a child is left"
    return code


def test_starting(p):
    p.stop()
    for s in SIGNALS:
        codes = {starting(p, s, 0.03 * i) for i in range(8)}
        # Before it heeds them it has done nothing that would be left.
        tap.ok(codes <= {0, -s}, "%s while it starts: %s" % (s.name, codes))
    p.start()
    p.submit(ALICE, ["bob@example.net"], "Subject: last\r\n\r\nx\r\n")
    tap.ok(True, "and it starts again")


def main():
    need_root()
    with Sink() as sink, Postern(
            next_hop=sink.url, workers=2, route_options="tls = none",
            queue='retry-first = "1s" retry-max = "2s"') as p:
        p.account(ALICE, "open-sesame")
        test_serving(p)
        term, hup = signal.SIGTERM, signal.SIGHUP
        test_stopping(p, sink, "TERM", [term])
        test_stopping(p, sink, "INT", [signal.SIGINT])
        test_stopping(p, sink, "TERM,TERM", [term, term])
        test_stopping(p, sink, "TERM,CHLD", [term, signal.SIGCHLD])
        test_stopping(p, sink, "TERM,HUP,PIPE,CHLD,INT",
                      [term, hup, signal.SIGPIPE, signal.SIGCHLD,
                       signal.SIGINT])
        test_in_doubt(p, sink)
        test_backlog(p, sink)
        test_starting(p)
    tap.done()


main()
