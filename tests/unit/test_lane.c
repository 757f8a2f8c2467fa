/*
 * smtpd/lane: a device that neither logs in nor does TLS. What it may say, and
 * what nobody may: AUTH in the clear, other senders, other recipients.
 */
#include "lib/prelude.h"

#include "tests/tap.h"
#include "tests/unit/smtpd_world.h"

#define MAIL	"MAIL FROM:<scanner@example.org>\r\n"
#define RCPT	"RCPT TO:<bob@example.org>\r\n"
#define BODY	"DATA\r\nFrom: scanner@example.org\r\nSubject: x\r\n\r\nhi\r\n.\r\n"

static const struct {
	const char *name, *say, *hear;
} dialogs[] = {
	{ "HELO is enough", "HELO scanner\r\n" MAIL RCPT BODY "QUIT\r\n",
	    "220,250,250 2.1.0,250 2.1.5,354,250 2.0.0,221 2.0.0!" },
	{ "EHLO, BDAT", "EHLO scanner\r\n" MAIL RCPT "BDAT 3 LAST\r\n\r\nx",
	    "220,250,250 2.1.0,250 2.1.5,250 2.0.0" },
	{ "two messages", "HELO s\r\n" MAIL RCPT BODY MAIL RCPT BODY,
	    "220,250,250 2.1.0,250 2.1.5,354,250 2.0.0,"
	    "250 2.1.0,250 2.1.5,354,250 2.0.0" },
	{ "no HELO at all", MAIL RCPT, "220,250 2.1.0,250 2.1.5" },
	{ "nobody logs in", "EHLO s\r\nAUTH PLAIN Z29vZA==\r\nAUTH LOGIN\r\n"
	    "AUTH\r\n" MAIL, "220,250,503 5.5.1,503 5.5.1,503 5.5.1,250 2.1.0" },
	{ "nor for another", "EHLO s\r\nMAIL FROM:<scanner@example.org> "
	    "AUTH=<>\r\n", "220,250,555 5.5.4" },
	{ "no REQUIRETLS in the clear", "EHLO s\r\nMAIL FROM:<"
	    "scanner@example.org> REQUIRETLS\r\n", "220,250,555 5.5.4" },
	{ "a recipient by name", "HELO s\r\n" MAIL "RCPT TO:<Boss@EXAMPLE.net>"
	    "\r\n", "220,250,250 2.1.0,250 2.1.5" },
	{ "another of that domain", "HELO s\r\n" MAIL "RCPT TO:<all@example.net>"
	    "\r\n" RCPT, "220,250,250 2.1.0,550 5.7.1,250 2.1.5" },
	{ "strangers", "HELO s\r\n" MAIL "RCPT TO:<a@gmail.example>\r\n"
	    "RCPT TO:<a@sub.example.org>\r\nRCPT TO:<a@[192.0.2.1]>\r\n"
	    "RCPT TO:<@example.org:a@gmail.example>\r\n"
	    "RCPT TO:<\"a@example.org\"@gmail.example>\r\nDATA\r\n",
	    "220,250,250 2.1.0,550 5.7.1,550 5.7.1,550 5.7.1,550 5.7.1,"
	    "550 5.7.1,503 5.5.1" },
	{ "our postmaster is a recipient like others", "HELO s\r\n" MAIL
	    "RCPT TO:<Postmaster>\r\n", "220,250,250 2.1.0,550 5.7.1" },
	{ "the source route is checked for its end", "HELO s\r\n" MAIL
	    "RCPT TO:<@gmail.example:bob@example.org>\r\n",
	    "220,250,250 2.1.0,250 2.1.5" },
	{ "lines end in CRLF here, too", "HELO s\nMAIL FROM:<a@b>\r\nNOOP\r\n",
	    "220,500 5.5.2,250 2.0.0" },
	{ "VRFY", "VRFY bob\r\n", "220,252 2.0.0" },
	{ "a web browser", "GET / HTTP/1.1\r\n", "220,421 4.7.0!" },
};

static void
test_dialogs(void)
{
	struct client c;
	size_t i, k, n;

	for (i = 0; i < nitems(dialogs); i++) {
		n = strlen(dialogs[i].say);
		client_open_lane(&c, false);
		client_send(&c, dialogs[i].say, n);
		is_str(codes(&c), dialogs[i].hear, "%s", dialogs[i].name);
		client_close(&c);
		client_open_lane(&c, true);
		for (k = 0; k < n; k++)
			client_send(&c, dialogs[i].say + k, 1);
		is_str(codes(&c), dialogs[i].hear, "%s: byte by byte",
		    dialogs[i].name);
		client_close(&c);
	}
}

/* Other senders, when they are not to be rewritten. */
static void
test_refused(void)
{
	struct client c;

	world.lane_refuses = true;
	client_open_lane(&c, false);
	client_send(&c, "HELO s\r\nMAIL FROM:<root@localhost>\r\n"
	    "MAIL FROM:<>\r\nMAIL FROM:<scanner@example.org.example>\r\n"
	    "MAIL FROM:<Scanner@Example.ORG>\r\n" RCPT "DATA\r\n"
	    "From: boss@example.org\r\n\r\nx\r\n.\r\n",
	    strlen("HELO s\r\nMAIL FROM:<root@localhost>\r\n"
	    "MAIL FROM:<>\r\nMAIL FROM:<scanner@example.org.example>\r\n"
	    "MAIL FROM:<Scanner@Example.ORG>\r\n" RCPT "DATA\r\n"
	    "From: boss@example.org\r\n\r\nx\r\n.\r\n"));
	is_str(codes(&c), "220,250,553 5.7.1,553 5.7.1,553 5.7.1,250 2.1.0,"
	    "250 2.1.5,354,553 5.7.1", "one sender, in any case of letters");
	client_close(&c);
	world.lane_refuses = false;
}

/* As is usual: what a device says of itself gives way to what is known. */
static void
test_rewritten(void)
{
	struct client c;

	client_open_lane(&c, false);
	say(&c, "HELO s\r\nMAIL FROM:<root@localhost>\r\n" RCPT "DATA\r\n"
	    "From: KM_C224\r\nSubject: x\r\n\r\nFrom: a@b\r\n.\r\n");
	is_str(codes(&c), "220,250,250 2.1.0,250 2.1.5,354,250 2.0.0",
	    "another sender is taken");
	is_str(world.envelope, "scanner@example.org>bob@example.org",
	    "and is the device's own then");
	ok(strstr(buf_str(&world.body), "\r\nFrom: scanner@example.org\r\n"
	    "Subject: x\r\n") != NULL && strstr(buf_str(&world.body),
	    "\r\n\r\nFrom: a@b\r\n") != NULL, "in the header, too");
	say(&c, "MAIL FROM:<>\r\n" RCPT "DATA\r\n\r\nx\r\n.\r\n");
	is_str(codes(&c), "250 2.1.0,250 2.1.5,354,250 2.0.0", "nobody as one");
	is_str(world.envelope, "scanner@example.org>bob@example.org", "as well");
	client_close(&c);
}

static void
test_asked(void)
{
	struct client c;

	client_open_lane(&c, false);
	is_str(world.lane, "devices@x local", "auth hears where from");
	ok(strncmp(buf_str(&c.got), "220 ", 4) == 0, "and lets it in");
	client_close(&c);
	world.lane_no = 1;
	client_open_lane(&c, false);
	is_str(codes(&c), "554 5.7.1!", "not a device: no greeting");
	client_close(&c);
	world.lane_no = 2;
	client_open_lane(&c, false);
	is_str(codes(&c), "421 4.3.0!", "trouble: later");
	client_close(&c);
	world.lane_no = 0;
	world.auth_silent = true;
	client_open_lane(&c, false);
	client_send(&c, "HELO s\r\n", 8);
	is_str(codes(&c), "", "nothing is said before auth's word");
	ipc_free(&world.auth);
	world_settle();
	client_read(&c);
	is_str(codes(&c), "421 4.3.0!", "auth is gone meanwhile: later");
	client_close(&c);
	client_open_lane(&c, false);
	is_str(codes(&c), "421 4.3.0!", "and for those who come then");
	client_close(&c);
	world_connect(&world.srv.auth, &world.auth, &world_auth_ops);
	client_open_lane(&c, false);
	client_send(&c, "HELO s\r\n", 8);
	ev_clock_step(121 * 1000);
	world_settle();
	client_read(&c);
	is_str(codes(&c), "421 4.3.0!", "auth does not answer: later");
	client_close(&c);
	client_open_lane(&c, false);
	client_close(&c);
	world.auth_silent = false;
	is_int(world.srv.sessions, 0, "all are gone");
}

/* A device that has turned out to be none, or twice: auth has gone mad. */
static void
test_mad_auth(void)
{
	struct client c;
	int i;

	for (i = 0; i < 3; i++) {
		world.auth_silent = true;
		client_open_lane(&c, false);
		ipc_begin(i == 0 ? M_AUTH_OK : M_LANE_OK,
		    world.srv.last_id);
		if (i == 2)
			ipc_put_bool(true);
		ipc_send(world.auth, -1);
		world_settle();
		client_read(&c);
		is_str(codes(&c), "421 4.3.0!", "nonsense %d", i);
		client_close(&c);
		world.auth_silent = false;
		world_connect(&world.srv.auth, &world.auth, &world_auth_ops);
	}
}

static bool
received(const char *hello, bool tls, const char *param, const char *with)
{
	struct client c;
	struct buf b;
	bool good;

	client_open_lane(&c, !tls);
	if (tls)
		session_tls_is_up(c.session);
	buf_init(&b, 4096);
	buf_addf(&b, "%sMAIL FROM:<scanner@example.org>%s\r\n" RCPT BODY, hello,
	    param);
	client_send(&c, b.data, b.len);
	buf_reset(&b);
	buf_addf(&b, "Received: by relay.example.org (Postern) with %s id ",
	    with);
	good = strncmp(buf_str(&world.body), buf_str(&b), b.len) == 0;
	buf_clear(&b);
	client_close(&c);
	return good;
}

static void
test_received(void)
{
	ok(received("HELO s\r\n", false, "", "SMTP"), "SMTP");
	ok(received("EHLO s\r\n", false, "", "ESMTP"), "ESMTP");
	ok(received("EHLO s\r\n", true, "", "ESMTPS"), "ESMTPS");
	ok(received("EHLO s\r\n", false, " SMTPUTF8", "UTF8SMTP"),
	    "UTF8SMTP");
	ok(received("EHLO s\r\n", true, " SMTPUTF8", "UTF8SMTPS"),
	    "UTF8SMTPS");
}

/* STARTTLS forgets what the device said, not where it came from. */
static void
test_tls(void)
{
	struct client c;

	client_open_lane(&c, true);
	client_send(&c, "EHLO s\r\nSTARTTLS\r\n", 18);
	ok(strstr(buf_str(&c.got), "AUTH") == NULL &&
	    strstr(buf_str(&c.got), "STARTTLS") == NULL, "no TLS is offered");
	is_str(codes(&c), "220,250,502 5.5.1", "nor taken");
	client_close(&c);
	client_open_lane(&c, false);
	client_send(&c, "EHLO s\r\n" MAIL, strlen("EHLO s\r\n" MAIL));
	buf_reset(&c.got);
	session_tls_is_up(c.session);
	client_send(&c, RCPT "EHLO s\r\n" MAIL RCPT,
	    strlen(RCPT "EHLO s\r\n" MAIL RCPT));
	ok(strstr(buf_str(&c.got), "AUTH") == NULL, "no AUTH under TLS either");
	is_str(codes(&c), "503 5.5.1,250,250 2.1.0,250 2.1.5",
	    "under TLS all begins anew, without a login");
	client_close(&c);
}

int
main(void)
{
	world_init();
	test_dialogs();
	test_refused();
	test_rewritten();
	test_asked();
	test_mad_auth();
	test_received();
	test_tls();
	world_clear();
	return tap_done();
}
