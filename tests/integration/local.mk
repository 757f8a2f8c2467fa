# Tests of several real processes together; a line for each.
TESTS += %D%/e2e.py
TESTS += %D%/clients.py
TESTS += %D%/accounts.py
TESTS += %D%/certificates.py
TESTS += %D%/replaced.py
TESTS += %D%/devices.py
TESTS += %D%/caps.py
TESTS += %D%/senders.py
TESTS += %D%/sources.py
TESTS += %D%/guesses.py
TESTS += %D%/dns.py
TESTS += %D%/dns_hostile.py
TESTS += %D%/parent.py
TESTS += %D%/one_worker.py
TESTS += %D%/crowd.py
TESTS += %D%/overload.py
TESTS += %D%/throng.py
TESTS += %D%/memory.py
TESTS += %D%/signals.py
TESTS += %D%/captured.py
TESTS += %D%/strangers.py
TESTS += %D%/privilege.py
TESTS += %D%/stuffing.py
TESTS += %D%/scanners.py
TESTS += %D%/proxy.py
TESTS += %D%/plus.py
TESTS += %D%/external.py
TESTS += %D%/faithful.py
TESTS += %D%/differential.py
TESTS += %D%/admin.py
TESTS += %D%/backup.py
TESTS += %D%/imports.py
TESTS += %D%/reports.py
TESTS += %D%/deliverby.py
TESTS += %D%/tokens.py

EXTRA_DIST += \
	%D%/e2e.py \
	%D%/clients.py \
	%D%/accounts.py \
	%D%/certificates.py \
	%D%/replaced.py \
	%D%/devices.py \
	%D%/caps.py \
	%D%/senders.py \
	%D%/sources.py \
	%D%/guesses.py \
	%D%/dns.py \
	%D%/dns_hostile.py \
	%D%/parent.py \
	%D%/one_worker.py \
	%D%/crowd.py \
	%D%/overload.py \
	%D%/throng.py \
	%D%/memory.py \
	%D%/signals.py \
	%D%/captured.py \
	%D%/strangers.py \
	%D%/privilege.py \
	%D%/stuffing.py \
	%D%/scanners.py \
	%D%/proxy.py \
	%D%/plus.py \
	%D%/external.py \
	%D%/faithful.py \
	%D%/differential.py \
	%D%/admin.py \
	%D%/backup.py \
	%D%/imports.py \
	%D%/reports.py \
	%D%/deliverby.py \
	%D%/tokens.py

INTEGRATION_LONG_TESTS = %D%/long_scanners.sh %D%/long_stuffing.sh %D%/long_throng.sh %D%/timing.py
LONG_TESTS += $(INTEGRATION_LONG_TESTS)
EXTRA_DIST += $(INTEGRATION_LONG_TESTS)
