# The sandbox of each program, tried from inside.
UNIT_TESTS += %D%/test_cage_smtpd
%C%_test_cage_smtpd_LDADD = $(LIBSMTPD)
UNIT_TESTS += %D%/test_cage_auth
%C%_test_cage_auth_LDADD = $(LIBAUTH)
UNIT_TESTS += %D%/test_cage_keys
%C%_test_cage_keys_LDADD = keys/libkeys.a $(LIBPOSTERN) $(CRYPTO_LIBS)
UNIT_TESTS += %D%/test_cage_queue
%C%_test_cage_queue_LDADD = $(LIBQUEUE)
UNIT_TESTS += %D%/test_cage_relay
%C%_test_cage_relay_LDADD = $(LIBRELAY)
UNIT_TESTS += %D%/test_cage_source
%C%_test_cage_source_LDADD = $(LIBSOURCE)
UNIT_TESTS += %D%/test_cage_fetch
%C%_test_cage_fetch_LDADD = $(LIBFETCH)
EXTRA_DIST += %D%/cage.h %D%/cage_try.h
