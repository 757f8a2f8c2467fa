/*
 * child: the life of every process but the parent. Reads the control channel
 * on descriptor 3, takes its slice of the configuration, its channels and its
 * sockets, confines itself at M_START and serves until M_STOP. What is
 * particular to a program is its struct child_ops; main() is a call to
 * child_main().
 */
#ifndef LIB_CHILD_H
#define LIB_CHILD_H

#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "lib/sandbox.h"

#define CHILD_CONTROL_FD 3
#define CHILD_LOG_FD	 4
#define CHILD_ABOUT_MAX	 511

struct child_ops {
	enum role role;
	const char *name;			/* "smtpd", for log lines */
	const struct sandbox *sandbox;
	const struct conf_field *conf_fields;
	size_t	 conf_size;

	/*
	 * Checks a new slice (owned by child.c). NULL: acceptable, and *prepared
	 * may hold what was built from it; else a sentence, about what
	 * child_conf_about() has said. Changes nothing yet.
	 */
	const char *(*conf_check)(const void *slice, void **prepared);
	/*
	 * The slice takes effect; it stays valid until the next conf_use returns.
	 * conf_drop instead when another process refused.
	 */
	void	(*conf_use)(const void *slice, void *prepared);
	void	(*conf_drop)(void *prepared);

	/* A channel to another process, NULL fd check done; fd is the callee's. */
	void	(*peer)(enum role, uint32_t index, int fd);
	void	(*listen)(const char *listener, int fd);
	/* TLS_KEY_LEN bytes; wiped behind the call. */
	void	(*tls_key)(const uint8_t *);
	/* Last moment with root's rights: open what the sandbox will forbid. */
	void	(*before_confine)(void);
	/* Confined: begin to serve. NULL, or a sentence why it cannot. */
	const char *(*start)(void);
	/* Finish what is in progress; call child_exit() when done. */
	void	(*stop)(void);
	/* A verb of posternctl. Answer with child_ctl_*(); id names it. */
	void	(*ctl)(uint64_t id, size_t argc, const char *const *argv,
		    const uint8_t *secret, size_t secret_len);
	/* The asker has read so many bytes of its answer, or has left. */
	void	(*ctl_read)(uint64_t id, size_t bytes);
	void	(*ctl_gone)(uint64_t id);
};

/* Runs the child; does not return. Unused ops may be NULL. */
int	 child_main(const struct child_ops *, int argc, char **argv);
/*
 * In ops->conf_check, with what is wrong: the option at fault, "tls.key", of a
 * section with a title "route out.ca-file". The parent says where it stands.
 */
void	 child_conf_about(const char *section, const char *title,
	    const char *option);
/* The same for a warning, of an option that is taken all the same. */
void	 child_conf_doubt(const char *what);
/* Ends the process with 0 after what was logged and sent has left. */
void	 child_exit(void) __attribute__((noreturn));
/* Tells the parent that a peer broke the protocol, so that it is replaced. */
void	 child_peer_bad(enum role, uint32_t index, const char *why);

/* Sends the parent what ipc_begin() has begun. */
void	 child_tell(void);

/* In ops->ctl: the file that came with the request, the caller's; or -1. */
int	 child_ctl_take_fd(void);
/* Rows: child_ctl_row(id) starts, child_ctl_* add, child_ctl_send() ends it. */
void	 child_ctl_row(uint64_t id, uint32_t fields);
void	 child_ctl_str(const char *key, const char *value);
/* What the row is about, as "kind", for programs alone. */
void	 child_ctl_kind(const char *value);
void	 child_ctl_num(const char *key, uint64_t value);
void	 child_ctl_bool(const char *key, bool value);
void	 child_ctl_time(const char *key, uint64_t wall_ms);	/* 0: none */
/*
 * A list, gathered by child_ctl_item() (-1: no room) in a buffer that is then
 * cleared; of child_ctl_first()'s people see the first alone.
 */
int	 child_ctl_item(struct buf *, const char *text);
void	 child_ctl_list(const char *key, struct buf *texts);
void	 child_ctl_first(const char *key, struct buf *texts);
/* Both return the bytes that ops->ctl_read() will own to. */
size_t	 child_ctl_send(void);
size_t	 child_ctl_text(uint64_t id, const void *, size_t);
void	 child_ctl_end(uint64_t id, enum ctl_exit, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Bytes not yet read by the parent: pause a listing above ~1 MB. */
size_t	 child_ctl_backlog(void);

#endif
