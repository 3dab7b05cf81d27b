/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Invitations that came by mail: modules chronos/itip and calendar/itip.
 * The iCalendar part of a message is analyzed, accepted into the default
 * calendar or removed from it.  No answer is sent to the organizer.
 */
#include <libical/ical.h>
#include <stdlib.h>

#include "oxsim/chronos.h"
#include "oxsim/mail.h"
#include "oxsim/mimetree.h"
#include "usmd/pim.h"

struct invite {
	icalcomponent *root, *event;
	char *text;
	char *method;		/* "REQUEST", "CANCEL", ... */
	char *uid;
	struct obj *known;	/* the appointment of that uid in a calendar of the user */
};

/* --- finding the part -------------------------------------------------------------------- */

static char *
part_text(struct req *r)
{
	static const char prefix[] = "com.openexchange.mail.conversion.";
	static const char *const keys[] = { "fullname", "mailid", "sequenceid" };
	const char *v[3];
	const struct mpart *part;
	struct mpart *tree;
	struct mbox *mb;
	struct mail *m;
	json_t *j = body_object(r);
	char *text = NULL;
	int i;

	if (j == NULL)
		return NULL;
	for (i = 0; i < 3; i++) {
		char *key = xprintf("%s%s", prefix, keys[i]);

		v[i] = json_string_value(json_object_get(j, key));
		if (v[i] == NULL)
			fail(r, "SVL-0002", json_pack("[s]", key));
		free(key);
	}
	if (r->failed || (mb = mbox_of(r, v[0])) == NULL)
		return NULL;
	if ((m = mail_of(mb, v[1])) == NULL) {
		fail(r, "MSG-0032", json_pack("[s,s]", v[1], v[0]));
		return NULL;
	}
	tree = mimetree_parse(m->raw->p, m->raw->len);
	part = mimetree_find(tree, v[2]);
	if (part == NULL)
		fail(r, "MSG-0049", json_pack("[s,i,s]", v[2], (int)m->uid, mb->path));
	else
		text = mimetree_text(part);
	mimetree_free(tree);
	return text;
}

static struct obj *
own_by_uid(const struct req *r, const char *uid)
{
	GHashTableIter it;
	gpointer v;

	g_hash_table_iter_init(&it, r->c->obj[M_CALENDAR]);
	while (g_hash_table_iter_next(&it, NULL, &v)) {
		struct obj *o = v;
		char *s = obj_str(o, CF(CF_UID));
		bool same = s != NULL && strcmp(s, uid) == 0;

		free(s);
		if (same && o->ents != NULL && att_of(o, r->u->id) != NULL)
			return o;
	}
	return NULL;
}

static bool
invite_read(struct req *r, struct invite *in)
{
	icalcomponent *first;
	icalproperty *p;

	*in = (struct invite){ .text = part_text(r) };
	if (in->text == NULL)
		return false;
	in->root = icalparser_parse_string(in->text);
	in->event = in->root ? icalcomponent_get_first_component(in->root, ICAL_VEVENT_COMPONENT) : NULL;
	first = in->event;
	if (first == NULL || icalcomponent_get_uid(first) == NULL) {
		fail(r, "MSG-0049", json_pack("[s]", "no appointment in this part"));
		return false;
	}
	p = icalcomponent_get_first_property(in->root, ICAL_METHOD_PROPERTY);
	in->method = xstrdup(p ? icalproperty_get_value_as_string(p) : "REQUEST");
	in->uid = xstrdup(icalcomponent_get_uid(first));
	in->known = own_by_uid(r, in->uid);
	return true;
}

static void
invite_end(struct invite *in)
{
	if (in->root != NULL)
		icalcomponent_free(in->root);
	free(in->text);
	free(in->method);
	free(in->uid);
}

/* --- the event as chronos shows it ------------------------------------------------------------ */

static json_t *
person(const struct req *r, icalproperty *p, bool attendee)
{
	const char *uri = icalproperty_get_value_as_string(p);
	const char *mail = strncasecmp(uri, "mailto:", 7) == 0 ? uri + 7 : uri;
	icalparameter *cn = icalproperty_get_first_parameter(p, ICAL_CN_PARAMETER);
	icalparameter *stat = icalproperty_get_first_parameter(p, ICAL_PARTSTAT_PARAMETER);
	icalparameter *rsvp = icalproperty_get_first_parameter(p, ICAL_RSVP_PARAMETER);
	const struct user *u = user_by_mail(r->c, mail);
	json_t *o = json_pack("{s:s,s:s}", "uri", uri, "email", mail);

	if (cn != NULL)
		json_object_set_new(o, "cn", json_string(icalparameter_get_cn(cn)));
	if (u != NULL)
		json_object_set_new(o, "entity", json_integer(u->id));
	if (attendee) {
		json_object_set_new(o, "cuType", json_string("INDIVIDUAL"));
		json_object_set_new(o, "partStat", json_string(stat ?
		    icalparameter_enum_to_string(icalparameter_get_partstat(stat)) : "NEEDS-ACTION"));
		if (rsvp != NULL && icalparameter_get_rsvp(rsvp) == ICAL_RSVP_TRUE)
			json_object_set_new(o, "rsvp", json_true());
	}
	return o;
}

static json_t *
when(icalcomponent *e, icalproperty_kind kind, struct icaltimetype t)
{
	icalproperty *p = icalcomponent_get_first_property(e, kind);
	icalparameter *zone = p ? icalproperty_get_first_parameter(p, ICAL_TZID_PARAMETER) : NULL;
	json_t *o;

	if (p == NULL)
		return json_null();
	o = json_pack("{s:s}", "value", icaltime_as_ical_string(t));
	if (zone != NULL)
		json_object_set_new(o, "tzid", json_string(icalparameter_get_tzid(zone)));
	return o;
}

/* The text of a property, null when it is absent. */
static json_t *
text_of(icalcomponent *e, icalproperty_kind kind)
{
	icalproperty *p = icalcomponent_get_first_property(e, kind);

	return p ? json_string(icalproperty_get_value_as_string(p)) : json_null();
}

static json_t *
attendees(const struct req *r, icalcomponent *e, json_t **mine)
{
	json_t *list = json_array(), *a;
	icalproperty *p;

	*mine = NULL;
	for (p = icalcomponent_get_first_property(e, ICAL_ATTENDEE_PROPERTY); p != NULL;
	    p = icalcomponent_get_next_property(e, ICAL_ATTENDEE_PROPERTY)) {
		a = person(r, p, true);
		json_array_append_new(list, a);
		if (json_integer_value(json_object_get(a, "entity")) == r->u->id)
			*mine = a;
	}
	return list;
}

/* "NEEDS-ACTION" -> "needs_action" */
static json_t *
flag_of(const json_t *attendee)
{
	const char *s = json_string_value(json_object_get(attendee, "partStat"));
	gchar *f = g_ascii_strdown(s ? s : "NEEDS-ACTION", -1);
	json_t *v;

	g_strdelimit(f, "-", '_');
	v = json_string(f);
	g_free(f);
	return v;
}

static json_t *
event_of(const struct req *r, const struct invite *in, json_t **mine)
{
	icalcomponent *e = in->event;
	icalproperty *org = icalcomponent_get_first_property(e, ICAL_ORGANIZER_PROPERTY);
	json_t *o = json_pack("{s:n,s:i,s:s,s:n,s:i,s:i}", "folder", "lastModified", 0, "uid", in->uid,
	    "recurrenceId", "created", 0, "sequence", icalcomponent_get_sequence(e));
	json_t *people = attendees(r, e, mine);

	json_object_set_new(o, "location", text_of(e, ICAL_LOCATION_PROPERTY));
	json_object_set_new(o, "url", text_of(e, ICAL_URL_PROPERTY));
	json_object_set_new(o, "transp", text_of(e, ICAL_TRANSP_PROPERTY));
	json_object_set_new(o, "rrule", text_of(e, ICAL_RRULE_PROPERTY));
	json_object_set_new(o, "summary", text_of(e, ICAL_SUMMARY_PROPERTY));
	json_object_set_new(o, "status", text_of(e, ICAL_STATUS_PROPERTY));
	json_object_set_new(o, "description", text_of(e, ICAL_DESCRIPTION_PROPERTY));
	json_object_set_new(o, "class", text_of(e, ICAL_CLASS_PROPERTY));
	json_object_set_new(o, "startDate", when(e, ICAL_DTSTART_PROPERTY, icalcomponent_get_dtstart(e)));
	json_object_set_new(o, "endDate", when(e, ICAL_DTEND_PROPERTY, icalcomponent_get_dtend(e)));
	json_object_set_new(o, "dtstamp",
	    json_integer((json_int_t)icaltime_as_timet(icalcomponent_get_dtstamp(e)) * 1000));
	json_object_set_new(o, "organizer", org ? person(r, org, false) : json_null());
	json_object_set_new(o, "flags", json_pack("[s,s,o]", "scheduled", "attendee", flag_of(*mine)));
	json_object_set_new(o, "attendees", people);
	return o;
}

/* --- analyze -------------------------------------------------------------------------------------- */

static json_t *
annotations(const struct invite *in, bool partstat)
{
	bool cancel = strcmp(in->method, "CANCEL") == 0;
	json_t *list = json_array();

	json_array_append_new(list, json_pack("{s:s}", "message", cancel ? "The appointment was cancelled." :
	    "You are invited."));
	if (cancel) {
		json_array_append_new(list, json_pack("{s:s}", "message", "It has to be removed by hand."));
	} else if (in->known == NULL) {
		json_array_append_new(list, json_pack("{s:s}", "message", "It has to be added by hand."));
		json_array_append_new(list, partstat ?
		    json_pack("{s:s,s:s}", "message", "You have not answered.", "partStat", "NEEDS-ACTION") :
		    json_pack("{s:s}", "message", "You have not answered."));
	}
	return list;
}

static json_t *
actions(const struct invite *in)
{
	if (strcmp(in->method, "CANCEL") == 0)
		return json_pack("[s]", "apply_remove");
	if (in->known != NULL)
		return json_pack("[s,s,s]", "decline", "tentative", "accept");
	return json_pack("[s,s,s,s]", "apply_create", "decline", "tentative", "accept");
}

static json_t *
analyze_chronos(const struct req *r, const struct invite *in)
{
	bool cancel = strcmp(in->method, "CANCEL") == 0;
	json_t *mine, *event = event_of(r, in, &mine), *o;

	o = json_pack("{s:o,s:[{s:s}],s:o,s:s}", "annotations", annotations(in, true), "changes", "type",
	    cancel ? "DELETE" : in->known ? "UPDATE" : "CREATE", "actions", actions(in), "uid", in->uid);
	if (mine != NULL)
		json_object_set(o, "targetedAttendee", mine);
	json_object_set_new(json_array_get(json_object_get(o, "changes"), 0),
	    cancel ? "deletedEvent" : "newEvent", event);
	return o;
}

/* The OX appointment that the invitation describes, without what only the server knows. */
static json_t *
appointment_of(const struct req *r, const struct invite *in)
{
	struct pim_options opt;
	json_t *o = NULL, *exceptions = NULL;

	pim_options_init(&opt);
	opt.lenient = true;
	opt.timezone = r->u->zone;
	if (pim_ical_event_parse(in->text, strlen(in->text), &opt, &o, &exceptions, NULL, NULL) != PIM_OK)
		o = NULL;
	json_decref(exceptions);
	return o;
}

static json_t *
analyze_calendar(struct req *r, const struct invite *in)
{
	static const char *const keep[] = { "title", "start_date", "end_date", "full_time", "location", "note",
		"recurrence_type", "days", "day_in_month", "month", "interval", "until", "occurrences", "organizer" };
	json_t *from = appointment_of(r, in), *a, *v;
	gchar *method = g_ascii_strdown(in->method, -1);
	size_t i;

	a = json_pack("{s:i,s:i,s:b,s:b,s:i,s:[],s:i,s:s,s:i,s:i,s:i,s:[{s:i,s:i}],s:[{s:i,s:i}],s:s}",
	    "number_of_attachments", 0, "color_label", 0, "private_flag", 1, "full_time", 0, "organizerId", -1,
	    "confirmations", "sequence", icalcomponent_get_sequence(in->event), "uid", in->uid, "shown_as", 0,
	    "recurrence_type", 0, "recurrence_position", 0, "participants", "id", r->u->id, "type", 1, "users",
	    "id", r->u->id, "confirmation", 0, "timezone", tz_name(r->zone));
	for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		if ((v = json_object_get(from, keep[i])) != NULL)
			json_object_set(a, keep[i], v);
	json_decref(from);
	v = json_pack("{s:s,s:s,s:o,s:[{s:s,s:o}],s:o}", "messageType", method, "uid", in->uid, "annotations",
	    annotations(in, false), "changes", "type", strcmp(in->method, "CANCEL") == 0 ? "delete" :
	    in->known ? "update" : "create", "newAppointment", a, "actions", actions(in));
	g_free(method);
	return v;
}

static void
put_json(struct req *r, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);

	sb_str(r->out, text);
	free(text);
	json_decref(v);
}

void
itip_analyze(struct req *r)
{
	struct invite in;

	if (invite_read(r, &in)) {
		put_json(r, json_pack("[o]", strncmp(r->module, "chronos", 7) == 0 ?
		    analyze_chronos(r, &in) : analyze_calendar(r, &in)));
		set_ts(r, sim_now());
	}
	invite_end(&in);
}

/* --- answering -------------------------------------------------------------------------------------- */

static void
set_organizer(struct obj *o, icalcomponent *e)
{
	icalproperty *p = icalcomponent_get_first_property(e, ICAL_ORGANIZER_PROPERTY);
	icalparameter *cn = p ? icalproperty_get_first_parameter(p, ICAL_CN_PARAMETER) : NULL;
	const char *uri = p ? icalproperty_get_value_as_string(p) : "";

	o->organizer = -1;
	obj_set_str(o, fld_by_name(&MI_CALENDAR, "_orgmail"),
	    strncasecmp(uri, "mailto:", 7) == 0 ? uri + 7 : uri);
	if (cn != NULL)
		obj_set_str(o, fld_by_name(&MI_CALENDAR, "_orgname"), icalparameter_get_cn(cn));
}

static struct obj *
store_invite(struct req *r, const struct invite *in)
{
	static const char *const foreign[] = { "participants", "users", "confirmations", "organizer",
		"organizerId", "principal", "principalId" };
	struct folder *f = folder_get(r->c, r->u->f_cal);
	json_t *a = appointment_of(r, in);
	const struct tz *zone = r->zone;
	struct obj *o;
	size_t i;

	if (a == NULL || f == NULL) {
		fail(r, "CAL-4220", NULL);
		json_decref(a);
		return NULL;
	}
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		json_object_del(a, foreign[i]);
	json_object_set_new(a, "participants", json_pack("[{s:i,s:i}]", "id", r->u->id, "type", 1));
	o = xcalloc(1, sizeof(*o));
	o->m = M_CALENDAR;
	o->created_by = o->modified_by = r->u->id;
	set_organizer(o, in->event);
	/* the pim module gives true UTC times */
	r->zone = tz_get("UTC");
	if (cal_apply(r, o, f, a, true)) {
		cal_store(r, o, f, stamp_new(r->c));
	} else {
		obj_free(o);
		o = NULL;
	}
	r->zone = zone;
	json_decref(a);
	return o;
}

/* The stored appointment in the form of the module that was asked. */
static void
put_stored(struct req *r, const struct obj *o)
{
	const struct ent *e;

	for (e = o->ents; e != NULL && e->f->owner != r->u->id; e = e->onext)
		;
	sb_ch(r->out, '[');
	if (e != NULL && strncmp(r->module, "chronos", 7) == 0)
		event_put(r, e, NULL, NULL);
	else if (e != NULL)
		sb_printf(r->out, "{\"folder_id\":\"%d\",\"id\":\"%d\"}", e->f->id, o->id);
	sb_ch(r->out, ']');
}

static void
answer(struct req *r, int conf)
{
	const char *message = arg(r, "message");
	struct attendee *me;
	struct invite in;
	struct obj *o;

	if (invite_read(r, &in)) {
		o = in.known ? in.known : store_invite(r, &in);
		if (o != NULL) {
			me = att_of(o, r->u->id);
			if (me != NULL) {
				me->conf = conf;
				free(me->msg);
				me->msg = message ? xstrdup(message) : NULL;
			}
			if (in.known != NULL)
				obj_touch(r->c, o, r->u->id, stamp_new(r->c));
			put_stored(r, o);
			set_ts(r, sim_now());
		}
	}
	invite_end(&in);
}

void
itip_accept(struct req *r)
{
	answer(r, 1);
}

void
itip_decline(struct req *r)
{
	answer(r, 2);
}

void
itip_tentative(struct req *r)
{
	answer(r, 3);
}

void
itip_create(struct req *r)
{
	answer(r, 0);
}

void
itip_delete(struct req *r)
{
	struct invite in;

	if (invite_read(r, &in)) {
		if (in.known != NULL)
			obj_drop(r->c, in.known, stamp_new(r->c));
		sb_str(r->out, "[]");
		set_ts(r, sim_now());
	}
	invite_end(&in);
}
