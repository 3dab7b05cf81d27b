/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading the hierarchy: which folders the user sees, with their counts and the roots of the trees.  What is changed in it: folders.c.
 */
#include "backend/backend_int.h"

#include <string.h>

static const enum content leaf_types[] = { CT_CONTACT, CT_CALENDAR, CT_TASK, CT_MAIL };

static enum rc
folders_request(struct ox_session *s, const char *columns, const enum content *types, size_t n, bool roots, struct ox_answer *a, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	buf_addc(&r.body, '[');
	for (size_t i = 0; i < n; i++)
		buf_addf(&r.body, "%s{\"module\":\"folders\",\"action\":\"allVisible\",\"content_type\":\"%s\",\"columns\":\"%s\",\"timezone\":\"UTC\"}",
		    i > 0 ? "," : "", model_content(types[i])->ox_module, columns);
	if (roots)
		buf_addf(&r.body, ",{\"module\":\"folders\",\"action\":\"root\",\"columns\":\"%s\",\"timezone\":\"UTC\"}", columns);
	buf_addc(&r.body, ']');
	n += roots;
	r.has_body = true;
	rc = ox_call(s, &r, a, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(a->data) != n) {
		ox_answer_fini(a);
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(a->data), n);
	}
	return rc;
}

/* A user without a module has no folders of it.  Anything else that is missing must not look like deleted folders. */
static bool
module_denied(enum rc rc, const struct err *e)
{
	return rc == RC_FORBIDDEN || (rc != RC_OK && (strcmp(e->code, "MSG-0013") == 0 || strcmp(e->code, "SVL-0016") == 0));
}

/* Runs over the rows of private, public and shared folders in the answers of folders_request. */
static enum rc
folders_each(const struct ox_answer *a, size_t n, enum rc (*each)(void *arg, const json_t *row, struct err *e), void *arg, struct err *e)
{
	static const char *const kinds[] = { "private", "public", "shared" };
	struct err local;
	json_t *data, *row;
	enum rc rc;
	msec_t ts;
	size_t i;

	if (e == NULL)
		e = &local;
	for (size_t t = 0; t < n; t++) {
		rc = ox_envelope(json_array_get(a->data, t), NULL, false, &data, &ts, e);
		if (module_denied(rc, e))
			continue;
		if (rc != RC_OK)
			return rc;
		if (!json_is_object(data))
			return err_set(e, RC_UPSTREAM, "OX answered no folders");
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			json_array_foreach (json_object_get(data, kinds[k]), i, row) {
				rc = each(arg, row, e);
				if (rc != RC_OK)
					return rc;
			}
		}
	}
	return RC_OK;
}

struct gather {
	struct arena *a;
	struct object **o;
	const char **ids;
	size_t n, cap;
};

static enum rc
count_row(void *arg, const json_t *row, struct err *e)
{
	(void)row;
	(void)e;
	((struct gather *)arg)->cap++;
	return RC_OK;
}

static enum rc
gather_object(void *arg, const json_t *row, struct err *e)
{
	struct gather *g = arg;
	struct object *o = object_new(g->a, CT_FOLDER);
	enum rc rc;

	if (o == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	g->o[g->n++] = o;
	rc = row_fill(g->a, columns_all(CT_FOLDER), row, o, e);
	if (rc == RC_OK && o->id != 0)
		o->id = 0; /* "31" and "default0/INBOX" alike: the text names a folder, model_id makes the number */
	return rc;
}

/* "Public folders" and "Shared folders", below which folders of these trees hang; what lies at the top of the private tree needs no parent. */
static enum rc
gather_roots(struct gather *g, const json_t *env, struct err *e)
{
	json_t *data, *row;
	msec_t ts;
	size_t i;
	enum rc rc = ox_envelope(env, NULL, false, &data, &ts, e);

	if (rc == RC_OK && !json_is_array(data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no folders");
	json_array_foreach (rc == RC_OK ? data : NULL, i, row) {
		const char *id = json_string_value(json_array_get(row, 0));

		if (rc == RC_OK && id != NULL && (strcmp(id, OX_PUBLIC_ROOT) == 0 || strcmp(id, OX_SHARED_ROOT) == 0) && g->n < g->cap)
			rc = gather_object(g, row, e);
	}
	return rc;
}

/* Somebody else's folder that this user did not subscribe to is not part of his tree (OX column 314). */
static bool
unsubscribed(const struct object *o)
{
	const struct content_type *t = model_content(CT_FOLDER);

	return object_get_i64(o, (unsigned)model_field(t, "type"), 0) == OX_TYPE_SHARED && json_is_false(o->v[model_field(t, "subscribed")]);
}

static void
drop_unsubscribed(struct gather *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++)
		if (unsubscribed(g->o[i]))
			object_drop(g->o[i]);
		else
			g->o[kept++] = g->o[i];
	g->n = kept;
}

static enum rc
gather_id(void *arg, const json_t *row, struct err *e)
{
	struct gather *g = arg;
	const char *id = json_string_value(json_array_get(row, 0));

	if (id == NULL)
		return err_set(e, RC_UPSTREAM, "OX answered a folder without an id");
	g->ids[g->n] = arena_strdup(g->a, id);
	return g->ids[g->n++] != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

enum rc
ox_folders(struct ox_session *s, struct arena *a, struct object ***out, size_t *n, struct err *e)
{
	struct gather g = { .a = a };
	struct ox_answer ans;
	enum rc rc;

	*out = NULL;
	*n = 0;
	rc = folders_request(s, columns_all(CT_FOLDER)->text, leaf_types, ARRAY_LEN(leaf_types), true, &ans, e);
	if (rc != RC_OK)
		return rc;
	rc = folders_each(&ans, ARRAY_LEN(leaf_types), count_row, &g, e);
	if (rc == RC_OK) {
		g.cap += 2; /* the two roots */
		g.o = arena_array(a, struct object *, g.cap);
		rc = g.o != NULL ? folders_each(&ans, ARRAY_LEN(leaf_types), gather_object, &g, e) : err_set(e, RC_NOMEM, "out of memory");
	}
	if (rc == RC_OK)
		rc = gather_roots(&g, json_array_get(ans.data, ARRAY_LEN(leaf_types)), e);
	ox_answer_fini(&ans);
	if (rc != RC_OK) {
		object_drop_all(g.o, g.n);
		return rc;
	}
	drop_unsubscribed(&g);
	*out = g.o;
	*n = g.n;
	return RC_OK;
}

enum rc
ox_folder_ids(struct ox_session *s, struct arena *a, enum content ct, const char ***ids, size_t *n, struct err *e)
{
	struct gather g = { .a = a };
	struct ox_answer ans;
	enum rc rc;

	rc = folders_request(s, "1", &ct, 1, false, &ans, e);
	if (rc != RC_OK)
		return rc;
	rc = folders_each(&ans, 1, count_row, &g, e);
	if (rc == RC_OK) {
		g.ids = arena_array(a, const char *, g.cap);
		rc = g.ids != NULL ? folders_each(&ans, 1, gather_id, &g, e) : err_set(e, RC_NOMEM, "out of memory");
	}
	ox_answer_fini(&ans);
	*ids = g.ids;
	*n = g.n;
	return rc;
}
