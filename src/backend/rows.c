/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows of OX's list answers as objects: by position, without looking anything up. */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct columns all[CT_COUNT], listed[CT_COUNT];
static pthread_once_t columns_once = PTHREAD_ONCE_INIT;

static void
columns_make(struct columns *c, const struct content_type *t, bool only_listed)
{
	size_t len = 0;

	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field *f = &t->fields[i];

		if ((f->flags & FF_NOCOLUMN) != 0 || (only_listed && (f->flags & FF_LISTED) == 0))
			continue;
		len += (size_t)snprintf(c->text + len, sizeof(c->text) - len, "%s%d", c->n > 0 ? "," : "", f->column);
		c->field[c->n++] = (uint8_t)i;
	}
}

static void
columns_init(void)
{
	for (unsigned i = 0; i < CT_COUNT; i++) {
		columns_make(&all[i], model_content((enum content)i), false);
		columns_make(&listed[i], model_content((enum content)i), true);
	}
}

const struct columns *
columns_all(enum content ct)
{
	(void)pthread_once(&columns_once, columns_init);
	return &all[ct];
}

const struct columns *
columns_listed(enum content ct)
{
	(void)pthread_once(&columns_once, columns_init);
	return &listed[ct];
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
fill_identity(struct arena *a, struct object *o, unsigned field, const char *name, struct err *e)
{
	const char *s = object_get_str(o, field);

	if (s != NULL && strcmp(name, "id") == 0) {
		o->oxid = arena_strdup(a, s);
		o->id = canonical_id(s);
		if (o->oxid == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
	} else if (s != NULL && strcmp(name, "folder_id") == 0) {
		o->folder = arena_strdup(a, s);
		if (o->folder == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
	} else if (strcmp(name, "last_modified_utc") == 0) {
		o->lm = object_get_i64(o, field, 0);
	}
	return RC_OK;
}

enum rc
row_fill(struct arena *a, const struct columns *c, const json_t *row, struct object *o, struct err *e)
{
	const struct content_type *t = model_content(o->ct);
	enum rc rc = RC_OK;
	json_t *v;
	size_t i;

	/* QUIRK(OX, 8.19 contacts): a column that it does not know is left out and the rest moves up: no row is right then */
	if (json_array_size(row) != c->n)
		return err_set(e, RC_UPSTREAM, "OX answered %zu of %zu %s columns: this OX knows other fields than usmd", json_array_size(row), c->n, t->name);
	json_array_foreach (row, i, v) {
		unsigned f = c->field[i];

		if (json_is_null(v))
			continue;
		object_set(o, f, json_incref(v));
		if ((t->fields[f].type == FT_ID || t->fields[f].type == FT_TIME) && rc == RC_OK)
			rc = fill_identity(a, o, f, t->fields[f].name, e);
	}
	if (rc == RC_OK && o->oxid == NULL)
		rc = err_set(e, RC_UPSTREAM, "OX answered a %s without an id", t->name);
	return rc;
}

/* QUIRK(OX, 8.19): who moved an object away and back is in both parts of the answer; it is there. */
static enum rc
drop_alive(struct arena *a, struct object **o, size_t n, int64_t *deleted, size_t *n_deleted, struct err *e)
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

enum rc
rows_read(struct arena *a, enum content ct, const struct columns *c, const json_t *data, const char *folder,
    struct object ***out, size_t *n, int64_t **deleted, size_t *n_deleted, struct err *e)
{
	size_t total = json_array_size(data), rows = 0, gone = 0, i;
	int64_t *ids = NULL, id;
	struct object **o = NULL;
	enum rc rc = RC_OK;
	json_t *v;

	*out = NULL;
	*n = 0;
	if (!json_is_array(data))
		return err_set(e, RC_UPSTREAM, "OX answered no list of %s objects", model_content(ct)->name);
	json_array_foreach (data, i, v)
		rows += json_is_array(v) ? 1 : 0;
	if (deleted != NULL) {
		ids = arena_array(a, int64_t, total - rows);
		if (ids == NULL && total > rows)
			return err_set(e, RC_NOMEM, "out of memory");
	}
	o = arena_array(a, struct object *, rows);
	if (o == NULL && rows > 0)
		return err_set(e, RC_NOMEM, "out of memory");
	rows = 0;
	json_array_foreach (data, i, v) {
		if (json_is_array(v)) {
			o[rows] = object_new(a, ct);
			if (o[rows] == NULL)
				rc = err_set(e, RC_NOMEM, "out of memory");
			else
				rc = row_fill(a, c, v, o[rows++], e);
			if (rc == RC_OK && o[rows - 1]->folder == NULL)
				o[rows - 1]->folder = folder;
		} else if (ids != NULL && json_id(v, &id)) {
			ids[gone++] = id;
		} else if (!json_is_null(v)) { /* a null stands for an object that has gone */
			rc = err_set(e, RC_UPSTREAM, "OX answered a list with something in it that is no %s", model_content(ct)->name);
		}
		if (rc != RC_OK)
			break;
	}
	if (rc == RC_OK && deleted != NULL)
		rc = drop_alive(a, o, rows, ids, &gone, e);
	if (rc != RC_OK) {
		object_drop_all(o, rows);
		return rc;
	}
	*out = o;
	*n = rows;
	if (deleted != NULL) {
		*deleted = ids;
		*n_deleted = gone;
	}
	return RC_OK;
}
