#!/usr/bin/python3
"""Reports of failed mail, as Python's own mail parser understands them."""
import email
import email.policy
import email.utils
import os
import quopri
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "harness"))
import tap

BUILD = os.environ.get("POSTERN_BUILD", os.getcwd())
PROGRAM = os.path.join(BUILD, "tests", "unit", "test_dsn")


def decoded(part):
    """Python does not look into an encoded part of a kind that it knows not."""
    head, content = part.split(b"\r\n\r\n", 1)
    if b"quoted-printable" not in head:
        return part
    lines = content.split(b"\r\n")
    tap.ok(max(map(len, lines)) <= 76, "encoded lines of 76 at most")
    return re.sub(rb"(?m)^Content-Transfer-Encoding:.*\r\n", b"",
                  head + b"\r\n\r\n") + quopri.decodestring(content)


def report(name):
    raw = subprocess.run([PROGRAM, name], capture_output=True,
                         check=True).stdout
    raw = b"\r\n--=_boundary".join(
        x if i == 0 else b"\r\n" + decoded(x[2:]) if x[:2] == b"\r\n" else x
        for i, x in enumerate(raw.split(b"\r\n--=_boundary")))
    return email.message_from_bytes(raw, policy=email.policy.default)


def status_blocks(part):
    """
    Python knows the structure of message/delivery-status only; it takes the
    kind with UTF-8 for a message whose body is the second block and so on.
    """
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    first = part.get_payload()[0]
    rest = first.get_payload(decode=True).replace(b"\r\n", b"\n")
    return [first] + [
        email.message_from_bytes(b, policy=email.policy.default.clone(
            utf8=True)) for b in rest.strip().split(b"\n\n")]


ACTIONS = {"delayed": {"delayed"}, "relayed": {"relayed"},
           "mixed": {"failed", "delayed", "relayed"}}

for name in ("simple", "full", "injected", "utf8", "long_lines", "huge",
             "nothing", "delayed", "relayed", "mixed", "digest",
             "digest_full", "digest_utf8", "digest_worst"):
    m = report(name)
    utf8 = name.endswith("utf8")
    parts = list(m.iter_parts())
    tap.ok(m.get_content_type() == "multipart/report", name + ": a report")
    tap.ok(m.get_param("report-type") == (
        "global-delivery-status" if utf8 else "delivery-status"),
        name + ": of delivery")
    tap.ok(len(parts) == (2 if "digest" in name else 3),
           name + ": of its parts")
    tap.ok(not m.defects and not any(p.defects for p in parts),
           name + ": without a defect")
    tap.ok(parts[0].get_content_type() == "text/plain", name + ": for people")
    tap.ok(m["From"].addresses[0].addr_spec ==
           "postmaster@relay.example.org" and len(m["To"].addresses) == 1 and
           m["Date"].datetime is not None and m["Message-ID"],
           name + ": a header that a mail program can sort by")
    blocks = [b for b in status_blocks(parts[1]) if len(b) > 0]
    tap.ok(blocks[0]["Reporting-MTA"] == "dns;relay.example.org",
           name + ": who reports")
    tap.ok({b["Action"] for b in blocks[1:]} == ACTIONS.get(name, {"failed"})
           and all(b["Status"] and b["Final-Recipient"] for b in blocks[1:])
           and len(blocks) > 1, name + ": about whom")
    # RFC 3464 2.3.4: the class of the status goes with the action.
    tap.ok(all(b["Status"][0] in {"failed": "54", "delayed": "4",
                                  "relayed": "2"}[b["Action"]]
               for b in blocks[1:]), name + ": status and action agree")
    if name == "full":
        inner = parts[2].get_payload()[0]
        tap.ok(inner["Message-ID"] == "<1@example.org>",
               "full: the original inside")
    if name == "injected":
        tap.ok(len(blocks) == 2 and not any(b["Injected"] for b in blocks) and
               m["Injected"] is None, "injected: nothing was")
    if name == "long_lines":
        d = blocks[1]["Diagnostic-Code"]
        tap.ok(d.startswith("x-postern;") and "\\x80" in d,
               "long_lines: unfolded again")
    if name == "delayed":
        tap.ok(email.utils.parsedate_to_datetime(
            blocks[1]["Will-Retry-Until"]).year == 2027 and
            blocks[1]["Original-Recipient"] == "rfc822;bob@example.com",
            "delayed: until when, and for whom")
    if name == "relayed":
        tap.ok(blocks[0]["Original-Envelope-Id"] == "id=7",
               "relayed: of which envelope")
    if name == "utf8":
        tap.ok("j\u00f6rg@example.net" in blocks[1]["Final-Recipient"],
               "utf8: addresses as they are")
    if name == "digest":
        tap.ok(len(blocks) == 13 and len({b["X-Postern-Id"] for b in
                                          blocks[1:]}) == 12,
               "digest: twelve messages")
        tap.ok(parts[0].get_content().count("not wanted here") == 12,
               "digest: all of them for people, too")
tap.done()
