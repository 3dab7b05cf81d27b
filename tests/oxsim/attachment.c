/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Module attachment: files attached to contacts, tasks and appointments.
 * An attachment changes its object: last_modified, columns 104 and 105.
 * What deleted attachments leave behind is in struct obj (atgone).
 */
#include <glib.h>
#include <stdlib.h>

#include "oxsim/sim.h"

struct target {
	struct folder *f;
	struct obj *o;
	int number;		/* module number of the API: 1, 4, 7 */
	int id;
};

static const struct {
	int number;
	enum mod m;
	const char *unreadable, *unwritable, *unknown;
} owners[] = {
	{ 7, M_CONTACTS, "CON-0104", "CON-0176", "CON-0125" },
	{ 4, M_TASKS, "TSK-0046", "TSK-0033", "TSK-0046" },
	{ 1, M_CALENDAR, "CAL-4030", "CAL-4031", "CAL-4041" },
};

/* Finds the object; false with the error set, or without one when the module is unknown. */
static bool
target_find(struct req *r, struct target *t, bool write)
{
	size_t i, n = sizeof(owners) / sizeof(owners[0]);

	for (i = 0; i < n && owners[i].number != t->number; i++)
		;
	if (i == n)
		return false;
	if (t->f == NULL || t->f->m != owners[i].m) {
		fail(r, owners[i].unknown, json_pack("[i,i]", t->id, r->c->id));
		return false;
	}
	if (perm_read(perm_bits(r->c, t->f, r->u->id)) == 0) {
		fail(r, owners[i].unreadable, json_pack("[i,i,i]", t->f->id, r->c->id, r->u->id));
		return false;
	}
	t->o = obj_get(r->c, owners[i].m, t->id);
	if (t->o == NULL || obj_in(t->o, t->f) == NULL) {
		t->o = NULL;
		fail(r, owners[i].unknown, json_pack("[i,i]", t->id, r->c->id));
		return false;
	}
	if (write ? !may_write(r->c, t->f, r->u->id, t->o->created_by) :
	    !may_read(r->c, t->f, r->u->id, t->o->created_by)) {
		fail(r, write ? owners[i].unwritable : owners[i].unreadable,
		    json_pack("[i,i,i]", t->f->id, r->c->id, r->u->id));
		t->o = NULL;
		return false;
	}
	return true;
}

/* A number parameter; the module has its own code for a missing one. */
static bool
number_arg(struct req *r, const char *name, int *v)
{
	const char *s = arg(r, name);
	int64_t n;

	if (s == NULL || *s == '\0') {
		fail(r, "UPL-0006", json_pack("[s]", name));
		return false;
	}
	if (!parse_i64(s, &n)) {
		fail(r, "SVL-0010", json_pack("[s,s]", name, s));
		return false;
	}
	*v = (int)n;
	return true;
}

static bool
target_of_args(struct req *r, struct target *t, bool write)
{
	int folder;

	*t = (struct target){ 0 };
	if (!number_arg(r, "folder", &folder) || !number_arg(r, "attached", &t->id) ||
	    !number_arg(r, "module", &t->number))
		return false;
	t->f = folder_get(r->c, folder);
	return target_find(r, t, write);
}

static const struct attach *
attach_by_id(const struct obj *o, int64_t id)
{
	int i;

	for (i = 0; i < o->nat; i++)
		if (o->at[i].id == id)
			return &o->at[i];
	return NULL;
}

/* in the user's zone, whatever the request asks for */
static int64_t
created(const struct req *r, const struct attach *a)
{
	return a->created + tz_offset(tz_get(r->u->zone), a->created);
}

static void
put_cell(struct req *r, const struct target *t, const struct attach *a, int64_t col)
{
	switch (col) {
	case 1: sb_int(r->out, a->id); break;
	case 2: sb_int(r->out, a->by); break;
	case 4: sb_int(r->out, created(r, a)); break;
	case 800: sb_int(r->out, t->f->id); break;
	case 801: sb_int(r->out, t->o->id); break;
	case 802: sb_int(r->out, t->number); break;
	case 803: sb_js(r->out, a->name); break;
	case 804: sb_int(r->out, (int64_t)a->data->len); break;
	case 805: sb_js(r->out, a->type); break;
	case 806: sb_str(r->out, a->rtf ? "true" : "false"); break;
	default: sb_str(r->out, "null"); break;
	}
}

static void
put_row(struct req *r, const struct target *t, const struct attach *a)
{
	static const char all[] = "800,1,2,4,801,802,803,804,805,806";
	const char *columns = arg(r, "columns");
	gchar **c = g_strsplit(columns && *columns ? columns : all, ",", -1);
	int64_t col;
	int i;

	sb_ch(r->out, '[');
	for (i = 0; c[i] != NULL; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		put_cell(r, t, a, parse_i64(c[i], &col) ? col : 0);
	}
	sb_ch(r->out, ']');
	g_strfreev(c);
}

/* --- reading ----------------------------------------------------------------------- */

void
attachment_all(struct req *r)
{
	struct target t;
	int i;

	if (!target_of_args(r, &t, false)) {
		set_ts(r, 0);
		sb_str(r->out, "[]");
		return;
	}
	set_ts(r, 0);
	sb_ch(r->out, '[');
	for (i = 0; i < t.o->nat; i++) {
		if (i > 0)
			sb_ch(r->out, ',');
		put_row(r, &t, &t.o->at[i]);
		max_ts(r, t.o->at[i].created);
	}
	sb_ch(r->out, ']');
}

void
attachment_get(struct req *r)
{
	const struct attach *a;
	struct target t;
	gchar *sum;
	int id;

	if (!number_arg(r, "id", &id) || !target_of_args(r, &t, false))
		return;
	a = attach_by_id(t.o, id);
	if (a == NULL) {
		fail(r, "ATT-0405", NULL);
		return;
	}
	sum = g_compute_checksum_for_data(G_CHECKSUM_MD5, (const guchar *)a->data->p, a->data->len);
	sb_printf(r->out, "{\"created_by\":%d,\"creation_date\":%lld,\"file_mimetype\":", a->by,
	    (long long)created(r, a));
	sb_js(r->out, a->type);
	sb_printf(r->out, ",\"file_size\":%zu,\"filename\":", a->data->len);
	sb_js(r->out, a->name);
	sb_printf(r->out, ",\"attached\":%d,\"module\":%d,\"rtf_flag\":%s,\"id\":%d,\"folder\":%d,"
	    "\"comment\":\"\",\"file_id\":\"hashed/%.2s/%.2s/%.2s/%s\",\"checksum\":\"%s\",\"uri\":\"\"}",
	    t.o->id, t.number, a->rtf ? "true" : "false", a->id, t.f->id, sum, sum + 2, sum + 4, sum,
	    sum);
	g_free(sum);
	set_ts(r, a->created);
}

void
attachment_list(struct req *r)
{
	const struct attach *a;
	struct target t;
	json_t *ids, *v;
	bool first = true;
	size_t i;

	ids = body_array(r);
	if (ids == NULL || !target_of_args(r, &t, false))
		return;
	set_ts(r, 0);
	sb_ch(r->out, '[');
	json_array_foreach(ids, i, v) {
		a = attach_by_id(t.o, json_integer_value(v));
		if (a == NULL)
			continue;
		if (!first)
			sb_ch(r->out, ',');
		first = false;
		put_row(r, &t, a);
		max_ts(r, a->created);
	}
	sb_ch(r->out, ']');
}

void
attachment_updates(struct req *r)
{
	const char *ignore = arg(r, "ignore");
	struct target t;
	bool first = true;
	int64_t since;
	int i;

	if (!need_i64(r, "timestamp", &since) || !target_of_args(r, &t, false))
		return;
	sb_ch(r->out, '[');
	for (i = 0; i < t.o->nat; i++) {
		if (t.o->at[i].created <= since)
			continue;
		if (!first)
			sb_ch(r->out, ',');
		first = false;
		put_row(r, &t, &t.o->at[i]);
	}
	for (i = 0; i < t.o->natgone && (ignore == NULL || strcmp(ignore, "deleted") != 0); i++) {
		if (t.o->atgone[i].stamp <= since)
			continue;
		if (!first)
			sb_ch(r->out, ',');
		first = false;
		sb_int(r->out, t.o->atgone[i].id);
	}
	sb_ch(r->out, ']');
	/* the clock of the server, not the newest attachment */
	set_ts(r, sim_now());
}

void
attachment_document(struct req *r)
{
	const struct attach *a;
	struct target t;
	gchar *name, *head;
	int id;

	if (!number_arg(r, "id", &id) || !target_of_args(r, &t, false)) {
		add_header(r, "Content-Disposition", "inline");
		return;
	}
	a = attach_by_id(t.o, id);
	if (a == NULL) {
		fail(r, "ATT-0405", NULL);
		add_header(r, "Content-Disposition", "inline");
		return;
	}
	name = g_uri_escape_string(a->name, NULL, false);
	head = g_strdup_printf("attachment; filename*=UTF-8''%s", name);
	add_header(r, "Content-Disposition", head);
	g_free(name);
	g_free(head);
	raw_reply(r, "application/octet-stream;charset=UTF-8", a->data->p, a->data->len);
}

/* --- changing ------------------------------------------------------------------------ */

/* A file to attach; name and type of the JSON part count before those of the upload. */
struct upload {
	const struct part *file;
	char *name, *type;
};

static int
attach_add(struct req *r, struct obj *o, const struct upload *up, int64_t stamp)
{
	struct attach *a;

	o->at = xrealloc(o->at, sizeof(*o->at) * (size_t)(o->nat + 1));
	a = &o->at[o->nat++];
	*a = (struct attach){ .id = r->c->next_attach++, .by = r->u->id, .created = stamp };
	a->name = xstrdup(up->name ? up->name : up->file->filename);
	a->type = xstrdup(up->type ? up->type : up->file->type ? up->file->type : "application/octet-stream");
	a->data = blob_new(up->file->p, up->file->n);
	o->at_lm = stamp;
	return a->id;
}

/* The file part that belongs to a JSON part: json_3 and file_3, json and file. */
static const struct part *
file_of(const struct req *r, const char *json_name)
{
	gchar *name = g_strconcat("file", json_name + 4, NULL);
	const struct part *found = NULL;
	size_t i;

	for (i = 0; i < r->npart; i++)
		if (strcmp(r->part[i].name, name) == 0 && r->part[i].filename != NULL)
			found = &r->part[i];
	g_free(name);
	return found;
}

static bool
attach_part(struct req *r, const struct part *p, struct target *t, struct upload *up)
{
	static const char *const members[] = { "folder", "attached", "module" };
	json_t *j = json_loadb(p->p, p->n, JSON_REJECT_DUPLICATES, NULL);
	int value[3];
	bool ok = json_is_object(j);
	size_t i;

	if (!ok)
		fail(r, "SVL-0029", NULL);
	for (i = 0; ok && i < 3; i++) {
		ok = json_id(json_object_get(j, members[i]), &value[i]);
		if (!ok)
			fail(r, "SVL-0002", json_pack("[s]", members[i]));
	}
	up->name = xstrdup(json_string_value(json_object_get(j, "filename")));
	up->type = xstrdup(json_string_value(json_object_get(j, "file_mimetype")));
	json_decref(j);
	if (!ok)
		return false;
	up->file = file_of(r, p->name);
	if (up->file == NULL) {
		/* without a file a link is expected */
		fail(r, "SVL-0002", json_pack("[s]", "uri"));
		return false;
	}
	*t = (struct target){ .f = folder_get(r->c, value[0]), .id = value[1], .number = value[2] };
	return target_find(r, t, true);
}

void
attachment_attach(struct req *r)
{
	struct target t;
	bool first = true;
	int64_t stamp = stamp_new(r->c);
	size_t i;

	sb_ch(r->out, '[');
	for (i = 0; i < r->npart && !r->failed; i++) {
		struct upload up = { 0 };

		if (strncmp(r->part[i].name, "json", 4) == 0 && attach_part(r, &r->part[i], &t, &up)) {
			if (!first)
				sb_ch(r->out, ',');
			first = false;
			sb_int(r->out, attach_add(r, t.o, &up, stamp));
			/* two files for one object change it once */
			set_ts(r, t.o->lm == stamp ? stamp : obj_touch(r->c, t.o, r->u->id, stamp));
		}
		free(up.name);
		free(up.type);
	}
	sb_ch(r->out, ']');
	if (first && !r->failed)
		fail(r, "SVL-0002", json_pack("[s]", "json"));
}

static bool
attach_remove(struct obj *o, int64_t id, int64_t stamp)
{
	int i;

	for (i = 0; i < o->nat && o->at[i].id != id; i++)
		;
	if (i == o->nat)
		return false;
	free(o->at[i].name);
	free(o->at[i].type);
	blob_unref(o->at[i].data);
	memmove(&o->at[i], &o->at[i + 1], sizeof(*o->at) * (size_t)(o->nat - i - 1));
	o->nat--;
	o->atgone = xrealloc(o->atgone, sizeof(*o->atgone) * (size_t)(o->natgone + 1));
	o->atgone[o->natgone++] = (struct tomb){ (int)id, stamp };
	o->at_lm = o->nat > 0 ? o->at[o->nat - 1].created : 0;
	return true;
}

void
attachment_detach(struct req *r)
{
	struct target t;
	json_t *ids, *v;
	bool changed = false;
	int64_t stamp;
	size_t i;

	ids = body_array(r);
	if (ids == NULL || !target_of_args(r, &t, true))
		return;
	stamp = stamp_new(r->c);
	json_array_foreach(ids, i, v)
		changed = attach_remove(t.o, json_integer_value(v), stamp) || changed;
	/* an unknown id is no error */
	set_ts(r, changed ? obj_touch(r->c, t.o, r->u->id, stamp) : stamp);
	sb_str(r->out, "\"\"");
}
