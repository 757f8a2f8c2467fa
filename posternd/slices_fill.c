/* What is in no file of the configuration, but in those that it names. */
#include "lib/prelude.h"

#include <sys/random.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "posternd/devices.h"
#include "posternd/listeners.h"
#include "posternd/settings.h"
#include "posternd/slices.h"
#include "posternd/verify.h"

#define CHAIN_MAX	(64 * 1024)
#define KEY_MAX		(32 * 1024)
#define JWKS_MAX	(128 * 1024)
#define CA_MAX		(128 * 1024)	/* a few private roots */
#define PASSWORD_MAX	1024
#define TICKET_KEY	32
#define SASL_CACHE_SEC	60
#define CONNECT_SEC	30
#define COMMAND_SEC	300		/* RFC 5321 4.5.3.2 */
#define DATA_SEC	600		/* RFC 5321 4.5.3.2.6 */
#define AUTH_THREADS	4
#define SOURCE_SLACK_SEC 2		/* for the way there and back */

/* --- files -------------------------------------------------------------------------- */

static void *
add(struct conf_list *l, size_t size)
{
	void *at;

	l->v = xreallocarray(l->v, l->n + 1, size);
	at = (char *)l->v + l->n++ * size;
	memset(at, 0, size);
	return at;
}

static int
read_text(const struct config *cfg, const char *key, const char *what,
    const char *file, struct buf *text, struct buf *problems)
{
	const char *why;

	if (settings_slurp(file, text, &why) == 0 && text->len > 0 &&
	    memchr(text->data, '\0', text->len) == NULL)
		return 0;
	config_problem(problems, cfg, key, "the %s %s cannot be used: %s; %s",
	    what, file, why != NULL ? why : text->len == 0 ? "it is empty" :
	    "it is not a text file", settings_for_root(file) ?
	    "leave its permissions as they are, and run this as root" :
	    why != NULL ?
	    "correct the name or the file's permissions" :
	    strcmp(what, "password file") == 0 ?
	    "its first line should be the password" :
	    strcmp(what, "key set") == 0 ? "it should be JSON (RFC 7517)" :
	    "it should be in PEM");
	buf_wipe(text);
	return -1;
}

/* A secret that others can read is not one. */
static void
check_private(const struct config *cfg, const char *key, const char *file,
    struct buf *warnings)
{
	struct stat st;

	if (stat(file, &st) == -1)
		return;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		config_problem(warnings, cfg, key, "%s belongs to user %u, who "
		    "can read and change it; chown root %s", file, st.st_uid,
		    file);
	if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
		config_problem(warnings, cfg, key, "%s can be read or changed "
		    "by others; chmod 600 %s", file, file);
}

static void
fill_certificate(struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	struct conf_cert *cert;
	struct conf_key *key;
	struct buf chain, pem;
	bool good;

	if (*cfg->certificate == '\0' || *cfg->key == '\0') {
		config_problem(problems, cfg, NULL, "TLS needs a certificate "
		    "and its key; add: tls { certificate = \"FILE\" key = "
		    "\"FILE\" }");
		return;
	}
	buf_init(&chain, CHAIN_MAX);
	buf_init(&pem, KEY_MAX);
	good = read_text(cfg, "tls.certificate", "certificate",
	    cfg->certificate, &chain, problems) == 0;
	good = read_text(cfg, "tls.key", "private key", cfg->key, &pem,
	    problems) == 0 && good;
	if (good) {
		check_private(cfg, "tls.key", cfg->key, warnings);
		cert = add(&cfg->smtpd.certs, sizeof(*cert));
		cert->file = xstrdup(cfg->certificate);
		cert->chain_pem = xstrdup(buf_str(&chain));
		key = add(&cfg->keys.keys, sizeof(*key));
		key->file = xstrdup(cfg->key);
		key->cert_file = xstrdup(cfg->certificate);
		key->chain_pem = xstrdup(buf_str(&chain));
		key->pem.v = xmemdup(pem.data, pem.len);
		key->pem.n = pem.len;
	}
	buf_clear(&chain);
	buf_wipe(&pem);
}

static char *
first_line(const struct buf *text)
{
	return xstrndup(buf_str(text), strcspn(buf_str(text), "\r\n"));
}

/* What the file named by the option key holds; "" when none is named. */
static char *
read_secret(const struct config *cfg, const char *key, const char *file,
    struct buf *problems, struct buf *warnings)
{
	struct buf text;
	char *secret = NULL;

	buf_init(&text, PASSWORD_MAX);
	if (*file != '\0' && read_text(cfg, key, "password file", file, &text,
	    problems) == 0) {
		check_private(cfg, key, file, warnings);
		secret = first_line(&text);
	}
	buf_wipe(&text);
	return secret != NULL ? secret : xstrdup("");
}

static char *
read_ca(const struct config *cfg, const char *key, const char *file,
    struct buf *problems)
{
	struct buf text;
	char *pem = NULL;

	buf_init(&text, CA_MAX);
	if (*file != '\0' && read_text(cfg, key, "file of certificates", file,
	    &text, problems) == 0)
		pem = xstrdup(buf_str(&text));
	buf_clear(&text);
	return pem != NULL ? pem : xstrdup("");
}

/* --- one slice each -------------------------------------------------------------------- */

static void
copy_strs(struct conf_strs *to, const struct conf_strs *from)
{
	size_t i;

	to->n = from->n;
	to->v = xcalloc(from->n, sizeof(*to->v));
	for (i = 0; i < from->n; i++)
		to->v[i] = xstrdup(from->v[i]);
}

static enum conf_tls
listen_tls(const struct config_listen *l)
{
	switch (l->tls) {
	case LISTEN_TLS_IMPLICIT:
		return CONF_TLS_IMPLICIT;
	case LISTEN_TLS_MAY:
		return CONF_TLS_MAY;
	case LISTEN_TLS_NONE:
		return CONF_TLS_NONE;
	default:
		return CONF_TLS_STARTTLS;
	}
}

static void
fill_listeners(struct config *cfg)
{
	char names[LISTENER_ADDRESSES_MAX][LISTENER_NAME_LEN];
	size_t i, j, n;

	for (i = 0; i < cfg->listens.n; i++) {
		const struct config_listen *l = CONF_AT(cfg->listens,
		    struct config_listen, i);

		if (!listeners_names(l, &n, names))
			continue;
		for (j = 0; j < n; j++) {
			struct conf_listener *cl = add(&cfg->smtpd.listeners,
			    sizeof(*cl));

			cl->name = xstrdup(names[j]);
			cl->tls = listen_tls(l);
			cl->certificates = l->certificates;
			copy_strs(&cl->proxies, &l->proxies);
		}
	}
}

static uint32_t
route_tls(const struct config_route *r, const struct next_hop *nh)
{
	switch (r->tls) {
	case ROUTE_NONE:
		return ROUTE_TLS_NONE;
	case ROUTE_MAY:
		return ROUTE_TLS_MAY;
	case ROUTE_STARTTLS:
		return ROUTE_TLS_STARTTLS;
	default:
		return nh->mx ? ROUTE_TLS_MAY : nh->implicit_tls ?
		    ROUTE_TLS_IMPLICIT : ROUTE_TLS_STARTTLS;
	}
}


/* What is said of this route, or else of the queue. */
static void
fill_times(const struct config *cfg, const struct config_route *r,
    struct conf_queue_route *qr)
{
	const struct queue_conf *q = &cfg->queue;

	qr->retry_first_sec = r->retry_first_sec > 0 ? r->retry_first_sec :
	    q->retry_first_sec;
	qr->retry_max_sec = r->retry_max_sec > 0 ? r->retry_max_sec :
	    q->retry_max_sec;
	qr->expire_sec = r->expire_sec > 0 ? r->expire_sec : q->expire_sec;
	qr->warn_sec = config_sets(cfg, config_key("route", r->name, "warn")) ?
	    r->warn_sec : q->warn_sec;
}

static void
fill_route(struct config *cfg, const struct config_route *r,
    struct buf *problems, struct buf *warnings)
{
	struct conf_queue_route *qr = add(&cfg->queue.routes, sizeof(*qr));
	struct conf_relay_route *rr = add(&cfg->relay.routes, sizeof(*rr));
	struct next_hop nh;

	(void)verify_next_hop(r->next_hop, &nh);	/* verified before */
	qr->name = xstrdup(r->name);
	qr->by_domain = nh.mx;
	copy_strs(&qr->senders, &r->senders);
	/* The budget of one next hop is shared by the processes. */
	qr->connections = r->connections;
	qr->per_minute = r->per_minute;
	fill_times(cfg, r, qr);
	rr->name = xstrdup(r->name);
	rr->mx = nh.mx;
	rr->loopback = r->loopback;
	rr->host = xstrdup(nh.host);
	rr->port = nh.port;
	rr->tls = route_tls(r, &nh);
	rr->user = xstrdup(r->user);
	rr->connections = (r->connections + cfg->relays - 1) / cfg->relays;
	rr->messages = r->messages;
	rr->idle_sec = r->idle_sec;
	rr->password = read_secret(cfg, config_key("route", r->name,
	    "password-file"), r->password_file, problems, warnings);
	rr->ca_pem = read_ca(cfg, config_key("route", r->name, "ca-file"),
	    r->ca_file, problems);
}

static void
fill_relay(struct config *cfg, struct buf *problems, struct buf *warnings)
{
	struct buf text;
	size_t i;

	cfg->relay.hostname = xstrdup(cfg->hostname);
	cfg->relay.source_address = xstrdup("");
	cfg->relay.connect_sec = CONNECT_SEC;
	cfg->relay.command_sec = COMMAND_SEC;
	cfg->relay.data_sec = DATA_SEC;
	buf_init(&text, KEY_MAX);
	if (*cfg->trust_anchor_file != '\0')
		read_text(cfg, "dns.trust-anchor", "trust anchor",
		    cfg->trust_anchor_file, &text, problems);
	cfg->relay.trust_anchor = xstrdup(buf_str(&text));
	buf_clear(&text);
	for (i = 0; i < cfg->routes.n; i++)
		fill_route(cfg, CONF_AT(cfg->routes, struct config_route, i),
		    problems, warnings);
}

static void
fill_source(struct config *cfg, const struct config_source *s,
    struct buf *problems, struct buf *warnings)
{
	struct conf_source *cs = add(&cfg->source_slice.sources, sizeof(*cs));

	cs->password = read_secret(cfg, config_key("source", s->name,
	    "password-file"), s->password_file, problems, warnings);
	cs->ca_pem = read_ca(cfg, config_key("source", s->name, "ca-file"),
	    s->ca_file, problems);
	cs->name = xstrdup(s->name);
	cs->type = s->type - SOURCE_IS_SASLAUTHD + SOURCE_SASLAUTHD;
	cs->timeout_sec = s->timeout_sec;
	cs->connections = s->connections;
	copy_strs(&cs->domains, &s->domains);
	cs->socket = xstrdup(*s->socket != '\0' ? s->socket : SASLAUTHD_MUX);
	cs->service = xstrdup(*s->service != '\0' ? s->service : "smtp");
	cs->login = s->login;
	cs->uri = xstrdup(s->uri);
	cs->base = xstrdup(s->base);
	cs->filter = xstrdup(s->filter);
	cs->dn = xstrdup(s->dn);
	cs->bind_dn = xstrdup(s->bind_dn);
	cs->senders_attribute = xstrdup(s->senders_attribute);
	cs->connect = xstrdup(s->connect);
	cs->query = xstrdup(s->query);
	cs->plaintext = s->plaintext;
	cs->clear = s->tls != 0;
}

/* Sources in their order: what asks them, and what auth makes of the answer. */
static void
fill_sources(struct config *cfg, struct buf *problems, struct buf *warnings)
{
	const struct config_source *s;
	struct conf_grant *grant;
	size_t i;

	cfg->auth.source_sec = SOURCE_SLACK_SEC;
	for (i = 1; i < cfg->source_names.n; i++) {
		s = verify_find_source(cfg, cfg->source_names.v[i]);
		if (s == NULL)
			continue;	/* verify() has said so */
		fill_source(cfg, s, problems, warnings);
		grant = add(&cfg->auth.grants, sizeof(*grant));
		grant->source = xstrdup(s->name);
		grant->cap = xstrdup(s->cap);
		copy_strs(&grant->senders, &s->senders);
		grant->more_senders = *s->senders_attribute != '\0' ||
		    *s->query != '\0';
		/* so long for a thread that is free, so long for the answer */
		cfg->auth.source_sec += 2 * s->timeout_sec;
	}
}

static void
fill_tokens(struct config *cfg, struct buf *problems, struct buf *warnings)
{
	struct fetch_conf *f = &cfg->fetch;
	struct buf text;

	cfg->auth.token_issuer = xstrdup(f->issuer);
	cfg->auth.token_scope = xstrdup(f->scope);
	cfg->auth.token_sec = f->timeout_sec;
	f->client_secret = read_secret(cfg, "tokens.client-secret-file",
	    cfg->client_secret_file, problems, warnings);
	f->ca_pem = read_ca(cfg, "tokens.ca-file", cfg->tokens_ca_file,
	    problems);
	buf_init(&text, JWKS_MAX);
	if (*cfg->jwks_file != '\0')
		read_text(cfg, "tokens.jwks-file", "key set", cfg->jwks_file,
		    &text, problems);
	f->jwks = xstrdup(buf_str(&text));
	buf_clear(&text);
}

/* EXTERNAL is a mechanism where clients are asked for certificates. */
static void
fill_client_ca(struct config *cfg, struct buf *problems)
{
	struct conf_strs *m = &cfg->smtpd.mechanisms;
	bool asked = false;
	size_t i;

	cfg->auth.client_ca_file = xstrdup(cfg->client_ca_file);
	cfg->auth.client_ca_pem = read_ca(cfg, "accounts.client-ca-file",
	    cfg->client_ca_file, problems);
	for (i = 0; i < cfg->listens.n && !asked; i++)
		asked = CONF_AT(cfg->listens, struct config_listen, i)
		    ->certificates;
	if (!asked)
		return;
	m->v = xreallocarray(m->v, m->n + 1, sizeof(*m->v));
	m->v[m->n++] = xstrdup("EXTERNAL");
}

static void
fill_auth_and_queue(struct config *cfg, struct buf *problems)
{
	size_t i;

	cfg->auth.state_dir = xasprintf("%s/auth", cfg->state_dir);
	cfg->auth.hostname = xstrdup(cfg->hostname);
	fill_client_ca(cfg, problems);
	copy_strs(&cfg->auth.mechanisms, &cfg->smtpd.mechanisms);
	/* A message may begin just before the session's time is over. */
	cfg->auth.ticket_sec = cfg->smtpd.session_sec +
	    cfg->smtpd.message_sec;
	cfg->auth.workers = cfg->workers > AUTH_THREADS ? cfg->workers :
	    AUTH_THREADS;
	cfg->auth.cache_sec = SASL_CACHE_SEC;
	cfg->auth.caps.v = xcalloc(cfg->queue.caps.n, sizeof(char *));
	for (i = 0; i < cfg->queue.caps.n; i++)
		cfg->auth.caps.v[cfg->auth.caps.n++] = xstrdup(
		    CONF_AT(cfg->queue.caps, struct conf_cap, i)->name);
	cfg->queue.state_dir = xasprintf("%s/queue", cfg->state_dir);
	cfg->queue.hostname = xstrdup(cfg->hostname);
	cfg->queue.max_message_bytes = cfg->smtpd.max_message_bytes;
}

static void
check_size(struct config *cfg, struct buf *problems)
{
	enum role r;

	for (r = ROLE_SMTPD; r < ROLE_CTL; r++)
		if (!slices_fit(cfg, r))
			config_problem(problems, cfg, NULL, "what postern-%s "
			    "needs to know is larger than %d KB; use fewer "
			    "routes or smaller ca-files", slices_role_name(r),
			    IPC_MAX / 1024);
}

int
slices_fill(struct config *cfg, struct buf *problems, struct buf *warnings)
{
	size_t before = problems->len;

	cfg->smtpd.hostname = xstrdup(cfg->hostname);
	cfg->keys.hostname = xstrdup(cfg->hostname);
	cfg->smtpd.max_sessions = (cfg->max_sessions + cfg->workers - 1) /
	    cfg->workers;
	fill_listeners(cfg);
	devices_fill(cfg);
	fill_certificate(cfg, problems, warnings);
	fill_auth_and_queue(cfg, problems);
	fill_relay(cfg, problems, warnings);
	fill_sources(cfg, problems, warnings);
	fill_tokens(cfg, problems, warnings);
	check_size(cfg, problems);
	return problems->len == before ? 0 : -1;
}

/* --- random keys --------------------------------------------------------------------------- */

static void
set_bytes(struct conf_bytes *b, const void *p, size_t n)
{
	xfree_secret(b->v, b->n);
	b->v = xmemdup(p, n);
	b->n = n;
}

void
slices_secrets(struct config *cfg, const struct config *running)
{
	uint8_t key[TICKET_KEY];

	if (running != NULL)
		memcpy(key, running->auth.ticket_key.v, sizeof(key));
	else if (getrandom(key, sizeof(key), 0) != sizeof(key))
		fatal("no random numbers");
	set_bytes(&cfg->auth.ticket_key, key, sizeof(key));
	set_bytes(&cfg->queue.ticket_key, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
}
