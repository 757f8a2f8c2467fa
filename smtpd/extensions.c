#include "lib/prelude.h"

#include "lib/date.h"
#include "smtpd/extensions.h"
#include "smtpd/session_private.h"
#include "smtpd/tls.h"

#define PLUS	"-PLUS"

typedef void put_line(const struct session *, struct buf *);

static void
put_size(const struct session *s, struct buf *out)
{
	buf_addf(out, "250-SIZE %llu\r\n",
	    (unsigned long long)s->server->conf->max_message_bytes);
}

static void
put_auth(const struct session *s, struct buf *out)
{
	const struct conf_strs *m = &s->server->conf->mechanisms;
	size_t i;

	if (s->login != NULL || m->n == 0)
		return;
	buf_adds(out, "250-AUTH");
	for (i = 0; i < m->n; i++)
		if (extensions_mechanism(s, m->v[i]))
			buf_addf(out, " %s", m->v[i]);
	buf_adds(out, "\r\n");
}

/* An account's cap may allow fewer: it is told so at RCPT, RFC 9422 4.2. */
static void
put_limits(const struct session *s, struct buf *out)
{
	uint32_t most = s->server->conf->max_recipients;

	buf_addf(out, "250-LIMITS RCPTMAX=%u\r\n",
	    most < ENVELOPE_RCPT_MAX ? most : ENVELOPE_RCPT_MAX);
}

/* RFC 4865 3: the longest wait, and the latest hour */
static void
put_futurerelease(const struct session *s, struct buf *out)
{
	char latest[DATE_LEN];

	buf_addf(out, "250-FUTURERELEASE %d %s\r\n", ENVELOPE_HOLD_MAX_SEC,
	    date_rfc3339(ev_wall_ms() + ENVELOPE_HOLD_MAX_SEC * 1000ULL,
	    latest));
}

/* RFC 2852 3: the shortest by-time of return mode, where there is one */
static void
put_deliverby(const struct session *s, struct buf *out)
{
	uint32_t least = s->server->conf->min_by_sec;

	buf_adds(out, "250-DELIVERBY");
	if (least > 0)
		buf_addf(out, " %u", least);
	buf_adds(out, "\r\n");
}

static const struct {
	enum extension ext;
	const char *line;	/* or NULL and */
	put_line *put;
} lines[] = {
	{ EXT_SIZE, NULL, put_size },
	{ EXT_8BITMIME, "250-8BITMIME\r\n", NULL },
	{ EXT_CHUNKING, "250-CHUNKING\r\n", NULL },
	{ EXT_DSN, "250-DSN\r\n", NULL },
	{ EXT_SMTPUTF8, "250-SMTPUTF8\r\n", NULL },
	{ EXT_REQUIRETLS, "250-REQUIRETLS\r\n", NULL },
	{ EXT_FUTURERELEASE, NULL, put_futurerelease },
	{ EXT_DELIVERBY, NULL, put_deliverby },
	/* RFC 6710 9.2: no policy is named, so it is MIXER, all of it. */
	{ EXT_MT_PRIORITY, "250-MT-PRIORITY\r\n", NULL },
	{ EXT_LIMITS, NULL, put_limits },
	{ EXT_AUTH, NULL, put_auth },
};

/* RFC 5802 6: a server that could not bind offers no -PLUS. */
bool
extensions_mechanism(const struct session *s, const char *name)
{
	size_t n = strlen(name), tail = sizeof(PLUS) - 1;

	if (strcmp(name, "EXTERNAL") == 0)
		return tls_has_client(stream_ssl(s->stream));
	return n < tail || strcmp(name + n - tail, PLUS) != 0 ||
	    tls_binds(stream_ssl(s->stream));
}

uint32_t
extensions_of(const struct session *s)
{
	uint32_t ext = s->server->extensions;

	if (!s->tls)
		ext &= ~(uint32_t)EXT_REQUIRETLS;	/* RFC 8689 2 */
	if (!s->tls || s->lane)
		ext &= ~(uint32_t)EXT_AUTH;
	return ext;
}

void
extensions_put(const struct session *s, struct buf *out)
{
	uint32_t ext = extensions_of(s);
	size_t i;

	buf_adds(out, "250-PIPELINING\r\n");
	if (!s->tls && !s->no_tls && s->server->tls != NULL)
		buf_adds(out, "250-STARTTLS\r\n");
	for (i = 0; i < nitems(lines); i++) {
		if ((ext & lines[i].ext) == 0)
			continue;
		if (lines[i].line != NULL)
			buf_adds(out, lines[i].line);
		else
			lines[i].put(s, out);
	}
	buf_adds(out, "250 ENHANCEDSTATUSCODES\r\n");
}
