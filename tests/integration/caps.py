#!/usr/bin/python3
"""
Caps are exact, whoever tries: a hundred sessions at once on both ports and in
three workers, under each spelling of the account's name; connections made
anew; restarts and kill -9; a wall clock that leaps while queue runs and while
it does not. A device's own cap and a group's hold as exactly.
"""
import os
import re
import smtplib
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import SANITIZED, Postern, need_root, wait_for      # noqa: E402
from sink import Sink                                            # noqa: E402
from talk import GONE, Talk                                      # noqa: E402
from trouble import shimmed                                      # noqa: E402

AT_ONCE = 40 if SANITIZED else 100
CAPS = '''cap default { messages = {"17/1h"} recipients = {} bytes = {} }
cap people { recipients = {"100/1h"} }
cap volume { bytes = {"40K/1h"} }
cap phone { messages = {"7/1h"} }
cap team { messages = {"11/1h"} }
cap clock { messages = {"3/1h"} }
group staff { members = {"@team.example"} senders = {"team@example.org"}
    cap = "team" }'''
TO = "rcpt%d@example.net"
PROBE = "probe@example.org"        # sends nothing


def spellings(name):
    """Other ways to write an account's name, all of them the same account."""
    local, _, domain = name.partition("@")
    return [name, name.upper(), name.title(), local.upper() + "@" + domain,
            local + "@" + domain.upper()]


def sessions(p, name, n, password="open-sesame", suffix=""):
    """n of them, logged in, on both ports in turn, by each spelling in turn."""
    names = spellings(name)
    return [Talk(p, implicit=i % 2 == 0, login=names[i // 2 % len(names)] +
                 suffix, password=password) for i in range(n)]


def send(talk, sender, recipients, size=100):
    """One message; (recipients that were taken, the last reply)."""
    reply = talk.say("MAIL FROM:<%s>" % sender)
    if not reply.startswith("250"):
        return 0, reply
    taken = sum(talk.say("RCPT TO:<%s>" % (TO % i)).startswith("250")
                for i in range(recipients))
    if taken == 0:
        reply = talk.last
        talk.say("RSET")
        return 0, reply
    talk.say("DATA")
    reply = talk.say(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" +
                     b"y" * size + b"\r\n.")
    return (taken if reply.startswith("250") else 0), reply


def storm(talks, sender, recipients=1, size=100):
    """
    All send at once until each has been refused three times in a row; (messages,
    recipients that were taken, replies that were neither 250 nor 45x).
    """
    gate, lock = threading.Barrier(len(talks)), threading.Lock()
    sum_messages, sum_recipients, odd = [0], [0], []

    def one(talk):
        gate.wait()
        refused = 0
        while refused < 3:
            # What is left may be less than one wants.
            taken, reply = send(talk, sender, 1 if refused else recipients,
                                size)
            refused = refused + 1 if taken == 0 else 0
            with lock:
                sum_messages[0] += taken > 0
                sum_recipients[0] += taken
                if not reply.startswith(("250 2.0.0", "450 4.7.1", "451 4.7.1",
                                         "452 4.7.1", "452 4.5.3")):
                    odd.append(reply)
                    if reply == GONE:
                        return

    threads = [threading.Thread(target=one, args=(t,)) for t in talks]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for t in talks:
        t.close()
    return sum_messages[0], sum_recipients[0], odd[:3]


def refused(p, name, sender, **how):
    """Whether new sessions, on both ports, by all names, get nothing more."""
    said = [send(talk, sender, 1)[1] for talk in sessions(p, name, 10, **how)]
    return [s for s in said if not s.startswith(("450 4.7.1", "451 4.7.1",
                                                 "452 4.7.1"))]


def killed(p, name):
    """kill -9; whether there is another that takes mail again, after a while."""
    def pids():
        return {r["pid"] for r in p.processes() if r["name"].split("/")[0] ==
                name and r["state"] == "serving"}

    def takes_mail():
        try:
            with Talk(p, login=PROBE) as talk:
                return talk.say("MAIL FROM:<%s>" % PROBE).startswith("250")
        except (OSError, RuntimeError):
            return False
    old = pids()
    p.kill(name)
    return wait_for(lambda: len(pids() - old) == len(old)) and \
        wait_for(takes_mail)


def arrived(sink, n, sender):
    """How many of a sender's messages; one whose 250 was lost may come twice."""
    def ids():
        return {re.search(r"with ESMTPSA id (\S+);", m.header()).group(1)
                for m in list(sink.messages) if m.sender == sender}
    wait_for(lambda: len(ids()) >= n)
    return len(ids())


def test_messages(p, sink):
    name = "alice@example.org"
    p.account(name, "open-sesame")
    got = storm(sessions(p, name, AT_ONCE), name)
    tap.equal(got, (17, 17, []), "%d sessions at once send 17 messages" %
              AT_ONCE)
    tap.equal(refused(p, name, name), [], "new connections send none")
    tap.equal(arrived(sink, 17, name), 17, "and 17 arrive")
    tap.ok(killed(p, "smtpd"), "smtpd was killed")
    tap.equal(refused(p, name, name), [], "other workers send none")
    tap.ok(killed(p, "queue"), "queue was killed")
    tap.equal(refused(p, name, name), [], "the new one knows what was used")
    tap.equal(p.stop(), 0, "stopped")
    p.start()
    tap.equal(refused(p, name, name), [], "so does one after a restart")
    p.kill_all()
    p.start()
    tap.equal(refused(p, name, name), [], "and after kill -9 of all")
    tap.equal([r["messages_1h"] for r in p.rows("usage") if
               r["account"] == name], [17], "usage says 17")


def test_killed_meanwhile(p, sink):
    """What queue acknowledged before it died counts, whatever it was doing."""
    name = "erin@example.org"
    p.account(name, "open-sesame")
    talks, total = sessions(p, name, 20), 0
    back = []
    killer = threading.Timer(0.01, lambda: back.append(killed(p, "queue")))
    killer.start()
    total += storm(talks, name)[0]
    killer.join()
    tap.equal(back, [True], "queue was killed while twenty sessions sent")
    # Replies that were lost with it may stand for messages that were taken.
    total += storm(sessions(p, name, 20), name)[0]
    used = [r["messages_1h"] for r in p.rows("usage") if r["account"] == name]
    tap.equal(used, [17], "17 were taken, of which %d were told" % total)
    tap.equal(arrived(sink, 17, name), 17, "17 arrive")
    tap.ok(total <= 17, "never more are told than are allowed")


def test_recipients(p):
    name = "carol@example.org"
    p.account(name, "open-sesame", "--cap", "people")
    got = storm(sessions(p, name, 30), name, 7)
    tap.equal(got[1:], (100, []), "30 sessions reach 100 recipients, in %d "
              "messages" % got[0])
    tap.equal(refused(p, name, name), [], "no one more")


def test_bytes(p):
    name = "dave@example.org"
    p.account(name, "open-sesame", "--cap", "volume")
    storm(sessions(p, name, 30), name, 1, 900)
    used = [r["bytes_1d"] for r in p.rows("usage") if r["account"] == name]
    tap.ok(len(used) == 1 and 40960 - 1100 < used[0] <= 40960,
           "30 sessions send 40K, less than a message short of it: %s" % used)


def test_device(p):
    name = "frank@example.org"
    p.account(name, "open-sesame")
    password = p.rows("account", "device", "add", name, "phone", "--cap",
                      "phone")[0]["password"]
    got = storm(sessions(p, name, 30, password), name)
    tap.equal(got, (7, 7, []), "30 sessions of one device send its 7")
    tap.equal(refused(p, name, name, password=password), [], "and no more")
    tap.equal(refused(p, name, name, password=password, suffix="/phone"), [],
              "by its long name neither")
    got = storm(sessions(p, name, 30), name)
    tap.equal(got, (10, 10, []), "then its owner has ten of 17 left")
    tap.ok(killed(p, "queue"), "queue was killed")
    tap.equal(refused(p, name, name) + refused(
        p, name, name, password=password), [], "and forgets neither")


def test_group(p):
    """A group's cap is each member's own."""
    for name in ("gina@team.example", "hal@team.example"):
        p.account(name, "open-sesame")
        got = storm(sessions(p, name, 30), "team@example.org")
        tap.equal(got, (11, 11, []), "30 sessions of %s send its group's 11" %
                  name)
        tap.equal(refused(p, name, "team@example.org"), [], "and no more")


# --- a wall clock that leaps ---------------------------------------------------

SHIM = r'''
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long *ahead;		/* seconds */
__attribute__((constructor)) static void
begin(void)
{
	int fd = open(getenv("CLOCK_AHEAD"), O_RDONLY);
	ahead = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
}
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *ahead;
	return r;
}
int
gettimeofday(struct timeval *tv, void *tz)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	*tv = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
	return 0;
}
time_t
time(time_t *t)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
'''


def with_clock(p):
    """queue and auth get a wall clock of their own; what sets it ahead."""
    path = shimmed(p, ("postern-queue", "postern-auth"), SHIM, "CLOCK_AHEAD")

    def ahead(seconds):
        with open(path, "r+b" if os.path.exists(path) else "wb") as f:
            f.write(int(seconds).to_bytes(8, sys.byteorder, signed=True))
    ahead(0)
    return ahead


def test_clock():
    hour, year = 3600, 365 * 86400
    with Sink() as sink:
        p = Postern(sink.url, route_options="tls = none", caps=CAPS)
        ahead = with_clock(p)
        name = "ivan@example.org"
        with p:
            p.account(PROBE, "open-sesame")
            p.account(name, "open-sesame", "--cap", "clock")
            got = storm(sessions(p, name, 10), name)
            tap.equal(got, (3, 3, []), "three messages")
            for what, seconds in (("two hours ahead", 2 * hour),
                                  ("a year ahead", year), ("back", 0),
                                  ("an hour back", -hour),
                                  ("a year back", -year)):
                ahead(seconds)
                tap.equal(refused(p, name, name), [], "the clock leaps %s: no "
                          "more than three" % what)
            # It starts with the wall clock; a year back is not for ever.
            tap.ok(killed(p, "queue"), "queue starts a year back")
            tap.equal(refused(p, name, name), [], "what is used is not forgotten")
            wait = send(Talk(p, login=name), name, 1)[1]
            tap.ok("minute" in wait or "1 hour" in wait,
                   "and holds no longer than its window: " + wait)
            ahead(2 * hour)
            tap.ok(killed(p, "queue"), "queue starts two hours later")
            got = storm(sessions(p, name, 10), name)
            tap.equal(got, (3, 3, []), "the window is over: three more, not "
                      "four")


def main():
    need_root()
    with Sink() as sink, Postern(sink.url, route_options="tls = none",
                                 workers=3, caps=CAPS) as p:
        p.account(PROBE, "open-sesame")
        test_messages(p, sink)
        test_killed_meanwhile(p, sink)
        test_recipients(p)
        test_bytes(p)
        test_device(p)
        test_group(p)
    if not SANITIZED:           # their runtime has to be loaded first
        test_clock()
    tap.done()


main()
