#!/bin/sh
# An hour of load with a kill every five seconds, for make check-long.
exec /usr/bin/python3 "$srcdir"/tests/fault/kill_under_load.py 720 20 5
