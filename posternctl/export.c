/*
 * A folder of messages: ID.eml is one as it would go to the next hop, ID.json
 * its envelope, written last, so that a message with both is whole.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/json.h"
#include "posternctl/row.h"

struct export {
	const char *path;
	int	 dir;
	FILE	*eml, *json;
	char	 id[32];	/* "" between two messages */
	uint64_t left;		/* bytes still to come */
	bool	 recipients;	/* one was written */
	uint64_t done;
	char	*trouble;	/* the first, owned */
};

static void
trouble(struct export *e, const char *what)
{
	if (e->trouble == NULL)
		e->trouble = xasprintf("%s/%s: %s", e->path, what,
		    strerrordesc_np(errno));
}

static FILE *
create(struct export *e, const char *id, const char *suffix)
{
	char name[64];
	int fd;
	FILE *f = NULL;

	snprintf(name, sizeof(name), "%s%s", id, suffix);
	fd = openat(e->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd != -1)
		f = fdopen(fd, "w");
	if (f == NULL)
		trouble(e, name);
	return f;
}

/* The id makes a file's name: nothing but letters and digits may be in it. */
static bool
tame(const char *id)
{
	size_t n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz");

	return n > 0 && n < 32 && id[n] == '\0';
}

/* --- JSON --------------------------------------------------------------------- */

static void
put_cells(FILE *f, const struct row *row, const char *indent)
{
	size_t i;

	for (i = 0; i < row->n; i++) {
		const struct cell *c = &row->cells[i];

		fprintf(f, "%s%s", i == 0 ? "" : ",", indent);
		json_put(f, c->key, strlen(c->key));
		fputs(": ", f);
		if (c->kind == 's')
			json_put(f, c->value, strlen(c->value));
		else
			fputs(c->value, f);
	}
}

static void
finish(struct export *e)
{
	char final[64], temporary[64];
	bool good;

	if (e->id[0] == '\0')
		return;
	snprintf(temporary, sizeof(temporary), "%s.json.new", e->id);
	snprintf(final, sizeof(final), "%s.json", e->id);
	good = e->left == 0 && e->eml != NULL && e->json != NULL;
	if (e->eml != NULL && fclose(e->eml) == EOF) {
		trouble(e, e->id);
		good = false;
	}
	if (e->json != NULL) {
		fputs(e->recipients ? "\n  ]\n}\n" : "]\n}\n", e->json);
		if (fclose(e->json) == EOF) {
			trouble(e, temporary);
			good = false;
		}
	}
	if (good && renameat(e->dir, temporary, e->dir, final) == -1) {
		trouble(e, final);
		good = false;
	}
	if (!good && e->trouble == NULL)
		e->trouble = xasprintf("%s came in part only", e->id);
	e->done += good;
	e->eml = e->json = NULL;
	e->id[0] = '\0';
}

static int
begin(struct export *e, const struct row *row)
{
	finish(e);
	if (!tame(row_value(row, "id")))
		return -1;
	snprintf(e->id, sizeof(e->id), "%s", row_value(row, "id"));
	e->left = row_number(row, "size");
	e->recipients = false;
	e->eml = create(e, e->id, ".eml");
	e->json = create(e, e->id, ".json.new");
	if (e->json == NULL)
		return 0;
	fputc('{', e->json);
	put_cells(e->json, row, "\n  ");
	fputs(",\n  \"recipients\": [", e->json);
	return 0;
}

/* --- what arrives --------------------------------------------------------------- */

static int
on_row(struct export *e, struct ipc_in *in)
{
	struct row row;
	int r = 0;

	if (!row_get(in, &row))
		return -1;
	if (row_value(&row, "id")[0] != '\0')
		r = begin(e, &row);
	else if (e->json != NULL) {
		fputs(e->recipients ? ",\n    { " : "\n    { ", e->json);
		put_cells(e->json, &row, " ");
		fputs(" }", e->json);
		e->recipients = true;
	}
	row_clear(&row);
	return r;
}

static int
part_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	struct export *e = arg;
	const uint8_t *p;
	size_t n;

	if (in->type == M_CTL_ROW)
		return on_row(e, in);
	p = ipc_get_bytes(in, IPC_MAX, &n);
	if (!ipc_in_end(in) || n > e->left)
		return -1;
	if (e->eml != NULL && fwrite(p, 1, n, e->eml) != n) {
		trouble(e, e->id);
		fclose(e->eml);
		e->eml = NULL;
	}
	e->left -= n;
	return 0;
}

static int
open_folder(struct export *e, const char *path)
{
	e->path = path;
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return complain(CTL_FAILED, "cannot make the folder %s: %s%s",
		    path, strerrordesc_np(errno), errno == ENOENT ?
		    "; the one that it is to be in must be there" : "");
	e->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir == -1)
		return complain(CTL_FAILED, "cannot open the folder %s: %s",
		    path, strerrordesc_np(errno));
	return CTL_OK;
}

int
ask_export(struct ask *a)
{
	struct talk_request r = { .id = 1, .words = a->verb->words,
	    .args = a->args + 1, .nargs = a->nargs - 1, .fd = -1 };
	struct export e = { .dir = -1 };
	const char *text;
	uint64_t id;
	int code = open_folder(&e, a->args[0]);

	if (code == CTL_OK)
		code = talk_ask(&a->talk, &r);
	if (code != CTL_OK)
		return code;
	code = talk_answer(&a->talk, part_cb, &e, &id, &text);
	finish(&e);
	if (syncfs(e.dir) == -1)
		trouble(&e, "");
	close(e.dir);
	if (code != CTL_OK)
		complain(code, "%s", text);
	if (e.trouble != NULL)
		code = complain(CTL_FAILED, "%s", e.trouble);
	free(e.trouble);
	if (a->json)
		printf("{\"exported\":%llu}\n", (unsigned long long)e.done);
	else
		printf("%llu exported to %s.\n", (unsigned long long)e.done,
		    a->args[0]);
	return code;
}
