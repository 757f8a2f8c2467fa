/*
 * What DATA and BDAT have in common: the content's way through the header's
 * repair (smtpd/content) to queue, and queue's answers. 250 is said when queue
 * has said that the message is durable, and not before (RFC 5321 6.1).
 */
#include "lib/prelude.h"

#include <sys/random.h>

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/seldom.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/message.h"
#include "smtpd/session_private.h"
#include "smtpd/tx_no.h"
#include "smtpd/verbs.h"

#define MESSAGE_ID_MAX	64	/* of queue's ids */
/* How much more than the limit is read of a message that is refused anyway. */
#define OVERRUN_FACTOR	2
#define OVERRUN_BYTES	(1024 * 1024)
/*
 * What a worker lends of memory to bodies above 64 KB, all sessions together,
 * and how much at first to each.
 */
#define LARGE_BYTES	(4 * 1024 * 1024)
#define LARGE_FIRST	(128 * 1024)

/* --- the beginning ------------------------------------------------------------------------- */

enum reply
message_check(const struct session *s)
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

/*
 * RFC 3848: S under TLS, A after AUTH; RFC 6531 4.3 for SMTPUTF8. All but
 * devices have both.
 */
static const char *
protocol(const struct session *s, bool utf8)
{
	if (!s->lane)
		return utf8 ? "UTF8SMTPSA" : "ESMTPSA";
	if (!s->ehlo && !s->tls)
		return "SMTP";
	return utf8 ? s->tls ? "UTF8SMTPS" : "UTF8SMTP" :
	    s->tls ? "ESMTPS" : "ESMTP";
}

/*
 * Whom a From names that we add: the account's own as the return path is, or
 * its name where that is null. It is checked as if the client had written it.
 */
static const char *
missing_from(const struct session *s, const struct transaction *tx)
{
	const struct login *login = s->login;
	const char *addr = tx->env.return_path;

	if (*addr == '\0')
		addr = login->rewrite != NULL ? login->rewrite :
		    login->ticket.account;
	return addr_parse(addr, strlen(addr), tx->env.utf8 ? ADDR_UTF8 : 0,
	    NULL) == NULL && strstr(addr, "=?") == NULL &&
	    cmd_mail_permits(addr, login) ? addr : NULL;
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
		.with = protocol(s, tx->env.utf8),
		.id = tx->trace_id,
		.client_name = conf->received_client ? s->client_name : NULL,
		.client_addr = conf->received_client ? s->peer : NULL,
		.from = missing_from(s, tx),
		.account = conf->received_account ?
		    s->login->ticket.account : NULL,
		.wall_ms = ev_wall_ms(),
		.nonce = nonce(),
		.max_hops = conf->max_hops,
		.utf8 = tx->env.utf8,
		.ranked = tx->ranked,
		.priority = tx->env.priority,
	};
}

void
message_begin(struct session *s)
{
	const struct smtpd_conf *conf = s->server->conf;
	struct transaction *tx = s->tx;

	prepare_fixup(s, tx);
	tx->content.id = (struct identity){ .permits = cmd_mail_permits,
	    .arg = s->login, .rewrite = s->login->rewrite };
	content_begin(&tx->content, &tx->fixup, (struct content_limits){
	    conf->max_message_bytes, conf->max_header_bytes });
	tx->content_ms = ev_now_ms();
}

int
message_sink(const uint8_t *p, size_t n, void *arg)
{
	struct transaction *tx = arg;

	content_add(&tx->content, p, n);
	return 0;
}

bool
message_far_beyond(const struct session *s, uint64_t size)
{
	return size / OVERRUN_FACTOR > s->server->conf->max_message_bytes +
	    OVERRUN_BYTES;
}

bool
message_is_bad(const struct transaction *tx)
{
	return tx->wire.flaws != 0 || tx->content.verdict != REPLY_NONE;
}

/*
 * A body that goes into the journal costs half of what a file does; but memory
 * is lent to a few at a time, however many sessions there are.
 */
static bool
stays_in_memory(struct session *s)
{
	struct transaction *tx = s->tx;
	struct server *srv = s->server;
	size_t most = envelope_body_max(&tx->env), want;

	want = tx->content.size <= LARGE_FIRST && most > LARGE_FIRST ?
	    LARGE_FIRST : most;
	if (tx->content.size > most ||
	    srv->large_bytes - tx->lent + want > LARGE_BYTES)
		return false;
	transaction_not_large(tx);
	tx->large = &srv->large_bytes;
	tx->lent = want;
	srv->large_bytes += want;
	tx->content.inline_max = want;
	return true;
}

bool
message_wants_spool(struct session *s)
{
	if (s->tx->wire.flaws != 0 ||
	    !content_needs_spool(&s->tx->content) || stays_in_memory(s))
		return false;
	if (!upstream_alive(&s->server->queue)) {
		content_refuse(&s->tx->content, REPLY_TROUBLE);
		return false;
	}
	ipc_begin(M_TX_SPOOL, s->id);
	ticket_put(&s->login->ticket);
	ipc_put_u64(s->tx->announced);
	upstream_send(&s->server->queue);
	session_set_state(s, SESSION_SPOOL_WAIT);
	return true;
}

/* --- the end of the content ----------------------------------------------------------------- */

static const char *
flaw_name(unsigned int flaws)
{
	return flaws & DATA_NUL ? "a NUL" : flaws & DATA_BARE_LF ?
	    "an LF without CR" : "a CR without LF";
}

static const char *
verb(const struct transaction *tx)
{
	return tx->wire.chunks ? "BDAT" : "DATA";
}

void
message_refuse(struct session *s)
{
	const struct transaction *tx = s->tx;
	const char *about = tx->content.id.about;
	char limit[24];

	snprintf(limit, sizeof(limit), "%llu",
	    (unsigned long long)tx->content.limits.bytes);
	session_set_state(s, SESSION_COMMAND);
	if (tx->refusal != NULL)
		tx_no_say(s, verb(tx), tx->refusal);
	else if (tx->wire.flaws != 0)
		session_refuse(s, verb(tx), REPLY_BARE_BYTES,
		    flaw_name(tx->wire.flaws), flaw_name(tx->wire.flaws));
	else
		session_refuse(s, verb(tx), tx->content.verdict,
		    *about == '\0' ? limit : log_escs(about), about);
	session_drop_tx(s);
}

/*
 * RFC 6531 3.4 asks only next hops that can for what is internationalized. A
 * message that is ASCII through and through is not, whatever MAIL said.
 */
static bool
needs_utf8(const struct transaction *tx)
{
	const struct envelope *e = &tx->env;
	bool found = tx->wire.has_8bit || addr_is_8bit(e->return_path,
	    strlen(e->return_path));
	size_t i;

	for (i = 0; i < e->nrcpts && !found; i++) {
		const struct envelope_rcpt *r = &e->rcpts[i];

		found = addr_is_8bit(r->addr, strlen(r->addr)) ||
		    (r->orcpt != NULL && addr_is_8bit(r->orcpt,
		    strlen(r->orcpt)));
	}
	return found;
}

static void
submit(struct session *s)
{
	struct transaction *tx = s->tx;
	bool spooled = content_spool_done(&tx->content);

	if (tx->content.id.rewritten > 0)
		log_info("%s header=rewritten fields=%u now=<%s>",
		    tx->trace_id, tx->content.id.rewritten,
		    log_escs(s->login->rewrite));
	tx->env.body_8bit = tx->wire.has_8bit;
	tx->env.utf8 = tx->env.utf8 && needs_utf8(tx);
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

void
message_finish(struct session *s)
{
	struct transaction *tx = s->tx;

	if (tx->wire.flaws == 0)
		content_end(&tx->content);
	if (message_wants_spool(s))
		return;
	if (!message_is_bad(tx) && !upstream_alive(&s->server->queue))
		content_refuse(&tx->content, REPLY_TROUBLE);
	if (message_is_bad(tx))
		message_refuse(s);
	else
		submit(s);
}

/* --- queue's answers -------------------------------------------------------------------------------- */

static void
go_on(struct session *s)
{
	session_set_state(s, s->tx->wire.chunks ? SESSION_CHUNK :
	    SESSION_CONTENT);
	if (s->tx->wire.ended)
		message_finish(s);
}

/* Sessions have taken all that this worker may have. */
static void
no_descriptor(struct session *s)
{
	static struct seldom told;

	if (seldom_due(&told))
		log_warnx("out of file descriptors: large messages are refused "
		    "with 452%s", seldom_more(&told));
	content_refuse(&s->tx->content, REPLY_DISK_FULL);
}

int
message_spool(struct session *s, struct ipc_in *in)
{
	if (!ipc_in_end(in) || (in->fd == -1 && !in->fd_lost))
		return -1;
	if (in->fd_lost)
		no_descriptor(s);
	else
		content_spool_to(&s->tx->content, ipc_take_fd(in));
	transaction_not_large(s->tx);
	go_on(s);
	return 0;
}

int
message_spool_no(struct session *s, struct ipc_in *in)
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
message_submitted(struct session *s, struct ipc_in *in)
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
message_submit_no(struct session *s, struct ipc_in *in)
{
	char *line = tx_no_line(in);
	bool by_bdat = s->tx->wire.chunks;

	if (line == NULL)
		return -1;
	session_set_state(s, SESSION_COMMAND);
	transaction_free(&s->tx);
	tx_no_say(s, by_bdat ? "BDAT" : "DATA", line);
	free(line);
	return 0;
}

int
message_over(struct session *s, struct ipc_in *in)
{
	if (!ipc_in_end(in))
		return -1;
	if (s->tx != NULL && content_spool_done(&s->tx->content))
		content_refuse(&s->tx->content, REPLY_DISK_FULL);
	return 0;
}

/*
 * What was with queue is lost with it, and the client must know to try again.
 * Between two chunks it learns that with the next.
 */
void
message_gone(struct session *s)
{
	struct transaction *tx = s->tx;

	if (s->state == SESSION_SUBMIT_WAIT) {
		session_set_state(s, SESSION_COMMAND);
		transaction_free(&s->tx);
		session_reply(s, REPLY_TROUBLE);
		return;
	}
	if (tx == NULL)
		return;
	/* The next queue waits for the file to be closed, too. */
	if (content_spool_done(&tx->content) || s->state == SESSION_SPOOL_WAIT)
		content_refuse(&tx->content, REPLY_TROUBLE);
	if (s->state == SESSION_SPOOL_WAIT)
		go_on(s);
}
