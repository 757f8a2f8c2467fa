/*
 * num: numbers, sizes and durations as people write them. Strict: the whole
 * text must be the value, without sign or space, and within range.
 */
#ifndef LIB_NUM_H
#define LIB_NUM_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits. 0, or -1 when not a number or outside min..max. */
int	 num_parse(const char *, size_t len, uint64_t min, uint64_t max,
	    uint64_t *);
/* "512", "64K", "50M", "2G": powers of 1024. */
int	 num_parse_size(const char *, uint64_t *bytes);
/* "30" or "30s", "5m", "4h", "5d", "1w". */
int	 num_parse_duration(const char *, uint64_t *sec);

#define NUM_TEXT_LEN 48
/* The shortest exact form, e.g. "50M", "5m"; returns text. */
const char *num_print_size(uint64_t bytes, char text[NUM_TEXT_LEN]);
const char *num_print_duration(uint64_t sec, char text[NUM_TEXT_LEN]);
/* For people, in words: "12 minutes", "1 hour", "3 days"; rounded up. */
const char *num_print_wait(uint64_t sec, char text[NUM_TEXT_LEN]);
/* "1 message", "2 messages": word is the singular, at most 24 letters. */
const char *num_print_count(uint64_t n, const char *word,
	    char text[NUM_TEXT_LEN]);
/* "1 byte", "1.5 KB", "50 MB": to a tenth, for people. */
const char *num_print_bytes(uint64_t bytes, char text[NUM_TEXT_LEN]);

#endif
