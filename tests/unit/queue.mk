UNIT_TESTS += %D%/test_submit
%C%_test_submit_SOURCES = %D%/test_submit.c %D%/queue_world.h
%C%_test_submit_LDADD = $(LIBQUEUE)
