# postern-relay: the one program that opens connections. Of libsasl2 it uses
# the client side.

noinst_LIBRARIES += %D%/librelay.a
%C%_librelay_a_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS) $(UNBOUND_CFLAGS) $(IDN2_CFLAGS) $(SASL_CFLAGS)
%C%_librelay_a_SOURCES = \
	%D%/body.c %D%/body.h \
	%D%/client.c %D%/client.h %D%/client_private.h \
	%D%/client_mail.c %D%/client_state.c %D%/client_terms.c %D%/client_open.c \
	%D%/delivery.c %D%/delivery.h \
	%D%/dns.c %D%/dns.h \
	%D%/places.c %D%/places.h \
	%D%/pool.c %D%/pool.h %D%/pool_private.h \
	%D%/pool_conf.c \
	%D%/reach.c %D%/reach.h \
	%D%/relay.c %D%/relay.h \
	%D%/sasl.c %D%/sasl.h \
	%D%/tlspolicy.c %D%/tlspolicy.h \
	%D%/trouble.c %D%/trouble.h
LIBRELAY = %D%/librelay.a $(LIBSTREAM) $(LIBPOSTERN) $(UNBOUND_LIBS) $(IDN2_LIBS) $(SASL_LIBS) -lresolv

daemon_PROGRAMS += %D%/postern-relay
%C%_postern_relay_SOURCES = %D%/main.c
%C%_postern_relay_LDADD = $(LIBRELAY)
