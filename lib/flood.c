#include "lib/prelude.h"

#include "lib/flood.h"
#include "lib/log.h"

static void
over_cb(void *arg)
{
	struct flood *f = arg;

	if (f->more > 0)
		log_warnx("more=%llu seconds=%d what=\"%s\"",
		    (unsigned long long)f->more, FLOOD_WINDOW_MS / 1000,
		    f->what);
	f->written = 0;
	f->more = 0;
}

bool
flood_log(struct flood *f)
{
	if (!ev_timer_armed(&f->timer)) {
		ev_timer_init(&f->timer, over_cb, f);
		ev_timer_set(&f->timer, FLOOD_WINDOW_MS);
	}
	if (f->written == f->max) {
		f->more++;
		return false;
	}
	f->written++;
	return true;
}
