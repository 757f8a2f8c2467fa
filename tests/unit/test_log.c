/* lib/log: no byte from a peer reaches a line unescaped; lines stay lines. */
#include "lib/prelude.h"

#include <sys/socket.h>

#include "lib/log.h"
#include "tests/tap.h"

static char line[4096];

static void
sink(enum log_level level, const char *proc, const char *text)
{
	snprintf(line, sizeof(line), "%d %s %s", (int)level, proc, text);
}

static void
test_escape(void)
{
	char in[1000], want[8];
	int c;

	for (c = 0; c < 256; c++) {
		in[0] = (char)c;
		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\')
			snprintf(want, sizeof(want), "%c", c);
		else
			snprintf(want, sizeof(want), "\\x%02x", (unsigned)c);
		is_str(log_esc(in, 1), want, "byte %d", c);
	}
	memset(in, 'a', sizeof(in));
	is_int(strlen(log_esc(in, 200)), 200, "200 bytes are shown whole");
	is_int(strlen(log_esc(in, 201)), 203, "more are cut, with dots");
	memset(in, 0, sizeof(in));
	is_int(strlen(log_esc(in, 1000)), 803, "the longest escape fits");
	is_str(log_escs(NULL), "", "NULL is empty");
}

static void
test_lines(void)
{
	char big[5000], packet[4096];
	int fd[2], i;
	ssize_t n;

	log_init("test", -1);
	log_set_sink(sink);
	log_info("id=%d", 7);
	is_str(line, "2 test id=7", "info");
	errno = ENOSPC;
	log_warn("cannot write");
	is_str(line, "1 test cannot write: No space left on device", "warn");
	is_int(errno, ENOSPC, "errno is untouched");
	line[0] = '\0';
	log_debug("smtp", "quiet");
	is_str(line, "", "no topic, no line");
	log_set_debug("tls,smtp");
	log_debug("smtp", "loud");
	is_str(line, "3 test loud", "a topic that was asked for");
	line[0] = '\0';
	log_debug("mtp", "quiet");
	is_str(line, "", "part of a topic is none");
	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	ok(strlen(line) < 2100 && strcmp(line + strlen(line) - 3, "...") == 0,
	    "an endless line is cut");

	log_set_sink(NULL);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd) == -1)
		return;
	log_init("test", fd[0]);
	for (i = 0; i < 100000; i++)
		log_info("line %d", i);
	n = recv(fd[1], packet, sizeof(packet) - 1, 0);
	packet[n] = '\0';
	is_str(packet + 1, "line 0", "a packet is a level and a line");
	is_int(packet[0], LOG_LVL_INFO, "the level comes first");
	while (recv(fd[1], packet, sizeof(packet), 0) > 0)
		;
	log_info("after");
	n = recv(fd[1], packet, sizeof(packet) - 1, 0);
	packet[n < 0 ? 0 : n] = '\0';
	ok(strstr(packet + 1, "lines-dropped=") != NULL,
	    "a full channel says later what it dropped: %s", packet + 1);
}

static void
test_gather(void)
{
	char packet[32768];
	int fd[2], i;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd) == -1)
		return;
	log_init("test", fd[0]);
	log_gather();
	log_info("one");
	log_info("two");
	ok(recv(fd[1], packet, sizeof(packet), 0) == -1, "lines gather");
	log_leave();
	n = recv(fd[1], packet, sizeof(packet), 0);
	ok(n == 9 && memcmp(packet, "\2one\x1e\2two", 9) == 0,
	    "and leave in one packet");
	log_info("before");
	log_warnx("bad");
	n = recv(fd[1], packet, sizeof(packet), 0);
	ok(n == 7 && memcmp(packet, "\2before", 7) == 0,
	    "a warning waits for nobody");
	n = recv(fd[1], packet, sizeof(packet), 0);
	ok(n == 4 && memcmp(packet, "\1bad", 4) == 0, "but comes behind");
	for (i = 0; i < 4000; i++)
		log_info("line %d", i);
	log_leave();
	for (i = 0; (n = recv(fd[1], packet, sizeof(packet), 0)) > 0; i++)
		;
	ok(i > 1 && i < 10, "many lines are a few packets: %d", i);
	log_leave();
	ok(recv(fd[1], packet, sizeof(packet), 0) == -1, "nothing is nothing");
}

int
main(void)
{
	test_escape();
	test_lines();
	test_gather();
	return tap_done();
}
