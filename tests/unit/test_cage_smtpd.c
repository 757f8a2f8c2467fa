/* postern-smtpd takes connections and opens none: lib/sandbox as it is in use there. */
#include "lib/prelude.h"

#include "smtpd/smtpd.h"
#include "tests/unit/cage.h"

int
main(void)
{
	static const char *const may[] = { "accept4", NULL };

	return cage_main(&smtpd_ops, may);
}
