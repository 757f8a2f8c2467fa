/*
 * The messages of a folder, each a NAME.json with its NAME.eml, go to the
 * queue, a few at a time. Before one is sent its file is marked with the id that
 * it will have in that queue (import_marks): the next import sends it under the
 * same id, and the queue knows whether it has it. A dry run sends all the same
 * and marks nothing: the queue looks and queues nothing.
 */
#include "lib/prelude.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

#include "lib/buf.h"
#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/import_envelope.h"
#include "posternctl/import_marks.h"
#include "posternctl/json.h"
#include "posternctl/row.h"

#define AT_ONCE		32	/* messages under way */
#define JSON_MAX	(4 * 1024 * 1024)
/* The most that limits.message-size may be; the queue knows what it is. */
#define CONTENT_MAX	(1024 * 1024 * 1024)
#define PIECE		(64 * 1024)
#define TAKEN_SUFFIX	MARK_SUFFIX ".imported"

struct import {
	struct ask *ask;
	int	 dir;
	struct mark items[AT_ONCE];	/* of requests 1..AT_ONCE */
	bool	 sent[AT_ONCE];		/* ... and not answered yet */
	size_t	 n;
	char	 ids[AT_ONCE][MARK_ID_LEN + 1]; /* that were handed out for them */
	size_t	 nids;
	bool	 fresh;			/* these were not sent before */
	bool	 dry;			/* all are only looked at */
	uint64_t done, known, doubted, failed;
	uint64_t before;		/* files of messages taken long since */
	char	*why;			/* owned: nobody takes any more */
	bool	 lost;			/* nor answers */
};

static volatile sig_atomic_t interrupted;

/* --- its files -------------------------------------------------------------------- */

/*
 * The folder may have come from anybody, and whoever imports may read
 * everything: nothing but what lies in it itself is taken. -1 after a complaint.
 */
static int
open_file(struct import *im, const char *file, const char *name, off_t max)
{
	int fd = openat(im->dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
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

/* What of it no mail may have (RFC 5321 2.3.8, 4.5.2; RFC 5322 2.3), or NULL. */
static const char *
no_mail(const uint8_t *p, size_t n, uint8_t last, uint64_t *line)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (last == '\r' && p[i] != '\n')
			return "a CR without an LF behind it";
		if (p[i] == '\0')
			return "a NUL";
		*line += p[i] == '\n';
		last = p[i];
	}
	return NULL;
}

/*
 * The file's bytes in a file of our own, with CRLF for each line end, as the
 * queue demands and editors do not write. -1 after a complaint.
 */
static int
content(struct import *im, const char *name, bool *eightbit)
{
	uint8_t piece[PIECE], last = 0;
	int from = open_file(im, name, name, CONTENT_MAX), to;
	size_t left = CONTENT_MAX + 1;	/* it may grow meanwhile */
	const char *why = NULL;
	uint64_t line = 1;
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
		why = no_mail(piece, (size_t)n, last, &line);
		if (why != NULL)
			break;
		for (i = 0; i < n; i++)
			*eightbit |= piece[i] >= 0x80;
		buf_reset(&out);
		mend(piece, (size_t)n, &last, &out);
		if (write(to, out.data, out.len) != (ssize_t)out.len) {
			n = -1;
			break;
		}
	}
	if (n == 0 && last == '\r')
		why = "a CR without an LF behind it";
	if (n == -1)
		complain(0, "%s: %s", name, strerrordesc_np(errno));
	else if (why != NULL)
		complain(0, "%s: line %llu has %s, which no mail may have", name,
		    (unsigned long long)line, why);
	else if (left == 0)
		complain(0, "%s grows while it is read", name);
	else if (left == CONTENT_MAX + 1)
		complain(0, "%s is empty", name);
	buf_clear(&out);
	close(from);
	if (n == 0 && why == NULL && left > 0 && left <= CONTENT_MAX)
		return to;
	if (to != -1)
		close(to);
	return -1;
}

/* --- the envelope ------------------------------------------------------------------ */

/* file: what it is called while it is under way. */
static struct json *
read_json(struct import *im, const char *file, const char *name)
{
	struct json *j = NULL;
	int fd = open_file(im, file, name, JSON_MAX);
	const char *why;
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
		else if ((why = import_envelope_wrong(j)) != NULL) {
			complain(0, "%s: %s", name, why);
			json_free(j);
			j = NULL;
		}
	}
	close(fd);
	free(text);
	return j;
}

/* --- requests ------------------------------------------------------------------------ */

static int
part_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	struct import *im = arg;
	struct row row;

	if (in->type != M_CTL_ROW || !row_get(in, &row))
		return -1;
	if (id == 0) {		/* an id for a message to come */
		if (im->nids < AT_ONCE)
			snprintf(im->ids[im->nids], MARK_ID_LEN + 1, "%s",
			    row_value(&row, "id"));
		im->nids++;
	} else if (strcmp(row_value(&row, "known"), "true") == 0)
		im->known++;
	else if (strcmp(row_value(&row, "doubted"), "true") == 0)
		im->doubted++;
	else
		im->done++;
	row_clear(&row);
	return 0;
}

/* Nobody takes any more; what is under way keeps its mark. */
static void
give_up(struct import *im, const char *text)
{
	if (im->why == NULL)
		im->why = xstrdup(text);
}

/* It is not queued. One that may have been before keeps its mark. */
static void
not_taken(struct import *im, struct mark *it)
{
	im->failed++;
	if (im->fresh && !im->dry)
		mark_undo(im->dir, it);
}

/* Waits for one answer. */
static void
settle(struct import *im)
{
	const char *text;
	uint64_t id;
	int code = talk_answer(&im->ask->talk, part_cb, im, &id, &text);
	struct mark *it;

	if (id == 0 || id > im->n || !im->sent[id - 1]) {
		give_up(im, text);
		im->lost = true;
		return;
	}
	it = &im->items[id - 1];
	im->sent[id - 1] = false;
	if (code == CTL_OK && im->dry)
		;
	else if (code == CTL_OK)
		mark_imported(im->dir, it);
	else if (code == CTL_TEMPORARY)
		give_up(im, text);
	else {
		complain(0, "%s" MARK_SUFFIX ": %s", it->stem, text);
		not_taken(im, it);
	}
}

static bool
send_one(struct import *im, size_t i, const struct json *j, int fd,
    bool eightbit)
{
	struct envelope_args args = { .n = 0 };
	char former[MARK_ID_LEN + 1];
	bool sent = false;

	import_envelope_args(&args, j);
	if (im->dry)
		import_envelope_add(&args, "dry-run", "yes");
	if (!im->dry || !im->fresh)
		import_envelope_add(&args, "as", im->items[i].id);
	mark_former(&im->items[i], former);
	if (*former != '\0')
		import_envelope_add(&args, "doubted", former);
	import_envelope_add(&args, "8bit", eightbit ? "1" : "0");
	if (args.full)
		complain(0, "%s" MARK_SUFFIX ": too many recipients",
		    im->items[i].stem);
	else
		sent = talk_ask(&im->ask->talk, &(struct talk_request){
		    .id = i + 1, .words = im->ask->verb->words,
		    .args = args.v, .nargs = args.n, .fd = fd }) == CTL_OK;
	import_envelope_clear(&args);
	return sent;
}

static void
import_one(struct import *im, size_t i)
{
	struct mark *it = &im->items[i];
	char *file = im->dry ? xstrdup(it->file) : mark_file(it, true);
	char *name = mark_file(it, false);
	char *eml = xasprintf("%s.eml", it->stem);
	struct json *j = read_json(im, file, name);
	bool eightbit;
	int fd = j == NULL ? -1 : content(im, eml, &eightbit);

	im->sent[i] = fd != -1 && send_one(im, i, j, fd, eightbit);
	if (!im->sent[i])
		not_taken(im, it);
	if (fd != -1)
		close(fd);
	json_free(j);
	free(file);
	free(name);
	free(eml);
}

static bool
get_ids(struct import *im, size_t n)
{
	char *arg = xasprintf("ids=%zu", n);
	const char *text = "the request cannot be sent";
	uint64_t id;
	int code;

	im->nids = 0;
	code = talk_ask(&im->ask->talk, &(struct talk_request){ .id = 0,
	    .words = im->ask->verb->words, .args = &arg, .nargs = 1,
	    .fd = -1 });
	free(arg);
	if (code == CTL_OK)
		code = talk_answer(&im->ask->talk, part_cb, im, &id, &text);
	if (code == CTL_OK && im->nids == n)
		return true;
	give_up(im, text);
	return false;
}

/* Their marks are on the disk before the first of them is sent. */
static bool
mark_some(struct import *im)
{
	bool good = mark_all(im->dir, im->items, im->ids, im->n, im->fresh);
	size_t i;

	for (i = 0; i < im->n; i++)
		im->failed += im->items[i].skip;
	if (!good)
		give_up(im, "what is sent must be marked in the folder");
	return good;
}

/* The one id that a dry run has says which queue this is. */
static bool
foresee_some(struct import *im)
{
	size_t i;

	if (im->nids == 0 && !get_ids(im, 1))
		return false;
	for (i = 0; i < im->n; i++) {
		mark_foresee(&im->items[i], im->ids[0]);
		im->failed += im->items[i].skip;
	}
	return true;
}

/* A few messages, all answered at the end. */
static void
import_some(struct import *im)
{
	size_t i;

	if (im->n > 0 && (im->dry ? foresee_some(im) :
	    get_ids(im, im->n) && mark_some(im)))
		for (i = 0; i < im->n; i++) {
			if (!interrupted && !im->items[i].skip)
				import_one(im, i);
			else if (im->fresh && !im->dry)
				mark_undo(im->dir, &im->items[i]);
		}
	for (i = 0; i < im->n; i++) {
		while (im->sent[i] && !im->lost)
			settle(im);
		mark_clear(&im->items[i]);
	}
	memset(im->sent, 0, sizeof(im->sent));
	im->n = 0;
}

/* Those that were under way when an import was interrupted, or all others. */
static void
import_all(struct import *im, struct dirent **names, int n, bool fresh)
{
	int i;

	im->fresh = fresh;
	for (i = 0; i < n && im->why == NULL && !interrupted; i++) {
		if (mark_under_way(names[i]->d_name) == fresh)
			continue;
		mark_read(&im->items[im->n], names[i]->d_name);
		if (++im->n == AT_ONCE)
			import_some(im);
	}
	if (im->why == NULL)
		import_some(im);
}

/* --- from the beginning to the end ------------------------------------------------------ */

static int
is_wanted(const struct dirent *d)
{
	return mark_wanted(d->d_name);
}

static bool
is_taken(const struct dirent *d)
{
	size_t n = strlen(d->d_name), len = sizeof(TAKEN_SUFFIX) - 1;

	return n > len && strcmp(d->d_name + n - len, TAKEN_SUFFIX) == 0;
}

static void
count_taken(struct import *im, const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		im->before += is_taken(e);
	closedir(d);
}

static void
on_signal(int sig)
{
	interrupted = 1;
}

/* What is under way is finished; a second signal ends it at once. */
static void
catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal,
	    .sa_flags = SA_RESTART | (int)SA_RESETHAND };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static int
open_folder(struct import *im, const char *path)
{
	im->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (im->dir == -1)
		return complain(CTL_FAILED, "cannot read the folder %s: %s",
		    path, strerrordesc_np(errno));
	/* Where nothing can be locked, nobody else is likely to try. */
	if (flock(im->dir, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) {
		close(im->dir);
		return complain(CTL_TEMPORARY, "another import of %s is under "
		    "way", path);
	}
	return CTL_OK;
}

/* The answer for people; a program gets it as one sentence of several. */
static void
in_words(const struct import *im, const char *path, struct buf *text)
{
	const char *line = im->ask->json ? " " : "\n";

	buf_addf(text, "%llu %simported from %s.", (unsigned long long)im->done,
	    im->dry ? "would be " : "", path);
	if (im->dry && im->failed > 0)
		buf_addf(text, "%s%llu would not.", line,
		    (unsigned long long)im->failed);
	if (im->before > 0)
		buf_addf(text, "%s%llu in it %s imported before.", line,
		    (unsigned long long)im->before, im->before == 1 ? "was" :
		    "were");
	if (im->known > 0)
		buf_addf(text, "%s%llu had been queued before an import was "
		    "interrupted, and are not queued twice.", line,
		    (unsigned long long)im->known);
	if (im->doubted > 0)
		buf_addf(text, "%s%llu more %s on hold: they were under way "
		    "when the queue ended, or to another server's,%sand may "
		    "have gone out. See posternctl queue list --state held; "
		    "remove those that the log has as delivered, release the "
		    "rest.", line, (unsigned long long)im->doubted,
		    im->dry ? "would be" : "are", line);
}

static void
tell(const struct import *im, const char *path)
{
	struct buf text;

	buf_init(&text, PATH_MAX + 1024);
	in_words(im, path, &text);
	if (im->ask->json) {
		fputs("{\"done\":", stdout);
		json_put(stdout, buf_str(&text), text.len);
		printf(",\"imported\":%llu,\"imported_before\":%llu,"
		    "\"known\":%llu,\"held\":%llu,\"failed\":%llu%s}\n",
		    (unsigned long long)im->done,
		    (unsigned long long)im->before,
		    (unsigned long long)im->known,
		    (unsigned long long)im->doubted,
		    (unsigned long long)im->failed,
		    im->dry ? ",\"dry_run\":true" : "");
	} else
		puts(buf_str(&text));
	buf_clear(&text);
}

int
ask_import(struct ask *a)
{
	struct import im = { .ask = a, .dry = ask_has(a, "dry-run") };
	struct dirent **names;
	const char *path = a->args[0];
	int i, n, code = open_folder(&im, path);

	if (code != CTL_OK)
		return code;
	n = scandir(path, &names, is_wanted, alphasort);
	if (n == -1)
		return complain(CTL_FAILED, "cannot read the folder %s: %s",
		    path, strerrordesc_np(errno));
	count_taken(&im, path);
	catch_signals();
	import_all(&im, names, n, false);
	import_all(&im, names, n, true);
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	close(im.dir);
	tell(&im, path);
	code = im.failed == 0 ? CTL_OK : CTL_FAILED;
	if (im.why != NULL)
		code = complain(CTL_TEMPORARY, "%s; run this import again%s",
		    im.why, im.dry ? "" : " for the rest");
	else if (interrupted)
		code = complain(CTL_FAILED, "interrupted; run it again%s",
		    im.dry ? "" : " for the rest");
	free(im.why);
	return code;
}
