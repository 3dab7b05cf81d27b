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
