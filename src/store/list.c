/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tables for an administrator, each one statement: the columns' names are what usmctl prints, a name that ends in _at is a time.
 * Parameters of each: account and device, 0 = all.
 */
#include "store_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MAX " LIMIT 10000"
#define TYPE(ct) "(ARRAY['folder', 'contact', 'appointment', 'task', 'mail'])[" ct " + 1]"
#define WHO "a.context_id AS context, a.user_id AS user_id"
#define STATE "(ARRAY['allowed', 'quarantined', 'blocked'])[d.state + 1]"
#define OF_DEVICE "($1::int8 = 0 OR d.account = $1::int8) AND ($2::int4 = 0 OR d.id = $2::int4)"
/* the time in a syncid (src/engine/syncid.c): NULL for one of an older version, or when a clock was far ahead */
#define SYNCID_BITS(id) "('x' || substr(replace((" id ")::text, '-', ''), 1, 12))::bit(48)::int8"
#define SYNCED "CASE WHEN substr(replace(c.syncid::text, '-', ''), 13, 1) = '7' AND " SYNCID_BITS("c.syncid") \
	" BETWEEN 1700000000000 AND (extract(epoch FROM now()) * 1000)::int8 + 86400000 THEN " SYNCID_BITS("c.syncid") " END"
#define COUNTED(table) "SELECT '" table "' AS kept, count(*) AS entries FROM " table
#define OF_FOLDER " WHERE folder IN (SELECT id FROM folder WHERE account = $1::int8)"
#define OF_DEVICES " WHERE device IN (SELECT id FROM device WHERE account = $1::int8)"
#define ALWAYS " WHERE $1::int8 >= 0 AND $2::int4 >= 0"
#define NOW_MS "(extract(epoch FROM now()) * 1000)::int8"
#define ACTIVE(name, days) "SELECT 'users_active_" name "', count(DISTINCT account) FROM device WHERE seen_at > " NOW_MS " - " days " * 86400000::int8"

enum { S_INFO = LIST_KEPT + 1, S_FOLDERS, S_JOURNAL, S_CONFLICTS, S_ACCOUNT, S_HASHES, S_SYNCIDS, S_DEVICES, S_FORGOTTEN };
static const struct pg_stmt stmts[] = {
	[LIST_ACCOUNTS] = { "store_list_accounts",
	    "SELECT " WHO ", (SELECT count(*) FROM device d WHERE d.account = a.id) AS devices,"
	    " (SELECT count(*) FROM session s WHERE s.account = a.id) AS sessions, (SELECT count(*) FROM folder f WHERE f.account = a.id) AS folders,"
	    " (SELECT coalesce(sum(greatest(f.live, 0)), 0)::int8 FROM folder f WHERE f.account = a.id AND f.ct > 0) AS objects,"
	    " (SELECT count(*) FROM conflict c WHERE c.account = a.id AND c.done IS NULL) AS conflicts,"
	    " (SELECT max(abs(d.seen_at)) FROM device d WHERE d.account = a.id) AS login_at"
	    " FROM account a WHERE ($1::int8 = 0 OR a.id = $1::int8) AND $2::int4 >= 0 ORDER BY a.context_id, a.user_id" ROWS_MAX, 2 },
	[LIST_DEVICES] = { "store_list_devices",
	    "SELECT " WHO ", d.name AS device, " STATE " AS state, d.agent AS client, d.made_at, abs(d.seen_at) AS login_at,"
	    " (SELECT count(*) FROM session s WHERE s.device = d.id) AS sessions,"
	    " (SELECT max(" SYNCED ") FROM cursor c WHERE c.device = d.id) AS synced_at,"
	    " (SELECT count(DISTINCT c.folder) FROM cursor c WHERE c.device = d.id) AS folders,"
	    " (SELECT coalesce(sum(pg_column_size(c.*)), 0)::int8 FROM cursor c WHERE c.device = d.id) AS state_bytes,"
	    " (SELECT count(*) FROM set_aside x WHERE x.device = d.id) AS set_aside,"
	    " (SELECT coalesce(sum(g.held), 0)::int8 FROM guard_delete g WHERE g.device = d.id) AS held,"
	    " (SELECT count(*) FROM intent i WHERE i.device = d.id AND i.state = 0) AS in_doubt,"
	    " (SELECT count(*) FROM conflict k WHERE k.device = d.id AND k.done IS NULL) AS conflicts"
	    " FROM device d JOIN account a ON a.id = d.account WHERE " OF_DEVICE " ORDER BY a.context_id, a.user_id, d.name" ROWS_MAX, 2 },
	[LIST_FOLDERS] = { "store_list_folders",
	    "SELECT " WHO ", d.name AS device, " TYPE("f.ct") " AS type, f.oxid AS folder, greatest(f.live, 0)::int8 AS objects,"
	    " max(" SYNCED ") AS synced_at, f.cn - max(c.lo) AS changes_behind, bool_or(c.more) AS more, count(*) AS states,"
	    " sum(pg_column_size(c.*))::int8 AS state_bytes"
	    " FROM cursor c JOIN folder f ON f.id = c.folder JOIN device d ON d.id = c.device JOIN account a ON a.id = d.account WHERE " OF_DEVICE
	    " GROUP BY a.id, d.id, f.id ORDER BY a.context_id, a.user_id, d.name, f.ct, f.oxid" ROWS_MAX, 2 },
	[LIST_SESSIONS] = { "store_list_sessions",
	    "SELECT " WHO ", d.name AS device, encode(substr(s.token_hash, 1, 6), 'hex') AS session, abs(d.seen_at) AS login_at, s.expires AS expires_at"
	    " FROM session s JOIN device d ON d.id = s.device JOIN account a ON a.id = d.account WHERE " OF_DEVICE
	    " ORDER BY a.context_id, a.user_id, d.name, s.expires" ROWS_MAX, 2 },
	[LIST_ASIDE] = { "store_list_aside",
	    "SELECT " WHO ", coalesce(d.name, '') AS device, " TYPE("f.ct") " AS type, f.oxid AS folder, x.object, x.tries::int8 AS tries, x.since AS since_at,"
	    " x.next_try AS next_at, x.reason FROM set_aside x JOIN folder f ON f.id = x.folder JOIN account a ON a.id = f.account"
	    " LEFT JOIN device d ON d.id = x.device WHERE ($1::int8 = 0 OR f.account = $1::int8) AND ($2::int4 = 0 OR x.device IN (0, $2::int4))"
	    " ORDER BY a.context_id, a.user_id, f.ct, f.oxid, x.object" ROWS_MAX, 2 },
	[LIST_CONFLICTS] = { "store_list_conflicts",
	    "SELECT " WHO ", k.id AS conflict, coalesce(d.name, '') AS device, " TYPE("k.ct") " AS type, k.uuid::text AS object,"
	    " CASE WHEN k.done IS NULL THEN 'open' WHEN k.result IS NULL THEN 'dismissed' ELSE 'restored' END AS state, k.at AS found_at, k.expires AS expires_at"
	    " FROM conflict k JOIN account a ON a.id = k.account LEFT JOIN device d ON d.id = k.device"
	    " WHERE ($1::int8 = 0 OR k.account = $1::int8) AND ($2::int4 = 0 OR k.device = $2::int4) ORDER BY k.id DESC" ROWS_MAX, 2 },
	[LIST_AUDIT] = { "store_list_audit",
	    "SELECT at AS done_at, uid, command, target, changed FROM audit" ALWAYS " ORDER BY id DESC" ROWS_MAX, 2 },
	[LIST_STATS] = { "store_list_stats",
	    "SELECT 'accounts' AS what, count(*) AS number FROM account" ALWAYS " UNION ALL SELECT 'devices', count(*) FROM device"
	    " UNION ALL SELECT 'devices_quarantined', count(*) FROM device WHERE state = 1"
	    " UNION ALL SELECT 'devices_blocked', count(*) FROM device WHERE state = 2"
	    " UNION ALL SELECT 'sessions', count(*) FROM session UNION ALL SELECT 'folders', count(*) FROM folder"
	    " UNION ALL SELECT 'objects', coalesce(sum(greatest(live, 0)), 0)::int8 FROM folder WHERE ct > 0"
	    " UNION ALL SELECT 'cursors', count(*) FROM cursor UNION ALL SELECT 'conflicts_open', count(*) FROM conflict WHERE done IS NULL"
	    " UNION ALL SELECT 'set_aside', count(*) FROM set_aside UNION ALL SELECT 'creates_in_doubt', count(*) FROM intent WHERE state = 0"
	    " UNION ALL SELECT 'deletions_held', coalesce(sum(held), 0)::int8 FROM guard_delete UNION ALL SELECT 'journal', count(*) FROM journal"
	    " UNION ALL SELECT 'database_bytes', pg_database_size(current_database())", 2 },
	[LIST_REPORT] = { "store_list_report",
	    "SELECT 'users' AS what, count(*) AS number FROM account" ALWAYS " AND user_id > 0 UNION ALL " ACTIVE("1d", "1")
	    " UNION ALL " ACTIVE("7d", "7") " UNION ALL " ACTIVE("30d", "30") " UNION ALL SELECT 'devices', count(*) FROM device"
	    " UNION ALL SELECT 'devices_' || " STATE ", count(*) FROM device d GROUP BY d.state"
	    " UNION ALL SELECT * FROM (SELECT 'client_' || coalesce(nullif(substring(agent FROM '^[A-Za-z][A-Za-z0-9._-]{0,39}'), ''), 'unknown'), count(*) AS n"
	    " FROM device GROUP BY 1 HAVING count(*) >= 5 ORDER BY n DESC LIMIT 50) x"
	    " UNION ALL SELECT 'objects_' || " TYPE("ct") ", sum(greatest(live, 0))::int8 FROM folder WHERE ct > 0 GROUP BY ct"
	    " UNION ALL SELECT 'conflicts_30d', count(*) FROM conflict WHERE at > " NOW_MS " - 30 * 86400000::int8"
	    " UNION ALL SELECT 'set_aside', count(*) FROM set_aside", 2 },
	[LIST_KEPT] = { "store_list_kept",
	    COUNTED("device") " WHERE account = $1::int8 AND $2::int4 >= 0 UNION ALL " COUNTED("session") " WHERE account = $1::int8"
	    " UNION ALL " COUNTED("folder") " WHERE account = $1::int8 UNION ALL " COUNTED("pim_row") OF_FOLDER " UNION ALL " COUNTED("mail_row") OF_FOLDER
	    " UNION ALL " COUNTED("cursor") OF_FOLDER " UNION ALL " COUNTED("write_log") OF_FOLDER " UNION ALL " COUNTED("intent") OF_DEVICES
	    " UNION ALL " COUNTED("mail_op") OF_DEVICES " UNION ALL " COUNTED("conflict") " WHERE account = $1::int8"
	    " UNION ALL " COUNTED("journal") " WHERE account = $1::int8 UNION ALL " COUNTED("set_aside") OF_FOLDER
	    " UNION ALL " COUNTED("guard_delete") OF_DEVICES " UNION ALL " COUNTED("guard_create") OF_DEVICES
	    " UNION ALL SELECT 'audit_names', count(*) FROM audit x JOIN account u ON u.id = $1::int8 AND x.target LIKE '% device=%'"
	    " AND starts_with(x.target, 'user=' || u.context_id || '/' || u.user_id || ' ')", 2 },
	[S_INFO] = { "store_device_info",
	    "SELECT d.account, d.name, d.config, d.state, d.agent, abs(d.seen_at), d.state_at, a.context_id, a.user_id,"
	    " coalesce((SELECT max(s.expires) FROM session s WHERE s.device = d.id AND s.expires > $2::int8), 0)"
	    " FROM device d JOIN account a ON a.id = d.account WHERE d.id = $1::int4", 2 },
	[S_FOLDERS] = { "store_folders_of",
	    "SELECT id, epoch, cn, fence, init, ox_ts, seen_at, listed_at, validity, uidnext, total, unread, oxid, live, ct"
	    " FROM folder WHERE account = $1::int8 ORDER BY ct, id" ROWS_MAX, 1 },
	[S_JOURNAL] = { "store_object_journal",
	    "SELECT j.at, d.name, j.op::int8 FROM journal j JOIN device d ON d.id = j.device WHERE j.account = $1::int8 AND j.ct = $2::int2"
	    " AND j.place = $3::text AND j.object = $4::int8 ORDER BY j.id DESC LIMIT 20", 4 },
	[S_CONFLICTS] = { "store_object_conflicts",
	    "SELECT c.at, coalesce(d.name, ''), (c.done IS NULL)::int4::int8 FROM conflict c LEFT JOIN device d ON d.id = c.device"
	    " WHERE c.account = $1::int8 AND c.uuid = $2::uuid ORDER BY c.id DESC LIMIT 20", 2 },
	[S_ACCOUNT] = { "store_account_find", "SELECT id FROM account WHERE context_id = $1::int8 AND user_id = $2::int8", 2 },
	[S_HASHES] = { "store_session_hashes",
	    "SELECT token_hash FROM session WHERE account = $1::int8 AND ($2::int4 = 0 OR device = $2::int4) LIMIT 10000", 2 },
	[S_SYNCIDS] = { "store_account_syncids",
	    "SELECT syncid FROM cursor WHERE device IN (SELECT id FROM device WHERE account = $1::int8 AND ($2::int4 = 0 OR id = $2::int4)) LIMIT 100000", 2 },
	[S_DEVICES] = { "store_device_ids", "SELECT id::int8 FROM device WHERE account = $1::int8 ORDER BY id", 1 },
	[S_FORGOTTEN] = { "store_was_forgotten",
	    "SELECT EXISTS (SELECT FROM audit WHERE at >= $3::int8 AND command = 'forget' AND target = 'user=' || $1::int8 || '/' || $2::int8)", 3 },
};
const struct pg_table store_list_stmts = { stmts, ARRAY_LEN(stmts) };

/* ---- tables ---- */

#define OID_BOOL 16U
#define OID_INT8 20U
#define OID_TEXT 25U

static bool
is_time(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && strcmp(name + n - 3, "_at") == 0;
}

static const char *
cell_text(struct arena *a, const PGresult *r, int row, int col)
{
	switch (PQftype(r, col)) {
	case OID_BOOL:
		return pg_get_bool(r, row, col) ? "true" : "false";
	case OID_INT8:
		return arena_printf(a, "%" PRId64, pg_get_i64(r, row, col));
	default:
		return pg_get_text(a, r, row, col);
	}
}

static enum rc
table_fill(struct arena *a, const PGresult *r, struct store_table *out, struct err *e)
{
	size_t columns = (size_t)PQnfields(r), rows = (size_t)PQntuples(r);

	*out = (struct store_table){ .n_columns = columns, .n_rows = rows, .column = arena_array(a, const char *, columns),
		.kind = arena_array(a, enum store_cell, columns), .cell = arena_array(a, const char *, rows * columns + 1) };
	if (out->column == NULL || out->kind == NULL || out->cell == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a table");
	for (size_t k = 0; k < columns; k++) {
		out->column[k] = arena_strdup(a, PQfname(r, (int)k));
		if (out->column[k] == NULL)
			return err_set(e, RC_NOMEM, "out of memory for a table");
		out->kind[k] = PQftype(r, (int)k) == OID_BOOL ? CELL_BOOL : PQftype(r, (int)k) != OID_INT8 ? CELL_TEXT :
		    is_time(out->column[k]) ? CELL_TIME : CELL_NUMBER;
	}
	for (size_t i = 0; i < rows * columns; i++) {
		int row = (int)(i / columns), col = (int)(i % columns);

		if (PQgetisnull(r, row, col))
			continue;
		out->cell[i] = cell_text(a, r, row, col);
		if (out->cell[i] == NULL)
			return err_set(e, RC_NOMEM, "out of memory for a table");
	}
	return RC_OK;
}

enum rc
store_list(struct store_conn *c, struct arena *a, enum store_list what, int64_t account, int64_t device, struct store_table *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	pg_i64(&p, account);
	pg_i32(&p, (int32_t)device);
	rc = pg_exec(c, TBL_LIST, (unsigned)what, &p, &r, e);
	if (rc == RC_OK)
		rc = table_fill(a, r, out, e);
	PQclear(r);
	return rc;
}

/* ---- single things ---- */

enum rc
store_device_info(struct store_conn *c, struct arena *a, int64_t device, struct store_device_info *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	pg_i32(&p, (int32_t)device);
	pg_i64(&p, now_ms());
	rc = pg_exec(c, TBL_LIST, S_INFO, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = err_set(e, RC_NOTFOUND, "the device does not exist (any more)");
	if (rc != RC_OK)
		goto out;
	out->d = (struct store_device){ .id = device, .account = pg_get_i64(r, 0, 0), .name = pg_get_text(a, r, 0, 1), .config = pg_get_text(a, r, 0, 2),
		.state = (enum device_state)pg_get_i16(r, 0, 3), .agent = pg_get_text(a, r, 0, 4) };
	out->seen_at = pg_get_i64(r, 0, 5);
	out->state_at = pg_get_i64(r, 0, 6);
	out->context_id = pg_get_i64(r, 0, 7);
	out->user_id = pg_get_i64(r, 0, 8);
	out->expires = pg_get_i64(r, 0, 9);
	if (out->d.name == NULL || out->d.config == NULL || out->d.agent == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_folders_of(struct store_conn *c, struct arena *a, int64_t account, struct store_folder **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i64(&p, account);
	rc = pg_exec(c, TBL_LIST, S_FOLDERS, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*out = arena_array(a, struct store_folder, (size_t)PQntuples(r) + 1);
	for (int i = 0; *out != NULL && i < PQntuples(r); i++) {
		struct store_folder *f = &(*out)[(*n)++];

		*f = (struct store_folder){ .id = pg_get_i32(r, i, 0), .epoch = (uint64_t)pg_get_i64(r, i, 1), .cn = (uint64_t)pg_get_i64(r, i, 2),
			.fence = (uint64_t)pg_get_i64(r, i, 3), .init = pg_get_bool(r, i, 4), .ox_ts = pg_get_i64(r, i, 5), .seen_at = pg_get_i64(r, i, 6),
			.listed_at = pg_get_i64(r, i, 7), .validity = (uint64_t)pg_get_i64(r, i, 8), .uidnext = (uint64_t)pg_get_i64(r, i, 9),
			.total = pg_get_i64(r, i, 10), .unread = pg_get_i64(r, i, 11), .oxid = pg_get_text(a, r, i, 12), .live = pg_get_i32(r, i, 13),
			.ct = (enum content)pg_get_i16(r, i, 14) };
		if (f->oxid == NULL)
			*out = NULL;
	}
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

static enum rc
events(struct store_conn *c, struct arena *a, unsigned stmt, struct pg_params *p, struct store_event **out, size_t *n, struct err *e)
{
	PGresult *r = NULL;
	enum rc rc = pg_exec(c, TBL_LIST, stmt, p, &r, e);

	*out = NULL;
	*n = 0;
	if (rc != RC_OK)
		goto out;
	*out = arena_array(a, struct store_event, (size_t)PQntuples(r) + 1);
	for (int i = 0; *out != NULL && i < PQntuples(r); i++) {
		(*out)[*n] = (struct store_event){ .at = pg_get_i64(r, i, 0), .device = pg_get_text(a, r, i, 1), .what = pg_get_i64(r, i, 2) };
		if ((*out)[(*n)++].device == NULL)
			*out = NULL;
	}
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_object_journal(struct store_conn *c, struct arena *a, int64_t account, enum content ct, const char *folder, int64_t object,
    struct store_event **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, account);
	pg_i16(&p, (int16_t)ct);
	pg_text(&p, folder);
	pg_i64(&p, object);
	return events(c, a, S_JOURNAL, &p, out, n, e);
}

enum rc
store_object_conflicts(struct store_conn *c, struct arena *a, int64_t account, const struct uuid *u, struct store_event **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, account);
	pg_bytes(&p, u->b, sizeof(u->b));
	return events(c, a, S_CONFLICTS, &p, out, n, e);
}

enum rc
store_account_find(struct store_conn *c, int64_t context_id, int64_t user_id, int64_t *account, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, context_id);
	pg_i64(&p, user_id);
	rc = pg_exec(c, TBL_LIST, S_ACCOUNT, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = err_set(e, RC_NOTFOUND, "nothing is kept of the user %" PRId64 "/%" PRId64, context_id, user_id);
	else if (rc == RC_OK)
		*account = pg_get_i64(r, 0, 0);
	PQclear(r);
	return rc;
}

enum rc
store_device_ids(struct store_conn *c, struct arena *a, int64_t account, int64_t **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i64(&p, account);
	rc = pg_exec(c, TBL_LIST, S_DEVICES, &p, &r, e);
	if (rc == RC_OK)
		*out = arena_array(a, int64_t, (size_t)PQntuples(r) + 1);
	if (rc == RC_OK && *out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
	for (int i = 0; rc == RC_OK && i < PQntuples(r); i++)
		(*out)[(*n)++] = pg_get_i64(r, i, 0);
	PQclear(r);
	return rc;
}

enum rc
store_was_forgotten(struct store_conn *c, int64_t context_id, int64_t user_id, msec_t since, bool *yes, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	*yes = false;
	pg_i64(&p, context_id);
	pg_i64(&p, user_id);
	pg_i64(&p, since);
	rc = pg_exec(c, TBL_LIST, S_FORGOTTEN, &p, &r, e);
	if (rc == RC_OK)
		*yes = pg_get_bool(r, 0, 0);
	PQclear(r);
	return rc;
}

/* One column of octets, SIZE each. */
static enum rc
octets(struct store_conn *c, struct arena *a, unsigned stmt, int64_t account, int64_t device, size_t size, void **out, size_t *n, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	unsigned char *at;
	enum rc rc;

	*out = NULL;
	*n = 0;
	pg_i64(&p, account);
	pg_i32(&p, (int32_t)device);
	rc = pg_exec(c, TBL_LIST, stmt, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	*out = at = arena_alloc_array(a, (size_t)PQntuples(r) + 1, size);
	for (int i = 0; at != NULL && i < PQntuples(r); i++) {
		size_t len;
		const void *v = pg_get_bytes(r, i, 0, &len);

		if (len == size)
			memcpy(at + size * (*n)++, v, size);
	}
	if (*out == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

enum rc
store_session_hashes(struct store_conn *c, struct arena *a, int64_t account, int64_t device, unsigned char (**out)[32], size_t *n, struct err *e)
{
	void *p;
	enum rc rc = octets(c, a, S_HASHES, account, device, sizeof(**out), &p, n, e);

	*out = p;
	return rc;
}

enum rc
store_account_syncids(struct store_conn *c, struct arena *a, int64_t account, int64_t device, struct syncid **out, size_t *n, struct err *e)
{
	void *p;
	enum rc rc = octets(c, a, S_SYNCIDS, account, device, sizeof((*out)->b), &p, n, e);

	*out = p;
	return rc;
}
