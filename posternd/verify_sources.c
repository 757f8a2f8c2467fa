/* Sources of accounts: sections "source", and accounts { sources }. */
#include "lib/prelude.h"

#include <strings.h>

#include "lib/addr.h"
#include "lib/fill.h"
#include "lib/net.h"
#include "lib/num.h"
#include "posternd/slices.h"
#include "posternd/verify.h"

#define EXAMPLE_MAX	512

static struct buf *faults, *doubts;
static const struct config *cfg;

#define KEY(s, option) config_key("source", (s)->name, (option))
#define FAULT(key, ...) config_problem(faults, cfg, (key), __VA_ARGS__)
#define DOUBT(key, ...) config_problem(doubts, cfg, (key), __VA_ARGS__)

static const char *const types[] = { "", "saslauthd", "ldap", "postgresql" };

#define ONE(type) (1u << SOURCE_IS_##type)

/* Options that some types have: which, and which of them must be there. */
static const struct {
	const char *name;
	unsigned int has, must;
	size_t	 offset;		/* of its text */
} options[] = {
	{ "socket", ONE(SASLAUTHD), 0, offsetof(struct config_source,
	    socket) },
	{ "service", ONE(SASLAUTHD), 0, offsetof(struct config_source,
	    service) },
	{ "uri", ONE(LDAP), ONE(LDAP), offsetof(struct config_source, uri) },
	{ "base", ONE(LDAP), 0, offsetof(struct config_source, base) },
	{ "filter", ONE(LDAP), 0, offsetof(struct config_source, filter) },
	{ "dn", ONE(LDAP), 0, offsetof(struct config_source, dn) },
	{ "bind-dn", ONE(LDAP), 0, offsetof(struct config_source, bind_dn) },
	{ "senders-attribute", ONE(LDAP), 0,
	    offsetof(struct config_source, senders_attribute) },
	{ "connect", ONE(POSTGRESQL), ONE(POSTGRESQL),
	    offsetof(struct config_source, connect) },
	{ "query", ONE(POSTGRESQL), ONE(POSTGRESQL),
	    offsetof(struct config_source, query) },
	{ "password-file", ONE(LDAP) | ONE(POSTGRESQL), 0,
	    offsetof(struct config_source, password_file) },
	{ "ca-file", ONE(LDAP) | ONE(POSTGRESQL), 0,
	    offsetof(struct config_source, ca_file) },
};

static void
verify_options(const struct config_source *s)
{
	unsigned int type = 1u << s->type;
	size_t i;

	for (i = 0; i < nitems(options); i++) {
		const char *text = *(char *const *)((const char *)s +
		    options[i].offset);

		if (*text != '\0' && (options[i].has & type) == 0)
			FAULT(KEY(s, options[i].name), "\"%s\" is not for a "
			    "source of type %s; remove it", options[i].name,
			    types[s->type]);
		if (*text == '\0' && (options[i].must & type) != 0)
			FAULT(KEY(s, "type"), "source %s needs \"%s\"",
			    s->name, options[i].name);
	}
	if (s->login != SOURCE_LOGIN_WHOLE && s->type != SOURCE_IS_SASLAUTHD)
		FAULT(KEY(s, "login"), "\"login\" is for a source of type "
		    "saslauthd; remove it");
	if (s->plaintext && s->type != SOURCE_IS_POSTGRESQL)
		FAULT(KEY(s, "plaintext"), "\"plaintext\" is for a source of "
		    "type postgresql; remove it");
	if (s->tls != 0 && s->type == SOURCE_IS_SASLAUTHD)
		FAULT(KEY(s, "tls"), "saslauthd listens on a unix socket, "
		    "which has no TLS; remove it");
}

/*
 * Where the domain is not looked at, alice@anywhere would be another account
 * of the same person, with that address to send as and a cap of its own. One
 * way in a filter or query is enough: "(|(mail=%n@%d)(uid=%n))" finds her by the
 * second. Whether each way heeds the domain we cannot tell without reading LDAP
 * and SQL as their servers do, so what is before the @ by itself is enough.
 */
static void
verify_domains(const struct config_source *s, bool blind)
{
	size_t i;

	for (i = 0; i < s->domains.n; i++)
		if (!addr_is_domain(s->domains.v[i], strlen(s->domains.v[i]),
		    ADDR_UTF8))
			FAULT(KEY(s, "domains"), "\"%s\" is no domain",
			    s->domains.v[i]);
	if (blind && s->domains.n == 0)
		FAULT(KEY(s, "type"), "source %s does not look at the domain "
		    "of a name, or perhaps not in each way to find one, so "
		    "anybody could be alice@any.example; ask for the whole "
		    "name (login = whole, %%u, $1) or say which domains there "
		    "are: domains = {\"example.org\"}", s->name);
}

static void
verify_text(const struct config_source *s, const char *option,
    const char *text)
{
	const char *why = fill_check(text);

	if (why != NULL)
		FAULT(KEY(s, option), "\"%s\": %s", text, why);
}

static void
verify_senders(const struct config_source *s)
{
	const char *why;
	struct buf out;
	size_t i;

	for (i = 0; i < s->senders.n; i++) {
		verify_text(s, "senders", s->senders.v[i]);
		buf_init(&out, EXAMPLE_MAX);
		if (fill_in(&out, s->senders.v[i], "alice@example.org",
		    fill_plain) == -1)
			buf_reset(&out);
		why = verify_pattern(buf_str(&out));
		if (why != NULL)
			FAULT(KEY(s, "senders"), "\"%s\" makes \"%s\" of "
			    "alice@example.org, which %s", s->senders.v[i],
			    buf_str(&out), why);
		buf_clear(&out);
	}
}

static void
verify_cap(const struct config_source *s)
{
	size_t i;

	for (i = 0; i < cfg->queue.caps.n; i++)
		if (strcmp(CONF_AT(cfg->queue.caps, struct conf_cap, i)->name,
		    s->cap) == 0)
			return;
	FAULT(KEY(s, "cap"), "there is no cap \"%s\"; add: cap %s { ... }",
	    s->cap, s->cap);
}

/* --- by type ---------------------------------------------------------------------- */

/* Whether the host of "ldap://host:port" is this machine. */
static bool
stays_here(const char *uri)
{
	char host[256];
	const char *at = uri + 7;
	bool literal = *at == '[';
	size_t n = strcspn(at += literal, literal ? "]" : ":/");

	return n < sizeof(host) && snprintf(host, sizeof(host), "%.*s",
	    (int)n, at) >= 0 && net_stays_here(host);
}

/* libldap takes no host for this machine, and any number for a port. */
static bool
names_host(const char *at)
{
	const char *end = *at == '[' ? strchr(at, ']') : at + strcspn(at,
	    ":/");
	uint64_t port;
	size_t n;

	if (end == NULL || end == at)
		return false;
	end += *end == ']';
	n = *end == ':' ? strcspn(end + 1, "/") : 0;
	return *end != ':' || num_parse(end + 1, n, 1, 65535, &port) == 0;
}

/* One of several addresses, spaces between. */
static void
verify_uri(const struct config_source *s, const char *uri)
{
	bool ldap = strncasecmp(uri, "ldap://", 7) == 0;
	bool ldapi = strncasecmp(uri, "ldapi://", 8) == 0;

	if (!ldap && !ldapi && strncasecmp(uri, "ldaps://", 8) != 0)
		FAULT(KEY(s, "uri"), "\"%s\" begins with neither ldaps://, "
		    "ldap:// nor ldapi://", uri);
	else if (!ldapi && !names_host(strchr(uri, '/') + 2))
		FAULT(KEY(s, "uri"), "\"%s\" should name a host, and may name "
		    "a port, 1 to 65535: \"ldaps://HOST:PORT\"", uri);
	else if (!ldap && s->tls != 0)
		FAULT(KEY(s, "tls"), "%.8s knows no tls = none; leave it out",
		    uri);
	else if (s->tls != 0 && !stays_here(uri))
		DOUBT(KEY(s, "tls"), "source %s sends people's passwords in "
		    "the clear, for anybody on the way to read", s->name);
}

/* "(a=b)", or with others in it; RFC 4526 has "(&)" and "(|)". */
static bool
is_item(const char *p)
{
	size_t n = strcspn(++p, "()");

	return p[n] == '(' || memchr(p, '=', n) != NULL ||
	    (n == 1 && (*p == '&' || *p == '|'));
}

/* In brackets, which match; what stands for one in a value is "\28" or "\29". */
static bool
is_filter(const char *p)
{
	size_t open = 0;

	for (; *p != '\0'; p++) {
		if (*p == '(' && !is_item(p))
			return false;
		if (*p == '(')
			open++;
		else if (open == 0 || (*p == ')' && --open == 0))
			break;
	}
	return *p == ')' && p[1] == '\0';
}

static void
verify_ldap(const struct config_source *s)
{
	const char *text = *s->dn != '\0' ? s->dn : s->filter;
	char uri[1025];
	const char *at = s->uri;

	while (*(at += strspn(at, " ")) != '\0') {
		snprintf(uri, sizeof(uri), "%.*s", (int)strcspn(at, " "), at);
		verify_uri(s, uri);
		at += strlen(uri);
	}
	if ((*s->dn != '\0') == (*s->filter != '\0'))
		FAULT(KEY(s, "type"), "source %s needs either a filter to "
		    "search by, as \"(mail=%%u)\", or a dn to bind as, as "
		    "\"uid=%%n,ou=people,dc=example,dc=org\"", s->name);
	if (*s->dn != '\0' && (*s->bind_dn != '\0' ||
	    *s->senders_attribute != '\0'))
		FAULT(KEY(s, "dn"), "with a dn nothing is searched; remove "
		    "bind-dn and senders-attribute, or use a filter");
	if ((*s->bind_dn == '\0') != (*s->password_file == '\0'))
		FAULT(KEY(s, "bind-dn"), "source %s has one of bind-dn and "
		    "password-file; they go together", s->name);
	if (*s->filter != '\0' && !is_filter(s->filter))
		FAULT(KEY(s, "filter"), "a filter stands in brackets, each of "
		    "them closed and with an = in it, as \"(mail=%%u)\", not "
		    "\"%s\"", s->filter);
	/* RFC 4514. Active Directory binds as other names, too, but not here. */
	if (*s->base != '\0' && strchr(s->base, '=') == NULL)
		FAULT(KEY(s, "base"), "\"%s\" is no distinguished name, as "
		    "\"ou=people,dc=example,dc=org\"", s->base);
	verify_text(s, *s->dn != '\0' ? "dn" : "filter", text);
	if (*text != '\0' && !fill_wants(text, 'u') && !fill_wants(text, 'n'))
		FAULT(KEY(s, *s->dn != '\0' ? "dn" : "filter"), "\"%s\" is "
		    "the same for everybody; %%u or %%n should be in it",
		    text);
	/* All parts of a DN count. */
	verify_domains(s, fill_wants(text, 'n') && (*s->dn == '\0' ||
	    !fill_wants(text, 'd')));
}

static void
verify_saslauthd(const struct config_source *s)
{
	const char *path = *s->socket != '\0' ? s->socket : SASLAUTHD_MUX;

	if (access(path, F_OK) == -1 && errno == ENOENT)
		DOUBT(KEY(s, *s->socket != '\0' ? "socket" : "type"), "there "
		    "is no %s; until saslauthd runs, source %s answers "
		    "nothing", path, s->name);
	/* PAM, and more of what is behind saslauthd, has no realms. */
	verify_domains(s, s->login != SOURCE_LOGIN_WHOLE);
}

static void
verify_postgresql(const struct config_source *s)
{
	/* "postgresql://user@host" names one, too; a service may. */
	if (strstr(s->connect, "user=") == NULL &&
	    strstr(s->connect, "service=") == NULL &&
	    strchr(s->connect, '@') == NULL)
		DOUBT(KEY(s, "connect"), "\"connect\" names no user of the "
		    "database, so source %s is the system's user that "
		    "postern-source runs as; add user=NAME", s->name);
	if (strstr(s->query, "$1") == NULL && strstr(s->query, "$2") == NULL)
		FAULT(KEY(s, "query"), "the query is the same for everybody; "
		    "$1 (the name) or $2 (what is before its @) should be "
		    "in it");
	if (s->plaintext)
		DOUBT(KEY(s, "plaintext"), "source %s takes passwords that "
		    "are stored as they are: whoever reads that table has "
		    "them all", s->name);
	if (s->tls != 0)
		DOUBT(KEY(s, "tls"), "source %s fetches what proves people's "
		    "passwords in the clear, for anybody on the way to read "
		    "and to change", s->name);
	verify_domains(s, strstr(s->query, "$2") != NULL);
}

static void
verify_source(const struct config_source *s)
{
	if (strcmp(s->name, "local") == 0)
		FAULT(KEY(s, "type"), "\"local\" are the accounts of "
		    "posternctl account; give the source another name");
	if (s->type == SOURCE_UNTYPED) {
		FAULT(KEY(s, "timeout"), "source %s needs a type: saslauthd, "
		    "ldap or postgresql", s->name);
		return;
	}
	verify_options(s);
	verify_senders(s);
	verify_cap(s);
	if (s->type == SOURCE_IS_LDAP)
		verify_ldap(s);
	else if (s->type == SOURCE_IS_POSTGRESQL)
		verify_postgresql(s);
	else
		verify_saslauthd(s);
}

/* --- the order ---------------------------------------------------------------------- */

const struct config_source *
verify_find_source(const struct config *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->sources.n; i++) {
		const struct config_source *s = CONF_AT(c->sources,
		    struct config_source, i);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static bool
is_named(const char *name)
{
	size_t i;

	for (i = 0; i < cfg->source_names.n; i++)
		if (strcmp(cfg->source_names.v[i], name) == 0)
			return true;
	return false;
}

static void
verify_order(void)
{
	const struct conf_strs *names = &cfg->source_names;
	bool passwords = false, scram = false;
	size_t i, j;

	if (names->n == 0 || strcmp(names->v[0], "local") != 0)
		FAULT("accounts.sources", "the first source is \"local\", "
		    "which costs nothing where it has no accounts");
	for (i = 1; i < names->n; i++) {
		for (j = 0; j < i; j++)
			if (strcmp(names->v[i], names->v[j]) == 0)
				FAULT("accounts.sources", "\"%s\" is in it "
				    "twice", names->v[i]);
		if (strcmp(names->v[i], "local") != 0 &&
		    verify_find_source(cfg, names->v[i]) == NULL)
			FAULT("accounts.sources", "there is no section: source "
			    "%s { ... }", names->v[i]);
	}
	for (i = 0; i < cfg->smtpd.mechanisms.n; i++) {
		const char *mechanism = cfg->smtpd.mechanisms.v[i];

		passwords = passwords || strcmp(mechanism, "PLAIN") == 0 ||
		    strcmp(mechanism, "LOGIN") == 0;
		scram = scram || strncmp(mechanism, "SCRAM-", 6) == 0;
	}
	if (names->n > 1 && !passwords)
		FAULT("accounts.mechanisms", "sources beside \"local\" know "
		    "only passwords; add PLAIN and LOGIN to mechanisms");
	else if (names->n > 1 && scram)
		DOUBT("accounts.mechanisms", "programs that choose SCRAM, as "
		    "most do where they see it, get in to local accounts "
		    "alone; for the others: mechanisms = {\"PLAIN\", "
		    "\"LOGIN\"}");
}

void
verify_sources(const struct config *c, struct buf *problems,
    struct buf *warnings)
{
	size_t i;

	cfg = c;
	faults = problems;
	doubts = warnings;
	verify_order();
	for (i = 0; i < c->sources.n; i++) {
		const struct config_source *s = CONF_AT(c->sources,
		    struct config_source, i);

		verify_source(s);
		if (!is_named(s->name))
			DOUBT(KEY(s, "type"), "source %s is never asked; name "
			    "it in accounts { sources = {\"local\", \"%s\"} }",
			    s->name, s->name);
	}
}
