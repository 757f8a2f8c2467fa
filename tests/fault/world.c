#include "lib/prelude.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <ftw.h>
#include <signal.h>

#include "lib/ev.h"
#include "lib/log.h"
#include "lib/xalloc.h"
#include "queue/store.h"
#include "tests/fault/world.h"

#define MB		(1024 * 1024)
#define LARGE		(64 * 1024)	/* in the journal or in a file */
#define AT_ONCE		24	/* letters that the worker holds */
#define HANG_SEC	120	/* sanitizers on a busy machine are slow */
#define REFUSED		20	/* exit codes of a worker */
#define ASKED_AMISS	21

struct ledger *ledger;

uint64_t
dice(uint64_t *state, uint64_t n)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % n;
}

void
world_init(void)
{
	ledger = shared_memory(sizeof(*ledger));
}

/* --- in a child: the store ---------------------------------------------------- */

static struct store *store;
static const struct session *session;
static uint64_t rng;
static size_t waiting;

static void
sink(enum log_level level, const char *proc, const char *line)
{
	ledger->lines++;
	if (strstr(line, "rebuilt from the journal") != NULL) {
		ledger->rebuilt++;
		/* Noted here, as the start may yet be killed. */
		ledger->usage_lost = true;
	}
	ledger->damage += strstr(line, "damaged from=") != NULL;
	if (getenv("SHOW_LOG") != NULL)
		fprintf(stderr, "# %s\n", line);
}

static bool
open_store(const char *dir)
{
	struct store_conf c = { .dir = dir, .segment_bytes = MB,
	    .cache_bytes = MB, .min_free_bytes = 1 };
	const char *errstr;

	ledger->lines = ledger->rebuilt = ledger->damage = 0;
	log_set_sink(sink);
	ev_init();
	store = store_open(&c, NULL, NULL, &errstr);
	if (store == NULL)
		snprintf(ledger->errstr, sizeof(ledger->errstr), "%s", errstr);
	return store != NULL;
}

static uint8_t *
body_of(uint64_t id, size_t size)
{
	uint8_t *p = xmalloc(size + 1);
	uint64_t state = id;
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (uint8_t)((i % 64 == 0 ? dice(&state, 256) : id) + i);
	return p;
}

static struct letter *
letter_of(uint64_t id)
{
	size_t i = ledger->n;

	while (i-- > 0)
		if (ledger->v[i].id == id)
			return &ledger->v[i];
	return NULL;
}

static struct letter *
letter_new(uint64_t id, uint64_t size)
{
	struct letter *l = &ledger->v[ledger->n];
	int i;

	if (ledger->n == LETTERS)
		fatalx("the ledger is full");
	memset(l, 0, sizeof(*l));
	l->id = id;
	l->size = size;
	l->accepting = calls_now();
	l->accepted = l->removing = l->removed = NEVER;
	for (i = 0; i < VERSIONS; i++)
		l->changing[i] = l->changed[i] = NEVER;
	ledger->n++;
	return l;
}

/* --- looking at all that is there ------------------------------------------------- */

static uint64_t last_id;
static bool more;

static void
body_cb(const uint8_t *p, size_t n, int fd, uint32_t crc,
    const char *errstr, void *arg)
{
	struct letter *l = arg;
	uint8_t *want = body_of(l->id, l->size), *got = xmalloc(l->size + 1);
	ssize_t len = -1;

	waiting--;
	if (fd != -1) {
		len = pread(fd, got, l->size + 1, 0);
		close(fd);
	} else if (errstr == NULL && n <= l->size) {
		memcpy(got, p, n);
		len = (ssize_t)n;
	} else {
		l->unread = true;
		if (errstr != NULL)
			snprintf(ledger->errstr, sizeof(ledger->errstr), "%s",
			    errstr);
	}
	l->spoilt |= len != (ssize_t)l->size || memcmp(got, want, l->size) != 0;
	free(got);
	free(want);
}

static void
see(const struct store_msg *m)
{
	struct letter *l = letter_of(m->id);

	last_id = m->id;
	if (l == NULL) {
		ledger->strange++;
		return;
	}
	l->seen++;
	l->version = m->attempts;
	waiting++;
	store_body(store, m->id, body_cb, l);
}

static void
list_cb(struct store_msg *const *v, size_t n, void *arg)
{
	size_t i;

	waiting--;
	for (i = 0; i < n; i++)
		see(v[i]);
	more = n > 0;
}

static void
due_cb(struct store_msg *const *v, size_t n, void *arg)
{
	waiting--;
	ledger->due = (uint32_t)n;
}

static void
usage_cb(const char *account, uint64_t minute, const uint64_t used[], void *arg)
{
	ledger->used += used[LIMIT_MESSAGES];
}

static void
look_at_all(void)
{
	size_t i;

	for (i = 0; i < ledger->n; i++) {
		struct letter *l = &ledger->v[i];

		l->seen = l->version = 0;
		l->spoilt = l->unread = false;
	}
	ledger->strange = 0;
	ledger->used = 0;
	store_usage(store, UINT32_MAX, usage_cb, NULL);
	last_id = 0;
	do {
		waiting++;
		store_list(store, last_id, 100, list_cb, NULL);
		while (waiting > 0)
			ev_loop_once(100);
	} while (more);
	waiting++;
	store_due(store, 0, 0, UINT64_MAX, LETTERS * 2, due_cb, NULL);
	while (waiting > 0)
		ev_loop_once(100);
}

/* --- the worker ---------------------------------------------------------------------- */

struct work {
	struct letter *letter;		/* NULL: free */
	struct store_msg m;
};

static struct work works[AT_ONCE];

#define BOUNCES	3			/* at most, of one transition */

struct promise {			/* what done() makes true */
	size_t	*place[1 + BOUNCES];
	size_t	 n;
};

static void
promised_cb(void *arg)
{
	struct promise *p = arg;
	size_t i;

	for (i = 0; i < p->n; i++)
		*p->place[i] = calls_now();
	waiting--;
	free(p);
}

static struct promise *
promise(size_t *place)
{
	struct promise *p = xcalloc(1, sizeof(*p));

	p->place[p->n++] = place;
	waiting++;
	return p;
}

static struct letter *
fill(struct store_msg *m, size_t size, const char *account)
{
	struct letter *l;

	store_msg_init(m);
	m->id = store_new_id(store);
	m->arrived_ms = m->due_ms = ev_wall_ms();
	m->expires_ms = m->arrived_ms + 1000000000;
	m->account = xstrdup(account);
	m->cap = xstrdup("default");
	m->env.return_path = xstrdup(account);
	envelope_add_rcpt(&m->env, "bob@example.net", NULL, 0);
	store_msg_fit(m);
	m->charge[LIMIT_MESSAGES] = *account != '\0';
	m->size = size;
	m->body.v = body_of(m->id, size);
	m->body.n = size;
	l = letter_new(m->id, size);
	l->charged = *account != '\0';
	return l;
}

/* Large ones are in the journal or in a file, as smtpd has memory for them. */
static size_t
some_size(bool *spooled)
{
	*spooled = false;
	switch (dice(&rng, 24)) {
	case 0:
		*spooled = true;
		return LARGE + 1 + dice(&rng, 60000);
	case 1:
		return dice(&rng, 4) == 0 ? STORE_INLINE_MAX : LARGE + 1 +
		    dice(&rng, STORE_INLINE_MAX - LARGE);
	case 2:
		return 20000 + dice(&rng, 40000);
	case 3:
		return 0;
	default:
		return dice(&rng, session->heavy ? LARGE : 4000);
	}
}

static bool
write_body(int fd, const struct store_msg *m)
{
	size_t done = 0;
	ssize_t n;

	while (done < m->size) {
		n = write(fd, m->body.v + done, m->size - done);
		if (n == -1)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void
refused(struct work *w)
{
	store_msg_clear(&w->m);
	w->letter->accepting = NEVER;
	w->letter = NULL;
}

/* There was no room to keep what was spooled. */
static void
refused_cb(void *arg)
{
	struct promise *p = arg;
	size_t i;

	for (i = 0; i < AT_ONCE; i++)
		if (works[i].letter != NULL &&
		    &works[i].letter->accepted == p->place[0])
			refused(&works[i]);
	waiting--;
	free(p);
}

/* What cannot be spooled is refused with 452, as smtpd does. */
static void
accept_one(struct work *w)
{
	bool spooled;
	size_t size = some_size(&spooled);
	int fd = -1;

	w->letter = fill(&w->m, size, "alice@example.org");
	if (spooled) {
		fd = store_spool_open(store);
		if (fd == -1 || !write_body(fd, &w->m)) {
			if (fd != -1)
				store_spool_close(store, fd);
			refused(w);
			return;
		}
		w->m.in_spool = true;
	}
	store_accept(store, &w->m, fd, promised_cb, refused_cb,
	    promise(&w->letter->accepted));
	if (fd != -1)
		store_spool_close(store, fd);
}

/* What is told of the letter, in one batch with that; perhaps nothing. */
struct told {
	struct store_bounces bounces;
	struct store_msg m[BOUNCES];
};

static void
fill_bounces(struct told *t, uint64_t of, uint32_t as, struct promise *p)
{
	size_t i, n = 1 + dice(&rng, BOUNCES);
	struct letter *b;

	for (i = 0; i < n; i++) {
		b = fill(&t->m[i], dice(&rng, 2000), "");
		b->cause = of;
		b->as = as;
		t->bounces.v[i] = &t->m[i];
		p->place[p->n++] = &b->accepted;
	}
	t->bounces.n = n;
}

static void
clear_bounces(struct told *t)
{
	while (t->bounces.n > 0)
		store_msg_clear(&t->m[--t->bounces.n]);
}

static void
change_one(struct work *w)
{
	struct letter *l = w->letter;
	struct told told = { .bounces.n = 0 };
	struct promise *p;
	uint32_t v = w->m.attempts + 1;

	if (v == VERSIONS)
		return;
	w->m.attempts = v;
	w->m.due_ms += 1000;
	l->changing[v] = calls_now();
	p = promise(&l->changed[v]);
	if (dice(&rng, 3) == 0)
		fill_bounces(&told, l->id, v, p);
	store_update(store, &w->m, &told.bounces, promised_cb, p);
	clear_bounces(&told);
}

static void
remove_one(struct work *w)
{
	struct letter *l = w->letter;
	struct told told = { .bounces.n = 0 };
	struct promise *p;

	l->removing = calls_now();
	p = promise(&l->removed);
	if (dice(&rng, 4) == 0)
		fill_bounces(&told, l->id, VERSIONS, p);
	store_remove(store, &w->m, &told.bounces, promised_cb, p);
	clear_bounces(&told);
	store_msg_clear(&w->m);
	w->letter = NULL;
}

static void
turn(struct work *w)
{
	if (w->letter == NULL)
		accept_one(w);
	else if (w->letter->accepted == NEVER)
		return;
	else if (dice(&rng, 3) == 0)
		change_one(w);
	else if (dice(&rng, 30) != 0)
		remove_one(w);
	else {
		/* It stays for days, and so does its segment. */
		store_msg_clear(&w->m);
		w->letter = NULL;
	}
}

/* What the last session left in doubt is settled by what recovery found. */
static void
take_stock(void)
{
	size_t i, now;

	look_at_all();
	now = calls_now();
	for (i = 0; i < ledger->n; i++) {
		struct letter *l = &ledger->v[i];

		if (l->seen == 0) {
			l->removed = now < l->removed ? now : l->removed;
			/* It may be caused again, with no bounce. */
			l->cause = 0;
			continue;
		}
		l->accepted = now < l->accepted ? now : l->accepted;
		l->removing = NEVER;
		if (l->version < VERSIONS && now < l->changed[l->version])
			l->changed[l->version] = now;
	}
	/* Of usage, what held before the loss is still asked for. */
	if (session->after_loss)
		return;
	for (i = 0; i < ledger->n; i++)
		ledger->v[i].old = true;
	ledger->used_at_start = ledger->used;
	ledger->started = now;
}

/* What is left over of earlier sessions goes on its way, too. */
static void
load_cb(struct store_msg *const *v, size_t n, void *arg)
{
	struct letter *l;
	size_t i;

	waiting--;
	for (i = 0; i < n && i < AT_ONCE; i++) {
		l = letter_of(v[i]->id);
		if (l == NULL || v[i]->attempts >= VERSIONS)
			continue;
		store_msg_copy(&works[i].m, v[i]);
		works[i].letter = l;
	}
}

static int
work(void)
{
	uint32_t t;

	rng = session->seed;
	if (!open_store(session->dir))
		return REFUSED;
	take_stock();
	waiting++;
	store_due(store, 0, 0, UINT64_MAX, AT_ONCE / 2, load_cb, NULL);
	while (waiting > 0)
		ev_loop_once(100);
	/* Time runs fast, so that cuts meet checkpoints and moved mail. */
	ev_clock_fake(ev_now_ms(), ev_wall_ms());
	for (t = 0; t < session->turns; t++) {
		turn(&works[dice(&rng, AT_ONCE)]);
		if (session->leap_ms != 0 && t == session->turns / 2)
			ev_clock_jump_wall(session->leap_ms);
		if (t % 16 == 0 && !session->still)
			ev_clock_step(1000);
		if (dice(&rng, 3) == 0)
			ev_loop_once(dice(&rng, 2));
	}
	while (waiting > 0)
		ev_loop_once(10);
	if (session->close)
		store_close(&store);
	return 0;
}

/* --- the judge ------------------------------------------------------------------------- */

static int
judge(void)
{
	uint64_t start;

	if (!open_store(session->dir))
		return REFUSED;
	start = ev_now_ms();
	look_at_all();
	if (ev_now_ms() - start > ledger->largest_open_ms)
		ledger->largest_open_ms = (uint32_t)(ev_now_ms() - start);
	ledger->next_id = store_new_id(store);
	store_close(&store);
	return 0;
}

/* --- in the parent --------------------------------------------------------------------------- */

static enum end
child(int (*run)(void), const struct session *s)
{
	int status;
	pid_t pid;

	fflush(stdout);
	ledger->errstr[0] = '\0';
	if ((pid = fork()) == -1)
		fatal("fork");
	if (pid == 0) {
		session = s;
		alarm(HANG_SEC);
		calls_watch(s->dir, s->plan, s->tape);
		status = run();
		_exit(status);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fatal("waitpid");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return END_KILLED;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? END_HUNG : END_CRASHED;
	switch (WEXITSTATUS(status)) {
	case 0:
		return END_GOOD;
	case 1:
		return END_DIED;
	case REFUSED:
		return END_REFUSED;
	default:
		return END_CRASHED;
	}
}

const char *
end_name(enum end e)
{
	static const char *const names[] = { "good", "refused", "ended itself",
	    "CRASHED", "HUNG", "was killed" };

	return names[e];
}

enum end
world_work(const struct session *s)
{
	ledger->started = NEVER;
	ledger->sync_lost |= s->after_loss;
	return child(work, s);
}

enum end
world_judge(const char *dir)
{
	struct session s = { .dir = dir };

	return child(judge, &s);
}

static void
judge_letter(const struct letter *l, size_t cut, struct verdict *v)
{
	bool doubt = l->ghost || (ledger->sync_lost && l->accepted > cut);
	uint32_t low = 0, high = 0, i;

	for (i = 0; i < VERSIONS; i++) {
		low = l->changed[i] <= cut ? i : low;
		high = l->changing[i] <= cut ? i : high;
	}
	if (l->seen == 0) {
		v->lost += !l->ghost && l->accepted <= cut &&
		    l->removing > cut;
		return;
	}
	v->strange += l->seen > 1;
	v->back += l->accepting > cut || l->removed <= cut;
	v->spoilt += l->spoilt && !(l->unread && doubt);
	v->stale += l->version < low && !l->ghost;
	v->early += l->version > high;
}

/* A bounce and what it tells of are in one batch: both or neither. */
static bool
halved(const struct letter *b, size_t cut)
{
	const struct letter *l = b->cause == 0 ? NULL : letter_of(b->cause);
	bool happened;

	if (l == NULL || b->accepting > cut || b->ghost || l->ghost)
		return false;
	/* What is not there has been removed since. */
	happened = l->seen == 0 || l->version >= b->as;
	return b->seen > 0 ? !happened : happened && b->removing > cut;
}

struct verdict
world_verdict(size_t cut)
{
	uint64_t low = ledger->used_low, high = ledger->used_high, seen = 0;
	struct verdict v = { .strange = ledger->strange }, was;
	bool started = ledger->started <= cut;
	size_t i;

	if (started)
		low = high = ledger->used_at_start;
	for (i = 0; i < ledger->n; i++) {
		const struct letter *l = &ledger->v[i];

		was = v;
		judge_letter(l, cut, &v);
		v.hurt += v.lost + v.back + v.spoilt + v.stale > was.lost +
		    was.back + was.spoilt + was.stale;
		v.halved += halved(l, cut);
		seen += l->seen;
		v.ids |= l->accepted <= cut && l->id >= ledger->next_id;
		if (l->charged && !l->old) {
			low += l->accepted <= cut;
			high += l->accepting <= cut;
		}
	}
	/* An index built anew knows only the usage that the journal has. */
	v.usage = ledger->used > high ||
	    (!ledger->usage_lost && ledger->used < low);
	v.used_low = low;
	v.used_high = high;
	v.due = ledger->due != seen;
	return v;
}

bool
verdict_good(const struct verdict *v)
{
	return v->lost + v->back + v->spoilt + v->strange + v->stale +
	    v->early + v->halved == 0 && !v->usage && !v->ids && !v->due;
}

void
verdict_show(const struct verdict *v)
{
	size_t i;

	for (i = 0; i < ledger->n; i++) {
		const struct letter *l = &ledger->v[i];

		if (l->spoilt)
			printf("# %zu: %llu bytes spoilt%s, accepted at %zd, "
			    "removing %zd\n", i, (unsigned long long)l->size,
			    l->unread ? " (refused)" : "",
			    (ssize_t)l->accepted, (ssize_t)l->removing);
	}
	printf("# lost %u, back %u, spoilt %u, strange %u, stale %u, early %u, "
	    "halved %u%s%s%s (used %llu of %llu to %llu, %u of %zu due)\n",
	    v->lost, v->back, v->spoilt, v->strange, v->stale, v->early,
	    v->halved,
	    v->usage ? ", USAGE" : "", v->ids ? ", IDS" : "",
	    v->due ? ", DUE" : "", (unsigned long long)ledger->used,
	    (unsigned long long)v->used_low,
	    (unsigned long long)v->used_high, ledger->due, ledger->n);
}

static size_t
rebased(size_t place, size_t cut)
{
	return place <= cut ? 0 : NEVER;
}

void
world_rebase(size_t cut)
{
	bool started = ledger->started <= cut;
	uint64_t low = started ? ledger->used_at_start : ledger->used_low;
	uint64_t high = started ? low : ledger->used_high;
	size_t i, n = 0;
	int k;

	for (i = 0; i < ledger->n; i++) {
		struct letter l = ledger->v[i];

		if (l.charged && !l.old) {
			low += l.accepted <= cut;
			high += l.accepting <= cut;
		}
		l.accepting = rebased(l.accepting, cut);
		l.removed = rebased(l.removed, cut);
		if (l.accepting == NEVER)
			continue;
		l.accepted = rebased(l.accepted, cut);
		l.ghost |= ledger->sync_lost && l.accepted == NEVER;
		l.removing = rebased(l.removing, cut);
		for (k = 0; k < VERSIONS; k++) {
			l.changing[k] = rebased(l.changing[k], cut);
			l.changed[k] = rebased(l.changed[k], cut);
		}
		l.old = true;
		/* Should it come back it will be a stranger's. */
		if (l.removed == 0 && ledger->n > LETTERS / 4)
			continue;
		ledger->v[n++] = l;
	}
	ledger->n = n;
	ledger->used_low = low;
	ledger->used_high = high;
	ledger->started = NEVER;
	ledger->sync_lost = false;
}

/* --- directories ------------------------------------------------------------------------------- */

char *
world_dir(void)
{
	char *dir = xstrdup("/dev/shm/postern-XXXXXX");

	if (mkdtemp(dir) != NULL)
		return dir;
	free(dir);
	dir = xstrdup("/tmp/postern-XXXXXX");
	if (mkdtemp(dir) == NULL)
		fatal("no directory");
	return dir;
}

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return f->level == 0 ? 0 : remove(path);
}

void
world_empty(const char *dir)
{
	nftw(dir, remove_cb, 16, FTW_DEPTH | FTW_PHYS);
}

void
world_fresh(const char *dir)
{
	world_empty(dir);
	ledger->n = 0;
	/* What the last session had seen is none of the new store's. */
	ledger->started = NEVER;
	ledger->used_low = ledger->used_high = 0;
	ledger->usage_lost = false;
}

void
world_remove(char *dir)
{
	world_empty(dir);
	if (rmdir(dir) == -1)
		log_warn("cannot remove %s", dir);
	free(dir);
}
