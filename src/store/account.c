/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Accounts (OX users) and their devices (client installations): made when first seen. */
#include "store_int.h"

#include <string.h>

enum { S_ACCOUNT_GET, S_ACCOUNT_ADD, S_DEVICE_GET, S_DEVICE_ADD, S_DEVICE_CONFIG, S_DEVICE_COUNT, S_DEVICE_AGENT };
static const struct pg_stmt stmts[] = {
	[S_ACCOUNT_GET] = { "store_account_open", "SELECT id FROM account WHERE context_id = $1::int8 AND user_id = $2::int8", 2 },
	[S_ACCOUNT_ADD] = { "store_account_open_add",
	    "INSERT INTO account (context_id, user_id) VALUES ($1::int8, $2::int8) ON CONFLICT DO NOTHING", 2 },
	[S_DEVICE_GET] = { "store_device_open", "SELECT id, name, config, state, agent FROM device WHERE account = $1::int8 AND name = $2::text", 2 },
	[S_DEVICE_ADD] = { "store_device_open_add",
	    "INSERT INTO device (account, name, seen_at, made_at, state, state_at, agent) VALUES ($1::int8, $2::text, $3::int8, $3::int8, $4::int2,"
	    " CASE WHEN $4::int2 = 0 THEN 0 ELSE $3::int8 END, $5::text) ON CONFLICT DO NOTHING", 5 },
	[S_DEVICE_CONFIG] = { "store_device_config", "UPDATE device SET config = $2::text WHERE id = $1::int4", 2 },
	/* not farther than the limit: an account may have more, from when it was higher */
	[S_DEVICE_COUNT] = { "store_device_login_count", "SELECT count(*) FROM (SELECT FROM device WHERE account = $1::int8 LIMIT $2::int8) d", 2 },
	[S_DEVICE_AGENT] = { "store_device_login_agent", "UPDATE device SET agent = $2::text WHERE id = $1::int4", 2 },
};
const struct pg_table store_account_stmts = { stmts, ARRAY_LEN(stmts) };

static enum rc
account_get(struct store_conn *c, int64_t context_id, int64_t user_id, int64_t *account, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, context_id);
	pg_i64(&p, user_id);
	rc = pg_exec(c, TBL_ACCOUNT, S_ACCOUNT_GET, &p, &r, e);
	if (rc == RC_OK && PQntuples(r) == 0)
		rc = err_set(e, RC_NOTFOUND, "no account for user %lld of context %lld", (long long)user_id, (long long)context_id);
	else if (rc == RC_OK)
		*account = pg_get_i64(r, 0, 0);
	PQclear(r);
	return rc;
}

/* What the INSERT gave: one that clashes (in repeatable read also with DO NOTHING) was added by another node in the same moment. */
static enum rc
added(const struct store_conn *c, enum rc rc)
{
	return rc == RC_BUSY && !c->in_txn ? RC_OK : rc;
}

/* Read, add when missing, read again: the usual case costs one statement and writes nothing. */
enum rc
store_account_open(struct store_conn *c, int64_t context_id, int64_t user_id, int64_t *account, struct err *e)
{
	struct pg_params p = { .n = 0 };
	enum rc rc = account_get(c, context_id, user_id, account, e);

	if (rc != RC_NOTFOUND)
		return rc;
	pg_i64(&p, context_id);
	pg_i64(&p, user_id);
	rc = added(c, pg_exec(c, TBL_ACCOUNT, S_ACCOUNT_ADD, &p, NULL, e));
	return rc == RC_OK ? account_get(c, context_id, user_id, account, e) : rc;
}

static enum rc
device_get(struct store_conn *c, struct arena *a, int64_t account, const char *name, struct store_device *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	pg_i64(&p, account);
	pg_text(&p, name);
	rc = pg_exec(c, TBL_ACCOUNT, S_DEVICE_GET, &p, &r, e);
	if (rc != RC_OK)
		goto out;
	if (PQntuples(r) == 0) {
		rc = err_set(e, RC_NOTFOUND, "account %lld has no device \"%.64s\"", (long long)account, name);
		goto out;
	}
	*out = (struct store_device){ .id = pg_get_i32(r, 0, 0), .account = account,
		.name = pg_get_text(a, r, 0, 1), .config = pg_get_text(a, r, 0, 2), .state = (enum device_state)pg_get_i16(r, 0, 3),
		.agent = pg_get_text(a, r, 0, 4) };
	if (out->name == NULL || out->config == NULL || out->agent == NULL)
		rc = err_set(e, RC_NOMEM, "out of memory");
out:
	PQclear(r);
	return rc;
}

/* RC_LIMIT: ACCOUNT has MAX devices already; 0 = no limit, and nothing is counted. */
static enum rc
device_room(struct store_conn *c, int64_t account, size_t max, struct err *e)
{
	struct pg_params p = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc;

	if (max == 0)
		return RC_OK;
	pg_i64(&p, account);
	pg_i64(&p, (int64_t)max);
	rc = pg_exec(c, TBL_ACCOUNT, S_DEVICE_COUNT, &p, &r, e);
	if (rc == RC_OK && (size_t)pg_get_i64(r, 0, 0) >= max)
		rc = err_set_path(e, RC_LIMIT, "device", "is one more than this user may have (%zu, max_devices): ask the administrator to remove one "
		    "that is not used any more (usmctl device remove), then log in again", max);
	PQclear(r);
	return rc;
}

static enum rc
agent_note(struct store_conn *c, const struct store_device *d, const char *agent, struct err *e)
{
	struct pg_params p = { .n = 0 };

	if (strcmp(d->agent, agent) == 0)
		return RC_OK;
	pg_i32(&p, (int32_t)d->id);
	pg_text(&p, agent);
	return pg_exec(c, TBL_ACCOUNT, S_DEVICE_AGENT, &p, NULL, e);
}

enum rc
store_device_login(struct store_conn *c, struct arena *a, int64_t account, const char *name, const struct store_device_rule *rule,
    struct store_device *out, struct err *e)
{
	struct pg_params p = { .n = 0 };
	enum rc rc = device_get(c, a, account, name, out, e);

	if (rc == RC_OK)
		return agent_note(c, out, rule->agent, e);
	if (rc == RC_NOTFOUND)
		rc = device_room(c, account, rule->max, e);
	if (rc != RC_OK)
		return rc;
	pg_i64(&p, account);
	pg_text(&p, name);
	pg_i64(&p, now_ms());
	pg_i16(&p, rule->quarantine ? DEVICE_QUARANTINED : DEVICE_ALLOWED);
	pg_text(&p, rule->agent);
	rc = added(c, pg_exec(c, TBL_ACCOUNT, S_DEVICE_ADD, &p, NULL, e));
	return rc == RC_OK ? device_get(c, a, account, name, out, e) : rc;
}

enum rc
store_device_open(struct store_conn *c, struct arena *a, int64_t account, const char *name, struct store_device *out, struct err *e)
{
	static const struct store_device_rule any = { .agent = "" };
	enum rc rc = device_get(c, a, account, name, out, e);

	return rc == RC_NOTFOUND ? store_device_login(c, a, account, name, &any, out, e) : rc;
}

enum rc
store_device_config(struct store_conn *c, int64_t device, const char *config, struct err *e)
{
	struct pg_params p = { .n = 0 };
	size_t n;
	enum rc rc;

	pg_i32(&p, (int32_t)device);
	pg_text(&p, config);
	rc = pg_exec_count(c, TBL_ACCOUNT, S_DEVICE_CONFIG, &p, &n, e);
	if (rc == RC_OK && n == 0)
		rc = err_set(e, RC_NOTFOUND, "device %lld does not exist", (long long)device);
	return rc;
}
