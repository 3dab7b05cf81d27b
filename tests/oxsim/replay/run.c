/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs topics: loads the recordings, prepares what was there before them (setup.json),
 * replays exchange by exchange and keeps the counts and the report. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <dirent.h>
#include <curl/curl.h>

#include "replay.h"
#include "session.h"
#include "tokens.h"

/* Recordings 01 to 15 were made within 15 seconds after this instant. */
enum { MAX_LINES = 20 };	/* printed of a topic without -v */

#define RECORDED_MS INT64_C(1795342280000)

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
load_files(struct run *r)
{
	DIR *d = opendir(r->transcripts);
	struct dirent *de;
	bool ok = true;

	if (d == NULL) {
		fprintf(stderr, "%s: cannot be opened; name the folder of the recordings\n",
		    r->transcripts);
		return false;
	}
	while ((de = readdir(d)) != NULL) {
		long n = strtol(de->d_name, NULL, 10);
		const char *ext = strrchr(de->d_name, '.');
		json_error_t e;
		char *path;

		if (n <= 0 || n >= REPLAY_TOPICS || ext == NULL || strcmp(ext, ".json"))
			continue;
		path = text_format("%s/%s", r->transcripts, de->d_name);
		r->files[n] = json_load_file(path, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
		if (r->files[n] == NULL) {
			fprintf(stderr, "%s:%d: %s\n", path, e.line, e.text);
			ok = false;
		}
		free(path);
	}
	closedir(d);
	return ok;
}

struct run *
run_new(const char *base, const char *transcripts, const char *exceptions, const char *setup,
    bool verbose, FILE *out)
{
	struct run *r = calloc(1, sizeof(*r));
	json_error_t e;

	if (r == NULL)
		abort();
	r->base = strdup(base);
	r->transcripts = strdup(transcripts);
	r->verbose = verbose;
	r->out = out;
	r->map = idmap_new();
	r->curl = curl_easy_init();
	r->exceptions = exceptions_load(exceptions);
	r->setup = json_load_file(setup, JSON_REJECT_DUPLICATES, &e);
	if (r->setup == NULL)
		fprintf(stderr, "%s:%d: %s\n", setup, e.line, e.text);
	if (r->exceptions == NULL || r->setup == NULL || !load_files(r)) {
		run_free(r);
		return NULL;
	}
	return r;
}

void
run_free(struct run *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < REPLAY_TOPICS; i++)
		json_decref(r->files[i]);
	json_decref(r->setup);
	exceptions_free(r->exceptions);
	idmap_free(r->map);
	if (r->curl)
		curl_easy_cleanup(r->curl);
	free(r->base);
	free(r->transcripts);
	free(r);
}

bool
run_has_topic(const struct run *r, int topic)
{
	return topic > 0 && topic < REPLAY_TOPICS && r->files[topic] != NULL;
}

const char *
run_topic_name(const struct run *r, int topic)
{
	return json_string_value(json_object_get(r->files[topic], "topic"));
}

void
diff(struct xchg *x, const char *path, const char *fmt, ...)
{
	const char *action = request_param(x->request, "action");
	char where[32];
	va_list ap;

	if (x->quiet)
		return;
	snprintf(where, sizeof(where), "%02d/%d", x->topic, x->n);
	if (exceptions_match(x->run->exceptions, where, path)) {
		x->excepted++;
		return;
	}
	x->differences++;
	fprintf(x->run->report_stream, "%s %s %s%s%s %s %s: ", where,
	    json_string_value(json_object_get(x->request, "method")), x->module,
	    *x->subpath ? "/" : "", x->subpath, action ? action : "-", path);
	va_start(ap, fmt);
	vfprintf(x->run->report_stream, fmt, ap);
	va_end(ap);
	fputc('\n', x->run->report_stream);
}

/* Two changes of the recording never fall into one millisecond; neither may they here. */
static void
next_millisecond(void)
{
	int64_t t = now_ms();

	while (now_ms() == t)
		;
}

static void
split_path(struct xchg *x, const char *path)
{
	const char *p = strncmp(path, "/ajax/", 6) == 0 ? path + 6 : path;
	size_t n = strcspn(p, "/");

	snprintf(x->module, sizeof(x->module), "%.*s", (int)n, p);
	snprintf(x->subpath, sizeof(x->subpath), "%s", p[n] ? p + n + 1 : "");
}

/* --- setup steps ------------------------------------------------------------------------- */

/* Learns what a setup step made: "learn": {kind, id, time} holds the recorded values. */
static void
learn_created(struct run *r, const json_t *step, const json_t *answer)
{
	json_t *learn = json_object_get(step, "learn");
	json_t *body = json_object_get(json_object_get(answer, "body"), "json");
	json_t *data = json_object_get(body, "data");
	json_t *id = json_is_object(data) ? json_object_get(data, "id") : data;
	json_t *time = json_object_get(learn, "time");
	char text[64];

	if (json_object_get(body, "error"))
		fprintf(stderr, "setup step before %s (%s): %s\n",
		    json_string_value(json_object_get(step, "before")),
		    json_string_value(json_object_get(step, "note")),
		    json_string_value(json_object_get(body, "error")));
	if (learn == NULL)
		return;
	if (!json_is_integer(id) && !json_is_string(id)) {
		fprintf(stderr, "setup step before %s (%s) made nothing\n",
		    json_string_value(json_object_get(step, "before")),
		    json_string_value(json_object_get(step, "note")));
		return;
	}
	if (json_is_integer(id))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(id));
	else
		snprintf(text, sizeof(text), "%s", json_string_value(id));
	idmap_put(r->map, json_string_value(json_object_get(learn, "kind")),
	    json_string_value(json_object_get(learn, "id")), text);
	if (time)
		idmap_put_time(r->map, json_integer_value(time),
		    json_integer_value(json_object_get(body, "timestamp")));
}

/* A step is written with the ids of the recording, like an exchange. */
static void
run_step(struct run *r, json_t *step)
{
	struct xchg x = { .run = r, .request = step,
		.user = json_string_value(json_object_get(step, "user")) };
	const char *url = json_string_value(json_object_get(step, "url"));
	json_t *body = json_object_get(step, "body"), *answer;
	char *mapped, *text;

	split_path(&x, url);
	x.module[strcspn(x.module, "?")] = '\0';
	next_millisecond();
	mapped = request_map_url(&x, url);
	text = body ? request_map_body(&x, body) : NULL;
	answer = session_request(r, json_string_value(json_object_get(step, "user")),
	    json_string_value(json_object_get(step, "method")), mapped, text);
	learn_created(r, step, answer);
	json_decref(answer);
	free(mapped);
	free(text);
}

/* Exchanges that were left out of the recording because they were all the same. */
static void
repeat_request(struct xchg *x, int times)
{
	json_t *kept = json_incref(x->request);
	const char *body = json_string_value(json_object_get(kept, "body"));

	for (int i = 0; i < times; i++) {
		json_t *copy = json_deep_copy(kept);
		char *fresh = body ? text_format("%s-%d", body, i) : NULL;

		if (fresh)	/* the last parameter of such a body is its authId */
			json_object_set_new(copy, "body", json_string(fresh));
		x->request = copy;
		json_decref(request_send(x));
		json_decref(copy);
		free(fresh);
	}
	x->request = kept;
	json_decref(kept);
}

static void
run_setup(struct xchg *x)
{
	char where[32];
	json_t *step;
	size_t i;

	snprintf(where, sizeof(where), "%02d/%d", x->topic, x->n);
	json_array_foreach(x->run->setup, i, step) {
		if (strcmp(json_string_value(json_object_get(step, "before")), where))
			continue;
		if (json_object_get(step, "repeat"))
			repeat_request(x, (int)json_integer_value(json_object_get(step, "repeat")));
		else
			for (int k = 0; k == 0 || k < json_integer_value(json_object_get(step, "times")); k++)
				run_step(x->run, step);
	}
}

/* --- exchanges --------------------------------------------------------------------------- */

/* When the topic was recorded: its first envelope timestamp of the topic's own making. */
static int64_t
recorded_at(const json_t *exchanges)
{
	json_t *e;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)exchanges, i, e) {
		json_t *b = json_object_get(json_object_get(e, "response"), "body");
		int64_t t = json_integer_value(json_object_get(json_object_get(b, "json"), "timestamp"));

		if (t > INT64_C(1795341900000) && t < INT64_C(1795400000000))
			return t;
	}
	return RECORDED_MS;
}

static void
run_exchange(struct xchg *x)
{
	const char *path = json_string_value(json_object_get(x->request, "path"));

	if (path == NULL || json_object_get(x->request, "url") == NULL ||
	    json_is_null(json_object_get(x->request, "url"))) {
		run_setup(x);
		diff(x, "@http", "not an HTTP exchange");
		return;
	}
	split_path(x, path);
	run_setup(x);
	request_ensure_session(x);
	next_millisecond();
	x->answer = request_send(x);
	if (x->answer == NULL)
		diff(x, "@http", "no answer");
	else
		compare_response(x);
	json_decref(x->answer);
	x->answer = NULL;
}

static void
print_topic(struct run *r, int topic, const struct counts *c)
{
	int lines = 0;

	fprintf(r->out, "%-40s exchanges %3d  equal %3d  excepted %3d  different %3d\n",
	    run_topic_name(r, topic), c->exchanges, c->equal, c->excepted, c->different);
	for (char *l = r->report; l && *l; lines++) {
		size_t n = strcspn(l, "\n");

		if (lines < MAX_LINES || r->verbose)
			fprintf(r->out, "  %.*s\n", (int)n, l);
		l += n + (l[n] == '\n');
	}
	if (lines > MAX_LINES && !r->verbose)
		fprintf(r->out, "  ... %d more, see them with -v\n", lines - MAX_LINES);
}

struct counts
run_topic(struct run *r, int topic, bool quiet)
{
	json_t *exchanges = json_object_get(r->files[topic], "exchanges"), *e;
	int64_t rec_max = 0, rep_max = 0;
	struct counts c = { 0 };
	size_t i;

	r->ran[topic] = r->ran[topic] || !quiet;
	c.exchanges = (int)json_array_size(exchanges);
	if (exceptions_topic(r->exceptions, topic)) {
		c.excepted = c.exchanges;
		if (!quiet)
			print_topic(r, topic, &c);
		return c;
	}
	r->report_stream = open_memstream(&r->report, &r->report_size);
	json_array_foreach(exchanges, i, e) {
		struct xchg x = { .run = r, .topic = topic, .quiet = quiet,
			.n = (int)json_integer_value(json_object_get(e, "n")),
			.request = json_object_get(e, "request"),
			.response = json_object_get(e, "response"),
			.user = json_string_value(json_object_get(e, "user")),
			.rec_now = recorded_at(exchanges), .rep_now = now_ms(),
			.rec_max = &rec_max, .rep_max = &rep_max };

		run_exchange(&x);
		c.different += x.differences > 0;
		c.excepted += x.differences == 0 && x.excepted > 0;
		c.equal += x.differences == 0 && x.excepted == 0;
		c.differences += x.differences;
	}
	fclose(r->report_stream);
	r->report_stream = NULL;
	if (!quiet)
		print_topic(r, topic, &c);
	free(r->report);
	r->report = NULL;
	return c;
}
