#include "lib/prelude.h"

#include <getopt.h>

#include "posternd/posternd.h"

static int
usage(FILE *to, int code)
{
	fputs("usage: posternd [-dhnV] [-f file]\n"
	    "  -d       stay in the foreground, log to stderr\n"
	    "  -f file  this configuration instead of "
	    POSTERN_SYSCONFDIR "/postern.conf\n"
	    "  -h       print this\n"
	    "  -n       check the configuration and exit\n"
	    "  -V       print the version and exit\n"
	    "posternd(8) has the details.\n", to);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	const char *file = POSTERN_SYSCONFDIR "/postern.conf";
	bool check = false, foreground = false;
	int c;

	while ((c = getopt_long(argc, argv, "df:hnV", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			foreground = true;
			break;
		case 'f':
			file = optarg;
			break;
		case 'h':
			return usage(stdout, 0);
		case 'n':
			check = true;
			break;
		case 'V':
			puts("posternd " PACKAGE_VERSION);
			return 0;
		default:
			return usage(stderr, 2);
		}
	}
	if (optind != argc)
		return usage(stderr, 2);
	return check ? posternd_check(file) : posternd_run(file, foreground);
}
