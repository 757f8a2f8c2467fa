/*
 * The record: a version byte and the base (version 1); in version 2 sections
 * follow, each a tag, its length and what an account may have beside. An
 * account without any is written as version 1. A tag that is not ours comes
 * from a later version.
 */
#include "lib/prelude.h"

#include "auth/account.h"
#include "lib/log.h"

#define SCHEME_SCRAM_SHA_256 1
#define SCHEME_SCRAM_SHA_1 2
#define SCHEME_SCRAM_SHA_512 3
#define TAG_FURTHER	1

/* --- writing --------------------------------------------------------------------- */

static void
put(struct buf *b, const void *p, size_t n)
{
	if (buf_add(b, p, n) == -1)
		fatalx("an account outgrew its record");
}

static void
put_num(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t out[8];
	size_t i;

	for (i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	put(b, out, bytes);
}

static void
put_str(struct buf *b, const char *s)
{
	put_num(b, strlen(s), 2);
	put(b, s, strlen(s));
}

static void
put_base(struct buf *b, const struct account *a)
{
	size_t i;

	put_num(b, 0, 4);		/* flags: none is defined yet */
	put_num(b, a->created_ms, 8);
	put_num(b, a->changed_ms, 8);
	put_str(b, a->cap);
	put_num(b, SCHEME_SCRAM_SHA_256, 1);
	put_num(b, a->verifier.iterations, 4);
	put_num(b, a->verifier.salt_len, 1);
	put(b, a->verifier.salt, a->verifier.salt_len);
	put(b, a->verifier.stored_key, VERIFIER_KEY_LEN);
	put(b, a->verifier.server_key, VERIFIER_KEY_LEN);
	put_num(b, a->nsenders, 2);
	for (i = 0; i < a->nsenders; i++)
		put_str(b, a->senders[i]);
}

/* --- reading ----------------------------------------------------------------------- */

struct reader {
	const uint8_t *at, *end;
	bool	 bad;		/* sticky */
};

static const uint8_t *
get(struct reader *r, size_t n)
{
	const uint8_t *p = r->at;

	if (r->bad || n > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static uint64_t
get_num(struct reader *r, size_t bytes)
{
	const uint8_t *p = get(r, bytes);
	uint64_t v = 0;

	while (p != NULL && bytes-- > 0)
		v = v << 8 | *p++;
	return v;
}

static void
get_bytes(struct reader *r, uint8_t *out, size_t n)
{
	const uint8_t *p = get(r, n);

	if (p != NULL)
		memcpy(out, p, n);
}

static void
get_str(struct reader *r, char *out, size_t max)
{
	size_t n = get_num(r, 2);
	const uint8_t *p = get(r, n);

	*out = '\0';
	if (p == NULL || n == 0 || n > max || memchr(p, '\0', n) != NULL) {
		r->bad = true;
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

static void
get_salt(struct reader *r, struct verifier *v)
{
	v->salt_len = (uint8_t)get_num(r, 1);
	if (v->salt_len == 0 || v->salt_len > VERIFIER_SALT_MAX)
		r->bad = true;
	else
		get_bytes(r, v->salt, v->salt_len);
}

static void
get_verifier(struct reader *r, struct verifier *v)
{
	if (get_num(r, 1) != SCHEME_SCRAM_SHA_256)
		r->bad = true;
	v->iterations = (uint32_t)get_num(r, 4);
	if (v->iterations < VERIFIER_ITERATIONS_MIN ||
	    v->iterations > VERIFIER_ITERATIONS_MAX)
		r->bad = true;
	get_salt(r, v);
	get_bytes(r, v->stored_key, VERIFIER_KEY_LEN);
	get_bytes(r, v->server_key, VERIFIER_KEY_LEN);
}

static void
get_base(struct reader *r, struct account *a)
{
	char pattern[ACCOUNT_MAX + 1];
	size_t i, senders;

	if (get_num(r, 4) != 0)
		r->bad = true;
	a->created_ms = get_num(r, 8);
	a->changed_ms = get_num(r, 8);
	get_str(r, a->cap, CAP_NAME_MAX);
	get_verifier(r, &a->verifier);
	senders = get_num(r, 2);
	for (i = 0; i < senders && !r->bad; i++) {
		get_str(r, pattern, ACCOUNT_MAX);
		if (!r->bad && !account_add_sender(a, pattern))
			r->bad = true;
	}
}

/* --- further verifiers ---------------------------------------------------------------- */

/* By scheme, rising. The count is the base's: strangers see but one of a name. */
static const struct {
	uint8_t	 scheme;
	enum scram_hash hash;
} further[] = {
	{ SCHEME_SCRAM_SHA_1, SCRAM_SHA_1 },
	{ SCHEME_SCRAM_SHA_512, SCRAM_SHA_512 },
};

static void
put_further(struct buf *b, const struct account *a)
{
	const struct verifier *v;
	size_t i, len;

	for (i = 0; i < nitems(further); i++) {
		v = &a->further[further[i].hash - 1];
		if (v->iterations == 0)
			continue;
		len = verifier_key_len(further[i].hash);
		put_num(b, further[i].scheme, 1);
		put_num(b, v->salt_len, 1);
		put(b, v->salt, v->salt_len);
		put(b, v->stored_key, len);
		put(b, v->server_key, len);
	}
}

static void
get_further(struct reader *r, struct account *a)
{
	struct verifier *v;
	size_t i, len;
	uint64_t scheme;

	for (i = 0; !r->bad && r->at < r->end; i++) {
		scheme = get_num(r, 1);
		while (i < nitems(further) && further[i].scheme < scheme)
			i++;
		if (i == nitems(further) || further[i].scheme != scheme) {
			r->bad = true;
			return;
		}
		v = &a->further[further[i].hash - 1];
		v->hash = further[i].hash;
		v->iterations = a->verifier.iterations;
		len = verifier_key_len(v->hash);
		get_salt(r, v);
		get_bytes(r, v->stored_key, len);
		get_bytes(r, v->server_key, len);
	}
}

/* --- the whole ----------------------------------------------------------------------- */

/*
 * What not every account has. put() adds nothing when there is nothing of it;
 * get() has read all of its bytes or set bad, and takes no empty section.
 */
static const struct section {
	uint8_t	 tag;			/* rising */
	void	(*put)(struct buf *, const struct account *);
	void	(*get)(struct reader *, struct account *);
} sections[] = {
	{ TAG_FURTHER, put_further, get_further },
	{ 0, NULL, NULL }
};

static void
put_sections(struct buf *b, const struct account *a)
{
	const struct section *s;
	struct buf one;

	for (s = sections; s->put != NULL; s++) {
		buf_init(&one, ACCOUNT_RECORD_MAX);
		s->put(&one, a);
		if (one.len > 0) {
			put_num(b, s->tag, 1);
			put_num(b, one.len, 4);
			put(b, one.data, one.len);
		}
		buf_wipe(&one);
	}
}

static void
get_sections(struct reader *r, struct account *a)
{
	const struct section *s = sections;
	struct reader in = { NULL, NULL, false };
	uint64_t tag;
	size_t len;

	if (r->at == r->end)
		r->bad = true;		/* this would have been version 1 */
	while (!r->bad && r->at < r->end) {
		tag = get_num(r, 1);
		len = get_num(r, 4);
		in.at = get(r, len);
		while (s->get != NULL && s->tag < tag)
			s++;
		if (r->bad || s->get == NULL || s->tag != tag || len == 0) {
			r->bad = true;
			break;
		}
		in.end = in.at + len;
		s++->get(&in, a);
		if (in.bad || in.at != in.end)
			r->bad = true;
	}
}

void
account_encode(const struct account *a, struct buf *b)
{
	size_t start = b->len, base;

	put_num(b, 1, 1);
	put_base(b, a);
	base = b->len;
	put_sections(b, a);
	if (b->len > base)
		b->data[start] = 2;
}

int
account_decode(struct account *a, const uint8_t *p, size_t n)
{
	struct reader r = { p, p + n, false };
	uint64_t version = get_num(&r, 1);

	if (version != 1 && version != 2)
		return -1;
	get_base(&r, a);
	if (!r.bad && version == 2)
		get_sections(&r, a);
	if (!r.bad && r.at == r.end)
		return 0;
	account_clear(a);
	return -1;
}
