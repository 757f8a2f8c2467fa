#!/bin/sh
# Killed at ten thousand places, for make check-long.
exec tests/fault/test_kills 10500 ${POSTERN_SEED:-2026}
