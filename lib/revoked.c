#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/ipc_msgs.h"
#include "lib/revoked.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"

#define SWEEP_EVERY_MS	(60 * 1000)

void
revoked_init(struct revoked *r)
{
	memset(r, 0, sizeof(*r));
}

static void
drop(struct revoked *r, struct revoked_row *row)
{
	LIST_REMOVE(row, link);
	free(row);
	r->n--;
}

/* Drops the rows that have come to their end by then. */
static void
sweep(struct revoked *r, uint64_t now_ms)
{
	struct revoked_row *row, *next;
	size_t i;

	for (i = 0; i < REVOKED_BUCKETS; i++)
		for (row = LIST_FIRST(&r->buckets[i]); row != NULL; row = next) {
			next = LIST_NEXT(row, link);
			if (row->until_ms <= now_ms)
				drop(r, row);
		}
}

void
revoked_clear(struct revoked *r)
{
	sweep(r, UINT64_MAX);
}

/* FNV-1a; only an admin's words come here, so nobody aims at a bucket. */
static size_t
bucket(const char *whose)
{
	uint32_t h = 2166136261u;

	for (; *whose != '\0'; whose++)
		h = (h ^ (uint8_t)*whose) * 16777619u;
	return h % REVOKED_BUCKETS;
}

static struct revoked_row *
find(const struct revoked *r, const char *whose)
{
	struct revoked_row *row;

	LIST_FOREACH(row, &r->buckets[bucket(whose)], link)
		if (strcmp(row->whose, whose) == 0)
			return row;
	return NULL;
}

void
revoked_add(struct revoked *r, const char *whose, uint64_t before_ms,
    uint64_t until_ms)
{
	struct revoked_row *row = find(r, whose);
	uint64_t now = ev_now_ms();

	if (now >= r->sweep_ms) {
		r->sweep_ms = now + SWEEP_EVERY_MS;
		sweep(r, now);
		row = find(r, whose);
	}
	if (row == NULL) {
		row = xcalloc(1, sizeof(*row) + strlen(whose) + 1);
		memcpy(row->whose, whose, strlen(whose) + 1);
		LIST_INSERT_HEAD(&r->buckets[bucket(whose)], row, link);
		r->n++;
	}
	if (before_ms > row->before_ms)
		row->before_ms = before_ms;
	if (until_ms > row->until_ms)
		row->until_ms = until_ms;
}

bool
revoked_has(const struct revoked *r, const char *whose, uint64_t begun_ms)
{
	const struct revoked_row *row = r->n == 0 ? NULL : find(r, whose);

	return row != NULL && begun_ms <= row->before_ms;
}

void
revoked_send(struct ipc *ipc, const char *whose, uint64_t before_ms,
    uint64_t until_ms)
{
	ipc_begin(M_REVOKE, 0);
	ipc_put_str(whose);
	ipc_put_u64(before_ms);
	ipc_put_u64(until_ms);
	ipc_send(ipc, -1);
}

void
revoked_send_all(const struct revoked *r, struct ipc *ipc)
{
	const struct revoked_row *row;
	size_t i;

	for (i = 0; i < REVOKED_BUCKETS; i++)
		LIST_FOREACH(row, &r->buckets[i], link)
			revoked_send(ipc, row->whose, row->before_ms,
			    row->until_ms);
}

int
revoked_get(struct revoked *r, struct ipc_in *in)
{
	const char *whose = ipc_get_str(in, LOGIN_MAX);
	uint64_t before_ms = ipc_get_u64(in), until_ms = ipc_get_u64(in);

	if (!ipc_in_end(in) || *whose == '\0')
		return -1;
	revoked_add(r, whose, before_ms, until_ms);
	return 0;
}
