/* posternctl: one verb, one request, one answer. */
#include "lib/prelude.h"

#include <getopt.h>

#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/json.h"

static const char *socket_path = POSTERN_RUNDIR "/control";
static bool json;

static void
print_member(FILE *to, const char *before, const char *key, const char *text)
{
	fprintf(to, "%s\"%s\":", before, key);
	json_put(to, text, strlen(text));
}

static void
print_verb(FILE *to, const struct verb *v)
{
	if (!json) {
		fprintf(to, "  %s%s%s\n      %s\n", v->words,
		    *v->args == '\0' ? "" : " ", v->args, v->help);
		return;
	}
	print_member(to, "{", "verb", v->words);
	print_member(to, ",", "arguments", v->args);
	print_member(to, ",", "help", v->help);
	fputs("}\n", to);
}

/* The verbs that begin with this word, or all of them; how many these are. */
static size_t
print_verbs(FILE *to, const char *noun)
{
	size_t i, n, printed = 0, len = strlen(noun);
	const struct verb *v = verbs_all(&n);

	for (i = 0; i < n; i++) {
		const char *w = v[i].words;

		if (len > 0 && (strncmp(w, noun, len) != 0 ||
		    (w[len] != ' ' && w[len] != '\0')))
			continue;
		print_verb(to, &v[i]);
		printed++;
	}
	return printed;
}

static int
help(void)
{
	if (json) {
		print_verbs(stdout, "");
		return CTL_OK;
	}
	puts("usage: posternctl [--json] [--socket PATH] VERB ...\n");
	print_verbs(stdout, "");
	puts("\nFILTER: --account NAME, --from ADDRESS|@DOMAIN, --to "
	    "ADDRESS|@DOMAIN,\n  --route NAME, --hop NEXT-HOP, --older AGE, "
	    "--newer AGE, --reason TEXT,\n  --state waiting|line|sending|held|failed, "
	    "--restored"
	    "\n\nposternctl(8) has the details.");
	return CTL_OK;
}

/*
 * The option at argv[i], "--cap X", "--cap=X" or "--all", as "cap=X" or
 * "all=yes"; moves i. NULL after a complaint.
 */
static char *
translate_option(const struct verb *v, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	bool flag;

	if (!verb_takes(v, name, len, &flag))
		complain(0, "%s takes no option %s", v->words, argv[*i]);
	else if (flag && name[len] == '=')
		complain(0, "--%.*s takes no value", (int)len, name);
	else if (flag)
		return xasprintf("%s=yes", name);
	else if (name[len] == '\0' && *i + 1 == argc)
		complain(0, "%s wants a value", argv[*i]);
	else
		return xasprintf("%.*s=%s", (int)len, name, name[len] == '=' ?
		    name + len + 1 : argv[++*i]);
	return NULL;
}

/*
 * Plain arguments first, options behind them; false for misuse. An argument
 * with an equals sign would pass for an option. Behind "--" all are plain.
 */
static bool
translate(struct ask *a, int argc, char **argv)
{
	char **options = xcalloc((size_t)argc + 1, sizeof(*options));
	size_t noptions = 0, k;
	bool good = true, all_plain = false;
	int i;

	a->args = xcalloc((size_t)argc + 1, sizeof(*a->args));
	for (i = 0; i < argc && good; i++) {
		if (!all_plain && strcmp(argv[i], "--") == 0) {
			all_plain = true;
			continue;
		}
		if (all_plain || strncmp(argv[i], "--", 2) != 0) {
			a->args[a->nplain++] = xstrdup(argv[i]);
			continue;
		}
		options[noptions] = translate_option(a->verb, argc, argv, &i);
		good = options[noptions] != NULL;
		noptions += good;
	}
	a->nargs = a->nplain;
	for (k = 0; k < noptions; k++)
		a->args[a->nargs++] = options[k];
	free(options);
	return good && a->nplain >= (size_t)a->verb->min_args &&
	    (a->verb->max_args == -1 ||
	    a->nplain <= (size_t)a->verb->max_args);
}

static int
carry_out(struct ask *a)
{
	int code = talk_dial(&a->talk, socket_path);

	if (code != CTL_OK)
		return code;
	switch (a->verb->way) {
	case WAY_PASSWORD:
	case WAY_TRY_PASSWORD:
		return ask_password(a);
	case WAY_CERTIFICATE:
		return ask_certificate(a);
	case WAY_BULK:
		return ask_bulk(a);
	case WAY_EXPORT:
		return ask_export(a);
	case WAY_IMPORT:
		return ask_import(a);
	case WAY_BACKUP:
		return ask_backup(a);
	case WAY_RESTORE:
		return ask_restore(a);
	default:
		return ask_plain(a, NULL, 0);
	}
}

static const struct verb *
find(int argc, char **argv, int *used)
{
	char noun[64], beside[512];
	const char *nearest;
	int depth;
	const struct verb *v = verbs_find(argc, argv, used, &nearest);

	if (v != NULL)
		return v;
	/* "account" alone, or "account device": what there is to say of it. */
	snprintf(noun, sizeof(noun), "%s%s%s", argv[0], argc == 2 ? " " : "",
	    argc == 2 ? argv[1] : "");
	if (!json && argc <= 2 && print_verbs(stderr, noun) > 0)
		return NULL;
	depth = verbs_beside(argc, argv, beside, sizeof(beside));
	if (depth == argc)
		complain(CTL_USAGE, "behind %s stands one of %s", noun, beside);
	else if (nearest != NULL)
		complain(CTL_USAGE, "there is no verb \"%s%s%s\"; did you mean "
		    "\"%s\"?", argv[0], argc > 1 ? " " : "",
		    argc > 1 ? argv[1] : "", nearest);
	else if (depth > 0 && depth < argc)
		complain(CTL_USAGE, "there is no verb \"%s\" of %s%s%s; it has %s",
		    argv[depth], argv[0], depth > 1 ? " " : "", depth > 1 ?
		    argv[1] : "", beside);
	else
		complain(CTL_USAGE, "there is no verb \"%s\"; see posternctl --help",
		    argv[0]);
	return NULL;
}

/* "queue show --help", or "queue --help" for all about queues. */
static bool
wants_help(const struct verb *v, int argc, char **argv, int used)
{
	int i;

	for (i = used; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			break;
	if (i == argc || strcmp(argv[i], "--") == 0)
		return false;
	if (used == 1 && print_verbs(stdout, argv[0]) > 0)
		return true;
	if (json)
		print_verb(stdout, v);
	else
		printf("usage: posternctl %s %s\n%s\n", v->words, v->args,
		    v->help);
	return true;
}

/* As one that a list shows: no verb looks so. */
static bool
is_id(const char *word)
{
	return strlen(word) == 13 && strspn(word,
	    "0123456789abcdefghijklmnopqrstuvwxyz") == 13;
}

static int
version(void)
{
	if (!json)
		puts("posternctl " PACKAGE_VERSION);
	else {
		print_member(stdout, "{", "version", PACKAGE_VERSION);
		puts("}");
	}
	return CTL_OK;
}

static int
run(int argc, char **argv)
{
	struct ask a = { .json = json };
	static char queue_list[][6] = { "queue", "list" };
	char *list[] = { queue_list[0], queue_list[1], NULL };
	int used, code;
	size_t i;

	if (strcmp(argv[0], "help") == 0) {
		if (argc == 1)
			return help();
		if (print_verbs(stdout, argv[1]) > 0)
			return CTL_OK;
		return complain(CTL_USAGE, "there is no verb \"%s\"; see "
		    "posternctl --help", argv[1]);
	}
	/* "queue" alone, or with options or ids, is "queue list". */
	if (strcmp(argv[0], "queue") == 0 && (argc == 1 ||
	    strncmp(argv[1], "--", 2) == 0 || is_id(argv[1]))) {
		a.verb = find(2, list, &used);
		used = 1;
	} else
		a.verb = find(argc, argv, &used);
	if (a.verb == NULL)
		return CTL_USAGE;
	if (wants_help(a.verb, argc, argv, used))
		code = CTL_OK;
	else if (translate(&a, argc - used, argv + used))
		code = carry_out(&a);
	else
		code = complain(CTL_USAGE, "usage: posternctl %s%s%s",
		    a.verb->words, *a.verb->args == '\0' ? "" : " ",
		    a.verb->args);
	for (i = 0; i < a.nargs; i++)
		free(a.args[i]);
	free(a.args);
	return code;
}

/* What was told has reached whom it was told, or this was no success. */
static int
told(int code)
{
	bool lost = fflush(stdout) == EOF || ferror(stdout) != 0;

	if (!lost || code != CTL_OK)
		return code;
	return errno == EPIPE ? CTL_FAILED : complain(CTL_FAILED, "the answer "
	    "could not be written: %s", strerrordesc_np(errno));
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
	bool all_plain = false;
	int c, i, n = argc;

	/* --json may stand anywhere: it is what one adds to the last command. */
	for (i = 1, n = 1; i < argc; i++) {
		all_plain |= strcmp(argv[i], "--") == 0;
		if (!all_plain && strcmp(argv[i], "--json") == 0)
			json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	if (json)
		complain_in_json();
	opterr = !json;		/* which words it would choose otherwise */
	while ((c = getopt_long(n, argv, "+hs:V", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			return told(help());
		case 's':
			socket_path = optarg;
			break;
		case 'V':
			return told(version());
		default:
			return !json ? CTL_USAGE : complain(CTL_USAGE,
			    "%s: there is no such option, or it wants a "
			    "value; see posternctl --help", argv[optind - 1]);
		}
	}
	if (optind == n && json)
		return complain(CTL_USAGE, "no verb was given; see posternctl "
		    "--help");
	if (optind == n) {
		help();
		return CTL_USAGE;
	}
	return told(run(n - optind, argv + optind));
}
