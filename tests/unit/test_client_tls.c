/*
 * relay/client, relay/pool and relay/tlspolicy: servers that speak TLS, well,
 * badly, or under the wrong name (relay_script.h has how they are written).
 * A route that demands TLS gives nothing to the wrong ones; one that takes it
 * where it is offered goes on without.
 */
#include "lib/prelude.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/relay_script.h"

/* --- certificates -------------------------------------------------------------- */

#define DAY	86400

struct authority {
	EVP_PKEY *key;
	X509	*cert;
};

static void
set_name(X509_NAME *name, const char *cn)
{
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

/* Signed by ca, or by itself; alt is its subjectAltName, "" for an authority. */
static X509 *
new_cert(EVP_PKEY *key, const struct authority *ca, const char *cn,
    const char *alt, long from, long until)
{
	static long serial;
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), until);
	X509_set_pubkey(cert, key);
	set_name(X509_get_subject_name(cert), cn);
	X509_set_issuer_name(cert, ca == NULL ? X509_get_subject_name(cert) :
	    X509_get_subject_name(ca->cert));
	if (*alt != '\0')
		add_extension(cert, NID_subject_alt_name, alt);
	else
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(cert, ca == NULL ? key : ca->key, EVP_sha256());
	return cert;
}

static struct authority
new_authority(const char *cn)
{
	struct authority a = { .key = EVP_EC_gen("P-256") };

	a.cert = new_cert(a.key, NULL, cn, "", -DAY, DAY);
	return a;
}

static char *
pem_of(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *copy;
	long n;

	PEM_write_bio_X509(bio, cert);
	n = BIO_get_mem_data(bio, &data);
	copy = xcalloc(1, (size_t)n + 1);
	memcpy(copy, data, (size_t)n);
	BIO_free(bio);
	return copy;
}

static SSL_CTX *
new_server(const struct authority *ca, const char *alt, long from, long until)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = new_cert(key, ca, "the server", alt, from, until);

	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* --- scripts ----------------------------------------------------------------------- */

#define RIGHT	"IP:127.0.0.1,DNS:localhost"
#define OFFERED	HELLO, "S:250-sink", "S:250 STARTTLS", "C:STARTTLS"
#define SHAKES	OFFERED, "S:220 go", "T"
#define TLS	SHAKES, "C:EHLO relay.test", \
	"S:250-sink", "S:250 PIPELINING"
#define GOES	MAIL_RCPTS, OKS, BODY, "S:250 ok", BYE
/* A second connection that stays in the clear. */
#define CLEAR	"*", HELLO, "S:250-sink", "S:250-PIPELINING", \
	"S:250 STARTTLS", GOES

#define STRICT	.msg = { .flags = DELIVER_REQUIRE_TLS }
#define REPORT	.msg = { .flags = DELIVER_REQUIRE_TLS, .from = "" }

enum server { GOOD, OTHER, MANY, EXPIRED, FUTURE, SELF, UNKNOWN, OLD,
    SERVERS };

static const struct tls_script {
	struct script s;
	enum server server;
	const char *tls;	/* words of what queue hears, or NULL */
} scripts[] = {
	/* Whoever it is, where TLS is taken as it comes. */
	{ { AS("STARTTLS where offered, self-signed", "OO", "2.0.0"),
	    .steps = { TLS, GOES } }, SELF, "unverified" },
	{ { AS("STARTTLS where offered, expired", "OO", "2.0.0"),
	    .steps = { TLS, GOES } }, EXPIRED, "unverified" },
	{ { AS("STARTTLS where offered, another name", "OO", "2.0.0"),
	    .steps = { TLS, GOES } }, OTHER, "unverified" },

	/* Demanded and verified. */
	{ { AS("STARTTLS demanded", "OO", "2.0.0"), .steps = { TLS, GOES },
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, " verified" },
	{ { AS("STARTTLS demanded, by name", "OO", "2.0.0"), .steps = { TLS,
	    GOES }, .route = { .tls = ROUTE_TLS_STARTTLS,
	    .host = "localhost" } }, GOOD, " verified" },
	{ { AS("implicit TLS", "OO", "2.0.0"), .steps = { "T", PIPED, GOES },
	    .route = { .tls = ROUTE_TLS_IMPLICIT } }, GOOD, " verified" },
	{ { AS("implicit TLS and a login", "OO", "2.0.0"), .steps = { "T",
	    HELLO, "S:250-sink", "S:250-PIPELINING", "S:250 AUTH PLAIN",
	    "C:AUTH PLAIN AHUAcA==", "S:235 in", GOES }, .route = {
	    .tls = ROUTE_TLS_IMPLICIT, .user = "u", .password = "p" } },
	    GOOD, " verified" },
	{ { AS("a byte per record", "OO", "2.0.0"), .steps = { "T",
	    "D:220 sink", "C:EHLO relay.test", "D:250 sink", MAIL,
	    "D:250 ok", "C:RCPT TO:<one@c.test>", "D:250 ok",
	    "C:RCPT TO:<two@c.test>", "D:250 ok", "C:DATA", "D:354 go", BODY,
	    "D:250 ok", BYE }, .route = { .tls = ROUTE_TLS_IMPLICIT } },
	    GOOD, " verified" },
	{ { AS("what was offered in the clear is forgotten", "OO", "2.0.0"),
	    .steps = { HELLO, "S:250-sink", "S:250-SIZE 10", "S:250-DSN",
	    "S:250 STARTTLS", "C:STARTTLS", "S:220 go", "T",
	    "C:EHLO relay.test", "S:250-sink", "S:250 PIPELINING", GOES } },
	    GOOD, "verified" },

	/* Not verified, and why. */
	{ { AS("expired", "DD", "4.7.5"), .steps = { SHAKES },
	    .says = "not accepted: it expired on 20",
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, EXPIRED, NULL },
	{ { AS("not valid yet", "DD", "4.7.5"), .steps = { SHAKES },
	    .says = "not accepted: it is not valid before 20",
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, FUTURE, NULL },
	{ { AS("self-signed", "DD", "4.7.5"), .steps = { SHAKES },
	    .says = "not accepted: it is self-signed",
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, SELF, NULL },
	{ { AS("an unknown issuer", "DD", "4.7.5"), .steps = { SHAKES },
	    .says = "it goes back to \"/CN=nobody knows me\", who is not "
	    "trusted here", .route = { .tls = ROUTE_TLS_STARTTLS } },
	    UNKNOWN, NULL },
	{ { AS("another address", "DD", "4.7.5"), .steps = { SHAKES },
	    .says = "it does not name 127.0.0.1, but other.test",
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, OTHER, NULL },
	{ { AS("another name", "DD", "4.7.5"), .steps = { "T" },
	    .says = "it does not name localhost, but a.test, b.test, c.test, "
	    "d.test, ...", .route = { .tls = ROUTE_TLS_IMPLICIT,
	    .host = "localhost" } }, MANY, NULL },
	{ { AS("no login without a verified name", "DD", "4.7.5"),
	    .steps = { "T" }, .route = { .tls = ROUTE_TLS_IMPLICIT,
	    .user = "u", .password = "p" } }, OTHER, NULL },

	/* Not offered, refused. */
	{ { AS("not offered where demanded", "DD", "4.7.4"), .steps = {
	    PLAIN }, .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, NULL },
	{ { AS("refused where demanded", "DD", "4.7.4"), .steps = { OFFERED,
	    "S:454 not now" }, .route = { .tls = ROUTE_TLS_STARTTLS } },
	    GOOD, NULL },
	{ { AS("refused where it is not demanded", "OO", "2.0.0"), .steps = {
	    HELLO, "S:250-sink", "S:250-PIPELINING", "S:250 STARTTLS",
	    "C:STARTTLS", "S:454 not now", GOES } }, GOOD, "none" },

	/* CVE-2011-0411, from the other side. */
	{ { AS("words behind 220 where demanded", "DD", "4.7.5"), .steps = {
	    OFFERED, "S:220 go\r\n250-sink\r\n250 AUTH PLAIN" },
	    .says = "in the clear behind its answer",
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, NULL },
	{ { AS("half a word behind 220 where demanded", "DD", "4.7.5"),
	    .steps = { OFFERED, "R:220 go\r\n2", "H" },
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, NULL },
	{ { AS("words behind 220 where not demanded", "OO", "2.0.0"),
	    .steps = { OFFERED, "S:220 go\r\n250 sink", CLEAR } }, GOOD,
	    "none" },

	/* The handshake fails: again without, where that is allowed. */
	{ { AS("broken off", "OO", "2.0.0"), .steps = { OFFERED, "S:220 go",
	    "A", CLEAR } }, GOOD, "none" },
	{ { AS("broken off where demanded", "DD", "4.7.5"), .steps = {
	    OFFERED, "S:220 go", "A", "-" },
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, NULL },
	{ { AS("no TLS at all behind 220", "OO", "2.0.0"), .steps = {
	    OFFERED, "S:220 go", "S:what?", CLEAR } }, GOOD, "none" },
	{ { AS("hangs in the handshake", "OO", "2.0.0"), .steps = { OFFERED,
	    "S:220 go", "H", CLEAR }, .route = { .sec = 3 } }, GOOD, "none" },
	{ { AS("hangs in the handshake where demanded", "DD", "4.7.5"),
	    .steps = { OFFERED, "S:220 go", "H" }, .route = { .sec = 3,
	    .tls = ROUTE_TLS_STARTTLS }, .says = "the TLS handshake" }, GOOD,
	    NULL },
	{ { AS("hangs at once under implicit TLS", "DD", "4.7.5"),
	    .steps = { "H" }, .route = { .sec = 3,
	    .tls = ROUTE_TLS_IMPLICIT }, .says = "the TLS handshake" }, GOOD,
	    NULL },
	{ { AS("hangs at STARTTLS", "OO", "2.0.0"), .steps = { OFFERED, "H",
	    CLEAR }, .route = { .sec = 3 } }, GOOD, "none" },
	{ { AS("closes at STARTTLS", "OO", "2.0.0"), .steps = { OFFERED,
	    CLEAR } }, GOOD, "none" },
	{ { AS("closes behind the handshake", "OO", "2.0.0"), .steps = {
	    SHAKES, CLEAR } }, GOOD, "none" },
	{ { AS("an old version of TLS", "OO", "2.0.0"), .steps = { SHAKES,
	    CLEAR } }, OLD, "none" },
	{ { AS("an old version where demanded", "DD", "4.7.5"), .steps = {
	    OFFERED, "S:220 go", "T" },
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, OLD, NULL },
	{ { AS("in the clear to implicit TLS", "DD", "4.7.5"), .steps = {
	    "S:220 sink" }, .route = { .tls = ROUTE_TLS_IMPLICIT } }, GOOD,
	    NULL },

	/* REQUIRETLS (RFC 8689): all of it, or back to the sender. */
	{ { AS("REQUIRETLS", "OO", "2.0.0"), .steps = { SHAKES,
	    "C:EHLO relay.test", "S:250-sink", "S:250-PIPELINING",
	    "S:250 REQUIRETLS", "C:MAIL FROM:<a@b.test> REQUIRETLS",
	    "C:RCPT TO:<one@c.test>", "C:RCPT TO:<two@c.test>", "C:DATA", OKS,
	    BODY, "S:250 ok", BYE }, STRICT }, GOOD, " verified" },
	{ { AS("REQUIRETLS, implicit TLS and a login", "OO", "2.0.0"),
	    .steps = { "T", HELLO, "S:250-sink", "S:250-REQUIRETLS",
	    "S:250-PIPELINING", "S:250 AUTH PLAIN", "C:AUTH PLAIN AHUAcA==",
	    "S:235 in", "C:MAIL FROM:<a@b.test> REQUIRETLS",
	    "C:RCPT TO:<one@c.test>", "C:RCPT TO:<two@c.test>", "C:DATA", OKS,
	    BODY, "S:250 ok", BYE }, STRICT, .route = { .user = "u",
	    .password = "p", .tls = ROUTE_TLS_IMPLICIT } }, GOOD,
	    " verified" },
	{ { AS("REQUIRETLS is not offered", "FF", "5.7.30"), .steps = { TLS },
	    STRICT, .says = "does not offer REQUIRETLS" }, GOOD, NULL },
	{ { AS("REQUIRETLS is offered in the clear only", "FF", "5.7.30"),
	    .steps = { HELLO, "S:250-sink", "S:250-REQUIRETLS",
	    "S:250 STARTTLS", "C:STARTTLS", "S:220 go", "T",
	    "C:EHLO relay.test", "S:250 sink" }, STRICT }, GOOD, NULL },
	{ { AS("REQUIRETLS without STARTTLS", "FF", "5.7.10"), .steps = {
	    PLAIN }, STRICT }, GOOD, NULL },
	{ { AS("REQUIRETLS and a name that is not verified", "FF", "5.7.10"),
	    .steps = { SHAKES }, STRICT, .says = "self-signed" }, SELF,
	    NULL },
	{ { AS("REQUIRETLS and a server that is down", "DD", "4.4.2"),
	    .steps = { "-" }, STRICT }, GOOD, NULL },
	{ { AS("REQUIRETLS and a handshake that hangs", "DD", "4.7.5"),
	    .steps = { OFFERED, "S:220 go", "H" }, STRICT,
	    .route = { .sec = 3 } }, GOOD, NULL },

	/* RFC 8689 5: a report is no exception. */
	{ { AS("a report, REQUIRETLS", "OO", "2.0.0"), .steps = { SHAKES,
	    "C:EHLO relay.test", "S:250-sink", "S:250-PIPELINING",
	    "S:250 REQUIRETLS", "C:MAIL FROM:<> REQUIRETLS",
	    "C:RCPT TO:<one@c.test>", "C:RCPT TO:<two@c.test>", "C:DATA", OKS,
	    BODY, "S:250 ok", BYE }, REPORT,
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, " verified" },
	{ { AS("a report, REQUIRETLS is not offered", "FF", "5.7.30"),
	    .steps = { TLS }, REPORT, .says = "does not offer REQUIRETLS",
	    .route = { .tls = ROUTE_TLS_STARTTLS } }, GOOD, NULL },
	{ { AS("a report, REQUIRETLS of whoever it is", "FF", "5.7.10"),
	    .steps = { SHAKES }, REPORT, .says = "self-signed" }, SELF, NULL },

	/* After mail was under way nothing is said again in the clear. */
	{ { AS("closes at MAIL under TLS", "DD", "4.4.2"), .steps = { TLS,
	    "C:MAIL FROM:<a@b.test>", "-" } }, SELF, NULL },
	{ { AS("a reset in the message under TLS", "DD", "4.4.2"), .steps = {
	    TLS, MAIL_RCPTS, OKS, "C:Subject: x", "X" } }, SELF, NULL },
};

int
main(void)
{
	SSL_CTX *servers[SERVERS];
	struct authority ca, other;
	char *trusted;
	size_t i;

	if (!world_begin())
		return 1;
	ca = new_authority("the test's own");
	other = new_authority("nobody knows me");
	trusted = pem_of(ca.cert);
	servers[GOOD] = new_server(&ca, RIGHT, -DAY, DAY);
	servers[OTHER] = new_server(&ca, "DNS:other.test", -DAY, DAY);
	servers[MANY] = new_server(&ca, "DNS:a.test,DNS:b.test,DNS:c.test,"
	    "DNS:d.test,DNS:e.test", -DAY, DAY);
	servers[EXPIRED] = new_server(&ca, RIGHT, -2 * DAY, -DAY);
	servers[FUTURE] = new_server(&ca, RIGHT, DAY, 2 * DAY);
	servers[SELF] = new_server(NULL, RIGHT, -DAY, DAY);
	servers[UNKNOWN] = new_server(&other, RIGHT, -DAY, DAY);
	servers[OLD] = new_server(&ca, RIGHT, -DAY, DAY);
	SSL_CTX_set_security_level(servers[OLD], 0);
	SSL_CTX_set_min_proto_version(servers[OLD], TLS1_VERSION);
	SSL_CTX_set_max_proto_version(servers[OLD], TLS1_1_VERSION);
	for (i = 0; i < nitems(scripts); i++) {
		struct script s = scripts[i].s;

		s.ctx = servers[scripts[i].server];
		s.route.ca = trusted;
		run(&s);
		if (scripts[i].tls != NULL && !ok(strstr(heard.tls,
		    scripts[i].tls) != NULL, "%s: is told as %s", s.name,
		    scripts[i].tls))
			printf("# %s\n", heard.tls);
		/* What is in the bounce is in the log as well. */
		if (s.says != NULL)
			ok(strstr(buf_str(&heard.log), s.says) != NULL,
			    "%s: is logged", s.name);
	}
	tap_inputs("hostile or failing next hop, retry", nitems(scripts));
	for (i = 0; i < SERVERS; i++)
		SSL_CTX_free(servers[i]);
	free(trusted);
	EVP_PKEY_free(ca.key);
	EVP_PKEY_free(other.key);
	X509_free(ca.cert);
	X509_free(other.cert);
	return world_end();
}
