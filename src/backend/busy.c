/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When people have time.  Each is asked for by a part of a `multiple` of his own: QUIRK(OX, 8.19): of several in one question, one that OX does not
 * know leaves all of them without an answer.
 */
#include "backend/chronos_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PARTS_MAX 50U

/* ---- the legacy module ---- */

void
classic_busy_part(struct buf *b, const struct ox_busy_of *w, msec_t from, msec_t to)
{
	buf_addf(b, "{\"module\":\"calendar\",\"action\":\"freebusy\",\"id\":%" PRId64 ",\"type\":%d,\"start\":%" PRId64 ",\"end\":%" PRId64 ",\"timezone\":\"UTC\"}",
	    w->id, (int)w->kind, from, to);
}

static const char *
seen(struct arena *a, const json_t *v, const char *name)
{
	const char *s = json_string_value(json_object_get(v, name));

	return s != NULL && s[0] != '\0' ? arena_strdup(a, s) : NULL;
}

/* Days without a time are those of the zone that he lives in, as chronos has it. */
static int64_t
in_zone(const struct ox_busy_of *w, bool full, int64_t t)
{
	return full && zone_known(w->zone) ? zone_to_utc(w->zone, t) : t;
}

static bool
classic_one(struct arena *a, const struct ox_busy_of *w, const json_t *v, struct ox_busy *x)
{
	static const enum ox_shown shown[] = { OX_SHOWN_BUSY, OX_SHOWN_BUSY, OX_SHOWN_TENTATIVE, OX_SHOWN_ABSENT, OX_SHOWN_FREE };
	int64_t from, to, as = 1;

	if (!json_id(json_object_get(v, "start_date"), &from) || !json_id(json_object_get(v, "end_date"), &to))
		return false;
	(void)json_id(json_object_get(v, "shown_as"), &as);
	x->full = json_is_true(json_object_get(v, "full_time"));
	x->from = in_zone(w, x->full, from);
	x->to = in_zone(w, x->full, to);
	x->shown = as >= 0 && as < (int64_t)ARRAY_LEN(shown) ? shown[as] : OX_SHOWN_BUSY;
	(void)json_id(json_object_get(v, "id"), &x->id);
	(void)json_id(json_object_get(v, "recurrence_id"), &x->series);
	x->title = seen(a, v, "title");
	x->location = seen(a, v, "location");
	return true;
}

enum rc
classic_busy_read(struct arena *a, const json_t *data, struct ox_busy_of *w, struct err *e)
{
	const json_t *v;
	size_t i;

	w->v = arena_array(a, struct ox_busy, json_array_size(data) + 1);
	if (w->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for free and busy times");
	json_array_foreach (data, i, v) {
		w->v[w->n] = (struct ox_busy){ 0 };
		w->n += classic_one(a, w, v, &w->v[w->n]);
	}
	return RC_OK;
}

/* ---- chronos ---- */

void
chronos_busy_part(struct buf *b, const struct ox_busy_of *w, msec_t from, msec_t to)
{
	struct buf uri;
	char t[2][20];

	stamp_format(from, STAMP_UTC, t[0]);
	stamp_format(to, STAMP_UTC, t[1]);
	buf_addf(b, "{\"module\":\"chronos\",\"action\":\"freeBusy\",\"from\":\"%s\",\"until\":\"%s\",\"data\":{\"attendees\":[{", t[0], t[1]);
	if (w->kind == OX_OUTSIDE) {
		buf_init(&uri, b->max);
		buf_addf(&uri, "mailto:%s", w->mail);
		buf_adds(b, "\"cuType\":\"INDIVIDUAL\",\"uri\":");
		json_text_string(b, uri.len > 0 ? uri.p : "", uri.len);
		buf_fini(&uri);
	} else {
		buf_addf(b, "\"cuType\":\"%s\",\"entity\":%" PRId64, w->kind == OX_RESOURCE ? "RESOURCE" : "INDIVIDUAL", w->id);
	}
	buf_adds(b, "}]}}");
}

static enum ox_shown
shown_of(const char *type)
{
	static const struct {
		const char *type;
		enum ox_shown is;
	} types[] = { { "FREE", OX_SHOWN_FREE }, { "BUSY-TENTATIVE", OX_SHOWN_TENTATIVE }, { "BUSY-UNAVAILABLE", OX_SHOWN_ABSENT } };

	for (size_t i = 0; type != NULL && i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].is;
	return OX_SHOWN_BUSY;
}

static bool
chronos_one(struct arena *a, const json_t *v, struct ox_busy *x)
{
	const json_t *event = json_object_get(v, "event");
	struct event_time start;

	if (!json_id(json_object_get(v, "startTime"), &x->from) || !json_id(json_object_get(v, "endTime"), &x->to))
		return false;
	x->shown = shown_of(json_string_value(json_object_get(v, "fbType")));
	x->full = event_time_read(json_object_get(event, "startDate"), &start) && start.full;
	(void)json_id(json_object_get(event, "id"), &x->id);
	(void)json_id(json_object_get(event, "seriesId"), &x->series);
	x->title = seen(a, event, "summary");
	x->location = seen(a, event, "location");
	return true;
}

/* QUIRK(OX, 8.19): what is wrong with an attendee is a warning beside him, in an answer that is good. */
enum rc
chronos_busy_read(struct arena *a, const json_t *data, struct ox_busy_of *w, struct err *e)
{
	const json_t *one = json_array_get(data, 0), *warning = json_array_get(json_object_get(one, "warnings"), 0), *list = json_object_get(one, "freeBusyTime"), *v;
	msec_t ts;
	json_t *none;
	size_t i;

	if (one == NULL)
		return err_set(e, RC_UPSTREAM, "OX answered no free and busy times");
	if (json_object_get(warning, "error") != NULL && json_array_size(list) == 0)
		return ox_envelope(warning, NULL, false, &none, &ts, e);
	w->v = arena_array(a, struct ox_busy, json_array_size(list) + 1);
	if (w->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for free and busy times");
	json_array_foreach (list, i, v) {
		w->v[w->n] = (struct ox_busy){ 0 };
		w->n += chronos_one(a, v, &w->v[w->n]);
	}
	return RC_OK;
}

/* ---- both ---- */

/* The legacy module knows no addresses; chronos may, where it is beside it. */
static const struct pim_ops *
ops_for(const struct ox_busy_of *w, const struct pim_ops *ops)
{
	return w->kind == OX_OUTSIDE ? &chronos_ops : ops;
}

static enum rc
read_one(struct arena *a, const json_t *env, const struct pim_ops *ops, struct ox_busy_of *w)
{
	json_t *data;
	msec_t ts;

	w->n = 0;
	w->rc = ox_envelope(env, NULL, false, &data, &ts, &w->err);
	if (w->rc == RC_OK)
		w->rc = ops_for(w, ops)->busy_read(a, data, w, &w->err);
	if (w->rc != RC_OK && strcmp(w->err.code, "CAL-4034") == 0)
		w->rc = RC_NOTFOUND;
	if (w->rc != RC_OK && w->kind == OX_OUTSIDE && strcmp(w->err.code, NO_MODULE_PART) == 0) {
		w->rc = err_set(&w->err, RC_UPSTREAM, "OX has no free and busy times of this address");
		(void)snprintf(w->err.code, sizeof(w->err.code), "%s", OX_NO_BUSY);
	}
	return w->rc;
}

static enum rc
ask(struct ox_session *s, struct arena *a, const struct pim_ops *ops, struct ox_busy_of *who, size_t n, msec_t from, msec_t to, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	for (size_t i = 0; i < n; i++) {
		buf_addc(&r.body, i == 0 ? '[' : ',');
		ops_for(&who[i], ops)->busy_part(&r.body, &who[i], from, to);
	}
	buf_addc(&r.body, ']');
	r.has_body = true;
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(ans.data) != n)
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(ans.data), n);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		enum rc one = read_one(a, json_array_get(ans.data, i), ops, &who[i]);

		if (one == RC_NOMEM || one == RC_DENIED || (one != RC_OK && strcmp(who[i].err.code, NO_MODULE_PART) == 0)) {
			*e = who[i].err;
			rc = one;
		}
	}
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_busy_get(struct ox_session *s, struct arena *a, struct ox_busy_of *who, size_t n, msec_t from, msec_t to, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, CT_CALENDAR);
	struct err local;
	enum rc rc = RC_OK;

	if (e == NULL)
		e = &local;
	for (size_t i = 0; rc == RC_OK && i < n; i += PARTS_MAX)
		do
			rc = ask(s, a, ops, who + i, n - i < PARTS_MAX ? n - i : PARTS_MAX, from, to, e);
		while (pim_ops_again(s, CT_CALENDAR, &ops, rc, true, e));
	return rc;
}
