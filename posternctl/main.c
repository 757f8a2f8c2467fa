/* posternctl: one verb, one request, one answer. */
#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <getopt.h>

#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "posternctl/password.h"
#include "posternctl/render.h"
#include "posternctl/verbs.h"

#define ARGS_MAX 32

static const char *socket_path = POSTERN_RUNDIR "/control";
static bool json;

static int complain(int, const char *, ...) PRINTFLIKE(2, 3);

static int
complain(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("posternctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static int
help(void)
{
	size_t i, n;
	const struct verb *v = verbs_all(&n);

	puts("usage: posternctl [--json] [--socket PATH] VERB ...\n");
	for (i = 0; i < n; i++)
		printf("  %s%s%s\n      %s\n", v[i].words,
		    *v[i].args == '\0' ? "" : " ", v[i].args, v[i].help);
	puts("\nposternctl(8) has the details.");
	return CTL_OK;
}

static int
dial(int *sock)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(socket_path) >= sizeof(sun.sun_path))
		return complain(CTL_USAGE, "socket path is too long: %s",
		    socket_path);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", socket_path);
	*sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*sock == -1)
		return complain(CTL_FAILED, "cannot make a socket: %s",
		    strerrordesc_np(errno));
	if (connect(*sock, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return CTL_OK;
	if (errno == EACCES || errno == EPERM)
		return complain(CTL_FAILED, "you may not use %s; try as root",
		    socket_path);
	return complain(CTL_NOT_RUNNING, "Postern does not answer at %s: %s; "
	    "is posternd running?", socket_path, strerrordesc_np(errno));
}

/* The option at argv[i], "--cap X" or "--cap=X", as "cap=X"; moves i. */
static char *
translate_option(const struct verb *v, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	char *out;

	if (!verb_takes(v, name, len))
		complain(0, "%s takes no option %s", v->words, argv[*i]);
	else if (name[len] == '\0' && *i + 1 == argc)
		complain(0, "%s wants a value", argv[*i]);
	else if (asprintf(&out, "%.*s=%s", (int)len, name, name[len] == '=' ?
	    name + len + 1 : argv[++*i]) == -1)
		complain(0, "out of memory");
	else
		return out;
	return NULL;
}

/*
 * Plain arguments first, options behind them. How many in all, or -1 for
 * misuse; what is in out is the caller's to free either way.
 */
static int
translate(const struct verb *v, int argc, char **argv, char **out, int *plain)
{
	char *options[ARGS_MAX];
	int i, noptions = 0;
	bool good = true;

	*plain = 0;
	for (i = 0; i < argc && good && *plain + noptions < ARGS_MAX; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			out[(*plain)++] = strdup(argv[i]);
			continue;
		}
		options[noptions] = translate_option(v, argc, argv, &i);
		good = options[noptions] != NULL;
		noptions += good;
	}
	for (i = 0; i < noptions; i++)
		out[*plain + i] = options[i];
	return good ? *plain + noptions : -1;
}

static int
send_request(int sock, const struct verb *v, char **args, int nargs)
{
	struct buf secret;
	const char *err, *w = v->words;
	uint32_t words = strchr(w, ' ') == NULL ? 1 : 2;
	char word[32];
	int r;

	buf_init(&secret, PASSWORD_MAX);
	if (v->password && (err = password_read(args[0], &secret)) != NULL) {
		buf_wipe(&secret);
		return complain(CTL_USAGE, "%s", err);
	}
	ipc_begin(M_CTL_REQ, 1);
	ipc_put_u32(words + (uint32_t)nargs);
	for (; words > 0; words--) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(w, " "), w);
		ipc_put_str(word);
		w += strcspn(w, " ") + 1;
	}
	for (r = 0; r < nargs; r++)
		ipc_put_str(args[r]);
	ipc_put_bytes(secret.data, secret.len);
	buf_wipe(&secret);
	r = ipc_send_sync(sock, -1);
	ipc_forget();
	return r == -1 ? complain(CTL_FAILED, "cannot send the request: %s",
	    strerrordesc_np(errno)) : CTL_OK;
}

static int
end_of_answer(struct ipc_in *in)
{
	uint8_t code = ipc_get_u8(in);
	const char *text = ipc_get_str(in, 4096);

	if (!ipc_in_end(in))
		return complain(CTL_FAILED, "the daemon's answer is malformed");
	if (code != CTL_OK)
		return complain(code, "%s", text);
	if (*text != '\0' && !json)
		puts(text);
	return CTL_OK;
}

static int
print_answer(int sock, const struct verb *v)
{
	struct render *r = render_new(stdout, v->view, json);
	struct ipc_in in;
	int got, code = -1, bad = 0;

	while (code == -1 && bad == 0) {
		got = ipc_recv_sync(sock, -1, &in);
		if (got != 1)
			break;
		if (in.type == M_CTL_ROW)
			bad = render_row(r, &in);
		else if (in.type == M_CTL_TEXT)
			bad = render_text(r, &in);
		else if (in.type == M_CTL_END) {
			render_free(&r);
			code = end_of_answer(&in);
		} else
			bad = -1;
		if (ferror(stdout))	/* the reader of a pipe has seen enough */
			exit(CTL_FAILED);
	}
	if (r != NULL)
		render_free(&r);
	if (code == -1)
		code = complain(CTL_FAILED, "the daemon ended the connection "
		    "before its answer was complete");
	return code;
}

static int
run(int argc, char **argv)
{
	char *args[ARGS_MAX + 1] = { NULL };
	const char *nearest;
	const struct verb *v;
	int used, nargs, plain, sock = -1, r;

	if (argc == 1 && strcmp(argv[0], "queue") == 0) {
		static char list[] = "list";
		char *both[] = { argv[0], list, NULL };

		return run(2, both);
	}
	v = verbs_find(argc, argv, &used, &nearest);
	if (v == NULL && nearest != NULL)
		return complain(CTL_USAGE, "there is no verb \"%s%s%s\"; did "
		    "you mean \"%s\"?", argv[0], argc > 1 ? " " : "",
		    argc > 1 ? argv[1] : "", nearest);
	if (v == NULL)
		return complain(CTL_USAGE, "there is no verb \"%s\"; see "
		    "posternctl --help", argv[0]);
	nargs = translate(v, argc - used, argv + used, args, &plain);
	if (nargs == -1 || plain < v->min_args || plain > v->max_args)
		r = complain(CTL_USAGE, "usage: posternctl %s %s", v->words,
		    v->args);
	else
		r = dial(&sock);
	if (r == CTL_OK)
		r = send_request(sock, v, args, nargs);
	if (r == CTL_OK)
		r = print_answer(sock, v);
	for (nargs = 0; args[nargs] != NULL; nargs++)
		free(args[nargs]);
	return r;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	int c, i, n = argc;

	/* --json may stand anywhere: it is what one adds to the last command. */
	for (i = 1, n = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	while ((c = getopt_long(n, argv, "+hs:V", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			return help();
		case 's':
			socket_path = optarg;
			break;
		case 'V':
			puts("posternctl " PACKAGE_VERSION);
			return CTL_OK;
		default:
			return CTL_USAGE;
		}
	}
	if (optind == n) {
		help();
		return CTL_USAGE;
	}
	return run(n - optind, argv + optind);
}
