#!/bin/sh
# A queue of a million messages, for make check-long: about a quarter of an hour.
exec /usr/bin/python3 "$(dirname "$0")/million.py" 1000000
