/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private to the comparison: what its files share. */
#ifndef REPLAY_COMPARE_INT_H
#define REPLAY_COMPARE_INT_H

#include "replay.h"

enum { PATH_SIZE = 512, MAX_COLUMNS = 256 };

#define HOUR_MS INT64_C(3600000)
/* A difference below this is the time between two steps, above it a zone shift. */
#define STEP_MS INT64_C(1500000)
/* The data set of the recorded server was made in these minutes. */
#define SETUP_BEGIN INT64_C(1795341500000)
#define SETUP_END INT64_C(1795341900000)

/* One envelope and what its request says about the meaning of its values. */
struct env {
	struct xchg *x;
	const char *module;
	const char *kind;	/* ids of this module; NULL = plain values */
	const char *attached;	/* kind of the object an attachment belongs to */
	const char *folder;
	int columns[MAX_COLUMNS];
	size_t ncolumns;
	bool sorted;
	int64_t req_rec;	/* timestamp of the request, -1 when absent */
	int64_t req_rep;
};

bool compare_one_of(const char *key, const char *const *list);
bool compare_is_number(const char *s);
/* V as short text for a report line. */
const char *compare_brief(const json_t *v, char *buf, size_t size);
void compare_differ(struct env *e, const char *path, const char *what, const json_t *rec, const json_t *rep);
/* PATH/NAME in OUT, which has PATH_SIZE octets. */
void compare_child(char *out, const char *path, const char *name);
bool compare_is_server_time(const struct env *e, int64_t rec);
void compare_time(struct env *e, const char *path, int64_t rec, int64_t rep);
/* IDKIND: kind of the ids at and below this value, NULL when they are plain. */
void compare_value(struct env *e, const char *path, const char *key, const char *idkind, json_t *rec,
                   json_t *rep);

#endif
