#include "lib/prelude.h"

#include <sys/socket.h>
#include <fcntl.h>
#include <openssl/bio.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "tests/tap.h"

static void
make_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == -1)
		fatal("socketpair");
}

static void
test_gathers(void)
{
	struct wire w;
	char got[64];
	int fd[2];
	BIO *bio;

	make_pair(fd);
	wire_init(&w, 100);
	bio = wire_bio(&w);
	is_int(BIO_write(bio, "one ", 4), 4, "taken");
	is_int(BIO_write(bio, "two", 3), 3, "and the next");
	is_int(BIO_flush(bio), 1, "a flush is no failure");
	is_int(recv(fd[1], got, sizeof(got), 0), -1, "nothing leaves by itself");
	is_int(wire_unsent(&w), 7, "both wait");
	is_int(wire_send(&w, fd[0], 0), 7, "both leave at once");
	ok(recv(fd[1], got, sizeof(got), 0) == 7 &&
	    memcmp(got, "one two", 7) == 0, "and arrive");
	ok(wire_unsent(&w) == 0 && w.bytes.data == NULL, "no memory is kept");
	BIO_free(bio);
	wire_clear(&w);
	close(fd[0]);
	close(fd[1]);
}

/* What does not fit is refused whole, and the rest is kept. */
static void
test_full(void)
{
	struct wire w;
	BIO *bio;

	wire_init(&w, 8);
	bio = wire_bio(&w);
	is_int(BIO_write(bio, "123456", 6), 6, "what fits is taken");
	errno = 0;
	ok(BIO_write(bio, "789", 3) == -1 && errno == ENOBUFS &&
	    BIO_should_retry(bio) == 0, "more than the maximum is not");
	is_int(wire_unsent(&w), 6, "what was there stays");
	BIO_free(bio);
	wire_clear(&w);
}

/* A peer that does not read, and then does. */
static void
test_in_parts(void)
{
	static char much[4 * 1024 * 1024], got[64 * 1024];
	struct wire w;
	size_t left = sizeof(much);
	ssize_t n;
	int fd[2];
	bool same = true;
	BIO *bio;

	for (n = 0; n < (ssize_t)sizeof(much); n++)
		much[n] = (char)(n * 7 + n / 251);
	make_pair(fd);
	wire_init(&w, sizeof(much));
	bio = wire_bio(&w);
	is_int(BIO_write(bio, much, sizeof(much)), sizeof(much), "taken");
	n = wire_send(&w, fd[0], 0);
	ok(n > 0 && wire_unsent(&w) == sizeof(much) - (size_t)n,
	    "a part leaves");
	ok(wire_send(&w, fd[0], 0) == -1 && errno == EAGAIN, "and no more now");
	while (left > 0 && (n = recv(fd[1], got, sizeof(got), 0)) > 0) {
		same = same && memcmp(got, much + sizeof(much) - left,
		    (size_t)n) == 0;
		left -= (size_t)n;
		if (wire_unsent(&w) > 0)
			wire_send(&w, fd[0], 0);
	}
	ok(same && left == 0, "all arrives, in order");
	close(fd[1]);
	BIO_write(bio, "more", 4);
	ok(wire_send(&w, fd[0], 0) == -1 && errno == EPIPE,
	    "a peer that left is an error and no signal");
	BIO_free(bio);
	wire_clear(&w);
	close(fd[0]);
}

int
main(void)
{
	test_gathers();
	test_full();
	test_in_parts();
	return tap_done();
}
