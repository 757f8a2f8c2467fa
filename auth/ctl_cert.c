/* The verbs about an account's TLS client certificates: add, list, remove. */
#include "lib/prelude.h"

#include "auth/ctl_private.h"
#include "auth/pins.h"
#include "auth/revoke.h"
#include "lib/base64.h"
#include "lib/log.h"
#include "lib/xalloc.h"

#define OPTION	"certificate="
#define START_MIN 8		/* of a pin, to name it by */

/* --- add ------------------------------------------------------------------------- */

static const char *
take_certificate(struct request *r, const char *given)
{
	static char why[CLIENT_CERT_WHY_MAX];
	struct buf der;
	bool fit;

	if (strncmp(given, OPTION, sizeof(OPTION) - 1) != 0)
		return "a certificate is wanted";
	given += sizeof(OPTION) - 1;
	buf_init(&der, CTL_ARG_LEN_MAX);
	fit = base64_decode(given, strlen(given), &der) == 0 &&
	    client_cert_pin(der.data, der.len, ev_wall_ms(), r->pin, why);
	buf_clear(&der);
	if (fit)
		return NULL;
	return *r->pin == '\0' ? "that is no certificate" : why;
}

static void
run_add(struct job *job)
{
	struct request *r = (struct request *)job;

	if (*r->pin == '\0')
		r->result = ctl_refused(r, CTL_USAGE, "a certificate is "
		    "wanted");
	else
		r->result = accounts_add_pin(ctl_accounts(), r->pin,
		    r->account.name);
}

static void
done_add(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_EXISTS) {
		child_ctl_end(r->id, CTL_FAILED, "that key is %s's already",
		    r->account.name);
		ctl_free(r);
		return;
	}
	if (r->result == ACCOUNTS_OK) {
		log_info("account=\"%s\" certificate=%s done=\"cert add\"",
		    r->account.name, r->pin);
		child_ctl_row(r->id, 2);
		child_ctl_str("account", r->account.name);
		child_ctl_str("certificate", r->pin);
		child_ctl_send();
	}
	ctl_done(r);
}

/* --- list ------------------------------------------------------------------------- */

void
ctl_run_pins(struct job *job)
{
	struct request *r = (struct request *)job;
	char pin[CLIENT_CERT_PIN_LEN + 1] = "", whose[ACCOUNT_MAX + 1];
	enum accounts_result found;

	ctl_run_get(job);
	if (r->result != ACCOUNTS_OK)
		return;
	while ((found = pins_next(accounts_records(ctl_accounts()), pin,
	    whose)) == ACCOUNTS_OK) {
		if (strcmp(whose, r->account.name) != 0)
			continue;
		r->pins = xreallocarray(r->pins, r->npins + 1,
		    sizeof(*r->pins));
		memcpy(r->pins[r->npins++], pin, sizeof(pin));
	}
	if (found != ACCOUNTS_NONE)
		r->result = found;
}

static void
done_list(struct job *job)
{
	struct request *r = (struct request *)job;
	size_t i;

	if (r->result != ACCOUNTS_OK) {
		ctl_done(r);
		return;
	}
	for (i = 0; i < r->npins; i++) {
		child_ctl_row(r->id, 2);
		child_ctl_str("account", r->account.name);
		child_ctl_str("certificate", r->pins[i]);
		child_ctl_send();
	}
	child_ctl_end(r->id, CTL_OK, "%s", r->npins > 0 ? "" :
	    "The account has no certificates.");
	ctl_free(r);
}

/* --- remove ----------------------------------------------------------------------- */

static const char *
take_pin(struct request *r, const char *given)
{
	size_t n = strlen(given);

	if (*r->pin != '\0' || n < START_MIN || n > CLIENT_CERT_PIN_LEN ||
	    strspn(given, "0123456789abcdef") != n)
		return "one certificate is wanted, or the first letters of it, "
		    "eight at least, as posternctl account cert list shows it";
	memcpy(r->pin, given, n + 1);
	return NULL;
}

static void
run_remove(struct job *job)
{
	struct request *r = (struct request *)job;
	size_t i, n = strlen(r->pin), found = 0, which = 0;

	ctl_run_pins(job);
	if (r->result != ACCOUNTS_OK)
		return;
	for (i = 0; i < r->npins; i++)
		if (n > 0 && strncmp(r->pins[i], r->pin, n) == 0) {
			found++;
			which = i;
		}
	if (found == 1 && ctl_revokes(r, r->account.name))
		r->result = pins_drop(accounts_records(ctl_accounts()),
		    r->pins[which], r->account.name);
	else if (found != 1)
		r->result = ctl_refused(r, CTL_NOT_FOUND, found == 0 ?
		    "the account has no such certificate; see posternctl "
		    "account cert list" : "more than one begins so; name more "
		    "of it");
}

static void
done_remove(struct job *job)
{
	struct request *r = (struct request *)job;

	if (r->result == ACCOUNTS_OK) {
		revoke_account(r->account.name);
		log_info("account=\"%s\" certificate=%s done=\"cert remove\"",
		    r->account.name, r->pin);
	}
	ctl_done(r);
}

const struct verb ctl_cert_verbs[] = {
	{ "account cert add", 1, CTL_NO_PASSWORD, take_certificate, run_add, done_add },
	{ "account cert list", 1, CTL_NO_PASSWORD, NULL, ctl_run_pins, done_list },
	{ "account cert remove", 1, CTL_NO_PASSWORD, take_pin, run_remove, done_remove },
	{ NULL, 0, CTL_NO_PASSWORD, NULL, NULL, NULL }
};
