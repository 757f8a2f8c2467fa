#include "lib/prelude.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "lib/log.h"
#include "posternd/notify.h"

static struct sockaddr_un manager;
static socklen_t manager_len;

void
notify_init(void)
{
	const char *at = getenv("NOTIFY_SOCKET");
	size_t len = at == NULL ? 0 : strlen(at);

	if (len > 1 && len < sizeof(manager.sun_path) &&
	    (*at == '/' || *at == '@')) {
		manager.sun_family = AF_UNIX;
		memcpy(manager.sun_path, at, len);
		if (*at == '@')		/* an abstract name */
			manager.sun_path[0] = '\0';
		manager_len = (socklen_t)(offsetof(struct sockaddr_un,
		    sun_path) + len);
	}
	unsetenv("NOTIFY_SOCKET");
}

void
notify(const char *state)
{
	int s;

	if (manager_len == 0)
		return;
	s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s == -1 || sendto(s, state, strlen(state), MSG_NOSIGNAL |
	    MSG_DONTWAIT, (struct sockaddr *)&manager, manager_len) == -1)
		log_warn("cannot tell the service manager");
	if (s != -1)
		close(s);
}

void
notify_reloading(void)
{
	struct timespec ts;
	char text[96];

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		return;
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	notify(text);
}
