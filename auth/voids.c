#include "lib/prelude.h"

#include "auth/voids.h"
#include "lib/le.h"

#define LETTER	'v'
#define LEN	16		/* life, until */

enum accounts_result
voids_put(struct records *records, const char *whose, uint64_t life,
    uint64_t until_ms)
{
	uint8_t bytes[LEN];
	const struct record rec = { bytes, sizeof(bytes) };

	put_u64le(bytes, life);
	put_u64le(bytes + 8, until_ms);
	return records_put(records, LETTER, whose, &rec, false);
}

/* Until when it matters; 0: no more. The record is freed. */
static uint64_t
until_of(struct record *rec, uint64_t life, uint64_t now_ms)
{
	uint64_t ms = rec->n == LEN && get_u64le(rec->p) == life ?
	    get_u64le(rec->p + 8) : 0;

	records_free(rec);
	return ms > now_ms ? ms : 0;
}

enum accounts_result
voids_each(struct records *records, uint64_t life, uint64_t now_ms,
    void (*each)(const char *, uint64_t))
{
	char whose[RECORDS_NAME_MAX + 1] = "", last[RECORDS_NAME_MAX + 1] = "";
	enum accounts_result r;
	struct record rec;
	uint64_t until;

	while ((r = records_next(records, LETTER, last, whose, &rec)) ==
	    ACCOUNTS_OK) {
		memcpy(last, whose, sizeof(last));
		until = until_of(&rec, life, now_ms);
		if (until > 0)
			each(whose, until);
		else if (records_del(records, LETTER, whose) ==
		    ACCOUNTS_ERROR)
			return ACCOUNTS_ERROR;
	}
	return r == ACCOUNTS_NONE ? ACCOUNTS_OK : r;
}
