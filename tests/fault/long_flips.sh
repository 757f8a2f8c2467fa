#!/bin/sh
# Five thousand flipped bits, for make check-long.
exec tests/fault/test_flips 300
