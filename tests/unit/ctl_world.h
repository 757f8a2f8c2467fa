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

struct world_said {
	int	 rows, ended;
	size_t	 texts, unread;
	enum ctl_exit code;
	char	 end[1024], row[2048], all[64 * 1024];
};

#define OTHER	8		/* a second asker, at the same time */

static struct world_said said, aside, *saying = &said;
static bool slow;		/* the asker does not read */
static int file = -1;		/* that comes with the next request */

static void
say_to(uint64_t id)
{
	saying = id == OTHER ? &aside : &said;
}

void
child_ctl_row(uint64_t id, uint32_t fields)
{
	say_to(id);
	saying->row[0] = '\0';
}

static void
put(const char *key, const char *value)
{
	size_t n = strlen(saying->row);

	snprintf(saying->row + n, sizeof(saying->row) - n, "%s=%s;", key,
	    value == NULL ? "" : value);
}

void
child_ctl_str(const char *key, const char *value)
{
	put(key, value);
}

void
child_ctl_kind(const char *value)
{
	put("kind", value);
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
	size_t n = strlen(saying->all);

	saying->rows++;
	snprintf(saying->all + n, sizeof(saying->all) - n, "%s\n",
	    saying->row);
	saying->unread += strlen(saying->row);
	if (!slow)
		return 0;
	return strlen(saying->row);
}

size_t
child_ctl_text(uint64_t id, const void *p, size_t n)
{
	say_to(id);
	saying->texts += n;
	saying->unread += n;
	return slow ? n : 0;
}

void
child_ctl_end(uint64_t id, enum ctl_exit code, const char *fmt, ...)
{
	va_list ap;

	say_to(id);
	va_start(ap, fmt);
	vsnprintf(saying->end, sizeof(saying->end), fmt, ap);
	va_end(ap);
	saying->code = code;
	saying->ended++;
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
begin_as(uint64_t id, const char *words)
{
	const char *argv[32];
	char *copy = xstrdup(words), *at = copy, *one;
	size_t argc = 0;

	say_to(id);
	memset(saying, 0, sizeof(*saying));
	while ((one = strsep(&at, " ")) != NULL)
		argv[argc++] = one;
	ctl_request(&world, id, argc, argv);
	free(copy);
}

static void
begin(const char *words)
{
	begin_as(7, words);
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

/* --- around the tests of one program ---------------------------------------------- */

__attribute__((unused)) static void
ctl_world_open(void)
{
	world_defaults();
	world_limits[0].count = 100000;
	world_open();
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
}

/* What main() returns. */
__attribute__((unused)) static int
ctl_world_close(void)
{
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_close();
	return tap_done();
}

#endif
