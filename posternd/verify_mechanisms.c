/* accounts { mechanisms }: each must be one of ours, and fit the rest. */
#include "lib/prelude.h"

#include "posternd/verify.h"

#define KEY "accounts.mechanisms"
#define EXTERNAL "EXTERNAL"

#define OUTDATED "SCRAM-SHA-1 is outdated, and its verifiers are the easiest " \
	"to guess passwords from for whoever steals the accounts; keep it only " \
	"as long as a program needs it that knows neither SCRAM-SHA-256 nor PLAIN"

static const struct mechanism {
	const char *name;
	const char *doubt;		/* said when it is there, or NULL */
} known[] = {
	{ "SCRAM-SHA-256-PLUS", NULL },
	{ "SCRAM-SHA-256", NULL },
	{ "SCRAM-SHA-512-PLUS", NULL },
	{ "SCRAM-SHA-512", NULL },
	{ "SCRAM-SHA-1-PLUS", OUTDATED },
	{ "SCRAM-SHA-1", OUTDATED },
	{ "PLAIN", NULL },
	{ "LOGIN", NULL },
	{ "OAUTHBEARER", NULL },
	{ "XOAUTH2", NULL },
};

static const struct mechanism *
find(const char *name)
{
	size_t i;

	for (i = 0; i < nitems(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

static void
put_unknown(const struct config *cfg, const char *name, struct buf *problems)
{
	struct buf names;
	size_t i;

	buf_init(&names, 1024);
	for (i = 0; i < nitems(known); i++)
		buf_addf(&names, "%s%s", i == 0 ? "" : i + 1 < nitems(known) ?
		    ", " : " and ", known[i].name);
	config_problem(problems, cfg, KEY, "\"%s\" is not among %s", name,
	    buf_str(&names));
	buf_clear(&names);
}

#define PLUS "-PLUS"

static bool
is_listed(const struct conf_strs *given, const char *name, const char *tail)
{
	size_t i, n = strlen(name);

	for (i = 0; i < given->n; i++)
		if (strncmp(given->v[i], name, n) == 0 &&
		    strcmp(given->v[i] + n, tail) == 0)
			return true;
	return false;
}

/*
 * RFC 5802 6: that a client was kept from seeing -PLUS shows only in the hash
 * that it chooses, and that choice is made by whoever shows it the list.
 */
static void
look_for_gaps(const struct config *cfg, struct buf *warnings)
{
	static const char *const hashes[] = { "SCRAM-SHA-256",
	    "SCRAM-SHA-512", "SCRAM-SHA-1" };
	const struct conf_strs *given = &cfg->smtpd.mechanisms;
	bool binds = false;
	size_t i;

	for (i = 0; i < nitems(hashes); i++)
		binds = binds || is_listed(given, hashes[i], PLUS);
	for (i = 0; binds && i < nitems(hashes); i++)
		if (is_listed(given, hashes[i], "") &&
		    !is_listed(given, hashes[i], PLUS))
			config_problem(warnings, cfg, KEY, "%s without %s"
			    PLUS ": somebody in the path can show clients "
			    "that one alone, and logins by it are not bound "
			    "to their TLS session; add %s" PLUS, hashes[i],
			    hashes[i], hashes[i]);
}

void
verify_mechanisms(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	const struct conf_strs *given = &cfg->smtpd.mechanisms;
	const struct mechanism *m;
	const char *doubted = NULL;	/* one doubt for a hash and its -PLUS */
	size_t i, j;

	if (given->n == 0)
		config_problem(problems, cfg, KEY, "without a mechanism nobody "
		    "can log in; leave the option out for the usual ones");
	for (i = 0; i < given->n; i++) {
		m = find(given->v[i]);
		for (j = 0; j < i && strcmp(given->v[i], given->v[j]) != 0; j++)
			;
		if (strcmp(given->v[i], EXTERNAL) == 0)
			config_problem(problems, cfg, KEY, EXTERNAL " does not "
			    "stand here: it is offered to clients that have "
			    "shown a certificate (listen { client-certificates "
			    "= on })");
		else if (m == NULL)
			put_unknown(cfg, given->v[i], problems);
		else if (j < i)
			config_problem(problems, cfg, KEY, "%s is there twice",
			    m->name);
		else if (m->doubt != NULL && m->doubt != doubted)
			config_problem(warnings, cfg, KEY, "%s", doubted =
			    m->doubt);
	}
	look_for_gaps(cfg, warnings);
}
