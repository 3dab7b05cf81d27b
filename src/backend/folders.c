/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folders themselves: create, rename, move, delete.  Ids are texts, since a mail folder's id is its path. */
#include "backend/backend_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The id that OX answers: a string, of old servers a number. */
static enum rc
answered_id(struct arena *a, const struct ox_answer *ans, char **oxid, struct err *e)
{
	int64_t n;

	if (json_is_string(ans->data))
		*oxid = arena_strdup(a, json_string_value(ans->data));
	else if (json_id(ans->data, &n))
		*oxid = arena_printf(a, "%" PRId64, n);
	else
		return err_set(e, RC_TIMEOUT, "OX wrote a folder without naming it");
	return *oxid != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

static void
folder_req(struct ox_req *r, const char *action, msec_t lm)
{
	ox_req_init(r, "folders", action);
	r->write = true;
	r->t = model_content(CT_FOLDER);
	r->has_body = true;
	if (lm != 0)
		ox_param_i64(r, "timestamp", lm);
	ox_param(r, "timezone", "UTC");
}

/* A name that is taken, said for who chose it; TITLE NULL = the folder keeps its name and goes elsewhere.  OX of old had a code of its own for mail folders. */
static enum rc
taken(enum rc rc, const char *title, struct err *e)
{
	char code[sizeof(e->code)];
	int category;

	if (rc == RC_OK || e == NULL || (strcmp(e->code, "FLD-1014") != 0 && strcmp(e->code, "MSG-0063") != 0))
		return rc;
	memcpy(code, e->code, sizeof(code));
	category = e->category;
	if (title != NULL)
		rc = err_set_path(e, rc, "title", "there is a folder \"%s\" already, choose another name", title);
	else
		rc = err_set_path(e, rc, "parent", "there is a folder of this name already, rename one of them first");
	memcpy(e->code, code, sizeof(code));
	e->category = category;
	return rc;
}

enum rc
ox_folder_create(struct ox_session *s, struct arena *a, const char *parent, enum content module, const char *title, char **oxid, msec_t *lm, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	*oxid = NULL;
	*lm = 0;
	folder_req(&r, "new", 0);
	ox_param(&r, "folder_id", parent);
	buf_adds(&r.body, "{\"folder\":{\"title\":");
	json_text_string(&r.body, title, strlen(title));
	buf_addf(&r.body, ",\"module\":\"%s\"", model_content(module)->ox_module);
	/* QUIRK(OX, 8.19): a mail folder is not subscribed to unless its creator says so, and allVisible leaves it out then */
	buf_adds(&r.body, module == CT_MAIL ? ",\"subscribed\":true}}" : "}}");
	rc = taken(ox_call(s, &r, &ans, e), title, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = answered_id(a, &ans, oxid, e);
	if (rc == RC_OK)
		*lm = ans.ts;
	ox_answer_fini(&ans);
	return rc;
}

static bool
to_private_root(const struct object *o, const struct fmask *m)
{
	unsigned parent = (unsigned)model_field(model_content(CT_FOLDER), "folder_id");
	const char *id = fmask_has(m, parent) ? object_get_str(o, parent) : NULL;

	return id != NULL && strcmp(id, OX_PRIVATE_ROOT) == 0;
}

enum rc
ox_folder_update(struct ox_session *s, struct arena *a, const char *oxid, const struct object *o, const struct fmask *fields, msec_t lm, char **new_oxid, msec_t *new_lm, struct err *e)
{
	struct ox_answer ans;
	struct fmask m = *fields;
	unsigned title = (unsigned)model_field(model_content(CT_FOLDER), "title");
	struct ox_req r;
	enum rc rc;

	*new_oxid = NULL;
	*new_lm = 0;
	/* QUIRK(OX, 8.19): a title that is null is no error and no change */
	for (unsigned i = 0; i < model_content(CT_FOLDER)->n_fields; i++)
		if (fmask_has(&m, i) && o->v[i] == NULL)
			return err_set_path(e, RC_PROTO, model_content(CT_FOLDER)->fields[i].name, "cannot be cleared");
	folder_req(&r, "update", lm != 0 ? lm : FAR_FUTURE);
	ox_param(&r, "id", oxid);
	/* QUIRK(OX, 8.19): in the other tree, a folder that moves to the top of the private ones collides with its own name (FLD-1014) */
	if (to_private_root(o, &m))
		ox_param(&r, "tree", "1");
	buf_adds(&r.body, "{\"folder\":{");
	(void)object_text(&r.body, o, &m, FF_READONLY | FF_ONCE, true);
	buf_adds(&r.body, "}}");
	rc = taken(ox_call(s, &r, &ans, e), fmask_has(&m, title) ? object_get_str(o, title) : NULL, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = answered_id(a, &ans, new_oxid, e);
	if (rc == RC_OK)
		*new_lm = ans.ts;
	ox_answer_fini(&ans);
	return rc;
}

/*
 * QUIRK(OX, 8.19): what is not deleted stands in the data, and why in a warning.  A mail folder is gone, or is found below the trash with what
 * was in it, as the user has set it; an old timestamp does not stop a deletion.
 */
enum rc
ox_folder_delete(struct ox_session *s, const char *oxid, msec_t lm, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	const char *code, *text;
	enum rc rc;

	folder_req(&r, "delete", lm != 0 ? lm : FAR_FUTURE);
	buf_addc(&r.body, '[');
	json_text_string(&r.body, oxid, strlen(oxid));
	buf_addc(&r.body, ']');
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(ans.data) > 0) {
		code = json_string_value(json_object_get(ans.root, "code"));
		text = json_string_value(json_object_get(ans.root, "error"));
		rc = code != NULL ? ox_classify(code, 3, true) : RC_CONFLICT;
		rc = err_set(e, rc, "%s", text != NULL ? text : "OX did not delete the folder");
		if (e != NULL && code != NULL)
			(void)snprintf(e->code, sizeof(e->code), "%s", code);
	}
	ox_answer_fini(&ans);
	return rc;
}
