#include "lib/prelude.h"

#include "auth/pending.h"

bool
pending_room(const struct pending *p, uint64_t network, bool known)
{
	size_t n = 0, strangers = 0, same = 0;
	const struct pending_one *one;

	LIST_FOREACH(one, &p->all, link) {
		n++;
		strangers += !one->known;
		same += network != 0 && one->network == network;
	}
	return n < PENDING_MAX && same < PENDING_NETWORK &&
	    (known || strangers < PENDING_STRANGERS);
}

void
pending_add(struct pending *p, struct pending_one *one, uint64_t question,
    uint64_t network, bool known)
{
	one->question = question;
	one->network = network;
	one->known = known;
	LIST_INSERT_HEAD(&p->all, one, link);
}

void
pending_remove(struct pending_one *one)
{
	LIST_REMOVE(one, link);
}

struct pending_one *
pending_find(const struct pending *p, uint64_t question)
{
	struct pending_one *one;

	LIST_FOREACH(one, &p->all, link)
		if (one->question == question)
			break;
	return one;
}
