# fetch: what others' servers say.
EXTRA_DIST += %D%/fetch_sign.h %D%/fetch_vectors.h %D%/fetch_world.h

FETCH_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
UNIT_TESTS += %D%/test_claims %D%/test_jwks %D%/test_jwt %D%/test_questions
%C%_test_claims_CPPFLAGS = $(FETCH_CPPFLAGS)
%C%_test_claims_LDADD = $(LIBFETCH)
%C%_test_jwks_CPPFLAGS = $(FETCH_CPPFLAGS)
%C%_test_jwks_LDADD = $(LIBFETCH)
%C%_test_jwt_CPPFLAGS = $(FETCH_CPPFLAGS)
%C%_test_jwt_LDADD = $(LIBFETCH)
%C%_test_questions_CPPFLAGS = $(FETCH_CPPFLAGS)
%C%_test_questions_LDADD = $(LIBFETCH)
