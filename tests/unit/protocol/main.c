/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs the unit tests of protocol/usmjson, and holds what they share. */
#include <stdlib.h>
#include <string.h>

#include "harness/schema.h"
#include "helpers.h"

struct protocol proto;
struct usmjson_options options;

void
setup(void)
{
	struct err e;

	fake_reset();
	memset(&options, 0, sizeof(options));
	ck_assert_int_eq(usmjson_new(fake_engine(), &options, &proto, &e), RC_OK);
}

void
teardown(void)
{
	usmjson_free(&proto);
	ck_assert_int_eq(fake.sessions, 0);
	ck_assert_int_eq(fake.watches, 0);
	ck_assert_int_eq(fake.waiters, 0);
	ck_assert_int_eq(fake.answers, 0);
}

void
send_request(struct request *req, struct reply *rep)
{
	memset(rep, 0, sizeof(*rep));
	req->method = req->method != NULL ? req->method : "POST";
	req->content_type = req->content_type != NULL ? req->content_type : "application/json";
	req->last_event_id = req->last_event_id != NULL ? req->last_event_id : "";
	req->user_agent = req->user_agent != NULL ? req->user_agent : "check/1";
	req->language = "";
	req->client_ip = "192.0.2.7";
	proto.handle(proto.self, req, rep);
}

void
post(const char *path, const char *body, struct reply *rep)
{
	struct request req = { .path = path, .token = FAKE_TOKEN, .body = body, .body_len = strlen(body) };

	send_request(&req, rep);
}

json_t *
answer_json(const struct reply *rep)
{
	json_error_t je;
	json_t *j;

	ck_assert_ptr_nonnull(rep->body);
	j = json_loadb(rep->body, rep->body_len, JSON_REJECT_DUPLICATES, &je);
	ck_assert_msg(j != NULL, "%s in %s", je.text, rep->body);
	return j;
}

void
check_error(const char *what, const char *command, struct reply *rep, int http, int status, const char *code, const char *path)
{
	json_t *j = answer_json(rep), *err = json_object_get(j, "error");
	const char *got_path = json_string_value(json_object_get(json_object_get(err, "details"), "path"));
	const char *why = schema_check(command, rep->body, rep->body_len);

	ck_assert_msg(why == NULL, "%s: %s", what, why);
	ck_assert_msg(rep->status == http && json_integer_value(json_object_get(j, "status")) == status, "%s: HTTP %d, %s", what, rep->status, rep->body);
	ck_assert_msg(strcmp(json_string_value(json_object_get(err, "code")), code) == 0, "%s: %s", what, rep->body);
	ck_assert_msg(strcmp(got_path != NULL ? got_path : "", path) == 0, "%s: path \"%s\" expected, %s", what, path, rep->body);
	json_decref(j);
	reply_fini(rep);
}

int
main(void)
{
	SRunner *r = srunner_create(suite_requests());
	int failed;

	srunner_add_suite(r, suite_answers());
	srunner_add_suite(r, suite_ping());
	srunner_add_suite(r, suite_status());
	srunner_add_suite(r, suite_published());
	srunner_add_suite(r, suite_schema());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
