#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>

#include "lib/fill.h"
#include "lib/xalloc.h"
#include "source/saslauthd.h"
#include "source/wait.h"

/* --- the protocol ----------------------------------------------------------------- */

static int
put(struct buf *out, const char *p, size_t n)
{
	const uint8_t len[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	return n > SASLAUTHD_STRING_MAX || buf_add(out, len, 2) == -1 ||
	    buf_add(out, p, n) == -1 ? -1 : 0;
}

int
saslauthd_request(const struct conf_source *conf, const struct query *q,
    struct buf *out)
{
	size_t n = strlen(q->name);
	const char *at = conf->login == SOURCE_LOGIN_WHOLE ? NULL :
	    strrchr(q->name, '@');
	const char *realm = at != NULL && conf->login == SOURCE_LOGIN_SPLIT ?
	    at + 1 : "";

	if (put(out, q->name, at == NULL ? n : (size_t)(at - q->name)) == -1 ||
	    put(out, q->password, strlen(q->password)) == -1 ||
	    put(out, conf->service, strlen(conf->service)) == -1 ||
	    put(out, realm, strlen(realm)) == -1)
		return -1;
	return 0;
}

enum saslauthd_reply
saslauthd_parse(const uint8_t *p, size_t n, char *why)
{
	size_t len = n < 2 ? 0 : (size_t)p[0] << 8 | p[1];

	*why = '\0';
	if (n < 2)
		return SASLAUTHD_MORE;
	if (len < 2 || len > SASLAUTHD_REPLY_MAX || n > len + 2)
		return SASLAUTHD_BAD;
	if (n < len + 2)
		return SASLAUTHD_MORE;
	p += 2;
	snprintf(why, SOURCE_WHY_MAX, "%.*s", (int)(len - 2 - (len > 2)),
	    (const char *)p + 2 + (len > 2));
	if (memcmp(p, "OK", 2) == 0)
		return SASLAUTHD_OK;
	return memcmp(p, "NO", 2) == 0 ? SASLAUTHD_NO : SASLAUTHD_BAD;
}

/* --- the connection --------------------------------------------------------------- */

/* While its backlog is full there is nothing to wait for but time. */
static int
dial(const char *path, uint64_t deadline)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0), r;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd == -1)
		return -1;
	while ((r = connect(fd, (struct sockaddr *)&sun, sizeof(sun))) == -1 &&
	    errno == EAGAIN && wait_moment(deadline) == 0)
		;
	if (r == 0)
		return fd;
	r = errno;
	close(fd);
	errno = r;
	return -1;
}

static int
send_all(int fd, const struct buf *b, uint64_t deadline)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		n = send(fd, b->data + done, b->len - done, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return -1;
		else if (wait_fd(fd, POLLOUT, deadline) == -1)
			return -1;
	}
	return 0;
}

static void
receive(int fd, struct answer *a, uint64_t deadline)
{
	uint8_t reply[SASLAUTHD_REPLY_MAX + 3];
	enum saslauthd_reply r = SASLAUTHD_MORE;
	char why[SOURCE_WHY_MAX];
	size_t len = 0;
	ssize_t n = 1;

	while (r == SASLAUTHD_MORE) {
		n = recv(fd, reply + len, sizeof(reply) - len, 0);
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR) ||
		    (n == -1 && wait_fd(fd, POLLIN, deadline) == -1))
			break;
		len += n > 0 ? (size_t)n : 0;
		r = saslauthd_parse(reply, len, why);
	}
	if (r == SASLAUTHD_OK)
		answer_set(a, SAID_YES, "%s", why);
	else if (r == SASLAUTHD_NO)
		answer_set(a, SAID_NO, "%s", why);
	else if (r == SASLAUTHD_BAD)
		answer_set(a, SAID_NOTHING, "what answers is no saslauthd");
	else
		answer_set(a, SAID_NOTHING, "%s", n == 0 ? "it hung up" :
		    strerrordesc_np(errno));
}

static void
ask(void *arg, const struct query *q, struct answer *a)
{
	const struct conf_source *conf = arg;
	struct buf out;
	int fd = -1;

	buf_init(&out, 4 * (SASLAUTHD_STRING_MAX + 2));
	if (saslauthd_request(conf, q, &out) == -1)
		answer_set(a, SAID_NO, "longer than saslauthd takes");
	else if ((fd = dial(conf->socket, q->deadline_ms)) == -1)
		answer_set(a, SAID_NOTHING, "%s: %s", conf->socket,
		    strerrordesc_np(errno));
	else if (send_all(fd, &out, q->deadline_ms) == -1)
		answer_set(a, SAID_NOTHING, "%s", strerrordesc_np(errno));
	else
		receive(fd, a, q->deadline_ms);
	if (fd != -1)
		close(fd);
	buf_wipe(&out);
}

static const char *
check(const struct conf_source *conf)
{
	return *conf->socket != '/' ? "the socket's name begins with a /" :
	    NULL;
}

static void *
open_state(const struct conf_source *conf, const char *ca)
{
	return (void *)(uintptr_t)conf;
}

static void
close_state(void *arg)
{
}

const struct backend saslauthd_backend = { check, open_state, ask,
    close_state };
