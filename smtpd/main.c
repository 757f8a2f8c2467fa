#include "lib/prelude.h"

#include "smtpd/smtpd.h"

int
main(int argc, char **argv)
{
	return child_main(&smtpd_ops, argc, argv);
}
