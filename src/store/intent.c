/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Intents: creates that were, or were about to be, sent to OX, under the client's own id of the object. */
#include "store_int.h"

#define INSERT \
	"INSERT INTO intent AS i (device, client_id, folder, state, object, id_known, unsure, at, seq, fields)" \
	" VALUES ($1::int4, $2::text, $3::int4, $4::int2, $5::int8, $6::bool, $7::bool, $8::int8, $9::int8, $10::bytea)" \
	" ON CONFLICT (device, client_id) DO UPDATE SET folder = excluded.folder, state = excluded.state," \
	" object = excluded.object, id_known = excluded.id_known, unsure = excluded.unsure, at = excluded.at," \
	" seq = excluded.seq, fields = excluded.fields"
#define NO_STATE (-1)

enum { S_GET, S_PUT, S_CLAIM, S_TOLD };
static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_intent_get",
	    "SELECT folder, state, object, id_known, unsure, at, seq, fields FROM intent"
	    " WHERE device = $1::int4 AND client_id = $2::text", 2 },
	[S_PUT] = { "store_intent_put", INSERT, 10 },
	/* whoever read an older state of it comes too late: its sender is somebody else */
	[S_CLAIM] = { "store_intent_claim", INSERT " WHERE i.state = $11::int2 AND i.at = $12::int8 AND i.id_known = $13::bool", 13 },
	[S_TOLD] = { "store_intent_told", "UPDATE intent SET seq = $3::int8 WHERE device = $1::int4 AND client_id = $2::text", 3 },
};
const struct pg_table store_intent_stmts = { stmts, ARRAY_LEN(stmts) };

enum rc
store_intent_get(struct store_conn *c, struct arena *a, int64_t device, const char *client_id, int64_t *folder,
    struct intent *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	const void *fields;
	size_t n;
	enum rc rc;

	pg_i32(&p, (int32_t)device);
	pg_text(&p, client_id);
	rc = pg_exec(c, TBL_INTENT, S_GET, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	if (PQntuples(r) == 0) {
		rc = err_set(e, RC_NOTFOUND, "no intent for clientId \"%.100s\"", client_id);
		goto out;
	}
	*folder = pg_get_i32(r, 0, 0);
	*out = (struct intent){ .state = (enum intent_state)pg_get_i16(r, 0, 1), .id = pg_get_i64(r, 0, 2),
		.id_known = pg_get_bool(r, 0, 3), .unsure = pg_get_bool(r, 0, 4), .at = pg_get_i64(r, 0, 5),
		.seq = (uint64_t)pg_get_i64(r, 0, 6) };
	fields = pg_get_bytes(r, 0, 7, &n);
	rc = write_fields_unpack(a, fields, n, &out->f, &out->nf);
	if (rc != RC_OK)
		rc = err_set(e, rc, rc == RC_NOMEM ? "out of memory" : "a stored intent cannot be read");
out:
	PQclear(r);
	return rc;
}

/* CLAIM: only over what is still as WAS.  *ROWS (or NULL): written. */
static enum rc
put(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *i, bool claim, const struct intent *was,
    size_t *rows, struct err *e)
{
	struct pg_params p = { .n = 0 };
	struct buf b;
	enum rc rc;

	buf_init(&b, 0);
	write_fields_pack(i->f, i->nf, &b);
	pg_i32(&p, (int32_t)device);
	pg_text(&p, client_id);
	pg_i32(&p, (int32_t)folder);
	pg_i16(&p, (int16_t)i->state);
	pg_i64(&p, i->id);
	pg_bool(&p, i->id_known);
	pg_bool(&p, i->unsure);
	pg_i64(&p, i->at);
	pg_u64(&p, i->seq);
	pg_buf(&p, &b);
	if (claim) {
		pg_i16(&p, (int16_t)(was != NULL ? (int)was->state : NO_STATE));
		pg_i64(&p, was != NULL ? was->at : 0);
		pg_bool(&p, was != NULL && was->id_known);
	}
	rc = b.failed ? err_set(e, RC_NOMEM, "out of memory") : pg_exec_count(c, TBL_INTENT, claim ? S_CLAIM : S_PUT, &p, rows, e);
	buf_fini(&b);
	return rc;
}

enum rc
store_intent_put(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *i, struct err *e)
{
	return put(c, device, folder, client_id, i, false, NULL, NULL, e);
}

enum rc
store_intent_claim(struct store_conn *c, int64_t device, int64_t folder, const char *client_id, const struct intent *i, const struct intent *was,
    bool *won, struct err *e)
{
	size_t rows = 0;
	enum rc rc = put(c, device, folder, client_id, i, true, was, &rows, e);

	*won = rc == RC_OK && rows == 1;
	return rc;
}

enum rc
store_intent_told(struct store_conn *c, int64_t device, const char *client_id, uint64_t seq, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i32(&p, (int32_t)device);
	pg_text(&p, client_id);
	pg_u64(&p, seq);
	return pg_exec(c, TBL_INTENT, S_TOLD, &p, NULL, e);
}
