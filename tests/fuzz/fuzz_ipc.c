/*
 * What one of our own processes might send when it is no longer ours: packets,
 * slices of the configuration, tickets, envelopes. What is taken, and put
 * again, is the same bytes.
 */
#include "lib/prelude.h"

#include "lib/conf.h"
#include "lib/envelope.h"
#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "lib/ticket.h"
#include "tests/fuzz/fuzz.h"

static struct ipc_in
reader(const uint8_t *p, size_t n)
{
	return (struct ipc_in){ .fd = -1, .at = p, .end = p + n };
}

/* What stands in the message being built is these n bytes. */
static void
built_is(const uint8_t *p, size_t n)
{
	struct ipc_in in;
	const uint8_t *b;
	size_t len;

	b = ipc_built(&len);
	MUST(ipc_parse(b, len, &in));
	MUST((size_t)(in.end - in.at) == n && (n == 0 ||
	    memcmp(in.at, p, n) == 0));
}

static void
one_slice(const struct conf_field *fields, size_t size, const uint8_t *p,
    size_t n)
{
	struct ipc_in in = reader(p, n);
	void *slice = calloc(1, size);

	MUST(slice != NULL);
	if (conf_get(&in, fields, slice) == 0) {
		ipc_begin(M_CONF, 0);
		conf_put(fields, slice);
		built_is(p, n);
	}
	conf_clear(fields, size, slice);
	free(slice);
}

static void
one_ticket(const uint8_t *p, size_t n)
{
	struct ipc_in in = reader(p, n);
	struct ticket t;

	ticket_get(&in, &t);
	MUST(strlen(t.account) <= ACCOUNT_MAX && strlen(t.cap) <= CAP_NAME_MAX);
	if (!ipc_in_end(&in))
		return;
	ipc_begin(M_SUBMIT, 0);
	ticket_put(&t);
	built_is(p, n);
}

static void
one_envelope(const uint8_t *p, size_t n)
{
	struct ipc_in in = reader(p, n);
	struct envelope e;

	envelope_get(&in, &e);
	MUST(e.nrcpts <= ENVELOPE_RCPT_MAX);
	if (ipc_in_end(&in)) {
		ipc_begin(M_SUBMIT, 0);
		envelope_put(&e);
		built_is(p, n);
	}
	envelope_clear(&e);
}

static void
one_packet(const uint8_t *p, size_t n)
{
	struct ipc_in in = { .fd = -1 };
	size_t len;

	if (!ipc_parse(p, n, &in))
		return;
	while (!in.bad && in.at < in.end)
		switch (*in.at % 4) {
		case 0:
			ipc_get_str(&in, 100);
			break;
		case 1:
			ipc_get_bytes(&in, 100, &len);
			break;
		case 2:
			ipc_get_bool(&in);
			break;
		case 3:
			ipc_get_u64(&in);
			break;
		}
	MUST(in.bad || ipc_in_end(&in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct steer s = { p, n };

	if (n > IPC_MAX / 2)
		return 0;
	switch (steer(&s) % 8) {
	case 0:
		one_slice(smtpd_conf_fields, sizeof(struct smtpd_conf), p, s.n);
		break;
	case 1:
		one_slice(auth_conf_fields, sizeof(struct auth_conf), p, s.n);
		break;
	case 2:
		one_slice(keys_conf_fields, sizeof(struct keys_conf), p, s.n);
		break;
	case 3:
		one_slice(queue_conf_fields, sizeof(struct queue_conf), p, s.n);
		break;
	case 4:
		one_slice(relay_conf_fields, sizeof(struct relay_conf), p, s.n);
		break;
	case 5:
		one_ticket(p, s.n);
		break;
	case 6:
		one_envelope(p, s.n);
		break;
	default:
		one_packet(p, s.n);
		break;
	}
	return 0;
}
