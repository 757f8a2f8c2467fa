"""
What may differ between a message as it was sent and as it arrives: a Received
field in front, From, Date and Message-ID where they are missing, no Bcc and its like.

    rest = taken_off(arrived, sent_header)      # ValueError: it is not there
    rest == want(sent)
"""
import re

ADDED = re.compile(rb"\AReceived: by relay\.example\.org \(Postern\) with "
                   rb"(?:UTF8SMTPSA|ESMTPSA) id [0-9a-f-]+"
                   rb"(?:\r\n\tPRIORITY -?[0-9])?;\r\n\t[^\r\n]*\r\n")


def taken_off(content, sent_header):
    """What arrived without what the manual says was added."""
    content, n = ADDED.subn(b"", content)
    if n != 1:
        raise ValueError("no Received of ours: %r" % content[:200])
    header, blank, body = content.partition(b"\r\n\r\n")
    for name, form in ((b"From", rb"[^\r\n]*@example\.org"),
                       (b"Date", rb"[^\r\n]*"), (
            b"Message-ID", rb"<[0-9a-f.]+@relay\.example\.org>")):
        if re.search(rb"(?mi)^%s[ \t]*:" % name, sent_header):
            continue
        header, n = re.subn(rb"(?:\A|\r\n)%s: %s(?=\r\n|\Z)" % (name, form),
                            b"", header, count=1)
        if n != 1:
            raise ValueError("no %s was added" % name.decode())
    return header + blank + body


def want(content):
    """What must arrive of it: without the fields that are not for others."""
    header, blank, body = content.partition(b"\r\n\r\n")
    fields = re.findall(rb"(?s)[^\r\n]+(?:\r\n[ \t][^\r\n]*)*(?:\r\n|\Z)",
                        header)
    kept = b"".join(f for f in fields if not re.match(
        rb"(?i)(resent-)?bcc[ \t]*:|x-bcc[ \t]*:|return-path[ \t]*:|"
        rb"apparently-to[ \t]*:", f))
    whole = kept.removesuffix(b"\r\n") + blank + body
    return whole if whole.endswith(b"\r\n") else whole + b"\r\n"


def difference(got, sent):
    """None, or where what arrived is not what was sent."""
    try:
        rest = taken_off(got, sent.partition(b"\r\n\r\n")[0])
    except ValueError as e:
        return str(e)
    wanted = want(sent)
    if rest == wanted:
        return None
    at = next((i for i, (a, b) in enumerate(zip(rest, wanted)) if a != b),
              min(len(rest), len(wanted)))
    return "differs at %d of %d: %r instead of %r" % (
        at, len(wanted), rest[max(0, at - 20):at + 40],
        wanted[max(0, at - 20):at + 40])
