/*
 * settings: the table of every option of postern.conf, and the reader that
 * goes by it. A new option is one row: section, name, type, default, range and
 * where its value goes in struct config.
 */
#ifndef POSTERND_SETTINGS_H
#define POSTERND_SETTINGS_H

#include "lib/buf.h"
#include "posternd/config.h"

#define SETTINGS_FILE_MAX (1024 * 1024)

enum setting_type {
	SET_STR,		/* char * */
	SET_BOOL,		/* bool: on, off */
	SET_NUM,		/* uint32_t */
	SET_SIZE,		/* uint32_t bytes, "64K" */
	SET_SIZE64,		/* uint64_t bytes */
	SET_TIME,		/* uint32_t seconds, "5m" */
	SET_WORD,		/* uint32_t: index into words */
	SET_STRS,		/* struct conf_strs */
	SET_LIMITS		/* "COUNT/WINDOW"s, added to a struct conf_list;
				   min is the enum conf_limit_what */
};

struct setting {
	const char *section;	/* "" for the top */
	const char *name;
	enum setting_type type;
	const char *def;	/* as in the file, lists with commas; NULL: none,
				   the value is then "", 0 or empty */
	uint64_t min, max;
	const char *words;	/* of SET_WORD: "starttls implicit" */
	size_t	 offset;	/* in struct config, or in the section's struct */
};

const struct setting *settings_all(size_t *n);

/*
 * Reads text (of `file`, for messages) into a zeroed config and fills in the
 * defaults. -1 with lines in problems when anything is wrong.
 */
int	 settings_parse(const char *file, const char *text, size_t n,
	    struct config *, struct buf *problems);
/* Reads a whole file of moderate size; -1 with the reason in a sentence. */
int	 settings_slurp(const char *file, struct buf *text, const char **why);
/* Whether it is only that we are not root which keeps it from being read. */
bool	 settings_for_root(const char *file);

#endif
