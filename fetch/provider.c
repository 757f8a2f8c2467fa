#include "lib/prelude.h"

#include "fetch/http.h"
#include "fetch/provider.h"
#include "lib/conf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define DISCOVERY_MAX	(64 * 1024)
#define URL_MAX		1024
#define WHY_MAX		400
#define REMIND_MS	(3600 * 1000)	/* of a trouble that lasts */

static const struct fetch_conf *conf;
static void (*changed)(void);
static char *issuer;			/* that the keys are of, or NULL */
static struct jwks *keys;
static bool fixed, started;
static uint64_t keys_ms;		/* when they were fetched */
static bool looked;
static uint64_t looked_ms;		/* the last time */
static struct http *looking;
static struct ev_timer next;
static char why[WHY_MAX];
static bool told;			/* by this configuration */
static uint64_t told_ms;		/* when the log had it last */

static void	look(void);

/* --- what comes of a look -------------------------------------------------------------- */

static void
settle(uint64_t again_ms)
{
	ev_timer_set(&next, again_ms);
	changed();
}

static void PRINTFLIKE(1, 2)
fail(const char *fmt, ...)
{
	char text[WHY_MAX];
	va_list ap;
	bool news;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	news = !told || strcmp(text, why) != 0 ||
	    ev_now_ms() - told_ms >= REMIND_MS;
	memcpy(why, text, sizeof(why));
	if (news) {
		log_warnx("provider=%s keys=failed why=\"%s\" until-then=\"%s\"",
		    log_escs(conf->issuer), why, provider_keys() == NULL ?
		    "logins with tokens get 454" : "the keys of before count, "
		    "for a day");
		told = true;
		told_ms = ev_now_ms();
	}
	settle(PROVIDER_AGAIN_MS);
}

static void
take(struct jwks *set)
{
	size_t had = 0, had_out = 0, left_out;

	if (keys != NULL)
		had = jwks_count(keys, &had_out);
	if (jwks_count(set, &left_out) != had || left_out != had_out ||
	    *why != '\0')
		log_info("provider=%s keys=%zu left-out=%zu%s%s%s",
		    log_escs(conf->issuer), jwks_count(set, &left_out),
		    left_out, left_out > 0 ? " why=\"" : "",
		    jwks_left_out(set), left_out > 0 ? "\"" : "");
	jwks_free(&keys);
	keys = set;
	keys_ms = ev_now_ms();
	*why = '\0';
	settle(PROVIDER_EVERY_MS);
}

/* --- the two steps of a look: where are the keys, what are they ----------------------------- */

/* Whether there is an answer that can be read; else it has failed. */
static bool
came(const struct http_answer *a, const char *what)
{
	looking = NULL;
	if (a->why != NULL)
		fail("%s: %s", what, a->why);
	else if (a->status >= 300 && a->status < 400)
		fail("%s: it redirects (%ld), which is not followed; is the "
		    "issuer's URL the one in its tokens?", what, a->status);
	else if (a->status != 200)
		fail("%s: it answers %ld", what, a->status);
	else
		return true;
	return false;
}

static void
keys_cb(const struct http_answer *a, void *arg)
{
	char text[JWKS_WHY_MAX];
	struct jwks *set;

	if (!came(a, "its key set"))
		return;
	set = jwks_parse(a->body, a->len, text);
	if (set == NULL)
		fail("its key set: %s", text);
	else
		take(set);
}

static void
ask(const char *url, size_t max_bytes, http_done *done)
{
	struct http_question q = { .url = url, .max_bytes = max_bytes,
	    .timeout_sec = conf->timeout_sec };

	looking = http_ask(&q, done, NULL);
}

/* Discovery 4.3: the issuer must be exactly the one that was asked. */
static void
read_discovery(const json_t *j)
{
	const char *iss = json_string_value(json_object_get(j, "issuer"));
	const json_t *uri = json_object_get(j, "jwks_uri");

	if (iss == NULL)
		fail("its openid-configuration is not one: no JSON object with "
		    "an issuer");
	else if (strcmp(iss, conf->issuer) != 0)
		fail("it calls itself issuer='%.150s', and that is not what "
		    "tokens.issuer says", log_escs(iss));
	else if (!json_is_string(uri) || json_string_length(uri) > URL_MAX ||
	    strncmp(json_string_value(uri), "https://", 8) != 0)
		fail("its openid-configuration has no https:// jwks_uri");
	else
		ask(json_string_value(uri), JWKS_BYTES_MAX, keys_cb);
}

static void
discovery_cb(const struct http_answer *a, void *arg)
{
	json_t *j;

	if (!came(a, "its openid-configuration"))
		return;
	j = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
	read_discovery(j);
	json_decref(j);
}

/* --- when to look ------------------------------------------------------------------------------ */

/* Discovery 4.1: a slash at the end goes before what is appended. */
static void
look(void)
{
	size_t len = strlen(conf->issuer);
	char *url;

	if (looking != NULL)
		return;
	if (len > 0 && conf->issuer[len - 1] == '/')
		len--;
	looked = true;
	looked_ms = ev_now_ms();
	ev_timer_cancel(&next);
	url = xasprintf("%.*s/.well-known/openid-configuration", (int)len,
	    conf->issuer);
	ask(url, DISCOVERY_MAX, discovery_cb);
	free(url);
}

static void
next_cb(void *arg)
{
	look();
}

bool
provider_look(void)
{
	if (looking != NULL)
		return true;
	if (fixed || !started || *conf->issuer == '\0' || (looked &&
	    ev_now_ms() - looked_ms < PROVIDER_REST_MS))
		return false;
	look();
	return true;
}

const struct jwks *
provider_keys(void)
{
	return keys != NULL && (fixed ||
	    ev_now_ms() - keys_ms < PROVIDER_KEPT_MS) ? keys : NULL;
}

uint64_t
provider_fetched_ms(void)
{
	return fixed || provider_keys() == NULL ? 0 : ev_wall_ms() -
	    (ev_now_ms() - keys_ms);
}

const char *
provider_trouble(void)
{
	return why;
}

/* --- life ------------------------------------------------------------------------------------------ */

/* A reload keeps the keys of the same issuer: it may be down just now. */
void
provider_conf(const struct fetch_conf *c, struct jwks *from_file,
    void (*changed_cb)(void))
{
	bool same = issuer != NULL && !fixed && from_file == NULL &&
	    strcmp(issuer, c->issuer) == 0;

	http_cancel(&looking);
	ev_timer_cancel(&next);
	ev_timer_init(&next, next_cb, NULL);
	conf = c;
	changed = changed_cb;
	looked = told = false;
	fixed = from_file != NULL;
	if (!same) {
		jwks_free(&keys);
		keys = from_file;
		*why = '\0';
	}
	free(issuer);
	issuer = xstrdup(c->issuer);
	if (started)
		provider_start();
}

/*
 * Who asks for each token needs no keys; and a reload may have taken the
 * provider away.
 */
void
provider_start(void)
{
	started = true;
	if (!fixed && *conf->issuer != '\0' && *conf->introspection == '\0')
		look();
}

void
provider_stop(void)
{
	http_cancel(&looking);
	ev_timer_cancel(&next);
	jwks_free(&keys);
	free(issuer);
	issuer = NULL;
	started = fixed = looked = told = false;
	*why = '\0';
}
