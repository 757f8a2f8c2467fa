/* Names, and the reports about what failed; the rest of life is in life.c. */
#include "lib/prelude.h"

#include <sys/random.h>

#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/dsn.h"
#include "queue/life_private.h"

const char *
life_name(const struct live_msg *lm)
{
	static char text[4][STORE_ID_LEN + 1];
	static unsigned int turn;
	char *t = text[turn++ % nitems(text)];

	store_id_text(lm->m.id, t);
	return t;
}

void
life_note(struct live_msg *lm, const char *fmt, ...)
{
	char what[STORE_EVENT_LEN_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	store_msg_note(&lm->m, ev_wall_ms(), what);
}

void
life_due_cb(void *arg)
{
	struct live_msg *lm = arg;

	if (lm->state == LIVE_TRYING)
		life_write_progress(lm);
	else
		life_try(lm, false);
}

bool
life_report_wanted(const struct live_msg *lm, size_t i)
{
	return lm->words[i] == WORD_FAILED && dsn_wanted(&lm->m, i);
}

static void
write_report(struct live_msg *lm, const struct store_msg *bounce,
    const uint8_t *original, size_t len, bool whole, struct buf *out,
    bool *eightbit)
{
	const struct queue_conf *conf = lm->q->conf;
	bool *report = xcalloc(lm->m.env.nrcpts, sizeof(*report));
	char id[STORE_ID_LEN + 1], boundary[64];
	uint64_t dice[2];
	size_t i;

	if (getrandom(dice, sizeof(dice), 0) != sizeof(dice))
		fatal("getrandom");
	snprintf(boundary, sizeof(boundary), "=_%016llx%016llx",
	    (unsigned long long)dice[0], (unsigned long long)dice[1]);
	store_id_text(bounce->id, id);
	for (i = 0; i < lm->m.env.nrcpts; i++)
		report[i] = life_report_wanted(lm, i);
	dsn_write(&(struct dsn){ .hostname = conf->hostname,
	    .postmaster = conf->postmaster, .id = id, .boundary = boundary,
	    .now_ms = bounce->arrived_ms, .msg = &lm->m,
	    .msg_id = life_name(lm), .report = report, .original = original,
	    .original_len = len, .original_whole = whole }, out, eightbit);
	free(report);
}

/* The report about what failed in this round, with its body still to be kept. */
struct live_msg *
life_make_bounce(struct live_msg *lm, const uint8_t *original, size_t len,
    bool whole)
{
	struct queue *q = lm->q;
	struct store_msg m;
	struct live_msg *b;
	struct buf out;

	store_msg_init(&m);
	m.id = store_new_id(q->store);
	m.arrived_ms = ev_wall_ms();
	m.due_ms = clock_due_ms();
	m.expires_ms = m.arrived_ms + q->conf->expire_sec * 1000ULL;
	m.account = xstrdup("");
	m.cap = xstrdup("");
	m.env.return_path = xstrdup("");
	m.env.utf8 = lm->m.env.utf8;
	envelope_add_rcpt(&m.env, lm->m.env.return_path, NULL, NOTIFY_NEVER);
	store_msg_fit(&m);
	buf_init(&out, DSN_MAX);
	write_report(lm, &m, original, len, whole, &out, &m.env.body_8bit);
	m.size = out.len;
	b = live_add(q, &m);
	ev_timer_init(&b->due, life_due_cb, b);
	b->m.body.v = (uint8_t *)buf_steal(&out, &b->m.body.n);
	log_info("%s bounced as=%s to=<%s>", life_name(lm), life_name(b),
	    log_escs(lm->m.env.return_path));
	stats_add(STAT_BOUNCES, 1);
	return b;
}

/* After the store has copied it. */
void
life_keep_bounce(struct live_msg *b)
{
	struct conf_bytes body = b->m.body;

	b->m.body = (struct conf_bytes){ 0 };
	live_keep_body(b, body.v, body.n);
	free(body.v);
}
