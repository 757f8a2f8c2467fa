/* Where what is wrong with a file is told: libconfuse carries nothing of ours. */
#include "lib/prelude.h"

#include "posternd/settings_private.h"

static struct buf *now_problems;

void
settings_problems_to(struct buf *problems)
{
	now_problems = problems;
}

struct buf *
settings_problems(void)
{
	return now_problems;
}

void
settings_problem_at(const char *file, int line, const char *text)
{
	if (buf_addf(now_problems, "%s:%d: %s\n", file, line, text) == -1)
		buf_adds(now_problems, "...\n");
}

void
settings_title_twice(const cfg_t *sec, const char *title)
{
	char text[512];

	snprintf(text, sizeof(text), "another section has the title \"%.256s\" "
	    "already; choose another one", title);
	settings_problem_at(sec->filename, sec->line, text);
}
