/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ping: subscribe, look, park; wake-up, look again, park for the rest; deadline, shutdown, connection lost. */
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"

#define PING(beat) "{\"folders\":[{\"syncid\":\"" S1 "\"},{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\"}],\"heartbeat\":" beat "}"

/* what httpd does when a parked request ends: frees the waiter, calls again, frees the state unless it is parked again */
static void
resume(struct reply *parked, bool deadline, bool shutdown, struct reply *rep)
{
	struct request req = { .path = "/ping", .parked = parked->park_state, .deadline_passed = deadline, .shutting_down = shutdown };

	hub_waiter_free(parked->waiter);
	send_request(&req, rep);
	if (rep->park_state != req.parked)
		proto.park_free(req.parked);
}

static void
check_parked(const struct reply *rep, msec_t deadline)
{
	ck_assert_int_eq(rep->status, 0);
	ck_assert_ptr_null(rep->body);
	ck_assert_ptr_nonnull(rep->waiter);
	ck_assert_ptr_nonnull(rep->park_state);
	ck_assert_int_eq(rep->deadline_ms, deadline);
	ck_assert_int_eq(fake.waiters, 1);
	ck_assert_int_eq(fake.sessions, 0); /* a parked ping holds no session */
}

static void
check_data(struct reply *rep, const char *data)
{
	const char *why = schema_check("ping", rep->body, rep->body_len), *at = strstr(rep->body, "\"data\":");

	ck_assert_msg(why == NULL, "%s", why);
	ck_assert_int_eq(rep->status, 200);
	ck_assert_str_eq(at + 7, data);
	ck_assert_ptr_null(rep->waiter);
	ck_assert_ptr_null(rep->park_state);
	reply_fini(rep);
}

START_TEST(answers_at_once)
{
	struct reply rep;

	fake.changed_at_look = 1;
	post("/ping", PING("60"), &rep);
	check_data(&rep, "{\"changed\":[{\"folder\":\"" U1 "\"}],\"heartbeat\":60}}");
	ck_assert_str_eq(fake.log, "watch 2;check refresh;"); /* subscribed before it looked */
	fake_reset();
	fake.changed_at_look = 1;
	post("/ping", "{\"folders\":[{\"syncid\":\"" S1 "\"}],\"heartbeat\":60}", &rep);
	check_data(&rep, "{\"changed\":[{\"folder\":null}],\"heartbeat\":60}}");
}
END_TEST

START_TEST(parks_and_wakes)
{
	msec_t deadline = fake_time + 600000;
	struct reply rep, next;

	fake.changed_at_look = 3;
	post("/ping", PING("600"), &rep);
	check_parked(&rep, deadline);
	/* a wake-up for nothing: the same deadline, not a new heartbeat */
	fake_time += 200000;
	resume(&rep, false, false, &next);
	check_parked(&next, deadline);
	ck_assert_ptr_eq(rep.park_state, next.park_state);
	fake_time += 200000;
	resume(&next, false, false, &rep);
	check_data(&rep, "{\"changed\":[{\"folder\":\"" U1 "\"}],\"heartbeat\":600}}");
	ck_assert_str_eq(fake.log, "watch 2;check refresh;resubscribe;check refresh;resubscribe;check refresh;");
}
END_TEST

START_TEST(ends_empty)
{
	struct reply rep, next;

	fake.changed_at_look = 2; /* would be seen if anybody looked */
	post("/ping", PING("600"), &rep);
	resume(&rep, true, false, &next);
	check_data(&next, "{\"changed\":[],\"heartbeat\":600}}");
	fake.looks = 0;
	post("/ping", PING("600"), &rep);
	resume(&rep, false, true, &next);
	check_data(&next, "{\"changed\":[],\"heartbeat\":600}}");
}
END_TEST

/* the look itself may take until after the deadline: answered, not parked into the past */
START_TEST(slow_look)
{
	struct reply rep;

	fake.spent_ms = 11000;
	post("/ping", PING("10"), &rep);
	check_data(&rep, "{\"changed\":[],\"heartbeat\":10}}");
}
END_TEST

START_TEST(heartbeat_is_granted_within_limits)
{
	struct usmjson_options o = { .min_heartbeat_s = 20, .max_heartbeat_s = 100 };
	struct reply rep;
	struct err e;

	usmjson_free(&proto);
	ck_assert_int_eq(usmjson_new(fake_engine(), &o, &proto, &e), RC_OK);
	fake.changed_at_look = 1;
	post("/ping", PING("1"), &rep);
	check_data(&rep, "{\"changed\":[{\"folder\":\"" U1 "\"}],\"heartbeat\":20}}");
	post("/ping", PING("86400"), &rep);
	check_data(&rep, "{\"changed\":[{\"folder\":\"" U1 "\"}],\"heartbeat\":100}}");
}
END_TEST

START_TEST(connection_lost)
{
	struct reply rep;

	post("/ping", PING("600"), &rep);
	hub_waiter_free(rep.waiter);
	proto.park_free(rep.park_state);
	proto.park_free(NULL);
	ck_assert_int_eq(fake.watches, 0);
}
END_TEST

START_TEST(errors_after_a_wake_up)
{
	static const char *const in[] = { "resubscribe", "watch_check" };
	struct reply rep, next;

	for (size_t i = 0; i < ARRAY_LEN(in); i++) {
		fake.fail_in = NULL;
		post("/ping", PING("600"), &rep);
		fake.fail_in = in[i];
		(void)err_set(&fake.err, RC_UPSTREAM, "No answer from OX");
		resume(&rep, false, false, &next);
		ck_assert_int_eq(next.retry_after_s, 30);
		check_error(in[i], "ping", &next, 502, 14, "upstream", "");
		ck_assert_int_eq(fake.watches, 0);
		ck_assert_int_eq(fake.waiters, 0);
	}
}
END_TEST

START_TEST(refused_watches)
{
	struct reply rep;

	fake.fail_in = "watch_new";
	(void)err_set(&fake.err, RC_LIMIT, "As many clients wait as this server can hold");
	post("/ping", PING("600"), &rep);
	ck_assert_int_eq(rep.retry_after_s, 30);
	check_error("full", "ping", &rep, 503, 12, "busy", "");
	(void)err_set_path(&fake.err, RC_NOTFOUND, "folders[1]", "does not exist");
	post("/ping", PING("600"), &rep);
	ck_assert_ptr_nonnull(strstr(rep.body, "\"message\":\"folders[1] does not exist. Sync"));
	check_error("unknown folder", "ping", &rep, 404, 5, "not-found", "folders[1]");
}
END_TEST

Suite *
suite_ping(void)
{
	Suite *s = suite_create("usmjson ping");
	TCase *t = tcase_create("ping");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, answers_at_once);
	tcase_add_test(t, parks_and_wakes);
	tcase_add_test(t, ends_empty);
	tcase_add_test(t, slow_look);
	tcase_add_test(t, heartbeat_is_granted_within_limits);
	tcase_add_test(t, connection_lost);
	tcase_add_test(t, errors_after_a_wake_up);
	tcase_add_test(t, refused_watches);
	suite_add_tcase(s, t);
	return s;
}
