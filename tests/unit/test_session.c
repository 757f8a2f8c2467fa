/* Whole dialogs with a session, without processes or TLS. */
#include "lib/prelude.h"

#include <sys/resource.h>

#include "tests/tap.h"
#include "tests/unit/smtpd_world.h"

#define AUTH "EHLO c\r\nAUTH PLAIN Z29vZA==\r\n"	/* "good" */
#define MAIL "MAIL FROM:<alice@example.org>\r\n"
#define RCPT "RCPT TO:<bob@example.net>\r\n"

static const struct dialog {
	const char *name;
	bool	 tls;
	const char *say, *hear;
} dialogs[] = {
	/* before TLS */
	{ "greeting", false, "", "220" },
	{ "NOOP before TLS", false, "NOOP\r\n", "220,250 2.0.0" },
	{ "RSET, HELP, QUIT before TLS", false, "RSET\r\nHELP\r\nQUIT\r\n",
	    "220,250 2.0.0,214 2.0.0,221 2.0.0!" },
	{ "MAIL before TLS", false, "EHLO c\r\n" MAIL, "220,250,530 5.7.0" },
	{ "AUTH before TLS", false, AUTH, "220,250,530 5.7.0" },
	{ "VRFY before TLS", false, "VRFY a\r\n", "220,530 5.7.0" },
	{ "RCPT and DATA before TLS", false, RCPT "DATA\r\n",
	    "220,530 5.7.0,530 5.7.0" },
	{ "STARTTLS without certificates", false, "EHLO c\r\nSTARTTLS\r\n",
	    "220,250,454 4.7.0" },
	{ "STARTTLS with an argument", false, "STARTTLS now\r\n",
	    "220,501 5.5.4" },
	{ "a TLS client on a plain port", false, "\x16\x03\x01\x02", "220!" },

	/* before AUTH */
	{ "MAIL before AUTH", true, "EHLO c\r\n" MAIL, "220,250,530 5.7.0" },
	{ "MAIL with a bad address before AUTH", true,
	    "EHLO c\r\nMAIL FROM:<<>\r\n", "220,250,530 5.7.0" },
	{ "BDAT before AUTH: its chunk is none of commands", true,
	    "EHLO c\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
	    "220,250,530 5.7.0,250 2.0.0" },
	{ "BDAT before TLS", false, "EHLO c\r\nBDAT 12\r\nEHLO b\r\nNOOP"
	    "NOOP\r\nBDAT 0 LAST\r\n", "220,250,530 5.7.0,250 2.0.0,"
	    "530 5.7.0" },
	{ "BDAT after a refused AUTH", true, "EHLO c\r\nAUTH PLAIN YmFk\r\n"
	    "BDAT 3\r\nx\r\nNOOP\r\n",
	    "220,250,535 5.7.8,530 5.7.0,250 2.0.0" },
	{ "a large BDAT before AUTH", true, "EHLO c\r\nBDAT 65537 LAST\r\n"
	    "NOOP\r\n", "220,250,530 5.7.0!" },
	{ "BDAT without a size before AUTH", true, "EHLO c\r\nBDAT LAST\r\n"
	    "NOOP\r\n", "220,250,501 5.5.4!" },
	{ "MAIL after HELO", true, "HELO c\r\n" MAIL, "220,250,530 5.7.0" },
	{ "AUTH after HELO", true, "HELO c\r\nAUTH PLAIN Z29vZA==\r\n",
	    "220,250,503 5.5.1" },
	{ "AUTH without EHLO", true, "AUTH PLAIN Z29vZA==\r\n",
	    "220,503 5.5.1" },
	{ "STARTTLS under TLS", true, "STARTTLS\r\n", "220,503 5.5.1" },
	{ "VRFY", true, "VRFY bob\r\nVRFY\r\n",
	    "220,252 2.0.0,501 5.5.4" },
	{ "EHLO without name", true, "EHLO\r\nEHLO  \r\nEHLO a b\r\n",
	    "220,501 5.5.4,501 5.5.4,501 5.5.4" },
	{ "odd client names", true, "EHLO my_pc\r\nEHLO [192.0.2.1]\r\n",
	    "220,250,250" },
	{ "unknown command", true, "XYZZY\r\nEXPN a\r\n\r\n",
	    "220,500 5.5.1,500 5.5.1,500 5.5.1" },
	{ "verbs in any case", true, "nOoP\r\nquit\r\n",
	    "220,250 2.0.0,221 2.0.0!" },
	{ "arguments where none belong", true, "QUIT now\r\nRSET x\r\n",
	    "220,501 5.5.4,501 5.5.4" },
	{ "NOOP with an argument", true, "NOOP well\r\n", "220,250 2.0.0" },
	{ "a web browser", true, "GET / HTTP/1.1\r\n", "220,421 4.7.0!" },
	{ "a web form", true, "POST /x HTTP/1.1\r\nHost: x\r\n",
	    "220,421 4.7.0!" },

	/* AUTH */
	{ "AUTH", true, AUTH, "220,250,235 2.7.0" },
	{ "AUTH wrong", true, "EHLO c\r\nAUTH PLAIN YmFk\r\n",
	    "220,250,535 5.7.8" },
	{ "AUTH temporary", true, "EHLO c\r\nAUTH PLAIN ZG93bg==\r\n",
	    "220,250,454 4.7.0" },
	{ "AUTH mechanism in lower case", true,
	    "EHLO c\r\nauth plain Z29vZA==\r\n", "220,250,235 2.7.0" },
	{ "AUTH mechanism not offered", true, "EHLO c\r\nAUTH CRAM-MD5\r\n",
	    "220,250,504 5.5.4" },
	{ "AUTH alone", true, "EHLO c\r\nAUTH\r\n", "220,250,501 5.5.4" },
	{ "AUTH not base64", true, "EHLO c\r\nAUTH PLAIN Z29v*\r\n",
	    "220,250,501 5.5.2" },
	{ "AUTH empty initial response", true, "EHLO c\r\nAUTH PLAIN =\r\n",
	    "220,250,535 5.7.8" },
	{ "AUTH by challenge", true, "EHLO c\r\nAUTH LOGIN\r\nYXNr\r\n"
	    "Z29vZA==\r\n", "220,250,334,334,235 2.7.0" },
	{ "AUTH cancelled", true, "EHLO c\r\nAUTH LOGIN\r\n*\r\nNOOP\r\n",
	    "220,250,334,501 5.7.0,250 2.0.0" },
	{ "AUTH response not base64", true,
	    "EHLO c\r\nAUTH LOGIN\r\n???\r\nNOOP\r\n",
	    "220,250,334,501 5.5.2,250 2.0.0" },
	{ "AUTH '=' as a later response", true,
	    "EHLO c\r\nAUTH LOGIN\r\n=\r\n", "220,250,334,501 5.5.2" },
	{ "AUTH empty response", true, "EHLO c\r\nAUTH LOGIN\r\n\r\n",
	    "220,250,334,535 5.7.8" },
	{ "AUTH twice", true, AUTH "AUTH PLAIN Z29vZA==\r\n",
	    "220,250,235 2.7.0,503 5.5.1" },
	{ "AUTH inside a message", true, AUTH MAIL "AUTH PLAIN Z29vZA==\r\n",
	    "220,250,235 2.7.0,250 2.1.0,503 5.5.1" },
	{ "AUTH survives EHLO", true, AUTH "EHLO d\r\n" MAIL,
	    "220,250,235 2.7.0,250,250 2.1.0" },
	{ "AUTH after a failure", true,
	    "EHLO c\r\nAUTH PLAIN YmFk\r\nAUTH PLAIN Z29vZA==\r\n",
	    "220,250,535 5.7.8,235 2.7.0" },

	/* MAIL */
	{ "MAIL as oneself", true, AUTH "MAIL FROM:<ALICE@example.ORG>\r\n",
	    "220,250,235 2.7.0,250 2.1.0" },
	{ "MAIL by a named address", true,
	    AUTH "MAIL FROM:<sales@example.org>\r\n",
	    "220,250,235 2.7.0,250 2.1.0" },
	{ "MAIL by a domain", true,
	    AUTH "MAIL FROM:<any@lists.example.org>\r\n",
	    "220,250,235 2.7.0,250 2.1.0" },
	{ "MAIL as somebody else", true,
	    AUTH "MAIL FROM:<eve@example.org>\r\n",
	    "220,250,235 2.7.0,553 5.7.1" },
	{ "MAIL in a subdomain", true,
	    AUTH "MAIL FROM:<x@a.lists.example.org>\r\n",
	    "220,250,235 2.7.0,553 5.7.1" },
	{ "MAIL by null", true, AUTH "MAIL FROM:<>\r\n",
	    "220,250,235 2.7.0,250 2.1.0" },
	{ "MAIL twice", true, AUTH MAIL MAIL,
	    "220,250,235 2.7.0,250 2.1.0,503 5.5.1" },
	{ "MAIL RSET MAIL", true, AUTH MAIL "RSET\r\n" MAIL,
	    "220,250,235 2.7.0,250 2.1.0,250 2.0.0,250 2.1.0" },
	{ "MAIL without FROM", true, AUTH "MAIL <alice@example.org>\r\n"
	    "MAIL\r\nMAIL FROM:alice@example.org\r\n",
	    "220,250,235 2.7.0,501 5.5.4,501 5.5.4,501 5.5.4" },
	{ "MAIL bad address", true, AUTH "MAIL FROM:<alice>\r\n"
	    "MAIL FROM:<a b@c>\r\nMAIL FROM:<@a@b@c>\r\n",
	    "220,250,235 2.7.0,553 5.1.7,553 5.1.7,553 5.1.7" },
	{ "MAIL parameters", true, AUTH "MAIL FROM:<alice@example.org> "
	    "SIZE=1000 BODY=8BITMIME AUTH=<>\r\n",
	    "220,250,235 2.7.0,250 2.1.0" },
	{ "MAIL SIZE too big", true,
	    AUTH "MAIL FROM:<alice@example.org> SIZE=300001\r\n",
	    "220,250,235 2.7.0,552 5.3.4" },
	{ "MAIL SIZE just right", true,
	    AUTH "MAIL FROM:<alice@example.org> SIZE=300000\r\n",
	    "220,250,235 2.7.0,250 2.1.0" },
	{ "MAIL SIZE absurd", true, AUTH "MAIL FROM:<alice@example.org> "
	    "SIZE=99999999999999999999\r\nMAIL FROM:<alice@example.org> "
	    "SIZE=-1\r\nMAIL FROM:<alice@example.org> SIZE\r\n",
	    "220,250,235 2.7.0,501 5.5.4,501 5.5.4,501 5.5.4" },
	{ "MAIL BODY unknown", true,
	    AUTH "MAIL FROM:<alice@example.org> BODY=BINARYMIME\r\n",
	    "220,250,235 2.7.0,501 5.5.4" },
	{ "MAIL parameter twice", true,
	    AUTH "MAIL FROM:<alice@example.org> SIZE=1 size=2\r\n",
	    "220,250,235 2.7.0,501 5.5.4" },
	{ "MAIL parameters not offered", true, AUTH
	    "MAIL FROM:<alice@example.org> MTRK=3\r\n"
	    "MAIL FROM:<alice@example.org> UTF8SMTP\r\n",
	    "220,250,235 2.7.0,555 5.5.4,555 5.5.4" },

	/* RCPT */
	{ "RCPT", true, AUTH MAIL RCPT,
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5" },
	{ "RCPT without MAIL", true, AUTH RCPT,
	    "220,250,235 2.7.0,503 5.5.1" },
	{ "RCPT after EHLO", true, AUTH MAIL "EHLO c\r\n" RCPT,
	    "220,250,235 2.7.0,250 2.1.0,250,503 5.5.1" },
	{ "RCPT bad addresses", true, AUTH MAIL "RCPT TO:<>\r\n"
	    "RCPT TO:<bob>\r\nRCPT TO:bob@example.net\r\n"
	    "RCPT TO:<@x,bob@example.net>\r\n", "220,250,235 2.7.0,"
	    "250 2.1.0,553 5.1.3,553 5.1.3,501 5.5.4,553 5.1.3" },
	{ "a source route is forgotten", true, AUTH
	    "MAIL FROM:<@x:alice@example.org>\r\n"
	    "RCPT TO:<@x,@y:bob@example.net>\r\nRSET\r\n"
	    "MAIL FROM:<@example.org:eve@example.org>\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,250 2.0.0,553 5.7.1" },
	{ "RCPT Postmaster", true, AUTH MAIL "RCPT TO:<Postmaster>\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5" },
	{ "RCPT parameter", true, AUTH MAIL
	    "RCPT TO:<bob@example.net> NOTIFIED=NEVER\r\n",
	    "220,250,235 2.7.0,250 2.1.0,555 5.5.4" },
	{ "RCPT beyond the limit", true, AUTH MAIL RCPT RCPT RCPT RCPT RCPT
	    RCPT, "220,250,235 2.7.0,250 2.1.0,250 2.1.5,250 2.1.5,"
	    "250 2.1.5,250 2.1.5,250 2.1.5,452 4.5.3" },

	/* DATA */
	{ "DATA without MAIL", true, AUTH "DATA\r\n",
	    "220,250,235 2.7.0,503 5.5.1" },
	{ "DATA without RCPT", true, AUTH MAIL "DATA\r\n",
	    "220,250,235 2.7.0,250 2.1.0,503 5.5.1" },
	{ "a message", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,250 2.0.0" },
	{ "two messages", true, AUTH
	    MAIL RCPT "DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
	    MAIL RCPT "DATA\r\nSubject: y\r\n\r\nhello\r\n.\r\nQUIT\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,250 2.0.0,"
	    "250 2.1.0,250 2.1.5,354,250 2.0.0,221 2.0.0!" },
	{ "commands in content are content", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\nQUIT\r\n..\r\n.\r\nNOOP\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,250 2.0.0,"
	    "250 2.0.0" },
	{ "bare LF in content", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\na\nb\r\n.\r\nNOOP\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,554 5.6.11,"
	    "250 2.0.0" },
	{ "smuggling by LF.LF", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\na\n.\n" MAIL RCPT "DATA\r\nb\r\n.\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,554 5.6.11" },
	{ "smuggling by LF.CRLF", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\na\n.\r\n" MAIL RCPT
	    "DATA\r\nb\r\n.\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,554 5.6.11" },
	{ "smuggling by CR.CR", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\na\r.\r" MAIL RCPT "DATA\r\nb\r\n.\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,554 5.6.11" },
	{ "smuggling by CRLF.CR", true, AUTH MAIL RCPT
	    "DATA\r\nSubject: x\r\n\r\na\r\n.\r" MAIL RCPT
	    "DATA\r\nb\r\n.\r\n",
	    "220,250,235 2.7.0,250 2.1.0,250 2.1.5,354,554 5.6.11" },

	/* lines */
	{ "bare LF in a command", true, "NOOP\nNOOP\r\nNOOP\r\n",
	    "220,500 5.5.2,250 2.0.0" },
	{ "bare CR in a command", true, "NO\rOP\r\nNOOP\r\n",
	    "220,500 5.5.2,250 2.0.0" },
	{ "lines that end in LF only", true, "EHLO c\n", "220,500 5.5.2" },
	{ "too many errors", true, "A\r\nB\r\nC\r\nD\r\nE\r\nF\r\nG\r\nH\r\n"
	    "I\r\nJ\r\nK\r\n", "220,500 5.5.1,500 5.5.1,500 5.5.1,"
	    "500 5.5.1,500 5.5.1,500 5.5.1,500 5.5.1,500 5.5.1,500 5.5.1,"
	    "500 5.5.1,421 4.7.0!" },
	{ "data behind QUIT", true, "QUIT\r\nNOOP\r\n", "220,221 2.0.0!" },
};

/* Every dialog at once, byte by byte, and in two pieces at a few places. */
static void
test_dialogs(void)
{
	size_t i, k, n;
	struct client c;
	bool same;

	for (i = 0; i < nitems(dialogs); i++) {
		const struct dialog *d = &dialogs[i];

		n = strlen(d->say);
		client_open(&c, d->tls);
		if (d->tls)	/* as on port 465: no greeting before TLS */
			ok(strncmp(buf_str(&c.got), "220 ", 4) == 0,
			    "%s: greeted", d->name);
		client_send(&c, d->say, n);
		is_str(codes(&c), d->hear, "%s", d->name);
		client_close(&c);

		client_open(&c, d->tls);
		for (k = 0; k < n; k++)
			client_send(&c, d->say + k, 1);
		is_str(codes(&c), d->hear, "%s: byte by byte", d->name);
		client_close(&c);

		same = true;
		for (k = 1; k < n && same; k += 1 + n / 20) {
			client_open(&c, d->tls);
			client_send(&c, d->say, k);
			client_send(&c, d->say + k, n - k);
			same = strcmp(codes(&c), d->hear) == 0;
			client_close(&c);
		}
		ok(same, "%s: cut in two", d->name);
		is_int(world.srv.sessions, 0, "%s: session gone", d->name);
	}
}

/* --- what is passed on ------------------------------------------------------------ */

static void
test_message(void)
{
	struct client c;

	world.ends = 0;
	client_open(&c, true);
	say(&c, AUTH);
	is_str(world.response, "good", "the response is decoded");
	say(&c, "MAIL FROM:<alice@example.org> SIZE=77\r\n" RCPT
	    "RCPT TO:<Carol@EXAMPLE.net>\r\nDATA\r\n");
	is_int(world.announced, 77, "queue hears the announced size");
	say(&c, "Subject: x\r\nBcc: z\r\n\r\n..hi\r\n.\r\n");
	is_str(world.envelope, "alice@example.org>bob@example.net,"
	    "Carol@example.net", "the envelope");
	ok(strstr(buf_str(&world.body), "\r\nSubject: x\r\n") != NULL &&
	    strstr(buf_str(&world.body), "Bcc") == NULL &&
	    strstr(buf_str(&world.body), "\r\n\r\n.hi\r\n") != NULL,
	    "the content");
	ok(strstr(buf_str(&c.got), "250 2.0.0 Ok: queued as 1b2c3d\r\n") !=
	    NULL, "queue's id is told");
	is_int(world.ends, 0, "no M_TX_END for a message that went through");
	client_close(&c);
}

static void
send_part(struct client *c, size_t bytes)
{
	struct buf b;

	buf_init(&b, 8 << 20);
	while (b.len < bytes)
		buf_adds(&b, "one line of a message that is large\r\n");
	client_send(c, b.data, b.len);
	buf_clear(&b);
}

static void
send_large(struct client *c, size_t bytes)
{
	say(c, "Subject: large\r\n\r\n");
	send_part(c, bytes);
	say(c, ".\r\n");
}

/* Descriptors of spool files that smtpd holds; the world has one, too. */
static int
spool_writers(void)
{
	char link[64], path[64];
	int fd, n = 0;
	ssize_t len;

	for (fd = 0; fd < 1024; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, path, sizeof(path) - 1);
		path[len == -1 ? 0 : len] = '\0';
		n += fd != world.spool_fd &&
		    strstr(path, "memfd:spool") != NULL;
	}
	return n;
}

/* Memory is lent to so many at a time; whoever comes then gets a file. */
static void
test_many_large(void)
{
	struct client c[33];
	size_t i, n = nitems(c);

	world.spools = 0;
	for (i = 0; i < n; i++) {
		client_open(&c[i], true);
		say(&c[i], AUTH MAIL RCPT "DATA\r\nSubject: x\r\n\r\n");
		codes(&c[i]);
		send_part(&c[i], 70000);
	}
	is_int(world.srv.large_bytes, (n - 1) * 128 * 1024, "so many in "
	    "memory");
	is_int(world.spools, 1, "one in a file");
	for (i = 0; i < n; i++) {
		say(&c[i], "RSET is no command here\r\n.\r\n");
		if (strcmp(codes(&c[i]), "250 2.0.0") != 0)
			break;
	}
	is_int(i, n, "all are taken");
	is_int(world.srv.large_bytes, 0, "none is in memory");
	for (i = 0; i < n; i++)
		client_close(&c[i]);
}

static void
test_large(void)
{
	static const char start[] = AUTH MAIL RCPT "DATA\r\n";
	struct client c;

	world.spools = world.submits = 0;
	client_open(&c, true);
	say(&c, start);
	codes(&c);
	send_large(&c, 200000);
	is_str(codes(&c), "250 2.0.0", "a message of middling size");
	is_int(world.spools, 0, "is handed over as it is");
	ok(world.body.len > 200000, "whole");
	is_int(world.srv.large_bytes, 0, "and no longer counted");
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	send_large(&c, 280000);
	is_str(codes(&c), "250 2.0.0", "a large message");
	is_int(world.spools, 1, "went through one spool file");
	ok(world.body.len > 280000, "whole");
	is_int(world.srv.large_bytes, 0, "and is in no memory");
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	send_large(&c, 310000);
	is_str(codes(&c), "552 5.3.4", "too large a message");
	is_int(world.submits, 2, "is not submitted");
	is_int(world.srv.large_bytes, 0, "nor counted");
	say(&c, "NOOP\r\n");
	is_str(codes(&c), "250 2.0.0", "and the session is in step");

	world.no_spool = 452;
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	send_large(&c, 280000);
	is_str(codes(&c), "452 4.7.1", "no spool file: queue's own words");
	world.no_spool = 0;
	say(&c, "QUIT\r\n");
	is_str(codes(&c), "221 2.0.0!", "in step again");
	client_close(&c);

	client_open(&c, true);
	say(&c, start);
	codes(&c);
	send_large(&c, 6000000);
	is_str(codes(&c), "421 4.3.4!", "an endless message");
	client_close(&c);
}

/* --- refusals of queue ---------------------------------------------------------------- */

static void
test_queue_says_no(void)
{
	struct client c;

	client_open(&c, true);
	say(&c, AUTH);
	codes(&c);
	world.no_begin = 450;
	say(&c, MAIL RCPT);
	is_str(codes(&c), "450 4.7.1,503 5.5.1", "over the cap at MAIL");
	world.no_begin = 0;
	world.rcpts = 1;
	say(&c, MAIL RCPT RCPT);
	is_str(codes(&c), "250 2.1.0,250 2.1.5,452 4.5.3",
	    "over the cap at RCPT");
	world.rcpts = 100;
	world.no_submit = 550;
	say(&c, "DATA\r\n.\r\nNOOP\r\n");
	is_str(codes(&c), "354,550 5.7.1,250 2.0.0", "refused at the end");
	world.no_submit = 0;
	say(&c, "MAIL FROM:<>\r\n");
	world.ends = 0;
	say(&c, "RSET\r\n");
	is_int(world.ends, 1, "RSET tells queue");
	client_close(&c);
}

/* --- processes that go away ------------------------------------------------------------- */

static void
queue_again(void)
{
	world_connect(&world.srv.queue, &world.queue, &world_queue_ops);
	world_settle();
}

static void
test_queue_gone(void)
{
	static const char start[] = AUTH MAIL RCPT "DATA\r\n";
	struct client c;

	client_open(&c, true);
	say(&c, AUTH);
	codes(&c);
	world.queue_silent = true;
	say(&c, MAIL "NOOP\r\n");
	is_str(codes(&c), "", "waits, and commands behind it too");
	queue_again();
	client_read(&c);
	is_str(codes(&c), "451 4.3.0,250 2.0.0", "gone at MAIL");
	world.queue_silent = false;
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	queue_again();
	say(&c, "x: y\r\n\r\n.\r\n");
	is_str(codes(&c), "250 2.0.0", "gone while content comes: no matter");
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	world.queue_silent = true;
	say(&c, ".\r\n");
	queue_again();
	client_read(&c);
	is_str(codes(&c), "451 4.3.0", "gone at the commit");
	ipc_free(&world.queue);
	world_settle();
	say(&c, MAIL);
	is_str(codes(&c), "451 4.3.0", "there is no queue");
	queue_again();
	world.queue_silent = false;
	say(&c, MAIL);
	is_str(codes(&c), "250 2.1.0", "and there is again");
	client_close(&c);

	client_open(&c, true);
	say(&c, start);
	codes(&c);
	world.queue_silent = true;
	send_large(&c, 280000);
	is_str(codes(&c), "", "waits for a spool file");
	queue_again();
	client_read(&c);
	is_str(codes(&c), "451 4.3.0", "gone at the spool file");
	world.queue_silent = false;
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	say(&c, "Subject: large\r\n\r\n");
	send_part(&c, 280000);
	is_int(spool_writers(), 1, "while a large message comes");
	queue_again();
	is_int(spool_writers(), 0, "its file is closed, for the next queue");
	say(&c, ".\r\n");
	is_str(codes(&c), "451 4.3.0", "and the client is told at the end");
	client_close(&c);
}

/* queue has no room any more while a large message comes. */
static void
test_over(void)
{
	struct client c;

	client_open(&c, true);
	say(&c, AUTH "MAIL FROM:<alice@example.org> SIZE=290000\r\n" RCPT
	    "DATA\r\nSubject: large\r\n\r\n");
	codes(&c);
	send_part(&c, 270000);
	is_int(spool_writers(), 1, "a large message comes");
	is_int(world.spool_bytes, 290000, "whose size queue was told");
	ipc_begin(M_TX_OVER, world.spool_session);
	ipc_send(world.queue, -1);
	world_settle();
	is_int(spool_writers(), 0, "its file is over, and closed");
	send_part(&c, 10000);
	is_str(codes(&c), "", "the rest comes");
	say(&c, ".\r\n");
	is_str(codes(&c), "452 4.3.1", "and is refused");
	ipc_begin(M_TX_OVER, world.spool_session);
	ipc_send(world.queue, -1);
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	say(&c, ".\r\n");
	is_str(codes(&c), "250 2.0.0", "heard too late it is no matter");
	client_close(&c);
}

static void
test_auth_gone(void)
{
	struct client c;

	client_open(&c, true);
	say(&c, "EHLO c\r\n");
	codes(&c);
	world.auth_silent = true;
	say(&c, "AUTH PLAIN Z29vZA==\r\n");
	is_str(codes(&c), "", "waits");
	world_connect(&world.srv.auth, &world.auth, &world_auth_ops);
	world_settle();
	client_read(&c);
	is_str(codes(&c), "454 4.7.0", "auth gone");
	world.auth_silent = false;
	say(&c, "AUTH LOGIN\r\n");
	is_str(codes(&c), "334", "challenge");
	world_connect(&world.srv.auth, &world.auth, &world_auth_ops);
	world_settle();
	say(&c, "Z29vZA==\r\n");
	is_str(codes(&c), "454 4.7.0", "auth gone in the exchange");
	say(&c, "AUTH PLAIN Z29vZA==\r\n");
	is_str(codes(&c), "235 2.7.0", "a new auth");
	world.auth_cancels = 0;
	client_close(&c);
	client_open(&c, true);
	say(&c, "EHLO c\r\nAUTH LOGIN\r\n");
	client_close(&c);
	is_int(world.auth_cancels, 1, "a client that left: auth is told");
}

/* A peer that answers what nobody asked is dropped, the session is not. */
static void
test_mad_queue(void)
{
	struct client c;

	client_open(&c, true);
	say(&c, AUTH);
	codes(&c);
	ipc_begin(M_SUBMITTED, c.session->id);
	ipc_put_str("forged");
	ipc_send(world.queue, -1);
	world_settle();
	client_read(&c);
	is_str(codes(&c), "", "an answer without a question");
	ok(!upstream_alive(&world.srv.queue), "ends the channel");
	queue_again();
	say(&c, "NOOP\r\n");
	is_str(codes(&c), "250 2.0.0", "not the session");
	client_close(&c);
}

/* --- time --------------------------------------------------------------------------------- */

static void
step_sec(struct client *c, uint64_t sec)
{
	ev_clock_step(sec * 1000);
	world_settle();
	client_read(c);
}

static void
test_time(void)
{
	struct client c;
	int i;

	client_open(&c, true);
	codes(&c);
	step_sec(&c, 59);
	is_str(codes(&c), "", "59 s without login");
	say(&c, "NOOP\r\n");
	step_sec(&c, 2);
	is_str(codes(&c), "250 2.0.0,421 4.4.2!", "61 s without login");
	client_close(&c);

	client_open(&c, true);
	say(&c, AUTH);
	codes(&c);
	step_sec(&c, 299);
	is_str(codes(&c), "", "299 s idle");
	say(&c, "NOOP\r\n");
	step_sec(&c, 299);
	is_str(codes(&c), "250 2.0.0", "a command starts the clock again");
	say(&c, "NO");
	step_sec(&c, 2);
	is_str(codes(&c), "421 4.4.2!", "half a command does not");
	client_close(&c);

	client_open(&c, true);
	say(&c, AUTH MAIL RCPT "DATA\r\n");
	codes(&c);
	for (i = 0; i < 25; i++) {
		say(&c, "x");
		step_sec(&c, 150);
	}
	is_str(codes(&c), "421 4.4.2!", "drops of content for an hour");
	client_close(&c);

	client_open(&c, true);
	say(&c, AUTH);
	codes(&c);
	for (i = 0; i < 60; i++) {
		say(&c, "NOOP\r\n");
		step_sec(&c, 250);
	}
	ok(strstr(codes(&c), ",421 4.4.2!") != NULL, "NOOPs for four hours");
	client_close(&c);

	client_open(&c, true);
	say(&c, AUTH);
	codes(&c);
	world.queue_silent = true;
	say(&c, MAIL);
	step_sec(&c, 121);
	is_str(codes(&c), "421 4.3.0!", "a queue that does not answer");
	world.queue_silent = false;
	client_close(&c);
}

/* --- the stop -------------------------------------------------------------------------------- */

static void
stop_one(struct session *s, void *arg)
{
	session_stop(s, arg != NULL);
}

static void
test_stop(void)
{
	struct client idle, busy, stuck;

	client_open(&idle, true);
	client_open(&busy, true);
	client_open(&stuck, true);
	codes(&idle);
	say(&busy, AUTH MAIL RCPT);
	say(&stuck, AUTH MAIL);
	codes(&busy);
	codes(&stuck);
	server_each(&world.srv, stop_one, NULL);
	world_settle();
	client_read(&idle);
	client_read(&busy);
	is_str(codes(&idle), "421 4.3.2!", "an idle session");
	is_str(codes(&busy), "", "one with a message");
	say(&busy, "DATA\r\nx: y\r\n\r\n.\r\n");
	is_str(codes(&busy), "354,250 2.0.0,421 4.3.2!", "finishes it");
	server_each(&world.srv, stop_one, &world);
	world_settle();
	client_read(&stuck);
	is_str(codes(&stuck), "421 4.3.2!", "until the grace is over");
	is_int(world.srv.sessions, 0, "none are left");
	client_close(&idle);
	client_close(&busy);
	client_close(&stuck);
}

/* --- clients that do not read, and that have said all ------------------------------------------- */

static size_t
unread_replies(const struct client *c)
{
	return stream_unsent(c->session->stream);
}

/* However much is asked at once, a client that does not read holds little. */
static void
test_deaf_client(void)
{
	int small = 4096, i;
	struct client c;
	struct buf b;
	size_t most = 0;

	buf_init(&b, 1 << 20);
	for (i = 0; i < 2700; i++)
		buf_adds(&b, "HELP\r\n");
	client_open(&c, true);
	if (setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == -1)
		abort();
	for (i = 0; i < 40; i++) {
		send(c.fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		world_settle();
		if (unread_replies(&c) > most)
			most = unread_replies(&c);
	}
	ok(most < 20 * 1024, "%zu bytes of replies wait for it", most);
	for (i = 0; i < 2000; i++) {
		client_read(&c);
		world_settle();
	}
	ok(c.got.len > 2700 * 100, "when it reads it gets them");
	client_close(&c);
	buf_clear(&b);
}

/* A client that closes its own side behind the dot learns what became of it. */
static void
test_half_closed(void)
{
	static const struct {
		const char *name, *say, *hear;
	} rows[] = {
		{ "behind the dot", MAIL RCPT "DATA\r\nx\r\n.\r\n",
		    "250 2.1.0,250 2.1.5,354,250 2.0.0!" },
		{ "behind everything", MAIL RCPT "DATA\r\nx\r\n.\r\n" MAIL
		    "RSET\r\nNOOP\r\n", "250 2.1.0,250 2.1.5,354,250 2.0.0,"
		    "250 2.1.0,250 2.0.0,250 2.0.0!" },
		{ "behind QUIT", "NOOP\r\nQUIT\r\n",
		    "250 2.0.0,221 2.0.0!" },
		{ "in a line", "NOOP\r\nNO", "250 2.0.0!" },
		{ "in the content", MAIL RCPT "DATA\r\nx\r\n.",
		    "250 2.1.0,250 2.1.5,354!" },
		{ "at once", "", "!" },
	};
	struct client c;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		client_open(&c, true);
		say(&c, AUTH);
		codes(&c);
		/* In one go, so that the end is there before the answers. */
		send(c.fd, rows[i].say, strlen(rows[i].say), MSG_NOSIGNAL);
		shutdown(c.fd, SHUT_WR);
		world_settle();
		world_settle();
		client_read(&c);
		is_str(codes(&c), rows[i].hear, "closed %s", rows[i].name);
		client_close(&c);
		is_int(world.srv.sessions, 0, "and the session is gone");
	}
}

/* --- long lines ---------------------------------------------------------------------------------- */

static void
test_long_lines(void)
{
	struct client c;
	struct buf b;

	buf_init(&b, 1 << 20);
	while (b.len < 2100)
		buf_adds(&b, "NOOP ");
	buf_adds(&b, "\r\nNOOP\r\n");
	client_open(&c, true);
	codes(&c);
	client_send(&c, b.data, b.len);
	is_str(codes(&c), "500 5.5.2,250 2.0.0", "a command of 2,100 bytes");
	say(&c, "EHLO c\r\nAUTH LOGIN\r\n");
	codes(&c);
	buf_reset(&b);
	while (b.len < 12280)
		buf_adds(&b, "YmFk");
	buf_adds(&b, "\r\n");
	client_send(&c, b.data, b.len);
	is_str(codes(&c), "535 5.7.8", "a response of 12,282 bytes");
	say(&c, "AUTH LOGIN\r\n");
	codes(&c);
	buf_reset(&b);
	while (b.len < 13000)
		buf_adds(&b, "YmFk");
	buf_adds(&b, "\r\nNOOP\r\n");
	client_send(&c, b.data, b.len);
	is_str(codes(&c), "500 5.5.6,250 2.0.0", "one of 13,002");
	buf_reset(&b);
	while (b.len < 100000)
		buf_adds(&b, "YmFk");
	client_send(&c, b.data, b.len);
	is_str(codes(&c), "500 5.5.2,421 4.7.0!", "an endless line");
	client_close(&c);
	buf_clear(&b);
}

static void
test_offers(void)
{
	struct client c;

	client_open(&c, false);
	say(&c, "EHLO c\r\n");
	ok(strstr(buf_str(&c.got), "AUTH") == NULL, "no AUTH before TLS");
	client_close(&c);
	client_open(&c, true);
	say(&c, "EHLO c\r\n");
	ok(strstr(buf_str(&c.got), "250-AUTH PLAIN LOGIN\r\n") != NULL,
	    "AUTH under TLS");
	ok(strstr(buf_str(&c.got), "STARTTLS") == NULL, "no STARTTLS then");
	ok(strstr(buf_str(&c.got), "250-SIZE 300000\r\n") != NULL, "SIZE");
	buf_reset(&c.got);
	say(&c, AUTH "EHLO c\r\n");
	ok(strstr(strstr(buf_str(&c.got), "235 "), "AUTH") == NULL ||
	    strstr(strstr(buf_str(&c.got), "235 ") + 30, "250-AUTH") == NULL,
	    "no AUTH when logged in");
	client_close(&c);
}

/* Whose session is over and who does not close counts until he is closed. */
static void
test_leaving(void)
{
	size_t max = world.conf.max_sessions;
	struct client c;

	world.conf.max_sessions = 1;
	client_open(&c, false);
	ok(server_full(&world.srv), "one session of one");
	say(&c, "QUIT\r\n");
	is_str(codes(&c), "220,221 2.0.0!", "it ends");
	is_int(world.srv.sessions, 0, "no session is left");
	ok(server_full(&world.srv), "but its connection is");
	ev_clock_step(1999);
	world_settle();
	ok(server_full(&world.srv), "for two seconds");
	ev_clock_step(1);
	world_settle();
	ok(!server_full(&world.srv), "and then not");
	client_close(&c);

	client_open(&c, false);
	say(&c, "QUIT\r\n");
	ok(server_full(&world.srv), "another");
	client_close(&c);
	ok(!server_full(&world.srv), "who closes it is gone at once");
	world.conf.max_sessions = max;
}

/* All descriptors are taken when queue sends one for a large message. */
static void
test_no_descriptor(void)
{
	struct rlimit old, none;
	struct client c;
	int lowest;

	client_open(&c, true);
	say(&c, AUTH MAIL RCPT "DATA\r\n");
	codes(&c);
	if (world.spool_fd != -1)
		close(world.spool_fd);
	world.spool_fd = -1;
	lowest = dup(0);
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &old) == -1)
		abort();
	none = old;
	/* One for the file itself, which queue has in life. */
	none.rlim_cur = (rlim_t)lowest + 1;
	ok(setrlimit(RLIMIT_NOFILE, &none) == 0, "no descriptor free");
	send_large(&c, 280000);
	ok(setrlimit(RLIMIT_NOFILE, &old) == 0, "free again");
	is_str(codes(&c), "452 4.3.1", "a large message is refused");
	say(&c, MAIL RCPT "DATA\r\n");
	codes(&c);
	send_large(&c, 280000);
	is_str(codes(&c), "250 2.0.0", "and the next one is not");
	client_close(&c);
}

int
main(void)
{
	world_init();
	test_dialogs();
	test_message();
	test_large();
	test_many_large();
	test_queue_says_no();
	test_queue_gone();
	test_over();
	test_auth_gone();
	test_mad_queue();
	test_time();
	test_stop();
	test_deaf_client();
	test_half_closed();
	test_long_lines();
	test_offers();
	test_leaving();
	test_no_descriptor();
	world_clear();
	return tap_done();
}
