/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the two sides of waiting share: the client's (watch.c) and that of OX (poll.c). */
#ifndef USMD_ENGINE_WATCH_INT_H
#define USMD_ENGINE_WATCH_INT_H

#include "engine/engine_int.h"

struct engine_watch {
	struct engine_watch *prev, *next; /* engine.watches, under engine.lock */
	struct engine *g;
	struct engine_session *s;
	msec_t due;                       /* next poll, under engine.lock */
	bool looked;                      /* what comes now is a look after a wake-up */
	enum watch_kind kind;
	uint64_t claim, ticket;           /* of the hub: a device has one wait of a kind */
	bool told;                        /* the states of the entries are what the client was told */
	uint64_t *replay;                 /* what the client was told before, until the first look; owned */
	size_t n_replay;
	size_t n;
	uint64_t *tags;
	struct ping_entry entries[];
};

/* watch.c */
enum rc watch_open_targets(struct op *op, const struct ping_entry *entries, size_t n, bool known, struct target *targets, struct err *e);

/* poll.c */
enum rc watch_look(struct op *op, const struct ping_entry *entries, struct target *targets, size_t n, bool force, struct err *e);
void watch_link(struct engine_watch *w);
void watch_unlink_locked(struct engine_watch *w);

#endif
