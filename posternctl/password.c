#include "lib/prelude.h"

#include <signal.h>
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

static struct termios before;	/* the terminal as we found it */

/* ^C at the prompt must not leave a terminal that shows nothing. */
static void
give_up(int signo)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	_exit(128 + signo);
}

static void
on_signals(void (*handler)(int))
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction sa = { .sa_handler = handler };
	size_t i;

	for (i = 0; i < nitems(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static const char *
ask(const char *prompt, const char *account, struct buf *line)
{
	struct termios quiet;
	const char *err;

	if (tcgetattr(STDIN_FILENO, &before) == -1)
		return "the terminal cannot be asked for a password";
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fprintf(stderr, "%s %s: ", prompt, account);
	on_signals(give_up);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == -1)
		return "the terminal's echo cannot be turned off";
	err = read_line(line);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	on_signals(SIG_DFL);
	fputc('\n', stderr);
	return err;
}

const char *
password_read(const char *account, bool is_new, struct buf *out)
{
	struct buf again;
	const char *err;

	buf_init(out, PASSWORD_MAX);
	if (!isatty(STDIN_FILENO))
		return read_line(out);
	err = ask("Password for", account, out);
	if (err != NULL || !is_new)
		return err;
	buf_init(&again, PASSWORD_MAX);
	err = ask("Once more for", account, &again);
	if (err == NULL && strcmp(buf_str(out), buf_str(&again)) != 0)
		err = "the two passwords differ";
	buf_wipe(&again);
	return err;
}
