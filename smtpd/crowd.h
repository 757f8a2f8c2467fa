/*
 * crowd: how many sessions each client address has open. An IPv6 client owns a
 * whole /64, so the first 64 bits count as one address; many a customer or
 * rented machine has a /48, 65,536 of them, so these sites are counted, too.
 */
#ifndef SMTPD_CROWD_H
#define SMTPD_CROWD_H

#include <stdint.h>

struct sockaddr;
struct crowd;

struct crowd_key {
	uint8_t	 bytes[8];	/* IPv4 mapped into the same space */
	uint8_t	 is_site;	/* a /48, the rest being zero */
};

enum crowd_verdict {
	CROWD_OK,
	CROWD_ADDRESS,		/* it has as many as it may */
	CROWD_SITE		/* its /48 has */
};

struct crowd *crowd_new(void);
void	 crowd_free(struct crowd **);

struct crowd_key crowd_key_of(const struct sockaddr *);
/* Counts one more, unless there are as many as there may be already. */
enum crowd_verdict crowd_enter(struct crowd *, struct crowd_key, uint32_t max,
	    uint32_t site_max);
void	 crowd_leave(struct crowd *, struct crowd_key);

#endif
