#include "lib/prelude.h"

#include "lib/child.h"
#include "lib/log.h"
#include "smtpd/upstream.h"

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct upstream *u = arg;

	return u->ops->take(u, in);
}

static void
gone(struct upstream *u)
{
	ipc_free(&u->ipc);
	u->ops->gone(u);
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	struct upstream *u = arg;

	log_warnx("%s is gone%s%s; sessions wait for a new one",
	    u->role == ROLE_AUTH ? "auth" : "queue", why == NULL ? "" : ": ",
	    why == NULL ? "" : why);
	if (why != NULL)
		child_peer_bad(u->role, u->index, why);
	gone(u);
}

static const struct ipc_ops upstream_ops = { on_msg, on_gone };

void
upstream_init(struct upstream *u, struct server *srv, enum role role,
    const struct upstream_ops *ops)
{
	*u = (struct upstream){ .server = srv, .role = role, .ops = ops };
}

void
upstream_attach(struct upstream *u, uint32_t index, int fd)
{
	if (u->ipc != NULL)
		gone(u);
	u->index = index;
	u->ipc = ipc_new(fd, &upstream_ops, u);
	ipc_gather(u->ipc);
}

void
upstream_clear(struct upstream *u)
{
	ipc_free(&u->ipc);
}

bool
upstream_alive(const struct upstream *u)
{
	return ipc_alive(u->ipc);
}

void
upstream_send(struct upstream *u)
{
	ipc_send(u->ipc, -1);
}
