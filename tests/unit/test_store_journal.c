/*
 * queue's journal on a disk that tears, flips and no longer reads: segments,
 * their headers and their batches.
 */
#include "lib/prelude.h"

#include <sys/syscall.h>

#include "lib/crc32c.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "tests/unit/store_rig.h"

/* The n-th segment in order of age, opened; -1 when there are not so many. */
static int
open_segment(size_t n)
{
	char *path = xasprintf("%s/journal", dir), *file;
	struct dirent **v;
	int i, fd = -1, count = scandir(path, &v, NULL, alphasort);

	for (i = 0; i < count; i++) {
		if (strstr(v[i]->d_name, ".seg") != NULL && n-- == 0) {
			file = xasprintf("%s/%s", path, v[i]->d_name);
			fd = open(file, O_RDWR | O_CLOEXEC);
			free(file);
		}
		free(v[i]);
	}
	if (count >= 0)
		free(v);
	free(path);
	return fd;
}

/* Where the n-th batch begins. */
static off_t
batch_at(int fd, size_t n)
{
	uint8_t magic[4];
	off_t at;

	for (at = 8192; pread(fd, magic, 4, at) == 4; at += 4096)
		if (memcmp(magic, "BTCH", 4) == 0 && n-- == 0)
			return at;
	return -1;
}

/* --- the end of the journal -------------------------------------------------------- */

/*
 * The last batch at every 512 bytes of what a power cut may leave of it: the
 * mail before it is there, and nothing that is not whole.
 */
static void
test_torn(void)
{
	uint8_t old[5 * 4096], torn[sizeof(old)];
	off_t at;
	size_t cut, bad = 0, tried = 0;
	int fd;

	fresh();
	accept_mail(MB, 8, 16000, true, false);
	fd = open_segment(0);
	at = batch_at(fd, 7);
	if (!ok(at > 0 && pread(fd, old, sizeof(old), at) == sizeof(old),
	    "the last batch is found"))
		return;
	close(fd);
	for (cut = 0; cut < 16384; cut += 512, tried++) {
		fresh();
		accept_mail(MB, 8, 16000, true, false);
		fd = open_segment(0);
		at = batch_at(fd, 7);
		memset(torn, 0, sizeof(torn));
		if (pread(fd, torn, cut, at) != (ssize_t)cut ||
		    pwrite(fd, torn, sizeof(torn), at) != sizeof(torn))
			fatal("tearing");
		close(fd);
		if (judge(MB) != 0 || told->found != 7 || told->spoilt > 0 ||
		    told->used != 7 || told->damage_lines > 0) {
			printf("# cut at %zu: found %zu spoilt %zu lines %zu\n",
			    cut, told->found, told->spoilt, told->damage_lines);
			bad++;
		}
	}
	is_int(bad, 0, "%zu torn ends, none is taken for mail", tried);
}

/* --- flipped bits ---------------------------------------------------------------------- */

/* Of eight batches the third is hit; the others must not know. */
static void
test_flips(void)
{
	static const struct {
		const char *what;
		off_t	 at;		/* in the batch */
	} cases[] = {
		{ "its magic", 0 }, { "its checksum", 4 },
		{ "its generation", 8 }, { "its offset", 16 },
		{ "its length", 24 }, { "its count", 28 },
		{ "a record's type", 32 }, { "a record's length", 36 },
		{ "a record's meta", 70 }, { "a body", 2000 },
	};
	size_t i;
	int fd;

	for (i = 0; i < nitems(cases); i++) {
		fresh();
		accept_mail(MB, 8, 3000, true, false);
		fd = open_segment(0);
		flip(fd, batch_at(fd, 2) + cases[i].at);
		close(fd);
		ok(judge(MB) == 0 && told->found == 7 && told->spoilt == 0 &&
		    told->strange == 0 && told->damage_lines == 1,
		    "a bit of %s: reported, the seven others are there",
		    cases[i].what);
	}
	/* Where the index knows the record the body's own checksum tells. */
	fresh();
	accept_mail(MB, 8, 3000, true, true);
	fd = open_segment(0);
	flip(fd, batch_at(fd, 2) + 2000);
	close(fd);
	ok(judge(MB) == 0 && told->found == 8 && told->spoilt == 1,
	    "a bit of a body behind the mark: only this body is refused");
}

/* --- whole segments ------------------------------------------------------------------------- */

static void
test_segments(void)
{
	int fd;

	fresh();
	accept_mail(MB, 20, 20000, false, false);
	fd = open_segment(0);
	if (ftruncate(fd, 0) == -1)
		fatal("ftruncate");
	close(fd);
	ok(judge(MB) == 0 && told->found == 0 && told->strange == 0,
	    "a segment of no bytes is passed over");
	fresh();
	accept_mail(MB, 20, 20000, true, false);
	fd = open_segment(0);
	if (ftruncate(fd, batch_at(fd, 10)) == -1)
		fatal("ftruncate");
	close(fd);
	ok(judge(MB) == 0 && told->found == 10 && told->spoilt == 0,
	    "one cut in half: the first half is there");
}

/* --- headers --------------------------------------------------------------------------------- */

static const off_t headers[] = { 0, 4096, MB - 4096 };

/* A bit of each header but those of `but`, bits of it one for each header. */
static void
flip_headers(unsigned int but, off_t byte, unsigned int bit)
{
	int fd = open_segment(0);
	size_t i;

	for (i = 0; i < nitems(headers); i++)
		if ((but & 1u << i) == 0)
			flip_bit(fd, headers[i] + byte, bit);
	close(fd);
}

/* Every bit of two copies of three; then of all. */
static void
test_headers(void)
{
	size_t bit, i, bad;

	for (i = 0; i < nitems(headers); i++) {
		for (bit = bad = 0; bit < 32 * 8; bit += 7) {
			fresh();
			accept_mail(MB, 5, 3000, false, false);
			flip_headers(1u << i, (off_t)(bit / 8), bit % 8);
			bad += judge(MB) != 0 || told->found != 5 ||
			    told->damage_lines != 0;
		}
		is_int(bad, 0, "a bit of all headers but the %zu. is flipped: "
		    "it will do", i + 1);
	}
	fresh();
	accept_mail(MB, 5, 3000, false, false);
	flip_headers(0, 20, 4);
	ok(judge(MB) == 0 && told->found == 0 && told->strange == 0 &&
	    told->damage_lines == 1 && told->damaged == 1,
	    "all headers gone: reported and counted, not guessed at");
	ok(judge(MB) == 0 && told->damage_lines == 0, "and not told again");
}

/* The first header and all behind it up to there are zeros. */
static void
test_beginning(void)
{
	static const uint8_t zeros[5 * 4096];
	int fd;

	fresh();
	accept_mail(MB, 8, 3000, true, false);
	fd = open_segment(0);
	if (pwrite(fd, zeros, sizeof(zeros), 0) != sizeof(zeros))
		fatal("pwrite");
	close(fd);
	ok(judge(MB) == 0 && told->found == 5 && told->spoilt == 0 &&
	    told->strange == 0 && told->damage_lines == 1,
	    "both first headers and three of eight batches are gone: the "
	    "other five are there");
}

/*
 * As an older Postern fills a segment: batches up to its very end, here one
 * with a record that means nothing. What stands there is no header for us, and
 * stays.
 */
static void
test_full(void)
{
	static uint8_t batch[MB];
	struct segment_header h;
	struct buf rec;
	uint64_t at;
	size_t n;
	int fd;

	fresh();
	accept_mail(MB, 8, 3000, true, false);
	fd = open_segment(0);
	if (segment_read_header(fd, 1, MB, &h) != 1)
		fatal("no header");
	at = (uint64_t)batch_at(fd, 7) + 4096;
	n = MB - at;
	buf_init(&rec, RECORD_MAX);
	record_put(&rec, &(struct record){ .type = REC_DEL, .id = 7 });
	memset(batch, 'x', n);
	memcpy(batch + SEGMENT_BATCH_HEADER, rec.data, rec.len);
	segment_seal(batch, n, &h, at, 1);
	if (pwrite(fd, batch, n, (off_t)at) != (ssize_t)n)
		fatal("pwrite");
	buf_clear(&rec);
	all_there(MB, "a segment that an older Postern has filled to its end");
	if (pread(fd, batch, 4096, MB - 4096) != 4096)
		fatal("pread");
	is_int(batch[4095], 'x', "its last block is left as it was");
	close(fd);
}

static void
test_other_version(void)
{
	static const uint32_t versions[] = { '1', '3' };
	uint8_t head[32];
	size_t i;
	int fd;

	for (i = 0; i < nitems(versions); i++) {
		fresh();
		accept_mail(MB, 5, 3000, false, false);
		fd = open_segment(0);
		if (pread(fd, head, sizeof(head), 0) != sizeof(head))
			fatal("pread");
		head[7] = (uint8_t)versions[i];
		put_u32le(head + 28, crc32c(0, head, 28));
		if (pwrite(fd, head, sizeof(head), 0) != sizeof(head))
			fatal("pwrite");
		close(fd);
		ok(judge(MB) != 0 &&
		    strstr(told->errstr, "another version") != NULL,
		    "version %c: the store does not start", versions[i]);
	}
}

/* --- places that the disk does not read --------------------------------------------------- */

static struct {
	char	 name[32];	/* how the file's path ends; "": none */
	off_t	 from, to;
	int	 error;
} unreadable;

static bool
hits_unreadable(int fd, size_t n, off_t at)
{
	char link[64], path[256];
	ssize_t len;

	if (*unreadable.name == '\0' || at >= unreadable.to ||
	    at + (off_t)n <= unreadable.from)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	return (size_t)len >= strlen(unreadable.name) && strcmp(path + len -
	    strlen(unreadable.name), unreadable.name) == 0;
}

/* In libc's place, for the store too. */
ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	if (hits_unreadable(fd, n, at)) {
		errno = unreadable.error;
		return -1;
	}
	return syscall(SYS_pread64, fd, p, n, at);
}

static void
test_unreadable(void)
{
	static const struct {
		const char *what;
		off_t	 from, to;	/* blocks */
		size_t	 found, lines;
	} cases[] = {
		{ "the first header", 0, 1, 8, 0 },
		{ "the second header", 1, 2, 8, 0 },
		{ "both first headers", 0, 2, 8, 0 },
		{ "the last header", 255, 256, 8, 0 },
		{ "the first batch", 2, 3, 7, 1 },
		{ "one in the middle", 5, 6, 7, 1 },
		{ "three of them", 4, 7, 5, 1 },
		{ "the last", 9, 10, 7, 1 },
		{ "all but the headers", 2, 255, 0, 1 },
		{ "all of it", 0, 256, 0, 1 },
		{ "what was never written to", 20, 30, 8, 0 },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		fresh();
		accept_mail(MB, 8, 3000, true, false);
		snprintf(unreadable.name, sizeof(unreadable.name),
		    "/%016x.seg", 1);
		unreadable.error = EIO;
		unreadable.from = cases[i].from * 4096;
		unreadable.to = cases[i].to * 4096;
		if (!ok(judge(MB) == 0 && told->found == cases[i].found &&
		    told->strange == 0 && told->damage_lines == cases[i].lines,
		    "%s cannot be read: the rest is there", cases[i].what))
			printf("# found %zu spoilt %zu strange %zu lines %zu\n",
			    told->found, told->spoilt, told->strange,
			    told->damage_lines);
		unreadable.name[0] = '\0';
	}
}

/* Behind real damage: what was not read for another reason is no damage. */
static void
test_lack(void)
{
	int fd;

	fresh();
	accept_mail(MB, 8, 3000, true, false);
	fd = open_segment(0);
	flip(fd, batch_at(fd, 2) + 4);
	snprintf(unreadable.name, sizeof(unreadable.name), "/%016x.seg", 1);
	unreadable.from = batch_at(fd, 3);
	unreadable.to = unreadable.from + 4096;
	unreadable.error = ENOMEM;
	close(fd);
	ok(judge(MB) != 0 && !told->opened, "without memory to read the "
	    "journal the store does not start");
	unreadable.name[0] = '\0';
	ok(judge(MB) == 0 && told->found == 7 && told->damage_lines == 1,
	    "with it, all is there but what is damaged");
}

int
main(void)
{
	if (!rig_begin())
		return 1;
	test_torn();
	test_flips();
	test_segments();
	test_headers();
	test_beginning();
	test_full();
	test_other_version();
	test_unreadable();
	test_lack();
	return rig_end();
}
