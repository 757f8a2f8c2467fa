/*
 * relay/client and relay/pool: servers that behave and servers that do not,
 * in the clear, each as a script (relay_script.h). Those that speak TLS are in
 * test_client_tls.
 */
#include "lib/prelude.h"

#include "relay/client_private.h"
#include "tests/unit/relay_script.h"

#define ONE "C:RCPT TO:<one@c.test>"
#define TWO "C:RCPT TO:<two@c.test>"
#define ASKED MAIL, "S:250 ok", ONE, "S:250 ok", TWO, "S:250 ok", "C:DATA"
/* The first line of a message that no socket takes at once. */
#define LINE "C:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
#define LARGE (32 << 20)
#define PIPED_BDAT HELLO, "S:250-sink", "S:250-CHUNKING", "S:250 PIPELINING"
#define CHUNKED PIPED_BDAT, MAIL, ONE, TWO, "C:BDAT 26 LAST"
#define CONTENT "C:Subject: x", "C:", "C:.dot", "C:text"
#define PIPED_GO PIPED, MAIL_RCPTS, OKS

static const struct script scripts[] = {
	{ AS("a plain server", "OO", "2.0.0"), .steps = { PLAIN, ASKED, "S:354 go", BODY,
	    "S:250 2.0.0 queued", BYE } },
	{ AS("pipelining", "OO", "2.6.0"), .steps = { PIPED_GO, BODY,
	    "S:250 2.6.0 queued", BYE } },
	{ AS("one recipient refused, pipelined", "FO", "5.1.1"), .steps = { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:550 5.1.1 no such user", "S:250 ok",
	    "S:354 go", BODY, "S:250 ok", BYE }, .says = "no such user" },
	{ AS("one recipient later, one never", "DF", "4.2.2"), .steps = { PLAIN, MAIL,
	    "S:250 ok", ONE, "S:452 4.2.2 full", TWO, "S:550 no", BYE } },
	{ AS("all refused, pipelined, DATA 503", "FF", "5.0.0"), .steps = { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:550 no", "S:550 no", "S:503 no", BYE } },
	{ AS("all refused, pipelined, DATA 354 all the same", "FF", "5.0.0"), .steps = {
	    PIPED, MAIL_RCPTS, "S:250 ok", "S:550 no", "S:550 no", "S:354 go",
	    "C:.", "S:554 no valid recipients", BYE } },
	{ AS("sender refused", "FF", "5.7.1"), .steps = { PLAIN, MAIL,
	    "S:550 5.7.1 not you", BYE } },
	{ AS("sender refused, pipelined", "FF", "5.7.1"), .steps = { PIPED, MAIL_RCPTS,
	    "S:550 5.7.1 not you", "S:503 no", "S:503 no", "S:503 no", BYE } },
	{ AS("sender later", "DD", "4.7.1"), .steps = { PLAIN, MAIL,
	    "S:450 4.7.1 greylisted", BYE } },
	{ AS("DATA refused", "FF", "5.0.0"), .steps = { PLAIN, ASKED, "S:554 no", BYE } },
	{ AS("DATA later", "DD", "4.7.1"), .steps = { PLAIN, ASKED,
	    "S:450 4.7.1 come again", BYE } },
	{ AS("DATA later without a status", "DD", "4.0.0"), .steps = { PLAIN, ASKED,
	    "S:451 come again", BYE } },
	{ AS("message refused", "FF", "5.7.0"), .steps = { PIPED_GO, BODY,
	    "S:554 5.7.0 spam", BYE } },
	{ AS("message later", "DD", "4.3.0"), .steps = { PIPED_GO, BODY,
	    "S:451 4.3.0 busy", BYE } },
	{ AS("552 to the message means never", "FF", "5.3.4"), .steps = { PIPED_GO, BODY,
	    "S:552 5.3.4 too big", BYE } },

	/* 552 in its two senses (RFC 5321 4.5.3.1.10). */
	{ AS("552 to RCPT means later", "DO", "4.5.3"), .steps = { PLAIN, MAIL, "S:250 ok",
	    ONE, "S:552 too many", TWO, "S:250 ok", "C:DATA", "S:354 go",
	    BODY, "S:250 ok", BYE } },
	{ AS("552 5.5.3 to RCPT as well", "DO", "4.5.3"), .steps = { PLAIN, MAIL,
	    "S:250 ok", ONE, "S:552 5.5.3 too many", TWO, "S:250 ok",
	    "C:DATA", "S:354 go", BODY, "S:250 ok", BYE } },
	{ AS("452 to RCPT, too many", "DO", "4.5.3"), .steps = { PLAIN, MAIL,
	    "S:250 ok", ONE, "S:452 too many", TWO, "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 ok", BYE } },
	{ AS("552 5.2.2 to RCPT means never", "FO", "5.2.2"), .steps = { PLAIN, MAIL,
	    "S:250 ok", ONE, "S:552 5.2.2 full", TWO, "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 ok", BYE } },

	/* The connection ends. */
	{ AS("closes at the greeting", "DD", "4.4.2"), .steps = { "-" } },
	{ AS("resets at EHLO", "DD", "4.4.2"), .steps = { HELLO, "X" } },
	{ AS("greets with 554", "DD", "4.3.2"), .steps = { "S:554 go away" } },
	{ AS("greets with 421", "DD", "4.3.2"), .steps = { "S:421 busy", "-" } },
	{ AS("greets with 250", "DD", "4.3.2"), .steps = { "S:250 ok" } },
	{ AS("closes at EHLO", "DD", "4.4.2"), .steps = { HELLO, "-" } },
	{ AS("closes at MAIL", "DD", "4.4.2"), .steps = { PLAIN, MAIL, "-" } },
	{ AS("closes at RCPT", "DD", "4.4.2"), .steps = { PLAIN, MAIL, "S:250 ok", ONE,
	    "-" } },
	{ AS("closes after one RCPT", "FD", "5.0.0"), .steps = { PLAIN, MAIL, "S:250 ok",
	    ONE, "S:550 no", TWO, "-" } },
	{ AS("closes at DATA", "DD", "4.4.2"), .steps = { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:250 ok", "S:250 ok", "-" } },
	{ AS("closes in the message", "DD", "4.4.2"), .steps = { PIPED_GO, "C:Subject: x",
	    "-" } },
	{ AS("closes in a large message", "DD", "4.4.2"), .steps = { PIPED_GO, LINE,
	    "-" }, .msg = { .size = LARGE } },
	{ AS("closes after the final dot", "DD", "4.4.2"), .steps = { PIPED_GO, BODY,
	    "-" } },
	{ AS("closes in the answer to the final dot", "DD", "4.4.2"), .steps = { PIPED_GO,
	    BODY, "R:250 2.0.0 queu", "-" } },
	{ AS("421 at RCPT", "DD", "4.3.2"), .steps = { PLAIN, MAIL, "S:250 ok", ONE,
	    "S:421 4.3.2 stopping", "-" } },
	{ AS("421 to the message", "DD", "4.3.2"), .steps = { PIPED_GO, BODY,
	    "S:421 4.3.2 stopping", "-" } },
	{ AS("421 unasked", "DD", "4.3.2"), .steps = { PLAIN, MAIL, "S:250 ok", ONE,
	    "S:421 shutting down" } },
	{ AS("no answer at MAIL", "DD", "4.4.2"), .steps = { PLAIN, MAIL, "H" },
	    .says = "no answer in time at the envelope", .route = { .sec = 3 } },
	{ AS("no answer to the message", "DD", "4.4.2"), .steps = { PIPED_GO, BODY, "H" },
	    .says = "no answer in time", .route = { .sec = 3 } },

	/* Answers in the middle of the message. */
	{ AS("too large, said in the middle", "FF", "5.3.4"), .steps = { PIPED_GO, LINE,
	    "S:552 5.3.4 too large", "H" }, .msg = { .size = LARGE },
	    .says = "552 5.3.4 too large" },
	{ AS("too large, said in the middle, and closes", "FF", "5.3.4"), .steps = {
	    PIPED_GO, LINE, "S:552 5.3.4 too large", "-" },
	    .msg = { .size = LARGE } },
	{ AS("full, said in the middle", "DD", "4.3.1"), .steps = { PIPED_GO, LINE,
	    "S:452 4.3.1 full", "-" }, .msg = { .size = LARGE } },
	{ AS("taken in the middle is not taken", "DD", "4.5.0"), .steps = { PIPED_GO, LINE,
	    "S:250 queued", "H" }, .msg = { .size = LARGE } },
	{ AS("an answer to the message comes with 354", "DD", "4.5.0"), .steps = { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:250 ok", "S:250 ok",
	    "S:354 go\r\n250 2.0.0 queued" } },
	{ AS("half an answer comes with 354", "DD", "4.4.2"), .steps = { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:250 ok", "S:250 ok",
	    "R:354 go\r\n250 2.0.", "H" }, .route = { .sec = 3 } },
	{ AS("a refusal of the message comes with 354", "FF", "5.7.1"), .steps = { PIPED,
	    MAIL_RCPTS, "S:250 ok", "S:250 ok", "S:250 ok",
	    "S:354 go\r\n550 5.7.1 not from you" } },

	/* Answers of the wrong class, or that are none. */
	{ AS("354 to MAIL", "DD", "4.5.0"), .steps = { PLAIN, MAIL, "S:354 go", "N" } },
	{ AS("354 to RCPT", "DD", "4.5.0"), .steps = { PLAIN, MAIL, "S:250 ok", ONE,
	    "S:354 go", "N" } },
	{ AS("354 to all, pipelined", "DD", "4.5.0"), .steps = { PIPED, MAIL_RCPTS,
	    "S:354 go", "S:354 go", "S:354 go", "S:354 go" } },
	{ AS("250 to DATA", "DD", "4.5.0"), .steps = { PLAIN, ASKED, "S:250 ok", "N" } },
	{ AS("355 to DATA", "DD", "4.5.0"), .steps = { PLAIN, ASKED, "S:355 go", "N" } },
	{ AS("354 to the message", "DD", "4.5.0"), .steps = { PIPED_GO, BODY, "S:354 go",
	    "N" } },
	{ AS("an answer per recipient, as LMTP", "OO", "2.0.0"), .steps = { PIPED_GO, BODY,
	    "S:250 2.0.0 one\r\n550 5.2.2 two", "N" } },
	{ AS("no code", "DD", "4.5.0"), .steps = { "S:hello there" } },
	{ AS("code of four digits", "DD", "4.5.0"), .steps = { "S:2200 hello" } },
	{ AS("codes that differ in one reply", "DD", "4.5.0"), .steps = {
	    "S:220-hello", "S:250 there" } },
	{ AS("1xx", "DD", "4.5.0"), .steps = { "S:120 wait" } },
	{ AS("bare LF", "DD", "4.5.0"), .steps = { "S:220 a\nb" } },
	{ AS("bare CR", "DD", "4.5.0"), .steps = { "S:220 a\rb" } },
	{ AS("a NUL in the greeting", "DD", "4.5.0"), .steps = { "Z:220 sink" } },
	{ AS("a NUL in the answer to the message", "DD", "4.5.0"), .steps = { PIPED_GO,
	    BODY, "Z:250 ok" } },
	{ AS("a line without an end", "DD", "4.5.0"), .steps = { HELLO, "L" } },
	{ AS("an answer of 10,000 lines", "DD", "4.5.0"), .steps = { HELLO, "M" } },
	{ AS("an answer without an end", "DD", "4.5.0"), .steps = { HELLO, "E" } },
	{ AS("that behind the message", "DD", "4.5.0"), .steps = { PIPED_GO, BODY, "E" } },
	{ AS("drips", "OO", "2.0.0"), .steps = { "D:220 sink", "C:EHLO relay.test",
	    "D:250-sink", "D:250 PIPELINING", MAIL_RCPTS, "D:250 ok",
	    "D:250-2.1.5 ok", "D:250 2.1.5 ok", "D:250 ok", "D:354 go", BODY,
	    "D:250 2.0.0 ok", "C:QUIT", "D:221 bye" } },
	{ AS("all answers in one", "OO", "2.0.0"), .steps = { PIPED, MAIL_RCPTS,
	    "S:250 ok\r\n250 ok\r\n250 ok\r\n354 go", BODY, "S:250 ok", BYE } },
	{ AS("HELO for an old server", "OO", "2.0.0"), .steps = { "S:220 old",
	    "C:EHLO relay.test", "S:500 what?", "C:HELO relay.test",
	    "S:250 hello", MAIL, "S:250 ok", ONE, "S:250 ok", TWO, "S:251 ok",
	    "C:DATA", "S:354 go", BODY, "S:250 ok", BYE } },

	/* CHUNKING (RFC 3030). */
	{ AS("BDAT", "OO", "2.0.0"), .steps = { CHUNKED, CONTENT,
	    "S:250 ok", "S:250 ok", "S:250 ok", "S:250 2.0.0 ok", BYE } },
	{ AS("BDAT without pipelining", "OO", "2.0.0"), .steps = { HELLO,
	    "S:250-sink", "S:250 CHUNKING", MAIL, "S:250 ok", ONE, "S:250 ok",
	    TWO, "S:250 ok", "C:BDAT 26 LAST", CONTENT, "S:250 ok", BYE } },
	{ AS("BDAT, one recipient refused", "FO", "5.1.1"), .steps = {
	    CHUNKED, CONTENT, "S:250 ok", "S:550 5.1.1 no", "S:250 ok",
	    "S:250 ok", BYE } },
	{ AS("BDAT, all refused", "FF", "5.1.1"), .steps = { CHUNKED, CONTENT,
	    "S:250 ok", "S:550 5.1.1 no", "S:550 5.1.1 no", "S:503 no", BYE } },
	{ AS("BDAT, all refused, 250 all the same", "FF", "5.1.1"), .steps = {
	    CHUNKED, CONTENT, "S:250 ok", "S:550 5.1.1 no", "S:550 5.1.1 no",
	    "S:250 ok", BYE } },
	{ AS("BDAT, sender refused", "FF", "5.7.1"), .steps = { CHUNKED,
	    CONTENT, "S:550 5.7.1 not you", "S:503 no", "S:503 no", "S:503 no",
	    BYE } },
	{ AS("BDAT refused", "FF", "5.7.1"), .steps = { CHUNKED, CONTENT,
	    "S:250 ok", "S:250 ok", "S:250 ok", "S:550 5.7.1 spam", BYE } },
	{ AS("BDAT later", "DD", "4.3.1"), .steps = { CHUNKED, CONTENT,
	    "S:250 ok", "S:250 ok", "S:250 ok", "S:452 4.3.1 full", BYE } },
	{ AS("354 to BDAT", "DD", "4.5.0"), .steps = { CHUNKED, CONTENT,
	    "S:250 ok", "S:250 ok", "S:250 ok", "S:354 go", "N" } },
	{ AS("closes in the group", "DD", "4.4.2"), .steps = { CHUNKED,
	    CONTENT, "S:250 ok", "-" } },
	{ AS("no answer to BDAT", "DD", "4.4.2"), .steps = { CHUNKED, CONTENT,
	    "S:250 ok", "S:250 ok", "S:250 ok", "H" }, .route = { .sec = 3 },
	    .says = "at the end of the message" },
	{ AS("a large BDAT waits for its recipients", "OO", "2.0.0"),
	    .steps = { PIPED_BDAT, MAIL, ONE, TWO, "S:250 ok", "S:250 ok",
	    "S:250 ok", "C:BDAT 128000 LAST", "Y:128000", "S:250 ok", BYE },
	    .msg = { .size = 128000 } },
	{ AS("a large BDAT with nobody to take it", "FF", "5.0.0"), .steps = {
	    PIPED_BDAT, MAIL, ONE, TWO, "S:250 ok", "S:550 no", "S:550 no",
	    BYE }, .msg = { .size = 128000 } },
	{ AS("a large BDAT refused in the middle", "FF", "5.3.4"), .steps = {
	    PIPED_BDAT, MAIL, ONE, TWO, "S:250 ok", "S:250 ok", "S:250 ok",
	    "C:BDAT 33554432 LAST", LINE, "S:552 5.3.4 too large", "-" },
	    .msg = { .size = LARGE } },
	{ AS("content with a bare LF is not chunked", "FF", "5.6.0"),
	    .steps = { PIPED_BDAT, "H" }, .msg = { .body = "a\nb\r\n" } },
	{ AS("nor is one without a last line end", "OO", "2.0.0"), .steps = {
	    PIPED_BDAT, MAIL_RCPTS, OKS, "C:abc", "C:.", "S:250 ok", BYE },
	    .msg = { .body = "abc" } },
	{ AS("an empty message", "OO", "2.0.0"), .steps = { PIPED_BDAT, MAIL,
	    ONE, TWO, "C:BDAT 0 LAST", "S:250 ok", "S:250 ok", "S:250 ok",
	    "S:250 ok", BYE }, .msg = { .body = "" } },

	/* A file that is not what it was when it was stored. */
	{ AS("misread at once", "DD", "4.3.0"), .steps = { PIPED_GO, "N" },
	    .msg = { .size = 128, .misread = true }, .says = "as it was stored" },
	{ AS("misread in the last piece", "DD", "4.3.0"), .steps = { PIPED_GO, LINE,
	    "H" }, .msg = { .size = 128000, .misread = true },
	    .says = "as it was stored" },
	{ AS("misread behind BDAT", "DD", "4.3.0"), .steps = { PIPED_BDAT, MAIL,
	    ONE, TWO, "C:BDAT 128 LAST", "N" },
	    .msg = { .size = 128, .misread = true } },
	{ AS("misread in the last piece behind BDAT", "DD", "4.3.0"), .steps = {
	    PIPED_BDAT, MAIL, ONE, TWO, "S:250 ok", "S:250 ok", "S:250 ok",
	    "C:BDAT 128000 LAST", LINE, "H" },
	    .msg = { .size = 128000, .misread = true } },

	/* What the next hop takes, and what the message needs. */
	{ AS("too large for it", "FF", "5.3.4"), .steps = { HELLO, "S:250-sink",
	    "S:250 SIZE 10", BYE } },
	{ AS("SIZE is told", "FF", "5.3.4"), .steps = { HELLO, "S:250-sink",
	    "S:250 SIZE 1000000", "C:MAIL FROM:<a@b.test> SIZE=26",
	    "S:552 5.3.4 no", BYE } },
	{ AS("8-bit content", "OO", "2.0.0"), .steps = { PIPED,
	    "C:MAIL FROM:<a@b.test> BODY=8BITMIME", ONE, TWO, "C:DATA", OKS,
	    "C:\xc3\xa4", "C:.", "S:250 ok", BYE },
	    .msg = { .flags = DELIVER_8BIT, .body = "\xc3\xa4\r\n" } },
	{ AS("8-bit content, but no 8BITMIME", "FF", "5.6.3"), .steps = { PLAIN, BYE },
	    .msg = { .flags = DELIVER_8BIT, .body = "\xc3\xa4\r\n" },
	    .says = "8BITMIME" },
	{ AS("SMTPUTF8 is not offered", "FF", "5.6.7"), .steps = { PLAIN, BYE },
	    .msg = { .flags = DELIVER_UTF8 }, .says = "SMTPUTF8" },
	{ AS("content with a bare LF", "FF", "5.6.0"), .steps = { PIPED_GO, "N" },
	    .msg = { .body = "a\nb\r\n" }, .says = "bare" },
	{ AS("content that ends in a bare CR", "FF", "5.6.0"), .steps = { PIPED_GO,
	    "C:abc", "H" }, .msg = { .body = "abc\r\n\r" } },
	{ AS("content without a last line end", "OO", "2.0.0"), .steps = { PIPED_GO,
	    "C:abc", "C:.", "S:250 ok", BYE }, .msg = { .body = "abc" } },
	/* DELIVERBY (RFC 2852 4.1.4), MT-PRIORITY (RFC 6710 4.2). */
	{ AS("by-time, to be returned", "OO", "2.0.0"), .steps = { HELLO,
	    "S:250-sink", "S:250 DELIVERBY", "P:MAIL FROM:<a@b.test> "
	    "BY=[89]??;R", "S:250 ok", ONE, "S:250 ok", TWO, "S:250 ok",
	    "C:DATA", "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = 900 } },
	{ AS("by-time and trace", "OO", "2.0.0"), .steps = { HELLO, "S:250-sink",
	    "S:250-MT-PRIORITY MIXER", "S:250 DELIVERBY 240",
	    "P:MAIL FROM:<a@b.test> BY=[89]??;RT MT-PRIORITY=-9", "S:250 ok",
	    ONE, "S:250 ok", TWO, "S:250 ok", "C:DATA", "S:354 go", BODY,
	    "S:250 ok", BYE }, .msg = { .by = BY_RETURN, .by_sec = 900,
	    .by_trace = true, .priority = -9 } },
	{ AS("by-time that is over, to be notified", "OO", "2.0.0"), .steps = {
	    HELLO, "S:250-sink", "S:250 DELIVERBY 1000",
	    "P:MAIL FROM:<a@b.test> BY=-[89]??;N", "S:250 ok", ONE, "S:250 ok",
	    TWO, "S:250 ok", "C:DATA", "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_NOTIFY, .by_sec = -900 } },
	{ AS("to be returned, but no DELIVERBY", "FF", "5.3.3"), .steps = {
	    PLAIN, BYE }, .msg = { .by = BY_RETURN, .by_sec = 900 },
	    .says = "does not see to (DELIVERBY)" },
	{ AS("to be returned, by an old server", "FF", "5.3.3"), .steps = {
	    "S:220 old", "C:EHLO relay.test", "S:500 what?",
	    "C:HELO relay.test", "S:250 hello", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = 900 } },
	{ AS("to be returned, and its time is over", "FF", "5.4.7"), .steps = {
	    HELLO, "S:250-sink", "S:250 DELIVERBY", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = -1 }, .says = "is over" },
	{ AS("to be returned, and the server is too slow", "FF", "5.4.7"),
	    .steps = { HELLO, "S:250-sink", "S:250 DELIVERBY 1000", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = 900 }, .says = "as little" },
	{ AS("a least by-time that makes no sense", "OO", "2.0.0"), .steps = {
	    HELLO, "S:250-sink", "S:250 DELIVERBY soon",
	    "P:MAIL FROM:<a@b.test> BY=[89]??;R", "S:250 ok", ONE, "S:250 ok",
	    TWO, "S:250 ok", "C:DATA", "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = 900 } },
	/* RFC 2852 2 (3): more may follow, behind commas. */
	{ AS("a least by-time, and options", "FF", "5.4.7"), .steps = { HELLO,
	    "S:250-sink", "S:250 DELIVERBY 1000,else=1", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = 900 }, .says = "as little" },
	{ AS("no least by-time, and options", "OO", "2.0.0"), .steps = { HELLO,
	    "S:250-sink", "S:250 DELIVERBY ,else=1",
	    "P:MAIL FROM:<a@b.test> BY=[89]??;R", "S:250 ok", ONE, "S:250 ok",
	    TWO, "S:250 ok", "C:DATA", "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_RETURN, .by_sec = 900 } },
	/* RFC 2852 4: nine digits, though it has become older since. */
	{ AS("a by-time of long ago", "OO", "2.0.0"), .steps = { HELLO,
	    "S:250-sink", "S:250 DELIVERBY",
	    "C:MAIL FROM:<a@b.test> BY=-999999999;N", "S:250 ok", ONE,
	    "S:250 ok", TWO, "S:250 ok", "C:DATA", "S:354 go", BODY, "S:250 ok",
	    BYE }, .msg = { .by = BY_NOTIFY, .by_sec = -1000000100 } },
	{ AS("to be notified, but no DELIVERBY", "OO", "2.0.0"), .steps = {
	    PLAIN, ASKED, "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_NOTIFY, .by_sec = 900 } },
	{ AS("a priority", "OO", "2.3.6"), .steps = { HELLO, "S:250-sink",
	    "S:250 MT-PRIORITY", "C:MAIL FROM:<a@b.test> MT-PRIORITY=9",
	    "S:250 ok", ONE, "S:250 ok", TWO, "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 2.3.6 3 is the new priority", BYE },
	    .msg = { .priority = 9 } },
	{ AS("a priority too low for the server", "DD", "4.7.15"), .steps = {
	    HELLO, "S:250-sink", "S:250 MT-PRIORITY",
	    "C:MAIL FROM:<a@b.test> MT-PRIORITY=-1",
	    "S:450 4.7.15 priority level is too low", BYE },
	    .msg = { .priority = -1 } },
	/* RFC 6710 4.2: none is 0, and said. */
	{ AS("no priority", "OO", "2.0.0"), .steps = { HELLO, "S:250-sink",
	    "S:250 MT-PRIORITY", "C:MAIL FROM:<a@b.test> MT-PRIORITY=0",
	    "S:250 ok", ONE, "S:250 ok", TWO, "S:250 ok", "C:DATA", "S:354 go",
	    BODY, "S:250 ok", BYE } },
	{ AS("a priority, but no MT-PRIORITY", "OO", "2.0.0"), .steps = { PLAIN,
	    ASKED, "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .priority = 9 } },
	{ AS("a path with a line end in it", "FF", "5.6.0"), .steps = { PLAIN, "N" },
	    .msg = { .from = "a@b.test>\r\nRSET" } },
};

/* With a user: nothing goes out without the login. */
static const struct script logins[] = {
	{ AS("STARTTLS refused", "DD", "4.7.0"), .steps = { HELLO, "S:250-sink",
	    "S:250-AUTH PLAIN", "S:250 STARTTLS", "C:STARTTLS",
	    "S:454 not now" }, .route = { .user = "u", .tls = ROUTE_TLS_MAY } },
	{ AS("no login offered", "DD", "4.7.0"), .steps = { PLAIN },
	    .route = { .user = "u", .password = "p" }, .says = "cannot log in" },
	{ AS("a login", "OO", "2.0.0"), .steps = { HELLO, "S:250-sink", "S:250 AUTH PLAIN",
	    "C:AUTH PLAIN AHUAcA==", "S:235 in", ASKED, "S:354 go", BODY,
	    "S:250 ok", BYE }, .route = { .user = "u", .password = "p" } },
	{ AS("a login that is refused", "DD", "4.7.8"), .steps = { HELLO, "S:250-sink",
	    "S:250 AUTH PLAIN", "C:AUTH PLAIN AHUAcA==", "S:535 5.7.8 out" },
	    .route = { .user = "u", .password = "p" }, .says = "5.7.8 out" },
};

/* --- long lists of mechanisms ------------------------------------------------------ */

/* words many mechanisms that nobody knows, then the last word. */
static void
auth_list(const char *name, size_t words, const char *last, const char *want)
{
	static char line[4096];
	struct script s = { AS(name, want, *want == 'O' ? "2.0.0" : "4.7.0"),
	    .steps = { HELLO, "S:250-sink", line }, .route = { .user = "u",
	    .password = "p" } };
	static const char *const rest[] = { "C:AUTH PLAIN AHUAcA==",
	    "S:235 in", ASKED, "S:354 go", BODY, "S:250 ok", BYE };
	size_t i, n;

	n = (size_t)snprintf(line, sizeof(line), "S:250 AUTH");
	for (i = 0; i < words; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " X-%06zu",
		    i);
	snprintf(line + n, sizeof(line) - n, " %s", last);
	if (*want == 'O')
		memcpy(s.steps + 4, rest, sizeof(rest));
	run(&s);
}

static void
test_auth_lists(void)
{
	char cut[64];
	size_t words;

	auth_list("a long list of mechanisms", 60, "PLAIN", "OO");
	/* Wherever it is cut, PLAINER is not PLAIN. */
	for (words = 110; words < 114; words++) {
		snprintf(cut, sizeof(cut), "PLAINER with %zu words", words);
		auth_list(cut, words, "Y PLAINER-THAN-EVER", "DD");
		auth_list(cut, words, "YYYYY PLAINER-THAN-EVER", "DD");
	}
}

/* --- several messages ---------------------------------------------------------------- */

/* n messages at once over one connection, more only when the script wants. */
static void
several(const char *name, const char *const *steps, unsigned int n,
    unsigned int delivered, const char *status)
{
	static const struct world_msg plain;
	struct hop hop = { .steps = steps };
	struct world_route route = { .connections = 1, .tls = ROUTE_TLS_MAY };
	struct pool *pool;
	pthread_t thread;
	unsigned int i;

	route.port = hop_listen(&hop.listener);
	pool = world_pool(&route);
	pthread_create(&thread, NULL, hop_serve, &hop);
	for (i = 0; i < n; i++)
		pool_deliver(pool, world_message(&plain));
	world_wait(n);
	world_stop(pool);
	pthread_join(thread, NULL);
	close(hop.listener);
	is_int(heard.delivered, delivered, "%s: delivered", name);
	is_str(heard.status[0], status, "%s: the last status", name);
	is_str(hop.trouble, "", "%s: the dialog", name);
}

#define OK4 "S:250 ok", "S:250 ok", "S:250 ok", "S:250 ok"
#define GOES MAIL_RCPTS, OKS, BODY, "S:250 ok"

static void
test_several(void)
{
	static const char *const kept[] = { PIPED, GOES, GOES, GOES, BYE,
	    NULL };
	static const char *const reset[] = { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:550 no", "S:550 no", "S:503 no", "C:RSET", MAIL_RCPTS,
	    "S:250 reset", OKS, BODY, "S:250 ok", BYE, NULL };
	static const char *const no_reset[] = { PIPED, MAIL_RCPTS, "S:250 ok",
	    "S:550 no", "S:550 no", "S:503 no", "C:RSET", MAIL_RCPTS,
	    "S:500 what?", "-", NULL };
	static const char *const stale[] = { PIPED, GOES, "*", PIPED, GOES,
	    BYE, NULL };
	static const char *const in_doubt[] = { PIPED, GOES, MAIL_RCPTS, OKS,
	    BODY, "-", NULL };
	static const char *const lmtp[] = { PIPED, MAIL_RCPTS, OKS, BODY,
	    "S:250 one\r\n550 two", "*", PIPED, GOES, BYE, NULL };
	static const char *const no_bdat[] = { CHUNKED, CONTENT, "S:250 ok",
	    "S:250 ok", "S:250 ok", "S:502 what?", "*", PIPED_BDAT, GOES, BYE,
	    NULL };
	static const char *const stale_bdat[] = { CHUNKED, CONTENT, OK4,
	    "*", CHUNKED, CONTENT, OK4, BYE, NULL };
	static const char *const last[] = { PIPED, GOES, MAIL_RCPTS, OKS,
	    BODY, "S:421 4.3.2 bye", "-", NULL };

	several("a connection is kept", kept, 3, 6, "2.0.0");
	several("RSET after a transaction without an end", reset, 2, 2,
	    "2.0.0");
	several("RSET refused", no_reset, 2, 0, "4.3.0");
	several("closed between two messages", stale, 2, 4, "2.0.0");
	several("closed behind the second's final dot: not sent again",
	    in_doubt, 2, 2, "4.4.2");
	several("one word too many is not the next message's", lmtp, 2, 4,
	    "2.0.0");
	several("421 to the second message", last, 2, 2, "4.3.2");
	several("closed between two messages, BDAT", stale_bdat, 2, 4,
	    "2.0.0");
	several("CHUNKING without BDAT is tried once", no_bdat, 2, 2,
	    "2.0.0");
	client_mail_forget();
}

/* One message is on its way; the next must not knock again and again. */
static void
test_too_many(void)
{
	static const struct world_msg plain;
	static const char *const steps[] = { PIPED, MAIL_RCPTS, OKS, BODY, "!",
	    "S:250 ok", MAIL_RCPTS, OKS, BODY, "S:250 ok", BYE, NULL };
	struct hop hop = { .steps = steps };
	struct world_route route = { .tls = ROUTE_TLS_MAY };
	struct pool *pool;
	pthread_t thread;

	route.port = hop_listen(&hop.listener);
	pool = world_pool(&route);
	pthread_create(&thread, NULL, hop_serve, &hop);
	pool_deliver(pool, world_message(&plain));
	pool_deliver(pool, world_message(&plain));
	world_wait(2);
	world_stop(pool);
	pthread_join(thread, NULL);
	close(hop.listener);
	is_str(hop.trouble, "", "too many: both go over the one connection");
	ok(hop.turned_away <= 2, "too many: asked for more %u times",
	    hop.turned_away);
}

/* --- delivery status notifications -------------------------------------------------------- */

/* RFC 3461 4, 5.2.1: said as it was said to us, to those who understand. */
static void
test_dsn(void)
{
	static const struct world_msg msg = { .envid = "QQ+2B1", .ret = 2,
	    .rcpts = { { "one@c.test", "rfc822;Bob+2Bx@c.test", 2 | 4 },
	    { "two@c.test", "", 1 } } };
	struct script s = { AS("DSN", "OO", "2.0.0"), .steps = { HELLO, "S:250-sink",
	    "S:250 DSN", "C:MAIL FROM:<a@b.test> RET=HDRS ENVID=QQ+2B1",
	    "S:250 ok", "C:RCPT TO:<one@c.test> NOTIFY=SUCCESS,FAILURE "
	    "ORCPT=rfc822;Bob+2Bx@c.test", "S:250 ok",
	    "C:RCPT TO:<two@c.test> NOTIFY=NEVER", "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 ok", BYE }, .msg = msg };
	struct script none = { AS("no DSN", "OO", "2.0.0"), .steps = { PLAIN, ASKED,
	    "S:354 go", BODY, "S:250 ok", BYE }, .msg = msg };

	run(&s);
	ok(heard.dsn, "DSN: queue is told that the next hop does it");
	run(&none);
	ok(!heard.dsn, "no DSN: queue is told that the next hop does not");
}

/* RFC 2852 4.1.4.2: a next hop that knows no by-times tells of delay itself. */
static void
test_dsn_by(void)
{
	struct world_msg msg = { .by = BY_NOTIFY, .by_sec = 900, .rcpts = {
	    { "one@c.test", "", 0 }, { "two@c.test", "", NOTIFY_SUCCESS },
	    { "three@c.test", "", NOTIFY_NEVER } } };
	struct script s = { AS("no by-times, but DSN", "OOO", "2.0.0"), .steps = {
	    HELLO, "S:250-sink", "S:250 DSN", "C:MAIL FROM:<a@b.test>",
	    "S:250 ok", "C:RCPT TO:<one@c.test> NOTIFY=FAILURE,DELAY",
	    "S:250 ok", "C:RCPT TO:<two@c.test> NOTIFY=SUCCESS,DELAY",
	    "S:250 ok", "C:RCPT TO:<three@c.test> NOTIFY=NEVER", "S:250 ok",
	    "C:DATA", "S:354 go", BODY, "S:250 ok", BYE }, .msg = msg };
	struct script both = { AS("by-times and DSN", "OOO", "2.0.0"), .steps = {
	    HELLO, "S:250-sink", "S:250-DELIVERBY", "S:250 DSN",
	    "P:MAIL FROM:<a@b.test> BY=[89]??;N", "S:250 ok",
	    "C:RCPT TO:<one@c.test>", "S:250 ok",
	    "C:RCPT TO:<two@c.test> NOTIFY=SUCCESS", "S:250 ok",
	    "C:RCPT TO:<three@c.test> NOTIFY=NEVER", "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 ok", BYE }, .msg = msg };
	struct script over = { AS("DSN, and it is over", "OOO", "2.0.0"),
	    .steps = { HELLO, "S:250-sink", "S:250 DSN",
	    "C:MAIL FROM:<a@b.test>", "S:250 ok", "C:RCPT TO:<one@c.test>",
	    "S:250 ok", "C:RCPT TO:<two@c.test> NOTIFY=SUCCESS", "S:250 ok",
	    "C:RCPT TO:<three@c.test> NOTIFY=NEVER", "S:250 ok", "C:DATA",
	    "S:354 go", BODY, "S:250 ok", BYE }, .msg = msg };

	over.msg.by_sec = -1;
	run(&s);
	run(&both);
	run(&over);
}

/* Whether the by-time went along is queue's to know, RFC 2852 4.1.4. */
static void
test_by_passed(void)
{
	struct script s = { AS("DELIVERBY is known", "OO", "2.0.0"), .steps = {
	    HELLO, "S:250-sink", "S:250 DELIVERBY", "P:MAIL * BY=*;N",
	    "S:250 ok", ONE, "S:250 ok", TWO, "S:250 ok", "C:DATA", "S:354 go",
	    BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_NOTIFY, .by_sec = 900 } };
	struct script none = { AS("it is not", "OO", "2.0.0"), .steps = { PLAIN,
	    ASKED, "S:354 go", BODY, "S:250 ok", BYE },
	    .msg = { .by = BY_NOTIFY, .by_sec = 900 } };

	run(&s);
	ok(heard.by, "queue is told that the next hop knows");
	run(&none);
	ok(!heard.by, "queue is told that the next hop does not");
}

int
main(void)
{
	size_t i;

	if (!world_begin())
		return 1;
	for (i = 0; i < nitems(scripts); i++)
		run(&scripts[i]);
	for (i = 0; i < nitems(logins); i++)
		run(&logins[i]);
	test_auth_lists();
	test_several();
	test_too_many();
	test_dsn();
	test_dsn_by();
	test_by_passed();
	tap_inputs("hostile or failing next hop, retry", nitems(scripts) +
	    nitems(logins));
	return world_end();
}
