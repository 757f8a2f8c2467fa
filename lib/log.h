/*
 * log: one event, one line. A line is "id key=value ...": the message or
 * session id first, then what happened; peer-supplied text goes through
 * log_esc(). Lines reach stderr, or the parent through a datagram descriptor
 * (the parent alone adds time and process name and knows where logs live).
 * A full log channel drops lines and later says how many; nothing here blocks.
 * All calls leave errno untouched and may be made from any thread.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/*
 * proc (borrowed forever) names the process. fd is -1 for stderr, or a
 * SOCK_DGRAM or SOCK_SEQPACKET socket whose packets are one level byte
 * followed by the line without its newline; or several of these.
 */
void	 log_init(const char *proc, int fd);
/*
 * From now on the calling thread's information and debug lines leave together
 * at log_leave(), which lib/ev calls before it waits, or when something worse
 * is to be said; a packet then has several, with LOG_BETWEEN between them.
 */
#define LOG_BETWEEN	'\x1e'
void	 log_gather(void);
void	 log_leave(void);
/* Replaces the sink: gets every finished line. For the parent and for tests. */
void	 log_set_sink(void (*sink)(enum log_level, const char *proc,
	    const char *line));
/* Topics that debug lines are wanted for, "all" or "smtp,tls"; NULL: none. */
void	 log_set_debug(const char *topics);

void	 log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
/* log_warn() appends strerror(errno), log_warnx() does not. */
void	 log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
void	 log_debug(const char *topic, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
/* For hot paths: whether to prepare the arguments of a debug line at all. */
bool	 log_debugs(const char *topic);
/* Start-up failures and broken invariants only; the process ends with 1. */
void	 fatal(const char *, ...)
	    __attribute__((format(printf, 1, 2), noreturn));
void	 fatalx(const char *, ...)
	    __attribute__((format(printf, 1, 2), noreturn));

/*
 * Peer text made safe for a log line or a reply: bytes outside 0x20..0x7e,
 * '"' and '\\' as \xNN, cut to 200 input bytes with "..." behind. Returns one
 * of eight rotating per-thread buffers: use it in the same statement.
 */
const char *log_esc(const char *, size_t len);
/* How a session of smtpd is called in log lines: "1f40-2c"; rotating buffers. */
const char *log_session(uint64_t session);
const char *log_escs(const char *);	/* the same for a string; NULL is "" */

#endif
