/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control API of the stand-in server: faults, late commits, the clock, and a state that
 * survives a restart.  What the OX API answers is proved by the replay test. */
#include <check.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"

static char dir[32];
static char port_file[64], data_file[64], session[64];
static pid_t server;
static long port;
static CURL *curl;

struct text { char *p; size_t n; };

static size_t
take(char *p, size_t size, size_t n, void *to)
{
	struct text *t = to;

	t->p = realloc(t->p, t->n + size * n + 1);
	ck_assert_ptr_nonnull(t->p);
	memcpy(t->p + t->n, p, size * n);
	t->n += size * n;
	t->p[t->n] = '\0';
	return size * n;
}

/* one request; NULL when the connection broke or the answer is no JSON */
static json_t *
ask(const char *method, const char *path, const char *body)
{
	struct text t = { NULL, 0 };
	char url[512];
	json_t *j = NULL;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%ld%s%s", port, path,
	    strncmp(path, "/ajax/", 6) == 0 ? session : "");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	if (body == NULL)
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
	if (curl_easy_perform(curl) == CURLE_OK && t.p != NULL)
		j = json_loads(t.p, JSON_REJECT_DUPLICATES, NULL);
	free(t.p);
	return j;
}

static void
control(const char *path, const char *body)
{
	json_t *j = ask("POST", path, body);

	ck_assert_msg(j != NULL && json_object_get(j, "error") == NULL, "%s %s", path, body);
	json_decref(j);
}

static void
login(void)
{
	json_t *j;

	session[0] = '\0';
	j = ask("POST", "/ajax/login?action=login", "name=anton&password=secret&client=test");
	(void)snprintf(session, sizeof(session), "&session=%s", json_string_value(json_object_get(j, "session")));
	json_decref(j);
}

static void
start(void)
{
	const char *program = getenv("OXSIM");
	char text[16] = "";

	(void)unlink(port_file);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		execl(program ? program : "build/oxsim", "oxsim", "--listen", "127.0.0.1:0", "--port-file", port_file,
		    "--data", data_file, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && strchr(text, '\n') == NULL; i++) {
		int fd = open(port_file, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			(void)!read(fd, text, sizeof(text) - 1);
			close(fd);
		}
		poll(NULL, 0, 10);
	}
	port = strtol(text, NULL, 10);
	ck_assert_int_gt(port, 0);
	curl = curl_easy_init();
	curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
	/* libcurl repeats a request by itself when a connection it used before breaks */
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "oxsim test");
	login();
}

static void
stop(void)
{
	int status = 0;

	curl_easy_cleanup(curl);
	if (server <= 0)
		return;
	kill(server, SIGTERM);
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	server = 0;
}

static void
setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/oxsim-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(port_file, sizeof(port_file), "%s/port", dir);
	(void)snprintf(data_file, sizeof(data_file), "%s/data", dir);
	start();
}

static void
teardown(void)
{
	stop();
	(void)unlink(port_file);
	(void)unlink(data_file);
	(void)rmdir(dir);
}

static size_t
contacts(void)
{
	json_t *j = ask("GET", "/ajax/contacts?action=all&folder=32&columns=1", NULL);
	size_t n = json_array_size(json_object_get(j, "data"));

	json_decref(j);
	return n;
}

static json_t *
new_contact(const char *name)
{
	char body[128];

	(void)snprintf(body, sizeof(body), "{\"folder_id\":\"32\",\"last_name\":\"%s\"}", name);
	return ask("PUT", "/ajax/contacts?action=new", body);
}

START_TEST(a_lost_answer_is_done_a_lost_request_is_not)
{
	control("/control/faults", "[{\"match\":{\"module\":\"contacts\",\"action\":\"new\"},\"effect\":{\"drop_before\":true}},"
	    "{\"match\":{\"module\":\"contacts\",\"action\":\"new\",\"nth\":1},\"effect\":{\"drop_after\":true}}]");
	ck_assert_ptr_null(new_contact("before"));
	ck_assert_uint_eq(contacts(), 0);
	ck_assert_ptr_null(new_contact("after"));
	ck_assert_uint_eq(contacts(), 1);
	json_decref(new_contact("plain"));
	ck_assert_uint_eq(contacts(), 2);
}
END_TEST

START_TEST(an_injected_error_has_its_code_and_category)
{
	json_t *j;

	control("/control/faults", "{\"match\":{\"module\":\"contacts\"},\"effect\":{\"error\":\"SVL-0019\",\"category\":4}}");
	j = new_contact("x");
	ck_assert_str_eq(json_string_value(json_object_get(j, "code")), "SVL-0019");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "category")), 4);
	json_decref(j);
	control("/control/faults", "{\"match\":{\"module\":\"contacts\"},\"effect\":{\"expire_session\":true}}");
	j = new_contact("y");
	ck_assert_str_eq(json_string_value(json_object_get(j, "code")), "SES-0203");
	json_decref(j);
}
END_TEST

START_TEST(a_late_commit_hides_behind_the_newest_stamp)
{
	json_t *j;
	char path[128];
	json_int_t newest;

	control("/control/clock", "{\"mode\":\"fixed\",\"value\":1800000000000}");
	json_decref(new_contact("first"));
	j = ask("GET", "/ajax/contacts?action=updates&folder=32&timestamp=0&columns=1", NULL);
	newest = json_integer_value(json_object_get(j, "timestamp"));
	ck_assert_int_eq(newest, 1800000000000);
	json_decref(j);
	control("/control/clock", "{\"advance\":100}");
	control("/control/late", "{\"ms\":500,\"every\":1}");
	json_decref(new_contact("late"));
	(void)snprintf(path, sizeof(path), "/ajax/contacts?action=updates&folder=32&columns=1&timestamp=%lld", (long long)newest);
	j = ask("GET", path, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "data")), 0);
	json_decref(j);
	(void)snprintf(path, sizeof(path), "/ajax/contacts?action=updates&folder=32&columns=1&timestamp=%lld", (long long)newest - 2000);
	j = ask("GET", path, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "data")), 2);
	json_decref(j);
}
END_TEST

START_TEST(the_state_survives_a_restart_and_sessions_do_not)
{
	json_t *before, *after, *j;
	char old[64];

	control("/control/fill", "{\"user\":\"anton\",\"folder\":\"32\",\"count\":20}");
	control("/control/fill", "{\"user\":\"anton\",\"folder\":\"31\",\"count\":20}");
	control("/control/fill", "{\"user\":\"anton\",\"folder\":\"default0/INBOX\",\"count\":20}");
	json_decref(ask("PUT", "/ajax/contacts?action=delete&timestamp=9007199254740992", "[{\"id\":\"9\",\"folder\":\"32\"}]"));
	before = ask("GET", "/control/as", "{\"user\":\"anton\",\"module\":\"contacts\",\"action\":\"updates\","
	    "\"params\":{\"folder\":\"32\",\"timestamp\":0,\"columns\":\"1,6,500\"}}");
	ck_assert_uint_eq(json_array_size(json_object_get(before, "data")), 20);
	memcpy(old, session, sizeof(old));
	stop();
	start();
	after = ask("GET", "/control/as", "{\"user\":\"anton\",\"module\":\"contacts\",\"action\":\"updates\","
	    "\"params\":{\"folder\":\"32\",\"timestamp\":0,\"columns\":\"1,6,500\"}}");
	ck_assert(json_equal(before, after));
	j = ask("GET", "/ajax/mail?action=count&folder=default0/INBOX", NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(j, "data")), 20);
	json_decref(j);
	memcpy(session, old, sizeof(old));
	j = ask("GET", "/ajax/folders?action=root&columns=1", NULL);
	ck_assert_str_eq(json_string_value(json_object_get(j, "code")), "SES-0203");
	json_decref(j);
	json_decref(before);
	json_decref(after);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("oxsim control");
	TCase *t = tcase_create("control");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_lost_answer_is_done_a_lost_request_is_not);
	tcase_add_test(t, an_injected_error_has_its_code_and_category);
	tcase_add_test(t, a_late_commit_hides_behind_the_newest_stamp);
	tcase_add_test(t, the_state_survives_a_restart_and_sessions_do_not);
	suite_add_tcase(s, t);
	return harness_main(s);
}
