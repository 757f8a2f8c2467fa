/*
 * The queue between a captured smtpd and a captured relay, both of which say
 * whatever the input tells them to. The input is a row of packets: a byte of
 * choices, a length, that many bytes. Whatever they say, what the store holds
 * bears the account of a good ticket or is a report of ours, and its addresses
 * are addresses; the queue goes on and takes the next sound message.
 */
#include "lib/prelude.h"

#include "lib/addr.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/queue_world.h"

const unsigned long fuzz_replay_runs = 2000;

/* Choices: the two lowest bits are the type. */
enum { TYPE = 3, RELAY = 4, TICKET = 8, OTHER_ID = 16, LATER = 32 };

#define ALICE	"alice@example.org"
#define SESSION	7
#define PACKETS_MAX 40

static struct world_peer smtpd, relay;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_init("test", -1);
	log_set_sink(world_sink);
	ev_init();
	return 0;
}

/* As the parent does with one that broke the protocol. */
static void
replace_if_gone(struct world_peer *p, enum role role)
{
	if (!p->gone)
		return;
	world_disconnect(p);
	world_connect(p, role, 0);
	world_turn(4);
}

/* The attempt that the relay was last given. */
static uint64_t
attempt(void)
{
	size_t i;

	for (i = relay.n; i-- > 0; )
		if (relay.v[i]->type == M_DELIVER)
			return relay.v[i]->id;
	return 1;
}

/* Puts bytes as they are: an array's length would go before them otherwise. */
static void
put_raw(const uint8_t *p, size_t n)
{
	while (n-- > 0)
		ipc_put_u8(*p++);
}

static void
one_packet(uint8_t what, const uint8_t *p, size_t n)
{
	static const uint16_t to_queue[] = { M_TX_BEGIN, M_TX_SPOOL, M_SUBMIT,
	    M_TX_END }, results[] = { M_RCPT_RESULT, M_DELIVER_END,
	    M_DELIVER_NO_MORE, M_SUBMIT };
	struct ticket t = world_ticket(0, SESSION, ALICE);
	uint64_t id = what & RELAY ? attempt() : SESSION;

	if (what & OTHER_ID)
		id++;
	ipc_begin(what & RELAY ? results[what & TYPE] : to_queue[what & TYPE],
	    id);
	if (what & TICKET)
		ticket_put(&t);
	put_raw(p, n);
	ipc_send(what & RELAY ? relay.ipc : smtpd.ipc, -1);
	if (what & LATER)
		world_step(300 * 1000);
	world_turn(8);
	replace_if_gone(&smtpd, ROLE_SMTPD);
	replace_if_gone(&relay, ROLE_RELAY);
}

static void
check_msgs(struct store_msg *const *v, size_t n, void *arg)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		const struct envelope *e = &v[i]->env;
		int flags = e->utf8 ? ADDR_UTF8 : 0;

		MUST(strcmp(v[i]->account, ALICE) == 0 || (*v[i]->account ==
		    '\0' && *e->return_path == '\0'));
		MUST(*e->return_path == '\0' || addr_parse(e->return_path,
		    strlen(e->return_path), flags, NULL) == NULL);
		MUST(e->nrcpts > 0);
		for (k = 0; k < e->nrcpts; k++)
			MUST(addr_parse(e->rcpts[k].addr,
			    strlen(e->rcpts[k].addr), flags, NULL) == NULL);
	}
}

/* After all that, one who behaves is served. */
static void
still_serves(void)
{
	struct world_no no;

	world_disconnect(&smtpd);
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_turn(4);
	world_submit(&smtpd, SESSION + 9, "bob@example.org",
	    "carol@example.net");
	MUST(world_submitted(&smtpd, &no, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t packets, len;
	uint8_t what;

	world_defaults();
	ev_clock_fake(WORLD_NOW, WORLD_WALL);
	MUST(queue_open(&world, &world_conf, world_open_store) == NULL);
	world.told = true;
	world_connect(&smtpd, ROLE_SMTPD, 0);
	world_connect(&relay, ROLE_RELAY, 0);
	world_turn(4);
	for (packets = 0; n >= 3 && packets < PACKETS_MAX; packets++) {
		what = p[0];
		len = (size_t)p[1] << 8 | p[2];
		p += 3;
		n -= 3;
		if (len > n)
			len = n;
		one_packet(what, p, len);
		p += len;
		n -= len;
	}
	store_list(world.store, 0, 1000, check_msgs, NULL);
	still_serves();
	world_disconnect(&smtpd);
	world_disconnect(&relay);
	world_turn(4);
	world_close();
	return 0;
}
