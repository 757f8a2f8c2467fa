#!/bin/sh
# A day of traffic while next hops fail, for make check-long.
exec tests/fault/test_sim day
