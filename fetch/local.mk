# postern-fetch: HTTPS by libcurl, JSON by jansson, signatures by libcrypto.

noinst_LIBRARIES += %D%/libfetch.a
%C%_libfetch_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS)
%C%_libfetch_a_SOURCES = \
	%D%/claims.c %D%/claims.h \
	%D%/ctl.c %D%/ctl.h \
	%D%/fetch.c %D%/fetch.h \
	%D%/http.c %D%/http.h \
	%D%/introspect.c %D%/introspect.h \
	%D%/jwk.c \
	%D%/jwks.c %D%/jwks.h %D%/jwks_private.h \
	%D%/jwt.c %D%/jwt.h \
	%D%/provider.c %D%/provider.h \
	%D%/questions.c %D%/questions.h \
	%D%/verdict.c %D%/verdict.h
LIBFETCH = %D%/libfetch.a $(LIBPOSTERN) $(CURL_LIBS) $(JANSSON_LIBS) $(CRYPTO_LIBS)

daemon_PROGRAMS += %D%/postern-fetch
%C%_postern_fetch_SOURCES = %D%/main.c
%C%_postern_fetch_LDADD = $(LIBFETCH)
