/*
 * A table's widths are those of its first rows, which are held back until
 * there are enough of them: a listing of a million messages streams. A row
 * with other keys than the one before begins a new table.
 */
#include "lib/prelude.h"

#include <time.h>

#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternctl/render.h"

#define HELD_MAX	200	/* rows that decide the widths */
#define FIELDS_MAX	64
#define KEY_MAX		64
#define VALUE_MAX	(64 * 1024)

struct cell {
	char	*key;
	char	 kind;
	char	*value;		/* as received */
	char	*shown;		/* for people */
};

struct row {
	struct cell cells[FIELDS_MAX];
	size_t	 n;
};

struct render {
	FILE	*out;
	enum view view;
	bool	 json;
	struct row *held;
	size_t	 nheld;
	bool	 streaming;	/* widths are settled */
	bool	 printed;	/* something stands above */
	size_t	 widths[FIELDS_MAX];
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

static void
row_clear(struct row *row)
{
	size_t i;

	for (i = 0; i < row->n; i++) {
		free(row->cells[i].key);
		free(row->cells[i].value);
		free(row->cells[i].shown);
	}
	row->n = 0;
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

/* Control bytes as \xNN; UTF-8 stays readable. */
static char *
show_text(const char *s)
{
	char *out = xmalloc(strlen(s) * 4 + 1), *o = out;

	for (; *s != '\0'; s++) {
		uint8_t c = (uint8_t)*s;

		if (c < 0x20 || c == 0x7f ||
		    (c == 0xc2 && (uint8_t)s[1] < 0xa0 && s[1] != '\0'))
			o += snprintf(o, 5, "\\x%02x", c);
		else
			*o++ = (char)c;
	}
	*o = '\0';
	return out;
}

static char *
show(const struct cell *c)
{
	if (c->kind == 't')
		return show_time(c->value, false);
	if (c->kind == 'b')
		return xstrdup(strcmp(c->value, "true") == 0 ? "yes" : "no");
	if (*c->value == '\0')
		return xstrdup("-");
	return show_text(c->value);
}

/* --- JSON ----------------------------------------------------------------------------- */

static void
json_string(FILE *out, const char *s, size_t n)
{
	size_t i;

	fputc('"', out);
	for (i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void
json_value(FILE *out, const struct cell *c)
{
	char *text;

	if (c->kind == 'n' || c->kind == 'b') {
		fputs(c->value, out);
		return;
	}
	text = c->kind == 't' ? show_time(c->value, true)
	    : xstrdup(c->value);
	if (c->kind == 't' && strcmp(text, "-") == 0)
		fputs("null", out);
	else
		json_string(out, text, strlen(text));
	free(text);
}

static void
json_row(struct render *r, const struct row *row)
{
	size_t i;

	for (i = 0; i < row->n; i++) {
		fputs(i == 0 ? "{" : ",", r->out);
		json_string(r->out, row->cells[i].key,
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

static bool
kind_fits(char kind, const char *value)
{
	uint64_t n;

	switch (kind) {
	case 's':
		return true;
	case 'n':
	case 't':
		return num_parse(value, strlen(value), 0, UINT64_MAX, &n) == 0;
	case 'b':
		return strcmp(value, "true") == 0 ||
		    strcmp(value, "false") == 0;
	default:
		return false;
	}
}

int
render_row(struct render *r, struct ipc_in *in)
{
	struct row row = { .n = 0 };
	uint32_t i, n = ipc_get_u32(in);

	if (n == 0 || n > FIELDS_MAX)
		return -1;
	for (i = 0; i < n; i++) {
		struct cell *c = &row.cells[row.n++];

		c->key = xstrdup(ipc_get_str(in, KEY_MAX));
		c->kind = (char)ipc_get_u8(in);
		c->value = xstrdup(ipc_get_str(in, VALUE_MAX));
		if (!kind_fits(c->kind, c->value))
			in->bad = true;
		c->shown = show(c);
	}
	if (!ipc_in_end(in)) {
		row_clear(&row);
		return -1;
	}
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
	size_t i, len;
	const uint8_t *p = ipc_get_bytes(in, IPC_MAX, &len);

	if (!ipc_in_end(in))
		return -1;
	release(r);
	if (r->json) {
		fputs("{\"text\":", r->out);
		json_string(r->out, (const char *)p, len);
		fputs("}\n", r->out);
		return 0;
	}
	if (r->printed)
		fputc('\n', r->out);
	r->printed = false;
	for (i = 0; i < len; i++) {
		if (p[i] == '\r' && i + 1 < len && p[i + 1] == '\n')
			continue;
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') ||
		    p[i] == 0x7f)
			fprintf(r->out, "\\x%02x", p[i]);
		else
			fputc(p[i], r->out);
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
