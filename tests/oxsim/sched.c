/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Participants of tasks and appointments: reading them, resolving groups,
 * and the places an object has in the folders of those who take part.
 */
#include <stdlib.h>

#include "oxsim/sim.h"

struct participant *
part_add(struct obj *o, int type, int id, const char *mail, const char *name)
{
	struct participant *p;
	char *c;

	o->part = xrealloc(o->part, sizeof(*o->part) * (size_t)(o->npart + 1));
	p = &o->part[o->npart++];
	memset(p, 0, sizeof(*p));
	p->type = type;
	p->id = id;
	p->mail = xstrdup(mail);
	for (c = p->mail; c != NULL && *c != '\0'; c++) /* 8.19 was seen to keep addresses so */
		*c = g_ascii_tolower(*c);
	p->name = xstrdup(name);
	return p;
}

static void
part_clear(struct obj *o)
{
	int i;

	for (i = 0; i < o->npart; i++) {
		free(o->part[i].mail);
		free(o->part[i].name);
		free(o->part[i].msg);
	}
	free(o->part);
	o->part = NULL;
	o->npart = 0;
}

void
parts_free(struct obj *o)
{
	int i;

	part_clear(o);
	for (i = 0; i < o->natt; i++) {
		free(o->att[i].msg);
		free(o->att[i].alarms);
	}
	free(o->att);
	o->att = NULL;
	o->natt = 0;
}

struct attendee *
att_of(const struct obj *o, int user)
{
	int i;

	for (i = 0; i < o->natt; i++)
		if (o->att[i].id == user)
			return &o->att[i];
	return NULL;
}

static bool
known(struct req *r, int type, int id)
{
	char num[16];

	if ((type == PT_USER && user_by_id(r->c, id)) || (type == PT_GROUP && (id < 2 || group_by_id(r->c, id))) ||
	    (type == PT_RESOURCE && res_by_id(r->c, id)))
		return true;
	g_snprintf(num, sizeof(num), "%d", id);
	fail(r, "CAL-4034", json_pack("[s,i,s]", num, id, type == PT_USER ? "INDIVIDUAL" : type == PT_GROUP ? "GROUP" : "RESOURCE"));
	return false;
}

static int
part_cmp(const void *a, const void *b)
{
	const struct participant *x = a, *y = b;

	if ((x->type == PT_EXTERNAL) != (y->type == PT_EXTERNAL))
		return x->type == PT_EXTERNAL ? -1 : 1;
	return x->type == PT_EXTERNAL ? strcmp(x->mail, y->mail) : x->id - y->id;
}

bool
parts_read(struct req *r, struct obj *o, const json_t *list, const char *nomail_key)
{
	struct obj old = { .part = o->part, .npart = o->npart };
	const json_t *p;
	size_t i;
	int k;

	o->part = NULL;
	o->npart = 0;
	json_array_foreach((json_t *)(uintptr_t)list, i, p) {
		int type = PT_USER, id = 0;
		const char *mail = json_string_value(json_object_get(p, "mail"));
		struct participant *n;

		(void)json_id(json_object_get(p, "type"), &type);
		if (type == PT_EXTERNAL) {
			if (mail == NULL || *mail == '\0') {
				fail(r, nomail_key, strcmp(nomail_key, "CAL-4034") == 0 ? json_pack("[i,s]", -1, "") : NULL);
				break;
			}
			n = part_add(o, type, 0, mail, json_string_value(json_object_get(p, "display_name")));
			for (k = 0; k < old.npart; k++)
				if (old.part[k].mail && g_ascii_strcasecmp(old.part[k].mail, mail) == 0) {
					n->conf = old.part[k].conf;
					n->msg = xstrdup(old.part[k].msg);
				}
			continue;
		}
		if (!json_id(json_object_get(p, "id"), &id) || !known(r, type, id))
			break;
		for (k = 0; k < o->npart; k++)
			if (o->part[k].type == type && o->part[k].id == id)
				break;
		if (k == o->npart)
			(void)part_add(o, type, id, NULL, NULL);
	}
	part_clear(&old);
	if (o->npart > 1)
		qsort(o->part, (size_t)o->npart, sizeof(*o->part), part_cmp);
	return !r->failed;
}

static int
att_cmp(const void *a, const void *b)
{
	return ((const struct attendee *)a)->id - ((const struct attendee *)b)->id;
}

static void
att_add(struct obj *o, int user, const struct obj *old)
{
	const struct attendee *was = att_of(old, user);

	if (att_of(o, user) != NULL)
		return;
	o->att = xrealloc(o->att, sizeof(*o->att) * (size_t)(o->natt + 1));
	o->att[o->natt] = (struct attendee){ .id = user, .alarm = -1 };
	if (was != NULL) {
		o->att[o->natt] = *was;
		o->att[o->natt].msg = xstrdup(was->msg);
		o->att[o->natt].alarms = xstrdup(was->alarms);
	}
	o->natt++;
}

/* users named or in a named group; keep_user (the organizer) always takes part, 0: nobody */
void
parts_resolve(struct ctx *c, struct obj *o, int keep_user)
{
	struct obj old = { .att = o->att, .natt = o->natt };
	int i, k;

	o->att = NULL;
	o->natt = 0;
	if (keep_user != 0)
		att_add(o, keep_user, &old);
	for (i = 0; i < o->npart; i++) {
		if (o->part[i].type == PT_USER)
			att_add(o, o->part[i].id, &old);
		for (k = 0; o->part[i].type == PT_GROUP && k < c->nuser; k++)
			if (group_has(c, o->part[i].id, c->user[k]->id))
				att_add(o, c->user[k]->id, &old);
	}
	if (o->natt > 1)
		qsort(o->att, (size_t)o->natt, sizeof(*o->att), att_cmp);
	parts_free(&old);
}

/*
 * A public folder shows the object to all; otherwise everybody who takes
 * part has it in his default folder, the folder's owner in `home`.
 */
void
parts_places(struct ctx *c, struct obj *o, struct folder *home, int64_t stamp)
{
	struct ent *e, *next;
	int i;

	for (e = o->ents; e != NULL; e = next) {
		next = e->onext;
		if (e->f == home || e->user == 0)
			continue;
		if (home->type != 1 || att_of(o, e->user) == NULL || att_of(o, e->user)->hidden)
			ent_drop(e, stamp);
	}
	if (obj_in(o, home) == NULL)
		(void)obj_place(o, home, home->type == 1 ? home->owner : 0);
	for (i = 0; home->type == 1 && i < o->natt; i++) {
		struct user *u = user_by_id(c, o->att[i].id);
		struct folder *f;

		if (u == NULL || u->id == home->owner || o->att[i].hidden)
			continue;
		for (e = o->ents; e != NULL && e->user != u->id; e = e->onext)
			;
		f = folder_get(c, o->m == M_TASKS ? u->f_task : u->f_cal);
		if (e == NULL && f != NULL)
			(void)obj_place(o, f, u->id);
	}
}

static void
put_conf(struct sb *b, const struct attendee *a)
{
	if (a == NULL)
		return;
	sb_printf(b, ",\"confirmation\":%d", a->conf);
	if (a->msg != NULL) {
		sb_str(b, ",\"confirmmessage\":");
		sb_js(b, a->msg);
	}
}

void
parts_emit(struct sb *b, const struct obj *o, bool conf)
{
	int i;

	sb_ch(b, '[');
	for (i = 0; i < o->npart; i++) {
		const struct participant *p = &o->part[i];

		if (i > 0)
			sb_ch(b, ',');
		if (p->type == PT_EXTERNAL) {
			sb_ch(b, '{');
			if (p->name != NULL) {
				sb_str(b, "\"display_name\":");
				sb_js(b, p->name);
				sb_ch(b, ',');
			}
			sb_str(b, "\"mail\":");
			sb_js(b, p->mail);
			sb_str(b, ",\"type\":5}");
			continue;
		}
		sb_printf(b, "{\"id\":%d,\"type\":%d", p->id, p->type);
		if (conf && p->type == PT_USER)
			put_conf(b, att_of(o, p->id));
		sb_ch(b, '}');
	}
	sb_ch(b, ']');
}

void
users_emit(struct sb *b, const struct obj *o)
{
	int i;

	sb_ch(b, '[');
	for (i = 0; i < o->natt; i++) {
		sb_printf(b, "%s{\"id\":%d", i ? "," : "", o->att[i].id);
		put_conf(b, &o->att[i]);
		sb_ch(b, '}');
	}
	sb_ch(b, ']');
}

void
confs_emit(struct sb *b, const struct obj *o)
{
	int i;

	sb_ch(b, '[');
	for (i = 0; i < o->npart; i++) {
		const struct participant *p = &o->part[i];

		if (p->type != PT_EXTERNAL)
			continue;
		sb_str(b, b->p[b->len - 1] == '[' ? "{\"type\":5,\"mail\":" : ",{\"type\":5,\"mail\":");
		sb_js(b, p->mail);
		if (p->name != NULL) {
			sb_str(b, ",\"display_name\":");
			sb_js(b, p->name);
		}
		sb_printf(b, ",\"status\":%d", p->conf);
		if (p->msg != NULL) {
			sb_str(b, ",\"message\":");
			sb_js(b, p->msg);
		}
		sb_ch(b, '}');
	}
	sb_ch(b, ']');
}

/* no mail is sent, but each is counted: see /control/counters */
void
parts_tell(struct req *r, const struct obj *o, bool silent)
{
	int i;

	for (i = 0; i < o->natt && !silent; i++)
		if (o->att[i].id != r->u->id)
			sim_count("mail/invitation");
	for (i = 0; i < o->npart && !silent; i++)
		if (o->part[i].type == PT_EXTERNAL)
			sim_count("mail/invitation");
}

/* `notification` of the legacy modules; 8.19 tells when nothing is said */
bool
parts_silent(const json_t *body)
{
	return json_is_false(json_object_get(body, "notification"));
}
