#include "lib/prelude.h"

#include <openssl/evp.h>
#include <sys/queue.h>

#include "fetch/claims.h"
#include "fetch/introspect.h"
#include "fetch/provider.h"
#include "fetch/questions.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

struct question {
	TAILQ_ENTRY(question) link;
	uint64_t id;
	char	*token;
	size_t	 len;
	uint8_t	 hash[INTROSPECT_HASH_LEN];
	struct ev_timer deadline;
};

static TAILQ_HEAD(, question) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static size_t count;
static const struct fetch_conf *conf;
static void (*answered)(uint64_t, const struct verdict *);

static void
question_free(struct question *q)
{
	TAILQ_REMOVE(&waiting, q, link);
	count--;
	ev_timer_cancel(&q->deadline);
	xfree_secret(q->token, q->len);
	free(q);
}

static void
answer(struct question *q, const struct verdict *v)
{
	uint64_t id = q->id;

	question_free(q);
	answered(id, v);
}

static void
deadline_cb(void *arg)
{
	struct verdict v = { 0 };

	verdict_no(&v, TOKEN_NO_UNAVAILABLE, "the provider did not answer in "
	    "time");
	answer(arg, &v);
}

/* --- by keys ------------------------------------------------------------------------------- */

/* Whether there is a verdict; else the keys are being looked for. */
static bool
judge_signed(const struct jwt *jwt, bool may_look, struct verdict *v)
{
	const struct jwks *keys = provider_keys();
	enum jwks_answer r;

	if (keys == NULL) {
		if (may_look && provider_look())
			return false;
		verdict_no(v, TOKEN_NO_UNAVAILABLE, "there are no keys of the "
		    "provider: %s", *provider_trouble() != '\0' ?
		    provider_trouble() : "it was not reached yet");
		return true;
	}
	r = jwks_verify(keys, jwt, v);
	if (r == JWKS_UNKNOWN && may_look && provider_look())
		return false;
	if (r == JWKS_SIGNED)
		claims_judge(conf, CLAIMS_SIGNED, jwt->claims, ev_wall_ms(),
		    v);
	return true;
}

static bool
judge_by_keys(const struct question *q, bool may_look, struct verdict *v)
{
	struct jwt jwt;
	bool judged;

	if (jwt_parse(q->token, q->len, &jwt, v) == -1)
		return true;
	judged = judge_signed(&jwt, may_look, v);
	jwt_clear(&jwt);
	return judged;
}

/* Somebody has looked at the provider's keys: all have an answer now. */
static void
keys_cb(void)
{
	struct question *q, *next;
	struct verdict v;

	if (*conf->introspection != '\0')
		return;
	for (q = TAILQ_FIRST(&waiting); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		memset(&v, 0, sizeof(v));
		judge_by_keys(q, false, &v);
		answer(q, &v);
	}
}

/* --- by asking --------------------------------------------------------------------------------- */

static bool
is_asked(const struct question *than)
{
	const struct question *q;

	TAILQ_FOREACH(q, &waiting, link)
		if (q != than && memcmp(q->hash, than->hash,
		    sizeof(q->hash)) == 0)
			return true;
	return false;
}

static void
introspected_cb(const uint8_t *hash, const struct verdict *v)
{
	struct question *q, *next;

	for (q = TAILQ_FIRST(&waiting); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (memcmp(q->hash, hash, sizeof(q->hash)) == 0)
			answer(q, v);
	}
}

static bool
judge_by_asking(const struct question *q, struct verdict *v)
{
	if (introspect_known(q->hash, v))
		return true;
	if (!is_asked(q))
		introspect_ask(q->token, q->len, q->hash);
	return false;
}

/* --- all of them --------------------------------------------------------------------------------- */

static void
judge(struct question *q)
{
	struct verdict v = { 0 };

	if (*conf->introspection != '\0' ? judge_by_asking(q, &v) :
	    judge_by_keys(q, true, &v))
		answer(q, &v);
}

void
questions_ask(uint64_t id, const char *token, size_t len)
{
	struct question *q;
	struct verdict v = { 0 };

	if (count >= QUESTIONS_MAX) {
		verdict_no(&v, TOKEN_NO_UNAVAILABLE, "too many logins wait for "
		    "the provider");
		answered(id, &v);
		return;
	}
	q = xcalloc(1, sizeof(*q));
	q->id = id;
	q->token = xmemdup(token, len);
	q->len = len;
	if (EVP_Digest(token, len, q->hash, NULL, EVP_sha256(), NULL) != 1)
		fatalx("no SHA-256");
	ev_timer_init(&q->deadline, deadline_cb, q);
	ev_timer_set(&q->deadline, (uint64_t)conf->timeout_sec * 1000);
	TAILQ_INSERT_TAIL(&waiting, q, link);
	count++;
	judge(q);
}

/*
 * A look at the keys is one for all. A token that the provider was asked about
 * has cost it something, and shows by its word who makes tokens up.
 */
void
questions_cancel(uint64_t id)
{
	struct question *q;
	struct verdict v = { 0 };

	TAILQ_FOREACH(q, &waiting, link)
		if (q->id == id)
			break;
	if (q == NULL || (*conf->introspection != '\0' && !is_asked(q)))
		return;
	verdict_no(&v, TOKEN_NO_UNAVAILABLE, "nothing was found out");
	answer(q, &v);
}

/* Judged one after the other; who is judged first may answer for its equals. */
void
questions_conf(const struct fetch_conf *c, struct jwks *fixed,
    void (*answered_cb)(uint64_t, const struct verdict *))
{
	struct question *q, *next;
	TAILQ_HEAD(, question) again = TAILQ_HEAD_INITIALIZER(again);

	conf = c;
	answered = answered_cb;
	introspect_conf(c, introspected_cb);
	provider_conf(c, fixed, keys_cb);
	TAILQ_CONCAT(&again, &waiting, link);
	for (q = TAILQ_FIRST(&again); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		TAILQ_REMOVE(&again, q, link);
		TAILQ_INSERT_TAIL(&waiting, q, link);
		judge(q);
	}
}

size_t
questions_waiting(void)
{
	return count;
}

void
questions_start(void)
{
	provider_start();
}

void
questions_forget(void)
{
	while (!TAILQ_EMPTY(&waiting))
		question_free(TAILQ_FIRST(&waiting));
}

void
questions_stop(void)
{
	questions_forget();
	introspect_stop();
	provider_stop();
}
