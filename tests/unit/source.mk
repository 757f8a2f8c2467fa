# source: what it asks others, and how.
UNIT_TESTS += %D%/test_stored %D%/test_quote %D%/test_health %D%/test_saslauthd
%C%_test_stored_LDADD = $(LIBSOURCE)
%C%_test_quote_LDADD = $(LIBSOURCE)
%C%_test_health_LDADD = $(LIBSOURCE)
%C%_test_saslauthd_LDADD = $(LIBSOURCE)

UNIT_TESTS += %D%/test_desk
%C%_test_desk_LDADD = $(LIBSOURCE)

THREAD_TESTS += %D%/test_desk
EXTRA_DIST += %D%/stored_hashes.h
