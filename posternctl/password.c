#include "lib/prelude.h"

#include <termios.h>

#include "posternctl/password.h"

static const char *
read_line(struct buf *line)
{
	char c;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
		if (buf_add(line, &c, 1) == -1)
			return "the password is too long (at most 1024 bytes)";
	if (n == -1)
		return "the password cannot be read from standard input";
	if (line->len > 0 && line->data[line->len - 1] == '\r')
		line->data[--line->len] = '\0';
	return line->len == 0 ? "no password was given" : NULL;
}

static const char *
ask(const char *prompt, const char *account, struct buf *line)
{
	struct termios old, quiet;
	const char *err;

	if (tcgetattr(STDIN_FILENO, &old) == -1)
		return "the terminal cannot be asked for a password";
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fprintf(stderr, "%s %s: ", prompt, account);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == -1)
		return "the terminal's echo cannot be turned off";
	err = read_line(line);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return err;
}

const char *
password_read(const char *account, struct buf *out)
{
	struct buf again;
	const char *err;

	buf_init(out, PASSWORD_MAX);
	if (!isatty(STDIN_FILENO))
		return read_line(out);
	err = ask("Password for", account, out);
	if (err != NULL)
		return err;
	buf_init(&again, PASSWORD_MAX);
	err = ask("Once more for", account, &again);
	if (err == NULL && strcmp(buf_str(out), buf_str(&again)) != 0)
		err = "the two passwords differ";
	buf_wipe(&again);
	return err;
}
