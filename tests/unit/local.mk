# Unit tests, one per file of the sources: tests/unit/test_x.c tests x.c.

UNIT_TESTS =
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

UNIT_TESTS += %D%/test_ev %D%/test_ipc
%C%_test_ev_LDADD = $(LIBPOSTERN)
%C%_test_ipc_LDADD = $(LIBPOSTERN)
