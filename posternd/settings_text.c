/*
 * The text of a configuration, on its way to libconfuse. It would count wrongly
 * behind comments (a line too many for each that ends a line, or stands in
 * one), and takes none inside of lists. So it gets to see none: blanks stand in
 * their place, and line ends stay.
 */
#include "lib/prelude.h"

#include <sys/stat.h>
#include <fcntl.h>

#include "posternd/settings_private.h"

/* What ends a word that stands without quotes, as libconfuse has it. */
#define WORD_ENDS	" #\"'\t\r\n={}()+,\\*"

int
settings_slurp(const char *file, struct buf *text, const char **why)
{
	char part[16384];
	struct stat st;
	ssize_t n = -1;
	int fd;

	*why = NULL;
	fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		*why = strerrordesc_np(errno);
	else if (!S_ISREG(st.st_mode))
		*why = S_ISDIR(st.st_mode) ? "it is a directory" :
		    "it is not a regular file";
	while (*why == NULL && (n = read(fd, part, sizeof(part))) > 0)
		if (buf_add(text, part, (size_t)n) == -1)
			*why = "it is too large";
	if (*why == NULL && n == -1)
		*why = strerrordesc_np(errno);
	explicit_bzero(part, sizeof(part));
	if (fd != -1)
		close(fd);
	return *why == NULL ? 0 : -1;
}

bool
settings_for_root(const char *file)
{
	return geteuid() != 0 && access(file, R_OK) == -1 && errno == EACCES;
}

/* Behind the closing quote; a backslash hides one. */
static char *
past_quotes(char *p)
{
	char quote = *p++;

	while (*p != '\0' && *p != quote)
		p += *p == '\\' && p[1] != '\0' ? 2 : 1;
	return *p == '\0' ? p : p + 1;
}

/* Behind a comment; NULL: it has no end, which is libconfuse's to tell. */
static char *
past_comment(char *p)
{
	char *end;

	if (p[0] == '#' || p[1] == '/')
		return p + strcspn(p, "\n");
	end = strstr(p + 2, "*/");
	return end == NULL ? NULL : end + 2;
}

static void
blank(char *p, const char *end)
{
	for (; p < end; p++)
		if (*p != '\n')
			*p = ' ';
}

void
settings_blank_comments(char *text)
{
	char *p = text, *end;

	while (*p != '\0') {
		if (*p == '"' || *p == '\'') {
			p = past_quotes(p);
		} else if (*p == '#' || (*p == '/' && (p[1] == '/' ||
		    p[1] == '*'))) {
			end = past_comment(p);
			if (end == NULL)
				return;
			blank(p, end);
			p = end;
		} else if (strcspn(p, WORD_ENDS) > 0)
			p += strcspn(p, WORD_ENDS);
		else
			p++;
	}
}

/* Within whatever is being read: libconfuse keeps one text on top of another. */
static int
parse(cfg_t *cfg, const char *text, size_t n, const char *last)
{
	struct buf all;
	int r = CFG_PARSE_ERROR;
	FILE *fp = NULL;

	buf_init(&all, SETTINGS_FILE_MAX + 64);
	if (buf_add(&all, text, n) == 0 && buf_adds(&all, last) == 0) {
		buf_str(&all);		/* ends it with a NUL */
		settings_blank_comments((char *)all.data);
		fp = fmemopen(all.data, all.len, "r");
	}
	if (fp != NULL) {
		r = cfg_parse_fp(cfg, fp);
		fclose(fp);
	}
	buf_clear(&all);
	return r == CFG_SUCCESS ? 0 : -1;
}

int
settings_read(cfg_t *cfg, const char *text, size_t n)
{
	if (parse(cfg, text, n, "\n" SETTINGS_SENTINEL " = here\n") == -1)
		return -1;
	if (cfg_size(cfg, SETTINGS_SENTINEL) > 0)
		return 0;
	settings_problem_at(cfg->filename, cfg->line, "the file ends inside a "
	    "comment or quotes; is it complete?");
	return -1;
}

int
settings_read_within(cfg_t *cfg, const char *file, const char *text, size_t n)
{
	char *outer = cfg->filename;
	int r, line = cfg->line;

	cfg->filename = strdup(file);
	r = cfg->filename == NULL ? -1 : parse(cfg, text, n, "\n");
	free(cfg->filename);
	cfg->filename = outer;
	cfg->line = line;
	return r;
}
