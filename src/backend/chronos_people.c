/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Attendees of an event and the three lists of an appointment: participants (who was invited), users (whom OX made of them, with their
 * answers), confirmations (the answers of those outside).
 */
#include "backend/chronos_int.h"

#include <string.h>
#include <strings.h>

enum { PERSON = 1, GROUP = 2, RESOURCE = 3, OUTSIDE = 5 }; /* types of participants */

static const char *
text_of(const json_t *v, const char *name)
{
	return json_string_value(json_object_get(v, name));
}

static const char *
mail_of(const json_t *user)
{
	const char *uri = text_of(user, "uri");

	if (uri != NULL && strncasecmp(uri, "mailto:", 7) == 0)
		return uri + 7;
	return text_of(user, "email") != NULL ? text_of(user, "email") : uri;
}

static int
kind_of(const json_t *attendee)
{
	const char *type = text_of(attendee, "cuType");

	if (type != NULL && strcmp(type, "GROUP") == 0)
		return GROUP;
	if (type != NULL && (strcmp(type, "RESOURCE") == 0 || strcmp(type, "ROOM") == 0))
		return RESOURCE;
	return json_integer_value(json_object_get(attendee, "entity")) > 0 ? PERSON : OUTSIDE;
}

static int
confirmation_of(const json_t *attendee)
{
	static const char *const stats[] = { "NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE" };
	const char *stat = text_of(attendee, "partStat");

	for (int i = 1; stat != NULL && i < 4; i++)
		if (strcmp(stat, stats[i]) == 0)
			return i;
	return 0;
}

/* He takes part through his groups alone. */
static bool
is_member(const json_t *attendee)
{
	return json_array_size(json_object_get(attendee, "member")) > 0;
}

static bool
add(json_t *list, json_t *item)
{
	return item != NULL && json_array_append_new(list, item) == 0;
}

static bool
add_text(json_t *o, const char *name, const char *text)
{
	return text == NULL || json_object_set_new(o, name, json_string(text)) == 0;
}

static bool
read_outside(const json_t *at, json_t *participants, json_t *confirmations)
{
	json_t *p = json_pack("{s:i}", "type", OUTSIDE), *c = json_pack("{s:i,s:i}", "type", OUTSIDE, "status", confirmation_of(at));
	bool ok = p != NULL && c != NULL && add_text(p, "mail", mail_of(at)) && add_text(p, "display_name", text_of(at, "cn")) &&
	    add_text(c, "mail", mail_of(at)) && add_text(c, "display_name", text_of(at, "cn")) && add_text(c, "message", text_of(at, "comment"));

	ok = ok && json_array_append(participants, p) == 0 && json_array_append(confirmations, c) == 0;
	json_decref(p);
	json_decref(c);
	return ok;
}

static bool
read_one(const json_t *at, json_t *participants, json_t *users, json_t *confirmations)
{
	json_int_t entity = json_integer_value(json_object_get(at, "entity"));
	int kind = kind_of(at);
	json_t *u;

	if (kind == OUTSIDE)
		return read_outside(at, participants, confirmations);
	if (kind != PERSON) /* of a group or room that is not OX's own there is nothing to say */
		return entity < 0 || json_object_get(at, "entity") == NULL || add(participants, json_pack("{s:I,s:i}", "id", entity, "type", kind));
	u = json_pack("{s:I,s:i}", "id", entity, "confirmation", confirmation_of(at));
	if (u == NULL || !add_text(u, "confirmmessage", text_of(at, "comment"))) {
		json_decref(u);
		return false;
	}
	return add(users, u) && (is_member(at) || add(participants, json_pack("{s:I,s:i}", "id", entity, "type", PERSON)));
}

enum rc
people_read(const json_t *attendees, struct object *o, struct err *e)
{
	json_t *participants = json_array(), *users = json_array(), *confirmations = json_array(), *at;
	bool ok = participants != NULL && users != NULL && confirmations != NULL;
	size_t i;

	json_array_foreach (attendees, i, at)
		ok = ok && read_one(at, participants, users, confirmations);
	object_set(o, cf(CF_participants), participants);
	object_set(o, cf(CF_users), users);
	object_set(o, cf(CF_confirmations), confirmations);
	return ok ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

/* ---- writing ---- */

static bool
same_person(const json_t *participant, const json_t *attendee)
{
	int64_t id = 0, type = PERSON;
	int kind = kind_of(attendee);

	(void)json_id(json_object_get(participant, "type"), &type);
	if (type == OUTSIDE) {
		const char *a = text_of(participant, "mail"), *b = mail_of(attendee);

		return kind == OUTSIDE && a != NULL && b != NULL && strcasecmp(a, b) == 0;
	}
	return kind == type && json_id(json_object_get(participant, "id"), &id) && id == json_integer_value(json_object_get(attendee, "entity"));
}

static json_t *
new_attendee(const json_t *p)
{
	const char *mail = text_of(p, "mail");
	int64_t id = 0, type = PERSON;
	json_t *at, *uri;

	(void)json_id(json_object_get(p, "type"), &type);
	(void)json_id(json_object_get(p, "id"), &id);
	if (type != OUTSIDE)
		return json_pack("{s:I,s:s}", "entity", (json_int_t)id, "cuType", type == GROUP ? "GROUP" : type == RESOURCE ? "RESOURCE" : "INDIVIDUAL");
	at = json_pack("{s:s}", "cuType", "INDIVIDUAL");
	uri = json_sprintf("mailto:%s", mail != NULL ? mail : "");
	if (at == NULL || uri == NULL || json_object_set(at, "uri", uri) != 0 || !add_text(at, "email", mail) || !add_text(at, "cn", text_of(p, "display_name"))) {
		json_decref(at);
		at = NULL;
	}
	json_decref(uri);
	return at;
}

/* The attendee that is there stays as he is, with answer, role and folder; invited himself now he is no member any more. */
static json_t *
attendee_of(const json_t *p, const json_t *base)
{
	json_t *at, *copy;
	size_t i;

	json_array_foreach (base, i, at) {
		if (!same_person(p, at))
			continue;
		copy = json_copy(at);
		if (copy != NULL)
			(void)json_object_del(copy, "member");
		return copy;
	}
	return new_attendee(p);
}

static bool
group_stays(const json_t *list, const json_t *uri)
{
	json_t *at;
	size_t i;

	json_array_foreach (list, i, at)
		if (kind_of(at) == GROUP && json_equal(json_object_get(at, "uri"), uri))
			return true;
	return false;
}

static bool
contains(const json_t *list, const json_t *attendee)
{
	json_t *at;
	size_t i;

	json_array_foreach (list, i, at)
		if (kind_of(at) == PERSON && json_equal(json_object_get(at, "entity"), json_object_get(attendee, "entity")))
			return true;
	return false;
}

/* Members of the groups that stay. */
static bool
add_members(json_t *list, const json_t *base)
{
	json_t *at, *uri;
	size_t i, k;

	json_array_foreach (base, i, at) {
		bool stays = false;

		json_array_foreach (json_object_get(at, "member"), k, uri)
			stays = stays || group_stays(list, uri);
		if (stays && !contains(list, at) && json_array_append(list, at) != 0)
			return false;
	}
	return true;
}

json_t *
people_write(const json_t *participants, const json_t *base)
{
	json_t *list = json_array(), *p;
	size_t i;
	bool ok = list != NULL;

	json_array_foreach (participants, i, p)
		ok = ok && add(list, attendee_of(p, base));
	if (ok && add_members(list, base))
		return list;
	json_decref(list);
	return NULL;
}
