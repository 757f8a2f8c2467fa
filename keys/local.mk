# postern-keys: OpenSSL's libcrypto, and nothing that talks to anybody.
noinst_LIBRARIES += %D%/libkeys.a
%C%_libkeys_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%C%_libkeys_a_SOURCES = \
	%D%/keyring.c %D%/keyring.h \
	%D%/keys.c %D%/keys.h \
	%D%/request.c %D%/request.h

daemon_PROGRAMS += %D%/postern-keys
%C%_postern_keys_SOURCES = %D%/main.c
%C%_postern_keys_LDADD = %D%/libkeys.a $(LIBPOSTERN) $(CRYPTO_LIBS)
