#include "lib/prelude.h"

#include "posternctl/verbs.h"

#define FILTER	"account from to route hop older newer state reason restored!"
#define BULK	FILTER " all! dry-run! yes!"
#define MANY	"ID...|FILTER...|--all [--dry-run] [--yes]"

static const struct verb verbs[] = {
	{ "status", "", "is it well: processes, counters, queue",
	    0, 0, VIEW_TABLE, WAY_PLAIN, "" },
	{ "reload", "", "read postern.conf again; all or nothing",
	    0, 0, VIEW_WORD, WAY_PLAIN, "" },
	{ "stop", "", "finish sessions in progress and end",
	    0, 0, VIEW_WORD, WAY_PLAIN, "" },
	{ "account add", "NAME [--cap CAP] [--sender ADDRESS|@DOMAIN]...\n"
	    "      [--plus on|off|default] [--rewrite on|off]",
	    "let somebody in; asks for a password", 1, 1, VIEW_WORD,
	    WAY_PASSWORD, "cap sender plus rewrite" },
	{ "account set", "NAME [--cap CAP] [--plus on|off|default] "
	    "[--rewrite on|off]", "change what an account may", 1, 1,
	    VIEW_TABLE, WAY_PLAIN, "cap plus rewrite" },
	{ "account sender add", "NAME ADDRESS|@DOMAIN...",
	    "what it may send as, beside what it may already", 2, -1,
	    VIEW_TABLE, WAY_PLAIN, "" },
	{ "account sender remove", "NAME ADDRESS|@DOMAIN...",
	    "what it may not send as any more", 2, -1, VIEW_TABLE,
	    WAY_PLAIN, "" },
	{ "account device add", "NAME LABEL [--cap CAP] [--network NETWORK]...\n"
	    "      [--expires TIME]", "make a password for one device, and show "
	    "it this once", 2, 2, VIEW_CARD, WAY_PLAIN,
	    "cap network expires" },
	{ "account device list", "NAME", "its devices, and when they were used",
	    1, 1, VIEW_TABLE, WAY_PLAIN, "" },
	{ "account device remove", "NAME LABEL",
	    "that device does not log in any more; others do", 2, 2,
	    VIEW_TABLE, WAY_PLAIN, "" },
	{ "account cert add", "NAME FILE", "let an account in by a TLS client "
	    "certificate", 2, 2, VIEW_CARD, WAY_CERTIFICATE, "" },
	{ "account cert list", "NAME", "the keys of its certificates", 1, 1,
	    VIEW_TABLE, WAY_PLAIN, "" },
	{ "account cert remove", "NAME CERTIFICATE",
	    "that certificate does not let in any more", 2, 2, VIEW_TABLE,
	    WAY_PLAIN, "" },
	{ "account passwd", "NAME", "give an account a new password",
	    1, 1, VIEW_TABLE, WAY_PASSWORD, "" },
	{ "account list", "", "all accounts", 0, 0, VIEW_TABLE, WAY_PLAIN, "" },
	{ "account show", "NAME", "one account", 1, 1, VIEW_CARD, WAY_PLAIN, "" },
	{ "account test", "NAME", "would a login get in, and by which source; "
	    "asks for the password", 1, 1, VIEW_TABLE, WAY_TRY_PASSWORD, "" },
	{ "account locked", "", "who must wait after too many failed logins: "
	    "accounts, addresses, networks", 0, 0, VIEW_TABLE, WAY_PLAIN, "" },
	{ "account unlock", "NAME|ADDRESS|NETWORK", "forget what was guessed "
	    "wrong, of an account or from there", 1, 1, VIEW_WORD, WAY_PLAIN,
	    "" },
	{ "account suspend", "NAME", "nobody logs in as this until it is "
	    "resumed; all else is kept", 1, 1, VIEW_TABLE, WAY_PLAIN, "" },
	{ "account resume", "NAME", "a suspended account logs in again", 1, 1,
	    VIEW_TABLE, WAY_PLAIN, "" },
	{ "account logout", "NAME", "who is logged in as this logs in again, or "
	    "sends no more", 1, 1, VIEW_TABLE, WAY_PLAIN, "" },
	{ "account remove", "NAME", "nobody logs in as this any more",
	    1, 1, VIEW_TABLE, WAY_PLAIN, "" },
	{ "queue list", "[ID...|FILTER...] [--limit N]",
	    "what waits, and why", 0, -1, VIEW_TABLE, WAY_PLAIN,
	    FILTER " limit" },
	{ "queue show", "ID [--body]", "one message: its recipients, what "
	    "happened to it, its header", 1, 1, VIEW_TABLE, WAY_PLAIN,
	    "body!" },
	{ "queue stats", "[FILTER...] [--by destination|hop|account|reason]",
	    "how much waits for whom, and why", 0, 0, VIEW_TABLE, WAY_PLAIN,
	    FILTER " by" },
	{ "queue hold", MANY, "keep messages until they are released", 0, -1,
	    VIEW_WORD, WAY_BULK, BULK },
	{ "queue release", MANY, "let held messages go", 0, -1, VIEW_WORD,
	    WAY_BULK, BULK },
	{ "queue retry", MANY, "try them now", 0, -1, VIEW_WORD, WAY_BULK,
	    BULK },
	{ "queue flush", "[--dry-run] (all of it; for some: queue retry "
	    "FILTER)", "try everything now", 0, 0, VIEW_WORD, WAY_BULK,
	    "dry-run!" },
	{ "queue redirect", "ROUTE|- " MANY, "send them by another route; - "
	    "for the configured one", 1, -1, VIEW_WORD, WAY_BULK, BULK },
	{ "queue remove", MANY, "throw them away; nobody is told", 0, -1,
	    VIEW_WORD, WAY_BULK, BULK },
	{ "queue export", "DIR [ID...|FILTER...]", "copy messages into a "
	    "folder, each as .eml and .json", 1, -1, VIEW_TABLE, WAY_EXPORT,
	    FILTER " limit" },
	{ "queue import", "DIR [--dry-run]", "queue the messages of such a "
	    "folder", 1, 1, VIEW_TABLE, WAY_IMPORT, "dry-run!" },
	{ "queue backup", "DIR [--rate BYTES]", "copy the queue into a file "
	    "there, while it works", 1, 1, VIEW_CARD, WAY_BACKUP, "rate" },
	{ "queue restore", "FILE [--dry-run] [--again] [--damaged]",
	    "queue what such a file holds, on hold", 1, 1, VIEW_CARD,
	    WAY_RESTORE, "dry-run! again! damaged!" },
	{ "usage", "[NAME]", "what accounts have sent in an hour and a day; of "
	    "one, what is left", 0, 1, VIEW_TABLE, WAY_PLAIN, "" },
	{ "cap list", "", "the caps and their limits", 0, 0, VIEW_TABLE,
	    WAY_PLAIN, "" },
	{ "tokens", "", "is the token provider well, and has it keys", 0, 0,
	    VIEW_CARD, WAY_PLAIN, "" },
};

const struct verb *
verbs_all(size_t *n)
{
	*n = nitems(verbs);
	return verbs;
}

/* How many of the verb's words stand at the front of argv; 0 unless all do. */
static int
matches(const struct verb *v, int argc, char **argv)
{
	const char *w = v->words;
	int used = 0;

	while (*w != '\0') {
		size_t len = strcspn(w, " ");

		if (used == argc || strlen(argv[used]) != len ||
		    strncmp(argv[used], w, len) != 0)
			return 0;
		used++;
		w += len + (w[len] == ' ');
	}
	return used;
}

/* Edit distance, for a guess at what was meant. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[64], i, j, la = strlen(a), lb = strlen(b);

	if (lb >= nitems(row) || la >= nitems(row))
		return SIZE_MAX;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= lb; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j]++;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			if (change < row[j])
				row[j] = change;
		}
	}
	return row[lb];
}

/* As many words as the verb has, if there are as many. */
static void
say_again(char *said, size_t size, int argc, char **argv, const char *words)
{
	size_t n = (size_t)snprintf(said, size, "%s", argv[0]);
	const char *w = words;
	int i;

	for (i = 1; i < argc && n < size && (w = strchr(w, ' ')) != NULL;
	    i++, w++)
		n += (size_t)snprintf(said + n, size - n, " %s", argv[i]);
}

/* How many words of argv, one after the other, begin this verb. */
static int
shares(const struct verb *v, int argc, char **argv)
{
	const char *w = v->words;
	int n = 0;

	while (*w != '\0' && n < argc && strlen(argv[n]) == strcspn(w, " ") &&
	    strncmp(argv[n], w, strcspn(w, " ")) == 0) {
		n++;
		w += strcspn(w, " ");
		w += *w == ' ';
	}
	return n;
}

static const char *
guess(int argc, char **argv)
{
	char said[64];
	const char *best = NULL;
	size_t i, d, at, least = 4;	/* in what is not right already */
	int k;

	if (argc == 0)
		return NULL;
	for (i = 0; i < nitems(verbs); i++) {
		say_again(said, sizeof(said), argc, argv, verbs[i].words);
		for (at = 0, k = 0; k < shares(&verbs[i], argc, argv); k++)
			at += strlen(argv[k]) + 1;
		if (at > strlen(said))
			continue;	/* all of it is there, and more wanted */
		d = distance(said + at, verbs[i].words + at);
		/* Further off it would be no help: "log" is not "stop". */
		if (d < least && 2 * d <= strlen(said + at)) {
			least = d;
			best = verbs[i].words;
		}
	}
	return best;
}

int
verbs_beside(int argc, char **argv, char *said, size_t size)
{
	const char *w, *last = "";
	size_t i, n = 0, len, last_len = 0;
	int k, depth = 0;

	for (i = 0; i < nitems(verbs); i++)
		if ((k = shares(&verbs[i], argc, argv)) > depth)
			depth = k;
	said[0] = '\0';
	for (i = 0; depth > 0 && i < nitems(verbs) && n < size; i++) {
		if (shares(&verbs[i], argc, argv) != depth)
			continue;
		for (w = verbs[i].words, k = 0; k < depth; k++) {
			w += strcspn(w, " ");
			w += *w == ' ';
		}
		len = strcspn(w, " ");
		if (len == last_len && strncmp(w, last, len) == 0)
			continue;	/* "device add", "device list" */
		n += (size_t)snprintf(said + n, size - n, "%s%.*s", n == 0 ?
		    "" : ", ", (int)len, w);
		last = w;
		last_len = len;
	}
	return depth;
}

const struct verb *
verbs_find(int argc, char **argv, int *used, const char **nearest)
{
	size_t i;

	*nearest = NULL;
	for (i = 0; i < nitems(verbs); i++) {
		*used = matches(&verbs[i], argc, argv);
		if (*used > 0)
			return &verbs[i];
	}
	*nearest = guess(argc, argv);
	return NULL;
}

bool
verb_takes(const struct verb *v, const char *name, size_t len, bool *flag)
{
	const char *o = v->options;

	while (*o != '\0') {
		size_t n = strcspn(o, " "), m = n;

		*flag = o[n - 1] == '!';
		m -= *flag;
		if (m == len && strncmp(o, name, m) == 0)
			return true;
		o += n + (o[n] == ' ');
	}
	return false;
}
