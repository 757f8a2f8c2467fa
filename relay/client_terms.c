/*
 * On which terms a next hop takes a message: what it cannot take as it is, and
 * what it is told beside the path about the sender's wishes.
 */
#include "lib/prelude.h"

#include "lib/envelope.h"
#include "relay/client_private.h"

/* RFC 2852 4.1.4: what is left of the by-time; less than nothing when it is over. */
static int64_t
left_sec(const struct delivery *d)
{
	int64_t ms = (int64_t)(d->by_ms - ev_wall_ms());

	/* Rounded down: it would be too late by then. */
	return ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
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
	if (c->priority && d->priority != 0)
		snprintf(out + n, size - n, " MT-PRIORITY=%d", d->priority);
}

/*
 * RFC 2852 4.1.4: what is to go back when its time is over goes on only to who
 * keeps to that, and can.
 */
static const char *
not_in_time(const struct client *c)
{
	const struct delivery *d = c->d;

	if (d->by != BY_RETURN)
		return NULL;
	if (!c->deliver_by)
		return "the sender wants it back when it is not there in time, "
		    "which the next hop does not see to (DELIVERBY)";
	if (left_sec(d) < 1)
		return "the time that the sender has given it is over";
	if ((uint64_t)left_sec(d) < c->min_by_sec)
		return "the next hop takes no mail with as little time left as "
		    "the sender has given it (DELIVERBY)";
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
	} else if ((why = not_in_time(c)) != NULL)
		status = "5.4.7";
	if (why != NULL)
		delivery_rest(c->d, false, OUTCOME_FAILED, status, why,
		    c->target.host);
	return why != NULL;
}
