/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Replay of recorded exchanges against a server under test: the parts shared by the
 * program (replay.c) and the Check wrapper.  Nothing here knows how the server is built. */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

/* --- idmap.c: recorded value -> value of this run ------------------------------------ */

struct idmap;

struct idmap *idmap_new(void);
void idmap_free(struct idmap *m);
/* Borrowed until the next put of the same key; NULL when the value is not known. */
const char *idmap_get(const struct idmap *m, const char *kind, const char *recorded);
void idmap_put(struct idmap *m, const char *kind, const char *recorded, const char *replayed);
void idmap_put_time(struct idmap *m, int64_t recorded_ms, int64_t replayed_ms);
/* The replayed instant for RECORDED_MS: exact, else by distance to the nearest known one
 * within a minute, else RECORDED_MS itself. */
int64_t idmap_time(const struct idmap *m, int64_t recorded_ms);

/* --- exceptions.c: differences that are known, each with its reason ------------------ */

struct exceptions;

/* NULL when the file cannot be read or a line has no reason; a message went to stderr. */
struct exceptions *exceptions_load(const char *file);
void exceptions_free(struct exceptions *x);
/* WHERE is "NN/n", PATH the place in the answer.  Marks the line used. */
bool exceptions_match(struct exceptions *x, const char *where, const char *path);
bool exceptions_topic(struct exceptions *x, int topic);
/* Prints lines never used whose topic was replayed; returns their number. */
int exceptions_unused(const struct exceptions *x, const bool *topics_run, FILE *out);

/* --- one run -------------------------------------------------------------------------- */

enum { REPLAY_TOPICS = 100 };

struct counts {
	int exchanges;
	int equal;
	int excepted;
	int different;
	int differences;	/* single differences, not excepted */
};

struct run {
	char *base;		/* http://127.0.0.1:port */
	char *transcripts;	/* folder of NN-topic.json */
	bool verbose;
	FILE *out;
	struct exceptions *exceptions;
	struct idmap *map;
	json_t *setup;		/* setup.json */
	void *curl;
	json_t *files[REPLAY_TOPICS];
	bool ran[REPLAY_TOPICS];
	char *report;		/* differences of the topic being replayed */
	size_t report_size;
	FILE *report_stream;
};

/* One exchange while it is replayed. */
struct xchg {
	struct run *run;
	int topic;
	int n;
	json_t *request;	/* as recorded */
	json_t *response;	/* as recorded */
	json_t *answer;		/* same shape as response, of this run */
	const char *user;
	char module[32];	/* first path element below /ajax */
	char subpath[64];	/* what follows it, "" when nothing */
	int64_t rec_now;	/* server clock when the topic was recorded, ms */
	int64_t rep_now;	/* clock when this run of the topic began, ms */
	int64_t *rec_max;	/* greatest envelope timestamp of the topic so far */
	int64_t *rep_max;
	bool quiet;		/* replayed only for its effects */
	int differences;
	int excepted;
};

/* Returns NULL (message on stderr) when a file is missing or wrong. */
struct run *run_new(const char *base, const char *transcripts, const char *exceptions,
                    const char *setup, bool verbose, FILE *out);
void run_free(struct run *r);
bool run_has_topic(const struct run *r, int topic);
const char *run_topic_name(const struct run *r, int topic);
/* Replays one topic and prints its line and its differences unless QUIET. */
struct counts run_topic(struct run *r, int topic, bool quiet);

/* --- request.c ------------------------------------------------------------------------ */

/* Sends the recorded request with everything mapped; the answer, owned by the caller, has
 * the shape of a recorded response; NULL when there was no HTTP answer. */
json_t *request_send(struct xchg *x);
/* The same for a request made up by a setup step (member "base": true = no /ajax rules). */
json_t *request_send_plain(struct run *r, const char *method, const char *url, json_t *headers,
                           const char *body, size_t len);
/* Value of a parameter of the recorded query, NULL when absent. */
const char *request_param(const json_t *request, const char *name);
/* Maps an id of KIND; text that is not known stays.  Caller frees. */
char *request_map_id(const struct idmap *m, const char *kind, const char *value);
char *request_map_url(const struct xchg *x, const char *url);
char *request_map_body(const struct xchg *x, const json_t *body);
/* Which namespace the ids of a module belong to: "contact", "event"...; NULL = not mapped. */
const char *request_kind(const char *module);
const char *request_kind_of_number(int module);
/* Logs USER in when the recorded session of REQUEST is not known yet. */
void request_ensure_session(struct xchg *x);
/* Cookie names and values of a login are remembered from the pair of answers. */
void request_learn_cookies(struct idmap *m, const json_t *recorded, const json_t *replayed);

/* --- compare.c, compare_text.c -------------------------------------------------------- */

void compare_response(struct xchg *x);
void compare_text(struct xchg *x, const char *path, const char *mime, const char *rec,
                  const char *rep);
/* True when both strings are the same once hex tokens, uuids and instants are mapped;
 * such tokens are learned on the way. */
bool compare_string_equal(struct xchg *x, const char *rec, const char *rep);
/* The JSON inside the HTML answer to an upload; NULL when there is none. */
json_t *compare_callback(const char *html, char *name, size_t size);
void compare_json_answer(struct xchg *x, json_t *rec, json_t *rep);
void diff(struct xchg *x, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *response_header(const json_t *response, const char *name);

#endif
