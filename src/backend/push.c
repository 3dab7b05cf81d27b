/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Subscribing a user's account to a webhook (module pns, OX 8.18 and later). */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <string.h>

enum rc
ox_push_subscribe(struct ox_session *s, const char *webhook, const char *uri, msec_t expires, struct err *e)
{
	struct ox_answer a;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "pns", "subscribe");
	buf_adds(&r.body, "{\"transport\":\"webhook\",\"topics\":[\"ox:mail:new\",\"ox:calendar:updates\"],\"client\":");
	json_text_string(&r.body, webhook, strlen(webhook));
	if (uri[0] != '\0') {
		buf_adds(&r.body, ",\"token\":");
		json_text_string(&r.body, uri, strlen(uri));
	}
	buf_addf(&r.body, ",\"expires\":%" PRId64 "}", expires);
	r.has_body = true;
	rc = ox_call(s, &r, &a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_true(json_object_get(a.data, "success")))
		rc = err_set(e, RC_FORBIDDEN, "OX did not take the subscription");
	ox_answer_fini(&a);
	return rc;
}
