/*
 * tokens: the channel to postern-fetch, which says whose a token is. Nothing
 * of a token is looked at here: who made it, for whom and until when are read
 * in a process that holds no password.
 */
#ifndef AUTH_TOKENS_H
#define AUTH_TOKENS_H

struct auth_conf;

/* Borrowed until the next call. */
void	 tokens_conf(const struct auth_conf *);
/* A channel to fetch; replaces an older one. */
void	 tokens_peer(int fd);
void	 tokens_stop(void);

#endif
