/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libFuzzer harness of what lies in Redis: any bytes in place of the two values of the quick way (a 16-bit length, that many octets, the rest is the other).
 * Damaged ones are a miss, or say no more than the numbers that both agree on: nothing else of them is believed, and OX is asked with texts that end.
 * What was noted is found again.  The cache, OX and the settings are this file's.
 * Run by `make fuzz`; `make unit` feeds the seeds alone.
 */
#include "engine/engine_int.h"
#include "fuzz.h"

#include <string.h>

#define NOW INT64_C(1795343426456)
#define FRESH_MS 60000

static struct {
	const uint8_t *p[2];
	size_t n[2];
	unsigned asked;
} in;
static struct buf noted[2]; /* what quick_note puts into the cache: cursor, folder */
static bool say_same;

static msec_t
fixed_time(void)
{
	return NOW;
}

void
cache_mget(struct cache *c, const char *const *keys, size_t n, struct cache_value *out)
{
	(void)c;
	for (size_t i = 0; i < n; i++) {
		unsigned which = strncmp(keys[i], "c:", 2) == 0 ? 0 : 1;

		must(strlen(keys[i]) < 64, "a key is too long");
		out[i].p = in.n[which] > 0 ? mem_alloc(in.n[which] + 1) : NULL;
		out[i].len = in.n[which];
		if (out[i].p != NULL)
			memcpy(out[i].p, in.p[which], in.n[which]);
	}
}

void
cache_values_free(struct cache_value *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(v[i].p);
}

void
cache_set_many(struct cache *c, const struct cache_pair *pairs, size_t n)
{
	(void)c;
	for (size_t i = 0; i < n; i++) {
		struct buf *b = &noted[strncmp(pairs[i].key, "c:", 2) == 0 ? 0 : 1];

		if (b->max == 0)
			buf_init(b, 4096);
		buf_reset(b);
		buf_add(b, pairs[i].p, pairs[i].len);
	}
}

void
cache_del(struct cache *c, const char *const *keys, size_t n)
{
	(void)c;
	(void)keys;
	(void)n;
}

bool
ox_updates_same(struct ox_session *s, enum content ct, const char *folder, msec_t since, const struct ox_digest *digest)
{
	(void)s;
	(void)since;
	must(ct < CT_COUNT && digest->set, "OX is asked for no type, or compared with nothing");
	must(strlen(folder) < 24, "OX is asked for a folder without an end");
	in.asked++;
	return say_same;
}

void
op_window(const struct op *op, enum content ct, msec_t *w0, msec_t *w1)
{
	(void)op;
	must(ct < CT_COUNT, "no such type");
	*w0 = 5;
	*w1 = 9;
}

enum folder_mode
config_filter(const struct engine_session *s, const struct folder_ref *ref, enum content ct, struct fmask *hidden)
{
	(void)s;
	(void)ref;
	(void)ct;
	memset(hidden, 0, sizeof(*hidden));
	return MODE_FULL;
}

bool
settled_gains(struct engine *g, const struct store_folder *f, msec_t since)
{
	(void)g;
	(void)f;
	(void)since;
	return false;
}

bool
uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;

	return memcmp(u, &zero, sizeof(zero)) == 0;
}

enum rc
store_cursor_syncids(struct store_conn *c, struct arena *a, int64_t device_id, struct syncid **ids, size_t *n, struct err *e)
{
	(void)c;
	(void)a;
	(void)device_id;
	*ids = NULL;
	*n = 0;
	return err_set(e, RC_UPSTREAM, "there is no store");
}

static void
note(struct engine_session *s, struct op *op)
{
	struct store_cursor cur = { .c = { .epoch = 7, .lo = 30, .pos = 30, .view = { .filled = true, .w0 = 5, .w1 = 9 } } };

	*op = (struct op){ .g = s->g, .s = s, .t = { .ct = CT_CONTACT, .oxid = "31" }, .refreshed_at = NOW - 1000, .digest = { .set = true } };
	op->t.f.epoch = 7;
	op->t.f.cn = 30;
	memset(&op->ref.uuid, 4, sizeof(op->ref.uuid));
	quick_note(op, &cur, true);
	must(noted[0].len > 0 && noted[1].len > 0, "nothing is noted");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct engine g;
	static struct node_session n = { .account_id = 3, .device_id = 4 };
	struct engine_session s = { .g = &g, .n = &n };
	struct sync_request req = { .mode = SYNC_UPDATE };
	enum content ct = CT_COUNT;
	size_t first;
	struct op op;
	bool same;

	if (size < 2)
		return 0;
	clock_override(fixed_time);
	g.o.fresh_ms = FRESH_MS;
	g.o.listing_interval_ms = 60 * FRESH_MS;
	note(&s, &op);
	memset(&req.folder.uuid, 4, sizeof(req.folder.uuid));
	first = (size_t)data[0] | (size_t)data[1] << 8;
	first = first > size - 2 ? size - 2 : first;
	in.p[0] = data + 2;
	in.n[0] = first;
	in.p[1] = data + 2 + first;
	in.n[1] = size - 2 - first;
	in.asked = 0;
	say_same = size % 2 != 0;
	same = quick_unchanged(&s, &req, &ct);
	must(!same || (in.n[0] == noted[0].len && in.n[1] == noted[1].len && ct < CT_COUNT), "values of another size are believed");
	must(!same || in.asked == 0 || say_same, "OX says that something has changed, and it is not believed");
	must(in.asked <= 1, "OX is asked again and again");
	(void)quick_fresh(&op);
	(void)quick_alive(&op);
	/* and what was noted, whole and damaged at one place */
	for (unsigned i = 0; i < 2; i++) {
		in.p[i] = (const uint8_t *)noted[i].p;
		in.n[i] = noted[i].len;
	}
	must(quick_unchanged(&s, &req, &ct) && ct == CT_CONTACT && quick_fresh(&op), "what was noted is not found");
	in.n[1] -= 1 + data[0] % in.n[1];
	must(!quick_unchanged(&s, &req, &ct) && !quick_fresh(&op) && quick_alive(&op) == 0, "a value that was cut is believed");
	return 0;
}
