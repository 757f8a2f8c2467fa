# postern-source: whom other servers know. libldap, libpq and libcrypt, each in
# one file, and libcrypto for verifiers.
noinst_LIBRARIES += %D%/libsource.a
%C%_libsource_a_CPPFLAGS = $(AM_CPPFLAGS) $(LDAP_CFLAGS) $(PQ_CFLAGS) \
	$(CRYPT_CFLAGS) $(CRYPTO_CFLAGS)
%C%_libsource_a_SOURCES = \
	%D%/backend.c %D%/backend.h \
	%D%/database.c \
	%D%/desk.c %D%/desk.h \
	%D%/directory.c \
	%D%/health.c %D%/health.h \
	%D%/lane.c %D%/lane.h \
	%D%/quote.c %D%/quote.h \
	%D%/saslauthd.c %D%/saslauthd.h \
	%D%/source.c %D%/source.h \
	%D%/stored.c %D%/stored.h \
	%D%/wait.c %D%/wait.h

LIBSOURCE = %D%/libsource.a $(LIBVERIFIER) $(LIBPOSTERN) $(LDAP_LIBS) \
	$(PQ_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)

daemon_PROGRAMS += %D%/postern-source
%C%_postern_source_SOURCES = %D%/main.c
%C%_postern_source_LDADD = $(LIBSOURCE)
