/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who can be written to and invited: contacts of all folders (of which the global address book is one), groups, resources; a few names in one
 * request.  Recorded: 04-contacts 75-77, 10-users-groups-resources 20, 21, 32; the rest was tried with a real OX 8.19.
 */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define AT_ONCE 8U           /* queries of one request, three parts each */
#define WORDS 10U            /* of a query that count */
#define GLOBAL_FOLDER "6"    /* fixed id (ox-http-api.md 3.2) */
#define CONTACT_KINDS (OX_PERSON(OX_PERSON_USER) | OX_PERSON(OX_PERSON_CONTACT) | OX_PERSON(OX_PERSON_LIST))
#define COLUMNS "1,20,2,101,500,501,502,515,555,556,557,524,592,602,597,608"
enum col { C_ID, C_FOLDER, C_BY, C_PRIVATE, C_NAME, C_FIRST, C_LAST, C_NICK, C_MAIL1, C_MAIL2, C_MAIL3, C_USER, C_LIST, C_IS_LIST, C_PICTURE, C_USED, C_COUNT };

struct people {
	struct ox_session *s;
	struct arena *a;
	unsigned kinds;
	bool exact;
	size_t max;
	unsigned absent;
};

static enum rc
no_memory(struct err *e)
{
	return err_set(e, RC_NOMEM, "out of memory for names");
}

/* ---- requests ---- */

static enum rc
equals(struct people *p, struct buf *b, const char *field, const char *before, const char *word, const char *after, struct err *e)
{
	char *pattern = word_pattern(p->a, before, word, after);

	if (pattern == NULL)
		return no_memory(e);
	buf_addf(b, ",[\"=\",{\"field\":\"%s\"},", field);
	json_text_string(b, pattern, strlen(pattern));
	buf_addc(b, ']');
	return RC_OK;
}

/* ,["or",...]: a word of the contact's names, or one of its addresses, begins with WORD. */
static enum rc
begins(struct people *p, struct buf *b, const char *word, struct err *e)
{
	static const char *const fields[] = { "display_name", "first_name", "last_name", "nickname", "email1", "email2", "email3" };
	enum rc rc;

	buf_adds(b, ",[\"or\"");
	rc = equals(p, b, "display_name", "* ", word, "*", e);
	for (size_t i = 0; i < ARRAY_LEN(fields) && rc == RC_OK; i++)
		rc = equals(p, b, fields[i], "", word, "*", e);
	buf_addc(b, ']');
	return rc;
}

static enum rc
contacts_part(struct people *p, struct buf *b, const char *query, struct err *e)
{
	char *copy = arena_strdup(p->a, query), *rest = NULL;
	unsigned n = 0;
	enum rc rc = copy != NULL ? RC_OK : no_memory(e);

	buf_adds(b, "{\"module\":\"contacts\",\"action\":\"advancedSearch\",\"columns\":\"" COLUMNS "\",\"timezone\":\"UTC\",\"sort\":\"608\",\"order\":\"desc\",");
	buf_addf(b, "\"left_hand_limit\":0,\"right_hand_limit\":%zu,\"data\":{", p->max + 1);
	if ((p->kinds & CONTACT_KINDS) == OX_PERSON(OX_PERSON_USER))
		buf_adds(b, "\"folders\":[\"" GLOBAL_FOLDER "\"],");
	if (p->exact) {
		buf_adds(b, "\"filter\":[\"or\"");
		for (const char *const *f = (const char *const[]){ "email1", "email2", "email3", NULL }; *f != NULL && rc == RC_OK; f++)
			rc = equals(p, b, *f, "", query, "", e);
	} else {
		buf_adds(b, "\"filter\":[\"and\"");
		for (char *w = rc == RC_OK ? strtok_r(copy, " ", &rest) : NULL; w != NULL && n < WORDS && rc == RC_OK; w = strtok_r(NULL, " ", &rest), n++)
			rc = begins(p, b, w, e);
	}
	buf_adds(b, "]}}");
	return rc;
}

static enum rc
named_part(struct people *p, struct buf *b, const char *module, const char *query, struct err *e)
{
	char *pattern = p->exact ? arena_strdup(p->a, "*") : word_pattern(p->a, "", query, "*");

	if (pattern == NULL)
		return no_memory(e);
	for (char *c = pattern; *c != '\0'; c++)
		if (*c == '?') /* QUIRK(OX, 8.19): groups and resources take ? for itself, and _ for any one character */
			*c = '_';
	buf_addf(b, "{\"module\":\"%s\",\"action\":\"search\",\"data\":{\"pattern\":", module);
	json_text_string(b, pattern, strlen(pattern));
	buf_adds(b, "}}");
	return RC_OK;
}

/* ---- answers ---- */

static const char *
text_at(struct people *p, const json_t *v)
{
	const char *s = json_string_value(v);

	return s != NULL && s[0] != '\0' ? arena_strdup(p->a, s) : NULL;
}

/* Room for MORE persons in W. */
static enum rc
room(struct people *p, struct ox_who *w, size_t more, struct err *e)
{
	struct ox_person *bigger = arena_array(p->a, struct ox_person, w->n + more + 1);

	if (bigger == NULL)
		return no_memory(e);
	if (w->n > 0)
		memcpy(bigger, w->v, w->n * sizeof(*bigger));
	w->v = bigger;
	return RC_OK;
}

static enum rc
list_members(struct people *p, const json_t *list, struct ox_person *o, struct err *e)
{
	struct ox_member *m = arena_array(p->a, struct ox_member, json_array_size(list) + 1);
	json_t *v;
	size_t i;

	if (m == NULL)
		return no_memory(e);
	json_array_foreach (list, i, v) {
		const char *name = text_at(p, json_object_get(v, "display_name")), *mail = text_at(p, json_object_get(v, "mail"));

		if (mail == NULL) /* a contact that lost its address: nobody can be reached by it */
			continue;
		m[o->n_members] = (struct ox_member){ .name = name != NULL ? name : "", .mail = mail, .folder = text_at(p, json_object_get(v, "folder_id")) };
		if (!json_id(json_object_get(v, "id"), &m[o->n_members].id) || m[o->n_members].id <= 0)
			m[o->n_members].folder = NULL;
		o->n_members++;
	}
	o->member = m;
	return RC_OK;
}

/* What OX was asked with a special character it answers too widely. */
static bool
row_begins(const json_t *row, const char *word)
{
	for (size_t i = C_NAME; i <= C_MAIL3; i++) {
		const char *s = json_string_value(json_array_get(row, i));

		if (s != NULL && word_begins(s, word))
			return true;
	}
	return false;
}

static bool
row_fits(const struct people *p, const json_t *row, const char *query)
{
	char *rest = NULL, *copy;
	unsigned n = 0;

	if (p->exact) {
		for (size_t i = C_MAIL1; i <= C_MAIL3; i++) {
			const char *s = json_string_value(json_array_get(row, i));

			if (s != NULL && strcasecmp(s, query) == 0)
				return true;
		}
		return false;
	}
	copy = word_special(query) ? arena_strdup(p->a, query) : NULL;
	for (char *w = copy != NULL ? strtok_r(copy, " ", &rest) : NULL; w != NULL && n < WORDS; w = strtok_r(NULL, " ", &rest), n++)
		if (word_special(w) && !row_begins(row, w))
			return false;
	return true;
}

static enum ox_person_kind
row_kind(const json_t *row, const char *folder, int64_t *user)
{
	if (strcmp(folder, GLOBAL_FOLDER) == 0 && json_id(json_array_get(row, C_USER), user) && *user > 0)
		return OX_PERSON_USER;
	*user = 0;
	return json_is_true(json_array_get(row, C_IS_LIST)) ? OX_PERSON_LIST : OX_PERSON_CONTACT;
}

static enum rc
contact_take(struct people *p, const json_t *row, struct ox_who *w, struct err *e)
{
	const char *folder = text_at(p, json_array_get(row, C_FOLDER)), *name;
	int64_t id, user = 0, by = 0;
	struct ox_person o = { .folder = folder };
	size_t mails = 0;
	enum rc rc = RC_OK;

	if (json_array_size(row) != C_COUNT || folder == NULL || !json_id(json_array_get(row, C_ID), &id))
		return err_set(e, RC_UPSTREAM, "OX answered a contact with other columns than were asked for");
	o.id = id;
	o.kind = row_kind(row, folder, &user);
	o.entity = user;
	if ((p->kinds & OX_PERSON(o.kind)) == 0 || !row_fits(p, row, w->query))
		return RC_OK;
	for (size_t i = C_MAIL1; i <= C_MAIL3; i++)
		if ((o.mail[mails] = text_at(p, json_array_get(row, i))) != NULL)
			mails++;
	if (o.kind == OX_PERSON_LIST)
		rc = list_members(p, json_array_get(row, C_LIST), &o, e);
	if (rc != RC_OK || (mails == 0 && o.n_members == 0)) /* cannot be written to */
		return rc;
	name = text_at(p, json_array_get(row, C_NAME));
	o.name = name != NULL ? name : mails > 0 ? o.mail[0] : "";
	o.used = json_integer_value(json_array_get(row, C_USED));
	o.picture = json_integer_value(json_array_get(row, C_PICTURE)) > 0;
	o.closed = json_is_true(json_array_get(row, C_PRIVATE)) && json_id(json_array_get(row, C_BY), &by) && by != ox_session_user(p->s)->user_id;
	w->v[w->n++] = o;
	return RC_OK;
}

static enum rc
group_members(struct people *p, const json_t *list, struct ox_person *o, struct err *e)
{
	struct ox_member *m = arena_array(p->a, struct ox_member, json_array_size(list) + 1);
	json_t *v;
	size_t i;

	if (m == NULL)
		return no_memory(e);
	json_array_foreach (list, i, v) {
		m[o->n_members] = (struct ox_member){ .name = "", .mail = "" };
		if (json_id(v, &m[o->n_members].entity))
			o->n_members++;
	}
	o->member = m;
	return RC_OK;
}

/* A group or a resource. */
static enum rc
named_take(struct people *p, const json_t *v, enum ox_person_kind kind, struct ox_who *w, struct err *e)
{
	const char *shown = text_at(p, json_object_get(v, "display_name")), *name = text_at(p, json_object_get(v, "name"));
	struct ox_person o = { .kind = kind, .name = shown != NULL ? shown : name };
	enum rc rc = RC_OK;

	if (o.name == NULL || !json_id(json_object_get(v, "id"), &o.entity))
		return RC_OK;
	if (kind == OX_PERSON_RESOURCE)
		o.mail[0] = text_at(p, json_object_get(v, "mailaddress"));
	if (p->exact ? o.mail[0] == NULL || strcasecmp(o.mail[0], w->query) != 0 :
	    word_special(w->query) && !word_begins(o.name, w->query) && (name == NULL || !word_begins(name, w->query)))
		return RC_OK;
	if (kind == OX_PERSON_GROUP)
		rc = group_members(p, json_object_get(v, "members"), &o, e);
	w->v[w->n++] = o;
	return rc;
}

static enum rc
array_take(struct people *p, const json_t *data, enum ox_person_kind kind, struct ox_who *w, struct err *e)
{
	enum rc rc = json_is_array(data) ? room(p, w, json_array_size(data), e) : err_set(e, RC_UPSTREAM, "OX answered no list of names");
	json_t *v;
	size_t i;

	w->cut = w->cut || json_array_size(data) > p->max;
	json_array_foreach (rc == RC_OK ? data : NULL, i, v) {
		if (rc != RC_OK || (kind != OX_PERSON_CONTACT && i >= p->max))
			break;
		rc = kind == OX_PERSON_CONTACT ? contact_take(p, v, w, e) : named_take(p, v, kind, w, e);
	}
	return rc;
}

/* This OX, or this user, does not have the module. */
static bool
is_absent(enum rc rc, const struct err *e)
{
	return rc == RC_FORBIDDEN || (rc != RC_OK && (strcmp(e->code, NO_MODULE_PART) == 0 || strcmp(e->code, "SVL-0016") == 0 || strcmp(e->code, "SVL-0021") == 0));
}

static enum rc
part_take(struct people *p, const json_t *env, enum ox_person_kind kind, struct ox_who *w, struct err *e)
{
	json_t *data;
	msec_t ts;
	enum rc rc = ox_envelope(env, NULL, false, &data, &ts, e);

	if (is_absent(rc, e)) {
		p->absent |= kind == OX_PERSON_CONTACT ? CONTACT_KINDS & p->kinds : OX_PERSON(kind);
		return RC_OK;
	}
	if (rc == RC_PROTO) { /* too few letters, for one: this OX wants more of them, and the other queries have theirs */
		w->cut = true;
		return RC_OK;
	}
	return rc == RC_OK ? array_take(p, data, kind, w, e) : rc;
}

/* ---- one request ---- */

/* The parts that a query has, in their order; their number. */
static size_t
parts_of(const struct people *p, enum ox_person_kind part[3])
{
	size_t n = 0;

	if ((p->kinds & CONTACT_KINDS) != 0)
		part[n++] = OX_PERSON_CONTACT;
	if ((p->kinds & OX_PERSON(OX_PERSON_GROUP)) != 0 && !p->exact)
		part[n++] = OX_PERSON_GROUP;
	if ((p->kinds & OX_PERSON(OX_PERSON_RESOURCE)) != 0)
		part[n++] = OX_PERSON_RESOURCE;
	return n;
}

static enum rc
add_part(struct people *p, struct buf *b, enum ox_person_kind kind, const char *query, struct err *e)
{
	if (b->len > 1)
		buf_addc(b, ',');
	if (kind == OX_PERSON_CONTACT)
		return contacts_part(p, b, query, e);
	return named_part(p, b, kind == OX_PERSON_GROUP ? "group" : "resource", query, e);
}

static enum rc
some(struct people *p, struct ox_who *who, size_t n, struct err *e)
{
	enum ox_person_kind part[3];
	size_t parts = parts_of(p, part);
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc = RC_OK;

	if (parts == 0)
		return RC_OK;
	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	buf_addc(&r.body, '[');
	for (size_t i = 0; i < n * parts && rc == RC_OK; i++)
		rc = add_part(p, &r.body, part[i % parts], who[i / parts].query, e);
	buf_addc(&r.body, ']');
	r.has_body = true;
	if (rc == RC_OK)
		rc = ox_call(p->s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc != RC_OK)
		return rc;
	if (json_array_size(ans.data) != n * parts)
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(ans.data), n * parts);
	for (size_t i = 0; i < n * parts && rc == RC_OK; i++)
		rc = part_take(p, json_array_get(ans.data, i), part[i % parts], &who[i / parts], e);
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_people(struct ox_session *s, struct arena *a, struct ox_who *who, size_t n, unsigned kinds, bool exact, size_t max, unsigned *absent, struct err *e)
{
	struct people p = { .s = s, .a = a, .kinds = kinds, .exact = exact, .max = max };
	struct err local;
	enum rc rc = RC_OK;

	if (e == NULL)
		e = &local;
	for (size_t i = 0; i < n; i++) {
		who[i].v = NULL;
		who[i].n = 0;
		who[i].cut = false;
	}
	for (size_t i = 0; i < n && rc == RC_OK; i += AT_ONCE)
		rc = some(&p, who + i, n - i < AT_ONCE ? n - i : AT_ONCE, e);
	*absent = p.absent;
	return rc;
}

/* ---- members of groups ---- */

static void
member_named(struct people *p, const json_t *row, struct ox_member *m, size_t n)
{
	const char *name = text_at(p, json_array_get(row, 1)), *mail = text_at(p, json_array_get(row, 2));
	int64_t id;

	if (!json_id(json_array_get(row, 0), &id))
		return;
	for (size_t i = 0; i < n; i++)
		if (m[i].entity == id) {
			m[i].name = name != NULL ? name : "";
			m[i].mail = mail != NULL ? mail : "";
		}
}

enum rc
ox_people_users(struct ox_session *s, struct arena *a, struct ox_member *m, size_t n, struct err *e)
{
	struct people p = { .s = s, .a = a };
	size_t step = s->b->o.rows_per_request;
	enum rc rc = RC_OK;

	for (size_t from = 0; from < n && rc == RC_OK; from += step) {
		size_t to = n - from < step ? n : from + step, i;
		struct ox_answer ans;
		struct ox_req r;
		json_t *row;

		ox_req_init(&r, "user", "list");
		ox_param(&r, "columns", "1,500,555"); /* id, display_name, email1 */
		r.has_body = true;
		for (i = from; i < to; i++)
			buf_addf(&r.body, "%c%" PRId64, i > from ? ',' : '[', m[i].entity);
		buf_addc(&r.body, ']');
		rc = ox_call(s, &r, &ans, e);
		ox_req_fini(&r);
		json_array_foreach (rc == RC_OK ? ans.data : NULL, i, row)
			member_named(&p, row, m + from, to - from);
		ox_answer_fini(&ans);
	}
	return rc;
}
