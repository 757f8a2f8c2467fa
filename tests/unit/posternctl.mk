UNIT_TESTS += %D%/test_json %D%/test_render %D%/test_ctlverbs \
	%D%/test_import_marks %D%/test_import_envelope %D%/test_ctlfolder
%C%_test_json_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
%C%_test_render_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
%C%_test_import_marks_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
%C%_test_import_envelope_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
%C%_test_ctlverbs_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
%C%_test_ctlfolder_LDADD = posternctl/libposternctl.a $(LIBPOSTERN)
