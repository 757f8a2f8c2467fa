#!/usr/bin/python3
"""Reports of failed mail, as Python's own mail parser understands them."""
import email
import email.policy
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap

BUILD = os.environ.get("POSTERN_BUILD", os.getcwd())
PROGRAM = os.path.join(BUILD, "tests", "unit", "test_dsn")


def report(name):
    raw = subprocess.run([PROGRAM, name], capture_output=True,
                         check=True).stdout
    return email.message_from_bytes(raw, policy=email.policy.default)


for name in ("simple", "full", "injected", "utf8", "long_lines", "huge",
             "nothing"):
    m = report(name)
    utf8 = name == "utf8"
    parts = list(m.iter_parts())
    tap.ok(m.get_content_type() == "multipart/report", name + ": a report")
    tap.ok(m.get_param("report-type") == (
        "global-delivery-status" if utf8 else "delivery-status"),
        name + ": of delivery")
    tap.ok(len(parts) == 3, name + ": of three parts")
    tap.ok(not m.defects and not any(p.defects for p in parts),
           name + ": without a defect")
    tap.ok(parts[0].get_content_type() == "text/plain", name + ": for people")
    # Python knows the structure of message/delivery-status only.
    if not utf8:
        blocks = parts[1].get_payload()
        tap.ok(blocks[0]["Reporting-MTA"] == "dns;relay.example.org",
               name + ": who reports")
        tap.ok(all(b["Action"] == "failed" and b["Status"] and
                   b["Final-Recipient"] for b in blocks[1:]) and
               len(blocks) > 1, name + ": about whom")
    if name == "full":
        inner = parts[2].get_payload()[0]
        tap.ok(inner["Message-ID"] == "<1@example.org>",
               "full: the original inside")
    if name == "injected":
        blocks = parts[1].get_payload()
        tap.ok(len(blocks) == 2 and not any(b["Injected"] for b in blocks) and
               m["Injected"] is None, "injected: nothing was")
    if name == "long_lines":
        d = parts[1].get_payload()[1]["Diagnostic-Code"]
        tap.ok(d.startswith("x-postern;") and "\\x80" in d,
               "long_lines: unfolded again")
tap.done()
