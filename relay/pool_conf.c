#include "lib/prelude.h"

#include <openssl/ssl.h>

#include "lib/child.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "relay/pool_private.h"

static int
route_init(struct route *r, const struct conf_relay_route *conf,
    const struct relay_conf *all, const char **errstr)
{
	struct client_conf *c = &r->client;

	r->conf = conf;
	c->hostname = all->hostname;
	c->source_address = all->source_address;
	c->connect_sec = all->connect_sec;
	c->command_sec = all->command_sec;
	c->data_sec = all->data_sec;
	c->user = conf->user;
	c->password = conf->password;
	c->tls = tlspolicy_of(conf);
	c->ssl_ctx = tlspolicy_ctx(c->tls.verified, conf->ca_pem, errstr);
	child_conf_about("route", conf->name, "ca-file");
	if (c->ssl_ctx == NULL)
		return -1;
	r->clear = *c;
	r->clear.tls.starttls = false;
	return 0;
}

const char *
pool_route_strict(struct route *r)
{
	const char *why = NULL;

	if (r->strict.ssl_ctx != NULL)
		return NULL;
	r->strict = r->client;
	r->strict.tls = tlspolicy_strict(r->conf);
	r->strict.ssl_ctx = tlspolicy_ctx(true, r->conf->ca_pem, &why);
	return why;
}

/* By the way it was sent: the wire form is the one complete copy there is. */
static void
copy_slice(const struct relay_conf *from, struct relay_conf *to)
{
	struct ipc_in in;
	const uint8_t *p;
	uint8_t *copy;
	size_t len;

	ipc_begin(0, 0);
	conf_put(relay_conf_fields, from);
	p = ipc_built(&len);
	copy = xmemdup(p, len);
	ipc_forget();
	if (!ipc_parse(copy, len, &in) ||
	    conf_get(&in, relay_conf_fields, to) == -1)
		fatalx("a configuration slice cannot be copied");
	xfree_secret(copy, len);
}

struct pool_conf *
pool_conf_new(const struct relay_conf *slice, const char **errstr)
{
	struct pool_conf *c = xcalloc(1, sizeof(*c));
	size_t i;

	c->refs = 1;
	copy_slice(slice, &c->slice);
	c->nroutes = c->slice.routes.n;
	c->routes = xcalloc(c->nroutes, sizeof(*c->routes));
	for (i = 0; i < c->nroutes; i++)
		if (route_init(&c->routes[i], CONF_AT(c->slice.routes,
		    struct conf_relay_route, i), &c->slice, errstr) == -1) {
			pool_conf_free(&c);
			return NULL;
		}
	return c;
}

void
pool_conf_free(struct pool_conf **cp)
{
	struct pool_conf *c = *cp;
	size_t i;

	*cp = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	for (i = 0; i < c->nroutes; i++) {
		SSL_CTX_free(c->routes[i].client.ssl_ctx);
		SSL_CTX_free(c->routes[i].strict.ssl_ctx);
	}
	free(c->routes);
	conf_clear(relay_conf_fields, sizeof(c->slice), &c->slice);
	free(c);
}

struct route *
pool_route(struct pool_conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nroutes; i++)
		if (strcmp(c->routes[i].conf->name, name) == 0)
			return &c->routes[i];
	return NULL;
}
