/*
 * load_session: one connection of the load generator, from connect() to QUIT:
 * greeting, EHLO, TLS, AUTH PLAIN, and so many messages. Any reply that is not
 * the hoped-for one ends it and is counted.
 */
#ifndef TESTS_BENCH_LOAD_SESSION_H
#define TESTS_BENCH_LOAD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/tally.h"

#define STALL_US	38000	/* a delayed ACK takes 40 ms */

struct addrinfo;
struct ssl_ctx_st;

enum load_tls { LOAD_CLEAR, LOAD_STARTTLS, LOAD_IMPLICIT };

struct load_conf {
	const struct addrinfo *to;	/* the server's */
	enum load_tls tls;
	struct ssl_ctx_st *ctx;
	const char *user, *password;	/* NULL: no AUTH */
	const char *from, *domain;	/* recipients are r0@domain, r1@... */
	uint32_t run;
	uint32_t rcpts;			/* of a message */
	size_t	 bytes;			/* of a message, about */
	uint64_t per_session;		/* messages; 0: QUIT after the login */
	bool	 pipelining;
	bool	 idle;			/* stay after the login */
	uint64_t rate;			/* messages a second; 0: what goes */
	size_t	 large;			/* bytes of each hundredth; 0: as all */
};

/* Numbers of messages. */
struct load_list {
	uint32_t *v;			/* owned */
	size_t	 n, size;
};

struct load {
	struct load_conf conf;
	char	*text;			/* the body, as long as the largest */
	uint64_t todo;			/* messages that no session has taken on */
	uint32_t begun;			/* messages: the next one's number */
	uint64_t accepted, refused;	/* messages */
	uint64_t sessions, broken;
	uint64_t stalls;		/* replies behind STALL_US */
	char	 first_error[256];	/* what was not hoped for, at first */
	/*
	 * With a rate: each message is sent until it is accepted, but where its
	 * answer was lost; whether that one was taken only the sink can say.
	 */
	uint64_t next_us;		/* when the next message is due */
	uint64_t codes[600];		/* of what was not hoped for; 0: no reply */
	struct load_list again, unsaid;
	bool	 ending;
	struct tally ready, message, session;
	/* A session is over, in order or not; the next may begin. */
	void	(*over)(bool broken);
	/* One is logged in and idle. */
	void	(*idle)(void);
};

/* Begins one; it frees itself and then calls over. */
void	 load_session_new(struct load *);
void	 load_list_add(struct load_list *, uint32_t);

#endif
