#include "lib/prelude.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <time.h>

#include "lib/log.h"
#include "lib/xalloc.h"
#include "posternd/listeners.h"

#define BACKLOG 1024	/* connections that wait while a worker is replaced */

struct listening {
	char	 name[LISTENER_NAME_LEN];
	uint32_t port;
	int	*fds;		/* one per worker */
};

struct listeners {
	struct listening *v;
	size_t	 n;
	uint32_t workers;
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* --- addresses ----------------------------------------------------------------- */

/* "fe80::1%eth0" has a zone, which inet_pton() does not know. */
static bool
parse_v6(const char *text, uint32_t port, union address *a)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "%");

	if (len >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	a->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
	    .sin6_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) != 1)
		return false;
	if (text[len] == '\0')
		return true;
	a->in6.sin6_scope_id = if_nametoindex(text + len + 1);
	return a->in6.sin6_scope_id != 0;
}

static bool
parse(const char *text, uint32_t port, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (strchr(text, ':') != NULL)
		return parse_v6(text, port, a);
	a->in = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, text, &a->in.sin_addr) == 1;
}

static size_t
texts(const struct config_listen *l, const char *text[LISTENER_ADDRESSES_MAX])
{
	text[0] = *l->address != '\0' ? l->address : "0.0.0.0";
	text[1] = "::";
	return *l->address != '\0' ? 1 : 2;
}

bool
listeners_names(const struct config_listen *l, size_t *n,
    char names[LISTENER_ADDRESSES_MAX][LISTENER_NAME_LEN])
{
	const char *text[LISTENER_ADDRESSES_MAX];
	union address a;
	size_t i;

	*n = texts(l, text);
	for (i = 0; i < *n; i++) {
		bool v6 = strchr(text[i], ':') != NULL;

		if (!parse(text[i], l->port, &a))
			return false;
		snprintf(names[i], LISTENER_NAME_LEN, "%.64s@%s%.64s%s:%u",
		    l->name, v6 ? "[" : "", text[i], v6 ? "]" : "", l->port);
	}
	return true;
}

/* --- sockets --------------------------------------------------------------------- */

#define PROBE_TRIES	20
#define PROBE_PAUSE_MS	50

static int
open_socket(const union address *a, bool shared)
{
	int s, one = 1;
	socklen_t len = a->sa.sa_family == AF_INET6 ? sizeof(a->in6) :
	    sizeof(a->in);

	s = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (s == -1)
		return -1;
	if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (!shared || setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)) == 0) &&
	    (a->sa.sa_family != AF_INET6 || setsockopt(s, IPPROTO_IPV6,
	    IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(s, &a->sa, len) == 0 && listen(s, BACKLOG) == 0)
		return s;
	one = errno;
	close(s);
	errno = one;
	return -1;
}

static bool
port_is_ours(const struct listeners *old, uint32_t port)
{
	size_t i;

	for (i = 0; old != NULL && i < old->n; i++)
		if (old->v[i].port == port)
			return true;
	return false;
}

/*
 * The children of a parent that was killed end by themselves, but hold its
 * sockets for an instant longer: at start, be patient.
 */
static int
probe(const union address *a, bool starting)
{
	const struct timespec pause = { 0, PROBE_PAUSE_MS * 1000000L };
	int s, tries = starting ? PROBE_TRIES : 1;

	while ((s = open_socket(a, false)) == -1 && errno == EADDRINUSE &&
	    --tries > 0)
		nanosleep(&pause, NULL);
	if (s == -1)
		return -1;
	close(s);
	return 0;
}

/*
 * SO_REUSEPORT would silently share the port with another instance of the same
 * user, so somebody without it asks first.
 */
static int
open_all(struct listening *l, const union address *a, uint32_t workers,
    const struct listeners *old)
{
	uint32_t i;

	if (!port_is_ours(old, l->port) && probe(a, old == NULL) == -1)
		return -1;
	for (i = 0; i < workers; i++)
		if ((l->fds[i] = open_socket(a, true)) == -1)
			return -1;
	return 0;
}

static int
keep_all(struct listening *l, const struct listening *had, uint32_t workers)
{
	uint32_t i;

	for (i = 0; i < workers; i++) {
		l->fds[i] = fcntl(had->fds[i], F_DUPFD_CLOEXEC, 0);
		if (l->fds[i] == -1)
			return -1;
	}
	return 0;
}

static const struct listening *
find(const struct listeners *ls, const char *name)
{
	size_t i;

	for (i = 0; ls != NULL && i < ls->n; i++)
		if (strcmp(ls->v[i].name, name) == 0)
			return &ls->v[i];
	return NULL;
}

static struct listening *
add(struct listeners *ls, const char *name, uint32_t port)
{
	struct listening *l;
	uint32_t i;

	ls->v = xreallocarray(ls->v, ls->n + 1, sizeof(*ls->v));
	l = &ls->v[ls->n++];
	memset(l, 0, sizeof(*l));
	snprintf(l->name, sizeof(l->name), "%.*s", LISTENER_NAME_LEN - 1, name);
	l->port = port;
	l->fds = xcalloc(ls->workers, sizeof(*l->fds));
	for (i = 0; i < ls->workers; i++)
		l->fds[i] = -1;
	return l;
}

static void
listening_clear(struct listening *l, uint32_t workers)
{
	uint32_t i;

	for (i = 0; i < workers; i++)
		if (l->fds[i] != -1)
			close(l->fds[i]);
	free(l->fds);
}

static void
explain(struct buf *problems, const struct config *cfg,
    const struct config_listen *l, const char *text)
{
	const char *remedy = "";

	if (errno == EADDRINUSE)
		remedy = "; another program has that port (`ss -ltnp` shows "
		    "which), stop it or choose another port";
	else if (errno == EADDRNOTAVAIL)
		remedy = "; this machine does not have that address (`ip "
		    "address` shows which it has)";
	else if (errno == EACCES)
		remedy = "; ports below 1024 need root";
	config_problem(problems, cfg, config_key("listen", l->name, "port"),
	    "cannot listen on %s port %u: %s%s", text, l->port,
	    strerrordesc_np(errno), remedy);
}

static bool
open_listen(struct listeners *ls, const struct config *cfg,
    const struct config_listen *l, const struct listeners *old,
    struct buf *problems)
{
	char names[LISTENER_ADDRESSES_MAX][LISTENER_NAME_LEN];
	const char *text[LISTENER_ADDRESSES_MAX];
	const struct listening *had;
	struct listening *one;
	union address a;
	size_t i, n;

	texts(l, text);
	if (!listeners_names(l, &n, names))
		return false;
	for (i = 0; i < n; i++) {
		parse(text[i], l->port, &a);
		had = find(old, names[i]);
		one = add(ls, names[i], l->port);
		if ((had != NULL ? keep_all(one, had, ls->workers) :
		    open_all(one, &a, ls->workers, old)) == 0)
			continue;
		/* "All addresses" on a machine without IPv6 is all it has. */
		if (n > 1 && a.sa.sa_family == AF_INET6 &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
			listening_clear(one, ls->workers);
			ls->n--;
			continue;
		}
		explain(problems, cfg, l, text[i]);
		return false;
	}
	return true;
}

struct listeners *
listeners_open(const struct config *cfg, const struct listeners *old,
    struct buf *problems)
{
	struct listeners *ls = xcalloc(1, sizeof(*ls));
	bool good = true;
	size_t i;

	ls->workers = cfg->workers;
	for (i = 0; i < cfg->listens.n; i++)
		if (!open_listen(ls, cfg, CONF_AT(cfg->listens,
		    struct config_listen, i), old, problems))
			good = false;
	if (!good)
		listeners_free(&ls);
	return ls;
}

void
listeners_free(struct listeners **lsp)
{
	struct listeners *ls = *lsp;
	size_t i;

	if (ls == NULL)
		return;
	*lsp = NULL;
	for (i = 0; i < ls->n; i++)
		listening_clear(&ls->v[i], ls->workers);
	free(ls->v);
	free(ls);
}

void
listeners_send(const struct listeners *ls, const struct listeners *had,
    struct ipc *ipc, uint32_t worker)
{
	size_t i;

	for (i = 0; i < ls->n; i++) {
		if (find(had, ls->v[i].name) != NULL)
			continue;
		ipc_begin(M_LISTEN, 0);
		ipc_put_str(ls->v[i].name);
		ipc_send(ipc, ls->v[i].fds[worker]);
	}
}
