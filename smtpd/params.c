#include "lib/prelude.h"

#include "lib/date.h"
#include "lib/num.h"
#include "lib/smtp_line.h"
#include "smtpd/extensions.h"
#include "smtpd/params.h"

/* --- values --------------------------------------------------------------------------- */

/*
 * xtext whose text is printable ASCII (RFC 3461 4.4, RFC 3464 2.2.1): it will
 * stand in a report, where a line end would begin another field.
 */
static bool
printable_xtext(struct span v)
{
	struct buf text;
	bool good;
	size_t i;

	buf_init(&text, SMTP_COMMAND_LONG);
	good = smtp_xtext_decode(v, &text) == 0;
	for (i = 0; good && i < text.len; i++)
		good = text.data[i] >= ' ' && text.data[i] <= '~';
	buf_clear(&text);
	return good;
}

/* The next of a list's words; false when there is none. */
static bool
next_word(struct span *list, char separator, struct span *word)
{
	const char *end;

	if (list->p == NULL)
		return false;
	end = memchr(list->p, separator, list->n);
	*word = *list;
	if (end == NULL) {
		list->p = NULL;
		return true;
	}
	word->n = (size_t)(end - list->p);
	list->p = end + 1;
	list->n -= word->n + 1;
	return true;
}

/* --- MAIL ------------------------------------------------------------------------------ */

/* RFC 1870 4 */
static bool
take_size(struct span v, void *arg)
{
	struct mail_params *mp = arg;

	return num_parse(v.p, v.n, 0, UINT64_MAX, &mp->size) == 0;
}

/* RFC 6152 2. What the content really holds is seen as it comes. */
static bool
take_body(struct span v, void *arg)
{
	return span_is(v, "7BIT") || span_is(v, "8BITMIME");
}

/* RFC 4954 5: we vouch for nobody but the account, so it changes nothing. */
static bool
take_auth(struct span v, void *arg)
{
	struct buf decoded;
	int r;

	buf_init(&decoded, SMTP_COMMAND_LONG);
	r = smtp_xtext_decode(v, &decoded);
	buf_clear(&decoded);
	return r == 0;
}

/* RFC 3461 4.3 */
static bool
take_ret(struct span v, void *arg)
{
	struct mail_params *mp = arg;

	mp->ret = span_is(v, "FULL") ? RET_FULL :
	    span_is(v, "HDRS") ? RET_HDRS : RET_UNSET;
	return mp->ret != RET_UNSET;
}

/* RFC 3461 4.4 */
static bool
take_envid(struct span v, void *arg)
{
	struct mail_params *mp = arg;

	mp->envid = v;
	return v.n <= ENVELOPE_ENVID_MAX && printable_xtext(v);
}

/* RFC 6531 3.4 */
static bool
take_smtputf8(struct span v, void *arg)
{
	((struct mail_params *)arg)->utf8 = true;
	return true;
}

/* RFC 8689 2 */
static bool
take_requiretls(struct span v, void *arg)
{
	((struct mail_params *)arg)->require_tls = true;
	return true;
}

/* RFC 4865 3: one to nine digits, not zero; or a date; not both */
static bool
take_holdfor(struct span v, void *arg)
{
	struct mail_params *mp = arg;

	return mp->hold_until_ms == 0 && *v.p != '0' &&
	    num_parse(v.p, v.n, 1, 999999999, &mp->hold_for_sec) == 0;
}

static bool
take_holduntil(struct span v, void *arg)
{
	struct mail_params *mp = arg;

	return mp->hold_for_sec == 0 && date_parse_rfc3339(v.p, v.n,
	    &mp->hold_until_ms);
}

/* At most nine digits with a sign before them, or not. */
static bool
signed_number(struct span v, bool plus, uint64_t max, int64_t *n)
{
	bool minus = v.n > 0 && *v.p == '-';
	uint64_t u;

	if (minus || (plus && v.n > 0 && *v.p == '+')) {
		v.p++;
		v.n--;
	}
	if (v.n > 9 || num_parse(v.p, v.n, 0, max, &u) == -1)
		return false;
	*n = minus ? -(int64_t)u : (int64_t)u;
	return true;
}

/*
 * RFC 2852 4: by-time ";" by-mode [by-trace], the time being one to nine digits
 * with a sign or none. What is to go back when its time is over must have some.
 */
static bool
take_by(struct span v, void *arg)
{
	struct mail_params *mp = arg;
	struct span time, mode = v;

	if (!next_word(&mode, ';', &time) || mode.p == NULL || mode.n < 1 ||
	    mode.n > 2 || !signed_number(time, true, ENVELOPE_BY_MAX_SEC, &mp->by_sec))
		return false;
	mp->by_trace = mode.n == 2;
	if (mp->by_trace && mode.p[1] != 'T' && mode.p[1] != 't')
		return false;
	mode.n = 1;
	mp->by = span_is(mode, "R") ? BY_RETURN : span_is(mode, "N") ?
	    BY_NOTIFY : BY_NONE;
	return mp->by == BY_NOTIFY || (mp->by == BY_RETURN && mp->by_sec > 0);
}

/* RFC 6710 3: -9 to 9, in one digit; there is no -0. */
static bool
take_priority(struct span v, void *arg)
{
	struct mail_params *mp = arg;
	int64_t n;

	if (v.n > 2 || !signed_number(v, false, ENVELOPE_PRIORITY_MAX, &n) ||
	    (v.n == 2 && (n == 0 || *v.p != '-')))
		return false;
	mp->priority = (int8_t)n;
	mp->ranked = true;
	return true;
}

/* --- RCPT ------------------------------------------------------------------------------ */

/* RFC 3461 4.1: NEVER stands alone. */
static bool
take_notify(struct span v, void *arg)
{
	static const struct {
		const char *word;
		enum notify bit;
	} words[] = {
		{ "NEVER", NOTIFY_NEVER }, { "SUCCESS", NOTIFY_SUCCESS },
		{ "FAILURE", NOTIFY_FAILURE }, { "DELAY", NOTIFY_DELAY },
	};
	struct rcpt_params *rp = arg;
	struct span word;
	size_t i;

	while (next_word(&v, ',', &word)) {
		for (i = 0; i < nitems(words); i++)
			if (span_is(word, words[i].word))
				break;
		if (i == nitems(words) || (rp->notify & words[i].bit) != 0)
			return false;
		rp->notify |= words[i].bit;
	}
	return (rp->notify & NOTIFY_NEVER) == 0 || rp->notify == NOTIFY_NEVER;
}

/*
 * RFC 6533 3, utf-8-addr-unitext: UTF-8 as it is. That it is well-formed has
 * been seen to by lib/smtp_cmd.
 */
static bool
unitext(struct span v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if (v.p[i] == '+' || v.p[i] == '=' || (uint8_t)v.p[i] <= ' ')
			return false;
	return true;
}

/* RFC 3461 4.2: addr-type ";" xtext; the type is an atom of RFC 822. */
static bool
take_orcpt(struct span v, void *arg)
{
	struct rcpt_params *rp = arg;
	struct span rest = v, type;
	size_t i;

	rp->orcpt = v;
	if (v.n > ENVELOPE_ORCPT_MAX || !next_word(&rest, ';', &type) ||
	    rest.p == NULL || type.n == 0 || rest.n == 0)
		return false;
	for (i = 0; i < type.n; i++)
		if (type.p[i] < '!' || type.p[i] > '~' ||
		    strchr("()<>@,;:\\\".[]+=", type.p[i]) != NULL)
			return false;
	return printable_xtext(rest) || (rp->utf8 && span_is(type, "utf-8") &&
	    unitext(rest));
}

/* --- tables ---------------------------------------------------------------------------- */

struct param {
	const char *name;
	enum extension ext;
	bool	(*take)(struct span, void *);
	const char *syntax;	/* for who got it wrong */
	bool	 bare;		/* stands without a value, and only so */
};

static const struct param mail[] = {
	{ "SIZE", EXT_SIZE, take_size, "SIZE=bytes", false },
	{ "BODY", EXT_8BITMIME, take_body, "BODY=7BIT or BODY=8BITMIME",
	    false },
	{ "AUTH", EXT_AUTH, take_auth, "AUTH=<> or AUTH=address as xtext "
	    "(RFC 4954 5)", false },
	{ "RET", EXT_DSN, take_ret, "RET=FULL or RET=HDRS", false },
	{ "ENVID", EXT_DSN, take_envid, "ENVID=text, at most 100 characters of "
	    "xtext that stand for printable ASCII (RFC 3461 4.4)", false },
	{ "HOLDFOR", EXT_FUTURERELEASE, take_holdfor, "HOLDFOR=seconds, without "
	    "a zero before them and without HOLDUNTIL", false },
	{ "HOLDUNTIL", EXT_FUTURERELEASE, take_holduntil, "HOLDUNTIL=date, such "
	    "as 2030-12-31T23:59:59Z, without HOLDFOR", false },
	{ "BY", EXT_DELIVERBY, take_by, "BY=seconds;R, at least 1, or "
	    "BY=seconds;N, at most 999999999; T behind R or N to trace", false },
	{ "MT-PRIORITY", EXT_MT_PRIORITY, take_priority, "MT-PRIORITY=n, from "
	    "-9 to 9", false },
	{ "SMTPUTF8", EXT_SMTPUTF8, take_smtputf8, "SMTPUTF8 without a value",
	    true },
	{ "REQUIRETLS", EXT_REQUIRETLS, take_requiretls, "REQUIRETLS without a "
	    "value", true },
};

static const struct param rcpt[] = {
	{ "NOTIFY", EXT_DSN, take_notify, "NOTIFY=NEVER, or some of SUCCESS, "
	    "FAILURE and DELAY with commas between", false },
	{ "ORCPT", EXT_DSN, take_orcpt, "ORCPT=rfc822;address, at most 500 "
	    "characters, the address as xtext (RFC 3461 4.2)", false },
};

static enum reply
take(const struct smtp_path *path, uint32_t extensions,
    const struct param *table, size_t n, void *arg, struct span *about)
{
	unsigned int seen = 0;
	size_t i, k;

	for (i = 0; i < path->nparams; i++) {
		const struct smtp_param *p = &path->params[i];

		*about = p->key;
		for (k = 0; k < n; k++)
			if ((table[k].ext & extensions) != 0 &&
			    span_is(p->key, table[k].name))
				break;
		if (k == n)
			return REPLY_UNKNOWN_PARAM;
		if ((seen & (1U << k)) != 0)
			return REPLY_PARAM_TWICE;
		if (p->has_value == table[k].bare ||
		    !table[k].take(p->value, arg)) {
			*about = (struct span){ table[k].syntax,
			    strlen(table[k].syntax) };
			return REPLY_BAD_VALUE;
		}
		seen |= 1U << k;
	}
	return REPLY_NONE;
}

enum reply
params_mail(const struct smtp_path *path, uint32_t extensions,
    struct mail_params *mp, struct span *about)
{
	memset(mp, 0, sizeof(*mp));
	return take(path, extensions, mail, nitems(mail), mp, about);
}

enum reply
params_rcpt(const struct smtp_path *path, uint32_t extensions, bool utf8,
    struct rcpt_params *rp, struct span *about)
{
	memset(rp, 0, sizeof(*rp));
	rp->utf8 = utf8;
	return take(path, extensions, rcpt, nitems(rcpt), rp, about);
}
