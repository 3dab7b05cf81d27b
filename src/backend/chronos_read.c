/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading appointments by `chronos`: requests, and answers into objects. */
#include "backend/chronos_int.h"

#include <inttypes.h>
#include <string.h>

/* what event_read looks at; without a list OX sends more than twice as much */
#define FIELDS "id,folder,seriesId,recurrenceId,uid,timestamp,created,createdBy,lastModified,modifiedBy,sequence,summary,location,description," \
	"categories,color,class,transp,startDate,endDate,rrule,changeExceptionDates,deleteExceptionDates,organizer,attendees,alarms,attachments"
#define LISTED "id,seriesId,timestamp,lastModified,uid,startDate,endDate,rrule,class,createdBy"
#define MASTER "id,startDate,rrule"

void
folder_param(struct ox_req *r, const char *name, const char *folder)
{
	struct buf b;

	buf_init(&b, 4096);
	folder_text(&b, folder);
	ox_param(r, name, b.failed ? "" : b.p);
	buf_fini(&b);
}

void
folder_text(struct buf *b, const char *folder)
{
	if (strstr(folder, "://") == NULL)
		buf_adds(b, PROVIDER);
	buf_adds(b, folder);
}

static void
folder_member(struct buf *b, const char *folder)
{
	struct buf text;

	buf_init(&text, 4096);
	folder_text(&text, folder);
	buf_adds(b, "\"folder\":");
	json_text_string(b, text.failed ? "" : text.p, text.failed ? 0 : text.len);
	buf_fini(&text);
}

static void
id_pair(struct buf *b, const char *folder, const char *id)
{
	buf_adds(b, "{\"id\":");
	json_text_string(b, id, strlen(id));
	buf_addc(b, ',');
	folder_member(b, folder);
	buf_addc(b, '}');
}

/* QUIRK(OX, 8.19): without timezone=UTC the times of attachments are shifted by the user's zone. */
static void
read_req(struct ox_req *r, const char *action, const char *fields)
{
	ox_req_init(r, "chronos", action);
	r->t = model_content(CT_CALENDAR);
	ox_param(r, "fields", fields);
	ox_param(r, "timezone", "UTC");
}

static void
chronos_updates_req(struct ox_req *r, enum content ct, const char *folder, msec_t since, const struct columns *c)
{
	(void)ct;
	(void)c;
	read_req(r, "updates", FIELDS);
	folder_param(r, "folder", folder);
	ox_param_i64(r, "timestamp", since);
}

static void
chronos_updates_part(struct buf *b, enum content ct, const char *folder, msec_t since, const struct columns *c)
{
	(void)ct;
	(void)c;
	buf_adds(b, "{\"module\":\"chronos\",\"action\":\"updates\",\"fields\":\"" FIELDS "\",\"timezone\":\"UTC\",");
	folder_member(b, folder);
	buf_addf(b, ",\"timestamp\":%" PRId64 "}", since);
}

static void
chronos_list_req(struct ox_req *r, const struct wanted *w, size_t from, size_t n, const struct columns *c)
{
	char tmp[24];

	(void)c;
	read_req(r, "list", FIELDS);
	buf_addc(&r->body, '[');
	for (size_t i = from; i < from + n; i++) {
		if (i > from)
			buf_addc(&r->body, ',');
		id_pair(&r->body, w->folder, id_text(w->ids[i], w->oxid != NULL ? w->oxid[i] : NULL, tmp));
	}
	buf_addc(&r->body, ']');
	r->has_body = true;
}

static void
chronos_list_part(struct buf *b, enum content ct, const char *folder, const char *id, const struct columns *c)
{
	(void)ct;
	(void)c;
	buf_adds(b, "{\"module\":\"chronos\",\"action\":\"list\",\"fields\":\"" FIELDS "\",\"timezone\":\"UTC\",\"data\":[");
	id_pair(b, folder, id);
	buf_adds(b, "]}");
}

/* ---- where in its series an exception stands: the series may be in the answer, else it is asked for ---- */

struct series {
	struct arena *a;
	const json_t *events;     /* of the answer */
	struct imap *known;       /* id -> place in master */
	const json_t **master;    /* NULL = not found */
	size_t n;
};

static enum rc
series_find(struct series *x, const json_t *events, struct err *e)
{
	int64_t id;
	size_t i, at;
	json_t *v;

	json_array_foreach (events, i, v)
		if (json_id(json_object_get(v, "id"), &id) && imap_get(x->known, id, &at) && x->master[at] == NULL)
			x->master[at] = v;
	(void)e;
	return RC_OK;
}

static enum rc
series_collect(struct series *x, struct err *e)
{
	size_t total = json_array_size(x->events), i, at;
	int64_t id;
	json_t *v;

	x->known = imap_new(x->a, total);
	x->master = arena_array(x->a, const json_t *, total);
	if (x->known == NULL || x->master == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	json_array_foreach (x->events, i, v) {
		if (event_series(v) == NULL || !json_id(json_object_get(v, "seriesId"), &id) || imap_get(x->known, id, &at))
			continue;
		if (!imap_put(x->known, id, x->n++))
			return err_set(e, RC_NOMEM, "out of memory");
	}
	return series_find(x, x->events, e);
}

/* Those that the answer did not hold.  Who was invited to one occurrence only does not see the series: then its place is not told. */
static enum rc
series_ask(struct ox_session *s, struct series *x, const char *folder, struct ox_answer *a, struct err *e)
{
	struct ox_req r;
	size_t i, at, asked = 0;
	int64_t id;
	json_t *v;
	enum rc rc = RC_OK;

	memset(a, 0, sizeof(*a));
	read_req(&r, "list", MASTER);
	buf_addc(&r.body, '[');
	json_array_foreach (x->events, i, v) {
		const char *series = event_series(v);

		if (series == NULL || !json_id(json_object_get(v, "seriesId"), &id) || !imap_get(x->known, id, &at) || x->master[at] != NULL)
			continue;
		if (asked++ > 0)
			buf_addc(&r.body, ',');
		id_pair(&r.body, folder, series);
	}
	buf_addc(&r.body, ']');
	r.has_body = true;
	if (asked > 0)
		rc = ox_call(s, &r, a, e);
	ox_req_fini(&r);
	return rc == RC_OK ? series_find(x, a->data, e) : rc;
}

static enum rc
positions(struct ox_session *s, struct arena *a, const json_t *events, const char *folder, struct object **o, struct err *e)
{
	struct series x = { .a = a, .events = events };
	struct ox_answer ans = { 0 };
	int64_t id;
	size_t i, at;
	json_t *v;
	enum rc rc = series_collect(&x, e);

	if (rc == RC_OK && x.n > 0)
		rc = series_ask(s, &x, folder, &ans, e);
	json_array_foreach (rc == RC_OK && x.n > 0 ? events : NULL, i, v)
		if (o[i] != NULL && !o[i]->broken && event_series(v) != NULL && json_id(json_object_get(v, "seriesId"), &id) && imap_get(x.known, id, &at) &&
		    x.master[at] != NULL)
			event_position(o[i], v, x.master[at]);
	ox_answer_fini(&ans);
	return rc;
}

/* ---- answers ---- */

/* One that cannot be read is set aside in a list; among changes it must not be passed over, and the caller asks for them one by one. */
static enum rc
read_one(const json_t *event, struct rows_want *w, struct object **out, struct err *e)
{
	struct object *o = object_new(w->a, CT_CALENDAR);
	int64_t id = 0;
	struct err why;
	enum rc rc;

	*out = NULL;
	if (o == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	rc = event_read(w->a, event, o, &why);
	if (rc == RC_OK && o->folder == NULL)
		o->folder = w->folder;
	if (rc == RC_OK)
		*out = o;
	else
		object_drop(o);
	if (rc != RC_UPSTREAM || w->want_deleted || !json_id(json_object_get(event, "id"), &id)) {
		if (rc != RC_OK)
			(void)err_set(e, rc, "%s", why.text);
		if (rc == RC_UPSTREAM)
			e->category = 8;
		return rc;
	}
	return broken_object(w->a, CT_CALENDAR, w->folder, id, json_string_value(json_object_get(event, "id")), "unreadable", out, e);
}

static enum rc
read_deleted(const json_t *list, struct rows_want *w, struct err *e)
{
	json_t *v;
	size_t i;

	w->deleted = arena_array(w->a, int64_t, json_array_size(list));
	if (w->deleted == NULL && json_array_size(list) > 0)
		return err_set(e, RC_NOMEM, "out of memory");
	json_array_foreach (list, i, v) {
		bool occurrence = json_object_get(v, "recurrenceId") != NULL && json_object_get(v, "seriesId") != NULL && event_series(v) == NULL;

		/* a plain occurrence that went is a change of its series, a change exception an object of its own */
		if (!occurrence && json_id(json_object_get(v, "id"), &w->deleted[w->n_deleted]))
			w->n_deleted++;
	}
	return rows_drop_alive(w->a, w->o, w->n, w->deleted, &w->n_deleted, e);
}

/* DATA of `updates` is an object of changed and deleted events, that of `list` an array with null for what is gone. */
static enum rc
events_read(struct ox_session *s, const json_t *data, struct rows_want *w, struct err *e)
{
	const json_t *events = w->want_deleted ? json_object_get(data, "newAndModified") : data;
	size_t total = json_array_size(events), i;
	enum rc rc = RC_OK;
	json_t *v;

	w->n = w->n_deleted = 0;
	if (!json_is_array(events))
		return err_set(e, RC_UPSTREAM, "OX answered no list of appointments");
	w->o = arena_array(w->a, struct object *, total);
	if (w->o == NULL && total > 0)
		return err_set(e, RC_NOMEM, "out of memory");
	json_array_foreach (events, i, v)
		if (rc == RC_OK && json_is_object(v))
			rc = read_one(v, w, &w->o[i], e);
	if (rc == RC_OK && total > 0)
		rc = positions(s, w->a, events, w->folder, w->o, e);
	for (i = 0; i < total; i++)
		if (w->o[i] != NULL)
			w->o[w->n++] = w->o[i];
	if (rc == RC_OK && w->want_deleted)
		rc = read_deleted(json_object_get(data, "deleted"), w, e);
	if (rc != RC_OK) {
		object_drop_all(w->o, w->n);
		w->n = w->n_deleted = 0;
	}
	return rc;
}

static enum rc
events_call(struct ox_session *s, struct ox_req *r, struct rows_want *w, msec_t *ts, struct err *e)
{
	struct ox_answer a;
	enum rc rc = ox_call(s, r, &a, e);

	if (rc == RC_OK)
		rc = events_read(s, a.data, w, e);
	if (rc == RC_OK && ts != NULL)
		*ts = a.ts;
	ox_answer_fini(&a);
	return rc;
}

enum rc
chronos_event(struct ox_session *s, const char *folder, const char *id, struct ox_answer *a, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	read_req(&r, "get", FIELDS);
	folder_param(&r, "folder", folder);
	ox_param(&r, "id", id);
	rc = ox_call(s, &r, a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_object(a->data)) {
		ox_answer_fini(a);
		rc = err_set(e, RC_UPSTREAM, "OX answered no appointment");
	}
	return rc;
}

/* ---- all of a folder ---- */

static void
range_param(struct ox_req *r, const char *name, int64_t t)
{
	char stamp[20];

	stamp_format(t < RANGE_END ? t : RANGE_END - 1000, STAMP_UTC, stamp);
	ox_param(r, name, stamp);
}

static enum rc
all(struct ox_session *s, const char *folder, const char *fields, int64_t from, int64_t to, struct ox_answer *a, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	read_req(&r, "all", fields);
	folder_param(&r, "folder", folder);
	range_param(&r, "rangeStart", from);
	range_param(&r, "rangeEnd", to);
	ox_param(&r, "expand", "false");
	rc = ox_call(s, &r, a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_array(a->data)) {
		ox_answer_fini(a);
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of appointments");
	}
	return rc;
}

/* An event without a readable time is listed as always inside: its content says what is the matter. */
static enum rc
list_one(struct listing *l, const json_t *event, struct err *e)
{
	struct err why;
	int64_t id;
	enum rc rc;

	listing_clear(l);
	rc = event_read(l->a, event, l->scratch, &why);
	if (rc == RC_NOMEM || l->scratch->oxid == NULL || !json_id(json_object_get(event, "id"), &id))
		return err_set(e, rc == RC_OK ? RC_UPSTREAM : rc, "%s", rc == RC_OK ? "OX answered an appointment without an id" : why.text);
	return listing_take(l, e);
}

static enum rc
chronos_listing(struct ox_session *s, struct listing *l, const char *folder, int64_t from, int64_t to, struct err *e)
{
	struct ox_answer a;
	json_t *v;
	size_t i;
	enum rc rc = all(s, folder, LISTED, from, to, &a, e);

	if (rc == RC_OK)
		rc = listing_room(l, json_array_size(a.data), e);
	json_array_foreach (rc == RC_OK ? a.data : NULL, i, v)
		if (rc == RC_OK)
			rc = list_one(l, v, e);
	ox_answer_fini(&a);
	return rc;
}

/* ---- by uid ---- */

#define HALVES 24 /* of 9999 years: less than an hour */

static enum rc
scan(struct ox_session *s, const char *folder, const char *uid, int64_t from, int64_t to, unsigned halves, int64_t *id, struct err *e)
{
	struct ox_answer a;
	int64_t here, mid = from + (to - from) / 2;
	json_t *v;
	size_t i;
	enum rc rc = all(s, folder, "id,uid", from, to, &a, e);

	if (rc == RC_LIMIT && halves > 0) {
		rc = scan(s, folder, uid, from, mid, halves - 1, id, e);
		return rc == RC_OK ? scan(s, folder, uid, mid, to, halves - 1, id, e) : rc;
	}
	if (is_missing(rc)) /* deleted since the folders were read, or objects may not be read: ours is not in it */
		return RC_OK;
	json_array_foreach (rc == RC_OK ? a.data : NULL, i, v) {
		const char *u = json_string_value(json_object_get(v, "uid"));

		if (u != NULL && strcmp(u, uid) == 0 && json_id(json_object_get(v, "id"), &here) && (*id == 0 || here < *id))
			*id = here;
	}
	ox_answer_fini(&a);
	return rc;
}

/* QUIRK(OX, 8.19): `resolve` takes numbers only (SVL-0011 for a uid), so every calendar is read.  After a create without an answer only. */
static enum rc
chronos_find_uid(struct ox_session *s, struct arena *a, enum content ct, const char *uid, int64_t *id, struct err *e)
{
	const char **folders;
	size_t n;
	enum rc rc;

	*id = 0;
	rc = ox_folder_ids(s, a, ct, &folders, &n, e);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = scan(s, folders[i], uid, RANGE_START, RANGE_END, HALVES, id, e);
	if (rc == RC_OK && *id == 0)
		rc = err_set(e, RC_NOTFOUND, "no %s has this uid", model_content(ct)->name);
	return rc;
}

const struct pim_ops chronos_ops = {
	.updates_req = chronos_updates_req, .updates_part = chronos_updates_part, .list_req = chronos_list_req, .list_part = chronos_list_part,
	.call = events_call, .read = events_read, .listing = chronos_listing, .find_uid = chronos_find_uid,
	.create = chronos_create, .update = chronos_update, .remove = chronos_remove, .exception_find = chronos_exception_find,
	.confirm = chronos_confirm, .move = chronos_move, .busy_part = chronos_busy_part, .busy_read = chronos_busy_read,
};
