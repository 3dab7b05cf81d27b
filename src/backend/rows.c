/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows of OX's list answers as objects: by position, without looking anything up. */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct columns first[CT_COUNT], listed[CT_COUNT];
/* The columns that are asked for.  They change only where this OX turns out not to know a column: a new set then takes the old one's place, and the old
 * one stays for those who are using it.  There is one OX to a process. */
static struct columns *_Atomic all[CT_COUNT];
static pthread_mutex_t forget_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t columns_once = PTHREAD_ONCE_INIT;

static void
columns_add(struct columns *c, const struct content_type *t, size_t i)
{
	size_t len = strlen(c->text);

	(void)snprintf(c->text + len, sizeof(c->text) - len, "%s%d", c->n > 0 ? "," : "", t->fields[i].column);
	c->field[c->n++] = (uint8_t)i;
}

static void
columns_init(void)
{
	for (unsigned ct = 0; ct < CT_COUNT; ct++) {
		const struct content_type *t = model_content((enum content)ct);

		for (size_t i = 0; i < t->n_fields; i++) {
			if ((t->fields[i].flags & FF_NOCOLUMN) != 0)
				continue;
			columns_add(&first[ct], t, i);
			if ((t->fields[i].flags & FF_LISTED) != 0)
				columns_add(&listed[ct], t, i);
		}
		atomic_store(&all[ct], &first[ct]);
	}
}

const struct columns *
columns_all(enum content ct)
{
	(void)pthread_once(&columns_once, columns_init);
	return atomic_load(&all[ct]);
}

const struct columns *
columns_listed(enum content ct)
{
	(void)pthread_once(&columns_once, columns_init);
	return &listed[ct];
}

void
columns_forget(enum content ct, int column)
{
	const struct content_type *t = model_content(ct);
	int field = model_field_column(t, column);
	const struct columns *old;
	struct columns *c;

	/* without an id, a folder or a version nothing can be done: better to fail */
	if (field < 0 || (t->fields[field].flags & FF_LISTED) != 0 || column == 20)
		return;
	(void)pthread_mutex_lock(&forget_lock);
	old = columns_all(ct);
	c = mem_alloc(sizeof(*c));
	for (size_t i = 0; c != NULL && i < old->n; i++)
		if (old->field[i] != field)
			columns_add(c, t, old->field[i]);
	if (c != NULL && c->n < old->n) {
		c->older = old;
		atomic_store(&all[ct], c);
		log_warn("ox-unknown-column", "module=%s column=%d field=%s: not asked for any more", t->ox_module, column, t->fields[field].name);
	} else {
		mem_free(c);
	}
	(void)pthread_mutex_unlock(&forget_lock);
}

bool
json_id(const json_t *v, int64_t *id)
{
	if (json_is_integer(v)) {
		*id = json_integer_value(v);
		return true;
	}
	return json_is_string(v) && parse_i64(json_string_value(v), 0, INT64_MAX, id);
}

bool
json_made_id(const json_t *v, int64_t *id)
{
	return json_id(v, id) && *id > 0;
}

const char *
id_text(int64_t id, const char *oxid, char tmp[24])
{
	if (oxid != NULL)
		return oxid;
	(void)snprintf(tmp, 24, "%" PRId64, id);
	return tmp;
}

/* "7" stands for 7, "007" and "+7" for themselves, as in model_id. */
static int64_t
canonical_id(const char *s)
{
	int64_t id;

	if (s[0] < '0' || s[0] > '9' || (s[0] == '0' && s[1] != '\0') || !parse_i64(s, 0, INT64_MAX, &id))
		return 0;
	return id;
}

static enum rc
take_id(struct arena *a, struct object *o, unsigned field, bool folder, struct err *e)
{
	const char *s = object_get_str(o, field);
	char *copy = s != NULL ? arena_strdup(a, s) : NULL;

	if (s == NULL)
		return RC_OK;
	if (copy == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (folder) {
		o->folder = copy;
	} else {
		o->oxid = copy;
		o->id = canonical_id(copy);
	}
	return RC_OK;
}

/* Which columns carry identity, for every type: 1 or 600 the id, 20 or 601 the folder, 6 the version. */
enum rc
cell_set(struct arena *a, struct object *o, unsigned field, json_t *value, struct err *e)
{
	const bool mail = o->ct == CT_MAIL; /* elsewhere 600 and 601 are other things: of a contact 601 is the type of its picture */
	int column = model_content(o->ct)->fields[field].column;

	object_set(o, field, value);
	if (column == (mail ? 600 : 1))
		return take_id(a, o, field, false, e);
	if (column == (mail ? 601 : 20))
		return take_id(a, o, field, true, e);
	if (column == 6)
		o->lm = object_get_i64(o, field, 0);
	return RC_OK;
}

enum rc
row_fill(struct arena *a, const struct columns *c, const json_t *row, struct object *o, struct err *e)
{
	enum rc rc = RC_OK;
	json_t *v;
	size_t i;

	/* QUIRK(OX, 8.19 contacts): a column that it does not know is left out and the rest moves up: no row is right then */
	if (json_array_size(row) != c->n)
		return err_set(e, RC_UPSTREAM, "OX answered %zu of %zu %s columns: this OX knows other fields than usmd", json_array_size(row), c->n,
		    model_content(o->ct)->name);
	json_array_foreach (row, i, v)
		if (!json_is_null(v) && rc == RC_OK)
			rc = cell_set(a, o, c->field[i], json_incref(v), e);
	if (rc == RC_OK && o->oxid == NULL)
		rc = err_set(e, RC_UPSTREAM, "OX answered a %s without an id", model_content(o->ct)->name);
	return rc;
}

/* QUIRK(OX, 8.19): who moved an object away and back is in both parts of the answer; it is there. */
enum rc
rows_drop_alive(struct arena *a, struct object **o, size_t n, int64_t *deleted, size_t *n_deleted, struct err *e)
{
	struct imap *alive;
	size_t kept = 0, x;

	if (n == 0 || *n_deleted == 0)
		return RC_OK;
	alive = imap_new(a, n);
	for (size_t i = 0; alive != NULL && i < n; i++)
		if (!imap_put(alive, o[i]->id, i))
			alive = NULL;
	if (alive == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < *n_deleted; i++)
		if (!imap_get(alive, deleted[i], &x))
			deleted[kept++] = deleted[i];
	*n_deleted = kept;
	return RC_OK;
}

static enum rc
read_entry(const json_t *v, struct rows_want *w, struct err *e)
{
	const char *name = model_content(w->ct)->name;
	struct object *o;
	enum rc rc;

	if (json_is_array(v)) {
		o = object_new(w->a, w->ct);
		if (o == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
		w->o[w->n++] = o;
		rc = row_fill(w->a, w->columns, v, o, e);
		if (rc == RC_OK && o->folder == NULL)
			o->folder = w->folder;
		return rc;
	}
	if (w->want_deleted && json_id(v, &w->deleted[w->n_deleted])) {
		w->n_deleted++;
		return RC_OK;
	}
	/* a null stands for an object that has gone */
	return json_is_null(v) ? RC_OK : err_set(e, RC_UPSTREAM, "OX answered a list with something in it that is no %s", name);
}

enum rc
rows_read(const json_t *data, struct rows_want *w, struct err *e)
{
	size_t total = json_array_size(data), i;
	enum rc rc = RC_OK;
	json_t *v;

	w->n = w->n_deleted = 0;
	if (!json_is_array(data))
		return err_set(e, RC_UPSTREAM, "OX answered no list of %s objects", model_content(w->ct)->name);
	w->o = arena_array(w->a, struct object *, total);
	w->deleted = w->want_deleted ? arena_array(w->a, int64_t, total) : NULL;
	if (total > 0 && (w->o == NULL || (w->want_deleted && w->deleted == NULL)))
		return err_set(e, RC_NOMEM, "out of memory");
	json_array_foreach (data, i, v)
		if (rc == RC_OK)
			rc = read_entry(v, w, e);
	if (rc == RC_OK)
		rc = rows_drop_alive(w->a, w->o, w->n, w->deleted, &w->n_deleted, e);
	if (rc != RC_OK) {
		object_drop_all(w->o, w->n);
		w->n = w->n_deleted = 0;
	}
	return rc;
}

enum rc
rows_call(struct ox_session *s, struct ox_req *r, struct rows_want *w, msec_t *ts, struct err *e)
{
	struct ox_answer a;
	enum rc rc;

	r->rows = w;
	w->done = false;
	rc = ox_call(s, r, &a, e);
	if (rc == RC_OK && !w->done)
		rc = rows_read(a.data, w, e);
	if (rc == RC_OK && ts != NULL)
		*ts = a.ts;
	ox_answer_fini(&a);
	return rc;
}
