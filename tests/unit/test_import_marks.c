#include "lib/prelude.h"

#include <dirent.h>
#include <fcntl.h>

#include "lib/xalloc.h"
#include "posternctl/import_marks.h"
#include "tests/tap.h"

#define A1	"aaaaaaaaaaaaa-1111111111111"	/* ids of three queues */
#define A2	"aaaaaaaaaaaaa-2222222222222"
#define B1	"bbbbbbbbbbbbb-1111111111111"
#define C1	"ccccccccccccc-1111111111111"

/* --- in the place of libc -------------------------------------------------------------- */

static int fails;		/* fsync, with this errno */
static int syncs;

int
fsync(int fd)
{
	syncs++;
	errno = fails;
	return fails == 0 ? 0 : -1;
}

/* --- a folder ---------------------------------------------------------------------------- */

static char folder[] = "/tmp/postern-marks-XXXXXX";
static int dir;

static void
put(const char *name)
{
	close(openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static bool
there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

static void
tidy(void)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		unlinkat(dir, e->d_name, 0);
	closedir(d);
	rmdir(folder);
}

/* --- names ------------------------------------------------------------------------------- */

static void
test_names(void)
{
	static const struct {
		const char *name;
		bool wanted, under_way;
		const char *stem, *id, *former;
	} rows[] = {
		{ "x.json", true, false, "x", "", "" },
		{ "x.json.json", true, false, "x.json", "", "" },
		{ ".json", false, false, "", "", "" },
		{ "x.eml", false, false, "", "", "" },
		{ "x.json.imported", false, false, "", "", "" },
		{ "x.json.importing-" A1, true, true, "x", A1, "" },
		{ "x.json.importing-" B1 "+" A1, true, true, "x", B1,
		    "+" A1 },
		{ "x.json.importing-" C1 "+" B1 "+" A1, true, true, "x", C1,
		    "+" B1 "+" A1 },
		{ "x.json.importing-" A1 "+", false, false, "", "", "" },
		{ "x.json.importing-" A1 "x", false, false, "", "", "" },
		{ "x.json.importing-", false, false, "", "", "" },
		{ ".json.importing-" A1, false, false, "", "", "" },
		{ "x.json.importing-" A1 ".json", true, false,
		    "x.json.importing-" A1, "", "" },
	};
	struct mark m;
	char *file;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		is_int(mark_wanted(rows[i].name), rows[i].wanted, "%s: wanted",
		    rows[i].name);
		is_int(mark_under_way(rows[i].name), rows[i].under_way,
		    "under way");
		if (!rows[i].wanted)
			continue;
		mark_read(&m, rows[i].name);
		is_str(m.stem, rows[i].stem, "its name");
		is_str(m.id, rows[i].id, "its id");
		is_str(m.former, rows[i].former, "and those before");
		file = mark_file(&m, rows[i].under_way);
		is_str(file, rows[i].name, "written as it was read");
		free(file);
		mark_clear(&m);
	}
}

/* --- marks ------------------------------------------------------------------------------- */

static void
test_fresh(void)
{
	char ids[2][MARK_ID_LEN + 1] = { A1, A2 };
	struct mark m[2];

	put("x.json");
	put("y.json");
	mark_read(&m[0], "x.json");
	mark_read(&m[1], "y.json");
	syncs = 0;
	ok(mark_all(dir, m, ids, 2, true), "two are marked");
	is_int(syncs, 1, "and synced at once");
	ok(there("x.json.importing-" A1) && there("y.json.importing-" A2) &&
	    !there("x.json") && !there("y.json"), "by their ids");
	mark_imported(dir, &m[0]);
	mark_undo(dir, &m[1]);
	ok(there("x.json.imported") && there("y.json"),
	    "one is imported, one as before");
	mark_clear(&m[0]);
	mark_clear(&m[1]);
}

/* Of a folder that loses the mark the message would go out twice. */
static void
test_unsynced(void)
{
	static const struct {
		int errnum;
		bool good;
	} rows[] = { { EIO, false }, { ENOSPC, false }, { EROFS, false },
		{ EINVAL, true } };
	char ids[2][MARK_ID_LEN + 1] = { A1, B1 };
	struct mark m[2];
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		put("z.json");
		mark_read(&m[0], "z.json");
		fails = rows[i].errnum;
		is_int(mark_all(dir, m, ids, 1, true), rows[i].good,
		    "a sync that fails: %s", strerrorname_np(fails));
		is_int(there("z.json"), !rows[i].good, "as it was");
		is_int(there("z.json.importing-" A1), rows[i].good, "marked");
		if (rows[i].good)
			mark_undo(dir, &m[0]);
		mark_clear(&m[0]);
	}
	put("old.json.importing-" B1);
	mark_read(&m[0], "old.json.importing-" B1);
	fails = EIO;
	ok(!mark_all(dir, m, ids, 1, false), "nor is what another queue had");
	ok(there("old.json.importing-" A1 "+" B1), "whose ids are kept");
	fails = 0;
	ok(mark_all(dir, m, ids, 1, false), "and again");
	ok(there("old.json.importing-" A1 "+" B1), "under the same");
	ok(mark_all(dir, m, ids + 1, 1, false), "back at the first queue");
	ok(there("old.json.importing-" B1 "+" A1), "by the id it had there");
	mark_clear(&m[0]);
}

static void
test_long_name(void)
{
	char ids[2][MARK_ID_LEN + 1] = { A1, A2 }, name[256];
	struct mark m[2];

	memset(name, 'l', sizeof(name));
	snprintf(name + 240, sizeof(name) - 240, "%s", MARK_SUFFIX);
	put(name);
	put("s.json");
	mark_read(&m[0], name);
	mark_read(&m[1], "s.json");
	ok(mark_all(dir, m, ids, 2, true), "a long name stops no other");
	ok(m[0].skip && !m[1].skip, "it is left out");
	ok(there(name) && there("s.json.importing-" A2), "and stays");
	mark_clear(&m[0]);
	mark_clear(&m[1]);
}

/* Without a change to the folder. */
static void
test_foresee(void)
{
	static const struct {
		const char *name, *by, *id, *former;
	} rows[] = {
		{ "x.json", A1, A1, "" },
		{ "x.json.importing-" A1, A2, A1, "" },
		{ "x.json.importing-" B1, A2, A2, "+" B1 },
		{ "x.json.importing-" B1 "+" A1, A2, A1, "+" B1 },
	};
	char name[256];
	struct mark m;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		mark_read(&m, rows[i].name);
		mark_foresee(&m, rows[i].by);
		is_str(m.id, rows[i].id, "%s: its id", rows[i].name);
		is_str(m.former, rows[i].former, "and those before");
		is_str(m.file, rows[i].name, "which is its name still");
		ok(!m.skip, "it can be marked");
		mark_clear(&m);
	}
	memset(name, 'l', sizeof(name));
	snprintf(name + 240, sizeof(name) - 240, "%s", MARK_SUFFIX);
	mark_read(&m, name);
	mark_foresee(&m, A1);
	ok(m.skip, "a long name could not");
	mark_clear(&m);
}

int
main(void)
{
	if (mkdtemp(folder) == NULL ||
	    (dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return 1;
	test_names();
	test_fresh();
	test_unsynced();
	test_long_name();
	test_foresee();
	tidy();
	return tap_done();
}
