#include "lib/prelude.h"

#include "lib/envelope.h"
#include "lib/xalloc.h"

void
envelope_init(struct envelope *e)
{
	memset(e, 0, sizeof(*e));
}

void
envelope_clear(struct envelope *e)
{
	size_t i;

	for (i = 0; i < e->nrcpts; i++) {
		free(e->rcpts[i].addr);
		free(e->rcpts[i].orcpt);
	}
	free(e->rcpts);
	free(e->return_path);
	free(e->envid);
	envelope_init(e);
}

/* Grows at powers of two, so that the size need not be kept. */
void
envelope_add_rcpt(struct envelope *e, const char *addr, const char *orcpt,
    uint8_t notify)
{
	struct envelope_rcpt *r;

	if ((e->nrcpts & (e->nrcpts - 1)) == 0)
		e->rcpts = xreallocarray(e->rcpts,
		    e->nrcpts == 0 ? 1 : e->nrcpts * 2, sizeof(*e->rcpts));
	r = &e->rcpts[e->nrcpts++];
	r->addr = xstrdup(addr);
	r->orcpt = orcpt == NULL || *orcpt == '\0' ? NULL : xstrdup(orcpt);
	r->notify = notify;
	e->bytes += ENVELOPE_RCPT_COST + strlen(addr) +
	    (orcpt == NULL ? 0 : strlen(orcpt));
}

size_t
envelope_body_max(const struct envelope *e)
{
	size_t room = ENVELOPE_BYTES_MAX < e->bytes ? 0 :
	    ENVELOPE_BYTES_MAX - e->bytes;

	return room > ENVELOPE_BODY_MAX - ENVELOPE_BODY_LEAST ?
	    ENVELOPE_BODY_MAX : ENVELOPE_BODY_LEAST + room;
}

void
envelope_put(const struct envelope *e)
{
	size_t i;

	ipc_put_str(e->return_path);
	ipc_put_str(e->envid);
	ipc_put_u8(e->ret);
	ipc_put_bool(e->body_8bit);
	ipc_put_bool(e->utf8);
	ipc_put_bool(e->require_tls);
	ipc_put_u64(e->hold_until_ms);
	ipc_put_u8(e->by);
	ipc_put_bool(e->by_trace);
	ipc_put_bool(e->by_told);
	ipc_put_u64(e->by_ms);
	ipc_put_u8((uint8_t)(e->priority + ENVELOPE_PRIORITY_MAX));
	ipc_put_u32((uint32_t)e->nrcpts);
	for (i = 0; i < e->nrcpts; i++) {
		ipc_put_str(e->rcpts[i].addr);
		ipc_put_str(e->rcpts[i].orcpt);
		ipc_put_u8(e->rcpts[i].notify);
	}
}

void
envelope_get(struct ipc_in *in, struct envelope *e)
{
	const char *addr, *orcpt, *envid;
	uint32_t i, n;
	uint8_t priority;

	envelope_init(e);
	e->return_path = xstrdup(ipc_get_str(in, ENVELOPE_PATH_MAX));
	envid = ipc_get_str(in, ENVELOPE_ENVID_MAX);
	e->envid = *envid == '\0' ? NULL : xstrdup(envid);
	e->ret = ipc_get_u8(in);
	e->body_8bit = ipc_get_bool(in);
	e->utf8 = ipc_get_bool(in);
	e->require_tls = ipc_get_bool(in);
	e->hold_until_ms = ipc_get_u64(in);
	e->by = ipc_get_u8(in);
	e->by_trace = ipc_get_bool(in);
	e->by_told = ipc_get_bool(in);
	e->by_ms = ipc_get_u64(in);
	priority = ipc_get_u8(in);
	e->priority = (int8_t)(priority - ENVELOPE_PRIORITY_MAX);
	n = ipc_get_u32(in);
	if (e->by > BY_RETURN || priority > 2 * ENVELOPE_PRIORITY_MAX)
		in->bad = true;
	if (e->ret > RET_HDRS || n == 0 || n > ENVELOPE_RCPT_MAX)
		in->bad = true;
	for (i = 0; i < n && !in->bad; i++) {
		addr = ipc_get_str(in, ENVELOPE_PATH_MAX);
		orcpt = ipc_get_str(in, ENVELOPE_ORCPT_MAX);
		envelope_add_rcpt(e, addr, orcpt, ipc_get_u8(in));
		if (*addr == '\0' || e->rcpts[i].notify > 15 ||
		    e->bytes > ENVELOPE_BYTES_MAX)
			in->bad = true;
	}
}
