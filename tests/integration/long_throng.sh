#!/bin/sh
# Ten thousand idle sessions and 3,000 slow clients, for make check-long.
exec /usr/bin/python3 "$srcdir"/tests/integration/throng.py 10000 200 3000
