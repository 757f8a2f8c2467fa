/*
 * auth/guard: who is locked out and who must not be, with time stepped by hand;
 * and a stuffing run.
 */
#include "lib/prelude.h"

#include <openssl/evp.h>

#include "auth/guard.h"
#include "lib/ev.h"
#include "lib/le.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/xalloc.h"
#include "tests/tap.h"

#define LIMIT		10
#define MINUTE		60000ull
#define LOCK		(15 * MINUTE)
#define HOUR		(60 * MINUTE)
#define HOME		"192.0.2.7"
#define NEIGHBOUR	"192.0.2.8"
#define STRANGER	"198.51.100.9"

static struct guard *g;
static uint64_t now = 1700000000000;

static void
quiet(enum log_level level, const char *proc, const char *line)
{
}

static void
fresh(void)
{
	guard_free(&g);
	g = guard_new();
	guard_configure(g, LIMIT, LOCK);
}

/* n different wrong passwords. */
static void
guess(const char *name, const char *peer, uint32_t n)
{
	static uint64_t secret = 1000;

	while (n-- > 0)
		guard_failed(g, name, peer, ++secret, now);
}

static void
test_account(void)
{
	uint32_t i;

	fresh();
	for (i = 0; i < 1000; i++)
		guard_failed(g, "alice", STRANGER, 7, now);
	is_int(guard_account_wait(g, "alice", STRANGER, now), 0,
	    "the same wrong password a thousand times: a device, no thief");
	guess("alice", STRANGER, LIMIT - 2);
	is_int(guard_account_wait(g, "alice", STRANGER, now), 0,
	    "nine different ones");
	guess("alice", STRANGER, 1);
	is_int(guard_account_wait(g, "alice", STRANGER, now), LOCK,
	    "ten: locked");
	is_int(guard_account_wait(g, "alice", "203.0.113.1", now), LOCK,
	    "wherever from");
	is_int(guard_account_wait(g, "bob", "203.0.113.1", now), 0,
	    "others are not");
	ok(guard_locked_until(g, "alice", now) == now + LOCK, "until then");
	now += LOCK;
	is_int(guard_account_wait(g, "alice", STRANGER, now), 0, "and no more");
	guess("alice", STRANGER, LIMIT);
	is_int(guard_account_wait(g, "alice", STRANGER, now), 2 * LOCK,
	    "again: twice as long");
	for (i = 0; i < 10; i++) {
		now += guard_account_wait(g, "alice", STRANGER, now);
		guess("alice", STRANGER, LIMIT);
	}
	is_int(guard_account_wait(g, "alice", STRANGER, now), 24 * HOUR,
	    "a day at most");
	guard_unlock(g, "alice");
	is_int(guard_account_wait(g, "alice", STRANGER, now), 0,
	    "the admin unlocks");
	guess("carol", STRANGER, LIMIT - 1);
	now += HOUR + 1;
	guess("carol", STRANGER, 1);
	is_int(guard_account_wait(g, "carol", STRANGER, now), 0,
	    "what is an hour old is forgiven");
	guess("nobody@example.org", STRANGER, LIMIT);
	is_int(guard_account_wait(g, "nobody@example.org", STRANGER, now),
	    LOCK, "a name without an account locks as well");
}

/* Strangers cannot lock out an owner where he is at home. */
static void
test_home(void)
{
	fresh();
	guard_succeeded(g, "alice", HOME, now);
	guess("alice", STRANGER, LIMIT);
	ok(guard_account_wait(g, "alice", STRANGER, now) > 0,
	    "strangers are locked out");
	is_int(guard_account_wait(g, "alice", HOME, now), 0, "alice is not");
	is_int(guard_account_wait(g, "alice", NEIGHBOUR, now), 0,
	    "nor with her next address of the same network");
	guess("alice", NEIGHBOUR, LIMIT - 1);
	is_int(guard_account_wait(g, "alice", HOME, now), 0,
	    "nine failures at home");
	guess("alice", NEIGHBOUR, 1);
	is_int(guard_account_wait(g, "alice", HOME, now), LOCK,
	    "ten are too many there, too");
	guard_unlock(g, "alice");
	is_int(guard_account_wait(g, "alice", HOME, now), 0,
	    "unlock means everywhere");
	now += 31 * 24 * HOUR;
	guess("alice", STRANGER, LIMIT);
	ok(guard_account_wait(g, "alice", HOME, now) > 0,
	    "after a month without a login home is nowhere");
}

static void
try_names(const char *peer, uint32_t n)
{
	char name[32];
	static uint32_t k;

	while (n-- > 0) {
		snprintf(name, sizeof(name), "name%u", k++);
		guard_failed(g, name, peer, 5, now);
	}
}

/* What is no password locks out no name, however much of it there is. */
static void
test_tokens(void)
{
	uint32_t i;

	fresh();
	for (i = 0; i < 1000; i++)
		guard_token_failed(g, "", STRANGER, 7, now);
	is_int(guard_token_wait(g, "", STRANGER, now), 0,
	    "the same bad token a thousand times: a program, no thief");
	for (i = 0; i < LIMIT - 2; i++)
		guard_token_failed(g, "", STRANGER, 100 + i, now);
	is_int(guard_token_wait(g, "", STRANGER, now), 0,
	    "nine different ones");
	is_int(guard_token_failed(g, "", "198.51.100.77", 999, now), LIMIT,
	    "the tenth, from its network (which it has locked)");
	is_int(guard_token_wait(g, "", STRANGER, now), LOCK,
	    "ten: their network is locked for tokens");
	is_int(guard_peer_wait(g, STRANGER, now), 0, "for passwords it is not");
	is_int(guard_account_wait(g, "alice", HOME, now), 0, "no name is");
	is_int(guard_locked_until(g, "alice", now), 0, "anywhere");
	guard_succeeded(g, "alice", STRANGER, now);
	is_int(guard_token_wait(g, "alice", STRANGER, now), 0,
	    "who is at home there gets in by a token all the same");
	is_int(guard_token_wait(g, "bob", STRANGER, now), 0,
	    "what neighbours did does not count against a known address");
	is_int(guard_token_wait(g, "bob", "198.51.100.78", now), LOCK,
	    "elsewhere in the network it does");
	fresh();
	for (i = 0; i < LIMIT - 1; i++)
		guard_token_failed(g, "", STRANGER, 100 + i, now);
	try_names(STRANGER, LIMIT);
	is_int(guard_token_wait(g, "", STRANGER, now), 0,
	    "ten guesses at passwords and nine tokens are not ten tokens");
	is_int(guard_peer_wait(g, STRANGER, now), LOCK, "but ten passwords");
}

/* So many names of whose passwords nobody knows whether they are; 0: each own. */
static void
doubt_names(const char *peer, uint64_t secret, uint32_t n)
{
	static uint32_t k;
	char name[32];

	while (n-- > 0) {
		snprintf(name, sizeof(name), "doubt%u", k++);
		guard_undecided(g, name, peer, secret == 0 ? 1000 + k :
		    secret, now);
	}
}

/* Nobody knows whether it was wrong: honest ones have one password each. */
static void
test_undecided(void)
{
	uint32_t i;

	fresh();
	doubt_names(STRANGER, 0, 8 * LIMIT - 1);
	is_int(guard_peer_wait(g, STRANGER, now), 0,
	    "an office that waits for its server is not locked");
	doubt_names("198.51.100.10", 0, 1);
	is_int(guard_peer_wait(g, STRANGER, now), LOCK,
	    "eighty names that were never there are a spray");
	is_int(guard_peer_wait(g, HOME, now), 0, "from there");
	fresh();
	doubt_names(STRANGER, 7, LIMIT);
	is_int(guard_peer_wait(g, STRANGER, now), 0, "ten names with one "
	    "password: the first of them may be anybody's");
	doubt_names("198.51.100.10", 7, 1);
	is_int(guard_peer_wait(g, STRANGER, now), LOCK,
	    "one more is a spray of it");
	fresh();
	for (i = 0; i < LIMIT + 4; i++)
		doubt_names(STRANGER, 7 + i % 4, 1);
	is_int(guard_peer_wait(g, STRANGER, now), LOCK,
	    "so it is with four in turn");
	fresh();
	for (i = 0; i < 1000; i++)
		guard_undecided(g, "alice", HOME, 7, now);
	is_int(guard_account_wait(g, "alice", HOME, now), 0,
	    "who tries the same password all the while is locked nowhere");
	for (i = 1; i < LIMIT; i++)
		guard_undecided(g, "alice", HOME, 7 + i, now);
	is_int(guard_account_wait(g, "alice", "203.0.113.1", now), LOCK,
	    "ten different ones are guesses");
	is_int(guard_peer_wait(g, HOME, now), 0, "at one name");
}

/* Who locks names so locks himself, as by any other guess. */
static void
test_undecided_network(void)
{
	char name[32];
	uint32_t i, n = 0;

	fresh();
	for (i = 0; i < 25 * LIMIT; i++) {
		snprintf(name, sizeof(name), "local%u", i / LIMIT);
		if (guard_account_wait(g, name, STRANGER, now) == 0)
			guard_undecided(g, name, STRANGER, i, now);
	}
	is_int(guard_peer_wait(g, STRANGER, now), LOCK, "it is locked");
	is_int(guard_peer_wait(g, "198.51.100.200", now), LOCK, "all of it");
	for (i = 0; i < 25; i++) {
		snprintf(name, sizeof(name), "local%u", i);
		n += guard_account_wait(g, name, HOME, now) > 0;
	}
	ok(n > 0 && n < LIMIT, "by the names that it has locked (%u)", n);
	fresh();
	for (i = 0; i < 8 * LIMIT; i++) {
		snprintf(name, sizeof(name), "staff%u", i);
		guard_succeeded(g, name, "192.0.2.1", now);
		guard_undecided(g, name, HOME, 100 + i, now);
	}
	is_int(guard_account_wait(g, "new", HOME, now), 0,
	    "who is at home in an office does not count, however many");
	fresh();
	for (i = 0; i < 2 * LIMIT; i++) {
		snprintf(name, sizeof(name), "soiled%u", i);
		guard_undecided(g, name, STRANGER, 1000 + i, now);
		guard_undecided(g, name, HOME, 100 + i, now);
	}
	is_int(guard_account_wait(g, "new", HOME, now), 0,
	    "nor who tries his first one, whatever strangers tried before");
	for (i = 0; i < LIMIT; i++) {
		snprintf(name, sizeof(name), "soiled%u", i);
		guard_undecided(g, name, NEIGHBOUR, 200 + i, now);
	}
	is_int(guard_account_wait(g, "new", HOME, now), LOCK,
	    "but his network's second one does count");
	fresh();
	for (i = 0; i < 8 * 4 * LIMIT; i++) {
		snprintf(name, sizeof(name), "2001:db8:7:%x::1", i);
		doubt_names(name, 0, 1);
	}
	is_int(guard_peer_wait(g, "2001:db8:7:ffff::1", now), LOCK,
	    "a name from each network of a /48 is a spray, too");
}

static void
test_network(void)
{
	fresh();
	guard_succeeded(g, "alice", HOME, now);
	try_names(NEIGHBOUR, LIMIT - 1);
	is_int(guard_peer_wait(g, NEIGHBOUR, now), 0, "nine names");
	try_names("192.0.2.200", 1);
	is_int(guard_peer_wait(g, NEIGHBOUR, now), LOCK,
	    "ten names of a /24: locked");
	is_int(guard_peer_wait(g, "192.0.2.99", now), LOCK, "all of it");
	is_int(guard_peer_wait(g, "192.0.3.1", now), 0, "not the next one");
	is_int(guard_peer_wait(g, HOME, now), 0,
	    "nor an address that logged in well");
	try_names(STRANGER, LIMIT);
	is_int(guard_peer_wait(g, STRANGER, now), LOCK,
	    "where nobody is at home no name is heard");
	try_names(HOME, LIMIT);
	is_int(guard_account_wait(g, "bob", HOME, now), LOCK,
	    "unless it does the same");
	ok(!guard_is_known(g, HOME, now), "then it is known no more");
	try_names("2001:db8:1:2::3", 5);
	try_names("2001:db8:1:2:ffff::1", 5);
	is_int(guard_peer_wait(g, "2001:db8:1:2::99", now), LOCK,
	    "IPv6: a /64");
	guard_succeeded(g, "alice", "2001:db8:1:9::3", now);
	try_names("2001:db8:1:9::7", LIMIT);
	is_int(guard_peer_wait(g, "2001:db8:1:9::99", now), 0,
	    "where somebody is at home the name decides");
	is_int(guard_account_wait(g, "alice", "2001:db8:1:9::99", now), 0,
	    "who is, is not locked out with a new address");
	is_int(guard_account_wait(g, "bob", "2001:db8:1:9::99", now), LOCK,
	    "others are");
	is_int(guard_peer_wait(g, "2001:db8:1:3::3", now), 0,
	    "not the next one");
	try_names("::ffff:203.0.113.5", LIMIT);
	is_int(guard_peer_wait(g, "203.0.113.9", now), LOCK,
	    "IPv4 in IPv6 is IPv4");
	try_names("", 100);
	try_names("no address", 100);
	ok(guard_peer_wait(g, "", now) == 0 &&
	    guard_peer_wait(g, "no address", now) == 0,
	    "without an address there is no network");
}

/*
 * An office behind one address, somebody in it (or its visitors' network) tries
 * names: whoever works there goes on to.
 */
static void
test_office(void)
{
	fresh();
	guard_succeeded(g, "alice", HOME, now);
	guard_succeeded(g, "bob", HOME, now);
	try_names(HOME, LIMIT);
	is_int(guard_peer_wait(g, HOME, now), 0,
	    "a locked office: the name decides");
	is_int(guard_account_wait(g, "alice", HOME, now), 0,
	    "who is at home there gets in");
	is_int(guard_token_wait(g, "alice", HOME, now), 0,
	    "with a token, too");
	is_int(guard_account_wait(g, "carol", HOME, now), LOCK,
	    "others wait");
	is_int(guard_token_wait(g, "carol", HOME, now), 0,
	    "not with a token: nobody has tried one");
	is_int(guard_token_wait(g, "", NEIGHBOUR, now), 0,
	    "nor with one that has no name");
	is_int(guard_account_wait(g, "alice", NEIGHBOUR, now), 0,
	    "nor who is at home with another address");
	guess("alice", HOME, LIMIT);
	is_int(guard_account_wait(g, "alice", HOME, now), LOCK,
	    "guesses at her password are counted there as ever");
	is_int(guard_account_wait(g, "bob", HOME, now), 0, "and are not bob's");
	guard_succeeded(g, "bob", HOME, now);
	ok(!guard_is_known(g, HOME, now), "his login ends no lock");
	is_int(guard_account_wait(g, "carol", HOME, now), LOCK,
	    "of nobody's");
	now += LOCK;
	is_int(guard_account_wait(g, "carol", HOME, now), 0, "time does");
	try_names(HOME, LIMIT);
	is_int(guard_account_wait(g, "carol", HOME, now), 2 * LOCK,
	    "once more: twice as long");
	now += 2 * LOCK;
	ok(!guard_is_known(g, HOME, now), "known it is not yet");
	guard_succeeded(g, "bob", HOME, now);
	ok(guard_is_known(g, HOME, now), "but with the next login");
}

static struct {
	char	 text[4096];
	size_t	 n;
} seen;

static void
see_cb(const struct guard_lock *lock, void *arg)
{
	char from[NET_PREFIX_LEN] = "";
	size_t at = strlen(seen.text);

	if (lock->from != NULL)
		net_print_prefix(lock->from, from);
	snprintf(seen.text + at, sizeof(seen.text) - at, "%s %s %s %u; ",
	    lock->what, lock->name, from, lock->times);
	seen.n++;
}

static const char *
locks(void)
{
	memset(&seen, 0, sizeof(seen));
	guard_locks(g, now, see_cb, NULL);
	return seen.text;
}

static size_t
lift(const char *text)
{
	struct net net;

	return net_parse(text, &net) ? guard_unlock_net(g, &net, now) : 99;
}

/* What an admin is shown and may lift. */
static void
test_locks(void)
{
	char peer[64], name[32];
	uint8_t *p;
	size_t n;
	int i;

	fresh();
	is_str(locks(), "", "nobody is locked");
	guess("alice", STRANGER, LIMIT);
	guard_succeeded(g, "bob", HOME, now);
	guess("bob", NEIGHBOUR, LIMIT);
	try_names("203.0.113.5", LIMIT);
	is_str(locks(), "account alice  1; home bob 192.0.2.0/24 1; "
	    "network  203.0.113.0/24 1; address  203.0.113.5 1; ",
	    "four locks, and whom they hold");
	p = guard_pack(g, &n);
	guard_free(&g);
	g = guard_new();
	guard_configure(g, LIMIT, LOCK);
	ok(guard_unpack(g, p, n), "a restart");
	free(p);
	is_str(locks(), "account alice  1; home bob 192.0.2.0/24 1; "
	    "network  203.0.113.0/24 1; address  203.0.113.5 1; ",
	    "forgets none");
	is_int((int)lift("203.0.114.0/24"), 0, "nothing held the next one");
	is_int((int)lift("203.0.113.5"), 2, "an address, and its network");
	is_int(guard_peer_wait(g, "203.0.113.5", now), 0, "it may try again");
	guard_unlock(g, "bob");
	guard_unlock(g, "alice");
	is_str(locks(), "", "names are lifted by name");
	try_names("203.0.113.6", LIMIT);
	is_int(guard_peer_wait(g, "203.0.113.6", now), LOCK,
	    "who was forgiven begins at the beginning");
	is_int((int)lift("203.0.0.0/16"), 2, "all in a larger network");
	for (i = 0; i < 4 * LIMIT; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:7:%x::1", i);
		snprintf(name, sizeof(name), "name%d", i);
		guard_failed(g, name, peer, 5, now);
	}
	is_str(locks(), "site  2001:db8:7::/48 1; ", "a /48");
	is_int((int)lift("2001:db8:7:1::99"), 1, "lifted for one in it");
	try_names(HOME, LIMIT);
	is_str(locks(), "trust bob  1; network  192.0.2.0/24 1; "
	    "address  192.0.2.7 1; ", "an address where bob is at home");
	is_int((int)lift(HOME), 3, "lifted, and his trust");
	ok(guard_is_known(g, HOME, now), "is known as before");
	now += 2 * HOUR;
	try_names(STRANGER, LIMIT);
	now += LOCK;
	is_str(locks(), "", "a lock that is over is none");
	for (i = 0; i < LIMIT; i++)
		guard_token_failed(g, "bob", HOME, 100 + i, now);
	is_str(locks(), "trust-tokens bob  1; home-tokens bob 192.0.2.0/24 1; "
	    "network-tokens  192.0.2.0/24 1; address-tokens  192.0.2.7 1; ",
	    "of tokens");
	guard_unlock(g, "bob");
	is_int((int)lift(HOME), 2, "lifted as well");
	guard_succeeded(g, "bob", NEIGHBOUR, now);
	for (i = 0; i < 2; i++)
		try_names(i ? HOME : NEIGHBOUR, LIMIT);
	is_int((int)lift("192.0.2.0/24"), 4, "two good addresses at once");
	is_str(locks(), "", "are free");
}

/* How many different names are heard from all of them, one who may log in. */
static uint32_t
spray(const char *const place[2], const char *who, bool tokens)
{
	char peer[64], name[32];
	static uint32_t k;
	uint32_t i, j, n = 0;
	uint64_t wait;

	for (i = 1; i < 255; i++) {
		snprintf(peer, sizeof(peer), "%s%u%s", place[0], i, place[1]);
		if (who != NULL && guard_account_wait(g, who, peer, now) == 0)
			guard_succeeded(g, who, peer, now);
		for (j = 0; j < LIMIT - 1; j++) {
			snprintf(name, sizeof(name), "spray%u", ++k);
			wait = tokens ? guard_token_wait(g, name, peer, now) :
			    guard_peer_wait(g, peer, now);
			if (wait == 0 && !tokens)
				wait = guard_account_wait(g, name, peer, now);
			if (wait > 0)
				continue;
			n++;
			if (tokens)
				guard_token_failed(g, name, peer, k, now);
			else if (k % 2)
				guard_failed(g, name, peer, k, now);
			else
				guard_undecided(g, name, peer, 7, now);
		}
	}
	return n;
}

/* An account of one's own is no way round the locks of one's neighbourhood. */
static void
test_trust(void)
{
	static const char *const places[][2] = { { "203.0.113.", "" },
	    { "2001:db8:1:1::", "" }, { "2001:db8:1:", "::1" } };
	/* As many as strangers have there; some counted by halves. */
	static const uint32_t most[] = { LIMIT + 1, LIMIT + 1, 4 * LIMIT + 2 };
	const char *who;
	uint32_t n;
	size_t i;
	int way;

	for (i = 0; i < nitems(places); i++)
		for (way = 0; way < 3; way++) {
			fresh();
			who = way == 1 ? "mallory/phone" : "mallory";
			guard_succeeded(g, "alice", "2001:db8:1:1::ffff", now);
			guard_succeeded(g, "alice", "203.0.113.255", now);
			n = spray(places[i], who, way == 2);
			ok(n >= LIMIT && n <= most[i], "%s, %s: %u heard",
			    *places[i], way == 2 ? "tokens" : "passwords", n);
			ok(guard_is_known(g, "203.0.113.255", now) &&
			    guard_account_wait(g, "new", "203.0.113.255", now)
			    == 0, "alice's address is spared");
		}
	fresh();
	(void)spray(places[0], "mallory", false);
	ok(!guard_is_known(g, "203.0.113.1", now) &&
	    !guard_is_known(g, "203.0.113.200", now),
	    "hers are not, nor known");
	ok(guard_account_wait(g, "mallory", "203.0.113.200", now) == 0,
	    "she herself gets in");
	now += LOCK;
	guard_succeeded(g, "mallory", "203.0.113.200", now);
	ok(guard_is_known(g, "203.0.113.200", now), "it is over then");
	guess("mallory", "203.0.113.200", LIMIT - 1);
	is_int(spray(places[0], "mallory", false), LIMIT, "once more");
	is_str(locks(), "trust mallory  2; network  203.0.113.0/24 2; "
	    "address  203.0.113.1 1; ", "is the second time");
}

/* What was under way when a lock came, and who is spared it, prolong none. */
static void
test_in_flight(void)
{
	uint32_t i;

	fresh();
	try_names(STRANGER, 10 * LIMIT);
	is_int(guard_account_wait(g, "bob", "198.51.100.10", now), LOCK,
	    "a hundred names at once: locked once");
	for (i = 0; i < 10 * LIMIT; i++)
		guard_token_failed(g, "", STRANGER, 100 + i, now);
	is_int(guard_token_wait(g, "bob", "198.51.100.10", now), LOCK,
	    "so are a hundred tokens");
	guess("alice", STRANGER, 10 * LIMIT);
	is_int(guard_account_wait(g, "alice", HOME, now), LOCK,
	    "and as many passwords");
	is_int(guard_failed(g, "alice", STRANGER, 1, now), LIMIT,
	    "which are told as late as the one that locked it");
	now += LOCK;
	guess("alice", STRANGER, LIMIT);
	is_int(guard_account_wait(g, "alice", HOME, now), 2 * LOCK,
	    "what comes behind it counts from the beginning");
}

/* A token's client may say whose it is, and lie. */
static void
test_token_names(void)
{
	uint32_t i, n = 0;

	fresh();
	guard_succeeded(g, "alice", HOME, now);
	for (i = 0; i < 1000; i++)
		if (guard_token_wait(g, "alice", NEIGHBOUR, now) == 0 && ++n)
			guard_token_failed(g, "alice", NEIGHBOUR, i, now);
	is_int(n, LIMIT, "a neighbour who says that he is alice");
	is_int(guard_token_wait(g, "alice", HOME, now), 0,
	    "at her address she is not locked out");
	is_int(guard_account_wait(g, "alice", NEIGHBOUR, now), 0,
	    "nor anywhere with her password");
	fresh();
	guard_succeeded(g, "alice", HOME, now);
	for (i = 0; i < LIMIT; i++)
		guard_token_failed(g, "", NEIGHBOUR, i, now);
	is_int(guard_token_wait(g, "alice", NEIGHBOUR, now), 0,
	    "where nobody says so she is spared in all of her network");
}

/* A file of the version before the names of those who are locked. */
static void
test_version_1(void)
{
	static const char magic[] = "postern guard 1\n";
	uint8_t file[16 + 16 + 1 + 16 + 7 * 8 + 32] = { 0 };
	size_t n = sizeof(file) - 32;

	memcpy(file, magic, 16);
	put_u64le(file + 16 + 16 + 1 + 16 + 8, now + LOCK);
	put_u64le(file + 16 + 16 + 1 + 16 + 32, 3);
	if (EVP_Digest(file, n, file + n, NULL, EVP_sha256(), NULL) != 1)
		abort();
	fresh();
	ok(guard_unpack(g, file, sizeof(file)), "a file of version 1");
	is_str(locks(), "account   3; ", "holds its lock, whosever it is");
}

/* What guard_pack() makes, without who is locked, as version 1 made it. */
static size_t
to_version_1(uint8_t *p, size_t n)
{
	const uint8_t *from = p + 32, *end = p + n - 32;
	uint8_t *to = p + 32;
	size_t len;

	memcpy(p, "postern guard 1\n", 16);
	while (from < end) {
		len = 1 + 16 + 7 * 8;
		len += 8 * get_u64le(from + len - 8);
		memmove(to, from, len);
		to += len;
		from += len + 8 + 16;
		from += 8 + get_u64le(from);
	}
	n = (size_t)(to - p);
	if (EVP_Digest(p, n, to, NULL, EVP_sha256(), NULL) != 1)
		abort();
	return n + 32;
}

/* Its locks do not say whose they are, and are lifted all the same. */
static void
test_version_1_lifted(void)
{
	uint8_t *p;
	size_t i, n;
	char peer[64];

	fresh();
	guess("alice", STRANGER, LIMIT);
	try_names("203.0.113.5", LIMIT);
	for (i = 0; i < 4 * LIMIT; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:7:%zx::1", i);
		try_names(peer, 1);
	}
	p = guard_pack(g, &n);
	n = to_version_1(p, n);
	fresh();
	ok(guard_unpack(g, p, n), "a version 1 full of locks");
	free(p);
	is_str(locks(), "account   1; network   1; address   1; site   1; ",
	    "none says whose");
	is_int((int)lift("203.0.113.6"), 1, "a network's goes by a neighbour");
	is_int((int)lift("203.0.113.0/24"), 0, "which was all of the /24's own");
	is_int((int)lift("203.0.113.5"), 1, "an address's by itself");
	is_int((int)lift("2001:db8:8::1"), 0, "not the next /48");
	is_int((int)lift("2001:db8:7:99::/64"), 1, "a /48's by a network of it");
	guard_unlock(g, "alice");
	is_str(locks(), "", "and a name's by the name");
}

/* One network, or this machine, makes locks; others' stay. */
static void
test_many_locks(void)
{
	static const struct {
		const char *peer, *what;
		size_t	 most;
	} rows[] = {
		{ "198.51.100.9", "of a network", 512 },
		{ "", "of this machine", 1024 },
	};
	char name[32];
	size_t i, k;

	for (k = 0; k < nitems(rows); k++) {
		fresh();
		guess("alice", "203.0.113.1", LIMIT);
		for (i = 0; i < rows[k].most + 100; i++) {
			snprintf(name, sizeof(name), "victim%zu", i);
			guess(name, rows[k].peer, LIMIT);
		}
		(void)locks();
		is_int((int)seen.n, (int)rows[k].most + 1 +
		    (*rows[k].peer != '\0' ? 2 : 0), "so many locks %s stay",
		    rows[k].what);
		ok(guard_account_wait(g, "alice", "", now) > 0,
		    "and what another made");
		is_int(guard_account_wait(g, "victim99", "", now), 0,
		    "its oldest are gone");
		ok(guard_account_wait(g, name, "", now) > 0,
		    "its last is there");
	}
}

/* SCRAM shows no password. */
static void
test_unseen(void)
{
	char peer[32];
	uint32_t i;

	fresh();
	for (i = 0; i < 90; i++)
		guard_failed(g, "alice", STRANGER, 0, now);
	is_int(guard_account_wait(g, "alice", STRANGER, now), 0,
	    "an old device fails 90 times an hour");
	guard_failed(g, "alice", STRANGER, 0, now);
	is_int(guard_account_wait(g, "alice", STRANGER, now), LOCK,
	    "91 times is guessing");
	for (i = 0; i < LIMIT; i++) {
		snprintf(peer, sizeof(peer), "203.0.%u.1", i);
		guard_failed(g, "bob", peer, 0, now);
	}
	is_int(guard_account_wait(g, "bob", STRANGER, now), LOCK,
	    "so is ten addresses once each");
	fresh();
	guard_succeeded(g, "carol", HOME, now);
	for (i = 0; i < 24 * 240; i++) {
		guard_failed(g, "carol", HOME, 0, now);
		now += MINUTE / 4;
	}
	is_int(guard_account_wait(g, "carol", HOME, now), 0, "an old device at "
	    "home may try every quarter of a minute for a day");
	now += HOUR + 1;
	for (i = 0; i < 271; i++)
		guard_failed(g, "carol", NEIGHBOUR, 0, now);
	is_int(guard_account_wait(g, "carol", HOME, now), LOCK,
	    "271 times an hour is guessing, there, too");
}

/* Who has a whole /48 of IPv6. */
static void
test_site(void)
{
	char peer[64], name[32];
	uint32_t i;

	fresh();
	guard_succeeded(g, "alice", "2001:db8:7:ffff::1", now);
	for (i = 0; i < 4 * (LIMIT - 1); i++) {
		snprintf(peer, sizeof(peer), "2001:db8:7:%x::1", i);
		snprintf(name, sizeof(name), "name%u", i);
		guard_failed(g, name, peer, 5, now);
	}
	is_int(guard_peer_wait(g, "2001:db8:7:aaaa::1", now), 0,
	    "36 names from 36 networks of a /48");
	guard_failed(g, "one-more", "2001:db8:7:bbbb::1", 5, now);
	is_int(guard_peer_wait(g, "2001:db8:7:aaaa::1", now), LOCK,
	    "one more: the /48 is locked");
	is_int(guard_account_wait(g, "alice", "2001:db8:7:ffff::2", now), 0,
	    "but for who is at home there, with a new address");
	is_int(guard_token_wait(g, "", "2001:db8:7:aaaa::1", now), 0,
	    "and for tokens");
	is_int(guard_peer_wait(g, "2001:db8:8::1", now), 0, "not the next one");
	is_int(guard_peer_wait(g, "2001:db8:7:ffff::1", now), 0,
	    "nor who logged in well from there");
}

static void
test_settings(void)
{
	fresh();
	guard_configure(g, 0, LOCK);
	guess("alice", STRANGER, 100);
	try_names(STRANGER, 100);
	ok(guard_account_wait(g, "alice", STRANGER, now) == 0 &&
	    guard_peer_wait(g, STRANGER, now) == 0, "0: nobody is locked");
	fresh();
	guard_configure(g, 1000, LOCK);
	guess("alice", STRANGER, GUARD_LIMIT_MAX);
	ok(guard_account_wait(g, "alice", STRANGER, now) > 0,
	    "more than can be told apart is not waited for");
	fresh();
	guess("alice", STRANGER, LIMIT);
	ok(guard_account_wait(g, "alice", STRANGER, now - 300 * 24 * HOUR) <=
	    24 * HOUR, "a clock set back locks for a day at most");
}

static void
test_disk(void)
{
	uint8_t *p, *half;
	size_t n, i, bad = 0;

	fresh();
	guard_succeeded(g, "alice", HOME, now);
	guess("alice", STRANGER, LIMIT);
	guess("bob", STRANGER, LIMIT - 1);
	try_names("2001:db8:1:2::3", LIMIT);
	ok(guard_changed(g), "there is something to keep");
	p = guard_pack(g, &n);
	ok(!guard_changed(g), "it was taken");
	fresh();
	ok(guard_unpack(g, p, n), "a restart");
	ok(guard_account_wait(g, "alice", STRANGER, now) == LOCK &&
	    guard_account_wait(g, "alice", HOME, now) == 0 &&
	    guard_is_known(g, HOME, now) &&
	    guard_peer_wait(g, "2001:db8:1:2::4", now) == LOCK,
	    "forgets nothing");
	guess("bob", STRANGER, 1);
	ok(guard_account_wait(g, "bob", STRANGER, now) == LOCK,
	    "and counts on");
	half = xmalloc(n);
	for (i = 0; i < n; i += 7) {
		memcpy(half, p, n);
		half[i] ^= 0x20;
		bad += guard_unpack(g, half, n);
	}
	for (i = 0; i < n; i += 13)
		bad += guard_unpack(g, p, i);
	is_int(bad, 0, "damaged or cut off: refused, whatever is hit");
	free(half);
	free(p);
}

/*
 * 100,000 passwords for 1,000 names from 5,000 addresses in 500 networks, in
 * an hour, while alice uses her account.
 */
static void
test_stuffing(void)
{
	uint64_t start = now, secret = 1, wait;
	uint32_t i, tried = 0, refused = 0, alice_waits = 0;
	char name[32], peer[32];
	size_t n;

	fresh();
	guard_succeeded(g, "user1", "10.9.9.9", now);
	for (i = 0; i < 100000; i++) {
		now = start + i * 36;
		snprintf(name, sizeof(name), "user%u", i * 7919 % 1000);
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i % 5000 / 2500,
		    i % 500 % 250, 1 + i % 5000 / 500);
		wait = guard_peer_wait(g, peer, now);
		if (wait == 0)
			wait = guard_account_wait(g, name, peer, now);
		if (wait > 0) {
			refused++;
			continue;
		}
		tried++;
		guard_failed(g, name, peer, ++secret, now);
		if (i % 100 == 0)
			alice_waits += guard_peer_wait(g, "10.9.9.9", now) +
			    guard_account_wait(g, "user1", "10.9.9.9", now) >
			    0;
	}
	free(guard_pack(g, &n));
	printf("# %u of 100000 passwords were tried, %u an account; the rest "
	    "met a lock; %zu KB are kept\n", tried, tried / 1000, n / 1024);
	ok(tried <= 28000 && refused >= 72000, "most meet a lock: 27 tries an "
	    "account and hour");
	is_int(alice_waits, 0, "alice at home never does");
	ok(n < 4 * GUARD_ROOM * 200, "memory is bounded");
}

/*
 * Far more of each kind than there is room for; what a botnet can make in any
 * number pushes out neither locks nor those who have logged in.
 */
static void
test_room(void)
{
	char name[32], peer[32];
	uint32_t i;
	size_t n;

	fresh();
	guard_succeeded(g, "alice", HOME, now);
	guess("alice", STRANGER, LIMIT);
	guess("root", STRANGER, LIMIT);
	try_names(STRANGER, LIMIT);
	for (i = 0; i < 3 * GUARD_ROOM; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16,
		    i >> 8 & 255, i & 255);
		guard_failed(g, name, peer, i + 1, now);
	}
	ok(guard_account_wait(g, "alice", "203.0.113.1", now) == LOCK &&
	    guard_account_wait(g, "root", "203.0.113.1", now) == LOCK &&
	    guard_peer_wait(g, STRANGER, now) == LOCK,
	    "50,000 fresh names and networks push out no lock");
	ok(guard_is_known(g, HOME, now) &&
	    guard_account_wait(g, "alice", HOME, now) == 0,
	    "nor where alice is at home");
	for (i = 0; i < GUARD_ROOM; i++) {
		snprintf(name, sizeof(name), "victim%u", i);
		snprintf(peer, sizeof(peer), "11.%u.%u.1", i >> 8, i & 255);
		guess(name, peer, LIMIT);
	}
	ok(guard_is_known(g, HOME, now) &&
	    guard_account_wait(g, "alice", HOME, now) == 0,
	    "nor do as many names that are locked");
	for (i = 0; i < 3 * GUARD_ROOM; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16,
		    i >> 8 & 255, i & 255);
		guard_succeeded(g, name, peer, now);
	}
	free(guard_pack(g, &n));
	printf("# %zu KB\n", n / 1024);
	ok(n < 5 * GUARD_ROOM * 100, "of those who log in the oldest go");
	ok(guard_is_known(g, peer, now), "the newest stay");
}

/* An account of one's own and a /48 full of addresses push out nobody else. */
static void
test_insider(void)
{
	char peer[64], name[32];
	uint32_t i, known = 0;

	fresh();
	guard_succeeded(g, "alice", HOME, now);
	guess("alice", STRANGER, LIMIT);
	for (i = 0; i < 2 * GUARD_ROOM; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:7:%x::1", i);
		guard_succeeded(g, "mallory", peer, now);
	}
	ok(guard_is_known(g, HOME, now), "32,768 networks of an insider's: "
	    "alice's address is still known");
	is_int(guard_account_wait(g, "alice", HOME, now), 0,
	    "and she at home there");
	ok(guard_is_known(g, peer, now), "so is his last one");
	for (i = 0; i < 2 * GUARD_ROOM; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:7:%x::1", i);
		known += guard_is_known(g, peer, now);
	}
	is_int(known, 1024, "and no more than his share");
	fresh();
	guess("alice", STRANGER, LIMIT - 1);
	for (i = 0; i < 3 * GUARD_ROOM; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16,
		    i >> 8 & 255, i & 255);
		guard_failed(g, name, peer, i + 1, now);
	}
	guess("alice", STRANGER, 1);
	ok(guard_account_wait(g, "alice", "203.0.113.1", now) > 0,
	    "50,000 made-up names do not make us forget nine guesses");
}

int
main(void)
{
	ev_init();
	ev_clock_fake(1000, now);
	log_set_sink(quiet);
	test_account();
	test_home();
	test_tokens();
	test_undecided();
	test_undecided_network();
	test_network();
	test_office();
	test_locks();
	test_trust();
	test_in_flight();
	test_token_names();
	test_version_1();
	test_version_1_lifted();
	test_many_locks();
	test_unseen();
	test_site();
	test_settings();
	test_disk();
	test_stuffing();
	test_room();
	test_insider();
	guard_free(&g);
	return tap_done();
}
