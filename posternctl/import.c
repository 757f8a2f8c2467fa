/*
 * The messages of a folder, each a NAME.json with its NAME.eml, go to the
 * queue, a few at a time. What has been taken is renamed NAME.json.imported,
 * so that an import that was interrupted goes on where it stopped.
 */
#include "lib/prelude.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>

#include "lib/buf.h"
#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/json.h"

#define AT_ONCE		32	/* requests under way */
#define JSON_MAX	(4 * 1024 * 1024)
/* The most that limits.message-size may be; the queue knows what it is. */
#define CONTENT_MAX	(1024 * 1024 * 1024)
#define PIECE		(64 * 1024)

struct import {
	struct ask *ask;
	int	 dir;
	char	*names[AT_ONCE];	/* owned; of requests 1..AT_ONCE */
	size_t	 under_way;
	uint64_t done, failed;
};

struct args {
	char	*v[CTL_ARGS_MAX];
	size_t	 n;
	bool	 full;
};

/* --- its files -------------------------------------------------------------------- */

/*
 * The folder may have come from anybody, and whoever imports may read
 * everything: nothing but what lies in it itself is taken. -1 after a complaint.
 */
static int
open_file(struct import *im, const char *name, off_t max)
{
	int fd = openat(im->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOFOLLOW);
	struct stat st;

	if (fd == -1 && errno == ELOOP)
		complain(0, "%s is a symbolic link, and not followed: put the "
		    "file itself there", name);
	else if (fd == -1 || fstat(fd, &st) == -1)
		complain(0, "%s: %s", name, strerrordesc_np(errno));
	else if (!S_ISREG(st.st_mode))
		complain(0, "%s is not a plain file", name);
	else if (st.st_size > max)
		complain(0, "%s is larger than %lld MB", name,
		    (long long)max / (1024 * 1024));
	else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

/* --- the content ------------------------------------------------------------------ */

/* RFC 5321 2.3.8 for one piece; *last is the byte before it. */
static void
mend(const uint8_t *p, size_t n, uint8_t *last, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\n' && *last != '\r')
			buf_addc(out, '\r');
		buf_addc(out, p[i]);
		*last = p[i];
	}
}

/*
 * The file's bytes in a file of our own, with CRLF for each line end, as the
 * queue demands and editors do not write. -1 after a complaint.
 */
static int
content(struct import *im, const char *name, bool *eightbit)
{
	uint8_t piece[PIECE], last = 0;
	int from = open_file(im, name, CONTENT_MAX), to;
	size_t left = CONTENT_MAX + 1;	/* it may grow meanwhile */
	struct buf out;
	ssize_t n = -1, i;

	if (from == -1)
		return -1;
	to = memfd_create("message", MFD_CLOEXEC);
	buf_init(&out, 2 * PIECE);
	*eightbit = false;
	while (to != -1 && (n = read(from, piece, sizeof(piece) < left ?
	    sizeof(piece) : left)) > 0) {
		left -= (size_t)n;
		for (i = 0; i < n; i++)
			*eightbit |= piece[i] >= 0x80;
		buf_reset(&out);
		mend(piece, (size_t)n, &last, &out);
		if (write(to, out.data, out.len) != (ssize_t)out.len) {
			n = -1;
			break;
		}
	}
	if (n == -1)
		complain(0, "%s: %s", name, strerrordesc_np(errno));
	else if (left == 0)
		complain(0, "%s grows while it is read", name);
	buf_clear(&out);
	close(from);
	if (n == 0 && left > 0)
		return to;
	if (to != -1)
		close(to);
	return -1;
}

/* --- the envelope ------------------------------------------------------------------ */

static void
add(struct args *to, const char *name, const char *value)
{
	if (to->n == CTL_ARGS_MAX - 2)
		to->full = true;
	else
		to->v[to->n++] = xasprintf("%s=%s", name, value);
}

static void
args_clear(struct args *a)
{
	while (a->n > 0)
		free(a->v[--a->n]);
}

/* A member under the name that the queue gives it, unless it says nothing. */
static void
member(struct args *to, const struct json *j, const char *key,
    const char *name)
{
	const struct json *m = json_member(j, key);

	if (m == NULL)
		return;
	if (m->kind == JSON_TRUE)
		add(to, name, "1");
	else if ((m->kind == JSON_STRING || m->kind == JSON_NUMBER) &&
	    *m->text != '\0')
		add(to, name, m->text);
}

/* Those that are done with stay out; who writes a file by hand leaves it away. */
static void
recipients(struct args *to, const struct json *list)
{
	const struct json *r, *p;

	if (list == NULL || list->kind != JSON_ARRAY)
		return;
	for (r = list->child; r != NULL; r = r->next) {
		p = json_member(r, "pending");
		if (p != NULL && p->kind == JSON_FALSE)
			continue;
		member(to, r, "to", "to");
		member(to, r, "notify", "notify");
		member(to, r, "orcpt", "orcpt");
	}
}

static void
envelope(struct args *to, const struct json *j, bool eightbit)
{
	static const char *const names[][2] = {
		{ "id", "was" }, { "account", "account" }, { "cap", "cap" },
		{ "from", "from" }, { "arrived_ms", "arrived" },
		{ "expires_ms", "expires" }, { "attempts", "attempts" },
		{ "hold", "hold" }, { "route", "route" },
		{ "envid", "envid" }, { "ret", "ret" }, { "utf8", "utf8" },
		{ "require_tls", "require-tls" },
		{ "hold_until_ms", "hold-until" }, { "by", "by" },
		{ "by_ms", "by-ms" }, { "priority", "priority" },
	};
	size_t i;

	for (i = 0; i < nitems(names); i++)
		member(to, j, names[i][0], names[i][1]);
	add(to, "8bit", eightbit ? "1" : "0");
	recipients(to, json_member(j, "recipients"));
}

static struct json *
read_json(struct import *im, const char *name)
{
	struct json *j = NULL;
	int fd = open_file(im, name, JSON_MAX);
	char *text;
	size_t len = 0, at;
	ssize_t n = -1;

	if (fd == -1)
		return NULL;
	text = xmalloc(JSON_MAX);
	while (len < JSON_MAX &&
	    (n = read(fd, text + len, JSON_MAX - len)) > 0)
		len += (size_t)n;
	if (n == -1)
		complain(0, "%s: %s", name, strerrordesc_np(errno));
	else if (len == JSON_MAX)
		complain(0, "%s: an envelope of 4 MB or more", name);
	else {
		j = json_parse(text, len, &at);
		if (j == NULL)
			complain(0, "%s: no JSON from byte %zu on", name, at);
	}
	close(fd);
	free(text);
	return j;
}

/* --- requests ------------------------------------------------------------------------ */

static int
part_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	return 0;
}

static void
renamed(struct import *im, const char *name)
{
	char *to = xasprintf("%s.imported", name);

	if (renameat(im->dir, name, im->dir, to) == -1)
		complain(0, "%s is queued, but cannot be renamed: %s", name,
		    strerrordesc_np(errno));
	free(to);
}

/* Waits for one answer. False when there will be no more. */
static bool
settle(struct import *im)
{
	const char *text;
	uint64_t id;
	int code = talk_answer(&im->ask->talk, part_cb, im, &id, &text);
	char *name;

	if (id == 0 || id > AT_ONCE || im->names[id - 1] == NULL) {
		complain(code, "%s", text);
		return false;
	}
	name = im->names[id - 1];
	im->names[id - 1] = NULL;
	im->under_way--;
	if (code == CTL_OK) {
		im->done++;
		renamed(im, name);
	} else {
		im->failed++;
		complain(code, "%s: %s", name, text);
	}
	free(name);
	return true;
}

/* Sends one message on its way; false when nobody listens any more. */
static bool
hand_in(struct import *im, const char *name, const struct json *j, int fd,
    bool eightbit)
{
	struct args args = { .n = 0 };
	size_t slot = 0;
	int code;

	while (im->under_way == AT_ONCE)
		if (!settle(im))
			return false;
	while (im->names[slot] != NULL)
		slot++;
	envelope(&args, j, eightbit);
	if (args.full)
		code = complain(CTL_FAILED, "%s: too many recipients", name);
	else
		code = talk_ask(&im->ask->talk, &(struct talk_request){
		    .id = slot + 1, .words = im->ask->verb->words,
		    .args = args.v, .nargs = args.n, .fd = fd });
	args_clear(&args);
	if (code == CTL_OK) {
		im->names[slot] = xstrdup(name);
		im->under_way++;
	} else
		im->failed++;
	return true;
}

static bool
import_one(struct import *im, const char *name)
{
	struct json *j = read_json(im, name);
	char *eml = xasprintf("%.*s.eml", (int)strlen(name) - 5, name);
	bool eightbit, listens = true;
	int fd = j == NULL ? -1 : content(im, eml, &eightbit);

	if (fd == -1)
		im->failed++;
	else {
		listens = hand_in(im, name, j, fd, eightbit);
		close(fd);
	}
	json_free(j);
	free(eml);
	return listens;
}

static int
is_envelope(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

int
ask_import(struct ask *a)
{
	struct import im = { .ask = a };
	struct dirent **names;
	const char *path = a->args[0];
	bool listens = true;
	int i, n = scandir(path, &names, is_envelope, alphasort);

	im.dir = n == -1 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (im.dir == -1)
		return complain(CTL_FAILED, "cannot read the folder %s: %s",
		    path, strerrordesc_np(errno));
	for (i = 0; i < n; i++) {
		if (listens)
			listens = import_one(&im, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	while (listens && im.under_way > 0)
		listens = settle(&im);
	for (i = 0; i < AT_ONCE; i++)
		free(im.names[i]);
	close(im.dir);
	if (a->json)
		printf("{\"imported\":%llu,\"failed\":%llu}\n",
		    (unsigned long long)im.done,
		    (unsigned long long)im.failed);
	else
		printf("%llu imported from %s.\n", (unsigned long long)im.done,
		    path);
	return listens && im.failed == 0 ? CTL_OK : CTL_FAILED;
}
