# postern-queue: the single writer of accepted mail. It alone links Berkeley DB
# for the queue, and libcrypto for the seal of tickets; no network.

noinst_LIBRARIES += %D%/libqueue.a
%C%_libqueue_a_SOURCES = \
	%D%/caps.c %D%/caps.h \
	%D%/charge.c %D%/charge.h \
	%D%/clock.c %D%/clock.h \
	%D%/ctl.c %D%/ctl.h %D%/ctl_private.h \
	%D%/ctl_backup.c %D%/ctl_bodies.c %D%/ctl_bulk.c %D%/ctl_export.c %D%/ctl_filter.c %D%/ctl_filter.h \
	%D%/ctl_import.c %D%/ctl_list.c %D%/ctl_restore.c %D%/ctl_stats.c %D%/ctl_usage.c %D%/ctl_words.c \
	%D%/dispatch.c %D%/dispatch.h \
	%D%/dsn.c %D%/dsn.h %D%/dsn_cut.c %D%/dsn_digest.c %D%/dsn_parts.c %D%/dsn_private.h \
	%D%/feed.c %D%/feed.h \
	%D%/lane.c %D%/lane.h \
	%D%/life.c %D%/life_round.c %D%/life.h %D%/life_private.h %D%/life_admin.c \
	%D%/life_digest.c %D%/life_release.c \
	%D%/life_report.c \
	%D%/live.c %D%/live.h \
	%D%/program.c %D%/program.h \
	%D%/queue.c %D%/queue.h \
	%D%/route.c %D%/route.h \
	%D%/sched.c %D%/sched.h \
	%D%/spools.c %D%/spools.h \
	%D%/submit.c %D%/submit.h

noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_SOURCES = \
	%D%/ballast.c %D%/ballast.h \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/disk.c %D%/disk.h \
	%D%/disk_checkpoint.c %D%/disk_move.c %D%/disk_open.c \
	%D%/disk_read.c %D%/disk_room.c \
	%D%/fail.c %D%/fail.h \
	%D%/index.c %D%/index.h %D%/index_private.h \
	%D%/index_codec.c %D%/index_codec.h \
	%D%/index_files.c %D%/index_files.h \
	%D%/index_open.c \
	%D%/journal.c %D%/journal.h \
	%D%/journal_replay.c \
	%D%/readers.c %D%/readers.h \
	%D%/record.c %D%/record.h \
	%D%/segment.c %D%/segment.h \
	%D%/spool.c %D%/spool.h \
	%D%/stock.c %D%/stock.h \
	%D%/store.c %D%/store.h %D%/store_private.h \
	%D%/store_memory.c \
	%D%/table.c %D%/table.h \
	%D%/tasks.c %D%/tasks.h \
	%D%/vault.c %D%/vault.h

LIBSTORE = %D%/libstore.a $(DB_LIBS)
LIBQUEUE = %D%/libqueue.a $(LIBSTORE) $(LIBTICKET) $(LIBPOSTERN)

daemon_PROGRAMS += postern-queue
postern_queue_SOURCES = %D%/main.c
postern_queue_LDADD = $(LIBQUEUE)
