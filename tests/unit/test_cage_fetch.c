/* postern-fetch asks other servers, and keeps nothing: lib/sandbox as it is in use there. */
#include "lib/prelude.h"

#include "fetch/fetch.h"
#include "tests/unit/cage.h"

int
main(void)
{
	static const char *const may[] = { "socket", "socket of AF_UNIX",
	    "socketpair", "connect", "bind", NULL };

	return cage_main(&fetch_ops, may);
}
