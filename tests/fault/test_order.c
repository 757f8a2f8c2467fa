/*
 * The order of the store's calls, looked at on the tape: what a cut of the power
 * would find amiss only in an unlucky moment.
 *
 *	A segment's headers and its name are durable before its first batch is
 *	written.
 *	The index's files are durable, and their names, when it is used, whatever
 *	a cut in the first start has left for Berkeley DB's recovery to make anew.
 */
#include "lib/prelude.h"

#include "lib/log.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define TURNS		400
#define FILES		256
#define SEGMENT_BEGIN	8192

static struct tape *tape;
static char *live_dir, *disk_dir;

/* A file, as the tape tells of it. */
struct file {
	uint64_t ino;
	char	 path[TAPE_PATH];	/* "": it has lost it */
	bool	 directory;
	bool	 dirty;			/* the bytes */
	bool	 dirty_head;		/* a segment's headers */
	bool	 dirty_name;		/* in its directory */
};

static struct file files[FILES];
static size_t nfiles;

static struct file *
find(uint64_t ino)
{
	size_t i;

	for (i = 0; i < nfiles; i++)
		if (files[i].ino == ino)
			return &files[i];
	return NULL;
}

static struct file *
find_path(const char *path)
{
	size_t i;

	for (i = 0; i < nfiles; i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

static bool
ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

/* --- following the tape --------------------------------------------------------- */

static void
follow_open(const struct tape_op *op)
{
	struct file *f = find(op->ino);

	if (f == NULL || strcmp(f->path, op->path) != 0) {
		/* The number may have been another's. */
		if (f == NULL && nfiles == FILES)
			fatalx("too many files on the tape");
		if (f == NULL)
			f = &files[nfiles++];
		*f = (struct file){ .ino = op->ino,
		    .directory = op->directory };
		memcpy(f->path, op->path, sizeof(f->path));
	}
	f->dirty_name |= op->made;
}

static void
follow_name(const struct tape_op *op)
{
	struct file *f = find_path(op->path), *old;

	if (f == NULL)
		return;
	if (op->kind == TAPE_UNLINK) {
		f->path[0] = '\0';
		return;
	}
	old = find_path(op->path2);
	if (old != NULL)
		old->path[0] = '\0';
	memcpy(f->path, op->path2, sizeof(f->path));
	f->dirty_name = true;
}

/* The names in a directory, not those below it. */
static void
names_synced(const char *dir)
{
	size_t i, n = strlen(dir);

	for (i = 0; i < nfiles; i++)
		if (n == 0 ? strchr(files[i].path, '/') == NULL :
		    strncmp(files[i].path, dir, n) == 0 &&
		    files[i].path[n] == '/' &&
		    strchr(files[i].path + n + 1, '/') == NULL)
			files[i].dirty_name = false;
}

/* True when a batch is written where headers or name may yet be lost. */
static bool
follow_write(const struct tape_op *op)
{
	struct file *f = find(op->ino);
	bool early;

	if (f == NULL)
		fatalx("the tape knows a file that was never opened");
	f->dirty = true;
	/* Zeros are what a new one is filled with. */
	if (!ends_in(f->path, ".seg") || op->data == 0)
		return false;
	early = op->at >= SEGMENT_BEGIN && memcmp(tape->bytes + op->data,
	    "POSTERN", 7) != 0;
	f->dirty_head |= !early;
	return early && (f->dirty_head || f->dirty_name);
}

static void
follow_sync(const struct tape_op *op)
{
	struct file *f = find(op->ino);

	if (f == NULL)
		return;
	f->dirty = f->dirty_head = false;
	if (f->directory)
		names_synced(f->path);
}

static uint32_t
follow(size_t until)
{
	const struct tape_op *op;
	uint32_t early = 0;
	size_t i;

	nfiles = 0;
	for (i = 0; i < until; i++) {
		op = &tape->op[i];
		switch (op->kind) {
		case TAPE_OPEN:
			follow_open(op);
			break;
		case TAPE_WRITE:
			early += follow_write(op);
			break;
		case TAPE_TRUNCATE:
			find(op->ino)->dirty = true;
			break;
		case TAPE_SYNC:
			follow_sync(op);
			break;
		case TAPE_RENAME:
		case TAPE_UNLINK:
			follow_name(op);
			break;
		case TAPE_SYNC_LOST:
		case TAPE_MKDIR:
			break;
		}
	}
	return early;
}

/* --- tests ---------------------------------------------------------------------- */

/* Segments that are new, and such that are used again. */
static void
test_headers(void)
{
	struct session s = { .dir = live_dir, .seed = 1, .turns = TURNS,
	    .heavy = true, .tape = tape };
	size_t i, begun = 0;

	world_fresh(live_dir);
	tape->n = tape->used = 0;
	is_int(world_work(&s), END_GOOD, "a session");
	is_int(follow(tape->n), 0, "no batch is written before its segment's "
	    "headers and name are synced");
	for (i = 0; i < tape->n; i++)
		begun += tape->op[i].kind == TAPE_RENAME &&
		    ends_in(tape->op[i].path2, ".seg");
	ok(begun > 4, "%zu segments were begun", begun);
}

/* What of the databases is not durable once the store is open. */
static uint32_t
loose_ends(void)
{
	uint32_t n = 0;
	size_t i;

	(void)follow(ledger->started);
	for (i = 0; i < nfiles; i++) {
		if (strncmp(files[i].path, "index/", 6) != 0 ||
		    !ends_in(files[i].path, ".db") ||
		    (!files[i].dirty && !files[i].dirty_name))
			continue;
		printf("# %s: its %s not synced\n", files[i].path,
		    files[i].dirty ? "bytes are" : "name is");
		n++;
	}
	return n;
}

/* The first start, cut behind each of its syncs; then another. */
static void
test_index(void)
{
	struct session s = { .dir = live_dir, .seed = 1, .still = true,
	    .tape = tape };
	static struct tape *first;
	uint32_t starts = 0, loose = 0, bad = 0;
	uint64_t none = 0;
	struct image *im;
	size_t at;

	first = shared_memory(sizeof(*first));
	world_fresh(live_dir);
	im = image_load(live_dir);
	s.tape = first;
	is_int(world_work(&s), END_GOOD, "a first start");
	s.tape = tape;
	s.dir = disk_dir;
	for (at = 1; at <= first->n; at++) {
		if (first->op[at - 1].kind != TAPE_SYNC)
			continue;
		image_play(im, first, at);
		world_fresh(disk_dir);
		image_write(im, CUT_DROPS, &none, disk_dir);
		tape->n = tape->used = 0;
		bad += world_work(&s) != END_GOOD;
		loose += loose_ends();
		starts++;
	}
	image_free(&im);
	is_int(bad, 0, "%u starts behind a cut of the first", starts);
	is_int(loose, 0, "the index is on the disk when each is done");
}

int
main(int argc, char **argv)
{
	tape = shared_memory(sizeof(*tape));
	world_init();
	live_dir = world_dir();
	disk_dir = world_dir();
	test_headers();
	test_index();
	world_remove(live_dir);
	world_remove(disk_dir);
	return tap_done();
}
