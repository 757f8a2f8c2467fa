/*
 * conf: each child's slice of the configuration. The parent fills these from
 * postern.conf and sends them; children never see the file. One descriptor
 * table per struct serves sending, receiving and freeing, so that the two ends
 * cannot disagree. All pointers in a slice belong to it.
 */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ipc.h"

struct conf_bytes {
	uint8_t	*v;
	size_t	 n;
};

struct conf_strs {
	char	**v;
	size_t	 n;
};

struct conf_list {		/* of one of the structs below */
	void	*v;
	size_t	 n;
};

/* The i-th element of a conf_list of type t. */
#define CONF_AT(list, t, i) ((t *)(list).v + (i))

/* --- the descriptors --------------------------------------------------------- */

enum conf_kind {
	CONF_BOOL, CONF_U32, CONF_U64, CONF_STR, CONF_SECRET, CONF_BYTES,
	CONF_STRS, CONF_LIST, CONF_END
};

struct conf_field {
	enum conf_kind kind;
	size_t	 offset;
	const struct conf_field *of;	/* of the elements of a CONF_LIST */
	size_t	 size;			/* of one element */
};

/* Puts all fields into the message being built (lib/ipc.h). */
void	 conf_put(const struct conf_field *, const void *slice);
/* Fills a zeroed slice; -1 when it does not fit, the slice is then cleared. */
int	 conf_get(struct ipc_in *, const struct conf_field *, void *slice);
/* Frees what the slice holds (secrets are wiped) and zeroes it. */
void	 conf_clear(const struct conf_field *, size_t size, void *slice);

/* --- what several share ------------------------------------------------------- */

/*
 * A "device" section: who may send without a login, known by its address. auth
 * answers for it, queue holds it to its sender and recipients.
 */
struct conf_lane {
	char	*name;
	struct conf_strs listeners;	/* their full names */
	struct conf_strs addresses;	/* single ones, as net_text() has them */
	char	*account, *sender;
	char	*cap;			/* beside the account's, or "" */
	struct conf_strs recipients;	/* patterns, "a@b" or "@b" */
	bool	 rewrite;		/* other senders become this one */
};

/* --- smtpd --------------------------------------------------------------------- */

enum conf_tls {
	CONF_TLS_STARTTLS, CONF_TLS_IMPLICIT,
	CONF_TLS_MAY, CONF_TLS_NONE	/* for devices only */
};

struct conf_listener {
	char	*name;
	uint32_t tls;			/* enum conf_tls */
	bool	 certificates;		/* clients are asked for theirs */
	struct conf_strs proxies;	/* lib/net.h: they speak lib/proxy.h first,
					   and nobody else may come; or none */
	struct conf_strs devices;	/* addresses: a lane, they alone may
					   come, and nobody logs in; or none */
};

struct conf_cert {			/* index here = certificate index at keys */
	char	*file;			/* for messages only */
	char	*chain_pem;
};

struct smtpd_conf {
	char	*hostname;
	struct conf_list listeners;	/* struct conf_listener */
	struct conf_list certs;		/* struct conf_cert */
	struct conf_strs mechanisms;	/* SASL names, as announced */
	uint64_t max_message_bytes;
	uint32_t max_recipients;	/* per message, <= 1000 */
	uint32_t max_header_bytes;
	uint32_t max_errors;		/* refused commands per session */
	uint32_t max_sessions;		/* in this worker */
	uint32_t max_sessions_per_address; /* in this worker */
	uint32_t max_hops;		/* Received fields, loop limit */
	uint32_t greeting_sec;		/* until logged in, in total */
	uint32_t command_sec;		/* idle, waiting for a command */
	uint32_t data_sec;		/* idle inside a message */
	uint32_t message_sec;		/* a whole message */
	uint32_t session_sec;		/* a whole session */
	uint32_t min_by_sec;		/* least by-time to return by, 0: any */
	bool	 received_client;	/* Received names client address and EHLO */
	bool	 received_account;	/* Received names the account */
};

/* --- auth ------------------------------------------------------------------------ */

struct auth_conf {
	char	*state_dir;		/* its own directory, made by the parent */
	char	*hostname;
	struct conf_strs mechanisms;
	struct conf_bytes ticket_key;	/* lib/ticket.h */
	uint32_t ticket_sec;		/* life of a ticket: the longest session */
	uint32_t workers;		/* threads */
	uint32_t iterations;		/* of new SCRAM verifiers, 4096..65536 */
	uint32_t cache_sec;		/* of successful PLAIN logins; 0: none */
	struct conf_strs caps;		/* their names, for new accounts */
	struct conf_list lanes;		/* struct conf_lane */
	uint32_t lock_after;		/* different failures; 0: never */
	uint32_t lock_sec;		/* the first time; then twice as long */
	char	*token_issuer;		/* for clients that ask, or "" */
	char	*token_scope;		/* the same */
	uint32_t token_sec;		/* fetch answers within */
	struct conf_list grants;	/* struct conf_grant, one per source */
	uint32_t source_sec;		/* all sources have answered by then */
	char	*plus;			/* "a" may send as "a+b" where this is
					   "+"; "" for nowhere */
	struct conf_list groups;	/* struct conf_group */
	char	*client_ca_file;	/* for messages only; "": none */
	char	*client_ca_pem;		/* certificates, perhaps CRLs */
};

/* A "group" section: what its members may send as, and their cap. */
struct conf_group {
	char	*name;
	struct conf_strs members;	/* names of accounts, or "@domain" */
	struct conf_strs senders;	/* patterns, "a@b" or "@b" */
	char	*cap;			/* for those without one, or "" */
};

/* What those get whom a source beside our own accounts lets in. */
struct conf_grant {
	char	*source;		/* its name */
	char	*cap;
	struct conf_strs senders;	/* patterns; %u, %n and %d as in a filter */
	bool	 more_senders;		/* the source may name addresses */
};

/* --- keys ------------------------------------------------------------------------ */

struct conf_key {
	char	*file, *cert_file;	/* for messages only */
	struct conf_bytes pem;		/* wiped */
	char	*chain_pem;		/* the certificate it belongs to, or "" */
};

struct keys_conf {
	char	*hostname;		/* that certificates should name */
	struct conf_list keys;		/* struct conf_key, one per certificate */
};

/* --- queue ----------------------------------------------------------------------- */

enum conf_limit_what {
	LIMIT_MESSAGES, LIMIT_RECIPIENTS, LIMIT_NEW_RECIPIENTS, LIMIT_BYTES,
	LIMIT_FAILURES, LIMIT_KINDS
};

struct conf_limit {
	uint32_t what;			/* enum conf_limit_what */
	uint64_t count;
	uint32_t window_sec;
};

enum conf_over { OVER_DEFER, OVER_HOLD };

struct conf_cap {
	char	*name;
	struct conf_list limits;	/* struct conf_limit */
	uint32_t recipients_per_message; /* 0: only smtpd's limit */
	uint32_t max_priority;		/* MT-PRIORITY that may be asked for */
	uint32_t over;			/* enum conf_over */
};

/* What the queue must know of a route: who may use it and how to group. */
struct conf_queue_route {
	char	*name;
	bool	 by_domain;		/* direct to MX: one next hop per domain */
	struct conf_strs senders;	/* "a@b", "@b"; none: anybody */
	uint32_t connections;		/* at once to one next hop */
	uint32_t per_minute;		/* attempts on all its hops; 0: no limit */
	uint32_t retry_first_sec, retry_max_sec, expire_sec;
	uint32_t warn_sec;		/* of delay; 0: never */
};

struct queue_conf {
	char	*state_dir;
	char	*hostname;
	char	*postmaster;		/* From of bounces */
	struct conf_bytes ticket_key;
	struct conf_list caps;		/* struct conf_cap; "default" exists */
	struct conf_list routes;	/* struct conf_queue_route, first match */
	struct conf_list lanes;		/* struct conf_lane */
	uint32_t retry_first_sec;	/* of mail that no route is for */
	uint32_t retry_max_sec;
	uint32_t expire_sec;
	uint32_t warn_sec;		/* of delay; 0: never */
	uint64_t min_free_bytes;	/* below: 452 4.3.1 */
	uint64_t max_message_bytes;
	uint32_t segment_bytes;		/* of the journal */
	uint32_t cache_bytes;		/* of Berkeley DB */
};

/* --- relay ------------------------------------------------------------------------- */

enum conf_route_tls {
	ROUTE_TLS_NONE,			/* asked for by name; warns */
	ROUTE_TLS_MAY,			/* opportunistic STARTTLS */
	ROUTE_TLS_STARTTLS,		/* demanded, certificate verified */
	ROUTE_TLS_IMPLICIT		/* demanded, certificate verified */
};

struct conf_relay_route {
	char	*name;
	bool	 mx;			/* look up the domain's MX */
	bool	 loopback;		/* also those that are this machine; warns */
	char	*host;			/* the smarthost, else "" */
	uint32_t port;
	uint32_t tls;			/* enum conf_route_tls */
	char	*ca_pem;		/* "" for the system's */
	char	*user;			/* "" for no AUTH */
	char	*password;		/* wiped */
	uint32_t connections;		/* at once to one next hop */
	uint32_t messages;		/* per connection */
	uint32_t idle_sec;		/* an unused connection is kept */
};

struct relay_conf {
	char	*hostname;
	struct conf_list routes;	/* struct conf_relay_route */
	struct conf_strs resolvers;	/* "addr" or "addr@port"; none: system's */
	char	*trust_anchor;		/* DNSSEC root key, DS or DNSKEY text, or "" */
	char	*source_address;	/* to send from, or "" */
	uint32_t connect_sec;
	uint32_t command_sec;
	uint32_t data_sec;
};

/* --- source ------------------------------------------------------------------------ */

enum conf_source_type { SOURCE_SASLAUTHD, SOURCE_LDAP, SOURCE_POSTGRESQL };
enum conf_source_login {
	SOURCE_LOGIN_WHOLE,		/* alice@example.org */
	SOURCE_LOGIN_LOCAL,		/* alice */
	SOURCE_LOGIN_SPLIT		/* alice, and the domain as a realm */
};

/*
 * In texts %u stands for the whole name, %n for what is before the last @, %d
 * for what is behind it. What is of another type is "" or 0.
 */
struct conf_source {
	char	*name;
	uint32_t type;			/* enum conf_source_type */
	uint32_t timeout_sec;		/* of one question */
	uint32_t connections;		/* questions under way */
	struct conf_strs domains;	/* asked for these alone; none: for all */
	char	*socket, *service;	/* saslauthd */
	uint32_t login;			/* enum conf_source_login */
	char	*uri, *base, *filter;	/* LDAP */
	char	*dn;			/* to bind as, without a search, or "" */
	char	*bind_dn;		/* to search as, or "" */
	char	*senders_attribute;	/* or "" */
	char	*connect, *query;	/* PostgreSQL */
	bool	 plaintext;		/* passwords may be stored as they are */
	char	*password;		/* our own, or ""; wiped */
	char	*ca_pem;		/* "" for the system's */
	bool	 clear;			/* TLS is not asked for */
};

struct source_conf {
	struct conf_list sources;	/* struct conf_source, in order */
};

/* --- fetch ------------------------------------------------------------------------ */

/*
 * How tokens are judged: by asking the introspection endpoint where there is
 * one, else by the keys in jwks, else by those that the issuer publishes.
 */
struct fetch_conf {
	char	*issuer;		/* "" only with introspection */
	struct conf_strs audience;	/* one of these */
	char	*account_claim;
	char	*scope;			/* or "" */
	char	*jwks;			/* a JWK set, or "" */
	char	*introspection;		/* https:// or "" */
	char	*client_id, *client_secret;
	char	*ca_pem;		/* "" for the system's */
	uint32_t timeout_sec;
};

extern const struct conf_field smtpd_conf_fields[], auth_conf_fields[],
    keys_conf_fields[], queue_conf_fields[], relay_conf_fields[], fetch_conf_fields[],
    source_conf_fields[];

#endif
