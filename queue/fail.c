#include "lib/prelude.h"

#include "lib/log.h"
#include "queue/fail.h"

void
fail_stop(const char *what)
{
	log_warn("%s; the queue ends here and recovers from disk", what);
	_exit(1);
}
