#include "lib/prelude.h"

#include "auth/groups.h"
#include "lib/log.h"

#define PLUS_DEFAULT	'+'

static bool
is_member(const struct conf_group *g, const struct account *a)
{
	size_t i;

	for (i = 0; i < g->members.n; i++)
		if (addr_match(g->members.v[i], a->name))
			return true;
	return false;
}

/* The account's next group, from *i on; NULL: no more. */
static const struct conf_group *
next(const struct auth_conf *conf, const struct account *a, size_t *i)
{
	while (*i < conf->groups.n) {
		const struct conf_group *g = CONF_AT(conf->groups,
		    struct conf_group, (*i)++);

		if (is_member(g, a))
			return g;
	}
	return NULL;
}

const char *
groups_cap(const struct auth_conf *conf, const struct account *a)
{
	const struct conf_group *g;
	size_t i = 0;

	if (strcmp(a->cap, ACCOUNT_CAP_DEFAULT) != 0)
		return a->cap;
	while ((g = next(conf, a, &i)) != NULL)
		if (*g->cap != '\0')
			return g->cap;
	return a->cap;
}

size_t
groups_senders(const struct auth_conf *conf, const struct account *a,
    const char *out[GROUPS_SENDERS_MAX])
{
	const struct conf_group *g;
	size_t i = 0, k, n = 0;

	for (k = 0; k < a->nsenders; k++)
		out[n++] = a->senders[k];
	while ((g = next(conf, a, &i)) != NULL) {
		for (k = 0; k < g->senders.n && n < GROUPS_SENDERS_MAX; k++)
			out[n++] = g->senders.v[k];
		if (k < g->senders.n)
			log_warnx("account=\"%s\" group=%s: it has more than "
			    "%u senders in all; the others are left out",
			    log_escs(a->name), log_escs(g->name),
			    GROUPS_SENDERS_MAX);
	}
	return n;
}

size_t
groups_names(const struct auth_conf *conf, const struct account *a,
    const char *out[GROUPS_SENDERS_MAX])
{
	const struct conf_group *g;
	size_t i = 0, n = 0;

	while (n < GROUPS_SENDERS_MAX && (g = next(conf, a, &i)) != NULL)
		out[n++] = g->name;
	return n;
}

char
groups_plus(const struct auth_conf *conf, const struct account *a)
{
	char c = *conf->plus == '\0' ? PLUS_DEFAULT : *conf->plus;

	if (a->plus == ACCOUNT_PLUS_CONF)
		return *conf->plus;
	return a->plus == ACCOUNT_PLUS_ON ? c : '\0';
}
