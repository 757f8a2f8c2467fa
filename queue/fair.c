#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/fair.h"

struct fair_account {
	struct table_node node;		/* first */
	uint32_t running;
	uint64_t bytes;			/* of what runs */
	uint32_t refs;			/* lines, and running jobs */
	char	 name[];
};

#define PRIORITIES	(2 * FAIR_PRIORITY_MAX + 1)

struct fair_line {
	struct table_node node;		/* first */
	TAILQ_ENTRY(fair_line) link;
	struct fair_account *account;
	uint32_t waiting;		/* a bit for each priority that has jobs */
	TAILQ_HEAD(, fair_job) jobs[PRIORITIES];
	char	 key[];			/* address of the hop's lines, account */
};

void
fair_init(struct fair *f, uint32_t running_max, uint64_t bytes_max)
{
	*f = (struct fair){ .running_max = running_max,
	    .bytes_max = bytes_max };
	table_init(&f->lines);
	table_init(&f->accounts);
}

void
fair_clear(struct fair *f)
{
	struct table_node *n;

	/* Jobs that run at the end keep theirs. */
	while ((n = table_next(&f->accounts, NULL)) != NULL) {
		table_remove(&f->accounts, n);
		free(n);
	}
	table_clear(&f->accounts);
	table_clear(&f->lines);
}

/* --- lines ----------------------------------------------------------------------- */

static struct fair_account *
account_ref(struct fair *f, const char *name)
{
	size_t len = strlen(name);
	struct fair_account *a = (struct fair_account *)table_find(
	    &f->accounts, name, len);

	if (a == NULL) {
		a = xcalloc(1, sizeof(*a) + len + 1);
		memcpy(a->name, name, len);
		table_add(&f->accounts, &a->node, a->name, len);
	}
	a->refs++;
	return a;
}

static void
account_unref(struct fair *f, struct fair_account *a)
{
	if (--a->refs > 0)
		return;
	table_remove(&f->accounts, &a->node);
	free(a);
}

static struct fair_line *
line_make(struct fair *f, struct fair_lines *lines, const char *account)
{
	size_t account_len = strlen(account);
	size_t len = sizeof(lines) + account_len;
	struct fair_line *line = xmalloc(sizeof(*line) + len);
	struct table_node *old;
	size_t i;

	memcpy(line->key, &lines, sizeof(lines));
	memcpy(line->key + sizeof(lines), account, account_len);
	old = table_find(&f->lines, line->key, len);
	if (old != NULL) {
		free(line);
		return (struct fair_line *)old;
	}
	line->account = account_ref(f, account);
	line->waiting = 0;
	for (i = 0; i < PRIORITIES; i++)
		TAILQ_INIT(&line->jobs[i]);
	table_add(&f->lines, &line->node, line->key, len);
	TAILQ_INSERT_TAIL(lines, line, link);
	return line;
}

void
fair_put(struct fair *f, struct fair_lines *lines, const char *account,
    struct fair_job *j, bool first)
{
	struct fair_line *line = line_make(f, lines, account);
	int p = j->priority + FAIR_PRIORITY_MAX;

	if (first)
		TAILQ_INSERT_HEAD(&line->jobs[p], j, link);
	else
		TAILQ_INSERT_TAIL(&line->jobs[p], j, link);
	line->waiting |= 1U << p;
	j->line = line;
}

void
fair_take(struct fair *f, struct fair_lines *lines, struct fair_job *j)
{
	struct fair_line *line = j->line;
	int p = j->priority + FAIR_PRIORITY_MAX;

	TAILQ_REMOVE(&line->jobs[p], j, link);
	if (TAILQ_EMPTY(&line->jobs[p]))
		line->waiting &= ~(1U << p);
	TAILQ_REMOVE(lines, line, link);
	j->line = NULL;
	if (line->waiting != 0) {
		TAILQ_INSERT_TAIL(lines, line, link);
		return;
	}
	table_remove(&f->lines, &line->node);
	account_unref(f, line->account);
	free(line);
}

/* --- shares ---------------------------------------------------------------------- */

bool
fair_full(const struct fair *f)
{
	return f->running >= f->running_max;
}

/* Nothing more for what is there already, of another job. */
static bool
has_bytes(const struct fair *f, const struct fair_account *a,
    const struct fair_job *j)
{
	uint64_t left = f->bytes < f->bytes_max ? f->bytes_max - f->bytes : 0;

	return j->load == NULL || j->load->running > 0 || a->bytes < left;
}

/* Of the highest priority that there is, the one that has waited longest. */
static struct fair_job *
line_first(const struct fair_line *line)
{
	int p = 31 - __builtin_clz(line->waiting);

	return TAILQ_FIRST(&line->jobs[p]);
}

/* Whether its account may have one more: it has less than what is free. */
static bool
has_share(const struct fair *f, const struct fair_line *line)
{
	return line->account->running < f->running_max - f->running &&
	    has_bytes(f, line->account, line_first(line));
}

struct fair_job *
fair_next(const struct fair *f, const struct fair_lines *lines, bool shares)
{
	const struct fair_line *line;

	TAILQ_FOREACH(line, lines, link)
		if (!shares || has_share(f, line))
			return line_first(line);
	return NULL;
}

/* It takes its place, and its message's, if it is the first. */
void
fair_enter(struct fair *f, struct fair_job *j)
{
	struct fair_account *a = j->line->account;

	f->running++;
	a->running++;
	a->refs++;
	j->account = a;
	if (j->load != NULL && j->load->running++ == 0) {
		f->bytes += j->load->bytes;
		a->bytes += j->load->bytes;
	}
}

void
fair_leave(struct fair *f, struct fair_job *j)
{
	f->running--;
	j->account->running--;
	if (j->load != NULL && --j->load->running == 0) {
		f->bytes -= j->load->bytes;
		j->account->bytes -= j->load->bytes;
	}
	account_unref(f, j->account);
	j->account = NULL;
}
