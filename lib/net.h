/*
 * net: addresses and networks as people write them, "10.0.0.1", "10.0.0.0/8",
 * "2001:db8::/32". IPv4 addresses are kept as IPv6 knows them, so an IPv4 peer
 * on an IPv6 socket is the same peer.
 */
#ifndef LIB_NET_H
#define LIB_NET_H

#include <stdbool.h>
#include <stdint.h>

#define NET_TEXT_LEN 46		/* INET6_ADDRSTRLEN */
#define NET_PREFIX_LEN (NET_TEXT_LEN + 4)

struct sockaddr;

struct net {
	uint8_t	 bytes[16];
	unsigned int bits;	/* that count, 0..128 */
};

/* False when it is neither, or has bits set behind its prefix. */
bool	 net_parse(const char *, struct net *);
/* One that a host may have as its own: not ::, 0.0.0.0, multicast, broadcast. */
bool	 net_is_host(const struct net *);
bool	 net_is_loopback(const struct net *);
/* Whether a host, by name or address, is this machine for sure. */
bool	 net_stays_here(const char *host);
/* As net_text() would write a peer of that address. */
const char *net_print(const struct net *, char text[NET_TEXT_LEN]);
/* A network, "10.0.0.0/8"; an address alone without its prefix. */
const char *net_print_prefix(const struct net *, char text[NET_PREFIX_LEN]);
/* Whether all of the other one lies in it. */
bool	 net_covers(const struct net *, const struct net *other);
/* False for what is no IP address. */
bool	 net_holds(const struct net *, const struct sockaddr *);
/* "192.0.2.1", an IPv4 peer of an IPv6 socket too; "local" for no IP address. */
const char *net_text(const struct sockaddr *, char text[NET_TEXT_LEN]);

/*
 * TCP_NODELAY: a reply does not wait for the peer's acknowledgement of the last
 * one, which would take it 40 ms. What a listener accepts inherits it.
 */
void	 net_no_delay(int fd);

#endif
