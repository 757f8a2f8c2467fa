/*
 * ctl: posternctl's account verbs. Checked in the loop, carried out in a
 * thread (a password costs milliseconds, a change waits for the disk), and
 * answered from the loop. A long listing goes in pieces, at the reader's pace.
 */
#ifndef AUTH_CTL_H
#define AUTH_CTL_H

#include <stddef.h>
#include <stdint.h>

struct accounts;
struct auth_conf;

/* From now on: where accounts are, and the settings; both borrowed. */
void	 ctl_conf(struct accounts *, const struct auth_conf *);
/*
 * Looks through all accounts, in a thread, and logs warnings: of caps that the
 * settings do not have (any more), "default" counts for them; of mechanisms
 * that they have no verifier for.
 */
void	 ctl_look_over(void);
/* child_ops.ctl */
void	 ctl_request(uint64_t id, size_t argc, const char *const *argv,
	    const uint8_t *secret, size_t secret_len);

#endif
