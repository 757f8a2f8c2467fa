/* le: little-endian numbers, as they stand on disk. */
#ifndef LIB_LE_H
#define LIB_LE_H

#include <stdint.h>

void	 put_u32le(uint8_t *, uint32_t);
void	 put_u64le(uint8_t *, uint64_t);
uint32_t get_u32le(const uint8_t *);
uint64_t get_u64le(const uint8_t *);

#endif
