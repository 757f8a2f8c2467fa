# Tests of several real processes together.
TESTS += %D%/worker.py
EXTRA_DIST += %D%/worker.py
