/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of status codes: complete, and every result code has its row. */
#include <string.h>

#include "helpers.h"
#include "protocol/usmjson/usmjson_int.h"

START_TEST(table_is_complete)
{
	for (int i = US_OK; i < US_END; i++) {
		const struct status *s = status_get((enum usm_status)i);

		ck_assert_int_eq((int)s->number, i);
		ck_assert_ptr_nonnull(s->name);
		ck_assert_msg(s->http >= 200 && s->http < 600, "%s has no HTTP status", s->name);
		ck_assert_msg(i == US_OK || strlen(s->advice) > 10, "%s says nothing", s->name);
		ck_assert_msg((s->http == 429 || s->http == 503) == (s->retry_after_s > 0 && s->http != 502 && s->http != 504), "Retry-After of %s", s->name);
		for (int j = US_OK; j < i; j++)
			ck_assert_str_ne(s->name, status_get((enum usm_status)j)->name);
	}
	ck_assert_int_eq((int)status_get((enum usm_status)0)->number, US_INTERNAL);
	ck_assert_int_eq((int)status_get((enum usm_status)99)->number, US_INTERNAL);
}
END_TEST

START_TEST(every_rc_has_a_status)
{
	static const int want[RC_COUNT] = {
		[RC_OK] = 1, [RC_NOTFOUND] = 5, [RC_CONFLICT] = 8, [RC_BUSY] = 12, [RC_TIMEOUT] = 15, [RC_UPSTREAM] = 14, [RC_DENIED] = 3,
		[RC_FORBIDDEN] = 4, [RC_PROTO] = 2, [RC_LIMIT] = 11, [RC_NOMEM] = 12, [RC_INTERNAL] = 16,
	};
	struct err e = { .rc = RC_OK };

	for (int rc = 0; rc < RC_COUNT; rc++)
		ck_assert_msg((int)status_of((enum rc)rc, &e)->number == want[rc], "%s", rc_name((enum rc)rc));
	ck_assert_int_eq((int)status_of((enum rc)77, &e)->number, US_INTERNAL);
	e.retry_after_s = 9;
	ck_assert_int_eq((int)status_of(RC_LIMIT, &e)->number, US_THROTTLED);
	(void)memcpy(e.code, ENGINE_OUTDATED, sizeof(ENGINE_OUTDATED));
	ck_assert_int_eq((int)status_of(RC_CONFLICT, &e)->number, US_OUTDATED);
}
END_TEST

/* what the engine answers becomes the HTTP status, the header and the body that the table says */
START_TEST(engine_errors)
{
	static const struct {
		enum rc rc;
		const char *code, *text, *path, *name;
		int retry, http, status, header;
	} rows[] = {
		{ RC_NOTFOUND, "", "There is no such folder", "folder", "not-found", 0, 404, 5, 0 },
		{ RC_CONFLICT, "", "The syncid is unknown", "", "reconcile", 0, 409, 8, 0 },
		{ RC_CONFLICT, ENGINE_OUTDATED, "Request 3 is older than request 4", "", "outdated-request", 0, 409, 9, 0 },
		{ RC_BUSY, "", "Another request works on this folder", "", "busy", 0, 503, 12, 5 },
		{ RC_BUSY, "", "", "", "busy", 17, 503, 12, 17 },
		{ RC_LIMIT, "", "Too many attempts", "", "throttled", 90, 429, 13, 90 },
		{ RC_LIMIT, "", "The folder is full", "", "limit", 0, 400, 11, 0 },
		{ RC_UPSTREAM, "", "", "", "upstream", 0, 502, 14, 30 },
		{ RC_TIMEOUT, "", "", "", "upstream-timeout", 0, 504, 15, 30 },
		{ RC_FORBIDDEN, "FLD-0003", "Keine Berechtigung", "", "forbidden", 0, 403, 4, 0 },
		{ RC_INTERNAL, "", "row 17 of secret_table is damaged", "engine.c:12", "internal", 0, 500, 16, 0 },
		{ RC_DENIED, "", "The session has ended", "", "login-required", 0, 401, 3, 0 },
	};
	struct reply rep;

	log_level_set((enum log_level)-1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake.fail_in = "sync";
		(void)err_set_path(&fake.err, rows[i].rc, rows[i].path, "%s", rows[i].text);
		(void)memcpy(fake.err.code, rows[i].code, strlen(rows[i].code) + 1);
		fake.err.retry_after_s = rows[i].retry;
		post("/syncInit", "{}", &rep);
		ck_assert_int_eq(rep.retry_after_s, rows[i].header);
		if (rows[i].rc == RC_INTERNAL)
			ck_assert_ptr_null(strstr(rep.body, "secret_table"));
		else
			ck_assert_msg(strstr(rep.body, rows[i].text) != NULL, "%s", rep.body);
		if (strncmp(rows[i].code, "FLD", 3) == 0) {
			ck_assert_ptr_nonnull(strstr(rep.body, "\"ox\":\"FLD-0003\""));
			ck_assert_ptr_nonnull(strstr(rep.body, "\"message\":\"Keine Berechtigung\"")); /* and nothing in English behind it */
		} else {
			ck_assert_ptr_null(strstr(rep.body, "\"ox\""));
		}
		check_error(rows[i].text, "syncInit", &rep, rows[i].http, rows[i].status, rows[i].name, rows[i].rc == RC_INTERNAL ? "" : rows[i].path);
	}
}
END_TEST

Suite *
suite_status(void)
{
	Suite *s = suite_create("usmjson status");
	TCase *t = tcase_create("status");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, table_is_complete);
	tcase_add_test(t, every_rc_has_a_status);
	tcase_add_test(t, engine_errors);
	suite_add_tcase(s, t);
	return s;
}
