# unit tests of relay
UNIT_TESTS += %D%/test_client
%C%_test_client_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_client_LDADD = $(LIBRELAY)
