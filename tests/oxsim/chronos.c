/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Events: how an appointment is written by the chronos module.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/chronos.h"

static void
put_stamp(struct sb *b, int64_t ms, bool day)
{
	GDateTime *d = g_date_time_new_from_unix_utc(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
	gchar *t = d ? g_date_time_format(d, day ? "%Y%m%d" : "%Y%m%dT%H%M%S") : NULL;

	sb_str(b, t ? t : "19700101");
	g_free(t);
	if (d != NULL)
		g_date_time_unref(d);
}

/* {"value":"20261202T100000","tzid":"Europe/Berlin"} */
static void
put_time(struct sb *b, const struct obj *o, int64_t utc)
{
	const struct tz *z = cal_zone(o);
	bool full = cal_full(o), gmt = strcmp(tz_name(z), "UTC") == 0;

	sb_str(b, "{\"value\":\"");
	put_stamp(b, full || gmt ? utc : utc + tz_offset(z, utc), full);
	sb_str(b, gmt && !full ? "Z\"" : "\"");
	if (!full && !gmt) {
		sb_str(b, ",\"tzid\":");
		sb_js(b, tz_name(z));
	}
	sb_ch(b, '}');
}

/* "Europe/Berlin:20261207T090000" of the day an occurrence belongs to */
static void
put_recurrence_id(struct sb *b, const struct obj *master, int64_t day)
{
	const struct tz *z = cal_zone(master);
	bool full = cal_full(master), gmt = strcmp(tz_name(z), "UTC") == 0;
	struct occ at = { .start = day };

	(void)cal_occ_find(master, 0, day, &at);
	sb_ch(b, '"');
	if (!full && !gmt)
		sb_printf(b, "%s:", tz_name(z));
	put_stamp(b, full || gmt ? at.start : at.start + tz_offset(z, at.start), full);
	sb_str(b, gmt && !full ? "Z\"" : "\"");
}

/* An organizer who is no user here. */
static void
put_outsider(struct req *r, const struct obj *o)
{
	char *mail = cal_organizer_mail(r->c, o), *name = cal_organizer_name(r->c, o);
	char *uri = xprintf("mailto:%s", mail ? mail : "");

	sb_str(r->out, "{\"uri\":");
	sb_js(r->out, uri);
	if (name != NULL) {
		sb_str(r->out, ",\"cn\":");
		sb_js(r->out, name);
	}
	sb_str(r->out, ",\"email\":");
	sb_js(r->out, mail);
	sb_ch(r->out, '}');
	free(uri);
	free(mail);
	free(name);
}

void
event_put_user(struct req *r, const struct user *u)
{
	struct sb *b = r->out;
	char *uri;

	if (u == NULL) {
		sb_str(b, "null");
		return;
	}
	uri = xprintf("mailto:%s", u->mail);
	sb_str(b, "{\"uri\":");
	sb_js(b, uri);
	sb_str(b, ",\"cn\":");
	sb_js(b, u->display);
	sb_str(b, ",\"email\":");
	sb_js(b, u->mail);
	sb_printf(b, ",\"entity\":%d}", u->id);
	free(uri);
}

static const char *
part_stat(int conf)
{
	static const char *const names[] = { "NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE" };

	return conf >= 0 && conf < 4 ? names[conf] : names[0];
}

#define GROUP_URI "urn:uuid:%08x-0000-%04x-00fc-c0e11e000002"

/* the groups through which somebody takes part who was not invited himself */
static void
put_member_of(struct req *r, const struct obj *o, int user)
{
	bool first = true;
	int i;

	for (i = 0; i < o->npart; i++)
		if (o->part[i].type == PT_USER && o->part[i].id == user)
			return;
	for (i = 0; i < o->npart; i++)
		if (o->part[i].type == PT_GROUP && group_has(r->c, o->part[i].id, user)) {
			sb_str(r->out, first ? ",\"member\":[" : ",");
			sb_printf(r->out, "\"" GROUP_URI "\"", (unsigned)r->c->id, (unsigned)o->part[i].id);
			first = false;
		}
	if (!first)
		sb_ch(r->out, ']');
}

static void
put_attendees(struct req *r, const struct obj *o)
{
	struct sb *b = r->out;
	const struct ent *e;
	int i;

	sb_ch(b, '[');
	for (i = 0; i < o->npart; i++) {
		const struct participant *p = &o->part[i];
		char *uri;

		if (p->type != PT_EXTERNAL)
			continue;
		uri = xprintf("mailto:%s", p->mail);
		sb_str(b, b->p[b->len - 1] == '[' ? "{\"uri\":" : ",{\"uri\":");
		sb_js(b, uri);
		if (p->name != NULL) {
			sb_str(b, ",\"cn\":");
			sb_js(b, p->name);
		}
		sb_str(b, ",\"email\":");
		sb_js(b, p->mail);
		sb_str(b, ",\"cuType\":\"INDIVIDUAL\"");
		if (p->conf != 0)
			sb_printf(b, ",\"partStat\":\"%s\"", part_stat(p->conf));
		if (p->msg != NULL) {
			sb_str(b, ",\"comment\":");
			sb_js(b, p->msg);
		}
		sb_ch(b, '}');
		free(uri);
	}
	for (i = 0; i < o->natt; i++) {
		const struct attendee *a = &o->att[i];

		if (b->p[b->len - 1] != '[')
			sb_ch(b, ',');
		event_put_user(r, user_by_id(r->c, a->id));
		b->len--;
		sb_printf(b, ",\"cuType\":\"INDIVIDUAL\",\"partStat\":\"%s\"", part_stat(a->conf));
		if (a->msg != NULL) {
			sb_str(b, ",\"comment\":");
			sb_js(b, a->msg);
		}
		for (e = o->ents; e != NULL; e = e->onext)
			if (e->user == a->id)
				sb_printf(b, ",\"folder\":\"%d\"", e->f->id);
		put_member_of(r, o, a->id);
		sb_ch(b, '}');
	}
	for (i = 0; i < o->npart; i++) {
		const struct participant *p = &o->part[i];
		const struct resource *x = p->type == PT_RESOURCE ? res_by_id(r->c, p->id) : NULL;
		const struct group *g = p->type == PT_GROUP ? group_by_id(r->c, p->id) : NULL;

		if (x != NULL) {
			sb_printf(b, "%s{\"uri\":\"mailto:%s\",\"cn\":", b->p[b->len - 1] == '[' ? "" : ",", x->mail);
			sb_js(b, x->display);
			sb_printf(b, ",\"email\":\"%s\",\"entity\":%d,\"cuType\":\"RESOURCE\",\"partStat\":\"ACCEPTED\"}", x->mail, x->id);
		} else if (g != NULL) {
			sb_printf(b, "%s{\"uri\":\"" GROUP_URI "\",\"cn\":", b->p[b->len - 1] == '[' ? "" : ",", (unsigned)r->c->id, (unsigned)g->id);
			sb_js(b, g->display);
			sb_printf(b, ",\"entity\":%d,\"cuType\":\"GROUP\",\"partStat\":\"ACCEPTED\"}", g->id);
		}
	}
	sb_ch(b, ']');
}

static const struct attendee *
viewer(const struct req *r, const struct ent *e)
{
	return att_of(e->o, e->user != 0 ? e->user : r->u->id);
}

static void
put_flags(struct req *r, const struct ent *e, const struct occ *occ)
{
	const struct obj *o = e->o;
	struct sb *b = r->out;
	const struct attendee *a = viewer(r, e);
	bool scheduled = o->natt > 1 || o->npart > 1 || o->organizer < 0;
	char *cls = obj_str(o, fld_by_name(&MI_CALENDAR, "_class"));

	sb_ch(b, '[');
	if (o->nat > 0)
		sb_str(b, "\"attachments\",");
	if (a != NULL && (a->alarm >= 0 || a->alarms != NULL))
		sb_str(b, "\"alarms\",");
	if (scheduled)
		sb_str(b, "\"scheduled\",");
	if (a != NULL)
		sb_str(b, a->id == r->u->id ? (o->organizer == a->id ? "\"organizer\"," : "\"attendee\",") :
		    (o->organizer == a->id ? "\"organizer_on_behalf\"," : "\"attendee_on_behalf\","));
	if (obj_int(o, CF(CF_PRIVATE), 0))
		sb_str(b, cls && strcmp(cls, "PRIVATE") == 0 ? "\"private\"," : "\"confidential\",");
	if (obj_int(o, CF(CF_SHOWN), 1) == 4)
		sb_str(b, "\"transparent\",");
	if (a != NULL) {
		static const char *const st[] = { "needs_action", "accepted", "declined", "tentative" };

		sb_printf(b, "\"%s\",", st[a->conf & 3]);
	}
	if (cal_is_master(o)) {
		struct rule_spec s = cal_spec(o);

		sb_str(b, "\"series\",");
		if (occ != NULL && occ->pos == 1)
			sb_str(b, "\"first_occurrence\",");
		if (occ != NULL && (s.occurrences > 0 || s.until > 0)) {
			struct occ *v;
			int n = cal_occurrences(o, INT64_MAX, 1000, true, &v);

			if (n > 0 && v[n - 1].pos == occ->pos)
				sb_str(b, "\"last_occurrence\",");
			free(v);
		}
	} else if (o->series != 0) {
		sb_str(b, "\"overridden\",");
	}
	if (b->p[b->len - 1] == ',')
		b->len--;
	sb_ch(b, ']');
	free(cls);
}

static bool
put_alarms(struct req *r, const struct ent *e)
{
	const struct attendee *a = viewer(r, e);
	char *uid;

	if (a == NULL || (a->alarm < 0 && a->alarms == NULL))
		return false;
	if (a->alarms != NULL) {
		sb_str(r->out, a->alarms);
		return true;
	}
	uid = obj_str(e->o, CF(CF_UID));
	sb_printf(r->out, "[{\"id\":%d,\"uid\":", e->o->id * 10 + a->id);
	sb_js(r->out, uid);
	if (a->alarm % 10080 == 0 && a->alarm > 0)
		sb_printf(r->out, ",\"action\":\"DISPLAY\",\"trigger\":{\"duration\":\"-P%dW\"}", a->alarm / 10080);
	else
		sb_printf(r->out, ",\"action\":\"DISPLAY\",\"trigger\":{\"duration\":\"-PT%dM\"}", a->alarm);
	sb_str(r->out, ",\"description\":\"Reminder\"}]");
	free(uid);
	return true;
}

static bool
put_raw(struct req *r, const struct obj *o, const char *field)
{
	const struct fv *v = obj_fv(o, fld_by_name(&MI_CALENDAR, field));

	if (v == NULL)
		return false;
	sb_put(r->out, v->t, v->len);
	return true;
}

static bool
put_categories(struct req *r, const struct obj *o)
{
	char *s = obj_str(o, fld_by_name(&MI_CALENDAR, "categories"));
	gchar **v, **p;

	if (s == NULL)
		return false;
	v = g_strsplit(s, ",", -1);
	sb_ch(r->out, '[');
	for (p = v; *p != NULL; p++) {
		if (p != v)
			sb_ch(r->out, ',');
		sb_js(r->out, g_strstrip(*p));
	}
	sb_ch(r->out, ']');
	g_strfreev(v);
	free(s);
	return true;
}

char *
event_rrule(const struct obj *o)
{
	static const char *const freq[] = { "", "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };
	static const char *const days[] = { "SU", "MO", "TU", "WE", "TH", "FR", "SA" };
	struct rule_spec s = cal_spec(o);
	struct sb b = { 0 };
	char *own = obj_str(o, fld_by_name(&MI_CALENDAR, "_rrule"));
	int i, first = 1;

	if (own != NULL || s.type == 0)
		return own;
	sb_printf(&b, "FREQ=%s", freq[s.type]);
	if (s.interval > 1)
		sb_printf(&b, ";INTERVAL=%d", s.interval);
	if (s.type == 4)
		sb_printf(&b, ";BYMONTH=%d", s.month + 1);
	if (s.days != 0) {
		sb_str(&b, ";BYDAY=");
		for (i = 0; i < 7; i++)
			if (s.days & (1 << ((i + 1) % 7))) {
				sb_printf(&b, "%s%s", first ? "" : ",", days[(i + 1) % 7]);
				first = 0;
			}
		if (s.type >= 3)
			sb_printf(&b, ";BYSETPOS=%d", s.day_in_month == 5 ? -1 : s.day_in_month);
	} else if (s.type >= 3) {
		sb_printf(&b, ";BYMONTHDAY=%d", s.day_in_month);
	}
	if (s.occurrences > 0)
		sb_printf(&b, ";COUNT=%d", s.occurrences);
	if (s.until > 0) {
		sb_str(&b, ";UNTIL=");
		if (cal_full(o)) {
			put_stamp(&b, s.until, true);
		} else {
			/* on that day at the time of day of the start */
			const struct tz *z = cal_zone(o);
			int64_t local = cal_start(o) + tz_offset(z, cal_start(o));

			put_stamp(&b, tz_to_utc(z, s.until + local - local / DAY_MS * DAY_MS), false);
			sb_ch(&b, 'Z');
		}
	}
	return sb_cstr(&b);
}

static void
put_days(struct req *r, const struct obj *m, const int64_t *v, int n)
{
	int i;

	sb_ch(r->out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		put_recurrence_id(r->out, m, v[i]);
	}
	sb_ch(r->out, ']');
}

static bool
put_attachments(struct req *r, const struct obj *o)
{
	const struct tz *z = tz_get(arg(r, "timezone") ? arg(r, "timezone") : r->u->zone);
	int i;

	if (o->nat == 0)
		return false;
	if (z == NULL)
		z = tz_get("UTC");
	sb_ch(r->out, '[');
	for (i = 0; i < o->nat; i++) {
		sb_printf(r->out, "%s{\"filename\":", i ? "," : "");
		sb_js(r->out, o->at[i].name);
		sb_str(r->out, ",\"fmtType\":");
		sb_js(r->out, o->at[i].type);
		sb_printf(r->out, ",\"size\":%zu,\"created\":%lld,\"managedId\":%d}", o->at[i].data->len,
		    (long long)(o->at[i].created + tz_offset(z, o->at[i].created)), o->at[i].id);
	}
	sb_ch(r->out, ']');
	return true;
}

static const char *const names[] = { "folder", "modifiedBy", "lastModified", "dtstamp", "timestamp", "uid",
    "endDate", "organizer", "alarms", "created", "createdBy", "sequence", "attendees", "startDate", "transp",
    "rrule", "summary", "attendeePrivileges", "id", "flags", "calendarUser", "class", "seriesId", "recurrenceId",
    "changeExceptionDates", "deleteExceptionDates", "location", "description", "color", "categories", "url",
    "geo", "status", "filename", "extendedProperties", "attachments" };

/* one member; false: the event has none */
static bool
put_member(struct req *r, const struct ent *e, const struct occ *occ, const char *n)
{
	const struct obj *o = e->o, *m;
	struct sb *b = r->out;
	bool master = cal_is_master(o);
	char *s;

	if (r->veil && (strcmp(n, "location") == 0 || strcmp(n, "description") == 0 ||
	    strcmp(n, "attendees") == 0 || strcmp(n, "categories") == 0 || strcmp(n, "attachments") == 0))
		return false;
	if (strcmp(n, "folder") == 0)
		sb_printf(b, "\"cal://0/%d\"", e->f->id);
	else if (strcmp(n, "id") == 0)
		sb_printf(b, "\"%d\"", o->id);
	else if (strcmp(n, "modifiedBy") == 0)
		event_put_user(r, user_by_id(r->c, o->modified_by));
	else if (strcmp(n, "createdBy") == 0)
		event_put_user(r, user_by_id(r->c, o->created_by));
	else if (strcmp(n, "organizer") == 0 && o->organizer < 0)
		put_outsider(r, o);
	else if (strcmp(n, "calendarUser") == 0 && o->organizer < 0)
		event_put_user(r, user_by_id(r->c, e->f->owner));
	else if (strcmp(n, "organizer") == 0 || strcmp(n, "calendarUser") == 0)
		event_put_user(r, user_by_id(r->c, o->organizer));
	else if (strcmp(n, "lastModified") == 0 || strcmp(n, "timestamp") == 0 || strcmp(n, "dtstamp") == 0)
		sb_int(b, o->lm);
	else if (strcmp(n, "created") == 0)
		sb_int(b, o->created);
	else if (strcmp(n, "uid") == 0)
		return put_raw(r, o, "uid");
	else if (strcmp(n, "startDate") == 0)
		put_time(b, o, occ ? occ->start : cal_start(o));
	else if (strcmp(n, "endDate") == 0)
		put_time(b, o, occ ? occ->end : cal_end(o));
	else if (strcmp(n, "alarms") == 0)
		return put_alarms(r, e);
	else if (strcmp(n, "sequence") == 0)
		sb_int(b, o->sequence);
	else if (strcmp(n, "attendees") == 0)
		put_attendees(r, o);
	else if (strcmp(n, "transp") == 0)
		sb_str(b, obj_int(o, CF(CF_SHOWN), 1) == 4 ? "\"TRANSPARENT\"" : "\"OPAQUE\"");
	else if (strcmp(n, "rrule") == 0) {
		if (!master || (s = event_rrule(o)) == NULL)
			return false;
		sb_js(b, s);
		free(s);
	} else if (strcmp(n, "summary") == 0) {
		if (!r->veil)
			return put_raw(r, o, "title");
		sb_str(b, "\"Private\"");
	} else if (strcmp(n, "attendeePrivileges") == 0)
		sb_str(b, "\"DEFAULT\"");
	else if (strcmp(n, "flags") == 0)
		put_flags(r, e, occ);
	else if (strcmp(n, "class") == 0) {
		if (!put_raw(r, o, "_class"))
			sb_str(b, obj_int(o, CF(CF_PRIVATE), 0) ? "\"CONFIDENTIAL\"" : "\"PUBLIC\"");
	} else if (strcmp(n, "seriesId") == 0) {
		if (o->series == 0)
			return false;
		sb_printf(b, "\"%d\"", o->series);
	} else if (strcmp(n, "recurrenceId") == 0) {
		m = master ? o : o->series ? obj_get(r->c, M_CALENDAR, o->series) : NULL;
		if (m == NULL || (master && occ == NULL))
			return false;
		put_recurrence_id(b, m, master ? occ->rdate : o->rdate);
	} else if (strcmp(n, "changeExceptionDates") == 0 || strcmp(n, "deleteExceptionDates") == 0) {
		bool chg = *n == 'c';

		if (!chg && (!master || occ != NULL || o->ndel == 0))
			return false;
		if (chg && !master && o->series != 0 && (m = obj_get(r->c, M_CALENDAR, o->series)) != NULL) {
			put_days(r, m, &o->rdate, 1);
			return true;
		}
		if (chg && (!master || occ != NULL || o->nchg == 0))
			return false;
		put_days(r, o, chg ? o->chg : o->del, chg ? o->nchg : o->ndel);
	} else if (strcmp(n, "location") == 0)
		return put_raw(r, o, "location");
	else if (strcmp(n, "description") == 0)
		return put_raw(r, o, "note");
	else if (strcmp(n, "categories") == 0)
		return put_categories(r, o);
	else if (strcmp(n, "attachments") == 0)
		return put_attachments(r, o);
	else {
		char key[32];

		(void)snprintf(key, sizeof(key), "_%s", strcmp(n, "extendedProperties") == 0 ? "extprops" : n);
		return put_raw(r, o, key);
	}
	return true;
}

void
event_put(struct req *r, const struct ent *e, const struct occ *occ, gchar **fields)
{
	struct sb *b = r->out;
	size_t i, mark;

	r->veil = cal_veiled(r, e->o);
	sb_ch(b, '{');
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (fields != NULL && !g_strv_contains((const gchar *const *)fields, names[i]))
			continue;
		mark = b->len;
		if (b->p[b->len - 1] != '{')
			sb_ch(b, ',');
		sb_printf(b, "\"%s\":", names[i]);
		if (!put_member(r, e, occ, names[i]))
			b->len = mark;
	}
	sb_ch(b, '}');
	r->veil = false;
}

void
event_put_conflict(struct req *r, const struct clash *c)
{
	static const char *const some[] = { "folder", "createdBy", "startDate", "endDate", "transp", "summary",
	    "id", "seriesId", "recurrenceId", NULL };
	/* of what he may not see */
	static const char *const least[] = { "createdBy", "startDate", "endDate", "transp", "id", "seriesId", "recurrenceId", NULL };
	const struct ent *e, *mine = NULL;

	for (e = c->o->ents; e != NULL && mine == NULL; e = e->onext)
		if (perm_read(perm_bits(r->c, e->f, r->u->id)) > 0)
			mine = e;
	event_put(r, mine ? mine : c->o->ents, c->at.pos > 0 ? &c->at : NULL,
	    (gchar **)(uintptr_t)(mine && !cal_veiled(r, c->o) ? some : least));
}
