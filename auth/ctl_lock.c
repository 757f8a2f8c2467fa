/*
 * Who is locked out, and who is not any more. The guard knows names whether or
 * not they have an account here, so these verbs take any.
 */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/guard.h"
#include "auth/watch.h"
#include "lib/log.h"
#include "lib/xalloc.h"

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

/* Strangers try what can be nobody's name: that is looked for among the locks. */
static const char *
take_whom(struct request *r, const char *given)
{
	if (r->whom != NULL)
		return "one account, address or network is wanted";
	r->whom = xstrdup(given);
	r->is_net = net_parse(given, &r->net);
	if (r->is_net)
		return NULL;
	r->refusal = account_name(given, r->account.name);
	if (r->refusal != NULL)
		*r->account.name = '\0';
	return NULL;
}

/* Its devices have locks of their own; who has no account here has none. */
static void
run_unlock(struct job *job)
{
	struct request *r = (struct request *)job;

	r->result = ACCOUNTS_OK;
	if (r->whom == NULL)
		r->result = ctl_refused(r, CTL_USAGE, "an account, address or "
		    "network is wanted");
	else if (*r->account.name != '\0')
		ctl_run_get(job);
	if (r->result == ACCOUNTS_NONE || r->result == ACCOUNTS_DAMAGED)
		r->result = ACCOUNTS_OK;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : -1;
}

/* Whether that name is shown so: posternctl prints \xNN for what is no text. */
static bool
is_shown_as(const char *name, const char *shown)
{
	for (; *name != '\0' && *shown != '\0'; name++)
		if (*shown == *name)
			shown++;
		else if (shown[0] == '\\' && shown[1] == 'x' &&
		    hex(shown[2]) != -1 && hex(shown[3]) != -1 &&
		    hex(shown[2]) * 16 + hex(shown[3]) == (uint8_t)*name)
			shown += 4;
		else
			return false;
	return *name == *shown;
}

struct search {
	const char *shown;
	char	*name;		/* the first that is shown so; owned, or NULL */
};

static void
search_cb(const struct guard_lock *lock, void *arg)
{
	struct search *s = arg;

	if (s->name == NULL && *lock->name != '\0' &&
	    is_shown_as(lock->name, s->shown))
		s->name = xstrdup(lock->name);
}

/* Of all names that are listed so; how many there were. */
static size_t
unlock_shown(const char *shown)
{
	struct search s = { .shown = shown };
	size_t n = 0;

	for (;; n++) {
		watch_locks(search_cb, &s);
		if (s.name == NULL)
			return n;
		watch_unlock(s.name);
		free(s.name);
		s.name = NULL;
	}
}

static void
unlock_net(struct request *r)
{
	char net[NET_PREFIX_LEN];
	size_t n = watch_unlock_net(&r->net) + unlock_shown(r->whom);

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

	h->places += *lock->name == '\0' && strcmp(lock->what, "account") != 0;
	h->own += n > 0 && strncmp(lock->name, h->name, n) == 0 &&
	    (lock->name[n] == '\0' || lock->name[n] == '/');
}

static void
unlock_account(const struct account *a)
{
	char login[LOGIN_MAX + 1];
	size_t i;

	watch_unlock(a->name);
	for (i = 0; i < a->ndevices; i++)
		watch_unlock(device_login(a->name, a->devices[i].label,
		    login));
}

static void
unlock_name(struct request *r)
{
	struct held held = { .name = r->account.name };

	watch_locks(count_held_cb, &held);
	if (*r->account.name != '\0') {
		held.own += watch_locked_until(r->account.name) > 0;
		unlock_account(&r->account);
	}
	held.own += unlock_shown(r->whom);
	if (held.own == 0 && *r->account.name == '\0') {
		child_ctl_end(r->id, CTL_USAGE, "no lock is listed so, and it "
		    "is no account, address or network: %s", r->refusal);
		return;
	}
	log_info("account=\"%s\" done=unlock", *r->account.name != '\0' ?
	    r->account.name : log_escs(r->whom));
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
	{ "account locked", 0, CTL_NO_PASSWORD, NULL, ctl_run_nothing,
	    done_locked },
	{ "account unlock", 0, CTL_NO_PASSWORD, take_whom, run_unlock,
	    done_unlock },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
