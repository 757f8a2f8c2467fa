/* postern-queue has its store, and no network: lib/sandbox as it is in use there. */
#include "lib/prelude.h"

#include "queue/program.h"
#include "tests/unit/cage.h"

int
main(void)
{
	static const char *const may[] = { NULL };

	return cage_main(&program_ops, may);
}
