/*
 * A hash table with chains: as many entries as there are addresses with a
 * session, and their sites, which the session limit bounds. The seed keeps strangers from
 * choosing addresses that meet in one chain.
 */
#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "smtpd/crowd.h"

#define BUCKETS 1024

struct entry {
	LIST_ENTRY(entry) link;
	struct crowd_key key;
	uint32_t sessions;
};

struct crowd {
	LIST_HEAD(, entry) buckets[BUCKETS];
	uint64_t seed;
};

struct crowd *
crowd_new(void)
{
	struct crowd *c = xcalloc(1, sizeof(*c));

	if (getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed))
		fatal("getrandom");
	c->seed |= 1;
	return c;
}

void
crowd_free(struct crowd **cp)
{
	struct crowd *c = *cp;
	struct entry *e;
	size_t i;

	if (c == NULL)
		return;
	*cp = NULL;
	for (i = 0; i < BUCKETS; i++)
		while ((e = LIST_FIRST(&c->buckets[i])) != NULL) {
			LIST_REMOVE(e, link);
			free(e);
		}
	free(c);
}

struct crowd_key
crowd_key_of(const struct sockaddr *sa)
{
	struct crowd_key k = { .is_site = 0 };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		/* No /64 in use begins with 0xff 0xff: that is multicast. */
		memset(k.bytes, 0xff, 4);
		memcpy(k.bytes + 4, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			memset(k.bytes, 0xff, 4);
			memcpy(k.bytes + 4, in6->sin6_addr.s6_addr + 12, 4);
		} else
			memcpy(k.bytes, &in6->sin6_addr, sizeof(k.bytes));
	}
	return k;
}

static size_t
bucket_of(const struct crowd *c, struct crowd_key k)
{
	uint64_t x;

	memcpy(&x, k.bytes, sizeof(x));
	x += k.is_site;
	x = (x ^ c->seed) * 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 32)) * c->seed;
	return (x >> 40) % BUCKETS;
}

static struct entry *
find(struct crowd *c, struct crowd_key k)
{
	struct entry *e;

	LIST_FOREACH(e, &c->buckets[bucket_of(c, k)], link)
		if (memcmp(&e->key, &k, sizeof(k)) == 0)
			return e;
	return NULL;
}

static uint32_t
count(struct crowd *c, struct crowd_key k)
{
	const struct entry *e = find(c, k);

	return e == NULL ? 0 : e->sessions;
}

static void
enter(struct crowd *c, struct crowd_key k)
{
	struct entry *e = find(c, k);

	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->key = k;
		LIST_INSERT_HEAD(&c->buckets[bucket_of(c, k)], e, link);
	}
	e->sessions++;
}

static void
leave(struct crowd *c, struct crowd_key k)
{
	struct entry *e = find(c, k);

	if (e == NULL)
		fatalx("crowd: an address left that had not come");
	if (--e->sessions > 0)
		return;
	LIST_REMOVE(e, link);
	free(e);
}

/* The /48 around it; false: it is IPv4 and has none. */
static bool
site_of(struct crowd_key k, struct crowd_key *site)
{
	static const uint8_t ipv4[4] = { 0xff, 0xff, 0xff, 0xff };

	*site = k;
	memset(site->bytes + 6, 0, 2);
	site->is_site = 1;
	return memcmp(k.bytes, ipv4, sizeof(ipv4)) != 0;
}

enum crowd_verdict
crowd_enter(struct crowd *c, struct crowd_key k, uint32_t max,
    uint32_t site_max)
{
	struct crowd_key site;
	bool has_site = site_of(k, &site);

	if (count(c, k) >= max)
		return CROWD_ADDRESS;
	if (has_site && count(c, site) >= site_max)
		return CROWD_SITE;
	enter(c, k);
	if (has_site)
		enter(c, site);
	return CROWD_OK;
}

void
crowd_leave(struct crowd *c, struct crowd_key k)
{
	struct crowd_key site;

	leave(c, k);
	if (site_of(k, &site))
		leave(c, site);
}
