/*
 * The record: a version byte and the base (version 1); in version 2 sections
 * follow, each a tag, its length and what an account may have beside. An
 * account without any is written as version 1. A tag that is not ours comes
 * from a later version.
 */
#include "lib/prelude.h"

#include "auth/account.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define SCHEME_SCRAM_SHA_256 1
#define SCHEME_SCRAM_SHA_1 2
#define SCHEME_SCRAM_SHA_512 3
/* Of the base. Who does not know a flag refuses the record: nobody gets in. */
#define FLAG_SUSPENDED	1
#define TAG_FURTHER	1
#define TAG_SENDING	2
#define TAG_DEVICES	3
#define TAG_GONE	4

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
put_verifier(struct buf *b, const struct verifier *v)
{
	put_num(b, SCHEME_SCRAM_SHA_256, 1);
	put_num(b, v->iterations, 4);
	put_num(b, v->salt_len, 1);
	put(b, v->salt, v->salt_len);
	put(b, v->stored_key, VERIFIER_KEY_LEN);
	put(b, v->server_key, VERIFIER_KEY_LEN);
}

static void
put_base(struct buf *b, const struct account *a)
{
	size_t i;

	put_num(b, a->suspended ? FLAG_SUSPENDED : 0, 4);
	put_num(b, a->created_ms, 8);
	put_num(b, a->changed_ms, 8);
	put_str(b, a->cap);
	put_verifier(b, &a->verifier);
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
	uint64_t flags;
	size_t i, senders;

	flags = get_num(r, 4);
	if ((flags & ~(uint64_t)FLAG_SUSPENDED) != 0)
		r->bad = true;
	a->suspended = flags == FLAG_SUSPENDED;
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
put_others(struct buf *b, const struct verifier v[SCRAM_HASHES - 1])
{
	size_t i, len;

	for (i = 0; i < nitems(further); i++) {
		const struct verifier *one = &v[further[i].hash - 1];

		if (one->iterations == 0)
			continue;
		len = verifier_key_len(further[i].hash);
		put_num(b, further[i].scheme, 1);
		put_num(b, one->salt_len, 1);
		put(b, one->salt, one->salt_len);
		put(b, one->stored_key, len);
		put(b, one->server_key, len);
	}
}

/* To the end of what r holds. */
static void
get_others(struct reader *r, struct verifier v[SCRAM_HASHES - 1],
    uint32_t iterations)
{
	struct verifier *one;
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
		one = &v[further[i].hash - 1];
		one->hash = further[i].hash;
		one->iterations = iterations;
		len = verifier_key_len(one->hash);
		get_salt(r, one);
		get_bytes(r, one->stored_key, len);
		get_bytes(r, one->server_key, len);
	}
}

static void
put_further(struct buf *b, const struct account *a)
{
	put_others(b, a->further);
}

static void
get_further(struct reader *r, struct account *a)
{
	get_others(r, a->further, a->verifier.iterations);
}

/* --- how it sends ---------------------------------------------------------------------- */

#define SENDING_REWRITE	1

static void
put_sending(struct buf *b, const struct account *a)
{
	if (a->plus == ACCOUNT_PLUS_CONF && !a->rewrite)
		return;
	put_num(b, a->plus, 1);
	put_num(b, a->rewrite ? SENDING_REWRITE : 0, 1);
}

static void
get_sending(struct reader *r, struct account *a)
{
	uint64_t plus = get_num(r, 1), flags = get_num(r, 1);

	if (plus >= ACCOUNT_PLUSES || flags > SENDING_REWRITE ||
	    (plus == ACCOUNT_PLUS_CONF && flags == 0)) {
		r->bad = true;
		return;
	}
	a->plus = (enum account_plus)plus;
	a->rewrite = flags == SENDING_REWRITE;
}

/* --- devices ---------------------------------------------------------------------------- */

/* A text that may be empty. */
static void
get_text(struct reader *r, char *out, size_t max)
{
	size_t n = get_num(r, 1);
	const uint8_t *p = get(r, n);

	*out = '\0';
	if (p == NULL || n > max || memchr(p, '\0', n) != NULL) {
		r->bad = true;
		return;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

static void
put_text(struct buf *b, const char *s)
{
	put_num(b, strlen(s), 1);
	put(b, s, strlen(s));
}

static void
put_device(struct buf *b, const struct device *d)
{
	size_t i;

	put_text(b, d->label);
	put_text(b, d->cap);
	put_num(b, d->created_ms, 8);
	put_num(b, d->expires_ms, 8);
	put_num(b, d->mark, 8);
	put_num(b, d->nnetworks, 1);
	for (i = 0; i < d->nnetworks; i++) {
		put_num(b, d->networks[i].bits, 1);
		put(b, d->networks[i].bytes, sizeof(d->networks[i].bytes));
	}
	put_verifier(b, &d->verifier);
	put_others(b, d->further);
}

/* Each with its length in front. */
static void
put_devices(struct buf *b, const struct account *a)
{
	struct buf one;
	size_t i;

	for (i = 0; i < a->ndevices; i++) {
		buf_init(&one, ACCOUNT_RECORD_MAX);
		put_device(&one, &a->devices[i]);
		put_num(b, one.len, 2);
		put(b, one.data, one.len);
		buf_wipe(&one);
	}
}

static void
get_networks(struct reader *r, struct device *d)
{
	size_t i;

	d->nnetworks = get_num(r, 1);
	if (d->nnetworks > DEVICE_NETWORKS_MAX)
		r->bad = true;
	for (i = 0; !r->bad && i < d->nnetworks; i++) {
		d->networks[i].bits = (unsigned int)get_num(r, 1);
		get_bytes(r, d->networks[i].bytes, sizeof(d->networks[i].bytes));
		if (d->networks[i].bits == 0 || d->networks[i].bits > 128)
			r->bad = true;
	}
}

static void
get_device(struct reader *r, struct device *d)
{
	char label[DEVICE_MAX + 1];

	memset(d, 0, sizeof(*d));
	get_text(r, d->label, DEVICE_MAX);
	get_text(r, d->cap, CAP_NAME_MAX);
	d->created_ms = get_num(r, 8);
	d->expires_ms = get_num(r, 8);
	d->mark = get_num(r, 8);
	get_networks(r, d);
	get_verifier(r, &d->verifier);
	get_others(r, d->further, d->verifier.iterations);
	if (device_label(d->label, label) != NULL ||
	    strcmp(label, d->label) != 0)
		r->bad = true;
}

static void
get_devices(struct reader *r, struct account *a)
{
	struct reader in = { NULL, NULL, false };
	struct device d;
	size_t len;

	while (!r->bad && r->at < r->end) {
		len = get_num(r, 2);
		in.at = get(r, len);
		if (r->bad)
			return;
		in.end = in.at + len;
		get_device(&in, &d);
		r->bad = in.bad || in.at != in.end ||
		    account_device(a, d.label) != NULL ||
		    !account_add_device(a, &d);
		explicit_bzero(&d, sizeof(d));
	}
}

static void
put_gone(struct buf *b, const struct account *a)
{
	size_t i;

	for (i = 0; i < a->ngone; i++) {
		put_text(b, a->gone[i].label);
		put_num(b, a->gone[i].mark, 8);
	}
}

static void
get_gone(struct reader *r, struct account *a)
{
	struct device_gone *g;

	while (!r->bad && r->at < r->end && a->ngone < DEVICES_GONE_MAX) {
		a->gone = xreallocarray(a->gone, a->ngone + 1,
		    sizeof(*a->gone));
		g = &a->gone[a->ngone++];
		memset(g, 0, sizeof(*g));
		get_text(r, g->label, DEVICE_MAX);
		g->mark = get_num(r, 8);
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
	{ TAG_SENDING, put_sending, get_sending },
	{ TAG_DEVICES, put_devices, get_devices },
	{ TAG_GONE, put_gone, get_gone },
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
