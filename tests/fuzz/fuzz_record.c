/*
 * What the store reads back from the disk: records and the meta in them, which
 * are written again as they were; and batches, in which no changed bit and no
 * other place, time or segment goes unnoticed.
 */
#include "lib/prelude.h"

#include <sys/mman.h>

#include "queue/record.h"
#include "queue/segment.h"
#include "tests/fuzz/fuzz.h"

#define AT	(3 * SEGMENT_BLOCK)
#define BYTES	(16 * SEGMENT_BLOCK)

static int file = -1;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	file = memfd_create("segment", MFD_CLOEXEC);
	MUST(file != -1 && segment_fill(file, BYTES) == 0);
	return 0;
}

static void
as_meta(const uint8_t *p, size_t n)
{
	/*
	 * What each older version lacks, here as nothing: 1 the route, events,
	 * REQUIRETLS, hold until, and what 2 lacks; 2 the device, and what 3
	 * lacks; 3 by-mode, trace, told, by, priority.
	 */
	static const uint8_t none[4 + 4 + 1 + 8 + 4 + 12];
	static const size_t lacks[] = { 0, sizeof(none), 4 + 12, 12, 0 };
	struct store_msg m;
	struct buf out;

	if (!record_get_meta(p, n, 7, &m))
		return;
	MUST(m.id == 7 && m.env.nrcpts > 0 &&
	    m.env.nrcpts <= ENVELOPE_RCPT_MAX && m.account != NULL &&
	    m.env.return_path != NULL);
	buf_init(&out, RECORD_META_MAX);
	record_put_meta(&out, &m);
	MUST(p[0] < nitems(lacks) && out.len == n + lacks[p[0]]);
	MUST(memcmp(out.data + 1, p + 1, n - 1) == 0);
	MUST(memcmp(out.data + n, none, lacks[p[0]]) == 0);
	buf_clear(&out);
	store_msg_clear(&m);
}

static void
as_records(const uint8_t *p, size_t n)
{
	struct record r;
	struct buf out;
	size_t len;

	while ((len = record_get(p, n, &r)) != 0) {
		MUST(len <= n && r.meta + r.meta_len == r.body &&
		    r.body + r.body_len == p + len);
		buf_init(&out, len);
		record_put(&out, &r);
		/* Two bytes of the header have no meaning yet. */
		MUST(out.len == len && memcmp(out.data, p, 2) == 0 &&
		    memcmp(out.data + 4, p + 4, len - 4) == 0);
		buf_clear(&out);
		if (r.type != REC_DEL)
			as_meta(r.meta, r.meta_len);
		p += len;
		n -= len;
	}
}

static int64_t
read_back(const struct segment_header *h, uint64_t at, uint8_t **p)
{
	uint32_t records;
	int64_t n = segment_read_batch(file, h, at, BYTES, p, &records);

	MUST(n <= 0 || records == 3);
	return n;
}

/* Not as it is: another generation, salt, place, a smaller file, a bit. */
static void
not_elsewhere(const struct segment_header *h, const uint8_t *batch, size_t n,
    size_t bit)
{
	struct segment_header other = *h;
	uint8_t *p, byte = (uint8_t)(batch[bit / 8] ^ 1 << bit % 8);

	other.generation++;
	MUST(read_back(&other, AT, &p) == 0);
	other = *h;
	other.salt ^= 1;
	MUST(read_back(&other, AT, &p) == 0);
	MUST(pwrite(file, batch, n, AT + SEGMENT_BLOCK * 4) == (ssize_t)n);
	MUST(read_back(h, AT + SEGMENT_BLOCK * 4, &p) == 0);
	MUST(pwrite(file, &byte, 1, (off_t)(AT + bit / 8)) == 1);
	MUST(read_back(h, AT, &p) == 0);
}

static void
as_batch(const uint8_t *p, size_t n, size_t seed)
{
	const struct segment_header h = { 1 + seed % 5, 0, 0x5eed };
	uint8_t *batch, *back;
	size_t len = n + SEGMENT_BATCH_HEADER;

	batch = calloc(1, len);
	MUST(batch != NULL);
	memcpy(batch + SEGMENT_BATCH_HEADER, p, n);
	segment_seal(batch, len, &h, AT, 3);
	MUST(pwrite(file, batch, len, AT) == (ssize_t)len);
	MUST(read_back(&h, AT, &back) == (int64_t)len);
	MUST(memcmp(back, batch, len) == 0);
	free(back);
	not_elsewhere(&h, batch, len, seed * 7919 % (len * 8));
	free(batch);
}

/* Whatever stands in the file, reading it ends well. */
static void
as_file(const uint8_t *p, size_t n)
{
	struct segment_header h = { 1, 0, 0 };
	uint8_t *back;

	MUST(pwrite(file, p, n, 0) == (ssize_t)n);
	if (segment_read_header(file, 1, BYTES, &h) != 1)
		h = (struct segment_header){ 1, 0, 0 };
	if (read_back(&h, 0, &back) > 0)
		free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };
	size_t seed = (size_t)steer(&s) << 8;

	seed |= steer(&s);
	if (n > SEGMENT_BLOCK)
		return 0;
	as_records(p, s.n);
	as_meta(p, s.n);
	as_batch(p, s.n, seed);
	as_file(p, s.n);
	return 0;
}
