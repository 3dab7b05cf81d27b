/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From end to end: two devices with usmsync --watch behind a real Apache, two nodes of usmd, PostgreSQL, Redis, and the stand-in for OX,
 * which tells by UDP, by webhooks or not at all.  How long each way takes that a change may come is printed.
 */
#include "wire.h"
#include "nodes.h"

#include <dirent.h>

#include "harness/apache.h"

#define SECRET "a secret of both"

static const char *const settings[] = { "heartbeat_min = 1s", "login_attempts = 1000", "calendar_past = 0", "calendar_future = 0", NULL };

static struct apache proxy;
static struct node n[2];
static pid_t device[2];
static char dir[2][200];

/* AT: below this path of Apache. */
static void
device_start(unsigned i, const char *at)
{
	char prog[160], url[100], log[220], name[8];
	char *argv[] = { prog, "--server", url, "--user", "berta", "--dir", dir[i], "--device", name, "--watch", NULL };

	(void)snprintf(prog, sizeof(prog), "%s/usmsync", w.build);
	(void)snprintf(url, sizeof(url), "%s%s/usm-json", proxy.url, at);
	(void)snprintf(dir[i], sizeof(dir[i]), "%.120s/device%u", w.dir, i);
	(void)snprintf(log, sizeof(log), "%.200s.log", dir[i]);
	(void)snprintf(name, sizeof(name), "dev%u", i);
	device[i] = run_start(argv, log);
}

static void
device_end(unsigned i, int sig)
{
	int status;

	(void)kill(device[i], sig);
	while (waitpid(device[i], &status, 0) < 0 && errno == EINTR)
		;
	device[i] = 0;
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "device %u ended with %d, see %s.log", i, status, dir[i]);
}

static void
conf_add(const char *lines)
{
	char path[160];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w.dir);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "%s\n", lines);
	ck_assert_int_eq(fclose(f), 0);
}

/* Its own usmd gives way to nodes, which stand on TCP. */
static void
world_up(void)
{
	world_begin(&w, NULL, settings);
	world_usmd_kill(&w);
	(void)setenv("USMSYNC_PASSWORD", "secret", 1);
}

/* The nodes, Apache, and each device at its own node, so that what it hears of the other one has gone from node to node; or at either. */
static void
all_up(bool own_node)
{
	char extra[600];

	for (unsigned i = 0; i < 2; i++)
		node_start(&n[i]);
	(void)snprintf(extra, sizeof(extra), "ProxyPass \"/node0\" \"%s\" timeout=3700 flushpackets=auto\nProxyPass \"/node1\" \"%s\" timeout=3700 flushpackets=auto",
	    n[0].proxy, n[1].proxy);
	apache_start(&proxy, w.dir, (const char *const[]){ n[0].proxy, n[1].proxy }, 2, extra);
	for (unsigned i = 0; i < 2; i++)
		device_start(i, own_node ? i == 0 ? "/node0" : "/node1" : "");
}

static void
up(void)
{
	world_up();
	conf_add("ping_poll_interval = 2s\nping_poll_max = 2s");
	all_up(false);
}

static json_int_t
control_int(const char *path, const char *body, const char *member)
{
	char text[65536];
	json_t *j;
	json_int_t v;

	world_control(&w, path, body, text, sizeof(text));
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(j);
	v = json_integer_value(json_object_get(j, member));
	json_decref(j);
	return v;
}

/* Nobody asks but once an hour: what is seen was told. */
static void
up_udp(void)
{
	char lines[300];

	world_up();
	(void)snprintf(lines, sizeof(lines), "udp_listen = 127.0.0.1:0\nudp_nodes = 127.0.0.1:%d\nudp_register_interval = 1s\nping_poll_interval = 1h",
	    (int)control_int("push", "{\"enabled\":true,\"delay_ms\":0}", "port"));
	conf_add(lines);
	all_up(true);
	while (control_int("push", "{}", "hosts") < 2)
		sleep_ms(10);
}

static size_t
subscriptions(void)
{
	char text[65536];
	size_t count;
	json_t *j;

	world_control(&w, "webhooks", "{}", text, sizeof(text));
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	count = json_array_size(json_object_get(j, "subscriptions"));
	json_decref(j);
	return count;
}

/* OX posts below URL from now on. */
static void
webhook_to(const char *url)
{
	char text[500];

	(void)snprintf(text, sizeof(text), "{\"id\":\"usmd\",\"uri\":\"%s/usm-json/webhook\",\"secret\":\"" SECRET "\",\"delay_ms\":200,\"max\":2}", url);
	world_control(&w, "webhooks", text, NULL, 0);
}

static void
up_webhook(void)
{
	char path[160], text[500];
	FILE *f;

	world_up();
	(void)snprintf(path, sizeof(path), "%s/hook.secret", w.dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, SECRET "\n");
	ck_assert_int_eq(fclose(f), 0);
	(void)chmod(path, 0600);
	(void)snprintf(text, sizeof(text), "webhook = usmd\nwebhook_secret_file = %s\nping_poll_interval = 1h", path);
	conf_add(text);
	all_up(true);
	webhook_to(proxy.url); /* one address: Apache gives it to one of the nodes, and that one tells the other */
}

static void
up_polling(void)
{
	world_up();
	conf_add("ping_poll_interval = 500ms\nping_poll_max = 500ms");
	all_up(true);
}

static void
down(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (device[i] != 0)
			(void)kill(device[i], SIGKILL);
	apache_stop(&proxy);
	for (unsigned i = 0; i < 2; i++)
		(void)node_end(&n[i], SIGKILL);
	world_down();
}

/* Is there a file with TEXT in it in this folder of the device? */
static bool
has(unsigned i, const char *folder, const char *text)
{
	char path[600], line[600];
	bool found = false;
	struct dirent *ent;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", dir[i], folder);
	d = opendir(path);
	while (d != NULL && !found && (ent = readdir(d)) != NULL) {
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/%s/%.255s", dir[i], folder, ent->d_name);
		f = ent->d_name[0] != '.' ? fopen(path, "r") : NULL;
		while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
			found = strstr(line, text) != NULL && strpbrk(strstr(line, text) + strlen(text), "0123456789") == NULL;
		if (f != NULL)
			(void)fclose(f);
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

/* How long until the device shows TEXT: 40 s at most. */
static double
seen_after(unsigned i, const char *folder, const char *text, int64_t since_us)
{
	for (int k = 0; k < 8000; k++) {
		if (has(i, folder, text))
			return (double)(now_mono_us() - since_us) / 1e6;
		sleep_ms(5);
	}
	ck_abort_msg("device %u does not get %s", i, text);
	return 0;
}

static void
write_contact(unsigned i, const char *name)
{
	char path[600];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/Contacts/%s.vcf", dir[i], name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:%s\r\nN:%s;;;;\r\nEND:VCARD\r\n", name, name);
	(void)fclose(f);
}

static void
contact_in_ox(const char *name)
{
	json_decref(ox_as("berta", "contacts", "new", json_object(), json_pack("{s:i,s:s,s:s}", "folder_id", 42, "last_name", name, "display_name", name)));
}

static void
appointment_in_ox(const char *name)
{
	json_decref(ox_as("berta", "calendar", "new", json_object(), json_pack("{s:i,s:s,s:I,s:I,s:b}", "folder_id", 41, "title", name, "start_date",
	    (json_int_t)1800403200000, "end_date", (json_int_t)1800406800000, "ignore_conflicts", 1)));
}

/* All that comes from one way: the median and the longest of several. */
static void
report(const char *what, double *s, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned k = i; k > 0 && s[k - 1] > s[k]; k--) {
			double t = s[k];

			s[k] = s[k - 1];
			s[k - 1] = t;
		}
	(void)printf("%-40s median %.3f s, longest %.3f s, of %u\n", what, s[count / 2], s[count - 1], count);
	(void)fflush(stdout);
}

static void
await_waiters(long want)
{
	for (int i = 0; i < 4000; i++) {
		if (node_metric(&n[0], "usmd_waiters") + node_metric(&n[1], "usmd_waiters") >= want)
			return;
		sleep_ms(10);
	}
	ck_abort_msg("the devices do not wait");
}

#define ROUNDS 20
#define FILES 5 /* usmsync looks at its files each second */

START_TEST(two_devices_follow)
{
	double other[FILES], polled[2 * FILES], direct[ROUNDS];
	char name[32];
	struct dev d;

	await_waiters(2);
	for (unsigned i = 0; i < FILES; i++) {
		int64_t t = now_mono_us();

		(void)snprintf(name, sizeof(name), "Written%u", i);
		write_contact(0, name);
		other[i] = seen_after(1, "Contacts", name, t);
	}
	report("a file of the other device", other, FILES);
	/* the same without the second in which usmsync looks at its files */
	(void)snprintf(w.server, sizeof(w.server), "%s", n[0].server);
	login(&d, "berta", "direct");
	open_folder(&d, str(d.defaults, "contact"));
	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t t;

		await_waiters(2);
		(void)snprintf(name, sizeof(name), "Direct%u", i);
		t = now_mono_us();
		json_decref(update(&d, request(&d, json_pack("[{s:s,s:s,s:s}]", "clientId", name, "last_name", name, "display_name", name), NULL, NULL)));
		direct[i] = seen_after(1, "Contacts", name, t);
	}
	report("a change through the other node", direct, ROUNDS);
	for (unsigned i = 0; i < FILES; i++) {
		int64_t t;

		await_waiters(2);
		(void)snprintf(name, sizeof(name), "Polled%u", i);
		t = now_mono_us();
		contact_in_ox(name);
		polled[2 * i] = seen_after(0, "Contacts", name, t);
		polled[2 * i + 1] = seen_after(1, "Contacts", name, t);
	}
	report("a change in OX, polled every 2 s", polled, 2 * FILES);

	/* a node dies, and then the other one while the first is back: nobody has to do anything */
	(void)node_end(&n[0], SIGKILL);
	contact_in_ox("Meanwhile");
	(void)seen_after(0, "Contacts", "Meanwhile", 0);
	(void)seen_after(1, "Contacts", "Meanwhile", 0);

	/* and a signal is the ordinary end */
	for (unsigned i = 0; i < 2; i++)
		device_end(i, i == 0 ? SIGTERM : SIGINT);
}
END_TEST

static long
both(const char *metric)
{
	return node_metric(&n[0], metric) + node_metric(&n[1], metric);
}

/* Each device at a node of its own; what comes from OX reaches both. */
static void
by_source(const char *source, const char *folder, void (*change)(const char *name))
{
	double other[FILES], ox[2][ROUNDS];
	char name[32], what[80];

	for (unsigned i = 0; i < FILES; i++) {
		int64_t t;

		for (unsigned k = 0; k < 2; k++)
			node_await(&n[k], "usmd_waiters", 1);
		(void)snprintf(name, sizeof(name), "Writtenby%u", i);
		t = now_mono_us();
		write_contact(i % 2, name);
		other[i] = seen_after(1 - i % 2, "Contacts", name, t);
	}
	(void)snprintf(what, sizeof(what), "%s: a file of the other device", source);
	report(what, other, FILES);
	if (strcmp(source, "webhook") == 0)
		while (subscriptions() == 0)
			sleep_ms(10);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t t;

		for (unsigned k = 0; k < 2; k++)
			node_await(&n[k], "usmd_waiters", 1);
		(void)snprintf(name, sizeof(name), "Changed%u", i);
		t = now_mono_us();
		change(name);
		for (unsigned k = 0; k < 2; k++)
			ox[k][i] = seen_after(k, folder, name, t);
	}
	for (unsigned k = 0; k < 2; k++) {
		(void)snprintf(what, sizeof(what), "%s: a change in OX, at node %u", source, k);
		report(what, ox[k], ROUNDS);
	}
	(void)printf("%s: %ld looks, %ld of them failed\n", source, both("usmd_polls_total"), both("usmd_poll_errors_total"));
	(void)fflush(stdout);
}

static void
both_await(const char *metric, long want)
{
	for (int i = 0; i < 1000 && both(metric) < want; i++)
		sleep_ms(10);
	ck_assert_int_ge(both(metric), want);
}

START_TEST(by_udp)
{
	by_source("udp", "Contacts", contact_in_ox);
	for (unsigned k = 0; k < 2; k++)
		node_await(&n[k], "usmd_source_events_total{source=\"udp\"}", ROUNDS);
	ck_assert_int_eq(both("usmd_source_events_total{source=\"poll\"}"), 0);
}
END_TEST

/* Until the node has not looked at OX for three seconds: a look in vain is repeated after two. */
static void
pause_until_quiet(const struct node *x)
{
	long polls = node_metric(x, "usmd_polls_total");

	for (unsigned quiet = 0; quiet < 30; quiet++) {
		long more = node_metric(x, "usmd_polls_total");

		if (more != polls)
			quiet = 0;
		polls = more;
		sleep_ms(100);
	}
}

/* A device at node 1 alone, and OX posts to node 0. */
static void
post_where_nobody_waits(void)
{
	double s[ROUNDS];

	device_end(0, SIGTERM);
	while (node_metric(&n[0], "usmd_waiters") > 0)
		sleep_ms(10);
	webhook_to(n[0].server);
	for (unsigned i = 0; i < ROUNDS; i++) {
		char name[32];
		int64_t t;

		/* the looks that the last one caused are over: this one is told, or it is not seen */
		pause_until_quiet(&n[1]);
		(void)snprintf(name, sizeof(name), "Alone%u", i);
		t = now_mono_us();
		appointment_in_ox(name);
		s[i] = seen_after(1, "Calendar", name, t);
	}
	report("webhook: posted to the other node alone", s, ROUNDS);
}

START_TEST(by_webhook)
{
	by_source("webhook", "Calendar", appointment_in_ox);
	/* each was posted once, to one of the nodes; some together, when a look that an earlier one had caused found the first before its post */
	both_await("usmd_source_events_total{source=\"webhook\"}", ROUNDS * 3 / 4);
	ck_assert_int_le(both("usmd_source_events_total{source=\"webhook\"}"), ROUNDS);
	post_where_nobody_waits();
	ck_assert_int_ge(both("usmd_source_events_total{source=\"node\"}"), ROUNDS);
	ck_assert_int_eq(both("usmd_source_events_total{source=\"poll\"}"), 0);
}
END_TEST

START_TEST(by_polling)
{
	by_source("polling each 0.5 s", "Contacts", contact_in_ox);
	/* a device that syncs just then finds some by itself */
	ck_assert_int_ge(both("usmd_source_events_total{source=\"poll\"}"), ROUNDS / 2);
	ck_assert_int_eq(both("usmd_source_events_total{source=\"udp\"}") + both("usmd_source_events_total{source=\"webhook\"}"), 0);
}
END_TEST

/* A case each, so that CK_RUN_CASE runs one. */
static void
add(Suite *s, const char *name, void (*begin)(void), const TTest *test)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, begin, down);
	tcase_set_timeout(t, 200);
	tcase_add_test(t, test);
	suite_add_tcase(s, t);
}

int
main(void)
{
	Suite *s = suite_create("watch");

	(void)harness_env("USMD_TEST_DIR");
	if (!apache_is_there()) {
		(void)fprintf(stderr, "no Apache found: run 'make deps'\n");
		return 77;
	}
	add(s, "watch", up, two_devices_follow);
	add(s, "udp", up_udp, by_udp);
	add(s, "webhook", up_webhook, by_webhook);
	add(s, "polling", up_polling, by_polling);
	return harness_main(s);
}
