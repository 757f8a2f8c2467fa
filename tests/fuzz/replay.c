/*
 * replay: main() of a fuzz target where there is no libFuzzer. Runs every seed
 * of seeds/NAME, then a fixed number of mutations of them, the same in every
 * run, and prints TAP. Given files, it runs those and nothing else; the
 * environment's FUZZ_RUNS sets the number of mutations. What was tried last
 * is left in NAME.crash when it ends the program.
 */
#include "lib/prelude.h"

#include <dirent.h>
#include <signal.h>

#include "tests/fuzz/fuzz.h"
#include "tests/show.h"
#include "tests/tap.h"

/* tests/fuzz/run lets libFuzzer have them under the sanitizers, for longer. */
#if defined(POSTERN_SANITIZED)
#define RUNS	2000
#else
#define RUNS	20000
#endif
#define SEEDS_MAX 512
#define INPUT_MAX 4096		/* of a mutation; seeds may be longer */

struct blob {
	uint8_t	*p;
	size_t	 n;
};

static struct blob seeds[SEEDS_MAX], words[SEEDS_MAX];
static size_t nseeds, nwords;

static const uint8_t *running;
static size_t running_len;
static char crash_file[256];

static void
crashed(int sig)
{
	FILE *f = fopen(crash_file, "w");

	if (f != NULL) {
		fwrite(running, 1, running_len, f);
		fclose(f);
		fprintf(stderr, "the input is in %s\n", crash_file);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

/* From memory of exactly its size, so that a byte too far is seen. */
static void
run(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n == 0 ? 1 : n);

	if (exact == NULL)
		abort();
	if (n > 0)
		memcpy(exact, p, n);
	running = exact;
	running_len = n;
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static bool
load(const char *path, struct blob *b)
{
	FILE *f = fopen(path, "r");

	if (f == NULL)
		return false;
	b->p = malloc(1 << 20);
	b->n = b->p == NULL ? 0 : fread(b->p, 1, 1 << 20, f);
	fclose(f);
	return b->p != NULL;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
load_seeds(const char *dir)
{
	struct dirent **list;
	char path[1024];
	int i, n = scandir(dir, &list, NULL, by_name);

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && nseeds < SEEDS_MAX &&
		    load(path, &seeds[nseeds])) {
			run(seeds[nseeds].p, seeds[nseeds].n);
			ok(true, "seed %s", list[i]->d_name);
			nseeds++;
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

/* libFuzzer's dictionaries: "bytes" with \\, \" and \xHH, one a line. */
static void
load_words(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256], *s;
	unsigned int byte;
	uint8_t *o;

	while (f != NULL && nwords < SEEDS_MAX &&
	    fgets(line, sizeof(line), f) != NULL) {
		s = strchr(line, '"');
		if (line[0] == '#' || s == NULL)
			continue;
		o = words[nwords].p = malloc(sizeof(line));
		for (s++; *s != '"' && *s != '\0'; s++)
			if (sscanf(s, "\\x%2x", &byte) == 1) {
				*o++ = (uint8_t)byte;
				s += 3;
			} else
				*o++ = (uint8_t)(*s == '\\' ? *++s : *s);
		words[nwords].n = (size_t)(o - words[nwords].p);
		nwords++;
	}
	if (f != NULL)
		fclose(f);
}

/* --- mutating --------------------------------------------------------------------------- */

/* Replaces cut bytes at `at` by the n bytes at p, as far as there is room. */
static void
splice(struct blob *b, size_t at, size_t cut, const uint8_t *p, size_t n)
{
	if (b->n - cut + n > INPUT_MAX)
		return;
	memmove(b->p + at + n, b->p + at + cut, b->n - at - cut);
	if (n > 0)
		memcpy(b->p + at, p, n);
	b->n += n - cut;
}

static void
mutate(struct blob *b)
{
	static const uint8_t telling[] = "\r\n.\0 <>\"\\@:=+-;,0\x7f\x80\xff";
	size_t at = rnd(b->n + 1), left = b->n - at, n;
	const struct blob *other = &seeds[rnd(nseeds)];
	uint8_t byte = rnd(2) ? (uint8_t)rnd(256) :
	    telling[rnd(sizeof(telling) - 1)];

	switch (rnd(6)) {
	case 0:
		splice(b, at, left > 0, &byte, 1);
		break;
	case 1:
		splice(b, at, 0, &byte, 1);
		break;
	case 2:
		splice(b, at, rnd(left < 16 ? left + 1 : 16), NULL, 0);
		break;
	case 3:
		if (left > 0)
			b->p[at] ^= (uint8_t)(1 << rnd(8));
		break;
	case 4:
		if (nwords > 0) {
			const struct blob *w = &words[rnd(nwords)];

			splice(b, at, rnd(2) && left >= w->n ? w->n : 0, w->p,
			    w->n);
		}
		break;
	case 5:
		n = rnd(other->n + 1);
		splice(b, at, rnd(left + 1), other->p + n,
		    rnd(other->n - n + 1));
		break;
	}
}

static void
run_mutations(unsigned long runs)
{
	static uint8_t bytes[INPUT_MAX];
	struct blob b = { bytes, 0 };
	unsigned long i;
	size_t k;

	for (i = 0; i < runs; i++) {
		const struct blob *s = &seeds[rnd(nseeds)];

		b.n = s->n < INPUT_MAX ? s->n : INPUT_MAX;
		memcpy(b.p, s->p, b.n);
		for (k = 1 + rnd(5); k > 0; k--)
			mutate(&b);
		run(b.p, b.n);
	}
	ok(true, "%lu mutations of %zu seeds", runs, nseeds);
}

/* fuzz_NAME has its seeds in seeds/NAME and its words in NAME.dict. */
int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/'), *src = getenv("srcdir");
	const char *runs_text = getenv("FUZZ_RUNS");
	unsigned long runs = &fuzz_replay_runs == NULL ? RUNS :
	    fuzz_replay_runs;
	struct blob b;
	char path[512];
	int i;

	name = name == NULL ? argv[0] : name + 1;
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	snprintf(crash_file, sizeof(crash_file), "%s.crash", name);
	signal(SIGABRT, crashed);
	signal(SIGSEGV, crashed);
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (i = 1; i < argc; i++) {
		if (!load(argv[i], &b))
			return 2;
		run(b.p, b.n);
		ok(true, "%s", argv[i]);
		free(b.p);
	}
	if (argc > 1)
		return tap_done();
	src = src == NULL ? "." : src;
	snprintf(path, sizeof(path), "%s/tests/fuzz/%s.dict", src, name);
	load_words(path);
	snprintf(path, sizeof(path), "%s/tests/fuzz/seeds/%s", src, name);
	load_seeds(path);
	if (ok(nseeds > 0, "there are seeds in %s", path))
		run_mutations(runs_text == NULL ? runs :
		    strtoul(runs_text, NULL, 10));
	while (nwords > 0)
		free(words[--nwords].p);
	while (nseeds > 0)
		free(seeds[--nseeds].p);
	return tap_done();
}
