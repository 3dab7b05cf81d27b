/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * path - at which second waits die on their way through a network of clients, and how long they may be there.
 *
 * Something between client and server ends connections that are silent for too long: a router's table, a proxy, a firewall.  It
 * does that to all who wait that long, so it is seen in waits that end alike; a person who closes the program ends alike with
 * nobody.  A path is the client's network (24 bits of an IPv4 address, 48 of an IPv6 one).
 */
#ifndef ENGINE_PATH_H
#define ENGINE_PATH_H

#include "usmd/engine.h"
#include "usmd/store.h"

struct paths;

struct path_options {
	unsigned floor_s;  /* no wait is made shorter than this */
	msec_t memory_ms;  /* what was learnt is forgotten after this; 0 = nothing is learnt */
};

/** paths_new - an empty memory of PATHS_KEPT networks; NULL = out of memory.  Threads: all functions but paths_free, any. */
#define PATHS_KEPT 4096
struct paths *paths_new(const struct path_options *o);
void paths_free(struct paths *p);

/** paths_begin - DEVICE begins to wait: for how long at most, WANTED_S or less.  Also what tells that it had its last answer. */
unsigned paths_begin(struct paths *p, const char *client_ip, int64_t device, unsigned wanted_s, msec_t now);
/** paths_end - its wait has ended after WAITED_S.  True: a limit is new, or another one: worth keeping at once. */
bool paths_end(struct paths *p, const char *client_ip, int64_t device, unsigned waited_s, enum wait_end how, msec_t now);

/** paths_changed - up to MAX of what was learnt and forgotten (safe_s 0) since the last call; their number. */
size_t paths_changed(struct paths *p, struct store_path *out, size_t max, msec_t now);
/** paths_adopt - the N in the database are what holds, but for what has changed here since. */
void paths_adopt(struct paths *p, const struct store_path *rows, size_t n, msec_t now);

#endif
