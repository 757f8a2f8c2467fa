/*
 * image: what a disk may hold after a power cut. A tape is played into it, and
 * at any place a disk can be made of it: all that was synced is there; of the
 * rest each sector is, or is not, as the dice have it. A file's name counts
 * as the directory's content: until the directory is synced the newest changes
 * to it may be missing, be the file itself synced or not. That is more than
 * common file systems would lose.
 */
#ifndef TESTS_FAULT_IMAGE_H
#define TESTS_FAULT_IMAGE_H

#include "tests/fault/calls.h"

struct image;

/* All that is in dir, durable. */
struct image *image_load(const char *dir);
void	 image_free(struct image **);
/* The operations up to there, behind those played before. */
void	 image_play(struct image *, const struct tape *, size_t until);

enum cut_kind {
	CUT_DROPS,	/* all that was not synced */
	CUT_KEEPS,	/* nothing */
	CUT_STOPS,	/* each file's writes stop somewhere, torn at 512 bytes */
	CUT_TEARS_512,	/* any sector may be missing */
	CUT_TEARS_4096,	/* any block */
	CUT_KINDS
};

const char *cut_name(enum cut_kind);

/* Into dir, which is empty. */
void	 image_write(const struct image *, enum cut_kind, uint64_t *dice,
	    const char *dir);

#endif
