UNIT_TESTS += %D%/test_smtpd_reply %D%/test_fixup %D%/test_content %D%/test_crowd
%C%_test_smtpd_reply_LDADD = $(LIBSMTPD)
%C%_test_fixup_LDADD = $(LIBSMTPD)
%C%_test_content_LDADD = $(LIBSMTPD)
%C%_test_crowd_LDADD = $(LIBSMTPD)

UNIT_TESTS += %D%/test_stream %D%/test_wire
%C%_test_wire_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_wire_LDADD = $(LIBSTREAM) $(LIBPOSTERN) $(SSL_LIBS)
EXTRA_DIST += %D%/tls_pair.h
%C%_test_stream_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_stream_LDADD = $(LIBSTREAM) $(LIBPOSTERN) $(SSL_LIBS)

UNIT_TESTS += %D%/test_params
%C%_test_params_LDADD = $(LIBSMTPD)

UNIT_TESTS += %D%/test_lane
%C%_test_lane_LDADD = $(LIBSMTPD)

UNIT_TESTS += %D%/test_session %D%/test_extensions %D%/test_slow
EXTRA_DIST += %D%/smtpd_world.h
%C%_test_session_LDADD = $(LIBSMTPD)
%C%_test_slow_LDADD = $(LIBSMTPD)
%C%_test_extensions_LDADD = $(LIBSMTPD)

UNIT_TESTS += %D%/test_binding
%C%_test_binding_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_test_binding_LDADD = $(LIBSMTPD)
