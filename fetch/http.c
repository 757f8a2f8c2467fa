/*
 * libcurl's "multi socket" way: it says which descriptors it wants to have
 * watched and when to be woken. Names are resolved in a thread of its own,
 * since getaddrinfo() is what heeds the system's settings; a thread that hangs
 * is left alone (CURLOPT_QUICK_EXIT), for the loop must not wait for it.
 */
#include "lib/prelude.h"

#include <curl/curl.h>

#include "fetch/http.h"
#include "lib/buf.h"
#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define HEADERS_MAX	(64 * 1024)	/* bytes, all lines of an answer */
#define CONNECTIONS_MAX	32		/* at once */
#define KEPT_MAX	8		/* idle ones, for the next question */

struct http {
	CURL	*easy;
	http_done *done;
	void	*arg;
	struct ev_timer deadline;
	struct buf form, body;
	size_t	 header_bytes;
	uint32_t timeout_sec;
	bool	 too_large;
	char	 error[CURL_ERROR_SIZE];
};

static CURLM *multi;
static struct ev_timer timer;		/* libcurl's */
static char *trusted;			/* PEM, or "" */

/* --- the loop ---------------------------------------------------------------------- */

static void
finish(struct http *h, const char *why)
{
	struct http_answer a = { .why = why };
	http_done *done = h->done;
	void *arg = h->arg;

	if (why == NULL) {
		curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &a.status);
		a.body = buf_str(&h->body);
		a.len = h->body.len;
	}
	h->done = NULL;
	done(&a, arg);
	http_cancel(&h);
}

static const char *
trouble(const struct http *h, CURLcode result)
{
	static char text[512];

	if (result == CURLE_OK)
		return NULL;
	if (h->too_large)
		return "its answer is larger than an honest one";
	snprintf(text, sizeof(text), "%s", log_escs(*h->error != '\0' ?
	    h->error : curl_easy_strerror(result)));
	return text;
}

/* A callback may begin and end others; libcurl's list bears that. */
static void
look_for_ends(void)
{
	struct http *h;
	CURLMsg *msg;
	CURLcode result;
	int left;

	while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		result = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &h);
		finish(h, trouble(h, result));
	}
}

static void
act(curl_socket_t fd, int what)
{
	int running;
	CURLMcode r = curl_multi_socket_action(multi, fd, what, &running);

	if (r != CURLM_OK)
		fatalx("libcurl: %s", curl_multi_strerror(r));
	look_for_ends();
}

struct watch {
	struct ev_fd ev;
};

static void
socket_cb(void *arg, int what)
{
	const struct watch *w = arg;

	act(w->ev.fd, what == EV_OUT ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}

static int
watch_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct watch *w = socket_arg;

	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			ev_fd_clear(&w->ev);
		free(w);
		return 0;
	}
	if (w == NULL) {
		w = xcalloc(1, sizeof(*w));
		ev_fd_init(&w->ev, fd, socket_cb, w);
		curl_multi_assign(multi, fd, w);
	}
	ev_fd_want(&w->ev, (what & CURL_POLL_IN ? EV_IN : 0) |
	    (what & CURL_POLL_OUT ? EV_OUT : 0));
	return 0;
}

static void
timer_cb(void *arg)
{
	act(CURL_SOCKET_TIMEOUT, 0);
}

static int
wake_me_cb(CURLM *m, long in_ms, void *arg)
{
	if (in_ms < 0)
		ev_timer_cancel(&timer);
	else
		ev_timer_set(&timer, (uint64_t)in_ms);
	return 0;
}

/* --- one question --------------------------------------------------------------------- */

static size_t
body_cb(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;

	if (buf_add(&h->body, p, size * n) == 0)
		return size * n;
	h->too_large = true;
	return 0;
}

static size_t
header_cb(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;

	h->header_bytes += size * n;
	if (h->header_bytes <= HEADERS_MAX)
		return size * n;
	h->too_large = true;
	return 0;
}

static void
deadline_cb(void *arg)
{
	struct http *h = arg;
	char why[64];

	snprintf(why, sizeof(why), "no answer within %u s", h->timeout_sec);
	finish(h, why);
}

static CURLcode
set_trust(CURL *easy)
{
	struct curl_blob blob = { .data = trusted, .len = strlen(trusted),
	    .flags = CURL_BLOB_COPY };

	if (blob.len == 0)
		return CURLE_OK;
	if (curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK)
		return CURLE_FAILED_INIT;
	return curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}

#define SET(option, value) \
	do { \
		if (curl_easy_setopt(h->easy, CURLOPT_##option, (value)) != \
		    CURLE_OK) \
			fatalx("libcurl does not know " #option); \
	} while (0)

/* Nothing of the environment, of a .netrc or of a proxy has a say in it. */
static void
set_bounds(struct http *h)
{
	SET(PROTOCOLS_STR, "https");
	SET(FOLLOWLOCATION, 0L);
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(PROXY, "");
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(NOSIGNAL, 1L);
	SET(QUICK_EXIT, 1L);
	if (set_trust(h->easy) != CURLE_OK)
		fatalx("libcurl does not take a CA from memory");
}

static void
set_question(struct http *h, const struct http_question *q)
{
	SET(URL, q->url);
	SET(USERAGENT, "postern/" PACKAGE_VERSION);
	SET(PRIVATE, h);
	SET(ERRORBUFFER, h->error);
	SET(WRITEFUNCTION, body_cb);
	SET(WRITEDATA, h);
	SET(HEADERFUNCTION, header_cb);
	SET(HEADERDATA, h);
	if (q->form != NULL) {
		buf_adds(&h->form, q->form);
		SET(POSTFIELDS, buf_str(&h->form));
		SET(POSTFIELDSIZE, (long)h->form.len);
	}
	if (q->user != NULL) {
		SET(HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(USERNAME, q->user);
		SET(PASSWORD, q->password);
	}
}

struct http *
http_ask(const struct http_question *q, http_done *done, void *arg)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->done = done;
	h->arg = arg;
	h->timeout_sec = q->timeout_sec;
	buf_init(&h->body, q->max_bytes);
	buf_init(&h->form, q->form != NULL ? strlen(q->form) : 0);
	ev_timer_init(&h->deadline, deadline_cb, h);
	ev_timer_set(&h->deadline, (uint64_t)q->timeout_sec * 1000);
	h->easy = curl_easy_init();
	if (h->easy == NULL)
		fatalx("libcurl: out of memory");
	set_bounds(h);
	set_question(h, q);
	if (curl_multi_add_handle(multi, h->easy) != CURLM_OK)
		fatalx("libcurl takes no further question");
	return h;
}

void
http_cancel(struct http **hp)
{
	struct http *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	ev_timer_cancel(&h->deadline);
	curl_multi_remove_handle(multi, h->easy);
	curl_easy_cleanup(h->easy);
	buf_wipe(&h->form);
	buf_wipe(&h->body);
	free(h);
}

/* --- all of them ------------------------------------------------------------------------- */

void
http_trust(const char *ca_pem)
{
	free(trusted);
	trusted = xstrdup(ca_pem);
}

const char *
http_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (multi = curl_multi_init()) == NULL)
		return "libcurl does not start";
	ev_timer_init(&timer, timer_cb, NULL);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_cb);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, wake_me_cb);
	curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
	    (long)CONNECTIONS_MAX);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)KEPT_MAX);
	return NULL;
}
