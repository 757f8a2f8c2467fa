/*
 * A question lives on the stack of who asks, which for a job is a stack of its
 * own, and is in the list for just as long.
 */
#include "lib/prelude.h"

#include <sys/queue.h>
#include <openssl/async.h>

#include "lib/ev.h"
#include "lib/flood.h"
#include "lib/ipc.h"
#include "lib/log.h"
#include "smtpd/signer.h"

/* keys needs a millisecond; a machine that cannot in this time is in trouble. */
#define WAIT_MS		5000

struct question {
	LIST_ENTRY(question) link;
	uint64_t id;
	struct ev_timer late;
	uint8_t	*sig;
	size_t	 size, len;	/* len 0: none was made */
	bool	 over;
	int	(*wake)(void *);	/* the job's owner; NULL: nobody sleeps */
	void	*arg;
};

static LIST_HEAD(, question) questions = LIST_HEAD_INITIALIZER(questions);
static struct ipc *keys;
static uint64_t last_id;
static struct flood unsigned_lines = FLOOD("handshakes without a signature",
    60);

int
signer_no(const char *why)
{
	if (flood_log(&unsigned_lines))
		log_warnx("tls=no-signature why=\"%s\"", why);
	return 0;
}

/* --- answers ------------------------------------------------------------------ */

static void
end(struct question *q)
{
	if (q->over)
		return;
	q->over = true;
	ev_timer_cancel(&q->late);
	if (q->wake != NULL)
		q->wake(q->arg);
}

static void
late_cb(void *arg)
{
	signer_no("keys does not answer");
	end(arg);
}

static struct question *
find(uint64_t id)
{
	struct question *q;

	LIST_FOREACH(q, &questions, link)
		if (q->id == id)
			return q;
	return NULL;
}

/* An answer to who has given up meanwhile is no fault of keys. */
static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct question *q = find(in->id);
	const uint8_t *sig;
	const char *why;
	size_t len;

	if (in->id > last_id || in->fd != -1)
		return -1;
	if (in->type == M_SIGN_NO) {
		why = ipc_get_str(in, 256);
		if (!ipc_in_end(in))
			return -1;
		signer_no(log_escs(why));
		len = 0;
	} else {
		sig = ipc_get_bytes(in, q == NULL ? IPC_MAX : q->size, &len);
		if (in->type != M_SIGNED || !ipc_in_end(in) || len == 0)
			return -1;
		if (q != NULL)
			memcpy(q->sig, sig, len);
	}
	if (q != NULL) {
		q->len = len;
		end(q);
	}
	return 0;
}

static void
drop_channel(void)
{
	struct question *q;

	ipc_free(&keys);
	LIST_FOREACH(q, &questions, link)
		end(q);
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	signer_no(why == NULL ? "keys has ended" : why);
	drop_channel();
}

void
signer_channel(int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	drop_channel();
	if (fd == -1)
		return;
	keys = ipc_new(fd, &ops, NULL);
	ipc_gather(keys);
}

/* --- questions ----------------------------------------------------------------- */

static bool
ask(struct question *q, uint32_t index, enum sign_as as, const uint8_t *tbs,
    size_t n)
{
	if (!ipc_alive(keys))
		return false;
	q->id = ++last_id;
	ipc_begin(M_SIGN, q->id);
	ipc_put_u32(index);
	ipc_put_u8(as);
	ipc_put_bytes(tbs, n);
	ipc_send(keys, -1);
	return true;
}

/* Whether this is a job whose owner will be told when it can go on. */
static bool
can_sleep(struct question *q)
{
	ASYNC_JOB *job = ASYNC_get_current_job();

	return job != NULL && ASYNC_WAIT_CTX_get_callback(
	    ASYNC_get_wait_ctx(job), &q->wake, &q->arg) == 1 &&
	    q->wake != NULL;
}

static void
wait_here(struct question *q)
{
	uint64_t end_ms = ev_now_ms() + WAIT_MS, now = ev_now_ms();

	q->wake = NULL;
	for (; !q->over && now < end_ms; now = ev_now_ms())
		ipc_wait(keys, (int)(end_ms - now));
	if (!q->over)
		signer_no("keys does not answer");
}

int
signer_sign(uint32_t cert_index, enum sign_as as, const uint8_t *tbs,
    size_t tbs_len, uint8_t *sig, size_t *sig_len, size_t sig_size)
{
	struct question q = { .sig = sig, .size = sig_size };

	if (!ask(&q, cert_index, as, tbs, tbs_len))
		return signer_no("keys is not there");
	LIST_INSERT_HEAD(&questions, &q, link);
	ev_timer_init(&q.late, late_cb, &q);
	if (can_sleep(&q)) {
		ev_timer_set(&q.late, WAIT_MS);
		ASYNC_pause_job();
		ev_timer_cancel(&q.late);
	} else
		wait_here(&q);
	LIST_REMOVE(&q, link);
	*sig_len = q.len;
	return q.len > 0;
}
