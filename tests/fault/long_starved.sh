#!/bin/sh
# 200 sessions with 25 MB each at once, for make check-long.
exec /usr/bin/python3 "$srcdir"/tests/fault/starved.py --long
