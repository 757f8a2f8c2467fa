/*
 * peers: the channels to the workers of smtpd. What they ask is read and judged
 * here; logins go to auth/exchange, devices that cannot log in to auth/lanes.
 */
#ifndef AUTH_PEERS_H
#define AUTH_PEERS_H

#include <stdint.h>

struct auth_conf;

/* The settings from now on, for exchanges, too; borrowed until the next call. */
void	 peers_conf(const struct auth_conf *);
/* A channel to that smtpd (takes fd); an older one to the same is closed. */
void	 peers_add(uint32_t index, int fd);
/* Ends all channels; answers that threads still owe go nowhere. */
void	 peers_stop(void);

#endif
