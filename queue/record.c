#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/record.h"

/* 1 ended before the route, 2 before the device, 3 before DELIVERBY. */
#define META_VERSION	4
#define STR_MAX		4096

/* --- records ------------------------------------------------------------------- */

static void
add(struct buf *b, const void *p, size_t n)
{
	if (buf_add(b, p, n) == -1)
		fatalx("a record outgrew %zu bytes", b->max);
}

void
record_put(struct buf *b, const struct record *r)
{
	uint8_t h[RECORD_HEADER] = { r->type, r->flags };

	put_u32le(h + 4, (uint32_t)r->meta_len);
	put_u64le(h + 8, r->id);
	put_u32le(h + 16, (uint32_t)r->body_len);
	put_u32le(h + 20, r->body_crc);
	add(b, h, sizeof(h));
	add(b, r->meta, r->meta_len);
	add(b, r->body, r->body_len);
}

size_t
record_get(const uint8_t *p, size_t n, struct record *r)
{
	if (n < RECORD_HEADER || p[0] == 0 || p[0] >= REC_TYPES)
		return 0;
	r->type = p[0];
	r->flags = p[1];
	r->meta_len = get_u32le(p + 4);
	r->id = get_u64le(p + 8);
	r->body_len = get_u32le(p + 16);
	r->body_crc = get_u32le(p + 20);
	if (r->meta_len > RECORD_META_MAX || r->body_len > STORE_INLINE_MAX ||
	    r->meta_len + r->body_len > n - RECORD_HEADER || r->id == 0)
		return 0;
	r->meta = p + RECORD_HEADER;
	r->body = r->meta + r->meta_len;
	return RECORD_HEADER + r->meta_len + r->body_len;
}

/* --- a message's meta ------------------------------------------------------------- */

static void
put_u8(struct buf *b, uint8_t v)
{
	add(b, &v, 1);
}

static void
put_u32(struct buf *b, uint32_t v)
{
	uint8_t p[4];

	put_u32le(p, v);
	add(b, p, sizeof(p));
}

static void
put_u64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	put_u64le(p, v);
	add(b, p, sizeof(p));
}

/* NULL and "" are the same here. */
static void
put_str(struct buf *b, const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s);

	put_u32(b, (uint32_t)n);
	add(b, s, n);
}

void
record_put_meta(struct buf *b, const struct store_msg *m)
{
	const struct envelope *e = &m->env;
	size_t i;

	put_u8(b, META_VERSION);
	put_u64(b, m->arrived_ms);
	put_u64(b, m->expires_ms);
	put_u64(b, m->due_ms);
	put_u32(b, m->attempts);
	put_u8(b, m->hold);
	put_u8(b, m->warned);
	put_str(b, m->account);
	put_str(b, m->cap);
	for (i = 0; i < LIMIT_KINDS; i++)
		put_u64(b, m->charge[i]);
	put_u64(b, m->size);
	put_u8(b, m->in_spool);
	put_str(b, e->return_path);
	put_str(b, e->envid);
	put_u8(b, e->ret);
	put_u8(b, e->body_8bit);
	put_u8(b, e->utf8);
	put_u32(b, (uint32_t)e->nrcpts);
	for (i = 0; i < e->nrcpts; i++) {
		put_str(b, e->rcpts[i].addr);
		put_str(b, e->rcpts[i].orcpt);
		put_u8(b, e->rcpts[i].notify);
		put_u8(b, m->rcpts[i].state);
		put_str(b, m->rcpts[i].status);
		put_str(b, m->rcpts[i].diag);
		put_str(b, m->rcpts[i].remote);
	}
	put_str(b, m->route);
	put_u32(b, (uint32_t)m->nevents);
	for (i = 0; i < m->nevents; i++) {
		put_u64(b, m->events[i].first_ms);
		put_u64(b, m->events[i].last_ms);
		put_u32(b, m->events[i].times);
		put_str(b, m->events[i].what);
	}
	put_u8(b, e->require_tls);
	put_u64(b, e->hold_until_ms);
	put_str(b, m->device);
	put_u8(b, e->by);
	put_u8(b, e->by_trace);
	put_u8(b, e->by_told);
	put_u64(b, e->by_ms);
	put_u8(b, (uint8_t)e->priority);
}

struct in {
	const uint8_t *at, *end;
	bool	 bad;		/* sticky */
};

static const uint8_t *
get(struct in *in, size_t n)
{
	const uint8_t *p = in->at;

	if (in->bad || n > (size_t)(in->end - in->at)) {
		in->bad = true;
		return NULL;
	}
	in->at += n;
	return p;
}

static uint8_t
get_u8(struct in *in, uint8_t max)
{
	const uint8_t *p = get(in, 1);

	if (p != NULL && *p > max)
		in->bad = true;
	return p == NULL ? 0 : *p;
}

static uint32_t
get_u32(struct in *in)
{
	const uint8_t *p = get(in, 4);

	return p == NULL ? 0 : get_u32le(p);
}

static uint64_t
get_u64(struct in *in)
{
	const uint8_t *p = get(in, 8);

	return p == NULL ? 0 : get_u64le(p);
}

/* Owned by the caller; "" comes back as NULL unless it must be a string. */
static char *
get_str(struct in *in, bool must)
{
	uint32_t n = get_u32(in);
	const uint8_t *p;

	if (n > STR_MAX)
		in->bad = true;
	p = get(in, n);
	if (p != NULL && memchr(p, '\0', n) != NULL)
		in->bad = true;
	if (in->bad || n == 0)
		return must ? xstrdup("") : NULL;
	return xstrndup((const char *)p, n);
}

static void
get_envelope(struct in *in, struct store_msg *m)
{
	struct envelope *e = &m->env;

	e->return_path = get_str(in, true);
	e->envid = get_str(in, false);
	e->ret = get_u8(in, RET_HDRS);
	e->body_8bit = get_u8(in, 1);
	e->utf8 = get_u8(in, 1);
}

static void
get_rcpts(struct in *in, struct store_msg *m)
{
	uint32_t i, n = get_u32(in);
	struct store_rcpt *r;
	char *addr, *orcpt;

	if (n == 0 || n > ENVELOPE_RCPT_MAX)
		in->bad = true;
	if (in->bad)
		return;
	m->rcpts = xcalloc(n, sizeof(*m->rcpts));
	for (i = 0; i < n && !in->bad; i++) {
		addr = get_str(in, true);
		orcpt = get_str(in, false);
		envelope_add_rcpt(&m->env, addr, orcpt, get_u8(in, 15));
		free(addr);
		free(orcpt);
		r = &m->rcpts[i];
		r->state = get_u8(in, RCPT_RELAYED);
		r->status = get_str(in, false);
		r->diag = get_str(in, false);
		r->remote = get_str(in, false);
	}
}

static void
get_events(struct in *in, struct store_msg *m)
{
	uint32_t i, n = get_u32(in);
	struct store_event *e;

	if (n > STORE_EVENTS_MAX)
		in->bad = true;
	if (in->bad || n == 0)
		return;
	m->events = xcalloc(n, sizeof(*m->events));
	for (i = 0; i < n && !in->bad; i++) {
		e = &m->events[m->nevents++];
		e->first_ms = get_u64(in);
		e->last_ms = get_u64(in);
		e->times = get_u32(in);
		e->what = get_str(in, true);
	}
}

/* What its sender asked for as to time. */
static void
get_wishes(struct in *in, struct store_msg *m)
{
	struct envelope *e = &m->env;

	e->by = get_u8(in, BY_RETURN);
	e->by_trace = get_u8(in, 1);
	e->by_told = get_u8(in, 1);
	e->by_ms = get_u64(in);
	e->priority = (int8_t)get_u8(in, UINT8_MAX);
	if (e->priority < -ENVELOPE_PRIORITY_MAX ||
	    e->priority > ENVELOPE_PRIORITY_MAX)
		in->bad = true;
}

bool
record_meta_is_later(const uint8_t *p, size_t n)
{
	return n > 0 && p[0] > META_VERSION;
}

bool
record_get_meta(const uint8_t *p, size_t n, uint64_t id, struct store_msg *m)
{
	struct in in = { p, p + n, false };
	uint8_t version;
	int i;

	store_msg_init(m);
	m->id = id;
	version = get_u8(&in, META_VERSION);
	if (version == 0)
		in.bad = true;
	m->arrived_ms = get_u64(&in);
	m->expires_ms = get_u64(&in);
	m->due_ms = get_u64(&in);
	m->attempts = get_u32(&in);
	m->hold = get_u8(&in, HOLD_TRIPWIRE);
	m->warned = get_u8(&in, 1);
	m->account = get_str(&in, true);
	m->cap = get_str(&in, true);
	for (i = 0; i < LIMIT_KINDS; i++)
		m->charge[i] = get_u64(&in);
	m->size = get_u64(&in);
	m->in_spool = get_u8(&in, 1);
	get_envelope(&in, m);
	get_rcpts(&in, m);
	if (version >= 2) {
		m->route = get_str(&in, false);
		get_events(&in, m);
		m->env.require_tls = get_u8(&in, 1);
		m->env.hold_until_ms = get_u64(&in);
	}
	if (version >= 3)
		m->device = get_str(&in, false);
	if (version >= 4)
		get_wishes(&in, m);
	if (!in.bad && in.at == in.end)
		return true;
	store_msg_clear(m);
	return false;
}
