# unit tests of queue, its store excepted
UNIT_TESTS += %D%/test_backup %D%/test_restore %D%/test_feed %D%/test_reports %D%/test_deliverby %D%/test_notify %D%/test_caps %D%/test_ctl %D%/test_orders %D%/test_copies %D%/test_dsn %D%/test_life %D%/test_retry %D%/test_route \
	%D%/test_sched %D%/test_submit %D%/test_table

%C%_test_backup_SOURCES = %D%/test_backup.c %D%/ctl_world.h %D%/queue_world.h
%C%_test_backup_LDADD = $(LIBQUEUE)
%C%_test_restore_SOURCES = %D%/test_restore.c %D%/ctl_world.h %D%/queue_world.h
%C%_test_restore_LDADD = $(LIBQUEUE)
%C%_test_restore_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=store_load \
	-Wl,--wrap=store_identity -Wl,--wrap=asked_later
%C%_test_caps_LDADD = $(LIBQUEUE)
%C%_test_ctl_SOURCES = %D%/test_ctl.c %D%/ctl_world.h %D%/queue_world.h
%C%_test_ctl_LDADD = $(LIBQUEUE)
%C%_test_orders_SOURCES = %D%/test_orders.c %D%/ctl_world.h %D%/queue_world.h
%C%_test_orders_LDADD = $(LIBQUEUE)
%C%_test_copies_SOURCES = %D%/test_copies.c %D%/ctl_world.h %D%/queue_world.h
%C%_test_copies_LDADD = $(LIBQUEUE)
%C%_test_dsn_LDADD = $(LIBQUEUE)
%C%_test_feed_SOURCES = %D%/test_feed.c %D%/queue_world.h
%C%_test_feed_LDADD = $(LIBQUEUE)
%C%_test_life_SOURCES = %D%/test_life.c %D%/queue_world.h
%C%_test_life_LDADD = $(LIBQUEUE)
%C%_test_reports_SOURCES = %D%/test_reports.c %D%/queue_world.h
%C%_test_reports_LDADD = $(LIBQUEUE)
%C%_test_reports_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=store_update,--wrap=store_body
%C%_test_deliverby_SOURCES = %D%/test_deliverby.c %D%/queue_world.h
%C%_test_deliverby_LDADD = $(LIBQUEUE)
%C%_test_notify_SOURCES = %D%/test_notify.c %D%/queue_world.h
%C%_test_notify_LDADD = $(LIBQUEUE)
%C%_test_retry_LDADD = $(LIBQUEUE)
%C%_test_route_LDADD = $(LIBQUEUE)
%C%_test_sched_LDADD = $(LIBQUEUE)
%C%_test_submit_SOURCES = %D%/test_submit.c %D%/queue_world.h
%C%_test_submit_LDADD = $(LIBQUEUE)
%C%_test_submit_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_steady_ms
%C%_test_table_LDADD = $(LIBQUEUE)

# What test_dsn prints, taken apart by another's parser.
TESTS += %D%/dsn_parse.py
EXTRA_DIST += %D%/dsn_parse.py
