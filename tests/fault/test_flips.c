/*
 * A bit is flipped, in every file of the store: at each byte of a segment's
 * headers and at places all over the rest, bodies that are still wanted above
 * all. The store must open, must not crash, and must lose no message but those
 * that the flipped bit is part of; and what it hands out is never other than
 * what it was given.
 *
 *	test_flips [FLIPS]	in each file
 */
#include "lib/prelude.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define FLIPS		SHORT_FORM(6)
#define IN_SEGMENT	6		/* at the least: not each body is wanted */
#define HEADER_BYTES	32

static uint64_t rng = 1;
static uint64_t flips;
static char *disk_dir;

static struct {
	uint32_t tried, lost, unread, in_body;
} sum;

/* In a segment: a body that somebody will ask for. */
struct body {
	size_t	 at, len;
};

static struct body bodies[LETTERS];
static size_t nbodies, nsegments;

/* How many messages a flip there may cost. */
static uint32_t
may_hurt(const char *name, const uint8_t *p, size_t size, size_t at)
{
	size_t i, begin = 0;

	if (strncmp(name, "spool/", 6) == 0)
		return 1;
	if (strncmp(name, "journal/", 8) != 0)
		return 0;
	for (i = SEGMENT_BEGIN; i + SEGMENT_BATCH_HEADER <= size && i <= at;
	    i += SEGMENT_BLOCK)
		if (memcmp(p + i, "BTCH", 4) == 0 && get_u64le(p + i + 16) ==
		    i && at < i + segment_blocks(get_u32le(p + i + 24)))
			begin = i;
	return begin == 0 ? 0 : get_u32le(p + begin + 28);
}

static bool
no_false_bytes(void)
{
	size_t i;

	for (i = 0; i < ledger->n; i++) {
		if (ledger->v[i].spoilt && !ledger->v[i].unread)
			return false;
		sum.unread += ledger->v[i].unread;
	}
	return true;
}

static bool
flip(const struct image *im, const char *name, size_t at)
{
	char *path = xasprintf("%s/%s", disk_dir, name);
	int fd;
	struct stat st;
	uint32_t allowed;
	struct verdict v;
	uint8_t *p;
	uint64_t none = 0;
	enum end end;

	world_empty(disk_dir);
	image_write(im, CUT_KEEPS, &none, disk_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s", path);
	p = xmalloc((size_t)st.st_size);
	if (read(fd, p, (size_t)st.st_size) != (ssize_t)st.st_size)
		fatal("%s", path);
	allowed = may_hurt(name, p, (size_t)st.st_size, at);
	p[at] ^= (uint8_t)(1 << dice(&rng, 8));
	if (pwrite(fd, p + at, 1, (off_t)at) != 1)
		fatal("%s", path);
	close(fd);
	free(path);
	free(p);
	end = world_judge(disk_dir);
	/* Its parent starts it again. */
	if (end == END_DIED)
		end = world_judge(disk_dir);
	v = world_verdict(0);
	sum.tried++;
	sum.lost += v.lost;
	if (end == END_GOOD && v.hurt <= allowed && v.strange == 0 &&
	    no_false_bytes())
		return true;
	printf("# %s at %zu: %s %s\n", name, at, end_name(end),
	    ledger->errstr);
	verdict_show(&v);
	setenv("SHOW_LOG", "1", 1);
	end = world_judge(disk_dir);
	unsetenv("SHOW_LOG");
	printf("# and at the next start: %s\n", end_name(end));
	return false;
}

/* Rather where something is than in the zeros. */
static size_t
some_place(const uint8_t *p, size_t size)
{
	size_t at = 0;
	int tries;

	for (tries = 0; tries < 200; tries++) {
		at = dice(&rng, size);
		if (p[at] != 0)
			break;
	}
	return at;
}

static bool
is_there(uint64_t id)
{
	size_t i;

	for (i = 0; i < ledger->n; i++)
		if (ledger->v[i].id == id)
			return ledger->v[i].removing == NEVER;
	return false;
}

static void
find_in_batch(const uint8_t *p, size_t at, size_t end, uint32_t records)
{
	struct record r;
	size_t len;

	for (; records > 0; records--, at += len) {
		len = record_get(p + at, end - at, &r);
		if (len == 0)
			return;
		if (r.body_len > 0 && is_there(r.id) && nbodies < LETTERS)
			bodies[nbodies++] = (struct body){
			    (size_t)(r.body - p), r.body_len };
	}
}

static void
find_bodies(const uint8_t *p, size_t size)
{
	size_t i, n;

	nbodies = 0;
	for (i = SEGMENT_BEGIN; i + SEGMENT_BATCH_HEADER <= size;
	    i += SEGMENT_BLOCK) {
		n = get_u32le(p + i + 24);
		if (memcmp(p + i, "BTCH", 4) == 0 && n <= size - i &&
		    get_u64le(p + i + 16) == i)
			find_in_batch(p, i + SEGMENT_BATCH_HEADER, i + n,
			    get_u32le(p + i + 28));
	}
}

/* No start reads the bodies that the index knows: whoever asks for them does. */
static size_t
place_in_body(void)
{
	const struct body *b = &bodies[dice(&rng, nbodies)];

	sum.in_body++;
	return b->at + dice(&rng, b->len);
}

static void
flip_file(const struct image *im, const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	bool segment = strstr(name, ".seg") != NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t bad = 0, tried = sum.tried;
	/* In few flips, each fourth byte of one header, others of the next. */
	uint64_t step = flips > FLIPS ? 1 : 4, i;
	struct stat st;
	uint8_t *p;

	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s", path);
	p = xmalloc((size_t)st.st_size + 1);
	if (read(fd, p, (size_t)st.st_size) != (ssize_t)st.st_size)
		fatal("%s", path);
	close(fd);
	nbodies = 0;
	if (segment)
		find_bodies(p, (size_t)st.st_size);
	for (i = segment ? nsegments++ % step : HEADER_BYTES; i < HEADER_BYTES;
	    i += step) {
		bad += !flip(im, name, i);
		bad += !flip(im, name, SEGMENT_BLOCK + i);
		bad += !flip(im, name, segment_end((uint64_t)st.st_size) + i);
	}
	for (i = 0; st.st_size > 0 && i < (segment && flips < IN_SEGMENT ?
	    IN_SEGMENT : flips); i++)
		bad += !flip(im, name, nbodies > 0 && i % 3 != 2 ?
		    place_in_body() : some_place(p, (size_t)st.st_size));
	ok(bad == 0, "%s: %u flips", name, sum.tried - tried);
	free(p);
	free(path);
}

static void
flip_files(const struct image *im, const char *dir, const char *below)
{
	char *path = xasprintf("%s/%s", dir, below);
	struct dirent **v;
	int i, spools = 0, n = scandir(path, &v, NULL, alphasort);

	for (i = 0; i < n; i++) {
		char *name = xasprintf("%s/%s", below, v[i]->d_name);

		/* Spool files are all alike. */
		if (v[i]->d_name[0] != '.' &&
		    (strcmp(below, "spool") != 0 || spools++ < 2))
			flip_file(im, dir, name);
		free(name);
		free(v[i]);
	}
	free(v);
	free(path);
}

/* With mail that the index has, and some that it does not have yet. */
static void
flip_store(bool close)
{
	struct session s = { .turns = 250, .seed = 3, .close = close,
	    .still = !close };
	struct image *im;
	char *dir = world_dir();

	s.dir = dir;
	world_fresh(dir);
	if (!ok(world_work(&s) == END_GOOD, "a store with %s",
	    close ? "all in its index" : "mail in its journal alone"))
		return;
	world_rebase(0);
	im = image_load(dir);
	flip_files(im, dir, "journal");
	flip_files(im, dir, "index");
	flip_files(im, dir, "spool");
	image_free(&im);
	world_remove(dir);
}

int
main(int argc, char **argv)
{
	flips = argc > 1 ? strtoull(argv[1], NULL, 10) : FLIPS;
	world_init();
	disk_dir = world_dir();
	flip_store(true);
	flip_store(false);
	world_remove(disk_dir);
	ok(sum.unread > 0 && sum.in_body > 0, "bodies were hit, and not "
	    "handed out");
	printf("# %u flips, %u of them in bodies: %u messages were lost, %u "
	    "not handed out\n", sum.tried, sum.in_body, sum.lost, sum.unread);
	return tap_done();
}
