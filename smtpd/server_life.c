#include "lib/prelude.h"

#include "smtpd/answers.h"
#include "smtpd/crowd.h"
#include "smtpd/extensions.h"
#include "smtpd/leaving.h"
#include "smtpd/proxied.h"
#include "smtpd/session_private.h"
#include "smtpd/tls.h"

#define ID_COUNTER_BITS 40	/* above it: the process, 22 bits on Linux */

void
server_init(struct server *srv, const struct smtpd_conf *conf)
{
	size_t i;

	memset(srv, 0, sizeof(*srv));
	srv->conf = conf;
	srv->extensions = EXT_OFFERED;
	srv->crowd = crowd_new();
	srv->last_id = (uint64_t)getpid() << ID_COUNTER_BITS;
	LIST_INIT(&srv->proxied);
	LIST_INIT(&srv->leaving);
	upstream_init(&srv->auth, srv, ROLE_AUTH, &answers_ops);
	upstream_init(&srv->queue, srv, ROLE_QUEUE, &answers_ops);
	for (i = 0; i < SERVER_BUCKETS; i++)
		LIST_INIT(&srv->by_id[i]);
}

static void
end_quietly(struct session *s, void *arg)
{
	session_free(s);
}

void
server_clear(struct server *srv)
{
	srv->empty = NULL;
	server_each(srv, end_quietly, NULL);
	proxied_clear(srv);
	leaving_forget(srv);
	upstream_clear(&srv->auth);
	upstream_clear(&srv->queue);
	crowd_free(&srv->crowd);
	tls_free(&srv->tls);
}
