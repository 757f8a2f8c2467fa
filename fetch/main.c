/* postern-fetch: HTTPS for others; started by posternd. */
#include "lib/prelude.h"

#include "fetch/fetch.h"

int
main(int argc, char **argv)
{
	return child_main(&fetch_ops, argc, argv);
}
