/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What an administrator does: each kind one statement that says how many rows it concerned, and in the same transaction a record of who
 * did it.  To know beforehand what it would concern, it is done and rolled back.
 */
#include "store_int.h"

/* one row, the number; the parameters are those of subject_params */
#define NUMBER(x) " SELECT count(*)::int8 FROM " x
/* type, folder: folders of the account that the command is about */
#define FOLDERS "SELECT id FROM folder WHERE account = $1::int8 AND ($3::int2 < 0 OR ct = $3::int2) AND ($4::text = '' OR oxid = $4::text)"
#define STATE(n) "WITH x AS (UPDATE device SET state = " n ", state_at = $7::int8 WHERE account = $1::int8 AND id = $2::int4" USED \
	" AND state <> " n " RETURNING id)"
/* the sessions end with the decision, so that every request meets it */
#define OUT ", s AS (DELETE FROM session WHERE device IN (SELECT id FROM x))"
/* every statement has all parameters, so that they are given in one way; this one is always true */
#define USED " AND $3::int2 >= -1 AND $4::text IS NOT NULL AND $5::int8 IS NOT NULL AND $6::text IS NOT NULL AND $7::int8 > 0"
#define DROP(folders, devices) \
	" p AS (DELETE FROM pim_row WHERE folder IN (" folders ")), m AS (DELETE FROM mail_row WHERE folder IN (" folders "))," \
	" s AS (DELETE FROM mail_span WHERE folder IN (" folders "))," \
	" w AS (DELETE FROM write_log WHERE folder IN (" folders ") OR device IN (" devices "))," \
	" c AS (DELETE FROM cursor WHERE folder IN (" folders ") OR device IN (" devices "))," \
	" a AS (DELETE FROM set_aside WHERE device IN (" devices "))"

enum { S_AUDIT = ACT_COUNT, S_WAKE };
static const struct pg_stmt stmts[] = {
	[ACT_ALLOW] = { "store_act_allow", STATE("0") NUMBER("x"), 7 },
	[ACT_QUARANTINE] = { "store_act_quarantine", STATE("1") OUT NUMBER("x"), 7 },
	[ACT_BLOCK] = { "store_act_block", STATE("2") OUT NUMBER("x"), 7 },
	[ACT_SESSIONS] = { "store_act_sessions",
	    "WITH x AS (DELETE FROM session WHERE account = $1::int8 AND ($2::int4 = 0 OR device = $2::int4)"
	    " AND starts_with(encode(token_hash, 'hex'), $6::text)" USED " RETURNING device)" NUMBER("x"), 7 },
	[ACT_RESYNC] = { "store_act_resync",
	    "WITH f AS MATERIALIZED (" FOLDERS "), l AS (UPDATE folder SET fence = fence + 1, listed_at = 0 WHERE id IN (SELECT id FROM f)),"
	    " a AS (DELETE FROM set_aside WHERE folder IN (SELECT id FROM f) AND device = $2::int4 AND device <> 0 AND object = $5::int8),"
	    " x AS (DELETE FROM cursor WHERE folder IN (SELECT id FROM f) AND ($2::int4 = 0 OR device = $2::int4)" USED " RETURNING device, folder)"
	    NUMBER("(SELECT DISTINCT device, folder FROM x) y"), 7 },
	/* a device gets the object again by reconciling the folder; OX is asked for it again with the next listing */
	[ACT_ASIDE_RETRY] = { "store_act_aside_retry",
	    "WITH f AS MATERIALIZED (" FOLDERS "),"
	    " x AS (DELETE FROM set_aside WHERE folder IN (SELECT id FROM f) AND device <> 0 AND device = $2::int4 AND ($5::int8 = 0 OR object = $5::int8)" USED
	    " RETURNING folder, device), c AS (DELETE FROM cursor WHERE (folder, device) IN (SELECT folder, device FROM x)),"
	    " o AS (UPDATE set_aside SET next_try = 0 WHERE folder IN (SELECT id FROM f) AND device = 0 AND $2::int4 = 0 AND ($5::int8 = 0 OR object = $5::int8)"
	    " RETURNING folder), l AS (UPDATE folder SET fence = fence + 1, listed_at = 0 WHERE id IN (SELECT folder FROM o))"
	    NUMBER("(SELECT folder FROM x UNION ALL SELECT folder FROM o) y"), 7 },
	/* reconciling leaves it out */
	[ACT_ASIDE_SKIP] = { "store_act_aside_skip",
	    "WITH f AS MATERIALIZED (" FOLDERS "), r AS (SELECT folder, id, cn FROM pim_row WHERE folder IN (SELECT id FROM f) AND id = $5::int8 AND NOT dead"
	    " UNION ALL SELECT folder, id, cn FROM mail_row WHERE folder IN (SELECT id FROM f) AND id = $5::int8 AND (id >> 6) = ($5::int8 >> 6) AND NOT dead),"
	    " x AS (INSERT INTO set_aside (folder, device, object, version, since, next_try, tries, reason)"
	    " SELECT folder, $2::int4, id, cn, $7::int8, 0, 1, '" STORE_SKIPPED "' FROM r WHERE $2::int4 > 0" USED
	    " ON CONFLICT (folder, device, object) DO UPDATE SET version = excluded.version RETURNING folder),"
	    " c AS (DELETE FROM cursor WHERE device = $2::int4 AND folder IN (SELECT folder FROM x))" NUMBER("x"), 7 },
	[ACT_DEVICE_REMOVE] = { "store_act_device_remove",
	    "WITH d AS MATERIALIZED (SELECT id FROM device WHERE account = $1::int8 AND id = $2::int4),"
	    DROP("SELECT 0 WHERE false", "SELECT id FROM d")
	    ", x AS (DELETE FROM device WHERE id IN (SELECT id FROM d)" USED " RETURNING id)" NUMBER("x"), 7 },
	[ACT_FORGET] = { "store_act_forget",
	    "WITH f AS MATERIALIZED (SELECT id FROM folder WHERE account = $1::int8), d AS MATERIALIZED (SELECT id FROM device WHERE account = $1::int8),"
	    DROP("SELECT id FROM f", "SELECT id FROM d")
	    /* what administrators did stays, by numbers: the names of devices are the user's */
	    ", n AS (UPDATE audit SET target = regexp_replace(target, ' device=[^ ]*', '') FROM account u WHERE u.id = $1::int8"
	    " AND target LIKE '% device=%' AND starts_with(target, 'user=' || u.context_id || '/' || u.user_id || ' '))"
	    ", x AS (DELETE FROM account WHERE id = $1::int8 AND $2::int4 = 0" USED " RETURNING id)" NUMBER("x"), 7 },
	[S_AUDIT] = { "store_audit", "INSERT INTO audit (at, uid, changed, command, target) VALUES ($1::int8, $2::int8, $3::int8, $4::text, $5::text)", 5 },
	[S_WAKE] = { "store_act_wake", "SELECT pg_notify($1::text, $2::text)", 2 },
};
const struct pg_table store_act_stmts = { stmts, ARRAY_LEN(stmts) };

struct act {
	enum store_act what;
	const struct store_subject *s;
};

struct recorded {
	const struct store_record *r;
	store_change change;
	void *arg;
	size_t n;
};

enum rc
store_audit(struct store_conn *c, int64_t by_uid, const char *command, const char *target, size_t n, struct err *e)
{
	struct pg_params p = { .n = 0 };

	pg_i64(&p, now_ms());
	pg_i64(&p, by_uid);
	pg_i64(&p, (int64_t)n);
	pg_text(&p, command);
	pg_text(&p, target);
	return pg_exec(c, TBL_ACT, S_AUDIT, &p, NULL, e);
}

/* Every node listens, with Redis or without, and hears it when the transaction is committed, not before. */
static enum rc
wake(struct store_conn *c, uint64_t topic, struct err *e)
{
	char payload[NOTIFY_PAYLOAD];
	struct pg_params p = { .n = 0 };

	notify_payload(topic, payload);
	pg_text(&p, NOTIFY_CHANNEL);
	pg_text(&p, payload);
	return pg_exec(c, TBL_ACT, S_WAKE, &p, NULL, e);
}

static enum rc
act(struct store_conn *c, void *arg, size_t *n, struct err *e)
{
	const struct act *x = arg;
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, x->s->account);
	pg_i32(&p, (int32_t)x->s->device);
	pg_i16(&p, (int16_t)x->s->ct);
	pg_text(&p, x->s->folder);
	pg_i64(&p, x->s->object);
	pg_text(&p, x->s->session);
	pg_i64(&p, now_ms());
	rc = pg_exec(c, TBL_ACT, (unsigned)x->what, &p, &r, e);
	*n = rc == RC_OK ? (size_t)pg_get_i64(r, 0, 0) : 0;
	PQclear(r);
	return rc == RC_OK && x->s->wake != 0 && *n > 0 ? wake(c, x->s->wake, e) : rc;
}

static enum rc
change_and_record(struct store_conn *c, void *arg, struct err *e)
{
	struct recorded *x = arg;
	enum rc rc;

	x->n = 0;
	rc = x->change(c, x->arg, &x->n, e);
	if (rc == RC_OK && x->r->count)
		return RC_CONFLICT; /* rolls back */
	return rc == RC_OK ? store_audit(c, x->r->by_uid, x->r->command, x->r->target, x->n, e) : rc;
}

enum rc
store_recorded(struct store_conn *c, const struct store_record *r, store_change change, void *arg, size_t *n, struct err *e)
{
	struct recorded x = { .r = r, .change = change, .arg = arg };
	enum rc rc = store_txn(c, change_and_record, &x, e);

	*n = x.n;
	return rc == RC_CONFLICT && r->count ? RC_OK : rc;
}

enum rc
store_act(struct store_conn *c, enum store_act what, const struct store_subject *s, const struct store_record *r, size_t *n, struct err *e)
{
	struct act x = { .what = what, .s = s };

	return store_recorded(c, r, act, &x, n, e);
}
