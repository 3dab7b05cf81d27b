/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What OX tells by itself: packets and posts as recorded, hostile ones, and a socket that two nodes and a stranger send to. */
#include "usmd/push.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- packets ---- */

static enum rc
parse(const char *text, struct push_packet *p)
{
	struct err e;

	return push_packet_parse(text, strlen(text), p, &e);
}

START_TEST(recorded_packets)
{
	struct push_packet *p = mem_alloc(sizeof(*p));
	struct push_event ev;

	ck_assert_int_eq(parse("1337\001""24\0013\00132\0017\0011\0013\0011795342911050", p), RC_OK);
	ck_assert_str_eq(p->folder, "32");
	ck_assert_int_eq(p->module, 7);
	ck_assert_int_eq(p->context, 1);
	ck_assert_uint_eq(p->n_users, 1);
	ck_assert_int_eq(p->users[0], 3);
	ck_assert_int_eq(p->stamp, 1795342911050);
	ck_assert(push_packet_event(p, &ev));
	ck_assert_int_eq(ev.ct, CT_CONTACT);
	/* a task of two, a mail, a folder */
	ck_assert_int_eq(parse("1337\001""26\0013\00133\0014\0011\0013,4\0011795342922487", p), RC_OK);
	ck_assert_uint_eq(p->n_users, 2);
	ck_assert_int_eq(p->users[1], 4);
	ck_assert(push_packet_event(p, &ev));
	ck_assert_int_eq(ev.ct, CT_TASK);
	ck_assert_int_eq(parse("1337\001""12\0013\0011\00119\0011\0014\0010", p), RC_OK);
	ck_assert(push_packet_event(p, &ev));
	ck_assert_int_eq(ev.ct, CT_MAIL);
	ck_assert_ptr_null(ev.folder);
	ck_assert_int_eq(parse("1337\001""25\0013\00184\00120\0011\0013\0011795342945932", p), RC_OK);
	ck_assert(push_packet_event(p, &ev));
	ck_assert_int_eq(ev.ct, CT_FOLDER);
	/* the root names everybody for what only some see: their own packet comes as well */
	ck_assert_int_eq(parse("1337\001""34\0013\0011\00120\0011\0012,3,4,5,6,7\0011795342945932", p), RC_OK);
	ck_assert_uint_eq(p->n_users, 6);
	ck_assert(!push_packet_event(p, &ev));
	/* files are nobody's here */
	ck_assert_int_eq(parse("1337\001""26\0013\00132\001137\0011\0013\0011795342911050", p), RC_OK);
	ck_assert(!push_packet_event(p, &ev));
	mem_free(p);
}
END_TEST

START_TEST(hostile_packets)
{
	static const char *const bad[] = {
		"", "1", "1337", "1337\001", "1337\001""24", "1337\001""24\001", "1338\001""12\0013\0011\00119\0011\0014\0010",
		"1337\001""13\0013\0011\00119\0011\0014\0010", "1337\001""11\0013\0011\00119\0011\0014\0010", /* another length than told */
		"1337\001-12\0013\0011\00119\0011\0014\0010", "1337\001+12\0013\0011\00119\0011\0014\0010", "1337\001""012\0013\0011\00119\0011\0014\0010",
		"1337\001""99999999999999999999\0013\0011\00119\0011\0014\0010",
		"1337\001""12\0014\0011\00119\0011\0014\0010", /* a registration is not for us */
		"1337\001""12\0011\0011\00119\0011\0014\0010", "1337\001""12\0013\001x\00119\0011\0014\0010", "1337\001""11\0013\001\00119\0011\0014\0010",
		"1337\001""11\0013\0011\00119\0011\001\0010", "1337\001""13\0013\0011\00119\0011\0014,\0010", "1337\001""13\0013\0011\00119\0011\001,4\0010",
		"1337\001""15\0013\0011\00119\0011\0014,,5\0010", "1337\001""14\0013\0011\00119\0011\0014 5\0010",
		"1337\001""13\0013\0011\00119\0011\0014\0010\001", "1337\001""10\0013\0011\00119\0011\0014", "1337\001""11\0013\0011\00119\0011\0014\001",
		"1337\001""13\0013\0011\00119\0011\0014\001-1", "1337\001""21\0013\0019999999999\00119\0011\0014\0010", "1337\001""14\0013\0011\00119\0011\0014\0010\0015",
		"1337\001""31\0013\0011\00119\0011\0014\00199999999999999999999",
	};
	struct push_packet *p = mem_alloc(sizeof(*p));
	char big[PUSH_PACKET_MAX + 64];
	struct err e;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(parse(bad[i], p) == RC_PROTO, "taken: %zu", i);
	ck_assert_int_eq(push_packet_parse("1337\00112\0013\0011\00119\0011\0014\000", 20, p, &e), RC_PROTO); /* a NUL is no digit */
	/* as many users as a datagram can name; no more fit into one */
	for (size_t users = PUSH_USERS_MAX - 10; users <= PUSH_USERS_MAX; users += 10) {
		size_t head = (size_t)snprintf(big, sizeof(big), "1337\001%zu\0013\0011\0017\0011\001", 2 * users - 1 + 10);

		n = head;
		for (size_t k = 0; k < users && n + 4 < sizeof(big); k++) {
			big[n++] = '3';
			big[n++] = ',';
		}
		big[n - 1] = '\1';
		big[n++] = '0';
		ck_assert_int_eq(push_packet_parse(big, n, p, &e), users < PUSH_USERS_MAX ? RC_OK : RC_PROTO);
	}
	mem_free(p);
}
END_TEST

START_TEST(registration)
{
	struct buf b;

	buf_init(&b, 0);
	push_packet_register("127.0.0.1", 34924, &b);
	ck_assert_str_eq(b.p, "1337\001""17\0014\001127.0.0.1\00134924");
	buf_fini(&b);
}
END_TEST

/* ---- the socket ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	size_t n;
	char folder[32];
	enum content ct;
} heard = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void
on_event(void *arg, const struct push_event *ev)
{
	(void)arg;
	(void)pthread_mutex_lock(&heard.lock);
	heard.n++;
	heard.ct = ev->ct;
	(void)snprintf(heard.folder, sizeof(heard.folder), "%s", ev->folder != NULL ? ev->folder : "-");
	(void)pthread_cond_broadcast(&heard.more);
	(void)pthread_mutex_unlock(&heard.lock);
}

static void
await_heard(size_t n)
{
	(void)pthread_mutex_lock(&heard.lock);
	while (heard.n < n)
		(void)pthread_cond_wait(&heard.more, &heard.lock);
	(void)pthread_mutex_unlock(&heard.lock);
}

static int
socket_at(unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* The next registration that arrives at FD; its port. */
static unsigned
await_registration(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char b[200] = "";
	unsigned port = 0;

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert_int_gt(recv(fd, b, sizeof(b) - 1, 0), 0);
	ck_assert_int_eq(sscanf(b, "1337\001%*u\0014\001127.0.0.1\001%u", &port), 1);
	return port;
}

static void
send_to(int fd, unsigned port, const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((in_port_t)port) };

	ck_assert_int_eq(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)), (ssize_t)strlen(text));
}

START_TEST(nodes_and_strangers)
{
	unsigned node_port, stranger_port, port;
	int node = socket_at(&node_port), stranger = socket_at(&stranger_port);
	int64_t strangers = metric_get(M_UDP_STRANGERS), malformed = metric_get(M_UDP_MALFORMED);
	char nodes[64];
	struct push_udp_options o = { .listen = "127.0.0.1:0", .advertise = "", .nodes = nodes, .register_ms = 200 };
	struct push_udp *u;
	struct err e;

	heard.n = 0;
	(void)snprintf(nodes, sizeof(nodes), "127.0.0.1:%u", node_port);
	ck_assert_msg(push_udp_new(&o, on_event, NULL, &u, &e) == RC_OK, "%s", e.text);
	port = await_registration(node);
	ck_assert_uint_eq(await_registration(node), port); /* again and again */
	/* in this order to one socket, so that when the last has been heard the others have been judged */
	send_to(stranger, port, "1337\001""24\0013\00199\0017\0011\0013\0011795342911050");
	send_to(node, port, "garbage");
	send_to(node, port, "1337\001""24\0013\00132\0017\0011\0013\0011795342911050");
	await_heard(1);
	ck_assert_str_eq(heard.folder, "32");
	ck_assert_int_eq(metric_get(M_UDP_STRANGERS), strangers + 1);
	ck_assert_int_eq(metric_get(M_UDP_MALFORMED), malformed + 1);
	send_to(node, port, "1337\001""12\0013\0011\00119\0011\0014\0010");
	await_heard(2);
	ck_assert_str_eq(heard.folder, "-");
	push_udp_free(u);
	(void)close(node);
	(void)close(stranger);
}
END_TEST

START_TEST(addresses)
{
	static const struct {
		const char *listen, *advertise, *nodes, *path; /* path NULL: right */
	} t[] = {
		{ "127.0.0.1:1", "", "ox1", NULL }, { "*:1", "10.0.0.1", "ox1, ox2:44", NULL }, { "[::1]:1", "", "[fd00::1]:5", NULL },
		{ "*:1", "[fd00::5]:77", "ox1", NULL }, { "*:1", "", "ox1", "udp_advertise" }, { "[::]:1", "", "ox1", "udp_advertise" },
		{ "127.0.0.1", "", "ox1", "udp_listen" }, { "host:1", "", "ox1", "udp_listen" }, { "127.0.0.1:70000", "", "ox1", "udp_listen" },
		{ "::1:1", "", "ox1", "udp_listen" }, { "[::1:1", "", "ox1", "udp_listen" }, { "", "", "ox1", "udp_listen" },
		{ "127.0.0.1:1", "name", "ox1", "udp_advertise" }, { "127.0.0.1:1", "*", "ox1", "udp_advertise" }, { "127.0.0.1:1", "", "", "udp_nodes" },
		{ "127.0.0.1:1", "", "ox1:port", "udp_nodes" }, { "127.0.0.1:1", "", ":44335", "udp_nodes" }, { "127.0.0.1:1", "", " ,, ", "udp_nodes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct push_udp_options o = { .listen = t[i].listen, .advertise = t[i].advertise, .nodes = t[i].nodes, .register_ms = 1 };
		struct err e = { .rc = RC_OK };
		enum rc rc = push_udp_check(&o, &e);

		ck_assert_msg(rc == (t[i].path != NULL ? RC_PROTO : RC_OK), "%zu: %s", i, rc_name(rc));
		ck_assert_str_eq(e.path, t[i].path != NULL ? t[i].path : "");
	}
}
END_TEST

/* ---- webhooks ---- */

static const char secret[] = "da39a3ee5e6b4b";
static const char mail_body[] = "{\"event\":\"ox:mail:new\",\"payload\":{\"folder\":\"default0/INBOX\",\"id\":\"9\",\"email\":\"berta@example.com\",\"displayname\":\"Berta Bauer\","
    "\"subject\":\"Gr\303\274\303\237e 1\",\"unread\":8,\"user\":3,\"context\":1,\"email1\":\"anton@example.com\"},\"timestamp\":1795343281877}";
static const char mail_sign[] = "t=1795343281877, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313";
static msec_t now = 1795343281877;

static msec_t
the_time(void)
{
	return now;
}

static struct push_hook *
hook(void)
{
	struct push_hook *h = push_hook_new(&(struct push_hook_options){ .secret = secret, .window_ms = 60000 }, on_event, NULL);

	ck_assert_ptr_nonnull(h);
	heard.n = 0;
	now = 1795343281877;
	clock_override(the_time);
	return h;
}

static void
sign(const char *body, msec_t t, char out[100])
{
	unsigned char mac[32];
	char hex[65];
	struct buf b;

	buf_init(&b, 0);
	buf_addf(&b, "v1:%lld:%s", (long long)t, body);
	hmac_sha256(secret, strlen(secret), b.p, b.len, mac);
	hex_encode(mac, sizeof(mac), hex);
	(void)snprintf(out, 100, "t=%lld, v1=%s", (long long)t, hex);
	buf_fini(&b);
}

static enum push_verdict
post(struct push_hook *h, const char *body)
{
	char s[100];

	sign(body, now++, s);
	return push_hook_take(h, s, body, strlen(body));
}

/* What a server posted, with the signature that it had. */
START_TEST(recorded_post)
{
	struct push_hook *h = hook();

	ck_assert_int_eq(push_hook_take(h, mail_sign, mail_body, sizeof(mail_body) - 1), PUSH_TAKEN);
	ck_assert_uint_eq(heard.n, 1);
	ck_assert_int_eq(heard.ct, CT_MAIL);
	ck_assert_str_eq(heard.folder, "default0/INBOX");
	ck_assert_int_eq(push_hook_take(h, mail_sign, mail_body, sizeof(mail_body) - 1), PUSH_REPLAYED);
	now += 59000;
	ck_assert_int_eq(push_hook_take(h, mail_sign, mail_body, sizeof(mail_body) - 1), PUSH_REPLAYED);
	now += 2000;
	ck_assert_int_eq(push_hook_take(h, mail_sign, mail_body, sizeof(mail_body) - 1), PUSH_STALE);
	ck_assert_uint_eq(heard.n, 1);
	push_hook_free(h);
}
END_TEST

START_TEST(bad_signatures)
{
	static const char *const bad[] = {
		"", "t=1795343281877", "t=1795343281877,", "t=,v1=6f", "v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=1795343281877, v2=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=1795343281878, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=1795343281877, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179314",
		"t=1795343281877, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a1793",
		"t=1795343281877, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a17931300",
		"t=1795343281877, v1=zf7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=-795343281877, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=99999999999999999999999, v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=1795343281877, v=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
		"t=1795343281877, v1234567890=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313",
	};
	struct push_hook *h = hook();
	char other[sizeof(mail_body)];

	ck_assert_int_eq(push_hook_take(h, NULL, mail_body, sizeof(mail_body) - 1), PUSH_UNSIGNED);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(push_hook_take(h, bad[i], mail_body, sizeof(mail_body) - 1) == PUSH_UNSIGNED, "taken: %s", bad[i]);
	memcpy(other, mail_body, sizeof(other));
	other[20] ^= 1;
	ck_assert_int_eq(push_hook_take(h, mail_sign, other, sizeof(other) - 1), PUSH_UNSIGNED);
	ck_assert_int_eq(push_hook_take(h, mail_sign, mail_body, sizeof(mail_body) - 2), PUSH_UNSIGNED);
	ck_assert_uint_eq(heard.n, 0);
	/* the documented form has no blank */
	ck_assert_int_eq(push_hook_take(h, "t=1795343281877,v1=6f7f18be80b447d609c8259e86c12654e3e35be74487d1495f3de6e16a179313", mail_body,
	    sizeof(mail_body) - 1), PUSH_TAKEN);
	push_hook_free(h);
}
END_TEST

START_TEST(times)
{
	struct push_hook *h = hook();
	char s[100];

	for (int i = -2; i <= 2; i++) {
		msec_t t = now + i * 60000 + (i > 0 ? i - 1 : i < 0 ? i + 1 : 0); /* the edges are inside */

		sign(mail_body, t, s);
		ck_assert_int_eq(push_hook_take(h, s, mail_body, sizeof(mail_body) - 1), i == -2 || i == 2 ? PUSH_STALE : PUSH_TAKEN);
	}
	push_hook_free(h);
}
END_TEST

START_TEST(bodies)
{
	static const char *const bad[] = { "", "[]", "{", "{\"event\":\"ox:mail:new\"}", "{\"event\":\"ox:mail:new\",\"payload\":[]}",
		"{\"event\":\"ox:mail:new\",\"payload\":{\"folder\":\"a\",\"user\":\"3\",\"context\":1}}", "{\"event\":\"ox:mail:new\",\"payload\":{\"folder\":\"a\",\"user\":0,\"context\":1}}",
		"{\"event\":\"ox:mail:new\",\"payload\":{\"folder\":\"a\",\"user\":3,\"context\":4294967296}}", "{\"event\":\"ox:mail:new\",\"payload\":{\"folder\":\"\",\"user\":3,\"context\":1}}",
		"{\"event\":\"ox:mail:new\",\"payload\":{\"folder\":5,\"user\":3,\"context\":1}}", "{\"event\":\"ox:calendar:updates\",\"payload\":{\"folders\":\"cal://0/31\",\"user\":3,\"context\":1}}",
		"{\"event\":\"ox:calendar:updates\",\"payload\":{\"folders\":[31],\"user\":3,\"context\":1}}", "{\"event\":1,\"event\":2}" };
	struct push_hook *h = hook();

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(post(h, bad[i]) == PUSH_MALFORMED, "taken: %s", bad[i]);
	ck_assert_uint_eq(heard.n, 0);
	ck_assert_int_eq(post(h, "{\"event\":\"ox:calendar:updates\",\"payload\":{\"needsAction\":[{\"folderId\":\"cal://0/31\",\"id\":\"8\"}],\"folders\":[\"cal://0/31\","
	    "\"cal://1/2\",\"32\"],\"user\":3,\"context\":1},\"timestamp\":1}"), PUSH_TAKEN);
	ck_assert_uint_eq(heard.n, 2); /* an account of its own kind is no folder here */
	ck_assert_str_eq(heard.folder, "32");
	ck_assert_int_eq(post(h, "{\"event\":\"ox:something:else\",\"payload\":{\"user\":3,\"context\":1}}"), PUSH_TAKEN);
	ck_assert_uint_eq(heard.n, 2);
	push_hook_free(h);
}
END_TEST

/* As many posts at one moment as there is room for are told from each other; then it says so, and forgets nothing. */
START_TEST(full)
{
	struct push_hook *h = hook();
	char s[100], first[100], body[100];
	enum push_verdict v = PUSH_TAKEN;
	size_t n = 0;

	for (; v == PUSH_TAKEN && n < 100000; n++) {
		(void)snprintf(body, sizeof(body), "{\"event\":\"x\",\"payload\":{\"user\":3,\"context\":1,\"n\":%zu}}", n);
		sign(body, now, s);
		if (n == 0)
			memcpy(first, s, sizeof(first));
		v = push_hook_take(h, s, body, strlen(body));
	}
	ck_assert_int_eq(v, PUSH_FULL);
	ck_assert_uint_gt(n, 10000);
	(void)snprintf(body, sizeof(body), "{\"event\":\"x\",\"payload\":{\"user\":3,\"context\":1,\"n\":%d}}", 0);
	ck_assert_int_eq(push_hook_take(h, first, body, strlen(body)), PUSH_REPLAYED);
	now += 200000;
	ck_assert_int_eq(post(h, "{\"event\":\"x\",\"payload\":{\"user\":3,\"context\":1}}"), PUSH_TAKEN);
	push_hook_free(h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("push");
	TCase *t = tcase_create("udp");
	SRunner *r;
	int failed;

	model_json_memory();
	tcase_add_test(t, recorded_packets);
	tcase_add_test(t, hostile_packets);
	tcase_add_test(t, registration);
	tcase_add_test(t, nodes_and_strangers);
	tcase_add_test(t, addresses);
	suite_add_tcase(s, t);
	t = tcase_create("hook");
	tcase_add_test(t, recorded_post);
	tcase_add_test(t, bad_signatures);
	tcase_add_test(t, times);
	tcase_add_test(t, bodies);
	tcase_add_test(t, full);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
