#!/bin/sh
# Three thousand kills of real processes under load, for make check-long.
exec /usr/bin/python3 "$srcdir"/tests/fault/kill_under_load.py 3000 40
