/*
 * proxy: the PROXY protocol, versions 1 and 2, in which a load balancer says
 * before the first byte of a connection who is at its other end. Pure: bytes
 * in; whether the speaker may be believed is the caller's business.
 */
#ifndef LIB_PROXY_H
#define LIB_PROXY_H

#include <sys/socket.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Version 1 has 107 bytes at most, version 2 some addresses and what proxies
   like to add to them. */
#define PROXY_MAX	1024

enum proxy_got {
	PROXY_MORE,		/* all bytes belong to it, and some are missing */
	PROXY_DONE,		/* *used bytes were it */
	PROXY_BAD		/* it is none, or an impossible one */
};

struct proxy {
	bool	 has_source;	/* else the connection is the proxy's own, or
				   its source is nothing that we know */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} source;
};

enum proxy_got proxy_parse(const uint8_t *, size_t n, size_t *used,
	    struct proxy *);

#endif
