/*
 * provider: the keys of the one provider. From a file, or as the issuer
 * publishes them (OpenID Connect Discovery 4): looked at every hour, and when
 * somebody asks for a newer set, though not more often than each ten seconds.
 * While the provider is down its last keys serve on, for a day.
 */
#ifndef FETCH_PROVIDER_H
#define FETCH_PROVIDER_H

#include "fetch/jwks.h"

struct fetch_conf;

#define PROVIDER_EVERY_MS	(3600 * 1000)
#define PROVIDER_AGAIN_MS	(60 * 1000)	/* after a failure */
#define PROVIDER_REST_MS	(10 * 1000)	/* between two looks */
#define PROVIDER_KEPT_MS	(24 * 3600 * 1000)

/*
 * The settings from now on, borrowed; fixed: keys from a file, taken over, or
 * NULL. Nothing is fetched before provider_start(). changed is called, from the
 * loop, after each look at the provider, whatever came of it.
 */
void	 provider_conf(const struct fetch_conf *, struct jwks *fixed,
	    void (*changed)(void));
void	 provider_start(void);
void	 provider_stop(void);

/* What counts now; NULL: nothing does, provider_trouble() says why. */
const struct jwks *provider_keys(void);
/* When they came, on the wall clock; 0: from a file, or there are none. */
uint64_t provider_fetched_ms(void);
/* "" when the last look went well. */
const char *provider_trouble(void);
/* Whether one looks now; else it was just done, or there is a file. */
bool	 provider_look(void);

#endif
