/* lib/ipc: what is put comes out again, what does not fit is refused. */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <fcntl.h>

#include "lib/ev.h"
#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "tests/tap.h"

static unsigned int got_msgs;
static bool gone, plain_end;
static const char *gone_why;
static char got_str[64];

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	uint32_t n = ipc_get_u32(in);
	const char *s = ipc_get_str(in, sizeof(got_str) - 1);

	if (!ipc_in_end(in))
		return -1;
	snprintf(got_str, sizeof(got_str), "%u %s %s", n, s,
	    in->fd == -1 ? "-" : "fd");
	got_msgs++;
	return 0;
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why == NULL)
		plain_end = true;
	else {
		gone = true;
		gone_why = why;
	}
}

static const struct ipc_ops ops = { on_msg, on_gone };

static void
turn(int n)
{
	while (n-- > 0)
		ev_loop_once(0);
}

static void
test_round_trip(void)
{
	struct ipc *a, *b;
	int fd[2], i;

	ok(ipc_pair(fd) == 0, "a pair");
	a = ipc_new(fd[0], &ops, NULL);
	b = ipc_new(fd[1], &ops, NULL);
	ipc_begin(M_STOP, 7);
	ipc_put_u32(42);
	ipc_put_str("hello");
	ipc_send(a, 0);
	turn(2);
	is_str(got_str, "42 hello fd", "fields and a descriptor arrive");

	got_msgs = 0;
	for (i = 0; i < 20000; i++) {
		ipc_begin(M_STOP, 7);
		ipc_put_u32((uint32_t)i);
		ipc_put_str("many");
		ipc_send(a, -1);
	}
	ok(ipc_backlog(a) > 0, "a full socket makes a backlog");
	turn(2000);
	is_int(got_msgs, 20000, "all of it arrives");
	is_int(ipc_backlog(a), 0, "the backlog is gone");

	gone = false;
	ipc_begin(M_STOP, 7);
	ipc_put_u32(1);
	ipc_send(a, -1);
	turn(2);
	is_str(gone_why, "malformed message", "a missing field ends it");
	ok(gone && !ipc_alive(b), "it is dead at the reader");
	turn(2);
	ok(plain_end, "the writer sees a plain end");
	ipc_free(&a);
	ipc_free(&b);
}

/* Where the message lies that was built last: nothing of it must stay. */
static void
test_forget(void)
{
	const uint8_t *p;
	size_t i, len;

	ipc_begin(M_STOP, 7);
	ipc_put_str("open-sesame");
	p = ipc_built(&len);
	ipc_forget();
	for (i = 0; i < len && p[i] == 0; i++)
		;
	is_int(i, len, "a secret that was sent is forgotten");
}

static void
test_garbage(void)
{
	static const struct {
		const char *name;
		uint8_t bytes[32];
		size_t len;
	} cases[] = {
		{ "short header", { 1, 0, 1 }, 3 },
		{ "wrong version", { 9, 9, 1, 0, 0, 0, 0, 0 }, 16 },
		{ "length too large", { IPC_VERSION, 0, 1, 0, 200 }, 16 },
		{ "length too small", { IPC_VERSION, 0, 1, 0, 1 }, 20 },
		{ "string past the end", { IPC_VERSION, 0, 1, 0, 8, 0, 0, 0,
		    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255 },
		    24 },
		{ "string without NUL", { IPC_VERSION, 0, 1, 0, 10, 0, 0, 0,
		    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'a',
		    'b' }, 26 },
		{ "string with NUL inside", { IPC_VERSION, 0, 1, 0, 11, 0, 0, 0,
		    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 'a', 0,
		    0 }, 27 },
		{ "bytes left over", { IPC_VERSION, 0, 1, 0, 11, 0, 0, 0,
		    0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'a', 0,
		    0 }, 27 },
	};
	struct ipc *b;
	size_t i;
	int fd[2];

	for (i = 0; i < nitems(cases); i++) {
		if (ipc_pair(fd) == -1)
			break;
		b = ipc_new(fd[1], &ops, NULL);
		gone = false;
		got_msgs = 0;
		if (send(fd[0], cases[i].bytes, cases[i].len, 0) == -1)
			break;
		turn(2);
		ok(gone && gone_why != NULL && got_msgs == 0, "%s is refused",
		    cases[i].name);
		ipc_free(&b);
		close(fd[0]);
	}
	is_int(i, nitems(cases), "all cases ran");
}

static size_t
open_files(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* A sound message, but with more descriptors than a message may carry. */
static void
test_descriptors(void)
{
	static const uint8_t msg[16] = { IPC_VERSION, 0, 1 };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)msg, sizeof(msg) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &ctl };
	struct ipc *b;
	size_t before, n;
	int fd[2], fds[3] = { 0, 1, 2 };

	for (n = 2; n <= 3; n++) {
		before = open_files();
		if (ipc_pair(fd) == -1)
			break;
		b = ipc_new(fd[1], &ops, NULL);
		gone = false;
		got_msgs = 0;
		memset(&ctl, 0, sizeof(ctl));
		ctl.hdr.cmsg_level = SOL_SOCKET;
		ctl.hdr.cmsg_type = SCM_RIGHTS;
		ctl.hdr.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&ctl.hdr), fds, n * sizeof(int));
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		if (sendmsg(fd[0], &mh, 0) == -1)
			break;
		turn(2);
		ok(gone && gone_why != NULL && got_msgs == 0,
		    "%zu descriptors are refused", n);
		ipc_free(&b);
		close(fd[0]);
		is_int(open_files(), before, "and none of them stays");
	}
	is_int(n, 4, "both cases ran");
}

int
main(void)
{
	ev_init();
	test_round_trip();
	test_forget();
	test_garbage();
	test_descriptors();
	return tap_done();
}
