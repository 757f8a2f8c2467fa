/*
 * auth_rig: the whole of auth in one process, with a test in smtpd's place: a
 * fresh accounts database, threads, and one channel. Time stands still and is
 * stepped, so that failures cost the test nothing.
 */
#ifndef TESTS_UNIT_AUTH_RIG_H
#define TESTS_UNIT_AUTH_RIG_H

#include <dirent.h>
#include <poll.h>
#include <time.h>

#include "auth/accounts.h"
#include "auth/exchange.h"
#include "auth/peers.h"
#include "auth/sasl.h"
#include "auth/worker.h"
#include "lib/ev.h"
#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "lib/log.h"
#include "lib/ticket.h"
#include "lib/xalloc.h"

#ifdef __SANITIZE_THREAD__
/* Berkeley DB takes two locks of its own in either order while it opens. */
const char *__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
	return "deadlock:libdb-5.3.so";
}
#endif

#define RIG_PASSWORD	"correct horse"
#define RIG_WALL_MS	1700000000000ULL

/* What auth answered, copied out of the channel. */
struct rig_reply {
	uint16_t type;		/* 0: nothing came, 1: the channel ended */
	uint64_t id;
	int	 no;		/* enum auth_no, or -1 */
	uint32_t wait_sec;	/* of a lock */
	uint8_t	 bytes[16384];	/* a challenge, or the account's name */
	size_t	 len;
	size_t	 nsenders;
	char	 rewrite[ADDR_MAX + 1];
	struct ticket ticket;
};

static char rig_dir[64];
static struct accounts *rig_accounts;
static int rig_fd = -1;
static unsigned int rig_passing;
static uint8_t rig_key[TICKET_KEY_LEN] = "a key of thirty-two bytes length";
static char *rig_mechanisms[16];
/* Of the next logins; none at first. */
static struct sasl_binding rig_bindings[AUTH_BINDINGS];
static const uint8_t *rig_certs;
static const char *rig_peer = "192.0.2.7";
static size_t rig_certs_len;
static struct auth_conf rig_conf = {
	.hostname = (char *)(uintptr_t)"relay.example.org",
	.mechanisms = { rig_mechanisms, 0 },
	.ticket_key = { rig_key, sizeof(rig_key) },
	.ticket_sec = 3600,
	.iterations = VERIFIER_ITERATIONS_MIN,
	.cache_sec = 60,
	.token_issuer = (char *)(uintptr_t)"https://id.example.org/a",
	.token_scope = (char *)(uintptr_t)"mail",
	.token_sec = 5,
	.plus = (char *)(uintptr_t)"",
};

__attribute__((unused)) static void
rig_quiet(enum log_level level, const char *proc, const char *line)
{
}

__attribute__((unused)) static void
rig_add(const char *name, const char *sender)
{
	struct account a;

	memset(&a, 0, sizeof(a));
	snprintf(a.name, sizeof(a.name), "%s", name);
	snprintf(a.cap, sizeof(a.cap), "staff");
	if (sender != NULL)
		account_add_sender(&a, sender);
	verifier_make(&a.verifier, RIG_PASSWORD, strlen(RIG_PASSWORD),
	    VERIFIER_ITERATIONS_MIN);
	if (accounts_add(rig_accounts, &a) != ACCOUNTS_OK)
		abort();
	account_clear(&a);
}

__attribute__((unused)) static struct records *
rig_records(void)
{
	return accounts_records(rig_accounts);
}

/* A new channel to auth, as smtpd of that index. */
__attribute__((unused)) static void
rig_connect(uint32_t index)
{
	int fd[2];

	if (rig_fd != -1)
		close(rig_fd);
	if (ipc_pair(fd) == -1)
		abort();
	peers_add(index, fd[1]);
	rig_fd = fd[0];
}

__attribute__((unused)) static void
rig_make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(rig_dir, sizeof(rig_dir), "%s/postern-auth.XXXXXX",
	    tmp == NULL || strlen(tmp) > 30 ? "/tmp" : tmp);
	if (mkdtemp(rig_dir) == NULL)
		abort();
}

__attribute__((unused)) static void
rig_remove_dir(void)
{
	char path[512];
	struct dirent *d;
	DIR *dir = opendir(rig_dir);

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", rig_dir, d->d_name);
		if (d->d_name[0] != '.')
			unlink(path);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(rig_dir);
}

__attribute__((unused)) static void
rig_start(unsigned int threads)
{
	static const char *const mechanisms[] = { "SCRAM-SHA-256", "PLAIN",
	    "LOGIN" };
	const char *why = NULL;
	size_t i;

	log_set_sink(rig_quiet);
	ev_init();
	ev_clock_fake(1000000, RIG_WALL_MS);
	rig_make_dir();
	for (i = 0; i < nitems(mechanisms); i++)
		rig_mechanisms[i] = (char *)(uintptr_t)mechanisms[i];
	rig_conf.mechanisms.n = nitems(mechanisms);
	if ((why = sasl_login_init()) != NULL ||
	    (rig_accounts = accounts_open(rig_dir, &why)) == NULL) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
	sasl_login_accounts(rig_accounts);
	peers_conf(&rig_conf);
	worker_start(threads);
	rig_connect(0);
}

/* One mechanism more than rig_start() has. */
__attribute__((unused)) static void
rig_offer(const char *mechanism)
{
	rig_mechanisms[rig_conf.mechanisms.n++] = (char *)(uintptr_t)mechanism;
	peers_conf(&rig_conf);
}

static void
rig_pass(struct job *job)
{
}

static void
rig_passed(struct job *job)
{
	rig_passing--;
}

/* Until every thread has come to the end of its queue. */
static void
rig_drain(void)
{
	struct job *jobs = xcalloc(worker_lanes(), sizeof(*jobs));
	unsigned int i;

	rig_passing = worker_lanes();
	for (i = 0; i < worker_lanes(); i++) {
		jobs[i].lane = i;
		jobs[i].run = rig_pass;
		jobs[i].done = rig_passed;
		worker_submit(&jobs[i]);
	}
	while (rig_passing > 0)
		ev_loop_once(10);
	free(jobs);
}

/* worker_stop() leaves what is queued to the process's end; LeakSanitizer not. */
__attribute__((unused)) static void
rig_stop(void)
{
	peers_stop();
	rig_drain();		/* steps under way, */
	rig_drain();		/* and what tidies up behind them */
	worker_stop();
	accounts_close(&rig_accounts);
	sasl_login_done();
	close(rig_fd);
	rig_remove_dir();
}

/* Lets auth work until it answers; steps over the delay of failures. */
__attribute__((unused)) static struct rig_reply *
rig_answer(void)
{
	static struct rig_reply r;
	struct pollfd p = { .fd = rig_fd, .events = POLLIN };
	struct ipc_in in;
	const uint8_t *bytes;
	size_t i, len;
	int turns, got;

	memset(&r, 0, sizeof(r));
	r.no = -1;
	for (turns = 0; turns < 2000 && poll(&p, 1, 0) == 0; turns++) {
		ev_loop_once(1);
		ev_clock_step(250);
	}
	if (poll(&p, 1, 0) <= 0)
		return &r;
	got = ipc_recv_sync(rig_fd, 0, &in);
	r.type = got == 1 ? in.type : 1;
	if (got != 1)
		return &r;
	r.id = in.id;
	if (in.type == M_AUTH_CHALLENGE) {
		bytes = ipc_get_bytes(&in, sizeof(r.bytes), &len);
		if (len > 0)
			memcpy(r.bytes, bytes, len);
		r.len = len;
	} else if (in.type == M_AUTH_OK) {
		ticket_get(&in, &r.ticket);
		snprintf(r.rewrite, sizeof(r.rewrite), "%s",
		    ipc_get_str(&in, ADDR_MAX));
		r.nsenders = ipc_get_u32(&in);
		for (i = 0; i < r.nsenders; i++) {
			snprintf(r.ticket.sender, sizeof(r.ticket.sender),
			    "%s", ipc_get_str(&in, ACCOUNT_MAX));
			memcpy(r.bytes, r.ticket.sender,
			    sizeof(r.ticket.sender));
			bytes = ipc_get_bytes(&in, TICKET_MAC_LEN, &len);
			if (len == TICKET_MAC_LEN)
				memcpy(r.ticket.sender_mac, bytes, len);
		}
	} else
		r.no = ipc_get_u8(&in);
	if (in.type == M_AUTH_NO)
		r.wait_sec = ipc_get_u32(&in);
	if (!ipc_in_end(&in))
		abort();
	return &r;
}

__attribute__((unused)) static void
rig_send(void)
{
	if (ipc_send_sync(rig_fd, -1) == -1)
		perror("# send");
}

/* first is NULL for no initial response. Waits for nothing. */
__attribute__((unused)) static void
rig_start_login(uint64_t id, const char *mechanism, const void *first,
    size_t len, uint32_t tls_bits)
{
	int kind;

	ipc_begin(M_AUTH_START, id);
	ipc_put_str(mechanism);
	ipc_put_bool(first != NULL);
	ipc_put_bytes(first, len);
	ipc_put_str(rig_peer);
	ipc_put_u32(tls_bits);
	for (kind = 0; kind < AUTH_BINDINGS; kind++)
		ipc_put_bytes(rig_bindings[kind].data, rig_bindings[kind].n);
	ipc_put_bytes(rig_certs, rig_certs_len);
	rig_send();
}

__attribute__((unused)) static struct rig_reply *
rig_begin(uint64_t id, const char *mechanism, const void *first, size_t len)
{
	rig_start_login(id, mechanism, first, len, 256);
	return rig_answer();
}

__attribute__((unused)) static struct rig_reply *
rig_step(uint64_t id, const void *p, size_t len)
{
	ipc_begin(M_AUTH_STEP, id);
	ipc_put_bytes(p, len);
	rig_send();
	return rig_answer();
}

__attribute__((unused)) static void
rig_cancel(uint64_t id)
{
	ipc_begin(M_AUTH_CANCEL, id);
	rig_send();
}

#endif
