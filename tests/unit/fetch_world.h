/*
 * fetch_world: a provider made of nothing. The test links this in http.c's
 * place: it sees what is asked and answers by hand, and time stands still.
 */
#ifndef TESTS_UNIT_FETCH_WORLD_H
#define TESTS_UNIT_FETCH_WORLD_H

#include "fetch/http.h"
#include "fetch/questions.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define WORLD_WALL_MS	1700000100000ULL	/* the vectors are good */
#define WORLD_ASKS	16

struct http {
	char	*url, *form, *user, *password;
	http_done *done;
	void	*arg;
};

static struct http *world_asks[WORLD_ASKS];	/* open ones, in order */
static size_t world_nasks, world_asked;		/* now; ever */

static struct fetch_conf world_conf;
static struct buf world_log;

/* What was answered last, and how many were. */
static struct verdict world_verdict;
static uint64_t world_id;
static unsigned int world_answers;

const char *
http_init(void)
{
	return NULL;
}

void
http_trust(const char *ca_pem)
{
}

struct http *
http_ask(const struct http_question *q, http_done *done, void *arg)
{
	struct http *h = xcalloc(1, sizeof(*h));

	if (world_nasks == WORLD_ASKS)
		fatalx("more questions than the world can hold");
	h->url = xstrdup(q->url);
	h->form = xstrdup(q->form != NULL ? q->form : "");
	h->user = xstrdup(q->user != NULL ? q->user : "");
	h->password = xstrdup(q->password != NULL ? q->password : "");
	h->done = done;
	h->arg = arg;
	world_asks[world_nasks++] = h;
	world_asked++;
	return h;
}

void
http_cancel(struct http **hp)
{
	struct http *h = *hp;
	size_t i;

	*hp = NULL;
	if (h == NULL)
		return;
	for (i = 0; world_asks[i] != h; i++)
		;
	memmove(&world_asks[i], &world_asks[i + 1],
	    (world_nasks - i - 1) * sizeof(*world_asks));
	world_nasks--;
	free(h->url);
	free(h->form);
	free(h->user);
	free(h->password);
	free(h);
}

/* The oldest question gets this answer; why: none, and that is the reason. */
__attribute__((unused)) static void
world_answer(const char *why, long status, const char *body, size_t len)
{
	struct http_answer a = { why, status, body, len };
	struct http *h = world_asks[0];

	if (world_nasks == 0)
		fatalx("nothing was asked");
	h->done(&a, h->arg);
	http_cancel(&h);
}

__attribute__((unused)) static void
world_says(const char *body)
{
	world_answer(NULL, 200, body, strlen(body));
}

static void
world_log_cb(enum log_level level, const char *proc, const char *line)
{
	buf_addf(&world_log, "%s\n", line);
}

/* Whether the log has the words; forgets what it has. */
__attribute__((unused)) static bool
world_logged(const char *words)
{
	bool has = strstr(buf_str(&world_log), words) != NULL;

	buf_reset(&world_log);
	return has;
}

static void
world_answered(uint64_t id, const struct verdict *v)
{
	world_id = id;
	world_verdict = *v;
	world_answers++;
}

__attribute__((unused)) static void
world_ask(uint64_t id, const char *token)
{
	char *copy = xmemdup(token, strlen(token));

	world_id = 0;
	memset(&world_verdict, 0, sizeof(world_verdict));
	questions_ask(id, copy, strlen(token));
	free(copy);
}

static void
world_set(char **setting, const char *value)
{
	free(*setting);
	*setting = xstrdup(value);
}

__attribute__((unused)) static void
world_introspects(bool on)
{
	world_set(&world_conf.introspection, on ?
	    "https://id.example.org/introspect" : "");
	world_set(&world_conf.client_id, on ? "postern" : "");
	world_set(&world_conf.client_secret, on ? "se:cr et%" : "");
}

static void
world_init(void)
{
	static char *audience[2];

	ev_init();
	ev_clock_fake(1000000, WORLD_WALL_MS);
	log_set_sink(world_log_cb);
	buf_init(&world_log, 1 << 20);
	audience[0] = xstrdup("mail.example.org");
	audience[1] = xstrdup("smtp");
	world_conf.audience = (struct conf_strs){ audience, 2 };
	world_set(&world_conf.issuer, "https://id.example.org");
	world_set(&world_conf.account_claim, "email");
	world_set(&world_conf.scope, "");
	world_set(&world_conf.jwks, "");
	world_set(&world_conf.ca_pem, "");
	world_conf.timeout_sec = 5;
	world_introspects(false);
}

#define WORLD_DISCOVERY "{\"issuer\":\"https://id.example.org\"," \
	"\"jwks_uri\":\"https://keys.example.org/jwks\"}"

#endif
