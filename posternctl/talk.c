#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "posternctl/json.h"
#include "posternctl/talk.h"

#define TEXT_MAX 4096
#define COMPLAINT_MAX (2 * TEXT_MAX + 1024)	/* with a path in it */

static bool in_json;

void
complain_in_json(void)
{
	in_json = true;
}

int
complain(int code, const char *fmt, ...)
{
	char text[COMPLAINT_MAX];
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (in_json) {
		fputs("{\"error\":", stderr);
		json_put(stderr, text, strlen(text));
		if (code != 0)
			fprintf(stderr, ",\"exit_status\":%d", code);
		fputs("}\n", stderr);
	} else
		fprintf(stderr, "posternctl: %s\n", text);
	return code;
}

int
talk_dial(struct talk *t, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	*t = (struct talk){ .sock = -1 };
	if (strlen(path) >= sizeof(sun.sun_path))
		return complain(CTL_USAGE, "socket path is too long: %s", path);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	t->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (t->sock == -1)
		return complain(CTL_FAILED, "cannot make a socket: %s",
		    strerrordesc_np(errno));
	ipc_widen(t->sock);
	if (connect(t->sock, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return CTL_OK;
	if (errno == EACCES || errno == EPERM)
		return complain(CTL_FAILED, "you may not use %s; try as root",
		    path);
	return complain(CTL_NOT_RUNNING, "Postern does not answer at %s: %s; "
	    "is posternd running?", path, strerrordesc_np(errno));
}

/* The verb's words, then the arguments. */
int
talk_ask(struct talk *t, const struct talk_request *r)
{
	const char *w = r->words;
	uint32_t words = 1, all;
	char word[32];
	size_t i;
	int sent;

	ipc_begin(M_CTL_REQ, r->id);
	for (; *w != '\0'; w++)
		words += *w == ' ';
	w = r->words;
	all = words + (uint32_t)r->nargs;
	ipc_put_u32(all);
	for (; words > 0; words--) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(w, " "), w);
		ipc_put_str(word);
		w += strcspn(w, " ") + 1;
	}
	for (i = 0; i < r->nargs; i++)
		ipc_put_str(r->args[i]);
	ipc_put_bytes(r->secret, r->secret_len);
	if (!ipc_fits() || all > CTL_ARGS_MAX)
		return complain(CTL_USAGE, "that is more than one request can "
		    "hold");
	sent = ipc_send_sync(t->sock, r->fd);
	ipc_forget();
	return sent == -1 ? complain(CTL_FAILED, "cannot send the request: %s",
	    strerrordesc_np(errno)) : CTL_OK;
}

/* Owns to what has been read, now and then. */
static void
own(struct talk *t, uint64_t id, size_t bytes)
{
	if (t->reading != id)
		t->unread = 0;
	t->reading = id;
	t->unread += bytes;
	if (t->unread < CTL_WINDOW / 4)
		return;
	ipc_begin(M_CTL_READ, id);
	ipc_put_u32((uint32_t)t->unread);
	ipc_send_sync(t->sock, -1);	/* if it fails, reading will, too */
	t->unread = 0;
}

static int
end_of_answer(struct ipc_in *in, const char **text)
{
	static char copy[TEXT_MAX + 1];
	uint8_t code = ipc_get_u8(in);

	snprintf(copy, sizeof(copy), "%s", ipc_get_str(in, TEXT_MAX));
	*text = copy;
	if (ipc_in_end(in))
		return code;
	*text = "the daemon's answer is malformed";
	return CTL_FAILED;
}

int
talk_answer(struct talk *t, talk_part *part, void *arg, uint64_t *id,
    const char **text)
{
	struct ipc_in in;
	size_t bytes;

	while (ipc_recv_sync(t->sock, -1, &in) == 1) {
		*id = in.id;
		bytes = (size_t)(in.end - in.at);
		if (in.type == M_CTL_END)
			return end_of_answer(&in, text);
		if ((in.type != M_CTL_ROW && in.type != M_CTL_TEXT) ||
		    part(in.id, &in, arg) == -1)
			break;
		own(t, in.id, bytes);
		if (ferror(stdout))	/* who reads our pipe has seen enough */
			exit(CTL_FAILED);
	}
	*id = 0;
	*text = "the daemon ended the connection before its answer was "
	    "complete";
	return CTL_FAILED;
}
