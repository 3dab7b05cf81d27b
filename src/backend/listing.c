/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Listings: what is in a folder, without content.  Rows go through one scratch object into sightings; nothing is held of them. */
#include "backend/backend_int.h"

#include <stdlib.h>
#include <string.h>

#define RANGE_MIN (INT64_C(3600) * 1000) /* an hour with more than 1000 appointments is not split any more */

/* ---- listing ---- */

enum rc
listing_room(struct listing *l, size_t more, struct err *e)
{
	struct sighting *bigger;
	size_t cap = l->n + more;

	if (cap <= l->cap)
		return RC_OK;
	if (l->cap != 0)
		cap += cap / 2;
	bigger = arena_array(l->a, struct sighting, cap);
	if (bigger == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	if (l->n > 0)
		memcpy(bigger, l->s, l->n * sizeof(l->s[0]));
	l->s = bigger;
	l->cap = cap;
	return RC_OK;
}

void
listing_clear(struct listing *l)
{
	object_drop(l->scratch);
	l->scratch->id = 0;
	l->scratch->oxid = NULL;
	l->scratch->lm = 0;
}

static enum rc
listing_row(struct listing *l, const json_t *row, struct err *e)
{
	enum rc rc;

	listing_clear(l);
	rc = row_fill(l->a, columns_listed(l->ct), row, l->scratch, e);
	return rc == RC_OK ? listing_take(l, e) : rc;
}

enum rc
listing_take(struct listing *l, struct err *e)
{
	struct object *o = l->scratch;
	struct sighting *s = &l->s[l->n];
	const char *uid;
	size_t x;
	int i_uid;

	if (l->ct == CT_MAIL) { /* flags and label are all that the index holds of a mail: it is known by its listing */
		if (object_sight(l->a, l->keys, o, s) != RC_OK)
			return err_set(e, RC_NOMEM, "out of memory");
	} else {
		memset(s, 0, sizeof(*s));
		s->id = o->id != 0 ? o->id : model_id(l->keys, o->oxid);
		s->oxid = s->id < 0 ? o->oxid : NULL;
		s->lm = o->lm;
		object_range(o, &s->sk, &s->t0, &s->t1);
		/* a listed row must be found by its client id, too, or a create whose answer was lost looks as if it had never happened (F7, F10) */
		i_uid = model_field(model_content(l->ct), "uid");
		uid = i_uid >= 0 ? object_get_str(o, (unsigned)i_uid) : NULL;
		s->client_id = uid != NULL ? client_uid_parse(l->a, uid) : NULL;
		s->closed = l->f_private >= 0 && json_is_true(o->v[l->f_private]) && object_get_i64(o, (unsigned)l->f_creator, l->user) != l->user;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): listing_room was called for every row */
	if (l->seen != NULL && imap_get(l->seen, s->id, &x))
		return RC_OK;
	if (l->seen != NULL && !imap_put(l->seen, s->id, l->n))
		return err_set(e, RC_NOMEM, "out of memory");
	l->n++;
	return RC_OK;
}

static enum rc
listing_rows(struct listing *l, const json_t *data, struct err *e)
{
	enum rc rc;
	json_t *row;
	size_t i;

	if (!json_is_array(data))
		return err_set(e, RC_UPSTREAM, "OX answered no list of %s objects", model_content(l->ct)->name);
	rc = listing_room(l, json_array_size(data), e);
	if (rc != RC_OK)
		return rc;
	json_array_foreach (data, i, row) {
		if (json_is_null(row))
			continue;
		rc = listing_row(l, row, e);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
listing_init(struct listing *l, const struct ox_session *s, struct arena *a, const struct model_keys *keys, enum content ct, struct err *e)
{
	memset(l, 0, sizeof(*l));
	l->user = ox_session_user(s)->user_id;
	l->f_private = model_field(model_content(ct), "private_flag");
	l->f_creator = model_field(model_content(ct), "created_by");
	l->a = a;
	l->keys = keys;
	l->ct = ct;
	l->scratch = object_new(a, ct);
	return l->scratch != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory");
}

enum rc
classic_listing(struct ox_session *s, struct listing *l, const char *folder, int64_t from, int64_t to, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, model_content(l->ct)->ox_module, "all");
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", columns_listed(l->ct)->text);
	module_params(&r, l->ct);
	if (l->ct == CT_CALENDAR) {
		ox_param_i64(&r, "start", from);
		ox_param_i64(&r, "end", to);
	}
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = listing_rows(l, ans.data, e);
	ox_answer_fini(&ans);
	return rc;
}

/*
 * OX may refuse to tell more than a configured number of appointments at once (CAL-5072): then by halves of the time.  Endless
 * series are in many parts, so ids are remembered.
 */
static enum rc
listing_calendar(struct ox_session *s, const struct pim_ops *ops, struct listing *l, const char *folder, int64_t from, int64_t to, struct err *e)
{
	enum rc rc = ops->listing(s, l, folder, from, to, e);
	int64_t mid = from + (to - from) / 2;

	if (rc != RC_LIMIT || e == NULL || strcmp(e->code, "CAL-5072") != 0 || to - from <= RANGE_MIN)
		return rc;
	if (l->seen == NULL) {
		l->seen = imap_new(l->a, 4096);
		if (l->seen == NULL)
			return err_set(e, RC_NOMEM, "out of memory");
	}
	rc = listing_calendar(s, ops, l, folder, from, mid, e);
	return rc == RC_OK ? listing_calendar(s, ops, l, folder, mid, to, e) : rc;
}

enum rc
ox_listing(struct ox_session *s, struct arena *a, const struct model_keys *keys, enum content ct, const char *folder,
    struct sighting **out, size_t *n, struct err *e)
{
	const struct pim_ops *ops = pim_ops(s->b, ct);
	struct listing l;
	struct err local;
	enum rc rc;

	*out = NULL;
	*n = 0;
	if (ct == CT_FOLDER)
		return err_set(e, RC_INTERNAL, "the hierarchy has no listing: use ox_folders");
	if (e == NULL)
		e = &local;
	rc = listing_init(&l, s, a, keys, ct, e);
	if (rc != RC_OK)
		return rc;
	do {
		l.n = 0; /* of a module that went in the middle nothing counts */
		l.seen = NULL;
		rc = ct == CT_CALENDAR ? listing_calendar(s, ops, &l, folder, RANGE_START, RANGE_END, e) : ops->listing(s, &l, folder, 0, 0, e);
	} while (pim_ops_again(s, ct, &ops, rc, false, e));
	object_drop(l.scratch);
	if (rc != RC_OK)
		return rc;
	*out = l.s;
	*n = l.n;
	return RC_OK;
}

/* ---- the newest mails ---- */

static int
descending(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return (a < b) - (a > b);
}

static int
descending_id(const void *x, const void *y)
{
	return descending(&((const struct sighting *)x)->id, &((const struct sighting *)y)->id);
}

/* The MAX mails received last, into L. */
static enum rc
mail_window(struct ox_session *s, struct listing *l, const char *folder, size_t max, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "mail", "all");
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", columns_listed(CT_MAIL)->text);
	module_params(&r, CT_MAIL);
	ox_param(&r, "sort", "610");
	ox_param(&r, "order", "desc");
	ox_param_i64(&r, "left_hand_limit", 0);
	ox_param_i64(&r, "right_hand_limit", (int64_t)max);
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK)
		rc = listing_rows(l, ans.data, e);
	ox_answer_fini(&ans);
	return rc;
}

/* All uids, descending; *IDS NULL when they are not numbers. */
static enum rc
mail_ids(struct ox_session *s, struct arena *a, const char *folder, int64_t **ids, size_t *n, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	bool numbers = true;
	json_t *row;
	size_t i;
	enum rc rc;

	*ids = NULL;
	*n = 0;
	ox_req_init(&r, "mail", "all");
	ox_param(&r, "folder", folder);
	ox_param(&r, "columns", "600");
	rc = ox_call(s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc == RC_OK && !json_is_array(ans.data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of mails");
	if (rc == RC_OK) {
		*ids = arena_array(a, int64_t, json_array_size(ans.data) + 1);
		if (*ids == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory");
	}
	json_array_foreach (rc == RC_OK ? ans.data : NULL, i, row)
		numbers = numbers && json_id(json_array_get(row, 0), &(*ids)[(*n)++]);
	ox_answer_fini(&ans);
	if (!numbers)
		*ids = NULL;
	else if (rc == RC_OK && *ids != NULL)
		qsort(*ids, *n, sizeof(**ids), descending);
	return rc;
}

/* The N mails of IDS that are not in L yet, into L. */
static enum rc
mail_rest(struct ox_session *s, struct listing *l, const char *folder, const int64_t *ids, size_t n, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	size_t x, asked = 0;
	enum rc rc = RC_OK;

	ox_req_init(&r, "mail", "list");
	ox_param(&r, "columns", columns_listed(CT_MAIL)->text);
	module_params(&r, CT_MAIL);
	buf_addc(&r.body, '[');
	for (size_t i = 0; i < n; i++) {
		if (imap_get(l->seen, ids[i], &x))
			continue;
		buf_adds(&r.body, asked++ > 0 ? ",{\"folder\":" : "{\"folder\":");
		json_text_string(&r.body, folder, strlen(folder));
		buf_adds(&r.body, ",\"id\":\"");
		buf_add_i64(&r.body, ids[i]);
		buf_adds(&r.body, "\"}");
	}
	if (asked > 0)
		mail_past_cache(&r.body, folder);
	buf_addc(&r.body, ']');
	r.has_body = true;
	if (asked > 0) {
		rc = ox_call(s, &r, &ans, e);
		if (rc == RC_OK)
			rc = listing_rows(l, ans.data, e);
		ox_answer_fini(&ans);
	}
	ox_req_fini(&r);
	return rc;
}

/*
 * The mails with the MAX highest uids.  QUIRK(OX, 8.19): `all` sorts by date, size, ... but not by uid, and a mail with an old date may have the
 * newest uid (it was imported or moved).  So where there are more than MAX, all uids are asked for (5 us a mail) unless the caller knows the
 * highest ones (KNOWN), and of these those that the window by date did not hold; mostly these are none.
 */
static enum rc
newest_by_uid(struct ox_session *s, struct listing *l, const char *folder, size_t max, const int64_t *known, struct err *e)
{
	int64_t *all = NULL;
	const int64_t *ids = known;
	size_t n = max, top, kept = 0, x;
	struct sighting *out;
	enum rc rc = RC_OK;

	if (known == NULL) {
		rc = mail_ids(s, l->a, folder, &all, &n, e);
		ids = all;
	}
	if (rc != RC_OK)
		return rc;
	if (ids == NULL) { /* a mail store with other ids: everything, which says more than was asked for */
		l->n = 0;
		l->seen = NULL;
		return classic_listing(s, l, folder, 0, 0, e);
	}
	top = n < max ? n : max;
	rc = mail_rest(s, l, folder, ids, top, e);
	if (rc != RC_OK)
		return rc;
	out = arena_array(l->a, struct sighting, top + 1);
	if (out == NULL)
		return err_set(e, RC_NOMEM, "out of memory");
	for (size_t i = 0; i < top; i++)
		if (imap_get(l->seen, ids[i], &x)) /* else it went between the requests */
			out[kept++] = l->s[x];
	l->s = out;
	l->n = kept;
	return RC_OK;
}

enum rc
ox_mail_newest(struct ox_session *s, struct arena *a, const struct model_keys *keys, const char *folder, size_t max, const int64_t *top,
    struct sighting **out, size_t *n, struct err *e)
{
	struct listing l;
	enum rc rc;

	*out = NULL;
	*n = 0;
	if (max == 0)
		return RC_OK;
	rc = listing_init(&l, s, a, keys, CT_MAIL, e);
	if (rc != RC_OK)
		return rc;
	l.seen = imap_new(a, max);
	rc = l.seen != NULL ? mail_window(s, &l, folder, max, e) : err_set(e, RC_NOMEM, "out of memory");
	if (rc == RC_OK && l.n >= max)
		rc = newest_by_uid(s, &l, folder, max, top, e);
	object_drop(l.scratch);
	if (rc != RC_OK)
		return rc;
	if (l.n > 1)
		qsort(l.s, l.n, sizeof(l.s[0]), descending_id);
	*out = l.s;
	*n = l.n;
	return RC_OK;
}
