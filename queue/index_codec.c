#include "lib/prelude.h"

#include "queue/index_codec.h"

void
index_put_be(uint8_t *p, uint64_t v)
{
	int i;

	for (i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

uint64_t
index_get_be(const uint8_t *p)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

void
index_put_head(uint8_t h[INDEX_HEAD], const struct index_entry *e)
{
	index_put_be(h, e->due_ms);
	h[8] = e->hold;
	index_put_be(h + 9, e->body.place.generation);
	index_put_be(h + 17, e->body.place.offset);
	index_put_be(h + 25, e->body.skip);
	index_put_be(h + 33, (uint64_t)e->body.len << 32 | e->body.crc);
	index_put_be(h + 41, e->meta_len);
}

bool
index_get_entry(uint64_t id, const uint8_t *p, size_t n, struct index_entry *e)
{
	if (n < INDEX_HEAD || index_get_be(p + 41) != n - INDEX_HEAD ||
	    p[8] > HOLD_TRIPWIRE)
		return false;
	e->id = id;
	e->due_ms = index_get_be(p);
	e->hold = p[8];
	e->body.place.generation = index_get_be(p + 9);
	e->body.place.offset = index_get_be(p + 17);
	e->body.skip = (uint32_t)index_get_be(p + 25);
	e->body.len = (uint32_t)(index_get_be(p + 33) >> 32);
	e->body.crc = (uint32_t)index_get_be(p + 33);
	e->meta = p + INDEX_HEAD;
	e->meta_len = n - INDEX_HEAD;
	return true;
}
