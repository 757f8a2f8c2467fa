/*
 * What libsasl2 lets pass of a client's SCRAM, and RFC 5802 does not: a -PLUS
 * without a binding or a binding without -PLUS, a client that was made to
 * believe that there is no -PLUS, a final message that does not repeat the
 * header and the binding exactly.
 */
#include "lib/prelude.h"

#include <strings.h>

#include "auth/sasl_private.h"
#include "lib/base64.h"

#define PLUS		"-PLUS"

static const char *const kinds[AUTH_BINDINGS] = {
	[BINDING_EXPORTER] = "tls-exporter",
	[BINDING_UNIQUE] = "tls-unique",
	[BINDING_END_POINT] = "tls-server-end-point",
};

static bool
is_plus(const struct sasl_login *l)
{
	size_t n = strlen(l->p.mechanism), tail = sizeof(PLUS) - 1;

	return n > tail && strcasecmp(l->p.mechanism + n - tail, PLUS) == 0;
}

/* The kind that the client names, if this session has it; else AUTH_BINDINGS. */
static int
find(const struct sasl_login *l, const char *name, size_t len)
{
	int kind;

	for (kind = 0; kind < AUTH_BINDINGS; kind++)
		if (l->p.bindings[kind].n > 0 && strlen(kinds[kind]) == len &&
		    memcmp(kinds[kind], name, len) == 0)
			break;
	return kind;
}

/*
 * Keeps how the final message has to begin, RFC 5802 5.1: "c=", the header and
 * what it binds to, a comma.
 */
static int
keep(struct sasl_login *l, const uint8_t *header, size_t len)
{
	struct buf all;
	bool fits;

	buf_init(&all, l->final.max);
	fits = buf_add(&all, header, len) == 0 &&
	    buf_add(&all, l->binding.data, l->binding.len) == 0 &&
	    buf_adds(&l->final, "c=") == 0 &&
	    base64_encode(all.data, all.len, &l->final) == 0 &&
	    buf_addc(&l->final, ',') == 0;
	buf_clear(&all);
	return fits ? SASL_OK : SASL_BADPROT;
}

static int
refuse(struct sasl_login *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	return SASL_BADBINDING;
}

/* What the client has chosen, "p=tls-exporter". */
static int
choose(struct sasl_login *l, const char *flag, size_t len)
{
	int kind;

	if (len < 2 || flag[1] != '=')
		return SASL_BADPROT;
	kind = find(l, flag + 2, len - 2);
	if (kind == AUTH_BINDINGS)
		return refuse(l, "it asked for a kind of channel binding that "
		    "this TLS session has not");
	l->binding = (sasl_channel_binding_t){
		.name = kinds[kind], .critical = 1,
		.len = l->p.bindings[kind].n, .data = l->p.bindings[kind].data
	};
	return sasl_setprop(l->conn, SASL_CHANNEL_BINDING, &l->binding);
}

/* RFC 5802 6 and 7: gs2-cbind-flag "," [authzid] "," and the rest. */
static int
first(struct sasl_login *l, const uint8_t *in, size_t len)
{
	const uint8_t *end = memchr(in, ',', len), *comma;
	int r = SASL_OK;

	comma = end == NULL ? NULL :
	    memchr(end + 1, ',', (size_t)(in + len - end - 1));
	if (comma == NULL || is_plus(l) != (in[0] == 'p'))
		return SASL_BADPROT;
	if (in[0] == 'y' && l->p.plus)
		return refuse(l, "it was not shown the -PLUS that we offer: "
		    "somebody in the path may have taken it away");
	if (in[0] == 'p')
		r = choose(l, (const char *)in, (size_t)(end - in));
	return r == SASL_OK ? keep(l, in, (size_t)(comma + 1 - in)) : r;
}

static int
last(struct sasl_login *l, const uint8_t *in, size_t len)
{
	if (len >= l->final.len && memcmp(in, l->final.data, l->final.len) == 0)
		return SASL_OK;
	return !is_plus(l) ? SASL_BADPROT : refuse(l, "it is bound to another "
	    "TLS session: somebody in the path may have one with each of us");
}

int
sasl_scram_check(struct sasl_login *l, const uint8_t *in, size_t len)
{
	if (l->said == 0)
		return len == 0 ? SASL_OK : first(l, in, len);
	if (l->said == 1)
		return last(l, in, len);
	return len == 0 ? SASL_OK : SASL_BADPROT;
}
