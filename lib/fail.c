#include "lib/prelude.h"

#include "lib/fail.h"
#include "lib/log.h"

void
fail_stop(const char *what)
{
	log_warn("%s; this process ends here, the next one recovers from disk",
	    what);
	_exit(1);
}
