UNIT_TESTS += %D%/test_ev %D%/test_ipc
%C%_test_ev_LDADD = $(LIBPOSTERN)
%C%_test_ipc_LDADD = $(LIBPOSTERN)
