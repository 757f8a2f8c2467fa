/* Every option there is. postern.conf(5) says what they mean. */
#include "lib/prelude.h"

#include "lib/ticket.h"
#include "posternd/settings_private.h"

#define DAY		86400u

#define C(member) offsetof(struct config, member)
#define LI(member) offsetof(struct config_listen, member)
#define DE(member) offsetof(struct config_device, member)
#define RO(member) offsetof(struct config_route, member)
#define CA(member) offsetof(struct conf_cap, member)
#define SO(member) offsetof(struct config_source, member)

const struct setting settings[] = {
	{ "", "hostname", SET_STR, NULL, 1, 255, NULL, C(hostname) },
	{ "", "state-dir", SET_STR, POSTERN_STATEDIR, 2, 1024, NULL,
	    C(state_dir) },
	{ "", "control-socket", SET_STR, POSTERN_RUNDIR "/control", 2, 107,
	    NULL, C(control_socket) },
	{ "", "program-dir", SET_STR, POSTERN_DAEMONDIR, 1, 1024, NULL,
	    C(program_dir) },
	{ "", "workers", SET_NUM, NULL, 1, 64, NULL, C(workers) },
	{ "", "relays", SET_NUM, "1", 1, 16, NULL, C(relays) },
	{ "", "sandbox", SET_BOOL, "on", 0, 0, NULL, C(sandbox) },
	{ "", "log", SET_WORD, "stderr", 0, 0, "stderr syslog journal",
	    C(log) },

	{ "users", "smtpd", SET_STR, "postern-smtpd", 1, 32, NULL,
	    C(users[ROLE_SMTPD].name) },
	{ "users", "auth", SET_STR, "postern-auth", 1, 32, NULL,
	    C(users[ROLE_AUTH].name) },
	{ "users", "keys", SET_STR, "postern-keys", 1, 32, NULL,
	    C(users[ROLE_KEYS].name) },
	{ "users", "queue", SET_STR, "postern-queue", 1, 32, NULL,
	    C(users[ROLE_QUEUE].name) },
	{ "users", "relay", SET_STR, "postern-relay", 1, 32, NULL,
	    C(users[ROLE_RELAY].name) },
	{ "users", "source", SET_STR, "postern-source", 1, 32, NULL,
	    C(users[ROLE_SOURCE].name) },

	{ "tls", "certificate", SET_STR, NULL, 1, 1024, NULL,
	    C(certificate) },
	{ "tls", "key", SET_STR, NULL, 1, 1024, NULL, C(key) },

	{ "listen", "address", SET_STR, NULL, 0, 64, NULL, LI(address) },
	{ "listen", "port", SET_NUM, NULL, 1, 65535, NULL, LI(port) },
	{ "listen", "tls", SET_WORD, NULL, 0, 0, " starttls implicit may none",
	    LI(tls) },
	{ "listen", "proxy", SET_STRS, NULL, 1, 64, NULL, LI(proxies) },

	{ "device", "listeners", SET_STRS, NULL, 1, 64, NULL, DE(listeners) },
	{ "device", "addresses", SET_STRS, NULL, 1, 64, NULL, DE(addresses) },
	{ "device", "account", SET_STR, NULL, 1, ACCOUNT_MAX, NULL,
	    DE(account) },
	{ "device", "sender", SET_STR, NULL, 1, 254, NULL, DE(sender) },
	{ "device", "recipients", SET_STRS, NULL, 1, 255, NULL,
	    DE(recipients) },
	{ "device", "cap", SET_STR, NULL, 1, CAP_NAME_MAX, NULL, DE(cap) },
	{ "device", "other-senders", SET_WORD, "rewrite", 0, 0,
	    "rewrite refuse", DE(other_senders) },

	{ "accounts", "source", SET_WORD, "local", 0, 0, "local", C(source) },
	{ "accounts", "sources", SET_STRS, "local", 1, 64, NULL,
	    C(source_names) },
	{ "accounts", "mechanisms", SET_STRS, "SCRAM-SHA-256,PLAIN,LOGIN",
	    1, 64, NULL, C(smtpd.mechanisms) },
	{ "accounts", "iterations", SET_NUM, "4096", 4096, 65536, NULL,
	    C(auth.iterations) },
	{ "accounts", "lock-after", SET_NUM, "10", 0, 16, NULL,
	    C(auth.lock_after) },
	{ "accounts", "lock-time", SET_TIME, "15m", 1, DAY, NULL,
	    C(auth.lock_sec) },

	{ "source", "type", SET_WORD, NULL, 0, 0,
	    " saslauthd ldap postgresql", SO(type) },
	{ "source", "timeout", SET_TIME, "5s", 1, 60, NULL,
	    SO(timeout_sec) },
	{ "source", "connections", SET_NUM, "4", 1, 32, NULL,
	    SO(connections) },
	{ "source", "domains", SET_STRS, NULL, 1, 255, NULL, SO(domains) },
	{ "source", "cap", SET_STR, "default", 1, 64, NULL, SO(cap) },
	{ "source", "senders", SET_STRS, NULL, 1, 255, NULL, SO(senders) },
	{ "source", "socket", SET_STR, NULL, 1, 107, NULL, SO(socket) },
	{ "source", "service", SET_STR, NULL, 1, 64, NULL, SO(service) },
	{ "source", "login", SET_WORD, "whole", 0, 0, "whole local split",
	    SO(login) },
	{ "source", "uri", SET_STR, NULL, 1, 1024, NULL, SO(uri) },
	{ "source", "base", SET_STR, NULL, 0, 1024, NULL, SO(base) },
	{ "source", "filter", SET_STR, NULL, 1, 1024, NULL, SO(filter) },
	{ "source", "dn", SET_STR, NULL, 1, 1024, NULL, SO(dn) },
	{ "source", "bind-dn", SET_STR, NULL, 1, 1024, NULL, SO(bind_dn) },
	{ "source", "senders-attribute", SET_STR, NULL, 1, 64, NULL,
	    SO(senders_attribute) },
	{ "source", "connect", SET_STR, NULL, 1, 1024, NULL, SO(connect) },
	{ "source", "query", SET_STR, NULL, 1, 2048, NULL, SO(query) },
	{ "source", "plaintext", SET_BOOL, "off", 0, 0, NULL,
	    SO(plaintext) },
	{ "source", "password-file", SET_STR, NULL, 1, 1024, NULL,
	    SO(password_file) },
	{ "source", "ca-file", SET_STR, NULL, 1, 1024, NULL, SO(ca_file) },
	{ "source", "tls", SET_WORD, NULL, 0, 0, " none", SO(tls) },

	{ "limits", "message-size", SET_SIZE64, "50M", 64 << 10, 1 << 30,
	    NULL, C(smtpd.max_message_bytes) },
	{ "limits", "recipients", SET_NUM, "1000", 1, 1000, NULL,
	    C(smtpd.max_recipients) },
	{ "limits", "header-size", SET_SIZE, "256K", 4 << 10, 4 << 20, NULL,
	    C(smtpd.max_header_bytes) },
	{ "limits", "errors", SET_NUM, "10", 1, 1000, NULL,
	    C(smtpd.max_errors) },
	{ "limits", "sessions", SET_NUM, "4000", 1, 1000000, NULL,
	    C(max_sessions) },
	{ "limits", "sessions-per-address", SET_NUM, "50", 1, 1000000, NULL,
	    C(smtpd.max_sessions_per_address) },
	{ "limits", "hops", SET_NUM, "50", 2, 1000, NULL, C(smtpd.max_hops) },
	{ "limits", "greeting-time", SET_TIME, "1m", 1, DAY, NULL,
	    C(smtpd.greeting_sec) },
	{ "limits", "command-time", SET_TIME, "5m", 1, DAY, NULL,
	    C(smtpd.command_sec) },
	{ "limits", "data-time", SET_TIME, "3m", 1, DAY, NULL,
	    C(smtpd.data_sec) },
	{ "limits", "message-time", SET_TIME, "1h", 1, DAY, NULL,
	    C(smtpd.message_sec) },
	{ "limits", "session-time", SET_TIME, "4h", 1, 7 * DAY, NULL,
	    C(smtpd.session_sec) },

	{ "received", "client", SET_BOOL, "off", 0, 0, NULL,
	    C(smtpd.received_client) },
	{ "received", "account", SET_BOOL, "off", 0, 0, NULL,
	    C(smtpd.received_account) },

	{ "cap", "messages", SET_LIMITS, "30/1m", LIMIT_MESSAGES, 0, NULL,
	    CA(limits) },
	{ "cap", "recipients", SET_LIMITS, "200/1h,500/1d", LIMIT_RECIPIENTS,
	    0, NULL, CA(limits) },
	{ "cap", "bytes", SET_LIMITS, "1G/1d", LIMIT_BYTES, 0, NULL,
	    CA(limits) },
	{ "cap", "recipients-per-message", SET_NUM, "100", 1, 1000, NULL,
	    CA(recipients_per_message) },
	{ "cap", "over", SET_WORD, "defer", 0, 0, "defer", CA(over) },

	{ "queue", "postmaster", SET_STR, NULL, 1, 254, NULL,
	    C(queue.postmaster) },
	{ "queue", "retry-first", SET_TIME, "5m", 1, DAY, NULL,
	    C(queue.retry_first_sec) },
	{ "queue", "retry-max", SET_TIME, "4h", 1, 7 * DAY, NULL,
	    C(queue.retry_max_sec) },
	{ "queue", "expire", SET_TIME, "5d", 1, 60 * DAY, NULL,
	    C(queue.expire_sec) },
	{ "queue", "warn", SET_TIME, "4h", 0, 60 * DAY, NULL,
	    C(queue.warn_sec) },
	{ "queue", "min-free", SET_SIZE64, "100M", 0, 1ull << 50, NULL,
	    C(queue.min_free_bytes) },
	{ "queue", "segment", SET_SIZE, "32M", 8 << 20, 1 << 30, NULL,
	    C(queue.segment_bytes) },
	{ "queue", "cache", SET_SIZE, "16M", 1 << 20, 1 << 30, NULL,
	    C(queue.cache_bytes) },

	{ "dns", "resolvers", SET_STRS, NULL, 1, 80, NULL,
	    C(relay.resolvers) },
	{ "dns", "trust-anchor", SET_STR, NULL, 0, 1024, NULL,
	    C(trust_anchor_file) },

	{ "route", "next-hop", SET_STR, NULL, 1, 300, NULL, RO(next_hop) },
	{ "route", "tls", SET_WORD, NULL, 0, 0, " none may starttls",
	    RO(tls) },
	{ "route", "user", SET_STR, NULL, 0, 255, NULL, RO(user) },
	{ "route", "password-file", SET_STR, NULL, 0, 1024, NULL,
	    RO(password_file) },
	{ "route", "ca-file", SET_STR, NULL, 0, 1024, NULL, RO(ca_file) },
	{ "route", "senders", SET_STRS, NULL, 1, 255, NULL, RO(senders) },
	{ "route", "connections", SET_NUM, "10", 1, 1000, NULL,
	    RO(connections) },
	{ "route", "per-minute", SET_NUM, "0", 0, 1000000, NULL,
	    RO(per_minute) },
	{ "route", "messages", SET_NUM, "100", 1, 100000, NULL,
	    RO(messages) },
	{ "route", "idle-time", SET_TIME, "20s", 0, 3600, NULL,
	    RO(idle_sec) },
};

const struct section sections[SECTIONS] = {
	{ "users", 0, 0 },
	{ "tls", 0, 0 },
	{ "listen", C(listens), sizeof(struct config_listen) },
	{ "device", C(devices), sizeof(struct config_device) },
	{ "accounts", 0, 0 },
	{ "source", C(sources), sizeof(struct config_source) },
	{ "limits", 0, 0 },
	{ "received", 0, 0 },
	{ "cap", C(queue.caps), sizeof(struct conf_cap) },
	{ "queue", 0, 0 },
	{ "dns", 0, 0 },
	{ "route", C(routes), sizeof(struct config_route) },
};

const size_t settings_n = nitems(settings);

const struct setting *
settings_all(size_t *n)
{
	*n = nitems(settings);
	return settings;
}
