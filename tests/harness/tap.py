"""TAP from Python: ok() is one test; done() prints the plan and exits."""
import signal
import sys
import traceback

# A test that is told to end ends what it has started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

_count = 0
_failed = 0
_cases = {}


def ok(good, name):
    global _count, _failed
    _count += 1
    _failed += not good
    print("%sok %d - %s" % ("" if good else "not ", _count,
                            name.replace("#", "no.")), flush=True)
    if not good:
        frame = traceback.extract_stack()[0]
        note("failed at %s:%d" % (frame.filename, frame.lineno))
    return good


def equal(got, want, name):
    if not ok(got == want, name):
        note(" got: %r" % (got,))
        note("want: %r" % (want,))
        return False
    return True


def note(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def inputs(name, n):
    """So many different inputs of this class; protocol/classes.py adds them up."""
    note("class: %s inputs: %d" % (name, n))


def case(kind, what):
    """
    Notes an input of one of the classes in protocol/classes.py; the same one again
    counts once.
    """
    _cases.setdefault(kind, set()).add(what)


def skip_all(why):
    print("1..0 # SKIP " + why)
    sys.exit(0)


def done():
    for kind, inputs in sorted(_cases.items()):
        note("class: %s inputs: %d" % (kind, len(inputs)))
    print("1..%d" % _count, flush=True)
    sys.exit(1 if _failed else 0)
