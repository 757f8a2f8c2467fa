"""
The rows of the table: each is a kind of work done once by one server, and
returns figures by name: rate (a second), cpu_us (of the server, a message or a
session), and parts (the same by process).
"""
import subprocess
import sys
import time

import gauge
import rig


def work(server, sink, unit, until_relayed=True, **options):
    """
    One load. CPU time and rate count until the sink has all, or only until all
    is accepted. unit: what is divided by.
    """
    run, each = sink.begin(), options.get("r", 1)
    before = gauge.cpu(server.pid)
    began = time.monotonic()
    load = rig.load(server.tls_port, run, **options)
    ended = time.monotonic()
    if load["broken"] or load["refused"]:
        raise RuntimeError("%s: %s" % (server.name, load["error"]))
    used = gauge.since(before, gauge.cpu(server.pid))
    at_end = sink.report()["unique"]
    report = sink.wait(load["accepted"] * each)
    if until_relayed:
        used = gauge.since(before, gauge.cpu(server.pid))
        ended = max(ended, report["last_us"] / 1e6)
    if report["unique"] != load["accepted"] * each or report["duplicate"]:
        raise RuntimeError("%s: %d accepted, %d arrived, %d twice" % (
            server.name, load["accepted"], report["unique"],
            report["duplicate"]))
    n = load[unit]
    return {"rate": n / (ended - began),
            "cpu_us": sum(used.values()) * 1e6 / n,
            "parts": {who: s * 1e6 / n for who, s in used.items()},
            "relayed": at_end / each / n if load["accepted"] else None,
            "message_us": load["message_us"], "session_us": load["session_us"],
            "stalls": load["stalls"]}


def patient(job, *args, **options):
    """A turn that a busy machine has spoilt is made again, twice at most."""
    for left in (2, 1, 0):
        try:
            return job(*args, **options)
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            if not left:
                raise
            print("once more: %s" % e, file=sys.stderr, flush=True)
            time.sleep(5)


def relay(server, sink):
    return work(server, sink, "accepted", n=4000, s=20, m=20, **rig.LOGIN)


def accept(server, sink):
    return work(server, sink, "accepted", until_relayed=False, n=8000, s=50,
                 m=160, **rig.LOGIN)


def one_each(server, sink):
    return work(server, sink, "accepted", n=800, s=20, m=1, **rig.LOGIN)


def large(server, sink):
    return work(server, sink, "accepted", n=1000, s=20, m=20, b=100000,
                 **rig.LOGIN)


def handshake(server, sink):
    return work(server, sink, "sessions", n=1000, s=20, q=True)


def lone(server, sink):
    """One session after the other, so that a stall is seen and not hidden."""
    return work(server, sink, "accepted", n=40, s=1, m=1, **rig.LOGIN)


def idle(server, sink):
    """Memory of a session that is logged in and says nothing."""
    sessions = server.idle_sessions
    # What is made once is made now; not so many that a process each would be.
    with rig.Idle(server.tls_port, sessions // 5):
        pass
    before = gauge.pss(server.pid)
    with rig.Idle(server.tls_port, sessions):
        time.sleep(0.5)
        now = gauge.pss(server.pid)
    return {"kb": (now - before) / sessions}


def sink_alone(sink):
    """What a message costs a server that only takes it, and in the clear."""
    run = sink.begin()
    before = sink.report()["cpu_us"]
    load = rig.load(sink.port, run, t="clear", n=20000, s=20, m=20)
    return {"rate": load["accepted"] / load["seconds"],
            "cpu_us": (sink.report()["cpu_us"] - before) / load["accepted"],
            "load_us": load["cpu_us"] / load["accepted"]}


# name, function, figure, what is aimed at
ROWS = [
    ("submit and relay 2 KB, 20 sessions, 20 messages each", relay, 140),
    ("accept under load, 50 sessions, 2 KB", accept, 80),
    ("one message per connection, full handshake and AUTH", one_each, 450),
    ("100 KB messages, relayed", large, 400),
    ("handshake-only session", handshake, 230),
]
