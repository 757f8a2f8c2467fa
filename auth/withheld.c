#include "lib/prelude.h"

#include <sys/queue.h>
#include <pthread.h>

#include "auth/withheld.h"
#include "lib/xalloc.h"

struct name {
	LIST_ENTRY(name) link;
	char	 v[];
};

struct withheld {
	LIST_HEAD(, name) names;	/* under the mutex */
	pthread_mutex_t mutex;
};

struct withheld *
withheld_new(void)
{
	struct withheld *w = xcalloc(1, sizeof(*w));

	pthread_mutex_init(&w->mutex, NULL);
	return w;
}

void
withheld_free(struct withheld **wp)
{
	struct withheld *w = *wp;
	struct name *n;

	if (w == NULL)
		return;
	*wp = NULL;
	while ((n = LIST_FIRST(&w->names)) != NULL) {
		LIST_REMOVE(n, link);
		free(n);
	}
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

static struct name *
find(struct withheld *w, const char *name)
{
	struct name *n;

	LIST_FOREACH(n, &w->names, link)
		if (strcmp(n->v, name) == 0)
			break;
	return n;
}

void
withheld_add(struct withheld *w, const char *name)
{
	size_t len = strlen(name) + 1;
	struct name *n;

	pthread_mutex_lock(&w->mutex);
	if (find(w, name) == NULL) {
		n = xmalloc(sizeof(*n) + len);
		memcpy(n->v, name, len);
		LIST_INSERT_HEAD(&w->names, n, link);
	}
	pthread_mutex_unlock(&w->mutex);
}

void
withheld_drop(struct withheld *w, const char *name)
{
	struct name *n;

	pthread_mutex_lock(&w->mutex);
	n = find(w, name);
	if (n != NULL) {
		LIST_REMOVE(n, link);
		free(n);
	}
	pthread_mutex_unlock(&w->mutex);
}

bool
withheld_has(struct withheld *w, const char *name)
{
	bool has;

	pthread_mutex_lock(&w->mutex);
	has = find(w, name) != NULL;
	pthread_mutex_unlock(&w->mutex);
	return has;
}
