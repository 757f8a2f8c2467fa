#include "lib/prelude.h"

#include <sys/queue.h>

#include "fetch/claims.h"
#include "fetch/http.h"
#include "fetch/introspect.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/flood.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define ANSWER_MAX	(64 * 1024)
#define GOOD_KEPT	1024
#define BAD_KEPT	256	/* apart, so that strangers push out nothing */

struct known {
	uint8_t	 hash[INTROSPECT_HASH_LEN];
	uint64_t until_ms;		/* monotonic; 0: free */
	uint64_t end_wall_ms;		/* when the token itself ends */
	struct verdict verdict;
};

struct memory {
	struct known *v;
	size_t	 n, next;		/* the oldest is written over */
};

struct ask {
	LIST_ENTRY(ask) link;
	uint8_t	 hash[INTROSPECT_HASH_LEN];
	struct http *http;
};

static const struct fetch_conf *conf;
static void (*answered)(const uint8_t *, const struct verdict *);
static struct memory good, bad;
static LIST_HEAD(, ask) asks = LIST_HEAD_INITIALIZER(asks);
static char trouble[VERDICT_WHY_MAX];
static struct flood troubles = FLOOD("failed introspections", 6);

/* --- what is remembered ------------------------------------------------------------------- */

static void
forget_all(struct memory *m, size_t n)
{
	free(m->v);
	m->v = n > 0 ? xcalloc(n, sizeof(*m->v)) : NULL;
	m->n = n;
	m->next = 0;
}

static void
remember(const uint8_t *hash, const struct verdict *v, uint64_t end_wall_ms)
{
	struct memory *m = v->good ? &good : &bad;
	struct known *k = &m->v[m->next];

	m->next = (m->next + 1) % m->n;
	memcpy(k->hash, hash, sizeof(k->hash));
	k->until_ms = ev_now_ms() + INTROSPECT_KEPT_MS;
	k->end_wall_ms = end_wall_ms;
	k->verdict = *v;
}

static bool
find(const struct memory *m, const uint8_t *hash, struct verdict *v)
{
	const struct known *k;
	size_t i;

	for (i = 0; i < m->n; i++) {
		k = &m->v[i];
		if (k->until_ms > ev_now_ms() && k->end_wall_ms > ev_wall_ms()
		    && memcmp(k->hash, hash, sizeof(k->hash)) == 0) {
			*v = k->verdict;
			return true;
		}
	}
	return false;
}

bool
introspect_known(const uint8_t *hash, struct verdict *v)
{
	return find(&good, hash, v) || find(&bad, hash, v);
}

/* --- the answer ---------------------------------------------------------------------------- */

static void
unavailable(struct verdict *v, const char *why)
{
	verdict_no(v, TOKEN_NO_UNAVAILABLE, "introspection: %s", why);
	snprintf(trouble, sizeof(trouble), "%s", why);
	if (flood_log(&troubles))
		log_warnx("introspection=failed url=%s why=\"%s\"",
		    log_escs(conf->introspection), why);
}

void
introspect_read(const char *body, size_t len, struct verdict *v,
    uint64_t *until_wall_ms)
{
	json_t *j = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *active = json_object_get(j, "active");

	*until_wall_ms = UINT64_MAX;
	if (!json_is_boolean(active))
		unavailable(v, "the answer is not one: no JSON object with "
		    "'active'");
	else if (!json_is_true(active))
		verdict_no(v, TOKEN_NO_INVALID, "the provider says that it is "
		    "not active: unknown, revoked or at its end");
	else if (claims_judge(conf, CLAIMS_INTROSPECTED, j, ev_wall_ms(), v))
		*until_wall_ms = claims_end_ms(j);
	json_decref(j);
}

static void
read_status(long status, struct verdict *v)
{
	char text[100];

	if (status == 401 || status == 403) {
		unavailable(v, "the provider refuses our client-id or its "
		    "secret");
		return;
	}
	snprintf(text, sizeof(text), "the provider answers %ld%s", status,
	    status >= 300 && status < 400 ? ", a redirect, which is not "
	    "followed" : "");
	unavailable(v, text);
}

static void
ask_free(struct ask *a)
{
	LIST_REMOVE(a, link);
	http_cancel(&a->http);
	free(a);
}

static void
answer_cb(const struct http_answer *answer, void *arg)
{
	struct ask *a = arg;
	struct verdict v;
	uint8_t hash[INTROSPECT_HASH_LEN];
	uint64_t end = UINT64_MAX;

	a->http = NULL;
	memset(&v, 0, sizeof(v));
	if (answer->why != NULL)
		unavailable(&v, answer->why);
	else if (answer->status != 200)
		read_status(answer->status, &v);
	else
		introspect_read(answer->body, answer->len, &v, &end);
	if (v.good || v.no != TOKEN_NO_UNAVAILABLE) {
		*trouble = '\0';
		remember(a->hash, &v, end);
	}
	memcpy(hash, a->hash, sizeof(hash));
	ask_free(a);
	answered(hash, &v);
}

const char *
introspect_trouble(void)
{
	return trouble;
}

/* --- the question ------------------------------------------------------------------------------ */

/* As in a form (RFC 6749 B), which our name and secret are, too (2.3.1). */
static void
add_escaped(struct buf *b, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		    c == '_')
			buf_addc(b, c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

void
introspect_ask(const char *token, size_t len, const uint8_t *hash)
{
	struct http_question q = { .url = conf->introspection,
	    .max_bytes = ANSWER_MAX, .timeout_sec = conf->timeout_sec };
	struct ask *a = xcalloc(1, sizeof(*a));
	struct buf form, user, password;

	buf_init(&form, 3 * TOKEN_MAX + 100);
	buf_init(&user, 3 * strlen(conf->client_id));
	buf_init(&password, 3 * strlen(conf->client_secret));
	buf_adds(&form, "token_type_hint=access_token&token=");
	add_escaped(&form, token, len);
	add_escaped(&user, conf->client_id, strlen(conf->client_id));
	add_escaped(&password, conf->client_secret,
	    strlen(conf->client_secret));
	memcpy(a->hash, hash, sizeof(a->hash));
	LIST_INSERT_HEAD(&asks, a, link);
	q.form = buf_str(&form);
	q.user = buf_str(&user);
	q.password = buf_str(&password);
	a->http = http_ask(&q, answer_cb, a);
	buf_wipe(&form);
	buf_wipe(&password);
	buf_clear(&user);
}

/* --- life ------------------------------------------------------------------------------------------ */

void
introspect_conf(const struct fetch_conf *c,
    void (*answered_cb)(const uint8_t *, const struct verdict *))
{
	introspect_stop();
	conf = c;
	answered = answered_cb;
	if (*c->introspection == '\0')
		return;
	forget_all(&good, GOOD_KEPT);
	forget_all(&bad, BAD_KEPT);
}

void
introspect_stop(void)
{
	while (!LIST_EMPTY(&asks))
		ask_free(LIST_FIRST(&asks));
	forget_all(&good, 0);
	forget_all(&bad, 0);
	*trouble = '\0';
}
