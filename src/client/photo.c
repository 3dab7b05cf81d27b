/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Pictures of contacts.  They are in no answer: image_last_modified says that there is another one, and it is fetched then and put where the
 * answer would have it, so that it goes through the same rules as every other field.
 */
#include "client/client_int.h"

#include <string.h>

#define STAMP "image_last_modified"
#define PICTURE "image1"

static bool
is_own(const json_t *in)
{
	const json_t *own = json_object_get(in, "own");

	for (size_t i = 0; i < json_array_size(own); i++)
		if (strcmp(json_string_value(json_array_get(own, i)), PICTURE) == 0)
			return true;
	return false;
}

/* The picture as base64 text, or null when it is gone by now: the next answer says so. */
static enum rc
fetch(struct client *c, const struct cfolder *f, const struct cobject *o, json_t **out, struct err *e)
{
	json_t *body = json_pack("{s:s, s:s}", "folder", f->uuid, "uuid", o->uuid);
	struct buf octets, text;
	enum rc rc;

	buf_init(&octets, 0);
	buf_init(&text, (size_t)128 * 1024 * 1024);
	rc = net_octets(c->net, "getPhoto", body, &octets, e);
	c->t.requests++;
	if (rc == RC_LIMIT || (rc == RC_PROTO && strcmp(e->code, "limit") == 0)) { /* this picture's own fault: the contact goes on without it */
		complain(c, "%s/%s: its picture is not here: %s", f->path, o->file, e->text);
		*out = json_null();
		rc = RC_OK;
		goto out;
	}
	if (rc == RC_OK)
		base64_encode(&text, octets.p != NULL ? octets.p : "", octets.len);
	if (rc == RC_OK || rc == RC_NOTFOUND) {
		*out = rc == RC_OK && text.p != NULL ? json_stringn(text.p, text.len) : json_null();
		rc = *out != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a picture");
	}
out:
	json_decref(body);
	buf_fini(&octets);
	buf_fini(&text);
	return rc;
}

enum rc
photo_take(struct client *c, const struct cfolder *f, const struct cobject *o, const json_t *in, bool whole, json_t **out, struct err *e)
{
	json_t *stamp = json_object_get(in, STAMP), *had = json_object_get(o->base, PICTURE), *picture = NULL;
	enum rc rc = RC_OK;

	*out = json_copy((json_t *)(uintptr_t)in);
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (f->ct != CT_CONTACT || (stamp == NULL && !whole))
		return RC_OK;
	if (stamp == NULL || json_is_null(stamp))
		picture = whole ? NULL : json_null();
	else if (had != NULL && (is_own(in) || json_equal(stamp, json_object_get(o->base, STAMP))))
		picture = json_incref(had);
	else
		rc = fetch(c, f, o, &picture, e);
	if (rc == RC_OK && picture != NULL)
		(void)json_object_set_new(*out, PICTURE, picture);
	if (rc != RC_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return rc;
}
