/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * util - what every module needs: result codes, errors, arenas, bounded buffers, logging, clock,
 * random, keyed hashes and secrets.  Knows nothing of sync, OX or JSON.  The only home of OpenSSL.
 */
#ifndef USMD_UTIL_H
#define USMD_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

typedef int64_t msec_t; /* milliseconds, since the epoch where it is a point in time */

/* ---- results: the class says what the caller must do; struct err says why, for a person ---- */
enum rc {
	RC_OK = 0,
	RC_NOTFOUND, /* the thing named does not exist (any more) */
	RC_CONFLICT, /* changed meanwhile: read again and plan again */
	RC_BUSY,     /* retry now: serialization failure, lock taken */
	RC_TIMEOUT,  /* upstream did not answer in time; for a write the outcome is UNKNOWN */
	RC_UPSTREAM, /* upstream failed or answered nonsense; nothing was done; retry later */
	RC_DENIED,   /* credentials or session refused: log in again */
	RC_FORBIDDEN,/* the right is missing: do not retry */
	RC_PROTO,    /* the client's fault: bad input, nothing changed */
	RC_LIMIT,    /* a documented limit was passed, nothing changed */
	RC_NOMEM,
	RC_INTERNAL, /* our bug: log with location, answer 500 */
	RC_COUNT
};

/** Text of an error for a person; no allocation, so it can be filled on any failure. */
struct err {
	enum rc rc;
	char path[96];    /* JSON path, file:line or "" : where the fault is */
	char code[24];    /* upstream's code such as "CON-0119", or "" */
	int category;     /* upstream's category number, 0 = none */
	int retry_after_s;/* seconds to wait before a retry, 0 = unknown */
	char field[40];   /* OX's name of the field whose value is wrong, or "" */
	char label[40];   /* that field in a person's words */
	int64_t length, max_length; /* how long its value is and may be (characters; octets where TEXT says so); 0 = its length is not the matter */
	const char *right;/* RC_FORBIDDEN: name of the right that is missing ("create", "write", ...), a constant; NULL = not known */
	char text[256];
};

/**
 * err_set - fill E and return RC, so that a failing function ends with one statement.
 * @e  may be NULL.   Threads: any.   Errors: none (the text is cut at its size).
 */
enum rc err_set(struct err *e, enum rc rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** err_set_path - as err_set, and names where the fault is (JSON path, file:line). */
enum rc err_set_path(struct err *e, enum rc rc, const char *path, const char *fmt, ...) PRINTF_LIKE(4, 5);
/** err_set_length - E, filled before, is about a value of LENGTH where MAX is possible.  E may be NULL. */
void err_set_length(struct err *e, int64_t length, int64_t max);
#ifdef __clang_analyzer__
/* The analyzer sees one file at a time and would take an error for RC_OK: what goes in comes out. */
#define err_set(e, rc, ...) ((void)err_set(e, rc, __VA_ARGS__), (rc))
#define err_set_path(e, rc, path, ...) ((void)err_set_path(e, rc, path, __VA_ARGS__), (rc))
#endif
/** rc_name - constant short name of RC ("conflict"), for logs and metrics; never NULL. */
const char *rc_name(enum rc rc);

/* ---- memory: malloc lives in util alone, so that an out-of-memory test can fail the n-th call ---- */
/** mem_alloc - zeroed memory of N bytes, or NULL; free with mem_free. */
void *mem_alloc(size_t n);
/** mem_realloc - grow P (NULL = new) to N bytes, or NULL and P stays valid. */
void *mem_realloc(void *p, size_t n);
/** mem_dup_str - copy of S (NULL gives NULL), or NULL when out of memory. */
char *mem_dup_str(const char *s);
/** mem_free - free(P); NULL is a no-op. */
void mem_free(void *p);
/** mem_override - tests only: memory is refused where FN says true (NULL: never).  Call before threads start. */
void mem_override(bool (*fn)(void));

struct arena;
/** arena_new - request-lifetime memory; at most MAX_BYTES in all (0 = 256 MiB). NULL = out of memory. */
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a);
/** arena_alloc - N zeroed bytes, aligned for any type, valid until arena_free; NULL = out of memory or limit. */
void *arena_alloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void *arena_memdup(struct arena *a, const void *p, size_t n);
/** arena_array - room for N elements of SIZE bytes, overflow-checked. */
#define arena_array(a, type, n) ((type *)arena_alloc_array((a), (n), sizeof(type)))
void *arena_alloc_array(struct arena *a, size_t n, size_t size);

/** Growing byte buffer with a hard maximum. After the first failure every append fails (check once at the end). */
struct buf {
	char *p;      /* owned; always NUL-terminated behind len once anything was appended */
	size_t len, cap, max;
	bool failed;
	bool nomem;   /* failed for want of memory, not because of max */
};
/** buf_init - empty buffer that never grows beyond MAX bytes (0 = 64 MiB). */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/** buf_reset - length 0, memory kept, failure forgotten. */
void buf_reset(struct buf *b);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_add_i64(struct buf *b, int64_t v);
/** buf_reserve - room for N more bytes; returns where to write them (then add to len), NULL on failure. */
char *buf_reserve(struct buf *b, size_t n);
/** buf_take - hand over the memory (free with mem_free); NULL when an append had failed. */
char *buf_take(struct buf *b, size_t *len);

/* unsigned varints (LEB128) for packed rows and cursors; readers are bounds-checked */
struct reader {
	const unsigned char *p, *end;
	bool failed; /* a read went past the end or a value was malformed; every later read returns 0 */
};
void buf_add_uv(struct buf *b, uint64_t v);
void buf_add_sv(struct buf *b, int64_t v); /* zigzag */
uint64_t reader_uv(struct reader *r);
int64_t reader_sv(struct reader *r);
uint64_t reader_u64le(struct reader *r);
void buf_add_u64le(struct buf *b, uint64_t v);
/** reader_bytes - N bytes borrowed from the input, or NULL. */
const void *reader_bytes(struct reader *r, size_t n);

/** Map int64 -> size_t (open addressing); for plans with thousands of ids. Lives in its arena. */
struct imap;
struct imap *imap_new(struct arena *a, size_t expected);
/** imap_put - set KEY to VALUE; false = out of memory. */
MUST_CHECK bool imap_put(struct imap *m, int64_t key, size_t value);
bool imap_get(const struct imap *m, int64_t key, size_t *value);

/* ---- text ---- */
bool utf8_valid(const char *s, size_t n);
/** hex_encode - 2*N lower-case digits and NUL into OUT. */
void hex_encode(const void *p, size_t n, char *out);
/** hex_decode - exactly N bytes from 2*N digits; false on anything else. */
MUST_CHECK bool hex_decode(const char *s, void *out, size_t n);
/** parse_i64 - whole string as decimal in [MIN, MAX]; false otherwise. */
MUST_CHECK bool parse_i64(const char *s, int64_t min, int64_t max, int64_t *out);
/** base64_encode - append the base64 text of P to B. base64_decode: false on bad input (nothing appended then). */
void base64_encode(struct buf *b, const void *p, size_t n);
MUST_CHECK bool base64_decode(struct buf *b, const char *s, size_t n);

/* ---- clock and random: injected, so that tests own time and chance ---- */
/** now_ms - wall clock in UTC ms. now_mono_us - monotonic microseconds for durations. Threads: any. */
msec_t now_ms(void);
int64_t now_mono_us(void);
/** steady_ms - monotonic ms for times that never leave the process: setting the clock does not move it.  Threads: any. */
msec_t steady_ms(void);
/** clock_override - tests only: FN replaces the wall clock (NULL restores). Call before threads start. */
void clock_override(msec_t (*fn)(void));
/** clock_override_mono - tests only: FN replaces the monotonic clock, as above. */
void clock_override_mono(int64_t (*fn)(void));
/** random_bytes - from the kernel; aborts when the kernel has none (never seen after boot). */
void random_bytes(void *p, size_t n);
/** random_override - tests only: FN gives the bytes instead (NULL restores). Call before threads start. */
void random_override(void (*fn)(void *p, size_t n));

/* ---- keyed hashes and secrets ---- */
#define KEY_BYTES 32
/** siphash24 - SipHash-2-4 of N bytes under a 128-bit key: the 64-bit field fingerprints. */
uint64_t siphash24(const unsigned char key[16], const void *p, size_t n);
void sha256(const void *p, size_t n, unsigned char out[32]);
/** sha256_file - of everything in FD from its beginning, *SIZE octets; false: it cannot be read. */
MUST_CHECK bool sha256_file(int fd, unsigned char out[32], int64_t *size);
void hmac_sha256(const void *key, size_t klen, const void *p, size_t n, unsigned char out[32]);
/** derive_key - HKDF-SHA256 of MASTER for purpose LABEL (a constant text) into N bytes, N <= 64. */
void derive_key(const unsigned char master[KEY_BYTES], const char *label, unsigned char *out, size_t n);
/** block_encrypt/decrypt - one AES-128 block; CTX from block_new. Threads: one ctx may be shared. */
struct block_key;
struct block_key *block_new(const unsigned char key[16]);
void block_free(struct block_key *k);
void block_encrypt(const struct block_key *k, const unsigned char in[16], unsigned char out[16]);
void block_decrypt(const struct block_key *k, const unsigned char in[16], unsigned char out[16]);
/**
 * secret_seal - AES-256-GCM of P under KEY with AD bound; OUT gets nonce+ciphertext+tag.
 * secret_open - the reverse; RC_DENIED when KEY or AD differ or the data was touched (OUT unchanged).
 */
MUST_CHECK enum rc secret_seal(const unsigned char key[KEY_BYTES], const char *ad, const void *p, size_t n, struct buf *out);
MUST_CHECK enum rc secret_open(const unsigned char key[KEY_BYTES], const char *ad, const void *p, size_t n, struct buf *out);
/** Keys that seal what is kept: v[0] is the active one.  Filled with 0 it is empty. */
#define KEYRING_MAX 16
#define KEY_ID_BYTES 8
struct keyring {
	size_t n;
	struct { unsigned char id[KEY_ID_BYTES], key[KEY_BYTES]; } v[KEYRING_MAX];
};
/** What something is sealed for: another LABEL, WITH or BOUND does not open it. */
struct seal_use {
	const char *label; /* a constant: derive_key */
	const char *with;  /* a secret that is needed besides the key, NULL = none */
	const char *bound; /* associated data: whose it is */
};
/** keyring_add - KEY behind the others; false: it is there already, or there is no room. */
bool keyring_add(struct keyring *r, const unsigned char key[KEY_BYTES]);
/**
 * keyring_seal - as secret_seal, under a key derived from the active one; OUT gets the key's id first.
 * keyring_open - the reverse, with whichever key has sealed it; RC_DENIED also when that is not in R.   Threads: any, R is only read.
 */
MUST_CHECK enum rc keyring_seal(const struct keyring *r, const struct seal_use *use, const void *p, size_t n, struct buf *out);
MUST_CHECK enum rc keyring_open(const struct keyring *r, const struct seal_use *use, const void *p, size_t n, struct buf *out);
/** secret_wipe - overwrite N bytes in a way that the compiler keeps. secret_eq - constant-time equality. */
void secret_wipe(void *p, size_t n);
bool secret_eq(const void *a, const void *b, size_t n);

/* ---- logging: one structured line an event, with the request's ids; never content, tokens, passwords ---- */
enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };
/** Ids of the request that a thread is working on; set by httpd, printed on every line of that thread. */
struct log_ctx {
	uint64_t req;    /* 0 = none */
	int64_t account; /* 0 = none */
	int64_t device;
	const char *command; /* of the protocol, a constant; NULL = none (yet); in metrics and the access line alone */
};
/** log_setup - level and whether stderr understands <N> priorities (systemd). Call before threads start; level may change later. */
void log_setup(enum log_level level, bool systemd_prefix);
/**
 * log_open - where lines go from now on, after log_setup and before threads start: "auto" (the journal where systemd started us and it can be reached,
 * else stderr), "stderr", "journal" (with a field for each key), "syslog" or the path of a file; AS_JSON: one JSON object a line (not to the journal).
 * Errors: RC_PROTO (no such target), RC_NOTFOUND (journal or file cannot be opened), RC_NOMEM; lines go to stderr then.
 */
MUST_CHECK enum rc log_open(const char *to, bool as_json, struct err *e);
/** log_journal_override - tests only: where the journal's socket is (NULL restores). */
void log_journal_override(const char *path);
/** log_check - is TO a target at all? */
bool log_check(const char *to);
/** log_reopen - the file again by its name, after it was rotated; false: that failed, the old one is written on. */
bool log_reopen(void);
void log_level_set(enum log_level level);
enum log_level log_level_get(void);
/** log_debug_events - events (16 at most, between commas or spaces) whose debug lines are written at every level.  Before threads start. */
void log_debug_events(const char *list);
/** log_wanted - would a line of EVENT be written? */
bool log_wanted(enum log_level level, const char *event);
/** log_watch - FN hears of each warning and error, written or not.  Before threads start; FN must not log. */
void log_watch(void (*fn)(enum log_level level, const char *event, const struct log_ctx *ctx));
struct log_ctx *log_ctx(void); /* the calling thread's context, writable */
/**
 * log_line - EVENT with the fields of FMT, "key=%s other=%d ...", and level, time and context.  A key stands at the beginning or behind a space of
 * FMT itself; what does not begin with one is the field text.  Values may hold anything: control characters become spaces, the rest is quoted.
 * A key of the context that FMT has, too, is not repeated.  At most 24 fields and 1.5 KiB.   Threads: any.
 */
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(event, ...) log_line(LOG_LVL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_LVL_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_LVL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) do { if (log_wanted(LOG_LVL_DEBUG, event)) log_line(LOG_LVL_DEBUG, event, __VA_ARGS__); } while (0)

/* ---- counters for /metrics: fixed table, relaxed atomics ---- */
enum metric {
	M_UNCHANGED_FAST, M_FLOOD_SLOWED, M_FLOOD_REFUSED,
	M_CONNECTIONS_REFUSED, M_CONNECTIONS_SLOW, M_CONNECTIONS_IDLE, M_HTTP_MALFORMED, M_LOGINS_FAILED, M_ORIGIN_REFUSED,
	M_OX_REQUESTS, M_OX_ERRORS, M_OX_RETRIES, M_OX_LOGINS,
	M_PG_STATEMENTS, M_PG_RETRIES, M_PG_RECONNECTS, M_NOTIFIED,
	M_CACHE_HITS, M_CACHE_MISSES, M_CACHE_ERRORS,
	M_RESYNC_FIRST, M_RESYNC_AGAIN, M_RESYNC_OLD_SYNCID, M_RESYNC_NO_STATE, M_RESYNC_NEW_INDEX, M_RECONCILES, M_RECONCILE_OBJECTS, M_RESYNC_DEFERRED,
	M_RESYNC_RUNNING,
	M_OBJECTS_OUT, M_OBJECTS_IN, M_CONFLICTS, M_WAKEUPS, M_WAITERS, M_WAITS_GONE, M_WAITS_REPLACED, M_STREAMS, M_SESSIONS,
	M_UDP_PACKETS, M_UDP_STRANGERS, M_UDP_MALFORMED, M_UDP_REGISTRATIONS,
	M_HOOK_TAKEN, M_HOOK_UNSIGNED, M_HOOK_STALE, M_HOOK_REPLAYED, M_HOOK_MALFORMED, M_HOOK_FULL,
	M_POLLS, M_POLL_ERRORS, M_POLL_DEFERRED, M_UNTOLD,
	M_LOG_LOST,
	M_COUNT
};
void metric_add(enum metric m, int64_t v);
int64_t metric_get(enum metric m);
/** metric_name/help - Prometheus name and one-line help of M; constants. */
const char *metric_name(enum metric m);
const char *metric_help(enum metric m);

/** Families: one number, or one histogram of times, for each combination of label values. */
enum metric_family {
	F_REQUESTS /* command, HTTP status */, F_REQUEST_ERRORS /* code */, F_REFUSED /* reason */, F_OX_CALLS /* module, result */, F_PG_ERRORS /* kind */,
	F_ASIDE /* reason */, F_SELF_TEST_FAILED /* path */,
	F_REQUEST_TIME /* command */, F_QUEUE_TIME, F_WAKEUP_TIME, F_OX_TIME /* module */, F_PG_TIME, F_PG_LEASE_TIME, F_PG_LOCK_TIME, F_CACHE_TIME,
	F_SELF_TEST_TIME /* path */,
	F_COUNT
};
/**
 * metric_count - one more of the series with the labels A and B (NULL where the family has none).  A label is a word of ours, never what a client
 * says: there is room for 1024 series, what is beyond is not counted.   Threads: any.
 */
void metric_count(enum metric_family f, const char *a, const char *b);
/** metric_time - a histogram's observation of US microseconds; otherwise as above. */
void metric_time(enum metric_family f, const char *a, int64_t us);
#define METRIC_BOUNDS 18
/** metric_bound_us - upper bounds of all histograms, microseconds, rising; one bucket more is for what is longer. */
extern const int64_t metric_bound_us[METRIC_BOUNDS];
struct metric_series {
	const char *label[2]; /* "" where there is none */
	int64_t count, sum_us, bucket[METRIC_BOUNDS + 1]; /* each what lies between two bounds */
};
/** metric_each - FN for each series of F.  Threads: any; a number may be a moment older than the next. */
void metric_each(enum metric_family f, void (*fn)(void *arg, const struct metric_series *s), void *arg);
/** metrics_format - all of the above in the text format of Prometheus. */
void metrics_format(struct buf *out);

/** Where the time of the request went that a thread works on; microseconds. */
struct work_times {
	int64_t queue_us, pg_us, lock_us, ox_us, cache_us; /* lock: waiting for the lock of a folder, not counted in pg */
	unsigned pg_statements, ox_calls;
};
/** work_times - the calling thread's, writable. */
struct work_times *work_times(void);

/* ---- traces: what a device says and hears, for a while, on an administrator's order ---- */
enum trace_side { TRACE_CLIENT = 1, TRACE_OX = 2 };
#define TRACE_LONGEST_MS (INT64_C(24) * 3600 * 1000)
struct trace_options {
	const char *dir;    /* of orders and traces, 0700; "" = there are no traces */
	int64_t max_bytes;  /* of one trace; then it ends */
	msec_t keep_ms;     /* traces are removed after this */
	bool plain;         /* orders may ask for values as they are */
};
/** trace_setup - before threads start; O is copied.  trace_stop: running ones go on after the next start, if their time has not come. */
void trace_setup(const struct trace_options *o);
void trace_stop(void);
/** trace_look - begin what was ordered, end what has had its time, remove what is old; every second or two.  Blocking: disk. */
void trace_look(void);
struct trace_order {
	int64_t device;          /* its number */
	msec_t began, until;
	unsigned sides;          /* of enum trace_side */
	bool plain;
	int64_t by_uid;
	unsigned char key[16];   /* of the tokens; random */
};
/** trace_order_write - for the daemon whose folder DIR is.  RC_NOTFOUND (no such folder), RC_INTERNAL.  trace_order_drop: false = there was none. */
MUST_CHECK enum rc trace_order_write(const char *dir, const struct trace_order *o, struct err *e);
bool trace_order_drop(const char *dir, int64_t device);
/** trace_ordered - is there an order for DEVICE? */
bool trace_ordered(const char *dir, int64_t device);
/** trace_devices - numbers of the devices of which DIR ("" = there is none) holds orders or traces, each once; MAX at most. */
size_t trace_devices(const char *dir, int64_t *out, size_t max);
/**
 * trace_remove - the order and the traces of DEVICE in DIR go, *n files; COUNT: they stay, and are counted.  One that is being written ends at the daemon's
 * next trace_look.  RC_FORBIDDEN: this user may not; what went before that is gone.  That there is no DIR is no error.
 */
MUST_CHECK enum rc trace_remove(const char *dir, int64_t device, bool count, size_t *n, struct err *e);
/** trace_wanted - cheap where nothing is traced.  Threads: any. */
bool trace_wanted(int64_t device, enum trace_side side);
struct trace_record {
	enum trace_side side;
	bool answer;
	int status;          /* of an answer */
	const char *method, *what; /* of a request: what is a path with or without a query */
	const char *body;    /* LEN octets, may be NULL */
	size_t len;
	msec_t at;
};
/** trace_record - one message, its values replaced by tokens; header fields are never told.  Threads: any.  Blocking: disk. */
void trace_record(int64_t device, const struct trace_record *x);

#endif
