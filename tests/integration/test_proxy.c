/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A real Apache in front, with the configuration that is shipped: one node, and two behind its balancer. */
#include "wire.h"
#include "nodes.h"

#include "harness/apache.h"

static struct apache proxy;
static struct node n[2]; /* on a unix socket, and on TCP */

static const char *const settings[] = { "heartbeat_min = 1s", "ping_poll_interval = 0", "login_attempts = 1000", "ox_timeout = 5s", "ox_write_max_time = 8s", NULL };

static void
up(unsigned nodes, const char *extra)
{
	const char *at[2];

	world_begin(&w, NULL, settings);
	n[0] = first_node();
	if (nodes > 1)
		node_start(&n[1]);
	for (unsigned i = 0; i < nodes; i++)
		at[i] = n[i].proxy;
	apache_start(&proxy, w.dir, at, nodes, extra);
	(void)snprintf(w.server, sizeof(w.server), "%s", proxy.url);
}

static void
up_one(void)
{
	/* what Apache allows for reading and writing, far below the length of a wait */
	up(1, "Timeout 2");
}

static void
up_two(void)
{
	up(2, "Timeout 2\nServerLimit 4\nThreadsPerChild 100\nMaxRequestWorkers 400");
}

static void
down(void)
{
	apache_stop(&proxy);
	(void)node_end(&n[1], SIGTERM);
	world_down();
}

/* A request as a stranger may send it: the status; the answer into TEXT. */
static long
raw(const char *path, const char *const *headers, const char *body, char *text, size_t size)
{
	struct curl_slist *h = NULL;
	char url[300];
	CURL *c = curl_easy_init();
	FILE *f = fmemopen(text, size, "w");
	long status = 0;

	for (; headers != NULL && *headers != NULL; headers++)
		h = curl_slist_append(h, *headers);
	(void)snprintf(url, sizeof(url), "%s%s", proxy.url, path);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	if (body != NULL)
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
	if (curl_easy_perform(c) == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	(void)fclose(f);
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
	return status;
}

/* How many lines of the node's log have all of A, B and C in them. */
static unsigned
logged(const struct node *x, const char *a, const char *b, const char *c)
{
	char path[200], line[1024];
	unsigned count = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.log", x->dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		count += strstr(line, a) != NULL && strstr(line, b) != NULL && strstr(line, c) != NULL;
	(void)fclose(f);
	return count;
}

START_TEST(one_node)
{
	static const char *const forged[] = { "Content-Type: application/json", "X-Forwarded-For: 192.0.2.66", NULL };
	static const char *const gzip[] = { "Content-Type: application/json", "Accept-Encoding: gzip", NULL };
	char text[4096] = "";
	struct waiting x;
	struct dev d;
	int64_t t;

	ck_assert_int_eq(raw("/usm-json/serverInfo", forged, "{}", text, sizeof(text)), 200);
	ck_assert_uint_eq(logged(&n[0], "path=/usm-json/serverInfo", "client=127.0.0.1", ""), 1);
	ck_assert_uint_eq(logged(&n[0], "192.0.2.66", "", ""), 0);
	ck_assert_int_eq(raw("/usm-json/serverInfo", gzip, "{}", text, sizeof(text)), 200);
	ck_assert_int_eq((unsigned char)text[0], 0x1f); /* compressed by Apache */
	/* nothing but the protocol is reached from outside */
	ck_assert_int_eq(raw("/health", NULL, NULL, text, sizeof(text)), 404);
	ck_assert_int_eq(raw("/metrics", NULL, NULL, text, sizeof(text)), 404);
	ck_assert_int_eq(raw("/usm-json/../health", NULL, NULL, text, sizeof(text)), 404);

	/* a wait is longer than Apache's Timeout */
	login(&d, "berta", "laptop");
	open_folder(&d, str(d.defaults, "contact"));
	t = now_mono_us();
	wait_begin(&x, proxy.url, &d, 5);
	wait_end(&x);
	ck_assert_int_ge(x.ended_us - t, 4500000);
	ck_assert(!x.changed);
}
END_TEST

/* The node that works on a create dies: Apache must not give it to the other one, that is for the client to decide. */
START_TEST(a_post_is_sent_once)
{
	json_t *created = json_pack("[{s:s,s:s}]", "clientId", "once", "last_name", "Once"), *body, *data;
	char text[4096] = "", auth[128], *s;
	const char *headers[] = { "Content-Type: application/json", auth, NULL };
	int victim = 0;
	struct dev d;
	pid_t killer;
	long status;

	login(&d, "berta", "laptop");
	open_folder(&d, str(d.defaults, "contact"));
	body = request(&d, created, NULL, NULL);
	s = json_dumps(body, JSON_COMPACT);
	(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", d.token);
	faults("{\"match\":{\"module\":\"contacts\",\"action\":\"new\"},\"effect\":{\"delay_ms\":3000}}");
	killer = fork();
	if (killer == 0) { /* whichever node has the request in work */
		for (;;)
			for (unsigned i = 0; i < 2; i++)
				if (node_metric(&n[i], "usmd_workers_busy") == 1) {
					(void)kill(n[i].pid, SIGKILL);
					_exit((int)i);
				}
	}
	status = raw("/usm-json/syncUpdate", headers, s, text, sizeof(text));
	(void)waitpid(killer, &victim, 0);
	victim = WEXITSTATUS(victim);
	ck_assert_msg(status == 502, "%ld %s", status, text);
	ck_assert_int_eq(node_end(&n[victim], SIGKILL), 128 + SIGKILL);
	ck_assert_uint_eq(logged(&n[1 - victim], "path=/usm-json/syncUpdate", "", ""), 0);
	/* from now on the other one does it all; the client repeats, and the contact is there once */
	for (;;) {
		json_t *root = call(&d, "syncUpdate", body);
		const char *result_status;

		data = json_object_get(root, "data");
		ck_assert_ptr_nonnull(data);
		result_status = str(result(data, 0), "status");
		if (strcmp(result_status, "retry") != 0) {
			ck_assert_str_eq(result_status, "ok");
			json_decref(root);
			break;
		}
		json_decref(root);
		sleep_ms(200);
	}
	ck_assert_uint_eq(ox_rows("berta", "contacts", "42", "1,502", "Once", NULL, 0), 1);
	free(s);
	json_decref(body);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proxy");
	TCase *one = tcase_create("one node"), *two = tcase_create("two nodes");

	(void)harness_env("USMD_TEST_DIR");
	if (!apache_is_there()) {
		(void)fprintf(stderr, "no Apache found: run 'make deps'\n");
		return 77;
	}
	tcase_add_checked_fixture(one, up_one, down);
	tcase_set_timeout(one, 60);
	tcase_add_test(one, one_node);
	suite_add_tcase(s, one);
	tcase_add_checked_fixture(two, up_two, down);
	tcase_set_timeout(two, 120);
	tcase_add_test(two, a_post_is_sent_once);
	suite_add_tcase(s, two);
	return harness_main(s);
}
