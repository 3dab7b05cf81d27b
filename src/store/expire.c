/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What nobody needs any more, a bounded piece a call: expired sessions, conflicts and journal entries, what guards remembered, the sync state of devices that
 * did not come back, tombstones.  A tombstone carries no date: each folder's head notes its cn from time to time (mark_cn at
 * mark_at), and once that mark is old, so are the tombstones below it.
 */
#include "store_int.h"

#define GUARD_KEPT_MS (INT64_C(31) * 86400 * 1000) /* longer than any period over which guards look back (settings.def) */

enum { S_SESSIONS, S_CONFLICTS, S_MAIL_OPS, S_JOURNAL, S_DELETES, S_CREATES, S_DEVICES, S_MARKED, S_DEAD_PIM, S_DEAD_MAIL, S_MARK, S_UNUSED, S_AUDIT };

static const struct pg_stmt stmts[] = {
	[S_SESSIONS] = { "store_expire_sessions", "DELETE FROM session WHERE token_hash IN"
	    " (SELECT token_hash FROM session WHERE expires <= $1::int8 ORDER BY expires LIMIT 1000)", 1 },
	[S_CONFLICTS] = { "store_expire_conflicts", "DELETE FROM conflict WHERE id IN"
	    " (SELECT id FROM conflict WHERE expires <= $1::int8 ORDER BY expires LIMIT 1000)", 1 },
	[S_MAIL_OPS] = { "store_expire_mail_ops", "DELETE FROM mail_op WHERE (device, key) IN"
	    " (SELECT device, key FROM mail_op WHERE expires <= $1::int8 ORDER BY expires LIMIT 1000)", 1 },
	[S_JOURNAL] = { "store_expire_journal", "DELETE FROM journal WHERE id IN"
	    " (SELECT id FROM journal WHERE expires <= $1::int8 ORDER BY expires LIMIT 1000)", 1 },
	[S_DELETES] = { "store_expire_guard_deletes", "DELETE FROM guard_delete WHERE (folder, device) IN"
	    " (SELECT folder, device FROM guard_delete WHERE at <= $1::int8 ORDER BY at LIMIT 1000)", 1 },
	[S_CREATES] = { "store_expire_guard_creates", "DELETE FROM guard_create WHERE (folder, device, content, object) IN"
	    " (SELECT folder, device, content, object FROM guard_create WHERE at <= $1::int8 ORDER BY at LIMIT 1000)", 1 },
	/* devices without a session that have not logged in for long; the sign of seen_at says that it is done, so that none is looked at twice */
	[S_DEVICES] = { "store_expire_devices",
	    "WITH stale AS (UPDATE device SET seen_at = -seen_at WHERE id IN (SELECT d.id FROM device d WHERE d.seen_at > 0"
	    " AND d.seen_at < $1::int8 AND NOT EXISTS (SELECT FROM session s WHERE s.device = d.id) LIMIT 100) RETURNING id),"
	    " w AS (DELETE FROM write_log WHERE device IN (SELECT id FROM stale)),"
	    " i AS (DELETE FROM intent WHERE device IN (SELECT id FROM stale))"
	    " DELETE FROM cursor WHERE device IN (SELECT id FROM stale)", 1 },
	/* folders whose mark is old, with the cn up to which their tombstones may go: every cursor's lo is past it */
	[S_MARKED] = { "store_expire_marked",
	    "SELECT f.id, least(f.mark_cn, coalesce((SELECT min(c.lo) FROM cursor c WHERE c.folder = f.id), f.mark_cn))"
	    " FROM folder f WHERE f.mark_at < $1::int8 AND (f.cn > f.mark_cn OR f.mark_at > 0) ORDER BY f.mark_at LIMIT 64", 1 },
	[S_DEAD_PIM] = { "store_expire_dead_pim",
	    "DELETE FROM pim_row WHERE dead AND folder = $1::int4 AND cn <= $2::int8", 2 },
	[S_DEAD_MAIL] = { "store_expire_dead_mail",
	    "DELETE FROM mail_row WHERE dead AND folder = $1::int4 AND cn <= $2::int8", 2 },
	[S_MARK] = { "store_expire_mark",
	    "UPDATE folder SET mark_cn = cn, mark_at = $2::int8 WHERE id = $1::int4", 2 },
	/* a blocked device stays, or it would come back as a new one; seen_at < 0 = its state is gone already */
	[S_UNUSED] = { "store_expire_unused",
	    "WITH gone AS MATERIALIZED (SELECT d.id, d.account FROM device d WHERE abs(d.seen_at) < $1::int8 AND d.state <> 2"
	    " AND NOT EXISTS (SELECT FROM session s WHERE s.device = d.id) AND NOT EXISTS (SELECT FROM journal j WHERE j.device = d.id) LIMIT 100),"
	    " empty AS MATERIALIZED (SELECT DISTINCT g.account FROM gone g"
	    " WHERE NOT EXISTS (SELECT FROM device d WHERE d.account = g.account AND d.id NOT IN (SELECT id FROM gone))"
	    " AND NOT EXISTS (SELECT FROM conflict c WHERE c.account = g.account)),"
	    " f AS MATERIALIZED (SELECT id FROM folder WHERE account IN (SELECT account FROM empty)),"
	    " p AS (DELETE FROM pim_row WHERE folder IN (SELECT id FROM f)), m AS (DELETE FROM mail_row WHERE folder IN (SELECT id FROM f)),"
	    " s AS (DELETE FROM mail_span WHERE folder IN (SELECT id FROM f)),"
	    " w AS (DELETE FROM write_log WHERE device IN (SELECT id FROM gone)), c AS (DELETE FROM cursor WHERE device IN (SELECT id FROM gone)),"
	    " a AS (DELETE FROM set_aside WHERE device IN (SELECT id FROM gone)), d AS (DELETE FROM device WHERE id IN (SELECT id FROM gone))"
	    " DELETE FROM account WHERE id IN (SELECT account FROM empty)", 1 },
	[S_AUDIT] = { "store_expire_audit", "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1::int8 ORDER BY at LIMIT 1000)", 1 },
};
const struct pg_table store_expire_stmts = { stmts, ARRAY_LEN(stmts) };

static enum rc
expire_before(struct store_conn *c, unsigned stmt, msec_t before, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, before);
	return pg_exec(c, TBL_EXPIRE, stmt, &p, NULL, e);
}

static enum rc
expire_folder(struct store_conn *c, int32_t folder, int64_t cn, msec_t now, struct err *e)
{
	static const unsigned dead[] = { S_DEAD_PIM, S_DEAD_MAIL };
	struct pg_params p = { .n = 0 };
	enum rc rc = RC_OK;

	for (size_t i = 0; i < ARRAY_LEN(dead) && rc == RC_OK; i++) {
		p.n = 0;
		pg_i32(&p, folder);
		pg_i64(&p, cn);
		rc = pg_exec(c, TBL_EXPIRE, dead[i], &p, NULL, e);
	}
	if (rc != RC_OK)
		return rc;
	p.n = 0;
	pg_i32(&p, folder);
	pg_i64(&p, now);
	return pg_exec(c, TBL_EXPIRE, S_MARK, &p, NULL, e);
}

struct expire_arg {
	msec_t now, tombstone_ms;
};

/* Reading the cursors and deleting below them is one snapshot: a cursor that is put meanwhile is newer than all of them. */
static enum rc
expire_state(struct store_conn *c, void *arg, struct err *e)
{
	const struct expire_arg *x = arg;
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc = expire_before(c, S_DEVICES, x->now - x->tombstone_ms, e);

	pg_i64(&p, x->now - x->tombstone_ms);
	if (rc == RC_OK)
		rc = pg_exec(c, TBL_EXPIRE, S_MARKED, &p, &r, e);
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++)
		rc = expire_folder(c, pg_get_i32(r, i, 0), pg_get_i64(r, i, 1), x->now, e);
	PQclear(r);
	return rc;
}

enum rc
store_expire(struct store_conn *c, msec_t now, msec_t tombstone_ms, struct err *e)
{
	struct expire_arg x = { now, tombstone_ms };
	enum rc rc;

	rc = expire_before(c, S_SESSIONS, now, e);
	if (rc == RC_OK)
		rc = expire_before(c, S_CONFLICTS, now, e);
	if (rc == RC_OK)
		rc = expire_before(c, S_MAIL_OPS, now, e);
	if (rc == RC_OK)
		rc = expire_before(c, S_JOURNAL, now, e);
	if (rc == RC_OK)
		rc = expire_before(c, S_DELETES, now - GUARD_KEPT_MS, e);
	if (rc == RC_OK)
		rc = expire_before(c, S_CREATES, now - GUARD_KEPT_MS, e);
	return rc == RC_OK ? store_txn(c, expire_state, &x, e) : rc;
}

enum rc
store_expire_unused(struct store_conn *c, msec_t device_before, msec_t audit_before, struct err *e)
{
	enum rc rc = device_before > 0 ? expire_before(c, S_UNUSED, device_before, e) : RC_OK;

	return rc == RC_OK && audit_before > 0 ? expire_before(c, S_AUDIT, audit_before, e) : rc;
}
