#!/bin/sh
# An hour of load with a fault every few seconds, for make check-long.
exec /usr/bin/python3 "$srcdir"/tests/fault/soak.py 3600
