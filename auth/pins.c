#include "lib/prelude.h"

#include "auth/pins.h"

#define LETTER	'c'

/* The record is freed. One that is too long is nobody's. */
static enum accounts_result
whose(struct record *rec, char name[ACCOUNT_MAX + 1])
{
	bool fits = rec->n <= ACCOUNT_MAX;

	if (fits) {
		memcpy(name, rec->p, rec->n);
		name[rec->n] = '\0';
	}
	records_free(rec);
	return fits ? ACCOUNTS_OK : ACCOUNTS_NONE;
}

enum accounts_result
pins_find(struct records *records, const char *pin,
    char name[ACCOUNT_MAX + 1])
{
	enum accounts_result r;
	struct record rec;

	*name = '\0';
	if (strlen(pin) > CLIENT_CERT_PIN_LEN)
		return ACCOUNTS_NONE;
	r = records_get(records, LETTER, pin, &rec);
	return r == ACCOUNTS_OK ? whose(&rec, name) : r;
}

enum accounts_result
pins_add(struct records *records, const char *pin, char name[ACCOUNT_MAX + 1])
{
	const struct record rec = { (uint8_t *)name, strlen(name) };
	enum accounts_result r;

	if (strlen(pin) > CLIENT_CERT_PIN_LEN)
		return ACCOUNTS_ERROR;
	r = records_put(records, LETTER, pin, &rec, true);
	if (r == ACCOUNTS_EXISTS && pins_find(records, pin, name) !=
	    ACCOUNTS_OK)
		return ACCOUNTS_ERROR;
	return r;
}

static enum accounts_result
drop(struct records *records, const char *pin, const char *name)
{
	char found[ACCOUNT_MAX + 1];
	enum accounts_result r = pins_find(records, pin, found);

	if (r != ACCOUNTS_OK)
		return r;
	return strcmp(found, name) != 0 ? ACCOUNTS_NONE :
	    records_del(records, LETTER, pin);
}

enum accounts_result
pins_drop(struct records *records, const char *pin, const char *name)
{
	enum accounts_result r;

	records_lock(records);
	r = drop(records, pin, name);
	records_unlock(records);
	return r;
}

enum accounts_result
pins_next(struct records *records, char pin[CLIENT_CERT_PIN_LEN + 1],
    char name[ACCOUNT_MAX + 1])
{
	char found[RECORDS_NAME_MAX + 1];
	enum accounts_result r;
	struct record rec;

	r = records_next(records, LETTER, pin, found, &rec);
	if (r != ACCOUNTS_OK)
		return r;
	if (strlen(found) != CLIENT_CERT_PIN_LEN) {
		records_free(&rec);
		return ACCOUNTS_NONE;
	}
	memcpy(pin, found, CLIENT_CERT_PIN_LEN + 1);
	return whose(&rec, name);
}

enum accounts_result
pins_drop_all(struct records *records, const char *name)
{
	char pin[CLIENT_CERT_PIN_LEN + 1] = "", found[ACCOUNT_MAX + 1];
	enum accounts_result r;

	while ((r = pins_next(records, pin, found)) == ACCOUNTS_OK)
		if (strcmp(found, name) == 0 &&
		    drop(records, pin, name) != ACCOUNTS_OK)
			return ACCOUNTS_ERROR;
	return r == ACCOUNTS_NONE ? ACCOUNTS_OK : r;
}
