/*
 * ctl_world: the queue as posternctl sees it, with the test in the place of
 * lib/child: rows as text, an asker that reads slowly or not at all.
 */
#ifndef TESTS_UNIT_CTL_WORLD_H
#define TESTS_UNIT_CTL_WORLD_H

#include "queue/ctl.h"
#include "tests/unit/queue_world.h"

static struct world_peer smtpd, relay;
static uint64_t session = 1;

/* --- in the place of lib/child ---------------------------------------------------- */

static struct {
	int	 rows, ended;
	size_t	 texts, unread;
	enum ctl_exit code;
	char	 end[1024], row[2048], all[64 * 1024];
} said;
static bool slow;		/* the asker does not read */
static int file = -1;		/* that comes with the next request */

void
child_ctl_row(uint64_t id, uint32_t fields)
{
	said.row[0] = '\0';
}

static void
put(const char *key, const char *value)
{
	size_t n = strlen(said.row);

	snprintf(said.row + n, sizeof(said.row) - n, "%s=%s;", key,
	    value == NULL ? "" : value);
}

void
child_ctl_str(const char *key, const char *value)
{
	put(key, value);
}

void
child_ctl_num(const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put(key, text);
}

void
child_ctl_bool(const char *key, bool value)
{
	put(key, value ? "true" : "false");
}

void
child_ctl_time(const char *key, uint64_t wall_ms)
{
	child_ctl_num(key, wall_ms);
}

int
child_ctl_item(struct buf *texts, const char *text)
{
	return buf_addf(texts, "%s%s", texts->len == 0 ? "" : ",", text);
}

void
child_ctl_list(const char *key, struct buf *texts)
{
	put(key, buf_str(texts));
	buf_clear(texts);
}

void
child_ctl_first(const char *key, struct buf *texts)
{
	child_ctl_list(key, texts);
}

size_t
child_ctl_send(void)
{
	size_t n = strlen(said.all);

	said.rows++;
	snprintf(said.all + n, sizeof(said.all) - n, "%s\n", said.row);
	said.unread += strlen(said.row);
	if (!slow)
		return 0;
	return strlen(said.row);
}

size_t
child_ctl_text(uint64_t id, const void *p, size_t n)
{
	said.texts += n;
	said.unread += n;
	return slow ? n : 0;
}

void
child_ctl_end(uint64_t id, enum ctl_exit code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said.end, sizeof(said.end), fmt, ap);
	va_end(ap);
	said.code = code;
	said.ended++;
}

int
child_ctl_take_fd(void)
{
	int fd = file;

	file = -1;
	return fd;
}

void
child_peer_bad(enum role role, uint32_t index, const char *why)
{
}

void
child_exit(void)
{
	_exit(0);
}

/* --- asking ------------------------------------------------------------------------- */

/* Words separated by blanks. */
static void
begin(const char *words)
{
	const char *argv[32];
	char *copy = xstrdup(words), *at = copy, *one;
	size_t argc = 0;

	memset(&said, 0, sizeof(said));
	while ((one = strsep(&at, " ")) != NULL)
		argv[argc++] = one;
	ctl_request(&world, 7, argc, argv);
	free(copy);
}

static void	ask(const char *fmt, ...) PRINTFLIKE(1, 2);

__attribute__((unused)) static void
ask(const char *fmt, ...)
{
	char words[1024];
	va_list ap;
	int i;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	begin(words);
	for (i = 0; i < 4000 && said.ended == 0; i++)
		world_turn(1);
	is_int(said.ended, 1, "%s: answered once", words);
}

__attribute__((unused)) static void
submit(const char *account, const char *rcpts, char id[STORE_ID_LEN + 1])
{
	struct world_no no;

	world_submit(&smtpd, session++, account, rcpts);
	ok(world_submitted(&smtpd, &no, id), "accepted");
}

/* A message that has been tried in vain. */
__attribute__((unused)) static void
waiting(const char *account, const char *rcpts, char id[STORE_ID_LEN + 1])
{
	struct world_job j;

	submit(account, rcpts, id);
	while (world_job(&relay, &j))
		world_answer(&relay, &j, OUTCOME_DEFERRED, "4.2.2",
		    "452 full");
}

__attribute__((unused)) static bool
delivered(void)
{
	struct world_job j;
	bool any = false;

	while (world_job(&relay, &j)) {
		world_answer(&relay, &j, OUTCOME_DELIVERED, "2.0.0", "ok");
		any = true;
	}
	return any && store_count(world.store) == 0;
}

#define A "alice@example.org"

#endif
