/*
 * settings_private: what the three files of settings share: the table
 * (settings_table.c), values (settings_value.c) and reading (settings.c).
 */
#ifndef POSTERND_SETTINGS_PRIVATE_H
#define POSTERND_SETTINGS_PRIVATE_H

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
/* One more element, zeroed. */
void	*settings_list_add(struct conf_list *, size_t size);

#endif
