#include "lib/prelude.h"

#include "lib/num.h"
#include "lib/xalloc.h"
#include "posternctl/row.h"

#define KEY_MAX		64
#define VALUE_MAX	IPC_MAX

static bool
kind_fits(char kind, const char *value)
{
	uint64_t n;

	switch (kind) {
	case 's':
	case 'k':
		return true;
	case 'l':
	case 'f':
		return *value == '\0' || value[strlen(value) - 1] == '\n';
	case 'n':
	case 'd':
	case 't':
		return num_parse(value, strlen(value), 0, UINT64_MAX, &n) == 0;
	case 'b':
		return strcmp(value, "true") == 0 ||
		    strcmp(value, "false") == 0;
	default:
		return false;
	}
}

static void
cell_clear(struct cell *c)
{
	free(c->key);
	free(c->value);
	free(c->shown);
}

void
row_clear(struct row *row)
{
	size_t i;

	for (i = 0; i < row->n; i++)
		cell_clear(&row->cells[i]);
	row->n = 0;
}

void
row_for_people(struct row *row)
{
	size_t i, n = 0;

	for (i = 0; i < row->n; i++)
		if (row->cells[i].kind == 'k')
			cell_clear(&row->cells[i]);
		else
			row->cells[n++] = row->cells[i];
	row->n = n;
}

bool
row_get(struct ipc_in *in, struct row *row)
{
	uint32_t i, n = ipc_get_u32(in);

	row->n = 0;
	if (n == 0 || n > ROW_FIELDS_MAX)
		return false;
	for (i = 0; i < n; i++) {
		struct cell *c = &row->cells[row->n++];

		c->key = xstrdup(ipc_get_str(in, KEY_MAX));
		c->kind = (char)ipc_get_u8(in);
		c->value = xstrdup(ipc_get_str(in, VALUE_MAX));
		c->shown = NULL;
		if (!kind_fits(c->kind, c->value))
			in->bad = true;
	}
	if (ipc_in_end(in))
		return true;
	row_clear(row);
	return false;
}

const char *
row_value(const struct row *row, const char *key)
{
	size_t i;

	for (i = 0; i < row->n; i++)
		if (strcmp(row->cells[i].key, key) == 0)
			return row->cells[i].value;
	return "";
}

uint64_t
row_number(const struct row *row, const char *key)
{
	const char *value = row_value(row, key);
	uint64_t n = 0;

	return num_parse(value, strlen(value), 0, UINT64_MAX, &n) == 0 ? n : 0;
}
