/*
 * Who is locked out, and who is not any more. The guard knows names whether or
 * not they have an account here, so these verbs take any.
 */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/guard.h"
#include "auth/watch.h"
#include "lib/log.h"

/* More than anybody reads; a botnet can make tens of thousands. */
#define SHOWN_MAX	1000

/* --- locked ----------------------------------------------------------------------- */

struct listing {
	uint64_t id;
	size_t	 shown, more;
};

static void
show_cb(const struct guard_lock *lock, void *arg)
{
	struct listing *l = arg;
	char from[NET_PREFIX_LEN] = "";

	if (l->shown == SHOWN_MAX) {
		l->more++;
		return;
	}
	l->shown++;
	if (lock->from != NULL)
		net_print_prefix(lock->from, from);
	child_ctl_row(l->id, 5);
	child_ctl_str("locked", lock->what);
	child_ctl_str("account", lock->name);
	child_ctl_str("from", from);
	child_ctl_time("until", lock->until_ms);
	child_ctl_num("times", lock->times);
	child_ctl_send();
}

static void
run_nothing(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = ACCOUNTS_OK;
}

static void
done_locked(struct job *job)
{
	struct request *r = (struct request *)job;
	struct listing l = { .id = r->id };

	watch_locks(show_cb, &l);
	if (l.more > 0)
		child_ctl_end(r->id, CTL_OK, "%zu more are locked", l.more);
	else
		child_ctl_end(r->id, CTL_OK, "%s", "");
	ctl_free(r);
}

/* --- unlock ----------------------------------------------------------------------- */

static const char *
take_whom(struct request *r, const char *given)
{
	if (r->is_net || *r->account.name != '\0')
		return "one account, address or network is wanted";
	r->is_net = net_parse(given, &r->net);
	return r->is_net ? NULL : account_name(given, r->account.name);
}

/* Its devices have locks of their own; who has no account here has none. */
static void
run_unlock(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = ACCOUNTS_OK;
	if (!r->is_net && *r->account.name == '\0') {
		r->result = ACCOUNTS_REFUSED;
		r->refusal_code = CTL_USAGE;
		r->refusal = "an account, address or network is wanted";
		return;
	}
	if (!r->is_net)
		ctl_run_get(job);
	if (r->result == ACCOUNTS_NONE || r->result == ACCOUNTS_DAMAGED)
		r->result = ACCOUNTS_OK;
}

static void
unlock_net(struct request *r)
{
	char net[NET_PREFIX_LEN];
	size_t n = watch_unlock_net(&r->net);

	net_print_prefix(&r->net, net);
	log_info("network=%s done=unlock locks=%zu", net, n);
	if (n == 0)
		child_ctl_end(r->id, CTL_OK, "nothing held %s", net);
	else
		child_ctl_end(r->id, CTL_OK, "%s", "");
}

struct held {
	const char *name;
	size_t	 own;		/* of it and its devices */
	size_t	 places;	/* addresses and networks */
};

static void
count_held_cb(const struct guard_lock *lock, void *arg)
{
	struct held *h = arg;
	size_t n = strlen(h->name);

	h->places += *lock->name == '\0';
	h->own += strncmp(lock->name, h->name, n) == 0 &&
	    (lock->name[n] == '\0' || lock->name[n] == '/');
}

static void
unlock_name(struct request *r)
{
	char login[LOGIN_MAX + 1];
	struct held held = { .name = r->account.name };
	size_t i;

	watch_locks(count_held_cb, &held);
	watch_unlock(r->account.name);
	for (i = 0; i < r->account.ndevices; i++)
		watch_unlock(device_login(r->account.name,
		    r->account.devices[i].label, login));
	log_info("account=\"%s\" done=unlock", r->account.name);
	if (held.places > 0)
		child_ctl_end(r->id, CTL_OK, "%saddresses or networks are "
		    "locked, too, and whoever comes from there waits: "
		    "posternctl account locked", held.own > 0 ? "" :
		    "the name was not locked; ");
	else if (held.own == 0)
		child_ctl_end(r->id, CTL_OK, "nothing held %s",
		    r->account.name);
	else
		child_ctl_end(r->id, CTL_OK, "%s", "");
}

static void
done_unlock(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result != ACCOUNTS_OK) {
		ctl_done(r);
		return;
	}
	if (r->is_net)
		unlock_net(r);
	else
		unlock_name(r);
	ctl_free(r);
}

const struct verb ctl_lock_verbs[] = {
	{ "account locked", 0, CTL_NO_PASSWORD, NULL, run_nothing, done_locked },
	{ "account unlock", 0, CTL_NO_PASSWORD, take_whom, run_unlock,
	    done_unlock },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
