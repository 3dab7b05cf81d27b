/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An oxsim on a port of its own, for tests of the backend alone.  The program is build/oxsim or $OXSIM.
 * Included by one test program only, so everything is static.
 */
#ifndef TESTS_SIM_FIXTURE_H
#define TESTS_SIM_FIXTURE_H

#include <check.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "usmd/backend.h"

static pid_t sim_pid;
static char base[64];

static const char *
sim_path(void)
{
	const char *p = getenv("OXSIM");

	return p != NULL ? p : "build/oxsim";
}

static void
sim_start(void)
{
	int fd[2], port = 0;
	char line[128];
	FILE *f;

	ck_assert_int_eq(pipe(fd), 0);
	sim_pid = fork();
	if (sim_pid == 0) {
		(void)dup2(fd[1], 1);
		(void)close(fd[0]);
		(void)close(fd[1]);
		execl(sim_path(), "oxsim", "--listen", "127.0.0.1:0", (char *)NULL);
		_exit(127);
	}
	(void)close(fd[1]);
	f = fdopen(fd[0], "r");
	while (port == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "oxsim: listening on 127.0.0.1:%d", &port) != 1)
			port = 0;
	(void)fclose(f);
	ck_assert_msg(port > 0, "oxsim does not start");
	(void)snprintf(base, sizeof(base), "http://127.0.0.1:%d", port);
}

static size_t
swallow(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

/* POST of BODY to /control/PATH. */
static void
control(const char *path, const char *body)
{
	CURL *c = curl_easy_init();
	char url[160];
	long status = 0;

	(void)snprintf(url, sizeof(url), "%s/control/%s", base, path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	ck_assert_int_eq(status, 200);
	curl_easy_cleanup(c);
}

static void
sim_stop(void)
{
	(void)kill(sim_pid, SIGKILL);
	(void)waitpid(sim_pid, NULL, 0);
}

/* Is oxsim there?  Else the tests are skipped (exit status 77). */
static bool
sim_built(void)
{
	if (access(sim_path(), X_OK) == 0)
		return true;
	printf("skipped: %s is not built\n", sim_path());
	return false;
}

/* The backend's options against it, ROWS objects a request; URL is the caller's storage. */
static struct backend_options
sim_options(char url[80], unsigned rows)
{
	(void)snprintf(url, 80, "%s/ajax", base);
	return (struct backend_options){
		.url = url, .client = "USM-JSON", .client_fallback = "USM-EAS", .user_agent = "Open-Xchange USM HTTP Client", .client_ip = "127.0.0.1",
		.tls_verify = true, .connect_timeout_ms = 2000, .timeout_ms = 5000, .max_connections = 4, .max_answer_bytes = 8 << 20,
		.rows_per_request = rows,
	};
}

#endif
