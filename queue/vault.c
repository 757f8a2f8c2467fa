#include "lib/prelude.h"

#include "lib/crc32c.h"
#include "lib/log.h"
#include "queue/vault.h"

#define MAGIC		0x314c5650u	/* "PVL1" */
#define WORD		"PosternV"	/* what people see first in the file */
#define HEAD_BYTES	24

/* --- writing ---------------------------------------------------------------------- */

static void
add(struct buf *b, const void *p, size_t n)
{
	if (buf_add(b, p, n) == -1)
		fatalx("a backup's buffer outgrew %zu bytes", b->max);
}

/* Leaves room for a frame's beginning; its bytes come next. */
static size_t
begin(struct buf *b)
{
	static const uint8_t none[VAULT_FRAME];

	add(b, none, sizeof(none));
	return b->len - VAULT_FRAME;
}

/* As the bytes of kind and length are in between, so is the checksum. */
static uint32_t
checksum(const uint8_t *frame, size_t len)
{
	return crc32c(crc32c(0, frame + 4, 12), frame + VAULT_FRAME, len);
}

static void
end(struct buf *b, size_t at, enum vault_kind kind)
{
	uint8_t *frame = b->data + at;
	size_t len = b->len - at - VAULT_FRAME;

	put_u32le(frame, MAGIC);
	put_u32le(frame + 4, kind);
	put_u64le(frame + 8, len);
	put_u32le(frame + 16, checksum(frame, len));
}

void
vault_put_head(struct buf *b, const struct vault_head *h)
{
	uint8_t p[HEAD_BYTES];
	size_t at = begin(b);

	memcpy(p, WORD, 8);
	put_u64le(p + 8, h->store);
	put_u64le(p + 16, h->taken_ms);
	add(b, p, sizeof(p));
	end(b, at, VAULT_HEAD);
}

void
vault_put_msg(struct buf *b, const struct store_msg *m, const uint8_t *body,
    size_t len)
{
	struct record r = { .type = REC_MSG, .id = m->id, .body = body,
	    .body_len = len, .body_crc = crc32c(0, body, len) };
	struct buf meta;
	size_t at = begin(b);

	buf_init(&meta, RECORD_META_MAX);
	record_put_meta(&meta, m);
	r.meta = meta.data;
	r.meta_len = meta.len;
	record_put(b, &r);
	buf_clear(&meta);
	end(b, at, VAULT_MSG);
}

void
vault_put_piece(struct buf *b, const uint8_t *p, size_t n)
{
	size_t at = begin(b);

	add(b, p, n);
	end(b, at, VAULT_PIECE);
}

void
vault_put_void(struct buf *b)
{
	end(b, begin(b), VAULT_VOID);
}

void
vault_put_end(struct buf *b, uint64_t messages)
{
	uint8_t p[8];
	size_t at = begin(b);

	put_u64le(p, messages);
	add(b, p, sizeof(p));
	end(b, at, VAULT_END);
}

/* --- reading ---------------------------------------------------------------------- */

enum vault_got
vault_get(const uint8_t *p, size_t n, struct vault_frame *f)
{
	uint64_t len;

	if (n < VAULT_FRAME)
		return VAULT_MORE;
	len = get_u64le(p + 8);
	if (get_u32le(p) != MAGIC || get_u32le(p + 4) == 0 ||
	    get_u32le(p + 4) >= VAULT_KINDS || get_u32le(p + 20) != 0 ||
	    len > VAULT_FRAME_MAX - VAULT_FRAME)
		return VAULT_DAMAGED;
	if (n - VAULT_FRAME < len)
		return VAULT_MORE;
	if (get_u32le(p + 16) != checksum(p, (size_t)len))
		return VAULT_DAMAGED;
	f->kind = (enum vault_kind)get_u32le(p + 4);
	f->whole = VAULT_FRAME + (size_t)len;
	f->p = p + VAULT_FRAME;
	f->len = (size_t)len;
	return VAULT_GOT;
}

size_t
vault_seek(const uint8_t *p, size_t n)
{
	size_t at;

	for (at = 1; at + 4 <= n; at++)
		if (get_u32le(p + at) == MAGIC)
			return at;
	/* Its first bytes may be the last of these. */
	return n < 4 ? (n == 0 ? 0 : 1) : n - 3;
}

bool
vault_get_head(const struct vault_frame *f, struct vault_head *h)
{
	if (f->kind != VAULT_HEAD || f->len != HEAD_BYTES ||
	    memcmp(f->p, WORD, 8) != 0)
		return false;
	h->store = get_u64le(f->p + 8);
	h->taken_ms = get_u64le(f->p + 16);
	return true;
}

bool
vault_get_msg(const struct vault_frame *f, struct store_msg *m,
    const uint8_t **body)
{
	struct record r;

	if (f->kind != VAULT_MSG || record_get(f->p, f->len, &r) != f->len ||
	    r.type != REC_MSG || r.id > STORE_ID_MAX ||
	    r.body_crc != crc32c(0, r.body, r.body_len) ||
	    !record_get_meta(r.meta, r.meta_len, r.id, m))
		return false;
	*body = r.body;
	if (r.body_len == (m->in_spool ? 0 : m->size))
		return true;
	store_msg_clear(m);
	return false;
}

bool
vault_get_end(const struct vault_frame *f, uint64_t *messages)
{
	if (f->kind != VAULT_END || f->len != 8)
		return false;
	*messages = get_u64le(f->p);
	return true;
}
