/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* ping: subscribe, look, park; wake-up, look again, park for the rest; deadline, shutdown, connection lost. */
#include <stdlib.h>
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"

#define PING(beat) "{\"folders\":[{\"syncid\":\"" S1 "\"},{\"folder\":\"" U1 "\",\"syncid\":\"" S1 "\"}],\"heartbeat\":" beat "}"

/* what httpd does when a parked request ends: frees the waiter, calls again, frees the state unless it is parked again */
static void
resume(struct reply *parked, bool deadline, bool shutdown, struct reply *rep)
{
	struct request req = { .path = "/ping", .parked = parked->park_state, .deadline_passed = deadline, .shutting_down = shutdown,
		.finish = shutdown };

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

/* a newer ping of the device, or a client that hung up: answered without a look */
START_TEST(ends_for_another)
{
	struct reply rep, next;
	struct request req;

	post("/ping", PING("600"), &rep);
	req = (struct request){ .path = "/ping", .parked = rep.park_state, .finish = true };
	hub_waiter_free(rep.waiter);
	send_request(&req, &next);
	proto.park_free(req.parked);
	check_data(&next, "{\"changed\":[],\"heartbeat\":600}}");
	fake_reset();
	post("/ping", PING("600"), &rep);
	fake.replaced = true;
	fake.changed_at_look = 1;
	resume(&rep, false, false, &next);
	check_data(&next, "{\"changed\":[],\"heartbeat\":600}}");
	ck_assert_str_eq(fake.log, "watch 2;check refresh;resubscribe;");
}
END_TEST

/* What ends a wait, and after how long, is told to who learns what the way to the client bears. */
START_TEST(ends_are_noted)
{
	static const struct { struct request req; int told; enum wait_end end; } cases[] = {
		{ { .deadline_passed = true }, 1, WAIT_ANSWERED },
		{ { .gone = true, .finish = true }, 1, WAIT_CUT },
		{ { .finish = true }, 1, WAIT_RETURNED },
		{ { .shutting_down = true, .finish = true }, 0, WAIT_ANSWERED },
		{ { .deadline_passed = true, .shutting_down = true, .finish = true }, 0, WAIT_ANSWERED },
	};
	struct reply rep, next;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request req = cases[i].req;

		fake_reset();
		post("/ping", PING("600"), &rep);
		fake_time += 250400;
		req.path = "/ping";
		req.parked = rep.park_state;
		hub_waiter_free(rep.waiter);
		send_request(&req, &next);
		proto.park_free(req.parked);
		check_data(&next, "{\"changed\":[],\"heartbeat\":600}}");
		ck_assert_int_eq(fake.ends, cases[i].told);
		if (cases[i].told > 0) {
			ck_assert_uint_eq(fake.waited_s, 250);
			ck_assert_int_eq(fake.end, cases[i].end);
		}
	}
}
END_TEST

/* ---- events ---- */

/* what httpd does with a stream that goes on */
static void
resume_stream(struct reply *parked, const char *how, struct reply *rep)
{
	struct request req = { .path = "/events", .parked = parked->park_state, .deadline_passed = strcmp(how, "beat") == 0,
		.shutting_down = strcmp(how, "stop") == 0, .last_event_id = "" };

	req.finish = req.shutting_down || strcmp(how, "gone") == 0;
	hub_waiter_free(parked->waiter);
	send_request(&req, rep);
	ck_assert(rep->stream);
	ck_assert_int_eq(rep->status, 200);
	if (rep->park_state != req.parked)
		proto.park_free(req.parked);
}

#define TWO_STATES "1.AAUEAwIBAQUEAwIB" /* of the fake: 0x010203040500 and one more, little-endian */

static void
check_piece(struct reply *rep, const char *text)
{
	if (text == NULL) {
		ck_assert_ptr_null(rep->body);
	} else {
		ck_assert_uint_eq(rep->body_len, strlen(text));
		ck_assert_str_eq(rep->body, text);
	}
	mem_free(rep->body);
	rep->body = NULL;
}

START_TEST(events_go_on)
{
	msec_t t0 = fake_time;
	struct reply rep, next;

	fake.changed_at_look = 3;
	post("/events", PING("600"), &rep);
	ck_assert_str_eq(rep.content_type, "text/event-stream");
	ck_assert(rep.stream);
	ck_assert_int_eq(rep.deadline_ms, t0 + 600000);
	ck_assert_int_eq(fake.sessions, 0);
	check_piece(&rep, ": heartbeat 600\nretry: 3000\n\nid: " TWO_STATES "\n\n");
	/* a wake-up for nothing: not a word, and the next comment when it is due */
	fake_time += 1000;
	resume_stream(&rep, "woken", &next);
	check_piece(&next, NULL);
	ck_assert_int_eq(next.deadline_ms, t0 + 600000);
	resume_stream(&next, "woken", &rep);
	check_piece(&rep, "id: " TWO_STATES "\nevent: changed\ndata: {\"changed\":[{\"folder\":\"" U1 "\"}]}\n\n");
	ck_assert_int_eq(rep.deadline_ms, t0 + 601000);
	fake.changed_at_look = 0;
	resume_stream(&rep, "gone", &next);
	ck_assert_ptr_null(next.waiter);
	check_piece(&next, ": this device has begun a newer stream\n\n");
	ck_assert_str_eq(fake.log, "watch events 2;check refresh;resubscribe;check refresh;resubscribe;check refresh;");
}
END_TEST

START_TEST(events_beat_and_stop)
{
	struct reply rep, next;
	char *end;
	long retry;

	post("/events", PING("600"), &rep);
	mem_free(rep.body);
	fake_time += 600000;
	resume_stream(&rep, "beat", &next);
	check_piece(&next, ":\n\n");
	ck_assert_int_eq(next.deadline_ms, fake_time + 600000);
	resume_stream(&next, "stop", &rep);
	ck_assert_ptr_null(rep.waiter);
	ck_assert_int_eq(strncmp(rep.body, ": the server stops\nretry: ", 26), 0);
	retry = strtol(rep.body + 26, &end, 10);
	ck_assert_str_eq(end, "\n\n");
	ck_assert_int_ge(retry, 1000);
	ck_assert_int_lt(retry, 11000);
	mem_free(rep.body);
	ck_assert_int_eq(fake.watches, 0);
}
END_TEST

START_TEST(events_replay)
{
	static const struct { const char *id, *log; } cases[] = {
		{ TWO_STATES, "watch events 2;replay 10203040500 10203040501;check refresh;" },
		{ "1.AAUEAwIB", "watch events 2;replay 10203040500;check refresh;" },
		{ "", "watch events 2;check refresh;" },
		{ "1.", "watch events 2;check refresh;" },
		{ "1.AAUEAwI=", "watch events 2;check refresh;" },
		{ "1.####", "watch events 2;check refresh;" },
		{ "2.AAUEAwIB", "watch events 2;check refresh;" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request req = { .method = "POST", .path = "/events", .token = FAKE_TOKEN, .content_type = "application/json",
			.body = PING("60"), .body_len = sizeof(PING("60")) - 1, .last_event_id = cases[i].id };
		struct reply rep;

		fake_reset();
		fake.changed_at_look = 1;
		send_request(&req, &rep);
		ck_assert(rep.stream);
		check_piece(&rep, ": heartbeat 60\nretry: 3000\n\nid: " TWO_STATES "\nevent: changed\ndata: {\"changed\":[{\"folder\":\"" U1 "\"}]}\n\n");
		ck_assert_str_eq(fake.log, cases[i].log);
		hub_waiter_free(rep.waiter);
		proto.park_free(rep.park_state);
	}
}
END_TEST

START_TEST(events_that_fail)
{
	static const char *const in[] = { "resubscribe", "watch_check" };
	struct reply rep, next;

	for (size_t i = 0; i < 2 * ARRAY_LEN(in); i++) {
		fake.fail_in = NULL;
		post("/events", PING("600"), &rep);
		mem_free(rep.body);
		fake.fail_in = in[i / 2];
		(void)err_set(&fake.err, i % 2 == 0 ? RC_UPSTREAM : RC_DENIED, "No");
		resume_stream(&rep, "woken", &next);
		ck_assert_ptr_null(next.waiter);
		check_piece(&next, i % 2 == 0 ? ": the server cannot look at the moment\nretry: 30000\n\n" : ": log in again\n\n");
		ck_assert_int_eq(fake.watches, 0);
		ck_assert_int_eq(fake.waiters, 0);
	}
	/* before it has begun an error is an answer as of any other command */
	fake.fail_in = "watch_new";
	(void)err_set_path(&fake.err, RC_NOTFOUND, "folders[1]", "does not exist");
	post("/events", PING("600"), &rep);
	ck_assert(!rep.stream);
	check_error("events", "events", &rep, 404, 5, "not-found", "folders[1]");
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
	tcase_add_test(t, ends_for_another);
	tcase_add_test(t, ends_are_noted);
	tcase_add_test(t, events_go_on);
	tcase_add_test(t, events_beat_and_stop);
	tcase_add_test(t, events_replay);
	tcase_add_test(t, events_that_fail);
	tcase_add_test(t, slow_look);
	tcase_add_test(t, heartbeat_is_granted_within_limits);
	tcase_add_test(t, connection_lost);
	tcase_add_test(t, errors_after_a_wake_up);
	tcase_add_test(t, refused_watches);
	suite_add_tcase(s, t);
	return s;
}
