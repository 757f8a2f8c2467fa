/*
 * pins: public keys of TLS client certificates (auth/client_cert.h), each of
 * one account at most; they go when it goes.
 */
#ifndef AUTH_PINS_H
#define AUTH_PINS_H

#include "auth/client_cert.h"
#include "auth/records.h"

/* Whose it is. */
enum accounts_result pins_find(struct records *, const char *pin,
	    char name[ACCOUNT_MAX + 1]);
/* Only from the account of that name. */
enum accounts_result pins_drop(struct records *, const char *pin,
	    const char *name);
/* The first that comes after this; "" begins. */
enum accounts_result pins_next(struct records *,
	    char pin[CLIENT_CERT_PIN_LEN + 1], char name[ACCOUNT_MAX + 1]);

/* Both with records_lock() held. */
enum accounts_result pins_drop_all(struct records *, const char *name);
/* The account is there. ACCOUNTS_EXISTS: it is pinned; *name says to whom. */
enum accounts_result pins_add(struct records *, const char *pin,
	    char name[ACCOUNT_MAX + 1]);

#endif
