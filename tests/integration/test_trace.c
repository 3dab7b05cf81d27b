/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * usmctl trace on a running server: what the file holds, and that it can be played again.  TRACE=FILE plays that file against a fresh server with an empty
 * account, so that a trace of a ticket can be looked at: each request is sent with the values that this server has in place of the recorded tokens, and
 * each answer has to have the recorded status and structure.
 */
#include "integration/wire.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char trace_setting[200];
static const char *settings[] = { "heartbeat_min = 1s", trace_setting, NULL };
static char traces[160];

static void
setup(void)
{
	(void)snprintf(traces, sizeof(traces), "%s/traces.%ld", getenv("USMD_TEST_DIR"), (long)getpid());
	(void)snprintf(trace_setting, sizeof(trace_setting), "trace_dir = %s", traces);
	world_begin(&w, NULL, settings);
}

static int
usmctl(const char *const *args)
{
	char prog[160], conf[160];
	char *argv[12] = { prog, NULL };
	size_t n = 1;

	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w.dir);
	for (; args[n - 1] != NULL; n++)
		argv[n] = (char *)(uintptr_t)args[n - 1];
	argv[n++] = (char *)(uintptr_t)"--config";
	argv[n++] = conf;
	argv[n] = NULL;
	return run_wait(argv, "/dev/null");
}
#define USMCTL(...) usmctl((const char *const[]){ __VA_ARGS__, NULL })

static char *
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p = calloc(1, 1 << 22);

	ck_assert_msg(f != NULL, "no file %s", path);
	ck_assert_uint_lt(fread(p, 1, (1 << 22) - 1, f), (1 << 22) - 1);
	(void)fclose(f);
	return p;
}

/* Until the daemon has written EVENT into its log. */
static void
await_log(const char *event)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/usmd.log", w.dir);
	for (int i = 0; ; i++) {
		char *log = read_file(path);
		bool there = strstr(log, event) != NULL;

		free(log);
		if (there)
			return;
		ck_assert_msg(i < 1000, "no %s in the log", event);
		sleep_ms(10);
	}
}

static void
the_trace(char *path, size_t size)
{
	DIR *d = opendir(traces);
	struct dirent *x;

	ck_assert_ptr_nonnull(d);
	path[0] = '\0';
	while ((x = readdir(d)) != NULL)
		if (strstr(x->d_name, ".trace") != NULL)
			(void)snprintf(path, size, "%s/%.100s", traces, x->d_name);
	(void)closedir(d);
	ck_assert_str_ne(path, "");
}

/* ---- playing ---- */

static json_t *known; /* token -> value of this server */

static void
learn(const json_t *token, const json_t *value)
{
	char key[40];

	if (json_is_string(token) && json_is_string(value) && json_string_length(token) >= 6)
		(void)json_object_set(known, json_string_value(token), (json_t *)(uintptr_t)value);
	if (json_is_integer(token) && json_is_integer(value) && json_integer_value(token) > 999) {
		(void)snprintf(key, sizeof(key), "#%lld", (long long)json_integer_value(token));
		(void)json_object_set(known, key, (json_t *)(uintptr_t)value);
	}
}

/* V with what is known in place of its tokens; new. */
static json_t *
translate(const json_t *v)
{
	const json_t *k = NULL;
	json_t *out, *x;
	const char *name;
	char key[40];
	size_t i;

	if (json_is_object(v)) {
		out = json_object();
		json_object_foreach((json_t *)(uintptr_t)v, name, x) {
			k = json_object_get(known, name);
			(void)json_object_set_new(out, json_is_string(k) ? json_string_value(k) : name, translate(x));
		}
		return out;
	}
	if (json_is_array(v)) {
		out = json_array();
		json_array_foreach(v, i, x)
			(void)json_array_append_new(out, translate(x));
		return out;
	}
	if (json_is_string(v)) {
		k = json_object_get(known, json_string_value(v));
	} else if (json_is_integer(v)) {
		(void)snprintf(key, sizeof(key), "#%lld", (long long)json_integer_value(v));
		k = json_object_get(known, key);
	}
	return json_deep_copy(k != NULL ? k : v);
}

/* Has IS the structure of WAS?  What stands for its tokens is learnt on the way. */
static void
compare(const json_t *was, const json_t *is, const char *where)
{
	const char *name;
	json_t *x;
	char path[200];
	size_t i;

	ck_assert_msg(is != NULL && json_typeof(was) == json_typeof(is), "%s: of another type", where);
	ck_assert_msg(json_object_size(was) == json_object_size(is) && json_array_size(was) == json_array_size(is), "%s: %zu members were %zu", where,
	    json_object_size(is) + json_array_size(is), json_object_size(was) + json_array_size(was));
	json_object_foreach((json_t *)(uintptr_t)was, name, x) {
		const json_t *k = json_object_get(known, name);

		(void)snprintf(path, sizeof(path), "%.100s.%.60s", where, name);
		compare(x, json_object_get(is, json_is_string(k) ? json_string_value(k) : name), path);
	}
	json_array_foreach(was, i, x) {
		(void)snprintf(path, sizeof(path), "%.100s[%zu]", where, i);
		compare(x, json_array_get(is, i), path);
	}
	learn(was, is);
}

/* The answer to request REQ in TEXT behind AT; *STATUS. */
static const char *
answer_of(const char *at, const char *req, int *status)
{
	const char *p = at;
	char mark[60];
	size_t n = (size_t)snprintf(mark, sizeof(mark), " req=%s ", req);

	while ((p = strstr(p, "\n< client ")) != NULL) {
		const char *end = strchr(p + 1, '\n'), *m = strstr(p, mark);

		p++;
		if (m != NULL && m < end) {
			*status = (int)strtol(m + n, NULL, 10);
			return end + 1;
		}
	}
	return NULL;
}

static json_t *
line_json(const char *p)
{
	return json_loadb(p, strcspn(p, "\n"), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

/* All requests of the trace TEXT, by a device of anton's; how many. */
static size_t
play(const char *text)
{
	struct dev d;
	size_t n = 0;

	known = json_object();
	login(&d, "anton", "player");
	for (const char *p = text; (p = strstr(p, "\n> client ")) != NULL; p++) {
		char req[24] = "", command[40] = "", where[80];
		const char *body = strchr(p + 1, '\n') + 1, *got;
		json_t *was, *is, *b, *answer;
		int status = 0;

		ck_assert_int_eq(sscanf(strstr(p, " req="), " req=%23[0-9] POST %39s", req, command), 2);
		got = answer_of(body, req, &status);
		b = line_json(body);
		if (got == NULL || b == NULL || strcmp(command, "login") == 0 || strcmp(command, "logout") == 0) {
			json_decref(b);
			continue;
		}
		is = translate(b);
		(void)snprintf(where, sizeof(where), "%s of request %s", command, req);
		answer = call(&d, command, is);
		was = line_json(got);
		if (was != NULL)
			compare(was, answer, where);
		json_decref(was);
		json_decref(b);
		json_decref(is);
		json_decref(answer);
		n++;
	}
	json_decref(known);
	return n;
}

/* ---- the tests ---- */

static void
work(struct dev *d)
{
	json_t *data, *b;

	open_folder(d, NULL);
	open_folder(d, json_string_value(json_object_get(d->defaults, "contact")));
	data = update(d, request(d, one(json_pack("{s:s,s:s,s:s,s:s}", "clientId", "t1", "last_name", "Geheimnis", "first_name", "Gerda", "email1",
	    "gerda@example.com")), NULL, NULL));
	(void)snprintf(d->syncid, sizeof(d->syncid), "%s", str(data, "syncid"));
	b = json_pack("{s:s,s:s,s:s}", "uuid", str(result(data, 0), "uuid"), "last_name", "Anders", "note", "sehr vertraulich");
	json_decref(data);
	data = update(d, request(d, NULL, one(b), NULL));
	json_decref(data);
	b = json_pack("{s:s}", "folder", "00000000000000000000000000000000");
	(void)bad(d, "syncInit", b, NULL);
	json_decref(b);
}

static const char *const values[] = { "Geheimnis", "Gerda", "gerda", "example.com", "Anders", "vertraulich", "anton", "secret", NULL };

START_TEST(traced_and_played_again)
{
	struct dev d, other;
	char path[300], *text;
	struct stat st;
	size_t n;

	ck_assert_int_eq(USMCTL("trace", "--device", "phone", "--for", "10m"), 1); /* it has never logged in */
	login(&d, "anton", "phone");
	login(&other, "berta", "tablet");
	ck_assert_int_eq(USMCTL("trace", "--device", "phone", "--for", "25h"), 1);
	ck_assert_int_eq(USMCTL("trace", "--device", "phone", "--for", "10m", "--plain"), 1);
	ck_assert_int_eq(USMCTL("trace", "--device", "phone"), 2);
	ck_assert_int_eq(USMCTL("trace", "--device", "phone", "--for", "10m"), 0);
	await_log("event=trace-on");
	work(&d);
	work(&other);
	ck_assert_int_eq(USMCTL("trace", "--device", "phone", "--off"), 0);
	await_log("event=trace-off");
	ck_assert_int_eq(USMCTL("trace", "--device", "phone", "--off"), 1);
	the_trace(path, sizeof(path));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(traces, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	text = read_file(path);
	for (size_t i = 0; values[i] != NULL; i++)
		ck_assert_msg(strstr(text, values[i]) == NULL, "the trace has %s", values[i]);
	ck_assert_ptr_null(strstr(text, d.token));
	ck_assert_ptr_nonnull(strstr(text, "POST syncUpdate\n{\"folder\":\""));
	ck_assert_ptr_nonnull(strstr(text, "/contacts?session="));
	ck_assert_ptr_nonnull(strstr(text, "&action=new"));
	ck_assert_ptr_nonnull(strstr(text, "\"last_name\":\""));
	/* the same against a server that has never heard of it */
	world_down();
	setup();
	n = play(text);
	ck_assert_uint_ge(n, 5);
	printf("played: %zu requests\n", n);
	free(text);
	(void)unlink(path);
}
END_TEST

START_TEST(played_from_a_file)
{
	char *text = read_file(getenv("TRACE"));

	printf("played: %zu requests of %s\n", play(text), getenv("TRACE"));
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("trace");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, world_down);
	if (getenv("TRACE") != NULL)
		tcase_add_test(tc, played_from_a_file);
	else
		tcase_add_test(tc, traced_and_played_again);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
