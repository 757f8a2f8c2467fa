#include "lib/prelude.h"

#include "fetch/ctl.h"
#include "fetch/introspect.h"
#include "fetch/provider.h"
#include "fetch/questions.h"
#include "lib/child.h"

static const struct fetch_conf *conf;

void
ctl_conf(const struct fetch_conf *c)
{
	conf = c;
}

static void
put_introspection(uint64_t id)
{
	child_ctl_row(id, 4);
	child_ctl_str("judged_by", "introspection");
	child_ctl_str("endpoint", conf->introspection);
	child_ctl_num("waiting", questions_waiting());
	child_ctl_str("trouble", introspect_trouble());
	child_ctl_send();
}

static void
put_keys(uint64_t id)
{
	const struct jwks *keys = provider_keys();
	size_t left_out = 0, n = 0;

	if (keys != NULL)
		n = jwks_count(keys, &left_out);
	child_ctl_row(id, 8);
	child_ctl_str("judged_by", *conf->jwks != '\0' ? "jwks-file" :
	    "the issuer's keys");
	child_ctl_str("issuer", conf->issuer);
	child_ctl_num("keys", n);
	child_ctl_num("left_out", left_out);
	child_ctl_str("why", keys != NULL ? jwks_left_out(keys) : "");
	child_ctl_time("fetched", provider_fetched_ms());
	child_ctl_num("waiting", questions_waiting());
	child_ctl_str("trouble", provider_trouble());
	child_ctl_send();
}

void
ctl_request(uint64_t id, size_t argc, const char *const *argv,
    const uint8_t *secret, size_t secret_len)
{
	if (argc != 1) {
		child_ctl_end(id, CTL_USAGE, "tokens takes no arguments");
		return;
	}
	if (*conf->introspection != '\0')
		put_introspection(id);
	else
		put_keys(id);
	child_ctl_end(id, CTL_OK, "%s", "");
}
