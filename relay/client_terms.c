/*
 * On which terms a next hop takes a message: what it cannot take as it is, and
 * what it is told beside the path about the sender's wishes.
 */
#include "lib/prelude.h"

#include "lib/envelope.h"
#include "relay/client_private.h"

/*
 * RFC 2852 4.1.4: what is left of the by-time; less than nothing when it is
 * over, and nine digits at most (RFC 2852 4), however long ago that was.
 */
static int64_t
left_sec(const struct delivery *d)
{
	int64_t ms = (int64_t)(d->by_ms - ev_wall_ms());
	/* Rounded down: it would be too late by then. */
	int64_t sec = ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);

	if (sec > ENVELOPE_BY_MAX_SEC)
		return ENVELOPE_BY_MAX_SEC;
	return sec < -ENVELOPE_BY_MAX_SEC ? -ENVELOPE_BY_MAX_SEC : sec;
}

void
client_terms_wishes(struct client *c, char *out, size_t size)
{
	struct delivery *d = c->d;
	size_t n = 0;

	d->by_passed = c->deliver_by && d->by != BY_NONE;
	if (d->by_passed)
		n = (size_t)snprintf(out, size, " BY=%lld;%s%s",
		    (long long)left_sec(d), d->by == BY_RETURN ? "R" : "N",
		    d->by_trace ? "T" : "");
	if (c->priority)	/* RFC 6710 4.2: 0 as well */
		snprintf(out + n, size - n, " MT-PRIORITY=%d", d->priority);
}

uint8_t
client_terms_notify(const struct client *c, uint8_t notify)
{
	const struct delivery *d = c->d;

	if (d->by != BY_NOTIFY || c->deliver_by || left_sec(d) < 1 ||
	    (notify & NOTIFY_NEVER) != 0)
		return notify;
	return (uint8_t)(notify | NOTIFY_DELAY |
	    (notify == 0 ? NOTIFY_FAILURE : 0));
}

/*
 * RFC 2852 4.1.4.1: what is to go back when its time is over goes on only to who
 * keeps to that, and can.
 */
static const char *
not_in_time(const struct client *c, const char **status)
{
	const struct delivery *d = c->d;

	if (d->by != BY_RETURN)
		return NULL;
	*status = "5.3.3";	/* RFC 3463 3.4: not capable of it */
	if (!c->deliver_by)
		return "it is to come back when it is not there in time, which "
		    "the next hop does not see to (DELIVERBY)";
	*status = "5.4.7";
	if (left_sec(d) < 1)
		return "the time that it was given is over";
	if ((uint64_t)left_sec(d) < c->min_by_sec)
		return "the next hop takes no mail with as little time left "
		    "(DELIVERBY)";
	return NULL;
}

/* What the next hop cannot take as it is (RFC 6152 3, RFC 6531 3.4). */
bool
client_terms_refused(struct client *c)
{
	const char *status = NULL, *why = NULL;

	if ((c->d->flags & DELIVER_UTF8) && !c->utf8) {
		status = "5.6.7";
		why = "the next hop does not take internationalized mail "
		    "(SMTPUTF8)";
	} else if ((c->d->flags & DELIVER_8BIT) && !c->eight_bit) {
		status = "5.6.3";
		why = "the next hop does not take 8-bit mail (8BITMIME), and "
		    "messages are not converted";
	} else if (c->size_max != 0 && c->d->size > c->size_max) {
		status = "5.3.4";
		why = "the message is larger than the next hop takes (SIZE)";
	} else
		why = not_in_time(c, &status);
	if (why != NULL)		/* our word, not the server's */
		delivery_rest(c->d, false, OUTCOME_FAILED, status, why, "");
	return why != NULL;
}
