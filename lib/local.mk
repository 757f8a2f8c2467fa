# libpostern: the ground that every program stands on. It links nothing but
# libevent and libseccomp; what needs OpenSSL lives in libraries of its own, and
# dbfiles is for those who link Berkeley DB.

noinst_LIBRARIES += %D%/libpostern.a %D%/libticket.a %D%/libverifier.a \
	%D%/libstream.a
%C%_libpostern_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(SECCOMP_CFLAGS)
%C%_libpostern_a_SOURCES = \
	%D%/buf.c %D%/buf.h \
	%D%/addr.c %D%/addr.h \
	%D%/base64.c %D%/base64.h \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/date.c %D%/date.h \
	%D%/dbdisk.c %D%/dbdisk.h \
	%D%/dbfiles.c %D%/dbfiles.h \
	%D%/fail.c %D%/fail.h \
	%D%/flood.c %D%/flood.h \
	%D%/header.c %D%/header.h \
	%D%/mailboxes.c %D%/mailboxes.h \
	%D%/net.c %D%/net.h \
	%D%/num.c %D%/num.h \
	%D%/le.c %D%/le.h \
	%D%/whole.c %D%/whole.h \
	%D%/owned.c %D%/owned.h \
	%D%/fill.c %D%/fill.h \
	%D%/proxy.c %D%/proxy.h \
	%D%/smtp_cmd.c %D%/smtp_cmd.h \
	%D%/smtp_data.c %D%/smtp_data.h \
	%D%/smtp_line.c %D%/smtp_line.h \
	%D%/smtp_reply.c %D%/smtp_reply.h \
	%D%/child.c %D%/child.h \
	%D%/conf.c %D%/conf.h \
	%D%/envelope.c %D%/envelope.h \
	%D%/ev.c %D%/ev.h \
	%D%/ipc.c %D%/ipc.h %D%/ipc_fields.c %D%/ipc_msgs.h %D%/ipc_private.h \
	%D%/log.c %D%/log.h \
	%D%/prelude.h \
	%D%/revoked.c %D%/revoked.h \
	%D%/sandbox.c %D%/sandbox.h \
	%D%/seldom.c %D%/seldom.h \
	%D%/stats.c %D%/stats.h \
	%D%/xalloc.c %D%/xalloc.h

# Tickets need an HMAC: libcrypto, without libssl.
%C%_libticket_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%C%_libticket_a_SOURCES = %D%/ticket.c %D%/ticket.h

# What is kept of passwords: likewise.
%C%_libverifier_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
%C%_libverifier_a_SOURCES = %D%/verifier.c %D%/verifier.h

# Streams speak TLS: the only ones that link libssl.
%C%_libstream_a_CPPFLAGS = $(AM_CPPFLAGS) $(SSL_CFLAGS)
%C%_libstream_a_SOURCES = %D%/stream.c %D%/stream.h %D%/stream_private.h \
	%D%/stream_io.c %D%/stream_job.c %D%/stream_state.c %D%/stream_tls.c \
	%D%/wire.c %D%/wire.h
LIBSTREAM = %D%/libstream.a $(SSL_LIBS)

LIBPOSTERN = %D%/libpostern.a $(EVENT_LIBS) $(SECCOMP_LIBS)
LIBTICKET = %D%/libticket.a $(CRYPTO_LIBS)
LIBVERIFIER = %D%/libverifier.a $(CRYPTO_LIBS)
