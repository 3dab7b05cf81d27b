/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module chronos: invitations without an answer, free and busy, alarms to come.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

void
chronos_needs_action(struct req *r)
{
	struct folder *f = folder_get(r->c, r->u->f_cal);
	struct crows w = { 0 };
	int64_t from, to, ts = 0;
	gchar **fields;
	uint32_t i;

	if (!event_range(r, false, &from, &to))
		return;
	fields = event_wanted(r);
	for (i = 0; f != NULL && i < f->n; i++) {
		const struct attendee *a = att_of(f->item[i]->o, r->u->id);

		if (a != NULL && a->conf == 0 && !a->hidden)
			events_add(&w, f->item[i], from, to, false);
	}
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), events_by_id);
	events_put(r, &w, fields, &ts);
	if (w.n > 0)
		set_ts(r, ts);
	free(w.v);
	g_strfreev(fields);
}

/* SVL-0011: the server takes the id for a number */
void
chronos_resolve(struct req *r)
{
	const char *id = need(r, "id");
	int64_t n;
	struct obj *o;

	if (id == NULL)
		return;
	if (!parse_i64(id, &n)) {
		fail(r, "SVL-0011", json_pack("[s]", "not a number"));
		return;
	}
	o = n > 0 && n <= INT32_MAX ? obj_get(r->c, M_CALENDAR, (int)n) : NULL;
	if (o == NULL || o->ents == NULL)
		fail(r, "CAL-4040", json_pack("[s]", id));
	else
		event_put(r, o->ents, NULL, NULL);
}

/* an event that the user may not see shows neither title nor place, and the folder null (recorded 22-password-personal-data 71) */
static void
busy_event(struct req *r, const struct crow *w)
{
	static const char *const some[] = { "folder", "createdBy", "uid", "startDate", "endDate", "transp", "summary", "location", "id",
	    "seriesId", "recurrenceId", "status", "class", NULL };
	static const char *const least[] = { "createdBy", "uid", "startDate", "endDate", "transp", "id", "seriesId", "recurrenceId", "status", "class", NULL };
	struct obj *o = w->e->o;
	struct ent *e, *mine = NULL;
	size_t mark;

	for (e = o->ents; e != NULL && mine == NULL; e = e->onext)
		if (perm_read(perm_bits(r->c, e->f, r->u->id)) > 0)
			mine = e;
	sb_str(r->out, ",\"event\":");
	if (mine != NULL && !cal_veiled(r, o)) {
		event_put(r, mine, w->on ? &w->occ : NULL, (gchar **)(uintptr_t)some);
		return;
	}
	sb_str(r->out, "{\"folder\":null,");
	mark = r->out->len;
	event_put(r, o->ents, w->on ? &w->occ : NULL, (gchar **)(uintptr_t)least);
	memmove(r->out->p + mark, r->out->p + mark + 1, r->out->len - mark - 1); /* its own bracket */
	r->out->len--;
}

static void
busy_of(struct req *r, int user, int resource, int64_t from, int64_t to)
{
	static const char *const types[] = { "BUSY", "BUSY", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE", "FREE" }; /* by shown_as; his answer counts nothing */
	GHashTableIter it;
	gpointer v;
	struct crows w = { 0 };
	size_t i;

	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct obj *o = v;
		const struct attendee *a = user ? att_of(o, user) : NULL;

		if (o->ents != NULL && ((a != NULL && a->conf != 2) || (resource && cal_has_resource(o, resource))))
			events_add(&w, o->ents, from, to, true);
	}
	if (w.n > 1)
		qsort(w.v, w.n, sizeof(*w.v), events_by_id);
	sb_ch(r->out, '[');
	for (i = 0; i < w.n; i++) {
		struct obj *o = w.v[i].e->o;
		const struct user *u = user ? user_by_id(r->c, user) : r->u;
		int64_t start = w.v[i].on ? w.v[i].occ.start : cal_start(o), end = w.v[i].on ? w.v[i].occ.end : cal_end(o);
		const struct tz *z = cal_full(o) ? tz_get(u->zone) : NULL;

		if (z != NULL) { /* a day begins where he lives */
			start -= tz_offset(z, start);
			end -= tz_offset(z, end);
		}
		sb_printf(r->out, "%s{\"startTime\":%lld,\"endTime\":%lld,\"fbType\":\"%s\"", i ? "," : "", (long long)start, (long long)end,
		    types[cal_shown(o)]);
		busy_event(r, &w.v[i]);
		sb_ch(r->out, '}');
	}
	sb_ch(r->out, ']');
	free(w.v);
}

void
chronos_freebusy(struct req *r)
{
	json_t *o = body_object(r), *a, *bad = NULL;
	int64_t from, to;
	bool day, z;
	size_t i;

	if (o == NULL || need(r, "from") == NULL || need(r, "until") == NULL)
		return;
	if (!event_stamp(arg(r, "from"), &from, &day, &z) || !event_stamp(arg(r, "until"), &to, &day, &z)) {
		fail(r, "SVL-0010", json_pack("[s,s]", "from", arg(r, "from")));
		return;
	}
	/* one unknown user spoils the whole answer with a warning at each */
	json_array_foreach(json_object_get(o, "attendees"), i, a) {
		const char *type = json_string_value(json_object_get(a, "cuType"));
		int id;
		char num[16];

		if (bad == NULL && json_id(json_object_get(a, "entity"), &id) && (type == NULL || strcmp(type, "INDIVIDUAL") == 0) &&
		    user_by_id(r->c, id) == NULL) {
			(void)snprintf(num, sizeof(num), "%d", id);
			bad = error_object("CAL-4034", json_pack("[s,i,s]", num, id, "INDIVIDUAL"));
		}
	}
	sb_ch(r->out, '[');
	json_array_foreach(json_object_get(o, "attendees"), i, a) {
		const char *type = json_string_value(json_object_get(a, "cuType"));
		const char *uri = json_string_value(json_object_get(a, "uri"));
		char *t = json_dumps(a, JSON_COMPACT);
		int id = 0;
		bool res = type != NULL && strcmp(type, "RESOURCE") == 0;
		const struct user *u;

		(void)json_id(json_object_get(a, "entity"), &id);
		if (id == 0 && uri != NULL && strncmp(uri, "mailto:", 7) == 0 && (u = user_by_mail(r->c, uri + 7)) != NULL)
			id = u->id;
		sb_printf(r->out, "%s{\"attendee\":%s", i ? "," : "", t);
		free(t);
		if (bad != NULL || id != 0)
			sb_str(r->out, ",\"freeBusyTime\":");
		if (bad == NULL && id == 0)
			; /* recorded 22-password-personal-data 73: no such member */
		else if (bad != NULL || (type != NULL && strcmp(type, "GROUP") == 0))
			sb_str(r->out, "[]");
		else
			busy_of(r, res ? 0 : id, res ? id : 0, from, to);
		if (bad != NULL) {
			t = json_dumps(bad, JSON_COMPACT);
			sb_printf(r->out, ",\"warnings\":[%s]", t);
			free(t);
		} else if (id == 0) {
			json_t *w = error_object("CAL-5033", json_pack("[s?]", uri && strncmp(uri, "mailto:", 7) == 0 ? uri + 7 : uri));

			t = json_dumps(w, JSON_COMPACT);
			sb_printf(r->out, ",\"warnings\":[%s]", t);
			free(t);
			json_decref(w);
		}
		sb_ch(r->out, '}');
	}
	sb_ch(r->out, ']');
	json_decref(bad);
}

/* the alarms of the own calendar that are still to come */
void
chronos_pending(struct req *r)
{
	struct folder *f = folder_get(r->c, r->u->f_cal);
	int64_t to = INT64_MAX, now = sim_now();
	bool day, z, first = true;
	uint32_t i;

	if (arg(r, "rangeEnd") != NULL && !event_stamp(arg(r, "rangeEnd"), &to, &day, &z)) {
		fail(r, "SVL-0010", json_pack("[s,s]", "rangeEnd", arg(r, "rangeEnd")));
		return;
	}
	sb_ch(r->out, '[');
	for (i = 0; f != NULL && i < f->n; i++) {
		struct ent *e = f->item[i];
		const struct attendee *a = att_of(e->o, r->u->id);
		json_t *al;
		GDateTime *d;
		gchar *t;
		int64_t at;

		if (a == NULL || a->alarm < 0)
			continue;
		at = cal_start(e->o) - (int64_t)a->alarm * 60000;
		if (at < now || at >= to)
			continue;
		al = a->alarms ? json_loads(a->alarms, JSON_REJECT_DUPLICATES, NULL) : NULL;
		d = g_date_time_new_from_unix_utc(at / 1000);
		t = g_date_time_format(d, "%Y%m%dT%H%M%SZ");
		sb_printf(r->out, "%s{\"time\":\"%s\",\"folder\":\"cal://0/%d\",\"alarmId\":%d,\"eventId\":\"%d\",\"action\":\"DISPLAY\"}",
		    first ? "" : ",", t, f->id, al ? (int)json_integer_value(json_object_get(json_array_get(al, 0), "id")) :
		    e->o->id * 10 + a->id, e->o->id);
		first = false;
		g_free(t);
		g_date_time_unref(d);
		json_decref(al);
	}
	sb_ch(r->out, ']');
}
