/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* respondToInvitation: JSON on one side, engine_respond on the other. */
#include "protocol/usmjson/usmjson_int.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
#define DAY_MAX (INT64_C(2932896) * DAY_MS) /* 9999-12-31, the last that OX stores */
#define MESSAGE_MAX 16384                   /* octets; OX took every length that it was asked to store */

static bool
read_response(const char *word, enum ox_confirmation *out)
{
	static const struct {
		const char *word;
		enum ox_confirmation is;
	} words[] = { { "accept", OX_ACCEPT }, { "tentative", OX_TENTATIVE }, { "decline", OX_DECLINE } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].word, word) == 0) {
			*out = words[i].is;
			return true;
		}
	return false;
}

enum rc
cmd_respond_to_invitation(struct call *c)
{
	enum { FOLDER, OBJECT, RESPONSE, MESSAGE, OCCURRENCE, N };
	static const struct rd_member m[N] = {
		[FOLDER] = { "folder", RD_UUID, RD_REQUIRED, 0, 0 },
		[OBJECT] = { "uuid", RD_UUID, RD_REQUIRED, 0, 0 },
		[RESPONSE] = { "response", RD_STRING, RD_REQUIRED, 1, 16 },
		[MESSAGE] = { "message", RD_STRING, RD_NULL, 0, MESSAGE_MAX },
		[OCCURRENCE] = { "occurrence", RD_INT, RD_NULL, 0, DAY_MAX },
	};
	struct respond_request req = { .response = { .message = "", .occurrence = -1 } };
	struct uuid answered;
	json_t *v[N];
	struct rd r;
	enum rc rc;

	rd_init(&r, c);
	rc = rd_object(&r, c->body, m, N, v);
	if (rc != RC_OK)
		return rc;
	rd_uuid(v[FOLDER], &req.folder);
	rd_uuid(v[OBJECT], &req.uuid);
	if (!read_response(json_string_value(v[RESPONSE]), &req.response.confirmation))
		return rd_fail_at(&r, "response", RC_PROTO, "must be \"accept\", \"tentative\" or \"decline\"");
	if (v[MESSAGE] != NULL)
		req.response.message = json_string_value(v[MESSAGE]);
	if (v[OCCURRENCE] != NULL)
		req.response.occurrence = json_integer_value(v[OCCURRENCE]);
	if (req.response.occurrence % DAY_MS != 0 && req.response.occurrence != -1)
		return rd_fail_at(&r, "occurrence", RC_PROTO, "must be a day: milliseconds at 00:00 UTC of it");
	rc = service_absent(engine_respond(c->session, c->arena, &req, &answered, &c->err), &c->err);
	if (rc != RC_OK)
		return rc;
	buf_addc(&c->out, '{');
	js_key(&c->out, "uuid");
	js_uuid(&c->out, &answered);
	buf_addc(&c->out, '}');
	return RC_OK;
}
