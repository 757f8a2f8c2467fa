#include "lib/prelude.h"

#include "auth/revoke.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/revoked.h"

static struct revoked revoked;
static uint64_t last_before_ms, last_begun_ms;
static struct ipc *queue;	/* NULL: absent, the parent is replacing it */

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	return in->type == M_REVOKE ? revoked_get(&revoked, in) : -1;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL) {
		log_warnx("queue channel=closed why=\"%s\"", why);
		child_peer_bad(ROLE_QUEUE, 0, why);
	}
	ipc_free(&queue);
}

void
revoke_peer(int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	ipc_free(&queue);
	queue = ipc_new(fd, &ops, NULL);
	revoked_send_all(&revoked, queue);
}

void
revoke_account(const char *whose, uint32_t ticket_sec)
{
	uint64_t now = ev_now_ms(), until;

	if (now < last_begun_ms)
		now = last_begun_ms;
	last_before_ms = now;
	until = now + ticket_sec * 1000ULL;
	revoked_add(&revoked, whose, now, until);
	if (queue != NULL)
		revoked_send(queue, whose, now, until);
}

uint64_t
revoke_begun_ms(void)
{
	uint64_t now = ev_now_ms();

	if (now <= last_before_ms)
		now = last_before_ms + 1;
	if (now > last_begun_ms)
		last_begun_ms = now;
	return now;
}

void
revoke_stop(void)
{
	ipc_free(&queue);
	revoked_clear(&revoked);
}
