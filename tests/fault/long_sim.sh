#!/bin/sh
# Ten minutes of seeds, for make check-long.
exec tests/fault/test_sim ${POSTERN_SIM_SECONDS:-600} ${POSTERN_SEED:-}
