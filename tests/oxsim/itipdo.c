/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What itip.c found is done: appointments of others are added, changed, answered and removed, answers and proposals of others taken over.
 * As 8.19, which does not look whether it was done before: apply_create takes an answer back, and each answer is sent (counted, not sent).
 */
#include <stdlib.h>

#include "oxsim/itip.h"

static bool
is(const struct invite *in, const char *method)
{
	return strcmp(in->method, method) == 0;
}

static bool
chronos(const struct req *r)
{
	return strncmp(r->module, "chronos", 7) == 0;
}

static const struct ent *
place(const struct req *r, const struct obj *o)
{
	const struct ent *e;

	for (e = o->ents; e != NULL && e->f->owner != r->u->id; e = e->onext)
		;
	return e;
}

/* The stored appointment in the form of the module that was asked. */
static void
put_stored(struct req *r, const struct obj *o)
{
	const struct ent *e = place(r, o);

	sb_ch(r->out, '[');
	if (e != NULL && chronos(r))
		event_put(r, e, NULL, NULL);
	else if (e != NULL)
		sb_printf(r->out, "{\"folder_id\":%d,\"id\":%d}", e->f->id, o->id);
	sb_ch(r->out, ']');
	set_ts(r, sim_now());
}

/* apply_* answer like a write on events; GONE: the text of the event that was */
static void
put_result(struct req *r, const struct obj *o, const char *which, const char *gone)
{
	static const char *const lists[] = { "created", "updated", "deleted" };
	const struct ent *e = o ? place(r, o) : NULL;
	size_t i;

	sb_ch(r->out, '{');
	for (i = 0; i < 3; i++) {
		sb_printf(r->out, "%s\"%s\":[", i ? "," : "", lists[i]);
		if (strcmp(which, lists[i]) == 0 && gone != NULL)
			sb_str(r->out, gone);
		else if (strcmp(which, lists[i]) == 0 && e != NULL)
			event_put(r, e, NULL, NULL);
		sb_ch(r->out, ']');
	}
	sb_ch(r->out, '}');
	set_ts(r, sim_now());
}

static struct obj *
store_invite(struct req *r, const struct invite *in)
{
	struct obj *o = invite_object(r, in);

	if (o != NULL)
		cal_store(r, o, folder_get(r->c, r->u->f_cal), stamp_new(r->c));
	return o;
}

/* the organizer's new version in place of the old one */
static void
take_over(struct req *r, const struct invite *in)
{
	static const char *const parts[] = { "title", "location", "note", "start_date", "end_date", "full_time" };
	json_t *a = invite_appointment(r, in), *body = json_object();
	struct attendee *me;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (json_object_get(a, parts[i]) != NULL)
			json_object_set(body, parts[i], json_object_get(a, parts[i]));
	json_object_set_new(body, "ignore_conflicts", json_true());
	r->zone = tz_get("UTC");
	if (cal_change(r, in->known, cal_home(in->known), body, NULL) != 0) {
		in->known->sequence = in->sequence;
		if ((me = att_of(in->known, r->u->id)) != NULL)
			me->conf = 0;
	}
	json_decref(a);
	json_decref(body);
}

static void
answer(struct req *r, int conf)
{
	const char *message = arg(r, "message");
	struct attendee *me;
	struct invite in;
	struct obj *o;

	if (invite_read(r, &in)) {
		if (in.known != NULL && in.sequence > in.known->sequence)
			take_over(r, &in);
		o = in.known ? in.known : store_invite(r, &in);
		if (o != NULL && !r->failed) {
			me = att_of(o, r->u->id);
			if (me != NULL) {
				me->conf = conf;
				free(me->msg);
				me->msg = message ? xstrdup(message) : NULL;
			}
			obj_touch(r->c, o, r->u->id, stamp_new(r->c));
			sim_count("mail/reply");
			put_stored(r, o);
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

/* apply_create, apply_change; of the legacy module create, update */
static void
take(struct req *r, const struct invite *in, bool result)
{
	bool made = in->known == NULL;
	struct obj *o = made ? store_invite(r, in) : in->known;

	if (!made)
		take_over(r, in);
	if (o == NULL || r->failed)
		return;
	if (result)
		put_result(r, o, made ? "created" : "updated", NULL);
	else
		put_stored(r, o);
}

static void
take_reply(struct req *r, const struct invite *in, bool result)
{
	struct participant *out;
	struct attendee *at;
	const char *comment;
	int conf;

	invite_sender(r, in, &out, &at, &conf, &comment);
	if (in->known == NULL || (out == NULL && at == NULL)) {
		fail(r, "CAL-4040", json_pack("[s]", in->uid));
		return;
	}
	if (out != NULL) {
		out->conf = conf;
		free(out->msg);
		out->msg = comment ? xstrdup(comment) : NULL;
	} else {
		at->conf = conf;
		free(at->msg);
		at->msg = comment ? xstrdup(comment) : NULL;
	}
	obj_touch(r->c, in->known, r->u->id, stamp_new(r->c));
	if (result)
		put_result(r, in->known, "updated", NULL);
	else
		put_stored(r, in->known);
}

static void
take_away(struct req *r, const struct invite *in, bool result)
{
	size_t mark = r->out->len;
	char *gone;

	if (in->known == NULL) {
		fail(r, "CAL-4040", json_pack("[s]", in->uid));
		return;
	}
	event_put(r, place(r, in->known), NULL, NULL);
	gone = g_strndup(r->out->p + mark, r->out->len - mark);
	r->out->len = mark;
	obj_drop(r->c, in->known, stamp_new(r->c));
	if (result)
		put_result(r, NULL, "deleted", gone);
	else
		sb_str(r->out, "[]");
	set_ts(r, sim_now());
	g_free(gone);
}

static void
take_any(struct req *r, bool result)
{
	struct invite in;

	if (invite_read(r, &in)) {
		if (is(&in, "CANCEL"))
			take_away(r, &in, result);
		else if (is(&in, "REPLY"))
			take_reply(r, &in, result);
		else
			take(r, &in, result);
	}
	invite_end(&in);
}

void
itip_take(struct req *r)
{
	take_any(r, false);
}

void
itip_apply(struct req *r)
{
	take_any(r, true);
}

/* the organizer moves his appointment to where it is proposed to be */
void
itip_proposal(struct req *r)
{
	struct invite in;
	json_t *a, *body;

	if (invite_read(r, &in) && in.known == NULL) {
		fail(r, "CAL-4040", json_pack("[s]", in.uid));
	} else if (!r->failed && in.known->sequence > in.sequence) {
		fail(r, "CAL-4121", json_pack("[i,i,i]", in.known->id, in.sequence, in.known->sequence));
	} else if (!r->failed) {
		a = invite_appointment(r, &in);
		body = json_pack("{s:O,s:O,s:b}", "start_date", json_object_get(a, "start_date"), "end_date", json_object_get(a, "end_date"), "ignore_conflicts", 1);
		r->zone = tz_get("UTC");
		if (cal_change(r, in.known, cal_home(in.known), body, NULL) != 0) {
			parts_tell(r, in.known, false);
			put_stored(r, in.known);
		}
		json_decref(a);
		json_decref(body);
	}
	invite_end(&in);
}

void
itip_refuse(struct req *r)
{
	struct invite in;

	if (invite_read(r, &in)) {
		sim_count("mail/declinecounter");
		sb_str(r->out, "[]");
		set_ts(r, sim_now());
	}
	invite_end(&in);
}
