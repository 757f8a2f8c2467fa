/*
 * DATA, RFC 5321 4.1.1.4: the content's way through dot transparency
 * (lib/smtp_data) and the header's repair (smtpd/content) to queue. 250 is
 * said when queue has said that the message is durable, and not before
 * (RFC 5321 6.1). A content that is refused is still read to its end, so that
 * client and server stay in step.
 */
#include "lib/prelude.h"

#include <sys/random.h>

#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/session_private.h"
#include "smtpd/tx_no.h"
#include "smtpd/verbs.h"

#define MESSAGE_ID_MAX	64	/* of queue's ids */
/* How much more than the limit is read of a message that is refused anyway. */
#define OVERRUN_FACTOR	2
#define OVERRUN_BYTES	(1024 * 1024)

/* --- the verb ---------------------------------------------------------------------------- */

static enum reply
check(const struct session *s)
{
	if (s->tx == NULL)
		return REPLY_MAIL_FIRST;
	if (s->tx->env.nrcpts == 0)
		return REPLY_RCPT_FIRST;
	return REPLY_NONE;
}

static uint64_t
nonce(void)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		fatal("getrandom");
	return n;
}

/* Everything in it is the transaction's or lives longer than it. */
static void
prepare_fixup(struct session *s, struct transaction *tx)
{
	const struct smtpd_conf *conf = s->server->conf;

	tx->hostname = xstrdup(conf->hostname);
	snprintf(tx->trace_id, sizeof(tx->trace_id), "%s-%u", session_name(s),
	    s->transactions);
	tx->fixup = (struct fixup){
		.hostname = tx->hostname,
		.id = tx->trace_id,
		.client_name = conf->received_client ? s->client_name : NULL,
		.client_addr = conf->received_client ? s->peer : NULL,
		.account = conf->received_account ?
		    s->login->ticket.account : NULL,
		.wall_ms = ev_wall_ms(),
		.nonce = nonce(),
		.max_hops = conf->max_hops,
	};
}

void
cmd_data(struct session *s, struct span arg)
{
	const struct smtpd_conf *conf = s->server->conf;
	struct transaction *tx = s->tx;
	enum reply refusal = check(s);

	if (refusal != REPLY_NONE) {
		session_refuse(s, "DATA", refusal, NULL, NULL);
		return;
	}
	prepare_fixup(s, tx);
	smtp_data_in_init(&tx->wire);
	content_begin(&tx->content, &tx->fixup, (struct content_limits){
	    conf->max_message_bytes, conf->max_header_bytes });
	tx->content_ms = ev_now_ms();
	session_set_state(s, SESSION_CONTENT);
	session_reply(s, REPLY_DATA);
}

/* --- the end of the content ----------------------------------------------------------------- */

static const char *
flaw_name(unsigned int flaws)
{
	return flaws & DATA_NUL ? "a NUL" : flaws & DATA_BARE_LF ?
	    "an LF without CR" : "a CR without LF";
}

static void
refuse(struct session *s)
{
	const struct transaction *tx = s->tx;
	char limit[24];

	snprintf(limit, sizeof(limit), "%llu",
	    (unsigned long long)tx->content.limits.bytes);
	if (tx->refusal != NULL)
		tx_no_say(s, "DATA", tx->refusal);
	else if (tx->wire.flaws != 0)
		session_refuse(s, "DATA", REPLY_BARE_BYTES,
		    flaw_name(tx->wire.flaws), flaw_name(tx->wire.flaws));
	else
		session_refuse(s, "DATA", tx->content.verdict, limit, NULL);
}

static void
ask_spool(struct session *s)
{
	if (!upstream_alive(&s->server->queue)) {
		content_refuse(&s->tx->content, REPLY_TROUBLE);
		return;
	}
	ipc_begin(M_TX_SPOOL, s->id);
	ticket_put(&s->login->ticket);
	upstream_send(&s->server->queue);
	session_set_state(s, SESSION_SPOOL_WAIT);
}

static void
submit(struct session *s)
{
	struct transaction *tx = s->tx;
	bool spooled = tx->content.spool != -1;

	tx->env.body_8bit = tx->wire.has_8bit;
	ipc_begin(M_SUBMIT, s->id);
	ticket_put(&s->login->ticket);
	envelope_put(&tx->env);
	ipc_put_u64(tx->content.size);
	ipc_put_bool(spooled);
	ipc_put_bytes(tx->content.body.data,
	    spooled ? 0 : tx->content.body.len);
	upstream_send(&s->server->queue);
	tx->submitted = true;
	session_set_state(s, SESSION_SUBMIT_WAIT);
}

/* CRLF.CRLF was seen: the message is refused, or queue's to answer for. */
static void
finish(struct session *s)
{
	struct transaction *tx = s->tx;

	if (tx->wire.flaws == 0)
		content_end(&tx->content);
	if (tx->wire.flaws == 0 && content_needs_spool(&tx->content))
		ask_spool(s);
	if (s->state == SESSION_SPOOL_WAIT)
		return;
	if (tx->wire.flaws == 0 && tx->content.verdict == REPLY_NONE &&
	    !upstream_alive(&s->server->queue))
		content_refuse(&tx->content, REPLY_TROUBLE);
	if (tx->wire.flaws == 0 && tx->content.verdict == REPLY_NONE) {
		submit(s);
		return;
	}
	session_set_state(s, SESSION_COMMAND);
	refuse(s);
	session_drop_tx(s);
}

/* --- the content -------------------------------------------------------------------------------- */

static int
sink(const uint8_t *p, size_t n, void *arg)
{
	struct transaction *tx = arg;

	content_add(&tx->content, p, n);
	return 0;
}

static bool
far_beyond(const struct transaction *tx)
{
	return tx->wire.size / OVERRUN_FACTOR >
	    tx->content.limits.bytes + OVERRUN_BYTES;
}

bool
cmd_data_content(struct session *s)
{
	struct transaction *tx = s->tx;
	const uint8_t *p;
	size_t n;

	p = stream_peek(s->stream, &n);
	if (n == 0)
		return false;
	n = smtp_data_in_feed(&tx->wire, p, n, sink, tx);
	stream_consume(s->stream, n);
	s->since_ms = ev_now_ms();
	if (tx->wire.ended)
		finish(s);
	else if (far_beyond(tx))
		session_reply(s, REPLY_TOO_MUCH);
	else if (tx->wire.flaws == 0 && content_needs_spool(&tx->content))
		ask_spool(s);
	return true;
}

/* --- queue's answers -------------------------------------------------------------------------------- */

static void
go_on(struct session *s)
{
	session_set_state(s, SESSION_CONTENT);
	if (s->tx->wire.ended)
		finish(s);
}

int
cmd_data_spool(struct session *s, struct ipc_in *in)
{
	if (!ipc_in_end(in) || in->fd == -1)
		return -1;
	content_spool_to(&s->tx->content, ipc_take_fd(in));
	go_on(s);
	return 0;
}

int
cmd_data_spool_no(struct session *s, struct ipc_in *in)
{
	char *line = tx_no_line(in);

	if (line == NULL)
		return -1;
	s->tx->refusal = line;
	content_refuse(&s->tx->content, REPLY_TROUBLE);
	go_on(s);
	return 0;
}

/* queue logs it, with our session; one line is enough for one event. */
int
cmd_data_submitted(struct session *s, struct ipc_in *in)
{
	const char *id = ipc_get_str(in, MESSAGE_ID_MAX);

	if (!ipc_in_end(in))
		return -1;
	s->accepted++;
	transaction_free(&s->tx);
	session_set_state(s, SESSION_COMMAND);
	session_reply_arg(s, REPLY_QUEUED, id);
	return 0;
}

int
cmd_data_submit_no(struct session *s, struct ipc_in *in)
{
	char *line = tx_no_line(in);

	if (line == NULL)
		return -1;
	session_set_state(s, SESSION_COMMAND);
	transaction_free(&s->tx);
	tx_no_say(s, "DATA", line);
	free(line);
	return 0;
}

/* What was with queue is lost with it, and the client must know to try again. */
void
cmd_data_gone(struct session *s)
{
	struct transaction *tx = s->tx;

	if (s->state == SESSION_SUBMIT_WAIT) {
		session_set_state(s, SESSION_COMMAND);
		transaction_free(&s->tx);
		session_reply(s, REPLY_TROUBLE);
		return;
	}
	if (s->state == SESSION_SPOOL_WAIT || tx->content.spool != -1)
		content_refuse(&tx->content, REPLY_TROUBLE);
	if (s->state == SESSION_SPOOL_WAIT)
		go_on(s);
}
