#!/bin/sh
# Each file cut short at 60 lengths, for make check-long.
exec tests/fault/test_files 60
