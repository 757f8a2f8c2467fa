#include "lib/prelude.h"

#include "auth/exchange.h"
#include "auth/pending.h"
#include "auth/tokens.h"
#include "lib/child.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define GRACE_MS	2000	/* fetch's own time-out comes first */

static const struct auth_conf *conf;
static struct ipc *fetch;
static struct pending pending;

static uint64_t
ask(uint64_t question, const struct sasl_result *r)
{
	if (fetch == NULL || !pending_room(&pending, r->network, r->known))
		return 0;
	pending_add(&pending, xmalloc(sizeof(struct pending_one)), question,
	    r->network, r->known);
	ipc_begin(M_TOKEN, question);
	ipc_put_bytes(r->question.data, r->question.len);
	ipc_send(fetch, -1);
	ipc_forget();
	return (uint64_t)conf->token_sec * 1000 + GRACE_MS;
}

static void
cancel(uint64_t question)
{
	if (pending_find(&pending, question) == NULL)
		return;		/* its answer came, and is on its way */
	ipc_begin(M_TOKEN_CANCEL, question);
	ipc_send(fetch, -1);
}

static void
end(struct pending_one *one, struct sasl_verdict *v)
{
	uint64_t question = one->question;

	pending_remove(one);
	free(one);
	exchange_answered(SASL_ASK_TOKEN, question, v);
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct sasl_verdict v = { .good = in->type == M_TOKEN_OK };
	struct pending_one *one = pending_find(&pending, in->id);
	uint8_t no;

	if (in->type == M_TOKEN_OK)
		snprintf(v.name, sizeof(v.name), "%s", ipc_get_str(in,
		    ACCOUNT_MAX));
	else if (in->type == M_TOKEN_NO) {
		no = ipc_get_u8(in);
		v.temporary = no == TOKEN_NO_UNAVAILABLE;
		v.harmless = no == TOKEN_NO_EXPIRED || no == TOKEN_NO_UNFIT;
		snprintf(v.why, sizeof(v.why), "%s", ipc_get_str(in,
		    SASL_WHY_MAX));
		if (no >= TOKEN_NOS)
			return -1;
	} else
		return -1;
	if (!ipc_in_end(in) || one == NULL)
		return -1;
	end(one, &v);
	return 0;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL) {
		log_warnx("fetch channel=closed why=\"%s\"", why);
		child_peer_bad(ROLE_FETCH, 0, why);
	}
	tokens_stop();
}

void
tokens_peer(int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	tokens_stop();
	fetch = ipc_new(fd, &ops, NULL);
	exchange_ask_by(SASL_ASK_TOKEN, ask, cancel);
}

void
tokens_conf(const struct auth_conf *c)
{
	conf = c;
}

void
tokens_stop(void)
{
	struct sasl_verdict v;

	ipc_free(&fetch);
	while (!LIST_EMPTY(&pending.all)) {
		v = (struct sasl_verdict){ .temporary = true,
		    .why = "postern-fetch has ended" };
		end(LIST_FIRST(&pending.all), &v);
	}
}
