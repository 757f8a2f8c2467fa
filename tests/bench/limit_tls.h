/*
 * limit_tls: what a TLS handshake costs where there is nothing else: TLS 1.3,
 * X25519, an ECDSA P-256 certificate, both ends in one thread's memory. No
 * server is cheaper per connection than its half of it, nor smaller per idle
 * session than what OpenSSL keeps for it.
 */
#ifndef TESTS_BENCH_LIMIT_TLS_H
#define TESTS_BENCH_LIMIT_TLS_H

struct limit_tls {
	double	 server_us, client_us;	/* CPU time of a full handshake */
	double	 session_kb;		/* memory the server's end holds after it */
};

/* Averages over so many. 0; -1 when OpenSSL refuses. */
int	 limit_tls(int handshakes, struct limit_tls *);

#endif
