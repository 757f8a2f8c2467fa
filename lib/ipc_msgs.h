/*
 * ipc_msgs: every message that crosses a boundary between our processes, with
 * its direction, fields and meaning. Programs meet here and nowhere else. Any
 * change to a message changes IPC_VERSION.
 *
 * Notation: name type, in the order they are put. "ticket" stands for the
 * fields of lib/ticket.h, "envelope" for those of lib/envelope.h.
 */
#ifndef LIB_IPC_MSGS_H
#define LIB_IPC_MSGS_H

#define IPC_VERSION 19

/*
 * Who a process is; an instance of it is (role, index). Between ROLE_PARENT and
 * ROLE_CTL stand the children; some of them run only where the configuration
 * needs them.
 */
enum role {
	ROLE_PARENT, ROLE_SMTPD, ROLE_AUTH, ROLE_KEYS, ROLE_QUEUE, ROLE_RELAY,
	ROLE_SOURCE, ROLE_FETCH, ROLE_CTL, ROLES
};

enum msg {
	/*
	 * Parent to child, in this order at birth: M_CONF, M_CONF_USE, M_STATS,
	 * M_PEER*, M_LISTEN*, M_START. lib/child.c answers all of these; what
	 * is particular to a program goes through its struct child_ops.
	 */
	M_CONF = 1,	/* the child's slice (lib/conf.h). Checked and kept
			   aside; answered by M_CONF_OK or M_CONF_BAD */
	M_CONF_USE,	/* the slice kept aside takes effect */
	M_CONF_DROP,	/* the slice kept aside is forgotten */
	M_STATS,	/* +fd: this child's page of counters (lib/stats.h) */
	M_PEER,		/* u32 role, u32 index, +fd: a channel to that process;
			   replaces an older one to the same */
	M_LISTEN,	/* str listener name, +fd: accept from this socket */
	M_START,	/* u32 uid, u32 gid, str chroot ("" for none), bool
			   sandbox: confine, then serve, then M_READY */
	M_STOP,		/* finish what is in progress, then exit with 0 */
	M_TLS_KEY,	/* to smtpd, before M_START and again and again: bytes
			   TLS_KEY_LEN, which seal TLS session tickets from now
			   on; what an older key has sealed is void */

	/* Child to parent */
	M_CONF_OK = 32,
	M_CONF_BAD,	/* str option that is at fault, as "tls.key", or "";
			   str why */
	M_READY,
	M_PEER_BAD,	/* u32 role, u32 index, str why: that process broke the
			   protocol; the parent replaces it */
	M_CERTS,	/* from keys, when a configuration takes effect: u32 n,
			   n x {str file, u64 valid from, u64 until (wall ms)}:
			   the certificates that clients are shown now */
	M_CONF_DOUBT,	/* str option, as in M_CONF_BAD, str sentence: a warning
			   about the slice that is being checked */

	/*
	 * posternctl to parent to the process that owns the verb, and back.
	 * Rows stream; M_CTL_END closes. id is the request's. Whoever sends
	 * more than CTL_WINDOW bytes of rows and text that the asker has not
	 * owned to have read waits with the rest: a listing of a million rows
	 * gathers nowhere, even behind a pager.
	 */
	M_CTL_REQ = 48,	/* u32 n, n x str argument (the verb first), bytes
			   secret (a password, else empty); perhaps +fd: a
			   file that the verb reads */
	M_CTL_ROW,	/* u32 n, n x {str key, u8 kind ('s' text, 'k' text that
			   programs alone get, 'n' number,
			   'b' true or false, 't' wall ms, 'd' seconds, 'l' a
			   list, 'f' a list of which people see the first; both
			   with a line feed behind each text), str value} */
	M_CTL_TEXT,	/* bytes: a piece of plain output */
	M_CTL_END,	/* u8 exit code (enum ctl_exit), str sentence or "" */
	M_CTL_READ,	/* to the answering side: u32 bytes of fields of rows
			   and text that were read */
	M_CTL_GONE,	/* parent to child: the asker has left, do no more for
			   it than to end */

	/* smtpd to auth; id is the session's */
	M_AUTH_START = 64, /* str mechanism, bool has initial response, bytes
			   initial response (decoded), str peer address, u32 TLS
			   strength in bits, AUTH_BINDINGS x bytes: what binds
			   to this TLS session, by enum auth_binding; empty
			   where the session has none, or SCRAM is not asked;
			   bytes: with EXTERNAL the client's certificates in
			   DER, one behind the other, its own first */
	M_AUTH_STEP,	/* bytes client response (decoded) */
	M_AUTH_CANCEL,	/* the client gave up or went away; no answer */
	/* auth to smtpd */
	M_AUTH_CHALLENGE, /* bytes (not yet encoded) */
	M_AUTH_OK,	/* ticket, str the address that takes the place of
			   others' in MAIL and the header, or "": they are
			   refused; u32 n, n x {str sender pattern, bytes its
			   seal}: "a@b" or "@b"; an account may always send as
			   its own name */
	M_AUTH_NO,	/* u8 enum auth_no, u32 seconds that a lock lasts */

	/* smtpd to auth: a device that cannot log in; id is the session's */
	M_LANE = 74,	/* str listener name, str peer address */
	/* auth to smtpd */
	M_LANE_OK,	/* ticket with the one sender, bool rewrite others to
			   it, u32 n, n x str recipient pattern */
	M_LANE_NO,	/* bool temporary */

	/* auth to queue; and back what queue knows, when the channel is new */
	M_REVOKE = 80,	/* str whose, u64 before, u64 until (both as
			   ev_now_ms()): logins that began until `before` are
			   void; forget this at `until`. Whose: "account" all
			   of it, "account/label" one device's, "account/" those
			   with the account's own password */
	/* auth to queue, which takes no mail before */
	M_REVOKE_END,	/* that was all, for now */

	/* smtpd to keys; id is the question's */
	M_SIGN = 96,	/* u32 certificate index, u8 enum sign_as, bytes to be
			   signed, whole */
	/* keys to smtpd */
	M_SIGNED,	/* bytes signature */
	M_SIGN_NO,	/* str why */

	/* smtpd to queue; id is the session's */
	M_TX_BEGIN = 112, /* ticket, str return path, u64 announced size or 0:
			   what may this account still send? */
	M_TX_SPOOL,	/* ticket, u64 announced size or 0: a descriptor for a
			   large body, please */
	M_SUBMIT,	/* ticket, envelope, u64 body size, bool in_spool, bytes
			   body (empty when in_spool: the descriptor is closed
			   by then). Answered once durable */
	M_TX_END,	/* the transaction was given up, its descriptor closed;
			   frees its spool file */
	/* queue to smtpd */
	M_TX_OK,	/* u32 recipients that may be charged now, u8 highest
			   priority that may be asked for, 0 to 9 */
	M_TX_SPOOL_HERE, /* +fd to write to, from offset 0 */
	M_SUBMITTED,	/* str message id */
	M_TX_NO,	/* u32 reply code, str enhanced code, str text: the
			   answer to any of the three */
	M_TX_OVER,	/* the disk is full and what was written to the
			   descriptor is gone; it is closed now, and written to
			   no more. No answer to anything */

	/* queue to relay; id is the attempt's */
	M_DELIVER = 128, /* str message id, str route, str domain ("" when the
			   route has one next hop), str return path, u8 flags
			   (enum deliver_flag), str ENVID, u8 RET, u8 enum
			   by_mode, bool trace, u64 by (wall ms), u8 priority
			   + 9, u32 n, n x {u32 index, str address, str ORCPT,
			   u8 NOTIFY}, u64 body size, bytes body, or none and
			   +fd to read, u32 CRC-32C of what that has */
	M_DELIVER_STOP,	/* forget attempts not yet on the wire; answered by
			   M_DELIVER_END without results for what was left */
	/* relay to queue */
	M_RCPT_RESULT,	/* result: u8 enum outcome, str enhanced status, str
			   diagnostic, str remote MTA, u32 n, n x u32 index of
			   the recipients that it is about */
	M_DELIVER_END,	/* str remote MTA, str TLS in words, bool reached, bool
			   dsn (the next hop does RFC 3461 and was told what
			   was asked for), bool by (it was told the by-time,
			   RFC 2852), result (mostly the only one; n may be
			   0): no more results for this attempt */
	M_DELIVER_NO_MORE, /* id 0, empty: it stops, and takes no further
			   attempt; one that ends without results for some was
			   broken off or not begun */

	/* auth to source; id is the question's */
	M_SOURCE_ASK = 144, /* str name, bytes password, bool tell, too, bool
			   known: somebody has logged in from where he is, so he
			   goes before strangers, u64 a number for the network
			   he is in, 0: none; which source lets him in? */
	M_SOURCE_CANCEL,	/* nobody waits for it; a source that has it in hand
			   answers all the same, and the answer is told */
	/* source to auth */
	M_SOURCE_SAID,	/* str source, u8 enum source_said, str why, u32 ms
			   that it took: one source, in their order, where
			   that was to be told */
	M_SOURCE_OK,	/* str source, u32 n, n x str address that he may send
			   as by what it says */
	M_SOURCE_NO,	/* bool temporary, str why, for the log; it may hold
			   others' words */

	/* auth to fetch; id is the question's */
	M_TOKEN = 160,	/* bytes token: whose is it? */
	M_TOKEN_CANCEL,	/* as M_SOURCE_CANCEL */
	/* fetch to auth */
	M_TOKEN_OK,	/* str the name that it carries */
	M_TOKEN_NO	/* u8 enum token_no, str why, for the log; it may hold
			   words of the token */
};

/* Why a login did not succeed; smtpd turns it into a reply (RFC 4954 6). */
enum auth_no {
	AUTH_NO_CREDENTIALS,	/* 535 5.7.8 */
	AUTH_NO_MECHANISM,	/* 504 5.5.4 */
	AUTH_NO_SYNTAX,		/* 501 5.5.2 */
	AUTH_NO_TEMPORARY,	/* 454 4.7.0 */
	AUTH_NO_WEAK,		/* 534 5.7.9 */
	AUTH_NO_LOCKED,		/* 454 4.7.0, with the time */
	AUTH_NO_PLAINTEXT,	/* 538 5.7.11 */
	AUTH_NO_BINDING,	/* 535 5.7.8: client and we do not see the same
				   TLS session; no password was looked at */
	AUTH_NO_REASONS
};

/* Kinds of channel binding: RFC 9266; RFC 5929 3 and 4. */
enum auth_binding {
	BINDING_EXPORTER, BINDING_UNIQUE, BINDING_END_POINT, AUTH_BINDINGS
};

/* Why a token was not taken. */
enum token_no {
	TOKEN_NO_INVALID,
	TOKEN_NO_EXPIRED,	/* it was good: no guess */
	TOKEN_NO_UNFIT,		/* the provider's, but not for here: none either */
	TOKEN_NO_UNAVAILABLE,	/* the provider does not say; ask again */
	TOKEN_NOS
};

/* What a source says of a name and a password. */
enum source_said {
	SAID_NOTHING,		/* no answer */
	SAID_YES,
	SAID_WRONG,		/* it knows the name, not with this password */
	SAID_UNKNOWN,		/* it does not know the name */
	SAID_NO,		/* one of these two; it does not tell which */
	SAID_NOT_ASKED,		/* it is for other domains, or not its turn */
	SAIDS
};

/* The only signatures that keys makes. */
enum sign_as {
	SIGN_ECDSA_SHA256, SIGN_ECDSA_SHA384, SIGN_RSA_PSS_SHA256,
	SIGN_RSA_PSS_SHA384, SIGN_RSA_PSS_SHA512, SIGN_RSA_PKCS1_SHA256,
	SIGN_RSA_PKCS1_SHA384, SIGN_RSA_PKCS1_SHA512, SIGN_ED25519, SIGN_KINDS
};

/* Done, try again, never (RFC 5321 4.2.1). */
enum outcome { OUTCOME_DELIVERED, OUTCOME_DEFERRED, OUTCOME_FAILED, OUTCOMES };

enum deliver_flag {
	DELIVER_8BIT = 1, DELIVER_UTF8 = 2,
	DELIVER_REQUIRE_TLS = 4	/* RFC 8689: a verified next hop that announces
				   REQUIRETLS, or none */
};

#define TLS_KEY_LEN	80	/* name, HMAC and AES keys, as OpenSSL wants */
#define BINDING_MAX	64	/* bytes of one */
#define CLIENT_CERTS_MAX 8	/* of a client, */
#define CLIENT_CERTS_LEN 16384	/* in DER */
#define SOURCE_WHY_MAX	200	/* with its NUL */
#define SOURCE_PASSWORD_MAX 1024
#define TOKEN_MAX	8192	/* what RFC 4954's longest AUTH line can hold */
#define CTL_WINDOW	(256 * 1024)
/* An envelope of 1,000 recipients fits, each with NOTIFY and ORCPT. */
#define CTL_ARGS_MAX	3100
#define CTL_ARG_LEN_MAX	4096
#define CTL_SECRET_MAX	4096

/* The sentence where a filter fits no message. */
#define CTL_NOTHING	"No message is like that."

/* posternctl's exit codes. */
enum ctl_exit {
	CTL_OK,
	CTL_FAILED,		/* understood, could not be done */
	CTL_USAGE,		/* no such verb or argument */
	CTL_NOT_FOUND,		/* no such account, message, ... */
	CTL_NOT_RUNNING,	/* no daemon at the control socket */
	CTL_TEMPORARY,		/* try again */
	CTL_IN_PART		/* done, but not for each message */
};

#endif
