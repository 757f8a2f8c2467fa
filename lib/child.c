#include "lib/prelude.h"

#include <malloc.h>
#include <signal.h>

#include "lib/child.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"

#define NAME_LEN_MAX	256
#define BIG		(1024 * 1024)	/* allocations of their own */
#define KEPT		(1024 * 1024)	/* unused, by a process */

static const struct child_ops *ops;
static struct ipc *control;
static void *conf_now, *conf_next;	/* slices */
static void *prepared_next;
static bool started;

static char	about[CHILD_ABOUT_MAX + 1];	/* which option was refused */

static int	on_msg(struct ipc *, struct ipc_in *, void *);
static void	on_gone(struct ipc *, const char *, void *);

static const struct ipc_ops control_ops = { on_msg, on_gone };

/* --- configuration ------------------------------------------------------------ */

static void
slice_free(void **slice)
{
	if (*slice == NULL)
		return;
	conf_clear(ops->conf_fields, ops->conf_size, *slice);
	free(*slice);
	*slice = NULL;
}

static void
drop_next(void)
{
	if (conf_next != NULL && ops->conf_drop != NULL)
		ops->conf_drop(prepared_next);
	prepared_next = NULL;
	slice_free(&conf_next);
}

void
child_conf_about(const char *section, const char *title, const char *option)
{
	snprintf(about, sizeof(about), "%s%s%s%s%s", section,
	    title == NULL ? "" : " ", title == NULL ? "" : title,
	    *section == '\0' ? "" : ".", option);
}

void
child_conf_doubt(const char *what)
{
	ipc_begin(M_CONF_DOUBT, 0);
	ipc_put_str(about);
	ipc_put_str(what);
	ipc_send(control, -1);
}

static int
on_conf(struct ipc_in *in)
{
	const char *why = NULL;

	drop_next();
	*about = '\0';
	conf_next = xcalloc(1, ops->conf_size);
	if (conf_get(in, ops->conf_fields, conf_next) == -1) {
		free(conf_next);
		conf_next = NULL;
		return -1;
	}
	if (ops->conf_check != NULL)
		why = ops->conf_check(conf_next, &prepared_next);
	ipc_begin(why == NULL ? M_CONF_OK : M_CONF_BAD, 0);
	if (why != NULL) {
		ipc_put_str(about);
		ipc_put_str(why);
	}
	ipc_send(control, -1);
	if (why != NULL) {
		prepared_next = NULL;
		slice_free(&conf_next);
	}
	ipc_forget();
	return 0;
}

static int
on_conf_use(struct ipc_in *in)
{
	void *old = conf_now;

	if (conf_next == NULL || !ipc_in_end(in))
		return -1;
	conf_now = conf_next;
	conf_next = NULL;
	ops->conf_use(conf_now, prepared_next);
	prepared_next = NULL;
	slice_free(&old);
	return 0;
}

static int
on_conf_drop(struct ipc_in *in)
{
	drop_next();
	return ipc_in_end(in) ? 0 : -1;
}

/* --- descriptors ----------------------------------------------------------------- */

static int
on_stats(struct ipc_in *in)
{
	if (in->fd == -1 || !ipc_in_end(in))
		return -1;
	stats_use(in->fd);
	return 0;
}

static int
on_peer(struct ipc_in *in)
{
	uint32_t role = ipc_get_u32(in), index = ipc_get_u32(in);

	if (!ipc_in_end(in) || in->fd == -1 || role >= ROLES ||
	    ops->peer == NULL)
		return -1;
	ops->peer((enum role)role, index, ipc_take_fd(in));
	return 0;
}

static int
on_listen(struct ipc_in *in)
{
	const char *name = ipc_get_str(in, NAME_LEN_MAX);

	if (!ipc_in_end(in) || in->fd == -1 || ops->listen == NULL)
		return -1;
	ops->listen(name, ipc_take_fd(in));
	return 0;
}

static int
on_tls_key(struct ipc_in *in)
{
	size_t len;
	const uint8_t *key = ipc_get_bytes(in, TLS_KEY_LEN, &len);

	if (!ipc_in_end(in) || len != TLS_KEY_LEN || ops->tls_key == NULL)
		return -1;
	ops->tls_key(key);
	ipc_forget();
	return 0;
}

/* --- life and death ---------------------------------------------------------------- */

static int
on_start(struct ipc_in *in)
{
	uint32_t uid = ipc_get_u32(in), gid = ipc_get_u32(in);
	const char *root = ipc_get_str(in, PATH_MAX);
	bool enforce = ipc_get_bool(in);
	const char *why = NULL;

	if (!ipc_in_end(in) || started || conf_now == NULL)
		return -1;
	if (ops->before_confine != NULL)
		ops->before_confine();
	sandbox_confine(ops->sandbox, uid, gid, root, enforce);
	started = true;
	if (ops->start != NULL)
		why = ops->start();
	if (why != NULL)
		fatalx("%s", why);
	ipc_begin(M_READY, 0);
	ipc_send(control, -1);
	return 0;
}

static int
on_stop(struct ipc_in *in)
{
	if (!ipc_in_end(in))
		return -1;
	if (ops->stop == NULL || !started)
		child_exit();
	ops->stop();
	return 0;
}

void
child_exit(void)
{
	exit(0);
}

void
child_peer_bad(enum role role, uint32_t index, const char *why)
{
	ipc_begin(M_PEER_BAD, 0);
	ipc_put_u32(role);
	ipc_put_u32(index);
	ipc_put_str(why);
	ipc_send(control, -1);
}

void
child_tell(void)
{
	ipc_send(control, -1);
}

/* --- control verbs ----------------------------------------------------------------- */

static struct ipc_in *asking;	/* while ops->ctl() runs */

static int
on_ctl(struct ipc_in *in)
{
	static const char *argv[CTL_ARGS_MAX];
	const uint8_t *secret;
	size_t i, len;
	uint32_t n = ipc_get_u32(in);

	if (n == 0 || n > CTL_ARGS_MAX || ops->ctl == NULL)
		return -1;
	for (i = 0; i < n; i++)
		argv[i] = ipc_get_str(in, CTL_ARG_LEN_MAX);
	secret = ipc_get_bytes(in, CTL_SECRET_MAX, &len);
	if (!ipc_in_end(in))
		return -1;
	asking = in;
	ops->ctl(in->id, n, argv, secret, len);
	asking = NULL;
	ipc_forget();
	return 0;
}

int
child_ctl_take_fd(void)
{
	return ipc_take_fd(asking);
}

static int
on_ctl_read(struct ipc_in *in)
{
	uint32_t n = ipc_get_u32(in);

	if (!ipc_in_end(in))
		return -1;
	if (ops->ctl_read != NULL)
		ops->ctl_read(in->id, n);
	return 0;
}

static int
on_ctl_gone(struct ipc_in *in)
{
	if (!ipc_in_end(in))
		return -1;
	if (ops->ctl_gone != NULL)
		ops->ctl_gone(in->id);
	return 0;
}

void
child_ctl_row(uint64_t id, uint32_t fields)
{
	ipc_begin(M_CTL_ROW, id);
	ipc_put_u32(fields);
}

static void
put_field(const char *key, char kind, const char *value)
{
	ipc_put_str(key);
	ipc_put_u8((uint8_t)kind);
	ipc_put_str(value);
}

void
child_ctl_str(const char *key, const char *value)
{
	put_field(key, 's', value);
}

void
child_ctl_kind(const char *value)
{
	put_field("kind", 'k', value);
}

static void
put_number(const char *key, char kind, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	put_field(key, kind, digits);
}

void
child_ctl_num(const char *key, uint64_t value)
{
	put_number(key, 'n', value);
}

void
child_ctl_bool(const char *key, bool value)
{
	put_field(key, 'b', value ? "true" : "false");
}

void
child_ctl_time(const char *key, uint64_t wall_ms)
{
	put_number(key, 't', wall_ms);
}

int
child_ctl_item(struct buf *texts, const char *text)
{
	return buf_addf(texts, "%s\n", text);
}

void
child_ctl_list(const char *key, struct buf *texts)
{
	put_field(key, 'l', buf_str(texts));
	buf_clear(texts);
}

void
child_ctl_first(const char *key, struct buf *texts)
{
	put_field(key, 'f', buf_str(texts));
	buf_clear(texts);
}

size_t
child_ctl_send(void)
{
	size_t n = IPC_MAX - ipc_room();

	ipc_send(control, -1);
	return n;
}

size_t
child_ctl_text(uint64_t id, const void *p, size_t n)
{
	ipc_begin(M_CTL_TEXT, id);
	ipc_put_bytes(p, n);
	return child_ctl_send();
}

void
child_ctl_end(uint64_t id, enum ctl_exit code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ipc_begin(M_CTL_END, id);
	ipc_put_u8(code);
	ipc_put_str(text);
	ipc_send(control, -1);
}

size_t
child_ctl_backlog(void)
{
	return ipc_backlog(control);
}

/* --- the control channel --------------------------------------------------------------- */

static const struct {
	enum msg type;
	int	(*handle)(struct ipc_in *);
} handlers[] = {
	{ M_CONF, on_conf },
	{ M_CONF_USE, on_conf_use },
	{ M_CONF_DROP, on_conf_drop },
	{ M_STATS, on_stats },
	{ M_PEER, on_peer },
	{ M_LISTEN, on_listen },
	{ M_TLS_KEY, on_tls_key },
	{ M_START, on_start },
	{ M_STOP, on_stop },
	{ M_CTL_REQ, on_ctl },
	{ M_CTL_READ, on_ctl_read },
	{ M_CTL_GONE, on_ctl_gone },
};

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	size_t i;

	for (i = 0; i < nitems(handlers); i++)
		if (handlers[i].type == in->type)
			return handlers[i].handle(in);
	return -1;
}

/* Without a parent nobody would replace us or our peers: end, losing nothing. */
static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	fatalx("the parent is gone%s%s", why == NULL ? "" : ": ",
	    why == NULL ? "" : why);
}

/*
 * What a body took is kept for the next: to give it back to the kernel and to
 * get it again, page by page, costs more than what is done with it.
 */
static void
keep_memory(void)
{
	if (mallopt(M_MMAP_THRESHOLD, BIG) != 1 ||
	    mallopt(M_TRIM_THRESHOLD, KEPT) != 1)
		log_debug("child", "malloc keeps its own thresholds");
}

int
child_main(const struct child_ops *child_ops, int argc, char **argv)
{
	ops = child_ops;
	if (isatty(CHILD_CONTROL_FD) || isatty(CHILD_LOG_FD) || argc != 1) {
		fprintf(stderr, "postern-%s is started by posternd, "
		    "not by hand; see posternd(8)\n", ops->name);
		return 2;
	}
	log_init(ops->name, CHILD_LOG_FD);
	log_gather();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* the parent decides about these */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	keep_memory();
	ev_init();
	control = ipc_new(CHILD_CONTROL_FD, &control_ops, NULL);
	ev_loop();
	return 0;
}
