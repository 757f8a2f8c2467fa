/* The way of a configuration from its file to the slices, and its end. */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/xalloc.h"
#include "posternd/config.h"
#include "posternd/devices.h"
#include "posternd/settings.h"
#include "posternd/slices.h"
#include "posternd/verify.h"

/* Who can write there says which programs root starts. */
static void
check_file(const struct config *cfg, const char *file, struct buf *warnings)
{
	struct stat st;

	if (stat(file, &st) == -1)
		return;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		config_problem(warnings, cfg, NULL, "%s belongs to user %u, "
		    "who can change it, and so become root; chown root %s",
		    file, st.st_uid, file);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		config_problem(warnings, cfg, NULL, "others can change %s, and "
		    "so become root; chmod go-w %s", file, file);
}

/* Options of an included file stand in a row. */
static void
check_files(const struct config *cfg, struct buf *warnings)
{
	const char *last = cfg->file;
	size_t i;

	check_file(cfg, cfg->file, warnings);
	for (i = 0; i < cfg->places.n; i++) {
		const char *file = CONF_AT(cfg->places, struct config_place,
		    i)->file;

		if (strcmp(file, last) != 0 && strcmp(file, cfg->file) != 0)
			check_file(cfg, file, warnings);
		last = file;
	}
}

struct config *
config_load(const char *file, struct buf *problems, struct buf *warnings)
{
	struct config *cfg = xcalloc(1, sizeof(*cfg));
	struct buf text;
	const char *why;
	int r;

	cfg->file = xstrdup(file);
	buf_init(&text, SETTINGS_FILE_MAX);
	r = settings_slurp(file, &text, &why);
	if (r == -1)
		buf_addf(problems, "%s: the configuration cannot be read: %s; "
		    "%s\n", file, why, settings_for_root(file) ? "only root "
		    "can read it, so run this as root" : "-f names another file");
	else
		r = settings_parse(file, buf_str(&text), text.len, cfg,
		    problems);
	buf_clear(&text);
	if (r == 0)
		check_files(cfg, warnings);
	/* Both look at all there is, so that one run shows every fault. */
	if (r == 0) {
		r = verify(cfg, problems, warnings);
		if (slices_fill(cfg, problems, warnings) == -1)
			r = -1;
	}
	if (r == -1)
		config_free(&cfg);
	return cfg;
}

static void
free_listens(struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->listens.n; i++) {
		struct config_listen *l = CONF_AT(cfg->listens,
		    struct config_listen, i);

		free(l->name);
		free(l->address);
		config_free_strs(&l->proxies);
	}
	free(cfg->listens.v);
}

static void
free_routes(struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->routes.n; i++) {
		struct config_route *r = CONF_AT(cfg->routes,
		    struct config_route, i);

		free(r->name);
		free(r->next_hop);
		free(r->user);
		free(r->password_file);
		free(r->ca_file);
		config_free_strs(&r->senders);
	}
	free(cfg->routes.v);
}

static void
free_sources(struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->sources.n; i++) {
		struct config_source *s = CONF_AT(cfg->sources,
		    struct config_source, i);

		free(s->name);
		config_free_strs(&s->domains);
		config_free_strs(&s->senders);
		free(s->cap);
		free(s->socket);
		free(s->service);
		free(s->uri);
		free(s->base);
		free(s->filter);
		free(s->dn);
		free(s->bind_dn);
		free(s->senders_attribute);
		free(s->connect);
		free(s->query);
		free(s->password_file);
		free(s->ca_file);
	}
	free(cfg->sources.v);
	config_free_strs(&cfg->source_names);
}

static void
free_places(struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->places.n; i++) {
		struct config_place *p = CONF_AT(cfg->places,
		    struct config_place, i);

		free(p->key);
		free(p->file);
	}
	free(cfg->places.v);
}

void
config_free(struct config **cfgp)
{
	struct config *cfg = *cfgp;
	size_t i;

	if (cfg == NULL)
		return;
	*cfgp = NULL;
	slices_clear(cfg);
	free_listens(cfg);
	devices_free(cfg);
	free_routes(cfg);
	free_sources(cfg);
	free_places(cfg);
	for (i = 0; i < ROLES; i++)
		free(cfg->users[i].name);
	free(cfg->file);
	free(cfg->hostname);
	free(cfg->state_dir);
	free(cfg->control_socket);
	free(cfg->program_dir);
	free(cfg->certificate);
	free(cfg->key);
	free(cfg->trust_anchor_file);
	free(cfg->jwks_file);
	free(cfg->client_secret_file);
	free(cfg->tokens_ca_file);
	free(cfg->client_ca_file);
	free(cfg);
}
