#include "lib/prelude.h"

#include <sys/socket.h>
#include <openssl/bio.h>

#include "lib/wire.h"

void
wire_init(struct wire *w, size_t max)
{
	buf_init(&w->bytes, max);
	w->sent = 0;
}

void
wire_clear(struct wire *w)
{
	buf_clear(&w->bytes);
	w->sent = 0;
}

size_t
wire_unsent(const struct wire *w)
{
	return w->bytes.len - w->sent;
}

/* An idle session keeps no memory for it. */
ssize_t
wire_send(struct wire *w, int fd, int flags)
{
	ssize_t n = send(fd, w->bytes.data + w->sent, wire_unsent(w),
	    flags | MSG_NOSIGNAL);

	if (n > 0)
		w->sent += (size_t)n;
	if (wire_unsent(w) == 0)
		wire_clear(w);
	return n;
}

/* --- OpenSSL's side ------------------------------------------------------------- */

static int
put(BIO *bio, const char *p, int n)
{
	struct wire *w = BIO_get_data(bio);

	if (n > 0 && buf_add(&w->bytes, p, (size_t)n) == 0)
		return n;
	errno = ENOBUFS;
	return -1;
}

/* Whatever it is asked to do is done, or not known here. */
static long
control(BIO *bio, int what, long n, void *p)
{
	return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

static BIO_METHOD *
method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() |
	    BIO_TYPE_SOURCE_SINK, "wire");

	if (m != NULL && BIO_meth_set_write(m, put) == 1 &&
	    BIO_meth_set_ctrl(m, control) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

BIO *
wire_bio(struct wire *w)
{
	static BIO_METHOD *of;
	BIO *bio;

	if (of == NULL)
		of = method();
	bio = of == NULL ? NULL : BIO_new(of);
	if (bio != NULL) {
		BIO_set_data(bio, w);
		BIO_set_init(bio, 1);
	}
	return bio;
}
