#include "lib/prelude.h"

#include "lib/buf.h"
#include "lib/xalloc.h"

/* Small enough not to waste, large enough for most command lines. */
#define BUF_FIRST 128

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_clear(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_wipe(struct buf *b)
{
	xfree_secret(b->data, b->size);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Room for n more bytes and the NUL; a moved secret leaves no copy behind. */
int
buf_reserve(struct buf *b, size_t n)
{
	uint8_t *grown;
	size_t size;

	if (n > b->max - b->len)
		return -1;
	if (b->data != NULL && b->len + n <= b->size)
		return 0;
	size = b->size == 0 ? BUF_FIRST : b->size;
	while (size < b->len + n)
		size *= 2;
	if (size > b->max)
		size = b->max;
	grown = xmalloc(size + 1);
	if (b->len > 0)
		memcpy(grown, b->data, b->len);
	grown[b->len] = '\0';
	xfree_secret(b->data, b->len);
	b->data = grown;
	b->size = size;
	return 0;
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	if (buf_reserve(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_addc(struct buf *b, uint8_t c)
{
	return buf_add(b, &c, 1);
}

int
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_addv(b, fmt, ap);
	va_end(ap);
	return r;
}

int
buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || buf_reserve(b, (size_t)n) == -1)
		return -1;
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_reset(b);
		return;
	}
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len + 1);
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : (const char *)b->data;
}

char *
buf_steal(struct buf *b, size_t *len)
{
	char *s = b->data == NULL ? xstrdup("") : (char *)b->data;

	if (len != NULL)
		*len = b->len;
	buf_init(b, b->max);
	return s;
}
