#!/bin/sh
# Calls of each kind fail one by one, as many as make check-long has time for.
exec tests/fault/test_calls 150
