/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Searching at OX: each module has its own way (recorded: 04-contacts 75-77, 05-tasks 56, 07-calendar-legacy 90, 09-mail 64-65; more was tried with a
 * real OX 8.19).  What OX cannot be asked exactly - days in place of times, special characters - is asked more widely and looked through here.
 */
#include "backend/search_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARTS 25U /* of one `multiple` */

/* ---- hits ---- */

enum rc
search_folder(struct searching *x, size_t folder, struct err *e)
{
	if (x->at != NULL && x->folder == folder)
		return RC_OK;
	x->folder = folder;
	x->from = x->n;
	x->at = imap_new(x->a, 64);
	return x->at != NULL ? RC_OK : err_set(e, RC_NOMEM, "out of memory for a search");
}

void
search_clear(struct searching *x)
{
	object_drop(x->scratch);
	x->scratch->id = 0;
	x->scratch->oxid = x->scratch->folder = NULL;
	x->scratch->lm = 0;
}

static const json_t *
value_of(const struct searching *x, const char *field)
{
	int i = model_field(model_content(x->q->ct), field);

	return i >= 0 ? x->scratch->v[i] : NULL;
}

static bool
holds(const struct searching *x, const char *field, const char *word)
{
	return !word_special(word) || word_in_value(value_of(x, field), word);
}

static bool
holds_somewhere(const struct searching *x, const char *word)
{
	const char *const *f = search_fields(x->q->ct);

	if (!word_special(word))
		return true;
	for (; *f != NULL; f++)
		if (word_in_value(value_of(x, *f), word))
			return true;
	return false;
}

/* Of the words only number WORD was asked for, or all (SIZE_MAX). */
static bool
says_it(const struct searching *x, size_t word)
{
	const struct ox_search *q = x->q;

	for (size_t i = 0; i < q->n_words; i++)
		if ((word == SIZE_MAX || word == i) && !holds_somewhere(x, q->words[i]))
			return false;
	return q->ct != CT_MAIL || (holds(x, "from", q->from) && holds(x, "to", q->to) && holds(x, "subject", q->subject));
}

/* In the time that was asked for?  A task without dates is at no time. */
static bool
in_time(const struct searching *x, int64_t *key)
{
	const struct ox_search *q = x->q;
	msec_t t0, t1;

	object_range(x->scratch, key, &t0, &t1);
	if (q->ct == CT_MAIL) {
		int i = model_field(model_content(CT_MAIL), "received_date");

		*key = t0 = t1 = object_get_i64(x->scratch, (unsigned)i, 0); /* not the range: that of a mail marked as deleted is empty */
	}
	if (q->after == TIME_MIN && q->before == TIME_MAX)
		return true;
	return (t0 != TIME_MIN || t1 != TIME_MAX) && t0 < q->before && t1 >= q->after;
}

static bool
is_deleted_mail(const struct searching *x)
{
	int i = model_field(model_content(x->q->ct), "flags");

	return x->q->ct == CT_MAIL && (object_get_i64(x->scratch, (unsigned)i, 0) & OX_MAIL_DELETED) != 0;
}

static enum rc
hit_add(struct searching *x, int64_t key, size_t word, struct err *e)
{
	const char *name = x->q->ct == CT_CONTACT ? json_string_value(value_of(x, "display_name")) : NULL;
	const struct object *o = x->scratch;
	struct ox_hit *bigger;

	if (x->n == x->cap) {
		x->cap = x->cap != 0 ? x->cap * 2 : 64;
		bigger = arena_array(x->a, struct ox_hit, x->cap);
		if (bigger == NULL)
			return err_set(e, RC_NOMEM, "out of memory for a search");
		if (x->n > 0)
			memcpy(bigger, x->hit, x->n * sizeof(*bigger));
		x->hit = bigger;
	}
	x->hit[x->n] = (struct ox_hit){ .folder = x->folder, .id = o->id, .oxid = o->id == 0 ? o->oxid : NULL, .key = key, .words = word == SIZE_MAX ? x->q->n_words : 1 };
	x->hit[x->n].name = name != NULL ? arena_strdup(x->a, name) : "";
	if (x->hit[x->n].name == NULL || !imap_put(x->at, o->id, x->n++))
		return err_set(e, RC_NOMEM, "out of memory for a search");
	return RC_OK;
}

enum rc
search_take(struct searching *x, size_t word, struct err *e)
{
	int64_t key;
	size_t at;

	if (!in_time(x, &key) || is_deleted_mail(x) || !says_it(x, word))
		return RC_OK;
	if (!imap_get(x->at, x->scratch->id, &at))
		return word == 0 || word == SIZE_MAX ? hit_add(x, key, word, e) : RC_OK;
	if (word != SIZE_MAX && x->hit[at].words == word) /* has each of the words before this one */
		x->hit[at].words++;
	return RC_OK;
}

/* ---- answers ---- */

static enum rc
rows_take(struct searching *x, const json_t *data, size_t word, struct err *e)
{
	enum rc rc = RC_OK;
	json_t *row;
	size_t i;

	if (!json_is_array(data))
		return err_set(e, RC_UPSTREAM, "OX answered no list of %s objects", model_content(x->q->ct)->name);
	x->cut = x->cut || json_array_size(data) > x->q->max;
	json_array_foreach (data, i, row) {
		if (rc != RC_OK || json_is_null(row))
			continue;
		search_clear(x);
		rc = row_fill(x->a, &x->c, row, x->scratch, e);
		if (rc == RC_OK)
			rc = search_take(x, word, e);
	}
	return rc;
}

/* A folder that is gone, or may not be read (any more), holds nothing that is found. */
static enum rc
part_take(struct searching *x, const json_t *env, size_t folder, size_t word, struct err *e)
{
	json_t *data;
	msec_t ts;
	enum rc rc = search_folder(x, folder, e);

	if (rc == RC_OK)
		rc = ox_envelope(env, model_content(x->q->ct), false, &data, &ts, e);
	if (is_missing(rc))
		return RC_OK;
	return rc == RC_OK ? rows_take(x, data, word, e) : rc;
}

/* Parts FROM to FROM + N: each folder with each of WORDS words. */
static enum rc
some_parts(struct searching *x, size_t from, size_t n, size_t words, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc = RC_OK;

	ox_req_init(&r, "multiple", NULL);
	ox_param(&r, "continue", "true");
	for (size_t i = from; i < from + n && rc == RC_OK; i++) {
		buf_addc(&r.body, i > from ? ',' : '[');
		rc = x->q->ct == CT_MAIL ? search_mail_part(x, &r.body, i, e) : search_pim_part(x, &r.body, i / words, i % words, e);
	}
	buf_addc(&r.body, ']');
	r.has_body = true;
	if (rc == RC_OK)
		rc = ox_call(x->s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc != RC_OK)
		return rc;
	if (json_array_size(ans.data) != n)
		rc = err_set(e, RC_UPSTREAM, "OX answered %zu of %zu parts of a request", json_array_size(ans.data), n);
	for (size_t i = 0; i < n && rc == RC_OK; i++)
		rc = part_take(x, json_array_get(ans.data, i), (from + i) / words, x->q->ct == CT_MAIL ? SIZE_MAX : (from + i) % words, e);
	ox_answer_fini(&ans);
	return rc;
}

static enum rc
search_parts(struct searching *x, struct err *e)
{
	size_t words = x->q->ct == CT_MAIL ? 1 : x->q->n_words, n = x->q->n_folders * words;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i += PARTS)
		rc = some_parts(x, i, n - i < PARTS ? n - i : PARTS, words, e);
	return rc;
}

/* ---- contacts: one request for all folders ---- */

static int
folder_of(const struct ox_search *q, const char *oxid)
{
	for (size_t i = 0; oxid != NULL && i < q->n_folders; i++)
		if (strcmp(q->folders[i], oxid) == 0)
			return (int)i;
	return -1;
}

/*
 * QUIRK(OX, 8.19): folders that are not there, or not for this user, are passed over.  An OX that does not know the member `folders` looks in all.
 * Ids of contacts are unique in a context, so one table of them does for all folders.
 */
static enum rc
contacts_take(struct searching *x, const json_t *data, struct err *e)
{
	enum rc rc = search_folder(x, 0, e);
	json_t *row;
	size_t i;

	if (rc == RC_OK && !json_is_array(data))
		rc = err_set(e, RC_UPSTREAM, "OX answered no list of contacts");
	x->cut = json_array_size(data) > x->q->max;
	json_array_foreach (rc == RC_OK ? data : NULL, i, row) {
		int folder;

		if (rc != RC_OK)
			break;
		search_clear(x);
		rc = row_fill(x->a, &x->c, row, x->scratch, e);
		folder = rc == RC_OK ? folder_of(x->q, x->scratch->folder) : -1;
		if (folder < 0)
			continue;
		x->folder = (size_t)folder;
		rc = search_take(x, SIZE_MAX, e);
	}
	return rc;
}

static enum rc
search_contacts(struct searching *x, struct err *e)
{
	struct ox_answer ans;
	struct ox_req r;
	enum rc rc;

	ox_req_init(&r, "contacts", "advancedSearch");
	ox_param(&r, "columns", x->c.text);
	ox_param(&r, "sort", "500");
	ox_param(&r, "order", "asc");
	ox_param(&r, "left_hand_limit", "0");
	ox_param_i64(&r, "right_hand_limit", (int64_t)x->q->max + 1);
	module_params(&r, CT_CONTACT);
	rc = search_contacts_body(x, &r.body, e);
	r.has_body = true;
	if (rc == RC_OK)
		rc = ox_call(x->s, &r, &ans, e);
	ox_req_fini(&r);
	if (rc != RC_OK)
		return rc;
	rc = contacts_take(x, ans.data, e);
	ox_answer_fini(&ans);
	return rc;
}

/* ---- the search ---- */

static int
by_order(const void *a, const void *b)
{
	const struct ox_hit *x = a, *y = b;
	int c = strcasecmp(x->name, y->name);

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	if (c != 0)
		return c;
	if (x->folder != y->folder)
		return x->folder < y->folder ? -1 : 1;
	return (x->id < y->id) - (x->id > y->id);
}

/* Those that have every word, in their order, MAX at most. */
static void
sorted(struct searching *x)
{
	size_t kept = 0;

	for (size_t i = 0; i < x->n; i++)
		if (x->hit[i].words == x->q->n_words)
			x->hit[kept++] = x->hit[i];
	x->n = kept;
	if (x->n > 1)
		qsort(x->hit, x->n, sizeof(*x->hit), by_order);
	if (x->n > x->q->max) {
		x->n = x->q->max;
		x->cut = true;
	}
}

static enum rc
search_once(struct searching *x, const struct pim_ops *ops, struct err *e)
{
	x->n = 0;
	x->at = NULL;
	x->cut = false;
	if (x->q->ct == CT_CONTACT)
		return search_contacts(x, e);
	return ops == &chronos_ops ? chronos_search(x, e) : search_parts(x, e);
}

enum rc
ox_search(struct ox_session *s, struct arena *a, const struct ox_search *q, struct ox_hit **out, size_t *n, bool *cut, struct err *e)
{
	struct searching x = { .s = s, .a = a, .q = q, .scratch = object_new(a, q->ct) };
	const struct pim_ops *ops = pim_ops(s->b, q->ct);
	struct err local;
	enum rc rc;

	*out = NULL;
	*n = 0;
	*cut = false;
	if (e == NULL)
		e = &local;
	if (x.scratch == NULL)
		return err_set(e, RC_NOMEM, "out of memory for a search");
	search_columns(&x);
	do
		rc = search_once(&x, ops, e);
	while (pim_ops_again(s, q->ct, &ops, rc, ops != &chronos_ops, e));
	object_drop(x.scratch);
	if (rc != RC_OK)
		return rc;
	sorted(&x);
	*out = x.hit;
	*n = x.n;
	*cut = x.cut;
	return RC_OK;
}
