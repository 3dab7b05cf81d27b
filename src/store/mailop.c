/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What was done, or was about to be done, with mails: the memory that makes a repeated request harmless. */
#include "store_int.h"

#include <string.h>

enum { S_GET, S_PUT, S_CLAIM };

#define COLUMNS "place, validity, mail, mark, digest, at, expires, state"
#define VALUES "$3::int8, $4::int8, $5::int8, $6::int8, $7::int8, $8::int8, $9::int8, $10::int2"
#define EXCLUDED "place = excluded.place, validity = excluded.validity, mail = excluded.mail, mark = excluded.mark," \
	" digest = excluded.digest, at = excluded.at, expires = excluded.expires, state = excluded.state"

static const struct pg_stmt stmts[] = {
	[S_GET] = { "store_mailop_get", "SELECT " COLUMNS " FROM mail_op WHERE device = $1::int4 AND key = $2::text", 2 },
	[S_PUT] = { "store_mailop_put",
	    "INSERT INTO mail_op (device, key, " COLUMNS ") VALUES ($1::int4, $2::text, " VALUES ")"
	    " ON CONFLICT (device, key) DO UPDATE SET " EXCLUDED, 10 },
	/* whoever read an older state of it comes too late: its sender is somebody else */
	[S_CLAIM] = { "store_mailop_claim",
	    "INSERT INTO mail_op AS o (device, key, " COLUMNS ") VALUES ($1::int4, $2::text, " VALUES ")"
	    " ON CONFLICT (device, key) DO UPDATE SET " EXCLUDED " WHERE o.state = $11::int2 AND o.at = $12::int8", 12 },
};
const struct pg_table store_mailop_stmts = { stmts, ARRAY_LEN(stmts) };

static void
add_op(struct pg_params *p, int64_t device, const char *key, const struct mail_op *o)
{
	pg_i32(p, (int32_t)device);
	pg_text(p, key);
	pg_u64(p, o->place);
	pg_u64(p, o->validity);
	pg_i64(p, o->mail);
	pg_u64(p, o->mark);
	pg_u64(p, o->digest);
	pg_i64(p, o->at);
	pg_i64(p, o->expires);
	pg_i16(p, (int16_t)o->state);
}

enum rc
store_mailop_get(struct store_conn *c, int64_t device, const char *key, struct mail_op *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	pg_i32(&p, (int32_t)device);
	pg_text(&p, key);
	rc = pg_exec(c, TBL_MAILOP, S_GET, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = err_set(e, RC_NOTFOUND, "nothing is known of \"%.100s\"", key);
	if (rc == RC_OK)
		*out = (struct mail_op){ .place = (uint64_t)pg_get_i64(r, 0, 0), .validity = (uint64_t)pg_get_i64(r, 0, 1),
			.mail = pg_get_i64(r, 0, 2), .mark = (uint64_t)pg_get_i64(r, 0, 3), .digest = (uint64_t)pg_get_i64(r, 0, 4),
			.at = pg_get_i64(r, 0, 5), .expires = pg_get_i64(r, 0, 6), .state = (enum mail_op_state)pg_get_i16(r, 0, 7) };
	PQclear(r);
	return rc;
}

enum rc
store_mailop_put(struct store_conn *c, int64_t device, const char *key, const struct mail_op *o, struct err *e)
{
	struct pg_params p = { .n = 0 };

	add_op(&p, device, key, o);
	return pg_exec(c, TBL_MAILOP, S_PUT, &p, NULL, e);
}

enum rc
store_mailop_claim(struct store_conn *c, int64_t device, const char *key, const struct mail_op *o, const struct mail_op *was, bool *won, struct err *e)
{
	struct pg_params p = { .n = 0 };
	size_t rows = 0;
	enum rc rc;

	add_op(&p, device, key, o);
	pg_i16(&p, (int16_t)was->state);
	pg_i64(&p, was->at);
	rc = pg_exec_count(c, TBL_MAILOP, S_CLAIM, &p, &rows, e);
	*won = rc == RC_OK && rows == 1;
	return rc;
}
