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

static void
beside(const char *said, int depth, const char *want)
{
	char copy[128], *argv[8], *rest = copy, *word, got[512];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", said);
	while ((word = strsep(&rest, " ")) != NULL)
		argv[argc++] = word;
	is_int(verbs_beside(argc, argv, got, sizeof(got)), depth,
	    "\"%s\": the words of a verb", said);
	is_str(got, want, "what may follow");
}

int
main(void)
{
	const struct verb *v;
	size_t n;
	bool flag;

	check("status", "status", 1, NULL);
	check("account add alice", "account add", 2, NULL);
	check("queue show 123", "queue show", 2, NULL);
	check("queue lst", NULL, 0, "queue list");
	check("stauts", NULL, 0, "status");
	check("account", NULL, 0, NULL);
	check("acount add", NULL, 0, "account add");
	check("account device add alice phone", "account device add", 3, NULL);
	check("account cert add alice a.pem", "account cert add", 3, NULL);
	check("account sender remove alice x", "account sender remove", 3,
	    NULL);
	check("account device ad alice", NULL, 0, "account device add");
	check("account devcie list alice", NULL, 0, "account device list");
	check("account device", NULL, 0, NULL);
	check("queue redirect other", "queue redirect", 2, NULL);
	check("queue relese", NULL, 0, "queue release");
	check("tokens", "tokens", 1, NULL);
	check("frobnicate", NULL, 0, NULL);
	check("statusx", NULL, 0, "status");
	check("log", NULL, 0, NULL);
	check("frob", NULL, 0, NULL);
	check("stp", NULL, 0, "stop");
	check("cap show", NULL, 0, NULL);
	check("queue purge", NULL, 0, NULL);
	check("account delete alice", NULL, 0, NULL);
	beside("queue purge", 1, "list, show, stats, hold, release, retry, "
	    "flush, redirect, remove, export, import, backup, restore");
	beside("account cert show alice", 2, "add, list, remove");
	beside("cap show", 1, "list");
	beside("frob", 0, "");
	check("", NULL, 0, NULL);
	v = verbs_all(&n);
	for (; n > 0; n--, v++)
		if (strcmp(v->words, "account add") == 0) {
			ok(verb_takes(v, "cap", 3, &flag), "--cap");
			ok(verb_takes(v, "sender=x", 6, &flag), "--sender=x");
			ok(!verb_takes(v, "se", 2, &flag), "no --se");
		} else if (strcmp(v->words, "queue hold") == 0) {
			ok(verb_takes(v, "to", 2, &flag) && !flag, "--to X");
			ok(verb_takes(v, "yes", 3, &flag) && flag, "--yes");
			ok(!verb_takes(v, "yes!", 4, &flag), "no --yes!");
		}
	return tap_done();
}
