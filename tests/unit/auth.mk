# auth: accounts and logins.
EXTRA_DIST += %D%/auth_rig.h %D%/scram_client.h %D%/long_accounts.sh
LONG_TESTS += %D%/long_accounts.sh

UNIT_TESTS += %D%/test_login
%C%_test_login_CPPFLAGS = $(AM_CPPFLAGS) $(SASL_CFLAGS)
%C%_test_login_LDADD = $(LIBAUTH)

UNIT_TESTS += %D%/test_plus
%C%_test_plus_LDADD = $(LIBAUTH)

UNIT_TESTS += %D%/test_sasl %D%/test_scram %D%/test_exchange %D%/test_oauth
%C%_test_scram_LDADD = $(LIBAUTH)
%C%_test_oauth_LDADD = $(LIBAUTH)
%C%_test_exchange_LDADD = $(LIBAUTH)
%C%_test_sasl_LDADD = $(LIBAUTH)

UNIT_TESTS += %D%/test_lanes %D%/test_sources %D%/test_revoke
%C%_test_revoke_LDADD = $(LIBAUTH)
%C%_test_sources_LDADD = $(LIBAUTH)
%C%_test_lanes_LDADD = $(LIBAUTH)

UNIT_TESTS += %D%/test_devlogin %D%/test_device %D%/test_account %D%/test_accounts %D%/test_guard
%C%_test_guard_LDADD = $(LIBAUTH)
%C%_test_account_LDADD = $(LIBAUTH)
%C%_test_device_LDADD = $(LIBAUTH)
%C%_test_devlogin_LDADD = $(LIBAUTH)
%C%_test_accounts_LDADD = $(LIBAUTH)

THREAD_TESTS += %D%/test_client_cert %D%/test_sources %D%/test_devlogin %D%/test_login %D%/test_sasl %D%/test_scram %D%/test_exchange %D%/test_oauth

UNIT_TESTS += %D%/test_client_cert
%C%_test_client_cert_LDADD = $(LIBAUTH)
