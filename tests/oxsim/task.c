/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Tasks: fields, checks, insertion.  The actions are in taskio.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "oxsim/task.h"

static const struct set_errs errs = {
	.bad_char = "TSK-0047", .too_long = "TSK-0041", .bad_type = "SVL-0002/type",
	.bad_int = "SVL-0007/int", .trunc_cols = true, .empty_is_null = true
};

static int F_UID, F_PRIVATE, F_START, F_END, F_FULL, F_STATUS, F_PERCENT, F_PRIO, F_RTYPE, F_OCC;

static void
fields_once(void)
{
	if (F_UID != 0)
		return;
	F_UID = fld_by_name(&MI_TASKS, "uid");
	F_PRIVATE = fld_by_name(&MI_TASKS, "private_flag");
	F_START = fld_by_name(&MI_TASKS, "start_date");
	F_END = fld_by_name(&MI_TASKS, "end_date");
	F_FULL = fld_by_name(&MI_TASKS, "full_time");
	F_STATUS = fld_by_name(&MI_TASKS, "status");
	F_PERCENT = fld_by_name(&MI_TASKS, "percent_completed");
	F_PRIO = fld_by_name(&MI_TASKS, "priority");
	F_RTYPE = fld_by_name(&MI_TASKS, "recurrence_type");
	F_OCC = fld_by_name(&MI_TASKS, "occurrences");
}

static int64_t
day_of(int64_t t)
{
	return (t >= 0 ? t / DAY_MS : -((-t + DAY_MS - 1) / DAY_MS)) * DAY_MS;
}

bool
task_virt(struct req *r, const struct ent *e, const struct fld *f, bool row)
{
	const struct obj *o = e->o;
	struct sb *b = r->out;
	int64_t t;
	int src;

	(void)row;
	fields_once();
	switch (f->col) {
	case 316:
	case 317:
		src = f->col == 316 ? F_START : F_END;
		if (obj_fv(o, src) == NULL)
			return false;
		t = obj_int(o, src, 0);
		sb_int(b, obj_int(o, F_FULL, 1) ? day_of(t) : shift(r, t));
		return true;
	case 220: parts_emit(b, o, true); return true;
	case 221: users_emit(b, o); return true;
	/* external participants of tasks cannot answer */
	case 226: sb_str(b, "[]"); return true;
	default: return false;
	}
}

bool
task_hidden(const struct req *r, const struct obj *o)
{
	fields_once();
	return o->created_by != r->u->id && obj_int(o, F_PRIVATE, 0) != 0;
}

static struct rule_spec
spec_of(const struct obj *o)
{
	struct rule_spec s = { 0 };

	s.type = (int)obj_int(o, F_RTYPE, 0);
	s.interval = (int)obj_int(o, fld_by_name(&MI_TASKS, "interval"), 0);
	s.days = (int)obj_int(o, fld_by_name(&MI_TASKS, "days"), 0);
	s.day_in_month = (int)obj_int(o, fld_by_name(&MI_TASKS, "day_in_month"), 0);
	s.month = (int)obj_int(o, fld_by_name(&MI_TASKS, "month"), 0);
	s.until = obj_int(o, fld_by_name(&MI_TASKS, "until"), 0);
	s.occurrences = (int)obj_int(o, F_OCC, 0);
	return s;
}

static bool
check_recurrence(struct req *r, struct obj *o, bool moved)
{
	struct rule_spec s = spec_of(o);
	int64_t first, d;

	if (s.type < 1 || s.type > 4)
		return true;
	if (s.interval > 999)
		fail(r, "APP-0078", json_pack("[i,i]", s.interval, 999));
	else if (s.type == 4 && obj_fv(o, fld_by_name(&MI_TASKS, "month")) == NULL)
		fail(r, "APP-0046", json_pack("[i]", 0));
	else if (s.interval < 1)
		fail(r, "APP-0055", json_pack("[i]", s.interval));
	else if (s.type == 2 && s.days == 0)
		fail(r, "APP-0056", json_pack("[i]", 0));
	else if (obj_fv(o, F_START) == NULL || obj_fv(o, F_END) == NULL)
		fail(r, "TSK-0037", json_pack("[i]", 201));
	if (r->failed || !moved)
		return !r->failed;
	/* the first occurrence may lie later than the start that was sent */
	d = obj_int(o, F_END, 0) - obj_int(o, F_START, 0);
	first = recur_first(&s, obj_int(o, F_START, 0));
	obj_set_int(o, F_START, first);
	obj_set_int(o, F_END, first + d);
	return true;
}

static bool
check(struct req *r, struct obj *o, const struct folder *f, bool recur_moved)
{
	int64_t percent = obj_int(o, F_PERCENT, 0), prio = obj_int(o, F_PRIO, 0);

	if (obj_int(o, F_PRIVATE, 0) && o->npart > 0)
		fail(r, "TSK-0028", NULL);
	else if (obj_int(o, F_PRIVATE, 0) && (f->type != 1 || f->owner != r->u->id))
		fail(r, "TSK-0008", json_pack("[i]", f->id));
	else if (obj_int(o, F_STATUS, 0) == 1 && percent != 0)
		fail(r, "TSK-0031", json_pack("[I]", (json_int_t)percent));
	else if (obj_fv(o, F_PRIO) && (prio < 1 || prio > 3))
		fail(r, "TSK-0057", json_pack("[I]", (json_int_t)prio));
	else if (obj_fv(o, F_START) && obj_fv(o, F_END) && obj_int(o, F_START, 0) > obj_int(o, F_END, 0))
		fail(r, "TSK-0040", json_pack("[I,I]", (json_int_t)obj_int(o, F_START, 0), (json_int_t)obj_int(o, F_END, 0)));
	return !r->failed && check_recurrence(r, o, recur_moved);
}

/* start_time and end_time are another view of start_date and end_date */
static bool
set_time(struct req *r, struct obj *o, int f, const json_t *v, const json_t *whole)
{
	if (!field_set(r, &MI_TASKS, &errs, o, f, v, whole))
		return false;
	if (obj_fv(o, f) != NULL) {
		int64_t t = obj_int(o, f, 0);

		obj_set_int(o, f, obj_int(o, F_FULL, 1) ? day_of(t) : unshift(r, t));
	}
	return true;
}

bool
task_apply(struct req *r, struct obj *o, const struct folder *f, json_t *fields, bool create)
{
	const char *k;
	json_t *v;
	bool recur = false;
	int i;

	fields_once();
	if (!task_pattern(r, fields))
		return false;
	/* full_time decides how the times are read */
	if ((v = json_object_get(fields, "full_time")) != NULL &&
	    !field_set(r, &MI_TASKS, &errs, o, F_FULL, v, fields))
		return false;
	json_object_foreach(fields, k, v) {
		if (strcmp(k, "participants") == 0) {
			const json_t *p;
			size_t n;

			json_array_foreach(v, n, p) {
				int type = 0;

				(void)json_id(json_object_get(p, "type"), &type);
				if (type == PT_RESOURCE) {
					fail(r, "TSK-0049", json_pack("[i]", type));
					return false;
				}
			}
			if (!parts_read(r, o, json_is_array(v) ? v : NULL, "TSK-0044"))
				return false;
			parts_resolve(r->c, o, 0);
			continue;
		}
		i = fld_by_name(&MI_TASKS, k);
		if (i < 0 || i == F_FULL || (MI_TASKS.f[i].type == FT_VIRT && MI_TASKS.f[i].col != 316 && MI_TASKS.f[i].col != 317))
			continue;
		if (i == F_UID && !create) {
			fail(r, "TSK-0053", NULL);
			return false;
		}
		if (MI_TASKS.f[i].col == 316 || MI_TASKS.f[i].col == 317) {
			if (!set_time(r, o, MI_TASKS.f[i].col == 316 ? F_START : F_END, v, fields))
				return false;
			continue;
		}
		if (!field_set(r, &MI_TASKS, &errs, o, i, v, fields))
			return false;
		if ((MI_TASKS.f[i].type == FT_TIME || MI_TASKS.f[i].type == FT_DATE) && obj_fv(o, i) != NULL) {
			int64_t ms = obj_int(o, i, 0);

			obj_set_int(o, i, ms - (ms % 1000 + 1000) % 1000); /* full seconds are stored */
		}
		if ((i == F_STATUS || i == F_PERCENT) && json_is_null(v))
			obj_set(o, i, "0", 1);
		if (i == F_OCC && obj_int(o, i, 0) <= 0)
			obj_set(o, i, NULL, 0);
		recur = recur || (MI_TASKS.f[i].col >= 209 && MI_TASKS.f[i].col <= 216);
	}
	return check(r, o, f, create || recur);
}

struct obj *
task_insert(struct req *r, struct folder *f, json_t *fields)
{
	struct obj *o;
	int64_t stamp;
	char uuid[37];

	fields_once();
	if (!may_create(r->c, f, r->u->id)) {
		fail(r, "TSK-0023", json_pack("[i]", f->id));
		return NULL;
	}
	o = xcalloc(1, sizeof(*o));
	o->m = M_TASKS;
	o->created_by = o->modified_by = r->u->id;
	if (!task_apply(r, o, f, fields, true)) {
		obj_free(o);
		return NULL;
	}
	stamp = stamp_new(r->c);
	o->id = r->c->next_id[M_TASKS]++;
	o->created = o->lm = stamp;
	g_hash_table_insert(r->c->obj[M_TASKS], GINT_TO_POINTER(o->id), o);
	if (obj_fv(o, F_UID) == NULL) {
		gen_uuid(uuid);
		obj_set_str(o, F_UID, uuid);
	}
	parts_places(r->c, o, f, stamp);
	return o;
}

/* a finished recurring task makes place for its next occurrence, a task of its own */
void
task_next(struct req *r, struct obj *o, struct folder *f)
{
	struct rule_spec s;
	int64_t occ[2], start, d, stamp;
	struct obj *n;
	char uuid[37];
	int i, rec[] = { 209, 212, 213, 214, 215, 216, 222 };

	fields_once();
	s = spec_of(o);
	if (s.type < 1 || s.type > 4 || obj_int(o, F_STATUS, 0) != 3 || s.occurrences == 1)
		return;
	start = obj_int(o, F_START, 0);
	d = obj_int(o, F_END, 0) - start;
	if (recur_expand(&s, start, INT64_C(253402214400000), 2, occ) == 2) {
		stamp = stamp_new(r->c);
		n = obj_new(r->c, M_TASKS, 0, o->created_by, stamp);
		obj_copy_fields(n, o);
		gen_uuid(uuid);
		obj_set_str(n, F_UID, uuid);
		obj_set_int(n, F_START, occ[1]);
		obj_set_int(n, F_END, occ[1] + d);
		obj_set_int(n, F_STATUS, 1);
		obj_set_int(n, F_PERCENT, 0);
		obj_set(n, fld_by_name(&MI_TASKS, "date_completed"), NULL, 0);
		if (s.occurrences > 1)
			obj_set_int(n, F_OCC, s.occurrences - 1);
		for (i = 0; i < o->npart; i++)
			(void)part_add(n, o->part[i].type, o->part[i].id, o->part[i].mail, o->part[i].name);
		parts_resolve(r->c, n, 0);
		parts_places(r->c, n, f, stamp);
	}
	for (i = 0; i < 7; i++)
		obj_set(o, fld_by_col(&MI_TASKS, rec[i]), NULL, 0);
}
