/* postern-keys has what it holds already, and nothing else: lib/sandbox as it is in use there. */
#include "lib/prelude.h"

#include "keys/keys.h"
#include "tests/unit/cage.h"

int
main(void)
{
	static const char *const may[] = { NULL };

	return cage_main(&keys_ops, may);
}
