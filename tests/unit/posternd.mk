# unit tests of posternd
UNIT_TESTS += %D%/test_sandbox
%C%_test_sandbox_LDADD = $(LIBPOSTERN)

UNIT_TESTS += %D%/test_settings
%C%_test_settings_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR='"$(abs_top_srcdir)"'
%C%_test_settings_LDADD = $(LIBPOSTERND)

UNIT_TESTS += %D%/test_source_settings
%C%_test_source_settings_LDADD = $(LIBPOSTERND)

UNIT_TESTS += %D%/test_settings_print
%C%_test_settings_print_LDADD = $(LIBPOSTERND)

UNIT_TESTS += %D%/test_ground
%C%_test_ground_LDADD = $(LIBPOSTERND)
