/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Failed logins: who is blocked, for how long, and who is not (src/engine/throttle.c). */
#include "test_engine.h"

#include "engine/engine_int.h"

static int64_t mono;
static struct engine *g;

static int64_t
fake_mono(void)
{
	return mono;
}

static void
setup(void)
{
	g = calloc(1, sizeof(*g));
	ck_assert_ptr_nonnull(g);
	(void)pthread_mutex_init(&g->lock, NULL);
	g->o.login_attempts = 3;
	g->o.login_block_max_ms = 600000;
	mono = INT64_C(3600000000);
	clock_override_mono(fake_mono);
}

static void
teardown(void)
{
	clock_override_mono(NULL);
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}

static void
seconds(int64_t n)
{
	mono += n * 1000000;
}

static struct engine_login
who(const char *user, const char *ip, const char *device, const char *password)
{
	return (struct engine_login){ .user = user, .client_ip = ip, .device = device, .password = password };
}

/* Tries, and OX says RC: 0, or the seconds to wait. */
static int
attempt(const char *user, const char *ip, const char *device, const char *password, enum rc rc)
{
	struct engine_login in = who(user, ip, device, password);
	struct throttle_try x;
	struct err e = { .rc = RC_OK };

	if (throttle_begin(g, &in, &x, &e) != RC_OK)
		return e.retry_after_s;
	throttle_end(g, &x, rc);
	return 0;
}

static int
wrong(const char *user, const char *ip, const char *device)
{
	static unsigned n;
	char password[24];

	(void)snprintf(password, sizeof(password), "guess %u", n++);
	return attempt(user, ip, device, password, RC_DENIED);
}

START_TEST(each_block_is_twice_as_long)
{
	static const int block[] = { 60, 120, 240, 480, 600, 600 };

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wrong("ada", "192.0.2.1", "d"), 0);
	for (size_t i = 0; i < ARRAY_LEN(block); i++) {
		ck_assert_int_eq(attempt("ada", "198.51.100.9", "other", "right", RC_OK), block[i]);
		seconds(block[i] - 1);
		ck_assert_int_eq(wrong("ada", "192.0.2.1", "d"), 1);
		seconds(1);
		ck_assert_int_eq(wrong("ada", "192.0.2.1", "d"), 0);
	}
	seconds(1200); /* forgotten: the block, and as long again */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wrong("ada", "192.0.2.1", "d"), 0);
	ck_assert_int_eq(wrong("ada", "192.0.2.1", "d"), 60);
}
END_TEST

START_TEST(one_user_from_many_addresses)
{
	char ip[32];
	int i;

	for (i = 0; i < 3; i++) {
		(void)snprintf(ip, sizeof(ip), "203.0.113.%d", i);
		ck_assert_int_eq(wrong(i == 0 ? "ada" : i == 1 ? "ADA" : " Ada ", ip, ip), 0);
	}
	ck_assert_int_eq(wrong("ada", "203.0.113.77", "d"), 60);
	ck_assert_int_eq(wrong("bob", "203.0.113.77", "d"), 0);
}
END_TEST

START_TEST(many_users_from_one_address)
{
	char user[32];

	for (int i = 0; i < 3; i++) {
		(void)snprintf(user, sizeof(user), "u%d", i);
		ck_assert_int_eq(attempt(user, i == 1 ? "2001:db8:1:2::1" : "2001:db8:1:2:ff::", "d", "the same", RC_DENIED), 0);
	}
	ck_assert_int_eq(wrong("u9", "2001:db8:1:2::5", "d"), 60);
	ck_assert_int_eq(wrong("u9", "2001:db8:1:3::5", "d"), 0);
	/* a right password in between changes nothing for the address */
	seconds(60);
	ck_assert_int_eq(attempt("own", "2001:db8:1:2::1", "d", "right", RC_OK), 0);
	ck_assert_int_eq(wrong("u8", "2001:db8:1:2::1", "d"), 0);
	ck_assert_int_eq(wrong("u7", "2001:db8:1:2::1", "d"), 120);
}
END_TEST

START_TEST(an_old_password_blocks_its_device_alone)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(attempt("ada", "192.0.2.1", "phone", "old", RC_DENIED), 0);
	ck_assert_int_eq(attempt("ada", "192.0.2.1", "phone", "old", RC_DENIED), 60);
	for (int i = 0; i < 20; i++) {
		seconds(600);
		ck_assert_int_eq(attempt("ada", "192.0.2.1", "phone", "old", RC_DENIED), 0);
		ck_assert_int_eq(attempt("ada", "192.0.2.1", "laptop", "new", RC_OK), 0);
		ck_assert_int_eq(attempt("bob", "192.0.2.1", "phone", "new", RC_OK), 0);
	}
}
END_TEST

START_TEST(many_at_once_are_no_way_around)
{
	struct engine_login in = who("ada", "192.0.2.1", "d", "x");
	struct throttle_try x[4];
	struct err e;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(throttle_begin(g, &in, &x[i], &e), RC_OK);
	ck_assert_int_eq(throttle_begin(g, &in, &x[3], &e), RC_LIMIT);
	/* OX did not answer: that is no failure */
	for (int i = 0; i < 3; i++)
		throttle_end(g, &x[i], RC_TIMEOUT);
	ck_assert_int_eq(throttle_begin(g, &in, &x[3], &e), RC_OK);
}
END_TEST

/* Names that nobody has push out nobody who is blocked. */
START_TEST(strangers_free_nobody)
{
	char user[32], ip[48];

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wrong("ada", "192.0.2.1", "d"), 0);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(user, sizeof(user), "nobody%d", i);
		(void)snprintf(ip, sizeof(ip), "10.%d.%d.1", i / 250, i % 250);
		(void)wrong(user, i % 2 == 0 ? ip : "192.0.2.1", "d");
	}
	ck_assert_int_eq(wrong("ada", "198.51.100.1", "e"), 60);
}
END_TEST

static int
one_too_many(const char *user, const char *ip, const char *device)
{
	struct engine_login in = who(user, ip, device, "right");
	struct throttle_try x;
	struct err e = { .rc = RC_OK };

	if (throttle_begin(g, &in, &x, &e) != RC_OK)
		return e.retry_after_s;
	throttle_end_device(g, &x);
	return 0;
}

/* Another device each time, and all are too many: the user waits, who shares the address does not. */
START_TEST(devices_without_end)
{
	char device[24];

	for (int i = 0; i < 3; i++) {
		(void)snprintf(device, sizeof(device), "d%d", i);
		ck_assert_int_eq(one_too_many("ada", "192.0.2.1", device), 0);
	}
	ck_assert_int_eq(one_too_many("ada", "192.0.2.9", "d9"), 60);
	ck_assert_int_eq(attempt("bob", "192.0.2.1", "phone", "right", RC_OK), 0);
	ck_assert_int_eq(wrong("bob", "192.0.2.1", "phone"), 0);
}
END_TEST

/* One new device that tries again and again waits alone. */
START_TEST(one_device_too_many)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(one_too_many("ada", "192.0.2.1", "new"), 0);
	ck_assert_int_eq(one_too_many("ada", "192.0.2.1", "new"), 60);
	ck_assert_int_eq(attempt("ada", "192.0.2.1", "old", "right", RC_OK), 0);
}
END_TEST

TCase *
throttle_case(void)
{
	TCase *t = tcase_create("throttle");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_block_is_twice_as_long);
	tcase_add_test(t, one_user_from_many_addresses);
	tcase_add_test(t, many_users_from_one_address);
	tcase_add_test(t, an_old_password_blocks_its_device_alone);
	tcase_add_test(t, many_at_once_are_no_way_around);
	tcase_add_test(t, strangers_free_nobody);
	tcase_add_test(t, devices_without_end);
	tcase_add_test(t, one_device_too_many);
	return t;
}
