/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The quick way: a sync without changes of an index known fresh is one round trip to the cache, no PostgreSQL, no OX.
 * Of an index that is not: one to the cache and one request to OX, whose answer is compared and not read.
 *
 * Two keys: what a syncid stands for (of which device, folder, index version), and which index version was seen when, with the
 * digest of what OX answered then.  Both only repeat what PostgreSQL knows; without them the long way gives the same answer.
 *
 * Why the same answer to the same question is proof: a cursor is noted here only when it covers the whole index, and the index
 * was brought up to that answer of OX before.  Whatever changes at OX later - by whom and through which node - stands in the new
 * answer with a newer last_modified, or as a deletion.  What `updates` never shows (rights, above all) is found by the long way, which is
 * gone at least every ASK_MS.
 */
#include "engine/engine_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CURSOR_TTL_S 3600
#define CURSOR_KEY 40

/* Fixed binary values: the cache is read by the same version of the program (V changes with the layout). */
struct quick_cursor {
	uint32_t v;
	uint32_t ct;
	int64_t device;
	struct uuid folder;
	uint64_t epoch, cn;
	msec_t w0, w1;
	struct fmask hidden;
};

struct quick_folder {
	uint32_t v;
	uint32_t has_digest;
	uint64_t epoch, cn;
	msec_t asked_at;
	msec_t since;       /* of the question to OX */
	unsigned char digest[32];
	char oxid[24];      /* numbers: PIM folders only */
	msec_t alive;       /* op.alive_ts */
	int64_t id;         /* store_folder.id */
};

#define QUICK_V 5
#define ASK_MS (10 * INT64_C(60000)) /* as long as fresh_for can be at most */

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

/* A damaged value may say any time: nothing is computed with it. */
static bool
asked_within(const struct quick_folder *f, msec_t ms)
{
	msec_t now = now_ms();

	return f->asked_at <= now && f->asked_at > now - ms;
}

static bool
is_fresh(const struct engine *g, const struct quick_folder *f)
{
	return asked_within(f, g->o.fresh_ms);
}

static bool
ox_says_same(struct engine_session *s, const struct quick_cursor *c, const struct quick_folder *f)
{
	struct ox_digest d = { .set = f->has_digest != 0 };
	const struct store_folder index = { .id = f->id, .epoch = f->epoch, .cn = f->cn };

	/* where it began at what is alive, it reads no more than it must */
	if (settled_gains(s->g, &index, f->alive > 0 && f->since == f->alive - 1 ? INT64_MAX : f->since))
		return false;
	if (!d.set || !asked_within(f, ASK_MS) || !asked_within(f, s->g->o.listing_interval_ms) || f->oxid[sizeof(f->oxid) - 1] != '\0')
		return false;
	memcpy(d.b, f->digest, sizeof(d.b));
	return ox_updates_same(s->ox, (enum content)c->ct, f->oxid, f->since, &d);
}

bool
quick_unchanged(struct engine_session *s, const struct sync_request *req, enum content *ct)
{
	char ck[CURSOR_KEY], fk[64];
	const char *keys[2] = { ck, fk };
	struct cache_value v[2] = { { 0 } };
	struct op op = { .g = s->g, .s = s };
	struct quick_cursor c;
	struct quick_folder f;
	struct fmask hidden;
	msec_t w0, w1;
	bool same = false;

	if (req->mode != SYNC_UPDATE || req->n_changes != 0 || req->n_rejected != 0)
		return false;
	cursor_key(&req->syncid, ck, sizeof(ck));
	folder_key(s, &req->folder, fk, sizeof(fk));
	cache_mget(s->g->cache, keys, 2, v);
	if (value_is(&v[0], &c, sizeof(c)) && value_is(&v[1], &f, sizeof(f)) && c.ct < CT_COUNT) {
		op_window(&op, (enum content)c.ct, &w0, &w1);
		same = config_filter(s, &req->folder, (enum content)c.ct, &hidden) != MODE_OFF && fmask_equal(&hidden, &c.hidden) &&
		    c.device == s->n->device_id && c.epoch == f.epoch && c.cn == f.cn && c.w0 == w0 && c.w1 == w1 &&
		    (req->folder.hierarchy ? uuid_is_zero(&c.folder) : memcmp(&c.folder, &req->folder.uuid, sizeof(c.folder)) == 0);
		*ct = (enum content)c.ct;
	}
	cache_values_free(v, 2);
	return same && (is_fresh(s->g, &f) || ox_says_same(s, &c, &f));
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
	fresh = value_is(&v, &f, sizeof(f)) && f.epoch == op->t.f.epoch && f.cn == op->t.f.cn && is_fresh(op->g, &f);
	cache_values_free(&v, 1);
	return fresh;
}

/* What an earlier look noted as alive_ts, 0 = nothing. */
msec_t
quick_alive(struct op *op)
{
	char fk[64];
	const char *key = fk;
	struct cache_value v = { 0 };
	struct quick_folder f;
	msec_t alive;

	folder_key(op->s, &op->ref, fk, sizeof(fk));
	cache_mget(op->g->cache, &key, 1, &v);
	alive = value_is(&v, &f, sizeof(f)) && f.epoch == op->t.f.epoch ? f.alive : 0;
	cache_values_free(&v, 1);
	return alive;
}

void
quick_note(struct op *op, const struct store_cursor *cur, bool complete)
{
	struct quick_cursor c = { .v = QUICK_V, .ct = op->t.ct, .device = op->s->n->device_id, .epoch = cur->c.epoch, .cn = cur->c.lo,
		.w0 = cur->c.view.w0, .w1 = cur->c.view.w1, .hidden = cur->c.seen.hidden };
	struct quick_folder f = { .v = QUICK_V, .epoch = op->t.f.epoch, .cn = op->t.f.cn, .asked_at = op->refreshed_at, .id = op->t.f.id };
	char ck[CURSOR_KEY], fk[64];
	struct cache_pair pairs[2];
	size_t n = 0;

	/* an object that OX cannot show is looked for again each time */
	if (op->digest.set && op->broken == NULL && strlen(op->t.oxid) < sizeof(f.oxid)) {
		f.has_digest = 1;
		f.since = op->digest_since;
		memcpy(f.digest, op->digest.b, sizeof(f.digest));
		memcpy(f.oxid, op->t.oxid, strlen(op->t.oxid));
	}
	f.alive = op->alive_ts;
	if (op->g->o.fresh_ms <= 0 && f.has_digest == 0 && f.alive == 0) {
		quick_forget(op);
		return;
	}
	if (complete && !cur->c.seen.sweeping && cur->c.lo == op->t.f.cn) {
		if (!op->ref.hierarchy)
			c.folder = op->ref.uuid;
		cursor_key(&cur->syncid, ck, sizeof(ck));
		pairs[n++] = (struct cache_pair){ .key = ck, .p = &c, .len = sizeof(c), .ttl_s = CURSOR_TTL_S };
	}
	if (op->refreshed_at != 0) {
		folder_key(op->s, &op->ref, fk, sizeof(fk));
		pairs[n++] = (struct cache_pair){ .key = fk, .p = &f, .len = sizeof(f), .ttl_s = (unsigned)(ASK_MS / 1000) };
	}
	if (n != 0)
		cache_set_many(op->g->cache, pairs, n);
}

void
quick_forget(struct op *op)
{
	char fk[64];
	const char *key = fk;

	folder_key(op->s, &op->ref, fk, sizeof(fk));
	cache_del(op->g->cache, &key, 1);
}

/* A device's settings changed: what its syncids stand for was noted under the old ones, and other nodes may know no better. */
enum rc
quick_keys(struct arena *a, const struct syncid *ids, size_t n_ids, size_t room, const char ***keys, size_t *n, struct err *e)
{
	const char **out = arena_array(a, const char *, n_ids + room + 1);

	*n = 0;
	*keys = out;
	if (out == NULL)
		return err_set(e, RC_NOMEM, "out of memory for the settings");
	for (size_t i = 0; i < n_ids; i++) {
		char *key = arena_alloc(a, CURSOR_KEY);

		if (key == NULL)
			return err_set(e, RC_NOMEM, "out of memory for the settings");
		cursor_key(&ids[i], key, CURSOR_KEY);
		out[(*n)++] = key;
	}
	return RC_OK;
}

enum rc
quick_forget_device(struct engine_session *s, struct store_conn *c, struct err *e)
{
	struct arena *a = arena_new(0);
	struct syncid *ids;
	const char **keys = NULL;
	size_t n = 0;
	enum rc rc = a != NULL ? store_cursor_syncids(c, a, s->n->device_id, &ids, &n, e) : err_set(e, RC_NOMEM, "out of memory for the settings");

	if (rc == RC_OK)
		rc = quick_keys(a, ids, n, 0, &keys, &n, e);
	if (rc == RC_OK && n > 0)
		cache_del(s->g->cache, keys, n);
	arena_free(a);
	return rc;
}
