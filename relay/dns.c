/*
 * A query is a list of hosts, at first empty or one, each looked up for A and
 * AAAA. Facts about libunbound that shape this: its callback may run inside
 * the call that asks (a cached answer), so ours is always put off to the loop;
 * its rcode is 0 even for NXDOMAIN and bogus data, so `sec` and the packet's
 * own rcode are read; a dead forwarder takes 17 s, so there is a timer of ours.
 */
#include "lib/prelude.h"

#include <sys/random.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <idn2.h>
#include <netinet/in.h>
#include <resolv.h>
#include <unbound.h>
#include <unbound-event.h>

#include "lib/addr.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "relay/dns.h"
#include "relay/reach.h"

#define QUERY_SEC	20	/* in all, per domain */
#define HOSTS_MAX	10	/* MX hosts looked at; 100 would be an attack */
enum { SEC_BOGUS = 1, SEC_SECURE = 2 };	/* unbound-event.h's `sec` */

enum lookup_kind { LOOKUP_MX, LOOKUP_A, LOOKUP_AAAA };

/* One question to libunbound. */
struct lookup {
	struct dns_query *q;
	enum lookup_kind kind;
	size_t	 host;			/* of q->hosts, for A and AAAA */
	int	 async_id;
	bool	 busy;
};

struct host {
	char	 name[256];
	unsigned int preference;
	uint16_t shuffle;		/* random, among equal preferences */
	struct in_addr v4[8];
	struct in6_addr v6[8];
	size_t	 nv4, nv6;
};

struct dns_query {
	char	*domain;
	uint16_t port;
	dns_cb	*cb;
	void	*arg;
	struct host hosts[HOSTS_MAX];
	size_t	 nhosts;
	struct lookup lookups[1 + 2 * HOSTS_MAX];
	size_t	 nlookups, waiting;
	bool	 temporary;		/* some lookup failed for now */
	char	 trouble[200];		/* which and why */
	bool	 has_mx, null_mx, nxdomain, secure;
	bool	 one_host;		/* of a smarthost, no MX was asked for */
	bool	 anywhere;		/* loopback, too */
	char	 inside[INET6_ADDRSTRLEN]; /* an address that was left out */
	const char *unwritable;	/* why the domain has no form for DNS, or NULL */
	struct ev_timer limit, done;
};

static struct ub_ctx *ctx;

static void	ask(struct dns_query *, enum lookup_kind, size_t, const char *);
static void	one_done(struct dns_query *);

static const char bad_anchor[] = "the trust-anchor file has a line that is no DS "
    "or DNSKEY record; Debian's dns-root-data has a good one, "
    "/usr/share/dns/root.key";

/* --- set-up -------------------------------------------------------------------------- */

/* The file's lines: DS or DNSKEY records, remarks behind ';'. */
static const char *
add_anchors(struct ub_ctx *to, const char *text)
{
	char line[1024];
	size_t n, records = 0;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		line[strcspn(line, ";\r")] = '\0';
		if (line[strspn(line, " \t")] == '\0')
			continue;
		records++;
		if (n >= sizeof(line) || ub_ctx_add_ta(to, line) != 0)
			return bad_anchor;
	}
	return records > 0 ? NULL : "the trust-anchor file has no record";
}

/* libunbound keeps the lines, and reads them when it is first used. */
const char *
dns_check(const char *trust_anchor)
{
	struct ub_ctx *once;
	const char *why;

	if (*trust_anchor == '\0')
		return NULL;
	once = ub_ctx_create();
	if (once == NULL)
		return "libunbound does not start";
	ub_ctx_debugout(once, NULL);
	why = add_anchors(once, trust_anchor);
	if (why == NULL && ub_ctx_data_remove(once, "nothing.invalid.") != 0)
		why = bad_anchor;
	ub_ctx_delete(once);
	return why;
}

const char *
dns_setup(const struct conf_strs *resolvers, const char *trust_anchor)
{
	/* Names that libunbound answers itself, as a test's zone may need. */
	static const char *const unmask[] = { "test.", "invalid.",
	    "example.", "onion." };
	const char *why;
	size_t i;

	ctx = ub_ctx_create_event(ev_base());
	if (ctx == NULL)
		return "libunbound does not start";
	for (i = 0; i < resolvers->n; i++)
		if (ub_ctx_set_fwd(ctx, resolvers->v[i]) != 0)
			return "a resolver is no address; "
			    "write \"192.0.2.1\" or \"192.0.2.1@53\"";
	if (resolvers->n == 0 && ub_ctx_resolvconf(ctx, NULL) != 0)
		return "/etc/resolv.conf cannot be read; "
		    "name resolvers in the dns section";
	if (resolvers->n > 0)	/* a forwarder on loopback is meant */
		ub_ctx_set_option(ctx, "do-not-query-localhost:", "no");
	ub_ctx_hosts(ctx, NULL);
	if (*trust_anchor != '\0' && (why = add_anchors(ctx,
	    trust_anchor)) != NULL)
		return why;
	/* Last: this settles the context, which takes no options afterwards. */
	for (i = 0; resolvers->n > 0 && i < nitems(unmask); i++)
		ub_ctx_zone_remove(ctx, unmask[i]);
	return NULL;
}

void
dns_close(void)
{
	if (ctx != NULL)
		ub_ctx_delete(ctx);
	ctx = NULL;
}

/* --- answers -------------------------------------------------------------------------- */

static void
trouble(struct dns_query *q, const char *name, const char *why)
{
	q->temporary = true;
	snprintf(q->trouble, sizeof(q->trouble), "DNS lookup of %s: %s",
	    log_escs(name), why);
}

static void
add_host(struct dns_query *q, const char *name, unsigned int preference)
{
	struct host *h, *worst = NULL;
	size_t i;

	if (q->nhosts < HOSTS_MAX)
		h = &q->hosts[q->nhosts++];
	else {			/* keep the best of a hundred */
		for (i = 0; i < q->nhosts; i++)
			if (worst == NULL || q->hosts[i].preference >
			    worst->preference)
				worst = &q->hosts[i];
		if (worst->preference <= preference)
			return;
		h = worst;
	}
	memset(h, 0, sizeof(*h));
	snprintf(h->name, sizeof(h->name), "%s", name);
	h->preference = preference;
	if (getrandom(&h->shuffle, sizeof(h->shuffle), 0) == -1)
		h->shuffle = 0;
}

/* A host name as DNS gave it; some people write an address there. */
static bool
usable_host(char *name)
{
	size_t n = strlen(name);

	if (n > 0 && name[n - 1] == '.')
		name[--n] = '\0';
	return addr_is_domain(name, n, 0);
}

static void
take_mx(struct dns_query *q, ns_msg *m, const ns_rr *rr)
{
	const uint8_t *d = ns_rr_rdata(*rr);
	char name[NS_MAXDNAME];

	if (ns_rr_rdlen(*rr) < 3 || ns_name_uncompress(ns_msg_base(*m),
	    ns_msg_end(*m), d + 2, name, sizeof(name)) < 0)
		return;
	q->has_mx = true;
	if (strcmp(name, ".") == 0 || *name == '\0')
		q->null_mx = true;
	else if (strlen(name) < sizeof(q->hosts[0].name) && usable_host(name))
		add_host(q, name, (unsigned int)d[0] << 8 | d[1]);
}

static void
take_address(struct host *h, const ns_rr *rr)
{
	if (ns_rr_type(*rr) == ns_t_a && ns_rr_rdlen(*rr) == 4 &&
	    h->nv4 < nitems(h->v4))
		memcpy(&h->v4[h->nv4++], ns_rr_rdata(*rr), 4);
	if (ns_rr_type(*rr) == ns_t_aaaa && ns_rr_rdlen(*rr) == 16 &&
	    h->nv6 < nitems(h->v6))
		memcpy(&h->v6[h->nv6++], ns_rr_rdata(*rr), 16);
}

static const ns_type types[] = { ns_t_mx, ns_t_a, ns_t_aaaa };

/* CNAMEs on the way are libunbound's affair: it has followed them. */
static void
take_records(struct lookup *l, ns_msg *m)
{
	struct dns_query *q = l->q;
	ns_rr rr;
	int i;

	for (i = 0; i < ns_msg_count(*m, ns_s_an); i++) {
		if (ns_parserr(m, ns_s_an, i, &rr) != 0)
			break;
		if (ns_rr_type(rr) != types[l->kind])
			continue;
		if (l->kind == LOOKUP_MX)
			take_mx(q, m, &rr);
		else
			take_address(&q->hosts[l->host], &rr);
	}
}

static const char *
lookup_name(const struct lookup *l)
{
	return l->kind == LOOKUP_MX ? l->q->domain :
	    l->q->hosts[l->host].name;
}

static void
read_packet(struct lookup *l, const void *packet, int len, int sec,
    const char *why_bogus)
{
	ns_msg m;
	int rcode;

	if (sec == SEC_BOGUS) {		/* the data is there, and a lie */
		trouble(l->q, lookup_name(l), why_bogus != NULL ?
		    log_escs(why_bogus) : "DNSSEC validation failed");
		return;
	}
	if (packet == NULL || ns_initparse(packet, len, &m) != 0) {
		trouble(l->q, lookup_name(l), "no usable answer");
		return;
	}
	if (l->kind == LOOKUP_MX)
		l->q->secure = sec == SEC_SECURE;
	rcode = ns_msg_getflag(m, ns_f_rcode);
	if (rcode == ns_r_nxdomain) {
		if (l->kind == LOOKUP_MX || l->q->one_host)
			l->q->nxdomain = true;
	} else if (rcode != ns_r_noerror)
		trouble(l->q, lookup_name(l), rcode == ns_r_servfail ?
		    "server failure (SERVFAIL)" : "the resolver refused");
	else
		take_records(l, &m);
}

static void
unbound_cb(void *arg, int rcode, void *packet, int len, int sec,
    char *why_bogus, int was_ratelimited)
{
	struct lookup *l = arg;

	l->busy = false;
	if (rcode != 0)
		trouble(l->q, lookup_name(l), "server failure");
	else
		read_packet(l, packet, len, sec, why_bogus);
	one_done(l->q);
}

static void
ask(struct dns_query *q, enum lookup_kind kind, size_t host, const char *name)
{
	struct lookup *l = &q->lookups[q->nlookups++];
	int r;

	*l = (struct lookup){ .q = q, .kind = kind, .host = host,
	    .busy = true };
	q->waiting++;
	r = ub_resolve_event(ctx, name, (int)types[kind], ns_c_in, l,
	    unbound_cb, &l->async_id);
	if (r != 0) {
		l->busy = false;
		trouble(q, name, ub_strerror(r));
		one_done(q);
	}
}

/* --- the course of a query ------------------------------------------------------------- */

static void
ask_addresses(struct dns_query *q)
{
	size_t i, n = q->nhosts;

	q->waiting++;			/* ours, until all are asked */
	for (i = 0; i < n; i++) {
		ask(q, LOOKUP_AAAA, i, q->hosts[i].name);
		ask(q, LOOKUP_A, i, q->hosts[i].name);
	}
	one_done(q);
}

static void
one_done(struct dns_query *q)
{
	if (--q->waiting > 0)
		return;
	/* The MX lookup is over; no MX: the domain itself (RFC 5321 5.1). */
	if (q->nlookups == 1 && q->lookups[0].kind == LOOKUP_MX &&
	    !q->temporary && !q->nxdomain && (q->nhosts > 0 || !q->has_mx)) {
		if (!q->has_mx)
			add_host(q, q->domain, 0);
		ask_addresses(q);
		return;
	}
	ev_timer_set(&q->done, 0);
}

static int
by_preference(const void *a, const void *b)
{
	const struct host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return (x->shuffle > y->shuffle) - (x->shuffle < y->shuffle);
}

static void
add_target(struct dns_query *q, struct dns_answer *a, const struct host *h,
    int family, const void *addr)
{
	struct dns_target *t = &a->targets[a->n];
	struct sockaddr_in *v4 = (struct sockaddr_in *)&t->addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&t->addr;

	if (!q->anywhere && !reach_is_outside(family, addr)) {
		inet_ntop(family, addr, q->inside, sizeof(q->inside));
		return;
	}
	if (a->n == DNS_TARGETS_MAX)
		return;
	a->n++;
	memset(t, 0, sizeof(*t));
	snprintf(t->host, sizeof(t->host), "%s", h->name);
	inet_ntop(family, addr, t->text, sizeof(t->text));
	if (family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(q->port);
		memcpy(&v4->sin_addr, addr, sizeof(v4->sin_addr));
		t->addr_len = sizeof(*v4);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(q->port);
		memcpy(&v6->sin6_addr, addr, sizeof(v6->sin6_addr));
		t->addr_len = sizeof(*v6);
	}
}

static void
collect(struct dns_query *q, struct dns_answer *a)
{
	size_t i, k;

	qsort(q->hosts, q->nhosts, sizeof(q->hosts[0]), by_preference);
	for (i = 0; i < q->nhosts; i++) {
		const struct host *h = &q->hosts[i];

		for (k = 0; k < h->nv6; k++)
			add_target(q, a, h, AF_INET6, &h->v6[k]);
		for (k = 0; k < h->nv4; k++)
			add_target(q, a, h, AF_INET, &h->v4[k]);
	}
}

static void
verdict(struct dns_query *q, struct dns_answer *a)
{
	const char *name = log_escs(q->domain);

	if (a->n > 0) {
		a->outcome = OUTCOME_DELIVERED;
		a->status = "2.0.0";
	} else if (q->unwritable != NULL) {
		a->outcome = OUTCOME_FAILED;
		a->status = "5.1.2";
		snprintf(a->why, sizeof(a->why),
		    "%s is no domain name: %s", name, q->unwritable);
	} else if (q->temporary) {
		a->outcome = OUTCOME_DEFERRED;
		a->status = "4.4.3";
		snprintf(a->why, sizeof(a->why), "%s", q->trouble);
	} else if (q->null_mx) {
		a->outcome = OUTCOME_FAILED;
		a->status = "5.1.10";
		snprintf(a->why, sizeof(a->why),
		    "domain %s does not accept mail (null MX)", name);
	} else if (q->nxdomain) {
		a->outcome = OUTCOME_FAILED;
		a->status = "5.1.2";
		snprintf(a->why, sizeof(a->why), "%s %s does not exist",
		    q->one_host ? "host" : "domain", name);
	} else if (*q->inside != '\0') {
		a->outcome = OUTCOME_FAILED;
		a->status = "5.4.4";
		snprintf(a->why, sizeof(a->why), "no mail server of %s can be "
		    "reached: %s is no public address", name, q->inside);
	} else {
		a->outcome = OUTCOME_FAILED;
		a->status = "5.4.4";
		snprintf(a->why, sizeof(a->why), q->one_host ?
		    "host %s has no address" :
		    "no mail server of %s has an address", name);
	}
}

static void
query_free(struct dns_query *q)
{
	size_t i;

	for (i = 0; i < q->nlookups; i++)
		if (q->lookups[i].busy)
			ub_cancel(ctx, q->lookups[i].async_id);
	ev_timer_cancel(&q->limit);
	ev_timer_cancel(&q->done);
	free(q->domain);
	free(q);
}

static void
done_cb(void *arg)
{
	struct dns_query *q = arg;
	struct dns_target targets[DNS_TARGETS_MAX];
	struct dns_answer a = { .targets = targets, .secure = q->secure };

	collect(q, &a);
	verdict(q, &a);
	q->cb(&a, q->arg);
	query_free(q);
}

/* What has come so far must do. */
static void
limit_cb(void *arg)
{
	struct dns_query *q = arg;

	trouble(q, q->domain, "no answer in time");
	done_cb(q);
}

/*
 * A domain in UTF-8 is known to DNS by its A-labels (RFC 5891); the mapping is
 * that of browsers (UTS 46), so that upper case may be written. Without the
 * STD3 flag, which would take the '_' out of names.
 */
static void
set_domain(struct dns_query *q, const char *domain)
{
	char *ascii = NULL;
	const char *p;
	int r;

	for (p = domain; (uint8_t)*p < 0x80; p++)
		if (*p == '\0') {
			q->domain = xstrdup(domain);
			return;
		}
	r = idn2_to_ascii_8z(domain, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r != IDN2_OK)
		q->unwritable = idn2_strerror(r);
	q->domain = xstrdup(r == IDN2_OK ? ascii : domain);
	idn2_free(ascii);
}

static struct dns_query *
query_new(const char *domain, uint16_t port, dns_cb *cb, void *arg)
{
	struct dns_query *q = xcalloc(1, sizeof(*q));

	set_domain(q, domain);
	q->port = port;
	q->cb = cb;
	q->arg = arg;
	ev_timer_init(&q->limit, limit_cb, q);
	ev_timer_init(&q->done, done_cb, q);
	ev_timer_set(&q->limit, QUERY_SEC * 1000);
	return q;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" or the bare address: no lookup. */
static bool
literal(struct dns_query *q)
{
	char text[INET6_ADDRSTRLEN + 8];
	const char *s = q->domain;
	size_t n = strlen(s);
	struct host *h = &q->hosts[0];

	if (n > 2 && s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
		if (n > 5 && strncasecmp(s, "IPv6:", 5) == 0) {
			s += 5;
			n -= 5;
		}
	}
	if (n >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)n, s);
	if (inet_pton(AF_INET, text, &h->v4[0]) == 1)
		h->nv4 = 1;
	else if (inet_pton(AF_INET6, text, &h->v6[0]) == 1)
		h->nv6 = 1;
	else
		return false;
	snprintf(h->name, sizeof(h->name), "%s", text);
	q->nhosts = 1;
	q->secure = true;	/* there is no name between */
	return true;
}

struct dns_query *
dns_mx(const char *domain, uint16_t port, bool loopback, dns_cb *cb, void *arg)
{
	struct dns_query *q = query_new(domain, port, cb, arg);

	q->anywhere = loopback;
	if (q->unwritable != NULL || literal(q))
		ev_timer_set(&q->done, 0);
	else
		ask(q, LOOKUP_MX, 0, q->domain);
	return q;
}

struct dns_query *
dns_host(const char *host, uint16_t port, dns_cb *cb, void *arg)
{
	struct dns_query *q = query_new(host, port, cb, arg);

	q->anywhere = true;	/* the admin has named it */
	if (q->unwritable != NULL || literal(q)) {
		ev_timer_set(&q->done, 0);
		return q;
	}
	q->one_host = true;
	add_host(q, q->domain, 0);
	ask_addresses(q);
	return q;
}

void
dns_cancel(struct dns_query **qp)
{
	if (*qp != NULL)
		query_free(*qp);
	*qp = NULL;
}
