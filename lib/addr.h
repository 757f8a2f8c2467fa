/*
 * addr: mailboxes as RFC 5321 4.1.2 writes them. What the grammar does not
 * allow is refused, not guessed. Addresses are carried as one string,
 * local@domain, the local part quoted where it has to be.
 */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_LOCAL_MAX	64	/* RFC 5321 4.5.3.1.1 */
#define ADDR_DOMAIN_MAX	255	/* RFC 5321 4.5.3.1.2 */
#define ADDR_MAX	254	/* RFC 5321 4.5.3.1.3: 256 with <> */

enum { ADDR_UTF8 = 1 };		/* flags: RFC 6531 addresses too */

enum addr_kind { ADDR_DOMAIN, ADDR_LITERAL };

struct addr {
	const char *local;	/* into the parsed text */
	size_t	 local_len;
	const char *domain;	/* a literal with its brackets */
	size_t	 domain_len;
	enum addr_kind kind;
};

/*
 * Parses the n bytes as one mailbox, whole. NULL when it is one; else what is
 * wrong with it, a sentence without the address. *a may be NULL.
 */
const char *addr_parse(const char *, size_t n, int flags, struct addr *a);

/* Whether the n bytes are a domain name by RFC 5321 4.1.2 (no literal). */
bool	 addr_is_domain(const char *, size_t n, int flags);
/* Whether they are an address literal, "[192.0.2.1]" or "[IPv6:...]". */
bool	 addr_is_literal(const char *, size_t n);

/*
 * Writes the canonical form: domain in lower case (but "IPv6:" as the RFC has
 * it), quotes only where needed. Two mailboxes that RFC 5321 calls the same are then the same bytes.
 */
void	 addr_canonical(const struct addr *, char out[ADDR_MAX + 2]);

/*
 * Whether an address fits a pattern, "a@b" or "@b", ASCII case ignored (local
 * parts too: nobody has accounts that differ in case alone).
 */
bool	 addr_match(const char *pattern, const char *address);

/*
 * The same, and where plus is no NUL an address "a+tag@b" fits "a@b", too. What
 * is no address ("bob") has no tags.
 */
bool	 addr_covers(const char *pattern, char plus, const char *address);

/* The part behind the last '@'; "" when there is none. */
const char *addr_domain_of(const char *address);

/* ASCII lower case, in place; returns its argument. */
char	*addr_lower(char *);

/* Whether there is a byte above 127 in it. */
bool	 addr_is_8bit(const char *, size_t n);

/* Whether n bytes are well-formed UTF-8 (RFC 3629), whatever they mean. */
bool	 addr_utf8_well_formed(const char *, size_t n);
/* Whether n bytes are well-formed UTF-8 (RFC 3629) without control bytes. */
bool	 addr_utf8_ok(const char *, size_t n);

#endif
