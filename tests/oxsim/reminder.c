/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module reminder: the alarms of tasks and appointments as a list.  They are
 * not stored; the alarm of the object is the reminder.  A series reminds of
 * its next date.
 */
#include <stdlib.h>

#include "oxsim/cal.h"

struct alarm {
	struct obj *o;
	int folder;
	int64_t at;
};

/* Ids of appointment reminders lie above the 32-bit range and are answered as text. */
#define EVENT_BASE (INT64_C(4) << 32)

static int
folder_for(const struct obj *o, int user)
{
	const struct ent *e;

	for (e = o->ents; e != NULL; e = e->onext)
		if (e->user == user || e->f->owner == user)
			return e->f->id;
	return 0;
}

/* Start of the appointment; of a series the first one whose alarm is still to come. */
static int64_t
next_start(const struct obj *o, int64_t before)
{
	struct occ *v = NULL;
	int64_t start = cal_start(o), now = sim_now();
	int i, n;

	if (!cal_is_master(o))
		return start;
	n = cal_occurrences(o, now + 366 * DAY_MS, 1000, false, &v);
	for (i = 0; i < n; i++) {
		start = v[i].start;
		if (start - before >= now)
			break;
	}
	free(v);
	return start;
}

static bool
alarm_of(const struct req *r, struct obj *o, struct alarm *a)
{
	const struct attendee *me;

	a->o = o;
	a->folder = folder_for(o, r->u->id);
	if (a->folder == 0)
		return false;
	if (o->m == M_TASKS) {
		a->at = obj_int(o, fld_by_name(&MI_TASKS, "alarm"), 0);
		return a->at > 0;
	}
	me = att_of(o, r->u->id);
	if (me == NULL || me->alarm < 0)
		return false;
	/* unlike those of tasks, these instants are shifted by the zone of the user */
	a->at = shift(r, next_start(o, (int64_t)me->alarm * 60000) - (int64_t)me->alarm * 60000);
	return true;
}

static int
by_id(const void *x, const void *y)
{
	const struct alarm *a = x, *b = y;

	if (a->o->m != b->o->m)
		return a->o->m == M_TASKS ? -1 : 1;
	return a->o->id < b->o->id ? -1 : a->o->id > b->o->id;
}

static GArray *
alarms(const struct req *r)
{
	static const enum mod mods[] = { M_TASKS, M_CALENDAR };
	GArray *v = g_array_new(FALSE, FALSE, sizeof(struct alarm));
	GHashTableIter it;
	struct alarm a;
	gpointer o;
	size_t i;

	for (i = 0; i < 2; i++) {
		g_hash_table_iter_init(&it, r->c->obj[mods[i]]);
		while (g_hash_table_iter_next(&it, NULL, &o))
			if (alarm_of(r, o, &a))
				g_array_append_val(v, a);
	}
	g_array_sort(v, by_id);
	return v;
}

static void
put_alarm(struct req *r, const struct alarm *a)
{
	bool task = a->o->m == M_TASKS;

	if (task)
		sb_printf(r->out, "{\"id\":%d", a->o->id);
	else
		sb_printf(r->out, "{\"id\":\"%lld\"", (long long)(EVENT_BASE + a->o->id));
	sb_printf(r->out, ",\"last_modified\":%lld,\"target_id\":%d,\"folder\":%d,\"alarm\":%lld,"
	    "\"module\":%d,\"user_id\":%d,\"recurrence_position\":0,\"server_time\":%lld}",
	    (long long)a->o->lm, a->o->id, a->folder, (long long)a->at, task ? 4 : 1, r->u->id,
	    (long long)shift(r, sim_now()));
}

static void
put_list(struct req *r, int64_t end, int64_t since, bool tasks_only)
{
	GArray *v = alarms(r);
	bool first = true;
	guint i;

	sb_ch(r->out, '[');
	for (i = 0; i < v->len; i++) {
		const struct alarm *a = &g_array_index(v, struct alarm, i);

		if (a->at > end || a->o->lm <= since || (tasks_only && a->o->m != M_TASKS))
			continue;
		if (!first)
			sb_ch(r->out, ',');
		first = false;
		put_alarm(r, a);
	}
	sb_ch(r->out, ']');
	g_array_free(v, TRUE);
}

void
reminder_range(struct req *r)
{
	int64_t end;

	if (need_i64(r, "end", &end))
		put_list(r, end, -1, false);
}

void
reminder_updates(struct req *r)
{
	int64_t since;

	if (!need_i64(r, "timestamp", &since))
		return;
	put_list(r, INT64_MAX, since, true);
	set_ts(r, since);
}

static struct obj *
task_of(const struct req *r, int64_t id)
{
	struct obj *o = id > 0 && id <= INT32_MAX ? obj_get(r->c, M_TASKS, (int)id) : NULL;
	struct alarm a;

	return o != NULL && alarm_of(r, o, &a) ? o : NULL;
}

/* Takes the alarm away, which changes the task; answers the ids it did not find. */
void
reminder_delete(struct req *r)
{
	json_t *list = body_array(r), *v;
	bool first = true;
	size_t i;

	if (list == NULL)
		return;
	sb_ch(r->out, '[');
	json_array_foreach(list, i, v) {
		int64_t id = json_integer_value(json_object_get(v, "id"));
		struct obj *o = task_of(r, id);

		if (o != NULL) {
			obj_set(o, fld_by_name(&MI_TASKS, "alarm"), NULL, 0);
			obj_touch(r->c, o, r->u->id, stamp_new(r->c));
			continue;
		}
		if (!first)
			sb_ch(r->out, ',');
		first = false;
		sb_int(r->out, id);
	}
	sb_ch(r->out, ']');
}

void
reminder_again(struct req *r)
{
	json_t *j = body_object(r);
	struct alarm a;
	struct obj *o;
	int64_t id;

	if (j == NULL || !need_i64(r, "id", &id))
		return;
	o = task_of(r, id);
	if (o == NULL) {
		fail(r, "TSK-0019", json_pack("[I,i]", (json_int_t)id, r->c->id));
		return;
	}
	/* seconds are the finest that is kept */
	obj_set_int(o, fld_by_name(&MI_TASKS, "alarm"),
	    json_integer_value(json_object_get(j, "alarm")) / 1000 * 1000);
	set_ts(r, obj_touch(r->c, o, r->u->id, stamp_new(r->c)));
	alarm_of(r, o, &a);
	put_alarm(r, &a);
}
