#include "lib/prelude.h"

#include "lib/buf.h"
#include "lib/xalloc.h"
#include "posternctl/ask.h"
#include "posternctl/json.h"
#include "posternctl/password.h"
#include "posternctl/row.h"

static const char *
option_value(const struct ask *a, const char *option)
{
	size_t i, len = strlen(option);

	for (i = a->nplain; i < a->nargs; i++)
		if (strncmp(a->args[i], option, len) == 0 &&
		    a->args[i][len] == '=')
			return a->args[i] + len + 1;
	return NULL;
}

bool
ask_has(const struct ask *a, const char *option)
{
	return option_value(a, option) != NULL;
}

/* --- plain ----------------------------------------------------------------------- */

static int
part_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	return in->type == M_CTL_ROW ? render_row(arg, in) :
	    render_text(arg, in);
}

/*
 * The sentence at the end. A program hears it where there is nothing else; in
 * front of it stand rows, which say the same.
 */
static void
say(const struct ask *a, const char *text)
{
	if (*text == '\0')
		return;
	if (!a->json)
		puts(text);
	else if (a->verb->view == VIEW_WORD && !ask_has(a, "dry-run") &&
	    !ask_has(a, "counts")) {
		fputs("{\"done\":", stdout);
		json_put(stdout, text, strlen(text));
		puts("}");
	}
}

static int
no_part_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	return -1;
}

static int
any_part_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	return 0;
}

/*
 * Nothing was found of an account: it may be misspelt, and the admin believe
 * that nothing waits. Accounts that a source alone knows are not in auth's list.
 */
static bool
is_nobody(struct ask *a, const char *account)
{
	char *arg = xstrdup(account);
	const char *text;
	uint64_t id;
	bool nobody = talk_ask(&a->talk, &(struct talk_request){ .id = 1,
	    .words = "account show", .args = &arg, .nargs = 1, .fd = -1 }) ==
	    CTL_OK && talk_answer(&a->talk, any_part_cb, NULL, &id, &text) ==
	    CTL_NOT_FOUND;

	free(arg);
	return nobody;
}

static void
tell_nobody(struct ask *a, const char *end)
{
	const char *account = option_value(a, "account");

	if (account != NULL && !a->json && strcmp(end, CTL_NOTHING) == 0 &&
	    is_nobody(a, account))
		printf("There is no account %s in Postern's own list "
		    "(posternctl account list).\n", account);
}

/* As the queue says it, which knows no accounts. A device's name is not asked. */
static int
failed(struct ask *a, int code, const char *end)
{
	char *text = xstrdup(end);	/* the next answer takes its place */

	if (code == CTL_NOT_FOUND && a->nargs == 1 &&
	    strcmp(a->verb->words, "usage") == 0 &&
	    strchr(a->args[0], '/') == NULL && is_nobody(a, a->args[0]))
		complain(code, "there is no account %s in Postern's own list "
		    "(posternctl account list), and it has sent nothing in the "
		    "time that caps look back",
		    a->args[0]);
	else
		complain(code, "%s", text);
	free(text);
	return code;
}

static int
ask(struct ask *a, const struct talk_request *r)
{
	struct render *out;
	const char *text;
	uint64_t id;
	int code = talk_ask(&a->talk, r);

	if (code != CTL_OK)
		return code;
	out = render_new(stdout, a->verb->view, a->json);
	code = talk_answer(&a->talk, part_cb, out, &id, &text);
	render_free(&out);
	if (code != CTL_OK)
		return failed(a, code, text);
	say(a, text);
	tell_nobody(a, text);
	return CTL_OK;
}

/* --- what is left of an account ---------------------------------------------------- */

struct counted {
	uint64_t messages;
	char	 upto[64];
};

static int
count_cb(uint64_t id, struct ipc_in *in, void *arg)
{
	struct counted *c = arg;
	struct row row;

	if (in->type != M_CTL_ROW || !row_get(in, &row))
		return -1;
	c->messages = row_number(&row, "messages");
	snprintf(c->upto, sizeof(c->upto), "%s", row_value(&row, "upto"));
	row_clear(&row);
	return 0;
}

/* Whoever had the password until now may have sent it, to be held for weeks. */
static bool
ends_somebody(const struct ask *a)
{
	static const char *const words[] = { "account passwd",
	    "account suspend", "account logout", "account remove" };
	size_t i;

	for (i = 0; i < nitems(words); i++)
		if (strcmp(a->verb->words, words[i]) == 0)
			return !a->json;
	return false;
}

/* How many messages of the account there are, or of those the held; a code. */
static int
count_mail(struct ask *a, bool held, uint64_t *n, const char **text)
{
	struct counted c = { 0 };
	char *args[] = { xasprintf("account=%s", a->args[0]),
	    xstrdup("count=yes"), xstrdup("state=held") };
	uint64_t id;
	int code = talk_ask(&a->talk, &(struct talk_request){ .id = 1,
	    .words = "queue remove", .args = args, .nargs = nitems(args) -
	    !held, .fd = -1 });
	size_t i;

	for (i = 0; i < nitems(args); i++)
		free(args[i]);
	*text = "the request cannot be sent";
	if (code == CTL_OK)
		code = talk_answer(&a->talk, count_cb, &c, &id, text);
	*n = c.messages;
	return code;
}

/* Accepted mail stays accepted; what to do about it is the admin's decision. */
static void
tell_waiting(struct ask *a)
{
	uint64_t n, held = 0;
	const char *text;
	int code = count_mail(a, false, &n, &text);

	if (code == CTL_OK && n > 0)
		code = count_mail(a, true, &held, &text);
	n = n > held ? n - held : 0;
	if (code != CTL_OK)
		complain(code, "%s\nSo it is not known whether mail of %s "
		    "waits: see posternctl queue list --account %s", text,
		    a->args[0], a->args[0]);
	else if (n > 0)
		printf("%llu message%s of %s wait%s in the queue and will go "
		    "out all the same.\nposternctl queue hold --account %s "
		    "keeps, queue remove --account %s throws away.\n",
		    (unsigned long long)n, n == 1 ? "" : "s", a->args[0],
		    n == 1 ? "s" : "", a->args[0], a->args[0]);
}

/* --- what a reload means ------------------------------------------------------------ */

/* posternd knows the file, auth the accounts: whose cap is not in it any more. */
static void
tell_unfit(struct ask *a)
{
	const char *text;
	uint64_t id;

	if (talk_ask(&a->talk, &(struct talk_request){ .id = 1,
	    .words = "account look-over", .fd = -1 }) == CTL_OK &&
	    talk_answer(&a->talk, no_part_cb, NULL, &id, &text) == CTL_OK &&
	    *text != '\0')
		printf("warning: %s\n", text);
}

/* --- one request ------------------------------------------------------------------- */

int
ask_plain(struct ask *a, const void *secret, size_t secret_len)
{
	int code = ask(a, &(struct talk_request){ .id = 1,
	    .words = a->verb->words, .args = a->args, .nargs = a->nargs,
	    .secret = secret, .secret_len = secret_len, .fd = -1 });

	if ((code == CTL_OK || code == CTL_IN_PART) && ends_somebody(a))
		tell_waiting(a);
	if (code == CTL_OK && !a->json && strcmp(a->verb->words,
	    "reload") == 0)
		tell_unfit(a);
	return code;
}

int
ask_file(struct ask *a, int fd)
{
	return ask(a, &(struct talk_request){ .id = 1,
	    .words = a->verb->words, .args = a->args + 1,
	    .nargs = a->nargs - 1, .fd = fd });
}

int
ask_password(struct ask *a)
{
	struct buf secret;
	const char *why;
	int code;

	buf_init(&secret, PASSWORD_MAX);
	why = password_read(a->args[0], a->verb->way == WAY_PASSWORD, &secret);
	if (why == NULL)
		code = ask_plain(a, secret.data, secret.len);
	else
		code = complain(CTL_USAGE, "%s", why);
	buf_wipe(&secret);
	return code;
}

/* --- many messages ------------------------------------------------------------------ */

static bool
says_yes(void)
{
	char line[16];

	fflush(stdout);
	return fgets(line, sizeof(line), stdin) != NULL &&
	    (line[0] == 'y' || line[0] == 'Y');
}

/* Takes over what, an argument more. */
static void
add(struct ask *a, char *what)
{
	a->args = xreallocarray(a->args, a->nargs + 1, sizeof(*a->args));
	a->args[a->nargs++] = what;
}

/* How many there are, and whether that many are meant. */
static int
confirm(struct ask *a, struct counted *c)
{
	struct talk_request r = { .id = 1, .words = a->verb->words, .fd = -1 };
	const char *text;
	uint64_t id;
	int code;

	add(a, xstrdup("count=yes"));
	r.args = a->args;
	r.nargs = a->nargs;
	code = talk_ask(&a->talk, &r);
	free(a->args[--a->nargs]);
	if (code != CTL_OK)
		return code;
	code = talk_answer(&a->talk, count_cb, c, &id, &text);
	if (code != CTL_OK)
		return complain(code, "%s", text);
	if (c->messages == 0) {
		if (!a->json)
			say(a, text);
		tell_nobody(a, text);
		return CTL_OK;
	}
	if (!isatty(STDIN_FILENO))
		return complain(CTL_USAGE, "%s Say --yes to do it, or "
		    "--dry-run to see them", text);
	fprintf(stderr, "%s Go on? [y/N] ", text);
	return says_yes() ? CTL_OK : complain(CTL_FAILED,
	    "nothing was changed");
}

int
ask_bulk(struct ask *a)
{
	struct counted c = { 0 };
	bool sure = ask_has(a, "yes");
	size_t i;
	int code;

	if (a->json)
		add(a, xstrdup("counts=yes"));
	for (i = a->nplain; sure && i < a->nargs; i++)
		if (strcmp(a->args[i], "yes=yes") == 0) {
			free(a->args[i]);
			a->args[i--] = a->args[--a->nargs];
		}
	/* Named one by one, or only looked at: there is nothing to ask. */
	if (sure || a->nplain > (size_t)a->verb->min_args ||
	    ask_has(a, "dry-run") || a->nargs == a->nplain + a->json)
		return ask_plain(a, NULL, 0);
	code = confirm(a, &c);
	/* Programs hear it in numbers. */
	if (code != CTL_OK || (c.messages == 0 && !a->json))
		return code;
	/* What came while we asked was not counted, and is not meant. */
	add(a, xasprintf("upto=%s", c.upto));
	return ask_plain(a, NULL, 0);
}
