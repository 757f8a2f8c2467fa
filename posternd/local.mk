# posternd: libconfuse, and no library that parses what comes from a network.
sbin_PROGRAMS += %D%/posternd
noinst_LIBRARIES += %D%/libposternd.a
%C%_libposternd_a_CPPFLAGS = $(AM_CPPFLAGS) $(CONFUSE_CFLAGS)
%C%_libposternd_a_SOURCES = \
	%D%/birth.c %D%/children.c %D%/children.h %D%/children_private.h \
	%D%/config.c %D%/config.h %D%/config_load.c \
	%D%/devices.c %D%/devices.h \
	%D%/control.c %D%/control.h \
	%D%/ground.c %D%/ground.h \
	%D%/listeners.c %D%/listeners.h \
	%D%/logsink.c %D%/logsink.h \
	%D%/notify.c %D%/notify.h \
	%D%/posternd.c %D%/posternd.h \
	%D%/rollout.c \
	%D%/settings.c %D%/settings.h %D%/settings_private.h \
	%D%/settings_problem.c %D%/settings_scout.c %D%/settings_table.c \
	%D%/settings_text.c %D%/settings_value.c \
	%D%/slices.c %D%/slices.h %D%/slices_fill.c \
	%D%/status.c %D%/status.h \
	%D%/verify.c %D%/verify.h \
	%D%/verify_groups.c %D%/verify_mechanisms.c %D%/verify_sources.c \
	%D%/verify_tokens.c %D%/verify_words.c
%C%_posternd_SOURCES = %D%/main.c
%C%_posternd_LDADD = %D%/libposternd.a $(LIBPOSTERN) $(CONFUSE_LIBS)
LIBPOSTERND = posternd/libposternd.a $(LIBPOSTERN) $(CONFUSE_LIBS)
