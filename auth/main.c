#include "lib/prelude.h"

#include "auth/auth.h"

int
main(int argc, char **argv)
{
	return child_main(&auth_ops, argc, argv);
}
