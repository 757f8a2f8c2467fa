# keys, and the worker's side of it.
EXTRA_DIST += %D%/tls_pairs.h

UNIT_TESTS += %D%/test_keyring %D%/test_keyprov
%C%_test_keyring_LDADD = keys/libkeys.a $(LIBPOSTERN) $(CRYPTO_LIBS)
%C%_test_keyprov_LDADD = keys/libkeys.a smtpd/libkeyprov.a $(LIBPOSTERN) \
	$(SSL_LIBS)
