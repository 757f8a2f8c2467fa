#include "lib/prelude.h"

#include "lib/child.h"
#include "queue/ctl_words.h"

/* --- RFC 3461's parameters in words ---------------------------------------------------- */

static const struct {
	uint8_t	 bit;
	const char *word;
} notifies[] = {
	{ NOTIFY_NEVER, "never" }, { NOTIFY_SUCCESS, "success" },
	{ NOTIFY_FAILURE, "failure" }, { NOTIFY_DELAY, "delay" },
};

void
ctl_put_notify(uint8_t notify)
{
	char text[40] = "";
	size_t i, len = 0;

	for (i = 0; i < nitems(notifies); i++)
		if ((notify & notifies[i].bit) != 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			    "%s%s", len == 0 ? "" : ",", notifies[i].word);
	child_ctl_str("notify", text);
}

bool
ctl_get_notify(const char *text, uint8_t *notify)
{
	size_t i, n;

	*notify = 0;
	for (; *text != '\0'; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		for (i = 0; i < nitems(notifies); i++)
			if (strlen(notifies[i].word) == n &&
			    strncmp(notifies[i].word, text, n) == 0)
				break;
		if (i == nitems(notifies))
			return false;
		*notify |= notifies[i].bit;
	}
	return true;
}

/* --- RFC 2852's and RFC 6710's ------------------------------------------------------- */

void
ctl_put_wishes(const struct envelope *e)
{
	static const char *const modes[] = { [BY_NONE] = "",
	    [BY_NOTIFY] = "notify", [BY_RETURN] = "return" };
	char by[40], priority[8] = "";

	snprintf(by, sizeof(by), "%s%s%s", e->by < nitems(modes) ?
	    modes[e->by] : "", e->by_trace ? ",trace" : "",
	    e->by_told ? ",told" : "");
	if (e->priority != 0)
		snprintf(priority, sizeof(priority), "%d", e->priority);
	child_ctl_str("by", by);
	child_ctl_str("priority", priority);
}

bool
ctl_get_by(const char *text, struct envelope *e)
{
	e->by = strncmp(text, "notify", 6) == 0 ? BY_NOTIFY :
	    strncmp(text, "return", 6) == 0 ? BY_RETURN : BY_NONE;
	if (e->by == BY_NONE)
		return *text == '\0';
	text += 6;
	if (strncmp(text, ",trace", 6) == 0) {
		e->by_trace = true;
		text += 6;
	}
	if (strcmp(text, ",told") == 0) {
		e->by_told = true;
		text += 5;
	}
	return *text == '\0';
}

bool
ctl_get_priority(const char *text, int8_t *priority)
{
	bool minus = *text == '-';

	text += minus;
	if (*text < '0' || *text > '9' || text[1] != '\0')
		return false;
	*priority = (int8_t)(minus ? -(*text - '0') : *text - '0');
	return true;
}

static const char *const rets[] = { [RET_UNSET] = "", [RET_FULL] = "full",
    [RET_HDRS] = "headers" };

void
ctl_put_ret(uint8_t ret)
{
	child_ctl_str("ret", ret < nitems(rets) ? rets[ret] : "");
}

bool
ctl_get_ret(const char *text, uint8_t *ret)
{
	for (*ret = 0; *ret < nitems(rets); ++*ret)
		if (strcmp(rets[*ret], text) == 0)
			return true;
	return false;
}
