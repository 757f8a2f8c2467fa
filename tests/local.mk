# Tests. Each prints TAP; the harness adds them up. A folder per kind, and a
# local.mk in each.

TEST_EXTENSIONS = .sh .py
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_DRIVER = $(TAP_DRIVER)
PY_LOG_DRIVER = $(TAP_DRIVER)
PY_LOG_COMPILER = /usr/bin/python3
EXTRA_DIST += %D%/tap.h %D%/show.h %D%/xtext.h %D%/run %D%/tsan.supp

# Fragments add to these: tests of what has threads, for ThreadSanitizer, and
# tests that take longer than check may.
THREAD_TESTS =
LONG_TESTS =

# The order in which they begin: what takes long goes first, so that nothing long
# is left alone at the end.
include %D%/fault/local.mk
include %D%/integration/local.mk
include %D%/protocol/local.mk
include %D%/unit/local.mk
include %D%/fuzz/local.mk
include %D%/dialog/local.mk
include %D%/bench/local.mk
include %D%/harness/local.mk
EXTRA_DIST += %D%/npm/package.json %D%/npm/package-lock.json

.PHONY: check-threads check-long
check-threads:
	$(MAKE) $(AM_MAKEFLAGS) $(THREAD_TESTS)
	TSAN_OPTIONS='suppressions=$(abs_top_srcdir)/tests/tsan.supp' \
	    $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(THREAD_TESTS)'
check-long: all
	$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(LONG_TESTS)'
