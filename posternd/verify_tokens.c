/* Logins with tokens: section "tokens", and the mechanisms that belong to it. */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "posternd/slices.h"
#include "posternd/verify.h"

static struct buf *faults, *doubts;
static const struct config *cfg;

#define FAULT(option, ...) \
	config_problem(faults, cfg, "tokens." option, __VA_ARGS__)

static const char *const mechanisms[] = { "OAUTHBEARER", "XOAUTH2" };

/* What a URL is made of (RFC 3986 2), the end of its query apart. */
static bool
is_https(const char *url)
{
	static const char rest[] = "-._~:/?&=%+@!$'()*,;[]";
	const char *c;

	if (strncmp(url, "https://", 8) != 0 || url[8] == '\0' ||
	    url[8] == '/')
		return false;
	for (c = url; *c != '\0'; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
		    !(*c >= '0' && *c <= '9') && strchr(rest, *c) == NULL)
			return false;
	return true;
}

/* RFC 6749 3.3: scope-token. */
static bool
is_scope(const char *scope)
{
	for (; *scope != '\0'; scope++)
		if (*scope <= ' ' || *scope > '~' || *scope == '"' ||
		    *scope == '\\')
			return false;
	return true;
}

static void
verify_introspection(void)
{
	const struct fetch_conf *f = &cfg->fetch;

	if (*f->introspection == '\0') {
		if (*f->client_id != '\0' || *cfg->client_secret_file != '\0')
			FAULT("client-id", "client-id and client-secret-file "
			    "are for introspection; remove them, or name the "
			    "endpoint");
		return;
	}
	if (!is_https(f->introspection))
		FAULT("introspection", "\"%s\" should be an https:// URL: the "
		    "provider's introspection_endpoint", f->introspection);
	if (f->audience.n == 0 && *f->scope == '\0')
		config_problem(doubts, cfg, "tokens.introspection", "a token "
		    "that the provider made for any other service, or app, "
		    "lets in here; say audience or scope, or both");
	if (*f->client_id == '\0' || *cfg->client_secret_file == '\0')
		FAULT("introspection", "introspection needs a client-id and a "
		    "client-secret-file, by which the provider knows us");
	if (*cfg->jwks_file != '\0')
		FAULT("jwks-file", "tokens are judged by introspection or by "
		    "keys; remove jwks-file or introspection");
}

/* OpenID Connect Core 5.7: what people may change is no name to trust. */
static void
verify_claim(const char *claim)
{
	static const char *const theirs[] = { "preferred_username", "nickname",
	    "name", "given_name", "family_name", "profile" };
	size_t i;

	for (i = 0; i < nitems(theirs); i++)
		if (strcmp(claim, theirs[i]) == 0)
			config_problem(doubts, cfg, "tokens.account-claim",
			    "at many providers people choose their \"%s\" "
			    "themselves, and may choose another's; take "
			    "\"email\" (which must be verified) or \"sub\", "
			    "or be sure that yours does not let them", claim);
}

static void
verify_section(void)
{
	const struct fetch_conf *f = &cfg->fetch;

	if (*f->issuer != '\0' && (!is_https(f->issuer) ||
	    strpbrk(f->issuer, "?") != NULL))
		FAULT("issuer", "\"%s\" should be an https:// URL without "
		    "query, exactly as the provider writes it in \"iss\"",
		    f->issuer);
	if (*f->introspection == '\0' && f->audience.n == 0)
		FAULT("issuer", "tokens needs an audience: the name that the "
		    "provider writes into tokens for this server. Without it "
		    "a token for any other service would let its owner in");
	if (!is_scope(f->scope))
		FAULT("scope", "\"%s\" is not one scope", f->scope);
	verify_claim(f->account_claim);
	verify_introspection();
}

static bool
is_listed(const char *mechanism)
{
	size_t i;

	for (i = 0; i < cfg->smtpd.mechanisms.n; i++)
		if (strcmp(cfg->smtpd.mechanisms.v[i], mechanism) == 0)
			return true;
	return false;
}

/* Who lists one of them wants that one; who lists none gets both. */
static void
offer(struct conf_strs *offered)
{
	size_t i;

	for (i = 0; i < nitems(mechanisms); i++)
		if (is_listed(mechanisms[i]))
			return;
	offered->v = xreallocarray(offered->v, offered->n + nitems(mechanisms),
	    sizeof(*offered->v));
	for (i = 0; i < nitems(mechanisms); i++)
		offered->v[offered->n++] = xstrdup(mechanisms[i]);
}

void
verify_tokens(struct config *c, struct buf *problems, struct buf *warnings)
{
	size_t i;

	cfg = c;
	faults = problems;
	doubts = warnings;
	if (slices_wanted(c, ROLE_FETCH)) {
		verify_section();
		offer(&c->smtpd.mechanisms);
		return;
	}
	if (c->fetch.audience.n > 0 || *c->jwks_file != '\0' ||
	    *c->client_secret_file != '\0' || *c->fetch.scope != '\0')
		FAULT("audience", "tokens needs an issuer, \"https://...\"");
	for (i = 0; i < nitems(mechanisms); i++)
		if (is_listed(mechanisms[i]))
			config_problem(problems, c, "accounts.mechanisms",
			    "%s needs to know whose tokens are good; add: "
			    "tokens { issuer = \"https://...\" audience = "
			    "{\"...\"} }", mechanisms[i]);
}
