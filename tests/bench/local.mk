# Measures, built by hand: make tests/bench/bench_store

# The store alone; see its first lines.
EXTRA_PROGRAMS += %D%/bench_store
%C%_bench_store_LDADD = $(LIBSTORE) $(LIBPOSTERN)
