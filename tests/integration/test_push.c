/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Waiting for changes as clients meet it, with sockets of their own: pings that end, event streams that go on and are taken up again,
 * and clients that hang up, stay silent or come in crowds.  Changes come from other devices only, so that each is an event.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

static const char *const settings[] = { "calendar_past = 30d", "calendar_future = 30d", "ping_poll_interval = 0", "heartbeat_min = 1s",
	"client_timeout = 3s", "wake_interval = 20ms", "event_threads = 2", NULL };

static void
world_up(void)
{
	world_begin(&w, NULL, settings);
}

#define PATIENCE_US 6000000

static void
world_up_patient(void)
{
	world_begin(&w, NULL, (const char *const[]){ "calendar_past = 30d", "calendar_future = 30d", "ping_poll_interval = 0", "wake_interval = 6s", NULL });
}

/* ---- what usmd says of itself ---- */

static double
metric(const char *name)
{
	char sock[160], line[100], *p = NULL;
	CURL *c = curl_easy_init();
	double v;
	size_t len = 0;
	FILE *f = open_memstream(&p, &len);
	const char *at;

	(void)snprintf(sock, sizeof(sock), "%s/admin.sock", w.dir);
	(void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
	(void)curl_easy_setopt(c, CURLOPT_URL, "http://localhost/metrics");
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	ck_assert_int_eq(curl_easy_perform(c), CURLE_OK);
	(void)fclose(f);
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(p, line);
	ck_assert_msg(at != NULL, "no %s", name);
	v = strtod(at + strlen(line), NULL);
	curl_easy_cleanup(c);
	free(p);
	return v;
}

/* Until COND holds; there is no event for what usmd does to itself. */
#define await_that(cond) do { \
	msec_t until_ = now_ms() + 30000; \
	while (!(cond)) { \
		ck_assert_msg(now_ms() < until_, "waited too long for: %s", #cond); \
		sleep_ms(5); \
	} \
} while (0)

/* ---- a client with a socket of its own ---- */

struct sock {
	int fd;
	char text[65536]; /* what came and was not taken yet */
	size_t n;
};

static int
connect_usmd(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", w.server + strlen("unix:")), (int)sizeof(sa.sun_path));
	while (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0)
		ck_assert_msg(errno == EAGAIN || errno == EINTR, "connect: %s", strerror(errno)); /* its backlog is full */
	return fd;
}

static void
send_text(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, s, n, MSG_NOSIGNAL);

		if (done < 0)
			return;
		s += done;
		n -= (size_t)done;
	}
}

/* Begins COMMAND for D's folder with SYNCID. */
static void
start(struct sock *s, const struct dev *d, const char *command, const char *syncid, int heartbeat, const char *last_id)
{
	char head[1024], header[600] = "";
	json_t *e = json_pack("{s:s,s:s}", "folder", d->folder, "syncid", syncid), *b = json_pack("{s:[o],s:i}", "folders", e, "heartbeat", heartbeat);
	char *text = json_dumps(b, JSON_COMPACT);

	if (last_id != NULL)
		(void)snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", last_id);
	if (s->fd < 0)
		s->fd = connect_usmd();
	s->n = 0;
	(void)snprintf(head, sizeof(head), "POST /usm-json/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	    "Authorization: Bearer %s\r\n%sContent-Length: %zu\r\n\r\n", command, d->token, header, strlen(text));
	send_text(s->fd, head, strlen(head));
	send_text(s->fd, text, strlen(text));
	free(text);
	json_decref(b);
}

/* Until TEXT has come, for at most MS; what was before it, and it, is taken into SEEN (may be NULL). */
static bool
comes(struct sock *s, const char *text, int ms, char *seen, size_t size)
{
	msec_t until = now_ms() + ms;

	for (;;) {
		char *at;
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		msec_t left = until - now_ms();
		ssize_t n;

		s->text[s->n] = '\0';
		at = strstr(s->text, text);
		if (at != NULL) {
			size_t len = (size_t)(at - s->text) + strlen(text);

			if (seen != NULL)
				(void)snprintf(seen, size, "%.*s", (int)len, s->text);
			memmove(s->text, s->text + len, s->n - len);
			s->n -= len;
			return true;
		}
		if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0) /* with MS = 0, too, what has arrived is read */
			return false;
		n = recv(s->fd, s->text + s->n, sizeof(s->text) - 1 - s->n, 0);
		if (n <= 0)
			return false;
		s->n += (size_t)n;
	}
}

static void
hang_up(struct sock *s)
{
	(void)close(s->fd);
	s->fd = -1;
}

/* ---- devices ---- */

static void
device(struct dev *d, const char *name, const char *type)
{
	login(d, "berta", name);
	open_folder(d, str(d->defaults, type));
	(void)pull(d);
}

static void
add_contact(struct dev *d, const char *name)
{
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s}", "clientId", name, "last_name", name)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
}

static void
add_appointment(struct dev *d, const char *name, msec_t start_ms)
{
	json_t *data = update(d, request(d, one(json_pack("{s:s,s:s,s:I,s:I}", "clientId", name, "title", name, "start_date", (json_int_t)start_ms,
	    "end_date", (json_int_t)start_ms + 3600000)), NULL, NULL));

	ck_assert_str_eq(str(result(data, 0), "status"), "ok");
	json_decref(data);
}

/* ---- pings ---- */

START_TEST(the_newer_ping_ends_the_older)
{
	struct sock a = { .fd = -1 }, b = { .fd = -1 };
	struct dev d, other;

	device(&d, "newer-1", "contact");
	device(&other, "newer-2", "contact");
	start(&a, &d, "ping", d.syncid, 600, NULL);
	await_that(metric("usmd_waiters") == 1);
	start(&b, &d, "ping", d.syncid, 600, NULL);
	ck_assert(comes(&a, "{\"changed\":[],\"heartbeat\":600}}", 10000, NULL, 0));
	await_that(metric("usmd_waiters") == 1);
	/* another device's is none of its business */
	start(&a, &other, "ping", other.syncid, 600, NULL);
	await_that(metric("usmd_waiters") == 2);
	hang_up(&a);
	await_that(metric("usmd_waiters") == 1);
	add_contact(&other, "Newer");
	ck_assert(comes(&b, "\"changed\":[{\"folder\":\"", 10000, NULL, 0));
	hang_up(&b);
}
END_TEST

/* Who lost an answer after all repeats the request with the syncid before it, though he has waited with the one in it meanwhile. */
START_TEST(a_wait_acknowledges_nothing)
{
	static const char *const commands[] = { "ping", "events" };
	struct sock s = { .fd = -1 };
	struct dev d, other;
	char before[40];

	device(&d, "ack-1", "contact");
	device(&other, "ack-2", "contact");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		(void)pull(&d);
		(void)snprintf(before, sizeof(before), "%s", d.syncid);
		add_contact(&other, commands[i]);
		ck_assert_uint_eq(pull(&d), 1);
		start(&s, &d, commands[i], d.syncid, 600, NULL);
		await_that(metric("usmd_waiters") == 1);
		hang_up(&s);
		await_that(metric("usmd_waiters") == 0);
		(void)snprintf(d.syncid, sizeof(d.syncid), "%s", before);
		ck_assert_uint_eq(pull(&d), 1);
		(void)pull(&other);
	}
}
END_TEST

START_TEST(who_hangs_up_is_gone)
{
	struct sock s[20];
	double before = metric("usmd_waits_gone_total");
	struct dev d[20];

	for (int i = 0; i < 20; i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "gone-%d", i);
		device(&d[i], name, "contact");
		s[i].fd = -1;
		start(&s[i], &d[i], i % 2 == 0 ? "ping" : "events", d[i].syncid, 3000, NULL);
	}
	await_that(metric("usmd_waiters") == 20);
	ck_assert(metric("usmd_streams") == 10);
	for (int i = 0; i < 20; i++)
		hang_up(&s[i]);
	await_that(metric("usmd_waiters") == 0);
	ck_assert(metric("usmd_waits_gone_total") == before + 20);
	await_that(metric("usmd_requests_in_flight") == 0);
	ck_assert(metric("usmd_streams") == 0);
}
END_TEST

START_TEST(what_a_device_does_not_get_wakes_nobody)
{
	struct sock s = { .fd = -1 }, t = { .fd = -1 };
	struct dev d, stream, other;
	double woken;

	device(&d, "window-1", "appointment");
	device(&stream, "window-2", "appointment");
	device(&other, "window-3", "appointment");
	start(&s, &d, "ping", d.syncid, 600, NULL);
	start(&t, &stream, "events", stream.syncid, 600, NULL);
	ck_assert(comes(&t, "\n\n", 10000, NULL, 0));
	await_that(metric("usmd_waiters") == 2);
	woken = metric("usmd_wakeups_total");
	/* beyond calendar_future */
	add_appointment(&other, "Far", now_ms() + INT64_C(400) * 86400000);
	await_that(metric("usmd_wakeups_total") >= woken + 2);
	await_that(metric("usmd_waiters") == 2);
	ck_assert(!comes(&s, "HTTP", 300, NULL, 0));
	ck_assert(!comes(&t, "event", 0, NULL, 0));
	add_appointment(&other, "Near", now_ms() + 86400000);
	ck_assert(comes(&s, "\"changed\":[{\"folder\":\"", 10000, NULL, 0));
	ck_assert(comes(&t, "event: changed\ndata: {\"changed\":[{\"folder\":\"", 10000, NULL, 0));
	ck_assert_uint_eq(pull(&d), 1);
	hang_up(&s);
	hang_up(&t);
}
END_TEST

/* A look in vain - somebody told before there was anything to read - does not put off the next one; after that wake_interval holds. */
START_TEST(one_look_in_vain_costs_no_time)
{
	struct sock s = { .fd = -1 };
	struct dev d, other;
	int64_t t0;
	double woken;

	device(&d, "vain-1", "appointment");
	device(&other, "vain-2", "appointment");
	start(&s, &d, "ping", d.syncid, 600, NULL);
	await_that(metric("usmd_waiters") == 1);
	woken = metric("usmd_wakeups_total");
	add_appointment(&other, "Far", now_ms() + INT64_C(400) * 86400000);
	await_that(metric("usmd_wakeups_total") >= woken + 1 && metric("usmd_waiters") == 1);
	t0 = now_mono_us();
	add_appointment(&other, "Near", now_ms() + 86400000);
	ck_assert(comes(&s, "\"changed\":[{\"folder\":\"", 30000, NULL, 0));
	ck_assert_int_lt(now_mono_us() - t0, PATIENCE_US / 2);
	(void)pull(&d);

	/* two in vain */
	s.n = 0;
	start(&s, &d, "ping", d.syncid, 600, NULL);
	await_that(metric("usmd_waiters") == 1);
	for (int i = 0; i < 2; i++) {
		woken = metric("usmd_wakeups_total");
		add_appointment(&other, i == 0 ? "Far-away" : "Farther-away", now_ms() + INT64_C(400) * 86400000);
		await_that(metric("usmd_wakeups_total") >= woken + 1 && metric("usmd_waiters") == 1);
	}
	t0 = now_mono_us();
	add_appointment(&other, "Nearer", now_ms() + 2 * 86400000);
	ck_assert(comes(&s, "\"changed\":[{\"folder\":\"", 30000, NULL, 0));
	ck_assert_int_gt(now_mono_us() - t0, PATIENCE_US / 2);
	hang_up(&s);
}
END_TEST

START_TEST(heartbeats_of_nonsense)
{
	static const char *const nonsense[] = { "0", "-1", "1e9", "\"60\"", "null", "1.5", "99999999999999999999", "true", "[]" };
	struct dev d;

	device(&d, "nonsense", "contact");
	for (size_t i = 0; i < 2 * ARRAY_LEN(nonsense); i++) {
		char url[100], body[300];
		struct buf out;
		long status = 0;

		(void)snprintf(url, sizeof(url), "http://localhost/usm-json/%s", i % 2 == 0 ? "ping" : "events");
		(void)snprintf(body, sizeof(body), "{\"folders\":[{\"folder\":\"%s\",\"syncid\":\"%s\"}],\"heartbeat\":%s}", d.folder, d.syncid, nonsense[i / 2]);
		buf_init(&out, 65536);
		http(url, d.token, body, &out, &status);
		ck_assert_msg(status == 400 || status == 422 || status == 413, "%s: %ld %s", nonsense[i / 2], status, out.p);
		buf_fini(&out);
	}
	ck_assert(metric("usmd_waiters") == 0);
}
END_TEST

/* ---- events ---- */

static void
id_of(const char *seen, char id[80])
{
	const char *at = strstr(seen, "id: ");

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, "id: %79s", id), 1);
}

START_TEST(a_stream_tells_each_change_once)
{
	struct sock s = { .fd = -1 };
	struct dev d, other;
	char seen[2000], first[80], id[80], began_with[40];

	device(&d, "stream-1", "contact");
	device(&other, "stream-2", "contact");
	(void)snprintf(began_with, sizeof(began_with), "%s", d.syncid);
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, seen, sizeof(seen)));
	ck_assert_ptr_nonnull(strstr(seen, "Content-Type: text/event-stream"));
	ck_assert_ptr_nonnull(strstr(seen, ": heartbeat 600\nretry: 3000\n\n"));
	ck_assert(comes(&s, "\n\n", 10000, first, sizeof(first)));
	ck_assert_ptr_null(strstr(s.text, "event"));
	add_contact(&other, "Streamed");
	ck_assert(comes(&s, "]}\n\n", 10000, seen, sizeof(seen)));
	ck_assert_ptr_nonnull(strstr(seen, "event: changed\ndata: {\"changed\":[{\"folder\":\""));
	ck_assert_ptr_nonnull(strstr(seen, d.folder));
	ck_assert_uint_eq(pull(&d), 1);
	/* what it writes itself, and has synchronized by itself, is no event: the next one is the other's */
	await_that(metric("usmd_waiters") == 1);
	add_contact(&d, "Own");
	(void)pull(&d);
	await_that(metric("usmd_waiters") == 1);
	ck_assert(!comes(&s, "event", 300, NULL, 0));
	(void)pull(&other);
	add_contact(&other, "Again");
	ck_assert(comes(&s, "]}\n\n", 10000, seen, sizeof(seen)));
	id_of(seen, id);
	ck_assert(!comes(&s, "event", 300, NULL, 0));
	hang_up(&s);
	await_that(metric("usmd_streams") == 0);

	/* taken up again, with a syncid that is no longer kept: what was told is not told again ... */
	(void)pull(&d);
	(void)pull(&d);
	add_contact(&other, "Missed");
	start(&s, &d, "events", began_with, 600, id);
	ck_assert(comes(&s, "]}\n\n", 10000, seen, sizeof(seen)));
	id_of(seen, id);
	hang_up(&s);
	start(&s, &d, "events", began_with, 600, id);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	ck_assert(!comes(&s, "event", 300, NULL, 0));
	hang_up(&s);
	/* ... after a crash as well */
	world_usmd_kill(&w);
	world_usmd_start(&w);
	start(&s, &d, "events", began_with, 600, id);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	ck_assert(!comes(&s, "event", 300, NULL, 0));
	(void)pull(&other);
	add_contact(&other, "After");
	ck_assert(comes(&s, "event: changed", 10000, NULL, 0));
	hang_up(&s);
	/* without the id its syncid is unknown: everything is new */
	start(&s, &d, "events", began_with, 600, NULL);
	ck_assert(comes(&s, "event: changed", 10000, NULL, 0));
	hang_up(&s);
}
END_TEST

/* A folder that changes all the time: some events, never one for each change, and the last change is told. */
START_TEST(many_changes_are_few_events)
{
	struct sock s = { .fd = -1 };
	struct dev d, other;
	char seen[2000];
	unsigned events = 0;
	int64_t began;

	device(&d, "burst-1", "contact");
	device(&other, "burst-2", "contact");
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	began = now_mono_us();
	for (int i = 0; i < 30; i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "Burst-%d", i);
		add_contact(&other, name);
	}
	(void)pull(&other);
	began = (now_mono_us() - began) / 1000;
	while (comes(&s, "]}\n\n", 1000, seen, sizeof(seen)))
		events++;
	(void)printf("30 changes in %lld ms: %u events\n", (long long)began, events);
	ck_assert_uint_ge(events, 1);
	/* one at once, one more, then each wake_interval (20 ms here); and what comes after the last change */
	ck_assert_uint_le(events, 4 + (unsigned)(began / 20));
	ck_assert_uint_eq(pull(&d), 30);
	hang_up(&s);
}
END_TEST

/*
 * Changes without a pause while wake_interval is 6 s: who waits is looked after at the first one, at the next one, and then not before the
 * interval is over, however many there are; after the last one he is.
 */
START_TEST(changes_without_end_wake_seldom)
{
	struct sock s = { .fd = -1 }, p = { .fd = -1 };
	struct dev d, pinging, other;
	unsigned changes = 0, events = 0;
	double woken;
	int64_t began;

	device(&d, "endless-1", "contact");
	device(&pinging, "endless-2", "contact");
	device(&other, "endless-3", "contact");
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	start(&p, &pinging, "ping", pinging.syncid, 600, NULL);
	await_that(metric("usmd_waiters") == 2);
	woken = metric("usmd_wakeups_total");
	for (began = now_mono_us(); now_mono_us() - began < PATIENCE_US / 2; changes++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "Endless-%u", changes);
		add_contact(&other, name);
	}
	woken = metric("usmd_wakeups_total") - woken;
	(void)printf("%u changes in 3 s: two clients are woken %.0f times\n", changes, woken);
	ck_assert_uint_ge(changes, 50);
	ck_assert(woken >= 2 && woken <= 3); /* the ping once, for that is its answer; the stream twice */
	ck_assert(comes(&p, "\"changed\":[{\"folder\":\"", 0, NULL, 0));
	while (comes(&s, "]}\n\n", 0, NULL, 0))
		events++;
	ck_assert_uint_ge(events, 1);
	ck_assert_uint_le(events, 2);
	ck_assert(comes(&s, "]}\n\n", PATIENCE_US / 1000 * 2, NULL, 0));
	ck_assert_uint_eq(pull(&d), changes);
	hang_up(&s);
	hang_up(&p);
}
END_TEST

START_TEST(the_stop_is_told)
{
	struct sock s = { .fd = -1 }, p = { .fd = -1 };
	struct dev d;
	int status;

	device(&d, "stop", "contact");
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	start(&p, &d, "ping", d.syncid, 600, NULL);
	await_that(metric("usmd_waiters") == 2);
	(void)kill(w.usmd, SIGTERM);
	ck_assert(comes(&s, ": the server stops\nretry: ", 10000, NULL, 0));
	ck_assert(comes(&s, "\r\n0\r\n\r\n", 10000, NULL, 0));
	ck_assert(comes(&p, "{\"changed\":[],\"heartbeat\":600}}", 10000, NULL, 0));
	ck_assert_int_eq(waitpid(w.usmd, &status, 0), w.usmd);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	world_usmd_start(&w);
	hang_up(&s);
	hang_up(&p);
}
END_TEST

/* ---- crowds that behave badly ---- */

static size_t
resident_kib(void)
{
	char path[64], line[200];
	unsigned long kib = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)w.usmd);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %lu", &kib) == 1)
			break;
	(void)fclose(f);
	return kib;
}

static void
crowd(int *fd, size_t n, const struct dev *d)
{
	static const char info[] = "POST /usm-json/serverInfo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
	char head[400];

	(void)snprintf(head, sizeof(head), "POST /usm-json/ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
	    "Content-Length: 100\r\n\r\n{\"folders\":", d->token);
	for (size_t i = 0; i < n; i++) {
		fd[i] = connect_usmd();
		switch (i % 4) {
		case 0: /* half a head, and silence */
			send_text(fd[i], head, 40);
			break;
		case 1: /* half a body, and silence */
			send_text(fd[i], head, strlen(head));
			break;
		case 2: /* nothing at all */
			break;
		default: /* a request whose answer is not read, and gone */
			send_text(fd[i], info, strlen(info));
			(void)close(fd[i]);
			fd[i] = -1;
		}
	}
}

/* How many connections this process and usmd may have, of those that are wanted. */
static size_t
connections(size_t wanted)
{
	struct rlimit rl;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	return rl.rlim_cur < wanted + 1000 ? (size_t)rl.rlim_cur - 1000 : wanted;
}

START_TEST(crowds_do_no_harm)
{
	const size_t n = connections(10000);
	struct sock s = { .fd = -1 };
	int *fd = calloc(n, sizeof(*fd));
	struct dev d, other;
	size_t kib[3];

	ck_assert_ptr_nonnull(fd);
	device(&d, "crowd-1", "contact");
	device(&other, "crowd-2", "contact");
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	for (int round = 0; round < 3; round++) {
		char name[20];
		int64_t t0;

		crowd(fd, n, &d);
		(void)snprintf(name, sizeof(name), "Crowd-%d", round);
		t0 = now_mono_us();
		add_contact(&other, name);
		ck_assert(comes(&s, "event: changed", 10000, NULL, 0));
		ck_assert_int_lt(now_mono_us() - t0, 5000000);
		(void)pull(&d);
		if (round > 0) /* the first crowd is left to client_timeout */
			for (size_t i = 0; i < n; i++)
				if (fd[i] >= 0)
					(void)close(fd[i]);
		await_that(metric("usmd_connections") <= 4);
		if (round == 0)
			for (size_t i = 0; i < n; i++)
				if (fd[i] >= 0)
					(void)close(fd[i]);
		kib[round] = resident_kib();
	}
	/* what the first one needed is used again */
	ck_assert_msg(kib[2] < kib[0] + kib[0] / 4 + 4096, "memory grows: %zu, %zu, %zu KiB with %zu clients", kib[0], kib[1], kib[2], n);
	hang_up(&s);
	free(fd);
}
END_TEST

#define SLOW 150
#define FILLED 1000

/* Asks for all that its folder holds, and does not read it: the receiving buffer takes a small part. */
static void
ask_and_not_read(struct sock *s, const struct dev *d)
{
	char head[400], body[100];

	(void)snprintf(body, sizeof(body), "{\"folder\":\"%s\",\"limit\":%d}", d->folder, FILLED);
	(void)snprintf(head, sizeof(head), "POST /usm-json/syncInit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
	    "Content-Length: %zu\r\n\r\n%s", d->token, strlen(body), body);
	s->fd = connect_usmd();
	send_text(s->fd, head, strlen(head));
}

/* Answers that nobody takes: they are held for client_timeout, others do not notice, and the memory comes back. */
START_TEST(slow_readers_do_no_harm)
{
	static struct sock slow[SLOW];
	struct sock s = { .fd = -1 };
	struct dev d, other, big;
	size_t kib[3], most = 0;

	world_control(&w, "fill", "{\"user\":\"caesar\",\"folder\":52,\"count\":1000}", NULL, 0);
	login(&big, "caesar", "slow");
	open_folder(&big, str(big.defaults, "contact"));
	ck_assert_uint_ge(json_object_size(big.have), FILLED);
	device(&d, "slow-1", "contact");
	device(&other, "slow-2", "contact");
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	for (int round = 0; round < 3; round++) {
		char name[20];

		for (int i = 0; i < SLOW; i++)
			ask_and_not_read(&slow[i], &big);
		(void)snprintf(name, sizeof(name), "Slow-%d", round);
		add_contact(&other, name);
		ck_assert(comes(&s, "event: changed", 60000, NULL, 0)); /* the others are answered; which of the crowd hears busy does not count */
		(void)pull(&d);
		most = resident_kib() > most ? resident_kib() : most;
		await_that(metric("usmd_connections") <= 4); /* all were cut off, and the one that goes on was not */
		for (int i = 0; i < SLOW; i++)
			hang_up(&slow[i]);
		kib[round] = resident_kib();
	}
	(void)printf("slow readers: %zu, %zu, %zu KiB after rounds of %d, %zu KiB within\n", kib[0], kib[1], kib[2], SLOW, most);
	(void)fflush(stdout);
	ck_assert_msg(kib[2] < kib[0] + kib[0] / 4 + 4096, "memory grows: %zu, %zu, %zu KiB with %d clients", kib[0], kib[1], kib[2], SLOW);
	await_that(metric("usmd_requests_in_flight") <= 1);
	add_contact(&other, "Slow-end");
	ck_assert(comes(&s, "event: changed", 10000, NULL, 0));
	hang_up(&s);
}
END_TEST

/* Clients that wait and are gone without a word, again and again: what was made for them goes with them. */
START_TEST(waits_that_vanish_leave_nothing)
{
	static struct dev many[40];
	struct sock s = { .fd = -1 };
	struct dev d, other;
	size_t kib[3];

	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "vanish-%zu", i);
		device(&many[i], name, i % 2 == 0 ? "contact" : "task");
	}
	device(&d, "vanish-d", "appointment");
	device(&other, "vanish-o", "appointment");
	start(&s, &d, "events", d.syncid, 600, NULL);
	ck_assert(comes(&s, "id: ", 10000, NULL, 0));
	for (int round = 0; round < 3; round++) {
		for (int k = 0; k < 25; k++) {
			struct sock x[ARRAY_LEN(many)];

			for (size_t i = 0; i < ARRAY_LEN(many); i++) {
				x[i].fd = -1;
				start(&x[i], &many[i], (k + (int)i) % 3 == 0 ? "events" : "ping", many[i].syncid, 3000, NULL);
			}
			if (k % 2 == 0) /* some are gone before they wait */
				await_that(metric("usmd_waiters") >= 1 + (double)ARRAY_LEN(many) / 2);
			for (size_t i = 0; i < ARRAY_LEN(many); i++)
				hang_up(&x[i]);
		}
		await_that(metric("usmd_waiters") == 1 && metric("usmd_streams") == 1);
		kib[round] = resident_kib();
	}
	ck_assert_msg(kib[2] < kib[0] + kib[0] / 4 + 4096, "memory grows: %zu, %zu, %zu KiB", kib[0], kib[1], kib[2]);
	add_appointment(&other, "Vanished", now_ms() + 86400000);
	ck_assert(comes(&s, "event: changed", 10000, NULL, 0));
	hang_up(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("push");
	TCase *t = tcase_create("push");

	if (getenv("USMD_TEST_DIR") == NULL)
		return 77;
	tcase_add_unchecked_fixture(t, world_up, world_down);
	tcase_add_checked_fixture(t, NULL, forget_devices);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_newer_ping_ends_the_older);
	tcase_add_test(t, a_wait_acknowledges_nothing);
	tcase_add_test(t, who_hangs_up_is_gone);
	tcase_add_test(t, what_a_device_does_not_get_wakes_nobody);
	tcase_add_test(t, heartbeats_of_nonsense);
	tcase_add_test(t, many_changes_are_few_events);
	tcase_add_test(t, crowds_do_no_harm);
	tcase_add_test(t, slow_readers_do_no_harm);
	tcase_add_test(t, waits_that_vanish_leave_nothing);
	suite_add_tcase(suite, t);
	t = tcase_create("patience");
	tcase_add_checked_fixture(t, world_up_patient, world_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, one_look_in_vain_costs_no_time);
	tcase_add_test(t, changes_without_end_wake_seldom);
	suite_add_tcase(suite, t);
	/* these stop usmd, so it must be a child of theirs */
	t = tcase_create("restarts");
	tcase_add_checked_fixture(t, world_up, world_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_stream_tells_each_change_once);
	tcase_add_test(t, the_stop_is_told);
	suite_add_tcase(suite, t);
	return harness_main(suite);
}
