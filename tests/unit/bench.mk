# The bench's own arithmetic.
UNIT_TESTS += %D%/test_bench_ids
%C%_test_bench_ids_SOURCES = %D%/test_bench_ids.c \
	tests/bench/ids.c tests/bench/ids.h
%C%_test_bench_ids_LDADD = $(LIBPOSTERN)
