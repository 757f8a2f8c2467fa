/* What the extensions of SMTP add to dialogs, and what queue gets of it. */
#include "lib/prelude.h"

#include "smtpd/extensions.h"
#include "tests/show.h"
#include "tests/tap.h"
#include "tests/unit/smtpd_world.h"

#define LOGIN	"EHLO c\r\nAUTH PLAIN Z29vZA==\r\n"
#define MAIL	"MAIL FROM:<alice@example.org>"
#define RCPT	"RCPT TO:<bob@example.net>"
#define END	"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"

static struct client c;

static void
begin(void)
{
	client_open(&c, true);
	say(&c, LOGIN);
	codes(&c);
	world.asked[0] = world.envelope[0] = '\0';
	world.submits = 0;
}

static void
end(void)
{
	client_close(&c);
	is_int(world.srv.sessions, 0, "the session is gone");
}

/* --- what EHLO says ---------------------------------------------------------------------- */

static const char *
offers(void)
{
	buf_reset(&c.got);
	say(&c, "EHLO c\r\n");
	return buf_str(&c.got);
}

static void
test_offers(void)
{
	static const struct {
		enum extension ext;
		const char *line;
	} rows[] = {
		{ EXT_SIZE, "250-SIZE 300000\r\n" },
		{ EXT_8BITMIME, "250-8BITMIME\r\n" },
		{ EXT_DSN, "250-DSN\r\n" },
		{ EXT_LIMITS, "250-LIMITS RCPTMAX=5\r\n" },
	};
	size_t i;

	begin();
	for (i = 0; i < nitems(rows); i++) {
		world.srv.extensions = rows[i].ext;
		ok(strstr(offers(), rows[i].line) != NULL, "offered: %.*s",
		    (int)strcspn(rows[i].line, "\r"), rows[i].line);
		world.srv.extensions = ~(uint32_t)rows[i].ext;
		ok(strstr(offers(), rows[i].line) == NULL, "and not");
	}
	world.srv.extensions = UINT32_MAX;
	world.conf.max_recipients = 100000;
	ok(strstr(offers(), "RCPTMAX=1000\r\n") != NULL,
	    "never more recipients than an envelope has");
	world.conf.max_recipients = 5;
	end();
}

/* --- DSN ----------------------------------------------------------------------------------- */

static void
test_dsn(void)
{
	begin();
	say(&c, MAIL " RET=HDRS ENVID=QQ314159\r\n"
	    RCPT " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@Example.NET\r\n"
	    RCPT " NOTIFY=NEVER\r\n" RCPT "\r\n" END);
	is_str(codes(&c), "250 2.1.0,250 2.1.5,250 2.1.5,250 2.1.5,354,"
	    "250 2.0.0", "RFC 3461's parameters");
	is_str(world.asked, "QQ314159 hdrs,rfc822;Bob+2B@Example.NET 10,- 1,"
	    "- 0", "are handed on as given");
	say(&c, MAIL " RET=FULL\r\n" RCPT "\r\n" END);
	is_str(codes(&c), "250 2.1.0,250 2.1.5,354,250 2.0.0", "the next one");
	is_str(world.asked, "- full,- 0", "has nothing of it");
	say(&c, MAIL " ENVID=a+0D+0A\r\n" MAIL " RET=ALL\r\n" MAIL
	    " RET=FULL RET=FULL\r\n" MAIL "\r\n" RCPT " NOTIFY=NEVER,DELAY\r\n"
	    RCPT " ORCPT=rfc822;a+0A\r\n" RCPT "\r\nDATA\r\n.\r\n");
	is_str(codes(&c), "501 5.5.4,501 5.5.4,555 5.5.4,250 2.1.0,501 5.5.4,"
	    "501 5.5.4,250 2.1.5,354,250 2.0.0", "what is malformed");
	is_str(world.asked, "-,- 0", "leaves no trace");
	world.srv.extensions &= ~(uint32_t)EXT_DSN;
	say(&c, MAIL " RET=FULL\r\n" MAIL "\r\n" RCPT " NOTIFY=NEVER\r\n");
	is_str(codes(&c), "555 5.5.4,250 2.1.0,555 5.5.4", "not offered");
	world.srv.extensions = UINT32_MAX;
	end();
}

/* However long each recipient is, the envelope fits into its message. */
static void
test_large_envelope(void)
{
	char line[1024];
	size_t taken = 0;
	const char *said;

	world.conf.max_recipients = world.rcpts = 1000;
	snprintf(line, sizeof(line), RCPT " NOTIFY=SUCCESS,FAILURE,DELAY "
	    "ORCPT=rfc822;%0490d\r\n", 7);
	begin();
	say(&c, MAIL "\r\n");
	codes(&c);
	do {
		say(&c, line);
		said = codes(&c);
		taken += strcmp(said, "250 2.1.5") == 0;
	} while (strcmp(said, "250 2.1.5") == 0 && taken < 1001);
	is_str(said, "452 4.5.3", "the rest comes in another message");
	ok(taken > 500 && taken < 1000, "behind %zu of the longest", taken);
	say(&c, "DATA\r\n.\r\n");
	is_str(codes(&c), "354,250 2.0.0", "and those are sent");
	world.conf.max_recipients = 5;
	world.rcpts = 100;
	end();
}

int
main(void)
{
	world_init();
	world.srv.extensions = UINT32_MAX;
	test_offers();
	test_dsn();
	test_large_envelope();
	world_clear();
	return tap_done();
}
