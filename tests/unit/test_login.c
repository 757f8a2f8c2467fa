/* auth as a whole: real libsasl2 clients log in, are refused, give up. */
#include "lib/prelude.h"

#include <sasl/sasl.h>

#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

static const char *const mechanisms[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256" };
static uint64_t id = 100;

/* --- the client ------------------------------------------------------------------- */

static const char *client_user, *client_password, *client_authzid;

static int
get_simple(void *context, int what, const char **result, unsigned int *len)
{
	*result = what == SASL_CB_USER ? client_authzid : client_user;
	if (len != NULL)
		*len = *result == NULL ? 0 : (unsigned int)strlen(*result);
	return SASL_OK;
}

static int
get_secret(sasl_conn_t *conn, void *context, int what, sasl_secret_t **secret)
{
	static uint64_t space[64];
	sasl_secret_t *s = (sasl_secret_t *)space;

	s->len = strlen(client_password);
	memcpy(s->data, client_password, s->len + 1);
	*secret = s;
	return SASL_OK;
}

#define CB(f) ((int (*)(void))(uintptr_t)(f))

static const sasl_callback_t callbacks[] = {
	{ SASL_CB_USER, CB(get_simple), NULL },
	{ SASL_CB_AUTHNAME, CB(get_simple), NULL },
	{ SASL_CB_PASS, CB(get_secret), NULL },
	{ SASL_CB_LIST_END, NULL, NULL }
};

/* The last reply of a whole exchange; *client is what the client made of it. */
static struct rig_reply *
login(const char *mechanism, const char *user, const char *password,
    const char *authzid, int *client)
{
	sasl_security_properties_t props = { .max_ssf = 0 };
	struct rig_reply *r;
	sasl_conn_t *conn;
	sasl_ssf_t ssf = 256;
	const char *out = NULL, *chosen;
	unsigned int len = 0;

	id++;
	client_user = user;
	client_password = password;
	client_authzid = authzid;
	if (sasl_client_new("smtp", "relay.example.org", NULL, NULL, callbacks,
	    0, &conn) != SASL_OK ||
	    sasl_setprop(conn, SASL_SSF_EXTERNAL, &ssf) != SASL_OK ||
	    sasl_setprop(conn, SASL_SEC_PROPS, &props) != SASL_OK)
		abort();
	*client = sasl_client_start(conn, mechanism, NULL, &out, &len, &chosen);
	r = rig_begin(id, mechanism, out, out == NULL ? 0 : len);
	while (r->type == M_AUTH_CHALLENGE) {
		out = NULL;
		len = 0;
		*client = sasl_client_step(conn, (char *)r->bytes,
		    (unsigned int)r->len, NULL, &out, &len);
		if (*client != SASL_OK && *client != SASL_CONTINUE) {
			rig_cancel(id);
			break;
		}
		r = rig_step(id, out, len);
	}
	sasl_dispose(&conn);
	return r;
}

/* --- tests ---------------------------------------------------------------------------- */

static void
test_success(void)
{
	static const char *const names[] = { "alice@example.org",
	    "ALICE@Example.ORG", "bob", "Bob" };
	struct rig_reply *r;
	size_t i, m;
	int client;

	for (m = 0; m < nitems(mechanisms); m++)
		for (i = 0; i < nitems(names); i++) {
			r = login(mechanisms[m], names[i], RIG_PASSWORD, NULL,
			    &client);
			ok(r->type == M_AUTH_OK && client == SASL_OK,
			    "%s: %s logs in", mechanisms[m], names[i]);
			is_str(r->ticket.account, i < 2 ? "alice@example.org" :
			    "bob", "the ticket's name");
			is_str(r->ticket.cap, "staff", "the ticket's cap");
			ok(r->ticket.session == id && r->id == id &&
			    ticket_valid(&rig_conf.ticket_key, 0, &r->ticket,
			    ev_now_ms()) &&
			    !ticket_valid(&rig_conf.ticket_key, 1, &r->ticket,
			    ev_now_ms()), "the ticket is this session's");
			ok(r->nsenders == (i < 2) && (i >= 2 || strcmp(
			    (char *)r->bytes, "@example.org") == 0),
			    "the senders");
		}
}

static void
test_refusal(void)
{
	static const struct {
		const char *name, *user, *password, *authzid;
	} rows[] = {
		{ "wrong password", "bob", "wrong horse", NULL },
		{ "password in capitals", "bob", "CORRECT HORSE", NULL },
		{ "password and a space", "bob", "correct horse ", NULL },
		{ "password cut", "bob", "correct hors", NULL },
		{ "unknown user", "nobody", RIG_PASSWORD, NULL },
		{ "unknown address", "nobody@example.org", RIG_PASSWORD, NULL },
		{ "another's name", "bob", RIG_PASSWORD, "alice@example.org" },
		{ "an unknown name", "bob", RIG_PASSWORD, "nobody" },
		{ "name and a domain", "bob@example.org", RIG_PASSWORD, NULL },
	};
	struct rig_reply *r;
	size_t i, m;
	int client;

	for (m = 0; m < nitems(mechanisms); m++)
		for (i = 0; i < nitems(rows); i++) {
			if (rows[i].authzid != NULL &&
			    strcmp(mechanisms[m], "LOGIN") == 0)
				continue;	/* it has none */
			r = login(mechanisms[m], rows[i].user,
			    rows[i].password, rows[i].authzid, &client);
			ok(r->type == M_AUTH_NO &&
			    r->no == AUTH_NO_CREDENTIALS, "%s: %s: no (%u %d)",
			    mechanisms[m], rows[i].name, r->type, r->no);
		}
	for (m = 0; m < nitems(mechanisms); m++) {
		r = login(mechanisms[m], "bob", RIG_PASSWORD, "BOB", &client);
		ok(r->type == M_AUTH_OK, "%s: acting as oneself",
		    mechanisms[m]);
	}
}

/* --- figures ----------------------------------------------------------------------------- */

static double
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* CPU of n logins by PLAIN, each of its own connection to libsasl2. */
static double
plain_us(uint32_t cache_sec, uint64_t now_ms, int n)
{
	struct sasl_login_params p = { .mechanism = "PLAIN",
	    .hostname = "relay.example.org", .tls_bits = 256,
	    .iterations = VERIFIER_ITERATIONS_MIN, .cache_sec = cache_sec };
	static const char message[] = "\0alice@example.org\0" RIG_PASSWORD;
	struct sasl_login *l;
	struct sasl_result r;
	double begun = cpu_us();
	int i;

	for (i = 0; i < n; i++) {
		sasl_result_init(&r);
		l = sasl_login_new(&p);
		sasl_login_start(l, (const uint8_t *)message,
		    sizeof(message) - 1, now_ms, &r);
		if (r.answer != SASL_ANSWER_OK)
			break;
		sasl_login_free(&l);
		sasl_result_clear(&r);
	}
	is_int(i, n, "%d logins", n);
	return (cpu_us() - begun) / n;
}

static void
measure(void)
{
	/* So much later that what the tests left in the cache is void. */
	const uint64_t now_ms = 1000000000;
	double first = plain_us(0, now_ms, 20), cached;

	plain_us(60, now_ms, 1);
	cached = plain_us(60, now_ms, 2000);
	printf("# PLAIN, CPU each: %.0f us the first time, %.1f us from the "
	    "cache\n", first, cached);
}

int
main(void)
{
	if (sasl_client_init(callbacks) != SASL_OK)
		return 1;
	rig_start(2);
	rig_add("alice@example.org", "@example.org");
	rig_add("bob", NULL);
	test_success();
	test_refusal();
	measure();
	rig_stop();
	sasl_client_done();
	return tap_done();
}
