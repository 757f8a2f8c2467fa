/* lib/conf: a slice comes out as it went in, and no shorter packet passes. */
#include "lib/prelude.h"

#include "lib/conf.h"
#include "lib/ipc_msgs.h"
#include "lib/xalloc.h"
#include "tests/tap.h"

static char host[] = "h.example", dir[] = "/var/lib/x", def[] = "default",
    staff[] = "staff", domain[] = "@example.org", addr[] = "a@example.net",
    route[] = "upstream";
static uint8_t key[32];
static char *senders[] = { domain, addr };
static struct conf_limit limits[2] = {
	{ LIMIT_MESSAGES, 30, 60 }, { LIMIT_BYTES, 500000000, 86400 } };
static struct conf_cap caps[2] = {
	{ def, { limits, 2 }, 100, 4, OVER_DEFER },
	{ staff, { limits, 1 }, 0, 0, OVER_HOLD } };
static struct conf_queue_route routes[1] = {
	{ .name = route, .senders = { senders, 2 }, .connections = 10,
	    .per_minute = 600, .warn_sec = 7 } };
static const struct queue_conf sample = { .state_dir = dir, .hostname = host,
    .postmaster = addr, .ticket_key = { key, 32 }, .caps = { caps, 2 },
    .routes = { routes, 1 }, .retry_first_sec = 300,
    .min_free_bytes = 1ULL << 40, .segment_bytes = 1 << 25 };

int
main(void)
{
	struct queue_conf out;
	struct conf_cap *cap;
	struct ipc_in msg;
	const uint8_t *p;
	uint8_t *copy;
	uint32_t plen;
	size_t len, cut, refused = 0;

	ipc_begin(M_CONF, 0);
	conf_put(queue_conf_fields, &sample);
	p = ipc_built(&len);
	copy = xmemdup(p, len);

	memset(&out, 0, sizeof(out));
	ok(ipc_parse(copy, len, &msg) &&
	    conf_get(&msg, queue_conf_fields, &out) == 0, "it arrives");
	is_str(out.hostname, "h.example", "strings");
	is_str(out.state_dir, "/var/lib/x", "more strings");
	ok(out.ticket_key.n == 32 && memcmp(out.ticket_key.v,
	    key, 32) == 0, "bytes");
	is_int(out.caps.n, 2, "lists");
	cap = CONF_AT(out.caps, struct conf_cap, 1);
	is_str(cap->name, "staff", "their elements");
	is_int(cap->limits.n, 1, "lists in lists");
	is_int(CONF_AT(cap->limits, struct conf_limit, 0)->count, 30, "deep");
	is_str(CONF_AT(out.routes, struct conf_queue_route, 0)->senders.v[1],
	    "a@example.net", "lists of strings");
	ok(out.min_free_bytes == 1ULL << 40, "large numbers");
	is_int(out.retry_first_sec, 300, "numbers");
	is_int(CONF_AT(out.routes, struct conf_queue_route, 0)->warn_sec, 7,
	    "numbers in lists");
	conf_clear(queue_conf_fields, sizeof(out), &out);
	ok(out.hostname == NULL && out.caps.n == 0, "cleared");

	for (cut = 16; cut < len; cut++) {
		plen = (uint32_t)(cut - 16);
		memcpy(copy + 4, &plen, sizeof(plen));
		memset(&out, 0, sizeof(out));
		if (ipc_parse(copy, cut, &msg) &&
		    conf_get(&msg, queue_conf_fields, &out) == -1)
			refused++;
	}
	is_int(refused, len - 16, "cut off anywhere, it is refused");
	free(copy);
	return tap_done();
}
