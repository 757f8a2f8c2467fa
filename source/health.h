/*
 * health: when a source that keeps failing is left alone. One failure may be
 * anybody's; from the second in a row on nobody waits for it, for 2, 4, 8, 16,
 * 30 seconds and so on, and between two pauses one question tries it. Pure
 * functions; times are monotonic milliseconds.
 */
#ifndef SOURCE_HEALTH_H
#define SOURCE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct health {
	uint32_t failures;	/* in a row */
	uint64_t failed_ms;	/* the last that counted */
	uint64_t alone_ms;	/* until then nobody asks */
	bool	 trying;	/* a question is on its way that tries it */
};

/* Whether to ask it now; marks that this question tries it. */
bool	 health_ask(struct health *, uint64_t now_ms);
/* True: it was failing until now. */
bool	 health_good(struct health *);
/*
 * A question of then has failed. The milliseconds that the source is left alone
 * from now on; 0: as before. Questions that were under way together count once.
 */
uint64_t health_bad(struct health *, uint64_t asked_ms, uint64_t now_ms);
/* What tried it came to nothing: the next one may. */
void	 health_untried(struct health *);

#endif
