/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keys and the ids derived from them: uuids, places, numbers of textual OX ids, and the OX uid that carries a client's id.
 * All keys come from the daemon's master key, never from the database, so that a lost database changes no id.
 */
#include "keys_int.h"

#include <string.h>

struct model_keys *
model_keys_new(const unsigned char master[KEY_BYTES])
{
	struct model_keys *k = mem_alloc(sizeof(*k));
	unsigned char block[16];

	if (k == NULL)
		return NULL;
	derive_key(master, "usmd uuid block", block, sizeof(block));
	k->uuid = block_new(block);
	secret_wipe(block, sizeof(block));
	if (k->uuid == NULL) {
		mem_free(k);
		return NULL;
	}
	derive_key(master, "usmd place tag", k->place, sizeof(k->place));
	derive_key(master, "usmd text id", k->id, sizeof(k->id));
	derive_key(master, "usmd field fingerprint", k->field, sizeof(k->field));
	derive_key(master, "usmd rev", k->rev, sizeof(k->rev));
	return k;
}

void
model_keys_free(struct model_keys *k)
{
	if (k == NULL)
		return;
	block_free(k->uuid);
	secret_wipe(k, sizeof(*k));
	mem_free(k);
}

/* "0" or digits without a leading zero: the only texts that may stand for their number, else "007" and "7" would be one object. */
static bool
canonical_decimal(const char *s, int64_t *out)
{
	if (s[0] < '0' || s[0] > '9' || (s[0] == '0' && s[1] != '\0'))
		return false;
	return parse_i64(s, 0, INT64_MAX, out);
}

int64_t
model_id(const struct model_keys *k, const char *oxid)
{
	int64_t id;
	uint64_t h;

	if (canonical_decimal(oxid, &id))
		return id;
	h = siphash24(k->id, oxid, strlen(oxid));
	return -(int64_t)(h & INT64_MAX) - 1;
}

static void
put64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t
get64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint64_t
place_tag(const struct model_keys *k, const struct place *p)
{
	unsigned char b[8 + 1 + 8];

	/* the folder's text goes in as its own hash: fixed size, no allocation, no way to shift bytes between the parts */
	put64(b, (uint64_t)p->context);
	b[8] = (unsigned char)p->ct;
	put64(b + 9, siphash24(k->place, p->folder, strlen(p->folder)));
	return siphash24(k->place, b, sizeof(b));
}

void
uuid_make(const struct model_keys *k, uint64_t tag, int64_t id, struct uuid *out)
{
	unsigned char b[16];

	put64(b, tag);
	put64(b + 8, (uint64_t)id);
	block_encrypt(k->uuid, b, out->b);
}

bool
uuid_id(const struct model_keys *k, uint64_t tag, const struct uuid *u, int64_t *id)
{
	unsigned char b[16], want[8];

	block_decrypt(k->uuid, u->b, b);
	put64(want, tag);
	if (!secret_eq(b, want, sizeof(want)))
		return false;
	*id = (int64_t)get64(b + 8);
	return true;
}

static const unsigned uuid_group[] = { 4, 2, 2, 2, 6 }; /* bytes between the hyphens */

void
uuid_format(const struct uuid *u, char out[UUID_TEXT])
{
	const unsigned char *p = u->b;

	for (size_t g = 0; g < ARRAY_LEN(uuid_group); g++) {
		if (g > 0)
			*out++ = '-';
		hex_encode(p, uuid_group[g], out);
		p += uuid_group[g];
		out += 2 * uuid_group[g];
	}
}

bool
uuid_parse(const char *s, struct uuid *out)
{
	struct uuid u;
	unsigned char *p = u.b;

	if (strlen(s) != UUID_TEXT - 1)
		return false;
	for (size_t g = 0; g < ARRAY_LEN(uuid_group); g++) {
		char part[13];

		if (g > 0 && *s++ != '-')
			return false;
		memcpy(part, s, 2 * (size_t)uuid_group[g]);
		part[2 * uuid_group[g]] = '\0';
		if (!hex_decode(part, p, uuid_group[g]))
			return false;
		p += uuid_group[g];
		s += 2 * uuid_group[g];
	}
	*out = u;
	return true;
}

#define UID_PREFIX "usm1-"

/* bytes that stand for themselves; '-' separates, so it is escaped inside a part */
static bool
uid_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

static char *
uid_escape(char *o, const char *s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (uid_plain(c)) {
			*o++ = *s;
		} else {
			*o++ = '%';
			*o++ = digits[c >> 4];
			*o++ = digits[c & 15];
		}
	}
	return o;
}

char *
client_uid_format(struct arena *a, const char *device, const char *client_id)
{
	size_t nd = strlen(device), nc = strlen(client_id);
	char *out, *o;

	if (nd > 4096 || nc > 4096)
		return NULL;
	out = arena_alloc(a, sizeof(UID_PREFIX) + 3 * nd + 1 + 3 * nc);
	if (out == NULL)
		return NULL;
	memcpy(out, UID_PREFIX, sizeof(UID_PREFIX) - 1);
	o = uid_escape(out + sizeof(UID_PREFIX) - 1, device);
	*o++ = '-';
	o = uid_escape(o, client_id);
	*o = '\0';
	return out;
}

static int
uid_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Only what client_uid_format writes is accepted: two spellings of one client id would be two objects. */
char *
client_uid_parse(struct arena *a, const char *uid)
{
	size_t n = strlen(uid);
	bool separated = false;
	char *out, *o;

	if (n > 32768 || strncmp(uid, UID_PREFIX, sizeof(UID_PREFIX) - 1) != 0)
		return NULL;
	out = o = arena_alloc(a, n + 1);
	if (out == NULL)
		return NULL;
	for (const char *s = uid + sizeof(UID_PREFIX) - 1; *s != '\0'; s++) {
		if (uid_plain((unsigned char)*s)) {
			*o++ = *s;
		} else if (*s == '-' && !separated && o > out) {
			separated = true;
			*o++ = '/';
		} else if (*s == '%') {
			int hi = uid_digit(s[1]), lo = hi < 0 ? -1 : uid_digit(s[2]);
			unsigned char c;

			if (lo < 0)
				return NULL;
			c = (unsigned char)(hi * 16 + lo);
			/* a device name has no slash, so the first one in the result separates */
			if (c == '\0' || uid_plain(c) || (c == '/' && !separated))
				return NULL;
			*o++ = (char)c;
			s += 2;
		} else {
			return NULL;
		}
	}
	if (!separated || o[-1] == '/')
		return NULL;
	*o = '\0';
	return out;
}
