"""
What a server uses, read from /proc: CPU time and memory of a process and of all
that descend from it, the ones that have ended meanwhile included.
"""
import os

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields behind the name, so [1] is the parent's pid; None: gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def name(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def family(root):
    """The pids of root and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(int(entry))
            if stat:
                children.setdefault(int(stat[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _alive(pid):
    """
    Seconds on a CPU so far: utime + stime, to the nanosecond where the kernel
    keeps statistics of its scheduler, else to the tick.
    """
    total = 0
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
        return total / 1e9
    except (FileNotFoundError, ProcessLookupError):
        stat = _stat(pid)
        return (int(stat[11]) + int(stat[12])) / TICK if stat else 0


def _reaped(pid):
    """cutime + cstime: of children that have ended."""
    stat = _stat(pid)
    return (int(stat[13]) + int(stat[14])) / TICK if stat else 0


def cpu(root):
    """{name: seconds} of a server so far; "ended" is who has ended."""
    used = {"ended": 0}
    for pid in family(root):
        who = name(pid)
        used[who] = used.get(who, 0) + _alive(pid)
        used["ended"] += _reaped(pid)
    return used


def pss_of(pid):
    """KB of memory, shared pages shared out (proc(5), smaps_rollup)."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            return sum(int(line.split()[1]) for line in f
                       if line.startswith("Pss:"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def pss(root):
    """KB of memory of a server."""
    return sum(pss_of(pid) for pid in family(root))


def since(before, now):
    """Seconds by name between two readings of cpu()."""
    return {who: now[who] - before.get(who, 0) for who in now}
