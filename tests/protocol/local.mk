# What clients may say, class by class, to a running Postern; classes.py adds
# up how many different inputs there were, from the logs of all that count them.
PROTOCOL_TESTS = %D%/doors.py %D%/logins.py %D%/envelopes.py \
	%D%/contents.py
TESTS += $(PROTOCOL_TESTS) %D%/classes.py
EXTRA_DIST += $(PROTOCOL_TESTS) %D%/classes.py

CLASS_LOGS = $(PROTOCOL_TESTS:.py=.log) tests/unit/test_client.log \
	tests/unit/test_deliverby.log tests/unit/test_dsn.log \
	tests/unit/test_hops.log tests/unit/test_notify.log \
	tests/unit/test_smtp_data_out.log tests/unit/test_slow.log \
	tests/unit/test_caps.log tests/integration/deliverby.log \
	tests/integration/strangers.log tests/integration/crowd.log
%D%/classes.log: $(CLASS_LOGS)
