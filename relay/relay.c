#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/seldom.h"
#include "lib/xalloc.h"
#include "relay/delivery.h"
#include "relay/dns.h"
#include "relay/pool.h"
#include "relay/relay.h"
#include "relay/sasl.h"
#include "relay/tlspolicy.h"

#define MAX_FILES 4096

/* On top of lib/sandbox.c's base: sockets to next hops and DNS, the spool. */
static const char *const syscalls[] = {
	"bind", "connect", "pread64", "socket",
	NULL
};

static const struct sandbox sandbox = {
	.syscalls = syscalls, .max_files = MAX_FILES, .no_processes = true
};

static struct pool *pool;
static struct ipc *queue;
static struct conf_strs resolvers;	/* of the first configuration */
static char *trust_anchor;

static int	on_msg(struct ipc *, struct ipc_in *, void *);
static void	on_gone(struct ipc *, const char *, void *);

static const struct ipc_ops queue_ops = { on_msg, on_gone };

/* --- the channel with queue -------------------------------------------------------- */

/* That says nothing about the next hop, which is therefore not to blame. */
static void
no_descriptor(struct delivery *d)
{
	static struct seldom told;

	if (seldom_due(&told))
		log_warnx("out of file descriptors: mail with a large body "
		    "waits for another try%s", seldom_more(&told));
	delivery_rest(d, false, OUTCOME_DEFERRED, "4.3.0",
	    "the relay has no file descriptor free for it", "");
	delivery_end(&d, "", "", true);
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct delivery *d;

	switch (in->type) {
	case M_DELIVER:
		d = delivery_get(in, &queue);
		if (d == NULL)
			return -1;
		log_debug("relay", "%s attempt=%llu route=%s domain=%s "
		    "recipients=%zu", d->id, (unsigned long long)d->attempt,
		    d->route, log_escs(d->domain), d->nrcpts);
		if (in->fd_lost)
			no_descriptor(d);
		else
			pool_deliver(pool, d);
		return 0;
	case M_DELIVER_STOP:
		if (!ipc_in_end(in))
			return -1;
		pool_give_back(pool);
		return 0;
	default:
		return -1;
	}
}

/*
 * Without queue nobody hears the results. What has not been answered for will
 * be sent again by the next queue, so the less goes out now, the better.
 */
static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL)
		child_peer_bad(ROLE_QUEUE, 0, why);
	ipc_free(&queue);
	pool_abandon(pool);
}

static void
peer(enum role role, uint32_t index, int fd)
{
	if (role != ROLE_QUEUE) {
		close(fd);
		return;
	}
	ipc_free(&queue);
	pool_abandon(pool);
	queue = ipc_new(fd, &queue_ops, NULL);
	ipc_gather(queue);
}

/* --- configuration -------------------------------------------------------------------- */

static const char *
conf_check(const void *slice, void **prepared)
{
	const struct relay_conf *conf = slice;
	const char *errstr = NULL;

	child_conf_about("dns", NULL, "trust-anchor");
	if (pool == NULL && (errstr = dns_check(conf->trust_anchor)) != NULL)
		return errstr;		/* later it does not change */
	*prepared = pool_conf_new(conf, &errstr);
	return *prepared == NULL ? errstr : NULL;
}

static void
conf_use(const void *slice, void *prepared)
{
	const struct relay_conf *conf = slice;
	size_t i;

	if (pool == NULL) {
		pool = pool_new();
		resolvers.n = conf->resolvers.n;
		resolvers.v = xcalloc(resolvers.n, sizeof(*resolvers.v));
		for (i = 0; i < resolvers.n; i++)
			resolvers.v[i] = xstrdup(conf->resolvers.v[i]);
		trust_anchor = xstrdup(conf->trust_anchor);
	}
	pool_use(pool, prepared);
}

static void
conf_drop(void *prepared)
{
	struct pool_conf *c = prepared;

	pool_conf_free(&c);
}

/* --- life -------------------------------------------------------------------------------- */

static void
before_confine(void)
{
	const char *why = dns_setup(&resolvers, trust_anchor);

	if (why == NULL)
		why = sasl_setup();
	tlspolicy_setup();
	if (why != NULL)
		fatalx("%s", why);
}

static void
stop(void)
{
	if (queue != NULL) {
		ipc_begin(M_DELIVER_NO_MORE, 0);
		ipc_send(queue, -1);
	}
	pool_stop(pool, child_exit);
}

const struct child_ops relay_ops = {
	.role = ROLE_RELAY,
	.name = "relay",
	.sandbox = &sandbox,
	.conf_fields = relay_conf_fields,
	.conf_size = sizeof(struct relay_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.conf_drop = conf_drop,
	.peer = peer,
	.before_confine = before_confine,
	.stop = stop,
};
