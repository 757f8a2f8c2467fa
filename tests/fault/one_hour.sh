#!/bin/sh
# The first hour of the simulated day.
exec tests/fault/test_sim day 1
