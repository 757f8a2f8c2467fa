/*
 * A delivery is a row of steps, RSET when the last one was broken off, MAIL,
 * RCPT times n, DATA, whose replies come in that order whether they are
 * pipelined (RFC 2920) or not: `asked` is how many have been sent and `told`
 * how many have been answered. Then the content.
 */
#include "lib/prelude.h"

#include "lib/crc32c.h"
#include "relay/client_private.h"

/*
 * Together below lib/stream's mark for output, above which it does not read: a
 * server that answers early, or answers a thousand recipients, is heard while
 * we write.
 */
#define CHUNK		(16 * 1024)	/* content per turn */
#define UNSENT_MAX	(32 * 1024)	/* waiting for the socket */

static void	content_more(struct client *);
static void	content_piece(struct client *);

/* --- the envelope ----------------------------------------------------------------------- */

enum step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_NONE };

static const char *const step_names[] = { "RSET", "MAIL", "RCPT", "DATA", "" };

/* The i-th step; *rcpt is set for STEP_RCPT. */
static enum step
step_at(const struct client *c, size_t i, size_t *rcpt)
{
	if (c->reset_first && i-- == 0)
		return STEP_RSET;
	if (i == 0)
		return STEP_MAIL;
	*rcpt = i - 1;
	return i <= c->d->nrcpts ? STEP_RCPT :
	    i == c->d->nrcpts + 1 ? STEP_DATA : STEP_NONE;
}

static void
perform_mail(struct client *c)
{
	static const char *const rets[] = { "", " RET=FULL", " RET=HDRS" };
	struct delivery *d = c->d;
	char size[40] = "", envid[128] = "", wishes[64] = "";

	d->dsn = c->dsn;
	if (c->size_known)
		snprintf(size, sizeof(size), " SIZE=%llu",
		    (unsigned long long)d->size);
	if (c->dsn && *d->envid != '\0')
		snprintf(envid, sizeof(envid), " ENVID=%s", d->envid);
	client_terms_wishes(c, wishes, sizeof(wishes));
	client_say(c, "MAIL FROM:<%s>%s%s%s%s%s%s%s", d->return_path, size,
	    d->flags & DELIVER_8BIT ? " BODY=8BITMIME" : "",
	    d->flags & DELIVER_UTF8 ? " SMTPUTF8" : "",
	    c->conf->tls.onwards ? " REQUIRETLS" : "",
	    c->dsn && d->ret < nitems(rets) ? rets[d->ret] : "", envid,
	    wishes);
}

static void
perform_rcpt(struct client *c, const struct delivery_rcpt *r)
{
	static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE",
	    "DELAY" };
	uint8_t asked = client_terms_notify(c, r->notify);
	char notify[64] = "";
	size_t i, n = 0;

	for (i = 0; c->dsn && i < nitems(words); i++)
		if (asked & (1 << i))
			n += (size_t)snprintf(notify + n, sizeof(notify) - n,
			    "%s%s", n == 0 ? " NOTIFY=" : ",", words[i]);
	client_say(c, "RCPT TO:<%s>%s%s%s", r->addr, notify,
	    c->dsn && *r->orcpt != '\0' ? " ORCPT=" : "",
	    c->dsn ? r->orcpt : "");
}

/*
 * RFC 3030: the size comes first, so nothing in the content can end it, and
 * there is no 354 to wait for. A small one goes in the envelope's group.
 */
static void
perform_bdat(struct client *c)
{
	client_say(c, "BDAT %llu LAST", (unsigned long long)c->d->size);
	smtp_data_out_init(&c->data);
	c->data.counted = true;
	if (c->d->size > CHUNK) {
		client_enter(c, ST_CONTENT);
		content_more(c);
	} else if (c->state == ST_ENVELOPE && c->d->size > 0)
		content_piece(c);
}

static void
perform_step(struct client *c)
{
	size_t rcpt = 0;

	switch (step_at(c, c->asked++, &rcpt)) {
	case STEP_RSET:
		client_say(c, "RSET");
		break;
	case STEP_MAIL:
		perform_mail(c);
		break;
	case STEP_RCPT:
		perform_rcpt(c, &c->d->rcpts[rcpt]);
		break;
	case STEP_DATA:
		if (c->bdat)
			perform_bdat(c);
		else
			client_say(c, "DATA");
		break;
	case STEP_NONE:
		break;
	}
}

/* The transaction is over before its end: say RSET before the next. */
static void
break_off(struct client *c)
{
	c->reset_first = true;
	delivery_rest(c->d, false, OUTCOME_DEFERRED, "4.3.0",
	    "the next hop gave no answer for this recipient", c->target.host);
	delivery_end(&c->d, c->target.host, c->tls_text, true);
	client_now_ready(c);
}

/*
 * Sends what may be sent now: everything when pipelining (as the socket takes
 * it, RFC 2920 3.1), else one step. DATA is not asked when the replies so far
 * leave nobody to receive it, nor a large content sent before they are known.
 */
static void
perform_next(struct client *c)
{
	size_t rcpt = 0, ahead = c->pipelining ? SIZE_MAX : 1;

	while (c->state == ST_ENVELOPE && c->asked - c->told < ahead &&
	    stream_unsent(c->stream) <= UNSENT_MAX) {
		enum step step = step_at(c, c->asked, &rcpt);

		if (step == STEP_NONE || (step == STEP_DATA && c->bdat &&
		    c->d->size > CHUNK && c->told < c->asked))
			return;
		if (c->told == c->asked && ((step == STEP_RCPT &&
		    !c->mail_ok) || (step == STEP_DATA &&
		    !delivery_any_accepted(c->d)))) {
			break_off(c);
			return;
		}
		perform_step(c);
	}
}

/*
 * RFC 5321 4.2.1: which class may answer what. After a 354 to MAIL, or a 250
 * to DATA, the server and we do not agree on what our next line is.
 */
static bool
wrong_class(struct client *c, enum step step)
{
	int class = c->reply.code / 100;

	if (class >= 4 || (step == STEP_DATA ? c->reply.code == 354 :
	    class == 2))
		return false;
	client_give_up(c, "4.5.0", "%s was answered with %s",
	    step_names[step], reply_diag(&c->reply));
	return true;
}

static void
resp_mail(struct client *c)
{
	c->mail_ok = reply_outcome(&c->reply) == OUTCOME_DELIVERED;
	if (!c->mail_ok)
		delivery_rest(c->d, false, reply_outcome(&c->reply),
		    reply_status(&c->reply), reply_diag(&c->reply),
		    c->target.host);
}

static void
resp_rcpt(struct client *c, size_t i)
{
	enum outcome o = reply_outcome(&c->reply);
	const char *status = reply_status(&c->reply);

	/*
	 * RFC 5321 4.5.3.1.10: old servers say 552 for "too many recipients",
	 * when they mean 452. A status of its own says what is meant.
	 */
	if (c->reply.code == 552 && (c->reply.status[0] == '\0' ||
	    strcmp(c->reply.status, "5.5.3") == 0)) {
		o = OUTCOME_DEFERRED;
		status = "4.5.3";
	} else if (c->reply.code == 452 && c->reply.status[0] == '\0')
		status = "4.5.3";
	if (o == OUTCOME_DELIVERED)
		c->d->rcpts[i].accepted = true;
	else
		delivery_rcpt(c->d, i, o, status, reply_diag(&c->reply),
		    c->target.host);
}

static void
resp_data(struct client *c)
{
	if (c->reply.code == 354) {
		client_enter(c, ST_CONTENT);
		smtp_data_out_init(&c->data);
		content_more(c);
		return;
	}
	delivery_rest(c->d, true, reply_outcome(&c->reply),
	    reply_status(&c->reply), reply_diag(&c->reply), c->target.host);
	break_off(c);
}

void
client_mail_envelope(struct client *c)
{
	size_t rcpt = 0;
	enum step step;

	if (c->told == c->asked) {
		client_unasked(c);
		return;
	}
	step = step_at(c, c->told++, &rcpt);
	if (wrong_class(c, step))
		return;
	client_enter(c, ST_ENVELOPE);	/* each answer has its own limit */
	switch (step) {
	case STEP_RSET:
		if (c->reply.code / 100 != 2)
			client_give_up(c, "4.3.0", "RSET was answered with %s",
			    reply_diag(&c->reply));
		break;
	case STEP_MAIL:
		resp_mail(c);
		break;
	case STEP_RCPT:
		resp_rcpt(c, rcpt);
		break;
	case STEP_DATA:
		resp_data(c);
		return;
	case STEP_NONE:
		break;
	}
	perform_next(c);
	/* BDAT and its content are behind us: only their answer is missing. */
	if (c->state == ST_ENVELOPE && c->bdat && c->told < c->asked &&
	    step_at(c, c->told, &rcpt) == STEP_DATA)
		client_enter(c, ST_DOT);
}

/* --- the content -------------------------------------------------------------------------- */

/*
 * The next piece of the body, borrowed; NULL when it cannot be had. queue has
 * read all of a file before; a disk may say another thing the second time, and
 * then the last piece is not given away, without which the rest is no message.
 */
static const uint8_t *
body_piece(struct delivery *d, size_t *n)
{
	static uint8_t piece[CHUNK];
	ssize_t got;

	*n = d->size - d->at < CHUNK ? (size_t)(d->size - d->at) : CHUNK;
	if (d->fd == -1)
		return body_bytes(d->body) + d->at;
	got = pread(d->fd, piece, *n, (off_t)d->at);
	if (got <= 0)
		return NULL;
	*n = (size_t)got;
	d->sum = crc32c(d->sum, piece, *n);
	return d->at + *n == d->size && d->sum != d->crc ? NULL : piece;
}

/*
 * Appends the next piece to the output. A broken message must not be ended:
 * only the connection's end tells the server that it never was one.
 */
static void
content_piece(struct client *c)
{
	struct buf *out;
	const uint8_t *p;
	size_t n;

	p = body_piece(c->d, &n);
	if (p == NULL) {
		client_give_up(c, "4.3.0", "the message cannot be read from the "
		    "spool as it was stored");
		return;
	}
	c->d->at += n;
	out = stream_out(c->stream, 2 * n);	/* every byte a dot, at most */
	if (out != NULL && smtp_data_out_feed(&c->data, p, n, out) == -1)
		client_give_up(c, "5.6.0", "not sent, as the message has a bare "
		    "CR, LF or NUL");
}

/*
 * What came before the end of the data cannot be the answer to it. Taking it
 * for one would count a message as delivered that the server never saw: so the
 * end waits for the whole of that reply, and client_mail_early() judges it.
 */
static void
content_end(struct client *c)
{
	struct buf *out;
	size_t early;

	stream_peek(c->stream, &early);
	if (early > 0)
		return;
	if (c->bdat) {
		client_enter(c, ST_DOT);
		return;
	}
	out = stream_out(c->stream, 5);
	if (out != NULL && smtp_data_out_end(&c->data, out) == -1)
		client_give_up(c, "5.6.0", "not sent, as the message ends in a "
		    "bare CR");
	else
		client_enter(c, ST_DOT);
}

/*
 * With nobody to receive it the server should have refused DATA, and gets a
 * message without content (RFC 2920 3.1).
 */
static void
content_more(struct client *c)
{
	bool nobody = !delivery_any_accepted(c->d);

	while (c->state == ST_CONTENT && !nobody && c->d->at < c->d->size &&
	    stream_unsent(c->stream) <= UNSENT_MAX)
		content_piece(c);
	if (c->state == ST_CONTENT && (nobody || c->d->at == c->d->size))
		content_end(c);
}

/*
 * A server may have seen enough before the end (552, 451): its word counts, but
 * only closing the connection stops the transfer. A "yes" is nonsense here.
 */
void
client_mail_early(struct client *c)
{
	if (c->reply.code >= 400)
		delivery_rest(c->d, true, reply_outcome(&c->reply),
		    reply_status(&c->reply), reply_diag(&c->reply),
		    c->target.host);
	client_give_up(c, "4.5.0", "the message was answered before it was "
	    "sent: %s", reply_diag(&c->reply));
}

void
client_mail_drained(struct client *c)
{
	if (c->state == ST_ENVELOPE && c->asked > 0)
		perform_next(c);
	if (c->state != ST_CONTENT)
		return;
	client_enter(c, ST_CONTENT);	/* progress: the limit begins anew */
	content_more(c);
}

/* --- servers that say CHUNKING and do not know BDAT -------------------------------- */

#define NO_BDAT_MAX	64	/* remembered; more are nobody's business */

static char no_bdat[NO_BDAT_MAX][sizeof(((struct dns_target *)0)->text)];
static size_t no_bdat_next;

bool
client_mail_no_bdat(const struct client *c)
{
	size_t i;

	for (i = 0; i < NO_BDAT_MAX; i++)
		if (strcmp(no_bdat[i], c->target.text) == 0)
			return true;
	return false;
}

void
client_mail_forget(void)
{
	memset(no_bdat, 0, sizeof(no_bdat));
}

static bool
bdat_unknown(struct client *c)
{
	if (!c->bdat || (c->reply.code != 500 && c->reply.code != 502 &&
	    c->reply.code != 504))
		return false;
	snprintf(no_bdat[no_bdat_next++ % NO_BDAT_MAX], sizeof(no_bdat[0]),
	    "%s", c->target.text);
	client_give_up(c, "4.5.0", "CHUNKING was announced, but BDAT was answered "
	    "with %s", reply_diag(&c->reply));
	return true;
}

/* --- the end ------------------------------------------------------------------------- */

void
client_mail_dot(struct client *c)
{
	if (stream_unsent(c->stream) > 0) {
		client_mail_early(c);
		return;
	}
	if (c->reply.code / 100 == 3) {
		client_give_up(c, "4.5.0", "the message was answered with %s",
		    reply_diag(&c->reply));
		return;
	}
	if (bdat_unknown(c))
		return;
	delivery_rest(c->d, true, reply_outcome(&c->reply),
	    reply_status(&c->reply), reply_diag(&c->reply), c->target.host);
	c->reset_first = reply_outcome(&c->reply) != OUTCOME_DELIVERED;
	delivery_end(&c->d, c->target.host, c->tls_text, true);
	client_now_ready(c);
}

/* --- deliveries -------------------------------------------------------------------------------- */

void
client_mail_refused_cb(void *arg)
{
	struct client *c = arg;

	if (c->state == ST_OVER)	/* meanwhile: over_cb() ends it */
		return;
	delivery_end(&c->d, c->target.host, c->tls_text, true);
	client_now_ready(c);
}

static bool
ends_in_crlf(const struct delivery *d)
{
	char end[2];

	if (d->size < 2)
		return d->size == 0;
	if (d->fd == -1)
		return memcmp(body_bytes(d->body) + d->size - 2, "\r\n",
		    2) == 0;
	return pread(d->fd, end, 2, (off_t)d->size - 2) == 2 &&
	    memcmp(end, "\r\n", 2) == 0;
}

void
client_deliver(struct client *c, struct delivery *d)
{
	c->d = d;
	d->at = 0;
	d->sum = 0;
	c->carried++;
	c->asked = c->told = 0;
	c->mail_ok = false;
	c->bdat = c->chunking && ends_in_crlf(d);
	client_enter(c, ST_ENVELOPE);
	if (client_terms_refused(c)) {
		/* From the loop, so that a pool of refusals does not recurse. */
		ev_timer_set(&c->refused, 0);
		return;
	}
	perform_next(c);
}
