/*
 * notify: tells the service manager how we are (systemd's datagram protocol,
 * sd_notify(3)), when there is one.
 */
#ifndef POSTERND_NOTIFY_H
#define POSTERND_NOTIFY_H

/* Takes NOTIFY_SOCKET out of the environment, so that no child has it. */
void	 notify_init(void);
/* "READY=1", "STOPPING=1", ...; quietly does nothing without a manager. */
void	 notify(const char *state);
/* RELOADING=1 with the time that the manager wants beside it. */
void	 notify_reloading(void);

#endif
