/* relay/places: so many connections to one address, and the others in turn. */
#include "lib/prelude.h"

#include <netinet/in.h>

#include "lib/ev.h"
#include "relay/places.h"
#include "tests/tap.h"

#define N 6

static struct guest {
	struct seat seat;
	int	 turns, wanted;
	bool	 leaves;		/* in its turn */
} guests[N];

static void
turn(void *arg)
{
	struct guest *g = arg;

	g->turns++;
	if (g->leaves)
		seat_leave(&g->seat);
}

static void
wanted(void *arg)
{
	((struct guest *)arg)->wanted++;
}

static const struct place_ops ops = { turn, wanted };

/* At the address 192.0.2.at; whether it has its seat. */
static bool
take(int i, uint8_t at, size_t limit)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(25) };

	sin.sin_addr.s_addr = htonl(0xc0000200u + at);
	return seat_take(&guests[i].seat, (struct sockaddr *)&sin,
	    sizeof(sin), limit, &ops, &guests[i]);
}

static void
clear(void)
{
	int i;

	for (i = 0; i < N; i++)
		seat_leave(&guests[i].seat);
	memset(guests, 0, sizeof(guests));
}

static void
loop(void)
{
	int i;

	for (i = 0; i < 5; i++)
		ev_loop_once(0);
}

static void
test_limit(void)
{
	ok(take(0, 1, 2) && take(1, 1, 2), "two seats");
	ok(!seat_wanted(&guests[0].seat), "nobody waits for them");
	ok(!take(2, 1, 2) && !take(3, 1, 2), "the third and fourth wait");
	ok(take(4, 2, 2), "another address has seats of its own");
	ok(seat_wanted(&guests[0].seat) && !seat_wanted(&guests[4].seat),
	    "who sits there knows");
	is_int(guests[0].wanted, 2, "and was told each time");
	seat_leave(&guests[1].seat);
	is_int(guests[2].turns, 0, "not from within");
	loop();
	ok(guests[2].turns == 1 && guests[3].turns == 0,
	    "who came first is next");
	seat_leave(&guests[0].seat);
	seat_leave(&guests[2].seat);
	loop();
	is_int(guests[3].turns, 1, "then the other");
	seat_leave(&guests[3].seat);
	seat_leave(&guests[3].seat);
	ok(take(5, 1, 1), "all are free again");
	clear();
}

static void
test_comings_and_goings(void)
{
	take(0, 1, 1);
	take(1, 1, 1);
	take(2, 1, 1);
	take(3, 1, 1);
	guests[1].leaves = guests[2].leaves = guests[3].leaves = true;
	seat_leave(&guests[2].seat);
	seat_leave(&guests[0].seat);
	loop();
	is_int(guests[2].turns, 0, "who has left has no turn");
	ok(guests[1].turns == 1 && guests[3].turns == 1,
	    "who leaves in its turn makes room for the next");
	ok(take(4, 1, 1), "the place was forgotten and is made again");
	clear();
}

static void
test_late_comers(void)
{
	take(0, 1, 1);
	take(1, 1, 1);
	seat_leave(&guests[0].seat);
	ok(!take(2, 1, 1), "nobody goes before who has waited");
	loop();
	is_int(guests[1].turns, 1, "who has its turn first");
	is_int(guests[2].turns, 0, "and is alone");
	ok(!take(3, 1, 4), "a reload has raised the limit");
	loop();
	ok(guests[2].turns == 1 && guests[3].turns == 1, "for all");
	clear();
}

int
main(void)
{
	ev_init();
	test_limit();
	test_comings_and_goings();
	test_late_comers();
	return tap_done();
}
