/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Invitations, answers, cancellations and proposals that came by mail, in the modules chronos/itip and calendar/itip: what there is to be
 * done (itipdo.c does it).  Recorded 14-itip-import-export 4-15; what is not in there, as a real OX 8.19 answered.
 */
#include <stdlib.h>

#include "oxsim/itip.h"
#include "oxsim/mail.h"
#include "oxsim/mimetree.h"
#include "usmd/pim.h"

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

bool
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
	if (first == NULL || icalcomponent_get_uid(first) == NULL) { /* as a real OX 8.19 answered */
		fail(r, first == NULL ? "ICAL-0007" : "CAL-5000", NULL);
		return false;
	}
	p = icalcomponent_get_first_property(in->root, ICAL_METHOD_PROPERTY);
	in->method = xstrdup(p ? icalproperty_get_value_as_string(p) : "REQUEST");
	in->uid = xstrdup(icalcomponent_get_uid(first));
	in->known = own_by_uid(r, in->uid);
	in->sequence = icalcomponent_get_sequence(first);
	return true;
}

void
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

/* --- what it is about ------------------------------------------------------------------------------ */

json_t *
invite_appointment(const struct req *r, const struct invite *in)
{
	struct pim_options opt;
	json_t *o = NULL, *exceptions = NULL;
	gchar **half = g_strsplit(in->text, "\nMETHOD:", 2), *text;

	/* pim takes no message about an object for the object: without its method it is one */
	text = half[0] && half[1] ? g_strconcat(half[0], "\nX-METHOD:", half[1], NULL) : g_strdup(in->text);
	pim_options_init(&opt);
	opt.lenient = true;
	opt.timezone = r->u->zone;
	if (pim_ical_event_parse(text, strlen(text), &opt, &o, &exceptions, NULL, NULL) != PIM_OK)
		o = NULL;
	json_decref(exceptions);
	g_strfreev(half);
	g_free(text);
	return o;
}

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

struct obj *
invite_object(struct req *r, const struct invite *in)
{
	static const char *const foreign[] = { "participants", "users", "confirmations", "organizer",
		"organizerId", "principal", "principalId" };
	struct folder *f = folder_get(r->c, r->u->f_cal);
	json_t *a = invite_appointment(r, in);
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
	if (!cal_apply(r, o, f, a, true)) {
		obj_free(o);
		o = NULL;
	} else {
		o->sequence = in->sequence;
	}
	r->zone = zone;
	json_decref(a);
	return o;
}

static int
partstat(icalproperty *p)
{
	icalparameter *stat = icalproperty_get_first_parameter(p, ICAL_PARTSTAT_PARAMETER);

	switch (stat ? icalparameter_get_partstat(stat) : ICAL_PARTSTAT_NEEDSACTION) {
	case ICAL_PARTSTAT_ACCEPTED: return 1;
	case ICAL_PARTSTAT_DECLINED: return 2;
	case ICAL_PARTSTAT_TENTATIVE: return 3;
	default: return 0;
	}
}

void
invite_sender(const struct req *r, const struct invite *in, struct participant **outside, struct attendee **inside, int *conf, const char **comment)
{
	icalproperty *p = icalcomponent_get_first_property(in->event, ICAL_ATTENDEE_PROPERTY);
	icalproperty *c = icalcomponent_get_first_property(in->event, ICAL_COMMENT_PROPERTY);
	const char *uri = p ? icalproperty_get_attendee(p) : "", *mail = strncasecmp(uri, "mailto:", 7) == 0 ? uri + 7 : uri;
	const struct user *u = user_by_mail(r->c, mail);
	int i;

	*outside = NULL;
	*inside = in->known && u ? att_of(in->known, u->id) : NULL;
	*conf = p ? partstat(p) : 0;
	*comment = c ? icalproperty_get_comment(c) : NULL;
	for (i = 0; in->known != NULL && i < in->known->npart; i++)
		if (in->known->part[i].type == PT_EXTERNAL && g_ascii_strcasecmp(in->known->part[i].mail, mail) == 0)
			*outside = &in->known->part[i];
}

bool
invite_time_only(const struct invite *in)
{
	icalproperty *p;
	char *title = in->known ? obj_str(in->known, CF(CF_TITLE)) : NULL;
	bool same = title != NULL && icalcomponent_get_summary(in->event) != NULL && strcmp(title, icalcomponent_get_summary(in->event)) == 0;

	free(title);
	for (p = icalcomponent_get_first_property(in->event, ICAL_X_PROPERTY); p != NULL; p = icalcomponent_get_next_property(in->event, ICAL_X_PROPERTY))
		if (strcmp(icalproperty_get_x_name(p), "X-MS-OLK-ORIGINALSTART") == 0)
			return true;
	return same;
}

/* --- analyze -------------------------------------------------------------------------------------- */

static void
note(json_t *list, const char *message)
{
	json_array_append_new(list, json_pack("{s:s}", "message", message));
}

static bool
is(const struct invite *in, const char *method)
{
	return strcmp(in->method, method) == 0;
}

/* the mail has what is not stored yet */
static bool
newer(const struct invite *in)
{
	return in->known != NULL && in->sequence > in->known->sequence;
}

static json_t *
of_request(const struct invite *in, bool clash, bool partstat, json_t *notes)
{
	const char *accept = clash ? "accept_and_ignore_conflicts" : "accept";

	note(notes, "You are invited.");
	if (in->known == NULL)
		note(notes, "It has to be added by hand.");
	if (partstat)
		json_array_append_new(notes, json_pack("{s:s,s:s}", "message", "Your answer.", "partStat", "NEEDS-ACTION"));
	else
		note(notes, "Your answer.");
	if (in->known == NULL)
		return json_pack("[s,s,s,s]", "apply_create", "decline", "tentative", accept);
	return newer(in) ? json_pack("[s,s,s,s]", "apply_change", "decline", "tentative", accept) : json_pack("[s,s,s]", "decline", "tentative", accept);
}

static json_t *
of_reply(const struct req *r, const struct invite *in, json_t *notes)
{
	struct participant *out;
	struct attendee *at;
	const char *comment, *msg;
	int conf;

	invite_sender(r, in, &out, &at, &conf, &comment);
	note(notes, "Somebody has answered.");
	if (in->known == NULL)
		return json_pack("[s]", "ignore");
	if (out == NULL && at == NULL)
		return json_pack("[s,s]", "ignore", "accept_party_crasher");
	msg = out ? out->msg : at->msg;
	if ((out ? out->conf : at->conf) == conf && strcmp(msg ? msg : "", comment ? comment : "") == 0)
		return NULL;
	return json_pack("[s]", "apply_response");
}

static json_t *
of_counter(const struct invite *in, json_t *notes)
{
	note(notes, "Somebody proposes something else.");
	if (in->known == NULL)
		return json_pack("[s]", "ignore");
	if (in->known->sequence > in->sequence || !invite_time_only(in))
		return json_pack("[s,s]", "ignore", "declinecounter");
	return json_pack("[s,s,s]", "ignore", "apply_proposal", "declinecounter");
}

/* NULL: nothing to do, the member is left out */
static json_t *
actions(const struct req *r, const struct invite *in, bool clash, bool partstat, json_t *notes)
{
	if (is(in, "CANCEL")) {
		note(notes, "The appointment was cancelled.");
		note(notes, in->known ? "It has to be removed by hand." : "It was removed.");
		return in->known ? json_pack("[s]", "apply_remove") : NULL;
	}
	if (is(in, "REPLY"))
		return of_reply(r, in, notes);
	return is(in, "COUNTER") ? of_counter(in, notes) : of_request(in, clash, partstat, notes);
}

static const char *
type_of(const struct invite *in)
{
	if (is(in, "CANCEL"))
		return "DELETE";
	return is(in, "REPLY") || is(in, "COUNTER") || newer(in) ? "UPDATE" : "CREATE";
}

/* what was written since the mark, taken back */
static json_t *
captured(struct req *r, size_t mark)
{
	json_t *v = json_loadb(r->out->p + mark, r->out->len - mark, JSON_REJECT_DUPLICATES, NULL);

	r->out->len = mark;
	return v;
}

/* in the form of the module that is asked; NULL: it collides with nothing */
static json_t *
clashes(struct req *r, const struct invite *in, bool chronos)
{
	struct obj *o = is(in, "REQUEST") && (in->known == NULL || newer(in)) ? invite_object(r, in) : NULL;
	json_t *all = NULL, *list = NULL;

	if (o != NULL) { /* the organizer outside counts as somebody to meet: alone, nobody collides */
		o->att = xrealloc(o->att, sizeof(*o->att) * (size_t)(o->natt + 1));
		o->att[o->natt++] = (struct attendee){ .id = -1, .alarm = -1 };
	}
	if (o != NULL && (chronos ? event_conflicts(r, o, true) : cal_conflicts(r, o, false)))
		all = captured(r, r->mark);
	list = json_incref(json_object_get(all, "conflicts"));
	json_decref(all);
	if (o != NULL)
		obj_free(o);
	return list;
}

static const struct ent *
own_ent(const struct req *r, const struct obj *o)
{
	const struct ent *e;

	for (e = o->ents; e != NULL && e->f->owner != r->u->id; e = e->onext)
		;
	return e;
}

/* as stored; only with a REQUEST */
static json_t *
current(struct req *r, const struct invite *in, bool chronos)
{
	const struct ent *e = in->known && is(in, "REQUEST") ? own_ent(r, in->known) : NULL;
	size_t mark = r->out->len;
	json_t *o, *users;
	char *title;

	if (e == NULL)
		return NULL;
	if (chronos) {
		event_put(r, e, NULL, NULL);
		return captured(r, mark);
	}
	users_emit(r->out, in->known);
	users = captured(r, mark);
	title = obj_str(in->known, CF(CF_TITLE));
	o = json_pack("{s:i,s:i,s:s,s:I,s:I,s:b,s:o}", "id", in->known->id, "folder_id", e->f->id, "title", title ? title : "", "start_date",
	    (json_int_t)cal_start(in->known), "end_date", (json_int_t)cal_end(in->known), "full_time", cal_full(in->known), "users", users);
	free(title);
	return o;
}

static void
set(json_t *o, const char *key, json_t *v)
{
	if (v != NULL)
		json_object_set_new(o, key, v);
}

static json_t *
analyze_chronos(struct req *r, const struct invite *in)
{
	json_t *mine, *clash = clashes(r, in, true), *event = event_of(r, in, &mine), *notes = json_array();
	json_t *change = json_pack("{s:s}", "type", type_of(in)), *o;

	set(change, is(in, "CANCEL") ? "deletedEvent" : "newEvent", event);
	set(change, "currentEvent", current(r, in, true));
	o = json_pack("{s:o,s:[o],s:s}", "annotations", notes, "changes", change, "uid", in->uid);
	set(o, "actions", actions(r, in, clash != NULL, true, notes));
	if (mine != NULL && !is(in, "REPLY") && !is(in, "COUNTER"))
		json_object_set(o, "targetedAttendee", mine);
	set(change, "conflicts", clash);
	return o;
}

static json_t *
analyze_calendar(struct req *r, const struct invite *in)
{
	static const char *const keep[] = { "title", "start_date", "end_date", "full_time", "location", "note",
		"recurrence_type", "days", "day_in_month", "month", "interval", "until", "occurrences", "organizer" };
	json_t *clash = clashes(r, in, false), *from = invite_appointment(r, in), *a, *v, *change, *notes = json_array();
	gchar *method = g_ascii_strdown(in->method, -1), *type = g_ascii_strdown(type_of(in), -1);
	size_t i;

	a = json_pack("{s:i,s:i,s:b,s:b,s:i,s:[],s:i,s:s,s:i,s:i,s:i,s:[{s:i,s:i}],s:[{s:i,s:i}],s:s}",
	    "number_of_attachments", 0, "color_label", 0, "private_flag", 1, "full_time", 0, "organizerId", -1,
	    "confirmations", "sequence", in->sequence, "uid", in->uid, "shown_as", 0,
	    "recurrence_type", 0, "recurrence_position", 0, "participants", "id", r->u->id, "type", 1, "users",
	    "id", r->u->id, "confirmation", 0, "timezone", tz_name(r->zone));
	for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		if ((v = json_object_get(from, keep[i])) != NULL)
			json_object_set(a, keep[i], v);
	json_decref(from);
	change = json_pack("{s:s,s:o}", "type", type, is(in, "CANCEL") ? "deletedAppointment" : "newAppointment", a);
	set(change, "currentAppointment", current(r, in, false));
	v = json_pack("{s:s,s:s,s:o,s:[o]}", "messageType", method, "uid", in->uid, "annotations", notes, "changes", change);
	set(v, "actions", actions(r, in, clash != NULL, false, notes));
	set(change, "conflicts", clash);
	g_free(method);
	g_free(type);
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
