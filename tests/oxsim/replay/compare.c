/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Compares the values of a recorded answer with those of this run: types, null, ids, tokens,
 * instants, rows and lists.  What was seen first is learned, what was learned is checked; the
 * wording of messages is the server's and is not compared. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compare_int.h"
#include "tokens.h"

bool
compare_one_of(const char *key, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(key, *list) == 0)
			return true;
	return false;
}

static const char *const texts[] = { "error", "error_desc", "error_params", "error_id",
	"error_stack", "message", NULL };
/* Numbers a server makes up: only their type is compared. */
static const char *const made_up[] = { "validity", "next", "token", "file_id", NULL };
static const char *const folder_keys[] = { "folder", "folder_id", "folderId", "parent",
	"parentFolder", NULL };
static const char *const id_keys[] = { "id", "contact_id", "objectId", "seriesId", "attached",
	"target_id", "recurrence_id", NULL };
static const char *const user_keys[] = { "participants", "users", "members", "permissions",
	"confirmations", "attendees", "organizer", NULL };

static const char *
type_name(const json_t *v)
{
	if (v == NULL)
		return "absent";
	switch (json_typeof(v)) {
	case JSON_NULL: return "null";
	case JSON_TRUE:
	case JSON_FALSE: return "bool";
	case JSON_INTEGER: return "integer";
	case JSON_REAL: return "real";
	case JSON_STRING: return "string";
	case JSON_ARRAY: return "array";
	default: return "object";
	}
}

/* V as short text for a report line. */
const char *
compare_brief(const json_t *v, char *buf, size_t size)
{
	char *t = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	snprintf(buf, size, "%s", t ? t : "absent");
	free(t);
	return buf;
}

void
compare_differ(struct env *e, const char *path, const char *what, const json_t *rec, const json_t *rep)
{
	char a[96], b[96];

	diff(e->x, path, "%s %s vs %s", what, compare_brief(rec, a, sizeof(a)), compare_brief(rep, b, sizeof(b)));
}

void
compare_child(char *out, const char *path, const char *name)
{
	snprintf(out, PATH_SIZE, "%.*s/%s", PATH_SIZE / 2, path, name);
}

/* --- scalars ------------------------------------------------------------------------------- */

bool
compare_is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static void
scalar_text(const json_t *v, char *buf, size_t size)
{
	if (json_is_string(v))
		snprintf(buf, size, "%s", json_string_value(v));
	else
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
}

static void
cmp_id(struct env *e, const char *path, const char *kind, json_t *rec, json_t *rep)
{
	char a[256], b[256], *mapped;
	const char *la, *lb;

	scalar_text(rec, a, sizeof(a));
	scalar_text(rep, b, sizeof(b));
	la = strstr(a, "://") ? strrchr(a, '/') + 1 : a;
	lb = strstr(b, "://") ? strrchr(b, '/') + 1 : b;
	mapped = request_map_id(e->x->run->map, kind, a);
	if (strcmp(mapped, b) == 0) {
		/* equal by chance or known: either way it is known from now on */
		if (compare_is_number(la))
			idmap_put(e->x->run->map, kind, la, lb);
	} else if (!compare_is_number(la) || !compare_is_number(lb) || la - a != lb - b ||
	    idmap_get(e->x->run->map, kind, la)) {
		diff(e->x, path, "id %s (here %s) vs %s", a, mapped, b);
	} else {
		idmap_put(e->x->run->map, kind, la, lb);
	}
	free(mapped);
}

static int64_t
distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

bool
compare_is_server_time(const struct env *e, int64_t rec)
{
	return distance(rec, e->x->rec_now) < 14 * HOUR_MS;
}

/* A zone shift shows as whole hours between the two distances to now. */
void
compare_time(struct env *e, const char *path, int64_t rec, int64_t rep)
{
	int64_t off = distance(rec - e->x->rec_now, rep - e->x->rep_now);
	bool initial = false;

	for (int64_t h = -14; h <= 14; h++)
		if (rec - h * HOUR_MS > SETUP_BEGIN && rec - h * HOUR_MS < SETUP_END)
			initial = true;
	if (off < STEP_MS || (initial && rep > 0))
		idmap_put_time(e->x->run->map, rec, rep);
	else
		diff(e->x, path, "instant %" PRId64 " s after the start vs %" PRId64 " s",
		    (rec - e->x->rec_now) / 1000, (rep - e->x->rep_now) / 1000);
}

static void
cmp_integer(struct env *e, const char *path, const char *kind, json_t *rec, json_t *rep)
{
	int64_t a = json_integer_value(rec), b = json_integer_value(rep);

	if (kind)
		cmp_id(e, path, kind, rec, rep);
	else if (compare_is_server_time(e, a))
		compare_time(e, path, a, b);
	else if (a != b)
		compare_differ(e, path, "value", rec, rep);
}

/* Header lines come in the order of a hash table: the same lines are enough. */
static bool
same_lines(struct xchg *x, const char *a, const char *b)
{
	char *text = strdup(a), *save = NULL;
	bool all = strlen(a) == strlen(b) && request_param(x->request, "hdr") != NULL;

	for (char *l = strtok_r(text, "\r\n", &save); all && l; l = strtok_r(NULL, "\r\n", &save)) {
		char *other = strdup(b), *save2 = NULL;
		bool found = false;

		for (char *m = strtok_r(other, "\r\n", &save2); m && !found;
		    m = strtok_r(NULL, "\r\n", &save2))
			found = compare_string_equal(x, l, m);
		free(other);
		all = found;
	}
	free(text);
	return all;
}

static void
cmp_string(struct env *e, const char *path, const char *kind, json_t *rec, json_t *rep)
{
	const char *a = json_string_value(rec), *b = json_string_value(rep);
	char *mapped;
	bool equal;

	if (kind && compare_is_number(strstr(a, "://") ? strrchr(a, '/') + 1 : a)) {
		cmp_id(e, path, kind, rec, rep);
		return;
	}
	if (strlen(a) == 13 && compare_is_number(a) && compare_is_server_time(e, strtoll(a, NULL, 10)) &&
	    compare_is_number(b)) {
		compare_time(e, path, strtoll(a, NULL, 10), strtoll(b, NULL, 10));
		return;
	}
	mapped = strncmp(a, "/ajax/", 6) == 0 ? request_map_url(e->x, a) : strdup(a);
	equal = compare_string_equal(e->x, mapped, b);
	free(mapped);
	if (!equal && !same_lines(e->x, a, b))
		compare_differ(e, path, "value", rec, rep);
}

/* "default0/INBOX/9" names a message. */
static void
cmp_mail_place(struct env *e, const char *path, json_t *rec, json_t *rep)
{
	const char *a = json_string_value(rec), *b = json_string_value(rep);
	const char *la = strrchr(a, '/'), *lb = strrchr(b, '/');
	char kind[256];
	json_t *ida, *idb;

	if (la == NULL || lb == NULL || la - a != lb - b || strncmp(a, b, (size_t)(la - a))) {
		compare_differ(e, path, "value", rec, rep);
		return;
	}
	snprintf(kind, sizeof(kind), "mail/%s:%.*s", e->x->user ? e->x->user : "", (int)(la - a), a);
	ida = json_string(la + 1);
	idb = json_string(lb + 1);
	cmp_id(e, path, kind, ida, idb);
	json_decref(ida);
	json_decref(idb);
}

/* --- objects --------------------------------------------------------------------------------- */

/* The kind of ids below ELEMENT: mail ids belong to the folder the element names. */
static const char *
mail_kind(const struct env *e, const char *folder, char *buf, size_t size)
{
	snprintf(buf, size, "mail/%s:%s", e->x->user ? e->x->user : "",
	    folder ? folder : e->folder ? e->folder : "");
	return buf;
}

static void
cmp_object(struct env *e, const char *path, const char *idkind, json_t *rec, json_t *rep)
{
	char sub[PATH_SIZE], buf[256], text[96];
	const char *folder = json_string_value(json_object_get(rec, "folder_id"));
	const char *key, *kind;
	json_t *v, *w;

	if (idkind && strncmp(idkind, "mail", 4) == 0)
		idkind = mail_kind(e, folder, buf, sizeof(buf));
	json_object_foreach(rec, key, v) {
		compare_child(sub, path, key);
		w = json_object_get(rep, key);
		kind = compare_one_of(key, user_keys) ? NULL : strcmp(key, "alarms") == 0 ? "alarm" : idkind;
		if (w == NULL)
			diff(e->x, sub, "member %s vs absent", compare_brief(v, text, sizeof(text)));
		else
			compare_value(e, sub, key, kind, v, w);
	}
	json_object_foreach(rep, key, w) {
		compare_child(sub, path, key);
		if (json_object_get(rec, key) == NULL)
			diff(e->x, sub, "absent vs member %s", compare_brief(w, text, sizeof(text)));
	}
}

/* --- arrays ---------------------------------------------------------------------------------- */

static const char *
column_kind(const struct env *e, size_t i, const char *idkind)
{
	int c = i < e->ncolumns ? e->columns[i] : 0;

	if (c == 1 || c == 600 || c == 654)
		return idkind;
	if (c == 20 || c == 601)
		return "folder";
	if (c == 801)
		return e->attached;
	if (c == 206 && idkind && strcmp(idkind, "event") == 0)
		return idkind;
	return NULL;
}

static void
cmp_row(struct env *e, const char *path, const char *idkind, json_t *rec, json_t *rep)
{
	char sub[PATH_SIZE], name[24], buf[256];

	if (idkind && strncmp(idkind, "mail", 4) == 0) {
		const char *folder = NULL;

		for (size_t i = 0; i < e->ncolumns; i++)
			if (e->columns[i] == 601)
				folder = json_string_value(json_array_get(rec, i));
		idkind = mail_kind(e, folder, buf, sizeof(buf));
	}
	if (json_array_size(rec) != json_array_size(rep))
		diff(e->x, path, "row of %zu cells vs %zu", json_array_size(rec), json_array_size(rep));
	for (size_t i = 0; i < json_array_size(rec) && i < json_array_size(rep); i++) {
		snprintf(name, sizeof(name), "%zu", i);
		compare_child(sub, path, name);
		compare_value(e, sub, "", column_kind(e, i, idkind), json_array_get(rec, i),
		    json_array_get(rep, i));
	}
}

/* The value that identifies an element of a list, NULL when it has none. */
static json_t *
element_key(const struct env *e, json_t *v)
{
	static const char *const names[] = { "id", "identifier", "entity", "uid", "uri", NULL };

	if (json_is_array(v)) {
		for (size_t i = 0; i < e->ncolumns; i++)
			if (e->columns[i] == 1 || e->columns[i] == 600)
				return json_array_get(v, i);
		return NULL;
	}
	for (const char *const *n = names; json_is_object(v) && *n; n++)
		if (json_object_get(v, *n))
			return json_object_get(v, *n);
	return json_is_integer(v) || json_is_string(v) ? v : NULL;
}

static bool
same_key(struct env *e, const char *idkind, json_t *rec, json_t *rep)
{
	json_t *a = element_key(e, rec), *b = element_key(e, rep);
	char ta[256], tb[256], buf[256], *mapped;
	bool same;

	if (json_typeof(rec) != json_typeof(rep) || a == NULL || b == NULL ||
	    json_is_null(a) || json_is_null(b))
		return false;
	scalar_text(a, ta, sizeof(ta));
	scalar_text(b, tb, sizeof(tb));
	if (idkind && strncmp(idkind, "mail", 4) == 0)
		idkind = mail_kind(e, NULL, buf, sizeof(buf));
	if (idkind && compare_is_number(ta) && idmap_get(e->x->run->map, idkind, ta) == NULL)
		return false;
	mapped = idkind ? request_map_id(e->x->run->map, idkind, ta) : tokens_map(e->x->run->map, ta);
	same = strcmp(mapped, tb) == 0;
	free(mapped);
	return same;
}

/* How many parts of two elements are the same; -1 when they cannot be a pair. */
static int
likeness(json_t *rec, json_t *rep)
{
	const char *key;
	json_t *v;
	size_t i;
	int n = 0;

	if (json_typeof(rec) != json_typeof(rep))
		return -1;
	if (json_is_array(rec))
		json_array_foreach(rec, i, v)
			n += json_equal(v, json_array_get(rep, i)) && !json_is_null(v);
	else if (json_is_object(rec))
		json_object_foreach(rec, key, v)
			n += json_equal(v, json_object_get(rep, key));
	return n;
}

/* Pairs the two most similar elements that are left; false when there are none. */
static bool
pair_best(json_t *rec, json_t *rep, int *pair, bool *used)
{
	size_t n = json_array_size(rec), m = json_array_size(rep), bi = 0, bj = 0;
	int best = -1;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m && pair[i] < 0; j++) {
			int l = used[j] ? -1 : likeness(json_array_get(rec, i), json_array_get(rep, j));

			if (l > best) {
				best = l;
				bi = i;
				bj = j;
			}
		}
	if (best < 0)
		return false;
	pair[bi] = (int)bj;
	used[bj] = true;
	return true;
}

/* pair[i] = index in REP of the partner of element i of REC, or -1. */
static void
align(struct env *e, const char *idkind, json_t *rec, json_t *rep, int *pair, bool *used)
{
	size_t n = json_array_size(rec), m = json_array_size(rep);

	for (size_t i = 0; i < n; i++) {
		pair[i] = -1;
		for (size_t j = 0; j < m && pair[i] < 0; j++)
			if (!used[j] && same_key(e, idkind, json_array_get(rec, i), json_array_get(rep, j))) {
				pair[i] = (int)j;
				used[j] = true;
			}
	}
	while (pair_best(rec, rep, pair, used))
		;
}

static void
cmp_list(struct env *e, const char *path, const char *idkind, bool rows, json_t *rec, json_t *rep)
{
	size_t n = json_array_size(rec), m = json_array_size(rep);
	int *pair = calloc(n + 1, sizeof(*pair)), last = -1;
	bool *used = calloc(m + 1, sizeof(*used)), ordered = true;
	char sub[PATH_SIZE], name[24], text[96];

	if (pair == NULL || used == NULL)
		abort();
	align(e, idkind, rec, rep, pair, used);
	for (size_t i = 0; i < n; i++) {
		json_t *a = json_array_get(rec, i), *b;

		snprintf(name, sizeof(name), "%zu", i);
		compare_child(sub, path, name);
		if (pair[i] < 0) {
			diff(e->x, sub, "element %s vs absent", compare_brief(a, text, sizeof(text)));
			continue;
		}
		ordered = ordered && pair[i] > last;
		last = pair[i];
		b = json_array_get(rep, (size_t)pair[i]);
		if (rows && json_is_array(a))
			cmp_row(e, sub, idkind, a, b);
		else
			compare_value(e, sub, json_is_object(a) ? "" : "id", idkind, a, b);
	}
	if (e->sorted && rows && !ordered)
		diff(e->x, path, "order of the rows");
	for (size_t j = 0; j < m; j++)
		if (!used[j]) {
			snprintf(name, sizeof(name), "+%zu", j);
			compare_child(sub, path, name);
			diff(e->x, sub, "absent vs element %s", compare_brief(json_array_get(rep, j), text,
			    sizeof(text)));
		}
	free(pair);
	free(used);
}

static void
cmp_array(struct env *e, const char *path, const char *key, const char *idkind, json_t *rec,
    json_t *rep)
{
	static const char *const row_sets[] = { "/data", "/data/private", "/data/public",
		"/data/shared", NULL };
	const char *place = strstr(path, "/data");
	size_t n = json_array_size(rec);
	bool rows = place && compare_one_of(place, row_sets) && !json_is_boolean(json_array_get(rec, 0));
	bool lists = n && json_is_array(json_array_get(rec, 0));
	char sub[PATH_SIZE], name[24];

	if (rows || (n && json_is_object(json_array_get(rec, 0)))) {
		cmp_list(e, path, idkind, rows, rec, rep);
		return;
	}
	if (!lists && n != json_array_size(rep)) {
		/* a list of plain values: say which ones, not that all are shifted */
		cmp_list(e, path, NULL, false, rec, rep);
		return;
	}
	if (n != json_array_size(rep))
		diff(e->x, path, "array of %zu vs %zu", n, json_array_size(rep));
	for (size_t i = 0; i < n && i < json_array_size(rep); i++) {
		snprintf(name, sizeof(name), "%zu", i);
		compare_child(sub, path, name);
		compare_value(e, sub, lists ? "" : key, lists ? NULL : idkind, json_array_get(rec, i),
		    json_array_get(rep, i));
	}
}

void
compare_value(struct env *e, const char *path, const char *key, const char *idkind, json_t *rec,
    json_t *rep)
{
	bool cell = *key == '\0';	/* of a row: IDKIND is the kind of the cell itself */
	const char *kind = cell ? idkind : compare_one_of(key, id_keys) ? idkind :
	    compare_one_of(key, folder_keys) ? "folder" : NULL;

	if (strcmp(type_name(rec), type_name(rep))) {
		compare_differ(e, path, "type", rec, rep);
		return;
	}
	if (compare_one_of(key, texts) || compare_one_of(key, made_up))
		return;
	if (strcmp(key, "attached") == 0)
		kind = e->attached;
	else if (strcmp(key, "managedId") == 0)
		kind = "attachment";
	if (json_is_object(rec))
		cmp_object(e, path, idkind, rec, rep);
	else if (json_is_array(rec))
		cmp_array(e, path, key, idkind, rec, rep);
	else if (json_is_integer(rec))
		cmp_integer(e, path, kind, rec, rep);
	else if (json_is_string(rec) && strcmp(e->module, "mail") == 0 &&
	    (strcmp(key, "msgref") == 0 || strcmp(path, "/data") == 0) &&
	    strncmp(json_string_value(rec), "default0/", 9) == 0)
		cmp_mail_place(e, path, rec, rep);
	else if (json_is_string(rec))
		cmp_string(e, path, kind, rec, rep);
	else if (!json_equal(rec, rep))
		compare_differ(e, path, "value", rec, rep);
}
