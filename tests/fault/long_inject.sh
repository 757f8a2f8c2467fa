#!/bin/sh
# Each call of a story fails once in each program, for make check-long.
exec /usr/bin/python3 "$srcdir"/tests/fault/inject.py --long
