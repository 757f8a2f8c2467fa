#include "lib/prelude.h"

#include "lib/ipc.h"
#include "lib/log.h"
#include "lib/stats.h"
#include "lib/xalloc.h"
#include "smtpd/session_private.h"
#include "smtpd/tx_no.h"

#define ENHANCED_MAX	11	/* "5.123.123", RFC 3463 2 */
#define TEXT_MAX	400	/* RFC 5321 4.5.3.1.5: 512 in all */

/* Queue writes for people, but quotes what people gave it. */
static char *
printable(char *s)
{
	char *p;

	for (p = s; *p != '\0'; p++)
		if ((uint8_t)*p < ' ' || (uint8_t)*p > '~')
			*p = '?';
	return s;
}

char *
tx_no_line(struct ipc_in *in)
{
	uint32_t code = ipc_get_u32(in);
	const char *enhanced = ipc_get_str(in, ENHANCED_MAX);
	const char *text = ipc_get_str(in, TEXT_MAX);
	char *line;

	if (!ipc_in_end(in) || code < 400 || code > 599 ||
	    (uint32_t)(enhanced[0] - '0') != code / 100)
		return NULL;
	line = xasprintf("%u %s %s  ", code, enhanced, text);
	memcpy(printable(line) + strlen(line) - 2, "\r\n", 2);
	return line;
}

void
tx_no_say(struct session *s, const char *verb, const char *line)
{
	struct buf out;

	log_info("%s refused peer=%s verb=%s account=\"%s\" queue=\"%.*s\"",
	    session_name(s), s->peer, verb,
	    log_escs(s->login->ticket.account), (int)strcspn(line, "\r"),
	    line);
	buf_init(&out, REPLY_MAX);
	buf_adds(&out, line);
	session_write(s, &out);
	buf_clear(&out);
	if (line[0] == '5')
		session_count_error(s);
	if (strncmp(line, "421", 3) == 0)
		session_end(s, "queue");
}
