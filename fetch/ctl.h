/* ctl: posternctl's verb about tokens: is the provider well? */
#ifndef FETCH_CTL_H
#define FETCH_CTL_H

#include <stddef.h>
#include <stdint.h>

struct fetch_conf;

/* The settings from now on; borrowed. */
void	 ctl_conf(const struct fetch_conf *);
/* child_ops.ctl */
void	 ctl_request(uint64_t id, size_t argc, const char *const *argv,
	    const uint8_t *secret, size_t secret_len);

#endif
