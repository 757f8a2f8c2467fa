#include "lib/prelude.h"

#include "queue/ctl_shape.h"
#include "queue/life_try.h"

/* Words that name one recipient, queue id or address alone would part them. */
static bool
particular(const char *word, size_t n)
{
	size_t i, digits = 0;

	for (i = 0; i < n; i++) {
		if (word[i] == '@')
			return true;
		digits += word[i] >= '0' && word[i] <= '9';
	}
	return n >= 6 && digits >= 3;
}

const char *
ctl_shape(const struct store_rcpt *r, char out[SHAPE_MAX + 1])
{
	const char *s = r->diag == NULL ? "" : r->diag;
	size_t n, len = 0;

	if (r->status != NULL && !life_answer_has(s, r->status))
		len = (size_t)snprintf(out, SHAPE_MAX, "%.16s", r->status);
	for (; *s != '\0' && len < SHAPE_MAX; s += n + (s[n] == ' ')) {
		n = strcspn(s, " ");
		if (n == 0)
			continue;
		len += (size_t)snprintf(out + len, SHAPE_MAX - len + 1,
		    "%s%.*s", len == 0 ? "" : " ",
		    particular(s, n) ? 1 : (int)n, particular(s, n) ? "*" : s);
	}
	out[len < SHAPE_MAX ? len : SHAPE_MAX] = '\0';
	return out;
}
