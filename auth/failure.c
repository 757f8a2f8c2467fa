#include "lib/prelude.h"

#include <sys/random.h>
#include <strings.h>

#include "auth/failure.h"
#include "auth/watch.h"
#include "lib/flood.h"
#include "lib/log.h"

/* A failure is told this much later, and up to half as much again. */
#define DELAY_MS	500
#define DELAYS_MAX	4	/* so many times as much, as failures add up */

/* A botnet makes a hundred a second; whoever bans addresses needs fewer. */
static struct flood failures_told = FLOOD("logins that failed", 600);

/*
 * A certificate or a token is no password: no guess at one has come near it, so
 * what such guesses have locked does not lock out who shows it. SCRAM's proof
 * is made of the password, and guesses come by SCRAM, too.
 */
static bool
by_password(const char *mechanism)
{
	static const char *const others[] = { "EXTERNAL", "OAUTHBEARER",
	    "XOAUTH2" };
	size_t i;

	for (i = 0; i < nitems(others); i++)
		if (strcasecmp(mechanism, others[i]) == 0)
			return false;
	return true;
}

/*
 * Where too many bad tokens came from, tokens wait as well, those without a name,
 * too, but for whoever is at home there. A certificate was judged by nobody's
 * guess.
 */
static uint64_t
wait_of(const struct sasl_login_params *p, const char *tried)
{
	if (by_password(p->mechanism))
		return *tried == '\0' ? 0 : watch_account_wait(tried, p->peer);
	return strcasecmp(p->mechanism, "EXTERNAL") == 0 ? 0 :
	    watch_token_wait(tried, p->peer);
}

uint64_t
failure_peer_wait(const char *mechanism, const char *peer)
{
	return by_password(mechanism) ? watch_peer_wait(peer) : 0;
}

/*
 * A name that is locked for this peer is refused whatever the password was,
 * and nothing is counted: who guesses on learns nothing, not even whether.
 */
uint64_t
failure_locked(const struct sasl_login_params *p, struct sasl_result *r)
{
	uint64_t ms = wait_of(p, r->tried);

	if (ms > 0) {
		r->answer = SASL_ANSWER_NO;
		r->no = AUTH_NO_LOCKED;
	}
	return ms;
}

/* Each failure is told to the admin, up to so many a minute. */
static void
tell(uint64_t session, const struct sasl_login_params *p,
    const struct sasl_result *r)
{
	/* A lock is told as one, whoever it is. */
	bool barred = r->barred != NULL && r->no == AUTH_NO_CREDENTIALS;
	static const char *const reasons[AUTH_NO_REASONS] = {
		[AUTH_NO_CREDENTIALS] = "credentials",
		[AUTH_NO_MECHANISM] = "mechanism",
		[AUTH_NO_SYNTAX] = "syntax",
		[AUTH_NO_TEMPORARY] = "trouble",
		[AUTH_NO_WEAK] = "too-weak",
		[AUTH_NO_PLAINTEXT] = "needs-tls",
		[AUTH_NO_LOCKED] = "locked",
		[AUTH_NO_BINDING] = "binding",
	};

	if (!flood_log(&failures_told))
		return;
	log_info("%s login=failed account=\"%s\" mechanism=%s peer=%s why=%s%s%s"
	    "%s%s%s", log_session(session), log_escs(r->tried),
	    log_escs(p->mechanism), log_escs(p->peer), r->lacks ?
	    "no-verifier" : barred ? r->barred : reasons[r->no], barred &&
	    *r->label != '\0' ? " device=" : "", barred ? r->label : "", *r->why == '\0' ? "" :
	    " said=\"", log_escs(r->why), *r->why == '\0' ? "" : "\"");
	if (r->lacks)
		log_warnx("account=\"%s\" has no verifier for %s, and cannot "
		    "log in by it; set its password anew (posternctl account "
		    "passwd), or let it log in once by PLAIN",
		    log_escs(r->tried), log_escs(p->mechanism));
}

static uint32_t
count(const struct sasl_login_params *p, struct sasl_result *r,
    uint64_t *wait_ms)
{
	enum auth_no no = r->no;

	if (no != AUTH_NO_CREDENTIALS && no != AUTH_NO_TEMPORARY)
		return 1;
	if (!by_password(p->mechanism))
		return r->harmless || no == AUTH_NO_TEMPORARY ? 1 :
		    watch_token_failed(r->tried, p->peer, r->wrong);
	if (*r->tried == '\0' || (no == AUTH_NO_TEMPORARY && r->wrong == 0))
		return 1;
	*wait_ms = failure_locked(p, r);
	if (*wait_ms > 0 || r->harmless)
		return 1;
	return no == AUTH_NO_CREDENTIALS ?
	    watch_failed(r->tried, p->peer, r->wrong) :
	    watch_undecided(r->tried, p->peer, r->wrong);
}

uint32_t
failure_note(uint64_t session, const struct sasl_login_params *p,
    struct sasl_result *r, uint64_t *wait_ms)
{
	uint32_t guesses = count(p, r, wait_ms);

	tell(session, p, r);
	return guesses;
}

/*
 * Guessing costs time, but no thread. Counted from the client's last word, and
 * in whole steps: whether there is an account, whether another process was
 * asked, and how much that one had to do, shows in none of it.
 */
uint64_t
failure_delay_ms(uint32_t guesses, uint64_t took_ms)
{
	uint32_t r, times = guesses < 1 ? 1 : guesses > DELAYS_MAX ?
	    DELAYS_MAX : guesses;
	uint64_t whole = (uint64_t)times * DELAY_MS;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = 0;
	while (whole < took_ms)
		whole += DELAY_MS;
	return whole - took_ms + r % (DELAY_MS / 2);
}

void
failure_send(struct ipc *ipc, uint64_t session, enum auth_no why,
    uint64_t wait_ms)
{
	ipc_begin(M_AUTH_NO, session);
	ipc_put_u8(why);
	ipc_put_u32((uint32_t)((wait_ms + 999) / 1000));
	ipc_send(ipc, -1);
}
