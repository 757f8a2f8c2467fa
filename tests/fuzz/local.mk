# Fuzz targets. Configured with --enable-fuzz (and CC=clang) they are libFuzzer
# programs, to be run by tests/fuzz/run; else replay.c gives each a main() that
# `make check` runs: all seeds and a fixed number of mutations.

FUZZ_TARGETS = %D%/fuzz_account %D%/fuzz_addr %D%/fuzz_base64 %D%/fuzz_conf %D%/fuzz_data \
	%D%/fuzz_dsn %D%/fuzz_header %D%/fuzz_ipc %D%/fuzz_keys_request \
	%D%/fuzz_login \
	%D%/fuzz_queue %D%/fuzz_reply %D%/fuzz_session %D%/fuzz_smtp_line
check_PROGRAMS += $(FUZZ_TARGETS)
if FUZZ
FUZZ_MAIN =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = %D%/replay.c
FUZZ_LINK = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif

%C%_fuzz_account_SOURCES = %D%/fuzz_account.c $(FUZZ_MAIN)
%C%_fuzz_account_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_account_LDADD = $(LIBAUTH)
%C%_fuzz_addr_SOURCES = %D%/fuzz_addr.c $(FUZZ_MAIN)
%C%_fuzz_addr_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_addr_LDADD = $(LIBPOSTERN)
%C%_fuzz_base64_SOURCES = %D%/fuzz_base64.c $(FUZZ_MAIN)
%C%_fuzz_base64_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_base64_LDADD = $(LIBPOSTERN)
%C%_fuzz_conf_SOURCES = %D%/fuzz_conf.c $(FUZZ_MAIN)
%C%_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_conf_LDADD = $(LIBPOSTERND)
%C%_fuzz_data_SOURCES = %D%/fuzz_data.c $(FUZZ_MAIN)
%C%_fuzz_data_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_data_LDADD = $(LIBPOSTERN)
%C%_fuzz_dsn_SOURCES = %D%/fuzz_dsn.c $(FUZZ_MAIN)
%C%_fuzz_dsn_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_dsn_LDADD = $(LIBQUEUE)
%C%_fuzz_header_SOURCES = %D%/fuzz_header.c $(FUZZ_MAIN)
%C%_fuzz_header_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_header_LDADD = $(LIBPOSTERN)
%C%_fuzz_ipc_SOURCES = %D%/fuzz_ipc.c $(FUZZ_MAIN)
%C%_fuzz_ipc_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_ipc_LDADD = $(LIBTICKET) $(LIBPOSTERN)
%C%_fuzz_keys_request_SOURCES = %D%/fuzz_keys_request.c $(FUZZ_MAIN)
%C%_fuzz_keys_request_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_keys_request_LDADD = keys/libkeys.a $(LIBPOSTERN)
%C%_fuzz_login_SOURCES = %D%/fuzz_login.c $(FUZZ_MAIN)
%C%_fuzz_login_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_login_LDADD = $(LIBAUTH)
%C%_fuzz_queue_SOURCES = %D%/fuzz_queue.c $(FUZZ_MAIN)
%C%_fuzz_queue_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_queue_LDADD = $(LIBQUEUE)
%C%_fuzz_reply_SOURCES = %D%/fuzz_reply.c $(FUZZ_MAIN)
%C%_fuzz_reply_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_reply_LDADD = $(LIBPOSTERN)
%C%_fuzz_session_SOURCES = %D%/fuzz_session.c $(FUZZ_MAIN)
%C%_fuzz_session_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_session_LDADD = $(LIBSMTPD)
%C%_fuzz_smtp_line_SOURCES = %D%/fuzz_smtp_line.c $(FUZZ_MAIN)
%C%_fuzz_smtp_line_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_smtp_line_LDADD = $(LIBPOSTERN)

EXTRA_DIST += %D%/fuzz.h %D%/replay.c %D%/run %D%/seeds %D%/account.dict \
	%D%/addr.dict %D%/base64.dict %D%/conf.dict %D%/data.dict %D%/dsn.dict \
	%D%/header.dict %D%/reply.dict %D%/session.dict %D%/smtp_line.dict
