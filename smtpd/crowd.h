/*
 * crowd: how many sessions each client address has open. An IPv6 client owns a
 * whole /64, so the first 64 bits count as one address.
 */
#ifndef SMTPD_CROWD_H
#define SMTPD_CROWD_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;
struct crowd;

struct crowd_key {
	uint8_t	 bytes[8];	/* IPv4 mapped into the same space */
};

struct crowd *crowd_new(void);
void	 crowd_free(struct crowd **);

struct crowd_key crowd_key_of(const struct sockaddr *);
/* Counts one more; false and not counted when there are max already. */
bool	 crowd_enter(struct crowd *, struct crowd_key, uint32_t max);
void	 crowd_leave(struct crowd *, struct crowd_key);

#endif
