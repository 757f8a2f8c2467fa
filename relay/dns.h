/*
 * dns: where to deliver, by libunbound on our own loop, DNSSEC validated where
 * there is a trust anchor. A temporary trouble is never taken for a "no":
 * only an answer that says so (NXDOMAIN, null MX) fails mail for good.
 */
#ifndef RELAY_DNS_H
#define RELAY_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/conf.h"
#include "lib/ipc_msgs.h"

#define DNS_TARGETS_MAX	20	/* hosts and addresses tried for one domain */

struct dns_target {
	char	 host[256];		/* the MX's name, for certificate and logs */
	struct sockaddr_storage addr;	/* port filled in */
	socklen_t addr_len;
	char	 text[64];		/* the address, printed */
};

struct dns_answer {
	enum outcome outcome;		/* DELIVERED: there are targets */
	const char *status;		/* "4.4.3" and the like */
	char	 why[400];
	struct dns_target *targets;	/* best first */
	size_t	 n;
	bool	 secure;		/* DNSSEC vouches for the hosts' names */
};

struct dns_query;

/* The answer is the callee's until it returns. Called from the loop only. */
typedef void dns_cb(const struct dns_answer *, void *arg);

/* Before confinement, too: NULL, or what is wrong with a trust anchor. */
const char *dns_check(const char *trust_anchor);
/* Once, before confinement: reads resolv.conf, hosts and the trust anchor.
 * NULL or a sentence. */
const char *dns_setup(const struct conf_strs *resolvers,
	    const char *trust_anchor);
void	 dns_close(void);

/* The domain's mail servers, RFC 5321 5.1; null MX by RFC 7505. A domain in
 * UTF-8 is asked for by its A-labels, which is what answers speak of too.
 * Addresses that relay/reach.h does not take are left out, unless loopback. */
struct dns_query *dns_mx(const char *domain, uint16_t port, bool loopback,
	    dns_cb *, void *);
/* One host's addresses; an address literal is its own answer. */
struct dns_query *dns_host(const char *host, uint16_t port, dns_cb *, void *);
/* No answer is wanted any more; its callback will not run. */
void	 dns_cancel(struct dns_query **);

#endif
