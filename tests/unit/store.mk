# unit tests of queue's store
UNIT_TESTS += %D%/test_index_open %D%/test_recovery %D%/test_store %D%/test_store_faults \
	%D%/test_store_journal %D%/test_store_move %D%/test_upgrade
THREAD_TESTS += %D%/test_recovery %D%/test_store %D%/test_store_faults
EXTRA_DIST += %D%/store_rig.h %D%/stores
%C%_test_index_open_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_recovery_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_store_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_store_faults_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_store_journal_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_store_move_LDADD = $(LIBSTORE) $(LIBPOSTERN)
%C%_test_upgrade_LDADD = $(LIBSTORE) $(LIBPOSTERN)
