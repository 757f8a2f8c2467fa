#include "lib/prelude.h"

#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "tests/fault/image.h"
#include "tests/fault/world.h"

#define NODES_MAX	4096
#define NAME_MAX_	48

struct node {
	bool	 is_dir;
	uint64_t ino;			/* on the tape; 0: not opened yet */
	uint8_t	*data;			/* as it is on the disk */
	size_t	 size;
	const struct tape_op **todo;	/* not synced */
	size_t	 ntodo;
};

struct name {
	size_t	 dir, node;		/* node 0 is the root */
	char	 text[NAME_MAX_];
};

struct names {
	struct name *v;
	size_t	 n;
};

/* To a directory, not synced: from is taken away, then to is put there. */
struct change {
	struct name from, to;		/* text is "" where there is none */
};

struct image {
	struct node *nodes;
	size_t	 nnodes, played;
	const struct tape *tape;
	struct names now, disk;
	struct change *changes;
	size_t	 nchanges;
};

const char *
cut_name(enum cut_kind k)
{
	static const char *const names[CUT_KINDS] = { "drops all", "keeps all",
	    "stops", "tears sectors", "tears blocks" };

	return names[k];
}

/* --- names ----------------------------------------------------------------- */

static struct name *
find_name(const struct names *s, size_t dir, const char *text)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->v[i].dir == dir && strcmp(s->v[i].text, text) == 0)
			return &s->v[i];
	return NULL;
}

static void
drop_name(struct names *s, const struct name *name)
{
	struct name *old = find_name(s, name->dir, name->text);

	if (old != NULL)
		*old = s->v[--s->n];
}

static void
put_name(struct names *s, const struct name *name)
{
	drop_name(s, name);
	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = *name;
}

static void
apply_change(struct names *s, const struct change *c)
{
	if (c->from.text[0] != '\0')
		drop_name(s, &c->from);
	if (c->to.text[0] != '\0')
		put_name(s, &c->to);
}

/* Where a path leads: its directory and last name; node is set if it is there. */
static bool
walk(const struct image *im, const char *path, struct name *found)
{
	struct name at = { .dir = 0, .node = 0 };
	const struct name *next;
	const char *end;

	for (;; path = end + 1) {
		end = strchrnul(path, '/');
		at.dir = at.node;
		snprintf(at.text, sizeof(at.text), "%.*s", (int)(end - path),
		    path);
		next = find_name(&im->now, at.dir, at.text);
		if (*end == '\0' || next == NULL)
			break;
		at.node = next->node;
	}
	*found = at;
	if (next == NULL)
		return false;
	found->node = next->node;
	return true;
}

static size_t
new_node(struct image *im, bool is_dir)
{
	if (im->nnodes == NODES_MAX)
		fatalx("too many files on the tape");
	im->nodes[im->nnodes].is_dir = is_dir;
	return im->nnodes++;
}

static void
change(struct image *im, const struct change *c)
{
	apply_change(&im->now, c);
	im->changes = xreallocarray(im->changes, im->nchanges + 1,
	    sizeof(*im->changes));
	im->changes[im->nchanges++] = *c;
}

static size_t
dir_of(const struct change *c)
{
	return c->to.text[0] != '\0' ? c->to.dir : c->from.dir;
}

/* --- playing the tape -------------------------------------------------------------- */

static struct node *
node_of(const struct image *im, uint64_t ino)
{
	size_t i = im->nnodes;

	while (i-- > 0)
		if (im->nodes[i].ino == ino)
			return &im->nodes[i];
	fatalx("the tape knows a file that was never opened");
}

static void
play_open(struct image *im, const struct tape_op *op)
{
	struct change c = { .to = { .dir = 0 } };
	size_t i;

	if (op->path[0] == '\0') {
		im->nodes[0].ino = op->ino;
		return;
	}
	if (!walk(im, op->path, &c.to)) {
		c.to.node = new_node(im, op->directory);
		change(im, &c);
	}
	/* The number may have been another file's, now gone. */
	for (i = 0; i < im->nnodes; i++)
		if (im->nodes[i].ino == op->ino)
			im->nodes[i].ino = 0;
	im->nodes[c.to.node].ino = op->ino;
}

static void
play_rename(struct image *im, const struct tape_op *op)
{
	struct change c;

	if (!walk(im, op->path, &c.from))
		fatalx("the tape renames %s, which is not there", op->path);
	walk(im, op->path2, &c.to);
	c.to.node = c.from.node;
	change(im, &c);
}

static void
play_unlink(struct image *im, const struct tape_op *op)
{
	struct change c = { .to = { .dir = 0 } };

	if (walk(im, op->path, &c.from))
		change(im, &c);
}

static void
play_mkdir(struct image *im, const struct tape_op *op)
{
	struct change c = { .from = { .dir = 0 } };

	walk(im, op->path, &c.to);
	c.to.node = new_node(im, true);
	change(im, &c);
}

static void
resize(struct node *n, size_t size)
{
	if (size > n->size) {
		n->data = xreallocarray(n->data, size, 1);
		memset(n->data + n->size, 0, size - n->size);
	}
	n->size = size;
}

static void
put_bytes(struct node *n, const struct tape *t, const struct tape_op *op,
    size_t from, size_t len)
{
	if (op->at + from + len > n->size)
		resize(n, op->at + from + len);
	if (op->data == 0)
		memset(n->data + op->at + from, 0, len);
	else
		memcpy(n->data + op->at + from, t->bytes + op->data + from,
		    len);
}

static void
put_all(struct node *n, const struct tape *t, const struct tape_op *op)
{
	if (op->kind == TAPE_TRUNCATE)
		resize(n, op->at);
	else
		put_bytes(n, t, op, 0, op->len);
}

static void
play_sync(struct image *im, struct node *node, bool lost)
{
	size_t i, kept = 0, self = (size_t)(node - im->nodes);

	for (i = 0; i < node->ntodo && !lost; i++)
		put_all(node, im->tape, node->todo[i]);
	node->ntodo = 0;
	/* Names are kept by a file system's own journal, which stops at errors. */
	if (!node->is_dir || lost)
		return;
	for (i = 0; i < im->nchanges; i++)
		if (dir_of(&im->changes[i]) != self)
			im->changes[kept++] = im->changes[i];
		else
			apply_change(&im->disk, &im->changes[i]);
	im->nchanges = kept;
}

static void
play_write(struct image *im, const struct tape_op *op)
{
	struct node *n = node_of(im, op->ino);

	n->todo = xreallocarray(n->todo, n->ntodo + 1, sizeof(*n->todo));
	n->todo[n->ntodo++] = op;
}

void
image_play(struct image *im, const struct tape *t, size_t until)
{
	const struct tape_op *op;

	im->tape = t;
	for (; im->played < until; im->played++) {
		op = &t->op[im->played];
		switch (op->kind) {
		case TAPE_OPEN:
			play_open(im, op);
			break;
		case TAPE_WRITE:
		case TAPE_TRUNCATE:
			play_write(im, op);
			break;
		case TAPE_SYNC:
		case TAPE_SYNC_LOST:
			play_sync(im, node_of(im, op->ino),
			    op->kind == TAPE_SYNC_LOST);
			break;
		case TAPE_RENAME:
			play_rename(im, op);
			break;
		case TAPE_UNLINK:
			play_unlink(im, op);
			break;
		case TAPE_MKDIR:
			play_mkdir(im, op);
			break;
		}
	}
}

/* --- a disk after the cut ------------------------------------------------------------ */

/* Of one write, the sectors that the dice leave. */
static void
put_some(struct node *n, const struct tape *t, const struct tape_op *op,
    size_t sector, uint64_t *state)
{
	uint64_t keep = dice(state, 5);	/* of four */
	size_t from = 0, len;

	if (op->kind == TAPE_TRUNCATE) {
		if (dice(state, 2) == 0)
			put_all(n, t, op);
		return;
	}
	for (; from < op->len; from += len) {
		len = sector - (op->at + from) % sector;
		if (len > op->len - from)
			len = op->len - from;
		if (dice(state, 4) < keep)
			put_bytes(n, t, op, from, len);
	}
}

/* The first writes whole, the next torn. */
static void
put_first(struct node *n, const struct tape *t, const struct node *from,
    uint64_t *state)
{
	size_t i, whole = dice(state, from->ntodo + 1);

	for (i = 0; i < whole; i++)
		put_all(n, t, from->todo[i]);
	if (whole < from->ntodo && from->todo[whole]->kind == TAPE_WRITE)
		put_bytes(n, t, from->todo[whole], 0, dice(state,
		    from->todo[whole]->len / 512 + 1) * 512);
}

/* Blocks of zeros stay holes: most of a segment is nothing else yet. */
static int
write_sparse(int fd, const uint8_t *p, size_t n)
{
	static const uint8_t zeros[4096];
	size_t at, end, len;

	for (at = 0; at < n; at = end) {
		for (end = at; end < n; end += len) {
			len = n - end < sizeof(zeros) ? n - end : sizeof(zeros);
			if (memcmp(p + end, zeros, len) == 0)
				break;
		}
		if (end > at && pwrite(fd, p + at, end - at, (off_t)at) !=
		    (ssize_t)(end - at))
			return -1;
		if (end < n)	/* past the hole's first block */
			end += n - end < sizeof(zeros) ? n - end :
			    sizeof(zeros);
	}
	return ftruncate(fd, (off_t)n);
}

/* A copy of its own, with what was left of the writes to it. */
static void
cut_node(const struct image *im, struct node *n, enum cut_kind k,
    uint64_t *state)
{
	const struct node *from = n;
	struct node copy = { .size = from->size };
	size_t i;

	copy.data = xmalloc(from->size + 1);
	if (from->size > 0)
		memcpy(copy.data, from->data, from->size);
	for (i = 0; i < from->ntodo; i++)
		if (k == CUT_KEEPS)
			put_all(&copy, im->tape, from->todo[i]);
		else if (k == CUT_TEARS_512 || k == CUT_TEARS_4096)
			put_some(&copy, im->tape, from->todo[i],
			    k == CUT_TEARS_512 ? 512 : 4096, state);
	if (k == CUT_STOPS)
		put_first(&copy, im->tape, from, state);
	*n = copy;
}

static void
write_node(const struct image *im, const struct node *from, enum cut_kind k,
    uint64_t *state, const char *path)
{
	struct node n = *from;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (n.ntodo > 0)
		cut_node(im, &n, k, state);
	if (fd == -1 || write_sparse(fd, n.data, n.size) == -1)
		fatal("%s", path);
	close(fd);
	if (n.data != from->data)
		free(n.data);
}

static void
write_names(const struct image *im, const struct names *s, size_t dir,
    enum cut_kind k, uint64_t *state, const char *path)
{
	char *below;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->v[i].dir != dir)
			continue;
		below = xasprintf("%s/%s", path, s->v[i].text);
		if (!im->nodes[s->v[i].node].is_dir)
			write_node(im, &im->nodes[s->v[i].node], k, state,
			    below);
		else if (mkdir(below, 0700) == -1)
			fatal("%s", below);
		else
			write_names(im, s, s->v[i].node, k, state, below);
		free(below);
	}
}

/* How many of a directory's changes have reached the disk: the first ones. */
static size_t
lucky(const struct image *im, size_t dir, enum cut_kind k, uint64_t *state)
{
	size_t i, n = 0;

	for (i = 0; i < im->nchanges; i++)
		n += dir_of(&im->changes[i]) == dir;
	return k == CUT_DROPS ? 0 : k == CUT_KEEPS ? n : dice(state, n + 1);
}

void
image_write(const struct image *im, enum cut_kind k, uint64_t *state,
    const char *path)
{
	struct names s = { NULL, im->disk.n };
	size_t i, dir, left;

	s.v = xreallocarray(NULL, s.n + 1, sizeof(*s.v));
	for (i = 0; i < s.n; i++)
		s.v[i] = im->disk.v[i];
	for (dir = 0; dir < im->nnodes; dir++) {
		if (!im->nodes[dir].is_dir)
			continue;
		left = lucky(im, dir, k, state);
		for (i = 0; i < im->nchanges && left > 0; i++)
			if (dir_of(&im->changes[i]) == dir) {
				apply_change(&s, &im->changes[i]);
				left--;
			}
	}
	write_names(im, &s, 0, k, state, path);
	free(s.v);
}

/* --- the beginning and the end --------------------------------------------------------- */

static void
load_file(struct node *n, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s", path);
	resize(n, (size_t)st.st_size);
	if (read(fd, n->data, n->size) != (ssize_t)n->size)
		fatal("%s", path);
	close(fd);
}

static void
load_dir(struct image *im, size_t dir, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct name name = { .dir = dir };
	struct stat st;
	char *below;

	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		below = xasprintf("%s/%s", path, e->d_name);
		if (stat(below, &st) == -1)
			fatal("%s", below);
		snprintf(name.text, sizeof(name.text), "%.*s", NAME_MAX_ - 1,
		    e->d_name);
		name.node = new_node(im, S_ISDIR(st.st_mode));
		put_name(&im->now, &name);
		put_name(&im->disk, &name);
		if (S_ISDIR(st.st_mode))
			load_dir(im, name.node, below);
		else
			load_file(&im->nodes[name.node], below);
		free(below);
	}
	closedir(d);
}

struct image *
image_load(const char *dir)
{
	struct image *im = xcalloc(1, sizeof(*im));

	im->nodes = xcalloc(NODES_MAX, sizeof(*im->nodes));
	new_node(im, true);
	load_dir(im, 0, dir);
	return im;
}

void
image_free(struct image **imp)
{
	struct image *im = *imp;
	size_t i;

	*imp = NULL;
	for (i = 0; i < im->nnodes; i++) {
		free(im->nodes[i].data);
		free(im->nodes[i].todo);
	}
	free(im->nodes);
	free(im->now.v);
	free(im->disk.v);
	free(im->changes);
	free(im);
}
