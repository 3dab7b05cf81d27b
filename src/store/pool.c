/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The pool of connections and the folder locks.  Connections are made when first leased and replaced when broken.
 * A folder lock is held twice: in this process (waiting workers sleep on a condition variable and cost no
 * PostgreSQL work) and as a session advisory lock (against the other nodes).
 */
#include "store_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOCK "(extract(epoch FROM clock_timestamp()) * 1000)::int8"
enum { S_CHECK, S_LOCK, S_UNLOCK, S_UNLOCK_ALL };
static const struct pg_stmt stmts[] = {
	[S_CHECK] = { "store_check", "SELECT max(number) FROM patch", 0 },
	[S_LOCK] = { "store_lock", "SELECT pg_advisory_lock($1::int4, $2::int4), " CLOCK, 2 },
	[S_UNLOCK] = { "store_unlock", "SELECT pg_advisory_unlock($1::int4, $2::int4)", 2 },
	[S_UNLOCK_ALL] = { "store_release", "SELECT pg_advisory_unlock_all()", 0 },
};
const struct pg_table store_pool_stmts = { stmts, ARRAY_LEN(stmts) };

static int64_t
since_boot_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts); /* goes on while the machine sleeps */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

msec_t
store_clock(const struct store *s)
{
	return s->clock_ms + since_boot_ms();
}

/*
 * Session settings.  All statements are key look-ups or index ranges and their best plan is always the same one, so plans are
 * made once (generic) and may not depend on statistics: a folder that was filled a moment ago has none yet, and a
 * sequential scan, a full sort or a materialised inner side chosen for a small table would stay chosen when it has grown.
 */
static enum rc
setup(struct store_conn *c, struct err *e)
{
	const struct store_options *o = &c->store->o;
	PGresult *r;
	enum rc rc;
	char timeout[16], lock_timeout[16];
	const char *v[] = { timeout, lock_timeout };

	(void)snprintf(timeout, sizeof(timeout), "%u", o->statement_timeout_ms);
	(void)snprintf(lock_timeout, sizeof(lock_timeout), "%u", o->lock_timeout_ms);
	rc = pg_query(c->pg,
	    "SELECT " CLOCK ", set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),"
	    " set_config('idle_in_transaction_session_timeout', '60000', false),"
	    " set_config('search_path', 'usmd, pg_catalog', false), set_config('application_name', 'usmd', false),"
	    " set_config('default_transaction_isolation', 'repeatable read', false),"
	    " set_config('client_min_messages', 'warning', false), set_config('timezone', 'UTC', false),"
	    " set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false),"
	    " set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),"
	    " set_config('enable_sort', 'off', false), set_config('enable_hashjoin', 'off', false),"
	    " set_config('enable_mergejoin', 'off', false), set_config('enable_material', 'off', false)",
	    (int)ARRAY_LEN(v), v, o->statement_timeout_ms, &r, e);
	if (rc == RC_OK)
		c->store->clock_ms = strtoll(PQgetvalue(r, 0, 0), NULL, 10) - since_boot_ms();
	PQclear(r);
	return rc;
}

static void
disconnect(struct store_conn *c)
{
	PQfinish(c->pg);
	c->pg = NULL;
	c->in_txn = false;
	memset(c->prepared, 0, sizeof(c->prepared));
}

static enum rc
connect_now(struct store_conn *c, struct err *e)
{
	const struct store_options *o = &c->store->o;
	char text[256];
	enum rc rc;

	if (c->once)
		metric_add(M_PG_RECONNECTS, 1);
	c->once = true;
	c->pg = pg_dial(o->conninfo, o->password);
	if (PQstatus(c->pg) != CONNECTION_OK) {
		c->untrusted = pg_dial_error(c->pg, text, sizeof(text));
		metric_count(F_PG_ERRORS, "connect", NULL);
		rc = err_set(e, RC_UPSTREAM, "no connection to PostgreSQL: %s", text);
	} else {
		(void)PQsetnonblocking(c->pg, 1); /* pg_await does the waiting */
		rc = setup(c, e);
	}
	if (rc != RC_OK)
		disconnect(c);
	return rc;
}

/* Did the server hang up while the connection lay idle?  An idle one has nothing to read unless it did. */
static bool
is_usable(struct store_conn *c)
{
	struct pollfd pfd = { .fd = PQsocket(c->pg), .events = POLLIN };

	if (c->pg == NULL || PQstatus(c->pg) != CONNECTION_OK)
		return false;
	return poll(&pfd, 1, 0) == 0;
}

static struct timespec
deadline_in(unsigned ms)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	return ts;
}

/* A free connection, a connected one if there is one: a burst leaves the rest of the pool alone. */
static struct store_conn *
find_free_locked(struct store *s)
{
	struct store_conn *fresh = NULL;

	for (unsigned i = 0; i < s->o.pool; i++) {
		if (s->conn[i].leased)
			continue;
		if (s->conn[i].pg != NULL)
			return &s->conn[i];
		if (fresh == NULL)
			fresh = &s->conn[i];
	}
	return fresh;
}

enum rc
store_lease(struct store *s, struct store_conn **out, struct err *e)
{
	struct timespec until = deadline_in(s->o.lease_timeout_ms);
	int64_t began = now_mono_us(), waited;
	struct store_conn *c;
	enum rc rc = RC_OK;

	*out = NULL;
	(void)pthread_mutex_lock(&s->mutex);
	while ((c = find_free_locked(s)) == NULL)
		if (pthread_cond_timedwait(&s->freed, &s->mutex, &until) == ETIMEDOUT && (c = find_free_locked(s)) == NULL)
			break;
	if (c != NULL)
		c->leased = true;
	(void)pthread_mutex_unlock(&s->mutex);
	waited = now_mono_us() - began;
	metric_time(F_PG_LEASE_TIME, NULL, waited);
	work_times()->pg_us += waited;
	if (c == NULL) {
		metric_count(F_REFUSED, "database-pool", NULL);
		return err_set(e, RC_BUSY, "all %u PostgreSQL connections are in use (setting: pool size)", s->o.pool);
	}

	if (!is_usable(c)) {
		disconnect(c);
		rc = connect_now(c, e);
	}
	if (rc != RC_OK) {
		store_release(c);
		return rc;
	}
	c->retry = false;
	*out = c;
	return RC_OK;
}

void
store_release(struct store_conn *c)
{
	struct store *s;
	struct pg_params none = { .n = 0 };
	bool clean = true;

	if (c == NULL)
		return;
	s = c->store;
	if (c->pg != NULL) {
		if (c->in_txn)
			clean = pg_command(c, "ROLLBACK", NULL) == RC_OK;
		c->in_txn = false;
		if (clean && c->n_locks > 0)
			clean = pg_exec(c, TBL_POOL, S_UNLOCK_ALL, &none, NULL, NULL) == RC_OK;
		/* a connection in doubt is closed: the server then drops its locks and its transaction */
		if (!clean || PQtransactionStatus(c->pg) != PQTRANS_IDLE)
			disconnect(c);
	}
	(void)pthread_mutex_lock(&s->mutex);
	if (c->n_locks > 0)
		(void)pthread_cond_broadcast(&s->unlocked);
	c->n_locks = 0;
	c->leased = false;
	(void)pthread_cond_signal(&s->freed);
	(void)pthread_mutex_unlock(&s->mutex);
}

/* ---- folder locks ---- */

static bool
is_locked(const struct store *s, int64_t folder)
{
	for (unsigned i = 0; i < s->o.pool; i++)
		for (unsigned j = 0; j < s->conn[i].n_locks; j++)
			if (s->conn[i].locks[j] == folder)
				return true;
	return false;
}

static void
forget_lock(struct store_conn *c, int64_t folder)
{
	struct store *s = c->store;

	(void)pthread_mutex_lock(&s->mutex);
	for (unsigned j = 0; j < c->n_locks; j++)
		if (c->locks[j] == folder) {
			c->locks[j] = c->locks[--c->n_locks];
			break;
		}
	(void)pthread_cond_broadcast(&s->unlocked);
	(void)pthread_mutex_unlock(&s->mutex);
}

static bool
holds_lock(const struct store_conn *c, int64_t folder)
{
	for (unsigned j = 0; j < c->n_locks; j++)
		if (c->locks[j] == folder)
			return true;
	return false;
}

static enum rc
take_lock(struct store_conn *c, int64_t folder, struct err *e)
{
	PGresult *r = NULL;
	struct store *s = c->store;
	struct timespec until = deadline_in(s->o.lock_timeout_ms);
	struct pg_params p = { .n = 0 };
	bool got = true;
	enum rc rc;

	if (holds_lock(c, folder) || c->n_locks == STORE_MAX_LOCKS)
		return err_set(e, RC_INTERNAL, "folder %lld is locked by this connection already, or it holds %d locks",
		    (long long)folder, STORE_MAX_LOCKS);
	(void)pthread_mutex_lock(&s->mutex);
	while (is_locked(s, folder) && got)
		got = pthread_cond_timedwait(&s->unlocked, &s->mutex, &until) != ETIMEDOUT;
	got = !is_locked(s, folder);
	if (got)
		c->locks[c->n_locks++] = folder;
	(void)pthread_mutex_unlock(&s->mutex);
	if (!got)
		return err_set(e, RC_BUSY, "another request works on folder %lld", (long long)folder);

	pg_i32(&p, STORE_LOCK_FOLDER);
	pg_i32(&p, (int32_t)folder);
	rc = pg_exec(c, TBL_POOL, S_LOCK, &p, &r, e);
	if (rc == RC_OK)
		s->clock_ms = pg_get_i64(r, 0, 1) - since_boot_ms();
	else
		forget_lock(c, folder);
	PQclear(r);
	return rc;
}

enum rc
store_lock(struct store_conn *c, int64_t folder, struct err *e)
{
	struct work_times *t = work_times();
	int64_t began = now_mono_us(), pg_us = t->pg_us, us;
	enum rc rc = take_lock(c, folder, e);

	us = now_mono_us() - began;
	metric_time(F_PG_LOCK_TIME, NULL, us);
	t->pg_us = pg_us; /* the server's part of the lock is waiting, too */
	t->lock_us += us;
	return rc;
}

void
store_unlock(struct store_conn *c, int64_t folder)
{
	struct pg_params p = { .n = 0 };

	if (!holds_lock(c, folder))
		return;
	pg_i32(&p, STORE_LOCK_FOLDER);
	pg_i32(&p, (int32_t)folder);
	/* on failure the connection is broken, and the server drops the lock with it */
	if (pg_exec(c, TBL_POOL, S_UNLOCK, &p, NULL, NULL) != RC_OK)
		log_warn("store.unlock", "folder=%lld", (long long)folder);
	forget_lock(c, folder);
}

/* ---- open and close ---- */

static enum rc
check_version(struct store_conn *c, struct err *e)
{
	struct pg_params none = { .n = 0 };
	PGresult *r = NULL;
	enum rc rc = pg_exec(c, TBL_POOL, S_CHECK, &none, &r, e);
	int32_t have = -1;

	if (rc == RC_OK && !PQgetisnull(r, 0, 0))
		have = pg_get_i32(r, 0, 0);
	PQclear(r);
	if (rc == RC_UPSTREAM || rc == RC_BUSY)
		return rc;
	if (rc != RC_OK || have < 0)
		return err_set(e, RC_INTERNAL, "the database has no schema of usmd: run `usmctl migrate`");
	if (have < STORE_SCHEMA)
		return err_set(e, RC_INTERNAL, "the database schema is at patch %d, this program needs %d: run `usmctl migrate`",
		    (int)have, STORE_SCHEMA);
	if (have > STORE_SCHEMA)
		return err_set(e, RC_INTERNAL, "the database schema is at patch %d, this program is for %d: install the newer usmd",
		    (int)have, STORE_SCHEMA);
	return RC_OK;
}

enum rc
store_check(struct store *s, struct err *e)
{
	struct store_conn *c = NULL;
	enum rc rc = store_lease(s, &c, e);

	if (rc == RC_OK)
		rc = check_version(c, e);
	store_release(c);
	return rc;
}

enum rc
store_open(const struct store_options *o, struct store **out, struct err *e)
{
	struct store *s = mem_alloc(sizeof(*s));
	pthread_condattr_t attr;
	enum rc rc;

	*out = NULL;
	if (s == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	s->o = *o;
	if (s->o.pool == 0)
		s->o.pool = 1;
	/* the lock's time must end first, as only then the caller hears "busy"; and 0 would mean for ever */
	if (s->o.statement_timeout_ms != 0 && s->o.lock_timeout_ms >= s->o.statement_timeout_ms)
		s->o.lock_timeout_ms = s->o.statement_timeout_ms / 4 * 3;
	if (s->o.lock_timeout_ms == 0)
		s->o.lock_timeout_ms = 1;
	s->o.conninfo = mem_dup_str(o->conninfo);
	s->o.password = mem_dup_str(o->password != NULL ? o->password : "");
	s->conn = mem_alloc(s->o.pool * sizeof(*s->conn));
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->freed, &attr);
	(void)pthread_cond_init(&s->unlocked, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (s->o.conninfo == NULL || s->o.password == NULL || s->conn == NULL) {
		rc = err_set(e, RC_NOMEM, "out of memory");
		s->o.pool = s->conn == NULL ? 0 : s->o.pool;
		goto out;
	}
	for (unsigned i = 0; i < s->o.pool; i++)
		s->conn[i].store = s;
	rc = store_check(s, e);
	/* a server that is there and does not want us, or that we must not trust: another try does not help */
	if (rc == RC_UPSTREAM && (s->conn[0].untrusted || pg_dial_refused(s->o.conninfo, s->o.password)))
		e->rc = rc = RC_INTERNAL;
out:
	if (rc != RC_OK)
		store_close(s);
	else
		*out = s;
	return rc;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	notify_stop(s);
	for (unsigned i = 0; i < s->o.pool; i++)
		disconnect(&s->conn[i]);
	(void)pthread_cond_destroy(&s->unlocked);
	(void)pthread_cond_destroy(&s->freed);
	(void)pthread_mutex_destroy(&s->mutex);
	mem_free(s->conn);
	mem_free((void *)(uintptr_t)s->o.conninfo);
	if (s->o.password != NULL)
		secret_wipe((void *)(uintptr_t)s->o.password, strlen(s->o.password));
	mem_free((void *)(uintptr_t)s->o.password);
	mem_free(s);
}
