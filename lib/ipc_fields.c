/*
 * Wire form of a message, in host order (both ends are this machine):
 *	u16 version | u16 type | u32 payload length | u64 id | payload
 * u8, u32 and u64 fields stand bare; strings and bytes have a u32 length in
 * front, strings a NUL behind, so that the reader can borrow them in place.
 */
#include "lib/prelude.h"

#include "lib/ipc.h"
#include "lib/ipc_msgs.h"
#include "lib/ipc_private.h"
#include "lib/log.h"

static uint8_t out_packet[IPC_PACKET_MAX];
static size_t out_len;
static bool out_overflow;

/* --- building --------------------------------------------------------------------- */

static void
put(const void *p, size_t n)
{
	if (n > IPC_PACKET_MAX - out_len) {
		out_overflow = true;
		return;
	}
	memcpy(out_packet + out_len, p, n);
	out_len += n;
}

void
ipc_put_raw(const void *p, size_t n)
{
	put(p, n);
}

void
ipc_begin(uint16_t type, uint64_t id)
{
	uint16_t version = IPC_VERSION;
	uint32_t len = 0;

	out_len = 0;
	out_overflow = false;
	put(&version, sizeof(version));
	put(&type, sizeof(type));
	put(&len, sizeof(len));
	put(&id, sizeof(id));
}

void
ipc_forget_built(void)
{
	explicit_bzero(out_packet, out_len);
	out_len = 0;
}

void
ipc_put_u8(uint8_t v)
{
	put(&v, sizeof(v));
}

void
ipc_put_bool(bool v)
{
	ipc_put_u8(v ? 1 : 0);
}

void
ipc_put_u32(uint32_t v)
{
	put(&v, sizeof(v));
}

void
ipc_put_u64(uint64_t v)
{
	put(&v, sizeof(v));
}

void
ipc_put_bytes(const void *p, size_t n)
{
	if (n > IPC_MAX) {
		out_overflow = true;
		return;
	}
	ipc_put_u32((uint32_t)n);
	if (n > 0)
		put(p, n);
}

void
ipc_put_str(const char *s)
{
	if (s == NULL)
		s = "";
	ipc_put_bytes(s, strlen(s));
	put("", 1);
}

size_t
ipc_room(void)
{
	return IPC_PACKET_MAX - out_len;
}

bool
ipc_fits(void)
{
	return !out_overflow;
}

const uint8_t *
ipc_built(size_t *len)
{
	uint32_t n = (uint32_t)(out_len - IPC_HEADER);

	if (out_overflow)
		fatalx("ipc message outgrew %d bytes", IPC_MAX);
	memcpy(out_packet + 4, &n, sizeof(n));
	*len = out_len;
	return out_packet;
}

/* --- parsing ------------------------------------------------------------------------ */

/* The first message of n bytes; its length, or 0: malformed. */
size_t
ipc_parse_first(const uint8_t *p, size_t n, struct ipc_in *in)
{
	uint16_t version;
	uint32_t len;

	if (n < IPC_HEADER)
		return 0;
	memcpy(&version, p, sizeof(version));
	memcpy(&in->type, p + 2, sizeof(in->type));
	memcpy(&len, p + 4, sizeof(len));
	memcpy(&in->id, p + 8, sizeof(in->id));
	if (version != IPC_VERSION || len > n - IPC_HEADER)
		return 0;
	in->at = p + IPC_HEADER;
	in->end = in->at + len;
	in->bad = false;
	return IPC_HEADER + len;
}

bool
ipc_parse(const uint8_t *p, size_t n, struct ipc_in *in)
{
	return n > 0 && ipc_parse_first(p, n, in) == n;
}

static const uint8_t *
get(struct ipc_in *in, size_t n)
{
	const uint8_t *p = in->at;

	if (in->bad || n > (size_t)(in->end - in->at)) {
		in->bad = true;
		return NULL;
	}
	in->at += n;
	return p;
}

uint8_t
ipc_get_u8(struct ipc_in *in)
{
	const uint8_t *p = get(in, 1);

	return p == NULL ? 0 : *p;
}

bool
ipc_get_bool(struct ipc_in *in)
{
	uint8_t v = ipc_get_u8(in);

	if (v > 1)
		in->bad = true;
	return v == 1;
}

uint32_t
ipc_get_u32(struct ipc_in *in)
{
	const uint8_t *p = get(in, sizeof(uint32_t));
	uint32_t v = 0;

	if (p != NULL)
		memcpy(&v, p, sizeof(v));
	return v;
}

uint64_t
ipc_get_u64(struct ipc_in *in)
{
	const uint8_t *p = get(in, sizeof(uint64_t));
	uint64_t v = 0;

	if (p != NULL)
		memcpy(&v, p, sizeof(v));
	return v;
}

const uint8_t *
ipc_get_bytes(struct ipc_in *in, size_t max, size_t *len)
{
	uint32_t n = ipc_get_u32(in);
	const uint8_t *p;

	*len = 0;
	if (n > max)
		in->bad = true;
	p = get(in, n);
	if (p != NULL)
		*len = n;
	return p;
}

const char *
ipc_get_str(struct ipc_in *in, size_t max)
{
	size_t len;
	const uint8_t *s, *nul;

	s = ipc_get_bytes(in, max, &len);
	nul = get(in, 1);
	if (nul == NULL || *nul != '\0' || memchr(s, '\0', len) != NULL) {
		in->bad = true;
		return "";
	}
	return (const char *)s;
}

bool
ipc_in_end(const struct ipc_in *in)
{
	return !in->bad && in->at == in->end;
}

int
ipc_take_fd(struct ipc_in *in)
{
	int fd = in->fd;

	in->fd = -1;
	return fd;
}
