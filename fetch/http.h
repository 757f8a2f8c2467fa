/*
 * http: questions by HTTPS, on our own loop. The one file that knows libcurl.
 * Certificates are always verified, redirects never followed, and what comes
 * back is bounded in bytes and time, headers included.
 */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include <stddef.h>
#include <stdint.h>

struct http;

struct http_question {
	const char *url;		/* https:// */
	const char *form;		/* posted; NULL: GET */
	const char *user, *password;	/* HTTP Basic, or NULL */
	size_t	 max_bytes;		/* of the answer's body */
	uint32_t timeout_sec;		/* for all of it */
};

struct http_answer {
	const char *why;		/* a sentence: there is none; else NULL */
	long	 status;
	const char *body;
	size_t	 len;
};

/* The answer is the callee's until it returns. Called from the loop only. */
typedef void http_done(const struct http_answer *, void *arg);

/* Once, while all files may still be opened. NULL, or a sentence. */
const char *http_init(void);
/* What certificates must lead to from now on, PEM, copied; "": the system's. */
void	 http_trust(const char *ca_pem);
/*
 * Copies the question. The result is the caller's until done is called, or to
 * end by http_cancel().
 */
struct http *http_ask(const struct http_question *, http_done *, void *arg);
/* done is not called any more. NULL is fine. */
void	 http_cancel(struct http **);

#endif
