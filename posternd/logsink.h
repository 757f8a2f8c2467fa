/*
 * logsink: where log lines end. Children send theirs over a datagram socket
 * each; the parent adds time and process and writes them to stderr, syslog or
 * the systemd journal. A child that floods is cut to a rate, and the log says
 * how much was dropped; what children send is cleaned again, since a captured
 * one could try to forge lines.
 */
#ifndef POSTERND_LOGSINK_H
#define POSTERND_LOGSINK_H

#include <stdio.h>

#include "lib/log.h"
#include "posternd/config.h"

struct logsource;

/* All lines go there from now on; stream (borrowed) is for STDERR. */
void	 logsink_open(enum config_log, FILE *stream);
void	 logsink_line(enum log_level, const char *proc, const char *line);

/*
 * Reads a child's lines; proc ("smtpd/0") is borrowed. child_fd is the end for
 * the child, which the caller closes after the fork. NULL with errno.
 */
struct logsource *logsource_new(const char *proc, int *child_fd);
/* Takes what has arrived before it closes. */
void	 logsource_free(struct logsource **);

#endif
