/* Sections "group", and accounts { plus }. */
#include "lib/prelude.h"

#include "posternd/verify.h"

/* With what an account has by itself this fits the message that says so. */
#define SENDERS_MAX	500
#define PLUSES		"+-=_"

static struct buf *faults;

#define KEY(g, option)	config_key("group", (g)->name, option)
#define FAULT(key, ...) config_problem(faults, cfg, (key), __VA_ARGS__)

static bool
is_name(const char *s)
{
	return *s != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static void
verify_group(const struct config *cfg, const struct conf_group *g)
{
	const char *why;
	size_t i;

	if (g->members.n == 0)
		FAULT(KEY(g, "senders"), "group %s has no members; add "
		    "members = {\"alice@example.org\"}, or {\"@example.org\"} "
		    "for all accounts there", g->name);
	if (g->senders.n == 0 && *g->cap == '\0')
		FAULT(KEY(g, "members"), "group %s gives its members nothing; "
		    "add senders or a cap", g->name);
	for (i = 0; i < g->members.n; i++)
		if (verify_pattern(g->members.v[i]) != NULL &&
		    !is_name(g->members.v[i]))
			FAULT(KEY(g, "members"), "\"%s\" is neither an "
			    "account's name nor \"@domain\", and there are no "
			    "wildcards", g->members.v[i]);
	for (i = 0; i < g->senders.n; i++)
		if ((why = verify_pattern(g->senders.v[i])) != NULL)
			FAULT(KEY(g, "senders"), "\"%s\" %s",
			    g->senders.v[i], why);
	if (g->senders.n > SENDERS_MAX)
		FAULT(KEY(g, "senders"), "group %s has %zu senders, and %d is "
		    "the limit", g->name, g->senders.n, SENDERS_MAX);
	for (i = 0; *g->cap != '\0' && i < cfg->queue.caps.n; i++)
		if (strcmp(CONF_AT(cfg->queue.caps, struct conf_cap, i)->name,
		    g->cap) == 0)
			return;
	if (*g->cap != '\0')
		FAULT(KEY(g, "cap"), "there is no section \"cap %s\"", g->cap);
}

void
verify_groups(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	const char *plus = cfg->auth.plus;
	size_t i;

	faults = problems;
	if (*plus != '\0' && strchr(PLUSES, *plus) == NULL)
		FAULT("accounts.plus", "\"%s\" parts no address from a tag; "
		    "\"+\" does on most systems, and \"-\", \"=\" and \"_\" "
		    "on some", plus);
	else if (*plus != '\0' && *plus != '+')
		config_problem(warnings, cfg, "accounts.plus", "who may send "
		    "as anna@example.org may send as anna%smaria@example.org, "
		    "too, and names of people are often so; \"+\" is in none",
		    plus);
	for (i = 0; i < cfg->auth.groups.n; i++)
		verify_group(cfg, CONF_AT(cfg->auth.groups, struct conf_group,
		    i));
}
