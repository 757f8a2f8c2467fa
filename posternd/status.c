#include "lib/prelude.h"

#include "lib/ev.h"
#include "lib/ipc_msgs.h"
#include "lib/num.h"
#include "posternd/children.h"
#include "posternd/status.h"

static const struct config *serving;
static uint64_t begun_ms, loaded_ms;

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
	char up[NUM_TEXT_LEN];

	begin_row(id, 5);
	put("version", 's', PACKAGE_VERSION);
	put("hostname", 's', serving->hostname);
	put("up", 's', num_print_wait((ev_wall_ms() - begun_ms) / 1000, up));
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
	for (j = 0; j < STATS_COUNT; j++) {
		begin_row(id, 3);
		put_num("count", 'n', sums[j]);
		put("name", 's', stats_names[j]);
		put("what", 's', helps[j]);
		ipc_send(ipc, -1);
	}
	return sums[STAT_DISK_LOW] == 0 ? "" : "No mail is accepted: the disk "
	    "that state-dir is on has less than min-free left. Make room there.";
}
