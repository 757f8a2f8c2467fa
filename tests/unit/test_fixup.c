#include "lib/prelude.h"

#include <strings.h>

#include "lib/xalloc.h"
#include "smtpd/fixup.h"
#include "tests/tap.h"

/* Mon, 23 Nov 2026 14:05:00 UTC */
#define WALL_MS 1795442700000ULL

#define RECEIVED "Received: by relay.example.org (Postern) with ESMTPSA id " \
	"1-2-3;\r\n\tMon, 23 Nov 2026 14:05:00 +0000\r\n"
#define DATE "Date: Mon, 23 Nov 2026 14:05:00 +0000\r\n"
#define MSGID "Message-ID: <1a208b96ee0.00000000deadbeef@relay.example.org>\r\n"
#define FROM "From: alice@example.org\r\n"
#define HAS FROM "Date: x\r\nMessage-ID: <y@z>\r\n"

static const struct fixup usual = {
	.hostname = "relay.example.org", .with = "ESMTPSA", .id = "1-2-3",
	.from = "alice@example.org", .wall_ms = WALL_MS,
	.nonce = 0xdeadbeef, .max_hops = 3,
};

static const struct {
	const char *name, *in, *out;
} cases[] = {
	{ "complete", HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "no blank line", HAS, RECEIVED HAS },
	{ "empty", "", RECEIVED FROM DATE MSGID },
	{ "blank line only", "\r\n", RECEIVED FROM DATE MSGID "\r\n" },
	{ "no Date", FROM "Message-ID: <y@z>\r\n\r\n",
	    RECEIVED FROM "Message-ID: <y@z>\r\n" DATE "\r\n" },
	{ "no Message-ID", FROM "Date: x\r\n\r\n", RECEIVED FROM "Date: x\r\n" MSGID
	    "\r\n" },
	{ "neither", "Subject: hi\r\n\r\n",
	    RECEIVED "Subject: hi\r\n" FROM DATE MSGID "\r\n" },
	{ "names in any case", FROM "dAtE: x\r\nMESSAGE-id: <y@z>\r\n\r\n",
	    RECEIVED FROM "dAtE: x\r\nMESSAGE-id: <y@z>\r\n\r\n" },
	{ "blanks before the colon", FROM "Date : x\r\nMessage-ID\t: y\r\n\r\n",
	    RECEIVED FROM "Date : x\r\nMessage-ID\t: y\r\n\r\n" },
	{ "Resent-Date is not Date", FROM "Resent-Date: x\r\nMessage-ID: y\r\n\r\n",
	    RECEIVED FROM "Resent-Date: x\r\nMessage-ID: y\r\n" DATE "\r\n" },

	{ "Bcc first", "Bcc: a@b\r\n" HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "Bcc last", HAS "Bcc: a@b\r\n\r\n", RECEIVED HAS "\r\n" },
	{ "Bcc in the middle", FROM "Date: x\r\nBCC: a@b\r\nMessage-ID: y\r\n\r\n",
	    RECEIVED FROM "Date: x\r\nMessage-ID: y\r\n\r\n" },
	{ "Bcc folded", "Bcc: a@b,\r\n c@d,\r\n\te@f\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bcc twice in a row", "Bcc: a@b\r\nbcc: c@d\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bcc twice apart", FROM "Bcc: a\r\nDate: x\r\nBcc: b\r\nMessage-ID: y\r\n"
	    "Bcc: c\r\n\r\n", RECEIVED FROM "Date: x\r\nMessage-ID: y\r\n\r\n" },
	{ "Bcc empty", "Bcc:\r\n" HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "Bcc with blanks before the colon", "Bcc  : a@b\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bcc and no blank line", HAS "Bcc: a@b\r\n", RECEIVED HAS },
	{ "Bcc alone", "Bcc: a@b\r\n\r\n", RECEIVED FROM DATE MSGID "\r\n" },
	{ "Resent-Bcc", "Resent-Bcc: a@b\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Return-Path", "Return-Path: <a@b>\r\n" HAS "\r\n",
	    RECEIVED HAS "\r\n" },
	{ "X-Bcc", "X-Bcc: a\r\n" HAS "\r\n", RECEIVED HAS "\r\n" },
	{ "Apparently-To", HAS "apparently-to: a@b\r\n\r\n",
	    RECEIVED HAS "\r\n" },
	{ "Bccx stays", "Bccx: a\r\n" HAS "\r\n",
	    RECEIVED "Bccx: a\r\n" HAS "\r\n" },
	{ "a fold that says Bcc stays", "Subject: x\r\n Bcc: a\r\n" HAS "\r\n",
	    RECEIVED "Subject: x\r\n Bcc: a\r\n" HAS "\r\n" },
	{ "Bcc in the body stays", HAS "\r\nBcc: a\r\n",
	    RECEIVED HAS "\r\nBcc: a\r\n" },

	{ "body without a blank line", HAS "hello\r\nworld\r\n",
	    RECEIVED HAS "\r\nhello\r\nworld\r\n" },
	{ "nothing but body", "hello\r\n", RECEIVED FROM DATE MSGID
	    "\r\nhello\r\n" },
	{ "a fold first is body", " x: y\r\nz\r\n\r\n", RECEIVED FROM DATE
	    MSGID "\r\n x: y\r\nz\r\n\r\n" },
	{ "mbox From line is body", "From a@b Mon\r\nhello\r\n\r\n",
	    RECEIVED FROM DATE MSGID "\r\nFrom a@b Mon\r\nhello\r\n\r\n" },
	{ "a text with a colon is body", "hello\r\nNote: x\r\n\r\nbye\r\n",
	    RECEIVED FROM DATE MSGID "\r\nhello\r\nNote: x\r\n\r\nbye\r\n" },
	{ "8bit name is body", "S\xc3\xbc: x\r\n\r\n",
	    RECEIVED FROM DATE MSGID "\r\nS\xc3\xbc: x\r\n\r\n" },
	{ "colon first is body", ": x\r\n\r\n",
	    RECEIVED FROM DATE MSGID "\r\n: x\r\n\r\n" },
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

/* Alice's own, as auth would say. */
static bool
permits(const char *addr, const void *arg)
{
	return strcmp(addr, "alice@example.org") == 0 ||
	    strcmp(addr, "j\xc3\xbc@example.org") == 0 ||
	    strstr(addr, "@lists.example.org") != NULL;
}

static const struct identity alice = { .permits = permits };

/* A line that is no field, and what would be told to others behind it. */
static const struct {
	const char *name, *in;
} ambiguous[] = {
	{ "8bit field name", "To: a@b\r\nX-Gr\xc3\xb6\xc3\x9f" "e: 1\r\n"
	    "Bcc: s\r\n\r\nx\r\n" },
	{ "8bit field name first", "X-Gr\xc3\xb6\xc3\x9f" "e: 1\r\n"
	    "Bcc: s\r\n\r\nx\r\n" },
	{ "no colon", "To: a@b\r\ngarbage line\r\nBcc: s\r\n\r\n" },
	{ "no colon first", "garbage line\r\nbcc: s\r\n\r\n" },
	{ "mbox From", "From bob Mon\r\nBcc: s\r\n\r\n" },
	{ "mbox >From", ">From bob Mon\r\nSubject: s\r\n\r\n" },
	{ "mbox From and a header", "From bob Mon\r\n" HAS "\r\n" },
	{ "a fold first", " x: y\r\n" HAS "\r\n" },
	{ "a fold first, Bcc", " x\r\nBcc: s\r\n\r\n" },
	{ "a blank in a name", "To: a\r\nHello World: x\r\nBcc: s\r\n\r\n" },
	{ "text in the header", "Subject: x\r\nhello\r\n\r\nworld\r\n" },
	{ "colon first", "Subject: x\r\n: y\r\n\r\n" },
	{ "no blank line, Bcc in the text", "Subject: x\r\nhello\r\n"
	    "Bcc: s\r\n" },
	{ "no header, From in the text", "hello\r\nFrom: ceo@b\r\n" },
	{ "no header, Resent-Bcc", "hello\r\nRESENT-BCC : s\r\n\r\n" },
	{ "no header, a folded one", "hello\r\nbcc\t:\r\n s\r\n\r\n" },
};

static void
test_ambiguous(void)
{
	struct buf out;
	size_t i;

	for (i = 0; i < nitems(ambiguous); i++) {
		struct identity id = alice;
		const char *in = ambiguous[i].in, *blank = strstr(in,
		    "\r\n\r\n");

		buf_init(&out, 64 * 1024);
		is_int(fixup_header(&usual, in, blank == NULL ? strlen(in) :
		    (size_t)(blank - in) + 4, &out, &id), REPLY_BAD_HEADER,
		    "refused: %s", ambiguous[i].name);
		buf_clear(&out);
	}
}

static const struct {
	const char *header;
	enum reply want;
	const char *about;
} identities[] = {
	{ "From: alice@example.org\r\n", REPLY_NONE, "" },
	{ "From: \"The Boss\" <alice@example.org>\r\n", REPLY_NONE, "" },
	{ "from : ALICE@EXAMPLE.ORG\r\n", REPLY_NOT_YOUR_FROM,
	    "from: <ALICE@example.org>" },	/* permits() minds the case */
	{ "From: a@lists.example.org, b@lists.example.org\r\n", REPLY_NONE,
	    "" },
	{ "From: ceo@example.org\r\n", REPLY_NOT_YOUR_FROM,
	    "From: <ceo@example.org>" },
	{ "From: alice@example.org,\r\n\tceo@example.org\r\n",
	    REPLY_NOT_YOUR_FROM, "From: <ceo@example.org>" },
	{ "From: ceo@example.org <alice@example.org>\r\n",
	    REPLY_NOT_YOUR_FROM, "From: <ceo@example.org>" },
	{ "From: alice@example.org <ceo@example.org>\r\n",
	    REPLY_NOT_YOUR_FROM, "From: <ceo@example.org>" },
	{ "From: alice@example.org <alice@example.org>\r\n", REPLY_NONE,
	    "" },
	{ "From: \"ceo@example.org\" <alice@example.org>\r\n", REPLY_NONE,
	    "" },
	{ "From: alice@example.org (ceo@example.org)\r\n", REPLY_NONE, "" },
	{ "From: <@example.org:alice@example.org>\r\n", REPLY_NONE, "" },
	{ "From: G: alice@example.org, ceo@example.org;\r\n",
	    REPLY_NOT_YOUR_FROM, "From: <ceo@example.org>" },
	{ "From: j\xc3\xbc@example.org\r\n", REPLY_NONE, "" },
	{ "From: =?utf-8?Q?boss=40bank.example=3E=0A=00?="
	    "@lists.example.org\r\n", REPLY_ENCODED_FROM,
	    "From: <=?utf-8?Q?boss=40bank.example=3E=0A=00?="
	    "@lists.example.org>" },
	{ "From: A <alice@example.org>,\r\n \"=\\?utf-8?b?YUBi?=\""
	    "@lists.example.org\r\n", REPLY_ENCODED_FROM,
	    "From: <=?utf-8?b?YUBi?=@lists.example.org>" },
	{ "Resent-Sender: \" =?us-ascii?q?x?=\"@lists.example.org\r\n",
	    REPLY_ENCODED_FROM, "Resent-Sender: <\" =?us-ascii?q?x?=\""
	    "@lists.example.org>" },
	{ "Sender: b+=?utf-8?q?a=40b?=@lists.example.org\r\n",
	    REPLY_ENCODED_FROM, "Sender: <b+=?utf-8?q?a=40b?="
	    "@lists.example.org>" },
	{ "From: =?utf-8?Q?J=C3=B6rg?= <b+=c?d@lists.example.org>\r\n",
	    REPLY_NONE, "" },
	{ "From:\r\n", REPLY_BAD_FROM, "From" },
	{ "From: Alice\r\n", REPLY_BAD_FROM, "From" },
	{ "From: <>\r\n", REPLY_BAD_FROM, "From" },
	{ "From: G:;\r\n", REPLY_BAD_FROM, "From" },
	{ "From: alice@example.org ceo@example.org\r\n", REPLY_BAD_FROM,
	    "From" },
	{ "From: alice@example.org (\r\n", REPLY_BAD_FROM, "From" },
	{ "From: alice@example.org\r\nFrom: alice@example.org\r\n",
	    REPLY_FIELD_TWICE, "From" },
	{ "From: alice@example.org\r\nFROM\t: ceo@example.org\r\n",
	    REPLY_FIELD_TWICE, "FROM" },
	{ "From: alice@example.org\r\nSender: ceo@example.org\r\n",
	    REPLY_NOT_YOUR_FROM, "Sender: <ceo@example.org>" },
	{ "Sender: alice@example.org\r\n", REPLY_NONE, "" },
	{ "Sender: alice@example.org\r\nsender: a@lists.example.org\r\n",
	    REPLY_FIELD_TWICE, "sender" },
	{ "Sender:\r\n", REPLY_BAD_FROM, "Sender" },
	{ "Resent-From: ceo@example.org\r\n", REPLY_NOT_YOUR_FROM,
	    "Resent-From: <ceo@example.org>" },
	{ "Resent-Sender: ceo@example.org\r\n", REPLY_NOT_YOUR_FROM,
	    "Resent-Sender: <ceo@example.org>" },
	{ "Resent-From: alice@example.org\r\nResent-From: "
	    "a@lists.example.org\r\n", REPLY_NONE, "" },
	{ "Reply-To: ceo@example.org\r\nTo: ceo@example.org\r\n",
	    REPLY_NONE, "" },
	{ "X-From: ceo@example.org\r\nFrom-X: ceo@example.org\r\n",
	    REPLY_NONE, "" },
	{ "Subject: x\r\n From: ceo@example.org\r\n", REPLY_NONE, "" },
	{ "\r\nFrom: ceo@example.org\r\n", REPLY_NONE, "" },
};

static void
test_identities(void)
{
	struct buf out;
	size_t i;

	for (i = 0; i < nitems(identities); i++) {
		struct identity id = alice;
		const char *in = identities[i].header;

		buf_init(&out, 64 * 1024);
		is_int(fixup_header(&usual, in, strlen(in), &out, &id),
		    identities[i].want, "whose it is: %.*s", (int)strcspn(in,
		    "\r"), in);
		is_str(id.about, identities[i].about, "and what is named");
		buf_clear(&out);
	}
}

/* What each address costs is bounded, by field and by message. */
static void
test_many(void)
{
	struct identity id = alice;
	struct buf in, out;
	int i;

	buf_init(&in, 64 * 1024);
	buf_init(&out, 256 * 1024);
	for (i = 0; i < IDENTITY_ADDRESSES_MAX / 2; i++)
		buf_adds(&in, "Resent-From: alice@example.org,"
		    " a@lists.example.org\r\n");
	is_int(fixup_header(&usual, buf_str(&in), in.len, &out, &id),
	    REPLY_NONE, "as many addresses as there may be");
	id = alice;
	buf_adds(&in, "From: alice@example.org\r\n");
	is_int(fixup_header(&usual, buf_str(&in), in.len, &out, &id),
	    REPLY_MANY_FROM, "and one more");
	is_str(id.about, "100", "how many there may be is said");
	buf_reset(&in);
	buf_adds(&in, "From: alice@example.org");
	for (i = 0; i < 2000; i++)
		buf_adds(&in, ",alice@example.org");
	buf_adds(&in, "\r\n");
	id = alice;
	is_int(fixup_header(&usual, buf_str(&in), in.len, &out, &id),
	    REPLY_MANY_FROM, "all in one field");
	is_int((int)id.addresses, IDENTITY_ADDRESSES_MAX + 1,
	    "and no more are looked at");
	buf_clear(&in);
	buf_clear(&out);
}

/* What stands in the place of others: "=" the field as it was, else the reply. */
#define OWN "scanner@example.org"

static const struct {
	const char *in, *out;
	enum reply refused;
} rewritten[] = {
	{ "From: scanner@example.org\r\n", "=", REPLY_NONE },
	{ "From: Scanner <SCANNER@example.org>\r\n", "=", REPLY_NONE },
	{ "From: boss@example.net\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "From:boss@example.net\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "FROM \t: boss@example.net\r\n", "FROM \t: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: The Boss <boss@example.net>\r\n",
	    "From: The Boss <" OWN ">\r\n", REPLY_NONE },
	{ "From:The Boss<boss@example.net>\r\n",
	    "From: The Boss<" OWN ">\r\n", REPLY_NONE },
	{ "From: \"Boss, The\"\r\n <boss@example.net> (at work)\r\n",
	    "From: \"Boss, The\"\r\n <" OWN ">\r\n", REPLY_NONE },
	{ "From:\r\n\tThe\r\n\tBoss\r\n\t<boss@example.net>\r\n",
	    "From: The\r\n\tBoss\r\n\t<" OWN ">\r\n", REPLY_NONE },
	{ "From: =?UTF-8?Q?J=C3=B6rg_<x>?= <joerg@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },	/* no phrase: it has a '<' */
	{ "From: =?UTF-8?Q?J=C3=B6rg?= <joerg@example.net>\r\n",
	    "From: =?UTF-8?Q?J=C3=B6rg?= <" OWN ">\r\n", REPLY_NONE },
	{ "From: =?utf-8?b?SsO2cmc=?= =?ISO-8859-1?Q?M=FCller?= "
	    "<joerg@example.net>\r\n", "From: =?utf-8?b?SsO2cmc=?= "
	    "=?ISO-8859-1?Q?M=FCller?= <" OWN ">\r\n", REPLY_NONE },
	{ "From: =?UTF-8?Q?boss=40bank.example?= <a@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: \"=?UTF-8?Q?boss=40bank.example?=\" <a@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: x =?utf-8?B?YUBi?= <a@example.net>\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: =?utf-8?b?Y*UBi?= <a@example.net>\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },	/* some readers overlook the '*' */
	{ "From: =?utf-7?q?boss+AEA-bank?= <a@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: =?utf-8?q?boss <a@example.net>\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: boss+=?utf-8?q?a=40b?=@example.org\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: J\xc3\xb6rg <joerg@example.net>\r\n",
	    "From: J\xc3\xb6rg <" OWN ">\r\n", REPLY_NONE },
	{ "From: (a comment) Boss (b) <boss@example.net>\r\n",
	    "From: Boss (b) <" OWN ">\r\n", REPLY_NONE },
	{ "From: Boss (boss@example.net) <boss@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: \"boss@example.net\" <boss@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: boss@example.net <boss@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: " OWN " <boss@example.net>\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: boss@example.net <" OWN ">\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: <boss@example.net>\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "From: <@a.example,@b.example:boss@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: Boss <boss @ example . net>\r\n", "From: Boss <" OWN ">\r\n",
	    REPLY_NONE },
	{ "From: " OWN ", Boss <boss@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: A <a@example.net>, B <b@example.net>\r\n",
	    "From: " OWN "\r\n", REPLY_NONE },
	{ "From: , Boss <boss@example.net>,\r\n", "From: Boss <" OWN ">\r\n",
	    REPLY_NONE },
	{ "From: Staff: Boss <boss@example.net>;\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: Staff:;, Boss <boss@example.net>\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: Undisclosed:;\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "From: KM_C224e\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "From: \"Scanner\" <>\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "From:\r\n", "From: " OWN "\r\n", REPLY_NONE },
	{ "From: Boss <boss@example.net\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "From: Boss (<boss@example.net>\r\n", "From: " OWN "\r\n",
	    REPLY_NONE },
	{ "Sender: boss@example.net\r\n", "Sender: " OWN "\r\n", REPLY_NONE },
	{ "Resent-From: Boss <b@example.net>\r\nResent-Sender: c@d.example\r\n"
	    "Resent-From: " OWN "\r\n", "Resent-From: Boss <" OWN ">\r\n"
	    "Resent-Sender: " OWN "\r\nResent-From: " OWN "\r\n",
	    REPLY_NONE },
	{ "To: boss@example.net\r\nReply-To: boss@example.net\r\n"
	    "Disposition-Notification-To: boss@example.net\r\n", "=",
	    REPLY_NONE },
	{ "From: a@b.example\r\nFrom: " OWN "\r\n", NULL, REPLY_FIELD_TWICE },
	{ "Sender: " OWN "\r\nSender: a@b.example\r\n", NULL,
	    REPLY_FIELD_TWICE },
};

static bool
is_scanner(const char *addr, const void *arg)
{
	return strcasecmp(addr, OWN) == 0;
}

static void
rewrite_one(const char *in, const char *want, enum reply refused)
{
	struct identity id = { .permits = is_scanner, .rewrite = OWN };
	char *head = xasprintf("Date: x\r\n%sMessage-ID: <y@z>\r\nBcc: a@b\r\n"
	    "\r\n", in);
	bool from = strncasecmp(in, "From", 4) == 0;
	char *all = xasprintf(RECEIVED "Date: x\r\n%sMessage-ID: <y@z>\r\n"
	    "%s\r\n", want == NULL || strcmp(want, "=") == 0 ? in : want,
	    from ? "" : "From: " OWN "\r\n");
	struct fixup fx = usual;
	struct buf out, again;

	buf_init(&out, 64 * 1024);
	buf_init(&again, 64 * 1024);
	fx.from = OWN;
	is_int(fixup_header(&fx, head, strlen(head), &out, &id), refused,
	    "rewritten: %.*s", (int)strcspn(in, "\r"), in);
	if (refused == REPLY_NONE) {
		is_str(buf_str(&out), all, "and the rest stays");
		is_int(id.rewritten > 0, strcmp(want, "=") != 0,
		    "which is counted");
		id = (struct identity){ .permits = is_scanner };
		is_int(fixup_header(&usual, buf_str(&out), out.len, &again,
		    &id), REPLY_NONE, "its own address alone is left");
	}
	buf_clear(&out);
	buf_clear(&again);
	free(head);
	free(all);
}

static void
test_rewritten(void)
{
	struct identity id = { .permits = is_scanner, .rewrite = OWN };
	struct buf head, out;
	char name[512];
	size_t i;

	for (i = 0; i < nitems(rewritten); i++)
		rewrite_one(rewritten[i].in, rewritten[i].out,
		    rewritten[i].refused);
	memset(name, 'x', sizeof(name));
	snprintf(name, sizeof(name), "From: %0300d <a@b.example>\r\n", 7);
	rewrite_one(name, "From: " OWN "\r\n", REPLY_NONE);
	/* Short fields become longer: there is an end to that. */
	buf_init(&head, 64 * 1024);
	buf_init(&out, 256 * 1024);
	for (i = 0; i < 1000; i++)
		buf_adds(&head, "Resent-From:\r\n");
	is_int(fixup_header(&usual, buf_str(&head), head.len, &out, &id),
	    REPLY_BIG_HEADER, "not without end");
	ok(out.len < head.len + FIXUP_ROOM, "and within the room");
	buf_clear(&head);
	buf_clear(&out);
}

static void
test_cases(void)
{
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		struct identity id = alice;
		const char *in = cases[i].in, *blank = strstr(in, "\r\n\r\n");
		size_t n = strncmp(in, "\r\n", 2) == 0 ? 2 : blank == NULL ?
		    strlen(in) : (size_t)(blank - in) + 4;
		struct buf out;
		enum reply r;

		buf_init(&out, 64 * 1024);
		r = fixup_header(&usual, in, n, &out, &id);
		buf_adds(&out, in + n);		/* as smtpd/content does */
		if (cases[i].out == NULL)
			is_int(r, REPLY_LOOP, "%s", cases[i].name);
		else
			is_str(r == REPLY_NONE ? buf_str(&out) : "refused",
			    cases[i].out, "%s", cases[i].name);
		buf_clear(&out);
	}
}

/* Who has no address that could stand there. */
static void
test_no_from(void)
{
	struct fixup fx = usual;
	struct identity id = alice;
	struct buf out;

	fx.from = NULL;
	buf_init(&out, 64 * 1024);
	is_int(fixup_header(&fx, DATE "\r\n", strlen(DATE "\r\n"), &out, &id),
	    REPLY_NO_FROM, "no From, and nobody to name");
	is_int(fixup_header(&fx, HAS "\r\n", strlen(HAS "\r\n"), &out, &id),
	    REPLY_NONE, "one that is there does");
	buf_clear(&out);
}

static const struct {
	const char *in;
	enum reply asked;	/* when SMTPUTF8 was; else all pass */
} bytes[] = {
	{ HAS "\r\n", REPLY_NONE },
	{ "Subject: f\xc3\xbcr\r\n" HAS "\r\n", REPLY_NONE },
	{ "Subject: f\xfcr\r\n" HAS "\r\n", REPLY_HEADER_NOT_UTF8 },
	{ "Subject: f\xc3\r\n \xbcr\r\n" HAS "\r\n",
	    REPLY_HEADER_NOT_UTF8 },
	{ "From: J\xfcrg <alice@example.org>\r\n\r\n",
	    REPLY_HEADER_NOT_UTF8 },
	{ "no header, f\xfcr dich\r\n", REPLY_NONE },
	{ HAS "text, f\xfcr dich\r\n", REPLY_NONE },
};

static void
test_bytes(void)
{
	struct buf out;
	size_t i;
	int utf8;

	for (i = 0; i < nitems(bytes); i++)
		for (utf8 = 0; utf8 < 2; utf8++) {
			struct identity id = alice;
			struct fixup fx = usual;

			fx.utf8 = utf8 == 1;
			buf_init(&out, 64 * 1024);
			is_int(fixup_header(&fx, bytes[i].in,
			    strlen(bytes[i].in), &out, &id), utf8 == 1 ?
			    bytes[i].asked : REPLY_NONE, "bytes %zu%s", i,
			    utf8 == 1 ? ", SMTPUTF8" : "");
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
		struct identity id = alice;
		struct fixup fx = usual;
		struct buf out;

		fx.client_name = received_cases[i].client_name;
		fx.client_addr = received_cases[i].client_addr;
		fx.account = received_cases[i].account;
		buf_init(&out, 64 * 1024);
		fixup_header(&fx, "\r\n", 2, &out, &id);
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
	    "RESENT-bcc", "Return-Path", "return-path", "X-Bcc",
	    "Apparently-To" };
	static const char *const values[] = { ":\r\n", ": a@b\r\n",
	    ":a@b\r\n", " : a@b\r\n", "\t:\r\n a@b\r\n",
	    ": a@b,\r\n\tc@d,\r\n e@f\r\n", ": \xc3\xa4@b\r\n",
	    ": a@b\r\n \r\n", ": Date: x\r\n" };
	static const char *const fields[] = { FROM, "Date: x\r\n",
	    "Subject: y\r\n z\r\n", "Message-ID: <y@z>\r\n" };
	size_t n, v, place, i;

	for (n = 0; n < nitems(names); n++)
		for (v = 0; v < nitems(values); v++)
			for (place = 0; place <= nitems(fields); place++) {
				struct identity id = alice;
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
				    &out, &id);
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
	test_ambiguous();
	test_identities();
	test_many();
	test_rewritten();
	test_received();
	test_bytes();
	test_no_from();
	return tap_done();
}
