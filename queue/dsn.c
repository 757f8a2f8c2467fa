#include "lib/prelude.h"

#include "lib/date.h"
#include "lib/header.h"
#include "lib/xalloc.h"
#include "queue/dsn_private.h"
#include "queue/table.h"

/* What a report says beside recipients and the original, with every frame. */
#define FRAME_BYTES	(DSN_HEAD_ROOM + 4096)

bool
dsn_wanted(const struct store_msg *m, size_t i, enum dsn_action action)
{
	static const uint8_t asks[DSN_ACTIONS] = {
		[DSN_FAILED] = NOTIFY_FAILURE, [DSN_DELAYED] = NOTIFY_DELAY,
		[DSN_RELAYED] = NOTIFY_SUCCESS,
	};
	uint8_t notify = m->env.rcpts[i].notify;

	if (*m->env.return_path == '\0')	/* RFC 5321 6.1 */
		return false;
	if (notify == 0)
		return action == DSN_FAILED || action == DSN_DELAYED;
	return (notify & NOTIFY_NEVER) == 0 && (notify & asks[action]) != 0;
}

/* --- words that all reports share ------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 4: "+41" stands for "A". What is decoded is still not trusted. */
static void
xtext_decode(const char *s, char *to, size_t size)
{
	size_t n = 0;

	for (; *s != '\0' && n + 1 < size; s++) {
		if (*s == '+' && hex_digit(s[1]) != -1 &&
		    hex_digit(s[2]) != -1) {
			to[n++] = (char)(hex_digit(s[1]) * 16 +
			    hex_digit(s[2]));
			s += 2;
		} else
			to[n++] = *s;
		if (to[n - 1] == '\0')
			to[n - 1] = '?';
	}
	to[n] = '\0';
}

static const struct {
	const char *word;		/* RFC 3464 2.3.3 */
	const char *subject;
	const char *status;		/* when none is known */
} actions[DSN_ACTIONS] = {
	[DSN_FAILED] = { "failed", "Undelivered mail: returned to sender",
	    "5.0.0" },
	[DSN_DELAYED] = { "delayed", "Delayed mail: still being tried",
	    "4.0.0" },
	[DSN_RELAYED] = { "relayed", "Mail was handed on", "2.0.0" },
};

static size_t
count(const struct dsn *d, enum dsn_action action)
{
	size_t i, n = 0;

	for (i = 0; i < d->msg->env.nrcpts; i++)
		n += d->report[i] == action;
	return n;
}

/* --- for people --------------------------------------------------------------------- */

static void
put_address(const struct store_msg *m, size_t i, bool utf8, struct buf *out)
{
	buf_adds(out, "  ");
	dsn_put_text(out, 2, m->env.rcpts[i].addr, utf8);
	buf_adds(out, "\r\n");
}

static void
put_reason(const struct store_msg *m, size_t i, bool utf8, struct buf *out)
{
	const struct store_rcpt *r = &m->rcpts[i];

	buf_adds(out, "    ");
	if (r->remote != NULL) {
		dsn_put_text(out, 4, r->remote, utf8);
		buf_adds(out, " answered:\r\n    ");
	}
	dsn_put_text(out, 4, r->diag != NULL ? r->diag : m->attempts == 0 ?
	    "not tried yet" : "no reason is known", utf8);
	buf_adds(out, "\r\n\r\n");
}

void
dsn_put_person(const struct store_msg *m, size_t i, bool utf8,
    struct buf *out)
{
	put_address(m, i, utf8, out);
	put_reason(m, i, utf8, out);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
alike(const struct dsn *d, size_t i, size_t k)
{
	const struct store_rcpt *v = d->msg->rcpts;

	return d->report[k] == d->report[i] &&
	    same_text(v[k].remote, v[i].remote) &&
	    same_text(v[k].diag, v[i].diag);
}

static uint64_t
hash_text(const char *s)
{
	return s == NULL ? 0 : table_hash(s, strlen(s));
}

/*
 * For each recipient the first who is reported with the same words, which stand
 * there once. They are found by hash, as a thousand may have as many answers.
 */
static uint32_t *
find_alike(const struct dsn *d)
{
	size_t n = d->msg->env.nrcpts, nslots = 1, at, i;
	uint32_t *like = xcalloc(n + 1, sizeof(*like)), *slots;

	while (nslots < 2 * n)
		nslots *= 2;
	slots = xcalloc(nslots, sizeof(*slots));	/* 0: free */
	for (i = 0; i < n; i++) {
		at = hash_text(d->msg->rcpts[i].diag) +
		    3 * hash_text(d->msg->rcpts[i].remote) + d->report[i];
		for (;; at++) {
			at &= nslots - 1;
			if (slots[at] == 0)
				slots[at] = (uint32_t)i + 1;
			if (alike(d, i, slots[at] - 1))
				break;
		}
		like[i] = slots[at] - 1;
	}
	free(slots);
	return like;
}

static void
put_list(const struct dsn *d, struct buf *out, enum dsn_action action)
{
	const struct store_msg *m = d->msg;
	size_t i, k;

	for (i = 0; i < m->env.nrcpts; i++) {
		if (d->report[i] != action || d->like[i] < i)
			continue;
		for (k = i; k < m->env.nrcpts; k++)
			if (d->report[k] == action && d->like[k] == i)
				put_address(m, k, m->env.utf8, out);
		put_reason(m, i, m->env.utf8, out);
	}
}

static const char *
recipients(const struct dsn *d, enum dsn_action action)
{
	return count(d, action) == 1 ? "the recipient" : "the recipients";
}

static void
put_failed(const struct dsn *d, struct buf *out, const char *date)
{
	buf_addf(out, "Your message of %s\r\n"
	    "could not be delivered to %s below, and will not be\r\n"
	    "tried again. The reason given may tell what to put right before\r\n"
	    "you send it anew.\r\n\r\n", date, recipients(d, DSN_FAILED));
	put_list(d, out, DSN_FAILED);
}

static void
put_delayed(const struct dsn *d, struct buf *out, const char *date)
{
	char until[DATE_LEN], by[DATE_LEN];

	buf_addf(out, "Your message of %s\r\n"
	    "has not reached %s below yet", date, recipients(d, DSN_DELAYED));
	if (d->late)
		buf_addf(out, ", where it was to be by\r\n%s, as was asked "
		    "for", date_rfc5322(d->msg->env.by_ms, by));
	buf_addf(out, ". There is nothing for you to do:\r\n"
	    "it is tried again and again until %s.\r\n"
	    "You will hear of it if that is in vain. What was said last:\r\n"
	    "\r\n", date_rfc5322(d->msg->expires_ms, until));
	put_list(d, out, DSN_DELAYED);
}

/* RFC 3461 5.2.2: it may have arrived, but nobody will say so. */
static void
put_relayed(const struct dsn *d, struct buf *out, const char *date)
{
	buf_addf(out, "Your message of %s\r\n"
	    "was handed on for %s below to %s.\r\n"
	    "You may hear no more of it, unless it fails there.\r\n"
	    "\r\n", date, recipients(d, DSN_RELAYED),
	    d->msg->env.by == BY_NONE ? "a server that does not report "
	    "deliveries" : "the next server");
	put_list(d, out, DSN_RELAYED);
}

static void
put_people(const struct dsn *d, bool more, struct buf *out)
{
	static void (*const parts[DSN_ACTIONS])(const struct dsn *,
	    struct buf *, const char *) = {
		[DSN_FAILED] = put_failed, [DSN_DELAYED] = put_delayed,
		[DSN_RELAYED] = put_relayed,
	};
	char date[DATE_LEN];
	enum dsn_action a;

	buf_addf(out, "This is the mail system at %s.\r\n\r\n",
	    d->hostname);
	date_rfc5322(d->msg->arrived_ms, date);
	for (a = DSN_FAILED; a < DSN_ACTIONS; a++)
		if (count(d, a) > 0)
			parts[a](d, out, date);
	if (more)
		buf_adds(out, "There are more recipients than fit in here: a "
		    "further report\r\nnames the others.\r\n\r\n");
	buf_addf(out, "If you need help, give your postmaster this number: "
	    "%s\r\n", d->msg_id);
}

/* --- for programs -------------------------------------------------------------------- */

static void
put_original_recipient(const char *orcpt, bool utf8, struct buf *out)
{
	char decoded[ENVELOPE_ORCPT_MAX + 1], type[32];
	const char *semicolon = orcpt == NULL ? NULL : strchr(orcpt, ';');

	if (semicolon == NULL)
		return;
	snprintf(type, sizeof(type), "%.*s;", (int)(semicolon - orcpt),
	    orcpt);
	xtext_decode(semicolon + 1, decoded, sizeof(decoded));
	buf_adds(out, "Original-Recipient: ");
	dsn_put_text(out, 20, type, false);
	dsn_put_text(out, 20 + strlen(type), decoded, utf8);
	buf_adds(out, "\r\n");
}

/* RFC 3464 2.3.8. A report may be made later than that: a digest is. */
static uint64_t
last_attempt_ms(const struct dsn *d, const struct store_msg *m)
{
	return m->nevents == 0 ? d->now_ms : m->events[m->nevents - 1].last_ms;
}

/* RFC 3464 2.3: one block per recipient. */
void
dsn_put_recipient(const struct dsn *d, const struct store_msg *m, size_t i,
    enum dsn_action action, bool utf8, struct buf *out)
{
	const struct store_rcpt *r = &m->rcpts[i];
	char date[DATE_LEN];

	buf_adds(out, "\r\n");
	put_original_recipient(m->env.rcpts[i].orcpt, utf8, out); /* 2.3.1 */
	dsn_put_field(out, "Final-Recipient", utf8 ? "utf-8;" : "rfc822;",
	    m->env.rcpts[i].addr, utf8);
	buf_addf(out, "Action: %s\r\n", actions[action].word);
	/* RFC 2852 4.1.3 */
	dsn_put_field(out, "Status", "", action == DSN_DELAYED && d->late ?
	    "4.4.7" : r->status != NULL ? r->status : actions[action].status,
	    false);
	if (r->remote != NULL)
		dsn_put_field(out, "Remote-MTA", "dns;", r->remote, false);
	/* 2.3.6: "smtp" is for what an SMTP server said. */
	if (r->diag != NULL)
		dsn_put_field(out, "Diagnostic-Code", r->remote != NULL ?
		    "smtp;" : "x-postern;", r->diag, utf8);
	buf_addf(out, "Last-Attempt-Date: %s\r\n",
	    date_rfc5322(last_attempt_ms(d, m), date));
	if (action == DSN_DELAYED)		/* 2.3.9 */
		buf_addf(out, "Will-Retry-Until: %s\r\n",
		    date_rfc5322(m->expires_ms, date));
}

static void
put_programs(const struct dsn *d, struct buf *out)
{
	const struct store_msg *m = d->msg;
	char decoded[ENVELOPE_ENVID_MAX + 1], date[DATE_LEN];
	size_t i;

	if (m->env.envid != NULL) {	/* RFC 3464 2.2.1 */
		xtext_decode(m->env.envid, decoded, sizeof(decoded));
		dsn_put_field(out, "Original-Envelope-Id", "", decoded, false);
	}
	dsn_put_field(out, "Reporting-MTA", "dns;", d->hostname, false);
	dsn_put_field(out, "X-Postern-Id", "", d->msg_id, false);
	buf_addf(out, "Arrival-Date: %s\r\n",
	    date_rfc5322(m->arrived_ms, date));
	if (m->env.by != BY_NONE)		/* RFC 2852 5 */
		buf_addf(out, "Deliver-By-Date: %s\r\n",
		    date_rfc5322(m->env.by_ms, date));
	if (m->env.hold_until_ms != 0)		/* RFC 4865 5.1.2 */
		buf_addf(out, "Future-Release-Request: until;%s\r\n",
		    date_rfc3339(m->env.hold_until_ms, date));
	for (i = 0; i < m->env.nrcpts; i++)
		if (d->report[i] != DSN_NONE)
			dsn_put_recipient(d, m, i, d->report[i], m->env.utf8,
			    out);
}

/* --- what was sent --------------------------------------------------------------------- */

/*
 * RFC 3461 4.3: RET is about failures; else the header will do. So it does for
 * what a next hop could not take for its bytes (5.6.z): this report may have to
 * go the same way.
 */
static bool
wanted_whole(const struct dsn *d)
{
	const struct store_msg *m = d->msg;
	size_t i;

	if (m->env.ret != RET_FULL || !d->original_whole ||
	    d->original_len > DSN_FULL_MAX || count(d, DSN_FAILED) == 0)
		return false;
	for (i = 0; i < m->env.nrcpts; i++)
		if (d->report[i] == DSN_FAILED && m->rcpts[i].status != NULL &&
		    strncmp(m->rcpts[i].status, "5.6.", 4) == 0)
			return false;
	return true;
}

size_t
dsn_header_len(const uint8_t *original, size_t n)
{
	size_t len;

	if (n > DSN_HEADER_MAX)
		n = DSN_HEADER_MAX;
	if (n == 0)
		return 0;
	if (header_find_end((const char *)original, n, 0, &len))
		return len;
	/* A header without end, or a huge one: whole lines of it. */
	for (len = n; len > 0 && original[len - 1] != '\n'; len--)
		;
	return len;
}

const char *
dsn_header_type(bool utf8)
{
	return utf8 ? "message/global-headers" : "text/rfc822-headers";
}

/* message/rfc822 alone may not be encoded (RFC 2046 5.2.1). */
static void
put_original(struct dsn_report *r, size_t len, bool whole)
{
	const char *type = !whole ? dsn_header_type(r->utf8) : r->utf8 ?
	    "message/global" : "message/rfc822";
	struct buf content;

	buf_init(&content, DSN_MAX);
	buf_add(&content, r->dsn->original, len);
	r->more = 0;
	dsn_put_part(r, type, whole ? "Your message" : DSN_HEADER_IS,
	    r->utf8 || !whole, &content);
}

/* --- how much fits ------------------------------------------------------------------------ */

/*
 * What is kept free for it. A header may be encoded, so that the report gets
 * through anywhere, and may take the place of the whole; a huge one then is not,
 * rather than fill the report.
 */
static size_t
original_room(const struct dsn *d, size_t len, bool whole)
{
	size_t quoted = dsn_quoted_max(d->original, whole ?
	    dsn_header_len(d->original, len) : len);

	return quoted > DSN_FULL_MAX || quoted < len ? len : quoted;
}

/* The most that recipient i takes in both parts, measured by writing it. */
static size_t
size_of(const struct dsn *d, size_t i)
{
	const struct store_msg *m = d->msg;
	struct buf probe;
	size_t n;

	buf_init(&probe, 2 * DSN_MAX);
	put_address(m, i, m->env.utf8, &probe);
	if (d->like[i] == i)
		put_reason(m, i, m->env.utf8, &probe);
	dsn_put_recipient(d, m, i, d->report[i], m->env.utf8, &probe);
	n = dsn_quoted_max(probe.data, probe.len);
	buf_clear(&probe);
	return n;
}

/* Leaves those in the report for whom there is room; where the rest begins. */
static size_t
fit(const struct dsn *d, size_t room)
{
	size_t i, n = d->msg->env.nrcpts, used = 0, rest;
	bool any = false;

	for (i = 0; i < n; i++) {
		if (d->report[i] == DSN_NONE)
			continue;
		used += size_of(d, i);
		if (used > room && any)
			break;
		any = true;
	}
	for (rest = i; i < n; i++)
		d->report[i] = DSN_NONE;
	return rest;
}

static size_t
write_report(const struct dsn *d, struct buf *out, bool *eightbit)
{
	enum dsn_action worst = DSN_FAILED;
	bool whole = wanted_whole(d), utf8 = d->msg->env.utf8;
	size_t len = whole ? d->original_len : dsn_header_len(d->original,
	    d->original_len);
	size_t last = original_room(d, len, whole);
	size_t rest = fit(d, DSN_MAX - FRAME_BYTES - last);
	struct buf people, programs;
	struct dsn_report r;

	buf_init(&people, DSN_MAX);
	put_people(d, rest < d->msg->env.nrcpts, &people);
	buf_init(&programs, DSN_MAX);
	put_programs(d, &programs);
	dsn_begin(&r, d, d->msg->env.return_path, utf8, out);
	r.more = dsn_quoted_max(programs.data, programs.len) + last;
	dsn_put_part(&r, utf8 ? "text/plain; charset=utf-8" :
	    "text/plain; charset=us-ascii", "Notification", true, &people);
	r.more = last;
	dsn_put_part(&r, utf8 ? "message/global-delivery-status" :
	    "message/delivery-status", "Delivery report", true, &programs);
	put_original(&r, len, whole);
	while (worst + 1 < DSN_ACTIONS && count(d, worst) == 0)
		worst++;
	dsn_end(&r, actions[worst].subject);
	*eightbit = r.eightbit;
	return rest;
}

size_t
dsn_write(const struct dsn *given, struct buf *out, bool *eightbit)
{
	uint32_t *like = find_alike(given);
	struct dsn d = *given;
	size_t rest;

	d.like = like;
	rest = write_report(&d, out, eightbit);
	free(like);
	return rest;
}
