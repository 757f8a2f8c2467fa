"""
Why a message came twice: the window between the next hop's taking it and the
queue's writing that down is open by nature (RFC 5321 6.1). Who can say when a
process died can say whether it died in there, by what the next hop has seen.
"""
import collections


class Copy(collections.namedtuple(
        "Copy", "began go_ahead taken opened ended quit")):
    """What the next hop has seen of it; ended: its connection, None: not yet."""

    @classmethod
    def of(cls, m):
        c = m.connection
        return cls(m.began, m.go_ahead, m.monotonic, c.opened, c.ended, c.quit)


# begun: it was alive yet; ended: it was dead. victim: queue, relay, all or smtpd.
Kill = collections.namedtuple("Kill", "victim begun ended")

RECORDED_SECONDS = 30           # and a result is written down


def explains(kill, first, second):
    """
    Whether `second` may have come because of that kill though `first` was taken.

    It died when the next hop had taken the first one: the result was on its way.
    Or before, and the text came all the same. Of a relay what it wrote before
    its death is read later, but it writes no text before a 354. A queue leaves
    behind a relay that goes on until it notices; then it drops all connections,
    and this one was open when the queue died and ended with no QUIT.
    """
    if kill.victim == "smtpd" or kill.begun > second.began:
        return False
    if kill.ended >= first.taken:
        return kill.begun < first.taken + RECORDED_SECONDS
    if kill.victim in ("relay", "all") and kill.ended >= first.go_ahead:
        return True
    return kill.victim in ("queue", "all") and not first.quit and \
        kill.ended >= first.opened and \
        (first.ended is None or kill.begun <= first.ended)
