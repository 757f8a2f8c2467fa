/*
 * PostgreSQL, by libpq's asynchronous calls, so that each wait has the deadline
 * of its question; only the look-up of the server's name has none. A thread
 * keeps one connection. What fails on one that was kept is tried once more on a
 * new one. Names are parameters of the query, never a part of its text.
 */
#include "lib/prelude.h"

#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <strings.h>

#include "lib/net.h"
#include "lib/xalloc.h"
#include "source/backend.h"
#include "source/stored.h"
#include "source/wait.h"

#define PARAMS		3	/* $1 the name, $2 before its @, $3 behind */
#define TEXT_OID	25	/* pg_type: text, which never changes */

struct database {
	const struct conf_source *conf;
	const char *ca;
	bool	 local;		/* no network is between */
	PGconn	*pg;		/* NULL: not connected */
};

static void
hang_up(struct database *d)
{
	if (d->pg != NULL)
		PQfinish(d->pg);
	d->pg = NULL;
}

/* --- the connection --------------------------------------------------------------- */

static bool
is_local(const char *host)
{
	return *host == '\0' || *host == '/' || *host == '@' ||
	    net_stays_here(host);
}

/* Every one of a list with commas. */
static bool
all_local(const char *hosts)
{
	char host[256];
	size_t n;
	bool local = true;

	do {
		n = strcspn(hosts, ",");
		snprintf(host, sizeof(host), "%.*s", (int)n, hosts);
		local = local && n < sizeof(host) && is_local(host);
		hosts += n;
	} while (*hosts++ == ',');
	return local;
}

/* Where the connection really goes: hostaddr, where it is given. */
static bool
goes_nowhere(const PQconninfoOption *o)
{
	const char *host = "", *addr = NULL;

	for (; o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "host") == 0 && o->val != NULL)
			host = o->val;
		if (strcmp(o->keyword, "hostaddr") == 0)
			addr = o->val;
	}
	return all_local(addr != NULL && *addr != '\0' ? addr : host);
}

/* What stands behind "dbname" counts more than what the connect text says. */
static void
begin(struct database *d)
{
	const char *keys[12], *values[12];
	size_t n = 0;

	keys[n] = "dbname";
	values[n++] = d->conf->connect;
	keys[n] = "gssencmode";		/* would read Kerberos' files */
	values[n++] = "disable";
	keys[n] = "client_encoding";
	values[n++] = "UTF8";
	keys[n] = "fallback_application_name";
	values[n++] = "postern";
	if (*d->conf->password != '\0') {
		keys[n] = "password";
		values[n++] = d->conf->password;
	}
	if (d->conf->clear) {
		keys[n] = "sslmode";
		values[n++] = "disable";
	} else if (!d->local || *d->conf->ca_pem != '\0') {
		keys[n] = "sslmode";	/* libpq spares unix sockets */
		values[n++] = "verify-full";
		keys[n] = "sslrootcert";
		values[n++] = d->ca;
	}
	keys[n] = values[n] = NULL;
	d->pg = PQconnectStartParams(keys, values, 1);
}

static void
ignore_notice(void *arg, const char *message)
{
}

/* libpq's sentences begin with the address; of several the last one counts. */
static void
say_nothing(struct answer *a, const char *said)
{
	const char *at = said, *last = said;

	for (; *at != '\0'; at++)
		if (*at == '\n' && at[1] != '\0' && at[1] != '\t')
			last = at + 1;
	answer_set(a, SAID_NOTHING, "%s", last);
}

static bool
connect_to(struct database *d, uint64_t deadline, struct answer *a)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	if (d->pg != NULL)
		return true;
	begin(d);
	if (d->pg == NULL || PQstatus(d->pg) == CONNECTION_BAD) {
		say_nothing(a, d->pg == NULL ? "out of memory" :
		    PQerrorMessage(d->pg));
		return false;
	}
	PQsetNoticeProcessor(d->pg, ignore_notice, NULL);
	while (want != PGRES_POLLING_OK) {
		if (wait_fd(PQsocket(d->pg), want == PGRES_POLLING_READING ?
		    POLLIN : POLLOUT, deadline) == -1) {
			answer_set(a, SAID_NOTHING, "connect: %s",
			    strerrordesc_np(errno));
			return false;
		}
		want = PQconnectPoll(d->pg);
		if (want == PGRES_POLLING_FAILED) {
			say_nothing(a, PQerrorMessage(d->pg));
			return false;
		}
	}
	return PQsetnonblocking(d->pg, 1) == 0;
}

/* --- a question ------------------------------------------------------------------- */

/* A type for what the query does not name; what it names the server infers. */
static int
send_query(struct database *d, const char *name)
{
	static const char *const named[PARAMS] = { "$1", "$2", "$3" };
	const char *at = strrchr(name, '@'), *values[PARAMS];
	char *local = xstrndup(name, at == NULL ? strlen(name) :
	    (size_t)(at - name));
	Oid types[PARAMS];
	size_t i;
	int sent;

	values[0] = name;
	values[1] = local;
	values[2] = at == NULL ? "" : at + 1;
	for (i = 0; i < PARAMS; i++)
		types[i] = strstr(d->conf->query, named[i]) != NULL ? 0 :
		    TEXT_OID;
	sent = PQsendQueryParams(d->pg, d->conf->query, PARAMS, types, values,
	    NULL, NULL, 0);
	free(local);
	return sent == 1 ? 0 : -1;
}

/* The whole result, the caller's; NULL with the answer set. */
static PGresult *
fetch(struct database *d, uint64_t deadline, struct answer *a)
{
	PGresult *result, *next;
	int unsent;

	while ((unsent = PQflush(d->pg)) == 1 || PQisBusy(d->pg)) {
		if (wait_fd(PQsocket(d->pg), unsent == 1 ? POLLIN | POLLOUT :
		    POLLIN, deadline) == -1) {
			answer_set(a, SAID_NOTHING, "query: %s",
			    strerrordesc_np(errno));
			return NULL;
		}
		if (PQconsumeInput(d->pg) == 0)
			break;
	}
	if (unsent == -1 || PQstatus(d->pg) == CONNECTION_BAD) {
		say_nothing(a, PQerrorMessage(d->pg));
		return NULL;
	}
	result = PQgetResult(d->pg);
	while (!PQisBusy(d->pg) && (next = PQgetResult(d->pg)) != NULL)
		PQclear(next);
	return result;
}

static void
compare(struct database *d, const char *text, const struct query *q,
    struct answer *a)
{
	struct stored s;
	const char *why = stored_parse(text, d->conf->plaintext, &s);

	if (why != NULL)
		answer_set(a, SAID_WRONG, "what is stored cannot be used: %s",
		    why);
	else
		a->said = stored_fits(&s, q->password) ? SAID_YES :
		    SAID_WRONG;
	OPENSSL_cleanse(&s, sizeof(s));
}

/* Rows: what is stored, in each the same, and perhaps an address. */
static void
read_rows(struct database *d, const PGresult *r, const struct query *q,
    struct answer *a)
{
	int i, n = PQntuples(r);

	if (n == 0) {
		answer_set(a, SAID_UNKNOWN, "%s", "");
		return;
	}
	for (i = 1; i < n; i++)
		if (PQgetisnull(r, i, 0) != PQgetisnull(r, 0, 0) ||
		    strcmp(PQgetvalue(r, i, 0), PQgetvalue(r, 0, 0)) != 0) {
			answer_set(a, SAID_WRONG, "the query finds more than "
			    "one password, so nobody is let in");
			return;
		}
	if (PQgetisnull(r, 0, 0)) {
		answer_set(a, SAID_WRONG, "no password is stored");
		return;
	}
	for (i = 0; i < n && PQnfields(r) > 1; i++)
		answer_sender(a, PQgetvalue(r, i, 1),
		    (size_t)PQgetlength(r, i, 1));
	compare(d, PQgetvalue(r, 0, 0), q, a);
}

/*
 * A name that the query makes an error of (class 22, as of a number that is
 * none) is nobody's: guesses must not make a source look dead.
 */
static void
read_result(struct database *d, const PGresult *r, const struct query *q,
    struct answer *a)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *said = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQnfields(r) > 0)
		read_rows(d, r, q, a);
	else if (state != NULL && said != NULL &&
	    strncmp(state, "22", 2) == 0)
		answer_set(a, SAID_UNKNOWN, "query: %s", said);
	else if (said != NULL)
		answer_set(a, SAID_NOTHING, "query: %s", said);
	else
		answer_set(a, SAID_NOTHING, "the query gives no rows; it "
		    "should be a SELECT");
}

static void
once(void *arg, const struct query *q, struct answer *a)
{
	struct database *d = arg;
	PGresult *r = NULL;

	if (connect_to(d, q->deadline_ms, a)) {
		if (send_query(d, q->name) == -1)
			say_nothing(a, PQerrorMessage(d->pg));
		else if ((r = fetch(d, q->deadline_ms, a)) != NULL)
			read_result(d, r, q, a);
		else if (a->said != SAID_NOTHING)
			say_nothing(a, PQerrorMessage(d->pg));
	}
	PQclear(r);
	if (a->said == SAID_NOTHING)
		hang_up(d);
}

static void
ask(void *arg, const struct query *q, struct answer *a)
{
	const struct database *d = arg;

	backend_ask(once, arg, d->pg != NULL, q, a);
}

/* --- life ------------------------------------------------------------------------- */

static const char *
check(const struct conf_source *conf)
{
	static char why[256];
	char *error = NULL;
	PQconninfoOption *o = PQconninfoParse(conf->connect, &error);

	if (o == NULL) {
		snprintf(why, sizeof(why), "connect is not what libpq takes: "
		    "%.*s", error == NULL ? 0 : (int)strcspn(error, "\n"),
		    error == NULL ? "" : error);
		PQfreemem(error);
		return why;
	}
	PQconninfoFree(o);
	return NULL;
}

static void *
open_state(const struct conf_source *conf, const char *ca)
{
	struct database *d = xcalloc(1, sizeof(*d));
	PQconninfoOption *o = PQconninfoParse(conf->connect, NULL);

	d->conf = conf;
	d->ca = ca;
	d->local = o != NULL && goes_nowhere(o);
	PQconninfoFree(o);
	return d;
}

static void
close_state(void *arg)
{
	hang_up(arg);
	free(arg);
}

const struct backend database_backend = { check, open_state, ask,
    close_state };
