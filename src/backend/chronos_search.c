/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Searching appointments by `chronos`: one request for some folders, the answer parted by folder. */
#include "backend/chronos_int.h"
#include "backend/search_int.h"

#include <string.h>

#define FOLDERS 50U /* of one request */
#define FIELDS "id,seriesId,timestamp,lastModified,uid,startDate,endDate,rrule,class,createdBy,summary,description,categories"

/* QUIRK(OX, 8.19): advancedSearch wants a range (SVL-0002); whole series come for any that they touch. */
static enum rc
request(struct searching *x, size_t from, size_t n, struct ox_answer *a, struct err *e)
{
	static const char *const fields[] = { "summary", "description", "categories" };
	struct ox_req r;
	enum rc rc = RC_OK;

	ox_req_init(&r, "chronos", "advancedSearch");
	r.t = model_content(CT_CALENDAR);
	ox_param(&r, "fields", FIELDS);
	ox_param(&r, "rangeStart", "00010101T000000Z");
	ox_param(&r, "rangeEnd", "99991231T000000Z");
	ox_param(&r, "expand", "false");
	ox_param(&r, "timezone", "UTC");
	buf_adds(&r.body, "{\"folders\":[");
	for (size_t i = from; i < from + n; i++) {
		struct buf name;

		buf_init(&name, 4096);
		folder_text(&name, x->q->folders[i]);
		if (i > from)
			buf_addc(&r.body, ',');
		json_text_string(&r.body, name.failed ? "" : name.p, name.failed ? 0 : name.len);
		buf_fini(&name);
	}
	buf_adds(&r.body, "],\"filter\":[\"and\"");
	for (size_t w = 0; w < x->q->n_words; w++) {
		char *pattern = word_pattern(x->a, "*", x->q->words[w], "*");

		if (pattern == NULL)
			rc = err_set(e, RC_NOMEM, "out of memory for a search");
		buf_adds(&r.body, ",[\"or\"");
		for (size_t f = 0; f < ARRAY_LEN(fields) && rc == RC_OK; f++) {
			buf_addf(&r.body, ",[\"=\",{\"field\":\"%s\"},", fields[f]);
			json_text_string(&r.body, pattern, strlen(pattern));
			buf_addc(&r.body, ']');
		}
		buf_addc(&r.body, ']');
	}
	buf_adds(&r.body, "]}");
	r.has_body = true;
	if (rc == RC_OK)
		rc = ox_call(x->s, &r, a, e);
	ox_req_fini(&r);
	return rc;
}

/* The number of the folder that OX calls NAME, among N from FROM; SIZE_MAX = none of them. */
static size_t
folder_named(const struct searching *x, const char *name, size_t from, size_t n)
{
	if (name != NULL && strncmp(name, PROVIDER, strlen(PROVIDER)) == 0)
		name += strlen(PROVIDER);
	for (size_t i = from; name != NULL && i < from + n; i++)
		if (strcmp(x->q->folders[i], name) == 0)
			return i;
	return SIZE_MAX;
}

/* PART: {folder, events}, or {folder, error} of one that is gone or closed: nothing is found in that. */
static enum rc
part_take(struct searching *x, const json_t *part, size_t from, size_t n, struct err *e)
{
	size_t folder = folder_named(x, json_string_value(json_object_get(part, "folder")), from, n), i;
	const json_t *events = json_object_get(part, "events");
	struct err why;
	json_t *v;
	enum rc rc = folder != SIZE_MAX ? search_folder(x, folder, e) : RC_OK;

	x->cut = x->cut || json_array_size(events) > x->q->max;
	json_array_foreach (rc == RC_OK && folder != SIZE_MAX ? events : NULL, i, v) {
		search_clear(x);
		rc = event_read(x->a, v, x->scratch, &why);
		if (rc == RC_NOMEM)
			return err_set(e, rc, "%s", why.text);
		if (rc == RC_OK && x->scratch->id != 0) /* one that cannot be read cannot be shown either */
			rc = search_take(x, SIZE_MAX, e);
		if (rc == RC_NOMEM)
			return rc;
	}
	return folder == SIZE_MAX || rc == RC_UPSTREAM ? RC_OK : rc;
}

enum rc
chronos_search(struct searching *x, struct err *e)
{
	enum rc rc = RC_OK;

	for (size_t f = 0; f < x->q->n_folders && rc == RC_OK; f += FOLDERS) {
		size_t n = x->q->n_folders - f < FOLDERS ? x->q->n_folders - f : FOLDERS, i;
		struct ox_answer a;
		json_t *part;

		rc = request(x, f, n, &a, e);
		if (rc != RC_OK)
			return rc;
		if (!json_is_array(a.data))
			rc = err_set(e, RC_UPSTREAM, "OX answered no list of appointments");
		json_array_foreach (rc == RC_OK ? a.data : NULL, i, part)
			if (rc == RC_OK)
				rc = part_take(x, part, f, n, e);
		ox_answer_fini(&a);
	}
	return rc;
}
