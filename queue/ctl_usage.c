/* What accounts have used, and what their caps allow. */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "lib/ticket.h"
#include "queue/clock.h"
#include "queue/ctl_verbs.h"

static void
usage_row(const char *account, void *arg)
{
	struct asked *a = arg;
	uint64_t hour[LIMIT_KINDS], day[LIMIT_KINDS], now = clock_steady_ms();

	caps_used(a->q->caps, account, 3600, now, hour);
	caps_used(a->q->caps, account, 24 * 3600, now, day);
	a->seen++;
	child_ctl_row(a->id, 6);
	child_ctl_str("account", account);
	child_ctl_num("messages_1h", hour[LIMIT_MESSAGES]);
	child_ctl_num("recipients_1h", hour[LIMIT_RECIPIENTS]);
	child_ctl_num("messages_1d", day[LIMIT_MESSAGES]);
	child_ctl_num("recipients_1d", day[LIMIT_RECIPIENTS]);
	child_ctl_num("bytes_1d", day[LIMIT_BYTES]);
	asked_send(a);
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
		asked_send(a);
	}
}

void
ctl_usage(struct asked *a, size_t argc, const char *const *argv)
{
	char account[LOGIN_MAX + 1];
	const char *cap;

	if (argc > 0) {
		snprintf(account, sizeof(account), "%s", argv[0]);
		addr_lower(account);
		cap = caps_last(a->q->caps, account);
		if (cap == NULL) {
			asked_end(a, CTL_NOT_FOUND, "\"%s\" has sent nothing in "
			    "the time that the caps look back", account);
			return;
		}
		if (*cap != '\0' && caps_find(a->q->caps, cap)->limits.n == 0) {
			usage_row(account, a);
			asked_end(a, CTL_OK, "Its cap, %s, has no limits.", cap);
			return;
		}
		if (*cap != '\0') {
			usage_of(a, account);
			asked_end(a, CTL_OK, "%s", "");
			return;
		}
		usage_row(account, a);
		asked_end(a, CTL_OK, "It has sent nothing since the queue was "
		    "started: what is left under its cap is told once it "
		    "has.");
		return;
	}
	caps_each(a->q->caps, usage_row, a);
	asked_end(a, CTL_OK, "%s", a->seen == 0 ? "Nobody has sent anything in the "
	    "time that the caps look back." : "");
}

static const char *const overs[] = {
	[OVER_DEFER] = "defer", [OVER_HOLD] = "hold",
};

static void
cap_row(struct asked *a, const struct conf_cap *cap, const char *what,
    const char *limit)
{
	child_ctl_row(a->id, 4);
	child_ctl_str("cap", cap->name);
	child_ctl_str("what", what);
	child_ctl_str("limit", limit);
	child_ctl_str("over", cap->over < nitems(overs) ? overs[cap->over] :
	    "");
	asked_send(a);
}

void
ctl_caps(struct asked *a, size_t argc, const char *const *argv)
{
	const struct conf_list *caps = &a->q->conf->caps;
	char text[NUM_TEXT_LEN * 2];
	size_t i, j;

	for (i = 0; i < caps->n; i++) {
		const struct conf_cap *cap = CONF_AT(*caps, struct conf_cap,
		    i);

		for (j = 0; j < cap->limits.n; j++) {
			const struct conf_limit *l = CONF_AT(cap->limits,
			    struct conf_limit, j);

			cap_row(a, cap, caps_kinds[l->what],
			    limit_text(l, text));
		}
		if (cap->recipients_per_message > 0) {
			snprintf(text, sizeof(text), "%u/message",
			    cap->recipients_per_message);
			cap_row(a, cap, "recipients", text);
		}
		if (cap->max_priority > 0) {
			snprintf(text, sizeof(text), "%u", cap->max_priority);
			cap_row(a, cap, "max-priority", text);
		}
	}
	asked_end(a, CTL_OK, "%s", "");
}
