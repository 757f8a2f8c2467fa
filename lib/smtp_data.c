/*
 * The receiver looks at line starts and line ends only; what lies between is
 * skipped by memchr and handed on as it stands, many lines at a time. States:
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

void
smtp_data_in_init_chunks(struct smtp_data_in *d)
{
	smtp_data_in_init(d);
	d->chunks = true;
}

static void
emit(struct smtp_data_in *d, const uint8_t *p, size_t n, smtp_data_sink *sink,
    void *arg)
{
	d->size += n;
	if (n > 0 && sink != NULL && d->flaws == 0 && !d->refused)
		d->refused = sink(p, n, arg) == -1;
}

/* All bytes are gathered before the one question, so that it is quick. */
static void
scan_8bit(struct smtp_data_in *d, const uint8_t *p, size_t n)
{
	uint64_t word[4], all = 0;

	if (d->has_8bit)
		return;
	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(word, p, sizeof(word));
		all |= word[0] | word[1] | word[2] | word[3];
	}
	while (n-- > 0)
		all |= *p++;
	d->has_8bit = (all & 0x8080808080808080ULL) != 0;
}

static void
line_end(struct smtp_data_in *d)
{
	if (d->line_len > SMTP_TEXT_MAX)
		d->has_long_line = true;
	d->line_len = 0;
	d->state = START;
}

/*
 * Content from inside a line on, as far as it can be handed over in one piece:
 * up to a line that begins with a dot, a CR at the very end of the input, or
 * all of it. Flaws in it are noted and the state is that behind it.
 */
static size_t
text_run(struct smtp_data_in *d, const uint8_t *p, size_t n)
{
	size_t i = 0, run;
	const uint8_t *cr;

	while (i < n && (d->state != START || p[i] != '.' || d->chunks)) {
		d->state = TEXT;
		cr = memchr(p + i, '\r', n - i);
		run = cr == NULL ? n - i : (size_t)(cr - p) - i;
		if (memchr(p + i, '\n', run) != NULL)
			d->flaws |= DATA_BARE_LF;
		i += run;
		d->line_len += run;
		if (i + 1 >= n)
			break;
		i++;
		d->line_len++;
		if (p[i] != '\n') {
			d->flaws |= DATA_BARE_CR;
			continue;
		}
		i++;
		d->line_len++;
		line_end(d);
	}
	if (memchr(p, '\0', i) != NULL)
		d->flaws |= DATA_NUL;
	scan_8bit(d, p, i);
	return i;
}

/* One byte after a CR: an LF, or the CR was bare. False: look again. */
static bool
after_cr(struct smtp_data_in *d, uint8_t c, smtp_data_sink *sink, void *arg)
{
	bool dot = d->state == DOT_CR;

	if (c != '\n') {
		d->flaws |= DATA_BARE_CR;
		d->size++;
		d->line_len++;
		d->state = c == '\r' ? CR : TEXT;
		return c == '\r';
	}
	if (dot) {
		d->ended = true;
		return true;
	}
	emit(d, (const uint8_t *)"\r\n", 2, sink, arg);
	d->line_len += 2;
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
			if (p[i] == '.' && !d->chunks) {
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
			emit(d, p + i, run, sink, arg);
			i += run;
			if (d->state == TEXT && i < n) {
				d->state = CR;
				i++;
			}
			break;
		}
	}
	return i;
}

/* Half of a CRLF at the very end is a bare CR. */
void
smtp_data_in_last(struct smtp_data_in *d, smtp_data_sink *sink, void *arg)
{
	if (d->state == CR) {
		d->flaws |= DATA_BARE_CR;
		d->size++;
	} else if (d->state == TEXT)
		after_cr(d, '\n', sink, arg);
	d->ended = true;
}

/* --- sending ---------------------------------------------------------------------- */

void
smtp_data_out_init(struct smtp_data_out *d)
{
	d->last = '\n';
	d->bad = d->counted = false;
}

/*
 * The length of the line at p with its CRLF, or of the part of it that is here,
 * which may end in half of one. 0: it is no strict line.
 */
static size_t
strict_line(const uint8_t *p, size_t n)
{
	const uint8_t *cr = memchr(p, '\r', n);
	size_t len = cr == NULL ? n : (size_t)(cr - p);

	if (memchr(p, '\n', len) != NULL)
		return 0;
	if (len + 1 >= n)
		return n;
	return p[len + 1] == '\n' ? len + 2 : 0;
}

/* Lines without a dot in front go in one piece, p[from..i). */
static int
put_lines(struct smtp_data_out *d, const uint8_t *p, size_t n, struct buf *out)
{
	size_t i = 0, from = 0, line;

	if (memchr(p, '\0', n) != NULL || (d->last == '\r' && p[0] != '\n'))
		return -1;
	if (d->last == '\r')
		i = 1;
	for (; i < n; i += line) {
		line = strict_line(p + i, n - i);
		if (line == 0)
			return -1;
		if (p[i] != '.' || d->counted || (i == 0 && d->last != '\n'))
			continue;
		if (buf_add(out, p + from, i - from) == -1 ||
		    buf_addc(out, '.') == -1)
			return -1;
		from = i;
	}
	d->last = p[n - 1];
	return buf_add(out, p + from, n - from);
}

int
smtp_data_out_feed(struct smtp_data_out *d, const uint8_t *p, size_t n,
    struct buf *out)
{
	if (n > 0 && !d->bad)
		d->bad = put_lines(d, p, n, out) == -1;
	return d->bad ? -1 : 0;
}

int
smtp_data_out_end(struct smtp_data_out *d, struct buf *out)
{
	if (d->bad || d->last == '\r')
		return -1;
	d->bad = true;		/* nothing may follow the end */
	if (d->last != '\n' && buf_adds(out, "\r\n") == -1)
		return -1;
	return buf_adds(out, ".\r\n");
}
