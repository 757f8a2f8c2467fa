# posternctl: the admin's command line. Links nothing but the ground.

sbin_PROGRAMS += %D%/posternctl
noinst_LIBRARIES += %D%/libposternctl.a
%C%_libposternctl_a_SOURCES = \
	%D%/ask.c %D%/ask.h \
	%D%/backup.c %D%/export.c \
	%D%/import.c %D%/import_envelope.c %D%/import_envelope.h \
	%D%/import_marks.c %D%/import_marks.h \
	%D%/json.c %D%/json.h \
	%D%/certificate.c \
	%D%/password.c %D%/password.h \
	%D%/render.c %D%/render.h \
	%D%/row.c %D%/row.h \
	%D%/talk.c %D%/talk.h \
	%D%/verbs.c %D%/verbs.h
%C%_posternctl_SOURCES = %D%/main.c
%C%_posternctl_LDADD = %D%/libposternctl.a $(LIBPOSTERN)
