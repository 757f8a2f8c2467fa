/*
 * stored: what a database keeps instead of a password, and whether a password
 * fits it. Only what is listed in postern.conf(5) is taken: a form of which
 * libcrypt makes little (DES, MD5) is refused, and so is a cost that would hold
 * a thread for seconds.
 */
#ifndef SOURCE_STORED_H
#define SOURCE_STORED_H

#include <stdbool.h>

#include "lib/verifier.h"

enum stored_form { STORED_SCRAM, STORED_CRYPT, STORED_PLAIN };

struct stored {
	enum stored_form form;
	struct verifier verifier;	/* SCRAM */
	const char *text;		/* the others; into what was parsed */
};

/* NULL, or what is wrong with the text; no part of it is in the sentence. */
const char *stored_parse(const char *text, bool plaintext, struct stored *);
/* Takes as long as the hash asks for. */
bool	 stored_fits(const struct stored *, const char *password);

#endif
