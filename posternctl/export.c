/*
 * A folder of messages: ID.eml is one as it would go to the next hop, ID.json
 * its envelope, named last, so that a message with both is whole. What cannot be
 * written whole leaves nothing behind, and ends it.
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
	bool	 made;		/* by us, as it was not there */
	FILE	*eml, *json;
	char	 id[32];	/* "" between two messages */
	uint64_t left;		/* bytes still to come */
	bool	 recipients;	/* one was written */
	uint64_t done;
	char	*trouble;	/* owned: nothing more can be written */
	char	*part;		/* owned: the first that came in part only */
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

/* It gets its name, or goes away. */
static bool
settle(struct export *e, const char *suffix, bool good)
{
	char final[64], temporary[64];

	snprintf(temporary, sizeof(temporary), "%s%s.new", e->id, suffix);
	snprintf(final, sizeof(final), "%s%s", e->id, suffix);
	if (good && renameat(e->dir, temporary, e->dir, final) == 0)
		return true;
	if (good)
		trouble(e, final);
	unlinkat(e->dir, temporary, 0);
	return false;
}

static bool
closed(struct export *e, FILE *f)
{
	if (f == NULL)
		return false;
	if (fclose(f) == 0)
		return true;
	trouble(e, e->id);
	return false;
}

static void
finish(struct export *e)
{
	bool good;

	if (e->id[0] == '\0')
		return;
	if (e->json != NULL)
		fputs(e->recipients ? "\n  ]\n}\n" : "]\n}\n", e->json);
	good = closed(e, e->eml);
	good = closed(e, e->json) && good && e->left == 0;
	good = settle(e, ".eml", good);
	good = settle(e, ".json", good);
	if (!good && e->part == NULL)
		e->part = xasprintf("%s came in part only", e->id);
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
	e->eml = create(e, e->id, ".eml.new");
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
		return on_row(e, in) == -1 || e->trouble != NULL ? -1 : 0;
	p = ipc_get_bytes(in, IPC_MAX, &n);
	if (!ipc_in_end(in) || n > e->left)
		return -1;
	if (e->eml != NULL && fwrite(p, 1, n, e->eml) != n) {
		trouble(e, e->id);
		return -1;	/* the disk is full: nor will others fit */
	}
	e->left -= n;
	return 0;
}

static int
open_folder(struct export *e, const char *path)
{
	e->path = path;
	e->made = mkdir(path, 0700) == 0;
	if (!e->made && errno != EEXIST)
		return complain(CTL_FAILED, "cannot make the folder %s: %s%s",
		    path, strerrordesc_np(errno), errno == ENOENT ?
		    "; the one that it is to be in must be there" : "");
	e->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir == -1)
		return complain(CTL_FAILED, "cannot open the folder %s: %s",
		    path, strerrordesc_np(errno));
	return CTL_OK;
}

/* The filter, and which disk it goes to. */
static int
ask_for(struct ask *a, const struct export *e)
{
	char **args = xcalloc(a->nargs, sizeof(*args));
	struct stat st;
	int code;

	memcpy(args, a->args + 1, (a->nargs - 1) * sizeof(*args));
	args[a->nargs - 1] = xasprintf("device=%llu", fstat(e->dir, &st) ==
	    -1 ? 0 : (unsigned long long)st.st_dev);
	code = talk_ask(&a->talk, &(struct talk_request){ .id = 1,
	    .words = a->verb->words, .args = args, .nargs = a->nargs,
	    .fd = -1 });
	free(args[a->nargs - 1]);
	free(args);
	return code;
}

/* It stays if anything is in it. */
static void
unmake_folder(const struct export *e)
{
	if (e->made)
		rmdir(e->path);
}

static void
tell(const struct ask *a, uint64_t done)
{
	char *text = xasprintf("%llu exported to %s.",
	    (unsigned long long)done, a->args[0]);

	if (a->json) {
		fputs("{\"done\":", stdout);
		json_put(stdout, text, strlen(text));
		printf(",\"exported\":%llu}\n", (unsigned long long)done);
	} else
		puts(text);
	free(text);
}

int
ask_export(struct ask *a)
{
	struct export e = { .dir = -1 };
	const char *text;
	uint64_t id;
	int code = open_folder(&e, a->args[0]);

	if (code != CTL_OK)
		return code;
	code = ask_for(a, &e);
	if (code != CTL_OK) {
		unmake_folder(&e);
		return code;
	}
	code = talk_answer(&a->talk, part_cb, &e, &id, &text);
	finish(&e);
	if (syncfs(e.dir) == -1)
		trouble(&e, "");
	close(e.dir);
	if (e.trouble != NULL)
		code = complain(CTL_FAILED, "%s", e.trouble);
	else if (code != CTL_OK)
		complain(code, "%s", text);
	else if (e.part != NULL)
		code = complain(e.done > 0 ? CTL_IN_PART : CTL_FAILED, "%s",
		    e.part);
	if (code != CTL_OK)
		unmake_folder(&e);
	free(e.trouble);
	free(e.part);
	tell(a, e.done);
	return code;
}
