#include "lib/prelude.h"

#include "lib/envelope.h"
#include "lib/xalloc.h"
#include "relay/delivery.h"

#define ID_MAX		32
#define ROUTE_MAX	256
#define DOMAIN_MAX	255
#define DIAG_MAX	500	/* of a diagnostic, as it will stand in a bounce */

static void
get_rcpts(struct ipc_in *in, struct delivery *d)
{
	uint32_t i, n = ipc_get_u32(in);

	if (n == 0 || n > ENVELOPE_RCPT_MAX) {
		in->bad = true;
		return;
	}
	d->rcpts = xcalloc(n, sizeof(*d->rcpts));
	d->nrcpts = n;
	for (i = 0; i < n; i++) {
		struct delivery_rcpt *r = &d->rcpts[i];

		r->index = ipc_get_u32(in);
		r->addr = xstrdup(ipc_get_str(in, ENVELOPE_PATH_MAX));
		r->orcpt = xstrdup(ipc_get_str(in, ENVELOPE_ORCPT_MAX));
		r->notify = ipc_get_u8(in);
	}
}

static void
result_clear(struct result *r)
{
	free(r->status);
	free(r->diag);
	free(r->remote);
	r->status = r->diag = r->remote = NULL;
	r->n = 0;
}

static void
delivery_free(struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->nrcpts; i++) {
		free(d->rcpts[i].addr);
		free(d->rcpts[i].orcpt);
	}
	free(d->rcpts);
	result_clear(&d->result);
	free(d->result.index);
	free(d->id);
	free(d->route);
	free(d->domain);
	free(d->return_path);
	free(d->envid);
	body_unref(&d->body);
	if (d->fd != -1)
		close(d->fd);
	free(d);
}

struct delivery *
delivery_get(struct ipc_in *in, struct ipc **queue)
{
	struct delivery *d = xcalloc(1, sizeof(*d));
	const uint8_t *body;
	size_t len;

	d->attempt = in->id;
	d->queue = queue;
	d->fd = -1;
	d->id = xstrdup(ipc_get_str(in, ID_MAX));
	d->route = xstrdup(ipc_get_str(in, ROUTE_MAX));
	d->domain = xstrdup(ipc_get_str(in, DOMAIN_MAX));
	d->return_path = xstrdup(ipc_get_str(in, ENVELOPE_PATH_MAX));
	d->flags = ipc_get_u8(in);
	d->envid = xstrdup(ipc_get_str(in, ENVELOPE_ENVID_MAX));
	d->ret = ipc_get_u8(in);
	d->by = ipc_get_u8(in);
	d->by_trace = ipc_get_bool(in);
	d->by_ms = ipc_get_u64(in);
	d->priority = (int8_t)(ipc_get_u8(in) - ENVELOPE_PRIORITY_MAX);
	if (d->by > BY_RETURN || d->priority < -ENVELOPE_PRIORITY_MAX ||
	    d->priority > ENVELOPE_PRIORITY_MAX)
		in->bad = true;
	get_rcpts(in, d);
	d->size = ipc_get_u64(in);
	body = ipc_get_bytes(in, IPC_MAX, &len);
	d->crc = ipc_get_u32(in);
	if (!ipc_in_end(in) || (in->fd != -1 && len != 0) ||
	    (in->fd == -1 && !in->fd_lost && len != d->size)) {
		delivery_free(d);
		return NULL;
	}
	d->fd = ipc_take_fd(in);
	if (d->fd == -1)
		d->body = body_get(d->id, body, len);
	return d;
}

/* --- results ---------------------------------------------------------------------- */

static void
result_put(const struct result *r)
{
	uint32_t i;

	ipc_put_u8(r->outcome);
	ipc_put_str(r->status);
	ipc_put_str(r->diag);
	ipc_put_str(r->remote);
	ipc_put_u32(r->n);
	for (i = 0; i < r->n; i++)
		ipc_put_u32(r->index[i]);
}

static bool
same(const struct result *r, enum outcome outcome, const char *status,
    const char *diag, const char *remote)
{
	return r->outcome == outcome && strcmp(r->status, status) == 0 &&
	    strcmp(r->diag, diag) == 0 && strcmp(r->remote, remote) == 0;
}

void
delivery_rcpt(struct delivery *d, size_t i, enum outcome outcome,
    const char *status, const char *diag, const char *remote)
{
	struct delivery_rcpt *rcpt = &d->rcpts[i];
	struct result *r = &d->result;

	if (rcpt->settled)
		return;
	rcpt->settled = true;
	if (r->n > 0 && !same(r, outcome, status, diag, remote)) {
		ipc_begin(M_RCPT_RESULT, d->attempt);
		result_put(r);
		ipc_send(*d->queue, -1);
		result_clear(r);
	}
	if (r->index == NULL)
		r->index = xcalloc(d->nrcpts, sizeof(*r->index));
	if (r->n == 0) {
		r->outcome = outcome;
		r->status = xstrdup(status);
		r->diag = xstrdup(diag);
		r->remote = xstrdup(remote);
	}
	r->index[r->n++] = rcpt->index;
}

void
delivery_rest(struct delivery *d, bool only_accepted, enum outcome outcome,
    const char *status, const char *diag, const char *remote)
{
	size_t i;

	for (i = 0; i < d->nrcpts; i++)
		if (!only_accepted || d->rcpts[i].accepted)
			delivery_rcpt(d, i, outcome, status, diag, remote);
}

bool
delivery_any_accepted(const struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->nrcpts; i++)
		if (d->rcpts[i].accepted && !d->rcpts[i].settled)
			return true;
	return false;
}

void
delivery_end(struct delivery **dp, const char *remote, const char *tls,
    bool reached)
{
	struct delivery *d = *dp;

	*dp = NULL;
	ipc_begin(M_DELIVER_END, d->attempt);
	ipc_put_str(remote);
	ipc_put_str(tls);
	ipc_put_bool(reached);
	ipc_put_bool(d->dsn);
	ipc_put_bool(d->by_passed);
	result_put(&d->result);
	ipc_send(*d->queue, -1);
	delivery_free(d);
}

/* --- replies --------------------------------------------------------------------- */

/* RFC 5321 4.2.1. What makes no sense here may make some later: try again. */
enum outcome
reply_outcome(const struct smtp_reply *r)
{
	return r->code / 100 == 2 ? OUTCOME_DELIVERED :
	    r->code / 100 == 5 ? OUTCOME_FAILED : OUTCOME_DEFERRED;
}

const char *
reply_status(const struct smtp_reply *r)
{
	static const char *const plain[] = { "2.0.0", "4.0.0", "5.0.0" };

	if (r->status[0] != '\0')
		return r->status;
	return plain[reply_outcome(r)];
}

const char *
reply_diag(const struct smtp_reply *r)
{
	static char diag[DIAG_MAX + 1];
	char *p;

	snprintf(diag, sizeof(diag), "%d %s", r->code, buf_str(&r->text));
	for (p = diag; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	return diag;
}
