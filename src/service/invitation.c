/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Invitations that came as mail.  OX does what is to be done; here is which part of the mail it is about, what is still to be done - OX would do a
 * second time what is done already: answer the organizer again, or forget an answer (apply_create, 8.19) - and who has to be told.
 */
#include "service/service_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PART_MAX ((size_t)1024 * 1024) /* of an iCalendar part whose method its type does not tell */

static const char *const methods[ITIP_METHODS] = { "", "REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER", "REFRESH", "ADD", "PUBLISH" };

/* Each action: OX's names for it, those of 7.10 and before last, and the methods of mails that it is for. */
static const struct {
	const char *ox[3];
	unsigned methods;
} actions[ITIP_ACTIONS] = {
#define M(x) (1u << (x))
	[ITIP_ACCEPT] = { { "accept", "accept_and_ignore_conflicts", NULL }, M(ITIP_REQUEST) | M(ITIP_ADD) },
	[ITIP_TENTATIVE] = { { "tentative", NULL, NULL }, M(ITIP_REQUEST) | M(ITIP_ADD) },
	[ITIP_DECLINE] = { { "decline", NULL, NULL }, M(ITIP_REQUEST) | M(ITIP_ADD) },
	[ITIP_CREATE] = { { "apply_create", "create", NULL }, M(ITIP_REQUEST) | M(ITIP_ADD) | M(ITIP_PUBLISH) },
	[ITIP_UPDATE] = { { "apply_change", "update", NULL }, M(ITIP_REQUEST) | M(ITIP_ADD) | M(ITIP_PUBLISH) },
	[ITIP_REMOVE] = { { "apply_remove", "delete", NULL }, M(ITIP_CANCEL) },
	[ITIP_APPLY_REPLY] = { { "apply_response", "update", NULL }, M(ITIP_REPLY) },
	[ITIP_ADD_PARTICIPANT] = { { "accept_party_crasher", NULL, NULL }, M(ITIP_REPLY) },
	[ITIP_ACCEPT_PROPOSAL] = { { "apply_proposal", "update", NULL }, M(ITIP_COUNTER) },
	[ITIP_DECLINE_PROPOSAL] = { { "declinecounter", NULL, NULL }, M(ITIP_COUNTER) },
};

/* ---- the part ---- */

static enum service_itip_method
method_named(const char *s, size_t n)
{
	for (int m = ITIP_REQUEST; m < ITIP_METHODS; m++)
		if (strlen(methods[m]) == n && strncasecmp(s, methods[m], n) == 0)
			return (enum service_itip_method)m;
	return ITIP_NONE;
}

static bool
is_calendar(const struct ox_mail_part *p)
{
	static const char *const types[] = { "text/calendar", "application/ics" };

	for (size_t i = 0; p->content_type != NULL && i < ARRAY_LEN(types); i++)
		if (strncasecmp(p->content_type, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

/* "text/calendar; method=REQUEST" */
static enum service_itip_method
method_of_type(const char *type)
{
	for (const char *p = strchr(type, ';'); p != NULL; p = strchr(p, ';')) {
		p += 1 + strspn(p + 1, " \t");
		if (strncasecmp(p, "method=", 7) == 0) {
			p += 7;
			p += *p == '"';
			return method_named(p, strcspn(p, "\"; \t"));
		}
	}
	return ITIP_NONE;
}

static enum service_itip_method
method_of_octets(const struct buf *b)
{
	const char *p = b->p, *end = b->p != NULL ? b->p + b->len : NULL;

	while (p != NULL && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl != NULL ? (size_t)(nl - p) : (size_t)(end - p);

		if (n > 0 && p[n - 1] == '\r')
			n--;
		if (n > 7 && strncasecmp(p, "METHOD:", 7) == 0)
			return method_named(p + 7, n - 7);
		if (n >= 6 && strncasecmp(p, "BEGIN:V", 7) == 0 && !(n == 15 && strncasecmp(p, "BEGIN:VCALENDAR", 15) == 0))
			return ITIP_NONE; /* the calendar's own properties end here */
		p = nl != NULL ? nl + 1 : NULL;
	}
	return ITIP_NONE;
}

/* A part that says by its type what it is goes before one that must be read: mails often have both, the same twice. */
static enum rc
find_part(struct engine_session *s, struct arena *a, const struct engine_place *at, struct ox_itip_mail *m, enum service_itip_method *method, struct err *e)
{
	struct ox_mail_body body;
	enum rc rc = ox_mail_body(engine_session_ox(s), a, at->folder, at->id, at->oxid, &body, e);

	*method = ITIP_NONE;
	for (int by_type = 1; rc == RC_OK && by_type >= 0 && *method == ITIP_NONE; by_type--)
		for (size_t i = 0; rc == RC_OK && i < body.n_parts && *method == ITIP_NONE; i++) {
			const struct ox_mail_part *p = &body.part[i];
			struct buf octets;

			if (!is_calendar(p))
				continue;
			m->part = p->id;
			*method = method_of_type(p->content_type);
			if (*method != ITIP_NONE || by_type == 1)
				continue;
			buf_init(&octets, PART_MAX);
			rc = ox_mail_part(engine_session_ox(s), at->folder, at->id, at->oxid, p->id, &octets, e);
			if (rc == RC_OK)
				*method = method_of_octets(&octets);
			if (rc == RC_LIMIT)
				rc = RC_OK;
			buf_fini(&octets);
		}
	if (rc == RC_OK && *method == ITIP_NONE)
		rc = err_set_path(e, RC_NOTFOUND, "uuid", "is a mail without an invitation, or an answer to one");
	return rc;
}

/* ---- what can be done ---- */

/* OX's name of ACTION, as it offers it for X; NULL = it does not. */
static const char *
offered(const struct service_invitation *x, enum service_itip_action action)
{
	if ((actions[action].methods & M(x->method)) == 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(actions[action].ox) && actions[action].ox[i] != NULL; i++)
		if (ox_itip_can(&x->x, actions[action].ox[i]))
			return actions[action].ox[i];
	return NULL;
}

static enum rc
look(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct ox_itip_mail *m, struct service_invitation *out,
    struct err *e)
{
	struct engine_place at;
	enum rc rc = engine_place_of(s, a, folder, mail, &at, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK && at.ct != CT_MAIL)
		rc = err_set_path(e, RC_PROTO, "folder", "holds no mail");
	if (rc == RC_OK) {
		m->folder = at.folder;
		m->id = at.oxid != NULL ? at.oxid : arena_printf(a, "%" PRId64, at.id);
		rc = m->id != NULL ? find_part(s, a, &at, m, &out->method, e) : err_set(e, RC_NOMEM, "out of memory for an invitation");
	}
	if (rc == RC_OK)
		rc = ox_itip_analyze(engine_session_ox(s), a, m, &out->x, e);
	if (rc != RC_OK)
		return service_absent(rc, e);
	out->part = m->part;
	for (int i = 0; i < ITIP_ACTIONS; i++)
		out->can[i] = offered(out, (enum service_itip_action)i) != NULL;
	out->collides = out->can[ITIP_ACCEPT] && !ox_itip_can(&out->x, "accept");
	return RC_OK;
}

enum rc
service_invitation_get(struct engine_session *s, struct arena *a, const struct uuid *folder, const struct uuid *mail, struct service_invitation *out, struct err *e)
{
	struct ox_itip_mail m;
	struct err why;
	enum rc rc = look(s, a, folder, mail, &m, out, e);

	for (size_t i = 0; rc == RC_OK && i < out->x.n_changes; i++)
		if (out->x.change[i].id != 0 && engine_touched(s, a, CT_CALENDAR, out->x.change[i].folder, out->x.change[i].id, &out->at[i], &why) != RC_OK)
			log_info("invitation-folder", "%s", why.text); /* what it is called is known all the same */
	return rc;
}

void
service_invitation_done(struct service_invitation *x)
{
	ox_itip_done(&x->x);
}

/* ---- doing it ---- */

struct applying {
	struct engine_session *s;
	struct arena *a;
	const struct service_invitation_request *r;
	struct ox_itip_mail m;
	struct service_invitation x;
	struct object *stored;      /* the appointment, or the series; NULL = none that the user has */
};

static bool
answers(enum service_itip_action action)
{
	return action == ITIP_ACCEPT || action == ITIP_TENTATIVE || action == ITIP_DECLINE;
}

/* OX holds this very answer, to what the mail has. */
static bool
answered_so(const struct applying *p)
{
	static const enum ox_confirmation is[] = { [ITIP_ACCEPT] = OX_ACCEPT, [ITIP_TENTATIVE] = OX_TENTATIVE, [ITIP_DECLINE] = OX_DECLINE };
	const struct ox_itip *x = &p->x.x;

	if (p->x.can[ITIP_CREATE] || p->x.can[ITIP_UPDATE] || x->n_changes == 0)
		return false;
	for (size_t i = 0; i < x->n_changes; i++)
		if (x->change[i].id == 0 || x->change[i].confirmation != (int)is[p->r->action] || strcmp(x->change[i].message, p->r->message) != 0)
			return false;
	return true;
}

static int64_t
time_of(const struct object *o, const char *field)
{
	return object_get_i64(o, (unsigned)model_field(model_content(CT_CALENDAR), field), 0);
}

/* The appointment is where the proposal would have it. */
static bool
moved_so(const struct applying *p)
{
	const json_t *then = p->x.x.n_changes > 0 ? p->x.x.change[0].then : NULL;

	return p->stored != NULL && then != NULL && json_integer_value(json_object_get(then, "start_date")) == time_of(p->stored, "start_date") &&
	    json_integer_value(json_object_get(then, "end_date")) == time_of(p->stored, "end_date");
}

/* What OX does not offer may be done already. */
static bool
done_before(const struct applying *p)
{
	switch (p->r->action) {
	case ITIP_CREATE:
	case ITIP_UPDATE:
		return p->stored != NULL && !p->x.can[ITIP_CREATE] && !p->x.can[ITIP_UPDATE];
	case ITIP_REMOVE:
		return p->stored == NULL;
	case ITIP_APPLY_REPLY:
	case ITIP_ADD_PARTICIPANT:
		return p->stored != NULL && !p->x.can[ITIP_APPLY_REPLY] && !p->x.can[ITIP_ADD_PARTICIPANT];
	case ITIP_ACCEPT_PROPOSAL:
		return moved_so(p);
	default:
		return false;
	}
}

static enum rc
impossible(struct err *e)
{
	return err_set_path(e, RC_PROTO, "action", "is not possible for this mail (any more); analyzeInvitation tells what is");
}

static enum rc
find_stored(struct applying *p, struct err *e)
{
	enum rc rc = p->x.x.uid[0] != '\0' ? ox_find_uid(engine_session_ox(p->s), p->a, CT_CALENDAR, p->x.x.uid, &p->stored, e) : RC_NOTFOUND;

	return rc == RC_NOTFOUND || rc == RC_FORBIDDEN ? RC_OK : rc;
}

/* Each appointment once; the folder of one that went has to be looked at as well. */
static void
tell(struct applying *p, const char *folder, int64_t id, bool gone, struct service_invitation_answer *out)
{
	struct engine_touched t;
	struct err e;

	if (engine_touched(p->s, p->a, CT_CALENDAR, folder, id, &t, &e) != RC_OK)
		log_info("invitation-folder", "%s", e.text); /* done it is; the folder's next look finds it */
	for (size_t i = 0; i < out->n; i++)
		if (memcmp(&out->v[i].uuid, &t.uuid, sizeof(t.uuid)) == 0)
			return;
	if (t.known && !gone)
		out->v[out->n++] = t;
}

static enum rc
apply(struct applying *p, const char *action, struct service_invitation_answer *out, struct err *e)
{
	struct ox_itip_touched *touched = NULL;
	bool removes = p->r->action == ITIP_REMOVE;
	size_t n = 0;
	enum rc rc = ox_itip_apply(engine_session_ox(p->s), p->a, &p->m, &p->x.x, action, p->r->message, &touched, &n, e);

	if (removes && rc == RC_NOTFOUND) /* somebody else was faster */
		rc = RC_OK;
	if (rc == RC_CONFLICT)
		rc = err_set_path(e, RC_PROTO, "uuid", "there is a newer version of the appointment; analyze the mail again");
	if (rc != RC_OK)
		return service_absent(rc, e);
	out->changed = true;
	out->v = arena_array(p->a, struct engine_touched, n + 1);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an invitation");
	for (size_t i = 0; i < n; i++)
		tell(p, touched[i].folder, touched[i].id, touched[i].deleted, out);
	if (n == 0 && p->stored != NULL && p->stored->folder != NULL)
		tell(p, p->stored->folder, p->stored->id, removes, out);
	return RC_OK;
}

/* As it is already. */
static enum rc
nothing_to_do(struct applying *p, struct service_invitation_answer *out, struct err *e)
{
	out->v = arena_array(p->a, struct engine_touched, 1);
	if (out->v == NULL)
		return err_set(e, RC_NOMEM, "out of memory for an invitation");
	if (p->stored != NULL && p->stored->folder != NULL)
		tell(p, p->stored->folder, p->stored->id, false, out);
	return RC_OK;
}

static enum rc
decide(struct applying *p, struct service_invitation_answer *out, struct err *e)
{
	const char *action = offered(&p->x, p->r->action);
	enum rc rc;

	if ((actions[p->r->action].methods & M(p->x.method)) == 0)
		return impossible(e);
	rc = find_stored(p, e);
	if (rc != RC_OK)
		return service_absent(rc, e);
	if (answers(p->r->action) ? answered_so(p) : action == NULL && done_before(p))
		return nothing_to_do(p, out, e);
	if (action == NULL)
		return impossible(e);
	if (p->r->action == ITIP_ACCEPT && p->x.collides && !p->r->ignore_conflicts) {
		rc = err_set_path(e, RC_PROTO, "ignoreConflicts", "the appointment collides with others, see analyzeInvitation: accept it in spite of that, or decline");
		(void)snprintf(e->code, sizeof(e->code), "%s", OX_CONFLICTS);
		return rc;
	}
	return apply(p, action, out, e);
}

enum rc
service_invitation_apply(struct engine_session *s, struct arena *a, const struct service_invitation_request *r, struct service_invitation_answer *out, struct err *e)
{
	struct applying p = { .s = s, .a = a, .r = r };
	enum rc rc = look(s, a, &r->folder, &r->mail, &p.m, &p.x, e);

	memset(out, 0, sizeof(*out));
	if (rc == RC_OK)
		rc = decide(&p, out, e);
	object_drop(p.stored);
	service_invitation_done(&p.x);
	return rc;
}
