#include "lib/prelude.h"

#include "lib/log.h"
#include "posternd/slices.h"

static const struct {
	const char *name;
	const struct conf_field *fields;
	size_t	 offset, size;		/* of the slice in struct config */
} roles[ROLES] = {
	[ROLE_SMTPD] = { "smtpd", smtpd_conf_fields,
	    offsetof(struct config, smtpd), sizeof(struct smtpd_conf) },
	[ROLE_AUTH] = { "auth", auth_conf_fields,
	    offsetof(struct config, auth), sizeof(struct auth_conf) },
	[ROLE_KEYS] = { "keys", keys_conf_fields,
	    offsetof(struct config, keys), sizeof(struct keys_conf) },
	[ROLE_QUEUE] = { "queue", queue_conf_fields,
	    offsetof(struct config, queue), sizeof(struct queue_conf) },
	[ROLE_RELAY] = { "relay", relay_conf_fields,
	    offsetof(struct config, relay), sizeof(struct relay_conf) },
	[ROLE_SOURCE] = { "source", source_conf_fields,
	    offsetof(struct config, source_slice), sizeof(struct source_conf) },
	[ROLE_FETCH] = { "fetch", fetch_conf_fields,
	    offsetof(struct config, fetch), sizeof(struct fetch_conf) },
};

const char *
slices_role_name(enum role r)
{
	return roles[r].name;
}

bool
slices_wanted(const struct config *cfg, enum role r)
{
	if (r == ROLE_FETCH)
		return *cfg->fetch.issuer != '\0' ||
		    *cfg->fetch.introspection != '\0';
	return r != ROLE_SOURCE || cfg->source_names.n > 1;
}

void
slices_root(const struct config *cfg, enum role r, char root[PATH_MAX])
{
	bool locked_in = r == ROLE_SMTPD || r == ROLE_KEYS || r == ROLE_RELAY;

	snprintf(root, PATH_MAX, "%s%s", locked_in ? cfg->state_dir : "",
	    locked_in ? "/empty" : "");
}

static void
put(const struct config *cfg, enum role r)
{
	ipc_begin(M_CONF, 0);
	conf_put(roles[r].fields, (const char *)cfg + roles[r].offset);
}

bool
slices_fit(const struct config *cfg, enum role r)
{
	bool fits;

	put(cfg, r);
	fits = ipc_fits();
	ipc_forget();
	return fits;
}

void
slices_send(const struct config *cfg, enum role r, struct ipc *ipc)
{
	put(cfg, r);
	ipc_send(ipc, -1);
	ipc_forget();		/* what was sent holds keys and passwords */
}

void
slices_clear(struct config *cfg)
{
	enum role r;

	for (r = ROLE_SMTPD; r < ROLE_CTL; r++)
		conf_clear(roles[r].fields, roles[r].size,
		    (char *)cfg + roles[r].offset);
}
