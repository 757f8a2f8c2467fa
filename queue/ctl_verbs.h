/*
 * ctl_verbs: what the table in ctl.c calls. Each ends its request by
 * asked_end(), sooner or later; argv is what stands behind the verb's words.
 */
#ifndef QUEUE_CTL_VERBS_H
#define QUEUE_CTL_VERBS_H

#include "queue/ctl_asked.h"

typedef void ctl_verb(struct asked *, size_t argc, const char *const *argv);

ctl_verb ctl_list, ctl_show;					/* ctl_list.c */
ctl_verb ctl_stats, ctl_export, ctl_import, ctl_backup, ctl_restore;
ctl_verb ctl_hold, ctl_release, ctl_retry, ctl_flush, ctl_remove,
    ctl_redirect;						/* ctl_bulk.c */
ctl_verb ctl_usage, ctl_caps;					/* ctl_usage.c */

#endif
