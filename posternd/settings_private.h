/*
 * settings_private: what the files of settings share, from the top down: reading
 * (settings.c), reading each file by itself (settings_scout.c), what is read
 * (settings_text.c), values (settings_value.c), the table (settings_table.c), and
 * what is wrong (settings_problem.c).
 */
#ifndef POSTERND_SETTINGS_PRIVATE_H
#define POSTERND_SETTINGS_PRIVATE_H

#include <confuse.h>

#include "posternd/settings.h"

/*
 * Sections with a title may come several times and have a struct each, which
 * begins with its name.
 */
struct section {
	const char *name;
	size_t	 list;		/* offset in struct config */
	size_t	 size;		/* of one; 0: no title, values in the config */
};

#define SECTIONS 14

extern const struct setting settings[];
extern const size_t settings_n;
extern const struct section sections[SECTIONS];

/* Sets the option in base from its text; NULL, or a complaint (static). */
const char *settings_set(const struct setting *, const char *text, void *base);
void	 settings_set_default(const struct setting *, void *base);

/* Makes one for a file; NULL when there is no memory, and it is said. */
typedef cfg_t	*settings_reader(const char *file);
#define SETTINGS_SENTINEL "end-of-postern-conf"
/* 0, or -1 with lines in problems. */
int	 settings_read(cfg_t *, const char *text, size_t n);
/* What was found whole, and is included where reading is now: the same. */
int	 settings_read_within(cfg_t *, const char *file, const char *text,
	    size_t n);
/* In place; what is in quotes, or inside of a word, is none. */
void	 settings_blank_comments(char *text);
/* Until the next call; borrowed. */
void	 settings_problems_to(struct buf *);
struct buf *settings_problems(void);
void	 settings_problem_at(const char *file, int line, const char *text);
void	 settings_title_twice(const cfg_t *, const char *title);
/* The file, and each that it includes, by itself; 0, or -1 as above. */
int	 settings_scout(const char *file, const char *text, size_t n,
	    settings_reader *);
/* While that runs nothing is included, but noted. */
bool	 settings_scouting(void);
void	 settings_scouted(const char *path, int line);

/* One more element, zeroed. */
void	*settings_list_add(struct conf_list *, size_t size);

#endif
