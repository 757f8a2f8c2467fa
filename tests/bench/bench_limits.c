/*
 * What this machine allows, as a line of JSON: bench_limits DIRECTORY
 */
#include "lib/prelude.h"

#include "lib/log.h"
#include "tests/bench/limit_sync.h"
#include "tests/bench/limit_tls.h"

#define SYNC_SEC	1.0
#define HANDSHAKES	1000

int
main(int argc, char **argv)
{
	struct limit_tls tls;
	double syncs;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_limits DIRECTORY\n");
		return 2;
	}
	syncs = limit_sync(argv[1], SYNC_SEC);
	if (syncs <= 0)
		fatal("cannot write to %s", argv[1]);
	if (limit_tls(HANDSHAKES, &tls) == -1)
		fatalx("OpenSSL makes no TLS handshake");
	printf("{\"syncs_per_second\": %.0f, \"handshake_server_us\": %.1f, "
	    "\"handshake_client_us\": %.1f, \"session_kb\": %.1f}\n", syncs,
	    tls.server_us, tls.client_us, tls.session_kb);
	return 0;
}
