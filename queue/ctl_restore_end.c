/* What a restore has come to: its answer, its counts and its line of log. */
#include "lib/prelude.h"

#include "lib/date.h"
#include "lib/log.h"
#include "queue/ctl_restore.h"

/*
 * What has left the queue that made the backup can be known by that one alone:
 * not by another, which is all there is once a disk was lost.
 */
bool
restore_is_ours(const struct asked *a)
{
	const struct restore *r = a->own;

	return r->head.store != 0 &&
	    r->head.store == store_identity(a->q->store);
}

void
restore_say_damage(struct restore *r)
{
	bool only_cut = r->cut && r->bad_at >= r->cut_at;
	char cut[64] = "";

	if (r->cut && !only_cut)
		snprintf(cut, sizeof(cut), ", and cut off behind byte %llu",
		    (unsigned long long)r->cut_at);
	snprintf(r->damaged_why, sizeof(r->damaged_why), "the backup %s byte "
	    "%llu%s%s%s", only_cut ? "was cut off: it is whole up to" :
	    "is damaged at", (unsigned long long)r->bad_at,
	    *r->bad_id == '\0' ? "" : ", in message ", r->bad_id, cut);
}

const char *
restore_nothing(struct restore *r)
{
	size_t n = strlen(r->damaged_why);

	snprintf(r->damaged_why + n, sizeof(r->damaged_why) - n, "; nothing "
	    "was restored, --damaged takes what is whole");
	return r->damaged_why;
}

static void
counts_row(struct asked *a)
{
	const struct restore *r = a->own;

	child_ctl_row(a->id, 7);
	child_ctl_time("taken", r->head.taken_ms);
	child_ctl_num("messages", r->messages);
	child_ctl_num("restored", r->restored);
	child_ctl_num("queued_already", r->present);
	if (restore_is_ours(a))
		child_ctl_num("left_since", r->left);
	else
		child_ctl_str("left_since", "");	/* null: not known */
	child_ctl_num("damaged", r->damaged + r->lacking);
	child_ctl_bool("dry_run", r->dry_run);
	asked_send(a);
}

static const char *
what_lacks(const struct restore *r)
{
	static char text[sizeof(r->damaged_why) + 32];

	if (r->damaged == 0)
		return r->lacking == 0 ? "" : " Some could not be read when "
		    "it was made.";
	snprintf(text, sizeof(text), " That is not all: %s.", r->damaged_why);
	return text;
}

void
restore_finish(struct asked *a)
{
	struct restore *r = a->own;
	char n[NUM_TEXT_LEN], left[NUM_TEXT_LEN], when[DATE_LEN];
	bool ours = restore_is_ours(a), good;

	if (r->full)
		r->why = RESTORE_NO_ROOM;
	good = *r->why == '\0';
	if (good || r->head.taken_ms > 0)	/* it is a backup at all */
		counts_row(a);
	snprintf(left, sizeof(left), "%llu", (unsigned long long)r->left);
	log_info("restore=%s messages=%llu restored=%llu queued_already=%llu "
	    "left_since=%s damaged=%llu%s%s%s", !good ? "failed" : r->dry_run ?
	    "tried" : "done", (unsigned long long)r->messages,
	    (unsigned long long)r->restored, (unsigned long long)r->present,
	    ours ? left : "unknown",
	    (unsigned long long)(r->damaged + r->lacking),
	    r->damaged == 0 ? "" : " why=\"", r->damaged == 0 ? "" :
	    r->damaged_why, r->damaged == 0 ? "" : "\"");
	if (!good)
		asked_end(a, r->real ? CTL_TEMPORARY : CTL_FAILED, "%s",
		    r->why);
	else
		asked_end(a, r->damaged + r->lacking > 0 ? CTL_IN_PART :
		    CTL_OK, "%s from the backup of %s %s.%s%s%s%s%s%s",
		    num_print_count(r->restored, "message", n),
		    date_rfc3339(r->head.taken_ms, when), r->dry_run ?
		    "would be queued" : "queued, and held",
		    what_lacks(r),
		    r->left == 0 ? "" : " ", r->left == 0 ? "" :
		    num_print_count(r->left, "message", left),
		    r->left == 0 ? "" : " left this queue since, delivered, "
		    "returned or removed: --again brings them back, also "
		    "held.",
		    ours ? "" : " This backup is "
		    "of another queue: what has been delivered since it was "
		    "made, here or there, is not known.",
		    r->restored == 0 || r->dry_run ? "" : " Some may have "
		    "gone out after it was made: see posternctl(8), then let "
		    "them go with: posternctl queue release --restored");
}
