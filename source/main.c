#include "lib/prelude.h"

#include "source/source.h"

int
main(int argc, char **argv)
{
	return child_main(&source_ops, argc, argv);
}
