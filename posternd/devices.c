#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/net.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "posternd/devices.h"
#include "posternd/listeners.h"
#include "posternd/verify.h"

static struct buf *faults, *doubts;

#define KEY(d, option)	config_key("device", (d)->name, option)
#define FAULT(key, ...) config_problem(faults, cfg, (key), __VA_ARGS__)
#define DOUBT(key, ...) config_problem(doubts, cfg, (key), __VA_ARGS__)

static bool
for_devices(const struct config_listen *l)
{
	return l->tls == LISTEN_TLS_MAY || l->tls == LISTEN_TLS_NONE;
}

static bool
has(const struct conf_strs *s, const char *what)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->v[i], what) == 0)
			return true;
	return false;
}

/* --- verifying ------------------------------------------------------------------ */

static const struct config_listen *
find_listen(const struct config *cfg, const char *name)
{
	size_t i;

	for (i = 0; i < cfg->listens.n; i++) {
		const struct config_listen *l = CONF_AT(cfg->listens,
		    struct config_listen, i);

		if (strcmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

static void
verify_listeners(const struct config *cfg, const struct config_device *d)
{
	const char *key = KEY(d, "listeners");
	size_t i;

	if (d->listeners.n == 0)
		FAULT(KEY(d, "addresses"), "device %s comes in nowhere; add "
		    "listeners = {\"NAME\"}, of listen sections with tls = may "
		    "or none", d->name);
	for (i = 0; i < d->listeners.n; i++) {
		const struct config_listen *l = find_listen(cfg,
		    d->listeners.v[i]);

		if (l == NULL)
			FAULT(key, "there is no section \"listen %s\"",
			    d->listeners.v[i]);
		else if (!for_devices(l))
			FAULT(key, "listen %s is for those who log in; devices "
			    "need one of their own, with tls = may or none",
			    l->name);
	}
}

static void
verify_address(const struct config *cfg, const struct config_device *d,
    const char *text)
{
	const char *key = KEY(d, "addresses");
	char print[NET_TEXT_LEN];
	struct net net;

	if (!net_parse(text, &net))
		FAULT(key, "\"%s\" is no IP address", text);
	else if (net.bits != 128)
		FAULT(key, "\"%s\" is a network, and a device is one address; "
		    "list each", text);
	else if (!net_is_host(&net))
		FAULT(key, "\"%s\" is not the address of a device", text);
	else if (net_is_loopback(&net))
		DOUBT(key, "device %s is %s: every program on this machine can "
		    "send as it", d->name, net_print(&net, print));
}

static bool
share_listener(const struct config_device *a, const struct config_device *b)
{
	size_t i;

	for (i = 0; i < a->listeners.n; i++)
		if (has(&b->listeners, a->listeners.v[i]))
			return true;
	return false;
}

static bool
same_address(const char *a, const char *b)
{
	struct net na, nb;

	return net_parse(a, &na) && net_parse(b, &nb) &&
	    memcmp(na.bytes, nb.bytes, sizeof(na.bytes)) == 0;
}

/* One address at one listener is one device. */
static void
verify_apart(const struct config *cfg, const struct config_device *a,
    const struct config_device *b)
{
	size_t i, j;

	if (!share_listener(a, b))
		return;
	for (i = 0; i < a->addresses.n; i++)
		for (j = 0; j < b->addresses.n; j++)
			if (same_address(a->addresses.v[i], b->addresses.v[j]))
				FAULT(KEY(b, "addresses"), "%s is device %s "
				    "already, on the same listener",
				    b->addresses.v[j], a->name);
}

static void
verify_sender(const struct config *cfg, const struct config_device *d)
{
	const char *why = *d->sender == '\0' ? "it is missing" :
	    addr_parse(d->sender, strlen(d->sender), 0, NULL);

	if (why != NULL)
		FAULT(KEY(d, "sender"), "device %s needs a sender, the one "
		    "address that its mail is from: %s", d->name, why);
	if (*d->account == '\0')
		FAULT(KEY(d, "sender"), "device %s needs an account, which its "
		    "mail is counted on", d->name);
}

static void
verify_recipients(const struct config *cfg, const struct config_device *d)
{
	const char *key = KEY(d, "recipients"), *why;
	size_t i;

	if (d->recipients.n == 0)
		FAULT(KEY(d, "sender"), "device %s needs recipients, whom it "
		    "may write to: {\"@example.org\", \"a@example.net\"}",
		    d->name);
	for (i = 0; i < d->recipients.n; i++)
		if ((why = verify_pattern(d->recipients.v[i])) != NULL)
			FAULT(key, "\"%s\" %s", d->recipients.v[i], why);
}

static void
verify_cap(const struct config *cfg, const struct config_device *d)
{
	size_t i;

	for (i = 0; *d->cap != '\0' && i < cfg->queue.caps.n; i++)
		if (strcmp(CONF_AT(cfg->queue.caps, struct conf_cap, i)->name,
		    d->cap) == 0)
			return;
	if (*d->cap != '\0')
		FAULT(KEY(d, "cap"), "there is no section \"cap %s\"", d->cap);
}

static void
verify_device(const struct config *cfg, size_t i)
{
	const struct config_device *d = CONF_AT(cfg->devices,
	    struct config_device, i);
	size_t j;

	verify_listeners(cfg, d);
	if (strlen(d->name) > DEVICE_MAX)
		FAULT(KEY(d, "listeners"), "the name of a device has at most "
		    "%d characters", DEVICE_MAX);
	if (d->addresses.n == 0)
		FAULT(KEY(d, "listeners"), "device %s needs addresses, by "
		    "which it is known: {\"192.168.1.50\"}", d->name);
	for (j = 0; j < d->addresses.n; j++)
		verify_address(cfg, d, d->addresses.v[j]);
	verify_sender(cfg, d);
	verify_recipients(cfg, d);
	verify_cap(cfg, d);
	for (j = 0; j < i; j++)
		verify_apart(cfg, CONF_AT(cfg->devices, struct config_device,
		    j), d);
	DOUBT(KEY(d, "addresses"), "device %s sends as %s without a password: "
	    "whoever can take its address on your network can do so, too",
	    d->name, d->sender);
}

static void
verify_listen(const struct config *cfg, const struct config_listen *l)
{
	const char *key = config_key("listen", l->name, "tls");
	size_t i;

	for (i = 0; i < cfg->devices.n; i++)
		if (has(&CONF_AT(cfg->devices, struct config_device,
		    i)->listeners, l->name))
			break;
	if (i == cfg->devices.n)
		FAULT(key, "listen %s has no TLS from the start or by demand, "
		    "which is for devices alone, and no device section names "
		    "it; choose tls = starttls or implicit", l->name);
	if (l->proxies.n > 0)
		FAULT(config_key("listen", l->name, "proxy"), "listen %s knows "
		    "devices by their own addresses, not by a proxy's word",
		    l->name);
	if (*l->address == '\0')
		DOUBT(config_key("listen", l->name, "port"), "listen %s is for "
		    "devices on your network, and listens on all addresses of "
		    "this machine; set address", l->name);
}

void
devices_verify(const struct config *cfg, struct buf *problems,
    struct buf *warnings)
{
	size_t i;

	faults = problems;
	doubts = warnings;
	for (i = 0; i < cfg->listens.n; i++) {
		const struct config_listen *l = CONF_AT(cfg->listens,
		    struct config_listen, i);

		if (for_devices(l))
			verify_listen(cfg, l);
	}
	for (i = 0; i < cfg->devices.n; i++)
		verify_device(cfg, i);
}

/* --- filling ---------------------------------------------------------------------- */

static void
add_str(struct conf_strs *to, const char *s)
{
	to->v = xreallocarray(to->v, to->n + 1, sizeof(*to->v));
	to->v[to->n++] = xstrdup(s);
}

static void
add_addresses(struct conf_strs *to, const struct config_device *d)
{
	char text[NET_TEXT_LEN];
	struct net net;
	size_t i;

	for (i = 0; i < d->addresses.n; i++)
		if (net_parse(d->addresses.v[i], &net))
			add_str(to, net_print(&net, text));
}

/* All full names of the listeners that the device names. */
static void
add_listeners(const struct config *cfg, const struct config_device *d,
    struct conf_strs *to)
{
	char names[LISTENER_ADDRESSES_MAX][LISTENER_NAME_LEN];
	const struct config_listen *l;
	size_t i, j, n;

	for (i = 0; i < d->listeners.n; i++) {
		l = find_listen(cfg, d->listeners.v[i]);
		if (l == NULL || !listeners_names(l, &n, names))
			continue;
		for (j = 0; j < n; j++)
			add_str(to, names[j]);
	}
}

static void
add_lane(const struct config *cfg, const struct config_device *d,
    struct conf_list *lanes)
{
	struct conf_lane *lane;
	size_t i;

	lanes->v = xreallocarray(lanes->v, lanes->n + 1, sizeof(*lane));
	lane = CONF_AT(*lanes, struct conf_lane, lanes->n++);
	memset(lane, 0, sizeof(*lane));
	lane->name = xstrdup(d->name);
	add_listeners(cfg, d, &lane->listeners);
	add_addresses(&lane->addresses, d);
	lane->account = addr_lower(xstrdup(d->account));
	lane->sender = xstrdup(d->sender);
	lane->cap = xstrdup(d->cap);
	for (i = 0; i < d->recipients.n; i++)
		add_str(&lane->recipients, d->recipients.v[i]);
	lane->rewrite = d->other_senders == OTHER_SENDERS_REWRITE;
}

/* What smtpd is told of a lane is who may come in, and no more. */
static void
open_listeners(struct config *cfg, const struct conf_lane *lane)
{
	size_t i, j;

	for (i = 0; i < cfg->smtpd.listeners.n; i++) {
		struct conf_listener *l = CONF_AT(cfg->smtpd.listeners,
		    struct conf_listener, i);

		if (!has(&lane->listeners, l->name))
			continue;
		for (j = 0; j < lane->addresses.n; j++)
			add_str(&l->devices, lane->addresses.v[j]);
	}
}

void
devices_fill(struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->devices.n; i++) {
		const struct config_device *d = CONF_AT(cfg->devices,
		    struct config_device, i);

		add_lane(cfg, d, &cfg->auth.lanes);
		add_lane(cfg, d, &cfg->queue.lanes);
		open_listeners(cfg, CONF_AT(cfg->auth.lanes, struct conf_lane,
		    i));
	}
}

void
devices_free(struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->devices.n; i++) {
		struct config_device *d = CONF_AT(cfg->devices,
		    struct config_device, i);

		free(d->name);
		config_free_strs(&d->listeners);
		config_free_strs(&d->addresses);
		free(d->account);
		free(d->sender);
		free(d->cap);
		config_free_strs(&d->recipients);
	}
	free(cfg->devices.v);
}
