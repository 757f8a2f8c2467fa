/* crc32c: the Castagnoli checksum (RFC 3720 B.4), by the CPU where it can. */
#ifndef LIB_CRC32C_H
#define LIB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from an earlier result; 0, or any seed, at the beginning. */
uint32_t crc32c(uint32_t crc, const void *, size_t);
/* The same without the CPU's help, for tests. */
uint32_t crc32c_soft(uint32_t crc, const void *, size_t);

#endif
