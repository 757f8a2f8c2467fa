# unit tests of relay
EXTRA_DIST += %D%/relay_hop.h %D%/relay_script.h %D%/relay_world.h

UNIT_TESTS += %D%/test_body
%C%_test_body_LDADD = $(LIBRELAY)

UNIT_TESTS += %D%/test_client
%C%_test_client_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_client_LDADD = $(LIBRELAY)

UNIT_TESTS += %D%/test_hops
%C%_test_hops_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_hops_LDADD = $(LIBRELAY)

UNIT_TESTS += %D%/test_client_tls
%C%_test_client_tls_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_client_tls_LDADD = $(LIBRELAY)

UNIT_TESTS += %D%/test_places
%C%_test_places_LDADD = $(LIBRELAY)

UNIT_TESTS += %D%/test_reach
%C%_test_reach_LDADD = $(LIBRELAY)

UNIT_TESTS += %D%/test_trouble
%C%_test_trouble_LDADD = $(LIBRELAY)
