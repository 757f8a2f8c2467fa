/*
 * revoked: logins that no longer count, because their account or device was
 * removed or has a new password. Whose they are: "account" for all of it,
 * "account/label" for one device, "account/" for the account's own password.
 * auth says so and queue obeys; each keeps what it knows and tells the other when
 * their channel is new, so that the word outlives either of them. Times are
 * ev_now_ms()'s, which all processes share; a row is forgotten when the last
 * ticket it can concern has expired.
 */
#ifndef LIB_REVOKED_H
#define LIB_REVOKED_H

#include <sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/ipc.h"

#define REVOKED_BUCKETS	256

struct revoked_row {
	LIST_ENTRY(revoked_row) link;
	uint64_t before_ms;		/* logins begun until then are void */
	uint64_t until_ms;		/* the row matters */
	char	 whose[];
};

struct revoked {
	LIST_HEAD(, revoked_row) buckets[REVOKED_BUCKETS];
	size_t	 n;
	uint64_t sweep_ms;
};

void	 revoked_init(struct revoked *);
void	 revoked_clear(struct revoked *);
/* Of two words about the same the later one counts. */
void	 revoked_add(struct revoked *, const char *whose, uint64_t before_ms,
	    uint64_t until_ms);
/* Whether a login of theirs that began then is void. */
bool	 revoked_has(const struct revoked *, const char *whose,
	    uint64_t begun_ms);

/* M_REVOKE for one row, for all there are; and read into the table, -1 on
   a misfit. */
void	 revoked_send(struct ipc *, const char *whose, uint64_t before_ms,
	    uint64_t until_ms);
void	 revoked_send_all(const struct revoked *, struct ipc *);
int	 revoked_get(struct revoked *, struct ipc_in *);

#endif
