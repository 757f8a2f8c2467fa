/*
 * JSON from an admin's folder: strings come back as they were written, and an
 * envelope with nothing wrong is told to the queue as far as there is place.
 */
#include "lib/prelude.h"

#include "posternctl/import_envelope.h"
#include "tests/fuzz/fuzz.h"

static void
walk(const struct json *j)
{
	struct json *again;
	size_t len, at;
	char *text;
	FILE *f;

	for (; j != NULL; j = j->next) {
		walk(j->child);
		MUST((j->text != NULL) == (j->kind == JSON_STRING ||
		    j->kind == JSON_NUMBER));
		if (j->kind != JSON_STRING)
			continue;
		f = open_memstream(&text, &len);
		json_put(f, j->text, strlen(j->text));
		fclose(f);
		again = json_parse(text, len, &at);
		MUST(again != NULL && again->kind == JSON_STRING);
		MUST(strlen(again->text) >= strlen(j->text));
		json_free(again);
		free(text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct envelope_args args = { .n = 0 };
	struct json *j;
	size_t at;

	j = json_parse((const char *)p, n, &at);
	MUST(at <= n && (j == NULL || at == n));
	walk(j);
	if (j != NULL && import_envelope_wrong(j) == NULL) {
		import_envelope_args(&args, j);
		MUST(args.n <= CTL_ARGS_MAX);
		import_envelope_clear(&args);
	}
	json_free(j);
	return 0;
}
