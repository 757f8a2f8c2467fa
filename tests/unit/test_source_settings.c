/* posternd/verify_sources, and what slices.c makes of source sections. */
#include "lib/prelude.h"

#include <sys/stat.h>

#include "lib/xalloc.h"
#include "posternd/settings.h"
#include "posternd/slices.h"
#include "tests/tap.h"

#define MINIMAL "hostname = \"relay.example.org\"\n" \
	"users { smtpd = \"61001\" auth = \"61002\" keys = \"61003\" " \
	"queue = \"61004\" relay = \"61005\" source = \"61006\" }\n" \
	"tls { certificate = \"cert.pem\" key = \"key.pem\" }\n" \
	"listen submissions { port = 465 }\n" \
	"route direct { next-hop = \"mx\" }\n"
#define ACCOUNTS "accounts { sources = {\"local\", \"s\"} " \
	"mechanisms = {\"PLAIN\"} }\n"
/* The socket is something that is there. */
#define PAM(more) ACCOUNTS "source s { type = saslauthd socket = \"/\" " \
	more " }"
#define LDAP(more) ACCOUNTS "source s { type = ldap uri = " \
	"\"ldaps://l.example\" filter = \"(mail=%u)\" " more " }"
#define SQL(more) ACCOUNTS "source s { type = postgresql connect = " \
	"\"host=db.example user=postern\" " more " }"
#define QUERY "query = \"SELECT p FROM u WHERE l = $1\" "

static char dir[] = "/tmp/postern-sources-XXXXXX";
static struct buf problems, warnings;

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF ||
	    chmod(name, 0600) == -1)
		abort();
}

static struct config *
load_more(const char *more)
{
	char *text = xasprintf("%s%s\n", MINIMAL, more);

	write_file("postern.conf", text);
	free(text);
	buf_reset(&problems);
	buf_reset(&warnings);
	return config_load("postern.conf", &problems, &warnings);
}

static const struct {
	const char *name, *text, *says;
} bad[] = {
	{ "no type", ACCOUNTS "source s { timeout = \"5s\" }", "needs a type" },
	{ "no such type", ACCOUNTS "source s { type = nis }", "type" },
	{ "a source that is called local", "source local { type = saslauthd }",
	    "another name" },
	{ "one that is not there", "accounts { sources = {\"local\", \"x\"} }",
	    "there is no section: source x" },
	{ "no local", "accounts { sources = {\"s\"} }\nsource s { type = "
	    "saslauthd }", "first source is \"local\"" },
	{ "one twice", "accounts { sources = {\"local\", \"s\", \"s\"} "
	    "mechanisms = {\"PLAIN\"} }\nsource s { type = saslauthd }",
	    "twice" },
	{ "no passwords", "accounts { sources = {\"local\", \"s\"} mechanisms "
	    "= {\"SCRAM-SHA-256\"} }\nsource s { type = saslauthd }",
	    "know only passwords" },
	{ "an option of another type", PAM("query = \"SELECT $1\""),
	    "not for a source of type saslauthd" },
	{ "no such cap", PAM("cap = nonesuch"), "no cap \"nonesuch\"" },
	{ "a domain that is none", PAM("domains = {\"a b\"}"), "no domain" },
	{ "any domain", PAM("login = local"), "does not look at the domain" },
	{ "any realm", PAM("login = split"), "does not look at the domain" },
	{ "by the local part, too", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(|(mail=%u)(uid=%n))\" }",
	    "does not look at the domain" },
	{ "by the local part, too", SQL("query = \"SELECT p FROM u WHERE m = "
	    "$1 OR l = $2\""), "does not look at the domain" },
	{ "by both parts, and by one of them", ACCOUNTS "source s { type = "
	    "ldap uri = \"ldaps://l\" filter = \"(|(mail=%n@%d)(uid=%n))\" }",
	    "does not look at the domain" },
	{ "by both parts, and by one of them", SQL("query = \"SELECT p FROM u "
	    "WHERE l = $2 OR (l = $2 AND d = $3)\""),
	    "does not look at the domain" },
	{ "a sender that is none", PAM("senders = {\"%n\"}"),
	    "neither an address" },
	{ "a percent sign", PAM("senders = {\"%x@a.example\"}"),
	    "behind % comes" },
	{ "TLS on a unix socket", PAM("tls = none"), "unix socket" },
	{ "LDAP without a uri", ACCOUNTS "source s { type = ldap filter = "
	    "\"(mail=%u)\" }", "needs \"uri\"" },
	{ "a uri of something else", ACCOUNTS "source s { type = ldap uri = "
	    "\"http://l\" filter = \"(mail=%u)\" }", "begins with neither" },
	{ "neither filter nor dn", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" }", "either a filter" },
	{ "both", LDAP("dn = \"uid=%n\""), "either a filter" },
	{ "the same for everybody", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(mail=a)\" }", "same for everybody" },
	{ "no brackets", ACCOUNTS "source s { type = ldap uri = \"ldaps://l\" "
	    "filter = \"mail=%u\" }", "brackets" },
	{ "an open bracket", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(mail=%u\" }", "each of them closed" },
	{ "one too many", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(mail=%u))\" }", "each of them closed" },
	{ "two filters", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(mail=%u)(a=b)\" }",
	    "each of them closed" },
	{ "a filter without =", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(&(mail=%u)(person))\" }",
	    "with an = in it" },
	{ "no host", ACCOUNTS "source s { type = ldap uri = \"ldaps://\" "
	    "filter = \"(mail=%u)\" }", "should name a host" },
	{ "no host but a path", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps:///dc=x\" filter = \"(mail=%u)\" }",
	    "should name a host" },
	{ "no port", ACCOUNTS "source s { type = ldap uri = \"ldaps://l "
	    "ldaps://l:65536/\" filter = \"(mail=%u)\" }", "1 to 65535" },
	{ "an open address", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://[::1\" filter = \"(mail=%u)\" }",
	    "should name a host" },
	{ "a base that is none", LDAP("base = people"), "distinguished name" },
	{ "a wildcard", PAM("senders = {\"*@%d\"}"), "no wildcards" },
	{ "a bind-dn without a password", LDAP("bind-dn = \"cn=a\""),
	    "go together" },
	{ "ldaps in the clear", LDAP("tls = none"), "leave it out" },
	{ "by the local part alone", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(uid=%n)\" }",
	    "does not look at the domain" },
	{ "SQL without a query", SQL(""), "needs \"query\"" },
	{ "the same for everybody", SQL("query = \"SELECT 1\""),
	    "same for everybody" },
	{ "by the local part alone", SQL("query = \"SELECT p FROM u WHERE l = "
	    "$2\""), "does not look at the domain" },
	{ "a password file that is not there", SQL(QUERY
	    "password-file = \"nonesuch\""), "cannot be used" },
};

static const struct {
	const char *name, *text, *warns;	/* "": nothing */
} good[] = {
	{ "PAM", PAM(""), "" },
	{ "by the local part, in domains", PAM("login = local domains = "
	    "{\"example.org\"}"), "" },
	{ "by both, in domains", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldaps://l\" filter = \"(|(mail=%u)(uid=%n))\" domains = "
	    "{\"example.org\"} }", "" },
	{ "by both parts, in domains", SQL("query = \"SELECT p FROM u WHERE "
	    "l = $2 AND d = $3\" domains = {\"example.org\"}"), "" },
	{ "by the whole name, made up", SQL("query = \"SELECT p FROM u WHERE "
	    "l || '@' || d = $1\""), "" },
	{ "by a realm, in domains", PAM("login = split domains = "
	    "{\"example.org\"}"), "" },
	{ "LDAP", LDAP("bind-dn = \"cn=a\" password-file = secret"), "" },
	{ "a filter of filters, an address and a port", ACCOUNTS "source s { "
	    "type = ldap uri = \"ldaps://[::1]:636/ ldapi://%2frun%2fldapi\" "
	    "base = \"dc=x\" filter = \"(&(|)(!(a=b))(mail=%u))\" }", "" },
	{ "a name that Active Directory binds as", ACCOUNTS "source s { type = "
	    "ldap uri = \"ldaps://l\" dn = \"%u\" }", "" },
	{ "a DN", ACCOUNTS "source s { type = ldap uri = \"ldap://a ldaps://b\""
	    " dn = \"uid=%n,dc=%d\" }", "" },
	{ "LDAP in the clear", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldap://l.example\" filter = \"(mail=%u)\" tls = none }",
	    "in the clear" },
	{ "on this machine", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldap://127.0.0.1\" filter = \"(mail=%u)\" tls = none }", "" },
	{ "LDAP on it, by IPv6", ACCOUNTS "source s { type = ldap uri = "
	    "\"ldap://[::1]:389\" filter = \"(mail=%u)\" tls = none }", "" },
	{ "a name that begins as an address", ACCOUNTS "source s { type = ldap "
	    "uri = \"ldap://127.evil.example\" filter = \"(mail=%u)\" "
	    "tls = none }", "in the clear" },
	{ "one that begins as localhost", ACCOUNTS "source s { type = ldap "
	    "uri = \"ldap://localhost.evil.example:389\" filter = "
	    "\"(mail=%u)\" tls = none }", "in the clear" },
	{ "SQL", SQL(QUERY "password-file = secret"), "" },
	{ "SQL as nobody", ACCOUNTS "source s { type = postgresql connect = "
	    "\"host=db.example dbname=mail\" " QUERY "}", "names no user" },
	{ "SQL by a URI", ACCOUNTS "source s { type = postgresql connect = "
	    "\"postgresql://u@db.example/mail\" " QUERY "}", "" },
	{ "no saslauthd", ACCOUNTS "source s { type = saslauthd socket = "
	    "\"/nonesuch/mux\" }", "until saslauthd runs" },
	{ "plaintext", SQL(QUERY "plaintext = on"), "stored as they are" },
	{ "SQL in the clear", SQL(QUERY "tls = none"), "in the clear" },
	{ "a source that is not asked", "source s { type = saslauthd }",
	    "is never asked" },
	{ "SCRAM beside it", "accounts { sources = {\"local\", \"s\"} }\n"
	    "source s { type = saslauthd }", "choose SCRAM" },
};

static void
test_verify(void)
{
	struct config *cfg;
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		cfg = load_more(bad[i].text);
		if (!ok(cfg == NULL && strstr(buf_str(&problems), bad[i].says)
		    != NULL, "%s is refused", bad[i].name))
			printf("# %s\n", buf_str(&problems));
		config_free(&cfg);
	}
	for (i = 0; i < nitems(good); i++) {
		cfg = load_more(good[i].text);
		if (!ok(cfg != NULL && (*good[i].warns == '\0' ?
		    warnings.len == 0 : strstr(buf_str(&warnings),
		    good[i].warns) != NULL), "%s is taken", good[i].name))
			printf("# %s\n# %s\n", buf_str(&problems),
			    buf_str(&warnings));
		config_free(&cfg);
	}
}

static void
test_slices(void)
{
	struct config *cfg = load_more("accounts { sources = {\"local\", "
	    "\"b\", \"a\"} mechanisms = {\"PLAIN\"} }\ncap staff { }\n"
	    "source a { type = saslauthd }\n"
	    "source b { type = ldap uri = \"ldaps://l\" filter = \"(mail=%u)\" "
	    "bind-dn = \"cn=x\" password-file = secret timeout = \"9s\" cap = "
	    "staff senders = {\"%n@b.example\"} senders-attribute = mail }\n");
	const struct conf_source *s;
	const struct conf_grant *g;

	if (!ok(cfg != NULL, "two sources")) {
		printf("# %s\n", buf_str(&problems));
		return;
	}
	s = cfg->source_slice.sources.v;
	g = cfg->auth.grants.v;
	is_int(cfg->source_slice.sources.n, 2, "for source");
	is_str(s[0].name, "b", "in their order");
	is_str(s[0].password, "hidden", "with what a file holds");
	is_int(s[1].type, SOURCE_SASLAUTHD, "the other one");
	is_str(s[1].socket, "/run/saslauthd/mux", "at its usual place");
	is_str(s[1].service, "smtp", "by its usual service");
	is_int(cfg->auth.grants.n, 2, "for auth");
	is_str(g[0].cap, "staff", "a cap");
	is_str(g[0].senders.v[0], "%n@b.example", "senders");
	ok(g[0].more_senders && !g[1].more_senders, "and more of them");
	is_int(cfg->auth.source_sec, 2 + 2 * (9 + 5), "the time of both");
	ok(slices_wanted(cfg, ROLE_SOURCE), "postern-source runs");
	config_free(&cfg);
	cfg = load_more("");
	ok(cfg != NULL && !slices_wanted(cfg, ROLE_SOURCE),
	    "without sources it does not");
	config_free(&cfg);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		abort();
	buf_init(&problems, 1024 * 1024);
	buf_init(&warnings, 1024 * 1024);
	write_file("cert.pem", "CERT\n");
	write_file("key.pem", "KEY\n");
	write_file("secret", "hidden\nmore\n");
	test_verify();
	test_slices();
	buf_clear(&problems);
	buf_clear(&warnings);
	unlink("cert.pem");
	unlink("key.pem");
	unlink("secret");
	unlink("postern.conf");
	if (chdir("/") == -1 || rmdir(dir) == -1)
		perror("# rmdir");
	return tap_done();
}
