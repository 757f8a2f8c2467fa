# Tests of several real processes together.
INTEGRATION_TESTS = %D%/worker.py %D%/e2e.py %D%/dns.py
TESTS += $(INTEGRATION_TESTS)
EXTRA_DIST += $(INTEGRATION_TESTS)
