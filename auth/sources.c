#include "lib/prelude.h"

#include <sys/queue.h>
#include <sys/random.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/exchange.h"
#include "auth/pending.h"
#include "auth/sources.h"
#include "lib/child.h"
#include "lib/ev.h"
#include "lib/fill.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define SLOTS		2048	/* a newcomer takes the place of an older one */
#define MAC_LEN		32
#define TESTS		(1ULL << 63) /* questions that are no login's */

/* A question that is out. */
struct asked {
	struct pending_one one;	/* first: the one is the question */
	char	 name[ACCOUNT_MAX + 1];
	uint8_t	 mac[MAC_LEN];
	const struct sources_tester *tester; /* NULL: a login */
	void	*arg;
};

/* What was right a moment ago. */
struct slot {
	uint8_t	 mac[MAC_LEN];
	uint64_t until_ms;
	struct account account;	/* its name "": empty */
	char	 source[SASL_WHY_MAX];
};

static const struct auth_conf *conf;
static struct ipc *source;
static struct pending pending;
static struct slot *slots;
static uint8_t key[MAC_LEN];

/* --- what is remembered ----------------------------------------------------------- */

static void
make_key(void)
{
	if (slots != NULL)
		return;
	slots = xcalloc(SLOTS, sizeof(*slots));
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		fatal("getrandom");
}

/* The name's NUL parts it from the password. */
static void
mac_of(const char *name, const void *password, size_t len,
    uint8_t mac[MAC_LEN])
{
	uint8_t in[ACCOUNT_MAX + 1 + SOURCE_PASSWORD_MAX];
	size_t n = strlen(name) + 1;

	if (n > ACCOUNT_MAX + 1 || len > SOURCE_PASSWORD_MAX)
		fatalx("a question is longer than was checked");
	memcpy(in, name, n);
	memcpy(in + n, password, len);
	if (HMAC(EVP_sha256(), key, sizeof(key), in, n + len, mac, NULL) ==
	    NULL)
		fatalx("cannot compute an HMAC");
	OPENSSL_cleanse(in, sizeof(in));
}

static struct slot *
slot_of(const uint8_t mac[MAC_LEN])
{
	return &slots[(mac[0] << 8 | mac[1]) % SLOTS];
}

static void
copy_account(struct account *to, const struct account *from)
{
	size_t i;

	memset(to, 0, sizeof(*to));
	snprintf(to->name, sizeof(to->name), "%s", from->name);
	snprintf(to->cap, sizeof(to->cap), "%s", from->cap);
	for (i = 0; i < from->nsenders; i++)
		account_add_sender(to, from->senders[i]);
}

static void
remember(const struct asked *a, const struct sasl_verdict *v)
{
	struct slot *slot = slot_of(a->mac);

	if (conf->cache_sec == 0)
		return;
	account_clear(&slot->account);
	copy_account(&slot->account, &v->account);
	memcpy(slot->mac, a->mac, MAC_LEN);
	snprintf(slot->source, sizeof(slot->source), "%s", v->why);
	slot->until_ms = ev_now_ms() + (uint64_t)conf->cache_sec * 1000;
}

static bool
remembers(const uint8_t mac[MAC_LEN], struct sasl_verdict *v)
{
	const struct slot *slot = slot_of(mac);

	if (*slot->account.name == '\0' || ev_now_ms() >= slot->until_ms ||
	    CRYPTO_memcmp(slot->mac, mac, MAC_LEN) != 0)
		return false;
	*v = (struct sasl_verdict){ .good = true };
	copy_account(&v->account, &slot->account);
	snprintf(v->why, sizeof(v->why), "%s", slot->source);
	return true;
}

static void
forget_all(void)
{
	size_t i;

	for (i = 0; slots != NULL && i < SLOTS; i++)
		account_clear(&slots[i].account);
}

void
sources_forget(const char *name)
{
	size_t i;

	for (i = 0; slots != NULL && i < SLOTS; i++)
		if (strcmp(slots[i].account.name, name) == 0)
			account_clear(&slots[i].account);
}

/* --- answers ---------------------------------------------------------------------- */

/* Takes the verdict's account over. */
static void
end(struct asked *a, struct sasl_verdict *v)
{
	pending_remove(&a->one);
	if (a->tester != NULL) {
		a->tester->ended(a->arg, v);
		account_clear(&v->account);
	} else {
		if (v->good)
			remember(a, v);
		exchange_answered(SASL_ASK_SOURCE, a->one.question, v);
	}
	free(a);
}

static const struct conf_grant *
grant_of(const char *name)
{
	size_t i;

	for (i = 0; i < conf->grants.n; i++) {
		const struct conf_grant *g = CONF_AT(conf->grants,
		    struct conf_grant, i);

		if (strcmp(g->source, name) == 0)
			return g;
	}
	return NULL;
}

/* A pattern that makes nothing of this name, as "@%d" of bob, gives nothing. */
static void
grant_senders(const struct conf_grant *g, struct account *acc)
{
	char pattern[ACCOUNT_MAX + 1];
	struct buf b;
	size_t i;

	for (i = 0; i < g->senders.n; i++) {
		buf_init(&b, ACCOUNT_MAX);
		if (fill_in(&b, g->senders.v[i], acc->name, fill_plain) == 0 &&
		    account_sender(buf_str(&b), pattern) == NULL)
			account_add_sender(acc, pattern);
		buf_clear(&b);
	}
}

/* M_SOURCE_OK: a source may add addresses, if it is to, and no whole domain. */
static int
read_ok(struct ipc_in *in, const struct asked *a, struct sasl_verdict *v)
{
	const char *name = ipc_get_str(in, ACCOUNT_MAX), *sender;
	const struct conf_grant *g = grant_of(name);
	uint32_t i, n = ipc_get_u32(in);
	char pattern[ACCOUNT_MAX + 1];

	if (g == NULL) {	/* a reload has taken it away meanwhile */
		v->temporary = true;
		snprintf(v->why, sizeof(v->why), "%s", "the settings changed");
	} else {
		v->good = true;
		snprintf(v->why, sizeof(v->why), "%s", name);
		snprintf(v->account.name, sizeof(v->account.name), "%s",
		    a->name);
		snprintf(v->account.cap, sizeof(v->account.cap), "%s",
		    g->cap);
		grant_senders(g, &v->account);
	}
	for (i = 0; i < n && !in->bad; i++) {
		sender = ipc_get_str(in, ACCOUNT_MAX);
		if (g != NULL && g->more_senders && *sender != '@' &&
		    account_sender(sender, pattern) == NULL)
			account_add_sender(&v->account, pattern);
	}
	return ipc_in_end(in) ? 0 : -1;
}

static int
on_said(struct ipc_in *in, const struct asked *a)
{
	char name[ACCOUNT_MAX + 1];
	uint8_t said;
	const char *why;
	uint32_t ms;

	snprintf(name, sizeof(name), "%s", ipc_get_str(in, ACCOUNT_MAX));
	said = ipc_get_u8(in);
	why = ipc_get_str(in, SOURCE_WHY_MAX);
	ms = ipc_get_u32(in);
	if (!ipc_in_end(in) || said >= SAIDS || a->tester == NULL)
		return -1;
	a->tester->said(a->arg, name, said, why, ms);
	return 0;
}

static int
on_msg(struct ipc *ipc, struct ipc_in *in, void *arg)
{
	struct asked *a = (struct asked *)pending_find(&pending, in->id);
	struct sasl_verdict v = { .good = false };
	int r = -1;

	if (a == NULL)
		return -1;
	if (in->type == M_SOURCE_SAID)
		return on_said(in, a);
	if (in->type == M_SOURCE_OK)
		r = read_ok(in, a, &v);
	else if (in->type == M_SOURCE_NO) {
		v.temporary = ipc_get_bool(in);
		snprintf(v.why, sizeof(v.why), "%s", ipc_get_str(in, 1024));
		r = ipc_in_end(in) ? 0 : -1;
	}
	if (r == 0)
		end(a, &v);
	else
		account_clear(&v.account);
	return r;
}

/* Its successor is not asked again: the clients are. */
static void
hang_up(void)
{
	struct sasl_verdict v;

	ipc_free(&source);
	while (!LIST_EMPTY(&pending.all)) {
		v = (struct sasl_verdict){ .temporary = true,
		    .why = "postern-source has ended" };
		end((struct asked *)LIST_FIRST(&pending.all), &v);
	}
}

static void
on_gone(struct ipc *ipc, const char *why, void *arg)
{
	if (why != NULL) {
		log_warnx("source channel=closed why=\"%s\"", why);
		child_peer_bad(ROLE_SOURCE, 0, why);
	}
	hang_up();
}

/* --- questions -------------------------------------------------------------------- */

static struct asked *
send_question(uint64_t question, const char *name, const void *password,
    size_t len, bool tell, uint64_t network, bool known)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	snprintf(a->name, sizeof(a->name), "%s", name);
	pending_add(&pending, &a->one, question, network, known);
	ipc_begin(M_SOURCE_ASK, question);
	ipc_put_str(name);
	ipc_put_bytes(password, len);
	ipc_put_bool(tell);
	ipc_put_bool(known);
	ipc_put_u64(network);
	ipc_send(source, -1);
	ipc_forget();
	return a;
}

/* The question is the name, a NUL, the password. */
static uint64_t
ask(uint64_t question, const struct sasl_result *r)
{
	const char *name = buf_str(&r->question);
	const char *password = name + strlen(name) + 1;
	size_t len = r->question.len - strlen(name) - 1;
	struct sasl_verdict v;
	uint8_t mac[MAC_LEN];
	struct asked *a;

	mac_of(name, password, len, mac);
	if (remembers(mac, &v)) {
		exchange_answered(SASL_ASK_SOURCE, question, &v);
		return 0;
	}
	if (source == NULL || !pending_room(&pending, r->network, r->known))
		return 0;
	a = send_question(question, name, password, len, false, r->network,
	    r->known);
	memcpy(a->mac, mac, MAC_LEN);
	return (uint64_t)conf->source_sec * 1000;
}

static void
cancel(uint64_t question)
{
	if (pending_find(&pending, question) == NULL)
		return;		/* its answer came, and is on its way */
	ipc_begin(M_SOURCE_CANCEL, question);
	ipc_send(source, -1);
}

void
sources_test(const char *name, const void *password, size_t len,
    const struct sources_tester *tester, void *arg)
{
	static uint64_t tests;
	struct sasl_verdict v = { .temporary = true };
	struct asked *a;

	if (conf->grants.n == 0)
		v.temporary = false;
	if (source == NULL || conf->grants.n == 0 ||
	    !pending_room(&pending, 0, true)) {
		tester->ended(arg, &v);
		return;
	}
	a = send_question(TESTS | ++tests, name, password, len, true, 0,
	    true);
	a->tester = tester;
	a->arg = arg;
}

/* --- life ------------------------------------------------------------------------- */

void
sources_peer(int fd)
{
	static const struct ipc_ops ops = { on_msg, on_gone };

	hang_up();
	source = ipc_new(fd, &ops, NULL);
	exchange_ask_by(SASL_ASK_SOURCE, ask, cancel);
}

void
sources_conf(const struct auth_conf *c)
{
	conf = c;
	make_key();
	forget_all();
}

void
sources_stop(void)
{
	hang_up();
	forget_all();
}
