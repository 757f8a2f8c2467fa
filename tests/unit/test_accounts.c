/*
 * auth/accounts: what was added is there, after a kill as well; what is
 * damaged is said and lets nobody in.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <db.h>
#include <fcntl.h>
#include <signal.h>

#include "auth/pins.h"
#include "auth/uses.h"
#include "tests/tap.h"
#include "tests/unit/auth_rig.h"

static char said[512];

/* Berkeley DB leaves a little behind when a damaged database will not open. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

static void
keep(enum log_level level, const char *proc, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static struct accounts *
reopen(void)
{
	const char *why = "";
	struct accounts *a = accounts_open(rig_dir, &why);

	if (a == NULL)
		printf("# %s\n", why);
	return a;
}

/* With keys that tell accounts apart, without the cost of real ones. */
static struct account
make(const char *name, uint8_t mark)
{
	struct account a;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "%s", name);
	snprintf(a.cap, sizeof(a.cap), "default");
	a.created_ms = a.changed_ms = RIG_WALL_MS;
	a.verifier.iterations = 4096;
	a.verifier.salt_len = 16;
	memset(a.verifier.stored_key, mark, VERIFIER_KEY_LEN);
	account_add_sender(&a, "@example.org");
	return a;
}

static enum accounts_result
add(struct accounts *db, const char *name, uint8_t mark)
{
	struct account a = make(name, mark);
	enum accounts_result r = accounts_add(db, &a);

	account_clear(&a);
	return r;
}

static enum accounts_result
set_verifier(struct accounts *db, const char *name, const struct verifier *v,
    uint64_t changed_ms)
{
	struct account a;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "%s", name);
	a.verifier = *v;
	a.changed_ms = changed_ms;
	return accounts_set_password(db, &a);
}

static void
test_changes(void)
{
	struct accounts *db = reopen();
	struct account a;
	struct verifier v = { .iterations = 8192, .salt_len = 1 };
	struct verifier before, after;

	is_int(accounts_get(db, "alice", &a), ACCOUNTS_NONE, "nobody yet");
	is_int(accounts_next(db, "", &a), ACCOUNTS_NONE, "an empty list");
	is_int(accounts_remove(db, "alice"), ACCOUNTS_NONE, "nothing to remove");
	is_int(set_verifier(db, "alice", &v, 1), ACCOUNTS_NONE,
	    "nothing to change");
	is_int(add(db, "alice", 7), ACCOUNTS_OK, "added");
	is_int(add(db, "alice", 8), ACCOUNTS_EXISTS, "not twice");
	is_int(accounts_get(db, "alice", &a), ACCOUNTS_OK, "found");
	ok(strcmp(a.name, "alice") == 0 && a.verifier.stored_key[0] == 7 &&
	    a.nsenders == 1 && strcmp(a.senders[0], "@example.org") == 0,
	    "as it was added");
	account_clear(&a);
	is_int(set_verifier(db, "alice", &v, 99), ACCOUNTS_OK,
	    "a new password");
	accounts_fake(db, "nobody", 4096, &before);
	accounts_close(&db);

	db = reopen();
	accounts_fake(db, "nobody", 4096, &after);
	ok(memcmp(&before, &after, sizeof(before)) == 0,
	    "who is nobody looks the same after a restart");
	is_int(accounts_get(db, "alice", &a), ACCOUNTS_OK, "still there");
	ok(a.verifier.iterations == 8192 && a.changed_ms == 99 &&
	    a.created_ms == RIG_WALL_MS && a.nsenders == 1,
	    "changed, and the rest is as it was");
	account_clear(&a);
	is_int(accounts_get(db, "alic", &a), ACCOUNTS_NONE, "no prefix");
	is_int(accounts_get(db, "alice ", &a), ACCOUNTS_NONE, "no more");
	is_int(accounts_get(db, "", &a), ACCOUNTS_NONE, "no empty name");
	is_int(accounts_get(db, "secret", &a), ACCOUNTS_NONE,
	    "the secret is no account");
	is_int(accounts_remove(db, "alice"), ACCOUNTS_OK, "removed");
	is_int(accounts_get(db, "alice", &a), ACCOUNTS_NONE, "gone");
	accounts_close(&db);
}

static enum accounts_result
leave(struct account *acc, void *arg)
{
	return ACCOUNTS_OK;
}

static bool
is_suspended(struct accounts *a, const char *name)
{
	struct account acc;
	bool is;

	if (accounts_get(a, name, &acc) != ACCOUNTS_OK)
		abort();
	is = acc.suspended;
	account_clear(&acc);
	return is;
}

/* Suspended, though the disk does not know. */
static void
test_withheld(void)
{
	struct accounts *a = reopen();
	struct account acc = make("thief", 1), other = make("other", 2);

	is_int(accounts_withhold(a, "thief"), ACCOUNTS_NONE, "who is not there");
	if (accounts_add(a, &acc) != ACCOUNTS_OK ||
	    accounts_add(a, &other) != ACCOUNTS_OK)
		abort();
	ok(!is_suspended(a, "thief"), "is not meant when he comes");
	is_int(accounts_withhold(a, "thief"), ACCOUNTS_OK, "withheld");
	is_int(accounts_withhold(a, "thief"), ACCOUNTS_OK, "twice");
	ok(is_suspended(a, "thief") && !is_suspended(a, "other"),
	    "is suspended, and nobody else");
	accounts_close(&a);
	a = reopen();
	ok(!is_suspended(a, "thief"), "until the next start");
	(void)accounts_withhold(a, "thief");
	is_int(accounts_change(a, "thief", leave, NULL), ACCOUNTS_OK,
	    "a change that the disk takes");
	accounts_close(&a);
	a = reopen();
	ok(is_suspended(a, "thief"), "tells it that, too");
	is_int(accounts_withhold(a, "other"), ACCOUNTS_OK, "withheld");
	is_int(accounts_remove(a, "other"), ACCOUNTS_OK, "and removed");
	is_int(accounts_add(a, &other), ACCOUNTS_OK, "who comes next");
	ok(!is_suspended(a, "other"), "is somebody else");
	if (accounts_remove(a, "other") != ACCOUNTS_OK ||
	    accounts_remove(a, "thief") != ACCOUNTS_OK)
		abort();
	account_clear(&acc);
	account_clear(&other);
	accounts_close(&a);
}

static void
test_list(void)
{
	static const char *const names[] = { "a", "a.b", "ab", "ab@x.example",
	    "b", "zz" };
	struct accounts *db = reopen();
	struct account a;
	char after[ACCOUNT_MAX + 1] = "";
	size_t i;

	for (i = nitems(names); i-- > 0;)
		add(db, names[i], 1);
	for (i = 0; accounts_next(db, after, &a) == ACCOUNTS_OK; i++) {
		snprintf(after, sizeof(after), "%s", a.name);
		is_str(a.name, i < nitems(names) ? names[i] : NULL,
		    "in order of names");
		account_clear(&a);
	}
	is_int(i, nitems(names), "all of them, and nothing else");
	accounts_close(&db);
}

/* Of a thousand names that nobody has, how many show this count? */
static size_t
shown(struct accounts *db, uint32_t count, bool seen[1000])
{
	struct verifier v;
	char name[32];
	size_t i, n = 0;

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "nobody%zu", i);
		accounts_fake(db, name, 5000, &v);
		seen[i] = v.iterations == count;
		n += seen[i];
	}
	return n;
}

/* An attacker asks for counts: those of no accounts must be spread the same. */
static void
test_counts(void)
{
	struct verifier old = { .iterations = 4096, .salt_len = 1 };
	struct verifier new = { .iterations = 9000, .salt_len = 1 };
	static bool before[1000], after[1000];
	struct accounts *db;
	char name[32];
	size_t i, n, back = 0;

	rig_remove_dir();
	rig_make_dir();
	db = reopen();
	is_int(shown(db, 5000, before), 1000, "no accounts: the setting");
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "a%zu", i);
		add(db, name, 1);
		set_verifier(db, name, i < 10 ? &new : &old, 1);
	}
	n = shown(db, 9000, before);
	ok(n > 180 && n < 320, "a quarter has a new count: so have %zu of 1000",
	    n);
	is_int(shown(db, 4096, after), 1000 - n, "the others the old one");
	accounts_close(&db);
	db = reopen();
	is_int(shown(db, 9000, after), n, "the same after a restart");
	for (i = 10; i < 20; i++) {
		snprintf(name, sizeof(name), "a%zu", i);
		set_verifier(db, name, &new, 2);
	}
	ok(shown(db, 9000, after) > n, "more accounts move on: so do they");
	for (i = 0; i < 1000; i++)
		back += before[i] && !after[i];
	is_int(back, 0, "none goes back");
	for (i = 20; i < 40; i++) {
		snprintf(name, sizeof(name), "a%zu", i);
		accounts_remove(db, name);
	}
	is_int(shown(db, 9000, after), 1000, "the old count is gone: at once");
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "a%zu", i);
		accounts_remove(db, name);
	}
	is_int(shown(db, 5000, after), 1000, "no accounts again");
	accounts_close(&db);
}

/* As another program would, behind our back. */
static void
put_raw(const char *key, const char *value)
{
	DBT k = { .data = (void *)(uintptr_t)key, .size = (uint32_t)strlen(key) };
	DBT v = { .data = (void *)(uintptr_t)value,
	    .size = (uint32_t)strlen(value) };
	DB_ENV *env;
	DB *db;

	if (db_env_create(&env, 0) != 0 || env->open(env, rig_dir, DB_CREATE |
	    DB_RECOVER | DB_PRIVATE | DB_INIT_MPOOL | DB_INIT_LOCK |
	    DB_INIT_LOG | DB_INIT_TXN, 0) != 0 || db_create(&db, env, 0) != 0 ||
	    db->open(db, NULL, "accounts.db", NULL, DB_BTREE, DB_AUTO_COMMIT,
	    0) != 0 || db->put(db, NULL, &k, &v, 0) != 0)
		abort();
	db->close(db, 0);
	env->close(env, 0);
}

static void
test_bad_record(void)
{
	struct accounts *db;
	struct account a;

	put_raw("aaa-bad", "this is no record");
	db = reopen();
	is_int(accounts_get(db, "aa-bad", &a), ACCOUNTS_DAMAGED,
	    "a damaged record");
	ok(strstr(said, "account=\"aa-bad\" damaged") != NULL,
	    "it is named: %s", said);
	is_int(accounts_next(db, "a.b", &a), ACCOUNTS_DAMAGED,
	    "a list comes to it");
	is_str(a.name, "aa-bad", "it says whose");
	is_int(accounts_next(db, a.name, &a), ACCOUNTS_OK, "and goes on");
	is_str(a.name, "ab", "behind it");
	account_clear(&a);
	is_int(accounts_remove(db, "aa-bad"), ACCOUNTS_OK, "it can be removed");
	accounts_close(&db);
}

static void
scribble(const char *name, off_t at, size_t n)
{
	char path[256], junk[8192];
	int fd;

	memset(junk, 0x5a, sizeof(junk));
	snprintf(path, sizeof(path), "%s/%s", rig_dir, name);
	fd = open(path, O_WRONLY);
	if (fd == -1 || pwrite(fd, junk, n, at) != (ssize_t)n)
		abort();
	close(fd);
}

static void
test_bad_file(void)
{
	static const struct {
		const char *name;
		off_t at;
		size_t n;
	} rows[] = {
		{ "its head", 0, 512 }, { "all of it", 0, 8192 },
		{ "a page", 4096, 4096 }, { "one byte of a page", 4200, 1 },
	};
	const char *why;
	struct accounts *db;
	struct account a;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		rig_remove_dir();
		rig_make_dir();
		db = reopen();
		add(db, "alice", 1);
		accounts_close(&db);
		scribble("accounts.db", rows[i].at, rows[i].n);
		why = NULL;
		db = accounts_open(rig_dir, &why);
		if (db == NULL)
			ok(strstr(why, "accounts.db") != NULL &&
			    strstr(why, "backup") != NULL,
			    "damaged (%s): %s", rows[i].name, why);
		else
			ok(accounts_get(db, "alice", &a) == ACCOUNTS_ERROR,
			    "damaged (%s): an error: %s", rows[i].name, said);
		accounts_close(&db);
	}
	db = accounts_open("/nonexistent/postern", &why);
	ok(db == NULL && strstr(why, "/nonexistent/postern") != NULL,
	    "no directory: %s", why);
}

/* A database that holds names twice, as ours never does. */
static void
test_twice(void)
{
	struct accounts *db;
	const char *why = "";
	char path[256];
	DB *raw;

	rig_remove_dir();
	rig_make_dir();
	snprintf(path, sizeof(path), "%s/accounts.db", rig_dir);
	if (db_create(&raw, NULL, 0) != 0 || raw->set_flags(raw, DB_CHKSUM |
	    DB_DUP) != 0 || raw->open(raw, NULL, path, NULL, DB_BTREE,
	    DB_CREATE, 0600) != 0 || raw->close(raw, 0) != 0)
		abort();
	db = accounts_open(rig_dir, &why);
	ok(db == NULL && strstr(why, "are damaged") != NULL,
	    "names twice: %s", why);
	accounts_close(&db);
}

static size_t losses;

static void
lost_cb(void)
{
	losses++;
}

enum swap { OLDER, GARBAGE, EMPTY, MISSING, DIRECTORY, FIFO, LINK, OTHERS };

/* What stands in the file's place, put there by rename. */
static void
swap(enum swap kind)
{
	static const char junk[8192] = "alice:{PLAIN}open-sesame";
	char at[256], new[256], old[256];
	int fd;

	snprintf(at, sizeof(at), "%s/accounts.db", rig_dir);
	snprintf(new, sizeof(new), "%s/new", rig_dir);
	snprintf(old, sizeof(old), "%s/old", rig_dir);
	if (kind != OLDER && rename(at, old) == -1)
		abort();
	if (kind == MISSING)
		return;
	if (kind == DIRECTORY ? mkdir(new, 0700) == -1 : kind == FIFO ?
	    mkfifo(new, 0600) == -1 : kind == LINK && symlink(old, new) == -1)
		abort();
	if (kind == GARBAGE || kind == EMPTY || kind == OTHERS) {
		fd = open(new, O_WRONLY | O_CREAT, 0600);
		if (fd == -1 || (kind == GARBAGE && write(fd, junk,
		    sizeof(junk)) != sizeof(junk)) || (kind == OTHERS &&
		    fchown(fd, 61009, 61009) == -1))
			abort();
		close(fd);
	}
	if (rename(kind == OLDER ? old : new, at) == -1)
		abort();
}

/* As it is now, beside itself. */
static void
keep_old(void)
{
	static char bytes[1 << 20];
	char from[256], to[256];
	ssize_t n;
	int fd;

	snprintf(from, sizeof(from), "%s/accounts.db", rig_dir);
	snprintf(to, sizeof(to), "%s/old", rig_dir);
	fd = open(from, O_RDONLY);
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	fd = open(to, O_WRONLY | O_CREAT, 0600);
	if (n <= 0 || write(fd, bytes, (size_t)n) != n)
		abort();
	close(fd);
}

/* From then on nobody is found, nothing is written, and it does not open. */
static void
test_replaced(void)
{
	static const struct {
		const char *name;
		enum swap kind;
		const char *why;	/* NULL: it opens, with what the log has */
	} rows[] = {
		{ "an older one", OLDER, NULL },
		{ "no database", GARBAGE, "are damaged" },
		{ "an empty one", EMPTY, "from a backup" },
		{ "none", MISSING, "are gone, their log is there" },
		{ "a directory", DIRECTORY, "is a directory" },
		{ "a FIFO", FIFO, "is a FIFO" },
		{ "a link", LINK, "is a symbolic link" },
		{ "another user's", OTHERS, "belongs to user 61009" },
	};
	struct use use = { .login = "alice/phone" };
	char pin[CLIENT_CERT_PIN_LEN + 1] = "", name[ACCOUNT_MAX + 1] = "";
	struct records *rec;
	const char *why;
	struct accounts *db;
	struct account a;
	size_t i;

	for (i = 0; i < nitems(rows); i++) {
		if (rows[i].kind == OTHERS && geteuid() != 0)
			continue;
		rig_remove_dir();
		rig_make_dir();
		db = reopen();
		add(db, "alice", 1);
		accounts_close(&db);
		db = reopen();
		if (rows[i].kind == OLDER)
			keep_old();
		add(db, "bob", 2);
		losses = 0;
		rec = accounts_records(db);
		records_on_lost(rec, lost_cb);
		is_int(accounts_get(db, "alice", &a), ACCOUNTS_OK,
		    "before it comes");
		account_clear(&a);
		swap(rows[i].kind);
		is_int(accounts_get(db, "alice", &a), ACCOUNTS_ERROR,
		    "%s: nobody is found", rows[i].name);
		ok(strstr(said, "accounts.db was replaced") != NULL &&
		    strstr(said, "put back the whole directory") != NULL,
		    "and it is said: %s", said);
		is_int(accounts_next(db, "", &a), ACCOUNTS_ERROR, "no list");
		is_int(add(db, "carol", 3), ACCOUNTS_ERROR, "none is added");
		is_int(accounts_remove(db, "alice"), ACCOUNTS_ERROR,
		    "none is removed");
		is_int(pins_find(rec, "x", name), ACCOUNTS_ERROR,
		    "no certificate is anybody's");
		is_int(pins_next(rec, pin, name), ACCOUNTS_ERROR,
		    "none is listed");
		is_int(uses_put(rec, &use, 1), ACCOUNTS_ERROR,
		    "no use is kept");
		is_int(uses_get(rec, "alice/phone", &use),
		    ACCOUNTS_ERROR, "none is told");
		is_int(losses, 1, "who opened it hears once");
		accounts_close(&db);
		why = "";
		db = accounts_open(rig_dir, &why);
		if (rows[i].why != NULL)
			ok(db == NULL && strstr(why, rows[i].why) != NULL,
			    "it does not open: %s", why);
		else
			ok(db != NULL && accounts_get(db, "bob", &a) ==
			    ACCOUNTS_OK, "it opens; nothing is lost");
		if (db != NULL)
			account_clear(&a);
		accounts_close(&db);
	}
}

/* A child adds until it is killed; what it had told us must be there. */
static void
test_kill(void)
{
	struct accounts *db;
	struct account a;
	char name[32];
	int round, fd[2], told, i, lost = 0;
	pid_t pid;

	rig_remove_dir();
	rig_make_dir();
	for (round = 0; round < 5; round++) {
		if (pipe(fd) == -1)
			abort();
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			db = reopen();
			for (i = 0;; i++) {
				snprintf(name, sizeof(name), "r%d.%d", round, i);
				if (db == NULL ||
				    add(db, name, 1) != ACCOUNTS_OK ||
				    write(fd[1], &i, sizeof(i)) != sizeof(i))
					_exit(1);
			}
		}
		close(fd[1]);
		for (told = -1; read(fd[0], &i, sizeof(i)) == sizeof(i);) {
			told = i;
			if (i == 20 + round * 13)
				kill(pid, SIGKILL);
		}
		close(fd[0]);
		waitpid(pid, NULL, 0);
		db = reopen();
		ok(db != NULL && told >= 20, "killed after %d", told);
		for (i = 0; i <= told; i++) {
			snprintf(name, sizeof(name), "r%d.%d", round, i);
			if (accounts_get(db, name, &a) == ACCOUNTS_OK)
				account_clear(&a);
			else
				lost++;
		}
		accounts_close(&db);
	}
	is_int(lost, 0, "nothing that was said to be added is lost");
}

static void
crowd_name(uint32_t i, char name[32])
{
	snprintf(name, 32, "user%06u@example.org", i);
}

/* As many as a large site has: all are there, in order. */
static void
test_crowd(uint32_t n)
{
	struct accounts *db = reopen();
	struct account a;
	uint32_t i, bad = 0, listed = 0;
	char name[32], last[ACCOUNT_MAX + 1] = "user";

	for (i = 0; i < n; i++) {
		crowd_name(i, name);
		bad += add(db, name, (uint8_t)i) != ACCOUNTS_OK;
	}
	is_int(bad, 0, "%u accounts are added", n);
	crowd_name(n / 2, name);
	is_int(add(db, name, 0), ACCOUNTS_EXISTS, "none of them twice");
	accounts_close(&db);
	db = reopen();
	for (i = 0; i < n; i++) {
		crowd_name((uint32_t)((uint64_t)i * 7919 % n), name);
		if (accounts_get(db, name, &a) != ACCOUNTS_OK) {
			bad++;
			continue;
		}
		bad += a.verifier.stored_key[0] !=
		    (uint8_t)((uint64_t)i * 7919 % n);
		account_clear(&a);
	}
	is_int(bad, 0, "each is there, with its own key");
	while (accounts_next(db, last, &a) == ACCOUNTS_OK) {
		crowd_name(listed++, name);
		bad += strcmp(a.name, name) != 0;
		snprintf(last, sizeof(last), "%s", a.name);
		account_clear(&a);
	}
	ok(listed == n && bad == 0, "and listed in order, once");
	accounts_close(&db);
}

/* test_accounts [NUMBER]: of the crowd */
int
main(int argc, char **argv)
{
	rig_make_dir();
	log_set_sink(keep);
	test_changes();
	test_withheld();
	test_list();
	test_bad_record();
	test_bad_file();
	test_twice();
	test_replaced();
	test_kill();
	test_counts();
	test_crowd(argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000);
	rig_remove_dir();
	return tap_done();
}
