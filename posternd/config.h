/*
 * config: postern.conf as the parent holds it after reading. What belongs to
 * one child stands in that child's slice already; what several need, or only
 * the parent, stands on top. Nothing in here changes after config_load(): a
 * reload makes a new one.
 */
#ifndef POSTERND_CONFIG_H
#define POSTERND_CONFIG_H

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/ipc_msgs.h"

enum config_log { CONFIG_LOG_STDERR, CONFIG_LOG_SYSLOG, CONFIG_LOG_JOURNAL };

struct config_listen {			/* a "listen" section */
	char	*name;
	char	*address;		/* "" for all */
	uint32_t port;
	uint32_t tls;			/* enum config_listen_tls */
	struct conf_strs proxies;
	bool	 certificates;		/* clients are asked for theirs */
};

enum config_listen_tls { LISTEN_TLS_BY_PORT, LISTEN_TLS_STARTTLS,
    LISTEN_TLS_IMPLICIT, LISTEN_TLS_MAY, LISTEN_TLS_NONE };

struct config_device {			/* a "device" section */
	char	*name;
	struct conf_strs listeners;	/* names of "listen" sections */
	struct conf_strs addresses;
	char	*account, *sender, *cap;
	struct conf_strs recipients;
	uint32_t other_senders;		/* enum config_other_senders */
};

enum config_other_senders { OTHER_SENDERS_REWRITE, OTHER_SENDERS_REFUSE };

struct config_route {			/* a "route" section */
	char	*name;
	char	*next_hop;
	uint32_t tls;			/* enum config_route_tls */
	char	*user, *password_file, *ca_file;
	struct conf_strs senders;
	uint32_t connections, per_minute, messages, idle_sec;
	/* of what is not in the file, the queue section's counts */
	uint32_t retry_first_sec, retry_max_sec, expire_sec, warn_sec;
	bool	 loopback;
};

enum config_route_tls { ROUTE_BY_NEXT_HOP, ROUTE_NONE, ROUTE_MAY,
    ROUTE_STARTTLS };

struct config_source {			/* a "source" section */
	char	*name;
	uint32_t type;			/* enum config_source_type */
	uint32_t timeout_sec, connections;
	struct conf_strs domains, senders;
	char	*cap;
	char	*socket, *service;
	uint32_t login;			/* enum conf_source_login */
	char	*uri, *base, *filter, *dn, *bind_dn, *senders_attribute;
	char	*connect, *query;
	bool	 plaintext;
	char	*password_file, *ca_file;
	uint32_t tls;			/* 0: demanded, 1: none */
};

enum config_source_type { SOURCE_UNTYPED, SOURCE_IS_SASLAUTHD, SOURCE_IS_LDAP,
    SOURCE_IS_POSTGRESQL };

struct config_place {			/* where an option stands */
	char	*key;			/* "tls.key", "route direct.next-hop" */
	char	*file;
	uint32_t line;
};

struct config_user {
	char	*name;			/* as in the file: a name or a number */
	uint32_t uid, gid;
};

struct config {
	char	*file;			/* postern.conf's own path */
	char	*hostname, *state_dir, *control_socket, *program_dir;
	uint32_t workers, relays;
	bool	 sandbox;
	uint32_t log;			/* enum config_log */
	struct config_user users[ROLES]; /* of the children */
	char	*certificate, *key;	/* files */
	uint32_t max_sessions;		/* over all workers */
	char	*trust_anchor_file;
	uint32_t source;		/* of accounts, as it was once spelt */
	struct conf_strs source_names;	/* "local", then others in order */
	struct conf_list listens;	/* struct config_listen */
	struct conf_list devices;	/* struct config_device */
	struct conf_list routes;	/* struct config_route */
	struct conf_list sources;	/* struct config_source */
	struct conf_list places;	/* struct config_place */
	char	*jwks_file, *client_secret_file, *tokens_ca_file;
	char	*client_ca_file;

	struct smtpd_conf smtpd;
	struct auth_conf auth;
	struct keys_conf keys;
	struct queue_conf queue;
	struct relay_conf relay;
	struct fetch_conf fetch;
	struct source_conf source_slice;
};

/*
 * Reads, checks and completes. NULL when anything is wrong; problems then has
 * one line each, "FILE:LINE: what is wrong; what to do". Warnings are lines of
 * the same form and do not prevent anything. Both buffers are the caller's.
 */
struct config *config_load(const char *file, struct buf *problems,
	    struct buf *warnings);
void	 config_free(struct config **);
/* What a list of words holds. */
void	 config_free_strs(struct conf_strs *);

/* "file:line: text", or the text where the option is not set; the caller's. */
char	*config_sentence(const struct config *, const char *key,
	    const char *text);
/*
 * Adds a line to problems (or warnings). key names the option that it is
 * about, as in struct config_place; NULL for the whole file.
 */
void	 config_problem(struct buf *problems, const struct config *,
	    const char *key, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));
/* For messages: "route NAME.OPTION"; in one of four rotating buffers. */
const char *config_key(const char *section, const char *title,
	    const char *option);
/* Whether the file sets it, and does not leave it to the default. */
bool	 config_sets(const struct config *, const char *key);

#endif
