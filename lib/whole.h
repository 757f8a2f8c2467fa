/*
 * whole: a buffer to a file, all of it, however often the kernel takes less.
 * 0, or -1 with errno, when a part may have been written.
 */
#ifndef LIB_WHOLE_H
#define LIB_WHOLE_H

#include <stddef.h>
#include <stdint.h>

int	 whole_write(int fd, const void *, size_t);
int	 whole_pwrite(int fd, const void *, size_t, uint64_t offset);

#endif
