/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module tasks: the actions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/task.h"

static struct folder *
task_folder(struct req *r, int id)
{
	struct folder *f = folder_get(r->c, id);

	if (f == NULL || f->m != M_TASKS || !perm_visible(r->c, f, r->u->id)) {
		fail(r, "TSK-0006", json_pack("[i]", id));
		return NULL;
	}
	return f;
}

static struct folder *
folder_arg(struct req *r)
{
	const char *s = need(r, "folder");
	int id = 0;

	if (s == NULL)
		return NULL;
	(void)folder_id_parse(s, &id);
	return task_folder(r, id);
}

/* a folder whose tasks may be listed, if only the user's own */
static struct folder *
folder_listed(struct req *r)
{
	struct folder *f = folder_arg(r);

	if (f != NULL && perm_read(perm_bits(r->c, f, r->u->id)) < 1) {
		fail(r, "TSK-0025", json_pack("[i]", f->id));
		return NULL;
	}
	return f;
}

static bool
readable(const struct req *r, const struct ent *e)
{
	return (may_read(r->c, e->f, r->u->id, e->o->created_by) || att_of(e->o, r->u->id) != NULL) &&
	    !task_hidden(r, e->o);
}

/* no read-own check: reading a foreign task by its id works on the real server */
static struct ent *
task_of(struct req *r, int64_t id, struct folder *f)
{
	struct obj *o = id > 0 && id <= INT32_MAX ? obj_get(r->c, M_TASKS, (int)id) : NULL;
	struct ent *e = o ? obj_in(o, f) : NULL;

	if (e == NULL || task_hidden(r, o)) {
		fail(r, "TSK-0046", json_pack("[I,i]", (json_int_t)id, f->id));
		return NULL;
	}
	return e;
}

void
tasks_all(struct req *r)
{
	struct folder *f = folder_listed(r);
	struct cols c;
	struct rows w = { 0 };
	uint32_t i;

	if (f == NULL || !cols_parse(r, &MI_TASKS, &c))
		return;
	for (i = 0; i < f->n; i++)
		if (readable(r, f->item[i]))
			rows_add(&w, f->item[i]);
	rows_sort_col(r, &MI_TASKS, &w);
	if (w.n == 0)
		set_ts(r, 0);
	rows_put(r, &MI_TASKS, &c, &w, false);
	free(w.v);
}

void
tasks_get(struct req *r)
{
	struct folder *f;
	struct ent *e;
	int64_t id;

	if (!need_i64(r, "id", &id) || (f = folder_arg(r)) == NULL || (e = task_of(r, id, f)) == NULL)
		return;
	emit_object(r, &MI_TASKS, e);
	set_ts(r, e->o->lm);
}

void
tasks_list(struct req *r)
{
	json_t *a, *it;
	struct cols c;
	struct rows w = { 0 };
	size_t i;
	int id, fid;

	if (!cols_parse(r, &MI_TASKS, &c) || (a = body_array(r)) == NULL)
		return;
	json_array_foreach(a, i, it) {
		struct folder *f;
		struct obj *o;
		struct ent *e;

		if (!json_id(json_object_get(it, "id"), &id) || !json_folder(json_object_get(it, "folder"), &fid))
			continue;
		f = folder_get(r->c, fid);
		o = f ? obj_get(r->c, M_TASKS, id) : NULL;
		e = o ? obj_in(o, f) : NULL;
		if (e != NULL && readable(r, e))
			rows_add(&w, e);
	}
	rows_put(r, &MI_TASKS, &c, &w, false);
	free(w.v);
}

/* without ignore= deletions stay hidden */
void
tasks_updates(struct req *r)
{
	struct folder *f = folder_listed(r);
	const char *ign = arg(r, "ignore");
	struct cols c;
	struct rows w = { 0 };
	struct ent *e;
	int64_t since;

	if (f == NULL || !need_i64(r, "timestamp", &since) || !cols_parse(r, &MI_TASKS, &c))
		return;
	set_ts(r, since);
	for (e = f->tail; e != NULL && e->o->lm > since; e = e->prev)
		if (readable(r, e))
			rows_add(&w, e);
	ents_by_id(w.v, w.n);
	rows_put(r, &MI_TASKS, &c, &w, true);
	if (ign != NULL && strcmp(ign, "deleted") != 0)
		rows_deleted(r, M_TASKS, f, since, true);
	sb_ch(r->out, ']');
	free(w.v);
}

void
tasks_new(struct req *r)
{
	json_t *o = body_object(r);
	struct folder *f;
	struct obj *t;
	int id = 0;

	if (o == NULL)
		return;
	(void)json_folder(json_object_get(o, "folder_id"), &id);
	f = folder_get(r->c, id);
	if (f == NULL) {
		fail(r, "FLD-0008", json_pack("[i,i]", id, r->c->id));
		return;
	}
	if (task_folder(r, id) == NULL || (t = store_insert(r, f, o)) == NULL)
		return;
	parts_tell(r, t, parts_silent(o));
	sb_printf(r->out, "{\"id\":%d}", t->id);
	set_ts(r, t->lm);
}

static bool
move_task(struct req *r, struct ent *e, const json_t *body, struct folder **dest)
{
	const json_t *v = json_object_get(body, "folder_id");
	int id;

	*dest = e->f;
	if (v == NULL || json_is_null(v))
		return true;
	if (!json_folder(v, &id) || (*dest = task_folder(r, id)) == NULL) {
		fail(r, "TSK-0006", json_pack("[i]", 0));
		return false;
	}
	if (*dest != e->f && !may_create(r->c, *dest, r->u->id)) {
		fail(r, "TSK-0023", json_pack("[i]", id));
		return false;
	}
	if (*dest != e->f && !may_delete(r->c, e->f, r->u->id, e->o->created_by)) {
		fail(r, "TSK-0014", json_pack("[i]", e->f->id));
		return false;
	}
	return true;
}

void
tasks_update(struct req *r)
{
	struct folder *f, *dest, *home;
	struct ent *e, *x;
	struct obj *o, *trial;
	json_t *body;
	int64_t id, t, stamp;

	if (!need_i64(r, "id", &id) || (f = folder_arg(r)) == NULL || !need_i64(r, "timestamp", &t) ||
	    (body = body_object(r)) == NULL || (e = task_of(r, id, f)) == NULL)
		return;
	o = e->o;
	if (!may_write(r->c, f, r->u->id, o->created_by)) {
		fail(r, "TSK-0033", json_pack("[i]", f->id));
		return;
	}
	if (o->lm > t) {
		fail(r, "TSK-0007", NULL);
		return;
	}
	if (!move_task(r, e, body, &dest))
		return;
	trial = obj_trial(o);
	if (task_apply(r, trial, dest, body, false)) {
		stamp = stamp_new(r->c);
		if (stamp <= o->lm)
			stamp = o->lm + 1;
		obj_swap(o, trial);
		parts_tell(r, o, parts_silent(body));
		stamp = obj_touch(r->c, o, r->u->id, stamp);
		if (dest != f) {
			(void)obj_place(o, dest, dest->type == 1 ? dest->owner : 0);
			ent_drop(e, stamp);
		}
		/* the home is the folder of its maker, else the one it was reached by */
		home = dest;
		for (x = o->ents; x != NULL; x = x->onext)
			if (x->user == o->created_by || x->user == 0)
				home = x->f;
		if (json_object_get(body, "participants") != NULL)
			parts_places(r->c, o, home, stamp);
		task_next(r, o, dest);
		sb_str(r->out, "{}");
		set_ts(r, stamp);
	}
	obj_free(trial);
}

/* one after the other: what stands before a refused one is gone */
static bool
delete_one(struct req *r, const json_t *it, int64_t t)
{
	struct folder *f;
	struct obj *o;
	struct ent *e;
	struct attendee *a;
	int id, fid = 0;
	int64_t stamp;

	(void)json_folder(json_object_get(it, "folder"), &fid);
	f = folder_get(r->c, fid);
	o = f && json_id(json_object_get(it, "id"), &id) ? obj_get(r->c, M_TASKS, id) : NULL;
	e = o ? obj_in(o, f) : NULL;
	if (e == NULL || !may_delete(r->c, f, r->u->id, o->created_by)) {
		fail(r, "TSK-0014", NULL);
		return false;
	}
	if (o->lm > t) {
		fail(r, "TSK-0007", NULL);
		return false;
	}
	stamp = stamp_new(r->c);
	if (stamp <= o->lm)
		stamp = o->lm + 1;
	/* a participant takes only himself out */
	a = att_of(o, r->u->id);
	if (a != NULL && o->created_by != r->u->id && e->user == r->u->id && e->onext != NULL) {
		a->hidden = true;
		stamp = obj_touch(r->c, o, r->u->id, stamp);
		ent_drop(e, stamp);
	} else {
		if (stamp > r->c->last_stamp)
			r->c->last_stamp = stamp;
		obj_drop(r->c, o, stamp);
	}
	return true;
}

void
tasks_delete(struct req *r)
{
	json_t *j = body_json(r), *it;
	int64_t t;
	size_t i;

	if (j == NULL || !need_i64(r, "timestamp", &t))
		return;
	if (json_is_object(j))
		(void)delete_one(r, j, t);
	json_array_foreach(j, i, it)
		if (!delete_one(r, it, t))
			return;
	if (!r->failed)
		sb_str(r->out, "[]");
	set_ts(r, t);
}

void
tasks_confirm(struct req *r)
{
	struct folder *f;
	struct ent *e;
	struct attendee *a;
	json_t *b;
	int64_t id, t;

	if (!need_i64(r, "id", &id) || (f = folder_arg(r)) == NULL || !need_i64(r, "timestamp", &t) ||
	    (b = body_object(r)) == NULL || (e = task_of(r, id, f)) == NULL)
		return;
	a = att_of(e->o, r->u->id);
	if (a == NULL) {
		fail(r, "TSK-0019", json_pack("[I]", (json_int_t)id));
		return;
	}
	a->conf = (int)json_integer_value(json_object_get(b, "confirmation"));
	sim_count("mail/reply");
	if (json_object_get(b, "confirmmessage") != NULL) {
		free(a->msg);
		a->msg = xstrdup(json_string_value(json_object_get(b, "confirmmessage")));
	}
	sb_str(r->out, "{}");
	events_too(r->u->id);
	set_ts(r, obj_touch(r->c, e->o, r->u->id, stamp_new(r->c)));
}

/* 8.19: title, note or categories */
static bool
task_says(const struct obj *o, const char *pattern)
{
	static const char *const in[] = { "title", "note", "categories" };
	bool ok = false;
	size_t i;

	for (i = 0; !ok && i < sizeof(in) / sizeof(in[0]); i++) {
		char *t = obj_str(o, fld_by_name(&MI_TASKS, in[i]));

		ok = t != NULL && match_part(t, pattern);
		free(t);
	}
	return ok;
}

void
tasks_search(struct req *r)
{
	json_t *q;
	struct cols c;
	struct rows w = { 0 };
	struct folder *f;
	const char *pat;
	int64_t limit;
	int want = 0;
	uint32_t i;

	if (!cols_parse(r, &MI_TASKS, &c) || (q = body_object(r)) == NULL)
		return;
	pat = json_string_value(json_object_get(q, "pattern"));
	(void)json_folder(json_object_get(q, "folder"), &want);
	for (f = r->c->fhead; f != NULL; f = f->next) {
		if (f->m != M_TASKS || (want != 0 && f->id != want))
			continue;
		for (i = 0; i < f->n; i++) {
			if (readable(r, f->item[i]) && task_says(f->item[i]->o, pat ? pat : "*"))
				rows_add(&w, f->item[i]);
		}
	}
	ents_by_id(w.v, w.n);
	if (parse_i64(arg(r, "right_hand_limit"), &limit) && limit >= 0 && (size_t)limit < w.n)
		w.n = (size_t)limit;
	rows_put(r, &MI_TASKS, &c, &w, false);
	free(w.v);
}
