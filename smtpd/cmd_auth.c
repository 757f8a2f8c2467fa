/*
 * AUTH, RFC 4954. smtpd only carries base64 back and forth: the exchange
 * itself, and what a password is, live in auth. Nothing said here is logged,
 * and what was decoded is wiped.
 */
#include "lib/prelude.h"

#include <strings.h>

#include "lib/base64.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/extensions.h"
#include "smtpd/session_private.h"
#include "smtpd/tls.h"
#include "smtpd/verbs.h"

#define RESPONSE_MAX	(SMTP_AUTH_MAX / 4 * 3)	/* decoded */
#define SENDERS_MAX	10000	/* patterns that an account may have */

/* --- the client's lines ---------------------------------------------------------- */

static bool
offered(const struct session *s, struct span name)
{
	const struct conf_strs *m = &s->server->conf->mechanisms;
	size_t i;

	for (i = 0; i < m->n; i++)
		if (span_is(name, m->v[i]))
			return extensions_mechanism(s, m->v[i]);
	return false;
}

static enum reply
check(const struct session *s, struct span mechanism)
{
	if (s->lane)
		return REPLY_NO_LOGINS;
	if (!s->tls)
		return REPLY_NEED_TLS;
	if (s->login != NULL)
		return REPLY_AUTH_TWICE;
	if (!s->ehlo)
		return REPLY_EHLO_FIRST;
	if (s->tx != NULL)
		return REPLY_AUTH_IN_MAIL;
	if (mechanism.n == 0)
		return REPLY_NEED_ARGUMENT;
	if (!offered(s, mechanism))
		return REPLY_NO_MECHANISM;
	if (!upstream_alive(&s->server->auth))
		return REPLY_AUTH_TROUBLE;
	return REPLY_NONE;
}

/* RFC 4954 4: "=" is an initial response without any bytes. */
static int
decode(struct span text, bool initial, struct buf *out)
{
	if (initial && text.n == 1 && *text.p == '=')
		return 0;
	return base64_decode(text.p, text.n, out);
}

/* Other mechanisms do not bind: they need not be worked out. */
static void
put_bindings(const struct session *s, const char *mechanism)
{
	uint8_t data[BINDING_MAX];
	int kind;
	size_t n;

	for (kind = 0; kind < AUTH_BINDINGS; kind++) {
		n = strncmp(mechanism, "SCRAM-", 6) != 0 ? 0 :
		    tls_binding(stream_ssl(s->stream),
		    (enum auth_binding)kind, data);
		ipc_put_bytes(data, n);
	}
}

static void
put_certificates(const struct session *s, const char *mechanism)
{
	struct buf certs;

	buf_init(&certs, CLIENT_CERTS_LEN);
	if (strcmp(mechanism, "EXTERNAL") != 0 ||
	    tls_put_client(stream_ssl(s->stream), &certs) == -1)
		buf_reset(&certs);
	ipc_put_bytes(certs.data, certs.len);
	buf_clear(&certs);
}

static void
start(struct session *s, struct span mechanism, bool has_initial,
    const struct buf *initial)
{
	char *name = xstrndup(mechanism.p, mechanism.n);
	char *p;

	for (p = name; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p -= 'a' - 'A';
	ipc_begin(M_AUTH_START, s->id);
	ipc_put_str(name);
	ipc_put_bool(has_initial);
	ipc_put_bytes(initial->data, initial->len);
	ipc_put_str(s->peer);
	ipc_put_u32(tls_bits(stream_ssl(s->stream)));
	put_bindings(s, name);
	put_certificates(s, name);
	upstream_send(&s->server->auth);
	ipc_forget();
	snprintf(s->mechanism, sizeof(s->mechanism), "%s", name);
	free(name);
	s->auth_lost = false;
	session_set_state(s, SESSION_AUTH_WAIT);
}

void
cmd_auth(struct session *s, struct span arg)
{
	struct span mechanism, initial;
	struct buf decoded;
	enum reply refusal;

	smtp_cmd_split(arg.p, arg.n, &mechanism, &initial);
	refusal = check(s, mechanism);
	if (refusal != REPLY_NONE) {
		session_refuse(s, "AUTH", refusal,
		    "AUTH mechanism [initial response]", NULL);
		return;
	}
	buf_init(&decoded, RESPONSE_MAX);
	if (decode(initial, true, &decoded) == -1)
		session_refuse(s, "AUTH", REPLY_BAD_BASE64, NULL, NULL);
	else
		start(s, mechanism, initial.n > 0, &decoded);
	buf_wipe(&decoded);
}

/* Back to commands, and auth need not wait for more. */
static void
leave(struct session *s)
{
	ipc_begin(M_AUTH_CANCEL, s->id);
	upstream_send(&s->server->auth);
	session_set_state(s, SESSION_COMMAND);
}

void
cmd_auth_abort(struct session *s)
{
	leave(s);
}

static void
respond(struct session *s, const struct buf *decoded)
{
	ipc_begin(M_AUTH_STEP, s->id);
	ipc_put_bytes(decoded->data, decoded->len);
	upstream_send(&s->server->auth);
	ipc_forget();
	session_set_state(s, SESSION_AUTH_WAIT);
}

void
cmd_auth_line(struct session *s, const char *line, size_t n)
{
	struct span text = { line, n };
	struct buf decoded;

	buf_init(&decoded, RESPONSE_MAX);
	if (span_is(text, "*")) {
		leave(s);
		session_refuse(s, "AUTH", REPLY_AUTH_CANCELLED, NULL, NULL);
	} else if (decode(text, false, &decoded) == -1) {
		leave(s);
		session_refuse(s, "AUTH", REPLY_BAD_BASE64, NULL, NULL);
	} else if (s->auth_lost || !upstream_alive(&s->server->auth)) {
		session_set_state(s, SESSION_COMMAND);
		session_reply(s, REPLY_AUTH_TROUBLE);
	} else
		respond(s, &decoded);
	buf_wipe(&decoded);
}

/* --- auth's answers ------------------------------------------------------------------ */

int
cmd_auth_challenge(struct session *s, struct ipc_in *in)
{
	size_t n;
	const uint8_t *challenge = ipc_get_bytes(in, RESPONSE_MAX, &n);
	struct buf text;

	if (!ipc_in_end(in))
		return -1;
	buf_init(&text, SMTP_AUTH_MAX);
	base64_encode(challenge, n, &text);
	session_set_state(s, SESSION_AUTH_LINE);
	session_reply_arg(s, REPLY_CHALLENGE, buf_str(&text));
	buf_wipe(&text);
	return 0;
}

static void
get_senders(struct ipc_in *in, struct login *login)
{
	uint32_t i, n = ipc_get_u32(in);
	const uint8_t *seal;
	size_t len;

	if (n > SENDERS_MAX)
		in->bad = true;
	if (in->bad)
		return;
	login->senders = xcalloc(n == 0 ? 1 : n, sizeof(*login->senders));
	for (i = 0; i < n && !in->bad; i++) {
		login->senders[i].pattern = xstrdup(ipc_get_str(in, ADDR_MAX));
		login->nsenders++;
		seal = ipc_get_bytes(in, TICKET_MAC_LEN, &len);
		if (len == TICKET_MAC_LEN)
			memcpy(login->senders[i].seal, seal, len);
		else
			in->bad = true;
	}
}

int
cmd_auth_ok(struct session *s, struct ipc_in *in)
{
	struct login *login = xcalloc(1, sizeof(*login));
	const char *rewrite;

	ticket_get(in, &login->ticket);
	rewrite = ipc_get_str(in, ADDR_MAX);
	login->rewrite = *rewrite == '\0' ? NULL : xstrdup(rewrite);
	get_senders(in, login);
	if (!ipc_in_end(in)) {
		session_login_free(&login);
		return -1;
	}
	s->login = login;
	stats_add(STAT_LOGINS, 1);
	log_info("%s login account=\"%s\"%s%s mechanism=%s peer=%s tls=%s",
	    session_name(s), log_escs(login->ticket.account),
	    *login->ticket.device == '\0' ? "" : " device=",
	    log_escs(login->ticket.device), s->mechanism, s->peer,
	    tls_version(stream_ssl(s->stream)));
	tls_give_ticket(stream_ssl(s->stream));
	session_set_state(s, SESSION_COMMAND);
	session_reply(s, REPLY_AUTH_OK);
	return 0;
}

int
cmd_auth_no(struct session *s, struct ipc_in *in)
{
	static const enum reply replies[AUTH_NO_REASONS] = {
		[AUTH_NO_CREDENTIALS] = REPLY_AUTH_FAILED,
		[AUTH_NO_MECHANISM] = REPLY_NO_MECHANISM,
		[AUTH_NO_SYNTAX] = REPLY_AUTH_SYNTAX,
		[AUTH_NO_TEMPORARY] = REPLY_AUTH_TROUBLE,
		[AUTH_NO_WEAK] = REPLY_AUTH_WEAK,
		[AUTH_NO_PLAINTEXT] = REPLY_AUTH_ENCRYPT,
		[AUTH_NO_LOCKED] = REPLY_AUTH_LOCKED,
		[AUTH_NO_BINDING] = REPLY_AUTH_BINDING,
	};
	uint8_t why = ipc_get_u8(in);
	uint32_t sec = ipc_get_u32(in);
	char wait[NUM_TEXT_LEN];

	if (!ipc_in_end(in) || why >= AUTH_NO_REASONS)
		return -1;
	stats_add(STAT_LOGIN_FAILURES, 1);
	session_set_state(s, SESSION_COMMAND);
	session_refuse(s, "AUTH", replies[why], num_print_wait(sec, wait),
	    NULL);
	return 0;
}

void
cmd_auth_gone(struct session *s)
{
	session_set_state(s, SESSION_COMMAND);
	session_reply(s, REPLY_AUTH_TROUBLE);
}
