/* lib/ipc: what is put comes out again, what does not fit is refused. */
#include "lib/prelude.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <fcntl.h>

#include "lib/ev.h"
#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "tests/tap.h"

/* What the kernel has no memory for, so many times. */
static int no_send, no_recv, no_error;

ssize_t
sendmsg(int fd, const struct msghdr *mh, int flags)
{
	if (no_send > 0 && no_send-- > 0) {
		errno = no_error;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, mh, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *mh, int flags)
{
	if (no_recv > 0 && no_recv-- > 0) {
		errno = no_error;
		return -1;
	}
	return syscall(SYS_recvmsg, fd, mh, flags);
}

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
	    in->fd_lost ? "lost" : in->fd == -1 ? "-" : "fd");
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

static char order[256];
static struct ipc *to_pause;

/* Writes down what comes; 'p' pauses, 'f' forgets. */
static int
on_gathered(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	size_t n = strlen(order);
	const char *s = ipc_get_str(in, 16 * 1024);
	char letter = *s;

	snprintf(order + n, sizeof(order) - n, "%c%s", letter,
	    in->fd == -1 ? "" : "+");
	if (letter == 'f')
		ipc_forget();
	if (letter == 'p')
		ipc_pause(to_pause = ipc, true);
	return 0;
}

static const struct ipc_ops gather_ops = { on_gathered, on_gone };

static void
send_letter(struct ipc *ipc, char letter, size_t n, int fd)
{
	static char text[16 * 1024];

	memset(text, letter, n);
	text[n] = '\0';
	ipc_begin(M_STOP, 7);
	ipc_put_str(text);
	ipc_send(ipc, fd);
}

static void
test_gather(void)
{
	struct ipc *a, *b;
	int fd[2], i;
	char packet[65536];

	ok(ipc_pair(fd) == 0, "a pair");
	a = ipc_new(fd[0], &gather_ops, NULL);
	ipc_gather(a);
	for (i = 0; i < 3; i++)
		send_letter(a, 'x', 4, -1);
	is_int(ipc_backlog(a), 3 * 25, "they wait for the end of the turn");
	ok(recv(fd[1], packet, sizeof(packet), MSG_DONTWAIT) == -1, "all");
	turn(1);
	is_int(recv(fd[1], packet, sizeof(packet), MSG_DONTWAIT), 3 * 25,
	    "and come in one packet");

	b = ipc_new(fd[1], &gather_ops, NULL);
	send_letter(a, 'a', 1, -1);
	send_letter(a, 'b', 1, 0);
	send_letter(a, 'c', 1, -1);
	send_letter(a, 'd', 9000, -1);
	send_letter(a, 'f', 1, -1);
	for (i = 0; i < 9; i++)
		send_letter(a, 'e', 7000, -1);
	send_letter(a, 'g', 1, -1);
	turn(3);
	is_str(order, "ab+cdfeeeeeeeeeg", "in order, whatever their kind");

	order[0] = '\0';
	send_letter(a, 'h', 1, -1);
	send_letter(a, 'p', 1, -1);
	send_letter(a, 'i', 1, -1);
	send_letter(a, 'j', 1, -1);
	turn(1);
	send_letter(a, 'k', 1, -1);
	turn(4);
	is_str(order, "hp", "a pause in the middle of a packet");
	ipc_pause(to_pause, false);
	turn(3);
	is_str(order, "hpijk", "and the rest after it");

	order[0] = '\0';
	send_letter(a, 'l', 1, -1);
	ipc_free(&a);
	turn(2);
	is_str(order, "l", "what was sent before the end is sent");
	ipc_free(&b);
	plain_end = false;
}

/* Half of a packet is sound. */
static void
test_half(void)
{
	struct ipc *b;
	const uint8_t *p;
	uint8_t packet[64];
	size_t len;
	int fd[2];

	ok(ipc_pair(fd) == 0, "a pair");
	b = ipc_new(fd[1], &gather_ops, NULL);
	order[0] = '\0';
	gone = false;
	ipc_begin(M_STOP, 7);
	ipc_put_str("m");
	p = ipc_built(&len);
	memcpy(packet, p, len);
	memcpy(packet + len, p, len - 1);
	ok(send(fd[0], packet, 2 * len - 1, 0) != -1, "a packet cut short");
	turn(2);
	ok(gone, "ends the channel");
	is_str(order, "m", "behind what was whole");
	ipc_free(&b);
	close(fd[0]);
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

/* Who has none free for one that comes hears the message, and that. */
static void
test_no_descriptor_free(void)
{
	struct rlimit old, none;
	struct ipc *a, *b;
	int fd[2], lowest;

	ok(ipc_pair(fd) == 0, "a pair");
	a = ipc_new(fd[0], &ops, NULL);
	b = ipc_new(fd[1], &ops, NULL);
	gone = false;
	turn(1);
	lowest = dup(0);
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &old) == -1)
		return;
	none = old;
	none.rlim_cur = (rlim_t)lowest;
	ipc_begin(M_STOP, 7);
	ipc_put_u32(42);
	ipc_put_str("hello");
	ipc_send(a, 0);
	ok(setrlimit(RLIMIT_NOFILE, &none) == 0, "none free");
	turn(2);
	ok(setrlimit(RLIMIT_NOFILE, &old) == 0, "some again");
	is_str(got_str, "42 hello lost", "the message comes without it");
	ok(!gone && ipc_alive(b), "and the channel lives");
	ipc_free(&a);
	ipc_free(&b);
}

/* The peer is not to blame, and nothing is lost or comes in another order. */
static void
test_not_now(void)
{
	static const int errors[] = { ENOMEM, ENOBUFS, EINTR };
	struct ipc *a, *b;
	char want[32];
	int fd[2];
	size_t i;
	uint32_t n;

	gone = false;
	for (i = 0; i < nitems(errors); i++) {
		ok(ipc_pair(fd) == 0, "a pair");
		a = ipc_new(fd[0], &ops, NULL);
		b = ipc_new(fd[1], &ops, NULL);
		no_error = errors[i];
		no_send = no_recv = 3;
		got_msgs = 0;
		for (n = 0; n < 5; n++) {
			ipc_begin(M_STOP, 7);
			ipc_put_u32(n);
			ipc_put_str("now");
			ipc_send(a, -1);
		}
		turn(20);
		is_int(got_msgs, 5, "%s: all arrive", strerrorname_np(no_error));
		snprintf(want, sizeof(want), "%u now -", n - 1);
		is_str(got_str, want, "in order");
		ok(!gone && ipc_alive(a) && ipc_alive(b),
		    "and both ends live");
		ipc_free(&a);
		ipc_free(&b);
	}
	no_send = no_recv = 0;
}

int
main(void)
{
	ev_init();
	test_round_trip();
	test_gather();
	test_half();
	test_forget();
	test_garbage();
	test_descriptors();
	test_no_descriptor_free();
	test_not_now();
	return tap_done();
}
