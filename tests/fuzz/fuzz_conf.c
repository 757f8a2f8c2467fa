/*
 * postern.conf: whatever stands in it, reading ends with a configuration or
 * with lines that say what is wrong, and a cut-off file is never one.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "posternd/settings.h"
#include "posternd/slices.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 20000

/* An include() would make the result depend on the machine's files. */
static bool
includes(const uint8_t *p, size_t n)
{
	return memmem(p, n, "include", 7) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct config *cfg;
	struct buf problems;
	int r;

	if (n > INPUT_MAX || includes(p, n))
		return 0;
	cfg = xcalloc(1, sizeof(*cfg));
	cfg->file = xstrdup("fuzz");
	buf_init(&problems, 64 * 1024);
	r = settings_parse("fuzz", (const char *)p, n, cfg, &problems);
	MUST((r == 0) == (problems.len == 0));
	MUST(r == -1 || (cfg->smtpd.max_recipients >= 1 &&
	    cfg->smtpd.max_recipients <= 1000 && cfg->queue.caps.n >= 1 &&
	    cfg->hostname != NULL && cfg->state_dir != NULL));
	MUST(r == -1 || memchr(p, '\0', n) == NULL);
	buf_clear(&problems);
	config_free(&cfg);
	return 0;
}
