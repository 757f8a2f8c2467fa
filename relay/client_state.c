/* The states of a connection, what is said in them, and how it is given up. */
#include "lib/prelude.h"

#include "lib/log.h"
#include "relay/client_private.h"
#include "relay/sasl.h"

static const char *const state_names[] = { "connecting", "the greeting",
    "EHLO", "HELO", "STARTTLS", "the TLS handshake", "AUTH", "idle",
    "the envelope", "sending the message", "the end of the message", "QUIT",
    "over" };

const char *
client_state_name(const struct client *c)
{
	return state_names[c->state];
}

void
client_enter(struct client *c, enum state st)
{
	const struct client_conf *k = c->conf;
	uint32_t sec = st == ST_CONNECT || st == ST_TLS ? k->connect_sec :
	    st == ST_CONTENT || st == ST_DOT ? k->data_sec : k->command_sec;

	log_debug("smtp", "%s: %s -> %s", c->remote, state_names[c->state],
	    state_names[st]);
	c->state = st;
	if (st == ST_READY || st == ST_OVER)
		ev_timer_cancel(&c->limit);
	else
		ev_timer_set(&c->limit, (uint64_t)sec * 1000);
}

void
client_give_up(struct client *c, const char *status, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (c->state == ST_OVER)
		return;
	n = (size_t)snprintf(c->why, sizeof(c->why), "%s: ", c->remote);
	va_start(ap, fmt);
	vsnprintf(c->why + n, sizeof(c->why) - n, fmt, ap);
	va_end(ap);
	snprintf(c->status, sizeof(c->status), "%s", status);
	client_enter(c, ST_OVER);
	ev_timer_set(&c->over, 0);
}

void
client_unasked(struct client *c)
{
	client_give_up(c, "4.4.2", "said unasked: %s", reply_diag(&c->reply));
}

void
client_say(struct client *c, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 2 ||
	    strpbrk(line, "\r\n") != NULL) {
		client_give_up(c, "5.6.0", "an address cannot be put on a line");
		return;
	}
	memcpy(line + n, "\r\n", 2);
	stream_write(c->stream, line, (size_t)n + 2);
}

/*
 * What is here already cannot be the answer to what comes next: a server that
 * says more than it was asked (one answer per recipient behind the message, as
 * LMTP has it) would have us take each for the next one's.
 */
void
client_now_ready(struct client *c)
{
	size_t more;

	c->usable = true;
	stream_peek(c->stream, &more);
	if (more > 0) {
		client_give_up(c, "4.5.0", "said more than it was asked");
		return;
	}
	sasl_free(&c->sasl);
	client_enter(c, ST_READY);
	if (c->quit_wanted)
		client_quit(c);
	else
		c->ops->ready(c, c->arg);
}

void
client_quit(struct client *c)
{
	c->quit_wanted = true;
	if (c->state == ST_READY) {
		client_say(c, "QUIT");
		client_enter(c, ST_QUIT);
	} else if (c->d == NULL && c->state != ST_QUIT)
		client_give_up(c, "4.3.2", "closed before it was used");
}
