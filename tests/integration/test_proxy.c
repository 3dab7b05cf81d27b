/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A real Apache in front, with the configuration that is shipped: one node, and two behind its balancer. */
#include "wire.h"
#include "nodes.h"

#include "harness/apache.h"

static struct apache proxy;
static struct node n[2]; /* alone on its unix socket, two on TCP */

static const char *const settings[] = { "heartbeat_min = 1s", "ping_poll_interval = 0", "login_attempts = 1000", "ox_timeout = 5s",
	"ox_write_max_time = 8s", "drain_time = 6s", "max_devices = 0", "flood_rate = 0", NULL };

static void
up(unsigned nodes, const char *extra)
{
	const char *at[2];

	world_begin(&w, NULL, settings);
	if (nodes == 1)
		n[0] = first_node();
	else
		world_usmd_kill(&w);
	for (unsigned i = 0; i < nodes && nodes > 1; i++)
		node_start(&n[i]);
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
	up(2, "Timeout 2\nServerLimit 4\nThreadLimit 100\nThreadsPerChild 100\nMaxRequestWorkers 400\nLogLevel proxy_hcheck:info");
}

static void
down(void)
{
	apache_stop(&proxy);
	for (unsigned i = 0; i < 2; i++)
		(void)node_end(&n[i], SIGKILL); /* ended as they should in a_node_is_drained */
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

/* The log is written when libmicrohttpd has noticed. */
static void
await_logged(const struct node *x, const char *a, const char *b, unsigned want)
{
	for (int i = 0; i < 1000 && logged(x, a, b, "") < want; i++)
		sleep_ms(10);
	ck_assert_uint_ge(logged(x, a, b, ""), want);
}

START_TEST(one_node)
{
	static const char *const forged[] = { "Content-Type: application/json", "X-Forwarded-For: 192.0.2.66", NULL };
	static const char *const gzip[] = { "Content-Type: application/json", "Accept-Encoding: gzip", NULL };
	char text[4096] = "";
	struct waiting x;
	struct dev d, other;
	int64_t t;

	ck_assert_int_eq(raw("/usm-json/serverInfo", forged, "{}", text, sizeof(text)), 200);
	await_logged(&n[0], "path=/usm-json/serverInfo", "client=127.0.0.1", 1); /* the line is written when the answer is out */
	ck_assert_uint_eq(logged(&n[0], "path=/usm-json/serverInfo", "client=127.0.0.1", ""), 1);
	ck_assert_uint_eq(logged(&n[0], "192.0.2.66", "", ""), 0);
	ck_assert_int_eq(raw("/usm-json/serverInfo", gzip, "{}", text, sizeof(text)), 200);
	ck_assert_int_eq((unsigned char)text[0], 0x1f); /* compressed by Apache */
	/* nothing but the protocol is reached from outside */
	ck_assert_int_eq(raw("/health", NULL, NULL, text, sizeof(text)), 404);
	ck_assert_int_eq(raw("/metrics", NULL, NULL, text, sizeof(text)), 404);
	ck_assert_int_eq(raw("/usm-json/../health", NULL, NULL, text, sizeof(text)), 404);

	/* an event goes through at once */
	login(&d, "berta", "laptop");
	open_folder(&d, str(d.defaults, "contact"));
	x = (struct waiting){ .server = proxy.url, .d = &d, .heartbeat_s = 20, .command = "events", .until = "event: changed" };
	ck_assert_int_eq(pthread_create(&x.thread, NULL, waiting_main, &x), 0);
	node_await(&n[0], "usmd_waiters", 1);
	login(&other, "berta", "other");
	open_folder(&other, str(other.defaults, "contact"));
	json_decref(update(&other, request(&other, json_pack("[{s:s,s:s}]", "clientId", "c", "last_name", "Event"), NULL, NULL)));
	t = now_mono_us();
	wait_end(&x);
	ck_assert_ptr_nonnull(strstr(x.text, "event: changed"));
	(void)printf("an event came through Apache %.1f ms after the answer to its change\n", (double)(x.ended_us - t) / 1000);
	ck_assert_int_lt(x.ended_us - t, 2000000);

	/* a wait is longer than Apache's Timeout */
	(void)pull(&d);
	t = now_mono_us();
	wait_begin(&x, proxy.url, &d, 5);
	wait_end(&x);
	ck_assert_int_ge(x.ended_us - t, 4500000);
	ck_assert(!x.changed);
}
END_TEST

/* Somebody has forgotten the time-out in front: Apache gives up after 3 seconds. */
static void
up_cut(void)
{
	char rule[400];

	world_begin(&w, NULL, settings);
	n[0] = first_node();
	(void)snprintf(rule, sizeof(rule), "ProxyPass \"/usm-json\" \"unix:%s/usmd.sock|http://cut/usm-json\" timeout=3", w.dir);
	apache_start(&proxy, w.dir, (const char *const[]){ n[0].proxy }, 1, rule);
	(void)snprintf(w.server, sizeof(w.server), "%s", proxy.url);
}

START_TEST(what_cuts_is_learnt)
{
	char prog[160], conf[160], log[160], text[4096] = "";
	char *argv[] = { prog, "proxies", "--config", conf, NULL };
	struct waiting x;
	struct dev d;
	int64_t t;
	FILE *f;

	login(&d, "berta", "laptop");
	open_folder(&d, str(d.defaults, "contact"));
	for (int i = 0; i < 4; i++) {
		wait_begin(&x, proxy.url, &d, 20);
		(void)pthread_join(x.thread, NULL);
		ck_assert_msg(x.status == 502 || x.status == 504, "%ld %s", x.status, x.text);
		await_logged(&n[0], "path=/usm-json/ping", "lost=1", (unsigned)i + 1);
	}
	/* from now on clients there are answered before */
	for (int i = 0; i < 2; i++) {
		t = now_mono_us();
		wait_begin(&x, proxy.url, &d, 20);
		wait_end(&x);
		ck_assert_int_lt(x.ended_us - t, 3000000);
		ck_assert_int_ge(x.ended_us - t, 900000);
	}
	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w.dir);
	(void)snprintf(log, sizeof(log), "%s/proxies.log", w.dir);
	ck_assert_int_eq(run_wait(argv, log), 0);
	f = fopen(log, "r");
	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	ck_assert_msg(strstr(text, "\n127.0.0.0/24 ") != NULL, "%s", text);
	(void)printf("%s", text);
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

/* How often did Apache's checks put the node aside? */
static unsigned
disabled(const char *address)
{
	const char *name = strchr(address, '|') != NULL ? strchr(address, '|') + 1 : address;
	char path[200], line[1024];
	unsigned count = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/error.log", proxy.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		count += strstr(line, "Health check DISABLING") != NULL && strstr(line, name) != NULL;
	(void)fclose(f);
	return count;
}

/* One dies between two requests: Apache finds nobody there and asks the other one. */
START_TEST(a_dead_node_is_passed_over)
{
	json_t *body;
	struct dev d;

	login(&d, "berta", "laptop");
	(void)node_end(&n[0], SIGKILL);
	body = json_object();
	for (unsigned i = 0; i < 50; i++)
		json_decref(good(&d, "syncInit", body));
	json_decref(body);
}
END_TEST

#define CROWD 200

static struct dev crowd[CROWD];
static struct waiting waits[CROWD];
static atomic_bool crowd_stop;

/* A client of the crowd: waits for ever, and must never see an error. */
static void *
one_of_the_crowd(void *arg)
{
	struct waiting *x = arg;

	while (!atomic_load(&crowd_stop)) {
		ping_once(x);
		if (x->status != 200)
			break;
	}
	return NULL;
}

START_TEST(a_node_is_drained)
{
	char text[4096], name[20];
	long left;
	int64_t t;
	unsigned failed = 0;

	for (unsigned i = 0; i < CROWD; i++) {
		(void)snprintf(name, sizeof(name), "crowd%u", i);
		login(&crowd[i], "berta", name);
		open_folder(&crowd[i], str(crowd[i].defaults, "contact"));
		waits[i] = (struct waiting){ .server = proxy.url, .d = &crowd[i], .heartbeat_s = 60 };
		ck_assert_int_eq(pthread_create(&waits[i].thread, NULL, one_of_the_crowd, &waits[i]), 0);
	}
	for (int i = 0; i < 3000 && node_metric(&n[0], "usmd_waiters") + node_metric(&n[1], "usmd_waiters") < CROWD; i++)
		sleep_ms(10);
	left = node_metric(&n[0], "usmd_waiters");
	ck_assert_int_gt(left, CROWD / 4); /* both have their share */
	ck_assert_int_gt(CROWD - left, CROWD / 4);
	(void)printf("%ld wait at the node that stops, %ld at the other one\n", left, CROWD - left);
	t = now_mono_us();
	(void)kill(n[0].pid, SIGTERM);
	for (int i = 0; i < 3000 && node_metric(&n[1], "usmd_waiters") < CROWD; i++)
		sleep_ms(10);
	/* it says so, and still answers */
	if (now_mono_us() - t < 4000000)
		ck_assert_int_eq(node_ask(&n[0], "/health", text, sizeof(text)), 503);
	ck_assert_int_eq(node_end(&n[0], 0), 0);
	(void)printf("all at the other one, and the first one ended after %.1f s\n", (double)(now_mono_us() - t) / 1e6);
	(void)fflush(stdout);
	/* nobody saw an error, and they hear what happens now */
	for (unsigned i = 0; i < CROWD; i++)
		if (waits[i].status != 200 && waits[i].status != 0) {
			(void)printf("%ld %s\n", waits[i].status, waits[i].text);
			failed++;
		}
	ck_assert_uint_eq(failed, 0);
	/* the checks of the balancer have seen it go, and never thought so of the other one */
	ck_assert_uint_eq(disabled(n[0].proxy), 1);
	ck_assert_uint_eq(disabled(n[1].proxy), 0);
	atomic_store(&crowd_stop, true);
	json_decref(ox_as("berta", "contacts", "new", json_object(), json_pack("{s:i,s:s}", "folder_id", 42, "last_name", "New")));
	open_folder(&crowd[0], crowd[0].folder); /* its look finds it, so that all are woken */
	for (unsigned i = 0; i < CROWD; i++) {
		wait_end(&waits[i]);
		ck_assert(waits[i].changed);
	}
}
END_TEST

/* Clients that ask all the time, besides those who wait. */
#define ASKERS 6

static const struct dev *asker_dev[ASKERS];
static atomic_uint asked, asked_in_vain;

static void *
one_who_asks(void *arg)
{
	const struct dev *d = *(const struct dev **)arg;
	char url[250];
	struct buf b;
	long status;

	(void)snprintf(url, sizeof(url), "%s/usm-json/getConfig", proxy.url);
	while (!atomic_load(&crowd_stop)) {
		buf_init(&b, 1 << 16);
		http(url, d->token, "{}", &b, &status);
		(void)atomic_fetch_add(&asked, 1);
		if (status != 200) {
			(void)atomic_fetch_add(&asked_in_vain, 1);
			(void)printf("getConfig: %ld %.200s\n", status, b.p != NULL ? b.p : "");
		}
		buf_fini(&b);
	}
	return NULL;
}

/* usmctl drain, and the stop when nobody is there any more, while all clients are busy: nobody notices. */
START_TEST(a_busy_node_is_drained)
{
	char prog[160], conf[200], log[200], name[20];
	char *argv[] = { prog, "drain", "--config", conf, NULL };
	const size_t waiting = CROWD / 4;
	pthread_t t[ASKERS];
	unsigned before;
	long left;

	for (size_t i = 0; i < waiting; i++) {
		(void)snprintf(name, sizeof(name), "busy%zu", i);
		login(&crowd[i], "berta", name);
		open_folder(&crowd[i], str(crowd[i].defaults, "contact"));
		waits[i] = (struct waiting){ .server = proxy.url, .d = &crowd[i], .heartbeat_s = 1 + (unsigned)(i % 3) };
		ck_assert_int_eq(pthread_create(&waits[i].thread, NULL, one_of_the_crowd, &waits[i]), 0);
	}
	for (size_t i = 0; i < ASKERS; i++) {
		asker_dev[i] = &crowd[i];
		ck_assert_int_eq(pthread_create(&t[i], NULL, one_who_asks, &asker_dev[i]), 0);
	}
	while (atomic_load(&asked) < 200)
		sleep_ms(10);
	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%.180s/usmd.conf", n[0].dir);
	(void)snprintf(log, sizeof(log), "%.180s/drain.log", n[0].dir);
	before = atomic_load(&asked);
	ck_assert_int_eq(run_wait(argv, log), 0);
	while ((left = node_metric(&n[0], "usmd_requests_in_flight")) > 0)
		sleep_ms(50);
	ck_assert_int_eq(node_end(&n[0], SIGTERM), 0);
	(void)printf("%u requests and %zu waits while a node was drained and stopped, %u in vain\n", atomic_load(&asked) - before, waiting,
	    atomic_load(&asked_in_vain));
	sleep_ms(1000); /* who met it in its last moment has heard by now */
	atomic_store(&crowd_stop, true);
	for (size_t i = 0; i < ASKERS; i++)
		(void)pthread_join(t[i], NULL);
	for (size_t i = 0; i < waiting; i++)
		wait_end(&waits[i]); /* of all that it had, each was 200 */
	ck_assert_uint_eq(atomic_load(&asked_in_vain), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proxy");
	TCase *one = tcase_create("one node"), *two = tcase_create("two nodes"), *cut = tcase_create("cut");

	(void)harness_env("USMD_TEST_DIR");
	if (!apache_is_there()) {
		(void)fprintf(stderr, "no Apache found: run 'make deps'\n");
		return 77;
	}
	tcase_add_checked_fixture(one, up_one, down);
	tcase_set_timeout(one, 60);
	tcase_add_test(one, one_node);
	suite_add_tcase(s, one);
	tcase_add_checked_fixture(cut, up_cut, down);
	tcase_set_timeout(cut, 60);
	tcase_add_test(cut, what_cuts_is_learnt);
	suite_add_tcase(s, cut);
	tcase_add_checked_fixture(two, up_two, down);
	tcase_set_timeout(two, 120);
	tcase_add_test(two, a_post_is_sent_once);
	tcase_add_test(two, a_dead_node_is_passed_over);
	tcase_add_test(two, a_node_is_drained);
	tcase_add_test(two, a_busy_node_is_drained);
	suite_add_tcase(s, two);
	return harness_main(s);
}
