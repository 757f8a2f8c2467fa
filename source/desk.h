/*
 * desk: questions of auth on their way through the sources, in order. Each
 * source has its time-out, which counts here whatever its threads are stuck in;
 * one that keeps failing is passed by (health.h). Main thread.
 */
#ifndef SOURCE_DESK_H
#define SOURCE_DESK_H

struct source_conf;

/* NULL, or what a backend says is wrong with these settings. */
const char *desk_check(const struct source_conf *);
/*
 * From now on; nothing of it is borrowed. Questions under way go on with the
 * settings that they began with.
 */
void	 desk_conf(const struct source_conf *);
/* A channel to auth (takes fd); closes the one before and drops its questions. */
void	 desk_peer(int fd);
void	 desk_stop(void);

#endif
