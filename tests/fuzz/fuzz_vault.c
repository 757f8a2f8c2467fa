/*
 * A backup, read frame by frame as a restore does, whatever is in the file; and
 * that what is written is read back, and no changed bit goes unnoticed.
 */
#include "lib/prelude.h"

#include "queue/vault.h"
#include "tests/fuzz/fuzz.h"

static void
use(const struct vault_frame *f)
{
	struct vault_head h;
	struct store_msg m;
	const uint8_t *body;
	struct buf out;
	uint64_t n;

	vault_get_head(f, &h);
	vault_get_end(f, &n);
	if (!vault_get_msg(f, &m, &body))
		return;
	MUST(m.env.nrcpts > 0 && m.id != 0);
	buf_init(&out, VAULT_FRAME_MAX);
	vault_put_msg(&out, &m, m.in_spool ? NULL : body,
	    m.in_spool ? 0 : (size_t)m.size);
	MUST(out.len > VAULT_FRAME);
	buf_clear(&out);
	store_msg_clear(&m);
}

/* All bytes are passed over, in the end. */
static void
as_file(const uint8_t *p, size_t n)
{
	struct vault_frame f;
	size_t skip;

	while (n > 0) {
		if (vault_get(p, n, &f) == VAULT_GOT) {
			MUST(f.whole <= n && f.p + f.len == p + f.whole);
			use(&f);
			skip = f.whole;
		} else
			skip = vault_seek(p, n);
		MUST(skip > 0 && skip <= n);
		p += skip;
		n -= skip;
	}
}

static void
as_piece(const uint8_t *p, size_t n, size_t bit)
{
	struct vault_frame f;
	struct buf b;
	size_t i;

	buf_init(&b, VAULT_FRAME_MAX);
	vault_put_piece(&b, p, n);
	MUST(vault_get(b.data, b.len, &f) == VAULT_GOT &&
	    f.kind == VAULT_PIECE && f.len == n && f.whole == b.len &&
	    memcmp(f.p, p, n) == 0);
	for (i = 0; i < b.len; i += 1 + b.len / 8)
		MUST(vault_get(b.data, i, &f) == VAULT_MORE);
	bit %= b.len * 8;
	b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	MUST(vault_get(b.data, b.len, &f) != VAULT_GOT);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	size_t seed = (size_t)steer(&s) << 8;

	seed |= steer(&s);
	as_file(p, s.n);
	as_piece(p, s.n, seed * 7919);
	return 0;
}
