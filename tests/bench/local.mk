# Speed: `make bench` measures it, and nothing asserts it. That the rig itself
# works is a test like any other.

BENCHES = %D%/bench_store %D%/bench_limits %D%/bench_sink %D%/bench_load \
	%D%/fill_queue
EXTRA_PROGRAMS += %D%/bench_store %D%/bench_limits
check_PROGRAMS += %D%/fill_queue
check_PROGRAMS += %D%/bench_sink %D%/bench_load
TESTS += %D%/smoke.py %D%/million.py
LONG_TESTS += %D%/long_million.sh
EXTRA_DIST += %D%/million.py %D%/long_million.sh
EXTRA_DIST += %D%/run %D%/growth %D%/smoke.py %D%/svg.py \
	%D%/plots/queue.svg %D%/plots/recipients.svg \
	%D%/plots/sessions.svg %D%/plots/workers.svg \
	%D%/gauge.py %D%/rig.py %D%/rows.py %D%/servers.py

%C%_fill_queue_SOURCES = %D%/fill_queue.c %D%/ids.c %D%/ids.h
%C%_fill_queue_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_bench_store_SOURCES = %D%/bench_store.c \
	%D%/limit_sync.c %D%/limit_sync.h
%C%_bench_store_LDADD = $(LIBSTORE) $(LIBPOSTERN)

%C%_bench_limits_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_bench_limits_SOURCES = %D%/bench_limits.c \
	%D%/limit_sync.c %D%/limit_sync.h %D%/limit_tls.c %D%/limit_tls.h
%C%_bench_limits_LDADD = $(LIBPOSTERN) $(SSL_LIBS)

%C%_bench_sink_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_bench_sink_SOURCES = %D%/sink.c %D%/sink_session.c %D%/sink_session.h \
	%D%/ids.c %D%/ids.h %D%/tally.c %D%/tally.h
%C%_bench_sink_LDADD = $(LIBSTREAM) $(LIBPOSTERN)

%C%_bench_load_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_bench_load_SOURCES = %D%/load.c %D%/load_session.c %D%/load_session.h \
	%D%/ids.c %D%/ids.h %D%/tally.c %D%/tally.h
%C%_bench_load_LDADD = $(LIBSTREAM) $(LIBPOSTERN)

# BENCHFLAGS="-r 5 -o table.md Postern Postfix"
.PHONY: bench
bench: all
	$(MAKE) $(AM_MAKEFLAGS) $(BENCHES)
	/usr/bin/python3 $(top_srcdir)/%D%/run $(BENCHFLAGS)

# How it grows; GROWTHFLAGS="-q 100000 sessions queue"
.PHONY: growth
growth: all
	$(MAKE) $(AM_MAKEFLAGS) $(BENCHES)
	/usr/bin/python3 $(top_srcdir)/%D%/growth -o $(top_srcdir)/%D%/plots \
		$(GROWTHFLAGS)

# postern-relay between a queue and a next hop; see its first lines.
EXTRA_PROGRAMS += %D%/bench_relay
%C%_bench_relay_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_bench_relay_LDADD = $(LIBPOSTERN) $(SSL_LIBS)

# What a login costs; see its first lines.
EXTRA_PROGRAMS += %D%/bench_login
%C%_bench_login_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%C%_bench_login_LDADD = $(LIBAUTH)
