/* postern-relay opens connections and takes none: lib/sandbox as it is in use there. */
#include "lib/prelude.h"

#include "relay/relay.h"
#include "tests/unit/cage.h"

int
main(void)
{
	static const char *const may[] = { "socket", "socket of AF_UNIX",
	    "connect", "bind", NULL };

	return cage_main(&relay_ops, may);
}
