#include "lib/prelude.h"

#include "lib/num.h"
#include "lib/xalloc.h"
#include "tests/bench/ids.h"

#define BITS_MAX	(UINT64_C(1) << 30)	/* 128 MB */

const char *
id_print(const struct id *id, char text[IDS_TEXT_LEN])
{
	snprintf(text, IDS_TEXT_LEN, IDS_HEADER "%u-%u-%u\r\n", id->run,
	    id->message, id->rcpts);
	return text;
}

/* A number and the byte behind it. */
static int
number(const uint8_t **p, const uint8_t *end, uint8_t stop, uint32_t *value)
{
	const uint8_t *at = memchr(*p, stop, (size_t)(end - *p));
	uint64_t v;

	if (at == NULL || num_parse((const char *)*p, (size_t)(at - *p), 0,
	    UINT32_MAX, &v) == -1)
		return -1;
	*value = (uint32_t)v;
	*p = at + 1;
	return 0;
}

int
id_find(const uint8_t *head, size_t n, struct id *id)
{
	const uint8_t *end = head + n, *p;

	p = memmem(head, n, "\r\n" IDS_HEADER, sizeof("\r\n" IDS_HEADER) - 1);
	if (p == NULL)
		return -1;
	p += sizeof("\r\n" IDS_HEADER) - 1;
	return number(&p, end, '-', &id->run) == -1 ||
	    number(&p, end, '-', &id->message) == -1 ||
	    number(&p, end, '\r', &id->rcpts) == -1 || id->rcpts == 0 ? -1 : 0;
}

void
ids_reset(struct ids *ids, uint32_t run)
{
	free(ids->seen);
	memset(ids, 0, sizeof(*ids));
	ids->run = run;
}

static void
grow(struct ids *ids, uint64_t bit)
{
	uint64_t bits = ids->bits == 0 ? 65536 : ids->bits;

	while (bits <= bit)
		bits *= 2;
	ids->seen = xreallocarray(ids->seen, bits / 8, 1);
	memset(ids->seen + ids->bits / 8, 0, (bits - ids->bits) / 8);
	ids->bits = bits;
}

void
ids_add(struct ids *ids, const struct id *id, uint32_t rcpt)
{
	uint64_t bit = (uint64_t)id->message * id->rcpts + rcpt;
	uint8_t mask = (uint8_t)(1 << bit % 8);

	if (id->run != ids->run || rcpt >= id->rcpts || bit >= BITS_MAX) {
		ids->strange++;
		return;
	}
	if (bit >= ids->bits)
		grow(ids, bit);
	if (ids->seen[bit / 8] & mask)
		ids->duplicate++;
	else
		ids->unique++;
	ids->seen[bit / 8] |= mask;
}

bool
ids_has(const struct ids *ids, uint32_t message)
{
	return message < ids->bits &&
	    (ids->seen[message / 8] & 1 << message % 8) != 0;
}
