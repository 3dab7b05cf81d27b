/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Signatures: OX's module snippet, and the settings of its web client that name the default ones. */
#include "backend/backend_int.h"

#include <stdio.h>
#include <string.h>

#define SETTINGS "io.ox/mail"

/* R, begun, with the body BODY (NULL = none), ended; *DATA (may be NULL) is the caller's. */
static enum rc
finish(struct ox_session *s, struct ox_req *r, const json_t *body, json_t **data, struct err *e)
{
	struct ox_answer ans;
	enum rc rc;

	if (body != NULL) {
		r->has_body = true;
		json_text(&r->body, body);
	}
	rc = ox_call(s, r, &ans, e);
	ox_req_fini(r);
	if (data != NULL)
		*data = rc == RC_OK ? json_incref(ans.data) : NULL;
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_signatures(struct ox_session *s, json_t **out, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "snippet", "all");
	ox_param(&r, "type", "signature");
	rc = finish(s, &r, NULL, out, e);
	if (rc == RC_OK && !json_is_array(*out)) {
		json_decref(*out);
		*out = NULL;
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of signatures");
	}
	return rc;
}

enum rc
ox_signature_new(struct ox_session *s, const json_t *sig, char id[OX_SNIPPET_ID], struct err *e)
{
	json_t *data = NULL;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "snippet", "new");
	r.write = true;
	rc = finish(s, &r, sig, &data, e);
	if (rc == RC_OK && (!json_is_string(data) || json_string_length(data) >= OX_SNIPPET_ID))
		rc = err_set(e, RC_TIMEOUT, "OX does not say which signature it has made");
	(void)snprintf(id, OX_SNIPPET_ID, "%s", rc == RC_OK ? json_string_value(data) : "");
	json_decref(data);
	return rc;
}

enum rc
ox_signature_update(struct ox_session *s, const char *id, const json_t *sig, struct err *e)
{
	struct ox_req r;

	ox_req_init(&r, "snippet", "update");
	r.write = true;
	ox_param(&r, "id", id);
	return finish(s, &r, sig, NULL, e);
}

enum rc
ox_signature_delete(struct ox_session *s, const char *id, struct err *e)
{
	struct ox_req r;

	ox_req_init(&r, "snippet", "delete");
	r.write = true;
	ox_param(&r, "id", id);
	return finish(s, &r, NULL, NULL, e);
}

enum rc
ox_signature_picture(struct ox_session *s, const char *id, const char *uid, struct buf *out, struct err *e)
{
	struct ox_req r;

	ox_req_init(&r, "image/snippet/image", NULL);
	r.raw = out;
	ox_param(&r, "id", id);
	ox_param(&r, "uid", uid);
	return finish(s, &r, NULL, NULL, e);
}

enum rc
ox_mail_settings_get(struct ox_session *s, json_t **out, struct err *e)
{
	json_t *ids = json_pack("[s]", SETTINGS), *data = NULL;
	struct ox_req r;
	enum rc rc;

	*out = NULL;
	if (ids == NULL)
		return err_set(e, RC_NOMEM, "out of memory for settings");
	ox_req_init(&r, "jslob", "list");
	rc = finish(s, &r, ids, &data, e);
	if (rc == RC_OK)
		*out = json_incref(json_object_get(json_array_get(data, 0), "tree"));
	if (rc == RC_OK && !json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		rc = err_set(e, RC_UPSTREAM, "OX answered no settings");
	}
	json_decref(ids);
	json_decref(data);
	return rc;
}

enum rc
ox_mail_settings_set(struct ox_session *s, const json_t *values, struct err *e)
{
	struct ox_req r;

	ox_req_init(&r, "jslob", "update");
	r.write = true;
	ox_param(&r, "id", SETTINGS);
	return finish(s, &r, values, NULL, e);
}
