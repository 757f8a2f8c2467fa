#include "lib/prelude.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <sched.h>

#include "lib/addr.h"
#include "lib/net.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternd/devices.h"
#include "posternd/listeners.h"
#include "posternd/slices.h"
#include "posternd/verify.h"

#define WORKERS_MAX 64

static struct buf *faults, *doubts;

#define FAULT(key, ...) config_problem(faults, cfg, (key), __VA_ARGS__)
#define DOUBT(key, ...) config_problem(doubts, cfg, (key), __VA_ARGS__)

/* --- the machine ------------------------------------------------------------------ */

/*
 * A session costs the other processes as much as its worker: one worker for two
 * processors has both busy, and more of them share each turn of queue's less.
 */
static uint32_t
usual_workers(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == -1 ? 1 :
	    (CPU_COUNT(&set) + 1) / 2;

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (uint32_t)n;
}

static void
verify_hostname(struct config *cfg)
{
	char name[256];

	if (*cfg->hostname == '\0') {
		if (gethostname(name, sizeof(name)) == -1)
			name[0] = '\0';
		name[sizeof(name) - 1] = '\0';
		free(cfg->hostname);
		cfg->hostname = xstrdup(name);
		if (strchr(name, '.') == NULL)
			DOUBT("hostname", "this machine's name, \"%s\", has no "
			    "domain; set hostname to its public DNS name",
			    name);
	}
	if (!addr_is_domain(cfg->hostname, strlen(cfg->hostname), 0))
		FAULT("hostname", "\"%s\" is not a host name; set hostname to "
		    "this server's public DNS name", cfg->hostname);
}

static void
verify_path(const struct config *cfg, const char *option, const char *path)
{
	if (*path != '/')
		FAULT(option, "\"%s\" should begin with a /, not be \"%s\"",
		    option, path);
}

/* --- users --------------------------------------------------------------------------- */

static bool
look_up(struct config_user *u)
{
	const struct passwd *pw;
	uint64_t n;

	if (num_parse(u->name, strlen(u->name), 0, UINT32_MAX - 1, &n) == 0) {
		u->uid = u->gid = (uint32_t)n;
		return true;
	}
	pw = getpwnam(u->name);
	if (pw == NULL)
		return false;
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return true;
}

static void
verify_users(struct config *cfg)
{
	enum role r, s;

	for (r = ROLE_SMTPD; r < ROLE_CTL; r++) {
		struct config_user *u = &cfg->users[r];
		const char *key = config_key("users", NULL,
		    slices_role_name(r));

		if (!slices_wanted(cfg, r))
			continue;
		if (!look_up(u)) {
			FAULT(key, "there is no user \"%s\"; run "
			    "systemd-sysusers after make install, or name "
			    "another in users { %s = ... }", u->name,
			    slices_role_name(r));
			continue;
		}
		if (u->uid == 0 || u->gid == 0)
			FAULT(key, "\"%s\" is root; postern-%s must run as a "
			    "user of its own", u->name, slices_role_name(r));
		for (s = ROLE_SMTPD; s < r; s++)
			if (slices_wanted(cfg, s) &&
			    cfg->users[s].uid == u->uid)
				DOUBT(key, "postern-%s and postern-%s run as "
				    "the same user and could touch each "
				    "other's files", slices_role_name(s),
				    slices_role_name(r));
	}
}

/* --- listeners ------------------------------------------------------------------------ */

static bool
same_port(const struct config_listen *a, const struct config_listen *b)
{
	return a->port == b->port && (strcmp(a->address, b->address) == 0 ||
	    *a->address == '\0' || *b->address == '\0');
}

static void
verify_listen(struct config *cfg, size_t i)
{
	struct config_listen *l = CONF_AT(cfg->listens, struct config_listen,
	    i);
	char names[LISTENER_ADDRESSES_MAX][LISTENER_NAME_LEN];
	struct net net;
	size_t j, n;

	if (l->port == 0) {
		FAULT(config_key("listen", l->name, "tls"), "listen %s needs a "
		    "port: 465 for TLS from the start, 587 for STARTTLS",
		    l->name);
		return;
	}
	if (!listeners_names(l, &n, names))
		FAULT(config_key("listen", l->name, "address"), "\"%s\" is not "
		    "an IPv4 or IPv6 address; leave it out to listen on all",
		    l->address);
	for (j = 0; j < l->proxies.n; j++)
		if (!net_parse(l->proxies.v[j], &net))
			FAULT(config_key("listen", l->name, "proxy"), "\"%s\" "
			    "is neither an address nor a network; write "
			    "\"10.0.0.1\" or \"10.0.0.0/24\"",
			    l->proxies.v[j]);
	if (l->tls == LISTEN_TLS_BY_PORT)
		l->tls = l->port == 465 ? LISTEN_TLS_IMPLICIT :
		    LISTEN_TLS_STARTTLS;
	if (l->port == 25)
		DOUBT(config_key("listen", l->name, "port"), "port 25 is for "
		    "mail from strangers, which Postern does not take; "
		    "submission is 465 and 587");
	for (j = 0; j < i; j++) {
		const struct config_listen *k = CONF_AT(cfg->listens,
		    struct config_listen, j);

		if (same_port(k, l))
			FAULT(config_key("listen", l->name, "port"), "listen "
			    "%s and listen %s have the same address and port",
			    k->name, l->name);
	}
}

static void
verify_listens(struct config *cfg)
{
	bool asked = false;
	size_t i;

	if (cfg->listens.n == 0)
		FAULT(NULL, "nothing is listened on; add: listen submissions "
		    "{ port = 465 }");
	for (i = 0; i < cfg->listens.n; i++) {
		verify_listen(cfg, i);
		asked |= CONF_AT(cfg->listens, struct config_listen, i)
		    ->certificates;
	}
	if (*cfg->client_ca_file != '\0' && !asked)
		FAULT("accounts.client-ca-file", "no client is asked for a "
		    "certificate; write client-certificates = on in a listen "
		    "section");
}

/* --- routes ------------------------------------------------------------------------------ */

static void
verify_route_tls(struct config *cfg, const struct config_route *r,
    const struct next_hop *nh)
{
	const char *key = config_key("route", r->name, "tls");

	if (nh->implicit_tls && r->tls != ROUTE_BY_NEXT_HOP)
		FAULT(key, "smtps:// is TLS from the start; leave tls out");
	if (r->tls == ROUTE_NONE && !net_stays_here(nh->host))
		DOUBT(key, "route %s sends mail%s in the clear, for anybody on "
		    "the way to read", r->name, *r->user != '\0' ?
		    " and its password" : "");
	if (r->tls == ROUTE_MAY && *r->user != '\0')
		FAULT(key, "route %s has a password, which goes only to a "
		    "server that has proved who it is; leave tls out",
		    r->name);
}

/* A route has the queue section's times where it names none. */
static void
verify_route_times(struct config *cfg, const struct config_route *r)
{
	uint32_t first = r->retry_first_sec, max = r->retry_max_sec;

	if ((first > 0 || max > 0) &&
	    (first > 0 ? first : cfg->queue.retry_first_sec) >
	    (max > 0 ? max : cfg->queue.retry_max_sec))
		FAULT(config_key("route", r->name, first > 0 ? "retry-first" :
		    "retry-max"), "retry-first is longer than retry-max%s",
		    first > 0 && max > 0 ? "" : " of the queue section; set "
		    "both for the route");
}

static void
verify_route(struct config *cfg, const struct config_route *r)
{
	const char *key = config_key("route", r->name, "next-hop"), *why;
	const char *fault;
	struct next_hop nh;
	size_t i;

	if (*r->next_hop == '\0') {
		FAULT(config_key("route", r->name, "senders"), "route %s needs "
		    "a next-hop: \"mx\", or \"smtps://HOST\"", r->name);
		return;
	}
	why = verify_next_hop(r->next_hop, &nh);
	if (why != NULL) {
		FAULT(key, "\"%s\" is no next hop: %s", r->next_hop, why);
		return;
	}
	if (!nh.mx && !nh.implicit_tls && nh.port == 465)
		DOUBT(key, "port 465 is for TLS from the start; write "
		    "\"smtps://%s\", or leave the port out for STARTTLS on 587",
		    nh.host);
	if (nh.mx && (*r->user != '\0' || *r->ca_file != '\0'))
		FAULT(config_key("route", r->name, "user"), "route %s goes to "
		    "many servers, none of which knows its user or ca-file; "
		    "remove them or name one next-hop", r->name);
	if ((*r->user == '\0') != (*r->password_file == '\0'))
		FAULT(config_key("route", r->name, *r->user == '\0' ?
		    "password-file" : "user"), "route %s has %s without %s",
		    r->name, *r->user == '\0' ? "a password-file" : "a user",
		    *r->user == '\0' ? "a user" : "a password-file");
	verify_route_times(cfg, r);
	verify_route_tls(cfg, r, &nh);
	for (i = 0; i < r->senders.n; i++)
		if ((fault = verify_pattern(r->senders.v[i])) != NULL)
			FAULT(config_key("route", r->name, "senders"),
			    "\"%s\" %s", r->senders.v[i], fault);
}

static void
verify_routes(struct config *cfg)
{
	bool everybody = false;
	size_t i;

	if (cfg->routes.n == 0)
		FAULT(NULL, "there is no way out; add: route direct { next-hop "
		    "= \"mx\" }");
	for (i = 0; i < cfg->routes.n; i++) {
		const struct config_route *r = CONF_AT(cfg->routes,
		    struct config_route, i);

		if (everybody)
			DOUBT(config_key("route", r->name, "next-hop"), "route "
			    "%s is used by posternctl queue redirect alone: a "
			    "route above takes everybody", r->name);
		if (r->loopback)
			DOUBT(config_key("route", r->name, "loopback"), "who "
			    "writes DNS can have route %s talk to services of "
			    "this machine", r->name);
		everybody = everybody || r->senders.n == 0;
		verify_route(cfg, r);
	}
	if (cfg->routes.n > 0 && !everybody)
		DOUBT(NULL, "each route has senders, and mail of all others is "
		    "taken, waits and goes back in the end; add one without "
		    "as the last, as: route others { next-hop = \"mx\" }");
}

/* --- the rest ------------------------------------------------------------------------------- */

static void
verify_resolver(struct config *cfg, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "@");
	uint64_t port;

	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	if (len < sizeof(host) && verify_is_address(host) && (text[len] == '\0' ||
	    num_parse(text + len + 1, strlen(text + len + 1), 1, 65535, &port)
	    == 0))
		return;
	FAULT("dns.resolvers", "\"%s\" is no resolver; write \"ADDRESS\" or "
	    "\"ADDRESS@PORT\"", text);
}

static void
verify_queue(struct config *cfg)
{
	const char *why;

	if (*cfg->queue.postmaster == '\0') {
		free(cfg->queue.postmaster);
		cfg->queue.postmaster = xasprintf("postmaster@%s",
		    cfg->hostname);
	}
	why = addr_parse(cfg->queue.postmaster, strlen(cfg->queue.postmaster),
	    ADDR_UTF8, NULL);
	if (why != NULL)
		FAULT("queue.postmaster", "\"%s\" is no address: %s",
		    cfg->queue.postmaster, why);
	if (cfg->queue.retry_first_sec > cfg->queue.retry_max_sec)
		FAULT("queue.retry-first", "retry-first is longer than "
		    "retry-max");
}

static void
verify_times(struct config *cfg)
{
	const struct smtpd_conf *s = &cfg->smtpd;

	if (s->command_sec > s->session_sec || s->message_sec > s->session_sec
	    || s->greeting_sec > s->session_sec)
		DOUBT("limits.session-time", "session-time is shorter than "
		    "another time in limits, which it cuts short");
	if (cfg->smtpd.max_header_bytes > cfg->smtpd.max_message_bytes)
		FAULT("limits.header-size", "header-size is larger than "
		    "message-size");
}

int
verify(struct config *cfg, struct buf *problems, struct buf *warnings)
{
	size_t i, before = problems->len;

	faults = problems;
	doubts = warnings;
	if (cfg->workers == 0)
		cfg->workers = usual_workers();
	verify_hostname(cfg);
	verify_path(cfg, "state-dir", cfg->state_dir);
	verify_path(cfg, "control-socket", cfg->control_socket);
	verify_path(cfg, "program-dir", cfg->program_dir);
	verify_users(cfg);
	verify_listens(cfg);
	devices_verify(cfg, problems, warnings);
	verify_groups(cfg, problems, warnings);
	verify_routes(cfg);
	verify_mechanisms(cfg, problems, warnings);
	verify_tokens(cfg, problems, warnings);
	verify_sources(cfg, problems, warnings);
	for (i = 0; i < cfg->relay.resolvers.n; i++)
		verify_resolver(cfg, cfg->relay.resolvers.v[i]);
	verify_queue(cfg);
	verify_times(cfg);
	if (!cfg->sandbox)
		DOUBT("sandbox", "the sandbox is off: processes are confined "
		    "by user and root directory only");
	return problems->len == before ? 0 : -1;
}
