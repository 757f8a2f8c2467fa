#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/log.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "queue/ctl_filter.h"
#include "queue/ctl_shape.h"
#include "queue/life.h"
#include "queue/life_report.h"
#include "queue/life_times.h"
#include "queue/reserve.h"
#include "queue/route.h"

static const char *const states[] = { "waiting", "line", "sending", "held",
    "failed" };

/* Of one that is shown for nobody: a report about what was delivered waits. */
#define TOLD_LATER	"delivered; the report of it waits"
#define NO_ROOM		TOLD_LATER " for room on the disk"

/* Of one that was not tried yet. */
#define KEPT		"kept until the hour that its sender has set"

static const char *
problem(const char *fmt, ...) PRINTFLIKE(1, 2);

static const char *
problem(const char *fmt, ...)
{
	static char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

void
filter_clear(struct filter *f)
{
	size_t i;

	for (i = 0; i < f->nstrs; i++)
		free(f->strs[i]);
	free(f->strs);
	free(f->ids);
	memset(f, 0, sizeof(*f));
}

/* --- reading one ----------------------------------------------------------------- */

static const char *
keep(struct filter *f, const char *s)
{
	f->strs = xreallocarray(f->strs, f->nstrs + 1, sizeof(*f->strs));
	f->strs[f->nstrs] = xstrdup(s);
	return f->strs[f->nstrs++];
}

static const char *
get_str(struct filter *f, const char **to, const char *value)
{
	*to = keep(f, value);
	return NULL;
}

/*
 * "a@b", "@b" or "b"; what no address can be would fit nothing, and the admin
 * would take that for an answer.
 */
static const char *
get_address(struct filter *f, const char **to, const char *value)
{
	const char *at = strrchr(value, '@');
	const char *domain = at == NULL ? value : at + 1;
	size_t n = strlen(domain);
	bool good = addr_is_domain(domain, n, ADDR_UTF8) ||
	    addr_is_literal(domain, n);

	if (at == NULL)		/* "alice" alone is nobody's domain */
		good = good && strchr(domain, '.') != NULL;
	else if (at != value)
		good = addr_parse(value, strlen(value), ADDR_UTF8, NULL) ==
		    NULL;
	if (!good && strcmp(value, "<>") != 0)
		return problem("\"%.100s\" is no address; write "
		    "user@example.net, @example.net for all of a domain, or <> "
		    "for the null return path", log_escs(value));
	return get_str(f, to, value);
}

static const char *
get_age(uint64_t *ms, const char *value)
{
	uint64_t sec;

	if (num_parse_duration(value, &sec) == -1 || sec == 0 ||
	    sec > UINT64_MAX / 1000)
		return problem("\"%s\" is no age; write 30m, 4h or 2d",
		    log_escs(value));
	*ms = sec * 1000;
	return NULL;
}

static const char *
get_state(struct filter *f, const char *value)
{
	size_t i;

	if (strcmp(value, "in line") == 0)	/* as a list has it */
		value = "line";
	for (i = 0; i < nitems(states); i++)
		if (strcmp(states[i], value) == 0) {
			f->state = states[i];
			return NULL;
		}
	return problem("\"%s\" is no state; there are waiting, line, sending, "
	    "held and failed", log_escs(value));
}

static const char *
get_limit(struct filter *f, const char *value)
{
	if (num_parse(value, strlen(value), 1, UINT64_MAX, &f->limit) == -1)
		return problem("\"%s\" is no number of messages",
		    log_escs(value));
	return NULL;
}

static const char *
get_upto(struct filter *f, const char *value)
{
	f->upto = store_id_parse(value);
	return f->upto == 0 ? problem("upto is no message id") : NULL;
}

static const char *
get_device(struct filter *f, const char *value)
{
	return num_parse(value, strlen(value), 0, UINT64_MAX, &f->device) ==
	    -1 ? problem("device is no number") : NULL;
}

static const char *
get_flag(bool *flag)
{
	*flag = true;
	return NULL;
}

/* An option; *narrows when it says which messages are meant. */
static const char *
get_option(struct filter *f, const char *name, size_t len, const char *value,
    bool *narrows)
{
	struct {
		const char *name, **to;
	} strs[] = {
		{ "account", &f->account }, { "route", &f->route },
		{ "hop", &f->hop }, { "reason", &f->reason },
	};
	size_t i;

#define IS(s) (len == strlen(s) && strncmp(name, s, len) == 0)
	*narrows = true;
	for (i = 0; i < nitems(strs); i++)
		if (IS(strs[i].name))
			return get_str(f, strs[i].to, value);
	if (IS("from"))
		return get_address(f, &f->from, value);
	if (IS("to"))
		return get_address(f, &f->to, value);
	if (IS("older"))
		return get_age(&f->older_ms, value);
	if (IS("newer"))
		return get_age(&f->newer_ms, value);
	if (IS("state"))
		return get_state(f, value);
	if (IS("restored"))
		return get_flag(&f->restored);
	*narrows = false;
	if (IS("limit"))
		return get_limit(f, value);
	if (IS("upto"))
		return get_upto(f, value);
	if (IS("device"))
		return get_device(f, value);
	if (IS("by"))
		return get_str(f, &f->by, value);
	if (IS("all"))
		return get_flag(&f->all);
	if (IS("dry-run"))
		return get_flag(&f->dry_run);
	if (IS("count"))
		return get_flag(&f->count);
	if (IS("counts"))
		return get_flag(&f->counts);
	if (IS("body"))
		return get_flag(&f->body);
#undef IS
	return problem("there is no option --%.*s here", (int)(len < 32 ? len :
	    32), name);
}

static const char *
get_id(struct filter *f, const char *text)
{
	uint64_t id = store_id_parse(text);

	if (id == 0)
		return problem("\"%s\" is no message id; see posternctl queue "
		    "list", log_escs(text));
	if (f->nids == FILTER_IDS_MAX)
		return problem("at most %d ids at once", FILTER_IDS_MAX);
	f->ids = xreallocarray(f->ids, f->nids + 1, sizeof(*f->ids));
	f->ids[f->nids++] = id;
	return NULL;
}

/* Of two the second would count, or none would fit both: neither is meant. */
static const char *
why_twice(const char *const *argv, size_t i)
{
	size_t j, len = strcspn(argv[i], "=") + 1;

	for (j = 0; j < i; j++)
		if (strncmp(argv[j], argv[i], len) == 0)
			return problem("--%.*s is given twice, and all that is "
			    "given must be true at once: give it once, and run "
			    "the command for each", (int)(len - 1 < 32 ? len -
			    1 : 32), argv[i]);
	return NULL;
}

const char *
filter_parse(struct filter *f, size_t argc, const char *const *argv)
{
	const char *why = NULL, *eq;
	bool narrows = false;
	size_t i;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < argc && why == NULL; i++) {
		eq = strchr(argv[i], '=');
		if (eq == NULL) {
			why = get_id(f, argv[i]);
			continue;
		}
		why = why_twice(argv, i);
		if (why == NULL) {
			why = get_option(f, argv[i], (size_t)(eq - argv[i]),
			    eq + 1, &narrows);
			f->any |= narrows;
		}
	}
	if (why == NULL && f->nids > 0 && (f->any || f->all))
		why = "name messages by id or by what is true of them, not "
		    "both";
	return why;
}

const char *
filter_nowhere(const struct filter *f, const struct queue *q)
{
	char route[ROUTE_HOP_MAX + 1];

	if (f->route != NULL && route_named(&q->conf->routes, f->route) ==
	    NULL)
		return problem("there is no route \"%s\" in postern.conf",
		    log_escs(f->route));
	if (f->hop == NULL)
		return NULL;
	snprintf(route, sizeof(route), "%.*s", (int)strcspn(f->hop, "/"),
	    f->hop);
	return route_named(&q->conf->routes, route) != NULL ? NULL :
	    problem("there is no next hop \"%s\": write the name of a route, "
	    "or route/domain, as queue stats --by hop does",
	    log_escs(f->hop));
}

/* --- what is true of a message ------------------------------------------------------ */

/* The first of them, or the number of recipients. */
static size_t
first_of(const struct store_msg *m, enum rcpt_state state)
{
	size_t i;

	for (i = 0; i < m->env.nrcpts; i++)
		if (m->rcpts[i].state == state)
			break;
	return i;
}

const char *
filter_state(const struct queue *q, const struct store_msg *m)
{
	const struct live_msg *lm = live_find(q->live, m->id);

	if (lm != NULL && lm->state == LIVE_GATHERED)
		return states[4];
	if (lm != NULL && lm->state == LIVE_STORING && m->hold != HOLD_NONE)
		return states[3];
	if (lm != NULL && lm->state != LIVE_RESTING && lm->state != LIVE_GONE)
		return states[lm->nsent > 0 ? 2 : 1];
	if (m->hold != HOLD_NONE)
		return states[3];
	return states[filter_shown(m) == RCPT_OWED &&
	    first_of(m, RCPT_OWED) < m->env.nrcpts ? 4 : 0];
}

enum rcpt_state
filter_shown(const struct store_msg *m)
{
	return first_of(m, RCPT_PENDING) < m->env.nrcpts ? RCPT_PENDING :
	    RCPT_OWED;
}

const char *
filter_hop(const struct queue *q, const struct store_msg *m)
{
	static char text[ROUTE_HOP_MAX + 1];
	struct buf domain, hop;
	size_t i = first_of(m, filter_shown(m));

	if (i == m->env.nrcpts)
		return "";
	buf_init(&domain, ROUTE_HOP_MAX);
	buf_init(&hop, ROUTE_HOP_MAX);
	route_for(q->conf, m, i, &domain, &hop);
	snprintf(text, sizeof(text), "%s", buf_str(&hop));
	buf_clear(&domain);
	buf_clear(&hop);
	return text;
}

/* One that is held waits for its release, one from before a crash for its turn. */
static const char *
told_later(const struct queue *q, const struct store_msg *m)
{
	return m->hold != HOLD_NONE || reserve_fits(q, store_msg_bytes(m) +
	    LIFE_REPORT_BYTES) ? TOLD_LATER : NO_ROOM;
}

const char *
filter_kept(const struct store_msg *m)
{
	return m->hold == HOLD_NONE && life_kept_ms(m) > 0 ? KEPT : "";
}

const char *
filter_reason(const struct queue *q, const struct store_msg *m)
{
	enum rcpt_state shown = filter_shown(m);
	size_t i;

	for (i = 0; i < m->env.nrcpts; i++)
		if (m->rcpts[i].state == shown && m->rcpts[i].diag != NULL)
			return m->rcpts[i].diag;
	return first_of(m, shown) == m->env.nrcpts &&
	    first_of(m, RCPT_RELAYED) < m->env.nrcpts ? told_later(q, m) :
	    filter_kept(m);
}

/* "a@b", "@b", "b"; "<>" is the null return path. */
static bool
address_fits(const char *pattern, const char *address)
{
	char at[ENVELOPE_PATH_MAX + 2];

	if (strcmp(pattern, "<>") == 0)
		return *address == '\0';
	if (strchr(pattern, '@') != NULL)
		return addr_match(pattern, address);
	snprintf(at, sizeof(at), "@%s", pattern);
	return addr_match(at, address);
}

/* A part of the answer, as it was given or as statistics show it; or a status. */
static bool
reason_fits(const char *reason, const struct store_rcpt *r)
{
	char shape[SHAPE_MAX + 1];

	if ((r->diag != NULL && strcasestr(r->diag, reason) != NULL) ||
	    (r->status != NULL && strcmp(r->status, reason) == 0))
		return true;
	ctl_shape(r, shape);
	return strchr(reason, '*') != NULL ?
	    strcasestr(shape, reason) != NULL :
	    *shape != '\0' && strcasecmp(shape, reason) == 0;
}

/* Of a recipient that is shown. */
static bool
rcpt_fits(const struct filter *f, const struct queue *q,
    const struct store_msg *m, size_t i, struct buf *domain, struct buf *hop)
{
	const struct conf_queue_route *r;
	const struct store_rcpt *rcpt = &m->rcpts[i];

	if (rcpt->state != filter_shown(m))
		return false;
	if (f->to != NULL && !address_fits(f->to, m->env.rcpts[i].addr))
		return false;
	if (f->reason != NULL && !reason_fits(f->reason, rcpt) &&
	    (rcpt->diag != NULL || strcasestr(filter_kept(m), f->reason) ==
	    NULL))
		return false;
	if (f->route == NULL && f->hop == NULL)
		return true;
	r = route_for(q->conf, m, i, domain, hop);
	if (f->route != NULL && (r == NULL || strcmp(r->name, f->route) != 0))
		return false;
	return f->hop == NULL || strcasecmp(f->hop, buf_str(hop)) == 0;
}

static bool
any_rcpt_fits(const struct filter *f, const struct queue *q,
    const struct store_msg *m)
{
	struct buf domain, hop;
	bool fits = false;
	size_t i;

	if (f->to == NULL && f->route == NULL && f->hop == NULL &&
	    f->reason == NULL)
		return true;
	buf_init(&domain, ROUTE_HOP_MAX);
	buf_init(&hop, ROUTE_HOP_MAX);
	for (i = 0; i < m->env.nrcpts && !fits; i++)
		fits = rcpt_fits(f, q, m, i, &domain, &hop);
	buf_clear(&domain);
	buf_clear(&hop);
	return fits;
}

static bool
was_restored(const struct store_msg *m)
{
	size_t i;

	for (i = 0; i < m->nevents; i++)
		if (strncmp(m->events[i].what, RESTORED_NOTE,
		    strlen(RESTORED_NOTE)) == 0)
			return true;
	return false;
}

bool
filter_fits(const struct filter *f, const struct queue *q,
    const struct store_msg *m)
{
	uint64_t now = ev_wall_ms(), age;

	age = now > m->arrived_ms ? now - m->arrived_ms : 0;
	if (f->account != NULL && strcasecmp(f->account, m->account) != 0)
		return false;
	if (f->from != NULL && !address_fits(f->from, m->env.return_path))
		return false;
	if ((f->older_ms != 0 && age < f->older_ms) ||
	    (f->newer_ms != 0 && age >= f->newer_ms))
		return false;
	if (f->state != NULL && strcmp(f->state, filter_state(q, m)) != 0)
		return false;
	if (f->restored && !was_restored(m))
		return false;
	return any_rcpt_fits(f, q, m);
}
