#!/usr/bin/python3
"""
The bench works: its load arrives at its sink, alone and through Postern, over
each kind of TLS, and what is missing or comes twice is seen.
"""
import os
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
import gauge                                                     # noqa: E402
import rig                                                       # noqa: E402
import servers                                                   # noqa: E402


def test_alone(sink):
    run = sink.begin()
    load = rig.load(sink.port, run, t="clear", n=30, s=3, m=4, r=2, P=True)
    report = sink.report()
    tap.equal((load["accepted"], load["sessions"], load["broken"]), (30, 8, 0),
              "all are accepted, and no connection is in vain")
    tap.equal((report["unique"], report["duplicate"], report["strange"]),
              (60, 0, 0), "all arrive, for each recipient")
    rig.load(sink.port, run, t="clear", n=1, r=2)
    tap.equal(sink.report()["duplicate"], 2, "what comes again is seen")
    rig.load(sink.port, run + 1, t="clear")
    tap.equal(sink.report()["strange"], 1, "what is another's is seen")


def test_hosts():
    """By name, though its first address may be another's, and on IPv6."""
    for address, host in (("127.0.0.1", "localhost"), ("::1", "::1")):
        try:
            socket.create_server((address, 0), family=socket.AF_INET6
                                 if ":" in address else socket.AF_INET).close()
        except OSError:
            tap.note("no %s here" % address)
            continue
        with rig.Sink(address) as sink:
            run = sink.begin()
            load = rig.load(sink.port, run, t="clear", h=host, n=5)
            tap.equal((load["accepted"], sink.report()["unique"]), (5, 5),
                      "%s reaches %s" % (host, address))


def arrived(sink, load):
    """How many of a steady load's messages are there, exactly."""
    return load["accepted"] + sum(sink.has(i) for i in load["unsaid"])


def test_steady(sink):
    run = sink.begin()
    steady = rig.Steady(sink.port, run, 300, 0, t="clear", s=3, m=7, l=5000)
    for mood in ("refuses", "well", "closes", "well"):
        n = sink.report()["unique"]
        sink.mood(mood)
        time.sleep(0.3)
        if mood == "well":
            sink.wait(n + 10)
    load = steady.end()
    report = sink.report()
    tap.equal(load["next"], load["accepted"] + len(load["unsaid"]),
              "what was refused is sent until it is accepted")
    tap.ok(load["codes"].get("451") and load["codes"].get("0"),
           "refusals and ends are counted: %s" % load["codes"])
    tap.equal((report["unique"], report["duplicate"]), (arrived(sink, load), 0),
              "what was refused comes once")
    tap.equal([i for i in load["unsaid"] if sink.has(i)], [],
              "whose end was not answered is told apart")


def test_refused(sink, server):
    load = rig.load(server.tls_port, n=2, u="alice@example.org", w="wrong")
    tap.ok(load["accepted"] == 0 and load["broken"] and
           "535" in load["error"], "a refusal is told: " + load["error"])


def test_through(sink, server):
    for port, tls in ((server.tls_port, "implicit"),
                      (server.port, "starttls")):
        run = sink.begin()
        load = rig.load(port, run, t=tls, n=20, s=2, m=5, **rig.LOGIN)
        tap.equal((load["accepted"], load["error"]), (20, ""), tls)
        tap.equal(sink.wait(20)["unique"], 20, tls + ": all arrive")


def test_gauges(server):
    before = gauge.cpu(server.pid)
    rig.load(server.tls_port, n=20, s=2, q=True)
    used = gauge.since(before, gauge.cpu(server.pid))
    tap.ok("postern-smtpd" in used and min(used.values()) >= 0,
           "each process has its share")
    with rig.Idle(server.tls_port, 5):
        tap.ok(gauge.pss(server.pid) > 1000, "memory is counted")


def main():
    servers.postern.need_root()
    with rig.Sink() as sink, tempfile.TemporaryDirectory() as directory:
        test_alone(sink)
        test_hosts()
        test_steady(sink)
        certificate = servers.postern.make_certificate(directory, "smoke")
        with servers.Postern(sink.port, certificate, 1) as server:
            test_refused(sink, server)
            test_through(sink, server)
            test_gauges(server)
    tap.done()


main()
