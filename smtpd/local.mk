# keyprov is a library of its own, for tests that need nothing else of smtpd.
noinst_LIBRARIES += %D%/libkeyprov.a
%C%_libkeyprov_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%C%_libkeyprov_a_SOURCES = %D%/keyprov.c %D%/keyprov.h
LIBKEYPROV = %D%/libkeyprov.a $(CRYPTO_LIBS)
