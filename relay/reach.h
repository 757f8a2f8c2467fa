/*
 * reach: which addresses may be somebody's mail server. DNS is written by
 * strangers: an MX that points to this machine, or into the air, would have us
 * talk to our own services. Pure.
 */
#ifndef RELAY_REACH_H
#define RELAY_REACH_H

#include <stdbool.h>

/*
 * family: AF_INET or AF_INET6, addr: a struct in_addr or in6_addr. False for
 * this machine's loopback, "this network" and link-local addresses, multicast
 * and what is reserved, also where IPv6 holds an IPv4 address. Private networks
 * are fine: mail is carried in many.
 */
bool	 reach_is_outside(int family, const void *addr);

#endif
