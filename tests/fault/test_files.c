/*
 * What a store's directory must not hold. Each of its files is, one at a time,
 * cut short at many lengths, emptied, filled with zeros or garbage, put in
 * another's place, doubled under another name, or replaced by a symbolic link,
 * a FIFO, a directory or nothing at all; a segment also loses its headers. The
 * store must open, but for a segment, identity or ballast that is no file,
 * where it may say why it does not; it must not hang, nor hand out a wrong byte,
 * nor lose what is in other files. As root, each is also root's in a store of
 * another user, who says so and does not start, or, if it is one message's, goes
 * without that.
 *
 *	test_files [LENGTHS]	so many of each file
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>

#include "lib/log.h"
#include "lib/le.h"
#include "lib/xalloc.h"
#include "queue/segment.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"
#include "tests/tap.h"

#define LENGTHS		SHORT_FORM(3)
#define TURNS		260
#define FILES		40
#define QUEUE_USER	61004	/* anybody's but root */

enum damage {
	CUT, EMPTY, ZEROS, GARBAGE, HEADLESS, SWAPPED, DOUBLED, LINKED, FIFO,
	DIRECTORY, MISSING, FOREIGN, DAMAGES
};

static const char *const damages[DAMAGES] = { "cut short", "empty", "zeros",
    "garbage", "without its headers", "in the place of another", "doubled",
    "a symbolic link", "a FIFO", "a directory", "missing",
    "root's" };

static char *dir, *disk;
static struct image *image;
static char *names[FILES];	/* below dir */
static size_t nnames;
static uint64_t rng;

static struct {
	uint32_t tried, good, refused, lost, unread, bad;
} sum;

/* --- the files --------------------------------------------------------------------- */

static void
add_names(const char *sub)
{
	char *path = xasprintf("%s/%s", dir, sub);
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL)
		fatal("%s", path);
	while ((e = readdir(d)) != NULL && nnames < FILES)
		if (e->d_name[0] != '.' && e->d_type == DT_REG)
			names[nnames++] = xasprintf("%s%s%s", sub,
			    *sub == '\0' ? "" : "/", e->d_name);
	closedir(d);
	free(path);
}

static bool
same_kind(const char *a, const char *b)
{
	const char *slash = strchr(a, '/');

	return slash != NULL && strncmp(a, b, (size_t)(slash - a) + 1) == 0;
}

/* Another file of the same folder; NULL when there is none. */
static const char *
other_than(size_t i)
{
	size_t k;

	for (k = 1; k < nnames; k++)
		if (same_kind(names[i], names[(i + k) % nnames]))
			return names[(i + k) % nnames];
	return NULL;
}

static char *
on_disk(const char *name)
{
	return xasprintf("%s/%s", disk, name);
}

/* --- damage --------------------------------------------------------------------------- */

static void
overwrite(const char *path, bool zeros)
{
	uint8_t block[4096] = { 0 };
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	off_t at;
	size_t i;

	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s", path);
	for (at = 0; at < st.st_size; at += (off_t)sizeof(block)) {
		for (i = 0; !zeros && i < sizeof(block); i++)
			block[i] = (uint8_t)dice(&rng, 256);
		if (pwrite(fd, block, (size_t)(st.st_size - at) <
		    sizeof(block) ? (size_t)(st.st_size - at) : sizeof(block),
		    at) == -1)
			fatal("%s", path);
	}
	close(fd);
}

/* The batches stay, and nothing proves them: which segment's they are. */
static void
take_headers(const char *path)
{
	static const uint8_t zeros[SEGMENT_BEGIN];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 ||
	    pwrite(fd, zeros, SEGMENT_BEGIN, 0) == -1 ||
	    pwrite(fd, zeros, SEGMENT_BLOCK,
	    (off_t)segment_end((uint64_t)st.st_size)) == -1)
		fatal("%s", path);
	close(fd);
}

static void
copy_to(const char *from, const char *to)
{
	static uint8_t bytes[4 * 1024 * 1024];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = read(in, bytes, sizeof(bytes));

	if (in == -1 || out == -1 || n == -1 ||
	    write(out, bytes, (size_t)n) != n)
		fatal("%s to %s", from, to);
	close(in);
	close(out);
}

/* A name that the store could have given, the next that it has not. */
static char *
next_name(const char *path)
{
	char *to = xstrdup(path), *at = strrchr(to, '/') + 1;
	size_t i = strcspn(at, "."), tries = 16;

	while (i > 0 && strchr("0123456789abcdef", at[i - 1]) == NULL)
		i--;
	while (i > 0 && tries-- > 0 && access(to, F_OK) == 0)
		at[i - 1] = at[i - 1] == '9' ? 'a' : at[i - 1] == 'f' ? '0' :
		    (char)(at[i - 1] + 1);
	return to;
}

static void
replace(const char *path, enum damage d)
{
	char *aside = xasprintf("%s.aside", path);

	if (d == LINKED) {
		if (rename(path, aside) == -1 || symlink(aside, path) == -1)
			fatal("%s", path);
	} else if (unlink(path) == -1 ||
	    (d == FIFO && mkfifo(path, 0600) == -1) ||
	    (d == DIRECTORY && mkdir(path, 0700) == -1))
		fatal("%s", path);
	free(aside);
}

static void
swap(const char *path, size_t i)
{
	const char *other = other_than(i);
	char *from, *aside;

	if (other == NULL)
		return;
	from = on_disk(other);
	aside = xasprintf("%s.aside", path);
	if (rename(path, aside) == -1 || rename(from, path) == -1 ||
	    rename(aside, from) == -1)
		fatal("%s", path);
	free(from);
	free(aside);
}

static int
give_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return lchown(path, QUEUE_USER, QUEUE_USER);
}

static void
do_damage(size_t i, enum damage d, uint64_t length)
{
	char *path = on_disk(names[i]), *to;

	switch (d) {
	case CUT:
	case EMPTY:
		if (truncate(path, d == EMPTY ? 0 : (off_t)length) == -1)
			fatal("%s", path);
		break;
	case ZEROS:
	case GARBAGE:
		overwrite(path, d == ZEROS);
		break;
	case HEADLESS:
		take_headers(path);
		break;
	case SWAPPED:
		swap(path, i);
		break;
	case DOUBLED:
		to = next_name(path);
		copy_to(path, to);
		free(to);
		break;
	case FOREIGN:
		if (nftw(disk, give_cb, 16, FTW_PHYS) != 0 ||
		    chown(path, 0, 0) == -1)
			fatal("%s", path);
		break;
	default:
		replace(path, d);
	}
	free(path);
}

/* --- judgement ------------------------------------------------------------------------- */

/* Records of the batches in this segment, by what their headers say. */
static uint32_t
records_in(const char *name)
{
	static uint8_t p[4 * 1024 * 1024];
	char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, p, sizeof(p));
	uint32_t n = 0;
	size_t i;

	if (size == -1)
		fatal("%s", path);
	for (i = SEGMENT_BEGIN; i + SEGMENT_BATCH_HEADER <= (size_t)size;
	    i += SEGMENT_BLOCK)
		if (memcmp(p + i, "BTCH", 4) == 0 &&
		    get_u64le(p + i + 16) == i)
			n += get_u32le(p + i + 28);
	close(fd);
	free(path);
	return n;
}

/* How many messages it may cost: all whose records or body are in it. */
static uint32_t
may_cost(size_t i, enum damage d)
{
	const char *name = names[i], *other = other_than(i);

	if (d == DOUBLED)
		return 0;
	if (strstr(name, ".seg") != NULL)
		return records_in(name) + (d == SWAPPED && other != NULL ?
		    records_in(other) : 0);
	if (strncmp(name, "spool/", 6) == 0)
		return d == SWAPPED ? 2 : 1;
	if (d == SWAPPED && other != NULL && strstr(other, ".seg") != NULL)
		return records_in(other);
	return 0;
}

/* What is no file at all, in place of what no start may make anew unasked. */
static bool
may_refuse(const char *name, enum damage d)
{
	return (strstr(name, ".seg") != NULL ||
	    strcmp(name, "identity") == 0 || strcmp(name, "ballast") == 0) &&
	    (d == LINKED || d == FIFO || d == DIRECTORY);
}

/* Whoever the queue is, it says whose the file is, and changes nothing. */
static bool
judge_foreign(const char *name)
{
	bool spool = strncmp(name, "spool/", 6) == 0;
	struct verdict v;
	enum end end;

	if (seteuid(QUEUE_USER) == -1)
		fatal("seteuid");
	end = world_judge(disk);
	if (seteuid(0) == -1)
		fatal("seteuid");
	sum.tried++;
	if (!spool) {
		sum.refused++;
		return end == END_REFUSED && strstr(ledger->errstr, name) !=
		    NULL && strstr(ledger->errstr, "belongs to user 0 instead "
		    "of 61004") != NULL;
	}
	if (end != END_GOOD)
		return false;
	v = world_verdict(0);
	sum.good++;
	sum.unread += v.hurt;
	return v.lost == 0 && v.strange == 0 && v.hurt <= 1 && (v.hurt == 0 ||
	    strstr(ledger->errstr, "closed to the queue") != NULL);
}

static bool
judge(size_t at, enum damage d)
{
	const char *name = names[at];
	uint32_t unread = 0, wrong = 0;
	struct verdict v;
	enum end end;
	size_t i;

	end = world_judge(disk);
	if (end == END_DIED)		/* its parent starts it again */
		end = world_judge(disk);
	sum.tried++;
	/* Its log says which file cannot be made; an admin has to look. */
	if (end == END_DIED && (d == FIFO || d == DIRECTORY) &&
	    (strcmp(name, "journal/next") == 0 ||
	    strncmp(name, "index/log.", 10) == 0))
		return ledger->lines > 0;
	if (end == END_REFUSED && may_refuse(name, d) &&
	    ledger->errstr[0] != '\0') {
		sum.refused++;
		return true;
	}
	if (end != END_GOOD) {
		printf("# it %s\n", end_name(end));
		return false;
	}
	v = world_verdict(0);
	for (i = 0; i < ledger->n; i++) {
		unread += ledger->v[i].unread;
		wrong += ledger->v[i].spoilt && !ledger->v[i].unread;
	}
	sum.good++;
	sum.lost += v.lost;
	sum.unread += unread;
	return wrong == 0 && v.strange == 0 && v.hurt <= may_cost(at, d);
}

static void
try(size_t i, enum damage d, uint64_t length)
{
	uint64_t none = 0;
	struct verdict v;

	world_empty(disk);
	image_write(image, CUT_KEEPS, &none, disk);
	do_damage(i, d, length);
	if (d == FOREIGN ? judge_foreign(names[i]) : judge(i, d))
		return;
	sum.bad++;
	printf("# %s is %s (%llu), which may cost %u: %s\n", names[i],
	    damages[d], (unsigned long long)length, may_cost(i, d),
	    ledger->errstr);
	v = world_verdict(0);
	verdict_show(&v);
}

static void
try_all(size_t i, uint32_t lengths)
{
	char *path = xasprintf("%s/%s", dir, names[i]);
	struct stat st;
	uint32_t k;
	int d;

	if (stat(path, &st) == -1)
		fatal("%s", path);
	for (d = CUT + 1; d < DAMAGES; d++)
		if ((d != HEADLESS || strstr(names[i], ".seg") != NULL) &&
		    (d != FOREIGN || geteuid() == 0))
			try(i, d, 0);
	for (k = 0; k < lengths && st.st_size > 0; k++)
		try(i, CUT, k == 0 ? 1 : k == 1 ? (uint64_t)st.st_size - 1 :
		    k == 2 ? (uint64_t)st.st_size / 2 / 4096 * 4096 :
		    dice(&rng, (uint64_t)st.st_size));
	free(path);
}

int
main(int argc, char **argv)
{
	struct session s = { .seed = 3, .turns = TURNS },
	    more = { .seed = 4, .turns = TURNS, .still = true,
	    .heavy = true };
	uint32_t lengths = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) :
	    LENGTHS, bad, spools = 0;
	size_t i;

	world_init();
	dir = world_dir();
	disk = world_dir();
	world_fresh(dir);
	s.dir = dir;
	if (world_work(&s) != END_GOOD)
		return 1;
	/* And some in several segments that the index knows nothing of. */
	world_rebase(0);
	more.dir = dir;
	if (world_work(&more) != END_GOOD)
		return 1;
	world_rebase(0);
	add_names("");
	add_names("index");
	add_names("journal");
	add_names("spool");
	image = image_load(dir);
	for (i = 0; i < nnames; i++) {
		/* Spool files are all alike. */
		if (strncmp(names[i], "spool/", 6) == 0 && spools++ >= 2)
			continue;
		bad = sum.bad;
		try_all(i, lengths);
		ok(sum.bad == bad, "%s", names[i]);
	}
	printf("# of %zu files, %u tries: opened %u times, refused with a reason "
	    "%u times; %u messages lost and %u not readable, all of the file "
	    "that was hit\n", nnames, sum.tried, sum.good, sum.refused,
	    sum.lost, sum.unread);
	image_free(&image);
	world_remove(dir);
	world_remove(disk);
	return tap_done();
}
