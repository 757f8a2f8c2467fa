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
#define LINES_PER_WAKE	256
/* More than a busy child says in earnest: 10 lines each for 500 messages/s. */
#define FLOOD_LINES	5000
#define FLOOD_MS	1000
#define JOURNAL_SOCKET	"/run/systemd/journal/socket"

struct logsource {
	const char *proc;
	int	 fd;
	struct ev_fd ev;
	uint64_t window_ms;	/* when the current second began */
	uint32_t lines, dropped; /* within it */
	struct ev_timer report;
};

static enum config_log sink = CONFIG_LOG_STDERR;
static FILE *stream;
static int journal = -1;

static const char *const level_names[] = { "error", "warning", "info",
    "debug" };
static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* --- sinks ---------------------------------------------------------------------- */

static void
to_stream(enum log_level level, const char *proc, const char *line)
{
	char stamp[32];
	uint64_t ms = ev_wall_ms();
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		stamp[0] = '\0';
	fprintf(stream, "%s.%03u %s %s%s%s\n", stamp, (unsigned)(ms % 1000),
	    proc, level == LOG_LVL_INFO ? "" : level_names[level],
	    level == LOG_LVL_INFO ? "" : ": ", line);
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

void
logsink_line(enum log_level level, const char *proc, const char *line)
{
	if (sink == CONFIG_LOG_JOURNAL && to_journal(level, proc, line) == 0)
		return;
	if (sink == CONFIG_LOG_STDERR)
		to_stream(level, proc, line);
	else	/* a journal that does not take it: syslog is next to it */
		syslog(priorities[level], "%s %s", proc, line);
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
	snprintf(text, sizeof(text), "%u log lines dropped: more than %u "
	    "within a second", src->dropped, (unsigned)FLOOD_LINES);
	src->dropped = 0;
	logsink_line(LOG_LVL_WARN, src->proc, text);
}

static bool
flooding(struct logsource *src)
{
	uint64_t now = ev_now_ms();

	if (now - src->window_ms >= FLOOD_MS) {
		report_cb(src);
		src->window_ms = now;
		src->lines = 0;
	}
	if (src->lines++ < FLOOD_LINES)
		return false;
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

	if (level >= nitems(priorities) || flooding(src))
		return;
	for (i = 1; i < n; i++)
		if ((uint8_t)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = '?';
	p[n] = '\0';
	logsink_line((enum log_level)level, src->proc, p + 1);
}

static bool
take_lines(struct logsource *src)
{
	char line[LINE_MAX_BYTES + 1];
	ssize_t n;
	int i;

	for (i = 0; i < LINES_PER_WAKE; i++) {
		n = recv(src->fd, line, LINE_MAX_BYTES, MSG_DONTWAIT);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		take_line(src, line, (size_t)n);
	}
	return true;
}

static void
readable_cb(void *arg, int what)
{
	struct logsource *src = arg;

	if (!take_lines(src))
		ev_fd_want(&src->ev, 0);
}

struct logsource *
logsource_new(const char *proc, int *child_fd)
{
	struct logsource *src;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		return NULL;
	src = xcalloc(1, sizeof(*src));
	src->proc = proc;
	src->fd = fd[0];
	*child_fd = fd[1];
	ev_timer_init(&src->report, report_cb, src);
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
	take_lines(src);
	report_cb(src);
	ev_timer_cancel(&src->report);
	ev_fd_clear(&src->ev);
	close(src->fd);
	free(src);
}
