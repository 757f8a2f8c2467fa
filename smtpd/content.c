#include "lib/prelude.h"

#include <errno.h>

#include "lib/header.h"
#include "lib/log.h"
#include "lib/seldom.h"
#include "smtpd/content.h"

/* So much is gathered for a write to the spool file. */
#define SPOOL_GATHER (32 * 1024)
/* What one call of content_add() may bring beyond the mark: a stream's worth. */
#define PIECE_MAX (64 * 1024)

void
content_init(struct content *c)
{
	memset(c, 0, sizeof(*c));
	c->spool = -1;
}

void
content_clear(struct content *c)
{
	buf_clear(&c->head);
	buf_clear(&c->body);
	content_spool_done(c);
	content_init(c);
}

void
content_begin(struct content *c, const struct fixup *fx,
    struct content_limits limits)
{
	c->fixup = fx;
	c->limits = limits;
	c->inline_max = CONTENT_INLINE_MAX;
	buf_init(&c->head, limits.header_bytes);
	buf_init(&c->body, ENVELOPE_BODY_MAX + FIXUP_ROOM +
	    limits.header_bytes + PIECE_MAX);
}

void
content_refuse(struct content *c, enum reply verdict)
{
	c->verdict = verdict;
	buf_clear(&c->head);
	buf_clear(&c->body);
}

/* --- the spool file --------------------------------------------------------------- */

/* The file is queue's and on its disk; a write only reaches the page cache. */
static void
spool(struct content *c, const uint8_t *p, size_t left)
{
	static struct seldom told;
	ssize_t n;

	while (left > 0) {
		n = write(c->spool, p, left);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			if (seldom_due(&told))
				log_warn("cannot write to the spool file%s",
				    seldom_more(&told));
			content_refuse(c, errno == ENOSPC || errno == EDQUOT ?
			    REPLY_DISK_FULL : REPLY_TROUBLE);
			return;
		}
		p += n;
		left -= (size_t)n;
	}
}

static void
flush(struct content *c)
{
	spool(c, c->body.data, c->body.len);
	buf_reset(&c->body);
}

bool
content_needs_spool(const struct content *c)
{
	return c->verdict == REPLY_NONE && c->spool == -1 &&
	    c->size > c->inline_max;
}

void
content_spool_to(struct content *c, int fd)
{
	c->spool = fd;
	if (c->verdict == REPLY_NONE)
		flush(c);
	/* What has gathered was much, and will not be so much again. */
	buf_clear(&c->body);
}

bool
content_spool_done(struct content *c)
{
	if (c->spool == -1)
		return false;
	if (close(c->spool) == -1)
		log_warn("spool file");
	c->spool = -1;
	return true;
}

/* --- header and body --------------------------------------------------------------- */

static void
keep(struct content *c, const uint8_t *p, size_t n)
{
	if (c->spool != -1 && c->body.len + n > SPOOL_GATHER)
		flush(c);
	if (c->verdict != REPLY_NONE)
		return;
	c->size += n;
	if (c->spool != -1 && n > SPOOL_GATHER)
		spool(c, p, n);
	else if (buf_add(&c->body, p, n) == -1)
		/* Only if the caller did not heed content_needs_spool(). */
		content_refuse(c, REPLY_TROUBLE);
}

/*
 * The first len bytes of head are the header, or all of it is what begins with
 * one: what goes out in its place starts the result.
 */
static void
head_done(struct content *c, size_t len)
{
	enum reply verdict;

	verdict = fixup_header(c->fixup, (const char *)c->head.data, len,
	    &c->body, &c->id);
	if (verdict != REPLY_NONE) {
		content_refuse(c, verdict);
		return;
	}
	c->size = c->body.len;
	c->in_body = true;
	if (c->head.len > len)
		keep(c, c->head.data + len, c->head.len - len);
	buf_clear(&c->head);
}

static bool
begins_with_field(const struct content *c)
{
	struct header_field f;
	size_t at = 0;

	return header_next((const char *)c->head.data, c->head.len, &at, &f) ==
	    HEADER_FIELD;
}

/*
 * Takes what fits of the limit; the bytes up to it decide, however cut. A text
 * that does not even begin with a field needs no blank line within the limit.
 */
static size_t
gather_head(struct content *c, const uint8_t *p, size_t n)
{
	size_t room = c->limits.header_bytes - c->head.len, len;

	if (room == 0 && begins_with_field(c)) {
		content_refuse(c, REPLY_BIG_HEADER);
		return n;
	}
	if (room == 0) {
		head_done(c, c->head.len);
		return 0;
	}
	if (n > room)
		n = room;
	buf_add(&c->head, p, n);
	if (header_find_end((const char *)c->head.data, c->head.len,
	    c->searched, &len))
		head_done(c, len);
	c->searched = c->head.len;
	return n;
}

/* What is within the limit is looked at first: the cut must decide nothing. */
void
content_add(struct content *c, const uint8_t *p, size_t n)
{
	uint64_t room = c->limits.bytes - c->taken;
	bool over = n > room;
	size_t used;

	if (c->verdict != REPLY_NONE)
		return;
	if (over)
		n = (size_t)room;
	c->taken += n;
	while (n > 0 && c->verdict == REPLY_NONE && !c->in_body) {
		used = gather_head(c, p, n);
		p += used;
		n -= used;
	}
	if (n > 0 && c->verdict == REPLY_NONE)
		keep(c, p, n);
	if (over && c->verdict == REPLY_NONE)
		content_refuse(c, REPLY_TOO_BIG);
}

void
content_end(struct content *c)
{
	if (c->verdict == REPLY_NONE && !c->in_body)
		head_done(c, c->head.len);
	if (c->verdict == REPLY_NONE && c->spool != -1)
		flush(c);
}
