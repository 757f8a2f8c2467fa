/* lib/ticket and lib/envelope: nothing about a ticket can be altered. */
#include "lib/prelude.h"

#include "lib/envelope.h"
#include "lib/ipc_msgs.h"
#include "lib/ticket.h"
#include "tests/tap.h"

#define NOW 1700000000000ULL

static uint8_t key_bytes[TICKET_KEY_LEN] = "this key is thirty-two bytes lon";
static const struct conf_bytes key = { key_bytes, TICKET_KEY_LEN };

static struct ticket
sealed(void)
{
	struct ticket t;

	memset(&t, 0, sizeof(t));
	t.session = 77;
	t.expires_ms = NOW + 1000;
	snprintf(t.account, sizeof(t.account), "alice@example.org");
	snprintf(t.cap, sizeof(t.cap), "default");
	snprintf(t.device, sizeof(t.device), "phone");
	snprintf(t.device_cap, sizeof(t.device_cap), "small");
	t.plus = '+';
	ticket_seal(&key, 3, &t);
	return t;
}

static void
test_ticket(void)
{
	struct ticket t = sealed();
	uint8_t other_bytes[TICKET_KEY_LEN] = "that key is thirty-two bytes lon";
	struct conf_bytes other = { other_bytes, TICKET_KEY_LEN };
	size_t i;

	ok(ticket_valid(&key, 3, &t, NOW), "a good ticket");
	ok(!ticket_valid(&key, 4, &t, NOW), "another worker's");
	ok(!ticket_valid(&other, 3, &t, NOW), "another key's");
	ok(!ticket_valid(&key, 3, &t, NOW + 1000), "expired to the moment");
	ok(ticket_valid(&key, 3, &t, NOW + 999), "not a moment sooner");
	t.session++;
	ok(!ticket_valid(&key, 3, &t, NOW), "another session's");
	t = sealed();
	t.expires_ms++;
	ok(!ticket_valid(&key, 3, &t, NOW), "prolonged");
	t = sealed();
	t.begun_ms++;
	ok(!ticket_valid(&key, 3, &t, NOW), "begun later");
	t = sealed();
	t.account[0] = 'A';
	ok(!ticket_valid(&key, 3, &t, NOW), "another account");
	t = sealed();
	snprintf(t.account, sizeof(t.account), "alice@example.orgd");
	snprintf(t.cap, sizeof(t.cap), "efault");
	ok(!ticket_valid(&key, 3, &t, NOW), "bytes moved between fields");
	t = sealed();
	t.device[0] = 'X';
	ok(!ticket_valid(&key, 3, &t, NOW), "another device");
	t = sealed();
	*t.device_cap = '\0';
	ok(!ticket_valid(&key, 3, &t, NOW), "without the device's cap");
	t = sealed();
	t.plus = '-';
	ok(!ticket_valid(&key, 3, &t, NOW), "another plus");
	t = sealed();
	snprintf(t.lane, sizeof(t.lane), "scanner1");
	ok(!ticket_valid(&key, 3, &t, NOW), "a lane more");
	ticket_seal(&key, 3, &t);
	ok(ticket_valid(&key, 3, &t, NOW), "with a seal of its own");
	*t.lane = '\0';
	ok(!ticket_valid(&key, 3, &t, NOW), "a lane less");
	for (i = 0; i < TICKET_MAC_LEN; i++) {
		t = sealed();
		t.mac[i] ^= 0x80;
		ok(!ticket_valid(&key, 3, &t, NOW), "seal damaged at %zu", i);
	}
	memset(t.mac, 0, sizeof(t.mac));
	ok(!ticket_valid(&key, 3, &t, NOW), "no seal at all");
}

static void
test_sender(void)
{
	static const struct {
		const char *path, *pattern;
		bool	 may;
	} cases[] = {
		{ "", "", true }, { "alice@example.org", "", true },
		{ "ALICE@Example.ORG", "", true },
		{ "bob@example.org", "", false },
		{ "bob@example.org", "@example.org", true },
		{ "bob@example.org", "bob@example.org", true },
		{ "bob@example.net", "@example.org", false },
		{ "bob@sub.example.org", "@example.org", false },
		{ "carol@example.org", "bob@example.org", false },
		{ "alice+x@example.org", "", true },
		{ "alice+x@example.net", "", false },
		{ "alice-x@example.org", "", false },
		{ "bob+x@example.org", "bob@example.org", true },
		{ "bob+x@example.org", "carol@example.org", false },
	};
	struct ticket t, other = sealed();
	uint8_t mac[TICKET_MAC_LEN];
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		t = sealed();
		snprintf(t.sender, sizeof(t.sender), "%s", cases[i].pattern);
		ticket_seal_sender(&key, &t, t.sender, t.sender_mac);
		ok(ticket_may_send(&key, &t, cases[i].path) == cases[i].may,
		    "<%s> with \"%s\"", cases[i].path, cases[i].pattern);
	}
	t = sealed();
	snprintf(t.sender, sizeof(t.sender), "@example.org");
	ok(!ticket_may_send(&key, &t, "bob@example.org"), "no seal");
	ticket_seal_sender(&key, &t, "@example.net", t.sender_mac);
	ok(!ticket_may_send(&key, &t, "bob@example.org"),
	    "the seal of another pattern");
	other.session++;
	ticket_seal(&key, 3, &other);
	ticket_seal_sender(&key, &other, "@example.org", t.sender_mac);
	ok(!ticket_may_send(&key, &t, "bob@example.org"),
	    "the seal of another ticket");
	ticket_seal_sender(&key, &t, "@example.org", mac);
	for (i = 0; i < TICKET_MAC_LEN; i += 5) {
		memcpy(t.sender_mac, mac, sizeof(mac));
		t.sender_mac[i] ^= 1;
		ok(!ticket_may_send(&key, &t, "bob@example.org"),
		    "the seal damaged at %zu", i);
	}
}

static void
test_wire(void)
{
	struct ticket t = sealed(), got;
	char login[LOGIN_MAX + 1];
	struct envelope e, back;
	struct ipc_in in;
	const uint8_t *p;
	size_t len;

	envelope_init(&e);
	e.return_path = strdup("alice@example.org");
	e.ret = RET_HDRS;
	e.body_8bit = e.require_tls = true;
	e.hold_until_ms = NOW + 1;
	e.by = BY_NOTIFY;
	e.by_trace = e.by_told = true;
	e.by_ms = NOW - 5;
	e.priority = -9;
	envelope_add_rcpt(&e, "bob@example.net", NULL, 0);
	envelope_add_rcpt(&e, "carol@example.net", "rfc822;c", NOTIFY_FAILURE);
	envelope_add_rcpt(&e, "dave@example.net", "", NOTIFY_NEVER);
	ipc_begin(M_SUBMIT, 77);
	ticket_put(&t);
	envelope_put(&e);
	p = ipc_built(&len);
	ok(ipc_parse(p, len, &in), "a packet");
	ticket_get(&in, &got);
	envelope_get(&in, &back);
	ok(ipc_in_end(&in) && ticket_valid(&key, 3, &got, NOW),
	    "the ticket survives the way");
	is_str(got.device, "phone", "device");
	is_str(got.device_cap, "small", "its cap");
	is_int(got.plus, '+', "plus");
	is_str(ticket_login(&got, login), "alice@example.org/phone",
	    "the login's name");
	is_str(back.return_path, "alice@example.org", "the return path");
	is_int(back.nrcpts, 3, "the recipients");
	is_str(back.rcpts[1].orcpt, "rfc822;c", "ORCPT");
	ok(back.rcpts[0].orcpt == NULL && back.rcpts[2].orcpt == NULL &&
	    back.envid == NULL, "absent stays absent");
	ok(back.body_8bit && !back.utf8 && back.require_tls &&
	    back.ret == RET_HDRS, "flags");
	is_int(back.hold_until_ms, NOW + 1, "the hour of release");
	ok(back.by == BY_NOTIFY && back.by_trace && back.by_told &&
	    back.by_ms == NOW - 5, "DELIVERBY");
	is_int(back.priority, -9, "the priority");
	envelope_clear(&back);
	envelope_clear(&e);

	e.return_path = strdup("");
	ipc_begin(M_SUBMIT, 1);
	envelope_put(&e);
	p = ipc_built(&len);
	ok(ipc_parse(p, len, &in), "a packet");
	envelope_get(&in, &back);
	ok(in.bad, "an envelope without recipients is refused");
	envelope_clear(&back);
	envelope_clear(&e);
}

int
main(void)
{
	test_ticket();
	test_sender();
	test_wire();
	return tap_done();
}
