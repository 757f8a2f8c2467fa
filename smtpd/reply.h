/*
 * reply: everything that smtpd says, in one table: code, enhanced code
 * (RFC 2034) and text. %h stands for our name, which the machines that parse
 * 220, 221 and 421 expect first (RFC 5321 4.2), %s for one argument. Done, try
 * again and never are the first digit, as everywhere (RFC 5321 4.2.1).
 */
#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H

#include <stdbool.h>

#include "lib/buf.h"

/* Longest line of ours: an argument may be an address or a base64 challenge. */
#define REPLY_MAX	(16 * 1024)

#define REPLIES(X)							\
	X(GREETING, "220", " ", "%h ESMTP Postern")			\
	X(STARTTLS, "220", " 2.0.0 ", "Ready to start TLS")		\
	X(HELP, "214", " 2.0.0 ", "Mail submission: EHLO, STARTTLS, AUTH, "\
	    "MAIL, RCPT, DATA, BDAT, RSET, NOOP, VRFY, HELP, QUIT")		\
	X(BYE, "221", " 2.0.0 ", "%h Bye")				\
	X(AUTH_OK, "235", " 2.7.0 ", "Authentication successful")	\
	X(HELO, "250", " ", "%h")					\
	X(OK, "250", " 2.0.0 ", "Ok")					\
	X(SENDER_OK, "250", " 2.1.0 ", "Sender ok")			\
	/* RFC 6710 4.1: the new priority comes first. */		\
	X(PRIORITY, "250", " 2.3.6 ", "%s is its priority; your account may "\
	    "ask for no higher one")					\
	X(RCPT_OK, "250", " 2.1.5 ", "Recipient ok")			\
	X(CHUNK, "250", " 2.0.0 ", "%s bytes taken")			\
	X(QUEUED, "250", " 2.0.0 ", "Ok: queued as %s")			\
	X(VRFY, "252", " 2.0.0 ", "Cannot verify; send the message and see")\
	X(CHALLENGE, "334", " ", "%s")					\
	X(DATA, "354", " ", "Go ahead; end with <CRLF>.<CRLF>")		\
									\
	/* Ends of sessions */						\
	X(STOPPING, "421", " 4.3.2 ", "%h Service is stopping; "	\
	    "connect again in a moment")				\
	X(CROWDED, "421", " 4.3.2 ", "%h Too many sessions; "		\
	    "connect again in a few minutes")				\
	X(CROWDED_ADDRESS, "421", " 4.7.0 ", "%h Too many sessions from "\
	    "your address; close one first")				\
	X(CROWDED_SITE, "421", " 4.7.0 ", "%h Too many sessions from "	\
	    "your network (/48); connect again in a few minutes")	\
	X(NOT_A_PROXY, "421", " 4.7.0 ", "%h Only our proxies come in here")\
	X(TIMEOUT, "421", " 4.4.2 ", "%h Waited too long; closing")	\
	X(TOO_LONG, "421", " 4.4.2 ", "%h This has lasted too long; "	\
	    "closing")							\
	X(TOO_MANY_ERRORS, "421", " 4.7.0 ", "%h Too many refused "	\
	    "commands; closing")					\
	X(NO_ANSWER, "421", " 4.3.0 ", "%h Trouble inside; "		\
	    "connect again in a moment")				\
	X(TOO_MUCH, "421", " 4.3.4 ", "%h The message goes on far "	\
	    "beyond the limit; closing")				\
	X(HTTP, "421", " 4.7.0 ", "%h This is a mail server, not a web "\
	    "server")							\
									\
	/* Try again */							\
	X(TROUBLE, "451", " 4.3.0 ", "Trouble inside, nothing is lost; "\
	    "try again in a moment")					\
	X(DISK_FULL, "452", " 4.3.1 ", "The disk is full for now; try again "\
	    "later")							\
	X(TOO_MANY_RCPTS, "452", " 4.5.3 ", "No more recipients in this "\
	    "message; the others in another one, or when your limit allows")\
	X(AUTH_TROUBLE, "454", " 4.7.0 ", "Authentication is not "	\
	    "available just now; try again in a moment")		\
	X(AUTH_LOCKED, "454", " 4.7.0 ", "Too many failed logins; try "	\
	    "again in %s")						\
	X(TLS_TROUBLE, "454", " 4.7.0 ", "TLS is not available just now; "\
	    "try again in a moment")					\
									\
	/* Syntax */							\
	X(BAD_BYTES, "500", " 5.5.2 ", "Lines end in CRLF and hold no "	\
	    "other CR, LF or NUL")					\
	X(LONG_LINE, "500", " 5.5.2 ", "Line too long")			\
	X(UNKNOWN, "500", " 5.5.1 ", "Unknown command; HELP lists what "\
	    "there is")							\
	X(LONG_AUTH, "500", " 5.5.6 ", "Authentication line too long")	\
	X(NO_ARGUMENT, "501", " 5.5.4 ", "%s takes no argument")	\
	X(NEED_ARGUMENT, "501", " 5.5.4 ", "Syntax: %s")		\
	X(BAD_PATH, "501", " 5.5.4 ", "Syntax: %s")			\
	X(BAD_PARAMS, "501", " 5.5.4 ", "Parameters: %s")		\
	X(BAD_VALUE, "501", " 5.5.4 ", "Syntax: %s")			\
	/* RFC 3461 5.1, RFC 4865 4.2, RFC 6710 4.1 */			\
	X(PARAM_TWICE, "501", " 5.5.4 ", "Parameter %s stands there twice")\
	X(LONG_HOLD, "501", " 5.5.4 ", "Messages are not held as long as that; "\
	    "EHLO names the limit")					\
	X(BY_IN_HOLD, "501", " 5.5.4 ", "BY is over before the message is to "\
	    "be released; make it longer than the hold")		\
	X(BAD_BDAT, "501", " 5.5.4 ", "Syntax: BDAT size [LAST]; closing, "\
	    "as nobody knows where this chunk ends")			\
	X(BAD_BASE64, "501", " 5.5.2 ", "That is not base64; the exchange "\
	    "is over")							\
	X(AUTH_CANCELLED, "501", " 5.7.0 ", "Authentication cancelled")	\
	X(AUTH_SYNTAX, "501", " 5.5.2 ", "The mechanism could not read "\
	    "your response")						\
	X(SHORT_BY, "555", " 5.5.4 ", "BY with mode R must give %s "	\
	    "seconds or more")						\
	X(UNKNOWN_PARAM, "555", " 5.5.4 ", "Parameter %s is not known here; "\
	    "EHLO lists what is offered")				\
									\
	/* Order of commands */						\
	X(EHLO_FIRST, "503", " 5.5.1 ", "Send EHLO first")		\
	X(MAIL_FIRST, "503", " 5.5.1 ", "Send MAIL first")		\
	X(RCPT_FIRST, "503", " 5.5.1 ", "Send RCPT first; no recipient "\
	    "was accepted")						\
	X(BDAT_BEGUN, "503", " 5.5.1 ", "The message has begun with BDAT; "\
	    "go on with BDAT, or RSET ends it")				\
	X(NESTED_MAIL, "503", " 5.5.1 ", "A message is already under way; "\
	    "RSET ends it")						\
	X(NO_LOGINS, "503", " 5.5.1 ", "No logins here: devices are known "\
	    "by their address")						\
	X(NO_TLS, "502", " 5.5.1 ", "No TLS here; another port has it")	\
	X(AUTH_TWICE, "503", " 5.5.1 ", "You are logged in already")	\
	X(AUTH_IN_MAIL, "503", " 5.5.1 ", "No AUTH inside a message; "	\
	    "RSET ends it")						\
	X(TLS_TWICE, "503", " 5.5.1 ", "TLS is active already")		\
									\
	/* Policy */							\
	X(NO_MECHANISM, "504", " 5.5.4 ", "Mechanism not available; EHLO "\
	    "lists those that are")					\
	X(NEED_TLS, "530", " 5.7.0 ", "Must issue a STARTTLS command first")\
	X(NEED_AUTH, "530", " 5.7.0 ", "Authentication required")	\
	X(AUTH_WEAK, "534", " 5.7.9 ", "Mechanism too weak; choose another")\
	X(AUTH_FAILED, "535", " 5.7.8 ", "Wrong account or password")	\
	X(AUTH_BINDING, "535", " 5.7.8 ", "Channel binding failed: your "\
	    "program and this server do not see the same TLS session")	\
	X(AUTH_ENCRYPT, "538", " 5.7.11 ", "Encryption required for this "\
	    "mechanism")						\
	X(TOO_BIG, "552", " 5.3.4 ", "Message too big; the limit is %s bytes")\
	X(BIG_HEADER, "552", " 5.3.4 ", "The message's header is too big")\
	X(BAD_SENDER, "553", " 5.1.7 ", "Sender address: %s")		\
	X(BAD_RCPT, "553", " 5.1.3 ", "Recipient address: %s")		\
	X(NEED_UTF8, "553", " 5.6.7 ", "An address beyond ASCII needs "	\
	    "SMTPUTF8 behind MAIL")					\
	X(NOT_YOUR_RCPT, "550", " 5.7.1 ", "<%s> is not among the "	\
	    "recipients of this device")				\
	X(NOT_YOUR_SENDER, "553", " 5.7.1 ", "<%s> is not a sender address "\
	    "of your account")						\
	X(NOT_YOUR_FROM, "553", " 5.7.1 ", "%s is not an address of your "\
	    "account")							\
	X(NOT_A_DEVICE, "554", " 5.7.1 ", "%h Only our devices come in "\
	    "here; others log in at the submission port")		\
	X(BAD_FROM, "554", " 5.6.0 ", "The message's %s field holds no "\
	    "address, or something else beside (RFC 5322 3.6.2)")	\
	X(NO_FROM, "554", " 5.6.0 ", "The message has no From field (RFC "\
	    "5322 3.6), and neither its return path nor the account's name "\
	    "is an address for one")					\
	X(FIELD_TWICE, "554", " 5.6.0 ", "The message has more than one %s "\
	    "field (RFC 5322 3.6)")					\
	X(MANY_FROM, "554", " 5.6.0 ", "From, Sender and the Resent fields "\
	    "name more than %s addresses; only the authors' and senders' "\
	    "belong there")						\
	X(ENCODED_FROM, "554", " 5.6.0 ", "%s holds \"=?\", as an encoded "\
	    "word begins, which no address may (RFC 2047 5)")		\
	X(BAD_HEADER, "554", " 5.6.0 ", "A line in the message's header is "\
	    "no header field (RFC 5322 2.2)")				\
	X(HEADER_NOT_UTF8, "554", " 5.6.0 ", "The message's header is not "\
	    "well-formed UTF-8 (RFC 6532)")				\
	X(BARE_BYTES, "554", " 5.6.11 ", "The content holds %s; lines end "\
	    "in CRLF (RFC 5321 2.3.8)")					\
	X(LOOP, "554", " 5.4.6 ", "Too many Received fields: this message "\
	    "is going round in circles")

enum reply {
	REPLY_NONE,		/* nothing to object to */
#define X(id, code, enhanced, text) REPLY_##id,
	REPLIES(X)
#undef X
	REPLY_COUNT
};

/* 250, 550 and their like. */
int	 reply_code(enum reply);
/* Refused for good: counts against the session. */
bool	 reply_is_error(enum reply);
/* 421: the session ends. */
bool	 reply_is_end(enum reply);
/* Why it ends, a sentence for the log. */
const char *reply_why(enum reply);
/*
 * The line with its CRLF. Without %h and %s it is a constant and costs
 * nothing; else it is built in *space. Borrowed until *space changes.
 */
const char *reply_line(enum reply, const char *host, const char *arg,
	    struct buf *space);

#endif
