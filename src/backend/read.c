/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading what a sync needs: what changed, whole objects (listings: listing.c; folders: hierarchy.c).  Each module of OX wants its own
 * parameters to tell the whole truth; they stand in module_params and nowhere else.
 */
#include "backend/backend_int.h"

#include <string.h>

#define MAX_MULTIPLE 50U

/* ---- parameters that every read of a module needs ---- */

/* QUIRK(OX, all): without timezone=UTC times are shifted by the user's zone; without recurrence_master a series is taken apart. */
void
module_params(struct ox_req *r, enum content ct)
{
	r->t = model_content(ct);
	ox_param(r, "timezone", "UTC");
	if (ct == CT_CALENDAR)
		ox_param(r, "recurrence_master", "true");
}

/* QUIRK(OX, 8.19): tasks tell deletions with ignore=none only, contacts with anything but "deleted", calendar always. */
static const char *
updates_ignore(enum content ct)
{
	return ct == CT_TASK ? "none" : "false";
}

/* ---- updates ---- */

/* OX's failure over the content of an object; not over the request, its database (CON-0109, also category 8) or its load. */
static bool
chokes_on_content(enum rc rc, const struct err *e)
{
	static const char *const codes[] = { "SVL-0001", "SVL-0011", "OX-9999" };

	if (rc != RC_UPSTREAM)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcmp(e->code, codes[i]) == 0)
			return true;
	return e->code[0] == '\0' && strstr(e->text, "no valid JSON") != NULL;
}

/* QUIRK(OX, 8.19): contacts fail with SVL-0011 when deletions, but no changes, lie in the interval: only a listing tells them. */
static enum rc
updates_fault(enum content ct, enum rc rc, struct err *e)
{
	if (rc == RC_UPSTREAM && ct == CT_CONTACT && strcmp(e->code, "SVL-0011") == 0)
		return e->rc = RC_NOTFOUND;
	if (chokes_on_content(rc, e))
		e->category = 8; /* also where OX's own text ends in the middle: the caller knows what to do then */
	return rc;
}

void
classic_updates_req(struct ox_req *r, enum content ct, const char *folder, msec_t since, const struct columns *c)
{
	ox_req_init(r, model_content(ct)->ox_module, "updates");
	ox_param(r, "folder", folder);
	ox_param_i64(r, "timestamp", since);
	ox_param(r, "columns", c->text);
	ox_param(r, "ignore", updates_ignore(ct));
	module_params(r, ct);
}

/* The columns are taken once for the request and the reading of its answer: another thread may find one that OX does not know. */
static enum rc
updates_by(struct ox_session *s, const struct pim_ops *ops, enum content ct, const char *folder, msec_t since, struct rows_want *w, msec_t *ts,
    struct ox_digest *digest, struct err *e)
{
	struct ox_req r;
	enum rc rc;

	ops->updates_req(&r, ct, folder, since, w->columns);
	r.digest = digest;
	rc = ops->call(s, &r, w, ts, e);
	ox_req_fini(&r);
	return rc;
}

enum rc
ox_updates(struct ox_session *s, struct arena *a, enum content ct, const char *folder, msec_t since,
    struct object ***out, size_t *n, int64_t **deleted, size_t *n_deleted, msec_t *ts, struct ox_digest *digest, struct err *e)
{
	struct rows_want w = { .a = a, .ct = ct, .columns = columns_all(ct), .folder = folder, .want_deleted = true };
	const struct pim_ops *ops = pim_ops(s->b, ct);
	struct err local;
	enum rc rc;

	if (digest != NULL)
		digest->set = false;
	*out = NULL;
	*deleted = NULL;
	*n = *n_deleted = 0;
	*ts = 0;
	if (e == NULL)
		e = &local;
	if (ct == CT_MAIL || ct == CT_FOLDER)
		return err_set(e, RC_INTERNAL, "OX has no updates of %s", model_content(ct)->ox_module);
	do
		rc = updates_by(s, ops, ct, folder, since, &w, ts, digest, e);
	while (pim_ops_again(s, ct, &ops, rc, false, e));
	if (rc != RC_OK)
		return updates_fault(ct, rc, e);
	*out = w.o;
	*n = w.n;
	*deleted = w.deleted;
	*n_deleted = w.n_deleted;
	return RC_OK;
}

bool
ox_updates_same(struct ox_session *s, enum content ct, const char *folder, msec_t since, const struct ox_digest *digest)
{
	struct ox_digest now = { .set = false };
	struct ox_answer ans;
	struct ox_req r;
	struct err e;
	enum rc rc;

	if (!digest->set || ct == CT_MAIL || ct == CT_FOLDER)
		return false;
	pim_ops(s->b, ct)->updates_req(&r, ct, folder, since, columns_all(ct));
	r.digest = &now;
	r.digest_only = true;
	rc = ox_call(s, &r, &ans, &e);
	ox_req_fini(&r);
	ox_answer_fini(&ans);
	return rc == RC_OK && now.set && memcmp(now.b, digest->b, sizeof(now.b)) == 0;
}

void
classic_updates_part(struct buf *b, enum content ct, const char *folder, msec_t since, const struct columns *c)
{
	buf_addf(b, "{\"module\":\"%s\",\"action\":\"updates\",\"folder\":", model_content(ct)->ox_module);
	json_text_string(b, folder, strlen(folder));
	buf_addf(b, ",\"timestamp\":%lld,\"columns\":\"%s\",\"ignore\":\"%s\",\"timezone\":\"UTC\"%s}", (long long)since, c->text,
	    updates_ignore(ct), ct == CT_CALENDAR ? ",\"recurrence_master\":true" : "");
}

static void
examine_part(struct buf *b, const char *folder)
{
	buf_adds(b, "{\"module\":\"mail\",\"action\":\"examine\",\"folder\":");
	json_text_string(b, folder, strlen(folder));
	buf_addc(b, '}');
}

static void
updates_answer(struct ox_session *s, const struct pim_ops *ops, struct arena *a, struct ox_updates_req *q, const struct columns *c, const json_t *env)
{
	struct rows_want w = { .a = a, .ct = q->ct, .columns = c, .folder = q->folder, .want_deleted = true };
	json_t *data;

	q->rc = ox_envelope(env, model_content(q->ct), false, &data, &q->ts, &q->err);
	if (q->ct == CT_MAIL) {
		q->rc = q->rc == RC_OK ? mail_counters(data, &q->mail, &q->err) : q->rc;
		return;
	}
	q->rc = q->rc != RC_OK ? updates_fault(q->ct, q->rc, &q->err) : ops->read(s, data, &w, &q->err);
	if (pim_ops_again(s, q->ct, &ops, q->rc, true, &q->err)) {
		q->rc = ox_updates(s, a, q->ct, q->folder, q->since, &q->objects, &q->n, &q->deleted, &q->n_deleted, &q->ts, NULL, &q->err);
		return;
	}
	if (q->rc != RC_OK)
		return;
	q->objects = w.o;
	q->n = w.n;
	q->deleted = w.deleted;
	q->n_deleted = w.n_deleted;
}

static enum rc
updates_some(struct ox_session *s, struct arena *a, struct ox_updates_req *req, size_t n, struct err *e)
{
	const struct columns *c[CT_COUNT];
	const struct pim_ops *ops[CT_COUNT];
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	for (unsigned ct = 0; ct < CT_COUNT; ct++) {
		c[ct] = columns_all((enum content)ct);
		ops[ct] = pim_ops(s->b, (enum content)ct);
	}
	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	buf_addc(&r.body, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(&r.body, ',');
		if (req[i].ct == CT_MAIL)
			examine_part(&r.body, req[i].folder);
		else
			ops[req[i].ct]->updates_part(&r.body, req[i].ct, req[i].folder, req[i].since, c[req[i].ct]);
	}
	buf_addc(&r.body, ']');
	r.has_body = true;
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && json_array_size(ans.data) != n)
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(ans.data), n);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		updates_answer(s, ops[req[i].ct], a, &req[i], c[req[i].ct], json_array_get(ans.data, i));
	ox_answer_fini(&ans);
	return rc;
}

enum rc
ox_updates_many(struct ox_session *s, struct arena *a, struct ox_updates_req *req, size_t n, struct err *e)
{
	enum rc rc;

	for (size_t i = 0; i < n; i++) {
		req[i].rc = RC_UPSTREAM;
		req[i].objects = NULL;
		req[i].deleted = NULL;
		req[i].n = req[i].n_deleted = 0;
		req[i].ts = 0;
		if (req[i].ct == CT_FOLDER)
			return err_set(e, RC_INTERNAL, "OX has no updates of %s", model_content(req[i].ct)->ox_module);
	}
	for (size_t i = 0; i < n; i += MAX_MULTIPLE) {
		rc = updates_some(s, a, req + i, n - i < MAX_MULTIPLE ? n - i : MAX_MULTIPLE, e);
		if (rc != RC_OK) {
			for (size_t k = 0; k < i; k++)
				object_drop_all(req[k].objects, req[k].n);
			return rc;
		}
	}
	return RC_OK;
}

/* ---- whole objects ---- */

void
classic_list_req(struct ox_req *r, const struct wanted *w, size_t from, size_t n, const struct columns *c)
{
	char tmp[24];

	ox_req_init(r, model_content(w->ct)->ox_module, "list");
	ox_param(r, "columns", c->text);
	module_params(r, w->ct);
	buf_addc(&r->body, '[');
	for (size_t i = from; i < from + n; i++) {
		const char *id = id_text(w->ids[i], w->oxid != NULL ? w->oxid[i] : NULL, tmp);

		buf_adds(&r->body, i > from ? ",{\"id\":" : "{\"id\":");
		json_text_string(&r->body, id, strlen(id));
		buf_adds(&r->body, ",\"folder\":");
		json_text_string(&r->body, w->folder, strlen(w->folder));
		buf_addc(&r->body, '}');
	}
	if (w->ct == CT_MAIL)
		mail_past_cache(&r->body, w->folder);
	buf_addc(&r->body, ']');
	r->has_body = true;
}

static enum rc
list_some(struct ox_session *s, struct arena *a, struct wanted *w, size_t from, size_t n, struct err *e)
{
	struct rows_want got = { .a = a, .ct = w->ct, .columns = columns_all(w->ct), .folder = w->folder };
	const struct pim_ops *ops = pim_ops(s->b, w->ct);
	struct ox_req r;
	enum rc rc;

	do {
		ops->list_req(&r, w, from, n, got.columns);
		rc = ops->call(s, &r, &got, NULL, e);
		ox_req_fini(&r);
	} while (pim_ops_again(s, w->ct, &ops, rc, false, e));
	if (rc != RC_OK)
		return rc;
	if (got.n > n) {
		object_drop_all(got.o, got.n);
		return err_set(e, RC_UPSTREAM, "OX answered %zu objects where %zu were asked for", got.n, n);
	}
	for (size_t i = 0; i < got.n; i++)
		w->o[w->n++] = got.o[i];
	return RC_OK;
}

#define MAX_BROKEN 8U /* in one call; more of them are OX's trouble, not the objects' */

enum rc
broken_object(struct arena *a, enum content ct, const char *folder, int64_t id, const char *oxid, const char *why, struct object **out, struct err *e)
{
	struct object *o = object_new(a, ct);

	if (o != NULL)
		o->oxid = arena_strdup(a, oxid);
	if (o == NULL || o->oxid == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	o->id = id;
	o->folder = folder;
	o->broken = true;
	log_warn("ox-broken-object", "type=%s folder=%s id=%s code=%s", model_content(ct)->name, folder, oxid, why);
	*out = o;
	return RC_OK;
}

static enum rc
broken_one(struct arena *a, struct wanted *w, size_t i, const struct err *why, struct err *e)
{
	char tmp[24];
	enum rc rc = broken_object(a, w->ct, w->folder, w->ids[i], id_text(w->ids[i], w->oxid != NULL ? w->oxid[i] : NULL, tmp), why->code, &w->o[w->n], e);

	if (rc == RC_OK)
		w->n++;
	return rc;
}

/*
 * QUIRK(OX, 8.19): one object that OX cannot write as JSON (a task with recurrence_type 5 for one) fails every request it is
 * part of.  By halves until it is alone; it costs 2 log2(n) requests, once, and then stands for itself as broken.
 */
static enum rc
list_halves(struct ox_session *s, struct arena *a, struct wanted *w, size_t from, size_t n, struct err *e)
{
	enum rc rc = list_some(s, a, w, from, n, e);
	struct err why;

	if (rc == RC_OK || !chokes_on_content(rc, e))
		return rc;
	if (n == 1 && w->broken++ >= MAX_BROKEN)
		return rc;
	if (n == 1) {
		why = *e;
		return broken_one(a, w, from, &why, e);
	}
	rc = list_halves(s, a, w, from, n / 2, e);
	return rc == RC_OK ? list_halves(s, a, w, from + n / 2, n - n / 2, e) : rc;
}

enum rc
ox_list(struct ox_session *s, struct arena *a, enum content ct, const char *folder, const int64_t *ids, const char *const *oxid, size_t n_ids,
    struct object ***out, size_t *n, struct err *e)
{
	struct wanted w = { .ct = ct, .folder = folder, .ids = ids, .oxid = oxid };
	size_t step = s->b->o.rows_per_request;
	struct err local;
	enum rc rc = RC_OK;

	*out = NULL;
	*n = 0;
	if (ct == CT_FOLDER)
		return err_set(e, RC_INTERNAL, "folders come from ox_folders");
	if (e == NULL)
		e = &local;
	w.o = arena_array(a, struct object *, n_ids);
	w.folder = arena_strdup(a, folder);
	if ((w.o == NULL && n_ids > 0) || w.folder == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	for (size_t i = 0; rc == RC_OK && i < n_ids; i += step)
		rc = list_halves(s, a, &w, i, n_ids - i < step ? n_ids - i : step, e);
	if (rc != RC_OK) {
		object_drop_all(w.o, w.n);
		return rc;
	}
	*out = w.o;
	*n = w.n;
	return RC_OK;
}
