/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ATTENDEE and ORGANIZER to and from participants, users, confirmations and
 * organizer.  OX says who takes part in one array and what they answered in two
 * others; an ATTENDEE line holds both, X-OX-ID and X-OX-TYPE say who it is in OX.
 * People whom no ATTENDEE stands for (members of an invited group) are written as
 * X-OX-USER and X-OX-CONFIRMATION.
 */
#include "ical_int.h"

#include <stdlib.h>
#include <string.h>

static const char *const partstats[] = { "NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE" };

/* OX's confirmation of a PARTSTAT; DELEGATED and the like count as undecided. */
static int
confirmation_of(const char *partstat)
{
	int i;

	for (i = 1; i < 4; i++) {
		if (pim_same(partstats[i], partstat))
			return i;
	}
	return 0;
}

static json_t *
array_of(json_t *o, const char *field)
{
	json_t *a = json_object_get(o, field);

	if (a == NULL && json_object_set_new(o, field, json_array()) == 0)
		a = json_object_get(o, field);
	return a;
}

/* What the line says of a person: display_name, mail; the id if FIELD_ID. */
static enum pim_rc
person(struct ical_ctx *x, const struct pim_line *l, bool with_mail, json_t *p)
{
	const char *cn = pim_param(l, "CN"), *id = pim_param(l, "X-OX-ID");
	char *mail = pim_mail_of_uri(l->value);
	enum pim_rc rc = PIM_OK;
	int64_t n;

	if (mail == NULL)
		return PIM_NOMEM;
	if (with_mail && strncmp(mail, "urn:x-ox:", 9) != 0)
		rc = pim_set_text(x->c, p, "mail", mail, 256);
	if (rc == PIM_OK && cn != NULL)
		rc = pim_set_text(x->c, p, "display_name", cn, 320);
	if (rc == PIM_OK && id != NULL && pim_int_parse(id, INT32_MIN, INT32_MAX, &n))
		rc = pim_set_new(x->c, p, "id", json_integer(n));
	free(mail);
	return rc;
}

/* The answer of a person, under the names that the array uses. */
static enum pim_rc
answer(struct ical_ctx *x, const struct pim_line *l, const char *status, const char *message, json_t *p)
{
	const char *ps = pim_param(l, "PARTSTAT"), *text = pim_param(l, "X-OX-MESSAGE");
	enum pim_rc rc = PIM_OK;

	if (ps != NULL)
		rc = pim_set_new(x->c, p, status, json_integer(confirmation_of(ps)));
	if (rc == PIM_OK && text != NULL)
		rc = pim_set_text(x->c, p, message, text, 0);
	return rc;
}

static enum pim_rc
user_add(struct ical_ctx *x, const struct pim_line *l, json_t *o)
{
	json_t *u = json_object(), *users = array_of(o, "users");
	const char *id = pim_param(l, "X-OX-ID"), *cn = pim_param(l, "CN");
	enum pim_rc rc = u != NULL && users != NULL ? PIM_OK : PIM_NOMEM;
	int64_t n;

	if (rc == PIM_OK && id != NULL && pim_int_parse(id, INT32_MIN, INT32_MAX, &n))
		rc = pim_set_new(x->c, u, "id", json_integer(n));
	if (rc == PIM_OK && cn != NULL)
		rc = pim_set_text(x->c, u, "display_name", cn, 320);
	if (rc == PIM_OK)
		rc = answer(x, l, "confirmation", "confirmmessage", u);
	if (rc == PIM_OK && json_array_append(users, u) != 0)
		rc = PIM_NOMEM;
	json_decref(u);
	return rc;
}

static enum pim_rc
confirmation_add(struct ical_ctx *x, const struct pim_line *l, json_t *o)
{
	json_t *p = json_object(), *list = array_of(o, "confirmations");
	const char *type = pim_param(l, "X-OX-TYPE");
	enum pim_rc rc = p != NULL && list != NULL ? PIM_OK : PIM_NOMEM;
	int64_t n = 5;

	if (type != NULL)
		pim_int_parse(type, 1, 5, &n);
	if (rc == PIM_OK)
		rc = pim_set_new(x->c, p, "type", json_integer(n));
	if (rc == PIM_OK)
		rc = person(x, l, true, p);
	if (rc == PIM_OK)
		rc = answer(x, l, "status", "message", p);
	if (rc == PIM_OK && json_array_append(list, p) != 0)
		rc = PIM_NOMEM;
	json_decref(p);
	return rc;
}

static enum pim_rc
attendee_add(struct ical_ctx *x, const struct pim_line *l, json_t *o)
{
	json_t *p = json_object(), *list;
	const char *type = pim_param(l, "X-OX-TYPE"), *mail;
	enum pim_rc rc = p != NULL ? PIM_OK : PIM_NOMEM;
	int64_t n = 5;

	if (type != NULL)
		pim_int_parse(type, 1, 5, &n);
	if (rc == PIM_OK)
		rc = pim_set_new(x->c, p, "type", json_integer(n));
	if (rc == PIM_OK)
		rc = person(x, l, true, p);
	mail = pim_get_text(p, "mail");
	if (rc == PIM_OK && n == 5 && type == NULL && (mail == NULL || strchr(mail, '@') == NULL)) {
		pim_note(x->c, PIM_PROBLEM_DROPPED, "line %zu: the attendee \"%.80s\" has no mail address",
		         l->lineno, l->value);
		json_decref(p);
		return PIM_OK;
	}
	list = rc == PIM_OK ? array_of(o, "participants") : NULL;
	if (rc == PIM_OK && list == NULL)
		rc = PIM_NOMEM;
	if (rc == PIM_OK && json_array_append(list, p) != 0)
		rc = PIM_NOMEM;
	json_decref(p);
	if (rc == PIM_OK && pim_param_has(l, "X-OX-USER", "1"))
		rc = user_add(x, l, o);
	else if (rc == PIM_OK && n == 5 && pim_param(l, "PARTSTAT") != NULL)
		rc = confirmation_add(x, l, o);
	return rc;
}

static enum pim_rc
organizer_parse(struct ical_ctx *x, struct pim_line *l, json_t *o)
{
	const char *sent_by = pim_param(l, "SENT-BY");
	char *mail = pim_mail_of_uri(l->value), *by = sent_by == NULL ? NULL : pim_mail_of_uri(sent_by);
	enum pim_rc rc = mail == NULL || (sent_by != NULL && by == NULL) ? PIM_NOMEM : PIM_OK;

	if (rc == PIM_OK && json_object_get(o, "organizer") == NULL)
		rc = pim_set_text(x->c, o, "organizer", mail, 255);
	if (rc == PIM_OK && by != NULL && json_object_get(o, "principal") == NULL)
		rc = pim_set_text(x->c, o, "principal", by, 255);
	free(mail);
	free(by);
	return rc;
}

enum pim_rc
ical_people_parse(struct ical_ctx *x, struct pim_comp *k, json_t *o)
{
	struct pim_line *l;
	enum pim_rc rc = PIM_OK;
	size_t n = 0;

	for (l = k->lines; l != NULL && rc == PIM_OK; l = l->next) {
		bool attendee = strcmp(l->name, "ATTENDEE") == 0, user = strcmp(l->name, "X-OX-USER") == 0;
		bool conf = strcmp(l->name, "X-OX-CONFIRMATION") == 0;

		if (strcmp(l->name, "ORGANIZER") == 0) {
			l->used = true;
			rc = organizer_parse(x, l, o);
		}
		if (!attendee && !user && !conf)
			continue;
		l->used = true;
		if (++n > x->c->opt->max_members)
			return pim_fail(x->c, PIM_LIMIT, "more than %zu attendees", x->c->opt->max_members);
		rc = attendee ? attendee_add(x, l, o) : user ? user_add(x, l, o) : confirmation_add(x, l, o);
	}
	if (rc == PIM_OK)
		rc = ical_int_parse(x, k, "organizerId", "X-OX-ORGANIZERID", INT32_MIN, INT32_MAX, o);
	if (rc == PIM_OK)
		rc = ical_int_parse(x, k, "principalId", "X-OX-PRINCIPALID", INT32_MIN, INT32_MAX, o);
	return rc;
}

static bool
same_text(const json_t *a, const json_t *b, const char *field)
{
	const char *x = pim_get_text(a, field), *y = pim_get_text(b, field);

	return x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
}

/* The entry of LIST that answers for participant P and is not USED yet; its index or -1. */
static int
answer_find(const json_t *list, const bool *used, const json_t *p, bool users)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const json_t *a = json_array_get(list, i);

		if (used[i] || !same_text(a, p, "display_name"))
			continue;
		if (users ? json_equal(json_object_get(a, "id"), json_object_get(p, "id")) :
		    same_text(a, p, "mail") && json_equal(json_object_get(a, "type"), json_object_get(p, "type")) &&
		    json_is_integer(json_object_get(a, "status")) &&
		    json_object_get(a, "id") == NULL && json_object_get(p, "id") == NULL)
			return (int)i;
	}
	return -1;
}

/* ;PARTSTAT= ;X-OX-MESSAGE= of an answer. */
static enum pim_rc
answer_put(struct pim_ctx *c, const json_t *a, const char *status, const char *message, struct pim_buf *head)
{
	int64_t n;

	if (pim_want(c, a, status, JSON_INTEGER) != PIM_OK || pim_want(c, a, message, JSON_STRING) != PIM_OK)
		return PIM_REFUSED;
	if (pim_get_int(a, status, &n)) {
		if (n < 0 || n > 3)
			return pim_fail(c, PIM_REFUSED, "%s %lld is not 0 to 3", status, (long long)n);
		pim_buf_printf(head, ";PARTSTAT=%s", partstats[n]);
	}
	if (pim_get_text(a, message) != NULL)
		pim_put_param(head, "X-OX-MESSAGE", pim_get_text(a, message));
	return PIM_OK;
}

/* Name, type and id as parameters, then the address as value. */
static enum pim_rc
person_put(struct pim_ctx *c, const char *prop, const json_t *p, struct pim_buf *params, struct pim_buf *out)
{
	static const char *const cutypes[] = { "", "INDIVIDUAL", "GROUP", "RESOURCE", "GROUP", "INDIVIDUAL" };
	const char *mail = pim_get_text(p, "mail"), *name = pim_get_text(p, "display_name");
	struct pim_buf head = { 0 }, v = { 0 };
	int64_t type = 0, id = 0;
	bool has_type = pim_get_int(p, "type", &type), has_id = pim_get_int(p, "id", &id);

	if (!json_is_object(p) || pim_want(c, p, "mail", JSON_STRING) != PIM_OK ||
	    pim_want(c, p, "display_name", JSON_STRING) != PIM_OK)
		return pim_fail(c, PIM_REFUSED, "a participant is no object, or its mail or name no text");
	if (has_type && (type < 1 || type > 5))
		return pim_fail(c, PIM_REFUSED, "participant type %lld is not 1 to 5", (long long)type);
	pim_buf_puts(&head, prop);
	if (has_type) {
		pim_buf_printf(&head, ";CUTYPE=%s", cutypes[type]);
		if (type != 5 || mail == NULL || strchr(mail, '@') == NULL)
			pim_buf_printf(&head, ";X-OX-TYPE=%d", (int)type);
	}
	if (has_id)
		pim_buf_printf(&head, ";X-OX-ID=%lld", (long long)id);
	if (name != NULL)
		pim_put_param(&head, "CN", name);
	pim_buf_puts(&head, params->p == NULL ? "" : params->p);
	if (mail != NULL) {
		pim_buf_puts(&v, "mailto:");
		pim_percent_encode(&v, mail);
	} else {
		pim_buf_printf(&v, "urn:x-ox:%lld", (long long)id);
	}
	if (head.failed || v.failed || params->failed)
		out->failed = true;
	else
		pim_put_line(out, head.p, v.p);
	pim_buf_fini(&head);
	pim_buf_fini(&v);
	return PIM_OK;
}

static enum pim_rc
participants_put(struct pim_ctx *c, const json_t *o, bool *users_used, bool *conf_used, struct pim_buf *out)
{
	const json_t *list = json_object_get(o, "participants"), *users = json_object_get(o, "users");
	const json_t *confs = json_object_get(o, "confirmations"), *p;
	enum pim_rc rc = PIM_OK;
	size_t i;

	for (i = 0; i < json_array_size(list) && rc == PIM_OK; i++) {
		struct pim_buf params = { 0 };
		int64_t type = 0;
		int at;

		p = json_array_get(list, i);
		pim_get_int(p, "type", &type);
		if (type == 1 && (at = answer_find(users, users_used, p, true)) >= 0) {
			users_used[at] = true;
			pim_buf_puts(&params, ";X-OX-USER=1");
			rc = answer_put(c, json_array_get(users, (size_t)at), "confirmation", "confirmmessage", &params);
		} else if (type == 5 && (at = answer_find(confs, conf_used, p, false)) >= 0) {
			conf_used[at] = true;
			rc = answer_put(c, json_array_get(confs, (size_t)at), "status", "message", &params);
		}
		if (rc == PIM_OK)
			rc = person_put(c, "ATTENDEE", p, &params, out);
		pim_buf_fini(&params);
	}
	return rc;
}

/* The answers for which no ATTENDEE stands. */
static enum pim_rc
answers_put(struct pim_ctx *c, const json_t *list, const bool *used, const char *prop, const char *status,
            const char *message, struct pim_buf *out)
{
	enum pim_rc rc = PIM_OK;
	size_t i;

	for (i = 0; i < json_array_size(list) && rc == PIM_OK; i++) {
		struct pim_buf params = { 0 };

		if (used[i])
			continue;
		rc = answer_put(c, json_array_get(list, i), status, message, &params);
		if (rc == PIM_OK)
			rc = person_put(c, prop, json_array_get(list, i), &params, out);
		pim_buf_fini(&params);
	}
	return rc;
}

static enum pim_rc
organizer_put(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	const char *organizer = pim_get_text(o, "organizer"), *principal = pim_get_text(o, "principal");
	struct pim_buf v = { 0 };

	if (pim_want(c, o, "organizer", JSON_STRING) != PIM_OK || pim_want(c, o, "principal", JSON_STRING) != PIM_OK)
		return PIM_REFUSED;
	if (organizer != NULL) {
		pim_buf_puts(&v, "mailto:");
		pim_percent_encode(&v, organizer);
		if (!v.failed)
			pim_put_line(out, "ORGANIZER", v.p);
	}
	v.len = 0;
	if (principal != NULL) {
		pim_escape(&v, principal);
		if (!v.failed)
			pim_put_line(out, "X-OX-PRINCIPAL", v.p);
	}
	if (v.failed)
		out->failed = true;
	pim_buf_fini(&v);
	if (ical_int_format(c, o, "organizerId", "X-OX-ORGANIZERID", out) != PIM_OK)
		return PIM_REFUSED;
	return ical_int_format(c, o, "principalId", "X-OX-PRINCIPALID", out);
}

enum pim_rc
ical_people_format(struct pim_ctx *c, const json_t *o, struct pim_buf *out)
{
	const json_t *users = json_object_get(o, "users"), *confs = json_object_get(o, "confirmations");
	bool *users_used = NULL, *conf_used = NULL;
	enum pim_rc rc;

	if (pim_want(c, o, "participants", JSON_ARRAY) != PIM_OK || pim_want(c, o, "users", JSON_ARRAY) != PIM_OK ||
	    pim_want(c, o, "confirmations", JSON_ARRAY) != PIM_OK)
		return PIM_REFUSED;
	users_used = calloc(json_array_size(users) + 1, sizeof(*users_used));
	conf_used = calloc(json_array_size(confs) + 1, sizeof(*conf_used));
	rc = users_used == NULL || conf_used == NULL ? PIM_NOMEM : organizer_put(c, o, out);
	if (rc == PIM_OK)
		rc = participants_put(c, o, users_used, conf_used, out);
	if (rc == PIM_OK)
		rc = answers_put(c, users, users_used, "X-OX-USER", "confirmation", "confirmmessage", out);
	if (rc == PIM_OK)
		rc = answers_put(c, confs, conf_used, "X-OX-CONFIRMATION", "status", "message", out);
	free(users_used);
	free(conf_used);
	return rc;
}
