/*
 * data_forms: everything that some server has taken, or might take, for the
 * end of a line, as published for SMTP smuggling and its kin (CVE-2023-51764,
 * 51765, 51766 and what followed). A form is one of these, a dot, and one of
 * these. And what RFC 5321 has to say about content, written as simply as can
 * be, to judge lib/smtp_data by.
 */
#ifndef TESTS_DATA_FORMS_H
#define TESTS_DATA_FORMS_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/smtp_data.h"

struct form {
	const char *p;
	size_t	 n;
};

#define FORM(text) { text, sizeof(text) - 1 }

static const struct form line_ends[] = {
	FORM("\r\n"), FORM("\n"), FORM("\r"), FORM("\r\r\n"), FORM("\n\r"),
	FORM("\n\r\n"), FORM("\r\n\r"), FORM("\r\r"), FORM("\n\n"), FORM("\0"),
	FORM("\0\r\n"), FORM("\r\0\n"), FORM("\r\n\0"), FORM("\r \n"),
	FORM("\r\n "), FORM(" \r\n"), FORM("\x0b"), FORM("\x0c"),
	FORM("\x85"), FORM("\x8d\x8a"), FORM("\xc2\x85"),
	FORM("\xe2\x80\xa8"), FORM("\xe5\x98\x8d\xe5\x98\x8a"), FORM("\x1a"),
	FORM("\\r\\n"), FORM("%0d%0a"), FORM("")
};

/* Enough for any of the messages built here. */
#define DATA_TEXT_MAX 4096

struct judged {
	bool	 ended;
	size_t	 used;		/* bytes of the stream that belong to the data */
	unsigned int flaws;
	struct buf content;	/* dots and end taken off */
};

__attribute__((unused)) static unsigned int
judge_flaws(const uint8_t *p, size_t n)
{
	unsigned int flaws = 0;
	size_t i;

	for (i = 0; i < n; i++)
		flaws |= p[i] == '\r' ? DATA_BARE_CR : p[i] == '\n' ?
		    DATA_BARE_LF : p[i] == '\0' ? DATA_NUL : 0;
	return flaws;
}

/* Lines are what stands between CRLFs; "." is the end; other dots go. */
__attribute__((unused)) static void
judge(const uint8_t *p, size_t n, struct judged *j)
{
	size_t at = 0, len;
	const uint8_t *end;

	buf_init(&j->content, DATA_TEXT_MAX);
	j->flaws = 0;
	j->ended = false;
	while (!j->ended && (end = at == n ? NULL :
	    memmem(p + at, n - at, "\r\n", 2)) != NULL) {
		len = (size_t)(end - p) - at;
		j->ended = len == 1 && p[at] == '.';
		j->flaws |= judge_flaws(p + at, len);
		if (!j->ended && p[at] == '.')
			buf_add(&j->content, p + at + 1, len + 1);
		else if (!j->ended)
			buf_add(&j->content, p + at, len + 2);
		at += len + 2;
	}
	j->used = at;
	/* Of an unfinished line a final CR may still be half of CRLF. */
	if (!j->ended && at < n)
		j->flaws |= judge_flaws(p + at, n - at - (p[n - 1] == '\r'));
}

/* All of it is content, in however many chunks; the last line gets its end. */
__attribute__((unused)) static void
judge_chunks(const uint8_t *p, size_t n, struct judged *j)
{
	size_t at = 0;
	const uint8_t *end;

	buf_init(&j->content, DATA_TEXT_MAX + 2);
	j->flaws = 0;
	j->ended = true;
	j->used = n;
	while (at < n && (end = memmem(p + at, n - at, "\r\n", 2)) != NULL) {
		j->flaws |= judge_flaws(p + at, (size_t)(end - p) - at);
		at = (size_t)(end - p) + 2;
	}
	j->flaws |= judge_flaws(p + at, n - at);
	buf_add(&j->content, p, n);
	if (at < n)
		buf_adds(&j->content, "\r\n");
}

#endif
