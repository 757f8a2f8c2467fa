UNIT_TESTS += %D%/test_ev %D%/test_ipc
%C%_test_ev_LDADD = $(LIBPOSTERN)
%C%_test_ipc_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_buf
%C%_test_buf_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_log
%C%_test_log_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_conf
%C%_test_conf_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_ticket
%C%_test_ticket_LDADD = $(LIBTICKET) $(LIBPOSTERN)
