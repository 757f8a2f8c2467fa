/* fetch/claims: made by whom, for whom, until when, for what, and whose. */
#include "lib/prelude.h"

#include "fetch/claims.h"
#include "lib/conf.h"
#include "lib/xalloc.h"
#include "tests/tap.h"

#define NOW	1700000000
#define ISS	"\"iss\":\"https://id.example.org\""
#define AUD	"\"aud\":\"smtp\""
#define EXP	"\"exp\":1700003600"
#define WHO	"\"email\":\"alice@example.org\",\"email_verified\":true"
#define SCOPE	"\"scope\":\"openid smtp\""
#define ALL	ISS "," AUD "," EXP "," WHO "," SCOPE

enum { S = 1, I = 2, SI = 3 };	/* signed, introspected: where it is good */

static const struct {
	const char *claims;
	int	 good;
	const char *why;		/* where not */
} cases[] = {
	{ ALL, SI, NULL },
	{ ALL ",\"sub\":\"x\",\"azp\":[],\"amr\":{}", SI, NULL },
	/* iss */
	{ AUD "," EXP "," WHO "," SCOPE, I, "who made it" },
	{ "\"iss\":7," AUD "," EXP "," WHO "," SCOPE, 0, "who made it" },
	{ "\"iss\":\"https://id.example.org/\"," AUD "," EXP "," WHO "," SCOPE,
	    0, "another provider" },
	{ "\"iss\":\"https://ID.example.org\"," AUD "," EXP "," WHO "," SCOPE,
	    0, "another provider" },
	{ "\"iss\":\"http://id.example.org\"," AUD "," EXP "," WHO "," SCOPE,
	    0, "another provider" },
	{ "\"iss\":\"x\\ny\\u001b[2J\"," AUD "," EXP "," WHO "," SCOPE, 0,
	    "x\\x0ay\\x1b[2J" },
	{ "\"iss\":[\"https://id.example.org\"]," AUD "," EXP "," WHO, 0,
	    "who made it" },
	/* aud */
	{ ISS "," EXP "," WHO "," SCOPE, 0, "whom it is for" },
	{ ISS ",\"aud\":\"imap\"," EXP "," WHO "," SCOPE, 0, "aud='imap'" },
	{ ISS ",\"aud\":\"smtp2\"," EXP "," WHO "," SCOPE, 0, "another" },
	{ ISS ",\"aud\":\"SMTP\"," EXP "," WHO "," SCOPE, 0, "another" },
	{ ISS ",\"aud\":\"smtp imap\"," EXP "," WHO "," SCOPE, 0, "another" },
	{ ISS ",\"aud\":\"\"," EXP "," WHO "," SCOPE, 0, "another" },
	{ ISS ",\"aud\":[]," EXP "," WHO "," SCOPE, 0, "whom it is for" },
	{ ISS ",\"aud\":[\"imap\",\"pop\"]," EXP "," WHO "," SCOPE, 0,
	    "and others" },
	{ ISS ",\"aud\":[\"imap\",\"smtp\"]," EXP "," WHO "," SCOPE, SI,
	    NULL },
	{ ISS ",\"aud\":[\"submission\"]," EXP "," WHO "," SCOPE, SI, NULL },
	{ ISS ",\"aud\":[7,null,\"smtp\"]," EXP "," WHO "," SCOPE, SI, NULL },
	{ ISS ",\"aud\":[[\"smtp\"]]," EXP "," WHO "," SCOPE, 0, "aud" },
	{ ISS ",\"aud\":{\"smtp\":1}," EXP "," WHO "," SCOPE, 0, "aud" },
	/* exp: 30 seconds of difference between clocks */
	{ ISS "," AUD "," WHO "," SCOPE, I, "no end" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":1700000000", SI, NULL },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":1699999971", SI, NULL },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":1699999970", 0, "ended" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":1699999970.5", SI, NULL },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":0", 0, "ended" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":-1", 0, "no date" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":1e300", 0, "no date" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":9223372036854775807", 0,
	    "no date" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":\"1700003600\"", 0,
	    "no date" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":null", 0, "no date" },
	{ ISS "," AUD "," WHO "," SCOPE ",\"exp\":true", 0, "no date" },
	/* nbf, iat */
	{ ALL ",\"nbf\":1700000030", SI, NULL },
	{ ALL ",\"nbf\":1700000031", 0, "begins in 31 s" },
	{ ALL ",\"nbf\":\"x\"", 0, "no date" },
	{ ALL ",\"iat\":1700000030,\"nbf\":0", SI, NULL },
	{ ALL ",\"iat\":1700000031", 0, "in the future" },
	{ ALL ",\"iat\":[]", 0, "no date" },
	/* whose */
	{ ISS "," AUD "," EXP "," SCOPE, 0, "no claim 'email'" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"a@b\"", 0,
	    "not verified" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"a@b\","
	    "\"email_verified\":false", 0, "not verified" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"a@b\","
	    "\"email_verified\":\"true\"", 0, "not verified" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"a@b\","
	    "\"email_verified\":1", 0, "not verified" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":[\"a@b\"],"
	    "\"email_verified\":true", 0, "no claim" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"\","
	    "\"email_verified\":true", 0, "no name" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"a@b\\n\","
	    "\"email_verified\":true", 0, "no name" },
	{ ISS "," AUD "," EXP "," SCOPE ",\"email\":\"a\\u007f@b\","
	    "\"email_verified\":true", 0, "no name" },
	/* scope */
	{ ISS "," AUD "," EXP "," WHO, 0, "scope 'smtp'" },
	{ ISS "," AUD "," EXP "," WHO ",\"scope\":\"smtp\"", SI, NULL },
	{ ISS "," AUD "," EXP "," WHO ",\"scope\":\"smtp2\"", 0, "scope" },
	{ ISS "," AUD "," EXP "," WHO ",\"scope\":\"xsmtp\"", 0, "scope" },
	{ ISS "," AUD "," EXP "," WHO ",\"scope\":\"  a  smtp  \"", SI, NULL },
	{ ISS "," AUD "," EXP "," WHO ",\"scope\":\"\"", 0, "scope" },
	{ ISS "," AUD "," EXP "," WHO ",\"scope\":[\"smtp\"]", SI, NULL },
	{ ISS "," AUD "," EXP "," WHO ",\"scp\":\"a smtp\"", SI, NULL },
	{ ISS "," AUD "," EXP "," WHO ",\"scp\":[\"a\",\"smtp\"]", SI, NULL },
	{ ISS "," AUD "," EXP "," WHO ",\"scp\":[\"a smtp\",7]", 0, "scope" },
	{ ISS "," AUD "," EXP "," WHO ",\"scp\":{\"smtp\":1}", 0, "scope" },
	/* bound to a key that a bearer cannot show */
	{ ALL ",\"cnf\":{\"jkt\":\"x\"}", 0, "bound" },
	{ ALL ",\"cnf\":null", 0, "bound" },
	/* an access token, and nothing else that the provider signs */
	{ ALL ",\"typ\":\"ID\"", 0, "another kind (typ): 'ID'" },
	{ ALL ",\"typ\":\"id\"", 0, "another kind (typ): 'ID'" },
	{ ALL ",\"typ\":\"Refresh\"", 0, "(typ): 'Refresh'" },
	{ ALL ",\"typ\":\"Offline\"", 0, "(typ): 'Offline'" },
	{ ALL ",\"typ\":\"Logout\"", 0, "(typ): 'Logout'" },
	{ ALL ",\"typ\":\"Bearer\"", SI, NULL },
	{ ALL ",\"typ\":\"at+jwt\"", SI, NULL },
	{ ALL ",\"typ\":7", SI, NULL },
	{ ALL ",\"nonce\":\"n\"", 0, "it has 'nonce'" },
	{ ALL ",\"at_hash\":\"h\"", 0, "it has 'at_hash'" },
	{ ALL ",\"c_hash\":\"h\",\"auth_time\":1", 0, "it has 'c_hash'" },
	{ ALL ",\"events\":{}", 0, "it has 'events'" },
	{ ALL ",\"nonce\":null", 0, "it has 'nonce'" },
	{ ALL ",\"nonce\":\"n\",\"typ\":\"Bearer\"", SI, NULL },
	{ "", 0, "" },
};

static struct fetch_conf conf;

static void
judge(const char *claims, enum claims_from from, bool good, const char *why)
{
	char *text = xasprintf("{%s}", claims);
	json_t *j = json_loads(text, 0, NULL);
	struct verdict v;
	bool r = claims_judge(&conf, from, j, NOW * 1000ULL, &v);

	if (!ok(j != NULL && r == good && v.good == good && (good ?
	    strcmp(v.name, "alice@example.org") == 0 :
	    *v.name == '\0' && strstr(v.why, why) != NULL &&
	    v.no == (strcmp(why, "ended") == 0 ? TOKEN_NO_EXPIRED :
	    TOKEN_NO_UNFIT)), "%s%s", from == CLAIMS_SIGNED ? "" :
	    "introspected: ", claims))
		printf("# %s\n", v.why);
	json_decref(j);
	free(text);
}

static void
test_names(void)
{
	struct verdict v;
	json_t *j = json_loads("{" ALL ",\"sub\":\"alice\"}", 0, NULL);
	char *text;

	free(conf.account_claim);
	conf.account_claim = xstrdup("sub");
	ok(claims_judge(&conf, CLAIMS_SIGNED, j, NOW * 1000ULL, &v), "by sub");
	is_str(v.name, "alice", "its name");
	is_int(claims_end_ms(j), 1700003600000LL, "its end");
	json_decref(j);
	text = xasprintf("{" ALL ",\"sub\":\"%0321d\"}", 0);
	j = json_loads(text, 0, NULL);
	ok(!claims_judge(&conf, CLAIMS_SIGNED, j, NOW * 1000ULL, &v),
	    "a name of 321 bytes");
	json_decref(j);
	free(text);
	j = json_loads("{\"aud\":\"imap\",\"sub\":\"alice\"}", 0, NULL);
	conf.audience.n = 0;
	*conf.scope = '\0';
	ok(claims_judge(&conf, CLAIMS_INTROSPECTED, j, NOW * 1000ULL, &v),
	    "introspected, and no audience or scope is set");
	ok(claims_end_ms(j) == UINT64_MAX, "without an end");
	json_decref(j);
	ok(!claims_judge(&conf, CLAIMS_SIGNED, NULL, NOW * 1000ULL, &v),
	    "no claims at all");
}

int
main(void)
{
	static char *audience[2];
	size_t i;

	audience[0] = xstrdup("submission");
	audience[1] = xstrdup("smtp");
	conf.audience = (struct conf_strs){ audience, 2 };
	conf.issuer = xstrdup("https://id.example.org");
	conf.account_claim = xstrdup("email");
	conf.scope = xstrdup("smtp");
	for (i = 0; i < nitems(cases); i++) {
		judge(cases[i].claims, CLAIMS_SIGNED, cases[i].good & S,
		    cases[i].why);
		judge(cases[i].claims, CLAIMS_INTROSPECTED, cases[i].good & I,
		    cases[i].why);
	}
	test_names();
	free(audience[0]);
	free(audience[1]);
	free(conf.issuer);
	free(conf.account_claim);
	free(conf.scope);
	return tap_done();
}
