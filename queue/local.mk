# postern-queue: the single writer of accepted mail. It alone links Berkeley DB
# for the queue, and libcrypto for the seal of tickets; no network.

noinst_LIBRARIES += %D%/libqueue.a
%C%_libqueue_a_SOURCES = \
	%D%/admit.c %D%/admit.h \
	%D%/caps.c %D%/caps.h \
	%D%/charge.c %D%/charge.h \
	%D%/clock.c %D%/clock.h \
	%D%/ctl.c %D%/ctl.h \
	%D%/ctl_asked.c %D%/ctl_asked.h \
	%D%/ctl_bodies.c %D%/ctl_bodies.h \
	%D%/ctl_filter.c %D%/ctl_filter.h \
	%D%/ctl_handed.c %D%/ctl_handed.h \
	%D%/ctl_row.c %D%/ctl_row.h \
	%D%/ctl_shape.c %D%/ctl_shape.h \
	%D%/ctl_verbs.h \
	%D%/ctl_backup.c %D%/ctl_bulk.c %D%/ctl_export.c %D%/ctl_import.c \
	%D%/ctl_list.c %D%/ctl_restore.c %D%/ctl_restore.h \
	%D%/ctl_restore_end.c %D%/ctl_stats.c %D%/ctl_usage.c \
	%D%/ctl_walk.c %D%/ctl_walk.h \
	%D%/ctl_words.c %D%/ctl_words.h \
	%D%/dispatch.c %D%/dispatch.h \
	%D%/dsn.c %D%/dsn.h %D%/dsn_cut.c %D%/dsn_digest.c %D%/dsn_parts.c %D%/dsn_private.h \
	%D%/fair.c %D%/fair.h \
	%D%/feed.c %D%/feed.h \
	%D%/lane.c %D%/lane.h \
	%D%/life.c %D%/life.h \
	%D%/life_admin.c %D%/life_admin.h \
	%D%/life_digest.c %D%/life_digest.h \
	%D%/life_release.c %D%/life_release.h \
	%D%/life_report.c %D%/life_report.h \
	%D%/life_round.c %D%/life_round.h \
	%D%/life_step.c %D%/life_step.h \
	%D%/life_times.c %D%/life_times.h \
	%D%/life_try.c %D%/life_try.h \
	%D%/live.c %D%/live.h \
	%D%/program.c %D%/program.h \
	%D%/queue.h \
	%D%/reserve.c %D%/reserve.h \
	%D%/retry.c %D%/retry.h \
	%D%/rooms.c %D%/rooms.h \
	%D%/route.c %D%/route.h \
	%D%/sched.c %D%/sched.h \
	%D%/sound.c %D%/sound.h \
	%D%/spools.c %D%/spools.h \
	%D%/strays.c %D%/strays.h \
	%D%/submit.c %D%/submit.h

noinst_LIBRARIES += %D%/libstore.a
%C%_libstore_a_SOURCES = \
	%D%/aside.c %D%/aside.h \
	%D%/ballast.c %D%/ballast.h \
	%D%/disk.c %D%/disk.h \
	%D%/disk_checkpoint.c %D%/disk_move.c %D%/disk_open.c \
	%D%/disk_read.c %D%/disk_room.c \
	%D%/index.c %D%/index.h %D%/index_private.h \
	%D%/index_codec.c %D%/index_codec.h \
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
