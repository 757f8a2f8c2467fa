/* postern-relay: DNS and SMTP towards next hops; started by posternd. */
#include "lib/prelude.h"

#include "relay/relay.h"

int
main(int argc, char **argv)
{
	return child_main(&relay_ops, argc, argv);
}
