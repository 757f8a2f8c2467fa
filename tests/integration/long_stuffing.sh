#!/bin/sh
# 100,000 attempts from 5,000 addresses.
exec /usr/bin/python3 "$(dirname "$0")/stuffing.py" long
