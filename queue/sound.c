#include "lib/prelude.h"

#include "lib/addr.h"
#include "queue/sound.h"

/* A clock that was set back a little is nobody's fault. */
#define HOLD_MAX_MS	((ENVELOPE_HOLD_MAX_SEC + 3600) * 1000ULL)
#define BY_MAX_MS	((ENVELOPE_BY_MAX_SEC + 3600) * 1000ULL)

/* RFC 3461 4: what may stand in ENVID and ORCPT; CR and LF never. */
static bool
printable(const char *s, bool utf8)
{
	if (s == NULL)
		return true;
	if (utf8)
		return addr_utf8_ok(s, strlen(s));
	for (; *s != '\0'; s++)
		if (*s < 0x21 || *s > 0x7e)
			return false;
	return true;
}

static bool
mailbox(const char *s, bool utf8)
{
	return addr_parse(s, strlen(s), utf8 ? ADDR_UTF8 : 0, NULL) == NULL;
}

bool
sound_envelope(const struct envelope *e, uint64_t now_ms)
{
	size_t i;

	if (e->nrcpts == 0 ||
	    (*e->return_path != '\0' && !mailbox(e->return_path, e->utf8)) ||
	    !printable(e->envid, false) ||
	    e->hold_until_ms > now_ms + HOLD_MAX_MS ||
	    e->by_ms > now_ms + BY_MAX_MS ||
	    (e->by == BY_NONE && (e->by_ms != 0 || e->by_trace)))
		return false;
	for (i = 0; i < e->nrcpts; i++)
		if (!mailbox(e->rcpts[i].addr, e->utf8) ||
		    !printable(e->rcpts[i].orcpt, e->utf8))
			return false;
	return true;
}

bool
sound_lines(uint8_t *last, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\0' || (p[i] == '\n') != (*last == '\r'))
			return false;
		*last = p[i];
	}
	return true;
}
