/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Starts the stand-in server and replays the recorded exchanges against it, one test a
 * topic.  The comparison itself is tests/oxsim/replay.  Skipped (exit 77) without the
 * recordings: they are not part of the source tree. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <curl/curl.h>

#include "oxsim/replay/replay.h"

#define TOPIC_DIR "../shared/ox-transcripts"
#define DATA_DIR "tests/oxsim/replay"

static struct run *run;
static int topics[REPLAY_TOPICS];
static int ntopics;
static pid_t server;
static char port_file[] = "/tmp/oxsim-replay-XXXXXX";

/* Waits until the server wrote its port or died; answers the port or 0. */
static int
wait_for_port(void)
{
	for (int tries = 0; tries < 1000; tries++) {
		char text[16] = "";
		int fd = open(port_file, O_RDONLY | O_CLOEXEC), status;
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

		if (fd >= 0)
			close(fd);
		if (n > 1 && memchr(text, '\n', (size_t)n))
			return (int)strtol(text, NULL, 10);
		if (waitpid(server, &status, WNOHANG) == server) {
			server = 0;
			return 0;
		}
		poll(NULL, 0, 10);
	}
	return 0;
}

static int
start_server(const char *program)
{
	int fd = mkstemp(port_file);

	if (fd < 0)
		return 0;
	close(fd);
	server = fork();
	if (server == 0) {
		execl(program, program, "--listen", "127.0.0.1:0", "--port-file", port_file, (char *)NULL);
		_exit(127);
	}
	return server > 0 ? wait_for_port() : 0;
}

static void
stop_server(void)
{
	if (server > 0) {
		kill(server, SIGTERM);
		waitpid(server, NULL, 0);
	}
	unlink(port_file);
}

/* --- the comparison itself: what it must see and what it must not ------------------------- */

static const struct {
	const char *what;
	const char *query;	/* of the recorded request */
	const char *rec, *rep;	/* bodies */
	int differences;
} pairs[] = {
	{ "equal", "{}", "{'data':1}", "{'data':1}", 0 },
	{ "string id for number", "{'action':'new'}", "{'data':{'id':7}}", "{'data':{'id':'7'}}", 1 },
	{ "another fresh id", "{'action':'new'}", "{'data':{'id':'70'}}", "{'data':{'id':'90'}}", 0 },
	{ "member missing", "{}", "{'data':{'a':1,'b':2}}", "{'data':{'a':1}}", 1 },
	{ "member too much", "{}", "{'data':{'a':1}}", "{'data':{'a':1,'b':2}}", 1 },
	{ "null for a value", "{'columns':'1,500'}", "{'data':[['7',null]]}", "{'data':[['7','x']]}", 1 },
	{ "short row", "{'columns':'1,500'}", "{'data':[['7','x']]}", "{'data':[['7']]}", 1 },
	{ "row missing", "{'columns':'1'}", "{'data':[['7'],['8']]}", "{'data':[['7']]}", 1 },
	{ "other order, not asked for", "{'columns':'500'}", "{'data':[['a'],['b']]}", "{'data':[['b'],['a']]}", 0 },
	{ "other order, asked for", "{'columns':'500','sort':'500'}", "{'data':[['a'],['b']]}",
	    "{'data':[['b'],['a']]}", 1 },
	{ "other wording", "{}", "{'error':'A','code':'X-1','category':1}", "{'error':'B','code':'X-1','category':1}", 0 },
	{ "other code", "{}", "{'error':'A','code':'X-1'}", "{'error':'A','code':'X-2'}", 1 },
	{ "other category", "{}", "{'error':'A','code':'X-1','category':1}", "{'error':'A','code':'X-1','category':8}", 1 },
	{ "error for success", "{}", "{'data':1}", "{'error':'A','code':'X-1','category':8}", 1 },
	{ "timestamp missing", "{}", "{'data':1,'timestamp':1795342280100}", "{'data':1}", 1 },
	{ "timestamp 0", "{}", "{'timestamp':0}", "{'timestamp':1795350000000}", 1 },
	{ "timestamp of the request", "{'timestamp':'1795342280000'}", "{'timestamp':1795342280000}",
	    "{'timestamp':1795350000001}", 1 },
	{ "timestamp not later", "{'timestamp':'1795342280000'}", "{'timestamp':1795342280050}",
	    "{'timestamp':1795350000000}", 1 },
	{ "timestamp later", "{'timestamp':'1795342280000'}", "{'timestamp':1795342280050}",
	    "{'timestamp':1795350000007}", 0 },
	{ "zone shift", "{'columns':'5'}", "{'data':[[1795345880000]]}", "{'data':[[1795350000000]]}", 1 },
	{ "zone shift kept", "{'columns':'5'}", "{'data':[[1795345880000]]}", "{'data':[[1795353600000]]}", 0 },
};

static json_t *
body_of(const char *text, bool answer)
{
	char *json = strdup(text);
	json_t *v;

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	v = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(v);
	free(json);
	return answer ? json_pack("{s:i,s:[],s:{s:o}}", "status", 200, "headers", "body", "json", v) : v;
}

START_TEST(comparison)
{
	struct run r = { .map = idmap_new(), .exceptions = exceptions_load(DATA_DIR "/exceptions.txt"),
		.curl = curl_easy_init() };
	int64_t rec_max = 0, rep_max = 0;
	json_t *query = body_of(pairs[_i].query, false);
	struct xchg x = { .run = &r, .topic = 99, .n = _i, .module = "contacts", .user = "anton",
		.request = json_pack("{s:o,s:s}", "query", query, "method", "GET"),
		.response = body_of(pairs[_i].rec, true), .answer = body_of(pairs[_i].rep, true),
		.rec_now = 1795342280000, .rep_now = 1795350000000, .rec_max = &rec_max, .rep_max = &rep_max };

	r.report_stream = open_memstream(&r.report, &r.report_size);
	idmap_put(r.map, "contact", "7", "7");
	idmap_put_time(r.map, 1795342280000, 1795350000000);
	compare_response(&x);
	fclose(r.report_stream);
	ck_assert_msg((x.differences > 0) == (pairs[_i].differences > 0), "%s: %d differences\n%s",
	    pairs[_i].what, x.differences, r.report);
	json_decref(x.request);
	json_decref(x.response);
	json_decref(x.answer);
	free(r.report);
	exceptions_free(r.exceptions);
	idmap_free(r.map);
	curl_easy_cleanup(r.curl);
}
END_TEST

static int
run_comparison(void)
{
	Suite *s = suite_create("oxsim_replay_compare");
	TCase *t = tcase_create("compare");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, comparison, 0, (int)(sizeof(pairs) / sizeof(pairs[0])));
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed;
}

/* --- the recordings ------------------------------------------------------------------------ */

/* The topics build on each other, so they share one server and run in order (no fork). */
START_TEST(replay_topic)
{
	int topic = topics[_i];
	struct counts c = run_topic(run, topic, false);

	fflush(stdout);
	ck_assert_msg(c.different == 0, "%s: %d of %d exchanges differ (lines above)",
	    run_topic_name(run, topic), c.different, c.exchanges);
}
END_TEST

START_TEST(exceptions_are_used)
{
	ck_assert_int_eq(exceptions_unused(run->exceptions, run->ran, stdout), 0);
}
END_TEST

static int
run_suite(void)
{
	Suite *s = suite_create("oxsim_replay");
	TCase *replays = tcase_create("topics");
	TCase *list = tcase_create("exceptions");
	SRunner *sr = srunner_create(s);
	int failed;

	for (int t = 1; t < REPLAY_TOPICS; t++)
		if (run_has_topic(run, t))
			topics[ntopics++] = t;
	tcase_add_loop_test(replays, replay_topic, 0, ntopics);
	tcase_set_timeout(replays, 120);
	tcase_add_test(list, exceptions_are_used);
	suite_add_tcase(s, replays);
	suite_add_tcase(s, list);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed;
}

int
main(void)
{
	const char *dir = getenv("OX_TRANSCRIPTS");
	const char *program = getenv("OXSIM");
	char base[64];
	struct stat st;
	int port, failed = 1;

	if (run_comparison() != 0)
		return 1;
	dir = dir ? dir : TOPIC_DIR;
	if (stat(dir, &st) != 0) {
		fprintf(stderr, "SKIPPED: no recorded exchanges in %s; the stand-in server is NOT proven. "
		    "Set OX_TRANSCRIPTS to their folder.\n", dir);
		return 77;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	port = start_server(program ? program : "build/oxsim");
	if (port == 0) {
		fprintf(stderr, "build/oxsim does not start; build it with `make build/oxsim`\n");
		stop_server();
		return 1;
	}
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", port);
	run = run_new(base, dir, DATA_DIR "/exceptions.txt", DATA_DIR "/setup.json", false, stdout);
	if (run)
		failed = run_suite();
	run_free(run);
	stop_server();
	curl_global_cleanup();
	return failed ? 1 : 0;
}
