/* postern-auth has its accounts, and no network: lib/sandbox as it is in use there. */
#include "lib/prelude.h"

#include "auth/auth.h"
#include "tests/unit/cage.h"

int
main(void)
{
	static const char *const may[] = { NULL };

	return cage_main(&auth_ops, may);
}
