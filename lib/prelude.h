/*
 * prelude: the first include of every .c file. It brings config.h, the handful
 * of system headers that everybody needs, and a list of calls that do not
 * compile here because they cannot be used safely.
 */
#ifndef LIB_PRELUDE_H
#define LIB_PRELUDE_H

#include "config.h"

#include <sys/types.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define nitems(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTFLIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN __attribute__((noreturn))

#define BANNED(name, instead) name##_is_banned_use_##instead
#undef strcpy
#define strcpy(d, s) BANNED(strcpy, snprintf)
#undef strcat
#define strcat(d, s) BANNED(strcat, buf_adds)
#undef strncpy
#define strncpy(d, s, n) BANNED(strncpy, snprintf)
#undef strncat
#define strncat(d, s, n) BANNED(strncat, buf_add)
#undef sprintf
#define sprintf(...) BANNED(sprintf, snprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf, vsnprintf)
#undef gets
#define gets(s) BANNED(gets, buf)
#undef strtok
#define strtok(s, d) BANNED(strtok, strsep)
#undef atoi
#define atoi(s) BANNED(atoi, num_parse)
#undef system
#define system(s) BANNED(system, execve)
#undef popen
#define popen(c, m) BANNED(popen, execve)
#undef alloca
#define alloca(n) BANNED(alloca, xmalloc)
#undef rand
#define rand() BANNED(rand, getrandom)
#undef random
#define random() BANNED(random, getrandom)
#undef gmtime
#define gmtime(t) BANNED(gmtime, gmtime_r)
#undef localtime
#define localtime(t) BANNED(localtime, localtime_r)
#undef ctime
#define ctime(t) BANNED(ctime, strftime)

#endif
