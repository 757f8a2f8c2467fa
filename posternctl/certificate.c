/* A certificate's PEM, on its way to auth; it is auth that reads it. */
#include "lib/prelude.h"

#include <fcntl.h>

#include "lib/buf.h"
#include "lib/ipc_msgs.h"
#include "posternctl/ask.h"

#define FILE_MAX	(64 * 1024)
#define BEGIN		"-----BEGIN CERTIFICATE-----"
#define END		"-----END CERTIFICATE-----"
#define OPTION		"certificate="

static const char *
read_file(const char *file, struct buf *text)
{
	char piece[4096];
	const char *why = NULL;
	ssize_t n;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd == -1)
		return strerrordesc_np(errno);
	while ((n = read(fd, piece, sizeof(piece))) > 0 && why == NULL)
		if (buf_add(text, piece, (size_t)n) == -1)
			why = "it is too large for a certificate";
	if (n == -1)
		why = strerrordesc_np(errno);
	close(fd);
	return why;
}

/* The first of the file, which is the client's own, without line ends. */
static const char *
take_first(const char *text, struct buf *out)
{
	const char *p = strstr(text, BEGIN), *end;

	end = p == NULL ? NULL : strstr(p, END);
	if (end == NULL)
		return "it holds no certificate in PEM";
	buf_adds(out, OPTION);
	for (p += sizeof(BEGIN) - 1; p < end; p++)
		if (strchr(" \t\r\n", *p) == NULL &&
		    buf_addc(out, *p) == -1)
			return "its certificate is larger than 3 KB";
	return NULL;
}

int
ask_certificate(struct ask *a)
{
	char *file = a->args[1];
	const char *why;
	struct buf text, arg;
	int code;

	buf_init(&text, FILE_MAX);
	buf_init(&arg, CTL_ARG_LEN_MAX - 1);
	why = read_file(file, &text);
	if (why == NULL)
		why = take_first(buf_str(&text), &arg);
	if (why != NULL)
		code = complain(CTL_USAGE, "%s: %s", file, why);
	else {
		a->args[1] = (char *)(uintptr_t)buf_str(&arg);
		code = ask_plain(a, NULL, 0);
		a->args[1] = file;
	}
	buf_clear(&text);
	buf_clear(&arg);
	return code;
}
