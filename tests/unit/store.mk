# unit tests of queue's store
UNIT_TESTS += %D%/test_store
%C%_test_store_LDADD = $(LIBSTORE) $(LIBPOSTERN)
