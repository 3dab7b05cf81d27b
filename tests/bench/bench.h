/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of the bench share: HTTP to usmd and to OX, CPU clocks, the medians and the table. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <curl/curl.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "usmd/model.h"

#define MAX_RUNS 15
#define PAGE 1000 /* objects in one answer */

/** One measured quantity over several runs. */
struct series {
	double v[MAX_RUNS];
	size_t n;
};
void series_add(struct series *s, double v);
double series_min(const struct series *s);
double series_max(const struct series *s);
double series_median(const struct series *s);

/** Prints MESSAGE and ends the program: a bench that cannot measure has failed. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** CPU seconds (user and kernel, all threads) of a process, of this one with pid 0; wall seconds. */
double cpu_of(pid_t pid);
double cpu_of_children(pid_t parent); /* sum over its living children: PostgreSQL's connections */
double wall(void);
size_t resident_of(pid_t pid); /* octets */

/** One kept-alive connection; the last answer stays in TEXT. */
struct link {
	CURL *curl;
	struct curl_slist *headers;
	char *text;   /* NUL-terminated */
	size_t len, cap;
	size_t total; /* octets received so far, heads not counted */
};
void link_open(struct link *l, const char *unix_path, const char *header, const char *header_value);
void link_close(struct link *l);
/** GET when BODY is NULL, else METHOD (POST, PUT) with BODY.  Any other status than 200 ends the program. */
void link_call(struct link *l, const char *method, const char *url, const char *body);

/* ---- the OX stand-in, as its control API and as a plain client sees it ---- */

struct ox {
	char base[200], session[80];
	int64_t clock;  /* how far the stand-in's clock is ahead, ms */
	unsigned logins;
	struct link control, api;
};
void ox_open(struct ox *o, const char *base);
void ox_login_as(struct ox *o, const char *user);
void ox_close(struct ox *o);
/** A fresh user with COUNT contacts from an import a minute ago, and one more of now.  Returns its contacts folder. */
int64_t ox_user_with_contacts(struct ox *o, const char *login, size_t count);
/** COUNT mails into the inbox, numbered from FIRST on. */
void ox_fill_mail(struct ox *o, const char *login, size_t count, size_t first);
void ox_touch(struct ox *o, const char *login, int64_t folder, int64_t id, unsigned round);
void ox_advance(struct ox *o, int64_t ms);
/** Requests that OX has had so far. */
int64_t ox_requests(struct ox *o);
/** Ids of a folder's contacts; free() them. */
size_t ox_ids(struct ox *o, int64_t folder, int64_t **ids);
/** The peer of a first fill: fetch and parse the listing and the objects in lists of 500, nothing else. */
size_t ox_fetch_all(struct ox *o, int64_t folder);
/** The request behind an unchanged sync, once; PARSE builds the JSON value too. */
void ox_updates_once(struct ox *o, int64_t folder, int64_t since, bool parse);
int64_t ox_timestamp(struct ox *o, int64_t folder); /* newest last_modified */

/** A fresh user without anything; returns its contacts folder.  ox_fill: COUNT contacts more. */
int64_t ox_user(struct ox *o, const char *login);
void ox_fill(struct ox *o, const char *login, int64_t folder, size_t count);

/* ---- a sync client of usmd that only counts ---- */

struct device {
	struct link link;
	char contacts[40], inbox[40], syncid[40], token[100];
	unsigned long request;
	char (*uuids)[40]; /* of what device_fill brought; free() them */
	size_t n_uuids;
};
void device_login(struct device *d, const char *unix_path, const char *user, const char *name);
void device_close(struct device *d);
/** First fill of FOLDER; returns the number of objects. */
size_t device_fill(struct device *d, const char *folder, unsigned page);
/** syncUpdate without own changes until there is no more; returns the number of objects. */
size_t device_sync(struct device *d, const char *folder);
/** syncUpdate with CHANGES, members of the request such as "created":[...]; each of the COUNT must be carried out. */
void device_send(struct device *d, const char *folder, const char *changes, size_t count);
/** The uuids in the results of the last device_send, into OUT. */
void device_result_uuids(const struct device *d, char (*out)[40], size_t count);

/* ---- what is measured, and PostgreSQL asked as its administrator ---- */

struct bench {
	const char *socket;  /* of usmd */
	const char *redis;
	pid_t usmd, pg;
	PGconn *db;
	struct ox ox;
	bool quick;
	size_t runs, fill, large, mails, rounds;
};

void pg_open(struct bench *b, const char *conninfo);
void pg_close(struct bench *b);
double pg_number(struct bench *b, const char *sql);
void pg_do(struct bench *b, const char *sql);
/** Transactions that wrote anything, so far. */
double pg_writes(struct bench *b);
/** Rows that usmd's connections have read, from tables and from indexes, so far; closes these connections. */
double pg_rows_read(struct bench *b);

/** The table "work grows with the changes only". */
void bench_growth(struct bench *b);

/* ---- peers ---- */

/** CPU seconds of one request at a libmicrohttpd server that answers a constant. */
double hello_cpu(size_t requests);
/** One GET of a cached cursor: CPU seconds of the client and wall seconds of the round trip. */
void redis_get(const char *path, size_t rounds, double *cpu, double *trip);

/* ---- many connections that wait for an answer (unix sockets) ---- */

struct crowd {
	int *fd;
	size_t n, cap;
	int epoll;
};
/** How many of the WANTED connections the limit of open files allows to this process, and to usmd, which it was started with. */
size_t crowd_limit(size_t wanted);
void crowd_open(struct crowd *c, size_t n);
void crowd_join(struct crowd *c, const char *socket_path, const char *request);
size_t crowd_answers(struct crowd *c, int ms, size_t *who, double *at, size_t max);
/** Prints what came on connections that should wait, the first ones of them. */
void crowd_answered(struct crowd *c);
void crowd_leave(struct crowd *c);
/** The same N at a libmicrohttpd server that only suspends them: resident octets each, seconds until all were resumed and answered. */
void bare_crowd(size_t n, double *bytes_each, double *wake_all_s);

/* ---- bench.c, for the parts in files of their own ---- */

const char *bench_need(const char *name);
/** A line of the table.  RATIO of medians; FIGURE 0 = for information.  LESS: the ratio must not pass it, else it must reach it. */
void bench_row(const char *what, const char *unit, const struct series *s, const char *peer, const char *peer_unit, double peer_value, double ratio,
    double figure, bool less);
void bench_push(struct bench *b);

#endif
