#include "lib/prelude.h"

#include <strings.h>

#include "lib/addr.h"
#include "queue/lane.h"

const struct conf_lane *
lane_of(const struct queue_conf *conf, const struct ticket *t)
{
	size_t i;

	for (i = 0; i < conf->lanes.n; i++) {
		const struct conf_lane *lane = CONF_AT(conf->lanes,
		    struct conf_lane, i);

		if (strcmp(lane->name, t->lane) == 0 &&
		    strcmp(lane->account, t->account) == 0)
			return lane;
	}
	return NULL;
}

bool
lane_is_sender(const struct conf_lane *lane, const char *return_path)
{
	return strcasecmp(return_path, lane->sender) == 0;
}

static bool
may_receive(const struct conf_lane *lane, const char *addr)
{
	size_t i;

	for (i = 0; i < lane->recipients.n; i++)
		if (addr_match(lane->recipients.v[i], addr))
			return true;
	return false;
}

const char *
lane_foreign(const struct conf_lane *lane, const struct envelope *e)
{
	size_t i;

	for (i = 0; i < e->nrcpts; i++)
		if (!may_receive(lane, e->rcpts[i].addr))
			return e->rcpts[i].addr;
	return NULL;
}
