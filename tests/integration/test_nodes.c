/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two real usmd on one database: who waits at one hears what happens at the other, and what an administrator decides, whatever becomes of Redis and
 * the connections.
 */
#include "usmctl.h"
#include "nodes.h"

#include <libpq-fe.h>

static struct node first, two;
static struct dev a, b; /* of the same user: a works at the first node, b waits at the second */

static json_t *
contact(const char *name)
{
	static unsigned n;
	char id[20];

	(void)snprintf(id, sizeof(id), "c%u", n++);
	return json_pack("[{s:s,s:s}]", "clientId", id, "last_name", name);
}

static void
at(const struct node *n)
{
	(void)snprintf(w.server, sizeof(w.server), "%s", n->server);
}

static void
up(const char *const *settings)
{
	world_begin(&w, NULL, settings);
	first = first_node();
	node_start(&two);
	at(&first);
	login(&a, "berta", "a");
	open_folder(&a, str(a.defaults, "contact"));
	at(&two);
	login(&b, "berta", "b");
	open_folder(&b, str(b.defaults, "contact"));
}

static void
down(void)
{
	ck_assert_int_eq(node_end(&two, SIGTERM), 0);
	world_down();
}

/* b waits at the second node, a writes at the first one: the time from the change's answer to that of the ping. */
static int64_t
change_and_hear(const char *name)
{
	json_t *data;
	struct waiting x;
	int64_t t;

	at(&two);
	(void)pull(&b);
	wait_begin(&x, two.server, &b, 60);
	node_await(&two, "usmd_waiters", 1);
	at(&first);
	data = update(&a, request(&a, contact(name), NULL, NULL));
	t = now_mono_us();
	json_decref(data);
	wait_end(&x);
	ck_assert_msg(x.changed, "%s: %s", name, x.text);
	at(&two);
	(void)pull(&b);
	ck_assert_ptr_nonnull(find(&b, "last_name", name, NULL));
	return x.ended_us - t;
}

/* nobody polls OX: what is heard was told by the other node */
static const char *const quiet[] = { "heartbeat_min = 1s", "ping_poll_interval = 0", "ping_compare_interval = 500ms", NULL };

static void
up_with_redis(void)
{
	redis_up();
	up(quiet);
}

static void
down_with_redis(void)
{
	down();
	redis_down();
}

static void
several(const char *what, unsigned n)
{
	int64_t us, worst = 0;
	char name[40];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%.20s %u", what, i);
		us = change_and_hear(name);
		worst = us > worst ? us : worst;
	}
	(void)printf("%s: heard at the other node after %.1f ms at most, of %u changes\n", what, (double)worst / 1000, n);
	(void)fflush(stdout);
}

START_TEST(a_change_is_heard_at_the_other_node)
{
	several("by Redis", 20);
	/* and it costs nothing at PostgreSQL */
	ck_assert_int_eq(node_metric(&first, "usmd_pg_notifies_total"), 0);
	ck_assert_int_eq(node_metric(&two, "usmd_pg_notifies_total"), 0);
	/* nor is anybody looked after who has been told */
	ck_assert_int_eq(node_metric(&two, "usmd_untold_changes_total"), 0);
}
END_TEST

START_TEST(redis_goes_and_comes_back)
{
	struct waiting x;

	several("before", 3);
	for (unsigned round = 0; round < 2; round++) {
		long woken;

		wait_begin(&x, two.server, &b, 60);
		node_await(&two, "usmd_waiters", 1);
		woken = node_metric(&two, "usmd_wakeups_total");
		redis_down();
		/* once when the other node begins to notify, since something may have been said in between; the second time it still does */
		if (round == 0)
			node_await(&two, "usmd_wakeups_total", ++woken);
		node_await(&two, "usmd_waiters", 1);
		redis_pid = harness_redis_start(own_redis);
		/* and once when Redis is heard again: it looks, finds nothing, and waits on */
		node_await(&two, "usmd_wakeups_total", woken + 1);
		node_await(&two, "usmd_waiters", 1);
		ck_assert_int_eq(node_metric(&two, "usmd_wakeups_total"), woken + 1);
		ck_assert_int_eq(x.status, 0);
		json_decref(update(&a, request(&a, contact(round == 0 ? "first" : "second"), NULL, NULL)));
		wait_end(&x);
		ck_assert(x.changed);
		at(&two);
		(void)pull(&b);
		redis_down();
		several("without Redis", 5);
		redis_pid = harness_redis_start(own_redis);
		several("Redis again", 5);
	}
}
END_TEST

/* The wait began before Redis went, the change comes in the middle of it all. */
START_TEST(a_change_in_the_moment_of_the_loss)
{
	for (unsigned i = 0; i < 10; i++) {
		char name[20];
		struct waiting x;

		(void)snprintf(name, sizeof(name), "moment %u", i);
		at(&two);
		(void)pull(&b);
		wait_begin(&x, two.server, &b, 60);
		node_await(&two, "usmd_waiters", 1);
		at(&first);
		if (i % 2 == 0)
			redis_down();
		else
			redis_pid = harness_redis_start(own_redis);
		json_decref(update(&a, request(&a, contact(name), NULL, NULL)));
		wait_end(&x);
		ck_assert(x.changed);
	}
}
END_TEST

/* As wait_end, for a wait that ends because its device waits elsewhere. */
static void
ended_unchanged(struct waiting *x)
{
	wait_end(x);
	ck_assert_msg(!x->changed, "%s", x->text);
}

static long
waiters(void)
{
	return node_metric(&first, "usmd_waiters") + node_metric(&two, "usmd_waiters");
}

/* One device at both nodes in turn: each new wait ends the one before. */
static void
one_wait(const char *what)
{
	const struct node *n[] = { &first, &two };
	struct waiting x[9], stream;
	int64_t took, worst = 0;

	at(&two);
	(void)pull(&b);
	stream = (struct waiting){ .server = first.server, .d = &b, .heartbeat_s = 60, .command = "events", .until = "changed" };
	ck_assert_int_eq(pthread_create(&stream.thread, NULL, waiting_main, &stream), 0);
	node_await(&first, "usmd_waiters", 1);
	for (unsigned i = 0; i < ARRAY_LEN(x); i++) {
		int64_t t = now_mono_us();

		wait_begin(&x[i], n[i % 2]->server, &b, 60);
		if (i > 0) {
			ended_unchanged(&x[i - 1]);
			took = x[i - 1].ended_us - t;
			worst = took > worst ? took : worst;
		}
		node_await(n[i % 2], "usmd_waiters", i % 2 == 0 ? 2 : 1);
		ck_assert_int_eq(waiters(), 2); /* it, and the stream, which is another kind of wait */
	}
	(void)printf("%s: an older wait at the other node ends after %.1f ms at most, of %zu\n", what, (double)worst / 1000, ARRAY_LEN(x) - 1);
	/* the last one is a wait like any other */
	at(&first);
	json_decref(update(&a, request(&a, contact(what), NULL, NULL)));
	wait_end(&x[ARRAY_LEN(x) - 1]);
	ck_assert(x[ARRAY_LEN(x) - 1].changed);
	(void)pthread_join(stream.thread, NULL);
}

START_TEST(a_device_waits_once)
{
	one_wait("by Redis");
	ck_assert_int_eq(node_metric(&first, "usmd_pg_notifies_total"), 0);
}
END_TEST

/* Both at once: one of them stays, whichever. */
START_TEST(two_waits_at_once)
{
	at(&two);
	(void)pull(&b);
	for (long i = 0; i < 20; i++) {
		struct waiting x, y;
		char name[20];

		wait_begin(&x, first.server, &b, 60);
		wait_begin(&y, two.server, &b, 60);
		for (int k = 0; k < 3000 && __atomic_load_n(&x.ended_us, __ATOMIC_ACQUIRE) == 0 && __atomic_load_n(&y.ended_us, __ATOMIC_ACQUIRE) == 0; k++)
			sleep_ms(5);
		for (int k = 0; k < 500 && waiters() != 1; k++)
			sleep_ms(5);
		ck_assert_int_eq(waiters(), 1);
		(void)snprintf(name, sizeof(name), "At once %ld", i);
		at(&first);
		json_decref(update(&a, request(&a, contact(name), NULL, NULL)));
		wait_end(&x);
		wait_end(&y);
		ck_assert(x.changed != y.changed);
		at(&two);
		(void)pull(&b);
	}
}
END_TEST

/* ---- a wait that is about to look when its device goes elsewhere: it has no waiter at the hub in that moment ---- */

static void
up_with_one_worker(void)
{
	redis_up();
	up((const char *const[]){ "heartbeat_min = 1s", "ping_poll_interval = 0", "workers = 1", "calendar_past = 30d", "calendar_future = 30d", NULL });
}

static void
sql(PGconn *pg, const char *text)
{
	PGresult *r = PQexec(pg, text);

	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s", PQerrorMessage(pg));
	PQclear(r);
}

static void
await_blocked(PGconn *pg)
{
	for (int i = 0; i < 3000; i++) {
		PGresult *r = PQexec(pg, "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'usmd.conflict'::regclass");
		bool there = PQntuples(r) > 0;

		PQclear(r);
		if (there)
			return;
		sleep_ms(10);
	}
	ck_abort_msg("nobody waits for the table");
}

/* An appointment that no device gets, through the second node. */
static void
far_away(const char *name)
{
	at(&two);
	json_decref(update(&a, request(&a, json_pack("[{s:s,s:s,s:I,s:I}]", "clientId", name, "title", name, "start_date",
	    ((json_int_t)now_ms() + INT64_C(400) * 86400000), "end_date", ((json_int_t)now_ms() + INT64_C(401) * 86400000)), NULL, NULL)));
}

static void *
conflicts_main(void *arg)
{
	const struct node *n = arg;
	char url[250];
	struct buf out;
	long status;

	(void)snprintf(url, sizeof(url), "http://localhost/usm-json/getConflicts");
	ck_assert_int_eq(strncmp(n->server, "unix:", 5), 0);
	buf_init(&out, 65536);
	http(url, a.token, "{}", &out, &status);
	buf_fini(&out);
	return NULL;
}

START_TEST(claimed_while_it_is_about_to_look)
{
	char info[512];
	struct waiting x, y;
	pthread_t busy;
	PGconn *pg;
	long woken, heard;
	int64_t t;

	(void)snprintf(info, sizeof(info), "%s dbname=usmd_world", harness_env("USMD_TEST_PG"));
	pg = PQconnectdb(info);
	ck_assert_int_eq(PQstatus(pg), CONNECTION_OK);
	at(&first);
	open_folder(&a, str(a.defaults, "appointment"));
	open_folder(&b, str(b.defaults, "appointment"));
	(void)pull(&b);
	wait_begin(&x, first.server, &b, 100);
	node_await(&first, "usmd_waiters", 1);
	/* the only worker of the first node is busy for as long as we want */
	sql(pg, "BEGIN");
	sql(pg, "LOCK TABLE usmd.conflict");
	ck_assert_int_eq(pthread_create(&busy, NULL, conflicts_main, &first), 0);
	await_blocked(pg);
	woken = node_metric(&first, "usmd_wakeups_total");
	far_away("Far");
	node_await(&first, "usmd_wakeups_total", woken + 1);
	wait_begin(&y, two.server, &b, 100);
	node_await(&two, "usmd_waiters", 1);
	/* what is told after the claim is heard after it */
	heard = node_metric(&first, "usmd_source_events_total{source=\"node\"}");
	far_away("Farther");
	node_await(&first, "usmd_source_events_total{source=\"node\"}", heard + 1);
	t = now_mono_us();
	sql(pg, "COMMIT");
	ended_unchanged(&x);
	ck_assert_int_lt(x.ended_us - t, 20000000);
	(void)pthread_join(busy, NULL);
	node_await(&two, "usmd_waiters", 1);
	json_decref(update(&a, request(&a, json_pack("[{s:s,s:s,s:I,s:I}]", "clientId", "near", "title", "near", "start_date",
	    ((json_int_t)now_ms() + 86400000), "end_date", ((json_int_t)now_ms() + 90000000)), NULL, NULL)));
	wait_end(&y);
	ck_assert(y.changed);
	PQfinish(pg);
}
END_TEST

/* Each node has a Redis that works and that the other one does not hear: as if the node that wrote had died before it could tell. */
static char lone_redis[200];
static pid_t lone_pid;

static void
up_apart(void)
{
	static char url[220];

	(void)snprintf(lone_redis, sizeof(lone_redis), "%s/lone.sock", harness_env("USMD_TEST_DIR"));
	(void)snprintf(url, sizeof(url), "unix:%s", lone_redis);
	lone_pid = harness_redis_start(lone_redis);
	redis_up();
	node_redis = url;
	up(quiet);
	node_redis = NULL;
}

static void
down_apart(void)
{
	down_with_redis();
	harness_redis_stop(lone_pid);
}

START_TEST(a_change_of_which_nobody_told)
{
	struct waiting stream;
	struct dev c;
	long looks;

	several("not told", 5);
	ck_assert_int_ge(node_metric(&two, "usmd_untold_changes_total"), 5);
	ck_assert_int_eq(node_metric(&two, "usmd_source_events_total{source=\"node\"}"), 0);

	/* a stream, and beside it a device whose folder does not change: that one is not disturbed */
	at(&two);
	login(&c, "caesar", "c");
	open_folder(&c, str(c.defaults, "contact"));
	(void)pull(&b);
	stream = (struct waiting){ .server = two.server, .d = &b, .heartbeat_s = 60, .command = "events", .until = "event: changed" };
	ck_assert_int_eq(pthread_create(&stream.thread, NULL, waiting_main, &stream), 0);
	{
		struct waiting x;

		wait_begin(&x, two.server, &c, 3);
		node_await(&two, "usmd_waiters", 2);
		looks = node_metric(&two, "usmd_wakeups_total");
		at(&first);
		json_decref(update(&a, request(&a, contact("streamed"), NULL, NULL)));
		(void)pthread_join(stream.thread, NULL);
		wait_end(&x);
		ck_assert(!x.changed);
	}
	ck_assert_int_eq(node_metric(&two, "usmd_wakeups_total"), looks + 1);
}
END_TEST

static void
up_without_redis(void)
{
	(void)setenv("USMD_TEST_REDIS", "", 1);
	up(quiet);
}

START_TEST(without_any_redis)
{
	several("PostgreSQL alone", 20);
	one_wait("PostgreSQL alone");
	ck_assert_int_gt(node_metric(&first, "usmd_pg_notifies_total"), 0);
}
END_TEST

/* ---- what an administrator decides about devices that wait ---- */

static const struct {
	const char *args[8];
	const char *then; /* the code of the next login's error, "" = it is let in */
} decisions[] = {
	{ { "device", "block", "--device", "waits" }, "forbidden" },
	{ { "device", "quarantine", "--device", "waits" }, "forbidden" },
	{ { "device", "remove", "--device", "waits" }, "" },
	{ { "sessions", "--end", "--device", "waits" }, "" },
	{ { "forget", "--user", "1/5", "--apply" }, "" }, /* caesar */
};

static void
stream_begin(struct waiting *x, const char *server, const struct dev *d)
{
	*x = (struct waiting){ .server = server, .d = d, .heartbeat_s = 60, .command = "events", .until = "log in again" };
	ck_assert_int_eq(pthread_create(&x->thread, NULL, waiting_main, x), 0);
}

/* As a client that is told to log in again does. */
static const char *
login_again(const char *user, const char *device)
{
	static char code[40];
	const struct dev d = { .token = "" };
	json_t *body = json_pack("{s:s,s:s,s:s,s:i}", "user", user, "password", "secret", "device", device, "protocol", 1), *root = call(&d, "login", body);

	(void)snprintf(code, sizeof(code), "%s", str(json_object_get(root, "error"), "code"));
	json_decref(root);
	json_decref(body);
	return code;
}

/* A ping at one node and a stream at the other end at once and say that the device is out; who waits besides goes on. */
START_TEST(a_decision_ends_waits)
{
	struct dev d, twin, other;
	struct waiting ping, stream, besides;
	int64_t began, late;

	at(&first);
	login(&d, "caesar", "waits");
	open_folder(&d, str(d.defaults, "contact"));
	/* a session for each node: without a Redis for both a password is known where somebody logged in */
	at(&two);
	login(&twin, "caesar", "waits");
	open_folder(&twin, str(twin.defaults, "contact"));
	login(&other, "berta", "besides");
	open_folder(&other, str(other.defaults, "contact"));
	(void)pull(&other);
	wait_begin(&ping, first.server, &d, 60);
	stream_begin(&stream, two.server, &twin);
	wait_begin(&besides, two.server, &other, 60);
	node_await(&first, "usmd_waiters", 1);
	node_await(&two, "usmd_waiters", 2);
	began = now_mono_us();
	(void)usmctl(decisions[_i].args, NULL);
	late = now_mono_us();
	(void)pthread_join(ping.thread, NULL);
	(void)pthread_join(stream.thread, NULL);
	ck_assert_msg(ping.status == 401 && strstr(ping.text, "\"login-required\"") != NULL, "%s: %ld %s", decisions[_i].args[1], ping.status, ping.text);
	ck_assert_msg(strstr(stream.text, ": log in again") != NULL, "%s: %s", decisions[_i].args[1], stream.text);
	/* long before the heartbeat: the wait is over soon after the command, whatever a busy machine makes of soon */
	ck_assert_int_lt(ping.ended_us - late, 20 * INT64_C(1000000));
	ck_assert_int_lt(stream.ended_us - late, 20 * INT64_C(1000000));
	(void)printf("%s %s: heard after %.0f and %.0f ms, the command took %.0f\n", decisions[_i].args[0], decisions[_i].args[1],
	    (double)(ping.ended_us - began) / 1000, (double)(stream.ended_us - began) / 1000, (double)(late - began) / 1000);
	ck_assert_str_eq(login_again("caesar", "waits"), decisions[_i].then);
	ck_assert_int_eq(node_metric(&two, "usmd_waiters"), 1);
	at(&first);
	json_decref(update(&a, request(&a, contact("besides"), NULL, NULL)));
	wait_end(&besides);
	ck_assert(besides.changed);
}
END_TEST

/* A trial decides nothing, and a folder that is to be compared anew is a change. */
START_TEST(a_resync_is_heard)
{
	struct waiting x;
	json_t *req;

	at(&two);
	(void)pull(&b);
	wait_begin(&x, two.server, &b, 60);
	node_await(&two, "usmd_waiters", 1);
	(void)USMCTL("device", "block", "--device", "b", "--dry-run");
	(void)USMCTL("resync", "--device", "b", "--type", "contact");
	wait_end(&x);
	ck_assert_msg(x.changed, "%s", x.text);
	req = request(&b, NULL, NULL, NULL);
	ck_assert_str_eq(bad(&b, "syncUpdate", req, NULL), "reconcile");
	json_decref(req);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("nodes");
	TCase *t = tcase_create("redis"), *u = tcase_create("no redis"), *v = tcase_create("apart"), *one_worker = tcase_create("one worker");

	(void)harness_env("USMD_TEST_DIR");
	tcase_add_checked_fixture(t, up_with_redis, down_with_redis);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_change_is_heard_at_the_other_node);
	tcase_add_test(t, a_device_waits_once);
	tcase_add_test(t, two_waits_at_once);
	tcase_add_test(t, redis_goes_and_comes_back);
	tcase_add_test(t, a_change_in_the_moment_of_the_loss);
	tcase_add_loop_test(t, a_decision_ends_waits, 0, (int)ARRAY_LEN(decisions));
	tcase_add_test(t, a_resync_is_heard);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(one_worker, up_with_one_worker, down_with_redis);
	tcase_set_timeout(one_worker, 180);
	tcase_add_test(one_worker, claimed_while_it_is_about_to_look);
	suite_add_tcase(s, one_worker);
	tcase_add_checked_fixture(v, up_apart, down_apart);
	tcase_set_timeout(v, 120);
	tcase_add_test(v, a_change_of_which_nobody_told);
	tcase_add_loop_test(v, a_decision_ends_waits, 0, (int)ARRAY_LEN(decisions));
	suite_add_tcase(s, v);
	tcase_add_checked_fixture(u, up_without_redis, down);
	tcase_set_timeout(u, 120);
	tcase_add_test(u, without_any_redis);
	tcase_add_loop_test(u, a_decision_ends_waits, 0, (int)ARRAY_LEN(decisions));
	suite_add_tcase(s, u);
	return harness_main(s);
}
