#!/usr/bin/python3
"""
How many different inputs of each class of bad ones the tests have tried: adds up
what they say of themselves in their logs ("# class: NAME inputs: N"), and fails
where there are fewer than there should be.

    tests/protocol/classes.py [BUILD-DIRECTORY]
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap                                                       # noqa: E402
from postern import BUILD                                        # noqa: E402

WANTED = {
    "relay forms": 200,
    "other ways round the login": 60,
    "credentials in the clear, downgrade": 40,
    "STARTTLS injection, TLS state, garbage handshakes, cross-protocol": 80,
    "weak TLS": 60,
    "SCRAM misuse": 150,
    "guessing, enumeration, timing": 40,
    "SASL syntax and state": 250,
    "greeting, EHLO truth, plain commands": 120,
    "connection cut at each state": 300,
    "slow clients, timeouts": 60,
    "rate caps": 60,
    "floods, parallel sessions, memory": 30,
    "bad addresses": 600,
    "ESMTP parameters": 300,
    "command order, recipient count": 150,
    "command lines": 200,
    "smuggling in": 400,
    "smuggling out": 400,
    "bare CR/LF, NUL, CRLF injection": 150,
    "dot-stuffing, 8-bit and line-length fidelity": 150,
    "BDAT/CHUNKING": 150,
    "resource bombs": 80,
    "message fix-up and privacy": 150,
    "identity": 120,
    "hostile or failing next hop, retry": 250,
    "delivery and bounces": 120,
}


def counted(build):
    """{class: {test: inputs}}"""
    found = {}
    for folder, _, files in os.walk(os.path.join(build, "tests")):
        for name in files:
            if not name.endswith(".log"):
                continue
            with open(os.path.join(folder, name), errors="replace") as f:
                for line in f:
                    m = re.match(r"# class: (.*) inputs: (\d+)$", line)
                    if m:
                        tests = found.setdefault(m.group(1), {})
                        tests[name[:-4]] = tests.get(name[:-4], 0) + \
                            int(m.group(2))
    return found


def main():
    found = counted(sys.argv[1] if len(sys.argv) > 1 else BUILD)
    for name, wanted in WANTED.items():
        by_test = found.pop(name, {})
        have = sum(by_test.values())
        tap.ok(have >= wanted, "%s: %d inputs, at least %d" % (
            name, have, wanted))
        tap.note(", ".join("%s %d" % i for i in sorted(by_test.items())))
    for name, by_test in sorted(found.items()):
        tap.note("also %s: %d" % (name, sum(by_test.values())))
    tap.done()


main()
