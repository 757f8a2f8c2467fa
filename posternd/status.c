#include "lib/prelude.h"

#include "lib/buf.h"
#include "lib/date.h"
#include "lib/ev.h"
#include "lib/ipc_msgs.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternd/children.h"
#include "posternd/status.h"

#define CERTS_MAX	64
#define CERT_FILE_MAX	4096
#define DAY_MS		(24ull * 3600 * 1000)
#define EXPIRES_SOON_MS	(14 * DAY_MS)	/* keys logs it from then on, too */
#define TROUBLE_MAX	4096

static const struct config *serving;
static uint64_t begun_ms, loaded_ms;

static struct cert {
	char	*file;
	uint64_t from_ms, until_ms;	/* wall clock */
} certs[CERTS_MAX];
static size_t ncerts;

static const char *const helps[STATS_COUNT] = {
#define X(id, name, help) help,
	STATS(X)
#undef X
};

void
status_serving(const struct config *cfg)
{
	serving = cfg;
	loaded_ms = ev_wall_ms();
	if (begun_ms == 0)
		begun_ms = loaded_ms;
}

int
status_certificates(struct ipc_in *in)
{
	uint32_t n = ipc_get_u32(in);

	while (ncerts > 0)
		free(certs[--ncerts].file);
	for (; n > 0 && ncerts < CERTS_MAX && !in->bad; n--) {
		certs[ncerts].file = xstrdup(ipc_get_str(in, CERT_FILE_MAX));
		certs[ncerts].from_ms = ipc_get_u64(in);
		certs[ncerts++].until_ms = ipc_get_u64(in);
	}
	return ipc_in_end(in) ? 0 : -1;
}

static void
put(const char *key, char kind, const char *value)
{
	ipc_put_str(key);
	ipc_put_u8((uint8_t)kind);
	ipc_put_str(value);
}

static void
put_num(const char *key, char kind, uint64_t n)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	put(key, kind, digits);
}

static void
begin_row(uint64_t id, uint32_t fields)
{
	ipc_begin(M_CTL_ROW, id);
	ipc_put_u32(fields);
}

static void
send_whole(struct ipc *ipc, uint64_t id)
{
	begin_row(id, 5);
	put("version", 's', PACKAGE_VERSION);
	put("hostname", 's', serving->hostname);
	put_num("up", 'd', (ev_wall_ms() - begun_ms) / 1000);
	put_num("configured", 't', loaded_ms);
	put("configuration", 's', serving->file);
	ipc_send(ipc, -1);
}

static void
send_process(struct ipc *ipc, uint64_t id, const struct child_info *info)
{
	begin_row(id, 5);
	put("process", 's', info->name);
	put("state", 's', info->state);
	put_num("pid", 'n', (uint64_t)info->pid);
	put_num("since", 't', info->since_ms);
	put_num("restarts", 'n', info->restarts);
	ipc_send(ipc, -1);
}

static void
send_cert(struct ipc *ipc, uint64_t id, const struct cert *c)
{
	uint64_t now = ev_wall_ms();
	bool over = c->until_ms <= now;

	begin_row(id, 4);
	put("certificate", 's', c->file);
	put_num("expires", 't', c->until_ms);
	put_num("days_left", 'n', over ? 0 : (c->until_ms - now) / DAY_MS);
	put("expired", 'b', over ? "true" : "false");
	ipc_send(ipc, -1);
}

/* As days_left has them: full days, and hours when these are less than two. */
static const char *
left_in_words(uint64_t ms, char text[NUM_TEXT_LEN])
{
	if (ms < 2 * DAY_MS)
		return num_print_wait(ms / 1000, text);
	return num_print_count(ms / DAY_MS, "day", text);
}

static void
add_cert_trouble(struct buf *out, const struct cert *c)
{
	uint64_t now = ev_wall_ms();
	char text[DATE_LEN + NUM_TEXT_LEN];

	if (c->from_ms > now)
		buf_addf(out, "%sTHE CERTIFICATE %s IS NOT VALID before %s: is "
		    "this machine's clock right?", out->len > 0 ? "\n" : "",
		    c->file, date_rfc5322(c->from_ms, text));
	else if (c->until_ms <= now)
		buf_addf(out, "%sTHE CERTIFICATE %s EXPIRED on %s: mail "
		    "programs refuse it. Renew it, then posternctl reload.",
		    out->len > 0 ? "\n" : "", c->file,
		    date_rfc5322(c->until_ms, text));
	else if (c->until_ms - now < EXPIRES_SOON_MS)
		buf_addf(out, "%sThe certificate %s expires in %s: renew it, "
		    "then posternctl reload.", out->len > 0 ? "\n" : "",
		    c->file, left_in_words(c->until_ms - now, text));
}

static const char *
trouble(bool disk_low)
{
	static char text[TROUBLE_MAX];
	struct buf out;
	size_t i;

	buf_init(&out, sizeof(text) - 1);
	if (disk_low)
		buf_adds(&out, "No mail is accepted: the disk that state-dir is "
		    "on is too full; the log says how much must be free. Make "
		    "room there.");
	for (i = 0; i < ncerts; i++)
		add_cert_trouble(&out, &certs[i]);
	snprintf(text, sizeof(text), "%s", buf_str(&out));
	buf_clear(&out);
	return text;
}

const char *
status_send(struct ipc *ipc, uint64_t id)
{
	uint64_t sums[STATS_COUNT] = { 0 };
	struct child_info info;
	size_t i, j;

	if (serving == NULL)
		return NULL;
	send_whole(ipc, id);
	for (i = 0; children_info(i, &info); i++) {
		if (!info.absent)
			send_process(ipc, id, &info);
		for (j = 0; j < STATS_COUNT; j++)
			sums[j] += info.stats[j];
	}
	for (i = 0; i < ncerts; i++)
		send_cert(ipc, id, &certs[i]);
	for (j = 0; j < STATS_COUNT; j++) {
		begin_row(id, 3);
		put_num("count", 'n', sums[j]);
		put("name", 's', stats_names[j]);
		put("what", 's', helps[j]);
		ipc_send(ipc, -1);
	}
	return trouble(sums[STAT_DISK_LOW] > 0);
}
