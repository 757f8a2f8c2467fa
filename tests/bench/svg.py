"""
Small plots: a line per name over a logarithmic x, in plain SVG.

    write(path, "CPU time per message", "sessions", "us",
          {"Postern": [(1, 210), (10, 140)]})
"""
import math
from html import escape

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 130, 30, 40
COLOURS = ["#0b5cad", "#c2410c", "#15803d", "#7c3aed"]


def _nice(top):
    """A round number not below top."""
    if top <= 0:
        return 1
    power = 10 ** math.floor(math.log10(top))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= top)


def _short(v):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if v >= size:
            return "%g%s" % (v / size, unit)
    return "%g" % v


class _Scale:
    def __init__(self, curves):
        xs = [x for points in curves.values() for x, _ in points]
        self.places = sorted(set(xs))
        self.low = math.log10(max(min(xs), 1) / 1.3)
        self.high = math.log10(max(xs) * 1.3)
        self.top = _nice(max(y for p in curves.values() for _, y in p))

    def x(self, v):
        part = (math.log10(max(v, 1)) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, v):
        return HEIGHT - BOTTOM - v / self.top * (HEIGHT - TOP - BOTTOM)


def _text(x, y, text, anchor="middle", more=""):
    return '<text x="%.0f" y="%.0f" text-anchor="%s"%s>%s</text>' % (
        x, y, anchor, more, escape(text))


def _axes(s, xname, yname):
    for i in range(5):
        v = s.top * i / 4
        yield '<path d="M%d %.1fH%d" stroke="#ddd"/>' % (
            LEFT, s.y(v), WIDTH - RIGHT)
        yield _text(LEFT - 6, s.y(v) + 4, _short(v), "end")
    for v in s.places:
        yield _text(s.x(v), HEIGHT - BOTTOM + 16, _short(v))
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, xname)
    yield _text(LEFT - 6, TOP - 10, yname, "end")


def _curve(s, number, name, points):
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join("%.1f,%.1f" % (s.x(x), s.y(y)) for x, y in points)
    yield '<polyline points="%s" fill="none" stroke="%s"/>' % (path, colour)
    for x, y in points:
        yield '<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>' % (
            s.x(x), s.y(y), colour)
    yield _text(WIDTH - RIGHT + 8, TOP + 16 * number + 10, name, "start",
                ' fill="%s"' % colour)


def write(path, title, xname, yname, curves):
    s = _Scale(curves)
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
             'font-family="sans-serif" font-size="11">' % (WIDTH, HEIGHT),
             '<rect width="100%" height="100%" fill="#fff"/>',
             _text(WIDTH / 2, 14, title, more=' font-weight="bold"')]
    lines += _axes(s, xname, yname)
    for number, (name, points) in enumerate(curves.items()):
        lines += _curve(s, number, name, points)
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n</svg>\n")
