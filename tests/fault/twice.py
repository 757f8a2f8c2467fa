#!/usr/bin/python3
"""
When a message comes twice. Each window between the next hop's taking it and the
queue's writing that down is entered on purpose, by a kill -9 at that very call
to the kernel. The message comes twice, and the rule by which kill_under_load.py
judges says that the kill is why, and that no other would be.
"""
import os
import select
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import tap                                                      # noqa: E402
from copies import Copy, Kill, explains                         # noqa: E402
from postern import (BUILD, PATIENCE, Postern, need_root,       # noqa: E402
                     wait_for)
from sink import Sink                                           # noqa: E402

KILL_AT = os.path.join(BUILD, "tests", "fault", "kill_at")
ALICE, BOB = "alice@example.org", "bob@example.net"


class Victim:
    """A process whose end is waited for."""

    def __init__(self, p, name):
        self.name, self.tool = name, None
        self.pid = wait_for(lambda: next(
            (r["pid"] for r in p.processes()
             if r["name"].split("/")[0] == name), None))
        self.end = os.pidfd_open(self.pid)
        self.begun = time.monotonic()

    def at_call(self, how, call):
        """kill -9 before or past its first call of that name from now on."""
        self.tool = subprocess.Popen(
            [KILL_AT, how, call + ":1", str(self.pid)],
            stdout=subprocess.PIPE, text=True)
        self.tool.stdout.readline()     # seized

    def dead(self):
        over = select.select([self.end], [], [], PATIENCE)[0]
        kill = Kill(self.name, self.begun, time.monotonic())
        if self.tool:
            self.tool.communicate()
        tap.ok(over, "%s is dead" % self.name)
        return kill


def once(do, after=0):
    """An answer of the sink's: the usual one, but for do() at that time."""
    todo = [None] * after + [do]

    def answer(line):
        now = todo.pop(0) if todo else None
        return now() if now else None
    return answer


def comes_twice(what, p, sink, kill):
    """Submits a message. kill: a list that the kill is put into meanwhile."""
    before = len(sink.messages)
    p.submit(ALICE, [BOB], "Subject: x\r\n\r\ntext\r\n")
    if not tap.ok(wait_for(lambda: len(sink.messages) == before + 2 and kill),
                  what + ": the message comes twice"):
        return
    sink.answer.clear()
    first, second = sink.messages[before:]
    wait_for(lambda: first.connection.ended)
    first, second = Copy.of(first), Copy.of(second)
    kill = kill[0]
    tap.ok(explains(kill, first, second), "and that is why")
    tap.note("the kill ended %.0f ms past the 354 and %.0f ms past the 250" % (
        1000 * (kill.ended - first.go_ahead),
        1000 * (kill.ended - first.taken)))
    tap.ok(not any(explains(Kill(victim, first.opened - 2, first.opened - 1),
                            first, second) or
                   explains(Kill(victim, second.began + 1, second.began + 2),
                            first, second)
                   for victim in ("queue", "relay", "all")),
           "one before all this, or behind it, would not be")
    tap.ok(not explains(kill._replace(victim="smtpd"), first, second),
           "nor an smtpd's")


def relay_past_the_text(p, sink):
    """What it wrote is there, and the next hop reads it when it comes to it."""
    kill, relay = [], Victim(p, "relay")
    sink.answer["DATA"] = once(lambda: relay.at_call("past", "sendto"))
    sink.answer["END"] = once(lambda: kill.append(relay.dead()))
    comes_twice("relay dies past the text", p, sink, kill)


def relay_before_the_result(p, sink):
    kill, relay = [], Victim(p, "relay")
    sink.answer["DATA"] = once(
        lambda: relay.at_call("before", "sendmsg"))
    sink.answer["MAIL"] = once(
        lambda: kill.append(relay.dead()), after=1)
    comes_twice("relay dies with a 250 that it has told nobody", p, sink, kill)


def queue_before_its_record(p, sink):
    kill, queue = [], Victim(p, "queue")
    sink.answer["DATA"] = once(
        lambda: queue.at_call("before", "pwrite64"))
    sink.answer["MAIL"] = once(
        lambda: kill.append(queue.dead()), after=1)
    comes_twice("queue dies with a result that it has not written", p, sink,
                kill)


def queue_past_the_text(p, sink):
    """relay notices and hangs up; its text is there all the same."""
    kill, queue = [], Victim(p, "queue")

    def end():
        os.kill(queue.pid, signal.SIGKILL)
        kill.append(queue.dead())

    sink.answer["END"] = once(end)
    comes_twice("queue dies past the text", p, sink, kill)


def main():
    need_root()
    with Sink() as sink, Postern(next_hop=sink.url,
                                 queue='retry-first = "1s" retry-max = "2s"',
                                 route_options="tls = none") as p:
        p.account(ALICE, "open-sesame")
        for window in (relay_past_the_text, relay_before_the_result,
                       queue_before_its_record, queue_past_the_text):
            # What is not yet written down would come once more.
            tap.ok(wait_for(lambda: p.all_serve() and not p.rows(
                "queue", "list")), "all is written down")
            window(p, sink)
        tap.ok(wait_for(lambda: not p.rows("queue", "list")),
               "the queue is empty")
    tap.done()


main()
