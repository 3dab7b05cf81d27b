/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Invitations, answers, cancellations and proposals that came as mail: what OX makes of them, and doing it.  Two modules answer, chronos/itip and
 * calendar/itip.  QUIRK(OX, 8.19): the legacy one offers the actions of the other, has older names for some of them, and lacks proposals.
 */
#include "backend/chronos_int.h"

#include <stdio.h>
#include <string.h>

static const char *const told[] = { "title", "location", "note", "start_date", "end_date", "full_time", "organizer", "participants", "users", "confirmations",
	"recurrence_type" };

/* ---- the question ---- */

static void
quoted(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "\"com.openexchange.mail.conversion.%s\":", name);
	json_text_string(b, value, strlen(value));
}

static enum rc
call(struct ox_session *s, bool chronos, const char *action, const struct ox_itip_mail *m, const char *message, struct ox_answer *ans, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, chronos ? "chronos/itip" : "calendar/itip", action);
	ox_param(&r, "dataSource", "com.openexchange.mail.ical");
	ox_param(&r, "timezone", "UTC");
	if (message != NULL && message[0] != '\0')
		ox_param(&r, "message", message);
	if (strcmp(action, "analyze") == 0)
		ox_param(&r, "descriptionFormat", "plain");
	else
		r.write = true;
	buf_addc(&r.body, '{');
	quoted(&r.body, "fullname", m->folder);
	buf_addc(&r.body, ',');
	quoted(&r.body, "mailid", m->id);
	buf_addc(&r.body, ',');
	quoted(&r.body, "sequenceid", m->part);
	buf_addc(&r.body, '}');
	r.has_body = true;
	rc = ox_call(s, &r, ans, e);
	ox_req_fini(&r);
	if (rc == RC_PROTO && e != NULL && strcmp(e->code, "MSG-0049") == 0)
		rc = err_set_path(e, RC_NOTFOUND, "uuid", "has lost the part with the invitation");
	return rc;
}

/* ---- analysis ---- */

/* The members that are told of an appointment as the legacy module has it. */
static json_t *
of_appointment(const json_t *v)
{
	json_t *o = json_is_object(v) ? json_object() : NULL;

	for (size_t i = 0; o != NULL && i < ARRAY_LEN(told); i++) {
		json_t *x = json_object_get(v, told[i]);

		if (x != NULL && !json_is_null(x) && !(json_is_array(x) && json_array_size(x) == 0))
			(void)json_object_set(o, told[i], x);
	}
	return o;
}

/* The same of an event; a mail's has no id, which every stored one must have. */
static json_t *
of_event(struct arena *a, const json_t *v)
{
	json_t *with_id = json_is_object(v) ? json_copy((json_t *)(uintptr_t)v) : NULL, *o = json_object();
	struct object *x = object_new(a, CT_CALENDAR);
	struct err e;

	if (with_id == NULL || o == NULL || x == NULL) {
		json_decref(with_id);
		json_decref(o);
		object_drop(x);
		return NULL;
	}
	if (json_object_get(with_id, "id") == NULL)
		(void)json_object_set_new(with_id, "id", json_string("1"));
	if (event_read(a, with_id, x, &e) == RC_OK)
		for (size_t i = 0; i < ARRAY_LEN(told); i++) {
			int f = model_field(model_content(CT_CALENDAR), told[i]);
			json_t *value = f >= 0 ? x->v[f] : NULL;

			if (value != NULL && !(json_is_array(value) && json_array_size(value) == 0))
				(void)json_object_set(o, told[i], value);
		}
	object_drop(x);
	json_decref(with_id);
	return o;
}

static json_t *
appointment(struct arena *a, bool chronos, const json_t *change, const char *which)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "%s%s", which, chronos ? "Event" : "Appointment");
	return chronos ? of_event(a, json_object_get(change, name)) : of_appointment(json_object_get(change, name));
}

/* "cal://0/31" and 31 */
static const char *
folder_of(struct arena *a, const json_t *v)
{
	const char *s = json_string_value(v);

	if (json_is_integer(v))
		return arena_printf(a, "%lld", (long long)json_integer_value(v));
	if (s != NULL && strncmp(s, PROVIDER, strlen(PROVIDER)) == 0)
		s += strlen(PROVIDER);
	return s != NULL ? arena_strdup(a, s) : NULL;
}

static bool
place_of(struct arena *a, const json_t *v, const char **folder, int64_t *id)
{
	const json_t *f = json_object_get(v, "folder");

	*folder = folder_of(a, f != NULL ? f : json_object_get(v, "folder_id"));
	return *folder != NULL && json_made_id(json_object_get(v, "id"), id);
}

static void
own_answer(const struct ox_session *s, struct arena *a, struct ox_itip_change *c)
{
	json_t *u;
	size_t i;

	c->confirmation = -1;
	c->message = "";
	json_array_foreach (json_object_get(c->now, "users"), i, u) {
		const char *m = json_string_value(json_object_get(u, "confirmmessage"));

		if (json_integer_value(json_object_get(u, "id")) != s->user.user_id)
			continue;
		c->confirmation = (int)json_integer_value(json_object_get(u, "confirmation"));
		c->message = m != NULL ? arena_strdup(a, m) : "";
	}
}

static const char *
type_of(const json_t *change)
{
	static const char *const types[][2] = { { "CREATE", "create" }, { "UPDATE", "update" }, { "DELETE", "delete" } };
	const char *t = json_string_value(json_object_get(change, "type"));

	for (size_t i = 0; t != NULL && i < ARRAY_LEN(types); i++)
		if (strcmp(t, types[i][0]) == 0 || strcmp(t, types[i][1]) == 0)
			return types[i][1];
	return "update";
}

static void
read_change(const struct ox_session *s, struct arena *a, bool chronos, const json_t *v, struct ox_itip_change *c)
{
	const json_t *clash = json_object_get(v, "conflicts"), *now = json_object_get(v, chronos ? "currentEvent" : "currentAppointment");
	json_t *legacy;
	bool hard;

	*c = (struct ox_itip_change){ .type = type_of(v), .then = appointment(a, chronos, v, "new"), .now = appointment(a, chronos, v, "current") };
	if (c->then == NULL)
		c->then = appointment(a, chronos, v, "deleted");
	if (!place_of(a, now, &c->folder, &c->id))
		c->id = 0;
	own_answer(s, a, c);
	if (json_array_size(clash) > 0) {
		legacy = chronos ? chronos_conflicts(a, clash) : json_incref((json_t *)(uintptr_t)clash);
		c->conflicts = conflicts_read(legacy, &hard);
		json_decref(legacy);
	}
}

static bool
known_action(const struct ox_itip *x, const char *action)
{
	for (size_t i = 0; i < x->n_actions; i++)
		if (strcmp(x->action[i], action) == 0)
			return true;
	return false;
}

/* One mail may hold several analyses: of a series and of its occurrences. */
static enum rc
read_analysis(const struct ox_session *s, struct arena *a, bool chronos, const json_t *data, struct ox_itip *out, struct err *e)
{
	const json_t *one, *v;
	size_t i, k, texts = 0;

	json_array_foreach (data, i, one)
		texts += json_array_size(json_object_get(one, "annotations"));
	out->text = arena_array(a, const char *, texts + 1);
	if (out->text == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an invitation");
	json_array_foreach (data, i, one) {
		const char *uid = json_string_value(json_object_get(one, "uid"));

		if (uid != NULL && out->uid[0] == '\0')
			out->uid = arena_strdup(a, uid);
		json_array_foreach (json_object_get(one, "actions"), k, v)
			if (json_is_string(v) && out->n_actions < OX_ITIP_ACTIONS && !known_action(out, json_string_value(v)))
				out->action[out->n_actions++] = arena_strdup(a, json_string_value(v));
		json_array_foreach (json_object_get(one, "annotations"), k, v)
			if (json_is_string(json_object_get(v, "message")))
				out->text[out->n_texts++] = arena_strdup(a, json_string_value(json_object_get(v, "message")));
		json_array_foreach (json_object_get(one, "changes"), k, v)
			if (out->n_changes < OX_ITIP_CHANGES)
				read_change(s, a, chronos, v, &out->change[out->n_changes++]);
	}
	for (i = 0; i < out->n_actions; i++)
		if (out->action[i] == NULL)
			return err_set(e, RC_NOMEM, "out of memory for an invitation");
	return out->uid != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for an invitation");
}

enum rc
ox_itip_analyze(struct ox_session *s, struct arena *a, const struct ox_itip_mail *m, struct ox_itip *out, struct err *e)
{
	bool chronos = s->b->o.calendar != OX_CALENDAR_LEGACY;
	struct ox_answer ans;
	struct err local;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	out->uid = "";
	if (e == NULL)
		e = &local;
	rc = call(s, chronos, "analyze", m, NULL, &ans, e);
	if (rc != RC_OK && s->b->o.calendar == OX_CALENDAR_AUTO && strcmp(e->code, NO_MODULE) == 0) {
		chronos = false;
		rc = call(s, chronos, "analyze", m, NULL, &ans, e);
	}
	if (rc == RC_OK && !json_is_array(ans.data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no analysis of an invitation");
	if (rc == RC_OK)
		rc = read_analysis(s, a, chronos, ans.data, out, e);
	out->legacy = !chronos;
	if (rc != RC_OK)
		ox_itip_done(out);
	ox_answer_fini(&ans);
	return rc;
}

void
ox_itip_done(struct ox_itip *x)
{
	for (size_t i = 0; i < x->n_changes; i++) {
		json_decref(x->change[i].now);
		json_decref(x->change[i].then);
		json_decref(x->change[i].conflicts);
	}
	x->n_changes = 0;
}

/* ---- doing it ---- */

/* In the words of the legacy module; NULL = it cannot. */
static const char *
legacy_name(const char *action)
{
	static const char *const names[][2] = { { "apply_create", "create" }, { "apply_change", "update" }, { "apply_remove", "delete" }, { "apply_response", "update" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(action, names[i][0]) == 0)
			return names[i][1];
	return strcmp(action, "apply_proposal") == 0 || strcmp(action, "declinecounter") == 0 || strcmp(action, "ignore") == 0 ? NULL : action;
}

bool
ox_itip_can(const struct ox_itip *x, const char *action)
{
	return known_action(x, action) && (!x->legacy || legacy_name(action) != NULL);
}

/* Appointments or events, or the result of a write on events. */
static enum rc
read_touched(struct arena *a, const json_t *data, struct ox_itip_touched **out, size_t *n, struct err *e)
{
	static const char *const lists[] = { "created", "updated", "deleted" };
	size_t max = json_array_size(data), i;
	json_t *v;

	for (i = 0; i < ARRAY_LEN(lists); i++)
		max += json_array_size(json_object_get(data, lists[i]));
	*out = arena_array(a, struct ox_itip_touched, max + 1);
	if (*out == NULL)
		return err_set(e, RC_NOMEM, "out of memory for appointments");
	json_array_foreach (data, i, v)
		*n += place_of(a, v, &(*out)[*n].folder, &(*out)[*n].id);
	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		json_array_foreach (json_object_get(data, lists[l]), i, v)
			if (place_of(a, v, &(*out)[*n].folder, &(*out)[*n].id)) {
				(*out)[*n].deleted = l == 2;
				(*n)++;
			}
	return RC_OK;
}

enum rc
ox_itip_apply(struct ox_session *s, struct arena *a, const struct ox_itip_mail *m, const struct ox_itip *x, const char *action, const char *message,
    struct ox_itip_touched **out, size_t *n, struct err *e)
{
	struct ox_answer ans;
	enum rc rc;

	*out = NULL;
	*n = 0;
	if (!ox_itip_can(x, action))
		return err_set(e, RC_PROTO, "OX does not offer that for this mail");
	rc = call(s, !x->legacy, x->legacy ? legacy_name(action) : action, m, message, &ans, e);
	if (rc == RC_OK)
		rc = read_touched(a, ans.data, out, n, e);
	ox_answer_fini(&ans);
	return rc;
}
