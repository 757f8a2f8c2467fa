#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/header.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/ctl.h"
#include "queue/feed.h"
#include "queue/life.h"

#define LIST_PAGE	200
#define BACKLOG_MAX	(1024 * 1024)	/* unread rows: let the asker catch up */
#define BACKLOG_WAIT_MS	20
#define HEADER_SHOWN_MAX (16 * 1024)

/* A request whose answer takes more than one turn of the loop. */
struct asked {
	struct queue *q;
	uint64_t id;
	uint64_t after;		/* list: the last message that was shown */
	uint64_t count;
	void	(*found)(struct asked *, const struct store_msg *);
	struct ev_timer timer;
};

static struct asked *
asked_new(struct queue *q, uint64_t id)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->q = q;
	a->id = id;
	return a;
}

/* Ends the answer with code and text, and the request with it. */
#define END(a, ...) do {						\
	child_ctl_end((a)->id, __VA_ARGS__);				\
	free(a);							\
} while (0)

/* --- one message in words ----------------------------------------------------- */

static const char *const holds[] = {
	[HOLD_NONE] = "waiting", [HOLD_ADMIN] = "held by admin",
	[HOLD_CAP] = "held by cap", [HOLD_TRIPWIRE] = "held by tripwire",
};

static const char *
state_of(const struct queue *q, const struct store_msg *m)
{
	const struct live_msg *lm = live_find(q->live, m->id);

	if (lm == NULL || lm->state == LIVE_RESTING || lm->state == LIVE_GONE)
		return m->hold < nitems(holds) ? holds[m->hold] : "held";
	return lm->nsent > 0 ? "sending" : "in line";
}

static const char *
reason_of(const struct store_msg *m)
{
	size_t i;

	for (i = 0; i < m->env.nrcpts; i++)
		if (m->rcpts[i].state == RCPT_PENDING &&
		    m->rcpts[i].diag != NULL)
			return m->rcpts[i].diag;
	return "";
}

static void
row(struct asked *a, const struct store_msg *m)
{
	char id[STORE_ID_LEN + 1];
	size_t i, pending = 0;

	for (i = 0; i < m->env.nrcpts; i++)
		pending += m->rcpts[i].state == RCPT_PENDING;
	store_id_text(m->id, id);
	child_ctl_row(a->id, 10);
	child_ctl_str("id", id);
	child_ctl_time("arrived", m->arrived_ms);
	child_ctl_str("account", m->account);
	child_ctl_str("from", m->env.return_path);
	child_ctl_num("recipients", pending);
	child_ctl_num("size", m->size);
	child_ctl_str("state", state_of(a->q, m));
	child_ctl_num("attempts", m->attempts);
	child_ctl_time("next_try", m->due_ms);
	child_ctl_str("reason", reason_of(m));
	child_ctl_send();
}

/* --- queue list -------------------------------------------------------------------- */

static void	list_more(void *);

static void
list_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	char text[NUM_TEXT_LEN];
	size_t i;

	for (i = 0; i < n; i++) {
		row(a, msgs[i]);
		a->after = msgs[i]->id;
	}
	a->count += n;
	live_read_end(a->q->live);
	if (n == LIST_PAGE)
		list_more(a);
	else if (a->count == 0)
		END(a, CTL_OK, "The queue is empty.");
	else
		END(a, CTL_OK, "%s.", num_print_count(a->count, "message",
		    text));
}

static void
list_more(void *arg)
{
	struct asked *a = arg;

	if (child_ctl_backlog() > BACKLOG_MAX) {
		ev_timer_set(&a->timer, BACKLOG_WAIT_MS);
		return;
	}
	live_read_begin(a->q->live);
	store_list(a->q->store, a->after, LIST_PAGE, list_cb, a);
}

static void
queue_list(struct queue *q, uint64_t id, const char *arg)
{
	struct asked *a = asked_new(q, id);

	ev_timer_init(&a->timer, list_more, a);
	list_more(a);
}

/* --- verbs about one message ---------------------------------------------------------- */

static void
load_cb(struct store_msg *const *msgs, size_t n, void *arg)
{
	struct asked *a = arg;
	struct live *live = a->q->live;

	if (n == 0)
		END(a, CTL_NOT_FOUND, "there is no such message; it may have "
		    "been delivered");
	else
		a->found(a, msgs[0]);
	live_read_end(live);
}

static void
one_message(struct queue *q, uint64_t id, const char *text,
    void (*found)(struct asked *, const struct store_msg *))
{
	uint64_t msg = store_id_parse(text);
	struct asked *a;

	if (msg == 0) {
		child_ctl_end(id, CTL_USAGE, "\"%s\" is no message id; see "
		    "posternctl queue list", log_escs(text));
		return;
	}
	a = asked_new(q, id);
	a->found = found;
	live_read_begin(q->live);
	store_load(q->store, msg, load_cb, a);
}

static const char *const rcpt_states[] = {
	[RCPT_PENDING] = "pending", [RCPT_DELIVERED] = "delivered",
	[RCPT_FAILED] = "failed",
};

static void
rcpt_row(const struct asked *a, const struct store_msg *m, size_t i)
{
	const struct store_rcpt *r = &m->rcpts[i];

	child_ctl_row(a->id, 5);
	child_ctl_str("recipient", m->env.rcpts[i].addr);
	child_ctl_str("state", r->state < nitems(rcpt_states) ?
	    rcpt_states[r->state] : "");
	child_ctl_str("status", r->status);
	child_ctl_str("relay", r->remote);
	child_ctl_str("answer", r->diag);
	child_ctl_send();
}

static void
show_header(const struct asked *a, const uint8_t *p, size_t n)
{
	size_t len = 0;

	if (n > HEADER_SHOWN_MAX)
		n = HEADER_SHOWN_MAX;
	if (n > 0 && !header_find_end((const char *)p, n, 0, &len))
		len = n;
	child_ctl_text(a->id, p, len);
}

static void
show_body_cb(const uint8_t *p, size_t n, int fd, const char *errstr, void *arg)
{
	struct asked *a = arg;
	uint8_t head[HEADER_SHOWN_MAX];
	ssize_t got;

	if (fd != -1) {
		got = pread(fd, head, sizeof(head), 0);
		close(fd);
		p = head;
		n = got == -1 ? 0 : (size_t)got;
	}
	if (errstr == NULL)
		show_header(a, p, n);
	END(a, errstr == NULL ? CTL_OK : CTL_FAILED, "%s", errstr == NULL ?
	    "" : errstr);
}

static void
found_show(struct asked *a, const struct store_msg *m)
{
	size_t i;

	row(a, m);
	for (i = 0; i < m->env.nrcpts; i++)
		rcpt_row(a, m, i);
	store_body(a->q->store, m->id, show_body_cb, a);
}

static void
queue_show(struct queue *q, uint64_t id, const char *arg)
{
	one_message(q, id, arg, found_show);
}

static void
found_flush(struct asked *a, const struct store_msg *m)
{
	struct live_msg *lm;

	if (m->hold != HOLD_NONE) {
		END(a, CTL_FAILED, "the message is on hold");
		return;
	}
	life_resume(a->q, m);
	lm = live_find(a->q->live, m->id);
	if (lm->state == LIVE_GONE)
		END(a, CTL_NOT_FOUND, "the message has just been delivered");
	else if (lm->state != LIVE_RESTING)
		END(a, CTL_OK, "It is being tried already.");
	else {
		life_try(lm, true);
		END(a, CTL_OK, "It is tried now.");
	}
}

static void
queue_flush(struct queue *q, uint64_t id, const char *arg)
{
	if (arg != NULL) {
		one_message(q, id, arg, found_flush);
		return;
	}
	feed_flush(q->feed);
	child_ctl_end(id, CTL_OK, "Everything is tried now.");
}

static void
found_remove(struct asked *a, const struct store_msg *m)
{
	struct live_msg *lm;

	life_resume(a->q, m);
	lm = live_find(a->q->live, m->id);
	if (lm->state == LIVE_GONE) {
		END(a, CTL_NOT_FOUND, "the message has just been delivered");
		return;
	}
	if (lm->nsent > 0)
		END(a, CTL_OK, "It is at a next hop right now, which may still "
		    "take it; whatever is left then goes.");
	else
		END(a, CTL_OK, "Removed.");
	life_remove(lm);
}

static void
queue_remove(struct queue *q, uint64_t id, const char *arg)
{
	one_message(q, id, arg, found_remove);
}

/* --- usage and caps ------------------------------------------------------------------------ */

static void
usage_row(const char *account, void *arg)
{
	struct asked *a = arg;
	uint64_t hour[LIMIT_KINDS], day[LIMIT_KINDS], now = clock_steady_ms();

	caps_used(a->q->caps, account, 3600, now, hour);
	caps_used(a->q->caps, account, 24 * 3600, now, day);
	a->count++;
	child_ctl_row(a->id, 6);
	child_ctl_str("account", account);
	child_ctl_num("messages_1h", hour[LIMIT_MESSAGES]);
	child_ctl_num("recipients_1h", hour[LIMIT_RECIPIENTS]);
	child_ctl_num("messages_1d", day[LIMIT_MESSAGES]);
	child_ctl_num("recipients_1d", day[LIMIT_RECIPIENTS]);
	child_ctl_num("bytes_1d", day[LIMIT_BYTES]);
	child_ctl_send();
}

static const char *
limit_text(const struct conf_limit *l, char text[NUM_TEXT_LEN * 2])
{
	char window[NUM_TEXT_LEN], count[NUM_TEXT_LEN];

	if (l->what == LIMIT_BYTES)
		num_print_size(l->count, count);
	else
		snprintf(count, sizeof(count), "%llu",
		    (unsigned long long)l->count);
	snprintf(text, NUM_TEXT_LEN * 2, "%s/%s", count,
	    num_print_duration(l->window_sec, window));
	return text;
}

/* An account against the limits of the cap that it last sent under. */
static void
usage_of(struct asked *a, const char *account)
{
	uint64_t used[LIMIT_KINDS], now = clock_steady_ms();
	const struct conf_cap *cap = caps_find(a->q->caps,
	    caps_last(a->q->caps, account));
	char text[NUM_TEXT_LEN * 2];
	size_t i;

	for (i = 0; i < cap->limits.n; i++) {
		const struct conf_limit *l = CONF_AT(cap->limits,
		    struct conf_limit, i);

		caps_used(a->q->caps, account, l->window_sec, now, used);
		child_ctl_row(a->id, 6);
		child_ctl_str("account", account);
		child_ctl_str("cap", cap->name);
		child_ctl_str("what", caps_kinds[l->what]);
		child_ctl_str("limit", limit_text(l, text));
		child_ctl_num("used", used[l->what]);
		child_ctl_num("left", used[l->what] < l->count ?
		    l->count - used[l->what] : 0);
		child_ctl_send();
	}
}

static void
usage(struct queue *q, uint64_t id, const char *arg)
{
	struct asked *a = asked_new(q, id);
	char account[ACCOUNT_MAX + 1];

	if (arg != NULL) {
		snprintf(account, sizeof(account), "%s", arg);
		usage_of(a, addr_lower(account));
		END(a, CTL_OK, "%s", "");
		return;
	}
	caps_each(q->caps, usage_row, a);
	END(a, CTL_OK, "%s", a->count == 0 ? "Nobody has sent anything in the "
	    "time that the caps look back." : "");
}

static const char *const overs[] = {
	[OVER_DEFER] = "defer", [OVER_HOLD] = "hold",
};

static void
cap_row(uint64_t id, const struct conf_cap *cap, const char *what,
    const char *limit)
{
	child_ctl_row(id, 4);
	child_ctl_str("cap", cap->name);
	child_ctl_str("what", what);
	child_ctl_str("limit", limit);
	child_ctl_str("over", cap->over < nitems(overs) ? overs[cap->over] :
	    "");
	child_ctl_send();
}

static void
cap_list(struct queue *q, uint64_t id, const char *arg)
{
	char text[NUM_TEXT_LEN * 2];
	size_t i, j;

	for (i = 0; i < q->conf->caps.n; i++) {
		const struct conf_cap *cap = CONF_AT(q->conf->caps,
		    struct conf_cap, i);

		for (j = 0; j < cap->limits.n; j++) {
			const struct conf_limit *l = CONF_AT(cap->limits,
			    struct conf_limit, j);

			cap_row(id, cap, caps_kinds[l->what],
			    limit_text(l, text));
		}
		if (cap->recipients_per_message > 0) {
			snprintf(text, sizeof(text), "%u/message",
			    cap->recipients_per_message);
			cap_row(id, cap, "recipients", text);
		}
	}
	child_ctl_end(id, CTL_OK, "%s", "");
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	const char *words[2];
	int	 min_args, max_args;
	const char *how;
	void	(*run)(struct queue *, uint64_t id, const char *arg);
} verbs[] = {
	{ { "queue", "list" }, 0, 0, "queue list", queue_list },
	{ { "queue", "show" }, 1, 1, "queue show ID", queue_show },
	{ { "queue", "flush" }, 0, 1, "queue flush [ID]", queue_flush },
	{ { "queue", "remove" }, 1, 1, "queue remove ID", queue_remove },
	{ { "cap", "list" }, 0, 0, "cap list", cap_list },
	{ { "usage", NULL }, 0, 1, "usage [ACCOUNT]", usage },
};

void
ctl_request(struct queue *q, uint64_t id, size_t argc, const char *const *argv)
{
	size_t i, words, args;

	for (i = 0; i < nitems(verbs); i++) {
		words = verbs[i].words[1] == NULL ? 1 : 2;
		if (argc < words || strcmp(argv[0], verbs[i].words[0]) != 0 ||
		    (words == 2 && strcmp(argv[1], verbs[i].words[1]) != 0))
			continue;
		args = argc - words;
		if (args < (size_t)verbs[i].min_args ||
		    args > (size_t)verbs[i].max_args)
			child_ctl_end(id, CTL_USAGE, "usage: posternctl %s",
			    verbs[i].how);
		else
			verbs[i].run(q, id, args == 0 ? NULL : argv[words]);
		return;
	}
	child_ctl_end(id, CTL_USAGE, "the queue knows no such verb");
}
