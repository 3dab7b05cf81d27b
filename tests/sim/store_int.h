/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The database of the simulation: tables of immutable records.  A change puts a new record in place of the old one, so that a copy
 * of the whole database - for a transaction that may roll back, for a backup that may be restored - is a copy of pointers.
 */
#ifndef TEST_SIM_STORE_H
#define TEST_SIM_STORE_H

#include "sim.h"

enum table { T_ACCOUNT, T_DEVICE, T_SESSION, T_FOLDER, T_ROW, T_CURSOR, T_WRITE, T_INTENT, T_MAILOP, T_CONFLICT, T_JOURNAL, T_COUNT };

/* One record of any table; members that a table does not use are 0.  What the numbers mean stands at each table's functions. */
struct rec {
	unsigned refs;
	int64_t id, a, b, c;
	uint64_t n1, n2;
	char text[UID_MAX];
	unsigned char hash[32];
	bool flag;
	union {
		struct store_folder folder;
		struct write_entry write;
		struct intent intent;
		struct mail_op mail_op;
		struct store_conflict conflict;
	} u;
	struct write_field f[NF];
	size_t len;
	unsigned char p[];         /* packed row or cursor, configuration, sealed record */
};

struct tab { struct rec **v; size_t n, cap; };
struct db { struct tab t[T_COUNT]; int64_t next[T_COUNT]; };

struct store { unsigned node; };
struct store_conn { struct store *s; struct task *task; bool in_txn; int64_t locks[4]; unsigned n_locks; };

struct rec *rec_new(size_t len);
/** rec_put - R (taken) in place of record I of T, or at the end when I is the number of records. */
void rec_put(struct db *d, enum table t, size_t i, struct rec *r);
/** rec_edit - a copy of record I that may be changed before rec_put. */
struct rec *rec_edit(const struct db *d, enum table t, size_t i);
void rec_remove(struct db *d, enum table t, size_t i);

/** store_step - a step of I/O with the database; RC_OK, or that it is away, or that this node is dead. */
MUST_CHECK enum rc store_step(struct store_conn *c, struct err *e);
static inline struct tab *tab_of(enum table t);
#define DB (the_sim->db)
static inline struct tab *tab_of(enum table t) { return &DB->t[t]; }

#endif
