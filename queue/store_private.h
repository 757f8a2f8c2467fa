/*
 * store_private: what the kinds of store share. Each begins with a struct
 * store that points at its functions; store.c is the way in to all of them.
 */
#ifndef QUEUE_STORE_PRIVATE_H
#define QUEUE_STORE_PRIVATE_H

#include "queue/store.h"

struct store_backend {		/* as the calls of store.h */
	void	(*close)(struct store *);
	uint64_t (*new_id)(struct store *);
	void	(*ids_beyond)(struct store *, uint64_t id);
	bool	(*has_room)(struct store *);
	uint64_t (*room)(const struct store *);
	uint64_t (*spare)(const struct store *);
	uint64_t (*count)(const struct store *);
	uint64_t (*unsettled)(const struct store *);
	uint64_t (*identity)(const struct store *);
	bool	(*removed)(const struct store *, const struct store_msg *);
	bool	(*leaving)(const struct store *, uint64_t id);
	void	(*accept)(struct store *, const struct store_msg *, int spool_fd,
		    store_done *, store_done *full, void *arg);
	void	(*update)(struct store *, const struct store_msg *,
		    const struct store_bounces *, store_done *, void *arg);
	void	(*remove)(struct store *, const struct store_msg *,
		    const struct store_bounces *, store_done *, void *arg);
	void	(*sync)(struct store *, store_done *, void *arg);
	int	(*spool_open)(struct store *);
	int	(*spool_lend)(struct store *, int fd, int *writer);
	int	(*spool_held)(struct store *, int fd);
	void	(*spool_empty)(struct store *, int fd);
	void	(*spool_close)(struct store *, int fd);
	void	(*due)(struct store *, uint64_t after_ms, uint64_t after_id,
		    uint64_t until_ms, size_t max, store_msgs *, void *arg);
	void	(*list)(struct store *, uint64_t after_id, size_t max,
		    store_msgs *, void *arg);
	void	(*load)(struct store *, uint64_t id, store_msgs *, void *arg);
	void	(*body)(struct store *, uint64_t id, store_body_cb *, void *arg);
	void	(*usage)(struct store *, uint32_t back_sec, store_usage_cb *,
		    void *arg);
};

/* How many of these make up a page of max. */
size_t	 store_page(struct store_msg *const *, size_t n, size_t max);

struct store {
	const struct store_backend *backend;
};

#endif
