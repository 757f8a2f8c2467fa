/*
 * LDAP, by libldap. A thread keeps one connection: it searches there as bind-dn
 * and then binds as what was found; the next search binds as bind-dn again, so
 * that nobody's rights stay. What fails on a connection that was kept is tried
 * once more on a new one, as servers close what is idle.
 */
#include "lib/prelude.h"

#include <ldap.h>
#include <strings.h>

#include "lib/fill.h"
#include "lib/xalloc.h"
#include "source/backend.h"
#include "source/quote.h"
#include "source/wait.h"

#define TEXT_MAX	(8 * 1024)	/* of a filter or DN with a name in it */
#define URI_MAX		1025
#define FOUND_MAX	2		/* two are one too many */
#define MANY		"the filter finds more than one entry, so nobody is let in"

struct directory {
	const struct conf_source *conf;
	const char *ca;
	LDAP	*ld;		/* NULL: not connected */
};

/*
 * What libldap and the server say of a result, as one answer. Of a certificate
 * with another name libldap, with GnuTLS, has no more to say than these words.
 */
static void
say(struct directory *d, struct answer *a, enum source_said said,
    const char *doing, int r)
{
	char *more = NULL;
	const char *text;

	if (d->ld != NULL)
		ldap_get_option(d->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	text = more == NULL ? "" : strcmp(more, "(unknown error code)") == 0 ?
	    "TLS failed; does its certificate name the host in uri?" : more;
	answer_set(a, said, "%s: %s%s%s", doing, ldap_err2string(r),
	    *text == '\0' ? "" : ", ", text);
	ldap_memfree(more);
}

/* --- the connection --------------------------------------------------------------- */

static void
hang_up(struct directory *d)
{
	if (d->ld != NULL)
		ldap_unbind_ext(d->ld, NULL, NULL);
	d->ld = NULL;
}

/* All that is done next takes no longer than what is left. */
static void
set_time(struct directory *d, uint64_t deadline)
{
	struct timeval tv = wait_timeval(deadline);

	ldap_set_option(d->ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
	ldap_set_option(d->ld, LDAP_OPT_TIMEOUT, &tv);
}

static int
set_tls(struct directory *d)
{
	int must = LDAP_OPT_X_TLS_DEMAND, client = 0;
	int least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;

	/* The last one makes a context of all of them. */
	if (ldap_set_option(d->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &must) != 0 ||
	    ldap_set_option(d->ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) != 0 ||
	    ldap_set_option(d->ld, LDAP_OPT_X_TLS_CACERTFILE, d->ca) != 0)
		return -1;
	return ldap_set_option(d->ld, LDAP_OPT_X_TLS_NEWCTX, &client) == 0 ?
	    0 : -1;
}

/* One of the servers that uri names. */
static bool
connect_one(struct directory *d, const char *uri, uint64_t deadline,
    struct answer *a)
{
	int version = LDAP_VERSION3, r;

	r = ldap_initialize(&d->ld, uri);
	if (r != LDAP_SUCCESS) {
		d->ld = NULL;
		say(d, a, SAID_NOTHING, uri, r);
		return false;
	}
	ldap_set_option(d->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(d->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(d->ld, LDAP_OPT_RESTART, LDAP_OPT_ON); /* EINTR */
	set_time(d, deadline);
	if (!d->conf->clear && set_tls(d) == -1) {
		answer_set(a, SAID_NOTHING, "TLS cannot be set up with the "
		    "certificates of ca-file");
		return false;
	}
	r = ldap_connect(d->ld);
	if (r == LDAP_SUCCESS && !d->conf->clear &&
	    strncasecmp(uri, "ldap://", 7) == 0) {
		set_time(d, deadline);
		r = ldap_start_tls_s(d->ld, NULL, NULL);
	}
	if (r != LDAP_SUCCESS)
		say(d, a, SAID_NOTHING, uri, r);
	return r == LDAP_SUCCESS;
}

/* In turn; a dead one must leave time for those behind it. */
static bool
connect_to(struct directory *d, uint64_t deadline, struct answer *a)
{
	const char *at = d->conf->uri, *next;
	char uri[URI_MAX];
	uint64_t until;
	size_t n;

	while (d->ld == NULL && *(at += strspn(at, " ")) != '\0' &&
	    wait_left(deadline) > 0) {
		n = strcspn(at, " ");
		next = at + n + strspn(at + n, " ");
		snprintf(uri, sizeof(uri), "%.*s", (int)n, at);
		until = *next == '\0' ? deadline : deadline -
		    (uint64_t)wait_left(deadline) / 2;
		if (!connect_one(d, uri, until, a))
			hang_up(d);
		at = next;
	}
	return d->ld != NULL;
}

static int
bind_as(struct directory *d, const char *dn, const char *password,
    uint64_t deadline)
{
	struct berval cred;

	if (wait_left(deadline) == 0)
		return LDAP_TIMEOUT;
	cred.bv_val = (char *)(uintptr_t)password;
	cred.bv_len = strlen(password);
	set_time(d, deadline);
	return ldap_sasl_bind_s(d->ld, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL,
	    NULL);
}

/* --- a question ------------------------------------------------------------------- */

static char *
fill(const char *text, const char *name)
{
	struct buf out;
	size_t len;
	char *filled = NULL;

	buf_init(&out, TEXT_MAX);
	if (fill_in(&out, text, name, quote_ldap) == 0)
		filled = buf_steal(&out, &len);
	buf_clear(&out);
	return filled;
}

/* What the server says to somebody's name and password. */
static void
judge(struct directory *d, int r, bool found, struct answer *a)
{
	switch (r) {
	case LDAP_SUCCESS:
		a->said = SAID_YES;
		break;
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_CONSTRAINT_VIOLATION:
	case LDAP_UNWILLING_TO_PERFORM:	/* Active Directory: disabled */
		say(d, a, found ? SAID_WRONG : SAID_NO, "bind", r);
		break;
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_INVALID_SYNTAX:
		say(d, a, SAID_NO, "bind", r);
		break;
	default:
		say(d, a, SAID_NOTHING, "bind", r);
		break;
	}
}

static void
take_senders(struct directory *d, LDAPMessage *entry, struct answer *a)
{
	struct berval **values;
	int i;

	if (*d->conf->senders_attribute == '\0')
		return;
	values = ldap_get_values_len(d->ld, entry,
	    d->conf->senders_attribute);
	for (i = 0; values != NULL && values[i] != NULL; i++)
		answer_sender(a, values[i]->bv_val, values[i]->bv_len);
	ldap_value_free_len(values);
}

/* The DN of the one entry; NULL with the answer set. */
static char *
found_in(struct directory *d, LDAPMessage *result, struct answer *a)
{
	int n = ldap_count_entries(d->ld, result);
	LDAPMessage *entry = ldap_first_entry(d->ld, result);
	char *dn;

	if (n == 0 || entry == NULL) {
		answer_set(a, SAID_UNKNOWN, "%s", "");
		return NULL;
	}
	if (n > 1) {
		answer_set(a, SAID_WRONG, MANY);
		return NULL;
	}
	dn = ldap_get_dn(d->ld, entry);
	if (dn == NULL || *dn == '\0') {	/* RFC 4513 5.1.1: anonymous */
		answer_set(a, SAID_NOTHING, "an entry without a DN");
		ldap_memfree(dn);
		return NULL;
	}
	take_senders(d, entry, a);
	return dn;
}

static char *
search(struct directory *d, const char *filter, uint64_t deadline,
    struct answer *a)
{
	char *attrs[2] = { *d->conf->senders_attribute != '\0' ?
	    d->conf->senders_attribute : (char *)(uintptr_t)LDAP_NO_ATTRS,
	    NULL };
	struct timeval tv = wait_timeval(deadline);
	LDAPMessage *result = NULL;
	char *dn = NULL;
	int r;

	set_time(d, deadline);
	/* A limit of the server's may be lower than ours, and show one alone. */
	r = ldap_search_ext_s(d->ld, d->conf->base, LDAP_SCOPE_SUBTREE, filter,
	    attrs, 0, NULL, NULL, &tv, FOUND_MAX, &result);
	if (r == LDAP_SIZELIMIT_EXCEEDED)
		answer_set(a, SAID_WRONG, MANY);
	else if (r == LDAP_SUCCESS)
		dn = found_in(d, result, a);
	else
		say(d, a, SAID_NOTHING, r == LDAP_NO_SUCH_OBJECT ?
		    "base" : "search", r);
	ldap_msgfree(result);
	return dn;
}

static void
by_search(struct directory *d, const struct query *q, struct answer *a)
{
	char *filter = fill(d->conf->filter, q->name), *dn;
	int r = bind_as(d, *d->conf->bind_dn == '\0' ? NULL : d->conf->bind_dn,
	    d->conf->password, q->deadline_ms);

	if (filter == NULL)
		answer_set(a, SAID_UNKNOWN, "the name is too long");
	else if (r != LDAP_SUCCESS)
		say(d, a, SAID_NOTHING, *d->conf->bind_dn == '\0' ?
		    "anonymous bind" : "bind as bind-dn", r);
	else if ((dn = search(d, filter, q->deadline_ms, a)) != NULL) {
		judge(d, bind_as(d, dn, q->password, q->deadline_ms), true,
		    a);
		ldap_memfree(dn);
	}
	free(filter);
}

static void
by_dn(struct directory *d, const struct query *q, struct answer *a)
{
	char *dn = fill(d->conf->dn, q->name);

	if (dn == NULL)
		answer_set(a, SAID_NO, "the name is too long");
	else
		judge(d, bind_as(d, dn, q->password, q->deadline_ms), false,
		    a);
	free(dn);
}

static void
once(void *arg, const struct query *q, struct answer *a)
{
	struct directory *d = arg;

	if (connect_to(d, q->deadline_ms, a)) {
		if (*d->conf->dn != '\0')
			by_dn(d, q, a);
		else
			by_search(d, q, a);
	}
	if (a->said == SAID_NOTHING)
		hang_up(d);
}

static void
ask(void *arg, const struct query *q, struct answer *a)
{
	const struct directory *d = arg;

	backend_ask(once, arg, d->ld != NULL, q, a);
}

/* --- life ------------------------------------------------------------------------- */

/* libldap is also begun here, before there are threads. */
static const char *
check(const struct conf_source *conf)
{
	static char why[256];
	LDAP *ld = NULL;
	int r = ldap_initialize(&ld, conf->uri);

	if (r == LDAP_SUCCESS) {
		ldap_unbind_ext(ld, NULL, NULL);
		return NULL;
	}
	snprintf(why, sizeof(why), "the uri is not one that libldap takes: %s",
	    ldap_err2string(r));
	return why;
}

static void *
open_state(const struct conf_source *conf, const char *ca)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	d->conf = conf;
	d->ca = ca;
	return d;
}

static void
close_state(void *arg)
{
	hang_up(arg);
	free(arg);
}

const struct backend directory_backend = { check, open_state, ask,
    close_state };
