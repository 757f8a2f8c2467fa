/*
 * json: RFC 8259, as much of it as answers and the envelopes of exported mail
 * need. Strict: what is not JSON is refused with its place. Pure but for the
 * FILE that is written to.
 */
#ifndef POSTERNCTL_JSON_H
#define POSTERNCTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX	8

enum json_kind {
	JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	enum json_kind kind;
	char	*key;		/* in an object, else NULL */
	char	*text;		/* a string without escapes; a number as written */
	struct json *child;	/* of an array or object, in order */
	struct json *next;
};

/* NULL, with the place of the first byte that is wrong in *at. */
struct json *json_parse(const char *, size_t n, size_t *at);
void	 json_free(struct json *);
/* A member of an object, or NULL; as j may be. */
const struct json *json_member(const struct json *j, const char *key);

/*
 * Bytes of the UTF-8 character beyond ASCII that p[0..n) begins with, 0 when it
 * is none, or a control (U+0080..U+009F) to which a terminal would listen.
 */
size_t	 json_char(const char *p, size_t n);
/* Quoted; what is no such character becomes U+FFFD. */
void	 json_put(FILE *, const char *, size_t n);

#endif
