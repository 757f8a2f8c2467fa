#include "lib/prelude.h"

#include <sys/random.h>

#include "posternd/children_private.h"
#include "posternd/wiring.h"

#define TLS_KEY_LIFE_MS	(60 * 60 * 1000)

static const struct { enum role a, b; } links[] = {
	{ ROLE_SMTPD, ROLE_AUTH },
	{ ROLE_SMTPD, ROLE_KEYS },
	{ ROLE_SMTPD, ROLE_QUEUE },
	{ ROLE_AUTH, ROLE_QUEUE },
	{ ROLE_QUEUE, ROLE_RELAY },
	{ ROLE_AUTH, ROLE_SOURCE },
	{ ROLE_AUTH, ROLE_FETCH },
};

static const struct child *all;
static size_t nall;
static uint8_t tls_key[TLS_KEY_LEN];
static struct ev_timer tls_key_timer;

/* It can be told of others. */
static bool
is_there(const struct child *c)
{
	return c->state == CHILD_LAUNCHED || c->state == CHILD_READY;
}

/* --- channels --------------------------------------------------------------------- */

bool
wiring_links(enum role a, enum role b)
{
	size_t i;

	for (i = 0; i < nitems(links); i++)
		if ((links[i].a == a && links[i].b == b) ||
		    (links[i].a == b && links[i].b == a))
			return true;
	return false;
}

static void
send_peer(const struct child *to, const struct child *peer, int fd)
{
	ipc_begin(M_PEER, 0);
	ipc_put_u32(peer->role);
	ipc_put_u32(peer->index);
	ipc_send(to->control, fd);
	close(fd);
}

void
wiring_connect(const struct child *c)
{
	size_t i;
	int fd[2];

	for (i = 0; i < nall; i++) {
		const struct child *d = &all[i];

		if (!wiring_links(c->role, d->role) || !is_there(d))
			continue;
		if (ipc_pair(fd) == -1)
			fatal("cannot make a channel");
		send_peer(c, d, fd[0]);
		send_peer(d, c, fd[1]);
	}
}

/* --- TLS session tickets ------------------------------------------------------------ */

/*
 * One key for all workers, so that a client may resume with any; a new one
 * each hour and whenever a worker died. So what a captured worker knows is of
 * no use against sessions of before or after it.
 */
void
wiring_tls_key(const struct child *c)
{
	ipc_begin(M_TLS_KEY, 0);
	ipc_put_bytes(tls_key, sizeof(tls_key));
	ipc_send(c->control, -1);
	ipc_forget();
}

void
wiring_renew_tls_key(void)
{
	size_t i;

	if (getrandom(tls_key, sizeof(tls_key), 0) != sizeof(tls_key))
		fatal("no random numbers");
	for (i = 0; i < nall; i++)
		if (all[i].role == ROLE_SMTPD && is_there(&all[i]))
			wiring_tls_key(&all[i]);
	ev_timer_set(&tls_key_timer, TLS_KEY_LIFE_MS);
}

static void
timer_cb(void *arg)
{
	wiring_renew_tls_key();
}

void
wiring_start(const struct child *everybody, size_t n)
{
	all = everybody;
	nall = n;
	ev_timer_init(&tls_key_timer, timer_cb, NULL);
	wiring_renew_tls_key();
}
