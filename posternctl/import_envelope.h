/*
 * import_envelope: what a NAME.json says of its message: the keys of an export,
 * of which "from" and "recipients" must be there. What is misspelt, said twice
 * or of another kind is refused, lest it be taken for what is not there. Pure.
 */
#ifndef POSTERNCTL_IMPORT_ENVELOPE_H
#define POSTERNCTL_IMPORT_ENVELOPE_H

#include "lib/ipc_msgs.h"
#include "posternctl/json.h"

/* Of a request to import it: "name=value", owned. */
struct envelope_args {
	char	*v[CTL_ARGS_MAX];
	size_t	 n;
	bool	 full;		/* there were more */
};

/* NULL, or what is wrong with it, in a static buffer. */
const char *import_envelope_wrong(const struct json *);
/*
 * What it says, as the queue wants it; those that are done with stay out. Only of
 * an envelope that is not wrong. Ends with import_envelope_clear().
 */
void	 import_envelope_args(struct envelope_args *, const struct json *);
/* Another one, for which there is place: four are kept. */
void	 import_envelope_add(struct envelope_args *, const char *name,
	    const char *value);
void	 import_envelope_clear(struct envelope_args *);

#endif
