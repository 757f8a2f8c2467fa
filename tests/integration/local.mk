# Tests of several real processes together.
TESTS += %D%/worker.py %D%/e2e.py
EXTRA_DIST += %D%/worker.py %D%/e2e.py
TESTS += %D%/worker.py
EXTRA_DIST += %D%/worker.py
TESTS += %D%/dns.py
EXTRA_DIST += %D%/dns.py
