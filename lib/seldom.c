#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/seldom.h"

bool
seldom_due(struct seldom *s)
{
	int saved = errno;
	uint64_t now = ev_now_ms();

	errno = saved;
	if (s->said && now - s->at_ms < SELDOM_EVERY_MS) {
		s->since++;
		return false;
	}
	s->said = true;
	s->at_ms = now;
	s->left_out = s->since;
	s->since = 0;
	return true;
}

const char *
seldom_more(const struct seldom *s)
{
	static char text[64];

	if (s->left_out == 0)
		return "";
	snprintf(text, sizeof(text), " (%llu more times since the last word "
	    "of it)", (unsigned long long)s->left_out);
	return text;
}
