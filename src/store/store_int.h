/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Inside of store: pooled connections, prepared statements, binary parameters and results.
 * Every statement goes through pg_exec (or pg_command/pg_script for utility commands) in exec.c, the only caller of libpq's
 * executing functions.
 */
#ifndef USMD_STORE_INT_H
#define USMD_STORE_INT_H

#include <libpq-fe.h>
#include <pthread.h>

#include "usmd/store.h"

#define STORE_SCHEMA 8           /* highest number in sql/: the schema that this code needs */
#define STORE_LOCK_FOLDER 0x75736d /* classid of folder advisory locks; the second key is the folder */
#define STORE_LOCK_PATCH INT64_C(0x75736d0001) /* advisory lock of migrators */

/* ---- statements: one static table a file, prepared on a connection when first used there ---- */

struct pg_stmt {
	const char *name;  /* the C function's name (with a suffix where it has several) */
	const char *sql;
	int n_params;
};
enum stmt_table { TBL_POOL, TBL_ACCOUNT, TBL_SESSION, TBL_FOLDER, TBL_ROWS, TBL_PUT, TBL_CURSOR, TBL_WRITES, TBL_INTENT, TBL_MAILOP, TBL_CONFLICT, TBL_ASIDE, TBL_JOURNAL, TBL_GUARD, TBL_PATH, TBL_SEALED, TBL_EXPIRE, TBL_LIST, TBL_ACT, TBL_COUNT };
struct pg_table {
	const struct pg_stmt *stmt;
	size_t n;          /* at most 32: store_conn.prepared has a bit for each */
};
extern const struct pg_table store_pool_stmts, store_account_stmts, store_session_stmts, store_folder_stmts,
    store_rows_stmts, store_put_stmts, store_cursor_stmts, store_writes_stmts, store_intent_stmts, store_mailop_stmts, store_conflict_stmts, store_aside_stmts,
    store_journal_stmts, store_guard_stmts, store_path_stmts, store_sealed_stmts, store_expire_stmts, store_list_stmts, store_act_stmts;
/** pg_table - statements of T; also how the tests find every statement. */
const struct pg_table *pg_table(enum stmt_table t);

#define PG_MAX_PARAMS 16
/** Binary parameters. The values of fixed size are copied; bytes and text are borrowed until pg_exec returns. */
struct pg_params {
	int n;
	const char *v[PG_MAX_PARAMS];
	int len[PG_MAX_PARAMS];
	unsigned char num[PG_MAX_PARAMS][8];
};
void pg_i64(struct pg_params *p, int64_t v);
void pg_u64(struct pg_params *p, uint64_t v);
void pg_i32(struct pg_params *p, int32_t v);
void pg_i16(struct pg_params *p, int16_t v);
void pg_bool(struct pg_params *p, bool v);
void pg_text(struct pg_params *p, const char *s);
void pg_bytes(struct pg_params *p, const void *v, size_t n);
void pg_null(struct pg_params *p);
void pg_buf(struct pg_params *p, const struct buf *b);

/** Binary one-dimensional arrays, built element by element; pg_array_end fixes the header up. */
#define PG_OID_BOOL 16u
#define PG_OID_BYTEA 17u
#define PG_OID_INT8 20u
void pg_array_begin(struct buf *b, uint32_t oid);
void pg_array_end(struct buf *b, size_t n);
void pg_array_i32(struct buf *b, int32_t v);
void pg_array_i64(struct buf *b, int64_t v);
void pg_array_bool(struct buf *b, bool v);
void pg_array_null(struct buf *b);
void pg_array_bytes(struct buf *b, const void *p, size_t n);

/** Values of a binary result; NULL or a value of another size reads as 0 (the schema fixes the types). */
int64_t pg_get_i64(const PGresult *r, int row, int col);
int32_t pg_get_i32(const PGresult *r, int row, int col);
int16_t pg_get_i16(const PGresult *r, int row, int col);
bool pg_get_bool(const PGresult *r, int row, int col);
/** pg_get_text - copy in A; NULL only when out of memory. */
char *pg_get_text(struct arena *a, const PGresult *r, int row, int col);
/** pg_get_bytes - borrowed from R. */
const void *pg_get_bytes(const PGresult *r, int row, int col, size_t *n);

/* ---- connections ---- */

#define STORE_MAX_LOCKS 4 /* folder locks that one connection may hold: a move needs two */

struct store_conn {
	struct store *store;
	PGconn *pg;                    /* NULL = not connected yet */
	uint32_t prepared[TBL_COUNT];
	bool leased;                   /* under store->mutex */
	bool in_txn;
	bool retry;                    /* a statement failed in a way that a repeated transaction may cure */
	bool untrusted;                /* no connection, because the server's certificate or TLS is not what conninfo wants */
	bool once;                     /* was connected before: the next connect counts as a reconnect */
	unsigned n_locks;              /* under store->mutex, with locks[] */
	int64_t locks[STORE_MAX_LOCKS];
};

struct store {
	struct store_options o;        /* conninfo and password owned */
	pthread_mutex_t mutex;
	pthread_cond_t freed;          /* a connection was given back */
	pthread_cond_t unlocked;       /* a folder lock was given back */
	struct store_conn *conn;       /* o.pool of them */
	struct notify *notify;         /* NULL = nobody listens */
	_Atomic int64_t clock_ms;      /* PostgreSQL's clock less the time since this machine's boot */
};

/** notify_stop - ends the thread of store_listen, if there is one. */
void notify_stop(struct store *s);
/** notify_payload - what pg_notify on NOTIFY_CHANNEL takes so that every node, this process's too, hears TOPIC; for a notification inside a transaction. */
#define NOTIFY_CHANNEL "usmd_topics"
#define NOTIFY_PAYLOAD 34
void notify_payload(uint64_t topic, char out[NOTIFY_PAYLOAD]);

/** pg_exec - run statement I of table T; *RES (NULL: not wanted) is the caller's to PQclear, NULL on failure. */
MUST_CHECK enum rc pg_exec(struct store_conn *c, enum stmt_table t, unsigned i, struct pg_params *p, PGresult **res, struct err *e);
/** pg_exec_count - as pg_exec for a statement without result; *ROWS (or NULL) = rows affected. */
MUST_CHECK enum rc pg_exec_count(struct store_conn *c, enum stmt_table t, unsigned i, struct pg_params *p, size_t *rows, struct err *e);
/** pg_copy - run the statement SQL (COPY .. FROM STDIN, binary) with the N tuples in B, begun with pg_copy_begin. */
MUST_CHECK enum rc pg_copy(struct store_conn *c, const char *sql, struct buf *b, struct err *e);
/** pg_copy_begin - empty COPY data; a tuple is pg_copy_tuple, then one value a column as in arrays (pg_array_i64 ..). */
void pg_copy_begin(struct buf *b);
void pg_copy_tuple(struct buf *b, unsigned columns);
/** pg_command - a utility command without parameters (BEGIN, COMMIT, ROLLBACK). */
MUST_CHECK enum rc pg_command(struct store_conn *c, const char *sql, struct err *e);
/** pg_script - any number of statements (a patch file, text results); *RES as above, the last result. */
MUST_CHECK enum rc pg_script(PGconn *pg, const char *sql, PGresult **res, struct err *e);
/** pg_query - one unprepared statement with text parameters and results (connection set-up, migration); TIMEOUT_MS 0 = none. */
MUST_CHECK enum rc pg_query(PGconn *pg, const char *sql, int n, const char *const *v, unsigned timeout_ms, PGresult **res, struct err *e);

/** pg_dial - connect as CONNINFO says, with PASSWORD unless that is NULL or "".  Blocking: 5 s for each host, or what CONNINFO says. */
PGconn *pg_dial(const char *conninfo, const char *password);
/** pg_dial_error - why PG is no connection, in TEXT of SIZE (one line); true: no host is trusted that is there, and another try does not help. */
bool pg_dial_error(const PGconn *pg, char *text, size_t size);
/** pg_dial_refused - after a failure: the server answers and does not want us, or CONNINFO is wrong.  Blocking as pg_dial. */
bool pg_dial_refused(const char *conninfo, const char *password);

/** pg_deadline_us - when a statement given that time is surely lost (on the monotonic clock); 0 = never. */
int64_t pg_deadline_us(unsigned statement_timeout_ms);
/** pg_await - the last result of what was SENT (as PQsend... answered; 0 gives NULL).  After UNTIL_US the connection is broken. */
PGresult *pg_await(PGconn *pg, int sent, int64_t until_us);
/** pg_put_copy - N octets of COPY and its end; false: the connection is broken. */
MUST_CHECK bool pg_put_copy(PGconn *pg, const char *p, size_t n, int64_t until_us);

/* fields of a write or an intent, packed */
void write_fields_pack(const struct write_field *f, unsigned nf, struct buf *b);
MUST_CHECK enum rc write_fields_unpack(struct arena *a, const void *p, size_t n, struct write_field **f, unsigned *nf);

#endif
