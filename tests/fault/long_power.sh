#!/bin/sh
# Ten thousand power cuts, for make check-long.
exec tests/fault/test_power 250 40 ${POSTERN_SEED:-2026}
