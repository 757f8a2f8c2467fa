/*
 * The receiver looks at line starts and line ends only; what lies between is
 * skipped by memchr and handed on as it stands. States:
 *
 *	START	at the start of a line
 *	DOT	a dot at the start of a line, not yet known to be more
 *	DOT_CR	dot and CR: the end if LF follows
 *	TEXT	inside a line
 *	CR	after a CR inside a line
 *
 * A dot that turns out not to be the end is dropped (RFC 5321 4.5.2). A CR is
 * held back until its LF is there, because it may belong to the end's CRLF,
 * which does belong to the content, or be bare, which spoils it. After a flaw
 * the machine goes on looking for the true end with the same eyes: a bare LF
 * starts no line, so LF.CRLF or LF.LF can never end anything.
 */
#include "lib/prelude.h"

#include "lib/smtp_data.h"
#include "lib/smtp_line.h"

enum { START, DOT, DOT_CR, TEXT, CR };

void
smtp_data_in_init(struct smtp_data_in *d)
{
	memset(d, 0, sizeof(*d));
	d->state = START;
}

static void
emit(struct smtp_data_in *d, const uint8_t *p, size_t n, smtp_data_sink *sink,
    void *arg)
{
	d->size += n;
	d->line_len += n;
	if (n > 0 && sink != NULL && d->flaws == 0)
		sink(p, n, arg);
}

static void
scan_8bit(struct smtp_data_in *d, const uint8_t *p, size_t n)
{
	uint64_t word;

	if (d->has_8bit)
		return;
	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if (word & 0x8080808080808080ULL)
			d->has_8bit = true;
	}
	while (n-- > 0)
		if (*p++ & 0x80)
			d->has_8bit = true;
}

/*
 * Content up to the next CR or the end of input: how much of it there is. Bare
 * LFs and NULs in it are noted.
 */
static size_t
text_run(struct smtp_data_in *d, const uint8_t *p, size_t n)
{
	const uint8_t *cr = memchr(p, '\r', n);
	size_t run = cr == NULL ? n : (size_t)(cr - p);

	if (memchr(p, '\n', run) != NULL)
		d->flaws |= DATA_BARE_LF;
	if (memchr(p, '\0', run) != NULL)
		d->flaws |= DATA_NUL;
	scan_8bit(d, p, run);
	return run;
}

static void
line_end(struct smtp_data_in *d)
{
	if (d->line_len > SMTP_TEXT_MAX)
		d->has_long_line = true;
	d->line_len = 0;
	d->state = START;
}

/* One byte after a CR: an LF, or the CR was bare. False: look again. */
static bool
after_cr(struct smtp_data_in *d, uint8_t c, smtp_data_sink *sink, void *arg)
{
	bool dot = d->state == DOT_CR;

	if (c != '\n') {
		d->flaws |= DATA_BARE_CR;
		d->state = c == '\r' ? CR : TEXT;
		return c == '\r';
	}
	if (dot) {
		d->ended = true;
		return true;
	}
	emit(d, (const uint8_t *)"\r\n", 2, sink, arg);
	line_end(d);
	return true;
}

size_t
smtp_data_in_feed(struct smtp_data_in *d, const uint8_t *p, size_t n,
    smtp_data_sink *sink, void *arg)
{
	size_t i = 0, run;

	while (i < n && !d->ended) {
		switch (d->state) {
		case START:
			d->state = TEXT;
			if (p[i] == '.') {
				d->state = DOT;
				i++;
			}
			break;
		case DOT:
			d->state = TEXT;
			if (p[i] == '\r') {
				d->state = DOT_CR;
				i++;
			}
			break;
		case DOT_CR:
		case CR:
			if (after_cr(d, p[i], sink, arg))
				i++;
			break;
		case TEXT:
			run = text_run(d, p + i, n - i);
			/* Whole CRLFs in reach go along with their line. */
			if (run + 1 < n - i && p[i + run + 1] == '\n') {
				emit(d, p + i, run + 2, sink, arg);
				i += run + 2;
				line_end(d);
				break;
			}
			emit(d, p + i, run, sink, arg);
			i += run;
			if (i < n) {
				d->state = CR;
				i++;
			}
			break;
		}
	}
	return i;
}

/* --- sending ---------------------------------------------------------------------- */

void
smtp_data_out_init(struct smtp_data_out *d)
{
	d->last = '\n';
	d->bad = false;
}

/* One line or the part of it that is here; n > 0, LF only as last byte. */
static int
put_line(struct smtp_data_out *d, const uint8_t *p, size_t n, struct buf *out)
{
	size_t body = n;

	if (d->last == '\r' && p[0] != '\n')
		return -1;
	if (p[n - 1] == '\n') {
		if ((n > 1 ? p[n - 2] : d->last) != '\r')
			return -1;
		body = n > 1 ? n - 2 : 0;
	} else if (p[n - 1] == '\r')
		body = n - 1;
	if (memchr(p, '\r', body) != NULL || memchr(p, '\0', body) != NULL)
		return -1;
	if (d->last == '\n' && p[0] == '.' && buf_addc(out, '.') == -1)
		return -1;
	d->last = p[n - 1];
	return buf_add(out, p, n);
}

int
smtp_data_out_feed(struct smtp_data_out *d, const uint8_t *p, size_t n,
    struct buf *out)
{
	while (n > 0 && !d->bad) {
		const uint8_t *lf = memchr(p, '\n', n);
		size_t line = lf == NULL ? n : (size_t)(lf - p) + 1;

		if (put_line(d, p, line, out) == -1)
			d->bad = true;
		p += line;
		n -= line;
	}
	return d->bad ? -1 : 0;
}

int
smtp_data_out_end(struct smtp_data_out *d, struct buf *out)
{
	if (d->bad || d->last == '\r')
		return -1;
	if (d->last != '\n' && buf_adds(out, "\r\n") == -1)
		return -1;
	return buf_adds(out, ".\r\n");
}
