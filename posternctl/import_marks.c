/*
 * A mark is on the disk before the message is sent: whatever ends this process,
 * or the queue, the next import sends it under the same id. What was under way
 * to another queue is marked anew, with an id of this one and the former behind
 * it, for it may have gone out by that. None is ever dropped, however many queues
 * it has been to: back at one of them, it is sent by the id that it had there.
 */
#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "posternctl/import_marks.h"
#include "posternctl/talk.h"

#define UNDER_WAY	".json.importing-"
#define QUEUE_LEN	13

/* --- names ------------------------------------------------------------------------- */

static bool
is_id(const char *s)
{
	return strspn(s, "-0123456789abcdefghijklmnopqrstuvwxyz") ==
	    MARK_ID_LEN;
}

/*
 * "x.json.importing-QUEUE-ID", or with "+QUEUE-ID" behind it, once or more: where
 * the first QUEUE begins; else NULL.
 */
static const char *
id_in(const char *name)
{
	size_t n = strlen(name), tail = strlen(UNDER_WAY) + MARK_ID_LEN;
	const char *id;

	while (n > tail + MARK_ID_LEN + 1 &&
	    name[n - MARK_ID_LEN - 1] == '+' && is_id(name + n - MARK_ID_LEN))
		n -= MARK_ID_LEN + 1;
	if (n <= tail || strncmp(name + n - tail, UNDER_WAY,
	    strlen(UNDER_WAY)) != 0)
		return NULL;
	id = name + n - MARK_ID_LEN;
	return is_id(id) ? id : NULL;
}

static bool
is_envelope(const char *name)
{
	size_t n = strlen(name), len = strlen(MARK_SUFFIX);

	return n > len && strcmp(name + n - len, MARK_SUFFIX) == 0;
}

bool
mark_wanted(const char *name)
{
	return is_envelope(name) || mark_under_way(name);
}

bool
mark_under_way(const char *name)
{
	return id_in(name) != NULL;
}

void
mark_read(struct mark *m, const char *name)
{
	const char *id = id_in(name);

	memset(m, 0, sizeof(*m));
	m->file = xstrdup(name);
	if (id == NULL) {
		m->stem = xstrndup(name, strlen(name) - strlen(MARK_SUFFIX));
		m->former = xstrdup("");
		return;
	}
	m->stem = xstrndup(name, (size_t)(id - name) - strlen(UNDER_WAY));
	snprintf(m->id, sizeof(m->id), "%.*s", MARK_ID_LEN, id);
	m->former = xstrdup(id + MARK_ID_LEN);
}

void
mark_clear(struct mark *m)
{
	free(m->stem);
	free(m->file);
	free(m->former);
	memset(m, 0, sizeof(*m));
}

void
mark_former(const struct mark *m, char id[MARK_ID_LEN + 1])
{
	snprintf(id, MARK_ID_LEN + 1, "%.*s", MARK_ID_LEN,
	    *m->former == '\0' ? "" : m->former + 1);
}

char *
mark_file(const struct mark *m, bool under_way)
{
	return under_way ? xasprintf("%s" UNDER_WAY "%s%s", m->stem, m->id,
	    m->former) : xasprintf("%s" MARK_SUFFIX, m->stem);
}

/* --- marks ------------------------------------------------------------------------- */

/* Which is no other's concern. */
static void
too_long(struct mark *m, const char *name)
{
	complain(0, "%s: too long a name to be marked while it is under way: "
	    "shorten what stands before " MARK_SUFFIX ", and that of its .eml",
	    name);
	m->skip = true;
}

/* False after a complaint. */
static bool
rename_to(int dir, struct mark *m, const char *from, const char *to)
{
	if (renameat(dir, from, dir, to) == 0)
		return true;
	if (errno == ENAMETOOLONG)
		too_long(m, from);
	else
		complain(0, "%s cannot be renamed: %s", from,
		    strerrordesc_np(errno));
	return false;
}

static bool
mark(int dir, struct mark *m, bool under_way)
{
	char *from = mark_file(m, !under_way), *to = mark_file(m, under_way);
	bool good = m->skip || rename_to(dir, m, from, to);

	free(from);
	free(to);
	return good;
}

void
mark_undo(int dir, struct mark *m)
{
	mark(dir, m, false);
}

void
mark_imported(int dir, struct mark *m)
{
	char *from = mark_file(m, true);
	char *to = xasprintf("%s" MARK_SUFFIX ".imported", m->stem);

	rename_to(dir, m, from, to);
	free(from);
	free(to);
}

static bool
mark_new(int dir, struct mark *m, char (*ids)[MARK_ID_LEN + 1], size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		memcpy(m[i].id, ids[i], sizeof(m[i].id));
		if (!mark(dir, &m[i], true) && !m[i].skip) {
			while (i > 0)
				mark_undo(dir, &m[--i]);
			return false;
		}
	}
	return true;
}

/* As what it is to be sent to the queue that has handed this id out. */
static void
name_again(struct mark *m, const char *id)
{
	char *former = xasprintf("+%s%s", m->id, m->former), *p = former;

	while (*p != '\0' && strncmp(p + 1, id, QUEUE_LEN) != 0)
		p += 1 + MARK_ID_LEN;
	/* It may be back: this queue knows it by the id that it had here. */
	snprintf(m->id, sizeof(m->id), "%.*s", MARK_ID_LEN, *p == '\0' ? id :
	    p + 1);
	if (*p != '\0')
		memmove(p, p + 1 + MARK_ID_LEN, strlen(p + MARK_ID_LEN));
	free(m->former);
	m->former = former;
}

void
mark_foresee(struct mark *m, const char *id)
{
	char *to;

	if (*m->id == '\0')
		snprintf(m->id, sizeof(m->id), "%s", id);
	else if (strncmp(m->id, id, QUEUE_LEN) != 0)
		name_again(m, id);
	to = mark_file(m, true);
	if (strlen(to) > NAME_MAX)
		too_long(m, m->file);
	free(to);
}

/* Those of another queue are this one's from now on, in doubt. */
static bool
mark_again(int dir, struct mark *m, char (*ids)[MARK_ID_LEN + 1], size_t n)
{
	char *from, *to;
	bool good = true;
	size_t i;

	for (i = 0; i < n && good; i++) {
		if (strncmp(m[i].id, ids[i], QUEUE_LEN) == 0)
			continue;
		from = mark_file(&m[i], true);
		name_again(&m[i], ids[i]);
		to = mark_file(&m[i], true);
		good = rename_to(dir, &m[i], from, to) || m[i].skip;
		free(from);
		free(to);
	}
	return good;
}

bool
mark_all(int dir, struct mark *m, char (*ids)[MARK_ID_LEN + 1], size_t n,
    bool fresh)
{
	size_t i;

	if (!(fresh ? mark_new(dir, m, ids, n) : mark_again(dir, m, ids, n)))
		return false;
	if (fsync(dir) == 0 || errno == EINVAL)
		return true;
	complain(0, "the folder cannot be synced: %s", strerrordesc_np(errno));
	for (i = 0; fresh && i < n; i++)
		if (!m[i].skip)
			mark_undo(dir, &m[i]);
	return false;
}
