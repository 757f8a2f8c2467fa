# unit tests of posternd
UNIT_TESTS += %D%/test_sandbox
%C%_test_sandbox_LDADD = $(LIBPOSTERN)
