#include "lib/prelude.h"

#include "lib/whole.h"

int
whole_write(int fd, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	ssize_t put;

	while (n > 0) {
		put = write(fd, p, n);
		if (put == -1 && errno != EINTR)
			return -1;
		if (put > 0) {
			p += put;
			n -= (size_t)put;
		}
	}
	return 0;
}

int
whole_pwrite(int fd, const void *bytes, size_t n, uint64_t offset)
{
	const uint8_t *p = bytes;
	ssize_t put;

	while (n > 0) {
		put = pwrite(fd, p, n, (off_t)offset);
		if (put == -1 && errno != EINTR)
			return -1;
		if (put > 0) {
			p += put;
			n -= (size_t)put;
			offset += (uint64_t)put;
		}
	}
	return 0;
}
