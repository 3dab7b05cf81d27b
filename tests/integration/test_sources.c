/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where "something changed" comes from: a change made in OX reaches a client that waits by OX's UDP events, by its webhooks, and by
 * asking alone; what is not from OX changes nothing; a source that is silent is found; asking keeps its budget.  Each way is tried with the
 * others out of reach, and prints how long it took.
 */
#include <pthread.h>
#include <signal.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

#define SECRET "a secret of both"
#define NO_POLLS "ping_poll_interval = 1h"

static const char *const settings[] = { "heartbeat_min = 1s", "calendar_past = 0", "calendar_future = 0", "mail_past = 0", NULL };
static char base_conf[4096];

/* ---- the world, in different settings ---- */

static json_t *
control(const char *path, const char *body)
{
	char text[65536];
	json_t *j;

	world_control(&w, path, body, text, sizeof(text));
	j = json_loadb(text, strlen(text), JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(j);
	return j;
}

static json_int_t
control_int(const char *path, const char *body, const char *member)
{
	json_t *j = control(path, body);
	json_int_t n = json_integer_value(json_object_get(j, member));

	json_decref(j);
	return n;
}

static void
usmd_stop(void)
{
	int st = 0;

	(void)kill(w.usmd, SIGTERM);
	ck_assert_int_eq(waitpid(w.usmd, &st, 0), w.usmd);
	ck_assert_msg(WIFEXITED(st) && WEXITSTATUS(st) == 0, "usmd ended badly, see %s/usmd.log", w.dir);
}

/* usmd again, with these lines besides the common ones. */
static void
with(const char *lines)
{
	char path[160];
	FILE *f;

	usmd_stop();
	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w.dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "%s%s\n", base_conf, lines);
	ck_assert_int_eq(fclose(f), 0);
	world_usmd_start(&w);
}

static void
setup(void)
{
	char path[160];
	FILE *f;
	size_t n;

	world_begin(&w, NULL, settings);
	(void)snprintf(path, sizeof(path), "%s/usmd.conf", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(base_conf, 1, sizeof(base_conf) - 1, f);
	base_conf[n] = '\0';
	(void)fclose(f);
}

static char *
admin(const char *page)
{
	char sock[160], url[160], *p = NULL;
	CURL *c = curl_easy_init();
	size_t len = 0;
	FILE *f = open_memstream(&p, &len);

	(void)snprintf(sock, sizeof(sock), "%s/admin.sock", w.dir);
	(void)snprintf(url, sizeof(url), "http://localhost%s", page);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)fclose(f);
	curl_easy_cleanup(c);
	return p;
}

/* The value behind NAME in /metrics. */
static long long
metric(const char *name)
{
	char *all = admin("/metrics"), line[160];
	const char *at;
	long long v = -1;

	(void)snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(all, line);
	ck_assert_msg(at != NULL, "no metric %s", name);
	ck_assert_int_eq(sscanf(at + strlen(line), "%lld", &v), 1);
	free(all);
	return v;
}

static void
await_metric(const char *name, long long at_least)
{
	for (int i = 0; metric(name) < at_least; i++) {
		ck_assert_msg(i < 1500, "%s stays below %lld", name, at_least);
		sleep_ms(10);
	}
}

static size_t
log_lines(const char *event)
{
	char path[160], line[4096];
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/usmd.log", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, event) != NULL;
	(void)fclose(f);
	return n;
}

/* Is an administrator told so? */
static bool
advised(const char *text)
{
	char *all = admin("/sources");
	bool found = strstr(all, text) != NULL;

	printf("%s", all);
	free(all);
	return found;
}

/* usmctl sources --json. */
static json_t *
sources_json(void)
{
	char prog[160], conf[160], log[160];
	char *argv[] = { prog, "sources", "--json", "--config", conf, NULL };
	json_t *j;

	(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
	(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w.dir);
	(void)snprintf(log, sizeof(log), "%s/sources.json", w.dir);
	(void)unlink(log); /* what runs adds to it */
	ck_assert_int_eq(run_wait(argv, log), 0);
	j = json_load_file(log, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json_is_array(j), "see %s", log);
	return j;
}

/* ---- a client that waits ---- */

struct wait {
	const struct dev *d;
	unsigned heartbeat;
	pthread_t thread;
	long status;
	size_t changed;
	int64_t ended_us;
	char code[80];
};

static void *
wait_main(void *arg)
{
	struct wait *x = arg;
	json_t *e = folder_body(x->d), *b, *root;
	struct buf out;
	char *text;

	(void)json_object_set_new(e, "syncid", json_string(x->d->syncid));
	b = json_pack("{s:[o],s:i}", "folders", e, "heartbeat", (int)x->heartbeat);
	text = json_dumps(b, JSON_COMPACT);
	buf_init(&out, 1 << 20);
	http("http://localhost/usm-json/ping", x->d->token, text, &out, &x->status);
	x->ended_us = now_mono_us();
	root = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES, NULL);
	x->changed = json_array_size(json_object_get(json_object_get(root, "data"), "changed"));
	(void)snprintf(x->code, sizeof(x->code), "%s", str(json_object_get(root, "error"), "code"));
	json_decref(root);
	json_decref(b);
	free(text);
	buf_fini(&out);
	return NULL;
}

/* D waits from now on; returns when it is parked. */
static void
wait_start(struct wait *x, const struct dev *d, unsigned heartbeat)
{
	long long before = metric("usmd_waiters");

	memset(x, 0, sizeof(*x));
	x->d = d;
	x->heartbeat = heartbeat;
	ck_assert_int_eq(pthread_create(&x->thread, NULL, wait_main, x), 0);
	await_metric("usmd_waiters", before + 1);
}

static void
wait_end(struct wait *x)
{
	ck_assert_int_eq(pthread_join(x->thread, NULL), 0);
}

/* X is told of what was done at BEGAN; the latency is printed. */
static void
told(struct wait *x, int64_t began, const char *what)
{
	wait_end(x);
	ck_assert_msg(x->status == 200 && x->changed == 1, "%s: HTTP %ld, %zu changed, %s", what, x->status, x->changed, x->code);
	printf("latency: %-32s %7.1f ms\n", what, (double)(x->ended_us - began) / 1000);
	(void)fflush(stdout);
}

/* The mail folder TITLE. */
static void
open_titled(struct dev *d, const char *user, const char *device, const char *title)
{
	const json_t *f;
	char uuid[40];

	login(d, user, device);
	open_folder(d, NULL);
	f = find(d, "title", title, NULL);
	ck_assert_msg(f != NULL, "no folder %s", title);
	(void)snprintf(uuid, sizeof(uuid), "%s", str(f, "uuid"));
	open_folder(d, uuid);
}

/* The default folder of TYPE, NULL = the hierarchy. */
static void
open_default(struct dev *d, const char *user, const char *device, const char *type)
{
	if (type != NULL && strcmp(type, "mail") == 0) {
		login(d, user, device);
		open_folder(d, str(d->defaults, "inbox"));
		return;
	}
	login(d, user, device);
	open_folder(d, type != NULL ? json_string_value(json_object_get(d->defaults, type)) : NULL);
}

/* ---- what anton does in OX's own client ---- */

static void
new_contact(const char *name)
{
	json_decref(ox_as("anton", "contacts", "new", json_object(), json_pack("{s:i,s:s}", "folder_id", 32, "last_name", name)));
}

static void
new_task(const char *name)
{
	json_decref(ox_as("anton", "tasks", "new", json_object(), json_pack("{s:i,s:s}", "folder_id", 33, "title", name)));
}

static void
new_appointment(const char *name)
{
	json_decref(ox_as("anton", "calendar", "new", json_object(), json_pack("{s:i,s:s,s:I,s:I,s:b}", "folder_id", 31, "title", name, "start_date",
	    (json_int_t)1800403200000, "end_date", (json_int_t)1800406800000, "ignore_conflicts", 1)));
}

static void
new_folder(const char *name)
{
	json_decref(ox_as("anton", "folders", "new", json_pack("{s:s}", "folder_id", "1"), json_pack("{s:{s:s,s:s}}", "folder", "title", name, "module", "tasks")));
}

static void
new_mail(const char *folder)
{
	static int n;
	char body[160];

	(void)snprintf(body, sizeof(body), "{\"user\":\"anton\",\"folder\":\"%s\",\"count\":1,\"first\":%d}", folder, n++);
	world_control(&w, "fill", body, NULL, 0);
}

/* ---- UDP ---- */

static void
with_udp(const char *lines)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "udp_listen = 127.0.0.1:0\nudp_nodes = 127.0.0.1:%d\nudp_register_interval = 1s\n%s",
	    (int)control_int("push", "{\"enabled\":true,\"delay_ms\":0}", "port"), lines);
	with(text);
	await_metric("usmd_udp_registrations_total", 1);
	while (control_int("push", "{}", "hosts") < 1)
		sleep_ms(10);
}

START_TEST(by_udp)
{
	static const struct {
		const char *what, *type;
		void (*change)(const char *name);
	} t[] = { { "udp, contact", "contact", new_contact }, { "udp, task", "task", new_task }, { "udp, appointment", "appointment", new_appointment },
		{ "udp, folder", NULL, new_folder }, { "udp, mail in INBOX (0.5 s at OX)", "mail", NULL } };
	struct wait x;
	struct dev d;
	int64_t t0;

	with_udp(NO_POLLS);
	ck_assert(advised("nothing has come yet"));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		open_default(&d, "anton", "udp", t[i].type);
		wait_start(&x, &d, 20);
		t0 = now_mono_us();
		if (t[i].change != NULL)
			t[i].change("Pushed");
		else
			new_mail("default0/INBOX");
		told(&x, t0, t[i].what);
	}
	{
		char *all = admin("/sources");

		printf("%s", all);
		ck_assert_ptr_null(strstr(all, "1/3")); /* nobody waits just now */
		ck_assert_ptr_nonnull(strstr(all, "Nobody waits at this node.\nudp: registrations="));
		ck_assert_ptr_null(strstr(all, "see usmd(8)")); /* and all is well */
		free(all);
	}
	open_default(&d, "anton", "udp", "contact");
	wait_start(&x, &d, 20);
	{
		char prog[160], conf[160], log[160], line[512] = "";
		char *argv[] = { prog, "sources", "--user", "1/3", "--config", conf, NULL };
		FILE *f;

		(void)snprintf(prog, sizeof(prog), "%s/usmctl", w.build);
		(void)snprintf(conf, sizeof(conf), "%s/usmd.conf", w.dir);
		(void)snprintf(log, sizeof(log), "%s/sources.log", w.dir);
		ck_assert_int_eq(run_wait(argv, log), 0);
		f = fopen(log, "r");
		ck_assert_ptr_nonnull(f);
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
		(void)fclose(f);
		printf("usmctl sources: %s", line);
		ck_assert_ptr_nonnull(strstr(line, "1/3 clients=1 folders=1"));
		ck_assert_ptr_nonnull(strstr(line, "udp:contact=tells"));
		ck_assert_ptr_nonnull(strstr(line, "udp:mail=tells"));
	}
	new_contact("End");
	wait_end(&x);
}
END_TEST

/* Ten changes at once are one or two looks, not ten. */
START_TEST(bursts)
{
	struct wait x;
	struct dev d, other;
	long long before;

	with_udp(NO_POLLS);
	open_default(&other, "anton", "burst-2", "task");
	open_default(&d, "anton", "burst", "contact");
	wait_start(&x, &other, 20); /* the account is looked after, the folder of the burst is not waited for */
	before = metric("usmd_polls_total");
	for (int i = 0; i < 10; i++)
		new_contact("Unheard");
	while (metric("usmd_udp_packets_total") < 10)
		sleep_ms(10);
	ck_assert_int_eq(metric("usmd_polls_total"), before);
	for (int i = 0; i < 10; i++)
		new_task("Many");
	wait_end(&x);
	ck_assert_uint_eq(x.changed, 1);
	while (metric("usmd_udp_packets_total") < 20)
		sleep_ms(10);
	ck_assert_int_le(metric("usmd_polls_total"), before + 3);
	printf("burst of 10: %lld looks\n", metric("usmd_polls_total") - before);
}
END_TEST

/* Who is not in udp_nodes may send what he likes. */
START_TEST(strangers)
{
	static const char forged[] = "1337\001""24\0013\00132\0017\0011\0013\0011795342911050";
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char path[160], line[1024];
	unsigned port = 0;
	struct wait x;
	struct dev d;
	json_int_t asked;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *f;

	with_udp(NO_POLLS);
	(void)snprintf(path, sizeof(path), "%s/usmd.log", w.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "event=udp-push listen=") != NULL)
			(void)sscanf(strstr(line, " port="), " port=%u", &port);
	(void)fclose(f);
	ck_assert_uint_ne(port, 0);
	open_default(&d, "anton", "stranger", "contact");
	wait_start(&x, &d, 2);
	asked = control_int("counters", NULL, "requests");
	a.sin_port = htons((uint16_t)port);
	for (int i = 0; i < 100; i++)
		ck_assert_int_gt(sendto(fd, forged, sizeof(forged) - 1, 0, (struct sockaddr *)&a, sizeof(a)), 0);
	await_metric("usmd_udp_strangers_total", 100);
	wait_end(&x);
	ck_assert_uint_eq(x.changed, 0);
	ck_assert_int_eq(metric("usmd_udp_packets_total"), 0);
	ck_assert_int_eq(metric("usmd_polls_total"), 0);
	ck_assert_int_le(control_int("counters", NULL, "requests"), asked + 2); /* the two questions themselves */
	ck_assert_uint_eq(log_lines("event=udp-push sender="), 1);
	ck_assert(advised("addresses that udp_nodes does not name"));
	(void)close(fd);
}
END_TEST

/* ---- an OX that tells when this test wants ---- */

/* A node's socket; its port is asked for before usmd starts. */
struct teller {
	int fd;
	struct sockaddr_in to; /* where usmd has registered from */
};

static void
with_teller(struct teller *x, const char *lines)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	char text[512], registration[200];

	x->fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(x->fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(x->fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(text, sizeof(text), "udp_listen = 127.0.0.1:0\nudp_nodes = 127.0.0.1:%u\n%s", ntohs(a.sin_port), lines);
	with(text);
	len = sizeof(x->to);
	ck_assert_int_gt(recvfrom(x->fd, registration, sizeof(registration), 0, (struct sockaddr *)&x->to, &len), 0);
}

/* Something changed in anton's contacts. */
static void
tell_contacts(const struct teller *x)
{
	static const char event[] = "1337\001""24\0013\00132\0017\0011\0013\0011795342911050";

	ck_assert_int_gt(sendto(x->fd, event, sizeof(event) - 1, 0, (const struct sockaddr *)&x->to, sizeof(x->to)), 0);
}

/* OX tells before a change can be read.  What is late then is a few times what OX was, and never the next poll. */
START_TEST(told_too_early)
{
	static const unsigned ms[] = { 0, 30, 120, 400, 1200 };
	struct teller ox;
	struct wait x;
	struct dev d;

	with_teller(&ox, NO_POLLS);
	open_default(&d, "anton", "early", "contact");
	for (size_t i = 0; i < ARRAY_LEN(ms); i++) {
		char what[40];
		int64_t t0;

		wait_start(&x, &d, 20);
		t0 = now_mono_us();
		if (i == 0)
			new_contact("At once");
		tell_contacts(&ox);
		if (i > 0) {
			sleep_ms(ms[i]);
			new_contact("Late");
		}
		(void)snprintf(what, sizeof(what), "udp, readable %u ms too late", ms[i]);
		told(&x, t0, what);
		/* 0.8 s for a loaded machine */
		ck_assert_int_le((x.ended_us - t0) / 1000, 50 + 4 * (int64_t)ms[i] + 800);
		(void)pull(&d);
	}
	(void)close(ox.fd);
}
END_TEST

/* Whoever is told of something while a look in vain is still to be repeated looks at once. */
START_TEST(told_again_while_looking_again)
{
	struct teller ox;
	struct wait x;
	struct dev d;
	long long looks;
	int64_t t0;

	with_teller(&ox, NO_POLLS);
	open_default(&d, "anton", "again", "contact");
	wait_start(&x, &d, 20);
	looks = metric("usmd_polls_total");
	tell_contacts(&ox); /* of nothing: the last look because of it is 2 s later */
	await_metric("usmd_polls_total", looks + 4);
	t0 = now_mono_us();
	new_contact("True");
	tell_contacts(&ox);
	told(&x, t0, "udp, after an event of nothing");
	ck_assert_int_le((x.ended_us - t0) / 1000, 700);
	(void)close(ox.fd);
}
END_TEST

/* What was told cannot be looked into, once, twice, three times: a short disturbance costs no seconds, and a long one is not stirred. */
START_TEST(told_while_ox_is_busy)
{
	static const unsigned after_ms[] = { 0, 250, 250 + 1000, 250 + 1000 + 5000 };
	struct teller ox;
	struct wait x;
	struct dev d;

	with_teller(&ox, NO_POLLS);
	open_default(&d, "anton", "busy", "contact");
	for (unsigned i = 1; i < ARRAY_LEN(after_ms); i++) {
		long long failed = metric("usmd_poll_errors_total");
		char rule[120], what[40];
		int64_t t0;

		wait_start(&x, &d, 30);
		(void)snprintf(rule, sizeof(rule), "{\"match\":{\"module\":\"multiple\",\"count\":%u},\"effect\":{\"http_status\":503}}", i);
		world_control(&w, "faults", rule, NULL, 0);
		new_contact("Busy");
		t0 = now_mono_us();
		tell_contacts(&ox);
		(void)snprintf(what, sizeof(what), "udp, after %u looks that failed", i);
		told(&x, t0, what);
		ck_assert_int_eq(metric("usmd_poll_errors_total"), failed + i);
		ck_assert_int_ge((x.ended_us - t0) / 1000, after_ms[i]);
		ck_assert_int_le((x.ended_us - t0) / 1000, after_ms[i] + 800); /* for a loaded machine */
		(void)pull(&d);
	}
	(void)close(ox.fd);
}
END_TEST

/* Told of all the time, a folder is looked into at once some times and then four times a second. */
START_TEST(told_all_the_time)
{
	struct teller ox;
	struct wait x;
	struct dev d;
	long long looks;
	int64_t t0;
	double s;

	with_teller(&ox, NO_POLLS);
	open_default(&d, "anton", "often", "contact");
	wait_start(&x, &d, 5);
	looks = metric("usmd_polls_total");
	t0 = now_mono_us();
	for (int i = 0; i < 2000; i++) {
		tell_contacts(&ox);
		sleep_ms(1);
	}
	s = (double)(now_mono_us() - t0) / 1e6;
	printf("2000 events in %.1f s: %lld looks\n", s, metric("usmd_polls_total") - looks);
	looks = metric("usmd_polls_total") - looks;
	ck_assert_int_ge(looks, 20);
	/* where a loaded machine makes a pause between two of them, a look in vain is repeated twice within a quarter of a second; 50 a second without the rule */
	ck_assert_int_le(looks, 32 + (long long)(3 * 4 * s) + 10);
	wait_end(&x);
	ck_assert_uint_eq(x.changed, 0);
	(void)close(ox.fd);
}
END_TEST

/* OX forgets at its restart who is registered; nobody tells, and nobody has to. */
START_TEST(ox_restarts)
{
	json_int_t registrations;
	struct wait x;
	struct dev d;
	int64_t t0;

	with_udp(NO_POLLS);
	open_default(&d, "anton", "restart", "contact");
	wait_start(&x, &d, 30);
	world_control(&w, "restart", "{}", NULL, 0);
	registrations = control_int("push", "{}", "registrations");
	while (control_int("push", "{}", "registrations") == registrations || control_int("push", "{}", "hosts") < 1)
		sleep_ms(10);
	t0 = now_mono_us();
	new_contact("After");
	told(&x, t0, "udp, after a restart of OX");
}
END_TEST

/* Nothing comes though it should: found by asking, said once, and taken back. */
START_TEST(silence)
{
	struct wait x;
	struct dev d;
	json_t *j;
	char *all;

	with_udp("ping_poll_interval = 300ms\nping_poll_max = 300ms\npush_late = 1s\n");
	open_default(&d, "anton", "silent", "contact");
	world_control(&w, "push", "{\"enabled\":false}", NULL, 0);
	for (int i = 0; i < 2; i++) {
		wait_start(&x, &d, 20);
		new_contact("Unsaid");
		told(&x, now_mono_us(), "polling, while udp is silent");
		(void)pull(&d);
		wait_start(&x, &d, 3); /* the judgement comes while somebody waits */
		wait_end(&x);
		await_metric("usmd_push_silent_total{source=\"udp\"}", 1);
	}
	ck_assert_int_eq(metric("usmd_push_silent_total{source=\"udp\"}"), 1);
	ck_assert_uint_eq(log_lines("event=push-silent"), 1);
	wait_start(&x, &d, 2);
	ck_assert(advised("udp:contact=silent"));
	ck_assert(advised("pushEnabled=true, eventDistributionEnabled=true"));
	j = sources_json();
	ck_assert_uint_eq(json_array_size(j), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(j, 0), "user_id")), 3);
	ck_assert_str_eq(str(json_array_get(j, 1), "push"), "udp");
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(j, 1), "accounts_silent")), 1);
	ck_assert_ptr_nonnull(strstr(str(json_array_get(j, 1), "advice"), "eventDistributionEnabled=true"));
	json_decref(j);
	wait_end(&x);
	ck_assert(advised("pushEnabled=true, eventDistributionEnabled=true")); /* it is remembered when nobody waits */
	j = sources_json();
	ck_assert_uint_eq(json_array_size(j), 1);
	json_decref(j);
	world_control(&w, "push", "{\"enabled\":true}", NULL, 0);
	for (int i = 0; log_lines("event=push-back") == 0; i++) {
		ck_assert_int_lt(i, 20);
		wait_start(&x, &d, 20);
		new_contact("Said again");
		wait_end(&x);
		(void)pull(&d);
	}
	wait_start(&x, &d, 20);
	all = admin("/sources/1/3");
	ck_assert_msg(strstr(all, "udp:contact=tells") != NULL && strstr(all, "see usmd(8)") == NULL, "%s", all);
	free(all);
	new_contact("End");
	wait_end(&x);
}
END_TEST

/* ---- webhooks ---- */

static void
with_hook(const char *lines)
{
	char text[512], path[160], hook[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/hook.secret", w.dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, SECRET "\n");
	ck_assert_int_eq(fclose(f), 0);
	(void)chmod(path, 0600);
	(void)snprintf(hook, sizeof(hook), "{\"id\":\"usmd\",\"uri\":\"http://localhost/usm-json/webhook\",\"secret\":\"" SECRET "\",\"delay_ms\":200,\"max\":2,"
	    "\"unix\":\"%s/usmd.sock\"}", w.dir);
	world_control(&w, "webhooks", hook, NULL, 0);
	(void)snprintf(text, sizeof(text), "webhook = usmd\nwebhook_secret_file = %s\n%s", path, lines);
	with(text);
}

static size_t
subscriptions(void)
{
	json_t *j = control("webhooks", "{}");
	size_t n = json_array_size(json_object_get(j, "subscriptions"));

	json_decref(j);
	return n;
}

START_TEST(by_webhook)
{
	static const struct {
		const char *what, *type;
	} t[] = { { "webhook, appointment (0.2 s at OX)", "appointment" }, { "webhook, mail (0.2 s at OX)", "mail" } };
	struct wait x;
	struct dev d;
	int64_t t0;

	/* the first look subscribes; it is due soon, the next ones are not */
	with_hook("ping_poll_interval = 500ms\nping_poll_max = 30m\n");
	open_default(&d, "anton", "hook", "appointment");
	wait_start(&x, &d, 20);
	while (subscriptions() == 0)
		sleep_ms(10);
	new_appointment("First");
	wait_end(&x);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		long long taken = metric("usmd_webhooks_total");

		open_default(&d, "anton", "hook", t[i].type);
		wait_start(&x, &d, 20);
		t0 = now_mono_us();
		if (i == 0)
			new_appointment("Posted");
		else
			new_mail("default0/INBOX");
		told(&x, t0, t[i].what);
		await_metric("usmd_webhooks_total", taken + 1);
	}
	ck_assert_uint_eq(subscriptions(), 1); /* renewed, not doubled */
}
END_TEST

/* Only asking is left where OX has no webhooks; that is said once and disturbs nobody. */
START_TEST(no_pns)
{
	struct wait x;
	struct dev d;

	with_hook("ping_poll_interval = 200ms\nping_poll_max = 200ms\n");
	world_control(&w, "modules", "{\"without\":[\"pns\"]}", NULL, 0);
	open_default(&d, "anton", "no-pns", "appointment");
	wait_start(&x, &d, 20);
	while (metric("usmd_polls_total") < 3)
		sleep_ms(10);
	new_appointment("Polled");
	told(&x, now_mono_us(), "polling, without pns");
	ck_assert_uint_eq(log_lines("event=webhook"), 1);
	ck_assert_int_eq(metric("usmd_poll_errors_total"), 0);
	world_control(&w, "modules", "{\"without\":[]}", NULL, 0);
}
END_TEST

static long
post(const char *signature, const char *body)
{
	struct curl_slist *h = NULL;
	char sock[160], header[200];
	CURL *c = curl_easy_init();
	FILE *sink = fopen("/dev/null", "w");
	long status = 0;

	(void)snprintf(sock, sizeof(sock), "%s/usmd.sock", w.dir);
	(void)snprintf(header, sizeof(header), "X-OX-Signature: %s", signature);
	h = curl_slist_append(h, header);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/usm-json/webhook");
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, sink);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	curl_slist_free_all(h);
	(void)fclose(sink);
	return status;
}

static long
post_signed(const char *secret, int64_t t, const char *body, char signature[120])
{
	unsigned char mac[32];
	char hex[65];
	struct buf b;

	buf_init(&b, 0);
	buf_addf(&b, "v1:%lld:%s", (long long)t, body);
	hmac_sha256(secret, strlen(secret), b.p, b.len, mac);
	hex_encode(mac, sizeof(mac), hex);
	(void)snprintf(signature, 120, "t=%lld, v1=%s", (long long)t, hex);
	buf_fini(&b);
	return post(signature, body);
}

START_TEST(forged_posts)
{
	static const char body[] = "{\"event\":\"ox:calendar:updates\",\"payload\":{\"folders\":[\"cal://0/31\"],\"user\":3,\"context\":1},\"timestamp\":1}";
	char s[120], *large = mem_alloc(100000);
	struct wait x;
	struct dev d;
	long long polls;

	with_hook(NO_POLLS "\nwebhook_window = 10s\n");
	open_default(&d, "anton", "forged", "appointment");
	wait_start(&x, &d, 8);
	polls = metric("usmd_polls_total");
	ck_assert_int_eq(post("", body), 401);
	ck_assert(advised("no post was rightly signed"));
	ck_assert_int_eq(post_signed("another secret", now_ms(), body, s), 401);
	ck_assert_int_eq(post_signed(SECRET, now_ms() - 11000, body, s), 401);
	ck_assert_int_eq(post_signed(SECRET, now_ms() + 11000, body, s), 401);
	ck_assert_int_eq(post_signed(SECRET, now_ms(), "{\"event\":5}", s), 400);
	memset(large, ' ', 99999);
	ck_assert_int_eq(post_signed(SECRET, now_ms(), large, s), 413);
	ck_assert_int_eq(metric("usmd_webhooks_unsigned_total"), 2);
	ck_assert(advised("clocks of OX and of this machine differ"));
	ck_assert_int_eq(metric("usmd_webhooks_stale_total"), 2);
	ck_assert_int_eq(metric("usmd_webhooks_malformed_total"), 1);
	ck_assert_int_eq(metric("usmd_webhooks_total"), 0);
	ck_assert_int_eq(metric("usmd_polls_total"), polls);
	/* a right one makes a look; the same again does not */
	ck_assert_int_eq(post_signed(SECRET, now_ms(), body, s), 200);
	await_metric("usmd_polls_total", polls + 5); /* and four times more: OX may tell before it can be read */
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(post(s, body), 200);
	ck_assert_int_eq(metric("usmd_webhooks_replayed_total"), 5);
	ck_assert_int_eq(metric("usmd_webhooks_total"), 1);
	wait_end(&x);
	ck_assert_uint_eq(x.changed, 0);
	ck_assert_int_eq(metric("usmd_polls_total"), polls + 5);
	ck_assert(!advised("see usmd(8)"));
	mem_free(large);
}
END_TEST

/* ---- asking ---- */

START_TEST(by_polling)
{
	static const struct {
		const char *what, *type;
		void (*change)(const char *name);
	} t[] = { { "polling each 0.5 s, contact", "contact", new_contact }, { "polling each 0.5 s, folder", NULL, new_folder } };
	static const char *const mails[] = { "default0/INBOX", "default0/INBOX/Below" };
	struct wait x;
	struct dev d;
	int64_t t0;

	world_control(&w, "fill", "{\"user\":\"anton\",\"folder\":\"default0/INBOX/Below\",\"count\":1,\"first\":900}", NULL, 0);
	with("ping_poll_interval = 500ms\nping_poll_max = 500ms\n");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		open_default(&d, "anton", "poll", t[i].type);
		wait_start(&x, &d, 20);
		t0 = now_mono_us();
		t[i].change("Found");
		told(&x, t0, t[i].what);
	}
	for (size_t i = 0; i < ARRAY_LEN(mails); i++) {
		if (i == 0)
			open_default(&d, "anton", "poll", "mail");
		else
			open_titled(&d, "anton", "poll", "Below");
		wait_start(&x, &d, 20);
		t0 = now_mono_us();
		new_mail(mails[i]);
		told(&x, t0, i == 0 ? "polling each 0.5 s, INBOX" : "polling each 0.5 s, mail below it");
	}
}
END_TEST

/* Flags change no counter: they are compared now and then. */
START_TEST(flags_by_polling)
{
	struct wait x;
	struct dev d;
	int64_t t0;

	new_mail("default0/INBOX");
	with("ping_poll_interval = 300ms\nping_poll_max = 300ms\n");
	open_default(&d, "anton", "flags", "mail");
	wait_start(&x, &d, 20);
	t0 = now_mono_us();
	json_decref(ox_as("anton", "mail", "update", json_pack("{s:s,s:s}", "folder", "default0/INBOX", "id", "1"), json_pack("{s:i}", "set_flags", 8)));
	told(&x, t0, "polling each 0.3 s, a flag");
}
END_TEST

/* A client's write in a folder that is shared: the owner's client and that of the other user, without any help of OX. */
START_TEST(own_write_in_a_shared_folder)
{
	static const char perms[] = "{\"folder\":{\"permissions\":[{\"entity\":3,\"bits\":403710016,\"group\":false},{\"entity\":4,\"bits\":4227332,\"group\":false}]}}";
	struct dev writer, same, other, tree;
	struct wait x, y;
	int64_t t0;
	char uuid[40];
	const char *title;
	json_t *v;

	with(NO_POLLS);
	json_decref(ox_as("anton", "folders", "update", json_pack("{s:s,s:s}", "id", "33", "timestamp", "9007199254740992"), json_loadb(perms, sizeof(perms) - 1, JSON_REJECT_DUPLICATES, NULL)));
	login(&tree, "berta", "tree");
	open_folder(&tree, NULL);
	uuid[0] = '\0';
	json_object_foreach(tree.have, title, v)
		if (strstr(str(v, "displayName"), "Anton") != NULL)
			(void)snprintf(uuid, sizeof(uuid), "%s", title);
	if (uuid[0] == '\0') {
		char *all = json_dumps(tree.have, JSON_COMPACT);

		ck_abort_msg("the shared folder is not seen: %s", all);
	}
	login(&other, "berta", "other");
	open_folder(&other, uuid);
	open_default(&writer, "anton", "writer", "task");
	open_default(&same, "anton", "same", "task");
	wait_start(&x, &same, 20);
	wait_start(&y, &other, 20);
	t0 = now_mono_us();
	json_decref(update(&writer, request(&writer, one(json_pack("{s:s,s:s}", "clientId", "c1", "title", "Shared")), NULL, NULL)));
	told(&x, t0, "own write, the same account");
	told(&y, t0, "own write, another reader");
}
END_TEST

static json_int_t
requests(void)
{
	json_t *j = control("counters", NULL), *a = json_object_get(j, "actions");
	json_int_t n = json_integer_value(json_object_get(a, "multiple"));

	json_decref(j);
	return n;
}

/* Three devices of one account that wait for the same are one question, in one session at OX. */
START_TEST(one_question_an_account)
{
	struct wait x[3];
	struct dev d[3];
	json_int_t before;
	int64_t t0;
	double polls;

	with("ping_poll_interval = 500ms\nping_poll_max = 500ms\n");
	for (int i = 0; i < 3; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "many-%d", i);
		open_default(&d[i], "anton", name, "contact");
		wait_start(&x[i], &d[i], 4);
	}
	ck_assert_int_eq(control_int("counters", NULL, "sessions"), 1);
	before = requests();
	t0 = now_mono_us();
	for (int i = 0; i < 3; i++)
		wait_end(&x[i]);
	ck_assert_int_eq(control_int("counters", NULL, "sessions"), 1);
	polls = (double)(now_mono_us() - t0) / 500000;
	printf("three devices, %.1f periods: %lld questions\n", polls, (long long)(requests() - before));
	ck_assert_int_le(requests() - before, (json_int_t)polls + 2);
	ck_assert_int_ge(requests() - before, (json_int_t)polls - 2);
}
END_TEST

/* Nothing changes: asked less and less, up to the bound; a change brings the pace back. */
START_TEST(slower_when_quiet)
{
	struct wait x;
	struct dev d;
	long long n;

	with("ping_poll_interval = 100ms\nping_poll_max = 30m\n");
	open_default(&d, "anton", "quiet", "contact");
	wait_start(&x, &d, 4);
	wait_end(&x);
	n = metric("usmd_polls_total");
	printf("quiet for 4 s, from 0.1 s on: %lld looks\n", n);
	ck_assert_int_ge(n, 4);
	ck_assert_int_le(n, 10); /* 40 without */
}
END_TEST

#define ACCOUNTS 24
#define BUDGET 8

/* Many accounts and few requests: the budget holds, everybody has his turn. */
START_TEST(budget)
{
	static struct dev d[ACCOUNTS];
	static struct wait x[ACCOUNTS];
	static json_int_t folder[ACCOUNTS];
	json_int_t before, n;
	int64_t t0;
	double s;

	with("ping_poll_interval = 200ms\nping_poll_max = 200ms\nping_poll_budget = 8\n");
	for (int i = 0; i < ACCOUNTS; i++) {
		char text[64], name[16];

		(void)snprintf(name, sizeof(name), "u%d", i);
		(void)snprintf(text, sizeof(text), "{\"login\":\"u%d\"}", i);
		folder[i] = control_int("users", text, "contacts");
		open_default(&d[i], name, "budget", "contact");
		wait_start(&x[i], &d[i], 60);
	}
	before = requests();
	t0 = now_mono_us();
	while (metric("usmd_polls_deferred_total") < 20)
		sleep_ms(10);
	s = (double)(now_mono_us() - t0) / 1e6;
	n = requests() - before;
	printf("%d accounts, %.1f s: %lld requests, %.1f a second of %d\n", ACCOUNTS, s, (long long)n, (double)n / s, BUDGET);
	ck_assert_int_le(n, (json_int_t)(s * BUDGET) + 2);
	t0 = now_mono_us();
	for (int i = 0; i < ACCOUNTS; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "u%d", i);
		json_decref(ox_as(name, "contacts", "new", json_object(), json_pack("{s:I,s:s}", "folder_id", folder[i], "last_name", "X")));
	}
	for (int i = 0; i < ACCOUNTS; i++) {
		wait_end(&x[i]);
		ck_assert_msg(x[i].changed == 1, "u%d: HTTP %ld %s", i, x[i].status, x[i].code);
	}
	s = (double)(now_mono_us() - t0) / 1e6;
	printf("a change in each: all told within %.1f s\n", s);
	/* a look that finds something is two requests; two rounds at the most */
	ck_assert_msg(s < 2.0 * 2 * ACCOUNTS / BUDGET + 2, "%.1f s", s);
}
END_TEST

/* ---- the session at OX ---- */

START_TEST(session_dies)
{
	struct wait x;
	struct dev d;

	with("ping_poll_interval = 300ms\nping_poll_max = 300ms\n");
	open_default(&d, "anton", "session", "contact");
	wait_start(&x, &d, 30);
	world_control(&w, "expire", "{}", NULL, 0);
	while (metric("usmd_ox_logins_total") < 2)
		sleep_ms(10);
	new_contact("Revived"); /* the client noticed nothing */
	told(&x, now_mono_us(), "after a new session at OX");
}
END_TEST

START_TEST(password_changes)
{
	static const char *const types[] = { "contact", "mail", NULL };
	struct wait x[3];
	struct dev d[3], after;
	json_t *b, *data;
	long long logins;
	int64_t t0;

	with("ping_poll_interval = 300ms\nping_poll_max = 300ms\n");
	for (int i = 0; i < 3; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "pw-%d", i);
		open_default(&d[i], "anton", name, types[i]);
		wait_start(&x[i], &d[i], 30);
	}
	logins = metric("usmd_ox_logins_total");
	t0 = now_mono_us();
	world_control(&w, "password", "{\"user\":\"anton\",\"password\":\"another\"}", NULL, 0);
	for (int i = 0; i < 3; i++) {
		wait_end(&x[i]);
		ck_assert_msg(x[i].status == 401, "%d: HTTP %ld %s", i, x[i].status, x[i].code);
		printf("latency: %-32s %7.1f ms, %s\n", "password changed", (double)(x[i].ended_us - t0) / 1000, x[i].code);
	}
	ck_assert_int_le(metric("usmd_ox_logins_total"), logins + 1); /* one account is not locked by its waiting devices */
	/* with the new one all is well again */
	b = json_pack("{s:s,s:s,s:s,s:i}", "user", "anton", "password", "another", "device", "pw-0", "protocol", 1);
	memset(&after, 0, sizeof(after));
	data = good(&after, "login", b);
	(void)snprintf(d[0].token, sizeof(d[0].token), "%s", str(data, "token"));
	json_decref(data);
	json_decref(b);
	wait_start(&x[0], &d[0], 30);
	new_contact("Again");
	told(&x[0], now_mono_us(), "after a new login");
	world_control(&w, "password", "{\"user\":\"anton\",\"password\":\"secret\"}", NULL, 0);
}
END_TEST

/* A case each, so that CK_RUN_CASE runs one. */
#define CASE(name) \
	do { \
		TCase *t_ = tcase_create(#name); \
		tcase_set_timeout(t_, 120); \
		tcase_add_checked_fixture(t_, setup, world_down); \
		tcase_add_test(t_, name); \
		suite_add_tcase(s, t_); \
	} while (0)

int
main(void)
{
	Suite *s = suite_create("sources");
	SRunner *r;
	int failed;

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	CASE(by_udp);
	CASE(by_webhook);
	CASE(by_polling);
	CASE(flags_by_polling);
	CASE(own_write_in_a_shared_folder);
	CASE(bursts);
	CASE(told_too_early);
	CASE(told_again_while_looking_again);
	CASE(told_while_ox_is_busy);
	CASE(told_all_the_time);
	CASE(strangers);
	CASE(forged_posts);
	CASE(ox_restarts);
	CASE(silence);
	CASE(no_pns);
	CASE(one_question_an_account);
	CASE(slower_when_quiet);
	CASE(budget);
	CASE(session_dies);
	CASE(password_changes);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
