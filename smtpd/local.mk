# keyprov is a library of its own, for tests that need nothing else of smtpd.
noinst_LIBRARIES += %D%/libkeyprov.a %D%/libsmtpd.a
%C%_libkeyprov_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%C%_libkeyprov_a_SOURCES = %D%/keyprov.c %D%/keyprov.h \
	%D%/signer.c %D%/signer.h
LIBKEYPROV = %D%/libkeyprov.a $(CRYPTO_LIBS)

%C%_libsmtpd_a_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_libsmtpd_a_SOURCES = \
	%D%/answers.c %D%/answers.h \
	%D%/cmd_auth.c %D%/cmd_bdat.c %D%/cmd_data.c %D%/cmd_ehlo.c %D%/cmd_mail.c \
	%D%/cmd_misc.c %D%/cmd_rcpt.c %D%/cmd_starttls.c \
	%D%/content.c %D%/content.h \
	%D%/crowd.c %D%/crowd.h \
	%D%/extensions.c %D%/extensions.h \
	%D%/fixup.c %D%/fixup.h \
	%D%/identity.c %D%/identity.h \
	%D%/lane.c %D%/lane.h \
	%D%/leaving.c %D%/leaving.h \
	%D%/listener.c %D%/listener.h \
	%D%/message.c %D%/message.h \
	%D%/params.c %D%/params.h \
	%D%/path.c %D%/path.h \
	%D%/proxied.c %D%/proxied.h \
	%D%/reply.c %D%/reply.h \
	%D%/server.c %D%/server.h %D%/server_life.c \
	%D%/session.c %D%/session.h %D%/session_input.c \
	%D%/session_private.h %D%/session_state.c \
	%D%/smtpd.c %D%/smtpd.h \
	%D%/tls.c %D%/tls.h %D%/tls_binding.c %D%/tls_binding.h \
	%D%/tls_client.c %D%/tls_client.h \
	%D%/transaction.c %D%/transaction.h \
	%D%/tx_no.c %D%/tx_no.h \
	%D%/upstream.c %D%/upstream.h \
	%D%/verbs.c %D%/verbs.h
LIBSMTPD = %D%/libsmtpd.a $(LIBKEYPROV) $(LIBTICKET) $(LIBSTREAM) \
	$(LIBPOSTERN) $(SSL_LIBS)

daemon_PROGRAMS += %D%/postern-smtpd
%C%_postern_smtpd_SOURCES = %D%/main.c
%C%_postern_smtpd_LDADD = $(LIBSMTPD)
