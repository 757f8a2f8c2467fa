#include "lib/prelude.h"

#include "auth/uses.h"

#define LETTER	'u'
#define MS_LEN	8		/* in network order; the peer behind it */
#define USE_MAX	(MS_LEN + NET_TEXT_LEN)

struct writing {
	const struct use *uses;
	uint8_t	 bytes[USE_MAX];
};

static struct record
each(size_t i, char name[RECORDS_NAME_MAX + 1], void *arg)
{
	struct writing *w = arg;
	const struct use *use = &w->uses[i];
	size_t k, n = strnlen(use->peer, NET_TEXT_LEN - 1);

	snprintf(name, RECORDS_NAME_MAX + 1, "%s", use->login);
	for (k = 0; k < MS_LEN; k++)
		w->bytes[k] = (uint8_t)(use->ms >> (8 * (MS_LEN - 1 - k)));
	memcpy(w->bytes + MS_LEN, use->peer, n);
	return (struct record){ w->bytes, MS_LEN + n };
}

enum accounts_result
uses_put(struct records *records, const struct use *uses, size_t n)
{
	struct writing w = { .uses = uses };
	enum accounts_result r;

	records_lock(records);
	r = records_put_all(records, LETTER, n, each, &w);
	records_unlock(records);
	return r;
}

enum accounts_result
uses_get(struct records *records, const char *login, struct use *out)
{
	enum accounts_result r;
	struct record rec;
	size_t i;

	memset(out, 0, sizeof(*out));
	r = records_get(records, LETTER, login, &rec);
	if (r != ACCOUNTS_OK)
		return r;
	if (rec.n < MS_LEN || rec.n > USE_MAX)
		r = ACCOUNTS_NONE;
	else {
		snprintf(out->login, sizeof(out->login), "%s", login);
		for (i = 0; i < MS_LEN; i++)
			out->ms = out->ms << 8 | rec.p[i];
		snprintf(out->peer, sizeof(out->peer), "%.*s",
		    (int)(rec.n - MS_LEN), (const char *)rec.p + MS_LEN);
	}
	records_free(&rec);
	return r;
}

enum accounts_result
uses_drop(struct records *records, const char *login)
{
	enum accounts_result r;

	records_lock(records);
	r = records_del(records, LETTER, login);
	records_unlock(records);
	return r;
}
