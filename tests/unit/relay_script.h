/*
 * relay_script: one message to a next hop that follows a script
 * (relay_hop.h); what matters is each recipient's outcome.
 */
#ifndef TESTS_UNIT_RELAY_SCRIPT_H
#define TESTS_UNIT_RELAY_SCRIPT_H

#include "tests/unit/relay_hop.h"
#include "tests/unit/relay_world.h"

#define STEPS_MAX 64

struct script {
	const char *name;
	const char *want;	/* per recipient: D deferred, F failed, O ok */
	const char *status;	/* of the first recipient */
	const char *steps[STEPS_MAX];
	const char *says;	/* in its diagnostic, or NULL */
	struct world_msg msg;
	struct world_route route;	/* host and port filled in */
	SSL_CTX	*ctx;
};

#define AS(name_, want_, status_) .name = name_, .want = want_, \
	.status = status_
#define HELLO "S:220 sink ESMTP", "C:EHLO relay.test"
#define PLAIN HELLO, "S:250 sink"
#define PIPED HELLO, "S:250-sink", "S:250-8BITMIME", "S:250 PIPELINING"
#define MAIL "C:MAIL FROM:<a@b.test>"
#define MAIL_RCPTS MAIL, "C:RCPT TO:<one@c.test>", \
	"C:RCPT TO:<two@c.test>", "C:DATA"
#define OKS "S:250 ok", "S:250 ok", "S:250 ok", "S:354 go"
#define BODY "C:Subject: x", "C:", "C:..dot", "C:text", "C:."
#define BYE "C:QUIT", "S:221 bye"

__attribute__((unused)) static void
run(const struct script *s)
{
	struct hop hop = { .steps = s->steps, .ctx = s->ctx };
	struct world_route route = s->route;
	struct pool *pool;
	pthread_t thread;

	route.port = hop_listen(&hop.listener);
	if (route.tls == ROUTE_TLS_NONE && route.user == NULL)
		route.tls = ROUTE_TLS_MAY;
	pool = world_pool(&route);
	pthread_create(&thread, NULL, hop_serve, &hop);
	pool_deliver(pool, world_message(&s->msg));
	world_wait(1);
	world_stop(pool);
	pthread_join(thread, NULL);
	close(hop.listener);
	is_str(heard.outcomes, s->want, "%s: the outcomes", s->name);
	is_str(heard.status[0], s->status, "%s: the status", s->name);
	if (s->says != NULL && !ok(strstr(heard.diag[0], s->says) != NULL,
	    "%s: says \"%s\"", s->name, s->says))
		printf("# %s\n", heard.diag[0]);
	is_str(hop.trouble, "", "%s: the dialog", s->name);
}

#endif
