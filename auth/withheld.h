/*
 * withheld: names that nobody may log in as, though the disk could not be told:
 * until it is, or this process ends. Only an admin adds to them. Any thread.
 */
#ifndef AUTH_WITHHELD_H
#define AUTH_WITHHELD_H

#include <stdbool.h>

struct withheld;

struct withheld *withheld_new(void);
void	 withheld_free(struct withheld **);
void	 withheld_add(struct withheld *, const char *name);
void	 withheld_drop(struct withheld *, const char *name);
bool	 withheld_has(struct withheld *, const char *name);

#endif
