#include "lib/prelude.h"

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/ctl.h"
#include "queue/dispatch.h"
#include "queue/life.h"
#include "queue/program.h"
#include "queue/rooms.h"
#include "queue/submit.h"

/* Attempts on the wire at a stop are waited for so long, not longer. */
#define STOP_WAIT_MS	3000
#define STOP_LOOK_MS	20
/* Channels, index, journal, and a spool file per session with a large body. */
#define MAX_FILES	16384

/* The slice that is there before the confinement says which directory. */
static const char *writable[2];
static const struct sandbox sandbox = {
	.syscalls = NULL,	/* threads and Berkeley DB: no table */
	.writable = writable,
	.max_files = MAX_FILES,
};

static struct queue the_queue;
static const struct queue_conf *the_conf;
static bool is_open;
/* Channels that come before the start wait: the store is not open yet. */
static struct early {
	enum role role;
	uint32_t index;
	int	 fd;
} *early;
static size_t nearly;

static struct store *
open_store(struct queue *q, const char **errstr)
{
	struct store_conf c = { .dir = q->conf->state_dir,
	    .segment_bytes = q->conf->segment_bytes,
	    .cache_bytes = q->conf->cache_bytes,
	    .min_free_bytes = q->conf->min_free_bytes };

	return store_open(&c, &queue_store_ops, q, errstr);
}

static const char *
conf_check(const void *slice, void **prepared)
{
	return queue_conf_check(slice);
}

static void
conf_use(const void *slice, void *prepared)
{
	the_conf = slice;
	writable[0] = the_conf->state_dir;
	if (is_open)
		queue_reconf(&the_queue, slice);
}

static void
take_peer(enum role role, uint32_t index, int fd)
{
	if (role == ROLE_SMTPD)
		submit_peer(the_queue.submit, index, fd);
	else if (role == ROLE_RELAY)
		dispatch_peer(the_queue.dispatch, index, fd);
	else
		queue_auth_peer(&the_queue, fd);
}

static void
peer(enum role role, uint32_t index, int fd)
{
	if (is_open) {
		take_peer(role, index, fd);
		return;
	}
	early = xreallocarray(early, nearly + 1, sizeof(*early));
	early[nearly++] = (struct early){ role, index, fd };
}

static const char *
start(void)
{
	const char *why = queue_open(&the_queue, the_conf, open_store);
	size_t i;

	if (why != NULL)
		return why;
	is_open = true;
	for (i = 0; i < nearly; i++)
		take_peer(early[i].role, early[i].index, early[i].fd);
	free(early);
	early = NULL;
	return NULL;
}

/*
 * Whatever is being made durable is answered, and what is on the wire gets a
 * moment to end: a message cut off there would be sent twice.
 */
static void
stop_cb(void *arg)
{
	struct queue *q = arg;

	if (ev_now_ms() < q->stop_at_ms && (submit_busy(q->submit) ||
	    dispatch_sent(q->dispatch) > 0)) {
		ev_timer_set(&q->stop, STOP_LOOK_MS);
		return;
	}
	if (dispatch_sent(q->dispatch) > 0)
		log_warnx("stop attempts=%zu still under way; they are made "
		    "again at the next start", dispatch_sent(q->dispatch));
	life_stop(q);
	queue_close(q);
	child_exit();
}

static void
stop(void)
{
	struct queue *q = &the_queue;

	if (q->stopping)
		return;
	q->stopping = true;
	q->stop_at_ms = ev_now_ms() + STOP_WAIT_MS;
	dispatch_stop(q->dispatch);
	ev_timer_init(&q->stop, stop_cb, q);
	ev_timer_set(&q->stop, 0);
}

static void
ctl(uint64_t id, size_t argc, const char *const *argv, const uint8_t *secret,
    size_t secret_len)
{
	if (is_open)
		ctl_request(&the_queue, id, argc, argv);
	else
		child_ctl_end(id, CTL_TEMPORARY, "the queue is starting");
}

static void
read_by_asker(uint64_t id, size_t bytes)
{
	if (is_open)
		ctl_read(&the_queue, id, bytes);
}

static void
asker_gone(uint64_t id)
{
	if (is_open)
		ctl_gone(&the_queue, id);
}

const struct child_ops program_ops = {
	.role = ROLE_QUEUE,
	.name = "queue",
	.sandbox = &sandbox,
	.conf_fields = queue_conf_fields,
	.conf_size = sizeof(struct queue_conf),
	.conf_check = conf_check,
	.conf_use = conf_use,
	.peer = peer,
	.start = start,
	.stop = stop,
	.ctl = ctl,
	.ctl_read = read_by_asker,
	.ctl_gone = asker_gone,
};
