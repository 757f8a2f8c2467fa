/*
 * Opening: greeting, EHLO, STARTTLS, EHLO again, AUTH. For each verb a
 * perform_x() that sends and a client_open_x() that judges the reply and picks
 * the next state.
 */
#include "lib/prelude.h"

#include <strings.h>

#include "lib/base64.h"
#include "lib/log.h"
#include "lib/num.h"
#include "relay/client_private.h"
#include "relay/sasl.h"

#define AUTH_LINE_MAX	12288	/* RFC 4954 4 */

static void
perform_ehlo(struct client *c)
{
	c->esmtp = true;
	c->starttls = c->pipelining = c->eight_bit = c->utf8 = c->dsn = false;
	c->size_known = c->require_tls = c->chunking = false;
	c->deliver_by = c->priority = false;
	c->size_max = c->min_by_sec = 0;
	c->auth[0] = '\0';
	client_say(c, "EHLO %s", c->conf->hostname);
	client_enter(c, ST_EHLO);
}

static void
start_tls(struct client *c)
{
	struct ssl_st *ssl = tlspolicy_ssl(c->conf->ssl_ctx, &c->conf->tls,
	    c->target.host);

	client_enter(c, ST_TLS);
	c->tls = ssl;
	stream_start_tls(c->stream, ssl, false);
}

void
client_open_up(struct client *c)
{
	if (c->state == ST_CONNECT && c->conf->tls.implicit) {
		start_tls(c);
		return;
	}
	if (c->state == ST_CONNECT) {
		client_enter(c, ST_GREETING);
		return;
	}
	snprintf(c->tls_text, sizeof(c->tls_text), "%s",
	    tlspolicy_outcome(stream_ssl(c->stream)));
	if (c->conf->tls.implicit)
		client_enter(c, ST_GREETING);
	else
		perform_ehlo(c);	/* RFC 3207 4.2: begin anew */
}

void
client_open_greeting(struct client *c)
{
	if (c->reply.code == 220)
		perform_ehlo(c);
	else	/* 554 as well: another server of the domain may take it */
		client_give_up(c, "4.3.2", "greeted with %s", reply_diag(&c->reply));
}

static bool
keyword(const char *line, size_t n, const char *word, const char **rest,
    size_t *rest_len)
{
	size_t len = strlen(word);

	if (n < len || strncasecmp(line, word, len) != 0 ||
	    (n > len && line[len] != ' ' && line[len] != '='))
		return false;
	*rest = line + len + (n > len);
	*rest_len = n - len - (n > len);
	return true;
}

/* A second AUTH line adds to the first. What is too long loses whole words. */
static void
take_auth(struct client *c, const char *list, size_t n)
{
	size_t have = strlen(c->auth), room = sizeof(c->auth) - have - 2;

	if (n > room)
		for (n = room; n > 0 && list[n] != ' '; n--)
			;
	snprintf(c->auth + have, sizeof(c->auth) - have, "%s%.*s",
	    have > 0 ? " " : "", (int)n, list);
}

/* 0 for none, or nonsense. */
static uint64_t
number(const char *p, size_t n)
{
	uint64_t u;

	return num_parse(p, n, 0, UINT64_MAX, &u) == 0 ? u : 0;
}

/* RFC 2852 2 (3): the first of a list, in which other words may follow. */
static uint64_t
least_by_time(const char *p, size_t n)
{
	const char *comma = memchr(p, ',', n);

	return number(p, comma == NULL ? n : (size_t)(comma - p));
}

static void
read_ehlo(struct client *c)
{
	const char *line, *rest;
	size_t at = 0, n, len;

	while ((line = smtp_reply_next_line(&c->reply, &at, &n)) != NULL) {
		if (keyword(line, n, "STARTTLS", &rest, &len))
			c->starttls = true;
		else if (keyword(line, n, "PIPELINING", &rest, &len))
			c->pipelining = true;
		else if (keyword(line, n, "8BITMIME", &rest, &len))
			c->eight_bit = true;
		else if (keyword(line, n, "SMTPUTF8", &rest, &len))
			c->utf8 = true;
		else if (keyword(line, n, "DSN", &rest, &len))
			c->dsn = true;
		else if (keyword(line, n, "CHUNKING", &rest, &len))
			c->chunking = !client_mail_no_bdat(c);
		else if (keyword(line, n, "REQUIRETLS", &rest, &len))
			c->require_tls = true;
		else if (keyword(line, n, "MT-PRIORITY", &rest, &len))
			c->priority = true;
		else if (keyword(line, n, "DELIVERBY", &rest, &len)) {
			c->deliver_by = true;
			c->min_by_sec = least_by_time(rest, len);
		} else if (keyword(line, n, "SIZE", &rest, &len)) {
			c->size_known = true;
			c->size_max = number(rest, len);
		} else if (keyword(line, n, "AUTH", &rest, &len))
			take_auth(c, rest, len);
	}
}

static void
perform_auth(struct client *c)
{
	const char *err;
	const uint8_t *initial;
	struct buf line;
	size_t len;

	if (!c->conf->tls.secrets_ok) {
		client_give_up(c, "4.7.0", "a password is not sent without verified "
		    "TLS");
		return;
	}
	c->sasl = sasl_begin(c->target.host, c->conf->user, c->conf->password,
	    c->auth, &err);
	if (c->sasl == NULL) {
		client_give_up(c, "4.7.0", "cannot log in: %s", err);
		return;
	}
	buf_init(&line, AUTH_LINE_MAX);
	initial = sasl_initial(c->sasl, &len);
	buf_addf(&line, "AUTH %s", sasl_mechanism(c->sasl));
	if (initial != NULL && (buf_addc(&line, ' ') == -1 || (len == 0 ?
	    buf_addc(&line, '=') : base64_encode(initial, len, &line)) == -1))
		client_give_up(c, "4.7.0", "the login does not fit a line");
	buf_adds(&line, "\r\n");
	stream_write(c->stream, line.data, line.len);
	buf_wipe(&line);
	if (c->state != ST_OVER)
		client_enter(c, ST_AUTH);
}

static void
login_or_ready(struct client *c)
{
	/* RFC 8689 4.2.1: it is offered under TLS only. */
	if (c->conf->tls.onwards && !c->require_tls) {
		c->unfit = true;
		client_give_up(c, "4.7.30", "the server does not offer REQUIRETLS, "
		    "which the sender demands");
		return;
	}
	if (*c->conf->user != '\0')
		perform_auth(c);
	else
		client_now_ready(c);
}

void
client_open_ehlo(struct client *c)
{
	const struct tlspolicy *p = &c->conf->tls;
	bool in_tls = stream_ssl(c->stream) != NULL;

	/* RFC 5321 3.2: an old server; nothing that needs ESMTP is given up. */
	if (c->reply.code / 100 == 5 && c->state == ST_EHLO && !in_tls &&
	    !p->required && *c->conf->user == '\0') {
		c->esmtp = false;
		client_say(c, "HELO %s", c->conf->hostname);
		client_enter(c, ST_HELO);
		return;
	}
	if (c->reply.code != 250) {
		client_give_up(c, "4.3.2", "EHLO was answered with %s",
		    reply_diag(&c->reply));
		return;
	}
	if (c->esmtp)
		read_ehlo(c);
	if (!in_tls && p->starttls && c->starttls) {
		client_say(c, "STARTTLS");
		client_enter(c, ST_STARTTLS);
	} else if (!in_tls && p->required) {
		c->unfit = true;
		client_give_up(c, "4.7.4", "TLS is required, but the server does not "
		    "offer STARTTLS");
	} else
		login_or_ready(c);
}

void
client_open_starttls(struct client *c)
{
	size_t extra;

	if (c->reply.code != 220) {
		if (c->conf->tls.required)
			client_give_up(c, "4.7.4", "STARTTLS was answered with %s",
			    reply_diag(&c->reply));
		else
			login_or_ready(c);
		return;
	}
	/* Whoever is in the path may have put words into the server's mouth. */
	stream_peek(c->stream, &extra);
	if (extra > 0) {
		c->tls_failed = true;
		client_give_up(c, "4.7.5", "the server went on in the clear behind "
		    "its answer to STARTTLS");
		return;
	}
	start_tls(c);
}

static void
auth_answer(struct client *c)
{
	struct buf challenge, answer, line;
	const char *text = buf_str(&c->reply.text);

	buf_init(&challenge, AUTH_LINE_MAX);
	buf_init(&answer, AUTH_LINE_MAX);
	buf_init(&line, AUTH_LINE_MAX);
	if (base64_decode(text, strlen(text), &challenge) == -1 ||
	    sasl_step_on(c->sasl, challenge.data, challenge.len,
	    &answer) == -1 || base64_encode(answer.data, answer.len,
	    &line) == -1 || buf_adds(&line, "\r\n") == -1)
		client_give_up(c, "4.7.0", "the server's side of the login makes no "
		    "sense (%s)", sasl_mechanism(c->sasl));
	else
		stream_write(c->stream, line.data, line.len);
	buf_wipe(&challenge);
	buf_wipe(&answer);
	buf_wipe(&line);
}

/* A wrong password is ours to mend, not the message's fate: deferred. */
void
client_open_auth(struct client *c)
{
	if (c->reply.code == 334)
		auth_answer(c);
	else if (c->reply.code != 235)
		client_give_up(c, "4.7.8", "login as %s failed: %s",
		    log_escs(c->conf->user), reply_diag(&c->reply));
	else if (!sasl_complete(c->sasl))
		client_give_up(c, "4.7.0", "the server let us in without proving "
		    "that it knows the password");
	else
		client_now_ready(c);
}
