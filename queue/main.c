/* postern-queue: the single writer of accepted mail. */
#include "lib/prelude.h"

#include "queue/program.h"

int
main(int argc, char **argv)
{
	return child_main(&program_ops, argc, argv);
}
