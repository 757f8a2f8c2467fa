#include "lib/prelude.h"

#include "auth/revoke.h"
#include "auth/voids.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/revoked.h"

static struct accounts *accounts; /* NULL: not started yet */
static uint64_t life;
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

/* queue waits for the last of these words before it takes mail. */
static void
tell_all(void)
{
	if (accounts == NULL || queue == NULL)
		return;
	revoked_send_all(&revoked, queue);
	ipc_begin(M_REVOKE_END, 0);
	ipc_send(queue, -1);
}

void
revoke_peer(int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	ipc_free(&queue);
	queue = ipc_new(fd, &ops, NULL);
	tell_all();
}

/* Behind all logins so far. */
static uint64_t
before_ms(void)
{
	uint64_t now = ev_now_ms();

	if (now < last_begun_ms)
		now = last_begun_ms;
	last_before_ms = now;
	return now;
}

/* When exactly, it does not say: all who logged in before this start are out. */
static void
take(const char *whose, uint64_t until_ms)
{
	revoked_add(&revoked, whose, before_ms(), until_ms);
}

const char *
revoke_start(struct accounts *a, const struct conf_bytes *key)
{
	life = accounts_hash(a, key->v, key->n);
	if (voids_each(accounts_records(a), life, ev_now_ms(), take) !=
	    ACCOUNTS_OK)
		return records_why(accounts_records(a));
	accounts = a;
	tell_all();
	return NULL;
}

enum accounts_result
revoke_will(const char *whose, uint64_t until_ms)
{
	return voids_put(accounts_records(accounts), whose, life, until_ms);
}

/* A reload may have made tickets shorter since some were sealed. */
uint64_t
revoke_until_ms(void)
{
	return ev_now_ms() + TICKET_LIFE_MAX_SEC * 1000ULL;
}

void
revoke_account(const char *whose)
{
	uint64_t before = before_ms(), until = revoke_until_ms();

	revoked_add(&revoked, whose, before, until);
	if (queue != NULL)
		revoked_send(queue, whose, before, until);
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
	accounts = NULL;
}
