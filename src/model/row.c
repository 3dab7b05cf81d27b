/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Index rows: look-up of a field, the packed form in the database, the rev.  What a change does to a row is sync's business.
 *
 * Packed form (all numbers LEB128, change numbers as distance below the row's cn, so that an untouched row has zeros):
 *   flags, cn - first_cn, cn - keycn, lm, [t0, t1], [oxid], [client_id],
 *   length and bytes of a bitmap of the field numbers, 8 bytes of fingerprint each,
 *   [cn - oldest field cn, number of younger fields, for each: its rank and cn - its cn]
 */
#include "keys_int.h"

#include <string.h>

#define P_DEAD    0x01u
#define P_KNOWN   0x02u
#define P_OXID    0x04u
#define P_CLIENT  0x08u
#define P_TIMES   0x10u /* t0 and t1 follow; else always inside */
#define P_ALL     0x1fu

#define BITMAP_MAX ((MODEL_MAX_FIELDS + 7) / 8)

const struct row_field *
row_field_get(const struct row *r, unsigned i)
{
	unsigned lo = 0, hi = r->nf;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (r->f[mid].i == i)
			return &r->f[mid];
		if (r->f[mid].i < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void
add_text(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	buf_add_uv(b, n);
	buf_add(b, s, n);
}

static void
pack_fields(const struct row *r, struct buf *b)
{
	unsigned char bitmap[BITMAP_MAX] = { 0 };
	uint64_t oldest = r->cn;
	unsigned younger = 0;
	size_t n = r->nf == 0 ? 0 : r->f[r->nf - 1].i / 8U + 1;

	for (unsigned k = 0; k < r->nf; k++) {
		bitmap[r->f[k].i / 8] |= (unsigned char)(1U << (r->f[k].i % 8));
		if (r->f[k].cn < oldest)
			oldest = r->f[k].cn;
	}
	buf_add_uv(b, n);
	buf_add(b, bitmap, n);
	for (unsigned k = 0; k < r->nf; k++) {
		buf_add_u64le(b, r->f[k].fp);
		younger += r->f[k].cn != oldest;
	}
	if (r->nf == 0)
		return;
	buf_add_uv(b, r->cn - oldest);
	buf_add_uv(b, younger);
	for (unsigned k = 0; k < r->nf; k++)
		if (r->f[k].cn != oldest) {
			buf_add_uv(b, k);
			buf_add_uv(b, r->cn - r->f[k].cn);
		}
}

void
row_pack(const struct row *r, struct buf *b)
{
	unsigned flags = 0;
	bool times = r->t0 != TIME_MIN || r->t1 != TIME_MAX;

	flags |= r->dead ? P_DEAD : 0;
	flags |= r->known ? P_KNOWN : 0;
	flags |= r->oxid != NULL ? P_OXID : 0;
	flags |= r->client_id != NULL ? P_CLIENT : 0;
	flags |= times ? P_TIMES : 0;
	buf_add_uv(b, flags);
	buf_add_uv(b, r->cn - r->first_cn);
	buf_add_uv(b, r->cn - r->keycn);
	buf_add_sv(b, r->lm);
	if (times) {
		buf_add_sv(b, r->t0);
		buf_add_sv(b, r->t1);
	}
	if (r->oxid != NULL)
		add_text(b, r->oxid);
	if (r->client_id != NULL)
		add_text(b, r->client_id);
	pack_fields(r, b);
}

static uint64_t
read_cn(struct reader *in, uint64_t cn)
{
	uint64_t d = reader_uv(in);

	if (d > cn)
		in->failed = true;
	return cn - d;
}

static enum rc
read_text(struct arena *a, struct reader *in, const char **out)
{
	uint64_t n = reader_uv(in);
	const char *p;
	char *s;

	if (n > (size_t)(in->end - in->p)) {
		in->failed = true;
		return RC_OK;
	}
	p = reader_bytes(in, (size_t)n);
	if (p == NULL || memchr(p, '\0', (size_t)n) != NULL) {
		in->failed = true;
		return RC_OK;
	}
	s = arena_alloc(a, (size_t)n + 1);
	if (s == NULL)
		return RC_NOMEM;
	memcpy(s, p, (size_t)n);
	*out = s;
	return RC_OK;
}

static void
read_field_cns(struct reader *in, struct row *r)
{
	uint64_t oldest, younger;

	if (r->nf == 0)
		return;
	oldest = read_cn(in, r->cn);
	younger = reader_uv(in);
	if (younger > r->nf)
		in->failed = true;
	for (unsigned k = 0; k < r->nf; k++)
		r->f[k].cn = oldest;
	for (uint64_t k = 0; k < younger && !in->failed; k++) {
		uint64_t at = reader_uv(in);
		uint64_t cn = read_cn(in, r->cn);

		if (at >= r->nf)
			in->failed = true;
		else
			r->f[at].cn = cn;
	}
}

static enum rc
read_fields(struct arena *a, struct reader *in, struct row *r)
{
	uint64_t n = reader_uv(in);
	const unsigned char *bitmap;
	unsigned nf = 0;

	if (n > BITMAP_MAX) {
		in->failed = true;
		return RC_OK;
	}
	bitmap = reader_bytes(in, (size_t)n);
	if (bitmap == NULL)
		return RC_OK;
	for (unsigned i = 0; i < 8 * n; i++)
		nf += bitmap[i / 8] >> (i % 8) & 1;
	if (nf > (size_t)(in->end - in->p) / 8) {
		in->failed = true;
		return RC_OK;
	}
	r->f = arena_array(a, struct row_field, nf);
	if (r->f == NULL)
		return RC_NOMEM;
	for (unsigned i = 0; i < 8 * n; i++)
		if ((bitmap[i / 8] >> (i % 8) & 1) != 0)
			r->f[r->nf++] = (struct row_field){ .i = (uint8_t)i, .fp = reader_u64le(in) };
	read_field_cns(in, r);
	return RC_OK;
}

enum rc
row_unpack(struct arena *a, const void *p, size_t n, struct row *r)
{
	struct reader in = { .p = p, .end = (const unsigned char *)p + n };
	struct row out = { .id = r->id, .cn = r->cn, .sk = r->sk, .t0 = TIME_MIN, .t1 = TIME_MAX };
	uint64_t flags = reader_uv(&in);
	enum rc rc = RC_OK;

	if ((flags & ~(uint64_t)P_ALL) != 0)
		return RC_INTERNAL;
	out.dead = (flags & P_DEAD) != 0;
	out.known = (flags & P_KNOWN) != 0;
	out.first_cn = read_cn(&in, r->cn);
	out.keycn = read_cn(&in, r->cn);
	out.lm = reader_sv(&in);
	if ((flags & P_TIMES) != 0) {
		out.t0 = reader_sv(&in);
		out.t1 = reader_sv(&in);
	}
	if ((flags & P_OXID) != 0)
		rc = read_text(a, &in, &out.oxid);
	if (rc == RC_OK && (flags & P_CLIENT) != 0)
		rc = read_text(a, &in, &out.client_id);
	if (rc == RC_OK)
		rc = read_fields(a, &in, &out);
	if (rc != RC_OK)
		return rc;
	if (in.failed || in.p != in.end)
		return RC_INTERNAL;
	*r = out;
	return RC_OK;
}

#define HIDDEN_FIELD 0xff /* before the number of a field; no number of its own */
_Static_assert(MODEL_MAX_FIELDS <= HIDDEN_FIELD, "it must not be a field's number");

void
row_rev(const struct model_keys *k, enum content ct, const struct row *r, const struct fmask *hidden, char out[REV_TEXT])
{
	unsigned char b[2 + MODEL_MAX_FIELDS * 9], sum[8];
	size_t n = 0;
	uint64_t h;

	out[0] = '\0';
	if (!r->known)
		return;
	b[n++] = MODEL_FIELDS_VERSION;
	b[n++] = (unsigned char)ct;
	for (unsigned i = 0; i < r->nf && i < MODEL_MAX_FIELDS; i++) {
		if (hidden != NULL && fmask_has(hidden, r->f[i].i)) {
			/* a client may keep an old value of a field that it does not get: not the same as one that was never set (F21) */
			b[n++] = HIDDEN_FIELD;
			b[n++] = r->f[i].i;
			continue;
		}
		if (r->f[i].fp == 0)
			continue; /* unset later or never set: the same content */
		b[n++] = r->f[i].i;
		for (unsigned s = 0; s < 64; s += 8)
			b[n++] = (unsigned char)(r->f[i].fp >> s);
	}
	h = siphash24(k->rev, b, n);
	for (unsigned i = 0; i < 8; i++)
		sum[i] = (unsigned char)(h >> (56 - 8 * i));
	hex_encode(sum, sizeof(sum), out);
}
