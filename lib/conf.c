#include "lib/prelude.h"

#include "lib/conf.h"
#include "lib/xalloc.h"

/* More elements or longer strings than this in a slice are a bug at the sender. */
#define CONF_ITEMS_MAX	4096
#define CONF_STR_MAX	(256 * 1024)

#define F(kind, type, member) \
	{ CONF_##kind, offsetof(struct type, member), NULL, 0 }
#define L(type, member, fields, element) \
	{ CONF_LIST, offsetof(struct type, member), fields, \
	    sizeof(struct element) }
#define END { CONF_END, 0, NULL, 0 }

static const struct conf_field lane_fields[] = {
	F(STR, conf_lane, name),
	F(STRS, conf_lane, listeners),
	F(STRS, conf_lane, addresses),
	F(STR, conf_lane, account),
	F(STR, conf_lane, sender),
	F(STR, conf_lane, cap),
	F(STRS, conf_lane, recipients),
	F(BOOL, conf_lane, rewrite),
	END
};

static const struct conf_field listener_fields[] = {
	F(STR, conf_listener, name),
	F(U32, conf_listener, tls),
	F(BOOL, conf_listener, certificates),
	F(STRS, conf_listener, proxies),
	F(STRS, conf_listener, devices),
	END
};

static const struct conf_field cert_fields[] = {
	F(STR, conf_cert, file),
	F(STR, conf_cert, chain_pem),
	END
};

const struct conf_field smtpd_conf_fields[] = {
	F(STR, smtpd_conf, hostname),
	L(smtpd_conf, listeners, listener_fields, conf_listener),
	L(smtpd_conf, certs, cert_fields, conf_cert),
	F(STRS, smtpd_conf, mechanisms),
	F(U64, smtpd_conf, max_message_bytes),
	F(U32, smtpd_conf, max_recipients),
	F(U32, smtpd_conf, max_header_bytes),
	F(U32, smtpd_conf, max_errors),
	F(U32, smtpd_conf, max_sessions),
	F(U32, smtpd_conf, max_sessions_per_address),
	F(U32, smtpd_conf, max_hops),
	F(U32, smtpd_conf, greeting_sec),
	F(U32, smtpd_conf, command_sec),
	F(U32, smtpd_conf, data_sec),
	F(U32, smtpd_conf, message_sec),
	F(U32, smtpd_conf, session_sec),
	F(U32, smtpd_conf, min_by_sec),
	F(BOOL, smtpd_conf, received_client),
	F(BOOL, smtpd_conf, received_account),
	END
};

static const struct conf_field grant_fields[] = {
	F(STR, conf_grant, source),
	F(STR, conf_grant, cap),
	F(STRS, conf_grant, senders),
	F(BOOL, conf_grant, more_senders),
	END
};

static const struct conf_field group_fields[] = {
	F(STR, conf_group, name),
	F(STRS, conf_group, members),
	F(STRS, conf_group, senders),
	F(STR, conf_group, cap),
	END
};

const struct conf_field auth_conf_fields[] = {
	F(STR, auth_conf, state_dir),
	F(STR, auth_conf, hostname),
	F(STRS, auth_conf, mechanisms),
	F(BYTES, auth_conf, ticket_key),
	F(U32, auth_conf, ticket_sec),
	F(U32, auth_conf, workers),
	F(U32, auth_conf, iterations),
	F(U32, auth_conf, cache_sec),
	F(STRS, auth_conf, caps),
	L(auth_conf, lanes, lane_fields, conf_lane),
	F(U32, auth_conf, lock_after),
	F(U32, auth_conf, lock_sec),
	F(STR, auth_conf, token_issuer),
	F(STR, auth_conf, token_scope),
	F(U32, auth_conf, token_sec),
	L(auth_conf, grants, grant_fields, conf_grant),
	F(U32, auth_conf, source_sec),
	F(STR, auth_conf, plus),
	L(auth_conf, groups, group_fields, conf_group),
	F(STR, auth_conf, client_ca_file),
	F(STR, auth_conf, client_ca_pem),
	END
};

static const struct conf_field key_fields[] = {
	F(STR, conf_key, file),
	F(STR, conf_key, cert_file),
	F(BYTES, conf_key, pem),
	F(STR, conf_key, chain_pem),
	END
};

const struct conf_field keys_conf_fields[] = {
	F(STR, keys_conf, hostname),
	L(keys_conf, keys, key_fields, conf_key),
	END
};

static const struct conf_field limit_fields[] = {
	F(U32, conf_limit, what),
	F(U64, conf_limit, count),
	F(U32, conf_limit, window_sec),
	END
};

static const struct conf_field cap_fields[] = {
	F(STR, conf_cap, name),
	L(conf_cap, limits, limit_fields, conf_limit),
	F(U32, conf_cap, recipients_per_message),
	F(U32, conf_cap, max_priority),
	F(U32, conf_cap, over),
	END
};

static const struct conf_field queue_route_fields[] = {
	F(STR, conf_queue_route, name),
	F(BOOL, conf_queue_route, by_domain),
	F(STRS, conf_queue_route, senders),
	F(U32, conf_queue_route, connections),
	F(U32, conf_queue_route, per_minute),
	F(U32, conf_queue_route, retry_first_sec),
	F(U32, conf_queue_route, retry_max_sec),
	F(U32, conf_queue_route, expire_sec),
	F(U32, conf_queue_route, warn_sec),
	END
};

const struct conf_field queue_conf_fields[] = {
	F(STR, queue_conf, state_dir),
	F(STR, queue_conf, hostname),
	F(STR, queue_conf, postmaster),
	F(BYTES, queue_conf, ticket_key),
	L(queue_conf, caps, cap_fields, conf_cap),
	L(queue_conf, routes, queue_route_fields, conf_queue_route),
	L(queue_conf, lanes, lane_fields, conf_lane),
	F(U32, queue_conf, retry_first_sec),
	F(U32, queue_conf, retry_max_sec),
	F(U32, queue_conf, expire_sec),
	F(U32, queue_conf, warn_sec),
	F(U64, queue_conf, min_free_bytes),
	F(U64, queue_conf, max_message_bytes),
	F(U32, queue_conf, segment_bytes),
	F(U32, queue_conf, cache_bytes),
	END
};

static const struct conf_field relay_route_fields[] = {
	F(STR, conf_relay_route, name),
	F(BOOL, conf_relay_route, mx),
	F(BOOL, conf_relay_route, loopback),
	F(STR, conf_relay_route, host),
	F(U32, conf_relay_route, port),
	F(U32, conf_relay_route, tls),
	F(STR, conf_relay_route, ca_pem),
	F(STR, conf_relay_route, user),
	F(SECRET, conf_relay_route, password),
	F(U32, conf_relay_route, connections),
	F(U32, conf_relay_route, messages),
	F(U32, conf_relay_route, idle_sec),
	END
};

const struct conf_field relay_conf_fields[] = {
	F(STR, relay_conf, hostname),
	L(relay_conf, routes, relay_route_fields, conf_relay_route),
	F(STRS, relay_conf, resolvers),
	F(STR, relay_conf, trust_anchor),
	F(STR, relay_conf, source_address),
	F(U32, relay_conf, connect_sec),
	F(U32, relay_conf, command_sec),
	F(U32, relay_conf, data_sec),
	END
};

static const struct conf_field conf_source_fields[] = {
	F(STR, conf_source, name),
	F(U32, conf_source, type),
	F(U32, conf_source, timeout_sec),
	F(U32, conf_source, connections),
	F(STRS, conf_source, domains),
	F(STR, conf_source, socket),
	F(STR, conf_source, service),
	F(U32, conf_source, login),
	F(STR, conf_source, uri),
	F(STR, conf_source, base),
	F(STR, conf_source, filter),
	F(STR, conf_source, dn),
	F(STR, conf_source, bind_dn),
	F(STR, conf_source, senders_attribute),
	F(STR, conf_source, connect),
	F(STR, conf_source, query),
	F(BOOL, conf_source, plaintext),
	F(SECRET, conf_source, password),
	F(STR, conf_source, ca_pem),
	F(BOOL, conf_source, clear),
	END
};

const struct conf_field source_conf_fields[] = {
	L(source_conf, sources, conf_source_fields, conf_source),
	END
};

const struct conf_field fetch_conf_fields[] = {
	F(STR, fetch_conf, issuer),
	F(STRS, fetch_conf, audience),
	F(STR, fetch_conf, account_claim),
	F(STR, fetch_conf, scope),
	F(STR, fetch_conf, jwks),
	F(STR, fetch_conf, introspection),
	F(STR, fetch_conf, client_id),
	F(SECRET, fetch_conf, client_secret),
	F(STR, fetch_conf, ca_pem),
	F(U32, fetch_conf, timeout_sec),
	END
};

/* --- one field in each direction ------------------------------------------------ */

static void
put_strs(const struct conf_strs *s)
{
	size_t i;

	ipc_put_u32((uint32_t)s->n);
	for (i = 0; i < s->n; i++)
		ipc_put_str(s->v[i]);
}

static void
put_list(const struct conf_field *f, const struct conf_list *l)
{
	size_t i;

	ipc_put_u32((uint32_t)l->n);
	for (i = 0; i < l->n; i++)
		conf_put(f->of, (const char *)l->v + i * f->size);
}

void
conf_put(const struct conf_field *f, const void *slice)
{
	for (; f->kind != CONF_END; f++) {
		const void *p = (const char *)slice + f->offset;
		const struct conf_bytes *b = p;

		switch (f->kind) {
		case CONF_BOOL:
			ipc_put_bool(*(const bool *)p);
			break;
		case CONF_U32:
			ipc_put_u32(*(const uint32_t *)p);
			break;
		case CONF_U64:
			ipc_put_u64(*(const uint64_t *)p);
			break;
		case CONF_STR:
		case CONF_SECRET:
			ipc_put_str(*(char *const *)p);
			break;
		case CONF_BYTES:
			ipc_put_bytes(b->v, b->n);
			break;
		case CONF_STRS:
			put_strs(p);
			break;
		case CONF_LIST:
			put_list(f, p);
			break;
		case CONF_END:
			break;
		}
	}
}

static size_t
get_count(struct ipc_in *in)
{
	uint32_t n = ipc_get_u32(in);

	if (n > CONF_ITEMS_MAX)
		in->bad = true;
	return in->bad ? 0 : n;
}

static void
get_strs(struct ipc_in *in, struct conf_strs *s)
{
	size_t i, n = get_count(in);

	s->v = xcalloc(n, sizeof(*s->v));
	s->n = n;
	for (i = 0; i < n; i++)
		s->v[i] = xstrdup(ipc_get_str(in, CONF_STR_MAX));
}

static void	get_fields(struct ipc_in *, const struct conf_field *, void *);

static void
get_list(struct ipc_in *in, const struct conf_field *f, struct conf_list *l)
{
	size_t i, n = get_count(in);

	l->v = xcalloc(n, f->size);
	l->n = n;
	for (i = 0; i < n; i++)
		get_fields(in, f->of, (char *)l->v + i * f->size);
}

static void
get_bytes(struct ipc_in *in, struct conf_bytes *b)
{
	size_t len;
	const uint8_t *p = ipc_get_bytes(in, CONF_STR_MAX, &len);

	b->v = xmemdup(p, len);
	b->n = len;
}

static void
get_fields(struct ipc_in *in, const struct conf_field *f, void *slice)
{
	for (; f->kind != CONF_END; f++) {
		void *p = (char *)slice + f->offset;

		switch (f->kind) {
		case CONF_BOOL:
			*(bool *)p = ipc_get_bool(in);
			break;
		case CONF_U32:
			*(uint32_t *)p = ipc_get_u32(in);
			break;
		case CONF_U64:
			*(uint64_t *)p = ipc_get_u64(in);
			break;
		case CONF_STR:
		case CONF_SECRET:
			*(char **)p = xstrdup(ipc_get_str(in, CONF_STR_MAX));
			break;
		case CONF_BYTES:
			get_bytes(in, p);
			break;
		case CONF_STRS:
			get_strs(in, p);
			break;
		case CONF_LIST:
			get_list(in, f, p);
			break;
		case CONF_END:
			break;
		}
	}
}

static void
clear_fields(const struct conf_field *f, void *slice)
{
	size_t i;

	for (; f->kind != CONF_END; f++) {
		void *p = (char *)slice + f->offset;
		struct conf_bytes *b = p;
		struct conf_strs *s = p;
		struct conf_list *l = p;
		char *str;

		switch (f->kind) {
		case CONF_STR:
			free(*(char **)p);
			*(char **)p = NULL;
			break;
		case CONF_SECRET:
			str = *(char **)p;
			xfree_secret(str, str == NULL ? 0 : strlen(str));
			*(char **)p = NULL;
			break;
		case CONF_BYTES:
			xfree_secret(b->v, b->n);
			*b = (struct conf_bytes){ NULL, 0 };
			break;
		case CONF_STRS:
			for (i = 0; i < s->n; i++)
				free(s->v[i]);
			free(s->v);
			*s = (struct conf_strs){ NULL, 0 };
			break;
		case CONF_LIST:
			for (i = 0; i < l->n; i++)
				clear_fields(f->of, (char *)l->v + i * f->size);
			free(l->v);
			*l = (struct conf_list){ NULL, 0 };
			break;
		default:
			break;
		}
	}
}

int
conf_get(struct ipc_in *in, const struct conf_field *f, void *slice)
{
	get_fields(in, f, slice);
	if (ipc_in_end(in))
		return 0;
	clear_fields(f, slice);
	return -1;
}

void
conf_clear(const struct conf_field *f, size_t size, void *slice)
{
	clear_fields(f, slice);
	memset(slice, 0, size);
}
