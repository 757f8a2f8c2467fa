UNIT_TESTS += %D%/test_ev %D%/test_ipc
%C%_test_ev_LDADD = $(LIBPOSTERN)
%C%_test_ipc_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_buf
%C%_test_buf_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_owned
%C%_test_owned_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_flood
%C%_test_flood_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_log
%C%_test_log_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_conf
%C%_test_conf_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_revoked %D%/test_seldom
%C%_test_seldom_LDADD = $(LIBPOSTERN)
%C%_test_revoked_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_ticket
%C%_test_ticket_LDADD = $(LIBTICKET) $(LIBPOSTERN)

# The parsers of foreign bytes.
PARSER_TESTS = %D%/test_proxy %D%/test_net %D%/test_addr %D%/test_mailboxes %D%/test_base64 %D%/test_date %D%/test_header \
	%D%/test_num %D%/test_smtp_cmd %D%/test_smtp_data \
	%D%/test_smtp_data_out %D%/test_smtp_line %D%/test_smtp_reply
UNIT_TESTS += $(PARSER_TESTS)
%C%_test_addr_LDADD = $(LIBPOSTERN)
%C%_test_base64_LDADD = $(LIBPOSTERN)
%C%_test_date_LDADD = $(LIBPOSTERN)
%C%_test_header_LDADD = $(LIBPOSTERN)
%C%_test_mailboxes_LDADD = $(LIBPOSTERN)
%C%_test_proxy_LDADD = $(LIBPOSTERN)
%C%_test_net_LDADD = $(LIBPOSTERN)
%C%_test_num_LDADD = $(LIBPOSTERN)
%C%_test_smtp_cmd_LDADD = $(LIBPOSTERN)
%C%_test_smtp_data_LDADD = $(LIBPOSTERN)
%C%_test_smtp_data_out_LDADD = $(LIBPOSTERN)
%C%_test_smtp_line_LDADD = $(LIBPOSTERN)
%C%_test_smtp_reply_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/data_forms.h

UNIT_TESTS += %D%/test_le %D%/test_whole
%C%_test_le_LDADD = $(LIBPOSTERN)
%C%_test_whole_LDADD = $(LIBPOSTERN)
