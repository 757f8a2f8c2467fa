#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/xalloc.h"
#include "source/backend.h"
#include "source/wait.h"

const struct backend *
backend_of(const struct conf_source *s)
{
	switch (s->type) {
	case SOURCE_SASLAUTHD:
		return &saslauthd_backend;
	case SOURCE_LDAP:
		return &directory_backend;
	case SOURCE_POSTGRESQL:
		return &database_backend;
	default:
		return NULL;
	}
}

void
backend_ask(void (*once)(void *, const struct query *, struct answer *),
    void *state, bool kept, const struct query *q, struct answer *a)
{
	once(state, q, a);
	if (a->said == SAID_NOTHING && kept && wait_left(q->deadline_ms) > 0) {
		answer_clear(a);
		once(state, q, a);
	}
}

void
answer_set(struct answer *a, enum source_said said, const char *fmt, ...)
{
	va_list ap;

	a->said = said;
	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
	a->why[strcspn(a->why, "\r\n")] = '\0';
}

void
answer_sender(struct answer *a, const char *p, size_t n)
{
	char *address;

	if (a->nsenders == ANSWER_SENDERS_MAX ||
	    addr_parse(p, n, ADDR_UTF8, NULL) != NULL)
		return;
	address = xstrndup(p, n);
	a->senders[a->nsenders++] = addr_lower(address);
}

void
answer_clear(struct answer *a)
{
	size_t i;

	for (i = 0; i < a->nsenders; i++)
		free(a->senders[i]);
	memset(a, 0, sizeof(*a));
}
