#include "lib/prelude.h"

#include "queue/ctl_shape.h"
#include "queue/life_try.h"

#define IS_DIGIT(c)	((c) >= '0' && (c) <= '9')

/* "192.0.2.7"; not "4.5.3.1", which is a section of something. */
static bool
is_ip(const char *word, size_t n)
{
	size_t i, dots = 0, run = 0, longest = 0;

	for (i = 0; i < n; i++) {
		run = word[i] == '.' ? 0 : run + 1;
		dots += word[i] == '.';
		longest = run > longest ? run : longest;
	}
	return dots == 3 && longest > 1 && longest <= 3;
}

/* What numbers are about all recipients: statuses, sections and RFCs. */
static bool
is_general(const char *word, size_t n)
{
	size_t i, at = 0, run = 0;

	if (n > 3 && strncasecmp(word, "RFC", 3) == 0)
		at = 3 + (word[3] == '-');
	else if (n > 4 && word[3] == '-' && strspn(word, "0123456789") == 3)
		at = 4;			/* "550-5.7.1" of many lines */
	for (i = at; i < n; i++) {
		if (!IS_DIGIT(word[i]) && word[i] != '.')
			return false;
		run = word[i] == '.' ? 0 : run + 1;
		if (run >= 6)
			return false;
	}
	return at < n && !is_ip(word + at, n - at);
}

/* Words that name one recipient, queue id or address alone would part them. */
static bool
particular(const char *word, size_t n)
{
	static const char around[] = "()[]{}<>\"',;:.!?";
	size_t i, digits = 0;

	while (n > 0 && strchr(around, *word) != NULL) {
		word++;
		n--;
	}
	while (n > 0 && strchr(around, word[n - 1]) != NULL)
		n--;
	for (i = 0; i < n; i++) {
		if (word[i] == '@')
			return true;
		digits += IS_DIGIT(word[i]);
	}
	return n >= 6 && digits >= 3 && !is_general(word, n);
}

/* "5.0.0" is what we make of an answer without a status: it tells no more. */
static bool
is_made_up(const char *status, const char *answer)
{
	return strcmp(status + strcspn(status, "."), ".0.0") == 0 &&
	    strspn(answer, "0123456789") == 3 && *answer == *status;
}

const char *
ctl_shape(const struct store_rcpt *r, char out[SHAPE_MAX + 1])
{
	const char *s = r->diag == NULL ? "" : r->diag;
	size_t n, len = 0;

	if (r->status != NULL && !life_answer_has(s, r->status) &&
	    !is_made_up(r->status, s))
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
