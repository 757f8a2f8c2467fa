#include "lib/prelude.h"

int
main(void)
{
	return 0;
}
