/*
 * caps: what each account has used, and what its cap still allows. Windows
 * slide; nothing here reads a clock, sleeps or logs. Times are those of
 * clock_steady_ms() and never run backwards.
 *
 * Use is kept per account in slots of a minute for windows of an hour and
 * more, of a second for shorter ones. A slot counts until its last moment has
 * left the window, so that a cap is never exceeded; it may hold back up to one
 * slot too long. Nothing is stored here: every charge stands in a message's
 * record, and caps_replay() brings it back after a restart.
 */
#ifndef QUEUE_CAPS_H
#define QUEUE_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/num.h"

#define CAPS_DEFAULT "default"

struct caps;

struct caps *caps_new(void);
void	 caps_free(struct caps **);
/* A list of struct conf_cap, borrowed until the next call. */
void	 caps_configure(struct caps *, const struct conf_list *);
/* How far back the longest window of the configuration looks, slots included. */
uint32_t caps_back_sec(const struct caps *);
/* What an account used in the minute that began at start_ms; in any order of
 * accounts, but in order of time within one. */
void	 caps_replay(struct caps *, const char *account, uint64_t start_ms,
	    const uint64_t used[LIMIT_KINDS], uint64_t now_ms);

enum caps_verdict {
	CAPS_OK,
	CAPS_LATER,		/* over for now; retry_sec says until when */
	CAPS_NEVER		/* more than the limit allows in a whole window */
};

struct caps_refusal {
	const struct conf_limit *limit;	/* the one that holds longest */
	uint64_t used;		/* in its window, without what was asked for */
	uint64_t retry_sec;	/* at least 1 */
};

/* The cap of this name, else the one called "default"; never NULL. */
const struct conf_cap *caps_find(const struct caps *, const char *name);
/* Whether these amounts could be charged now. *why is set unless CAPS_OK. */
enum caps_verdict caps_check(const struct caps *, const struct conf_cap *,
	    const char *account, const uint64_t amount[LIMIT_KINDS],
	    uint64_t now_ms, struct caps_refusal *why);
/* Recipients that could be charged now, at most max; by the limits alone. */
uint32_t caps_recipients_left(const struct caps *, const struct conf_cap *,
	    const char *account, uint64_t now_ms, uint32_t max);
/* Adds to what was used, whatever the cap says: check comes first. */
void	 caps_charge(struct caps *, const struct conf_cap *, const char *account,
	    const uint64_t amount[LIMIT_KINDS], uint64_t now_ms);
/* Takes back what was charged then: there was no message. */
void	 caps_take_back(struct caps *, const char *account,
	    const uint64_t amount[LIMIT_KINDS], uint64_t charged_ms);

/* What stands in a window that ends now. */
void	 caps_used(const struct caps *, const char *account,
	    uint32_t window_sec, uint64_t now_ms, uint64_t used[LIMIT_KINDS]);
/*
 * The name of the cap it was last charged under; "" if that was before this
 * process's life, NULL if nothing of it is left to be counted.
 */
const char *caps_last(const struct caps *, const char *account);
/* Each account that has used anything, in no order. */
void	 caps_each(const struct caps *,
	    void (*)(const char *account, void *), void *arg);
/* Frees what no window reaches any more; now and then. */
void	 caps_sweep(struct caps *, uint64_t now_ms);

/* "recipients", and so on; for limits in rows and logs. */
extern const char *const caps_kinds[LIMIT_KINDS];
/* "30 messages", "1 recipient", "1.5 MB": for people. */
const char *caps_amount(uint32_t kind, uint64_t n, char text[NUM_TEXT_LEN]);

#endif
