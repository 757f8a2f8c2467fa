# Fuzz targets. Configured with --enable-fuzz (and CC=clang) they are libFuzzer
# programs, to be run by tests/fuzz/run; else replay.c gives each a main() that
# `make check` runs: all seeds and a fixed number of mutations.

if FUZZ
FUZZ_MAIN =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = %D%/replay.c
FUZZ_LINK = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif
FUZZ_TARGETS =
check_PROGRAMS += $(FUZZ_TARGETS)
EXTRA_DIST += %D%/fuzz.h %D%/replay.c %D%/run %D%/seeds

FUZZ_TARGETS += %D%/fuzz_account
%C%_fuzz_account_SOURCES = %D%/fuzz_account.c $(FUZZ_MAIN)
%C%_fuzz_account_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_account_LDADD = $(LIBAUTH)
EXTRA_DIST += %D%/account.dict

FUZZ_TARGETS += %D%/fuzz_addr
%C%_fuzz_addr_SOURCES = %D%/fuzz_addr.c $(FUZZ_MAIN)
%C%_fuzz_addr_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_addr_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/addr.dict

FUZZ_TARGETS += %D%/fuzz_base64
%C%_fuzz_base64_SOURCES = %D%/fuzz_base64.c $(FUZZ_MAIN)
%C%_fuzz_base64_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_base64_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/base64.dict

FUZZ_TARGETS += %D%/fuzz_client
%C%_fuzz_client_SOURCES = %D%/fuzz_client.c $(FUZZ_MAIN)
%C%_fuzz_client_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_client_LDADD = $(LIBRELAY)
EXTRA_DIST += %D%/client.dict

FUZZ_TARGETS += %D%/fuzz_client_cert
%C%_fuzz_client_cert_SOURCES = %D%/fuzz_client_cert.c $(FUZZ_MAIN)
%C%_fuzz_client_cert_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_client_cert_LDADD = $(LIBAUTH)

FUZZ_TARGETS += %D%/fuzz_conf
%C%_fuzz_conf_SOURCES = %D%/fuzz_conf.c $(FUZZ_MAIN)
%C%_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_conf_LDADD = $(LIBPOSTERND)
EXTRA_DIST += %D%/conf.dict

FUZZ_TARGETS += %D%/fuzz_data
%C%_fuzz_data_SOURCES = %D%/fuzz_data.c $(FUZZ_MAIN)
%C%_fuzz_data_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_data_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/data.dict

FUZZ_TARGETS += %D%/fuzz_dsn
%C%_fuzz_dsn_SOURCES = %D%/fuzz_dsn.c $(FUZZ_MAIN)
%C%_fuzz_dsn_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_dsn_LDADD = $(LIBQUEUE)
EXTRA_DIST += %D%/dsn.dict

FUZZ_TARGETS += %D%/fuzz_fill
%C%_fuzz_fill_SOURCES = %D%/fuzz_fill.c $(FUZZ_MAIN)
%C%_fuzz_fill_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_fill_LDADD = $(LIBSOURCE)
EXTRA_DIST += %D%/fill.dict

FUZZ_TARGETS += %D%/fuzz_guard
%C%_fuzz_guard_SOURCES = %D%/fuzz_guard.c $(FUZZ_MAIN)
%C%_fuzz_guard_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_guard_LDADD = $(LIBAUTH)

FUZZ_TARGETS += %D%/fuzz_json
%C%_fuzz_json_SOURCES = %D%/fuzz_json.c $(FUZZ_MAIN)
%C%_fuzz_json_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_json_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
EXTRA_DIST += %D%/json.dict

FUZZ_TARGETS += %D%/fuzz_header
%C%_fuzz_header_SOURCES = %D%/fuzz_header.c $(FUZZ_MAIN)
%C%_fuzz_header_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_header_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/header.dict

FUZZ_TARGETS += %D%/fuzz_identity
%C%_fuzz_identity_SOURCES = %D%/fuzz_identity.c $(FUZZ_MAIN)
%C%_fuzz_identity_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_identity_LDADD = $(LIBSMTPD)
EXTRA_DIST += %D%/identity.dict

FUZZ_TARGETS += %D%/fuzz_ipc
%C%_fuzz_ipc_SOURCES = %D%/fuzz_ipc.c $(FUZZ_MAIN)
%C%_fuzz_ipc_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_ipc_LDADD = $(LIBTICKET) $(LIBPOSTERN)

FUZZ_TARGETS += %D%/fuzz_jwks
%C%_fuzz_jwks_SOURCES = %D%/fuzz_jwks.c $(FUZZ_MAIN)
%C%_fuzz_jwks_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%C%_fuzz_jwks_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_jwks_LDADD = $(LIBFETCH)
EXTRA_DIST += %D%/jwks.dict

FUZZ_TARGETS += %D%/fuzz_jwt
%C%_fuzz_jwt_SOURCES = %D%/fuzz_jwt.c $(FUZZ_MAIN)
%C%_fuzz_jwt_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%C%_fuzz_jwt_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_jwt_LDADD = $(LIBFETCH)
EXTRA_DIST += %D%/jwt.dict

FUZZ_TARGETS += %D%/fuzz_keys_request
%C%_fuzz_keys_request_SOURCES = %D%/fuzz_keys_request.c $(FUZZ_MAIN)
%C%_fuzz_keys_request_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_keys_request_LDADD = keys/libkeys.a $(LIBPOSTERN)

FUZZ_TARGETS += %D%/fuzz_login
%C%_fuzz_login_SOURCES = %D%/fuzz_login.c $(FUZZ_MAIN)
%C%_fuzz_login_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_login_LDADD = $(LIBAUTH)

FUZZ_TARGETS += %D%/fuzz_mailboxes
%C%_fuzz_mailboxes_SOURCES = %D%/fuzz_mailboxes.c $(FUZZ_MAIN)
%C%_fuzz_mailboxes_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_mailboxes_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/mailboxes.dict

FUZZ_TARGETS += %D%/fuzz_provider
%C%_fuzz_provider_SOURCES = %D%/fuzz_provider.c $(FUZZ_MAIN)
%C%_fuzz_provider_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%C%_fuzz_provider_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_provider_LDADD = $(LIBFETCH)
EXTRA_DIST += %D%/provider.dict

FUZZ_TARGETS += %D%/fuzz_proxy
%C%_fuzz_proxy_SOURCES = %D%/fuzz_proxy.c $(FUZZ_MAIN)
%C%_fuzz_proxy_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_proxy_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/proxy.dict

FUZZ_TARGETS += %D%/fuzz_queue
%C%_fuzz_queue_SOURCES = %D%/fuzz_queue.c $(FUZZ_MAIN)
%C%_fuzz_queue_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_queue_LDADD = $(LIBQUEUE)

FUZZ_TARGETS += %D%/fuzz_record
%C%_fuzz_record_SOURCES = %D%/fuzz_record.c $(FUZZ_MAIN)
%C%_fuzz_record_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_record_LDADD = $(LIBSTORE) $(LIBPOSTERN)

FUZZ_TARGETS += %D%/fuzz_reply
%C%_fuzz_reply_SOURCES = %D%/fuzz_reply.c $(FUZZ_MAIN)
%C%_fuzz_reply_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_reply_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/reply.dict

FUZZ_TARGETS += %D%/fuzz_saslauthd
%C%_fuzz_saslauthd_SOURCES = %D%/fuzz_saslauthd.c $(FUZZ_MAIN)
%C%_fuzz_saslauthd_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_saslauthd_LDADD = $(LIBSOURCE)

FUZZ_TARGETS += %D%/fuzz_session
%C%_fuzz_session_SOURCES = %D%/fuzz_session.c $(FUZZ_MAIN)
%C%_fuzz_session_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_session_LDADD = $(LIBSMTPD)
EXTRA_DIST += %D%/session.dict

FUZZ_TARGETS += %D%/fuzz_smtp_line
%C%_fuzz_smtp_line_SOURCES = %D%/fuzz_smtp_line.c $(FUZZ_MAIN)
%C%_fuzz_smtp_line_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_smtp_line_LDADD = $(LIBPOSTERN)
EXTRA_DIST += %D%/smtp_line.dict

FUZZ_TARGETS += %D%/fuzz_stored
%C%_fuzz_stored_SOURCES = %D%/fuzz_stored.c $(FUZZ_MAIN)
%C%_fuzz_stored_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_stored_LDADD = $(LIBSOURCE)
EXTRA_DIST += %D%/stored.dict

FUZZ_TARGETS += %D%/fuzz_vault
%C%_fuzz_vault_SOURCES = %D%/fuzz_vault.c $(FUZZ_MAIN)
%C%_fuzz_vault_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_vault_LDADD = $(LIBSTORE) $(LIBPOSTERN)
