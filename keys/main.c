#include "lib/prelude.h"

#include "keys/keys.h"

int
main(int argc, char **argv)
{
	return child_main(&keys_ops, argc, argv);
}
