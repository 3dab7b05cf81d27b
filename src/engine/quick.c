/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The quick way: a sync without changes of an index known fresh is one round trip to the cache, no PostgreSQL, no OX.
 * Two keys: what a syncid stands for (of which device, folder, index version), and which index version was seen when.
 * Both only repeat what PostgreSQL knows; without them the long way gives the same answer.
 */
#include "engine/engine_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CURSOR_TTL_S 3600

/* Fixed binary values: the cache is read by the same version of the program (V changes with the layout). */
struct quick_cursor {
	uint32_t v;
	uint32_t ct;
	int64_t device;
	struct uuid folder;
	uint64_t epoch, cn;
	msec_t w0, w1;
};

struct quick_folder {
	uint32_t v, unused;
	uint64_t epoch, cn;
	msec_t asked_at;
};

#define QUICK_V 1

static void
cursor_key(const struct syncid *s, char *out, size_t size)
{
	char hex[33];

	hex_encode(s->b, sizeof(s->b), hex);
	(void)snprintf(out, size, "c:%s", hex);
}

static void
folder_key(const struct engine_session *s, const struct folder_ref *ref, char *out, size_t size)
{
	static const struct uuid zero;
	char hex[33];

	hex_encode(ref->hierarchy ? zero.b : ref->uuid.b, sizeof(zero.b), hex);
	(void)snprintf(out, size, "f:%" PRId64 ":%s", s->n->account_id, hex);
}

static bool
value_is(const struct cache_value *v, void *out, size_t size)
{
	uint32_t version;

	if (v->p == NULL || v->len != size)
		return false;
	memcpy(&version, v->p, sizeof(version));
	memcpy(out, v->p, size);
	return version == QUICK_V;
}

bool
quick_unchanged(struct engine_session *s, const struct sync_request *req, enum content *ct)
{
	char ck[40], fk[64];
	const char *keys[2] = { ck, fk };
	struct cache_value v[2] = { { 0 } };
	struct op op = { .g = s->g, .s = s };
	struct quick_cursor c;
	struct quick_folder f;
	msec_t w0, w1;
	bool same = false;

	if (s->g->o.fresh_ms <= 0 || req->mode != SYNC_UPDATE || req->n_changes != 0)
		return false;
	cursor_key(&req->syncid, ck, sizeof(ck));
	folder_key(s, &req->folder, fk, sizeof(fk));
	cache_mget(s->g->cache, keys, 2, v);
	if (value_is(&v[0], &c, sizeof(c)) && value_is(&v[1], &f, sizeof(f)) && c.ct < CT_COUNT) {
		op_window(&op, (enum content)c.ct, &w0, &w1);
		same = c.device == s->n->device_id && c.epoch == f.epoch && c.cn == f.cn && c.w0 == w0 && c.w1 == w1 &&
		    now_ms() - f.asked_at < s->g->o.fresh_ms && f.asked_at <= now_ms() &&
		    (req->folder.hierarchy ? uuid_is_zero(&c.folder) : memcmp(&c.folder, &req->folder.uuid, sizeof(c.folder)) == 0);
		*ct = (enum content)c.ct;
	}
	cache_values_free(v, 2);
	return same;
}

/* Was OX asked for this index within fresh_ms, and has nobody merged anything since? */
bool
quick_fresh(struct op *op)
{
	char fk[64];
	const char *key = fk;
	struct cache_value v = { 0 };
	struct quick_folder f;
	bool fresh;

	if (op->g->o.fresh_ms <= 0)
		return false;
	folder_key(op->s, &op->ref, fk, sizeof(fk));
	cache_mget(op->g->cache, &key, 1, &v);
	fresh = value_is(&v, &f, sizeof(f)) && f.epoch == op->t.f.epoch && f.cn == op->t.f.cn &&
	    now_ms() - f.asked_at < op->g->o.fresh_ms && f.asked_at <= now_ms();
	cache_values_free(&v, 1);
	return fresh;
}

void
quick_note(struct op *op, const struct store_cursor *cur, bool complete)
{
	struct quick_cursor c = { .v = QUICK_V, .ct = op->t.ct, .device = op->s->n->device_id, .epoch = cur->c.epoch, .cn = cur->c.lo,
		.w0 = cur->c.view.w0, .w1 = cur->c.view.w1 };
	struct quick_folder f = { .v = QUICK_V, .epoch = op->t.f.epoch, .cn = op->t.f.cn, .asked_at = op->refreshed_at };
	char ck[40], fk[64];
	struct cache_pair pairs[2];
	size_t n = 0;

	if (op->g->o.fresh_ms <= 0)
		return;
	if (complete && cur->c.lo == op->t.f.cn) {
		if (!op->ref.hierarchy)
			c.folder = op->ref.uuid;
		cursor_key(&cur->syncid, ck, sizeof(ck));
		pairs[n++] = (struct cache_pair){ .key = ck, .p = &c, .len = sizeof(c), .ttl_s = CURSOR_TTL_S };
	}
	if (op->refreshed_at != 0) {
		folder_key(op->s, &op->ref, fk, sizeof(fk));
		pairs[n++] = (struct cache_pair){ .key = fk, .p = &f, .len = sizeof(f), .ttl_s = (unsigned)(op->g->o.fresh_ms / 1000 + 1) };
	}
	if (n != 0)
		cache_set_many(op->g->cache, pairs, n);
}

void
quick_forget(struct op *op)
{
	char fk[64];
	const char *key = fk;

	if (op->g->o.fresh_ms <= 0)
		return;
	folder_key(op->s, &op->ref, fk, sizeof(fk));
	cache_del(op->g->cache, &key, 1);
}
