/* posternctl/verbs: words find their verb, typing errors find a hint. */
#include "lib/prelude.h"

#include "posternctl/verbs.h"
#include "tests/tap.h"

static void
check(const char *said, const char *want, int want_used, const char *hint)
{
	char copy[128], *argv[8], *rest = copy, *word;
	const char *nearest;
	const struct verb *v;
	int argc = 0, used;

	snprintf(copy, sizeof(copy), "%s", said);
	while ((word = strsep(&rest, " ")) != NULL)
		argv[argc++] = word;
	v = verbs_find(argc, argv, &used, &nearest);
	is_str(v == NULL ? NULL : v->words, want, "\"%s\"", said);
	if (v != NULL)
		is_int(used, want_used, "its words");
	else
		is_str(nearest, hint, "the hint");
}

int
main(void)
{
	const struct verb *v;
	size_t n;

	check("status", "status", 1, NULL);
	check("account add alice", "account add", 2, NULL);
	check("queue show 123", "queue show", 2, NULL);
	check("queue lst", NULL, 0, "queue list");
	check("stauts", NULL, 0, "status");
	check("account", NULL, 0, NULL);
	check("acount add", NULL, 0, "account add");
	check("frobnicate", NULL, 0, NULL);
	check("statusx", NULL, 0, "status");
	check("", NULL, 0, NULL);
	v = verbs_all(&n);
	for (; n > 0; n--, v++)
		if (strcmp(v->words, "account add") == 0) {
			ok(verb_takes(v, "cap", 3), "--cap");
			ok(verb_takes(v, "sender=x", 6), "--sender=x");
			ok(!verb_takes(v, "se", 2), "no --se");
		}
	return tap_done();
}
