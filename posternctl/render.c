/*
 * A table's widths are those of its first rows, which are held back until
 * there are enough of them: a listing of a million messages streams. A row
 * with other keys than the one before begins a new table.
 */
#include "lib/prelude.h"

#include <time.h>

#include "lib/buf.h"
#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternctl/json.h"
#include "posternctl/render.h"
#include "posternctl/row.h"

#define HELD_MAX	200	/* rows that decide the widths */
#define LIST_SHOWN_MAX	(16 * 1024)	/* of a list, to people */

struct render {
	FILE	*out;
	enum view view;
	bool	 json;
	struct row *held;
	size_t	 nheld;
	bool	 streaming;	/* widths are settled */
	bool	 printed;	/* something stands above */
	size_t	 widths[ROW_FIELDS_MAX];
	struct row head;	/* keys of the current table */
};

struct render *
render_new(FILE *out, enum view view, bool json)
{
	struct render *r = xcalloc(1, sizeof(*r));

	r->out = out;
	r->view = view;
	r->json = json;
	r->held = xcalloc(HELD_MAX, sizeof(*r->held));
	return r;
}

/* --- values ------------------------------------------------------------------------ */

static char *
show_time(const char *digits, bool utc)
{
	char text[64];
	uint64_t ms;
	time_t t;
	struct tm tm;

	if (num_parse(digits, strlen(digits), 1, INT64_MAX, &ms) == -1)
		return xstrdup("-");
	t = (time_t)(ms / 1000);
	if ((utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) == NULL ||
	    (utc ? strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) :
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm)) == 0)
		return xstrdup("-");
	return xstrdup(text);
}

static char *
show_span(const char *digits)
{
	char text[NUM_TEXT_LEN];
	uint64_t sec = 0;

	num_parse(digits, strlen(digits), 0, UINT64_MAX, &sec);
	return xstrdup(num_print_wait(sec, text));
}

/*
 * Characters that write nothing and change how others are read: C1 controls,
 * marks of direction, joiners, separators of lines. Names are strangers' words.
 */
static bool
is_invisible(const char *p, size_t n)
{
	const uint8_t *u = (const uint8_t *)p;
	uint32_t c;

	if (n == 2)
		c = (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU);
	else if (n == 3)
		c = (u[0] & 0xfU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU);
	else
		return n == 4 && u[0] == 0xf3 && u[1] == 0xa0;	/* tags */
	return c < 0xa0 || c == 0xad || c == 0x61c || c == 0x180e ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/*
 * One character of n bytes at p to out, which has room for four: UTF-8 stays
 * readable, all else beyond printable ASCII becomes \xNN. *used of p were.
 */
static size_t
harmless(const char *p, size_t n, char *out, size_t *used)
{
	uint8_t c = (uint8_t)*p;

	*used = c < 0x80 ? 1 : json_char(p, n);
	if (*used == 0 || c < 0x20 || c == 0x7f ||
	    (*used > 1 && is_invisible(p, *used))) {
		*used = 1;
		/* Not snprintf(): there is no room for its NUL. */
		out[0] = '\\';
		out[1] = 'x';
		out[2] = "0123456789abcdef"[c >> 4];
		out[3] = "0123456789abcdef"[c & 15];
		return 4;
	}
	memcpy(out, p, *used);
	return *used;
}

static char *
show_text(const char *s)
{
	size_t n = strlen(s), used;
	char *out = xmalloc(n * 4 + 1), *o = out;

	for (; n > 0; s += used, n -= used)
		o += harmless(s, n, o, &used);
	*o = '\0';
	return out;
}

/* Comma between; of a list that people see the first of, that. */
static char *
show_list(const char *s, bool first)
{
	size_t n, left = 0;
	struct buf all;
	char *shown;

	buf_init(&all, 2 * strlen(s) + NUM_TEXT_LEN);
	for (; *s != '\0' && !(first && all.len > 0); s += n + 1) {
		n = strcspn(s, "\n");
		if (all.len > LIST_SHOWN_MAX)
			left++;
		else
			buf_addf(&all, "%s%.*s", all.len == 0 ? "" : ", ",
			    (int)n, s);
	}
	if (left > 0)
		buf_addf(&all, " and %zu more", left);
	shown = all.len == 0 ? xstrdup("-") : show_text(buf_str(&all));
	buf_clear(&all);
	return shown;
}

static char *
show(const struct cell *c)
{
	if (c->kind == 't')
		return show_time(c->value, false);
	if (c->kind == 'd')
		return show_span(c->value);
	if (c->kind == 'l' || c->kind == 'f')
		return show_list(c->value, c->kind == 'f');
	if (c->kind == 'b')
		return xstrdup(strcmp(c->value, "true") == 0 ? "yes" : "no");
	if (*c->value == '\0')
		return xstrdup("-");
	return show_text(c->value);
}

/* --- JSON ----------------------------------------------------------------------------- */

static void
json_list(FILE *out, const char *s)
{
	size_t n;
	bool first = true;

	fputc('[', out);
	for (; *s != '\0'; s += n + 1) {
		n = strcspn(s, "\n");
		fputs(first ? "" : ",", out);
		json_put(out, s, n);
		first = false;
	}
	fputc(']', out);
}

static void
json_value(FILE *out, const struct cell *c)
{
	char *text;

	if (c->kind == 'l' || c->kind == 'f') {
		json_list(out, c->value);
		return;
	}
	if (c->kind == 'n' || c->kind == 'd' || c->kind == 'b') {
		fputs(c->value, out);
		return;
	}
	text = c->kind == 't' ? show_time(c->value, true)
	    : xstrdup(c->value);
	if (*text == '\0' || (c->kind == 't' && strcmp(text, "-") == 0))
		fputs("null", out);
	else
		json_put(out, text, strlen(text));
	free(text);
}

static void
json_row(struct render *r, const struct row *row)
{
	size_t i;

	for (i = 0; i < row->n; i++) {
		fputs(i == 0 ? "{" : ",", r->out);
		json_put(r->out, row->cells[i].key,
		    strlen(row->cells[i].key));
		fputc(':', r->out);
		json_value(r->out, &row->cells[i]);
	}
	fputs("}\n", r->out);
}

/* --- tables and cards ------------------------------------------------------------------- */

/* Columns on a terminal: UTF-8 continuation bytes take none. */
static size_t
columns(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

static void
print_line(struct render *r, const struct row *row, bool head)
{
	size_t i;

	for (i = 0; i < row->n; i++) {
		const struct cell *c = &row->cells[i];
		const char *s = head ? c->key : c->shown;
		size_t have = columns(s);
		int fill = have < r->widths[i] ? (int)(r->widths[i] - have) : 0;
		bool right = c->kind == 'n', last = i + 1 == row->n;

		fprintf(r->out, "%s%*s%s%*s", i == 0 ? "" : "  ",
		    right ? fill : 0, "", s, right || last ? 0 : fill, "");
	}
	fputc('\n', r->out);
}

static void
release(struct render *r)
{
	size_t i, j, w;

	if (r->nheld == 0)
		return;
	if (r->printed)
		fputc('\n', r->out);
	for (i = 0; i < r->held[0].n; i++) {
		r->widths[i] = columns(r->held[0].cells[i].key);
		for (j = 0; j < r->nheld; j++) {
			w = columns(r->held[j].cells[i].shown);
			if (w > r->widths[i])
				r->widths[i] = w;
		}
	}
	print_line(r, &r->held[0], true);
	for (j = 0; j < r->nheld; j++)
		print_line(r, &r->held[j], false);
	row_clear(&r->head);
	r->head = r->held[0];
	r->held[0].n = 0;
	for (j = 1; j < r->nheld; j++)
		row_clear(&r->held[j]);
	r->nheld = 0;
	r->streaming = r->printed = true;
}

static bool
same_keys(const struct row *a, const struct row *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (strcmp(a->cells[i].key, b->cells[i].key) != 0)
			return false;
	return true;
}

static void
table_row(struct render *r, struct row *row)
{
	const struct row *before = r->nheld > 0 ? &r->held[0] : &r->head;

	if ((r->nheld > 0 || r->streaming) && !same_keys(before, row)) {
		release(r);
		r->streaming = false;
	}
	if (r->streaming) {
		print_line(r, row, false);
		row_clear(row);
		return;
	}
	r->held[r->nheld++] = *row;
	row->n = 0;
	if (r->nheld == HELD_MAX)
		release(r);
}

static void
card(struct render *r, const struct row *row)
{
	size_t i, width = 0;

	for (i = 0; i < row->n; i++)
		if (columns(row->cells[i].key) > width)
			width = columns(row->cells[i].key);
	if (r->printed)
		fputc('\n', r->out);
	for (i = 0; i < row->n; i++)
		fprintf(r->out, "%s:%*s %s\n", row->cells[i].key,
		    (int)(width - columns(row->cells[i].key)), "",
		    row->cells[i].shown);
	r->printed = true;
}

/* --- what arrives --------------------------------------------------------------------------- */

int
render_row(struct render *r, struct ipc_in *in)
{
	struct row row;
	size_t i;

	if (!row_get(in, &row))
		return -1;
	if (!r->json)
		row_for_people(&row);
	for (i = 0; i < row.n; i++)
		row.cells[i].shown = show(&row.cells[i]);
	if (r->json)
		json_row(r, &row);
	else if (r->view == VIEW_CARD)
		card(r, &row);
	else
		table_row(r, &row);
	row_clear(&row);
	return 0;
}

int
render_text(struct render *r, struct ipc_in *in)
{
	size_t i, len, used;
	char one[4];
	const uint8_t *p = ipc_get_bytes(in, IPC_MAX, &len);

	if (!ipc_in_end(in))
		return -1;
	release(r);
	if (r->json) {
		fputs("{\"text\":", r->out);
		json_put(r->out, (const char *)p, len);
		fputs("}\n", r->out);
		return 0;
	}
	if (r->printed)
		fputc('\n', r->out);
	r->printed = false;
	for (i = 0; i < len; i += used) {
		used = 1;
		if (p[i] == '\r' && i + 1 < len && p[i + 1] == '\n')
			continue;
		if (p[i] == '\n' || p[i] == '\t')
			fputc(p[i], r->out);
		else
			fwrite(one, 1, harmless((const char *)p + i, len - i,
			    one, &used), r->out);
	}
	return 0;
}

void
render_free(struct render **rp)
{
	struct render *r = *rp;

	*rp = NULL;
	release(r);
	row_clear(&r->head);
	free(r->held);
	free(r);
}
