/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /metrics after some work: its form, that each metric is in usmd(8) and the other way round, and that dashboard and alert rules ask for what exists. */
#include "integration/wire.h"

#include <ctype.h>
#include <unistd.h>

#define NAMES 400

static char listen_setting[200], status_socket[160];
static const char *const settings[] = { "heartbeat_min = 1s", "slow_request = 1ms", "self_test = 1s", listen_setting, NULL };

struct names {
	char name[NAMES][64];
	size_t n;
};

static void
setup(void)
{
	(void)snprintf(status_socket, sizeof(status_socket), "%s/status.%ld", getenv("USMD_TEST_DIR"), (long)getpid());
	(void)snprintf(listen_setting, sizeof(listen_setting), "status_listen = %s", status_socket);
	world_begin(&w, NULL, settings);
}

/* METHOD of PAGE behind the socket SOCK, with its header. */
static char *
fetch(const char *sock, const char *method, const char *page, bool header, long *status)
{
	char url[160], *p = NULL;
	CURL *c = curl_easy_init();
	size_t len = 0;
	FILE *f = open_memstream(&p, &len);

	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	(void)curl_easy_setopt(c, CURLOPT_HEADER, header ? 1L : 0L);
	(void)snprintf(url, sizeof(url), "http://localhost%s", page);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	(void)fclose(f);
	curl_easy_cleanup(c);
	return p;
}

static char *
admin(const char *page)
{
	char sock[160];
	long status;

	(void)snprintf(sock, sizeof(sock), "%s/admin.sock", w.dir);
	return fetch(sock, "GET", page, false, &status);
}

static char *
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p = calloc(1, 1 << 20);

	ck_assert_msg(f != NULL, "no file %s", path);
	ck_assert_uint_lt(fread(p, 1, (1 << 20) - 1, f), (1 << 20) - 1);
	(void)fclose(f);
	return p;
}

static bool
has(const struct names *x, const char *name)
{
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->name[i], name) == 0)
			return true;
	return false;
}

static void
add(struct names *x, const char *p, size_t len)
{
	char name[64];

	ck_assert_uint_lt(len, sizeof(name));
	(void)snprintf(name, sizeof(name), "%.*s", (int)len, p);
	if (!has(x, name)) {
		ck_assert_uint_lt(x->n, NAMES);
		memcpy(x->name[x->n++], name, sizeof(name));
	}
}

static size_t
name_length(const char *p)
{
	size_t n = 0;

	while (islower((unsigned char)p[n]) || isdigit((unsigned char)p[n]) || p[n] == '_')
		n++;
	return n;
}

static bool
ends(const char *name, const char *with)
{
	size_t n = strlen(name), m = strlen(with);

	return n > m && strcmp(name + n - m, with) == 0;
}

/* The names of PAGE by their HELP lines, each followed by its TYPE; every sample belongs to the last one. */
static void
names_of_page(const char *page, struct names *out)
{
	char type[16] = "", name[64] = "";

	for (const char *p = page; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, " {\n");
		const char *value;

		if (strncmp(p, "# HELP ", 7) == 0) {
			ck_assert_msg(!has(out, ""), "no name");
			len = strcspn(p + 7, " ");
			(void)snprintf(name, sizeof(name), "%.*s", (int)len, p + 7);
			ck_assert_msg(!has(out, name), "%s twice", name);
			add(out, p + 7, len);
			ck_assert_uint_gt(strcspn(p + 8 + len, "\n"), 5);
			continue;
		}
		if (strncmp(p, "# TYPE ", 7) == 0) {
			ck_assert_msg(strncmp(p + 7, name, strlen(name)) == 0, "TYPE of %.40s behind HELP of %s", p + 7, name);
			ck_assert_int_eq(sscanf(p + 8 + strlen(name), "%15s", type), 1);
			/* the unit or the kind is in the name */
			ck_assert_msg((strcmp(type, "counter") == 0) == ends(name, "_total"), "%s is a %s", name, type);
			ck_assert_msg(strcmp(type, "histogram") != 0 || ends(name, "_seconds"), "%s has no unit", name);
			continue;
		}
		ck_assert_msg(strncmp(p, name, strlen(name)) == 0, "sample %.60s under %s", p, name);
		if (strcmp(type, "histogram") != 0)
			ck_assert_msg(len == strlen(name), "sample %.60s under %s", p, name);
		value = strchr(p, '}') != NULL && strchr(p, '}') < p + strcspn(p, "\n") ? strchr(p, '}') + 1 : p + len;
		ck_assert_msg(*value == ' ' && (isdigit((unsigned char)value[1]) || value[1] == '-'), "no number in %.80s", p);
	}
}

/* Every usmd_something of TEXT that is no file or program: _bucket, _sum and _count are of a histogram. */
static void
names_of_text(const char *text, const struct names *known, struct names *out)
{
	static const char *const suffix[] = { "_bucket", "_sum", "_count" };

	for (const char *p = strstr(text, "usmd_"); p != NULL; p = strstr(p + 1, "usmd_")) {
		size_t n = name_length(p);
		char base[64];

		if (p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))
			continue;
		ck_assert_uint_lt(n, sizeof(base));
		for (size_t i = 0; i <= ARRAY_LEN(suffix); i++) {
			size_t m = i == 0 ? 0 : strlen(suffix[i - 1]);

			(void)snprintf(base, sizeof(base), "%.*s", (int)(n - (m < n ? m : 0)), p);
			if (has(known, base) && (i == 0 || (m < n && strncmp(p + n - m, suffix[i - 1], m) == 0)))
				break;
			if (i == ARRAY_LEN(suffix))
				(void)snprintf(base, sizeof(base), "%.*s", (int)n, p);
		}
		add(out, base, strlen(base));
	}
}

/* A device that logs in, gets a folder, changes it, and asks for nonsense. */
static void
some_work(void)
{
	struct dev d;
	json_t *c, *data;

	login(&d, "anton", "phone");
	open_folder(&d, json_string_value(json_object_get(d.defaults, "contact")));
	c = json_pack("{s:s,s:s}", "clientId", "m1", "last_name", "Metric");
	data = update(&d, request(&d, one(c), NULL, NULL));
	json_decref(data);
	c = json_pack("{s:i}", "nonsense", 1);
	(void)bad(&d, "syncUpdate", c, NULL);
	json_decref(c);
}

static long long
value(const char *page, const char *sample)
{
	char line[160];
	const char *at;
	long long v = -1;

	(void)snprintf(line, sizeof(line), "\n%s ", sample);
	at = strstr(page, line);
	ck_assert_msg(at != NULL, "no sample %s", sample);
	ck_assert_int_eq(sscanf(at + strlen(line), "%lld", &v), 1);
	return v;
}

START_TEST(the_page)
{
	struct names known = { .n = 0 };
	char *page;

	some_work();
	page = admin("/metrics");
	names_of_page(page, &known);
	ck_assert_uint_gt(known.n, 50);
	ck_assert_int_eq(value(page, "usmd_requests_total{command=\"login\",status=\"200\"}"), 1);
	ck_assert_int_eq(value(page, "usmd_requests_total{command=\"syncUpdate\",status=\"200\"}"), 1);
	ck_assert_int_eq(value(page, "usmd_requests_total{command=\"syncUpdate\",status=\"400\"}"), 1);
	ck_assert_int_eq(value(page, "usmd_request_errors_total{code=\"bad-request\"}"), 1);
	ck_assert_int_eq(value(page, "usmd_request_seconds_count{command=\"syncUpdate\"}"), 2);
	ck_assert_int_eq(value(page, "usmd_request_seconds_bucket{command=\"syncUpdate\",le=\"+Inf\"}"), 2);
	ck_assert_int_ge(value(page, "usmd_ox_calls_total{module=\"contacts\",result=\"ok\"}"), 2);
	ck_assert_int_ge(value(page, "usmd_ox_call_seconds_count{module=\"contacts\"}"), 2);
	ck_assert_int_ge(value(page, "usmd_pg_statement_seconds_count"), 5);
	ck_assert_int_ge(value(page, "usmd_pg_lease_seconds_count"), 3);
	ck_assert_int_ge(value(page, "usmd_pg_lock_seconds_count"), 2);
	ck_assert_int_ge(value(page, "usmd_cache_seconds_count"), 1);
	ck_assert_int_ge(value(page, "usmd_queue_seconds_count"), 4);
	ck_assert_int_eq(value(page, "usmd_build_info{version=\"" USMD_VERSION "\"}"), 1);
	free(page);
}
END_TEST

/* The number behind KEY= in LINE. */
static long long
field(const char *line, const char *key)
{
	char text[40];
	const char *at;

	(void)snprintf(text, sizeof(text), " %s=", key);
	at = strstr(line, text);
	ck_assert_msg(at != NULL, "no %s in %s", key, line);
	return strtoll(at + strlen(text), NULL, 10);
}

/* A request for which OX takes its time is in the log with OX as the reason. */
START_TEST(slow_requests)
{
	struct dev d;
	char path[160], *log;
	const char *line;

	login(&d, "anton", "phone");
	faults("{\"match\":{\"module\":\"contacts\"},\"effect\":{\"delay_ms\":300}}");
	open_folder(&d, json_string_value(json_object_get(d.defaults, "contact")));
	no_faults();
	(void)snprintf(path, sizeof(path), "%s/usmd.log", w.dir);
	(void)admin("/health"); /* what was answered before is logged */
	for (int i = 0; ; i++) {
		log = read_file(path);
		line = strstr(log, "event=slow-request req=3 ");
		if (line != NULL)
			break;
		ck_assert_msg(i < 1000, "no slow-request in %s", log);
		free(log);
		sleep_ms(10);
	}
	ck_assert_msg(strstr(line, " path=/usm-json/syncInit command=syncInit status=200 ") != NULL, "%s", line);
	ck_assert_msg(field(line, "ms") >= 300, "%s", log);
	ck_assert_int_ge(field(line, "ox_ms"), 300);
	ck_assert_int_lt(field(line, "database_ms"), field(line, "ox_ms"));
	ck_assert_int_ge(field(line, "statements"), 3);
	ck_assert_int_ge(field(line, "ox_calls"), 1);
	ck_assert_int_ge(field(line, "ms") + 6, field(line, "queue_ms") + field(line, "database_ms") + field(line, "lock_ms") + field(line, "ox_ms") +
	    field(line, "cache_ms") + field(line, "other_ms"));
	ck_assert_ptr_null(strstr(log, "secret"));
	free(log);
}
END_TEST

/* Each path of wake-ups is tested by the daemon itself, and none fails. */
START_TEST(self_test)
{
	static const char *const paths[] = { "hub", "redis", "postgresql" };
	char sample[80];

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		(void)snprintf(sample, sizeof(sample), "\nusmd_self_test_seconds_count{path=\"%s\"} ", paths[i]);
		for (int k = 0; ; k++) {
			char *page = admin("/metrics");
			const char *at = strstr(page, sample);
			bool enough = at != NULL && strtol(at + strlen(sample), NULL, 10) >= 2;

			ck_assert_ptr_null(strstr(page, "usmd_self_test_failures_total{"));
			free(page);
			if (enough)
				break;
			ck_assert_msg(k < 1500, "no self-test by %s", paths[i]);
			sleep_ms(10);
		}
	}
}
END_TEST

START_TEST(the_status_page)
{
	char *page;
	json_t *root;
	long status;

	some_work();
	page = fetch(status_socket, "GET", "/", true, &status);
	ck_assert_int_eq(status, 200);
	ck_assert_ptr_nonnull(strstr(page, "Content-Security-Policy: default-src 'none'; style-src 'sha256-"));
	ck_assert_ptr_nonnull(strstr(page, "Cache-Control: no-store"));
	ck_assert_ptr_nonnull(strstr(page, "X-Content-Type-Options: nosniff"));
	ck_assert_ptr_nonnull(strstr(page, "</svg>Ready</span>"));
	ck_assert_ptr_nonnull(strstr(page, "Requests took longer than <code>slow_request</code>")); /* of this device */
	ck_assert_ptr_nonnull(strstr(page, "None is known: clients wait as long as they ask for."));
	ck_assert_ptr_null(strstr(page, "anton"));
	free(page);
	page = fetch(status_socket, "GET", "/status.json", false, &status);
	root = json_loads(page, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(root != NULL, "no JSON: %.500s", page);
	ck_assert_str_eq(str(root, "status"), "Ready");
	ck_assert_ptr_nonnull(strstr(str(root, "main"), "<ul class=\"tiles\">"));
	json_decref(root);
	free(page);
	free(fetch(status_socket, "POST", "/", false, &status));
	ck_assert_int_eq(status, 405);
	free(fetch(status_socket, "GET", "/metrics", false, &status)); /* not here */
	ck_assert_int_eq(status, 404);
}
END_TEST

START_TEST(the_manual)
{
	struct names known = { .n = 0 }, told = { .n = 0 };
	char *page = admin("/metrics"), *man = read_file("man/usmd.8");

	names_of_page(page, &known);
	names_of_text(man, &known, &told);
	for (size_t i = 0; i < known.n; i++)
		ck_assert_msg(has(&told, known.name[i]), "man/usmd.8 does not have %s", known.name[i]);
	for (size_t i = 0; i < told.n; i++)
		ck_assert_msg(has(&known, told.name[i]), "man/usmd.8 has %s, which does not exist", told.name[i]);
	free(man);
	free(page);
}
END_TEST

START_TEST(dashboard_and_alerts)
{
	static const char *const files[] = { "packaging/monitoring/usmd-dashboard.json", "packaging/monitoring/usmd-alerts.yml" };
	struct names known = { .n = 0 };
	char *page = admin("/metrics");
	json_t *root;

	names_of_page(page, &known);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct names asked = { .n = 0 };
		char *text = read_file(files[i]);

		names_of_text(text, &known, &asked);
		ck_assert_uint_gt(asked.n, 10);
		for (size_t k = 0; k < asked.n; k++)
			ck_assert_msg(has(&known, asked.name[k]), "%s asks for %s, which does not exist", files[i], asked.name[k]);
		free(text);
	}
	root = json_load_file(files[0], JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(root != NULL && json_array_size(json_object_get(root, "panels")) > 10, "the dashboard is no JSON");
	json_decref(root);
	free(page);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("metrics");
	TCase *tc = tcase_create("metrics");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, world_down);
	tcase_add_test(tc, the_page);
	tcase_add_test(tc, slow_requests);
	tcase_add_test(tc, self_test);
	tcase_add_test(tc, the_status_page);
	tcase_add_test(tc, the_manual);
	tcase_add_test(tc, dashboard_and_alerts);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
