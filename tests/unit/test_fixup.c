#include "lib/prelude.h"

#include "smtpd/fixup.h"
#include "tests/tap.h"

/* Mon, 23 Nov 2026 14:05:00 UTC */
#define WALL_MS 1795442700000ULL

#define RECEIVED "Received: by relay.example.org (Postern) with ESMTPSA id " \
	"1-2-3;\r\n\tMon, 23 Nov 2026 14:05:00 +0000\r\n"
#define DATE "Date: Mon, 23 Nov 2026 14:05:00 +0000\r\n"
#define MSGID "Message-ID: <1a208b96ee0.00000000deadbeef@relay.example.org>\r\n"
#define HAS "Date: x\r\nMessage-ID: <y@z>\r\n"

static const struct fixup usual = {
	.hostname = "relay.example.org", .id = "1-2-3", .wall_ms = WALL_MS,
	.nonce = 0xdeadbeef, .max_hops = 3,
};

static const struct {
	const char *name, *in, *out;
} cases[] = {
	{ "complete", HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "no blank line", HAS, RECEIVED HAS },
	{ "empty", "", RECEIVED DATE MSGID },
	{ "blank line only", "\r\n", RECEIVED DATE MSGID "\r\n" },
	{ "no Date", "Message-ID: <y@z>\r\n\r\n",
	    RECEIVED "Message-ID: <y@z>\r\n" DATE "\r\n" },
	{ "no Message-ID", "Date: x\r\n\r\n", RECEIVED "Date: x\r\n" MSGID
	    "\r\n" },
	{ "neither", "Subject: hi\r\n\r\n",
	    RECEIVED "Subject: hi\r\n" DATE MSGID "\r\n" },
	{ "names in any case", "dAtE: x\r\nMESSAGE-id: <y@z>\r\n\r\n",
	    RECEIVED "dAtE: x\r\nMESSAGE-id: <y@z>\r\n\r\n" },
	{ "blanks before the colon", "Date : x\r\nMessage-ID\t: y\r\n\r\n",
	    RECEIVED "Date : x\r\nMessage-ID\t: y\r\n\r\n" },
	{ "Resent-Date is not Date", "Resent-Date: x\r\nMessage-ID: y\r\n\r\n",
	    RECEIVED "Resent-Date: x\r\nMessage-ID: y\r\n" DATE "\r\n" },

	{ "Bcc first", "Bcc: a@b\r\n" HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "Bcc last", HAS "Bcc: a@b\r\n\r\n", RECEIVED HAS "\r\n" },
	{ "Bcc in the middle", "Date: x\r\nBCC: a@b\r\nMessage-ID: y\r\n\r\n",
	    RECEIVED "Date: x\r\nMessage-ID: y\r\n\r\n" },
	{ "Bcc folded", "Bcc: a@b,\r\n c@d,\r\n\te@f\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bcc twice in a row", "Bcc: a@b\r\nbcc: c@d\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bcc twice apart", "Bcc: a\r\nDate: x\r\nBcc: b\r\nMessage-ID: y\r\n"
	    "Bcc: c\r\n\r\n", RECEIVED "Date: x\r\nMessage-ID: y\r\n\r\n" },
	{ "Bcc empty", "Bcc:\r\n" HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "Bcc with blanks before the colon", "Bcc  : a@b\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bcc and no blank line", HAS "Bcc: a@b\r\n", RECEIVED HAS },
	{ "Bcc alone", "Bcc: a@b\r\n\r\n", RECEIVED DATE MSGID "\r\n" },
	{ "Resent-Bcc", "Resent-Bcc: a@b\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Return-Path", "Return-Path: <a@b>\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "X-Bcc stays", "X-Bcc: a\r\n" HAS "\r\n",
	    RECEIVED "X-Bcc: a\r\n" HAS "\r\n" },
	{ "Bccx stays", "Bccx: a\r\n" HAS "\r\n",
	    RECEIVED "Bccx: a\r\n" HAS "\r\n" },
	{ "a fold that says Bcc stays", "Subject: x\r\n Bcc: a\r\n" HAS "\r\n",
	    RECEIVED "Subject: x\r\n Bcc: a\r\n" HAS "\r\n" },
	{ "Bcc in the body stays", HAS "\r\nBcc: a\r\n",
	    RECEIVED HAS "\r\nBcc: a\r\n" },

	{ "body without a blank line", HAS "hello\r\nworld\r\n",
	    RECEIVED HAS "\r\nhello\r\nworld\r\n" },
	{ "nothing but body", "hello\r\n", RECEIVED DATE MSGID
	    "\r\nhello\r\n" },
	{ "a fold first is body", " x: y\r\n" HAS, RECEIVED DATE MSGID
	    "\r\n x: y\r\n" HAS },
	{ "mbox From line is body", "From a@b Mon\r\n" HAS "\r\n",
	    RECEIVED DATE MSGID "\r\nFrom a@b Mon\r\n" HAS "\r\n" },
	{ "8bit name is body", "S\xc3\xbc: x\r\n\r\n",
	    RECEIVED DATE MSGID "\r\nS\xc3\xbc: x\r\n\r\n" },
	{ "colon first is body", ": x\r\n\r\n",
	    RECEIVED DATE MSGID "\r\n: x\r\n\r\n" },
	{ "two Received of three",
	    "Received: a\r\nReceived: b\r\n" HAS "\r\n",
	    RECEIVED "Received: a\r\nReceived: b\r\n" HAS "\r\n" },
	{ "three Received of three",
	    "Received: a\r\nreceived: b\r\nRECEIVED: c\r\n" HAS "\r\n",
	    RECEIVED "Received: a\r\nreceived: b\r\nRECEIVED: c\r\n" HAS
	    "\r\n" },
	{ "four Received of three", "Received: a\r\nReceived: b\r\n"
	    "Received: c\r\nReceived: d\r\n" HAS "\r\n", NULL },
	{ "Received in the body do not count", HAS "\r\nReceived: a\r\n"
	    "Received: b\r\nReceived: c\r\nReceived: d\r\n",
	    RECEIVED HAS "\r\nReceived: a\r\nReceived: b\r\n"
	    "Received: c\r\nReceived: d\r\n" },
};

static void
test_cases(void)
{
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		struct buf out;
		enum reply r;

		buf_init(&out, 64 * 1024);
		r = fixup_header(&usual, cases[i].in, strlen(cases[i].in),
		    &out);
		if (cases[i].out == NULL)
			is_int(r, REPLY_LOOP, "%s", cases[i].name);
		else
			is_str(r == REPLY_NONE ? buf_str(&out) : "refused",
			    cases[i].out, "%s", cases[i].name);
		buf_clear(&out);
	}
}

static const struct {
	const char *name, *client_name, *client_addr, *account, *received;
} received_cases[] = {
	{ "nothing named", NULL, NULL, NULL, "Received: by " },
	{ "client", "laptop.example", "192.0.2.7", NULL,
	    "Received: from laptop.example ([192.0.2.7])\r\n\tby " },
	{ "client by IPv6", "laptop.example", "2001:db8::7", NULL,
	    "Received: from laptop.example ([IPv6:2001:db8::7])\r\n\tby " },
	{ "literal name", "[192.0.2.9]", "192.0.2.7", NULL,
	    "Received: from [192.0.2.9] ([192.0.2.7])\r\n\tby " },
	{ "a name that is none", "my_pc(x", "192.0.2.7", NULL,
	    "Received: from [192.0.2.7]\r\n\tby " },
	{ "no name", NULL, "192.0.2.7", NULL,
	    "Received: from [192.0.2.7]\r\n\tby " },
	{ "account", NULL, NULL, "alice@example.org",
	    "\r\n\t(account alice@example.org);\r\n" },
	{ "account with parentheses", NULL, NULL, "a(b)c\\d",
	    "\r\n\t(account a\\(b\\)c\\\\d);\r\n" },
	{ "account with a line end", NULL, NULL, "a\r\nBcc: x",
	    "\r\n\t(account a??Bcc: x);\r\n" },
};

static void
test_received(void)
{
	size_t i;

	for (i = 0; i < nitems(received_cases); i++) {
		struct fixup fx = usual;
		struct buf out;

		fx.client_name = received_cases[i].client_name;
		fx.client_addr = received_cases[i].client_addr;
		fx.account = received_cases[i].account;
		buf_init(&out, 64 * 1024);
		fixup_header(&fx, "\r\n", 2, &out);
		if (!ok(strstr(buf_str(&out), received_cases[i].received) !=
		    NULL, "Received: %s", received_cases[i].name))
			printf("# got %s\n", buf_str(&out));
		buf_clear(&out);
	}
}

/* Fields that go, at any place, in any shape, leave no trace of themselves. */
static void
test_dropped(void)
{
	static const char *const names[] = { "Bcc", "bcc", "BCC", "Resent-Bcc",
	    "RESENT-bcc", "Return-Path", "return-path" };
	static const char *const values[] = { ":\r\n", ": a@b\r\n",
	    ":a@b\r\n", " : a@b\r\n", "\t:\r\n a@b\r\n",
	    ": a@b,\r\n\tc@d,\r\n e@f\r\n", ": \xc3\xa4@b\r\n",
	    ": a@b\r\n \r\n", ": Date: x\r\n" };
	static const char *const fields[] = { "Date: x\r\n",
	    "Subject: y\r\n z\r\n", "Message-ID: <y@z>\r\n" };
	size_t n, v, place, i;

	for (n = 0; n < nitems(names); n++)
		for (v = 0; v < nitems(values); v++)
			for (place = 0; place <= nitems(fields); place++) {
				struct buf in, out, want;

				buf_init(&in, 4096);
				buf_init(&out, 8192);
				buf_init(&want, 4096);
				buf_adds(&want, RECEIVED);
				for (i = 0; i <= nitems(fields); i++) {
					if (i == place)
						buf_addf(&in, "%s%s", names[n],
						    values[v]);
					if (i == nitems(fields))
						break;
					buf_adds(&in, fields[i]);
					buf_adds(&want, fields[i]);
				}
				buf_adds(&in, "\r\n");
				buf_adds(&want, "\r\n");
				fixup_header(&usual, buf_str(&in), in.len,
				    &out);
				is_str(buf_str(&out), buf_str(&want),
				    "%s, shape %zu, place %zu", names[n], v,
				    place);
				buf_clear(&in);
				buf_clear(&out);
				buf_clear(&want);
			}
}

int
main(void)
{
	test_cases();
	test_dropped();
	test_received();
	return tap_done();
}
