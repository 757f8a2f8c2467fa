#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/xalloc.h"
#include "posternd/logsink.h"

#define LINE_MAX_BYTES	4096
#define PACKET_MAX	(32 * 1024)
#define LINES_PER_WAKE	256
#define STREAM_BUFFER	(64 * 1024)
/* More than a busy child says in earnest: 4 lines each for 10,000 messages/s. */
#define FLOOD_LINES	40000
#define FLOOD_WARNINGS	5000	/* of these; nobody reads more */
#define FLOOD_MS	1000
#define SOCKET_BUFFER	(1024 * 1024)
#define REST_MS		10	/* a busy child's lines gather in its socket */
#define JOURNAL_SOCKET	"/run/systemd/journal/socket"

struct logsource {
	const char *proc;
	int	 fd;
	struct ev_fd ev;
	struct ev_timer rest;
	uint64_t window_ms;	/* when the current second began */
	uint32_t lines, warnings, dropped; /* within it */
	struct ev_timer report;
};

static enum config_log sink = CONFIG_LOG_STDERR;
static FILE *stream;
static char burst[STREAM_BUFFER];	/* lines that leave in one write */
static size_t burst_len;
static int journal = -1;

static const char *const level_names[] = { "error", "warning", "info",
    "debug" };
static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* --- sinks ---------------------------------------------------------------------- */

/* The second, as people read it; made once for all lines within it. */
static const char *
stamp(time_t t)
{
	static char text[32];
	static time_t of = -1;
	struct tm tm;

	if (t != of && (localtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0))
		text[0] = '\0';
	of = t;
	return text;
}

static void
written(void)
{
	if (burst_len > 0) {
		fwrite(burst, 1, burst_len, stream);
		fflush(stream);
	}
	burst_len = 0;
}

static void
to_stream(enum log_level level, const char *proc, const char *line)
{
	uint64_t ms = ev_wall_ms();
	int n;

	if (sizeof(burst) - burst_len < LINE_MAX_BYTES + 256)
		written();
	n = snprintf(burst + burst_len, LINE_MAX_BYTES + 256,
	    "%s.%03u %s %s%s%s\n", stamp((time_t)(ms / 1000)),
	    (unsigned)(ms % 1000), proc,
	    level == LOG_LVL_INFO ? "" : level_names[level],
	    level == LOG_LVL_INFO ? "" : ": ", line);
	if (n > 0 && n < LINE_MAX_BYTES + 256)
		burst_len += (size_t)n;
}

/* systemd's native protocol: NAME=value lines in one datagram. */
static int
to_journal(enum log_level level, const char *proc, const char *line)
{
	char text[LINE_MAX_BYTES + 256];
	int n;

	n = snprintf(text, sizeof(text), "PRIORITY=%d\n"
	    "SYSLOG_IDENTIFIER=postern\nPOSTERN_PROCESS=%s\n"
	    "MESSAGE=%s %s\n", priorities[level], proc, proc, line);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -1;
	return send(journal, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL)
	    == -1 ? -1 : 0;
}

static void
put_line(enum log_level level, const char *proc, const char *line)
{
	if (sink == CONFIG_LOG_JOURNAL && to_journal(level, proc, line) == 0)
		return;
	if (sink == CONFIG_LOG_STDERR)
		to_stream(level, proc, line);
	else	/* a journal that does not take it: syslog is next to it */
		syslog(priorities[level], "%s %s", proc, line);
}

void
logsink_line(enum log_level level, const char *proc, const char *line)
{
	put_line(level, proc, line);
	written();
}

static int
open_journal(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
	    .sun_path = JOURNAL_SOCKET };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s != -1 && connect(s, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		close(s);
		s = -1;
	}
	return s;
}

void
logsink_open(enum config_log where, FILE *f)
{
	stream = f;
	if (where != CONFIG_LOG_STDERR)
		openlog("postern", LOG_NDELAY, LOG_MAIL);
	if (where == CONFIG_LOG_JOURNAL && journal == -1)
		journal = open_journal();
	sink = where;
	log_set_sink(logsink_line);
	if (where == CONFIG_LOG_JOURNAL && journal == -1) {
		sink = CONFIG_LOG_SYSLOG;
		log_warnx("there is no journal at %s; logging to syslog",
		    JOURNAL_SOCKET);
	}
}

/* --- sources --------------------------------------------------------------------- */

static void
report_cb(void *arg)
{
	struct logsource *src = arg;
	char text[96];

	if (src->dropped == 0)
		return;
	snprintf(text, sizeof(text), "%u log lines dropped: more than %u, or "
	    "%u warnings, within a second", src->dropped,
	    (unsigned)FLOOD_LINES, (unsigned)FLOOD_WARNINGS);
	src->dropped = 0;
	put_line(LOG_LVL_WARN, src->proc, text);
	written();
}

static bool
flooding(struct logsource *src, enum log_level level)
{
	uint64_t now = ev_now_ms();

	if (now - src->window_ms >= FLOOD_MS) {
		report_cb(src);
		src->window_ms = now;
		src->lines = src->warnings = 0;
	}
	if (src->lines < FLOOD_LINES &&
	    (level != LOG_LVL_WARN || src->warnings < FLOOD_WARNINGS)) {
		src->lines++;
		src->warnings += level == LOG_LVL_WARN;
		return false;
	}
	src->dropped++;
	if (!ev_timer_armed(&src->report))
		ev_timer_set(&src->report, FLOOD_MS);
	return true;
}

/* One level byte, then the line. Control bytes would forge further lines. */
static void
take_line(struct logsource *src, char *p, size_t n)
{
	uint8_t level = n > 0 ? (uint8_t)p[0] : UINT8_MAX;
	size_t i;

	if (level >= nitems(priorities) ||
	    flooding(src, (enum log_level)level))
		return;
	for (i = 1; i < n; i++)
		if ((uint8_t)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = '?';
	p[n] = '\0';
	put_line((enum log_level)level, src->proc, p + 1);
}

/* A packet: one line, or several with LOG_BETWEEN between. */
static int
take_packet(struct logsource *src, char *p, size_t n)
{
	char *end;
	size_t len;
	int lines = 0;

	for (;; p += len + 1, n -= len + 1) {
		end = memchr(p, LOG_BETWEEN, n);
		len = end == NULL ? n : (size_t)(end - p);
		take_line(src, p, len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);
		lines++;
		if (end == NULL)
			return lines;
	}
}

/* How many; -1: there will be no more. */
static int
take_lines(struct logsource *src, int max)
{
	static char packet[PACKET_MAX + 1];
	ssize_t n;
	int lines = 0;

	while (lines < max) {
		n = recv(src->fd, packet, PACKET_MAX, MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0)
			return -1;
		lines += take_packet(src, packet, (size_t)n);
	}
	return lines;
}

/*
 * A line that comes after a silence is taken at once. Those that follow it are
 * fetched every so often, many at a time, until there are none.
 */
static void
take_now(struct logsource *src)
{
	int n = take_lines(src, LINES_PER_WAKE);

	written();
	ev_fd_want(&src->ev, n == 0 ? EV_IN : 0);
	if (n > 0)
		ev_timer_set(&src->rest, n < LINES_PER_WAKE ? REST_MS : 0);
}

static void
readable_cb(void *arg, int what)
{
	take_now(arg);
}

static void
rest_cb(void *arg)
{
	take_now(arg);
}

struct logsource *
logsource_new(const char *proc, int *child_fd)
{
	struct logsource *src;
	int fd[2], size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		return NULL;
	/* Root may pass the system-wide limit; others get as much as it allows. */
	if (setsockopt(fd[1], SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof(size)) == -1)
		setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	src = xcalloc(1, sizeof(*src));
	src->proc = proc;
	src->fd = fd[0];
	*child_fd = fd[1];
	ev_timer_init(&src->report, report_cb, src);
	ev_timer_init(&src->rest, rest_cb, src);
	ev_fd_init(&src->ev, src->fd, readable_cb, src);
	ev_fd_want(&src->ev, EV_IN);
	return src;
}

void
logsource_free(struct logsource **srcp)
{
	struct logsource *src = *srcp;

	if (src == NULL)
		return;
	*srcp = NULL;
	take_lines(src, INT_MAX);	/* its last words are the most wanted */
	written();
	report_cb(src);
	ev_timer_cancel(&src->report);
	ev_timer_cancel(&src->rest);
	ev_fd_clear(&src->ev);
	close(src->fd);
	free(src);
}
