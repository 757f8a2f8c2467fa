/*
 * One report about many messages of one sender: what failed, message by
 * message, for people, and a block per recipient for programs. No original
 * goes along; its Message-ID does, so that a program finds it.
 */
#include "lib/prelude.h"

#include "lib/date.h"
#include "lib/num.h"
#include "queue/dsn_private.h"

/* Head, frames and sentences of a report. */
#define FRAME_BYTES	4096

static bool
any_utf8(const struct dsn_entry *v, size_t n)
{
	while (n > 0)
		if (v[--n].msg->env.utf8)
			return true;
	return false;
}

static void
put_message(const struct dsn_entry *e, bool utf8, struct buf *out)
{
	char date[DATE_LEN];
	size_t i;

	buf_addf(out, "Message %s of %s\r\n", e->id,
	    date_rfc5322(e->msg->arrived_ms, date));
	if (e->subject != NULL) {
		buf_adds(out, "Subject: ");
		dsn_put_text(out, 9, e->subject, utf8);
		buf_adds(out, "\r\n");
	}
	for (i = 0; i < e->msg->env.nrcpts; i++)
		if (e->msg->rcpts[i].state == RCPT_OWED)
			dsn_put_person(e->msg, i, utf8, out);
}

static void
put_blocks(const struct dsn *d, const struct dsn_entry *e, bool utf8,
    struct buf *out)
{
	size_t i;

	for (i = 0; i < e->msg->env.nrcpts; i++) {
		if (e->msg->rcpts[i].state != RCPT_OWED)
			continue;
		dsn_put_recipient(d, e->msg, i, DSN_FAILED, utf8, out);
		dsn_put_field(out, "X-Postern-Id", "", e->id, false);
		if (e->message_id != NULL)
			dsn_put_field(out, "X-Original-Message-ID", "",
			    e->message_id, false);
	}
}

/* What one message takes in both parts, measured by writing it. */
static size_t
size_of(const struct dsn *d, const struct dsn_entry *e, bool utf8)
{
	struct buf probe;
	size_t n;

	buf_init(&probe, 2 * DSN_MAX);
	put_message(e, utf8, &probe);
	put_blocks(d, e, utf8, &probe);
	n = probe.len;
	buf_clear(&probe);
	return n;
}

static void
put_texts(const struct dsn *d, const struct dsn_entry *v, size_t n, bool utf8,
    struct buf *out)
{
	size_t i;

	buf_init(out, DSN_MAX);
	buf_addf(out, "This is the mail system at %s.\r\n\r\n"
	    "%zu of your messages could not be delivered and will not be tried\r\n"
	    "again. As there are so many, this one report is about all of them.\r\n"
	    "\r\n", d->hostname, n);
	for (i = 0; i < n; i++)
		put_message(&v[i], utf8, out);
}

size_t
dsn_write_digest(const struct dsn *d, const struct dsn_entry *v, size_t n,
    struct buf *out, bool *eightbit)
{
	bool utf8 = any_utf8(v, n);
	size_t i, take, bytes = FRAME_BYTES;
	struct buf people, programs;
	struct dsn_report r;

	for (take = 0; take < n; take++) {
		bytes += size_of(d, &v[take], utf8);
		if (bytes > DSN_MAX && take > 0)
			break;
	}
	put_texts(d, v, take, utf8, &people);
	buf_init(&programs, DSN_MAX);
	dsn_put_field(&programs, "Reporting-MTA", "dns;", d->hostname, false);
	for (i = 0; i < take; i++)
		put_blocks(d, &v[i], utf8, &programs);
	dsn_begin(&r, d, v[0].msg->env.return_path, utf8, out);
	r.more = programs.len;
	dsn_put_part(&r, utf8 ? "text/plain; charset=utf-8" :
	    "text/plain; charset=us-ascii", "Notification", true, &people);
	r.more = 0;
	dsn_put_part(&r, utf8 ? "message/global-delivery-status" :
	    "message/delivery-status", "Delivery report", true, &programs);
	dsn_end(&r, "Undelivered mail: several messages");
	*eightbit = r.eightbit;
	return take;
}
