#include "lib/prelude.h"

#include "lib/xalloc.h"
#include "queue/record.h"
#include "queue/store_private.h"
#include "queue/table.h"

/* In a record at most: */
#define MSG_BYTES	(12 * 1024)	/* its history and names, in blocks */
/* A recipient: two addresses, what was heard of it, five lengths, two flags. */
#define RCPT_BYTES	(ENVELOPE_PATH_MAX + ENVELOPE_ORCPT_MAX + \
			STORE_STATUS_MAX + 2 * STORE_DIAG_MAX + 5 * 4 + 2)

/* --- messages in memory --------------------------------------------------------- */

void
store_msg_init(struct store_msg *m)
{
	memset(m, 0, sizeof(*m));
	envelope_init(&m->env);
}

void
store_msg_clear(struct store_msg *m)
{
	size_t i;

	for (i = 0; m->rcpts != NULL && i < m->env.nrcpts; i++) {
		free(m->rcpts[i].status);
		free(m->rcpts[i].diag);
		free(m->rcpts[i].remote);
	}
	free(m->rcpts);
	for (i = 0; i < m->nevents; i++)
		free(m->events[i].what);
	free(m->events);
	free(m->route);
	envelope_clear(&m->env);
	free(m->account);
	free(m->cap);
	free(m->device);
	free(m->body.v);
	store_msg_init(m);
}

void
store_msg_fit(struct store_msg *m)
{
	m->rcpts = xcalloc(m->env.nrcpts, sizeof(*m->rcpts));
}

size_t
store_msg_units(const struct store_msg *m)
{
	return m->env.nrcpts <= STORE_UNIT_RCPTS ? 1 :
	    (m->env.nrcpts + STORE_UNIT_RCPTS - 1) / STORE_UNIT_RCPTS;
}

uint64_t
store_msg_bytes(const struct store_msg *m)
{
	uint64_t n = m->env.nrcpts * (uint64_t)RCPT_BYTES;

	return MSG_BYTES + (n < RECORD_META_MAX ? n : RECORD_META_MAX);
}

size_t
store_page(struct store_msg *const *v, size_t n, size_t max)
{
	size_t i, units = 0;

	for (i = 0; i < n && units < max; i++)
		units += store_msg_units(v[i]);
	return i;
}

uint64_t
store_msg_likeness(const struct store_msg *m)
{
	const char *words[] = { m->account, m->env.return_path,
	    m->env.nrcpts == 0 ? NULL : m->env.rcpts[0].addr };
	uint64_t numbers[2 + nitems(words)] = { m->size, m->env.nrcpts };
	size_t i;

	for (i = 0; i < nitems(words); i++)
		numbers[2 + i] = words[i] == NULL ? 0 :
		    table_hash(words[i], strlen(words[i]));
	return table_hash(numbers, sizeof(numbers)) | 1;
}

void
store_msg_note(struct store_msg *m, uint64_t now_ms, const char *what)
{
	struct store_event *e;
	size_t i;

	for (i = 0; i < m->nevents; i++) {
		e = &m->events[i];
		if (strncmp(e->what, what, STORE_EVENT_LEN_MAX) == 0) {
			e->last_ms = now_ms;
			e->times++;
			return;
		}
	}
	if (m->nevents == STORE_EVENTS_MAX) {
		free(m->events[1].what);
		m->nevents--;
		memmove(&m->events[1], &m->events[2],
		    (m->nevents - 1) * sizeof(*e));
	}
	m->events = xreallocarray(m->events, m->nevents + 1, sizeof(*e));
	m->events[m->nevents++] = (struct store_event){ now_ms, now_ms, 1,
	    xstrndup(what, STORE_EVENT_LEN_MAX) };
}

static char *
copy_str(const char *s)
{
	return s == NULL ? NULL : xstrdup(s);
}

static void
copy_envelope(struct envelope *to, const struct envelope *from)
{
	size_t i;

	envelope_init(to);
	to->return_path = copy_str(from->return_path);
	to->envid = copy_str(from->envid);
	to->ret = from->ret;
	to->body_8bit = from->body_8bit;
	to->utf8 = from->utf8;
	to->require_tls = from->require_tls;
	to->hold_until_ms = from->hold_until_ms;
	to->by = from->by;
	to->by_trace = from->by_trace;
	to->by_told = from->by_told;
	to->by_ms = from->by_ms;
	to->priority = from->priority;
	for (i = 0; i < from->nrcpts; i++)
		envelope_add_rcpt(to, from->rcpts[i].addr,
		    from->rcpts[i].orcpt, from->rcpts[i].notify);
}

const char *
store_msg_login(const struct store_msg *m, char out[LOGIN_MAX + 1])
{
	if (m->device == NULL)
		return NULL;
	snprintf(out, LOGIN_MAX + 1, "%s/%s", m->account, m->device);
	return out;
}

void
store_msg_copy(struct store_msg *to, const struct store_msg *from)
{
	size_t i;

	*to = *from;
	to->account = copy_str(from->account);
	to->cap = copy_str(from->cap);
	to->device = copy_str(from->device);
	to->route = copy_str(from->route);
	to->events = from->nevents == 0 ? NULL :
	    xcalloc(from->nevents, sizeof(*to->events));
	for (i = 0; i < from->nevents; i++) {
		to->events[i] = from->events[i];
		to->events[i].what = copy_str(from->events[i].what);
	}
	to->body = (struct conf_bytes){ 0 };
	copy_envelope(&to->env, &from->env);
	store_msg_fit(to);
	for (i = 0; i < from->env.nrcpts; i++) {
		to->rcpts[i].state = from->rcpts[i].state;
		to->rcpts[i].status = copy_str(from->rcpts[i].status);
		to->rcpts[i].diag = copy_str(from->rcpts[i].diag);
		to->rcpts[i].remote = copy_str(from->rcpts[i].remote);
	}
}

/* --- ids as text ---------------------------------------------------------------------- */

/* Five bits a letter; without i, l, o and u, which people misread. */
static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

void
store_id_text(uint64_t id, char text[STORE_ID_LEN + 1])
{
	int i;

	for (i = STORE_ID_LEN - 1; i >= 0; i--, id >>= 5)
		text[i] = letters[id & 31];
	text[STORE_ID_LEN] = '\0';
}

uint64_t
store_id_parse(const char *text)
{
	uint64_t id = 0;
	const char *l;
	size_t i;

	if (strlen(text) != STORE_ID_LEN)
		return 0;
	for (i = 0; i < STORE_ID_LEN; i++) {
		l = strchr(letters, text[i]);
		/* 13 letters hold 65 bits: the first has but four. */
		if (l == NULL || (i == 0 && l - letters > 15))
			return 0;
		id = id << 5 | (uint64_t)(l - letters);
	}
	return id;
}

/* --- the way in -------------------------------------------------------------------------- */

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (s != NULL)
		s->backend->close(s);
}

uint64_t
store_new_id(struct store *s)
{
	return s->backend->new_id(s);
}

void
store_ids_beyond(struct store *s, uint64_t id)
{
	s->backend->ids_beyond(s, id);
}

uint64_t
store_room(const struct store *s)
{
	return s->backend->room(s);
}

bool
store_has_room(struct store *s)
{
	return s->backend->has_room(s);
}

uint64_t
store_spare(const struct store *s)
{
	return s->backend->spare(s);
}

uint64_t
store_count(const struct store *s)
{
	return s->backend->count(s);
}

uint64_t
store_unsettled(const struct store *s)
{
	return s->backend->unsettled(s);
}

uint64_t
store_identity(const struct store *s)
{
	return s->backend->identity(s);
}

bool
store_removed(const struct store *s, const struct store_msg *m)
{
	return s->backend->removed(s, m);
}

bool
store_leaving(const struct store *s, uint64_t id)
{
	return s->backend->leaving(s, id);
}

void
store_accept(struct store *s, const struct store_msg *m, int spool_fd,
    store_done *done, store_done *full, void *arg)
{
	s->backend->accept(s, m, spool_fd, done, full, arg);
}

void
store_update(struct store *s, const struct store_msg *m,
    const struct store_bounces *bounces, store_done *done, void *arg)
{
	s->backend->update(s, m, bounces, done, arg);
}

void
store_remove(struct store *s, const struct store_msg *m,
    const struct store_bounces *bounces, store_done *done, void *arg)
{
	s->backend->remove(s, m, bounces, done, arg);
}

void
store_sync(struct store *s, store_done *done, void *arg)
{
	s->backend->sync(s, done, arg);
}

int
store_spool_open(struct store *s)
{
	return s->backend->spool_open(s);
}

int
store_spool_lend(struct store *s, int fd, int *writer)
{
	return s->backend->spool_lend(s, fd, writer);
}

int
store_spool_held(struct store *s, int fd)
{
	return s->backend->spool_held(s, fd);
}

void
store_spool_empty(struct store *s, int fd)
{
	s->backend->spool_empty(s, fd);
}

void
store_spool_close(struct store *s, int fd)
{
	s->backend->spool_close(s, fd);
}

void
store_due(struct store *s, uint64_t after_ms, uint64_t after_id,
    uint64_t until_ms, size_t max, store_msgs *cb, void *arg)
{
	s->backend->due(s, after_ms, after_id, until_ms, max, cb, arg);
}

void
store_list(struct store *s, uint64_t after_id, size_t max, store_msgs *cb,
    void *arg)
{
	s->backend->list(s, after_id, max, cb, arg);
}

void
store_load(struct store *s, uint64_t id, store_msgs *cb, void *arg)
{
	s->backend->load(s, id, cb, arg);
}

void
store_body(struct store *s, uint64_t id, store_body_cb *cb, void *arg)
{
	s->backend->body(s, id, cb, arg);
}

void
store_usage(struct store *s, uint32_t back_sec, store_usage_cb *cb, void *arg)
{
	s->backend->usage(s, back_sec, cb, arg);
}
