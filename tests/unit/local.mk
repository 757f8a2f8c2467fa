# Unit tests, one per file of the sources: tests/unit/test_x.c tests x.c. Each
# program's tests are listed in a fragment of their own.

UNIT_TESTS =
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

include %D%/lib.mk
include %D%/cage.mk
include %D%/keys.mk
include %D%/auth.mk
include %D%/smtpd.mk
include %D%/store.mk
include %D%/bench.mk
include %D%/queue.mk
include %D%/relay.mk
include %D%/fetch.mk
include %D%/source.mk
include %D%/posternd.mk
include %D%/posternctl.mk
