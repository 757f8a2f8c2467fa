# postern-auth: libsasl2 and Berkeley DB, each in one file, and libcrypto for
# verifiers and tickets.
noinst_LIBRARIES += %D%/libauth.a
%C%_libauth_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS) $(SASL_CFLAGS)
%C%_libauth_a_SOURCES = \
	%D%/account.c %D%/account.h %D%/account_record.c \
	%D%/accounts.c %D%/accounts.h \
	%D%/auth.c %D%/auth.h \
	%D%/cache.c %D%/cache.h \
	%D%/census.c %D%/census.h \
	%D%/client_cert.c %D%/client_cert.h \
	%D%/ctl.c %D%/ctl.h %D%/ctl_private.h \
	%D%/ctl_account.c %D%/ctl_cert.c %D%/ctl_device.c %D%/ctl_list.c \
	%D%/ctl_lock.c %D%/ctl_sender.c %D%/ctl_test.c \
	%D%/device.c %D%/device.h \
	%D%/exchange.c %D%/exchange.h \
	%D%/failure.c %D%/failure.h \
	%D%/groups.c %D%/groups.h \
	%D%/guard.c %D%/guard.h %D%/guard_count.c %D%/guard_keys.c \
	%D%/guard_locks.c %D%/guard_memory.c %D%/guard_private.h \
	%D%/lanes.c %D%/lanes.h \
	%D%/lastuse.c %D%/lastuse.h \
	%D%/oauth.c %D%/oauth.h \
	%D%/pending.c %D%/pending.h \
	%D%/password.c %D%/password.h \
	%D%/peers.c %D%/peers.h \
	%D%/pins.c %D%/pins.h \
	%D%/records.c %D%/records.h \
	%D%/records_file.c %D%/records_file.h \
	%D%/revoke.c %D%/revoke.h \
	%D%/sasl.c %D%/sasl.h %D%/sasl_private.h \
	%D%/sasl_ask.c %D%/sasl_library.c %D%/sasl_oauth.c \
	%D%/sasl_scram.c \
	%D%/sources.c %D%/sources.h \
	%D%/success.c %D%/success.h \
	%D%/tokens.c %D%/tokens.h \
	%D%/uses.c %D%/uses.h \
	%D%/voids.c %D%/voids.h \
	%D%/watch.c %D%/watch.h \
	%D%/withheld.c %D%/withheld.h \
	%D%/worker.c %D%/worker.h

LIBAUTH = %D%/libauth.a $(LIBVERIFIER) $(LIBTICKET) $(LIBPOSTERN) $(SASL_LIBS) $(DB_LIBS) \
	$(CRYPTO_LIBS)

daemon_PROGRAMS += %D%/postern-auth
%C%_postern_auth_SOURCES = %D%/main.c
%C%_postern_auth_LDADD = $(LIBAUTH)
