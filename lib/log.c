/*
 * Lines are built in one stack buffer and leave in one packet, so threads need
 * no lock: the kernel keeps packets whole. The main thread's ordinary lines
 * leave once in a turn of the loop, as a busy process says much in one.
 */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <poll.h>
#include <stdatomic.h>

#include "lib/log.h"

#define LOG_LINE_MAX	2048	/* longer lines are cut, with "..." */
#define GATHER_MAX	(16 * 1024)	/* bytes of a packet */
#define LAST_WORDS_MS	1000	/* why a process ends is worth a wait */
#define ESC_IN_MAX	200	/* input bytes shown of one peer text */
#define ESC_BUFS	8

static const char *log_proc = "?";
static int log_fd = -1;
static void (*log_sink)(enum log_level, const char *, const char *);
static char log_topics[256];
static atomic_uint log_dropped;

static _Thread_local bool gathers;	/* one thread of a process */
static char gathered[GATHER_MAX];
static size_t gathered_len;
static unsigned int gathered_lines;

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void
log_init(const char *proc, int fd)
{
	log_proc = proc;
	log_fd = fd;
}

void
log_set_sink(void (*sink)(enum log_level, const char *, const char *))
{
	log_sink = sink;
}

void
log_set_debug(const char *topics)
{
	snprintf(log_topics, sizeof(log_topics), ",%s,",
	    topics == NULL ? "" : topics);
}

static int
send_all(const struct msghdr *mh)
{
	ssize_t n;

	do
		n = sendmsg(log_fd, mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

static int
send_packet(enum log_level level, const char *line, size_t len)
{
	uint8_t lvl = (uint8_t)level;
	struct iovec iov[2] = { { &lvl, 1 }, { (void *)(uintptr_t)line, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	return send_all(&mh);
}

static void
report_dropped(void)
{
	char note[64];
	unsigned int lost;
	int n;

	lost = atomic_exchange(&log_dropped, 0);
	if (lost == 0)
		return;
	n = snprintf(note, sizeof(note), "log lines-dropped=%u", lost);
	if (send_packet(LOG_LVL_WARN, note, (size_t)n) == -1)
		atomic_fetch_add(&log_dropped, lost);
}

static void
send_line(enum log_level level, const char *line, size_t len)
{
	struct pollfd p = { .fd = log_fd, .events = POLLOUT };

	report_dropped();
	if (send_packet(level, line, len) != -1)
		return;
	if (level != LOG_LVL_ERR || poll(&p, 1, LAST_WORDS_MS) != 1 ||
	    send_packet(level, line, len) == -1)
		atomic_fetch_add(&log_dropped, 1);
}

/* --- gathering ------------------------------------------------------------------ */

void
log_leave(void)
{
	struct iovec iov = { gathered, gathered_len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int saved_errno = errno;

	if (!gathers || gathered_len == 0)
		return;
	report_dropped();
	if (send_all(&mh) == -1)
		atomic_fetch_add(&log_dropped, gathered_lines);
	gathered_len = 0;
	gathered_lines = 0;
	errno = saved_errno;
}

void
log_gather(void)
{
	if (atexit(log_leave) == 0)
		gathers = true;
}

static void
gather(enum log_level level, const char *line, size_t len)
{
	if (len + 2 > GATHER_MAX - gathered_len)
		log_leave();
	if (gathered_len > 0)
		gathered[gathered_len++] = LOG_BETWEEN;
	gathered[gathered_len++] = (char)level;
	memcpy(gathered + gathered_len, line, len);
	gathered_len += len;
	gathered_lines++;
}

/* --- lines ---------------------------------------------------------------------- */

static void emit(enum log_level, int, const char *, va_list)
    PRINTFLIKE(3, 0);

static void
emit(enum log_level level, int err, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	size_t len;
	int n;

	n = vsnprintf(line, sizeof(line), fmt, ap);
	len = n < 0 ? 0 : (size_t)n;
	if (len < sizeof(line) && err != 0) {
		n = snprintf(line + len, sizeof(line) - len, ": %s",
		    strerrordesc_np(err) != NULL ? strerrordesc_np(err) :
		    "unknown error");
		len += n < 0 ? 0 : (size_t)n;
	}
	if (len >= sizeof(line)) {
		len = sizeof(line) - 1;
		memcpy(line + len - 3, "...", 3);
	}
	if (log_sink != NULL)
		log_sink(level, log_proc, line);
	else if (log_fd != -1 && gathers && level >= LOG_LVL_INFO)
		gather(level, line, len);
	else if (log_fd != -1) {
		log_leave();
		send_line(level, line, len);
	} else
		fprintf(stderr, "%s[%d]: %s: %s\n", log_proc, (int)getpid(),
		    level_names[level], line);
}

#define EMIT(level, err) do {			\
	int saved_errno = errno;		\
	va_list ap;				\
						\
	va_start(ap, fmt);			\
	emit((level), (err), fmt, ap);		\
	va_end(ap);				\
	errno = saved_errno;			\
} while (0)

void
log_info(const char *fmt, ...)
{
	EMIT(LOG_LVL_INFO, 0);
}

void
log_warn(const char *fmt, ...)
{
	EMIT(LOG_LVL_WARN, saved_errno);
}

void
log_warnx(const char *fmt, ...)
{
	EMIT(LOG_LVL_WARN, 0);
}

bool
log_debugs(const char *topic)
{
	const char *at;
	size_t len = strlen(topic);

	if (log_topics[0] == '\0')
		return false;
	if (strstr(log_topics, ",all,") != NULL)
		return true;
	for (at = log_topics; (at = strstr(at, topic)) != NULL; at += len)
		if (at[-1] == ',' && at[len] == ',')
			return true;
	return false;
}

void
log_debug(const char *topic, const char *fmt, ...)
{
	if (!log_debugs(topic))
		return;
	EMIT(LOG_LVL_DEBUG, 0);
}

void
fatal(const char *fmt, ...)
{
	EMIT(LOG_LVL_ERR, saved_errno);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	EMIT(LOG_LVL_ERR, 0);
	exit(1);
}

const char *
log_esc(const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	static _Thread_local char bufs[ESC_BUFS][ESC_IN_MAX * 4 + 4];
	static _Thread_local unsigned int next;
	char *out = bufs[next++ % ESC_BUFS], *o = out;
	size_t i, shown = len > ESC_IN_MAX ? ESC_IN_MAX : len;

	for (i = 0; i < shown; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
			*o++ = (char)c;
			continue;
		}
		*o++ = '\\';
		*o++ = 'x';
		*o++ = hex[c >> 4];
		*o++ = hex[c & 15];
	}
	if (len > shown) {
		memcpy(o, "...", 3);
		o += 3;
	}
	*o = '\0';
	return out;
}

const char *
log_escs(const char *s)
{
	return s == NULL ? "" : log_esc(s, strlen(s));
}

/* The process and a count, as smtpd numbers its sessions. */
const char *
log_session(uint64_t session)
{
	static __thread char texts[4][40];
	static __thread unsigned int next;
	char *text = texts[next++ % nitems(texts)];

	snprintf(text, sizeof(texts[0]), "%llx-%llx",
	    (unsigned long long)(session >> 40),
	    (unsigned long long)(session & 0xffffffffffULL));
	return text;
}
