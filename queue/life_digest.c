#include "lib/prelude.h"

#include "lib/header.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "queue/clock.h"
#include "queue/life_digest.h"
#include "queue/life_report.h"
#include "queue/life_step.h"
#include "queue/reserve.h"

struct gathered {
	STAILQ_ENTRY(gathered) link;
	struct live_msg *lm;
	char	*subject, *message_id;	/* or NULL */
};

/* What one sender is owed. */
struct sheaf {
	struct table_node node;		/* first */
	struct queue *q;
	STAILQ_HEAD(, gathered) waiting;
	size_t	 n;
	uint64_t hour_ms;		/* monotonic: since when we count */
	uint32_t singles;
	struct ev_timer timer;
	char	 sender[];
};

struct life_digests {
	struct queue *q;
	struct table sheaves;
};

struct life_digests *
life_digests_new(struct queue *q)
{
	struct life_digests *d = xcalloc(1, sizeof(*d));

	d->q = q;
	table_init(&d->sheaves);
	return d;
}

static void
pop(struct sheaf *s)
{
	struct gathered *g = STAILQ_FIRST(&s->waiting);

	STAILQ_REMOVE_HEAD(&s->waiting, link);
	s->n--;
	free(g->subject);
	free(g->message_id);
	free(g);
}

static void
sheaf_free(struct life_digests *d, struct sheaf *s)
{
	table_remove(&d->sheaves, &s->node);
	ev_timer_cancel(&s->timer);
	while (s->n > 0)
		pop(s);
	free(s);
}

void
life_digests_free(struct life_digests **dp)
{
	struct life_digests *d = *dp;
	struct table_node *n;

	if (d == NULL)
		return;
	*dp = NULL;
	while ((n = table_next(&d->sheaves, NULL)) != NULL)
		sheaf_free(d, (struct sheaf *)n);
	table_clear(&d->sheaves);
	free(d);
}

void
life_digests_sweep(struct life_digests *d)
{
	struct table_node *n, *next;
	struct sheaf *s;

	for (n = table_next(&d->sheaves, NULL); n != NULL; n = next) {
		next = table_next(&d->sheaves, n);
		s = (struct sheaf *)n;
		if (s->n == 0 && s->hour_ms + LIFE_HOUR_MS < ev_now_ms())
			sheaf_free(d, s);
	}
}

/* --- the report ------------------------------------------------------------------ */

/* About so many there is room for one: it, and that they are gone. */
static size_t
room_for(const struct sheaf *s)
{
	size_t n = s->n;

	while (n > 0 && !reserve_fits(s->q, LIFE_REPORT_BYTES + n *
	    STORE_LEAST_BYTES))
		n /= 2;
	return n;
}

/*
 * One report about as many of the first most as fit; it takes the place of the
 * first of them.
 */
static void
report(struct sheaf *s, size_t most)
{
	struct dsn_entry *v = xcalloc(most, sizeof(*v));
	char (*ids)[STORE_ID_LEN + 1] = xcalloc(most, sizeof(*ids));
	struct live_msg *b = life_new_bounce(s->q, s->sender);
	struct gathered *g;
	struct buf out;
	struct dsn d;
	bool eightbit;
	size_t i = 0, n;

	STAILQ_FOREACH(g, &s->waiting, link) {
		if (i == most)
			break;
		store_id_text(g->lm->m.id, ids[i]);
		v[i] = (struct dsn_entry){ &g->lm->m, ids[i], g->subject,
		    g->message_id };
		i++;
	}
	life_dsn(s->q, b, &d);
	buf_init(&out, DSN_MAX);
	n = dsn_write_digest(&d, v, most, &out, &eightbit);
	life_fill_bounce(b, &out, eightbit);
	stats_add(STAT_BOUNCES, 1);
	log_info("%s digest messages=%zu to=<%s>", life_name(b), n,
	    log_escs(s->sender));
	for (i = 0; i < n; i++) {
		g = STAILQ_FIRST(&s->waiting);
		log_info("%s bounced as=%s to=<%s>", ids[i], life_name(b),
		    log_escs(s->sender));
		life_finish(g->lm, i == 0 ? b : NULL);
		pop(s);
	}
	life_keep_bounces(b);
	free(v);
	free(ids);
}

static void
timer_cb(void *arg)
{
	struct sheaf *s = arg;
	size_t n;

	while ((n = room_for(s)) > 0)
		report(s, n);
	if (s->n > 0)
		ev_timer_set(&s->timer, LIFE_PUT_OFF_MS);
}

/* --- gathering --------------------------------------------------------------------- */

static struct sheaf *
sheaf_of(struct life_digests *d, const char *sender)
{
	size_t len = strlen(sender);
	struct sheaf *s = (struct sheaf *)table_find(&d->sheaves, sender,
	    len);

	if (s != NULL)
		return s;
	s = xcalloc(1, sizeof(*s) + len + 1);
	memcpy(s->sender, sender, len);
	s->q = d->q;
	s->hour_ms = ev_now_ms();
	STAILQ_INIT(&s->waiting);
	ev_timer_init(&s->timer, timer_cb, s);
	table_add(&d->sheaves, &s->node, s->sender, len);
	return s;
}

/*
 * Nothing is left to try and all there is to tell is failure. Who names
 * envelopes wants to match reports with them: those go one by one, and so do
 * those that say what was asked for of one message (RFC 2852 5, RFC 4865 5.1.2)
 * or go only by certain ways (RFC 8689 5).
 */
static bool
may_gather(const struct live_msg *lm)
{
	size_t i, owed = 0;

	for (i = 0; i < lm->m.env.nrcpts; i++) {
		if (lm->m.rcpts[i].state == RCPT_PENDING ||
		    lm->m.rcpts[i].state == RCPT_RELAYED)
			return false;
		owed += lm->m.rcpts[i].state == RCPT_OWED;
	}
	return lm->m.env.envid == NULL && lm->m.env.by == BY_NONE &&
	    lm->m.env.hold_until_ms == 0 && !lm->m.env.require_tls && owed <= DSN_ENTRY_RCPTS;
}

/* The value of a field, on one line, cut to length; the caller's, or NULL. */
static char *
field(const uint8_t *p, size_t n, const char *name)
{
	struct header_field f;
	size_t at = 0, i, len = 0;
	char text[DSN_SUBJECT_MAX + 1];

	while (header_next((const char *)p, n, &at, &f) == HEADER_FIELD) {
		if (!header_is(&f, name))
			continue;
		for (i = 0; i < f.value_len && len < DSN_SUBJECT_MAX; i++)
			if (f.value[i] != '\r' && f.value[i] != '\n' &&
			    f.value[i] != '\0' && (len > 0 ||
			    f.value[i] != ' '))
				text[len++] = f.value[i] == '\t' ? ' ' :
				    f.value[i];
		return len == 0 ? NULL : xstrndup(text, len);
	}
	return NULL;
}

/* The part of it that header_next() may look at: whole lines. */
static size_t
whole_lines(const uint8_t *p, size_t n)
{
	if (n > DSN_HEADER_MAX)
		n = DSN_HEADER_MAX;
	while (n > 0 && p[n - 1] != '\n')
		n--;
	return n;
}

static void
keep(struct sheaf *s, struct live_msg *lm, const uint8_t *original, size_t len)
{
	struct gathered *g = xcalloc(1, sizeof(*g));

	len = original == NULL ? 0 : whole_lines(original, len);
	g->lm = lm;
	g->subject = field(original, len, "Subject");
	g->message_id = field(original, len, "Message-ID");
	STAILQ_INSERT_TAIL(&s->waiting, g, link);
	if (s->n++ == 0)
		ev_timer_set(&s->timer, LIFE_DIGEST_MS);
	if (s->n == LIFE_DIGEST_FULL)
		ev_timer_set(&s->timer, 0);
	lm->m.due_ms = clock_due_ms() + LIFE_DIGEST_MS;
	lm->m.hold = HOLD_NONE;		/* there is nothing more to hold */
	live_set_state(lm, LIVE_GATHERED);
	live_drop_body(lm);
	life_write_progress(lm);
}

bool
life_gather(struct live_msg *lm, const uint8_t *original, size_t len)
{
	struct sheaf *s;

	if (!may_gather(lm))
		return false;
	s = sheaf_of(lm->q->digests, lm->m.env.return_path);
	if (ev_now_ms() >= s->hour_ms + LIFE_HOUR_MS) {
		s->hour_ms = ev_now_ms();
		s->singles = 0;
	}
	if (s->singles < LIFE_SINGLE_REPORTS && s->n == 0) {
		s->singles++;
		return false;
	}
	keep(s, lm, original, len);
	return true;
}

/* An empty sheaf is swept, and its timer finds nothing to tell. */
void
life_ungather(struct live_msg *lm)
{
	struct sheaf *s = sheaf_of(lm->q->digests, lm->m.env.return_path);
	struct gathered *g;

	STAILQ_FOREACH(g, &s->waiting, link)
		if (g->lm == lm)
			break;
	if (g != NULL) {
		STAILQ_REMOVE(&s->waiting, g, gathered, link);
		STAILQ_INSERT_HEAD(&s->waiting, g, link);
		pop(s);
	}
	live_set_state(lm, LIVE_RESTING);
}
