/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One object in two files.  What was created here (or a draft that was stored anew), while nobody answered for it, may come as somebody's object first:
 * then a person has two files of it until the answer says that they are one.  One of them goes, and nothing that was typed into either.
 */
#include "client/apply_int.h"

#include <string.h>

/* Was the file of O, a mail, edited after it was sent?  HASH: of what it says now.  The scan compares no file that the server did not know. */
static bool
octets_edited(struct apply *a, struct cobject *o, char hash[65])
{
	const char *now, *sent;
	char *path;
	struct buf b;
	struct err e;

	hash[0] = '\0';
	if (o->gone)
		return false;
	if (o->uuid[0] != '\0') {
		if (!look_again(a, o))
			return false;
		now = json_string_value(json_object_get(o->cur, "raw"));
		sent = json_string_value(json_object_get(o->asked, "raw"));
		(void)snprintf(hash, 65, "%s", now != NULL ? now : "");
		return now != NULL && (sent == NULL || strcmp(now, sent) != 0);
	}
	path = object_path(a, o);
	buf_init(&b, 0);
	if (path != NULL && file_read(a->c, path, &b, &e) == RC_OK)
		file_hash(b.p != NULL ? b.p : "", b.len, hash);
	buf_fini(&b);
	mem_free(path);
	return hash[0] != '\0' && strcmp(hash, o->hash) != 0;
}

/* The marks that a person set at O since it was sent, at its TWIN. */
static enum rc
take_marks(struct apply *a, const struct cobject *o, struct cobject *twin, struct err *e)
{
	int64_t now = json_integer_value(json_object_get(o->cur, "flags")), asked = json_integer_value(json_object_get(o->asked, "flags"));
	int64_t there = json_integer_value(json_object_get(twin->cur, "flags"));
	json_t *dirty;
	enum rc rc;

	if (o->gone || o->cur == NULL || o->asked == NULL || now == asked)
		return RC_OK;
	dirty = json_pack("{s:I}", "flags", (json_int_t)(there ^ ((now ^ asked) & MAIL_FLAGS_KEPT)));
	rc = write_mail(a, twin, dirty, false, e);
	json_decref(dirty);
	return rc;
}

static bool
is_there(struct apply *a, struct cobject *twin)
{
	return !twin->gone && look_again(a, twin);
}

/* Does the TWIN say something else than what came, whether the server has that already or not? */
static bool
is_edited(const struct apply *a, const struct cobject *twin)
{
	json_t *dirty = object_dirty(a->f->ct, twin);
	bool edited = json_object_size(dirty) != 0 || json_object_get(twin->base, STORED_ANEW) != NULL;

	json_decref(dirty);
	return edited;
}

/* The own file is the object, and the other one goes if it is still there: who removes one of two files means that file. */
static enum rc
take(struct apply *a, struct cobject *o, struct cobject *twin, const char *uuid, struct err *e)
{
	enum rc rc = twin != NULL ? forget(a, twin, true, e) : RC_OK;

	if (twin != NULL && json_object_get(twin->base, STORED_ANEW) != NULL) { /* what the server has, so that the own file is a change */
		(void)snprintf(o->hash, sizeof(o->hash), "%s", twin->hash);
		o->mtime_ns = 0;
	}
	(void)snprintf(o->uuid, sizeof(o->uuid), "%s", uuid);
	return rc;
}

enum rc
take_uuid(struct apply *a, struct cobject *o, const char *uuid, bool *taken, struct err *e)
{
	struct cobject *twin = find_uuid(a, uuid);
	enum rc rc = RC_OK;
	char hash[65];

	*taken = twin == NULL || twin == o || !is_there(a, twin) || !is_edited(a, twin);
	if (*taken)
		return take(a, o, twin != o ? twin : NULL, uuid, e);
	if (a->f->ct == CT_MAIL ? octets_edited(a, o, hash) : edited_since(a, o)) {
		if (a->f->ct == CT_MAIL) {
			(void)snprintf(o->hash, sizeof(o->hash), "%s", hash);
			(void)json_object_del(o->cur, "raw");
		}
		say(a->c, "%s/%s and %s: are the same, and both were edited; each is an object of its own now", a->f->path, o->file, twin->file);
		return make_new(a, o, NULL, e);
	}
	if (a->f->ct == CT_MAIL)
		rc = take_marks(a, o, twin, e);
	return rc == RC_OK ? forget(a, o, true, e) : rc;
}
